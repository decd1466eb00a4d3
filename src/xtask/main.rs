//! The project's own chores: `cargo xtask tidy` checks what the compiler cannot.

#![forbid(unsafe_code)]

mod source;
mod tidy;

use std::{
    env,
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;

const USAGE: &str = "usage: cargo xtask tidy";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy().unwrap_or_else(|error| {
            eprintln!("xtask: {error:#}");
            ExitCode::from(70)
        }),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(64)
        }
    }
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

/// The checkout that cargo runs this program for, which need not be the one that it was built in.
fn repository() -> anyhow::Result<PathBuf> {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.ancestors().nth(2).map(Path::to_owned).context("cannot tell where the repository is")
}
