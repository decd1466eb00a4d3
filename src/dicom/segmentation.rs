//! Segmentations: masks on the planes of the source images in, a binary segmentation out.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use ndarray::Array2;

use crate::{
    Algorithm, Origin, WriteError,
    object::{Code, Making, decimals, file, number, reference, sequence, text, uid},
};

/// One segment.
#[derive(Debug, Clone)]
pub struct Segment {
    /// (0062,0005) Segment Label.
    pub label: String,
    /// (0062,0006) Segment Description.
    pub description: String,
    /// (0062,0003) Segmented Property Category.
    pub category: Code,
    /// (0062,000F) Segmented Property Type.
    pub kind: Code,
    /// (0008,2218) Anatomic Region.
    pub region: Code,
    /// (0062,0020) Tracking ID and (0062,0021) Tracking UID: what it is elsewhere.
    pub tracking: [String; 2],
    /// What found it.
    pub algorithm: Algorithm,
    /// Which slice of the origin, from 0, and what of it, `[row, column]`.
    pub masks: Vec<(usize, Array2<bool>)>,
}

/// What a segmentation is beside its segments.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// (0070,0080) Content Label: capitals, digits, spaces and underscores.
    pub label: &'a str,
    /// (0070,0081) Content Description.
    pub description: &'a str,
}

/// A binary segmentation (PS3.3 A.51) as a file, on the planes of its origin: one frame a segment and slice that has something of it,
/// `None` if there is no such slice, or the images have no frame of reference. Its UIDs are of the kind `seg`.
///
/// # Errors
/// [`WriteError`] if a value cannot be written.
pub fn segmentation(
    making: &Making<'_>,
    content: Content<'_>,
    segments: &[Segment],
) -> Result<Option<Vec<u8>>, WriteError> {
    let origin = making.origin;
    let frames: Vec<(u16, usize, &Array2<bool>)> = (1..)
        .zip(segments)
        .flat_map(|(number, segment)| segment.masks.iter().map(move |(slice, mask)| (number, *slice, mask)))
        .filter(|(_, slice, mask)| *slice < origin.images.len() && mask.iter().any(|&inside| inside))
        .collect();
    if frames.is_empty() || origin.frame_of_reference_uid.is_empty() {
        return Ok(None);
    }
    let mut object = making.begin(uids::SEGMENTATION_STORAGE, "SEG", "seg");
    for (tag, vr, value) in [
        (tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY"),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, &*origin.frame_of_reference_uid),
        (tags::POSITION_REFERENCE_INDICATOR, VR::LO, ""),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00"),
        (tags::SEGMENTATION_TYPE, VR::CS, "BINARY"),
        (tags::SEGMENTS_OVERLAP, VR::CS, if segments.len() > 1 { "YES" } else { "NO" }),
        (tags::CONTENT_LABEL, VR::CS, content.label),
        (tags::CONTENT_DESCRIPTION, VR::LO, content.description),
        // No person has made it.
        (tags::CONTENT_CREATOR_NAME, VR::PN, ""),
        (tags::NUMBER_OF_FRAMES, VR::IS, &frames.len().to_string()),
    ] {
        text(&mut object, tag, vr, value);
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, origin.rows),
        (tags::COLUMNS, origin.columns),
        (tags::BITS_ALLOCATED, 1),
        (tags::BITS_STORED, 1),
        (tags::HIGH_BIT, 0),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        number(&mut object, tag, value);
    }
    let described = (1..).zip(segments).map(|(number, segment)| described(number, segment));
    sequence(&mut object, tags::SEGMENT_SEQUENCE, described.collect());
    sequence(&mut object, tags::REFERENCED_SERIES_SEQUENCE, vec![referenced_series(origin, &frames)]);
    dimensions(&mut object, &uid(making.seed, "seg/dimensions"));
    sequence(&mut object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared(origin)]);
    let mut slices: Vec<usize> = frames.iter().map(|(_, slice, _)| *slice).collect();
    slices.sort_unstable();
    slices.dedup();
    let groups = frames.iter().map(|&(number, slice, _)| {
        let place = slices.iter().position(|&other| other == slice).unwrap_or(0) + 1;
        frame(origin, number, slice, u32::try_from(place).unwrap_or(u32::MAX))
    });
    sequence(&mut object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, groups.collect());
    let bits = frames.iter().flat_map(|(_, _, mask)| mask.iter().copied());
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(packed(bits).into())));
    file(object).map(Some)
}

/// Pixels of one bit, the first in the lowest, without a gap between rows and frames (PS3.5 8.1.1 and 8.2).
fn packed(bits: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, bit) in bits.enumerate() {
        if index % 8 == 0 {
            bytes.push(0);
        }
        if let Some(last) = bytes.last_mut() {
            *last |= u8::from(bit) << (index % 8);
        }
    }
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

/// PS3.3 C.8.20.4, Segment Description Macro.
fn described(segment_number: u16, segment: &Segment) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    number(&mut item, tags::SEGMENT_NUMBER, segment_number);
    text(&mut item, tags::SEGMENT_LABEL, VR::LO, &segment.label);
    text(&mut item, tags::SEGMENT_DESCRIPTION, VR::ST, &segment.description);
    text(&mut item, tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC");
    text(&mut item, tags::SEGMENT_ALGORITHM_NAME, VR::LO, &segment.algorithm.name);
    text(&mut item, tags::TRACKING_ID, VR::UT, &segment.tracking[0]);
    text(&mut item, tags::TRACKING_UID, VR::UI, &segment.tracking[1]);
    sequence(&mut item, tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, vec![segment.category.item()]);
    sequence(&mut item, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, vec![segment.kind.item()]);
    sequence(&mut item, tags::ANATOMIC_REGION_SEQUENCE, vec![segment.region.item()]);
    let Algorithm { family, name, version, parameters } = &segment.algorithm;
    let mut algorithm = InMemDicomObject::new_empty();
    sequence(&mut algorithm, tags::ALGORITHM_FAMILY_CODE_SEQUENCE, vec![family.item()]);
    text(&mut algorithm, tags::ALGORITHM_NAME, VR::LO, name);
    text(&mut algorithm, tags::ALGORITHM_VERSION, VR::LO, version);
    text(&mut algorithm, tags::ALGORITHM_PARAMETERS, VR::LT, &parameters.join("; "));
    sequence(&mut item, tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE, vec![algorithm]);
    item
}

