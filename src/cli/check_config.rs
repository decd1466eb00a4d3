//! `hilum check-config`

use std::{collections::BTreeSet, path::PathBuf};

use hilum_config::{Problem, load};
use serde::Serialize;

use crate::{
    Failure,
    terminal::{print_json, say},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Board files; what they inherit is checked with them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    files: Vec<Checked>,
}

#[derive(Serialize)]
struct Checked {
    file: String,
    ok: bool,
    problems: Vec<Described>,
}

#[derive(Serialize)]
struct Described {
    /// The file itself, or one that it inherits.
    file: String,
    /// Null if the file cannot be read; so is the column.
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

impl From<&Problem> for Described {
    fn from(problem: &Problem) -> Self {
        Self {
            file: problem.file.display().to_string(),
            line: problem.at.map(|at| at.line),
            column: problem.at.map(|at| at.column),
            message: problem.message.clone(),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut answer = Answer { files: Vec::new() };
    // Two boards may inherit the same problem.
    let mut shown = BTreeSet::new();
    for path in &arguments.files {
        let problems = load(path, None).err().map_or_else(Vec::new, hilum_config::Problems::into_vec);
        if problems.is_empty() && !arguments.json {
            say(&format!("{}: in order", path.display()))?;
        }
        for problem in &problems {
            let line = problem.to_string();
            if !arguments.json && !shown.contains(&line) {
                eprintln!("{line}");
            }
            shown.insert(line);
        }
        answer.files.push(Checked {
            file: path.display().to_string(),
            ok: problems.is_empty(),
            problems: problems.iter().map(Described::from).collect(),
        });
    }
    if arguments.json {
        print_json(&answer)?;
    }
    match shown.len() {
        0 => Ok(()),
        1 => Err(Failure::Rejected(anyhow::anyhow!("one problem"))),
        many => Err(Failure::Rejected(anyhow::anyhow!("{many} problems"))),
    }
}
