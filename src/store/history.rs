//! The log for whoever wants to read or keep it: its lines as they were chained, and what follows from their age.

use hilum_domain::{CaseNumber, Moment};

use crate::{
    Action, Entry, Head, State, Store, StoreFault,
    audit::{Hash, hex},
};

/// A line of the log, as it was chained: its hash is the SHA-256 of the hash before it and of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place, from 1.
    pub number: u64,
    /// The hash before it.
    pub before: Hash,
    /// The line.
    pub text: String,
    /// Its hash.
    pub hash: Hash,
}

/// A hash as people copy it.
#[must_use]
pub fn digits(hash: &Hash) -> String {
    hex(hash)
}

impl Store {
    /// The lines of the log from a number on, at most so many.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn lines(&self, from: u64, most: usize) -> Result<Vec<Line>, StoreFault> {
        let attempt = StoreFault::database("read the log");
        // What does not fit the database's numbers is beyond the last anyway.
        let (from, most) = (from.clamp(1, 1 << 62), most.min(1 << 40));
        // One more before them: its hash is what the first one follows.
        let mut statement = self
            .read()
            .prepare("SELECT number, line, hash FROM audit WHERE number >= ?1 ORDER BY number LIMIT ?2")
            .map_err(&attempt)?;
        let rows: Vec<(u64, String, Hash)> = statement
            .query_map((from - 1, most as u64 + 1), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .and_then(Iterator::collect)
            .map_err(&attempt)?;
        let mut before = Head::none().hash;
        let mut lines = Vec::with_capacity(rows.len());
        for (number, text, hash) in rows {
            if number >= from && lines.len() < most {
                lines.push(Line { number, before, text, hash });
            }
            before = hash;
        }
        Ok(lines)
    }

    /// The lines of the log that name a case.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn lines_of(&self, case: CaseNumber) -> Result<Vec<Line>, StoreFault> {
        let names = |line: &Line| {
            serde_json::from_str::<Entry>(&line.text)
                .map_err(StoreFault::record)
                .map(|entry| entry.case == Some(case.0))
        };
        let mut found = Vec::new();
        for line in self.lines(1, usize::MAX)? {
            if names(&line)? {
                found.push(line);
            }
        }
        Ok(found)
    }

    /// The cases whose time is over: nothing was done with them since the moment that the rule for their state names, as
    /// RFC 3339 in UTC. Without a moment there is no rule.
    ///
    /// A clock that may be wrong decides nothing: now and a case's last entry have to be trusted, or the case stays.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn due(&self, now: &Moment, rules: &Rules) -> Result<Vec<CaseNumber>, StoreFault> {
        if !now.trusted || (rules.drafts_before.is_none() && rules.finished_before.is_none()) {
            return Ok(Vec::new());
        }
        let mut last = std::collections::BTreeMap::new();
        for entry in self.log()? {
            if let Some(case) = entry.case {
                last.insert(case, entry);
            }
        }
        let over = |state: State, entry: &Entry| {
            let before = match state {
                State::Draft => &rules.drafts_before,
                State::Assessed | State::Refused | State::SetAside | State::Reviewed | State::Exported => {
                    &rules.finished_before
                }
                // What was acknowledged is never dropped; what is gone is gone.
                State::Queued | State::Expired => &None,
            };
            // Moments of one form, in one zone, compare as texts.
            before.as_ref().is_some_and(|before| {
                entry.trusted && utc(&entry.claimed) && utc(before) && entry.claimed.as_str() < before.as_str()
            })
        };
        let cases = self.list()?.into_iter();
        Ok(cases
            .filter(|case| last.get(&case.number.0).is_some_and(|entry| over(case.state, entry)))
            .map(|case| case.number)
            .collect())
    }

    /// Removes databases that were set aside before this moment, RFC 3339 in UTC, and says how many files it was.
    ///
    /// When that was, the log says, and not the files: the first moment to be trusted since one was last made anew. A clock
    /// that may be wrong decides nothing.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn clear_aside(&self, now: &Moment, before: &str) -> Result<usize, StoreFault> {
        if !now.trusted || !utc(before) || self.database().aside().next().is_none() {
            return Ok(0);
        }
        let log = self.log()?;
        let made = log.iter().rposition(|entry| matches!(entry.action, Action::Restored | Action::Copied));
        let since = log.iter().skip(made.unwrap_or(0)).find(|entry| entry.trusted && utc(&entry.claimed));
        if since.is_some_and(|entry| entry.claimed.as_str() < before) { self.database().clear_aside() } else { Ok(0) }
    }
}

/// Since when nothing must have been done with a case for it to be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Drafts that nobody handed over.
    pub drafts_before: Option<String>,
    /// Cases that have their result, or were set aside.
    pub finished_before: Option<String>,
}