/// PS3.3 C.12.2, Common Instance Reference: the images that frames are derived from.
fn referenced_series(origin: &Origin, frames: &[(u16, usize, &Array2<bool>)]) -> InMemDicomObject {
    let mut named: Vec<(&str, &str)> = Vec::new();
    for (_, slice, _) in frames {
        let image = &origin.images[*slice];
        if !named.contains(&(&image.sop_class_uid, &image.sop_uid)) {
            named.push((&image.sop_class_uid, &image.sop_uid));
        }
    }
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::SERIES_INSTANCE_UID, VR::UI, &origin.series_uid);
    let instances = named.into_iter().map(|(class, sop_uid)| reference(class, sop_uid)).collect();
    sequence(&mut item, tags::REFERENCED_INSTANCE_SEQUENCE, instances);
    item
}

/// PS3.3 C.7.6.17: frames are ordered by segment, then by place.
fn dimensions(object: &mut InMemDicomObject, organization: &str) {
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::DIMENSION_ORGANIZATION_UID, VR::UI, organization);
    sequence(object, tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![item]);
    let index = |pointer: Tag, group: Tag, label: &str| {
        let mut item = InMemDicomObject::new_empty();
        for (tag, value) in [(tags::DIMENSION_INDEX_POINTER, pointer), (tags::FUNCTIONAL_GROUP_POINTER, group)] {
            item.put(DataElement::new(tag, VR::AT, PrimitiveValue::from(value)));
        }
        text(&mut item, tags::DIMENSION_ORGANIZATION_UID, VR::UI, organization);
        text(&mut item, tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label);
        item
    };
    let indices = vec![
        index(tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE, "Segment Number"),
        index(tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE, "Image Position"),
    ];
    sequence(object, tags::DIMENSION_INDEX_SEQUENCE, indices);
}

/// What all frames have alike: pixel measures and orientation (PS3.3 C.7.6.16.2.1, C.7.6.16.2.4).
fn shared(origin: &Origin) -> InMemDicomObject {
    let mut measures = InMemDicomObject::new_empty();
    text(&mut measures, tags::PIXEL_SPACING, VR::DS, &decimals(&origin.pixel_spacing_mm));
    let [_, _, step_mm] = origin.grid().spacing_mm();
    text(&mut measures, tags::SLICE_THICKNESS, VR::DS, &decimals(&[origin.slice_thickness_mm.unwrap_or(step_mm)]));
    text(&mut measures, tags::SPACING_BETWEEN_SLICES, VR::DS, &decimals(&[step_mm]));
    let mut orientation = InMemDicomObject::new_empty();
    text(&mut orientation, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, &decimals(&origin.orientation.concat()));
    let mut item = InMemDicomObject::new_empty();
    sequence(&mut item, tags::PIXEL_MEASURES_SEQUENCE, vec![measures]);
    sequence(&mut item, tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation]);
    item
}

/// What one frame has of its own. `place` is its position among the slices that have frames, from 1.
fn frame(origin: &Origin, segment_number: u16, slice: usize, place: u32) -> InMemDicomObject {
    let image = &origin.images[slice];
    let mut source = image.reference();
    text(&mut source, tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES");
    let purpose = Code::new("121322", "DCM", "Source image for image processing operation");
    sequence(&mut source, tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![purpose.item()]);
    let mut derivation = InMemDicomObject::new_empty();
    let how = Code::new("113076", "DCM", "Segmentation");
    sequence(&mut derivation, tags::DERIVATION_CODE_SEQUENCE, vec![how.item()]);
    sequence(&mut derivation, tags::SOURCE_IMAGE_SEQUENCE, vec![source]);
    let mut content = InMemDicomObject::new_empty();
    let indices = PrimitiveValue::U32([u32::from(segment_number), place].into_iter().collect());
    content.put(DataElement::new(tags::DIMENSION_INDEX_VALUES, VR::UL, indices));
    let mut position = InMemDicomObject::new_empty();
    text(&mut position, tags::IMAGE_POSITION_PATIENT, VR::DS, &decimals(&image.position_lps_mm));
    let mut identification = InMemDicomObject::new_empty();
    number(&mut identification, tags::REFERENCED_SEGMENT_NUMBER, segment_number);
    let mut item = InMemDicomObject::new_empty();
    sequence(&mut item, tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation]);
    sequence(&mut item, tags::FRAME_CONTENT_SEQUENCE, vec![content]);
    sequence(&mut item, tags::PLANE_POSITION_SEQUENCE, vec![position]);
    sequence(&mut item, tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![identification]);
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_packed_from_the_lowest() {
        for (bits, want) in
            [("", vec![]), ("1", vec![1, 0]), ("00000001 1", vec![128, 1]), ("10000000 00000000 01", vec![1, 0, 2, 0])]
        {
            let bits = bits.chars().filter(|bit| *bit != ' ').map(|bit| bit == '1');
            assert_eq!(packed(bits), want);
        }
    }
}
