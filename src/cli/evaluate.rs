//! `hilum evaluate`

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use anyhow::Context as _;
use hilum_evaluate::{Evaluation, Heading, Predictions, Resampling, aligned, evaluate};
use sha2::{Digest as _, Sha256};

use crate::{Failure, files::write_whole, terminal::say};

/// How much of a table is read at a time, bytes.
const BUFFER: usize = 1 << 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A table of predictions, as `hilum predict` writes it.
    #[arg(value_name = "PREDICTIONS.csv")]
    predictions: PathBuf,
    /// Another model's, of the same cases.
    #[arg(long, value_name = "OTHER.csv")]
    versus: Option<PathBuf>,
    /// Where the draws of the resamples begin: the same seed gives the same intervals.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many resamples the intervals are taken from; 0 for no intervals.
    #[arg(long, value_name = "N", default_value_t = Resampling::RESAMPLES as u32, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    resamples: u32,
    /// Say on standard error how long reading and computing took.
    #[arg(long)]
    timing: bool,
    /// Print the figures as JSON: what metrics.json says.
    #[arg(long)]
    json: bool,
    /// The folder that metrics.json, report.html and the plots are written to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.out.exists() && !arguments.out.is_dir() {
        return Err(Failure::Usage(format!("{} is a file, not a folder", arguments.out.display())));
    }
    let began = Instant::now();
    // Both at once: most of the time goes into it.
    let (first, second) = thread::scope(|scope| {
        let second = arguments.versus.as_deref().map(|path| (path, scope.spawn(|| read(path))));
        (read(&arguments.predictions), second.map(|(path, second)| (path, second.join())))
    });
    let (first, sha256) = first?;
    let second = match second {
        None => None,
        Some((path, second)) => {
            let (second, sha256) = second.unwrap_or_else(|panic| resume_unwind(panic))?;
            let pair = aligned(&first, &second).map_err(|error| {
                Failure::Unreadable(
                    anyhow::Error::new(error).context(format!("cannot compare with {}", path.display())),
                )
            })?;
            Some((pair, sha256))
        }
    };
    let resampling = Resampling { resamples: arguments.resamples as usize, seed: arguments.seed };
    let computing = Instant::now();
    let evaluation = evaluate(&first, second.as_ref().map(|(pair, _)| pair), resampling);
    if arguments.timing {
        let [read, computed] = [computing - began, computing.elapsed()].map(|took| took.as_secs_f64());
        eprintln!("read {read:.3} s, computed {computed:.3} s");
    }
    let heading = Heading {
        sha256,
        versus_sha256: second.map(|(_, sha256)| sha256),
        program: format!("hilum {}", env!("CARGO_PKG_VERSION")),
    };
    let document = evaluation.document();
    written(&arguments.out, &evaluation, &document, &heading)?;
    if arguments.json {
        return say(document.trim_end());
    }
    let figures = &evaluation.figures;
    let auroc = figures.mean.auroc.map_or_else(String::new, |auroc| format!(", macro AUROC {auroc:.3}"));
    say(&format!(
        "{} cases: accuracy {:.1}%, a refused case counting as wrong; covered {:.1}%{auroc}; more in {}",
        evaluation.cases,
        figures.accuracy * 100.0,
        figures.coverage * 100.0,
        arguments.out.join("report.html").display(),
    ))
}

/// A table, and the SHA-256 of its bytes.
fn read(path: &Path) -> Result<(Predictions, String), Failure> {
    let unreadable =
        |error: anyhow::Error| Failure::Unreadable(error.context(format!("cannot read {}", path.display())));
    let file = File::open(path).map_err(|error| unreadable(error.into()))?;
    let mut hashed = Hashed { file, hash: Sha256::new() };
    let table =
        Predictions::read(BufReader::with_capacity(BUFFER, &mut hashed)).map_err(|error| unreadable(error.into()))?;
    let digits = hashed.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((table, digits))
}

struct Hashed {
    file: File,
    hash: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.hash.update(&into[..read]);
        Ok(read)
    }
}

fn written(out: &Path, evaluation: &Evaluation, document: &str, heading: &Heading) -> Result<(), Failure> {
    let failed = || format!("cannot make {}", out.display());
    fs::create_dir_all(out).with_context(failed).map_err(Failure::Internal)?;
    write_whole(&out.join("metrics.json"), document.as_bytes())?;
    write_whole(&out.join("report.html"), evaluation.report(heading).as_bytes())?;
    for (name, plot) in evaluation.plots() {
        let path = out.join(name);
        match plot {
            Some(plot) => write_whole(&path, plot.as_bytes())?,
            // Of an evaluation before, in the same folder.
            None if path.exists() => fs::remove_file(&path).map_err(Failure::unwritable(path.display()))?,
            None => {}
        }
    }
    Ok(())
}
