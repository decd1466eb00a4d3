//! One file in, its CT slices (or the reason why not) out.

use std::{
    cell::RefCell,
    io::Read as _,
    path::Path,
    sync::{Arc, LazyLock},
};

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries;
use hilum_imaging::dot;

use crate::{
    attributes::Attributes,
    file::open_regular,
    origin::{CARRIED, Carried},
    part10::Part10,
    pixels::{Pixels, Rescale, hounsfield},
    scan::{ScanError, Scanned},
};

/// A CT slice of 16384² does not exist; a header that says so is an attack or an accident.
const MAX_EDGE: u16 = 8_192;
/// A multi-frame CT of two thousand slices of 512² has half as many bytes.
const MOST_BYTES: u64 = 2 << 30;

/// What is read of an object, in rising order: of whose study it is, and of the image.
static WANTED: LazyLock<Vec<Tag>> = LazyLock::new(|| {
    let read = [
        tags::IMAGE_TYPE,
        tags::SOP_CLASS_UID,
        tags::SOP_INSTANCE_UID,
        tags::SERIES_DESCRIPTION,
        tags::SLICE_THICKNESS,
        tags::SERIES_INSTANCE_UID,
        tags::ACQUISITION_NUMBER,
        tags::INSTANCE_NUMBER,
        tags::IMAGE_POSITION_PATIENT,
        tags::IMAGE_ORIENTATION_PATIENT,
        tags::FRAME_OF_REFERENCE_UID,
        tags::TEMPORAL_POSITION_IDENTIFIER,
        tags::SAMPLES_PER_PIXEL,
        tags::PHOTOMETRIC_INTERPRETATION,
        tags::NUMBER_OF_FRAMES,
        tags::ROWS,
        tags::COLUMNS,
        tags::PIXEL_SPACING,
        tags::BITS_ALLOCATED,
        tags::BITS_STORED,
        tags::HIGH_BIT,
        tags::PIXEL_REPRESENTATION,
        tags::PIXEL_PADDING_VALUE,
        tags::PIXEL_PADDING_RANGE_LIMIT,
        tags::RESCALE_INTERCEPT,
        tags::RESCALE_SLOPE,
        tags::RESCALE_TYPE,
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    ];
    let mut wanted: Vec<Tag> = CARRIED.iter().map(|(tag, _)| *tag).chain(read).collect();
    wanted.sort_unstable();
    wanted
});

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
    /// (0008,0016) SOP Class UID.
    pub sop_class_uid: String,
    /// (0008,0018) SOP Instance UID.
    pub sop_uid: String,
    /// (0020,0052) Frame of Reference UID; empty if absent.
    pub frame_of_reference_uid: String,
    /// (0008,103E) Series Description; empty if absent.
    pub series_description: String,
    /// (0008,0008) Image Type, its values.
    pub image_type: Vec<String>,
    /// (0020,0012) Acquisition Number.
    pub acquisition_number: Option<i32>,
    /// (0020,0100) Temporal Position Identifier.
    pub temporal_position: Option<i32>,
    /// (0020,0013) Instance Number.
    pub instance_number: Option<i32>,
    /// Which frame of its object it is, from 1; nothing for an object that is one image.
    pub frame: Option<u32>,
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
    /// Whose study it is of; the frames of an object share it.
    pub carried: Arc<Carried>,
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
    /// More than any scanner writes.
    #[error("it has more than {most} bytes")]
    TooLarge {
        /// The bound.
        most: u64,
    },
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

/// Reads a DICOM file. One without preamble or without File Meta Information is accepted.
///
/// # Errors
/// [`ReadError`] if it is not DICOM, is cut off, or does not say which series it belongs to.
pub fn read(path: &Path) -> Result<Found, ReadError> {
    // Each thread reads one file after the other into the same room.
    ROOM.with_borrow_mut(|room| {
        from_file(path, room)?;
        let found = read_bytes(room);
        if room.capacity() > MOST_ROOM {
            *room = Vec::new();
        }
        found
    })
}

thread_local! {
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}
/// A slice of 1024² and its header fit.
const MOST_ROOM: usize = 4 << 20;

/// The bytes of a file, as many as a DICOM file may have and one more.
pub(crate) fn from_file(path: &Path, into: &mut Vec<u8>) -> Result<(), ReadError> {
    let mut file = open_regular(path).map_err(ReadError::Open)?;
    let length = file.metadata().map_err(ReadError::Open)?.len();
    into.clear();
    into.reserve(usize::try_from(length.min(MOST_BYTES) + 1).unwrap_or(0));
    file.by_ref().take(MOST_BYTES + 1).read_to_end(into).map_err(ReadError::Open)?;
    Ok(())
}

pub(crate) fn opened(bytes: &[u8]) -> Result<Part10<'_>, ReadError> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(ReadError::TooLarge { most: MOST_BYTES });
    }
    Part10::open(bytes)
}

