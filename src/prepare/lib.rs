//! Data sets to the arrays that training reads (`hilum.prepared/1`).
//!
//! ```text
//! OUT/prepared.json               schema, source, classes, shards, and the parameters of every step
//! OUT/shard-I-of-N/cases.csv      one row a case; ct_row, tile_first, tile_count index the arrays of the shard
//! OUT/shard-I-of-N/ct.npy         uint8 [N, S, S, 3]      lesion patches, window levels
//! OUT/shard-I-of-N/he.npy         uint8 [M, T, T, 3]      stain-normalised tiles
//! OUT/shard-I-of-N/tiles.csv      one row a tile: case_id, field, x, y, tissue_share
//! ```
//!
//! It takes the very steps of the device (`imaging::slide`, `imaging::lesion_patch`) and adds none.

#![forbid(unsafe_code)]

mod npy;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hilum_domain::{Class, Metadata, MicronsPerPixel, Point, Refusal, StainMethod, Step};
use hilum_imaging::{PatchGeometry, Window, lesion_patch, slide};
use hilum_intake::{CohortCase, CohortFault, Rejection, Unreadable, read_cohort, read_fields};
use ndarray::Array3;
use rayon::prelude::*;
use serde::Serialize;

pub use npy::NpyAppender;

/// The parameters of every step, as the networks will be told them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// The lesion patch.
    pub patch: PatchGeometry,
    /// Its HU window.
    pub window: Window,
    /// Fields and tiles.
    pub slide: slide::SlideContract,
}

impl Parameters {
    /// The reference: patches of 96 mm in 128 pixels of 0.75 mm, planes at −3, 0 and +3 mm, −1000 to 400 HU; tiles of
    /// 224 pixels of 0.5 µm.
    #[must_use]
    pub fn reference() -> Self {
        Self {
            patch: PatchGeometry {
                size: 128,
                spacing: Step::from_mm(0.75).expect("positive"),
                slice_offsets_mm: [-3.0, 0.0, 3.0],
            },
            window: Window { low_hu: -1000.0, high_hu: 400.0 },
            slide: slide::SlideContract {
                tile_px: 224,
                scale: MicronsPerPixel::new(0.5).expect("positive"),
                min_tissue_share: 0.05,
                min_focus: 0.09,
                stain: StainMethod::Macenko,
                max_stain_distance_deg: 25.0,
            },
        }
    }
}

/// One of the parts into which a data set is cut, so that several machines can prepare it: `index` of `of`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub index: usize,
    /// How many parts there are.
    pub of: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err(format!("shard \"{text}\" is not I/N with I from 1 to N")),
        }
    }
}

/// Why a data set could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The cohort cannot be read.
    #[error(transparent)]
    Cohort(#[from] CohortFault),
    /// A case cannot be read. A refused case is no error: it is listed with its code.
    #[error("cannot read {case_id}")]
    Case {
        /// Which case.
        case_id: String,
        /// Why.
        #[source]
        source: Unreadable,
    },
    /// The output cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What was prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Cases in the shard.
    pub cases: usize,
    /// Patches written.
    pub patches: usize,
    /// Tiles written.
    pub tiles: usize,
    /// Cases of which at least one modality was refused.
    pub refused: usize,
}

/// Cases in memory at once: enough for every core, little enough for a small machine.
const AT_ONCE: usize = 8;

/// Prepares `shard` of a cohort in the phantom layout. `progress` is told how many cases are done.
///
/// # Errors
/// [`PrepareError`] if a case cannot be read or the output cannot be written.
pub fn prepare_cohort(
    from: &Path,
    out: &Path,
    shard: Shard,
    parameters: &Parameters,
    progress: impl Fn(usize, usize),
) -> Result<Summary, PrepareError> {
    let cases: Vec<CohortCase> = read_cohort(from)?.into_iter().skip(shard.index - 1).step_by(shard.of).collect();
    let folder = out.join(format!("shard-{}-of-{}", shard.index, shard.of));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| PrepareError::Write { path, source }
    };
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let (ct_path, he_path) = (folder.join("ct.npy"), folder.join("he.npy"));
    let edge = parameters.patch.size;
    let tile = parameters.slide.tile_px as usize;
    let mut ct = NpyAppender::create(&ct_path, [edge, edge, 3]).map_err(at(&ct_path))?;
    let mut he = NpyAppender::create(&he_path, [tile, tile, 3]).map_err(at(&he_path))?;
    let mut rows = csv::Writer::from_writer(Vec::new());
    let mut tile_rows = csv::Writer::from_writer(Vec::new());
    let mut summary = Summary::default();
    for chunk in cases.chunks(AT_ONCE) {
        let read: Vec<_> = chunk.par_iter().map(|case| read_case(case, parameters)).collect();
        for (case, prepared) in chunk.iter().zip(read) {
            let Prepared { patch, slide, refusals } = prepared?;
            let ct_row = match &patch {
                Some(levels) => {
                    Some(ct.append(levels.as_standard_layout().as_slice().unwrap_or_default()).map_err(at(&ct_path))?)
                }
                None => None,
            };
            let tile_first = he.rows();
            for tile in slide.iter().flat_map(|slide| &slide.tiles) {
                he.append(tile.image.as_raw()).map_err(at(&he_path))?;
                let row = TileRow {
                    case_id: &case.case_id,
                    field: tile.field,
                    x: tile.origin[0],
                    y: tile.origin[1],
                    tissue_share: tile.tissue_share,
                };
                tile_rows.serialize(row).map_err(|error| at(&folder)(io::Error::other(error)))?;
            }
            let tile_count = he.rows() - tile_first;
            summary.cases += 1;
            summary.patches += usize::from(patch.is_some());
            summary.tiles += tile_count;
            summary.refused += usize::from(!refusals.is_empty());
            let row = CaseRow::new(case, ct_row, tile_first, tile_count, &refusals);
            rows.serialize(row).map_err(|error| at(&folder)(io::Error::other(error)))?;
            progress(summary.cases, cases.len());
        }
    }
    ct.finish().map_err(at(&ct_path))?;
    he.finish().map_err(at(&he_path))?;
    for (name, writer) in [("tiles.csv", tile_rows), ("cases.csv", rows)] {
        let path = folder.join(name);
        let bytes = writer.into_inner().map_err(|error| at(&path)(io::Error::other(error.to_string())))?;
        fs::write(&path, bytes).map_err(at(&path))?;
    }
    let path = out.join("prepared.json");
    let described =
        serde_json::to_vec_pretty(&Described::new(shard.of, parameters)).map_err(|error| at(&path)(error.into()))?;
    fs::write(&path, described).map_err(at(&path))?;
    Ok(summary)
}

