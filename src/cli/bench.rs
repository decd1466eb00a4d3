//! `hilum bench`

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use hilum_assess::{ExplainMethod, Timings};
use hilum_intake::{read_cohort, read_fields, volume};
use serde::Serialize;

use crate::{
    Failure, frames,
    locate::{EngineName, load},
    report,
    terminal::{print_json, say},
};

/// Any patient does: what is timed does not depend on what was trained on.
const SEED: u64 = 2;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often the case is assessed.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value = "5", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// The bundle to use.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    machine: Machine,
    stages: BTreeMap<String, Spread>,
    engines: BTreeMap<&'static str, EngineFigures>,
    case: CaseFigures,
    /// By the panel's pixels.
    screen: BTreeMap<String, frames::Figures>,
    against: BTreeMap<&'static str, Ratio>,
}

#[derive(Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    architecture: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    n: usize,
}

impl Spread {
    /// Nearest-rank percentiles of samples in ms.
    pub(super) fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100).max(1);
            samples.get(rank - 1).copied().unwrap_or(0.0)
        };
        Self { p50_ms: at(50), p99_ms: at(99), max_ms: at(100), n: samples.len() }
    }

    /// Of how many samples.
    #[cfg(test)]
    pub(super) const fn count(&self) -> usize {
        self.n
    }
}

#[derive(Serialize)]
struct EngineFigures {
    ct: Spread,
    he: Spread,
    tiles_per_s: f64,
    peak_rss_mb: f64,
}

#[derive(Serialize)]
struct CaseFigures {
    /// Start of the process to its end, a whole `hilum analyze`.
    wall_s: f64,
    peak_rss_mb: f64,
    slices: usize,
    tiles: usize,
}

#[derive(Serialize)]
struct Ratio {
    ratio: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runs = arguments.runs;
    let scratch = tempfile::tempdir().map_err(Failure::internal)?;
    let (cohort, out) = (scratch.path().join("cohort"), scratch.path().join("out"));
    // Rendering a phantom takes more memory than reading it: in a process of its own, it does not count here.
    let program = std::env::current_exe().map_err(Failure::internal)?;
    let seed = SEED.to_string();
    quietly(
        Command::new(&program)
            .args(["phantom", "--patients", "1", "--size", "full", "--seed", &seed, "--out"])
            .arg(&cohort),
    )?;
    let patient = read_cohort(&cohort)?.remove(0);
    let lesion = patient.lesion()?;
    let (ct, he) = (patient.ct(), patient.he());

    let loaded = load(arguments.bundle.as_deref(), EngineName::Tract)?;
    report::clean(&out, &[])?;
    let mut samples: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let (mut slices, mut tiles) = (0, 0);
    for _ in 0..runs {
        let mut timings = Timings::default();
        let from = Instant::now();
        let study = volume(&ct, None)?;
        timings.0.push(("read_ct", from.elapsed()));
        let from = Instant::now();
        let fields = read_fields(std::slice::from_ref(&he), None)?;
        timings.0.push(("read_he", from.elapsed()));
        slices = study.volume.grid().size[2];
        let case = report::given(Some((study, Some(lesion))), Some(fields), patient.metadata);
        let order = report::Order { ready: &loaded, methods: &[ExplainMethod::GradCamPlusPlus], out: &out };
        let report::Done { report, writing, .. } = report::run(case, &order, timings)?;
        samples.entry("report".to_owned()).or_default().push(writing.as_secs_f64() * 1e3);
        tiles = report.tiles();
        for (stage, took) in report.timing_ms() {
            samples.entry((*stage).to_owned()).or_default().push(*took);
        }
    }
    let peak_rss_mb = peak_rss_mb();
    #[expect(clippy::cast_precision_loss, reason = "tile counts")]
    let per_tile = |ms: &f64| ms / tiles.max(1) as f64;
    let of_tiles: Vec<f64> = samples.get("he_cnn").map(|all| all.iter().map(per_tile).collect()).unwrap_or_default();
    samples.insert("he_cnn_per_tile".to_owned(), of_tiles);
    let stages: BTreeMap<String, Spread> = samples.into_iter().map(|(stage, all)| (stage, Spread::of(all))).collect();

