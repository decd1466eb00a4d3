//! The project's own chores: `cargo xtask tidy` checks what the compiler cannot, `cargo xtask trace` writes which test verifies which
//! requirement, `cargo xtask engines fetch` gets the libraries of the fast engines.

#![forbid(unsafe_code)]

mod engines;
mod source;
mod tidy;
mod trace;

use std::{
    env, fs,
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;

const USAGE: &str = "usage: cargo xtask tidy
       cargo xtask trace
       cargo xtask engines fetch [--to DIR] [--architecture x86_64|aarch64]";
/// Where the program looks for libraries in the source tree.
const ENGINES: &str = ".cache/engines";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        ["trace"] => write_trace(),
        ["engines", "fetch", ref options @ ..] => match fetching(options) {
            Some((to, architecture)) => fetch(to, architecture),
            None => return usage(),
        },
        _ => return usage(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::from(70)
    })
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(64)
}

/// The folder and the processor of `engines fetch`.
fn fetching<'a>(options: &[&'a str]) -> Option<(Option<&'a str>, Option<&'a str>)> {
    let (mut to, mut architecture) = (None, None);
    for pair in options.chunks(2) {
        match *pair {
            ["--to", folder] => to = Some(folder),
            ["--architecture", name] => architecture = Some(name),
            _ => return None,
        }
    }
    Some((to, architecture))
}

/// Prints where the libraries are.
fn fetch(to: Option<&str>, architecture: Option<&str>) -> anyhow::Result<ExitCode> {
    let repository = repository()?;
    let folder = to.map_or_else(|| repository.join(ENGINES), PathBuf::from);
    for library in engines::fetch(&repository, &folder, architecture)? {
        writeln!(stdout().lock(), "{}", library.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what is out of order on standard error; the exit code says whether anything is.
fn tidy() -> anyhow::Result<ExitCode> {
    let checked = tidy::check(&repository()?)?;
    for problem in &checked.problems {
        eprintln!("tidy: {problem}");
    }
    if !checked.problems.is_empty() {
        eprintln!("tidy: {} out of order", checked.problems.len());
        return Ok(ExitCode::FAILURE);
    }
    writeln!(stdout().lock(), "tidy: {} crates, {} source files in order", checked.crates, checked.files)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the table of requirements, risks and tests; what is wrong with them is said, and then nothing is written.
fn write_trace() -> anyhow::Result<ExitCode> {
    let repository = repository()?;
    let traced = trace::trace(&repository)?;
    for problem in &traced.problems {
        eprintln!("trace: {problem}");
    }
    if !traced.problems.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    fs::write(repository.join(trace::TABLE), traced.table).with_context(|| format!("cannot write {}", trace::TABLE))?;
    let [requirements, risks, tests, untested] = traced.counts;
    let counts = format!("{requirements} requirements, {untested} without a test; {risks} risks; {tests} tests");
    writeln!(stdout().lock(), "{}: {counts}", trace::TABLE)?;
    Ok(ExitCode::SUCCESS)
}

/// The checkout that cargo runs this program for, which need not be the one that it was built in.
fn repository() -> anyhow::Result<PathBuf> {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.ancestors().nth(2).map(Path::to_owned).context("cannot tell where the repository is")
}
