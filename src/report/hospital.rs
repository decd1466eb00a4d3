//! What a hospital's archive gets of a case: a structured report, a segmentation, a page to look at; all in the study of its CT.

use std::io::Cursor;

use hilum_assess::{ExplainMethod, shown_map};
use hilum_dicom::{
    Algorithm, Code, Content, Document, Equipment, Evidence, Item, Making, Moment, Origin, Page, Relation, Segment,
    Value, WriteError, identification, secondary_capture, segmentation, structured_report, uid,
};
use hilum_domain::{Class, Point};
use hilum_imaging::{Grid, PatchGeometry, over_grid, resized_map};
use image::{ImageFormat, ImageReader};
use ndarray::Array2;
use ndarray_npy::ReadNpyExt as _;
use sha2::{Digest as _, Sha256};

use crate::{codes, paint::hottest, said::Said};

/// A case with its report: what every way out is made of.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The bytes of `report.json`.
    pub report: &'a [u8],
    /// Its maps and pictures, by the names that it calls them.
    pub files: &'a [(String, Vec<u8>)],
    /// The serial number of the device, or what stands for it.
    pub device: &'a str,
}

/// Why a case could not be told in another way.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// What was kept is no report.
    #[error("cannot read the report")]
    Report(#[source] serde_json::Error),
    /// It does not say when it was made.
    #[error("the report does not say when it was made")]
    Undated,
    /// A picture or map of it is damaged.
    #[error("cannot read {name} of the report")]
    File {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A DICOM object cannot be written.
    #[error("cannot write a DICOM object")]
    Dicom(#[from] WriteError),
    /// Another document cannot be written.
    #[error("cannot write {what}")]
    Document {
        /// What it is.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Kept<'_> {
    pub(crate) fn said(&self) -> Result<Said, ExportFault> {
        serde_json::from_slice(self.report).map_err(ExportFault::Report)
    }

    /// What stands for the report in UIDs: of one report everything has the same UIDs, however often it is made.
    pub(crate) fn seed(&self) -> String {
        Sha256::digest(self.report).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.as_slice())
    }
}

/// Where a segment lies: which slice of the origin, and what of it.
type Masks = Vec<(usize, Array2<bool>)>;

/// The objects of a case by their file names: `sr.dcm` always, `seg.dcm` and `capture.dcm` of an assessed case. `patch` is how the
/// bundle has the lesion's patch cut.
///
/// # Errors
/// [`ExportFault`] if what was kept is damaged, or an object cannot be written.
pub(crate) fn dicom(
    kept: &Kept<'_>,
    origin: &Origin,
    patch: &PatchGeometry,
) -> Result<Vec<(&'static str, Vec<u8>)>, ExportFault> {
    let said = kept.said()?;
    let at = Moment::from_rfc3339(&said.provenance.created).ok_or(ExportFault::Undated)?;
    let seed = kept.seed();
    let equipment = Equipment {
        manufacturer: "HILUM".to_owned(),
        model: "Hilum".to_owned(),
        serial: kept.device.to_owned(),
        software: vec![
            format!("HILUM {}", said.provenance.hilum),
            format!("{} {}", said.bundle.name, said.bundle.version),
        ],
    };
    let making = |series_number, description| Making {
        origin,
        equipment: &equipment,
        at,
        seed: &seed,
        series_number,
        description,
    };
    let algorithm = algorithm(&said);
    let mut objects = Vec::new();
    let mut evidence = Vec::new();
    let mut segments = Vec::new();

    let of_regions = making(9902, "HILUM regions; research use only, no diagnosis");
    if let Some(ct) = &said.ct {
        segments = regions(kept, &said, Point::new(ct.lesion_lps_mm), patch, &origin.grid())?
            .into_iter()
            .map(|(kind, label, description, masks)| Segment {
                label: label.to_owned(),
                description,
                category: codes::SPATIAL,
                tracking: [label.to_owned(), uid(&seed, kind.value)],
                kind,
                region: codes::LUNG,
                algorithm: algorithm.clone(),
                masks,
            })
            .collect();
    }
    let content = Content { label: "HILUM_REGIONS", description: &said.notice };
    match segmentation(&of_regions, content, &segments)? {
        Some(bytes) => {
            evidence.push(Evidence {
                series_uid: of_regions.series_uid("seg"),
                sop_class_uid: "1.2.840.10008.5.1.4.1.1.66.4".to_owned(),
                sop_uid: of_regions.sop_uid("seg"),
            });
            objects.push(("seg.dcm", bytes));
        }
        None => segments.clear(),
    }

    let of_report = making(9901, "HILUM result; research use only, no diagnosis");
    let tracked: Vec<Item> = (1..)
        .zip(&segments)
        .map(|(number, segment)| segment_group(segment, number, &of_regions.sop_uid("seg"), &origin.series_uid))
        .collect();
    let document = Document {
        content: &content_tree(&said, &algorithm, &seed, kept.device, &origin.frame_of_reference_uid, tracked),
        complete: said.refusal.is_none(),
        completion: if said.refusal.is_none() {
            "All that was given was assessed"
        } else {
            "Refused: nothing was assessed"
        },
        evidence: &evidence,
        schemes: &[codes::own_scheme()],
    };
    objects.insert(0, ("sr.dcm", structured_report(&of_report, &document)?));

    if let Some(bytes) = kept.file("result.png") {
        let page = picture("result.png", bytes)?;
        let size = |length: u32| u16::try_from(length).unwrap_or(u16::MAX);
        let page = Page { columns: size(page.width()), rows: size(page.height()), rgb: page.as_raw() };
        let of_page = making(9903, "HILUM result page; research use only");
        objects.push(("capture.dcm", secondary_capture(&of_page, page, &said.notice)?));
    }
    Ok(objects)
}

/// A picture of the report.
pub(crate) fn picture(name: &str, bytes: &[u8]) -> Result<image::RgbImage, ExportFault> {
    ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png)
        .decode()
        .map(|picture| picture.into_rgb8())
        .map_err(|source| ExportFault::File { name: name.to_owned(), source: source.into() })
}

/// What found it: the bundle, as the engine ran it.
fn algorithm(said: &Said) -> Algorithm {
    Algorithm {
        family: codes::ARTIFICIAL_INTELLIGENCE,
        name: "Hilum".to_owned(),
        version: format!("{} {}", said.bundle.name, said.bundle.version),
        parameters: vec![
            format!("bundle sha256 {}", said.bundle.sha256),
            format!("engine {}", said.bundle.engine),
            format!("program {}", said.provenance.hilum),
            said.notice.clone(),
        ],
    }
}

/// What the CT branch read, and what of it it looked at most, where that may be shown: the part outlined in the overlay.
fn regions(
    kept: &Kept<'_>,
    said: &Said,
    lesion: Point,
    patch: &PatchGeometry,
    grid: &Grid,
) -> Result<Vec<(Code, &'static str, String, Masks)>, ExportFault> {
    let all = Array2::from_elem((patch.size, patch.size), 1.0);
    let read = masks(&all, 0.5, lesion, patch, grid);
    let mut regions = vec![(codes::PATCH, "Patch", "What the CT branch read, around the lesion".to_owned(), read)];
    let shown = said.explanations.iter().find_map(|explanation| {
        let method: ExplainMethod = explanation.method.parse().ok()?;
        let name = explanation.map.as_ref().filter(|_| explanation.modality == "ct")?;
        Some((method, name, kept.file(name)?))
    });
    if let Some((method, name, bytes)) = shown {
        let map = Array2::<f32>::read_npy(bytes)
            .map_err(|source| ExportFault::File { name: name.clone(), source: source.into() })?;
        let map = resized_map(&shown_map(&map, method), patch.size, patch.size);
        let hot = masks(&map, 0.5 * hottest([&map]), lesion, patch, grid);
        let description = format!("Half of the hottest and more, by {}; no outline of a tumour", method.title());
        regions.push((codes::LOOKED_AT, "Looked at most", description, hot));
    }
    regions.retain(|(.., masks)| !masks.is_empty());
    Ok(regions)
}

/// The voxels of the scan at which a map over the patch is at least `least`, slice by slice.
fn masks(map: &Array2<f32>, least: f32, lesion: Point, patch: &PatchGeometry, grid: &Grid) -> Masks {
    let Some(there) = over_grid(map, lesion, patch, grid) else { return Vec::new() };
    let [columns, rows, _] = grid.size;
    let first = grid.index(Point::new(there.grid().origin_lps_mm));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a voxel of the grid")]
    let [left, upper, lowest] = first.map(|at| at.round().max(0.0) as usize);
    let mut masks = Vec::new();
    for (slice, plane) in (lowest..).zip(there.voxels().outer_iter()) {
        let mut mask = Array2::from_elem((rows, columns), false);
        for ((row, column), &value) in plane.indexed_iter() {
            if let Some(inside) = mask.get_mut([upper + row, left + column]) {
                *inside = value >= least && value > 0.0;
            }
        }
        if mask.iter().any(|&inside| inside) {
            masks.push((slice, mask));
        }
    }
    masks
}

fn contained(concept: Code, value: Value) -> Item {
    Item::new(Relation::Contains, concept, value)
}

fn words(concept: Code, text: impl Into<String>) -> Item {
    contained(concept, Value::Text(text.into()))
}

fn modified(concept: Code, value: Code) -> Item {
    Item::new(Relation::Modifies, concept, Value::Code(value))
}

fn context(concept: Code, value: Value) -> Item {
    Item::new(Relation::Context, concept, value)
}

const fn dcm(value: &'static str, meaning: &'static str) -> Code {
    Code::new(value, "DCM", meaning)
}

/// The document (PS3.16 TID 1500). `tracked` are the groups of regions.
fn content_tree(
    said: &Said,
    algorithm: &Algorithm,
    seed: &str,
    device: &str,
    frame_of_reference_uid: &str,
    tracked: Vec<Item>,
) -> Item {
    let root =
        Item::new(Relation::Contains, dcm("126000", "Imaging Measurement Report"), Value::Container(Some("1500")));
    let language = Code::new("en", "RFC5646", "English");
    let root = root
        .with([modified(dcm("121049", "Language of Content Item and Descendants"), language)])
        .with(observer(device))
        .with([modified(dcm("121058", "Procedure reported"), codes::CT_OF_CHEST)]);
    let mut notes = vec![words(codes::NOTICE_OF_USE, &*said.notice)];
    let mut measured = Vec::new();
    if let Some(refusal) = &said.refusal {
        let why = format!("{}: {}", refusal.code, refusal.message);
        notes.push(words(codes::REFUSAL, why).with(identification(algorithm)));
        notes.push(words(codes::NEXT_STEP, &*refusal.next_step));
    } else {
        measured.push(lesion_group(said, algorithm, seed, frame_of_reference_uid));
        measured.extend(tracked);
    }
    notes.extend(
        said.limits
            .iter()
            .map(|limit| words(codes::LIMIT, format!("{}: {}; {}", limit.code, limit.message, limit.next_step))),
    );
    let root = if measured.is_empty() {
        root
    } else {
        root.with([contained(dcm("126010", "Imaging Measurements"), Value::Container(None)).with(measured)])
    };
    let evaluations = Code::new("C0034375", "UMLS", "Qualitative Evaluations");
    root.with([contained(evaluations, Value::Container(None)).with(notes)])
}

/// Who observed: a device (PS3.16 TID 1002 and 1004).
fn observer(device: &str) -> Vec<Item> {
    let text = |text: &str| Value::Text(text.to_owned());
    vec![
        context(dcm("121005", "Observer Type"), Value::Code(dcm("121007", "Device"))),
        context(dcm("121012", "Device Observer UID"), Value::Uid(uid("Hilum", &format!("device {device}")))),
        context(dcm("121013", "Device Observer Name"), text("HILUM")),
        context(dcm("121014", "Device Observer Manufacturer"), text("HILUM")),
        context(dcm("121015", "Device Observer Model Name"), text("Hilum")),
        context(dcm("121016", "Device Observer Serial Number"), text(device)),
    ]
}

/// What a measurement group tracks, what it is and where (PS3.16 TID 4108 and rows of TID 1410, 1411 and 1501).
fn tracking(label: &str, uid: String, finding: Code) -> Vec<Item> {
    vec![
        context(dcm("112039", "Tracking Identifier"), Value::Text(label.to_owned())),
        context(dcm("112040", "Tracking Unique Identifier"), Value::Uid(uid)),
        contained(codes::FINDING, Value::Code(finding)),
        modified(codes::FINDING_SITE, codes::LUNG),
    ]
}

/// The lesion with all that was found: at a point (PS3.16 TID 1410), or in images that have no frame of reference without (1501).
fn lesion_group(said: &Said, algorithm: &Algorithm, seed: &str, frame_of_reference_uid: &str) -> Item {
    let place = said.ct.as_ref().filter(|_| !frame_of_reference_uid.is_empty());
    let template = if place.is_some() { "1410" } else { "1501" };
    let group = contained(dcm("125007", "Measurement Group"), Value::Container(Some(template)))
        .with(tracking("Lesion", uid(seed, "lesion"), codes::NODULE))
        .with(identification(algorithm))
        .with(place.map(|ct| {
            let frame_of_reference_uid = frame_of_reference_uid.to_owned();
            let point = Value::Point { lps_mm: ct.lesion_lps_mm, frame_of_reference_uid };
            contained(dcm("111030", "Image Region"), point)
        }));
    let specimen = said.specimen();
    let ratio = |concept: Code, value: f64| contained(concept, Value::Number(value, codes::RATIO));
    let probabilities = said.scores().into_iter().zip(codes::BY).filter_map(|(scores, by)| Some((scores?, by)));
    let classes = probabilities.flat_map(|(scores, by)| {
        Class::ALL.into_iter().zip(scores.probabilities).map(move |(class, probability)| {
            ratio(codes::CLASS_PROBABILITY, probability)
                .with([modified(codes::METHOD, by.clone()), modified(codes::FINDING, codes::class(class, specimen))])
        })
    });
    let weights = said.weights.into_iter().flat_map(|weights| {
        [weights.ct, weights.he]
            .into_iter()
            .zip(codes::MODALITIES)
            .map(|(weight, of)| ratio(codes::WEIGHT, weight).with([modified(codes::MODALITY, of)]))
    });
    let cancer = said.fused.as_ref().map(|fused| {
        let percent = 100.0 * (1.0 - fused.normal());
        contained(codes::PROBABILITY_OF_CANCER, Value::Number(percent, codes::PERCENT))
    });
    let favoured = said.fused.as_ref().and_then(|fused| fused.class());
    let favoured = favoured.map(|class| contained(codes::FAVOURED, Value::Code(codes::class(class, specimen))));
    let chosen = said.ct.as_ref().map(|ct| {
        let by = if ct.lesion_suggested { codes::LESION_SUGGESTED } else { codes::LESION_MARKED };
        contained(codes::LESION_SOURCE, Value::Code(by))
    });
    group.with(cancer).with(classes).with(weights).with(favoured).with(chosen)
}

/// A region of the segmentation (PS3.16 TID 1411).
fn segment_group(segment: &Segment, number: u16, sop_uid: &str, series_uid: &str) -> Item {
    let [label, tracking_uid] = &segment.tracking;
    contained(dcm("125007", "Measurement Group"), Value::Container(Some("1411")))
        .with(tracking(label, tracking_uid.clone(), segment.kind.clone()))
        .with(identification(&segment.algorithm))
        .with([
            contained(
                dcm("121191", "Referenced Segment"),
                Value::Segment { sop_uid: sop_uid.to_owned(), segment: number },
            ),
            contained(dcm("121232", "Source series for segmentation"), Value::Uid(series_uid.to_owned())),
        ])
}

#[cfg(test)]
mod tests {
    use hilum_dicom::{Carried, SourceImage};
    use hilum_domain::Step;

    use super::*;
    use crate::said::tests::report;

    fn origin(frame_of_reference_uid: &str) -> Origin {
        let images = (0..20).map(|k| SourceImage {
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
            sop_uid: format!("2.25.{}", 100 + k),
            frame: None,
            position_lps_mm: [-160.0, -150.0, -620.0 + f64::from(k)],
        });
        Origin {
            carried: Carried::default(),
            series_uid: "2.25.2".to_owned(),
            frame_of_reference_uid: frame_of_reference_uid.to_owned(),
            rows: 300,
            columns: 320,
            pixel_spacing_mm: [1.0; 2],
            orientation: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            slice_thickness_mm: None,
            images: images.collect(),
        }
    }

    fn patch() -> PatchGeometry {
        let spacing = Step::from_mm(0.75).expect("a step");
        PatchGeometry { size: 128, spacing, slice_offsets_mm: [-3.0, 0.0, 3.0] }
    }

    #[test]
    fn a_case_leaves_what_makes_sense() {
        for (refused, frame_of_reference, want) in [
            (false, "2.25.3", vec!["sr.dcm", "seg.dcm"]),
            (false, "", vec!["sr.dcm"]),
            (true, "2.25.3", vec!["sr.dcm"]),
        ] {
            let report = serde_json::to_vec(&report(refused)).expect("JSON");
            let kept = Kept { report: &report, files: &[], device: "none" };
            let objects = dicom(&kept, &origin(frame_of_reference), &patch()).expect("objects");
            assert_eq!(objects.iter().map(|(name, _)| *name).collect::<Vec<_>>(), want);
            let again = dicom(&kept, &origin(frame_of_reference), &patch()).expect("objects");
            assert_eq!(objects, again, "made again it is the same");
        }
    }

    #[test]
    fn the_patch_lies_around_the_lesion() {
        let grid = origin("2.25.3").grid();
        let lesion = Point::new([-32.5, 10.25, -611.0]);
        let masks = masks(&Array2::from_elem((128, 128), 1.0), 0.5, lesion, &patch(), &grid);
        // Slices at −620 + k; the planes at −3 and +3 mm, and half a slice around them.
        assert_eq!(masks.iter().map(|(slice, _)| *slice).collect::<Vec<_>>(), [6, 7, 8, 9, 10, 11, 12]);
        for (_, mask) in &masks {
            assert_eq!(mask.dim(), (300, 320));
            assert_eq!(mask.iter().filter(|&&inside| inside).count(), 96 * 96);
            assert!(mask[[160, 128]], "the lesion's own voxel");
        }
    }
}
