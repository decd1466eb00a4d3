//! CT images as files.

use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use hilum_imaging::Volume;

/// What all slices of a series share.
#[derive(Debug, Clone)]
pub struct CtSeries {
    /// Patient ID, and the name (synthetic patients have no other).
    pub patient_id: String,
    /// "M", "F" or empty.
    pub patient_sex: &'static str,
    /// Patient's Age in years, 0 to 999; empty if `None`.
    pub patient_age: Option<u16>,
    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// Frame of Reference UID.
    pub frame_of_reference_uid: String,
    /// Study, Series and Acquisition date, YYYYMMDD.
    pub date: String,
    /// Series Description.
    pub description: String,
    /// Manufacturer and Manufacturer's Model Name.
    pub equipment: [String; 2],
    /// Convolution Kernel.
    pub kernel: String,
}

/// Why an object could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write a DICOM object")]
pub struct WriteError(#[source] pub(crate) Box<dyn std::error::Error + Send + Sync>);

/// Writes slice `k` of an axial volume as a CT image (PS3.3 A.3), Explicit VR Little Endian. `sop_uid` is its UID;
/// slices are numbered from the head down, as scanners do, so slice `k` has Instance Number `slices − k`.
///
/// # Errors
/// If the file cannot be written.
pub fn write_ct_slice(
    path: &Path,
    series: &CtSeries,
    volume: &Volume<i16>,
    k: usize,
    sop_uid: &str,
) -> Result<(), WriteError> {
    let grid = volume.grid();
    let [columns, rows, slices] = grid.size;
    let spacing = grid.spacing_mm();
    #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
    let position = grid.point([0.0, 0.0, k as f64]).lps_mm;
    let direction = |axis: usize| grid.step_lps_mm[axis].map(|part| part / spacing[axis]);
    let orientation: Vec<f64> = [direction(0), direction(1)].concat();
    let stored: Vec<u16> = volume
        .voxels()
        .index_axis(ndarray::Axis(0), k)
        .iter()
        .map(|&hu| u16::try_from(i32::from(hu) + 1024).unwrap_or(0))
        .collect();

    let mut object = InMemDicomObject::new_empty();
    let mut text = |tag: Tag, vr: VR, value: &str| {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    };
    text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL");
    text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    text(tags::SOP_INSTANCE_UID, VR::UI, sop_uid);
    for tag in [tags::STUDY_DATE, tags::SERIES_DATE, tags::ACQUISITION_DATE, tags::CONTENT_DATE] {
        text(tag, VR::DA, &series.date);
    }
    for tag in [tags::STUDY_TIME, tags::SERIES_TIME, tags::ACQUISITION_TIME, tags::CONTENT_TIME] {
        text(tag, VR::TM, "120000");
    }
    text(tags::ACCESSION_NUMBER, VR::SH, "");
    text(tags::MODALITY, VR::CS, "CT");
    text(tags::MANUFACTURER, VR::LO, &series.equipment[0]);
    text(tags::MANUFACTURER_MODEL_NAME, VR::LO, &series.equipment[1]);
    text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "");
    text(tags::STUDY_DESCRIPTION, VR::LO, "Synthetic chest CT");
    text(tags::SERIES_DESCRIPTION, VR::LO, &series.description);
    text(tags::PATIENT_NAME, VR::PN, &series.patient_id);
    text(tags::PATIENT_ID, VR::LO, &series.patient_id);
    text(tags::PATIENT_BIRTH_DATE, VR::DA, "");
    text(tags::PATIENT_SEX, VR::CS, series.patient_sex);
    if let Some(age) = series.patient_age {
        text(tags::PATIENT_AGE, VR::AS, &format!("{:03}Y", age.min(999)));
    }
    text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST");
    text(tags::SLICE_THICKNESS, VR::DS, &decimal(spacing[2]));
    text(tags::KVP, VR::DS, "120");
    text(tags::CONVOLUTION_KERNEL, VR::SH, &series.kernel);
    text(tags::PATIENT_POSITION, VR::CS, "HFS");
    text(tags::STUDY_INSTANCE_UID, VR::UI, &series.study_uid);
    text(tags::SERIES_INSTANCE_UID, VR::UI, &series.series_uid);
    text(tags::STUDY_ID, VR::SH, "1");
    text(tags::SERIES_NUMBER, VR::IS, "2");
    text(tags::ACQUISITION_NUMBER, VR::IS, "1");
    text(tags::INSTANCE_NUMBER, VR::IS, &(slices - k).to_string());
    text(tags::IMAGE_POSITION_PATIENT, VR::DS, &decimals(&position));
    text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, &decimals(&orientation));
    text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &series.frame_of_reference_uid);
    text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "");
    text(tags::SLICE_LOCATION, VR::DS, &decimal(position[2]));
    text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    text(tags::PIXEL_SPACING, VR::DS, &decimals(&[spacing[1], spacing[0]]));
    text(tags::WINDOW_CENTER, VR::DS, "-600");
    text(tags::WINDOW_WIDTH, VR::DS, "1500");
    text(tags::RESCALE_INTERCEPT, VR::DS, "-1024");
    text(tags::RESCALE_SLOPE, VR::DS, "1");
    text(tags::RESCALE_TYPE, VR::LO, "HU");
    let short = |value: usize| PrimitiveValue::from(u16::try_from(value).unwrap_or(u16::MAX));
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, rows),
        (tags::COLUMNS, columns),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(DataElement::new(tag, VR::US, short(value)));
    }
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored.into())));
    object
        .with_meta(FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN))
        .map_err(|source| WriteError(Box::new(source)))?
        .write_to_file(path)
        .map_err(|source| WriteError(Box::new(source)))
}

