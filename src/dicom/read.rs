//! One file in, one CT slice (or the reason why not) out.

use std::{
    io::{BufReader, Read as _, Seek as _},
    path::Path,
};

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileDicomObject, InMemDicomObject, OpenFileOptions, file::ReadPreamble};
use dicom_pixeldata::PixelDecoder as _;

use hilum_imaging::{dot, jpeg};

use crate::{file::open_regular, jpeg2000, rle};

/// A CT slice of 16384² does not exist; a header that says so is an attack or an accident.
const MAX_EDGE: u16 = 8_192;

/// The SOP class of a CT in one multi-frame object, which is not read.
pub const ENHANCED_CT: &str = uids::ENHANCED_CT_IMAGE_STORAGE;

/// What a DICOM file turned out to be.
#[derive(Debug)]
pub enum Found {
    /// An image of a CT series.
    Ct(Box<CtSlice>),
    /// An image of a CT series that lacks what a slice of a volume has.
    Unusable(Box<Unusable>),
    /// Readable DICOM that is no CT image: a DICOMDIR, a report, a secondary capture, another modality.
    Other {
        /// The SOP class UID, as written.
        sop_class: String,
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

type Object = FileDicomObject<InMemDicomObject>;

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
    let sop_class = text(&object, tags::SOP_CLASS_UID)
        .or_else(|| Some(object.meta().media_storage_sop_class_uid().trim_end_matches(['\0', ' ']).to_owned()))
        .unwrap_or_default();
    if sop_class != uids::CT_IMAGE_STORAGE {
        return Ok(Found::Other {
            sop_class,
            series_uid: text(&object, tags::SERIES_INSTANCE_UID).unwrap_or_default(),
            series_description: text(&object, tags::SERIES_DESCRIPTION).unwrap_or_default(),
        });
    }
    let series_uid = required(&object, tags::SERIES_INSTANCE_UID, "Series Instance UID")?;
    Ok(match slice(&object, &series_uid) {
        Ok(slice) => Found::Ct(Box::new(slice)),
        Err(why) => Found::Unusable(Box::new(Unusable {
            series_uid,
            patient_id: text(&object, tags::PATIENT_ID).unwrap_or_default(),
            localiser: localiser(&image_type(&object)),
            why,
        })),
    })
}

/// An error of dicom-rs and its causes in one line: they quote what the file says, line breaks included.
fn reason(error: &dyn std::error::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let causes = std::iter::successors(Some(error), |error| error.source());
    printable(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")).into()
}

/// A text without control characters.
fn printable(text: &str) -> String {
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

fn slice(object: &Object, series_uid: &str) -> Result<CtSlice, ReadError> {
    let header = header(object, series_uid)?;
    let (hu, exact_hu) = hounsfield(object, &header)?;
    Ok(CtSlice { header, hu, exact_hu })
}

fn header(object: &Object, series_uid: &str) -> Result<Header, ReadError> {
    let rows = integer(object, tags::ROWS).ok_or(ReadError::Attribute("Rows"))?;
    let columns = integer(object, tags::COLUMNS).ok_or(ReadError::Attribute("Columns"))?;
    let edge = |value: i32, name| {
        u16::try_from(value).ok().filter(|edge| (1..=MAX_EDGE).contains(edge)).ok_or(ReadError::Attribute(name))
    };
    let [xx, xy, xz, yx, yy, yz] = floats(object, tags::IMAGE_ORIENTATION_PATIENT, "Image Orientation (Patient)")?;
    let orientation = [[xx, xy, xz], [yx, yy, yz]];
    let spacing = floats(object, tags::PIXEL_SPACING, "Pixel Spacing")?;
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
        patient_id: text(object, tags::PATIENT_ID).unwrap_or_default(),
        study_date: text(object, tags::STUDY_DATE).unwrap_or_default(),
        study_uid: text(object, tags::STUDY_INSTANCE_UID).unwrap_or_default(),
        series_uid: series_uid.to_owned(),
        sop_uid: required(object, tags::SOP_INSTANCE_UID, "SOP Instance UID")?,
        frame_of_reference_uid: text(object, tags::FRAME_OF_REFERENCE_UID).unwrap_or_default(),
        series_description: text(object, tags::SERIES_DESCRIPTION).unwrap_or_default(),
        image_type: image_type(object),
        instance_number: integer(object, tags::INSTANCE_NUMBER),
        rows: edge(rows, "Rows")?,
        columns: edge(columns, "Columns")?,
        pixel_spacing_mm: spacing,
        position_lps_mm: floats(object, tags::IMAGE_POSITION_PATIENT, "Image Position (Patient)")?,
        orientation,
        rescale_intercept: optional(object, tags::RESCALE_INTERCEPT, "Rescale Intercept")?,
        slice_thickness_mm: floats::<1>(object, tags::SLICE_THICKNESS, "").ok().map(|[mm]| mm),
    })
}

/// The text of an attribute, trimmed of padding; `None` if absent.
fn text(object: &Object, tag: Tag) -> Option<String> {
    let value = object.element(tag).ok()?.to_str().ok()?;
    Some(value.trim_matches(['\0', ' ']).to_owned())
}

/// The text of an attribute that must have one.
fn required(object: &Object, tag: Tag, name: &'static str) -> Result<String, ReadError> {
    text(object, tag).filter(|value| !value.is_empty()).ok_or(ReadError::Attribute(name))
}

fn image_type(object: &Object) -> Vec<String> {
    text(object, tags::IMAGE_TYPE)
        .map(|value| value.split('\\').map(|part| part.trim().to_owned()).collect())
        .unwrap_or_default()
}

fn integer(object: &Object, tag: Tag) -> Option<i32> {
    object.element(tag).ok()?.to_int().ok()
}

fn floats<const N: usize>(object: &Object, tag: Tag, name: &'static str) -> Result<[f64; N], ReadError> {
    let values = object.element(tag).ok().and_then(|element| element.to_multi_float64().ok());
    values
        .and_then(|values| <[f64; N]>::try_from(values).ok())
        .filter(|values| values.iter().all(|value| value.is_finite()))
        .ok_or(ReadError::Attribute(name))
}

/// A number that may be absent or empty.
fn optional(object: &Object, tag: Tag, name: &'static str) -> Result<Option<f64>, ReadError> {
    if text(object, tag).is_none_or(|value| value.is_empty()) {
        return Ok(None);
    }
    floats::<1>(object, tag, name).map(|[value]| Some(value))
}

/// HU that differ by less than this from a whole number are one: so much is lost where a slope of 1 is written in
/// single precision.
const WHOLE_HU: f64 = 1e-4;

/// A whole number with which 16 bits can be multiplied, and to which it can be added, in 32 bits.
fn small_whole(number: f64) -> Option<i32> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
    (number.fract() == 0.0 && number.abs() <= 10_000.0).then_some(number as i32)
}

