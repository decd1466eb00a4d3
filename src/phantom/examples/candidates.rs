//! What the search for lesions finds in drawn scans, one line of JSON a case, with the truth beside it.
//!
//! `candidates PATIENTS SEED small|full|thorax [--diameter LEAST-MOST] [--signs yes] [--paired yes] [--case CASE]
//! [--nifti FOLDER]`
//!
//! The scans are those of `hilum phantom` with the same figures; `thorax` is a whole chest of 256² and 2 mm, which is drawn
//! in a quarter of the time. With `--diameter` every lesion is a peripheral one (what
//! an adenocarcinoma or, where the patient has none, a benign nodule looks like) of a size between the two, in mm. With `--signs` each line has every blob, for the fit.
//! With `--paired` each patient has three lines: the scan, the same scan averaged 2 × 2 in the plane (`scan` is `averaged`), and
//! the same chest and lesion drawn as `thorax` is.

#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::{error::Error, fs, path::PathBuf, time::Instant};

use hilum_domain::{Class, Point};
use hilum_imaging::{Grid, Random, Volume, lesion_candidates, lesion_sightings, nifti};
use hilum_phantom::{
    Patient, Size, cohort,
    ct::{Extent, Rendered, Request, render},
    draw_ct,
};
use ndarray::Array3;
use rayon::prelude::*;
use serde_json::{Value, json};

/// As many as the program lists.
const MOST: usize = 10;

#[expect(clippy::cast_precision_loss, reason = "sizes of pictures and counts of rays")]
const fn real(count: usize) -> f64 {
    count as f64
}

/// The share of the lesion's surface behind which, 3 mm on, there is soft tissue: vessels, pleura, mediastinum.
fn enclosed(rendered: &Rendered) -> f64 {
    const RAYS: usize = 500;
    let grid = rendered.ct.grid();
    let index = |along: [f64; 3], mm: f64| {
        let at = Point::new(std::array::from_fn(|axis| rendered.lesion_lps_mm[axis] + mm * along[axis]));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in the volume")]
        grid.contains(at)
            .then(|| grid.index(at).map(|place| place.round().max(0.0) as usize))
            .map(|[i, j, k]| [k.min(grid.size[2] - 1), j.min(grid.size[1] - 1), i.min(grid.size[0] - 1)])
    };
    let dense = (0..RAYS).filter(|&ray| {
        // Fibonacci's sphere.
        let z = 1.0 - (2.0 * real(ray) + 1.0) / real(RAYS);
        let (sin, cos) = libm::sincos(real(ray) * 2.399_963_229_728_653);
        let flat = (1.0 - z * z).sqrt();
        let along = [flat * cos, flat * sin, z];
        let steps = 0..400_u32;
        let rim = steps
            .map(|step| 0.25 * f64::from(step))
            .filter(|&mm| index(along, mm).is_some_and(|at| rendered.mask[at] == 1))
            .fold(0.0, f64::max);
        index(along, rim + 3.0).is_some_and(|at| rendered.ct.voxels()[at] > -500)
    });
    real(dense.count()) / real(RAYS)
}

/// `None` is a whole chest, coarsely.
fn draw(patient: &Patient, seed: u64, size: Option<Size>, diameter_mm: Option<f64>) -> Rendered {
    if let Some(size) = size {
        return draw_ct(patient, seed, size, diameter_mm);
    }
    let request = Request {
        phenotype: patient.ct_phenotype,
        obscurity: patient.ct_obscurity,
        age: patient.age.years(),
        sex: patient.sex,
        smoking: patient.smoking,
        extent: Extent::WholeThorax,
        columns: 256,
        slice_step_mm: 2.0,
        diameter_mm,
    };
    render(&request, &mut Random::new(seed, &format!("{} ct", patient.case_id)))
}

/// The mean of every 2 × 2 voxels of a slice.
fn averaged(volume: &Volume<i16>) -> Option<Volume<i16>> {
    let old = volume.grid();
    let [columns, rows, slices] = [old.size[0] / 2, old.size[1] / 2, old.size[2]];
    let voxels = Array3::from_shape_fn((slices, rows, columns), |(k, j, i)| {
        let four = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(y, x)| f64::from(volume.voxels()[[k, 2 * j + y, 2 * i + x]]));
        #[expect(clippy::cast_possible_truncation, reason = "a mean of HU")]
        let hu = (0.25 * four.iter().sum::<f64>()).round() as i16;
        hu
    });
    let [i, j, k] = old.step_lps_mm;
    let grid = Grid {
        size: [columns, rows, slices],
        origin_lps_mm: old.point([0.5, 0.5, 0.0]).lps_mm,
        step_lps_mm: [i.map(|part| 2.0 * part), j.map(|part| 2.0 * part), k],
    };
    Volume::new(voxels, grid)
}

