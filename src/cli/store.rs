//! `hilum store`: what is kept, by asking the daemon or, where none runs, in its folder.

use std::path::PathBuf;

use hilum_daemon::{Request, listed, opened, read_key};
use hilum_device::{Clock as _, ClockTrust, linux::SystemClock};
use hilum_store::{Head, NoHead, Store};
use serde_json::{Value, json};

use crate::{
    Failure, archive, history,
    socket::{Daemon, To, print, word},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the cases.
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Check everything against the log: both databases, every case, every file.
    Verify {
        /// A head of the log that was saved: says whether anything up to there was changed, taken out or cut off.
        #[arg(long, value_name = "N-HASH")]
        head: Option<String>,
        #[command(flatten)]
        of: Of,
    },
    /// Show the log: who did what to which case, each line bound to all before it.
    Log {
        /// From this entry on.
        #[arg(long, value_name = "N", default_value_t = 1)]
        from: u64,
        #[command(flatten)]
        of: Of,
    },
    /// Write a case to a folder outside, as one file that says itself whether it is whole.
    Export {
        /// The case, as H000012.
        case: String,
        /// The folder.
        #[arg(long = "out", alias = "to", value_name = "DIR")]
        to: PathBuf,
        /// Encrypt it to this age recipient.
        #[arg(long, value_name = "AGE1…")]
        recipient: Option<String>,
        /// With the identifiers of the patient.
        #[arg(long)]
        with_identity: bool,
        #[command(flatten)]
        of: To,
    },
    /// Check an exported file, without daemon and store.
    Check(archive::Arguments),
    /// Assess a case's inputs again and compare with what was kept, bit for bit.
    Replay {
        /// The case, as H000012.
        case: String,
        #[command(flatten)]
        of: Of,
    },
}

/// Whose store is meant.
#[derive(clap::Args)]
pub(crate) struct Of {
    #[command(flatten)]
    daemon: Daemon,
    /// The folder of a store that no daemon has open. A damaged database is restored from its copy.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The data key of that store: is it the one that the records are sealed with?
    #[arg(long, value_name = "FILE", requires = "data")]
    key_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List { of } => {
            let answer = match open(&of)? {
                Some((store, _)) => json!({"ok": true, "cases": listed(&store.list()?)}),
                None => of.daemon.ask(&Request::List)?,
            };
            print(&answer, of.json, |answer| {
                let cases = answer["cases"].as_array().into_iter().flatten();
                cases.map(line).collect::<Vec<_>>().join("\n")
            })
        }
        Command::Verify { head, of } => {
            let answer = match open(&of)? {
                Some((store, found)) => {
                    let saved: Option<Head> = head
                        .map(|head| head.parse())
                        .transpose()
                        .map_err(|error: NoHead| Failure::Usage(error.to_string()))?;
                    let head = store.verify(saved)?;
                    json!({
                        "ok": true, "opened": found, "head": head.to_string(), "entries": head.entries,
                        "cases": listed(&store.list()?),
                    })
                }
                None => of.daemon.ask(&Request::Verify { head })?,
            };
            print(&answer, of.json, |answer| format!("whole; head {}", word(answer, "head")))
        }
        Command::Log { from, of } => history::log(from, open(&of)?.map(|(store, _)| store), &of.daemon, of.json),
        Command::Export { case, to, recipient, with_identity, of } => {
            let to = std::path::absolute(&to).map_err(|error| Failure::Usage(format!("{}: {error}", to.display())))?;
            let answer = of.daemon.ask(&Request::Export { case, to, recipient, identity: with_identity })?;
            print(&answer, of.json, |answer| {
                format!(
                    "{} {}; {}, {} bytes, read back; SHA-256 {}; head {}",
                    word(answer, "case"),
                    word(answer, "state"),
                    word(answer, "file"),
                    answer["bytes"],
                    word(answer, "sha256"),
                    word(answer, "head")
                )
            })
        }
        Command::Check(arguments) => archive::run(&arguments),
        Command::Replay { case, of } => {
            if of.data.is_some() {
                return Err(Failure::Usage("replay asks the daemon: it has the networks".to_owned()));
            }
            let answer = of.daemon.ask(&Request::Replay { case })?;
            print(&answer, of.json, |answer| {
                let differences: Vec<&str> =
                    answer["differences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let what = if differences.is_empty() { "identical".to_owned() } else { differences.join(", ") };
                format!("{} replayed: {what}", word(answer, "case"))
            })?;
            if answer["identical"] == true {
                return Ok(());
            }
            Err(Failure::Said { exit: 70, why: "the replay differs from what was kept".to_owned() })
        }
    }
}

fn line(case: &Value) -> String {
    let control = if case["control"] == true { " (control)" } else { "" };
    format!("{} {}{control}", word(case, "number"), word(case, "state"))
}

/// The store in the folder that was given, if one was.
fn open(of: &Of) -> Result<Option<(Store, &'static str)>, Failure> {
    let Some(folder) = &of.data else { return Ok(None) };
    if !folder.is_dir() {
        return Err(Failure::Usage(format!("there is no folder {}", folder.display())));
    }
    // Whoever looks at a wrong folder must not be told that all is well with the store that was made there.
    if !Store::is_in(folder) {
        return Err(Failure::Unreadable(anyhow::anyhow!("there is no store in {}", folder.display())));
    }
    let now = SystemClock::new(ClockTrust::Synchronised).now();
    let (mut store, found) = Store::open(folder, 0, &now)?;
    // What is checked is checked without the key; with it, it is checked that it is the key.
    if let Some(path) = &of.key_file {
        store.unlock(read_key(path).map_err(|error| Failure::Rejected(error.into()))?)?;
    }
    Ok(Some((store, opened(found))))
}
