//! Where a volume comes from, as far as results need it to stand in the same study.

use std::collections::BTreeMap;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use hilum_imaging::{Grid, cross};

use crate::{
    Header, ReadError, WriteError,
    attributes::Attributes,
    object::{decimals, file, number, reference, sequence, text},
    part10::Part10,
    read::parsed,
    scan::{Coding, Element},
};

/// What an object of the same study repeats of its images (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, C.12.1), in the order of the tags.
/// Names stand in the character set that (0008,0005) says, so both go together, byte for byte.
pub(crate) const CARRIED: [(Tag, VR); 21] = [
    (tags::SPECIFIC_CHARACTER_SET, VR::CS),
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH),
    (tags::STUDY_DESCRIPTION, VR::LO),
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO),
    (tags::TYPE_OF_PATIENT_ID, VR::CS),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::PATIENT_AGE, VR::AS),
    (tags::PATIENT_SIZE, VR::DS),
    (tags::PATIENT_WEIGHT, VR::DS),
    (tags::PATIENT_COMMENTS, VR::LT),
    (tags::PATIENT_IDENTITY_REMOVED, VR::CS),
    (tags::DEIDENTIFICATION_METHOD, VR::LO),
    (tags::STUDY_INSTANCE_UID, VR::UI),
    (tags::STUDY_ID, VR::SH),
];

/// What a kept origin has beside that, in rising order.
const KEPT: [Tag; 8] = [
    tags::SOURCE_IMAGE_SEQUENCE,
    tags::SLICE_THICKNESS,
    tags::SERIES_INSTANCE_UID,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::FRAME_OF_REFERENCE_UID,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_SPACING,
];

/// Attributes of Type 2: those that are there without a value where nothing is known.
const EMPTY_WHERE_UNKNOWN: [Tag; 9] = [
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_ID,
];

/// Whose study it is: attributes of patient and study as their bytes stand in a file, in whatever character set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried(BTreeMap<Tag, Vec<u8>>);

impl Carried {
    /// What elements of an object have of them, of which the first that is a sequence ends it.
    pub(crate) fn of(elements: &[u8], coding: Coding) -> Self {
        let (mut at, mut values) = (0, BTreeMap::new());
        while let Ok(element) = Element::read(elements, at, coding) {
            let Ok(value) = element.value(elements) else { break };
            at = element.start + value.len();
            if CARRIED.iter().any(|(tag, _)| *tag == element.tag) {
                values.insert(element.tag, value.to_vec());
            }
        }
        Self(values)
    }

    /// A value in the default character repertoire, trimmed; `None` if absent, empty, or in another.
    #[must_use]
    pub fn plain(&self, tag: Tag) -> Option<&str> {
        let value = std::str::from_utf8(self.0.get(&tag)?).ok()?.trim_matches(['\0', ' ']);
        (value.is_ascii() && !value.is_empty()).then_some(value)
    }

    /// Study Instance UID; empty if absent.
    #[must_use]
    pub fn study_uid(&self) -> &str {
        self.plain(tags::STUDY_INSTANCE_UID).unwrap_or_default()
    }

    /// Puts them into an object, those of Type 2 in any case.
    pub(crate) fn put(&self, object: &mut InMemDicomObject) {
        for (tag, vr) in CARRIED {
            // Without a method, dead words: C.7.1.1 asks for one where the identity was removed.
            let spared = tag == tags::PATIENT_IDENTITY_REMOVED && !self.0.contains_key(&tags::DEIDENTIFICATION_METHOD);
            match self.0.get(&tag).filter(|_| !spared) {
                Some(bytes) => object.put(DataElement::new(tag, vr, as_they_are(bytes, vr))),
                None if EMPTY_WHERE_UNKNOWN.contains(&tag) => {
                    object.put(DataElement::new(tag, vr, PrimitiveValue::Empty))
                }
                None => None,
            };
        }
    }
}

/// Bytes that no writer decodes or encodes, of even length (PS3.5 6.2).
fn as_they_are(bytes: &[u8], vr: VR) -> PrimitiveValue {
    let mut bytes = bytes.to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(if vr == VR::UI { 0 } else { b' ' });
    }
    PrimitiveValue::U8(bytes.into())
}

/// One image of a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceImage {
    /// (0008,0016) SOP Class UID.
    pub sop_class_uid: String,
    /// (0008,0018) SOP Instance UID.
    pub sop_uid: String,
    /// The number of the frame, from 1, in a multi-frame object.
    pub frame: Option<u32>,
    /// (0020,0032) Image Position (Patient).
    pub position_lps_mm: [f64; 3],
}

impl SourceImage {
    /// A reference to it (PS3.3 Table 10-3).
    pub(crate) fn reference(&self) -> InMemDicomObject {
        let mut item = reference(&self.sop_class_uid, &self.sop_uid);
        if let Some(frame) = self.frame {
            text(&mut item, tags::REFERENCED_FRAME_NUMBER, VR::IS, &frame.to_string());
        }
        item
    }
}

