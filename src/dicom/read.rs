//! One file in, one CT slice (or the reason why not) out.

use std::{
    io::{BufReader, Read as _, Seek as _},
    path::Path,
};

use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileDicomObject, InMemDicomObject, OpenFileOptions, file::ReadPreamble};

use hilum_imaging::dot;

use crate::{
    attributes::Attributes,
    file::open_regular,
    pixels::{Pixels, Rescale, hounsfield},
};

/// A CT slice of 16384² does not exist; a header that says so is an attack or an accident.
const MAX_EDGE: u16 = 8_192;

/// What a DICOM file turned out to be.
#[derive(Debug)]
pub enum Found {
    /// Images of a CT series: one, or the frames of a multi-frame object in their order.
    Ct(Vec<CtSlice>),
    /// An image of a CT series that lacks what a slice of a volume has.
    Unusable(Box<Unusable>),
    /// Readable DICOM that is no CT image: a DICOMDIR, a report, a secondary capture, another modality.
    Other {
        /// (0020,000E) Series Instance UID; empty if absent, as in a DICOMDIR.
        series_uid: String,
        /// (0008,103E) Series Description; empty if absent.
        series_description: String,
    },
}

/// A CT image that is no slice, and what tells whether that matters.
#[derive(Debug)]
pub struct Unusable {
    /// (0020,000E) Series Instance UID.
    pub series_uid: String,
    /// (0010,0020) Patient ID, trimmed.
    pub patient_id: String,
    /// Whether its Image Type says that it is a localiser.
    pub localiser: bool,
    /// What it lacks.
    pub why: ReadError,
}

/// What a slice says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// (0010,0020) Patient ID, trimmed.
    pub patient_id: String,
    /// (0008,0020) Study Date, as it is written; empty if absent.
    pub study_date: String,
    /// (0020,000D) Study Instance UID.
    pub study_uid: String,
    /// (0020,000E) Series Instance UID.
    pub series_uid: String,
    /// (0008,0018) SOP Instance UID.
    pub sop_uid: String,
    /// (0020,0052) Frame of Reference UID; empty if absent.
    pub frame_of_reference_uid: String,
    /// (0008,103E) Series Description; empty if absent.
    pub series_description: String,
    /// (0008,0008) Image Type, its values.
    pub image_type: Vec<String>,
    /// (0020,0013) Instance Number.
    pub instance_number: Option<i32>,
    /// (0028,0010) Rows.
    pub rows: u16,
    /// (0028,0011) Columns.
    pub columns: u16,
    /// (0028,0030) Pixel Spacing: between rows (down), then between columns (across), mm.
    pub pixel_spacing_mm: [f64; 2],
    /// (0020,0032) Image Position (Patient): centre of the first pixel, LPS, mm.
    pub position_lps_mm: [f64; 3],
    /// (0020,0037) Image Orientation (Patient): the direction along a row, then along a column.
    pub orientation: [[f64; 3]; 2],
    /// (0018,0050) Slice Thickness: how wide the slice is, not how far the next one.
    pub slice_thickness_mm: Option<f64>,
    /// (0028,1052) Rescale Intercept, HU; Type 1 in PS3.3 C.8.2.1. Converters that stored HU leave it out.
    pub rescale_intercept: Option<f64>,
}

/// A CT image in Hounsfield units.
#[derive(Debug, Clone, PartialEq)]
pub struct CtSlice {
    /// What it says of itself.
    pub header: Header,
    /// HU, row by row: stored value × Rescale Slope + Rescale Intercept (PS3.3 C.11.1.1.2), half away from zero and
    /// held within 16 bits.
    pub hu: Vec<i16>,
    /// The same without rounding, where a whole number of 16 bits does not say it.
    pub exact_hu: Option<Vec<f32>>,
}

impl Header {
    /// Whether Image Type says that this is a localiser.
    #[must_use]
    pub fn is_localiser(&self) -> bool {
        localiser(&self.image_type)
    }
}

/// PS3.3 C.8.2.1.1.1: value 3 of a CT image's type; some scanners move it.
fn localiser(image_type: &[String]) -> bool {
    image_type.iter().any(|value| value == "LOCALIZER")
}

