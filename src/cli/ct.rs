//! `hilum ct list`, `hilum ct volume`, `hilum ct candidates`

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use flate2::{Compression, write::GzEncoder};
use hilum_domain::{Refusal, Step};
use hilum_imaging::{TooManyVoxels, Volume, lesion_candidates, nifti, resample_isotropic, upright};
use hilum_intake::{Pick, Verdict, list, picked_volume, volume};
use serde::Serialize;

use crate::{
    Failure,
    files::{writable, write_whole},
    pacs,
    stain::median_ms,
    terminal::{print_json, print_refusal, say},
};

/// How many candidates are worth a look.
const MOST: usize = 10;
/// What no list of them says.
const NOTE: &str =
    "suggestions only: a lesion may lie where none is suggested, and an empty list does not mean that there is none";

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// The CT series at a path, and whether each makes a volume.
    List {
        /// A folder, a DICOM file, a DICOMDIR or a zip archive.
        path: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// A series as a NIfTI volume in Hounsfield units.
    Volume {
        /// A folder, a DICOM file, a DICOMDIR or a zip archive.
        path: PathBuf,
        /// The Series Instance UID, where there are several.
        #[arg(long, value_name = "UID")]
        series: Option<String>,
        /// Acquisition Number or Temporal Position Identifier, where a series has several volumes in one another.
        #[arg(long, value_name = "N", allow_hyphen_values = true)]
        acquisition: Option<i32>,
        /// Resample to this spacing, isotropic.
        #[arg(long, value_name = "MM", allow_hyphen_values = true, value_parser = spacing)]
        spacing: Option<Step>,
        /// FILE.nii or FILE.nii.gz.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Read and resample so many times; the JSON has the medians.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
        repeat: u16,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Receives DICOM objects from scanners and archives, until it is stopped (C-STORE, C-ECHO).
    Receive(pacs::Receive),
    /// Sends DICOM objects to an archive, and asks whether they are there.
    Send(pacs::Send),
    /// Places that could be a lesion, ranked. Suggestions: an empty list does not mean "no nodule".
    Candidates {
        /// A folder, a DICOM file, a DICOMDIR or a zip archive.
        path: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

fn spacing(text: &str) -> Result<Step, String> {
    text.parse().ok().and_then(Step::from_mm).ok_or_else(|| "expected a number above 0, in mm".to_owned())
}

#[derive(Serialize)]
struct Listed {
    series: Vec<ListedSeries>,
}

#[derive(Serialize)]
struct ListedSeries {
    uid: String,
    description: String,
    acquisition: Option<i32>,
    slices: usize,
    rows: u16,
    columns: u16,
    spacing_mm: [f64; 3],
    verdict: &'static str,
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Written {
    shape: [usize; 3],
    spacing: [f64; 3],
    affine: [[f64; 4]; 4],
    series: String,
    timing_ms: Timing,
}

/// How long reading took, and resampling.
#[derive(Serialize)]
struct Timing {
    read: f64,
    resample: f64,
}

#[derive(Serialize)]
struct Candidates {
    candidates: Vec<Ranked>,
    note: &'static str,
}

#[derive(Serialize)]
struct Ranked {
    rank: usize,
    score: f64,
    lps_mm: [f64; 3],
    diameter_mm: f64,
    mean_hu: f64,
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List { path, json } => {
            let listed = Listed { series: list(path)?.into_iter().map(listed).collect() };
            if *json {
                return print_json(&listed);
            }
            for series in &listed.series {
                let reasons: Vec<&str> = series.reasons.iter().map(|reason| reason.message.as_str()).collect();
                let reasons = reasons.join("; ");
                say(&format!("{}  {} slices  {}  {reasons}", series.uid, series.slices, series.verdict))?;
            }
            Ok(())
        }
        Command::Volume { path, series, acquisition, spacing, out, repeat, json } => {
            writable(out)?;
            let pick = Pick { series: series.as_deref(), acquisition: *acquisition };
            let (mut reading, mut resampling) = (Vec::new(), Vec::new());
            let (study, resampled) = loop {
                let from = Instant::now();
                let study = print_refusal(*json, picked_volume(path, pick))?;
                reading.push(from.elapsed());
                let from = Instant::now();
                let resampled = match &study.exact {
                    Some(exact) => resampled(exact, *spacing),
                    None => resampled(&study.volume, *spacing),
                };
                resampling.push(from.elapsed());
                if reading.len() >= usize::from(*repeat) {
                    break (study, resampled);
                }
            };
            let resampled = resampled.map_err(|error| Failure::Usage(format!("--spacing is too small: {error}")))?;
            let median = |took| median_ms(took).unwrap_or_default();
            let timing = Timing { read: median(reading), resample: median(resampling) };
            let written = match resampled.as_ref().or(study.exact.as_ref()) {
                Some(floats) => save(floats, out, &study.series_uid, timing)?,
                None => save(&study.volume, out, &study.series_uid, timing)?,
            };
            if *json { print_json(&written) } else { Ok(()) }
        }
        Command::Receive(arguments) => pacs::receive(arguments),
        Command::Send(arguments) => pacs::send_files(arguments),
        Command::Candidates { path, json } => {
            let study = print_refusal(*json, volume(path))?;
            let candidates = lesion_candidates(&study.volume, MOST)
                .into_iter()
                .zip(1..)
                .map(|(found, rank)| Ranked {
                    rank,
                    score: found.score,
                    lps_mm: found.centre.lps_mm,
                    diameter_mm: found.diameter_mm,
                    mean_hu: found.mean_hu,
                })
                .collect();
            let ranked = Candidates { candidates, note: NOTE };
            if *json {
                return print_json(&ranked);
            }
            for found in &ranked.candidates {
                let [x, y, z] = found.lps_mm;
                say(&format!(
                    "{}. {x:.1},{y:.1},{z:.1} mm  {:.0} mm  {:.0} HU",
                    found.rank, found.diameter_mm, found.mean_hu
                ))?;
            }
            say(NOTE)
        }
    }
}

/// What is written instead of the scan itself: a copy of the spacing that was asked for, or the scan of a tilted gantry set
/// upright, because half of all readers take a sheared volume for a straight one.
fn resampled<T: Copy + Into<f32> + Sync>(
    volume: &Volume<T>,
    spacing: Option<Step>,
) -> Result<Option<Volume<f32>>, TooManyVoxels> {
    match spacing {
        Some(step) => resample_isotropic(volume, step).map(Some),
        None if volume.grid().is_upright() => Ok(None),
        None => upright(volume).map(Some),
    }
}

fn listed(report: hilum_intake::SeriesReport) -> ListedSeries {
    let reason = |refusal: Refusal| Reason { code: refusal.code.code(), message: refusal.message };
    let (verdict, reasons) = match report.verdict {
        Verdict::Ok => ("ok", Vec::new()),
        Verdict::Refused(refusals) => ("refused", refusals.into_iter().map(reason).collect()),
        Verdict::NotAVolume(refusal) => ("not_a_volume", vec![reason(refusal)]),
    };
    ListedSeries {
        uid: report.uid,
        description: report.description,
        acquisition: report.acquisition,
        slices: report.slices,
        rows: report.rows,
        columns: report.columns,
        spacing_mm: report.spacing_mm,
        verdict,
        reasons,
    }
}

fn save<T: nifti::NiftiVoxel>(
    volume: &Volume<T>,
    out: &Path,
    series: &str,
    timing_ms: Timing,
) -> Result<Written, Failure> {
    let mut bytes = nifti::encode(volume);
    if out.extension().is_some_and(|extension| extension == "gz") {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(&bytes).map_err(Failure::internal)?;
        bytes = gz.finish().map_err(Failure::internal)?;
    }
    write_whole(out, &bytes)?;
    let [x, y, z] = nifti::ras_affine(volume);
    let affine = [x, y, z, [0.0, 0.0, 0.0, 1.0]];
    let grid = volume.grid();
    Ok(Written { shape: grid.size, spacing: grid.spacing_mm(), affine, series: series.to_owned(), timing_ms })
}