    let wall = (0..runs)
        .map(|_| {
            let [x, y, z] = lesion.lps_mm;
            let mut command = Command::new(&program);
            command.args(["analyze", "--lesion", &format!("{x},{y},{z}"), "--ct"]).arg(&ct).arg("--he").arg(&he);
            if let Some(bundle) = &arguments.bundle {
                command.arg("--bundle").arg(bundle);
            }
            let from = Instant::now();
            quietly(command.arg("--out").arg(&out))?;
            Ok(from.elapsed().as_secs_f64() * 1e3)
        })
        .collect::<Result<Vec<f64>, Failure>>()?;
    let none = Spread { p50_ms: 0.0, p99_ms: 0.0, max_ms: 0.0, n: 0 };
    let of = |stage: &str| stages.get(stage).copied().unwrap_or(none);
    let he_ms = of("he_cnn_per_tile");
    let figures = EngineFigures {
        ct: of("ct_cnn"),
        he: he_ms,
        tiles_per_s: 1e3 / he_ms.p50_ms.max(f64::MIN_POSITIVE),
        peak_rss_mb,
    };
    let answer = Answer {
        machine: machine(),
        engines: BTreeMap::from([(loaded.engine.name(), figures)]),
        case: CaseFigures { wall_s: Spread::of(wall).p50_ms / 1e3, peak_rss_mb, slices, tiles },
        stages,
        screen: frames::figures(runs)?,
        against: BTreeMap::new(),
    };
    if arguments.json {
        return print_json(&answer);
    }
    for (stage, spread) in &answer.stages {
        say(&format!("{stage:>16}  {:>9.2} ms  (at most {:.2}, {} runs)", spread.p50_ms, spread.max_ms, spread.n))?;
    }
    let CaseFigures { wall_s, peak_rss_mb, slices, tiles } = answer.case;
    say(&format!("a case of {slices} slices and {tiles} tiles: {wall_s:.2} s, {peak_rss_mb:.0} MB"))?;
    for (panel, figures) in &answer.screen {
        let frames::Figures { page_first, page, updates } = figures;
        let pages = [("a page, first", page_first), ("a page, again", page)].into_iter();
        let updates = updates.iter().map(|(name, spread)| (*name, spread));
        for (name, Spread { p50_ms, p99_ms, max_ms, n }) in pages.chain(updates) {
            say(&format!(
                "{panel:>9} {name:>14}  {p50_ms:>6.2} ms  (99%: {p99_ms:.2}, at most {max_ms:.2}, {n} times)"
            ))?;
        }
    }
    Ok(())
}

/// Runs a command of ours whose output nobody needs.
fn quietly(command: &mut Command) -> Result<(), Failure> {
    let done = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().map_err(Failure::internal)?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Failure::internal(anyhow::anyhow!("a run of the benchmark failed: {said}")))
}

/// The most memory this process ever held, in MB (10⁶ bytes).
fn peak_rss_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e6
}

fn machine() -> Machine {
    let processor = processor(Path::new("/proc/cpuinfo")).unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Machine { processor, cores, architecture: std::env::consts::ARCH }
}

fn processor(cpuinfo: &Path) -> Option<String> {
    let text = fs::read_to_string(cpuinfo).ok()?;
    let name = text.lines().find(|line| line.starts_with("model name") || line.starts_with("Model"))?;
    Some(name.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let found = Spread::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(found, Spread { p50_ms: 3.0, p99_ms: 5.0, max_ms: 5.0, n: 5 });
        assert_eq!(Spread::of(Vec::new()).n, 0);
    }
}
