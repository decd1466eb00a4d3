//! What people and scripts see: progress on a terminal, one JSON document on standard output.

use std::{
    io::{ErrorKind, IsTerminal as _, Write as _, stderr, stdout},
    ops::ControlFlow,
    sync::Mutex,
};

use hilum_assess::{Part, Watch};
use hilum_intake::Rejection;
use hilum_report::Note;
use serde::Serialize;

use crate::Failure;

/// Prints one JSON document.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::internal)?;
    print(&text)
}

/// A PIN from the environment, or typed without being shown.
pub(crate) fn typed(variable: &str, prompt: &str) -> Result<String, Failure> {
    if let Some(pin) = std::env::var(variable).ok().filter(|pin| !pin.is_empty()) {
        return Ok(pin);
    }
    rpassword::prompt_password(prompt)
        .map_err(|error| Failure::Usage(format!("cannot ask for a PIN here: {error}; set {variable}")))
}

#[derive(Serialize)]
struct Refused {
    verdict: &'static str,
    refusal: Note,
}

/// What was read. A refusal is an answer, too: where JSON was asked for, it is printed as one.
pub(crate) fn print_refusal<T>(json: bool, read: Result<T, Rejection>) -> Result<T, Failure> {
    if let (true, Err(Rejection::Refused(refusal))) = (json, &read) {
        print_json(&Refused { verdict: "refused", refusal: refusal.into() })?;
    }
    Ok(read?)
}

/// Prints a line for people, where no JSON was asked for.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    print(line)
}

/// A reader that has seen enough (`hilum … | head -1`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match writeln!(stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::unwritable("standard output")(error)),
        _ => Ok(()),
    }
}

/// Says on a terminal what is being done for a case.
pub(crate) struct Working(Mutex<Progress>);

impl Working {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Progress::new("")))
    }
}

impl Watch for Working {
    fn progress(&self, part: Part, done: usize, of: usize) -> ControlFlow<()> {
        let what = match part {
            Part::Map(method) => method.title().to_owned(),
            Part::Faithfulness(method) => format!("how faithful {} is", method.title()),
        };
        if let Ok(progress) = self.0.lock() {
            progress.saying(&what, done, of);
        }
        ControlFlow::Continue(())
    }
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
        self.saying(self.what, done, of);
    }

    fn saying(&self, what: &str, done: usize, of: usize) {
        if self.shown {
            eprint!("\r\x1b[K{what}: {done} of {of}");
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