/// Reads the bytes of a DICOM file.
///
/// # Errors
/// As those of [`read`].
pub fn read_bytes(bytes: &[u8]) -> Result<Found, ReadError> {
    let file = opened(bytes)?;
    let scanned = file.scan(&WANTED)?;
    let object = parsed(&file, &scanned)?;
    let all = Attributes::of(&object);
    let sop_class = all.text(tags::SOP_CLASS_UID).unwrap_or_else(|| file.sop_class_uid.clone());
    if ![uids::CT_IMAGE_STORAGE, uids::ENHANCED_CT_IMAGE_STORAGE].contains(&sop_class.as_str()) {
        return Ok(Found::Other {
            series_uid: all.text(tags::SERIES_INSTANCE_UID).unwrap_or_default(),
            series_description: all.text(tags::SERIES_DESCRIPTION).unwrap_or_default(),
        });
    }
    let series_uid = match all.required(tags::SERIES_INSTANCE_UID, "Series Instance UID") {
        Err(_) if scanned.pixels.is_none() => return Err(ScanError::CutOff.into()),
        uid => uid?,
    };
    let is_multi_frame = sop_class == uids::ENHANCED_CT_IMAGE_STORAGE;
    let carried = Arc::new(Carried::of(&scanned.wanted, file.coding));
    let pixels = Pixels::of(&file, scanned.pixels.as_ref());
    let of = Of { sop_class_uid: &sop_class, series_uid: &series_uid, carried: &carried, is_multi_frame };
    Ok(match slices(&object, pixels, of) {
        Ok(slices) => Found::Ct(slices),
        Err(why) => Found::Unusable(Box::new(Unusable {
            series_uid,
            patient_id: all.text(tags::PATIENT_ID).unwrap_or_default(),
            localiser: localiser(&image_type(all)),
            why,
        })),
    })
}

/// The elements that were wanted.
pub(crate) fn parsed(file: &Part10<'_>, scanned: &Scanned<'_>) -> Result<InMemDicomObject, ReadError> {
    let wanted = &scanned.wanted[..];
    let read = match (file.coding.explicit, file.coding.big_endian) {
        (false, _) => InMemDicomObject::read_dataset_with_ts(wanted, &entries::IMPLICIT_VR_LITTLE_ENDIAN.erased()),
        (true, false) => InMemDicomObject::read_dataset_with_ts(wanted, &entries::EXPLICIT_VR_LITTLE_ENDIAN.erased()),
        (true, true) => InMemDicomObject::read_dataset_with_ts(wanted, &entries::EXPLICIT_VR_BIG_ENDIAN.erased()),
    };
    read.map_err(|source| ReadError::Damaged(reason(&source)))
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

/// What the images of an object have in common.
#[derive(Clone, Copy)]
struct Of<'a> {
    sop_class_uid: &'a str,
    series_uid: &'a str,
    carried: &'a Arc<Carried>,
    is_multi_frame: bool,
}

fn slices(object: &InMemDicomObject, pixels: Pixels<'_>, of: Of<'_>) -> Result<Vec<CtSlice>, ReadError> {
    let Of { carried, is_multi_frame, .. } = of;
    let frames = if is_multi_frame { Attributes::of_frames(object)? } else { vec![Attributes::of_one(object)?] };
    let told = |(number, frame): (u32, Attributes<'_>)| {
        let header = Header { frame: is_multi_frame.then_some(number), ..header(frame, of)? };
        let rescale = Rescale::of(frame, &header)?;
        Ok((header, rescale))
    };
    let told: Vec<(Header, Rescale)> = (1..).zip(frames).map(told).collect::<Result<_, ReadError>>()?;
    let size = told.first().map_or([0; 2], |(header, _)| [header.rows, header.columns]);
    let frames = pixels.frames(size, told.len())?;
    let slice = |(number, (header, rescale)): (usize, (Header, Rescale))| {
        let (hu, exact_hu) = hounsfield(&rescale, frames.frame(number)?);
        Ok(CtSlice { header, carried: Arc::clone(carried), hu, exact_hu })
    };
    told.into_iter().enumerate().map(slice).collect()
}

fn header(image: Attributes<'_>, of: Of<'_>) -> Result<Header, ReadError> {
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
        series_uid: of.series_uid.to_owned(),
        sop_class_uid: of.sop_class_uid.to_owned(),
        sop_uid: image.required(tags::SOP_INSTANCE_UID, "SOP Instance UID")?,
        frame_of_reference_uid: image.text(tags::FRAME_OF_REFERENCE_UID).unwrap_or_default(),
        series_description: image.text(tags::SERIES_DESCRIPTION).unwrap_or_default(),
        image_type: image_type(image),
        acquisition_number: image.integer(tags::ACQUISITION_NUMBER),
        temporal_position: image.integer(tags::TEMPORAL_POSITION_IDENTIFIER),
        instance_number: image.integer(tags::INSTANCE_NUMBER),
        frame: None,
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