/// Where a volume comes from: whose study, which series, which images in the order of its slices, and where they lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Patient and study.
    pub carried: Carried,
    /// (0020,000E) Series Instance UID.
    pub series_uid: String,
    /// (0020,0052) Frame of Reference UID; empty if absent.
    pub frame_of_reference_uid: String,
    /// (0028,0010) Rows.
    pub rows: u16,
    /// (0028,0011) Columns.
    pub columns: u16,
    /// (0028,0030) Pixel Spacing: between rows, then between columns, mm.
    pub pixel_spacing_mm: [f64; 2],
    /// (0020,0037) Image Orientation (Patient): the direction along a row, then along a column.
    pub orientation: [[f64; 3]; 2],
    /// (0018,0050) Slice Thickness.
    pub slice_thickness_mm: Option<f64>,
    /// In the order of the volume's slices.
    pub images: Vec<SourceImage>,
}

impl Origin {
    /// The origin of slices in the order of a volume; `None` if there are none.
    #[must_use]
    pub fn of<'a>(carried: Carried, slices: impl IntoIterator<Item = &'a Header>) -> Option<Self> {
        let mut slices = slices.into_iter().peekable();
        let first = (*slices.peek()?).clone();
        let images = slices
            .map(|header| SourceImage {
                sop_class_uid: header.sop_class_uid.clone(),
                sop_uid: header.sop_uid.clone(),
                frame: header.frame,
                position_lps_mm: header.position_lps_mm,
            })
            .collect();
        Some(Self {
            carried,
            series_uid: first.series_uid,
            frame_of_reference_uid: first.frame_of_reference_uid,
            rows: first.rows,
            columns: first.columns,
            pixel_spacing_mm: first.pixel_spacing_mm,
            orientation: first.orientation,
            slice_thickness_mm: first.slice_thickness_mm,
            images,
        })
    }

    /// Where the voxels of the volume lie.
    #[must_use]
    pub fn grid(&self) -> Grid {
        let [row, column] = self.orientation;
        let [down_mm, across_mm] = self.pixel_spacing_mm;
        let place = |index: usize| self.images.get(index).map_or([0.0; 3], |image| image.position_lps_mm);
        let last = self.images.len().saturating_sub(1);
        #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
        let steps = last.max(1) as f64;
        let step = std::array::from_fn(|axis| (place(last)[axis] - place(0)[axis]) / steps);
        Grid {
            size: [usize::from(self.columns), usize::from(self.rows), self.images.len()],
            origin_lps_mm: place(0),
            step_lps_mm: [
                row.map(|part| part * across_mm),
                column.map(|part| part * down_mm),
                // A single slice has no neighbour: its width says how far one would be.
                if last > 0 {
                    step
                } else {
                    cross(row, column).map(|part| part * self.slice_thickness_mm.unwrap_or(1.0))
                },
            ],
        }
    }

    /// It as a DICOM file, to be kept beside what was read. `sop_uid` is the file's own UID.
    ///
    /// # Errors
    /// [`WriteError`] if a value cannot be written.
    pub fn to_bytes(&self, sop_uid: &str) -> Result<Vec<u8>, WriteError> {
        let mut object = InMemDicomObject::new_empty();
        self.carried.put(&mut object);
        text(&mut object, tags::SOP_CLASS_UID, VR::UI, uids::RAW_DATA_STORAGE);
        text(&mut object, tags::SOP_INSTANCE_UID, VR::UI, sop_uid);
        text(&mut object, tags::SERIES_INSTANCE_UID, VR::UI, &self.series_uid);
        text(&mut object, tags::FRAME_OF_REFERENCE_UID, VR::UI, &self.frame_of_reference_uid);
        number(&mut object, tags::ROWS, self.rows);
        number(&mut object, tags::COLUMNS, self.columns);
        text(&mut object, tags::PIXEL_SPACING, VR::DS, &decimals(&self.pixel_spacing_mm));
        text(&mut object, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, &decimals(&self.orientation.concat()));
        if let Some(mm) = self.slice_thickness_mm {
            text(&mut object, tags::SLICE_THICKNESS, VR::DS, &decimals(&[mm]));
        }
        let items = self.images.iter().map(|image| {
            let mut item = image.reference();
            text(&mut item, tags::IMAGE_POSITION_PATIENT, VR::DS, &decimals(&image.position_lps_mm));
            item
        });
        sequence(&mut object, tags::SOURCE_IMAGE_SEQUENCE, items.collect());
        file(object)
    }

    /// It from what [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`ReadError`] if the bytes say less.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        let file = Part10::open(bytes)?;
        let carried = Carried::of(&file.scan(&CARRIED.map(|(tag, _)| tag))?.wanted, file.coding);
        let object = parsed(&file, &file.scan(&KEPT)?)?;
        let all = Attributes::of(&object);
        let string = |of: Attributes<'_>, tag, name| of.text(tag).ok_or(ReadError::Attribute(name));
        let edge =
            |tag, name| all.integer(tag).and_then(|edge| u16::try_from(edge).ok()).ok_or(ReadError::Attribute(name));
        let [xx, xy, xz, yx, yy, yz] = all.floats(tags::IMAGE_ORIENTATION_PATIENT, "Image Orientation (Patient)")?;
        let items = object.element(tags::SOURCE_IMAGE_SEQUENCE).ok().and_then(|element| element.items());
        let images = items.unwrap_or_default().iter().map(|item| {
            let item = Attributes::of(item);
            Ok(SourceImage {
                sop_class_uid: string(item, tags::REFERENCED_SOP_CLASS_UID, "Referenced SOP Class UID")?,
                sop_uid: string(item, tags::REFERENCED_SOP_INSTANCE_UID, "Referenced SOP Instance UID")?,
                frame: item.integer(tags::REFERENCED_FRAME_NUMBER).and_then(|frame| u32::try_from(frame).ok()),
                position_lps_mm: item.floats(tags::IMAGE_POSITION_PATIENT, "Image Position (Patient)")?,
            })
        });
        Ok(Self {
            carried,
            series_uid: string(all, tags::SERIES_INSTANCE_UID, "Series Instance UID")?,
            frame_of_reference_uid: string(all, tags::FRAME_OF_REFERENCE_UID, "Frame of Reference UID")?,
            rows: edge(tags::ROWS, "Rows")?,
            columns: edge(tags::COLUMNS, "Columns")?,
            pixel_spacing_mm: all.floats(tags::PIXEL_SPACING, "Pixel Spacing")?,
            orientation: [[xx, xy, xz], [yx, yy, yz]],
            slice_thickness_mm: all.floats::<1>(tags::SLICE_THICKNESS, "Slice Thickness").ok().map(|[mm]| mm),
            images: images.collect::<Result<_, ReadError>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use hilum_imaging::Volume;
    use ndarray::Array3;

    use std::path::Path;

    use super::*;
    use crate::{CtSlice, Found, read, write::tests::series, write_ct_slice};

    fn written(folder: &Path) -> Grid {
        let grid = Grid::axial([4, 5, 3], [-10.5, 20.25, -300.0], [0.7, 0.8, 2.0]);
        let volume = Volume::new(Array3::zeros((3, 5, 4)), grid).expect("shape");
        // In an order that is not the volume's.
        for (k, name) in [(2, "a"), (0, "b"), (1, "c")] {
            write_ct_slice(&folder.join(name), &series(), &volume, k, &format!("2.25.{}", 90 + k)).expect("written");
        }
        grid
    }

    /// The origin of the images in a folder, from the feet up.
    fn origin(folder: &Path) -> Origin {
        let mut slices: Vec<CtSlice> = std::fs::read_dir(folder)
            .expect("readable")
            .flat_map(|entry| match read(&entry.expect("a file").path()) {
                Ok(Found::Ct(slices)) => slices,
                other => panic!("{other:?}"),
            })
            .collect();
        slices.sort_by(|a, b| a.header.position_lps_mm[2].total_cmp(&b.header.position_lps_mm[2]));
        let carried = Carried::clone(&slices[0].carried);
        Origin::of(carried, slices.iter().map(|slice| &slice.header)).expect("slices")
    }

    #[test]
    fn the_images_are_in_the_order_of_the_volume() {
        let folder = tempfile::tempdir().expect("a folder");
        let grid = written(folder.path());
        let origin = origin(folder.path());
        let uids: Vec<&str> = origin.images.iter().map(|image| image.sop_uid.as_str()).collect();
        assert_eq!(uids, ["2.25.90", "2.25.91", "2.25.92"]);
        assert_eq!(origin.carried.study_uid(), "2.25.1");
        let (found, want) = (origin.grid(), grid);
        assert_eq!(found.size, want.size);
        for (found, want) in found.step_lps_mm.iter().flatten().zip(want.step_lps_mm.iter().flatten()) {
            assert!((found - want).abs() < 1e-6, "{found} is not {want}");
        }
        assert_eq!(Origin::of(Carried::default(), []), None);
    }

    #[test]
    fn what_is_kept_is_read_again_to_the_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        written(folder.path());
        let mut origin = origin(folder.path());
        // "Yamada^Tarou=" and two Kanji by an escape to JIS X 0208 (PS3.5 H.3.1).
        let name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^A ".to_vec();
        origin.carried.0.insert(tags::SPECIFIC_CHARACTER_SET, b"\\ISO 2022 IR 87 ".to_vec());
        origin.carried.0.insert(tags::PATIENT_NAME, name);
        origin.images[1].frame = Some(7);
        origin.images[1].position_lps_mm = [-123.456_789_012_345, 1e-7, 0.1 + 0.2];
        let bytes = origin.to_bytes("2.25.5").expect("written");
        let again = Origin::from_bytes(&bytes).expect("readable");
        assert_eq!(again.carried, origin.carried);
        assert_eq!(again.images[1].frame, Some(7));
        assert_eq!(again.to_bytes("2.25.5").expect("written"), bytes);
        for cut in [0, 100, 140, bytes.len() / 2] {
            assert!(Origin::from_bytes(&bytes[..cut]).is_err(), "{cut} bytes");
        }
    }
}