/// HU in 16 bits, and without rounding where that is not the same.
fn hounsfield(object: &Object, header: &Header) -> Result<(Vec<i16>, Option<Vec<f32>>), ReadError> {
    let slope = optional(object, tags::RESCALE_SLOPE, "Rescale Slope")?.unwrap_or(1.0);
    let intercept = header.rescale_intercept.unwrap_or(0.0);
    if slope == 0.0 {
        return Err(ReadError::Attribute("Rescale Slope"));
    }
    // No stored value must leave single precision.
    if 65_536.0 * slope.abs() + intercept.abs() > f64::from(f32::MAX) {
        return Err(ReadError::Attribute("Rescale Slope"));
    }
    let signed = integer(object, tags::PIXEL_REPRESENTATION) == Some(1);
    if header.rescale_intercept.is_none() && !signed {
        // Air is −1000 HU: values that cannot be negative are the scanner's own, and shifted by what is missing.
        return Err(ReadError::Attribute("Rescale Intercept"));
    }
    let bits_stored = integer(object, tags::BITS_STORED).unwrap_or(16);
    if integer(object, tags::SAMPLES_PER_PIXEL).unwrap_or(1) != 1 {
        return Err(ReadError::Attribute("Samples per Pixel"));
    }
    if integer(object, tags::BITS_ALLOCATED) != Some(16) || !(1..=16).contains(&bits_stored) {
        return Err(ReadError::Attribute("Bits Allocated"));
    }
    let stored = stored_values(object, header)?;
    // Bits above Bits Stored are not part of the value (PS3.5 8.1.1): old scanners keep overlays there.
    let unused = 16 - bits_stored.unsigned_abs();
    let value = |bits: u16| {
        let stored = if signed {
            f64::from((bits << unused).cast_signed() >> unused)
        } else {
            f64::from((bits << unused) >> unused)
        };
        stored * slope + intercept
    };
    if let (Some(slope), Some(intercept)) = (small_whole(slope), small_whole(intercept)) {
        // What nearly all scanners write; the same values in a fraction of the time.
        let stored = stored.iter().map(|&bits| {
            let shifted = bits << unused;
            if signed { i32::from(shifted.cast_signed() >> unused) } else { i32::from(shifted >> unused) }
        });
        let hu: Vec<i32> = stored.map(|stored| stored * slope + intercept).collect();
        if hu.iter().all(|&hu| i16::try_from(hu).is_ok()) {
            #[expect(clippy::cast_possible_truncation, reason = "all of them fit")]
            let hu = hu.into_iter().map(|hu| hu as i16).collect();
            return Ok((hu, None));
        }
    }
    let mut whole = true;
    let hu = stored
        .iter()
        .map(|&bits| {
            let exact = value(bits);
            #[expect(clippy::cast_possible_truncation, reason = "rounded; the cast saturates")]
            let hu = exact.round() as i16;
            whole &= (exact - f64::from(hu)).abs() < WHOLE_HU;
            hu
        })
        .collect();
    #[expect(clippy::cast_possible_truncation, reason = "single precision is what is kept")]
    let exact = |bits| value(bits) as f32;
    Ok((hu, (!whole).then(|| stored.into_iter().map(exact).collect())))
}

