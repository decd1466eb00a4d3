//! One file in, one CT slice (or the reason why not) out.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileDicomObject, InMemDicomObject, OpenFileOptions, file::ReadPreamble};
use dicom_pixeldata::PixelDecoder as _;

/// A CT slice of 16384² does not exist; a header that says so is an attack or an accident.
const MAX_EDGE: u16 = 8_192;

/// What a DICOM file turned out to be.
#[derive(Debug)]
pub enum Found {
    /// An image of a CT series.
    Ct(Box<CtSlice>),
    /// Readable DICOM that is no CT image: a DICOMDIR, a report, a secondary capture, another modality.
    Other {
        /// The SOP class UID, as written.
        sop_class: String,
    },
}

/// What a slice says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// (0010,0020) Patient ID, trimmed.
    pub patient_id: String,
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
}

/// A CT image in Hounsfield units.
#[derive(Debug, Clone, PartialEq)]
pub struct CtSlice {
    /// What it says of itself.
    pub header: Header,
    /// HU, row by row: stored value × Rescale Slope + Rescale Intercept (PS3.3 C.11.1.1.2), half away from zero.
    pub hu: Vec<i16>,
}

/// Why a file could not be read. No path: the caller knows it, and a file name may identify a patient.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("cannot open it")]
    Open(#[source] std::io::Error),
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
/// [`ReadError`] if it is not DICOM, is cut off, or lacks what every CT image has.
pub fn read(path: &Path) -> Result<Found, ReadError> {
    let mut file = BufReader::new(File::open(path).map_err(ReadError::Open)?);
    // PS3.10 7.1: 128 bytes of preamble, then the prefix. Some writers leave out the preamble, some both.
    let start = file.fill_buf().map_err(ReadError::Open)?;
    let marked = start.get(128..132) == Some(b"DICM") || start.get(..4) == Some(b"DICM");
    // Read from the open file: the library's own errors would name the path.
    let object = OpenFileOptions::new()
        .read_preamble(ReadPreamble::Auto)
        .from_reader(file)
        .map_err(|source| if marked { ReadError::Damaged(Box::new(source)) } else { ReadError::NotDicom })?;
    let sop_class = text(&object, tags::SOP_CLASS_UID)
        .or_else(|| Some(object.meta().media_storage_sop_class_uid().trim_end_matches(['\0', ' ']).to_owned()))
        .unwrap_or_default();
    if sop_class != uids::CT_IMAGE_STORAGE {
        return Ok(Found::Other { sop_class });
    }
    let header = header(&object)?;
    let hu = hounsfield(&object, &header)?;
    Ok(Found::Ct(Box::new(CtSlice { header, hu })))
}

fn header(object: &Object) -> Result<Header, ReadError> {
    let required = |tag, name| text(object, tag).filter(|value| !value.is_empty()).ok_or(ReadError::Attribute(name));
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
    let product = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let [row, column] = orientation;
    let unit = |v: [f64; 3]| (product(v, v) - 1.0).abs() < 1e-2;
    if !unit(row) || !unit(column) || product(row, column).abs() > 1e-2 {
        return Err(ReadError::Attribute("Image Orientation (Patient)"));
    }
    Ok(Header {
        patient_id: text(object, tags::PATIENT_ID).unwrap_or_default(),
        study_uid: text(object, tags::STUDY_INSTANCE_UID).unwrap_or_default(),
        series_uid: required(tags::SERIES_INSTANCE_UID, "Series Instance UID")?,
        sop_uid: required(tags::SOP_INSTANCE_UID, "SOP Instance UID")?,
        frame_of_reference_uid: text(object, tags::FRAME_OF_REFERENCE_UID).unwrap_or_default(),
        series_description: text(object, tags::SERIES_DESCRIPTION).unwrap_or_default(),
        image_type: text(object, tags::IMAGE_TYPE)
            .map(|value| value.split('\\').map(|part| part.trim().to_owned()).collect())
            .unwrap_or_default(),
        instance_number: integer(object, tags::INSTANCE_NUMBER),
        rows: edge(rows, "Rows")?,
        columns: edge(columns, "Columns")?,
        pixel_spacing_mm: spacing,
        position_lps_mm: floats(object, tags::IMAGE_POSITION_PATIENT, "Image Position (Patient)")?,
        orientation,
        slice_thickness_mm: floats::<1>(object, tags::SLICE_THICKNESS, "").ok().map(|[mm]| mm),
    })
}

/// The text of an attribute, trimmed of padding; `None` if absent.
fn text(object: &Object, tag: Tag) -> Option<String> {
    let value = object.element(tag).ok()?.to_str().ok()?;
    Some(value.trim_matches(['\0', ' ']).to_owned())
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

fn hounsfield(object: &Object, header: &Header) -> Result<Vec<i16>, ReadError> {
    let slope = floats::<1>(object, tags::RESCALE_SLOPE, "Rescale Slope").map_or(1.0, |[slope]| slope);
    let intercept = floats::<1>(object, tags::RESCALE_INTERCEPT, "Rescale Intercept").map_or(0.0, |[value]| value);
    let signed = integer(object, tags::PIXEL_REPRESENTATION) == Some(1);
    let bits_stored = integer(object, tags::BITS_STORED).unwrap_or(16);
    if integer(object, tags::SAMPLES_PER_PIXEL).unwrap_or(1) != 1 {
        return Err(ReadError::Attribute("Samples per Pixel"));
    }
    if integer(object, tags::BITS_ALLOCATED) != Some(16) || !(1..=16).contains(&bits_stored) {
        return Err(ReadError::Attribute("Bits Allocated"));
    }
    let wanted = usize::from(header.rows) * usize::from(header.columns);
    let stored = stored_values(object, wanted)?;
    // Bits above Bits Stored are not part of the value (PS3.5 8.1.1): old scanners keep overlays there.
    let unused = 16 - bits_stored.unsigned_abs();
    Ok(stored
        .into_iter()
        .map(|bits| {
            let value = if signed {
                f64::from((bits << unused).cast_signed() >> unused)
            } else {
                f64::from((bits << unused) >> unused)
            };
            #[expect(clippy::cast_possible_truncation, reason = "rounded; the cast saturates")]
            let hu = (value * slope + intercept).round() as i16;
            hu
        })
        .collect())
}

/// The 16-bit samples of a single frame, as stored.
fn stored_values(object: &Object, wanted: usize) -> Result<Vec<u16>, ReadError> {
    let transfer_syntax = object.meta().transfer_syntax().trim_end_matches('\0').to_owned();
    let element =
        object.element(tags::PIXEL_DATA).map_err(|_| ReadError::Truncated { wanted: wanted * 2, found: 0 })?;
    if let Some(primitive) = element.value().primitive() {
        // dicom-rs has already turned big-endian samples into numbers; `to_bytes` gives them in the machine's order.
        let bytes = primitive.to_bytes();
        let samples = bytes.as_chunks::<2>().0;
        if samples.len() < wanted {
            return Err(ReadError::Truncated { wanted: wanted * 2, found: bytes.len() });
        }
        return Ok(samples[..wanted].iter().map(|pair| u16::from_ne_bytes(*pair)).collect());
    }
    let decoded =
        object.decode_pixel_data().map_err(|source| ReadError::Pixels { transfer_syntax, source: Box::new(source) })?;
    let samples = decoded.data().as_chunks::<2>().0;
    if samples.len() < wanted {
        return Err(ReadError::Truncated { wanted: wanted * 2, found: decoded.data().len() });
    }
    Ok(samples[..wanted].iter().map(|pair| u16::from_ne_bytes(*pair)).collect())
}