/// What is found in a scan, as the line has it.
fn search(volume: &Volume<i16>, lesion: Point, signs: bool) -> [(&'static str, Value); 3] {
    let started = Instant::now();
    let found = lesion_candidates(volume, MOST);
    let took_s = started.elapsed().as_secs_f64();
    let candidates: Vec<Value> = found
        .iter()
        .map(|one| {
            json!({"lps_mm": one.centre.lps_mm, "from_lesion_mm": one.centre.distance_mm(lesion),
                "diameter_mm": one.diameter_mm, "mean_hu": one.mean_hu, "score": one.score})
        })
        .collect();
    let sightings: Vec<Value> = if signs { lesion_sightings(volume) } else { Vec::new() }
        .into_iter()
        .map(|seen| {
            let ((body, diameter_mm), (log_size, signs)) = (seen.body, seen.signs);
            json!({"lps_mm": seen.centre.lps_mm, "body_lps_mm": body.lps_mm, "body_mm": diameter_mm, "radius_mm": seen.radius_mm,
                "size": log_size, "signs": signs})
        })
        .collect();
    [("took_s", json!(took_s)), ("candidates", json!(candidates)), ("sightings", json!(sightings))]
}

/// A line of a scan; with another picture of the same lesion, of that one.
fn line(patient: &Patient, seed: u64, scan: &str, rendered: &Rendered, ct: &Volume<i16>, signs: bool) -> Value {
    let mut line = json!({
        "seed": seed, "case": patient.case_id, "scan": scan, "label": patient.label.name(), "phenotype": patient.ct_phenotype.name(),
        "obscurity": patient.ct_obscurity, "lesion_lps_mm": rendered.lesion_lps_mm, "diameter_mm": rendered.diameter_mm,
        "central": rendered.lie.central, "to_wall_mm": rendered.lie.to_wall_mm, "solid": rendered.lie.solid,
        "enclosed": enclosed(rendered),
    });
    for (name, value) in search(ct, Point::new(rendered.lesion_lps_mm), signs) {
        line[name] = value;
    }
    line
}

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "candidates PATIENTS SEED small|full|thorax [--diameter LEAST-MOST] [--signs yes] [--paired yes] \
                 [--case CASE] [--nifti FOLDER]";
    let mut words = std::env::args().skip(1);
    let mut next = || words.next().ok_or(usage);
    let (patients, seed): (usize, u64) = (next()?.parse()?, next()?.parse()?);
    let name = next()?;
    let size = match name.as_str() {
        "small" => Some(Size::Small),
        "full" => Some(Size::Full),
        "thorax" => None,
        _ => return Err(usage.into()),
    };
    let (mut span, mut signs, mut paired, mut only, mut folder) = (None, false, false, None, None);
    while let Ok(option) = next() {
        let value = next()?;
        match option.as_str() {
            "--diameter" => {
                let (least, most) = value.split_once('-').ok_or(usage)?;
                span = Some((least.parse::<f64>()?, most.parse::<f64>()?));
            }
            "--signs" => signs = value == "yes",
            "--paired" => paired = value == "yes",
            "--case" => only = Some(value),
            "--nifti" => folder = Some(PathBuf::from(value)),
            _ => return Err(usage.into()),
        }
    }
    if paired && size.is_none() {
        return Err("--paired compares a scan with thorax: draw small or full".into());
    }
    cohort::draw(patients, seed)
        .par_iter()
        .enumerate()
        .filter(|(_, patient)| only.as_ref().is_none_or(|only| *only == patient.case_id))
        .try_for_each(|(index, patient)| {
            let (mut patient, mut wanted) = (patient.clone(), None);
            if let Some((least, most)) = span {
                if patient.ct_phenotype != Class::Normal {
                    patient.ct_phenotype = Class::Adenocarcinoma;
                }
                // Cases are in no order that means anything, so sizes may be.
                wanted = Some(least * libm::pow(most / least, (real(index) + 0.5) / real(patients)));
            }
            let rendered = draw(&patient, seed, size, wanted);
            println!("{}", line(&patient, seed, &name, &rendered, &rendered.ct, signs));
            if paired {
                if let Some(ct) = averaged(&rendered.ct) {
                    println!("{}", line(&patient, seed, "averaged", &rendered, &ct, signs));
                }
                let again = draw(&patient, seed, None, wanted);
                println!("{}", line(&patient, seed, "thorax", &again, &again.ct, signs));
            }
            if let Some(folder) = &folder {
                fs::create_dir_all(folder)?;
                fs::write(folder.join(format!("{}.nii", patient.case_id)), nifti::encode(&rendered.ct))?;
            }
            Ok::<(), std::io::Error>(())
        })?;
    Ok(())
}