/// The JPEG processes that dicom-rs decodes.
const JPEG: [&str; 4] =
    [uids::JPEG_BASELINE8_BIT, uids::JPEG_EXTENDED12_BIT, uids::JPEG_LOSSLESS, uids::JPEG_LOSSLESS_SV1];

/// The 16-bit samples of a single frame, as stored.
fn stored_values(object: &Object, header: &Header) -> Result<Vec<u16>, ReadError> {
    let wanted = usize::from(header.rows) * usize::from(header.columns);
    // A CT image has one frame (PS3.3 A.3): of several, none is the slice.
    if optional(object, tags::NUMBER_OF_FRAMES, "Number of Frames")?.is_some_and(|frames| frames > 1.0) {
        return Err(ReadError::Attribute("Number of Frames"));
    }
    let element =
        object.element(tags::PIXEL_DATA).map_err(|_| ReadError::Truncated { wanted: wanted * 2, found: 0 })?;
    if let Some(primitive) = element.value().primitive() {
        // dicom-rs has already turned big-endian samples into numbers; `to_bytes` gives them in the machine's order.
        return samples(&primitive.to_bytes(), wanted);
    }
    let transfer_syntax = printable(object.meta().transfer_syntax().trim_end_matches('\0'));
    let fail = |source| ReadError::Pixels { transfer_syntax: transfer_syntax.clone(), source };
    let fragments = element.value().fragments().unwrap_or_default();
    if transfer_syntax == uids::RLE_LOSSLESS {
        // PS3.5 A.4.2: a frame is one fragment.
        let frame = fragments.first().map_or(&[][..], Vec::as_slice);
        return rle::decode(frame, wanted).map_err(|source| fail(source.into()));
    }
    if [uids::JPEG2000_LOSSLESS, uids::JPEG2000].contains(&transfer_syntax.as_str()) {
        let frame = fragments.concat();
        return jpeg2000::decode(&frame, [header.rows, header.columns]).map_err(|source| fail(source.into()));
    }
    if JPEG.contains(&transfer_syntax.as_str()) {
        // The decoder takes the frame's own size for granted, and a frame that is cut off for a whole one.
        let frame = jpeg::frame(&fragments.concat()).map_err(|source| fail(source.into()))?;
        if (frame.height, frame.width, frame.components) != (header.rows, header.columns, 1) {
            return Err(fail("the coded picture has another size than the slice".into()));
        }
    }
    let decoded = object.decode_pixel_data().map_err(|source| fail(reason(&source)))?;
    samples(decoded.data(), wanted)
}

/// The first `wanted` samples of pixel data in the machine's order.
fn samples(bytes: &[u8], wanted: usize) -> Result<Vec<u16>, ReadError> {
    let samples = bytes.as_chunks::<2>().0.get(..wanted);
    let samples = samples.ok_or(ReadError::Truncated { wanted: wanted * 2, found: bytes.len() })?;
    Ok(samples.iter().map(|pair| u16::from_ne_bytes(*pair)).collect())
}
