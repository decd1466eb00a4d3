//! Asking the running daemon. `hilum status`

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use hilum_daemon::{Request, SOCKET, said};
use hilum_domain::LimitCode;
use hilum_store::Role;
use serde_json::Value;

use crate::{
    Failure,
    locate::{BoardFiles, runtime_folder},
    terminal::{print_json, say, typed},
};

/// Which daemon is meant.
#[derive(clap::Args)]
pub(crate) struct Daemon {
    #[command(flatten)]
    files: BoardFiles,
    /// The daemon's socket, instead of the one that the board says.
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// Log in as operator, reviewer or administrator first; the PIN is asked for, or is in HILUM_PIN.
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
}

impl Daemon {
    /// What logs the person in, where a role was given.
    pub(crate) fn login(&self) -> Result<Option<Request>, Failure> {
        let asked = self.role.map(|role| Ok(Request::Login { role, pin: typed("HILUM_PIN", "PIN: ")? }));
        asked.transpose()
    }

    /// The board whose daemon is meant.
    pub(crate) const fn files(&self) -> &BoardFiles {
        &self.files
    }

    /// Asks, and waits for the answer. Logs in first where a role was given.
    pub(crate) fn ask(&self, request: &Request) -> Result<Value, Failure> {
        let login = if matches!(request, Request::Login { .. }) { None } else { self.login()? };
        let socket = match &self.socket {
            Some(socket) => socket.clone(),
            None => runtime_folder(&self.files.read()?)?.join(SOCKET),
        };
        asked(&socket, login.iter().chain([request]))
    }
}

/// Asks one after the other on one connection. Answers with the last answer.
pub(crate) fn asked<'a>(socket: &Path, requests: impl IntoIterator<Item = &'a Request>) -> Result<Value, Failure> {
    let silent = |error: std::io::Error| Failure::Said {
        exit: 75,
        why: format!("no daemon answers at {}: {error}", socket.display()),
    };
    let mut stream = UnixStream::connect(socket).map_err(silent)?;
    let mut answers = BufReader::new(stream.try_clone().map_err(silent)?);
    let mut told = Value::Null;
    for request in requests {
        let mut line = serde_json::to_string(request).map_err(Failure::internal)?;
        line.push('\n');
        stream.write_all(line.as_bytes()).map_err(silent)?;
        let mut answer = String::new();
        answers.read_line(&mut answer).map_err(silent)?;
        if answer.is_empty() {
            return Err(silent(std::io::ErrorKind::UnexpectedEof.into()));
        }
        told = said(&answer)?;
    }
    Ok(told)
}

/// Whom to ask, and how to answer.
#[derive(clap::Args)]
pub(crate) struct To {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints an answer whole as JSON, or what `line` says of it.
pub(crate) fn print(answer: &Value, json: bool, line: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
    if json { print_json(answer) } else { say(&line(answer)) }
}

/// A word of an answer.
pub(crate) fn word<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer[key].as_str().unwrap_or_default()
}

/// A number of things in words.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// What of the share waits for people.
fn exports(exports: &Value) -> Option<String> {
    let count = |key: &str| exports[key].as_u64().filter(|count| *count > 0);
    let mut parts = Vec::new();
    parts.extend(count("unread").map(|unread| format!("{unread} not read yet")));
    parts.extend(count("waiting").map(|waiting| format!("{waiting} went to no case")));
    parts.extend(count("of-one-patient").map(|several| format!("of {several} a person picks the one that is meant")));
    parts.extend(count("late").map(|late| format!("{late} with slices that came after the hand-over")));
    let refused = exports["refused"].as_object().into_iter().flatten();
    parts.extend(refused.map(|(code, count)| format!("{count} refused: {code}")));
    (!parts.is_empty()).then(|| format!("exports: {}", parts.join("; ")))
}

pub(crate) fn status(arguments: &To) -> Result<(), Failure> {
    let answer = arguments.daemon.ask(&Request::Status)?;
    print(&answer, arguments.json, |status| {
        let networks = &status["networks"];
        let engine = match word(networks, "state") {
            "ready" => {
                format!("{} on {}: {}", word(networks, "bundle"), word(networks, "engine"), word(networks, "why"))
            }
            "rejected" => format!("rejected: {}", word(networks, "why")),
            state => state.to_owned(),
        };
        let cases = status["store"]["cases"].as_object().into_iter().flatten();
        let cases: Vec<String> = cases
            .filter(|(_, count)| count.as_u64() != Some(0))
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        let mut lines = vec![
            format!("{}, hilum {}, up {} s", word(status, "board"), word(status, "version"), status["up-s"]),
            format!("networks: {engine}"),
            format!("cases: {}", if cases.is_empty() { "none".to_owned() } else { cases.join(", ") }),
            format!("store: opened {}; head {}", word(status, "opened"), word(&status["store"], "head")),
        ];
        if status["store"]["locked"] == true {
            lines.push("store: locked, a PIN opens it".to_owned());
        }
        if status["store"]["copy-is-behind"] == true {
            lines.push("store: the second copy of the database is behind".to_owned());
        }
        for fault in [&status["store"]["fault"], &status["store"]["full"]] {
            lines.extend(fault.as_str().map(|fault| format!("store: {fault}")));
        }
        let there = |part: &Value| match part.as_bool() {
            Some(true) => "there",
            Some(false) => "gone",
            None => "none",
        };
        lines.push(format!(
            "camera: {}{}; share: {}; board: {}",
            there(&status["camera"]),
            status["camera-fault"].as_str().map_or(String::new(), |fault| format!(" ({fault})")),
            there(&status["share"]),
            word(status, "warmth")
        ));
        lines.extend(exports(&status["exports"]));
        let limit = LimitCode::ALL.into_iter().find(|code| status["control-limit"] == code.code());
        lines.extend(limit.map(|limit| format!("control: {}; {}", limit.code(), limit.next_step())));
        let clock = &status["clock"];
        let trusted = if clock["trusted"] == true { "trusted" } else { "not trusted" };
        lines.push(format!("clock: {}, {trusted}", word(clock, "claimed")));
        lines.join("\n")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_waits_on_the_share_is_said_in_one_line() {
        let of = json!({"unread": 0, "waiting": 3, "of-one-patient": 2, "late": 1, "refused": {"missing-slice": 1}});
        let wanted = "exports: 3 went to no case; of 2 a person picks the one that is meant; 1 with slices that came after the \
            hand-over; 1 refused: missing-slice";
        assert_eq!(exports(&of).as_deref(), Some(wanted));
        assert_eq!(exports(&json!({"unread": 0, "waiting": 0, "refused": {}})), None);
        assert_eq!(exports(&Value::Null), None);
    }
}
