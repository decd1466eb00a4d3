//! What a user would take instead, in the same run: each peer is a process that does so many runs when it is told to, by turns
//! with ours.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    io::{BufRead as _, BufReader, Write as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use hilum_assess::{Engine, Ready};
use serde::{Deserialize, Serialize};

use super::{case::Case, engines::Pictures, spread::Spread};
use crate::{
    Failure,
    locate::{self, EngineName, load, load_threads},
};

/// Rounds of networks, runs in each, and rounds of cases.
const ROUNDS: usize = 15;
const RUNS: usize = 20;
const CASES: usize = 5;
/// A peer loads a framework of many hundred MB.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where peers are.
#[derive(Debug, clap::Args)]
pub(super) struct Peers {
    /// Time what a user would take instead, as far as it is installed.
    #[arg(long)]
    against: bool,
    /// The folder of the peers; that of the source tree unless said.
    #[arg(long, value_name = "DIR", requires = "against")]
    peers: Option<PathBuf>,
    /// A Python that has them; the environments of the source tree's tests, else python3, unless said.
    #[arg(long, value_name = "FILE", requires = "against")]
    python: Option<PathBuf>,
}

/// How we are to a peer.
#[derive(Debug, Serialize)]
pub(super) struct Ratio {
    /// How many times the peer's time is what we take: below 1 we are faster. The median over rounds.
    pub(super) ratio: f64,
    pub(super) ours_ms: f64,
    pub(super) peer_ms: f64,
    rounds: usize,
    /// Which engine of ours, on how many threads.
    ours: String,
    pub(super) peer: String,
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ratio, ours_ms, peer_ms, ours, peer, .. } = self;
        write!(to, "{ratio:.3} times: {ours_ms:.2} ms ({ours}), {peer_ms:.2} ms ({peer})")
    }
}

#[derive(Deserialize)]
struct Said {
    name: String,
    version: String,
}

/// A peer that has loaded what it needs.
struct Peer {
    child: Child,
    told: ChildStdin,
    answers: mpsc::Receiver<String>,
    said: Said,
}

impl Peer {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (Some(told), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            anyhow::bail!("its pipes are gone")
        };
        let (lines, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let mut peer = Self { child, told, answers, said: Said { name: String::new(), version: String::new() } };
        let ready = peer.answer()?;
        let said = ready.strip_prefix("ready ").ok_or_else(|| anyhow::anyhow!("it says {ready:?}"))?;
        peer.said = serde_json::from_str(said)?;
        Ok(peer)
    }

