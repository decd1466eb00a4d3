//! `hilum store log`

use hilum_daemon::{Request, logged};
use hilum_store::{Entry, Store};
use serde_json::Value;

use crate::{Failure, socket::Daemon, terminal::say};

/// So many lines at once.
const MOST: usize = 1000;

/// The log from a number on: of a store, or of the running daemon. As JSON, each line is as it was chained.
pub(crate) fn log(from: u64, store: Option<Store>, daemon: &Daemon, json: bool) -> Result<(), Failure> {
    lines(from, store, daemon, &mut |line| {
        if json {
            return say(line);
        }
        let entry = serde_json::from_str(line).map_err(Failure::internal)?;
        say(&described(&entry))
    })
}

/// Gives each line of the log, in their order.
pub(crate) fn lines(
    mut from: u64,
    store: Option<Store>,
    daemon: &Daemon,
    each: &mut dyn FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    loop {
        let answer = match &store {
            Some(store) => logged(&store.lines(from, MOST)?, store.head()?),
            None => daemon.ask(&Request::Log { from })?,
        };
        let lines: Vec<&str> = answer["lines"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for line in &lines {
            each(line)?;
        }
        if lines.len() < MOST {
            return Ok(());
        }
        from = from.max(1) + MOST as u64;
    }
}

/// An entry as people read it. A clock that may be wrong has a question mark.
fn described(entry: &Entry) -> String {
    let name = |value: Result<Value, _>| match value {
        Ok(Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    };
    let (actor, action) = (name(serde_json::to_value(entry.actor)), name(serde_json::to_value(entry.action)));
    let doubt = if entry.trusted { ' ' } else { '?' };
    let case = entry.case.map(|case| format!(" {}", hilum_domain::CaseNumber(case))).unwrap_or_default();
    let file = entry.file.as_ref().map(|file| format!(" as {file}")).unwrap_or_default();
    format!("{:6} {}{doubt} {actor:13} {action}{case}{file}", entry.number, entry.claimed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line() {
        let line = r#"{"number":7,"claimed":"2026-11-23T12:00:00Z","trusted":false,"boot":"b","since_boot_ms":9,"actor":"operator","action":"queued","case":12,"row":null}"#;
        let entry = serde_json::from_str(line).expect("an entry");
        assert_eq!(described(&entry), "     7 2026-11-23T12:00:00Z? operator      queued H000012");
    }
}