/// Whether a text is a moment in UTC to the second: 2026-11-23T12:00:00Z.
fn utc(text: &str) -> bool {
    let form = b"0000-00-00T00:00:00Z";
    text.len() == form.len()
        && text.bytes().zip(form).all(|(byte, &form)| if form == b'0' { byte.is_ascii_digit() } else { byte == form })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path, time::Duration};

    use hilum_domain::{Identity, Metadata};
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::{Actor, DataKey, Intake, Kept, Review};

    fn at(claimed: &str, trusted: bool) -> Moment {
        Moment { claimed: claimed.into(), trusted, boot: "boot-1".into(), since_boot: Duration::from_secs(9) }
    }

    fn opened(folder: &Path) -> Store {
        let (mut store, _) = Store::open(folder, 0, &at("2026-01-01T00:00:00Z", true)).expect("opens");
        store.unlock(DataKey::new(&[7; 32])).expect("its key");
        store
    }

    /// A case in a state, all of whose entries have this moment.
    fn case(store: &mut Store, state: State, now: &Moment) -> CaseNumber {
        let intake = Intake {
            control: false,
            identity: Identity::new("1", "2").expect("two"),
            metadata: Metadata::default(),
            origin: crate::Origin::default(),
            volume: None,
            lesion: None,
            fields: Vec::new(),
            opened: now.clone(),
        };
        let case = store.open_case(&intake, Actor::Operator, now).expect("opened");
        if state == State::Draft {
            return case;
        }
        store.submit(case, Actor::Operator, now).expect("queued");
        if state == State::Queued {
            return case;
        }
        let kept = Kept { report: "{}".into(), files: Vec::new() };
        let work = store.begin(&BTreeSet::new(), now).expect("readable").work.expect("work");
        if state == State::SetAside {
            store.begin(&BTreeSet::new(), now).expect("readable");
            store.begin(&BTreeSet::new(), now).expect("readable");
            return case;
        }
        store.finish(&work, state == State::Refused, &kept, now).expect("kept");
        if matches!(state, State::Reviewed | State::Exported | State::Expired) {
            let review = Review { agrees: true, reason: String::new(), by: Actor::Reviewer };
            store.review(case, &review, now).expect("kept");
        }
        match state {
            State::Exported => assert_eq!(store.exported(case, &[1; 32], Actor::Operator, now).expect("kept"), state),
            State::Expired => store.expire(case, Actor::Device, now).expect("expired"),
            _ => {}
        }
        case
    }

    const OLD: &str = "2026-01-01T00:00:00Z";
    const NOW: &str = "2026-11-23T12:00:00Z";

    fn rules() -> Rules {
        Rules {
            drafts_before: Some("2026-10-24T12:00:00Z".into()),
            finished_before: Some("2026-11-22T12:00:00Z".into()),
        }
    }

    // verifies: REQ-PRIVACY-04
    #[test]
    fn what_is_old_is_due_and_what_waits_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = opened(folder.path());
        let mut due = Vec::new();
        for state in State::ALL {
            let number = case(&mut store, state, &at(OLD, true));
            assert_eq!(store.list().expect("readable").last().map(|case| case.state), Some(state));
            if !matches!(state, State::Queued | State::Expired) {
                due.push(number);
            }
            if state == State::Queued {
                // Out of the way of those that follow.
                let work = store.begin(&BTreeSet::new(), &at(OLD, true)).expect("readable").work.expect("work");
                let kept = Kept { report: "{}".into(), files: Vec::new() };
                assert_eq!(store.due(&at(NOW, true), &rules()).expect("readable"), [CaseNumber(1)]);
                store.finish(&work, false, &kept, &at(OLD, true)).expect("kept");
                due.push(number);
            }
        }
        let now = at(NOW, true);
        assert_eq!(store.due(&now, &rules()).expect("readable"), due);
        assert_eq!(store.due(&now, &Rules::default()).expect("readable"), []);
        let drafts = Rules { finished_before: None, ..rules() };
        assert_eq!(store.due(&now, &drafts).expect("readable"), due[..1]);
        // Looking at a case is doing something with it.
        store.viewed(due[2], Actor::Operator, &now).expect("kept");
        assert!(!store.due(&now, &rules()).expect("readable").contains(&due[2]));
        for number in store.due(&now, &rules()).expect("readable") {
            store.expire(number, Actor::Device, &now).expect("expired");
        }
        assert_eq!(store.due(&now, &rules()).expect("readable"), []);
        store.verify(None).expect("whole");
    }

    // verifies: REQ-STORE-06
    #[test]
    fn a_clock_that_may_be_wrong_removes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = opened(folder.path());
        for state in [State::Draft, State::Assessed] {
            // As a box writes without a clock battery; and with a clock that is years ahead.
            for (claimed, trusted) in [("1970-01-01T00:00:07Z", false), (OLD, false), ("2046-11-23T12:00:00Z", true)] {
                case(&mut store, state, &at(claimed, trusted));
            }
        }
        assert_eq!(store.due(&at(NOW, true), &rules()).expect("readable"), []);
        case(&mut store, State::Draft, &at(OLD, true));
        let far = Rules { drafts_before: Some("2046-10-24T12:00:00Z".into()), finished_before: None };
        assert_eq!(store.due(&at("2046-11-23T12:00:00Z", false), &far).expect("readable"), []);
        let odd = Rules { drafts_before: Some("2046".into()), finished_before: Some("9".into()) };
        assert_eq!(store.due(&at(NOW, true), &odd).expect("readable"), []);
        assert_eq!(store.due(&at(NOW, true), &rules()).expect("readable"), [CaseNumber(7)]);
    }

    /// A store whose database was damaged and restored.
    fn restored(folder: &Path, now: &Moment) -> Store {
        let mut store = opened(folder);
        case(&mut store, State::Assessed, &at(OLD, true));
        drop(store);
        for name in ["hilum.db", "hilum.db-wal"] {
            std::fs::write(folder.join(name), [0x5a; 8192]).expect("damaged");
        }
        let (mut store, found) = Store::open(folder, 0, now).expect("opens");
        assert_eq!(found, crate::Opened::Restored);
        store.unlock(DataKey::new(&[7; 32])).expect("its key");
        assert_ne!(aside(folder), 0);
        store
    }

    /// How many files there are that were set aside.
    fn aside(folder: &Path) -> usize {
        let files = std::fs::read_dir(folder).expect("readable");
        files
            .filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|end| end == "aside")))
            .count()
    }

    #[test]
    fn what_was_set_aside_is_kept_for_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        // By a clock without a battery, which comes to itself later.
        let mut store = restored(folder.path(), &at("1970-01-01T00:00:07Z", false));
        let now = at(NOW, true);
        assert_eq!(store.clear_aside(&now, NOW).expect("looked at"), 0, "nobody knows when it was");
        store.note(Actor::Device, Action::Started, &at("2026-10-24T12:00:00Z", true)).expect("entered");
        assert_eq!(store.clear_aside(&now, "2026-10-24T12:00:00Z").expect("looked at"), 0);
        assert_eq!(store.clear_aside(&at(NOW, false), "2026-10-24T12:00:01Z").expect("looked at"), 0);
        assert_eq!(store.clear_aside(&now, "2046").expect("looked at"), 0);
        let count = aside(folder.path());
        assert_eq!(store.clear_aside(&now, "2026-10-24T12:00:01Z").expect("removed"), count);
        assert_eq!(aside(folder.path()), 0);
        assert_eq!(store.clear_aside(&now, "2026-10-24T12:00:01Z").expect("looked at"), 0);
        store.verify(None).expect("whole");
    }

    #[test]
    fn what_was_set_aside_does_not_outlive_a_case() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = restored(folder.path(), &at(NOW, true));
        store.expire(CaseNumber(1), Actor::Device, &at(NOW, true)).expect("expired");
        assert_eq!(aside(folder.path()), 0);
        store.verify(None).expect("whole");
    }

    #[test]
    fn lines_are_chained_as_they_say() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = opened(folder.path());
        let first = case(&mut store, State::Exported, &at(OLD, true));
        case(&mut store, State::Draft, &at(OLD, true));
        let all = store.lines(0, 1000).expect("readable");
        let mut before = Head::none().hash;
        for (line, number) in all.iter().zip(1..) {
            let hash: Hash = Sha256::new().chain_update(before).chain_update(&line.text).finalize().into();
            assert_eq!((line.number, line.before, line.hash), (number, before, hash));
            before = hash;
        }
        assert_eq!(store.lines(3, 2).expect("readable"), all[2..4]);
        assert_eq!(store.lines(100, 2).expect("readable"), []);
        assert_eq!(store.lines_of(first).expect("readable"), all[1..all.len() - 1]);
        let last = store.log().expect("whole").into_iter().rfind(|entry| entry.action == Action::Exported);
        assert_eq!(last.and_then(|entry| entry.file), Some("01".repeat(32)));
    }

    #[test]
    fn a_box_is_told_apart_by_how_its_log_begins() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = opened(folder.path());
        let name = store.box_name().expect("made");
        assert_eq!(name, digits(&store.lines(1, 1).expect("readable")[0].hash)[..8]);
        case(&mut store, State::Draft, &at(OLD, true));
        drop(store);
        assert_eq!(opened(folder.path()).box_name().expect("made"), name);
        let other = tempfile::tempdir().expect("a folder");
        let begun = Moment { boot: "boot-2".into(), ..at("2026-01-01T00:00:00Z", true) };
        let (other, _) = Store::open(other.path(), 0, &begun).expect("opens");
        assert_ne!(other.box_name().expect("made"), name);
    }

    #[test]
    fn only_what_has_a_result_leaves_the_box() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = opened(folder.path());
        for state in State::ALL.into_iter().filter(|&state| state != State::Queued) {
            let number = case(&mut store, state, &at(OLD, true));
            let wanted = match state {
                State::Assessed | State::Refused => Some(state),
                State::Reviewed | State::Exported => Some(State::Exported),
                _ => None,
            };
            assert_eq!(store.exported(number, &[1; 32], Actor::Operator, &at(NOW, true)).ok(), wanted, "{state:?}");
        }
        store.verify(None).expect("whole");
    }
}
