//! The networks alone: each engine in a process of its own, so that one's memory is not another's.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hilum_assess::{Engine, Ready, score_tiles};
use hilum_device::{PowerMeter, linux::since_boot};
use hilum_infer::Tolerance;
use ndarray::{Array3, Array4, Axis};
use serde::{Deserialize, Serialize};

use super::{peak_rss_mb, spread::Spread};
use crate::{
    Failure,
    locate::{EngineName, load_only},
};

/// How often a network is run for its latency.
const RUNS: usize = 100;
/// Between two looks at the power.
const LOOK: Duration = Duration::from_millis(100);

/// What an engine does on this machine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// A CT patch.
    pub(super) ct: Latency,
    /// An H&E tile.
    pub(super) he: Latency,
    /// Tiles a second, all cores, over all of the sustained run.
    pub(super) tiles_per_s: f64,
    /// Tiles a second in the last fifth of it.
    tiles_per_s_last: f64,
    /// Tiles a second, one after the other.
    tiles_per_s_one: f64,
    /// From the files of the bundle to an engine that has proved itself.
    load_ms: f64,
    pub(super) peak_rss_mb: f64,
    /// How far it is from the golden outputs.
    differences: Tolerance,
    energy: Option<Energy>,
}

/// How long one picture takes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Latency {
    /// The very first.
    cold_ms: f64,
    /// Afterwards, one at a time.
    #[serde(flatten)]
    pub(super) sustained: Spread,
}

/// What it draws meanwhile.
#[derive(Debug, Serialize, Deserialize)]
struct Energy {
    sensor: String,
    watts: f64,
    joules_per_tile: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ct, he, tiles_per_s, tiles_per_s_last, tiles_per_s_one, load_ms, peak_rss_mb, .. } = self;
        let of = |Latency { cold_ms, sustained: Spread { p50_ms, p99_ms, max_ms, .. } }: &Latency| {
            format!("{p50_ms:.2} ms (99%: {p99_ms:.2}, at most {max_ms:.2}, cold {cold_ms:.2})")
        };
        write!(to, "CT patch {}, H&E tile {}; tiles a second: {tiles_per_s_one:.0} one by one, ", of(ct), of(he))?;
        write!(to, "{tiles_per_s:.0} on all cores, {tiles_per_s_last:.0} at the end; ")?;
        write!(to, "loaded in {load_ms:.0} ms, at most {peak_rss_mb:.0} MB")?;
        self.energy.as_ref().map_or(Ok(()), |Energy { sensor, watts, joules_per_tile }| {
            write!(to, "; {watts:.1} W, {joules_per_tile:.3} J a tile ({sensor})")
        })
    }
}

/// Golden pictures as levels.
pub(super) struct Pictures {
    pub(super) ct: Vec<Array3<u8>>,
    pub(super) he: Vec<Array3<u8>>,
}

impl Pictures {
    /// # Errors
    /// If the bundle has none.
    pub(super) fn of(ready: &Ready) -> Result<Self, Failure> {
        let of = |name: &str| -> Result<Vec<Array3<u8>>, Failure> {
            use ndarray_npy::ReadNpyExt as _;
            let bytes = ready.bundle.file(&format!("golden/{name}")).map_err(Failure::internal)?;
            let all = Array4::<i8>::read_npy(bytes).map_err(Failure::internal)?;
            // The contract is level − 128.
            Ok(all.axis_iter(Axis(0)).map(|picture| picture.mapv(|level| level.cast_unsigned() ^ 0x80)).collect())
        };
        Ok(Self { ct: of("ct_image.npy")?, he: of("he_image.npy")? })
    }

    /// The tiles, interleaved.
    pub(super) fn tiles(&self) -> Vec<&[u8]> {
        self.he.iter().map(|tile| tile.as_slice().unwrap_or_default()).collect()
    }
}

/// Times an engine in a process of its own; nothing, with why on standard error, if it cannot be used here.
pub(super) fn apart(bundle: Option<&Path>, engine: EngineName, sustained_s: f64) -> Result<Option<Figures>, Failure> {
    let mut command = Command::new(std::env::current_exe().map_err(Failure::internal)?);
    command.args(["bench", "--only", &engine.to_string(), "--sustained", &sustained_s.to_string()]);
    if let Some(bundle) = bundle {
        command.arg("--bundle").arg(bundle);
    }
    let done = command.stderr(Stdio::inherit()).output().map_err(Failure::internal)?;
    // 78: it is not here, or not good enough.
    if done.status.code() == Some(78) {
        return Ok(None);
    }
    if !done.status.success() {
        return Err(Failure::internal(anyhow::anyhow!("timing the engine {engine} ended with {}", done.status)));
    }
    serde_json::from_slice(&done.stdout).map(Some).map_err(Failure::internal)
}

