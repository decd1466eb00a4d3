//! The cohort as files, in the layout that `predict`, `prepare` and the training read.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder};
use hilum_dicom::{CtSeries, WriteError, write_ct_slice};
use hilum_domain::{Class, Sex};
use hilum_imaging::{Grid, Volume, nifti};
use image::RgbImage;
use rayon::prelude::*;
use serde::Serialize;

use crate::{
    Random,
    cohort::{self, Patient},
    ct, he,
};

/// How large the pictures of a cohort are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// CT slab of 120 mm, 256², 2 mm; two fields of 896² at 0.5 µm.
    Small,
    /// Whole thorax, 512², 1.5 mm; six fields of 1920×1080 at 0.25 µm.
    Full,
}

impl Size {
    const fn columns(self) -> usize {
        match self {
            Self::Small => 256,
            Self::Full => 512,
        }
    }

    const fn slice_step_mm(self) -> f64 {
        match self {
            Self::Small => 2.0,
            Self::Full => 1.5,
        }
    }

    const fn extent(self) -> ct::Extent {
        match self {
            Self::Small => ct::Extent::Slab120mm,
            Self::Full => ct::Extent::WholeThorax,
        }
    }

    /// Fields, width, height, µm per pixel.
    const fn fields(self) -> (usize, u32, u32, f64) {
        match self {
            Self::Small => (2, 896, 896, 0.5),
            Self::Full => (6, 1920, 1080, 0.25),
        }
    }
}

/// Why a cohort could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CohortError {
    /// A file or folder could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A DICOM slice could not be written.
    #[error("cannot write {}", path.display())]
    Slice {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: WriteError,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CohortError + '_ {
    move |source| CohortError::Write { path: path.to_owned(), source }
}

/// What is to be removed may not be there.
fn unless_missing(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Writes a cohort of `patients` into `folder`, which may exist. `progress` is told after each case; `cohort.csv` is
/// written last, so a cohort that has one is whole.
///
/// # Errors
/// [`CohortError`] if anything cannot be written.
pub fn write_cohort(
    folder: &Path,
    patients: usize,
    seed: u64,
    size: Size,
    progress: impl Fn(usize) + Sync,
) -> Result<(), CohortError> {
    let cohort = cohort::draw(patients, seed);
    fs::create_dir_all(folder).map_err(at(folder))?;
    let index = folder.join("cohort.csv");
    unless_missing(fs::remove_file(&index)).map_err(at(&index))?;
    let done = std::sync::atomic::AtomicUsize::new(0);
    cohort.par_iter().try_for_each(|patient| {
        write_case(&folder.join(&patient.case_id), patient, seed, size)?;
        progress(done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1);
        Ok(())
    })?;
    write_index(&index, &cohort).map_err(at(&index))
}

#[derive(Serialize)]
struct Row<'a> {
    case_id: &'a str,
    patient_id: &'a str,
    label: &'a str,
    age: f64,
    sex: &'a str,
    smoking: &'a str,
    specimen: &'a str,
    site: String,
    split: &'a str,
}

fn write_index(path: &Path, cohort: &[Patient]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for patient in cohort {
        writer.serialize(Row {
            case_id: &patient.case_id,
            patient_id: &patient.patient_id,
            label: patient.label.name(),
            age: patient.age.years(),
            sex: patient.sex.name(),
            smoking: patient.smoking.name(),
            specimen: patient.specimen.name(),
            site: format!("site-{}", patient.site + 1),
            split: patient.split.name(),
        })?;
    }
    fs::write(path, writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?)
}

/// `lesion.json`.
#[derive(Serialize)]
struct Lesion {
    center_lps_mm: [f64; 3],
    diameter_mm: f64,
}

/// `he/fields.json`.
#[derive(Serialize)]
struct Fields {
    um_per_px: f64,
}

/// Writes one case into `folder`, in the place of one that is there: `ct/`, `ct_mask.nii.gz`, `lesion.json`, `he/`, `he_mask/`.
///
/// # Errors
/// [`CohortError`] if anything cannot be written.
pub fn write_case(folder: &Path, patient: &Patient, seed: u64, size: Size) -> Result<(), CohortError> {
    // An earlier, larger case of that name would leave slices and fields among those of this one.
    for part in ["ct", "he", "he_mask"].map(|part| folder.join(part)) {
        unless_missing(fs::remove_dir_all(&part)).map_err(at(&part))?;
    }
    write_ct(folder, patient, seed, size)?;
    write_he(folder, patient, seed, size)
}

/// A patient's scan, and where its own draws go on.
fn scan(patient: &Patient, seed: u64, size: Size, diameter_mm: Option<f64>) -> (ct::Rendered, Random) {
    let mut random = Random::new(seed, &format!("{} ct", patient.case_id));
    let request = ct::Request {
        phenotype: patient.ct_phenotype,
        obscurity: patient.ct_obscurity,
        age: patient.age.years(),
        sex: patient.sex,
        smoking: patient.smoking,
        extent: size.extent(),
        columns: size.columns(),
        slice_step_mm: size.slice_step_mm(),
        diameter_mm,
    };
    (ct::render(&request, &mut random), random)
}

/// The scan of a patient as [`write_case`] writes it, and the truth about the lesion, benign ones with their mask; with a lesion of
/// another size where one is asked for.
#[must_use]
pub fn draw_ct(patient: &Patient, seed: u64, size: Size, diameter_mm: Option<f64>) -> ct::Rendered {
    scan(patient, seed, size, diameter_mm).0
}

