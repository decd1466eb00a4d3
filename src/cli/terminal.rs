//! What people and scripts see: progress on a terminal, one JSON document on standard output.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};

use serde::Serialize;

use crate::Failure;

/// Prints one JSON document.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::internal)?;
    writeln!(stdout().lock(), "{text}").map_err(Failure::internal)
}

/// Prints a line for people, where no JSON was asked for.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    writeln!(stdout().lock(), "{line}").map_err(Failure::internal)
}

/// A line on standard error that is written over and over, on a terminal only.
pub(crate) struct Progress {
    what: &'static str,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, shown: stderr().is_terminal() }
    }

    pub(crate) fn at(&self, done: usize, of: usize) {
        if self.shown {
            eprint!("\r{}: {done} of {of}", self.what);
            // A lost progress line does no harm.
            drop(stderr().flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprintln!();
        }
    }
}
