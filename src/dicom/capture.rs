//! Secondary captures: one colour page for viewers that show nothing else.

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};

use crate::{
    WriteError,
    object::{Making, file, number, text},
};

/// A page of RGB pixels, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Pixels across.
    pub columns: u16,
    /// Pixels down.
    pub rows: u16,
    /// Three bytes a pixel.
    pub rgb: &'a [u8],
}

/// A Secondary Capture image (PS3.3 A.8.1) as a file. `title` stands as its comment, and nothing of the patient may stand in the
/// pixels: the object says so. Its UIDs are of the kind `capture`.
///
/// # Errors
/// [`WriteError`] if a value cannot be written.
pub fn secondary_capture(making: &Making<'_>, page: Page<'_>, title: &str) -> Result<Vec<u8>, WriteError> {
    let mut object = making.begin(uids::SECONDARY_CAPTURE_IMAGE_STORAGE, "OT", "capture");
    for (tag, vr, value) in [
        (tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY"),
        (tags::CONVERSION_TYPE, VR::CS, "WSD"),
        (tags::PATIENT_ORIENTATION, VR::CS, ""),
        // Of a page that shows both modalities there is no side.
        (tags::LATERALITY, VR::CS, ""),
        (tags::BURNED_IN_ANNOTATION, VR::CS, "NO"),
        (tags::IMAGE_COMMENTS, VR::LT, title),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB"),
        (tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00"),
    ] {
        text(&mut object, tag, vr, value);
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 3),
        (tags::PLANAR_CONFIGURATION, 0),
        (tags::ROWS, page.rows),
        (tags::COLUMNS, page.columns),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        number(&mut object, tag, value);
    }
    let mut bytes = page.rgb.to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into())));
    file(object)
}