/// A decimal string: at most 16 characters (PS3.5 6.2).
fn decimal(value: f64) -> String {
    let mut text = format!("{value:.6}");
    text.truncate(16);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn decimals(values: &[f64]) -> String {
    values.iter().map(|&value| decimal(value)).collect::<Vec<_>>().join("\\")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Found, ReadError, read};
    use hilum_imaging::Grid;
    use ndarray::Array3;

    pub(crate) fn series() -> CtSeries {
        CtSeries {
            patient_id: "P1".to_owned(),
            patient_sex: "F",
            patient_age: Some(61),
            study_uid: "2.25.1".to_owned(),
            series_uid: "2.25.2".to_owned(),
            frame_of_reference_uid: "2.25.3".to_owned(),
            date: "20260102".to_owned(),
            description: "thorax".to_owned(),
            equipment: ["Hilum".to_owned(), "phantom".to_owned()],
            kernel: "STANDARD".to_owned(),
        }
    }

    fn volume() -> Volume<i16> {
        let voxels =
            Array3::from_shape_fn((3, 5, 4), |(k, j, i)| i16::try_from(k * 100 + j * 10 + i).unwrap_or(0) - 1024);
        Volume::new(voxels, Grid::axial([4, 5, 3], [-10.5, 20.25, -300.0], [0.7, 0.8, 2.0])).expect("shape")
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("slice.dcm");
        write_ct_slice(&path, &series(), &volume(), 1, "2.25.9").expect("written");
        let Found::Ct(slices) = read(&path).expect("readable") else { panic!("a CT slice") };
        let slice = &slices[0];
        assert_eq!(slice.hu, volume().voxels().index_axis(ndarray::Axis(0), 1).iter().copied().collect::<Vec<_>>());
        let close = |found: &[f64], want: &[f64]| found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&slice.header.position_lps_mm, &[-10.5, 20.25, -298.0]));
        assert!(close(&slice.header.pixel_spacing_mm, &[0.8, 0.7]));
        assert_eq!((slice.header.rows, slice.header.columns), (5, 4));
        assert_eq!(slice.header.instance_number, Some(2));
    }

    #[test]
    fn a_cut_file_is_truncated_and_text_is_not_dicom() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("slice.dcm");
        write_ct_slice(&path, &series(), &volume(), 0, "2.25.9").expect("written");
        let whole = std::fs::read(&path).expect("readable");
        for kept in [whole.len() - 1, whole.len() - 20, whole.len() / 2, 140] {
            std::fs::write(&path, &whole[..kept]).expect("written");
            let found = read(&path);
            assert!(matches!(found, Err(ReadError::Damaged(_)) | Ok(Found::Unusable(_))), "{kept} bytes: {found:?}");
        }
        std::fs::write(&path, "this is a letter").expect("written");
        assert!(matches!(read(&path), Err(ReadError::NotDicom)));
    }

    #[test]
    fn decimal_strings_are_short_enough() {
        for value in [0.0, -0.000_000_1, 123.456_789_012, -1_234.567_890_123, 0.703_125] {
            let text = decimal(value);
            assert!(text.len() <= 16, "{text}");
            assert!((text.parse::<f64>().expect("a number") - value).abs() < 1e-5, "{text}");
        }
    }
}