    fn answer(&self) -> anyhow::Result<String> {
        self.answers.recv_timeout(PATIENCE).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => anyhow::anyhow!("it did not answer in {} s", PATIENCE.as_secs()),
            mpsc::RecvTimeoutError::Disconnected => anyhow::anyhow!("it has ended"),
        })
    }

    /// So many runs, ms each.
    fn run(&mut self, runs: usize) -> anyhow::Result<Vec<f64>> {
        writeln!(self.told, "{runs}")?;
        let took: Vec<f64> = serde_json::from_str(&self.answer()?)?;
        anyhow::ensure!(took.len() == runs, "it did {} runs, not {runs}", took.len());
        Ok(took)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Peers {
    /// Every peer that is installed, against ours; why another is left out goes to standard error.
    pub(super) fn figures(
        &self,
        bundle: Option<&Path>,
        case: &Case,
        scratch: &Path,
    ) -> Result<BTreeMap<String, Ratio>, Failure> {
        let mut ratios = BTreeMap::new();
        if !self.against {
            return Ok(ratios);
        }
        let folder = self.peers.clone().unwrap_or_else(|| locate::in_source("tests/bench"));
        let bundle_folder = locate::bundle_folder(bundle)?;
        let one = load_threads(bundle, EngineName::Tflite, NonZeroUsize::MIN)?;
        let engine = one.engine();
        let pictures = Pictures::of(&one)?;
        let mut compare = |name: &str,
                           command: Result<Command, anyhow::Error>,
                           rounds: (usize, usize),
                           ours: &str,
                           run: &dyn Fn(usize) -> Result<f64, Failure>| {
            let measured = command.and_then(|mut command| measured(&mut command, rounds, run));
            match measured {
                Ok((ratio, ours_ms, peer_ms, peer)) => {
                    let ours = ours.to_owned();
                    ratios.insert(name.to_owned(), Ratio { ratio, ours_ms, peer_ms, rounds: rounds.0, ours, peer });
                }
                Err(error) => eprintln!("hilum: {name} is left out: {error:#}"),
            }
        };
        for (branch, golden) in [("ct", "ct_image.npy"), ("he", "he_image.npy")] {
            let run = |index: usize| timed(&*engine, branch, &pictures, index);
            let input = bundle_folder.join("golden").join(golden);
            let model = |form: &str| bundle_folder.join(format!("{branch}.{form}"));
            let interpreter = |runtime: &str, form: &str| {
                let mut command = Command::new(self.python("peers-venv"));
                command.arg(folder.join("interpreter.py")).arg(runtime).arg(model(form)).arg(&input);
                Ok(command)
            };
            let ours = format!("{}, 1 thread", engine.name());
            compare(&format!("litert-python-{branch}"), interpreter("litert", "tflite"), (ROUNDS, RUNS), &ours, &run);
            compare(&format!("onnxruntime-{branch}"), interpreter("onnxruntime", "onnx"), (ROUNDS, RUNS), &ours, &run);
            let capi = compiled(&folder.join("capi.c"), scratch).and_then(|program| {
                let library = locate::tflite_library()?.ok_or_else(|| anyhow::anyhow!("there is no library"))?;
                let raw = scratch.join(format!("{branch}.raw"));
                std::fs::write(&raw, raw_levels(&one, golden)?)?;
                let mut command = Command::new(program);
                command.arg(library).arg(model("tflite")).arg(raw).arg("1");
                Ok(command)
            });
            compare(&format!("tflite-c-{branch}"), capi, (ROUNDS, RUNS), &ours, &run);
        }
        let all = load(bundle, EngineName::Auto)?;
        let ours = format!("{}, all cores", all.engine().name());
        // As most would write it, and tuned: oneDNN switched on where TensorFlow leaves it off, a stain a tile and not a case.
        let usual: &[&str] = &["--stain", "slide", "--as-it-comes"];
        for (name, words) in [("tensorflow-case", usual), ("tensorflow-case-tuned", &["--stain", "tile"])] {
            let mut command = Command::new(self.python("train-venv"));
            command.arg(folder.join("case.py")).arg(&case.folder).args(["--from", "files"]).args(words);
            compare(name, Ok(command), (CASES, 1), &ours, &|_| case.plain(&all));
        }
        Ok(ratios)
    }

    fn python(&self, environment: &str) -> OsString {
        let own = locate::in_source(".cache").join(environment).join("bin/python");
        match &self.python {
            Some(python) => python.into(),
            None if own.is_file() => own.into(),
            None => env::var_os("PYTHON").unwrap_or_else(|| "python3".into()),
        }
    }
}

/// One picture, ms.
fn timed(engine: &dyn Engine, branch: &str, pictures: &Pictures, index: usize) -> Result<f64, Failure> {
    let from = Instant::now();
    match branch {
        "ct" => engine.ct(pictures.ct[index % pictures.ct.len()].view()).map(drop),
        _ => engine.he(pictures.he[index % pictures.he.len()].as_slice().unwrap_or_default()).map(drop),
    }
    .map_err(Failure::internal)?;
    Ok(from.elapsed().as_secs_f64() * 1e3)
}

/// By turns: the median ratio of the rounds' medians, the medians of ours and of the peer's, and what the peer says it is.
fn measured(
    command: &mut Command,
    (rounds, runs): (usize, usize),
    run: &dyn Fn(usize) -> Result<f64, Failure>,
) -> anyhow::Result<(f64, f64, f64, String)> {
    let mut peer = Peer::start(command)?;
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mine = || -> anyhow::Result<Vec<f64>> {
            (0..runs).map(|index| run(index).map_err(|failure| anyhow::anyhow!("{failure}"))).collect()
        };
        // Whoever is second finds the machine as the first has left it.
        let (took, peers) = if round % 2 == 0 {
            let took = mine()?;
            (took, peer.run(runs)?)
        } else {
            let peers = peer.run(runs)?;
            (mine()?, peers)
        };
        // The first round warms up.
        if round > 0 {
            let [took, peers] = [took, peers].map(|samples| Spread::of(samples).p50_ms);
            ratios.push(took / peers);
            ours.push(took);
            theirs.push(peers);
        }
    }
    let [ratio, ours, theirs] = [ratios, ours, theirs].map(|samples| Spread::of(samples).p50_ms);
    Ok((ratio, ours, theirs, format!("{} {}", peer.said.name, peer.said.version)))
}

/// The peer in C, made by the machine's own compiler.
fn compiled(source: &Path, scratch: &Path) -> anyhow::Result<PathBuf> {
    let program = scratch.join("capi");
    if !program.is_file() {
        let status = Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(source).arg("-ldl").status()?;
        anyhow::ensure!(status.success(), "cc ended with {status}");
    }
    Ok(program)
}

/// The levels of golden pictures, without the header of their file.
fn raw_levels(ready: &Ready, golden: &str) -> anyhow::Result<Vec<u8>> {
    use ndarray_npy::ReadNpyExt as _;
    let all = ndarray::Array4::<i8>::read_npy(ready.bundle.file(&format!("golden/{golden}"))?)?;
    Ok(all.iter().map(|level| level.cast_unsigned()).collect())
}
