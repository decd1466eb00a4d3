//! `hilum control`

use hilum_daemon::Request;
use serde_json::Value;

use crate::{
    Failure,
    socket::{Daemon, print, word},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Have a control case assessed now, and wait for it.
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    daemon: Daemon,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How long a control case may wait for its turn, in seconds.
const PATIENCE: f64 = 600.0;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.now {
        let case = word(&arguments.daemon.ask(&Request::Control)?, "case").to_owned();
        arguments.daemon.ask(&Request::Wait { case, seconds: PATIENCE })?;
    }
    let answer = arguments.daemon.ask(&Request::Controls)?;
    print(&answer, arguments.json, |answer| {
        let controls = answer["controls"].as_array().into_iter().flatten().map(line).collect::<Vec<_>>();
        if controls.is_empty() { "no control case yet".to_owned() } else { controls.join("\n") }
    })
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
