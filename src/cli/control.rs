//! `hilum control`

use hilum_daemon::Request;
use serde_json::Value;

use crate::{
    Failure,
    socket::{Daemon, print, word},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Have a control case assessed now, unless one waits already, and wait for its end: exit code 70 unless it is answered as it
    /// should be, 75 if the daemon could not be asked.
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    daemon: Daemon,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How long an answer is waited for at once, in seconds.
const PATIENCE: f64 = 600.0;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut asked = None;
    if arguments.now {
        // One that waits already will do.
        let before = arguments.daemon.ask(&Request::Controls)?;
        let last = before["controls"].as_array().and_then(|controls| controls.last());
        let case = match last.filter(|last| last["good"].is_null()) {
            Some(waiting) => word(waiting, "case").to_owned(),
            None => word(&arguments.daemon.ask(&Request::Control)?, "case").to_owned(),
        };
        // On a small board, behind others, it takes as long as it takes.
        let wait = Request::Wait { case: case.clone(), seconds: PATIENCE };
        while word(&arguments.daemon.ask(&wait)?, "state") == "queued" {}
        asked = Some(case);
    }
    let answer = arguments.daemon.ask(&Request::Controls)?;
    print(&answer, arguments.json, |answer| {
        let controls = answer["controls"].as_array().into_iter().flatten().map(line).collect::<Vec<_>>();
        if controls.is_empty() { "no control case yet".to_owned() } else { controls.join("\n") }
    })?;
    let Some(asked) = asked else { return Ok(()) };
    let controls = answer["controls"].as_array().into_iter().flatten();
    let is_good = controls.into_iter().any(|control| control["case"] == asked.as_str() && control["good"] == true);
    if is_good {
        Ok(())
    } else {
        Err(Failure::Said { exit: 70, why: format!("control case {asked} was not answered as it should be") })
    }
}

fn line(control: &Value) -> String {
    let verdict = match control["good"].as_bool() {
        Some(true) => "good",
        Some(false) => "FAILED",
        None => "waits",
    };
    let trusted = if control["trusted"] == true { "" } else { " (clock not trusted)" };
    let figure = |key: &str| control[key].as_f64().unwrap_or(0.0);
    format!(
        "{} {}{trusted} {verdict}: {} {:.4}, drift {:.1e}",
        word(control, "case"),
        word(control, "claimed"),
        word(control, "predicted"),
        figure("probability"),
        figure("drift")
    )
}