/// Times an engine here.
pub(super) fn here(bundle: Option<&Path>, engine: EngineName, sustained: Duration) -> Result<Figures, Failure> {
    let from = Instant::now();
    let ready = load_only(bundle, engine)?;
    let load_ms = from.elapsed().as_secs_f64() * 1e3;
    let engine = ready.engine();
    let pictures = Pictures::of(&ready)?;
    // Proving itself was not the first time: what is cold is the processor's cache after a pause, and a GPU's clock.
    thread::sleep(Duration::from_millis(200));
    let ct = latency(&pictures.ct, |patch| engine.ct(patch.view()).map(drop).map_err(Failure::internal))?;
    let tiles = pictures.tiles();
    let he = latency(&tiles, |tile| engine.he(tile).map(drop).map_err(Failure::internal))?;
    #[expect(clippy::cast_precision_loss, reason = "a count of tiles")]
    let rate = |tiles: usize, took: Duration| tiles as f64 / took.as_secs_f64();
    let from = Instant::now();
    for tile in tiles.iter().cycle().take(RUNS) {
        engine.he(tile).map_err(Failure::internal)?;
    }
    let tiles_per_s_one = rate(RUNS, from.elapsed());
    let (done, watts) = watched(|| loaded(&*engine, &tiles, sustained))?;
    let all: usize = done.iter().map(|(tiles, _)| tiles).sum();
    let took: Duration = done.iter().map(|(_, took)| *took).sum();
    let last = &done[done.len() - done.len().div_ceil(5)..];
    let tiles_per_s = rate(all, took);
    let energy = watts.map(|(sensor, watts)| Energy { sensor, watts, joules_per_tile: watts / tiles_per_s });
    Ok(Figures {
        ct,
        he,
        tiles_per_s,
        tiles_per_s_last: rate(last.iter().map(|(tiles, _)| tiles).sum(), last.iter().map(|(_, took)| *took).sum()),
        tiles_per_s_one,
        load_ms,
        peak_rss_mb: peak_rss_mb(),
        differences: ready.used().agreement.found,
        energy,
    })
}

fn latency<T>(pictures: &[T], run: impl Fn(&T) -> Result<(), Failure>) -> Result<Latency, Failure> {
    let mut took = pictures.iter().cycle().take(RUNS + 1).map(|picture| {
        let from = Instant::now();
        run(picture)?;
        Ok(from.elapsed().as_secs_f64() * 1e3)
    });
    let cold_ms = took.next().unwrap_or_else(|| Err(Failure::internal(anyhow::anyhow!("no golden picture"))))?;
    Ok(Latency { cold_ms, sustained: Spread::of(took.collect::<Result<_, Failure>>()?) })
}

/// Keeps all cores at tiles for so long: bags of them, as cases have, each with how long it took.
fn loaded(engine: &dyn Engine, tiles: &[&[u8]], time: Duration) -> Result<Vec<(usize, Duration)>, Failure> {
    let bag: Vec<&[u8]> = tiles.iter().copied().cycle().take(tiles.len() * 6).collect();
    let (began, mut done) = (Instant::now(), Vec::new());
    while done.is_empty() || began.elapsed() < time {
        let from = Instant::now();
        score_tiles(engine, &bag).map_err(Failure::internal)?;
        done.push((bag.len(), from.elapsed()));
    }
    Ok(done)
}

/// What is done, with the mean power meanwhile, if the board has a sensor.
fn watched<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(T, Option<(String, f64)>), Failure> {
    let Some(mut meter) = PowerMeter::find(Path::new("/sys")) else { return Ok((work()?, None)) };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut sum, mut count) = (0.0, 0.0);
            while !stop.load(Ordering::Relaxed) {
                if let Some(watts) = meter.watts(since_boot()) {
                    (sum, count) = (sum + watts, count + 1.0);
                }
                thread::sleep(LOOK);
            }
            (count > 0.0).then(|| (meter.name().to_owned(), sum / count))
        });
        let done = work();
        stop.store(true, Ordering::Relaxed);
        let watts =
            watching.join().map_err(|_| Failure::internal(anyhow::anyhow!("the power could not be watched")))?;
        Ok((done?, watts))
    })
}