/// Why a file could not be read. No path: the caller knows it, and a file name may identify a patient.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("cannot open it")]
    Open(#[source] std::io::Error),
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// It ends, or its bytes are blank, before it could say what it is, and it is no text.
    #[error("it is cut off before the header's end")]
    Stub,
    /// Not DICOM at all.
    #[error("it is not a DICOM file")]
    NotDicom,
    /// It begins as DICOM and cannot be read to its end.
    #[error("it is damaged or cut off")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file ends too early, or its pixel data are shorter than its header says.
    #[error("it is cut off: {found} bytes of pixel data where {wanted} are needed")]
    Truncated {
        /// Bytes that are needed.
        wanted: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// An attribute that every CT image has (PS3.3 A.3) is missing or has no sense.
    #[error("its attribute {0} is missing or has no valid value")]
    Attribute(&'static str),
    /// The pixel data are coded in a way this build does not read.
    #[error("cannot decode its pixel data (transfer syntax {transfer_syntax})")]
    Pixels {
        /// The UID of the transfer syntax.
        transfer_syntax: String,
        /// The decoder's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

pub(crate) type Object = FileDicomObject<InMemDicomObject>;

/// Reads a DICOM file; one without preamble is accepted.
///
/// # Errors
/// [`ReadError`] if it is not DICOM, is cut off, or does not say which series it belongs to.
pub fn read(path: &Path) -> Result<Found, ReadError> {
    let mut file = BufReader::new(open_regular(path).map_err(ReadError::Open)?);
    let mut start = Vec::with_capacity(PREAMBLE + 4);
    file.by_ref().take(PREAMBLE as u64 + 4).read_to_end(&mut start).map_err(ReadError::Open)?;
    file.rewind().map_err(ReadError::Open)?;
    let marked = start.get(PREAMBLE..) == Some(PREFIX) || start.starts_with(PREFIX);
    if !marked {
        check_start(&start)?;
    }
    // Read from the open file: the library's own errors would name the path.
    let object = OpenFileOptions::new()
        .read_preamble(ReadPreamble::Auto)
        .from_reader(file)
        .map_err(|source| if marked { ReadError::Damaged(reason(&source)) } else { ReadError::NotDicom })?;
    let all = Attributes::of(&object);
    let sop_class = all
        .text(tags::SOP_CLASS_UID)
        .or_else(|| Some(object.meta().media_storage_sop_class_uid().trim_end_matches(['\0', ' ']).to_owned()))
        .unwrap_or_default();
    if ![uids::CT_IMAGE_STORAGE, uids::ENHANCED_CT_IMAGE_STORAGE].contains(&sop_class.as_str()) {
        return Ok(Found::Other {
            series_uid: all.text(tags::SERIES_INSTANCE_UID).unwrap_or_default(),
            series_description: all.text(tags::SERIES_DESCRIPTION).unwrap_or_default(),
        });
    }
    let series_uid = all.required(tags::SERIES_INSTANCE_UID, "Series Instance UID")?;
    let is_multi_frame = sop_class == uids::ENHANCED_CT_IMAGE_STORAGE;
    Ok(match slices(&object, &series_uid, is_multi_frame) {
        Ok(slices) => Found::Ct(slices),
        Err(why) => Found::Unusable(Box::new(Unusable {
            series_uid,
            patient_id: all.text(tags::PATIENT_ID).unwrap_or_default(),
            localiser: localiser(&image_type(all)),
            why,
        })),
    })
}

/// An error of dicom-rs and its causes in one line: they quote what the file says, line breaks included.
pub(crate) fn reason(error: &dyn std::error::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let causes = std::iter::successors(Some(error), |error| error.source());
    printable(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")).into()
}

/// A text without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// PS3.10 7.1: so many bytes of preamble, then the prefix. Some writers leave out the preamble, some both.
const PREAMBLE: usize = 128;
const PREFIX: &[u8] = b"DICM";

/// Tells what is left of a slice from what never was one, by a start without the prefix.
fn check_start(start: &[u8]) -> Result<(), ReadError> {
    let text = |byte: &u8| *byte >= b' ' || byte.is_ascii_whitespace();
    if start.is_empty() {
        Err(ReadError::Empty)
    } else if start.iter().all(|&byte| byte == 0) || (start.len() < PREAMBLE + 4 && !start.iter().all(text)) {
        Err(ReadError::Stub)
    } else {
        Ok(())
    }
}

fn slices(object: &Object, series_uid: &str, is_multi_frame: bool) -> Result<Vec<CtSlice>, ReadError> {
    let frames = if is_multi_frame { Attributes::of_frames(object)? } else { vec![Attributes::of_one(object)?] };
    let told = |frame: Attributes<'_>| {
        let header = header(frame, series_uid)?;
        let rescale = Rescale::of(frame, &header)?;
        Ok((header, rescale))
    };
    let told: Vec<(Header, Rescale)> = frames.into_iter().map(told).collect::<Result<_, ReadError>>()?;
    let size = told.first().map_or([0; 2], |(header, _)| [header.rows, header.columns]);
    let pixels = Pixels::of(object, size, told.len())?;
    let slice = |(number, (header, rescale)): (usize, (Header, Rescale))| {
        let (hu, exact_hu) = hounsfield(rescale, &pixels.frame(number)?);
        Ok(CtSlice { header, hu, exact_hu })
    };
    told.into_iter().enumerate().map(slice).collect()
}

fn header(image: Attributes<'_>, series_uid: &str) -> Result<Header, ReadError> {
    let rows = image.integer(tags::ROWS).ok_or(ReadError::Attribute("Rows"))?;
    let columns = image.integer(tags::COLUMNS).ok_or(ReadError::Attribute("Columns"))?;
    let edge = |value: i32, name| {
        u16::try_from(value).ok().filter(|edge| (1..=MAX_EDGE).contains(edge)).ok_or(ReadError::Attribute(name))
    };
    let [xx, xy, xz, yx, yy, yz] = image.floats(tags::IMAGE_ORIENTATION_PATIENT, "Image Orientation (Patient)")?;
    let orientation = [[xx, xy, xz], [yx, yy, yz]];
    let spacing = image.floats(tags::PIXEL_SPACING, "Pixel Spacing")?;
    if spacing.iter().any(|&mm| mm <= 0.0) {
        return Err(ReadError::Attribute("Pixel Spacing"));
    }
    // PS3.3 C.7.6.2.1.1: the two directions are orthogonal unit vectors. Writers round to six digits or so.
    let [row, column] = orientation;
    let unit = |v: [f64; 3]| (dot(v, v) - 1.0).abs() < 1e-2;
    if !unit(row) || !unit(column) || dot(row, column).abs() > 1e-2 {
        return Err(ReadError::Attribute("Image Orientation (Patient)"));
    }
    Ok(Header {
        patient_id: image.text(tags::PATIENT_ID).unwrap_or_default(),
        study_date: image.text(tags::STUDY_DATE).unwrap_or_default(),
        study_uid: image.text(tags::STUDY_INSTANCE_UID).unwrap_or_default(),
        series_uid: series_uid.to_owned(),
        sop_uid: image.required(tags::SOP_INSTANCE_UID, "SOP Instance UID")?,
        frame_of_reference_uid: image.text(tags::FRAME_OF_REFERENCE_UID).unwrap_or_default(),
        series_description: image.text(tags::SERIES_DESCRIPTION).unwrap_or_default(),
        image_type: image_type(image),
        instance_number: image.integer(tags::INSTANCE_NUMBER),
        rows: edge(rows, "Rows")?,
        columns: edge(columns, "Columns")?,
        pixel_spacing_mm: spacing,
        position_lps_mm: image.floats(tags::IMAGE_POSITION_PATIENT, "Image Position (Patient)")?,
        orientation,
        rescale_intercept: image.optional(tags::RESCALE_INTERCEPT, "Rescale Intercept")?,
        slice_thickness_mm: image.floats::<1>(tags::SLICE_THICKNESS, "").ok().map(|[mm]| mm),
    })
}

fn image_type(image: Attributes<'_>) -> Vec<String> {
    // A frame has its own (PS3.3 C.8.15.3.2).
    image
        .text(tags::FRAME_TYPE)
        .or_else(|| image.text(tags::IMAGE_TYPE))
        .map(|value| value.split('\\').map(|part| part.trim().to_owned()).collect())
        .unwrap_or_default()
}