fn write_ct(folder: &Path, patient: &Patient, seed: u64, size: Size) -> Result<(), CohortError> {
    let (mut rendered, mut random) = scan(patient, seed, size, None);
    if patient.label == Class::Normal {
        // What is marked is a benign mimic: there is no tumour to find.
        rendered.mask.fill(0);
    }
    let ct = folder.join("ct");
    fs::create_dir_all(&ct).map_err(at(&ct))?;
    let series = CtSeries {
        patient_id: patient.patient_id.clone(),
        patient_sex: if patient.sex == Sex::Male { "M" } else { "F" },
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole years, 30 to 92")]
        patient_age: Some(patient.age.years() as u16),
        study_uid: uid(&mut random),
        series_uid: uid(&mut random),
        frame_of_reference_uid: uid(&mut random),
        date: "20260105".to_owned(),
        description: "Thorax 120 kV".to_owned(),
        equipment: ["Hilum".to_owned(), "Phantom".to_owned()],
        kernel: "STANDARD".to_owned(),
    };
    let grid: Grid = *rendered.ct.grid();
    for k in 0..grid.size[2] {
        // Named as a console does, by instance, from the head down.
        let path = ct.join(format!("IM{:04}.dcm", grid.size[2] - k));
        let sop_uid = uid(&mut random);
        write_ct_slice(&path, &series, &rendered.ct, k, &sop_uid)
            .map_err(|source| CohortError::Slice { path, source })?;
    }
    let mask = Volume::new(rendered.mask, grid).expect("the mask has the volume's shape");
    let path = folder.join("ct_mask.nii.gz");
    // No name and no time in the header: the same cohort is the same bytes.
    let mut gz = GzBuilder::new().write(Vec::new(), Compression::fast());
    gz.write_all(&nifti::encode(&mask)).map_err(at(&path))?;
    fs::write(&path, gz.finish().map_err(at(&path))?).map_err(at(&path))?;
    let lesion =
        Lesion { center_lps_mm: rendered.lesion_lps_mm.map(hundredths), diameter_mm: hundredths(rendered.diameter_mm) };
    write_json(&folder.join("lesion.json"), &lesion)
}

/// How a patient's slide was made, and what tissue it has.
fn specimen(patient: &Patient, seed: u64) -> (he::Preparation, he::Traits) {
    let mut random = Random::new(seed, &format!("{} he", patient.case_id));
    let preparation = he::Preparation::draw(patient.site, &mut random);
    let traits = he::Traits::draw(patient.he_phenotype, patient.he_obscurity, &mut random);
    (preparation, traits)
}

/// A part of a patient's slide, larger than a field: what a stage moves under a microscope. It is two by two pieces of tissue, each of
/// so many pixels across and down, and none is a field of [`write_case`].
#[must_use]
pub fn slide(patient: &Patient, seed: u64, [width, height]: [u32; 2], um_per_px: f64) -> RgbImage {
    let (preparation, traits) = specimen(patient, seed);
    let request = he::Request { phenotype: patient.he_phenotype, specimen: patient.specimen, width, height, um_per_px };
    let pieces: Vec<RgbImage> = (1..=4)
        .into_par_iter()
        .map(|piece| {
            let mut random = Random::new(seed, &format!("{} slide {piece}", patient.case_id));
            he::render(&request, &preparation, &traits, &mut random).field
        })
        .collect();
    let mut slide = RgbImage::new(2 * width, 2 * height);
    for (piece, (x, y)) in pieces.iter().zip([(0, 0), (width, 0), (0, height), (width, height)]) {
        image::imageops::replace(&mut slide, piece, x.into(), y.into());
    }
    slide
}

fn write_he(folder: &Path, patient: &Patient, seed: u64, size: Size) -> Result<(), CohortError> {
    let (preparation, traits) = specimen(patient, seed);
    let (count, width, height, um_per_px) = size.fields();
    let request = he::Request { phenotype: patient.he_phenotype, specimen: patient.specimen, width, height, um_per_px };
    let (fields, masks) = (folder.join("he"), folder.join("he_mask"));
    fs::create_dir_all(&fields).map_err(at(&fields))?;
    fs::create_dir_all(&masks).map_err(at(&masks))?;
    for index in 1..=count {
        let mut random = Random::new(seed, &format!("{} he {index}", patient.case_id));
        let mut rendered = he::render(&request, &preparation, &traits, &mut random);
        if patient.label == Class::Normal {
            rendered.mask.fill(0);
        }
        let name = format!("field-{index}.png");
        let path = fields.join(&name);
        write_png(&path, width, height, rendered.field.as_raw(), png::ColorType::Rgb, um_per_px).map_err(at(&path))?;
        let path = masks.join(&name);
        write_png(&path, width, height, rendered.mask.as_raw(), png::ColorType::Grayscale, um_per_px)
            .map_err(at(&path))?;
    }
    write_json(&fields.join("fields.json"), &Fields { um_per_px })
}

/// A PNG that says its scale.
fn write_png(
    path: &Path,
    width: u32,
    height: u32,
    bytes: &[u8],
    color: png::ColorType,
    um_per_px: f64,
) -> io::Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width, height);
    encoder.set_color(color);
    encoder.set_compression(png::Compression::Fast);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few million")]
    let per_metre = (1e6 / um_per_px).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()?;
    Ok(())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CohortError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| at(path)(error.into()))?;
    fs::write(path, bytes).map_err(at(path))
}

/// Enough digits for a position, and the same text everywhere.
fn hundredths(mm: f64) -> f64 {
    (mm * 100.0).round() / 100.0
}

/// A UID from a random UUID (PS3.5 B.2).
fn uid(random: &mut Random) -> String {
    let half = |random: &mut Random| u128::from(random.bits());
    format!("2.25.{}", (half(random) << 64) | half(random))
}
