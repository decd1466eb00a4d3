//! The command line: one file a subcommand, thin.
//!
//! Standard output carries one JSON document with `--json` and a short text without; everything else goes to standard
//! error.

#![forbid(unsafe_code)]

mod analyze;
mod archive;
mod bench;
mod bundle;
mod calibrate;
mod case;
mod check_config;
mod control;
mod ct;
mod demo;
mod evaluate;
mod explain;
mod explain_eval;
mod failure;
mod files;
mod history;
mod locate;
mod pacs;
mod patient;
mod phantom;
mod pin;
mod predict;
mod prepare;
mod quality;
mod report;
mod run;
mod shown;
mod socket;
mod stain;
mod store;
mod support;
mod terminal;
mod tour;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Offline lung-cancer triage from CT and H&E. Research use only, not a diagnosis.
#[derive(Parser)]
#[command(name = "hilum", version, disable_help_subcommand = true, allow_negative_numbers = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The whole appliance on a simulated board, with phantom patients, in a browser.
    Demo(demo::Arguments),
    /// Assess one case.
    Analyze(Box<analyze::Arguments>),
    /// CT series: list, volume, lesion candidates.
    #[command(subcommand)]
    Ct(ct::Command),
    /// Normalise the stain of an H&E image.
    Stain(stain::Arguments),
    /// Judge H&E images: focus, exposure, tissue, stain.
    Quality(quality::Arguments),
    /// Where a branch looked, for one class.
    Explain(explain::Arguments),
    /// How faithful each method of explanation is, and how well it localises, over a cohort with masks.
    ExplainEval(explain_eval::Arguments),
    /// Time every stage of a large case.
    Bench(bench::Arguments),
    /// Assess every case of a cohort.
    Predict(predict::Arguments),
    /// How good predictions are: figures with intervals, plots, and against another model.
    Evaluate(evaluate::Arguments),
    /// Inspect, verify or sign a bundle.
    #[command(subcommand)]
    Bundle(bundle::Command),
    /// The microscope's scale and white field, for each objective.
    #[command(subcommand)]
    Calibrate(calibrate::Command),
    /// Check board files.
    CheckConfig(check_config::Arguments),
    /// Write a seeded synthetic cohort.
    Phantom(phantom::Arguments),
    /// The daemon: the appliance of a board.
    Run(run::Arguments),
    /// How the running daemon is.
    Status(socket::To),
    /// Cases of the running daemon: open, fill, hand over, look, agree.
    #[command(subcommand)]
    Case(case::Command),
    /// The control cases: how the device answers a phantom that it knows.
    Control(control::Arguments),
    /// PINs: who may do what.
    #[command(subcommand)]
    Pin(pin::Command),
    /// What is kept: list, log, verify, replay, export, check.
    #[command(subcommand)]
    Store(store::Command),
    /// One file for whoever is asked for help, without anything of a patient.
    Support(support::Arguments),
    /// Reads one input from outside, confined. Started by the daemon.
    #[command(hide = true)]
    Worker,
    /// Runs a vendor's engine apart from the program that asks for it. Started by that.
    #[command(hide = true)]
    Engine,
    /// Turn a data set into the arrays that training reads.
    Prepare(prepare::Arguments),
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let outcome = match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Analyze(arguments) => analyze::run(*arguments),
        Command::Ct(command) => ct::run(&command),
        Command::Stain(arguments) => stain::run(&arguments),
        Command::Quality(arguments) => quality::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::ExplainEval(arguments) => explain_eval::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Bundle(command) => bundle::run(&command),
        Command::Calibrate(command) => calibrate::run(&command),
        Command::CheckConfig(arguments) => check_config::run(&arguments),
        Command::Phantom(arguments) => phantom::run(&arguments),
        Command::Prepare(arguments) => prepare::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Status(arguments) => socket::status(&arguments),
        Command::Case(command) => case::run(command),
        Command::Control(arguments) => control::run(&arguments),
        Command::Pin(command) => pin::run(command),
        Command::Store(command) => store::run(command),
        Command::Support(arguments) => support::run(&arguments),
        Command::Worker => hilum_daemon::worker().map_err(Failure::internal),
        Command::Engine => hilum_infer::serve().map_err(Failure::internal),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("hilum: {failure}");
            failure.exit_code()
        }
    }
}

/// Help and version are no failures; everything else is exit code 64 and one line.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe (`hilum --help | head -1`) is nothing to complain about.
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprintln!("hilum: say which command (see --help)");
        return ExitCode::from(64);
    }
    let whole = error.to_string();
    let first = whole.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let line: Vec<&str> = first.split_whitespace().collect();
    eprintln!("hilum: {} (see --help)", line.join(" "));
    ExitCode::from(64)
}
