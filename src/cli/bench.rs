//! `hilum bench`

mod against;
mod case;
mod engines;
mod frames;
mod live;
mod spread;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde::Serialize;

use self::spread::Spread;
use crate::{
    Failure,
    locate::{EngineName, load},
    terminal::{print_json, say},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often the case is assessed.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value = "5", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// The bundle to use.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Which engine assesses the case; the others' networks are timed too.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineName,
    /// For how long all cores are kept at tiles, an engine, seconds.
    #[arg(long, value_name = "S", default_value = "5", value_parser = seconds)]
    sustained: f64,
    #[command(flatten)]
    peers: against::Peers,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Times one engine in this process, and prints JSON.
    #[arg(long, hide = true)]
    only: Option<EngineName>,
}

fn seconds(written: &str) -> Result<f64, String> {
    match written.parse() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("is not 0.1 to 86400 seconds".to_owned()),
    }
}

#[derive(Serialize)]
struct Answer {
    machine: Machine,
    stages: BTreeMap<String, Spread>,
    engines: BTreeMap<String, engines::Figures>,
    case: case::Figures,
    /// A picture of the camera, by steps.
    live: BTreeMap<&'static str, Spread>,
    /// By the panel's pixels.
    screen: BTreeMap<String, frames::Figures>,
    against: BTreeMap<String, against::Ratio>,
}

#[derive(Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    architecture: &'static str,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bundle = arguments.bundle.as_deref();
    if let Some(engine) = arguments.only {
        return print_json(&engines::here(bundle, engine, Duration::from_secs_f64(arguments.sustained))?);
    }
    let runs = arguments.runs;
    let scratch = tempfile::tempdir().map_err(Failure::internal)?;
    let out = scratch.path().join("out");
    let case = case::Case::render(scratch.path())?;
    let loaded = load(bundle, arguments.engine)?;
    let mut stages = case.stages(&loaded, runs, &out)?;
    let peak_rss_mb = peak_rss_mb();
    let program = std::env::current_exe().map_err(Failure::internal)?;
    let figures = case.figures(&loaded, &stages, peak_rss_mb, runs, |case| {
        let mut command = Command::new(&program);
        command.arg("analyze");
        case.arguments(&mut command);
        command.args(["--engine", &arguments.engine.to_string(), "--out"]).arg(&out);
        if let Some(bundle) = bundle {
            command.arg("--bundle").arg(bundle);
        }
        Ok(command)
    })?;
    if let Some(of_all) = stages.samples.get("he_cnn").copied() {
        stages.samples.insert("he_cnn_per_tile".to_owned(), of_all.over(figures.tiles));
    }
    let mut engines = BTreeMap::new();
    // The others are there for a vendor's device, which not every board has.
    let meant = [EngineName::Tract, EngineName::Tflite, arguments.engine];
    for engine in meant.into_iter().filter(|engine| *engine != EngineName::Auto) {
        if let std::collections::btree_map::Entry::Vacant(entry) = engines.entry(engine.to_string())
            && let Some(figures) = engines::apart(bundle, engine, arguments.sustained)?
        {
            entry.insert(figures);
        }
    }
    let answer = Answer {
        machine: machine(),
        engines,
        against: arguments.peers.figures(bundle, &case, scratch.path())?,
        live: live::figures(&case.fields()?, &loaded),
        case: figures,
        stages: stages.samples,
        screen: frames::figures(runs)?,
    };
    if arguments.json { print_json(&answer) } else { table(&answer) }
}

fn table(answer: &Answer) -> Result<(), Failure> {
    let Machine { processor, cores, architecture } = &answer.machine;
    say(&format!("{processor}, {cores} cores, {architecture}; medians"))?;
    for (name, figures) in &answer.engines {
        say(&format!("{name:>16}  {figures}"))?;
    }
    for (stage, spread) in &answer.stages {
        say(&format!("{stage:>16}  {:>9.2} ms  (at most {:.2}, {} runs)", spread.p50_ms, spread.max_ms, spread.n))?;
    }
    say(&format!("a case {}", answer.case))?;
    for (step, Spread { p50_ms, p99_ms, max_ms, n }) in &answer.live {
        say(&format!("live {step:>20}  {p50_ms:>6.2} ms  (99%: {p99_ms:.2}, at most {max_ms:.2}, {n} times)"))?;
    }
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
    for (name, ratio) in &answer.against {
        say(&format!("{name:>18}  {ratio}"))?;
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