struct Prepared {
    patch: Option<Array3<u8>>,
    slide: Option<slide::Slide>,
    refusals: Vec<Refusal>,
}

fn read_case(case: &CohortCase, parameters: &Parameters) -> Result<Prepared, PrepareError> {
    let unreadable = |source| PrepareError::Case { case_id: case.case_id.clone(), source };
    let mut refusals = Vec::new();
    let lesion: Point = case.lesion()?;
    let patch = match hilum_intake::volume(&case.ct()) {
        Ok(study) => Some(lesion_patch(&study.volume, lesion, &parameters.patch).levels(parameters.window)),
        Err(Rejection::Refused(refusal)) => {
            refusals.push(refusal);
            None
        }
        Err(Rejection::Unreadable(source)) => return Err(unreadable(source)),
    };
    let fields = read_fields(&[case.he()], None).map_err(unreadable)?;
    let slide = match slide::read_slide(fields, None, &parameters.slide, &mut |_, _| ()) {
        Ok(slide) => Some(slide),
        Err(refusal) => {
            refusals.push(refusal);
            None
        }
    };
    Ok(Prepared { patch, slide, refusals })
}

#[derive(Serialize)]
struct CaseRow<'a> {
    case_id: &'a str,
    patient_id: &'a str,
    label: &'a str,
    age: Option<f64>,
    sex: &'a str,
    smoking: &'a str,
    specimen: &'a str,
    site: &'a str,
    split: &'a str,
    ct_row: Option<usize>,
    tile_first: usize,
    tile_count: usize,
    refusal: String,
}

impl<'a> CaseRow<'a> {
    fn new(
        case: &'a CohortCase,
        ct_row: Option<usize>,
        tile_first: usize,
        tile_count: usize,
        refusals: &[Refusal],
    ) -> Self {
        let Metadata { age, sex, smoking, specimen } = case.metadata;
        Self {
            case_id: &case.case_id,
            patient_id: &case.patient_id,
            label: case.label.name(),
            age: age.map(hilum_domain::Age::years),
            sex: sex.map_or("", hilum_domain::Sex::name),
            smoking: smoking.map_or("", hilum_domain::Smoking::name),
            specimen: specimen.map_or("", hilum_domain::Specimen::name),
            site: &case.site,
            split: &case.split,
            ct_row,
            tile_first,
            tile_count,
            refusal: refusals.iter().map(|refusal| refusal.code.code()).collect::<Vec<_>>().join(" "),
        }
    }
}

#[derive(Serialize)]
struct TileRow<'a> {
    case_id: &'a str,
    field: usize,
    x: u32,
    y: u32,
    tissue_share: f64,
}

#[derive(Serialize)]
struct Described {
    schema: &'static str,
    source: &'static str,
    hilum: &'static str,
    classes: [&'static str; 5],
    shards: usize,
    ct: DescribedCt,
    he: DescribedHe,
}

#[derive(Serialize)]
struct DescribedCt {
    size: usize,
    spacing_mm: f64,
    span_mm: f64,
    window_hu: [f32; 2],
    slice_offsets_mm: [f64; 3],
}

#[derive(Serialize)]
struct DescribedHe {
    tile_px: u32,
    um_per_px: f64,
    min_tissue_share: f64,
    min_focus: f64,
    stain: &'static str,
    max_stain_distance_deg: f64,
}

impl Described {
    fn new(shards: usize, parameters: &Parameters) -> Self {
        let Parameters { patch, window, slide } = parameters;
        #[expect(clippy::cast_precision_loss, reason = "a hundred or so")]
        let span_mm = patch.size as f64 * patch.spacing.mm();
        Self {
            schema: "hilum.prepared/1",
            source: "phantom",
            hilum: env!("CARGO_PKG_VERSION"),
            classes: Class::ALL.map(Class::name),
            shards,
            ct: DescribedCt {
                size: patch.size,
                spacing_mm: patch.spacing.mm(),
                span_mm,
                window_hu: [window.low_hu, window.high_hu],
                slice_offsets_mm: patch.slice_offsets_mm,
            },
            he: DescribedHe {
                tile_px: slide.tile_px,
                um_per_px: slide.scale.um(),
                min_tissue_share: slide.min_tissue_share,
                min_focus: slide.min_focus,
                stain: slide.stain.name(),
                max_stain_distance_deg: slide.max_stain_distance_deg,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_one() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, of: 3 }));
        for bad in ["0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
