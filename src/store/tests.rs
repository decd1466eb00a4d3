use std::{collections::BTreeSet, path::Path, time::Duration};

use hilum_domain::{CaseNumber, Identity, Metadata, MicronsPerPixel, Moment, Sex};
use sha2::{Digest as _, Sha256};

use crate::*;

fn key() -> DataKey {
    DataKey::new(&[7; 32])
}

fn now() -> Moment {
    Moment {
        claimed: "2026-11-23T12:00:00Z".into(),
        trusted: false,
        boot: "boot-1".into(),
        since_boot: Duration::from_secs(9),
    }
}

fn opened(folder: &Path) -> (Store, Opened) {
    with(folder, 0)
}

fn with(folder: &Path, watermark: u64) -> (Store, Opened) {
    let (mut store, opened) = Store::open(folder, watermark, &now()).expect("opens");
    store.unlock(key()).expect("its key");
    (store, opened)
}

fn intake(store: &Store, first: &str) -> Intake {
    let picture = store.files().put(format!("a field of {first}").as_bytes()).expect("kept");
    intake_of(first, vec![FieldFile { picture, scale: MicronsPerPixel::plausible(0.5), colour: true }])
}

fn intake_of(first: &str, fields: Vec<FieldFile>) -> Intake {
    Intake {
        control: false,
        identity: Identity::new(first, "second").expect("two"),
        metadata: Metadata { sex: Some(Sex::Female), ..Metadata::default() },
        origin: Origin::default(),
        volume: None,
        lesion: None,
        fields,
        opened: now(),
    }
}

fn queued(store: &mut Store, first: &str) -> CaseNumber {
    let intake = intake(store, first);
    let case = store.open_case(&intake, Actor::Operator, &now()).expect("opened");
    store.submit(case, Actor::Operator, &now()).expect("queued");
    case
}

fn kept() -> Kept {
    Kept { report: "{}".into(), files: Vec::new() }
}

#[test]
fn a_case_goes_its_way_and_the_log_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, found) = opened(folder.path());
    assert_eq!(found, Opened::New);
    let case = queued(&mut store, "4711");
    let work = store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work");
    assert_eq!((work.number, work.attempt), (case, 1));
    store.finish(&work, false, &kept(), &now()).expect("kept");
    assert!(
        matches!(store.finish(&work, false, &kept(), &now()), Err(StoreFault::State { .. })),
        "a result is kept once"
    );
    assert_eq!(store.begin(&BTreeSet::new(), &now()).expect("readable").work, None);
    let review = Review { agrees: false, reason: "keratin pearls".into(), by: Actor::Reviewer };
    store.review(case, &review, &now()).expect("kept");
    let agreed = Review { agrees: true, reason: String::new(), by: Actor::Reviewer };
    store.review(case, &agreed, &now()).expect("kept");
    let head = store.head().expect("a head");
    assert_eq!(store.verify(Some(head)).expect("whole"), head);
    drop(store);

    let (store, found) = opened(folder.path());
    assert_eq!(found, Opened::Well);
    let case = store.case(case).expect("there");
    assert_eq!((case.state, case.result, case.reviews), (State::Reviewed, Some(kept()), vec![review, agreed]));
    let actions: Vec<Action> = store.log().expect("whole").into_iter().map(|entry| entry.action).collect();
    use Action::{Agreed, Assessed, Begun, Disagreed, Drafted, Made, Queued};
    assert_eq!(actions, [Made, Drafted, Queued, Begun, Assessed, Disagreed, Agreed]);
    assert_eq!(head.to_string().parse(), Ok(head));
}

// verifies: REQ-RESULT-09
#[test]
fn who_disagrees_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let case = queued(&mut store, "1");
    let work = store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work");
    store.finish(&work, false, &kept(), &now()).expect("kept");
    let head = store.head().expect("a head");
    let review = |agrees, reason: &str| Review { agrees, reason: reason.into(), by: Actor::Reviewer };
    for (review, why) in [
        (review(false, ""), NoReason::Missing),
        (review(false, " \t\n\u{a0}"), NoReason::Missing),
        (review(false, &"ä".repeat(2001)), NoReason::TooLong),
        (review(true, &"x".repeat(2001)), NoReason::TooLong),
    ] {
        let fault = store.review(case, &review, &now()).expect_err("not kept");
        assert!(matches!(fault, StoreFault::Reason(found) if found == why), "{fault}");
    }
    assert_eq!(store.head().expect("a head"), head);
    store.review(case, &review(false, &"ä".repeat(2000)), &now()).expect("kept");
    assert_eq!(store.case(case).expect("there").reviews.len(), 1);
}

/// A store as version 1 left it, with a case that was reviewed.
fn of_version_1(folder: &Path) {
    let number = CaseNumber(1);
    let sealed = |column: &str, plain: &[u8]| key().seal(&format!("case {number} {column}"), plain);
    let record = sealed("record", &intake_of("1", Vec::new()).to_bytes().expect("written"));
    let review = sealed("review", br#"{"agrees":false,"reason":"keratin pearls","by":"reviewer"}"#);
    let search = key().token("1");
    let mut row = Sha256::new();
    for part in [
        Some(&b"reviewed"[..]),
        Some(&1_i64.to_le_bytes()),
        Some(&0_i64.to_le_bytes()),
        Some(&search),
        Some(&record),
        None,
        Some(&review),
    ] {
        row.update([u8::from(part.is_some())]);
        row.update((part.unwrap_or_default().len() as u64).to_le_bytes());
        row.update(part.unwrap_or_default());
    }
    let row = digits(&row.finalize().into());
    let entry = |number: u64, action: &str, case: &str, row: &str| {
        format!(
            r#"{{"number":{number},"claimed":"2026-01-01T00:00:00Z","trusted":true,"boot":"b","since_boot_ms":9,"actor":"reviewer","action":"{action}","case":{case},"role":null,"row":{row}}}"#
        )
    };
    std::fs::create_dir(folder.join("copy")).expect("made");
    for path in BOTH {
        let database = rusqlite::Connection::open(folder.join(path)).expect("made");
        database.pragma_update(None, "journal_mode", "WAL").expect("set");
        database.execute_batch(crate::database::STEPS[0]).expect("made");
        database.pragma_update(None, "user_version", 1).expect("set");
        database
            .execute("INSERT INTO cases VALUES (1, 0, 'reviewed', 1, ?1, ?2, ?3)", (search, &record, &review))
            .expect("kept");
        database.execute("INSERT INTO key VALUES (?1)", [key().token(crate::seal::KEY_WORD)]).expect("kept");
        let mut hash = Head::none().hash;
        let lines = [(1, entry(1, "made", "null", "null")), (2, entry(2, "reviewed", "1", &format!("\"{row}\"")))];
        for (number, line) in lines {
            hash = Sha256::new().chain_update(hash).chain_update(&line).finalize().into();
            database.execute("INSERT INTO audit VALUES (?1, ?2, ?3)", (number, line, hash)).expect("kept");
        }
    }
}

#[test]
fn a_store_of_version_1_opens_with_what_was_in_it() {
    // A cut may come between the two, and whichever it was, the other follows.
    for already in [None, Some(BOTH[0]), Some(BOTH[1])] {
        let folder = tempfile::tempdir().expect("a folder");
        of_version_1(folder.path());
        if let Some(path) = already {
            let database = rusqlite::Connection::open(folder.path().join(path)).expect("opens");
            database.execute_batch(crate::database::STEPS[1]).expect("taken");
            database.pragma_update(None, "user_version", 2).expect("set");
        }
        let (mut store, found) = opened(folder.path());
        assert_eq!(found, Opened::Well, "{already:?}");
        let case = store.case(CaseNumber(1)).expect("there");
        let first = Review { agrees: false, reason: "keratin pearls".into(), by: Actor::Reviewer };
        assert_eq!((case.state, &case.reviews), (State::Reviewed, &vec![first.clone()]));
        assert_eq!(store.log().expect("whole").last().map(|entry| entry.action), Some(Action::Reviewed));
        let head = store.verify(None).expect("whole");
        let second = Review { agrees: true, reason: String::new(), by: Actor::Reviewer };
        store.review(CaseNumber(1), &second, &now()).expect("kept");
        queued(&mut store, "2");
        drop(store);
        let (store, found) = opened(folder.path());
        assert_eq!(found, Opened::Well);
        assert_eq!(store.case(CaseNumber(1)).expect("there").reviews, [first, second]);
        store.verify(Some(head)).expect("whole");
        for path in BOTH {
            let database = rusqlite::Connection::open(folder.path().join(path)).expect("opens");
            let version: u32 = database.pragma_query_value(None, "user_version", |row| row.get(0)).expect("readable");
            assert_eq!(version, 3);
        }
    }
}

#[test]
fn what_is_withdrawn_is_a_draft_again_and_no_attempt_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let case = queued(&mut store, "1");
    let work = store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work");
    store.withdraw(case, Actor::Operator, &now()).expect("it waited");
    let again = |store: &mut Store| store.withdraw(case, Actor::Operator, &now());
    assert!(matches!(again(&mut store), Err(StoreFault::State { state: "draft", .. })));
    let state = |store: &Store| store.case(case).expect("there").state;
    assert!(matches!(store.finish(&work, false, &kept(), &now()), Err(StoreFault::State { .. })));
    assert!(matches!(store.put_back(&work, &now()), Err(StoreFault::NoCase)));
    assert_eq!(state(&store), State::Draft);
    // Handed over once more, while that attempt goes on.
    store.submit(case, Actor::Operator, &now()).expect("queued");
    assert!(matches!(store.finish(&work, false, &kept(), &now()), Err(StoreFault::NoCase)));
    assert_eq!(state(&store), State::Queued);
    let work = store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work");
    store.finish(&work, false, &kept(), &now()).expect("kept");
    assert!(again(&mut store).is_err(), "what has a result keeps it");
    store.verify(None).expect("whole");
}

// verifies: REQ-RESULT-09
#[test]
fn what_was_read_first_is_said_once_and_bound_to_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let case = queued(&mut store, "1");
    let read = ReadFirst {
        class: Some(hilum_domain::Class::SmallCellCarcinoma),
        by: Actor::Reviewer,
        claimed: now().claimed,
        trusted: false,
    };
    assert!(store.read_first(case, &read, &now()).is_err(), "there is no result to be read before");
    let work = store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work");
    store.finish(&work, false, &kept(), &now()).expect("kept");
    store.read_first(case, &read, &now()).expect("kept");
    let other = ReadFirst { class: None, ..read.clone() };
    assert!(matches!(store.read_first(case, &other, &now()), Err(StoreFault::State { state: "read", .. })));
    assert_eq!(store.case(case).expect("there").read_first, Some(read));
    assert_eq!(store.log().expect("whole").last().map(|entry| entry.action), Some(Action::ReadFirst));
    store.verify(None).expect("whole");
    drop(store);
    for path in BOTH {
        let database = rusqlite::Connection::open(folder.path().join(path)).expect("opens");
        database.execute("UPDATE cases SET read_first = NULL", []).expect("changed");
    }
    // What is taken out of both copies is missed.
    assert!(matches!(Store::open(folder.path(), 0, &now()), Err(StoreFault::BothLost)));
}

// verifies: REQ-STORE-05
#[test]
fn an_input_that_kills_twice_is_set_aside_and_the_next_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let deadly = queued(&mut store, "1");
    let other = queued(&mut store, "2");
    for attempt in 1..=2 {
        assert_eq!(
            store.begin(&BTreeSet::new(), &now()).expect("readable").work.map(|work| (work.number, work.attempt)),
            Some((deadly, attempt))
        );
        drop(store);
        store = opened(folder.path()).0;
    }
    let begun = store.begin(&BTreeSet::new(), &now()).expect("readable");
    assert_eq!(begun.set_aside, [deadly]);
    let work = begun.work.expect("work");
    assert_eq!(work.number, other);
    assert_eq!(store.case(deadly).expect("kept").state, State::SetAside);
    store.put_back(&work, &now()).expect("an orderly stop");
    assert_eq!(
        store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work").attempt,
        1,
        "a stop is not the input's fault"
    );
    store.submit(deadly, Actor::Administrator, &now()).expect("a person may try again");
}

#[test]
fn a_case_that_rests_lets_others_go_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let [first, second] = ["1", "2"].map(|name| queued(&mut store, name));
    let work = store.begin(&BTreeSet::from([first]), &now()).expect("readable").work.expect("work");
    assert_eq!(work.number, second);
    store.put_back(&work, &now()).expect("put back");
    assert_eq!(store.begin(&BTreeSet::from([first, second]), &now()).expect("readable"), Begun::default());
    assert_eq!(store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work").number, first);
}

#[test]
fn a_folder_has_a_store_or_none() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(!Store::is_in(folder.path()));
    drop(opened(folder.path()));
    for path in BOTH {
        assert!(Store::is_in(folder.path()));
        std::fs::remove_file(folder.path().join(path)).expect("removed");
    }
    assert!(!Store::is_in(folder.path()));
}

// verifies: REQ-PATIENT-02
#[test]
fn an_override_of_an_identifier_is_in_the_log_with_the_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let mut draft = intake(&store, "4711");
    draft.origin.other_second = true;
    let case = store.open_case(&draft, Actor::Operator, &now()).expect("opened");
    draft.volume = Some(store.files().put(b"a volume").expect("kept"));
    draft.origin.other_id = true;
    store.change_draft(case, &draft, Actor::Operator, &now()).expect("changed");
    draft.fields.clear();
    store.change_draft(case, &draft, Actor::Operator, &now()).expect("changed");
    draft.volume = Some(store.files().put(b"another volume").expect("kept"));
    store.change_draft(case, &draft, Actor::Operator, &now()).expect("changed");
    let actions: Vec<Action> = store.log().expect("whole").into_iter().map(|entry| entry.action).collect();
    use Action::{Drafted, IdentityOverridden, InputTaken, Made};
    let wanted =
        [Made, Drafted, IdentityOverridden, InputTaken, IdentityOverridden, InputTaken, InputTaken, IdentityOverridden];
    assert_eq!(actions, wanted);
    store.verify(None).expect("whole");
    assert_eq!(store.same_first("4711").expect("readable"), [case]);
}

#[test]
fn one_process_has_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_store, _) = opened(folder.path());
    assert!(matches!(Store::open(folder.path(), 0, &now()), Err(StoreFault::InUse)));
}

// verifies: REQ-STORE-04
#[test]
fn a_full_disk_stops_intake_before_results() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let case = queued(&mut store, "1");
    let work = store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work");
    drop(store);
    let (mut store, _) = with(folder.path(), u64::MAX);
    let another = intake(&store, "2");
    assert!(matches!(store.open_case(&another, Actor::Operator, &now()), Err(StoreFault::Full { .. })));
    store.finish(&work, false, &kept(), &now()).expect("results are kept");
    assert_eq!(store.case(case).expect("there").state, State::Assessed);
}

// verifies: REQ-PRIVACY-01
#[test]
fn nothing_on_the_disk_names_a_person() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    queued(&mut store, "CANARY-4711");
    let work = store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work");
    let result = Kept { report: "CANARY result".into(), files: Vec::new() };
    store.finish(&work, false, &result, &now()).expect("kept");
    let review = Review { agrees: true, reason: "CANARY reason".into(), by: Actor::Reviewer };
    store.review(work.number, &review, &now()).expect("kept");
    assert!(!format!("{store:?}").contains("CANARY"));
    assert!(!format!("{:?}", store.case(work.number).expect("there").intake).contains("CANARY"));
    drop(store);
    let mut folders = vec![folder.path().to_owned()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("readable");
            assert!(!bytes.windows(6).any(|window| window == b"CANARY"), "{}", path.display());
            read += bytes.len();
        }
    }
    assert!(read > 10_000);
    let (mut store, _) = Store::open(folder.path(), 0, &now()).expect("opens");
    assert!(matches!(store.case(work.number), Err(StoreFault::Locked)));
    assert!(matches!(store.unlock(DataKey::new(&[8; 32])), Err(StoreFault::Sealed(_))));
    assert!(matches!(store.case(work.number), Err(StoreFault::Locked)));
    store.unlock(key()).expect("its key");
    store.case(work.number).expect("there");
}

#[test]
fn the_same_person_is_found_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let first = queued(&mut store, "A-17");
    queued(&mut store, "A-18");
    let again = Identity::new("a-17", "other").expect("two");
    assert_eq!(store.same_person(&again).expect("readable"), [first]);
}

// verifies: REQ-PRIVACY-04
#[test]
fn what_expires_leaves_its_number_and_its_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let case = queued(&mut store, "1");
    assert!(
        matches!(store.expire(case, Actor::Device, &now()), Err(StoreFault::State { .. })),
        "acknowledged work stays"
    );
    let work = store.begin(&BTreeSet::new(), &now()).expect("readable").work.expect("work");
    store.finish(&work, true, &kept(), &now()).expect("kept");
    store.expire(case, Actor::Device, &now()).expect("expired");
    assert!(matches!(store.case(case), Err(StoreFault::NoCase)));
    assert!(matches!(store.files().get(&work.intake.fields[0].picture), Err(StoreFault::Blob)));
    store.verify(None).expect("whole");
    assert_ne!(queued(&mut store, "2"), case);
}

/// A store with some cases, closed; `spoil` does something to its main database.
fn spoilt(spoil: impl Fn(&rusqlite::Connection)) -> (tempfile::TempDir, Head) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    for name in ["1", "2", "3"] {
        queued(&mut store, name);
    }
    let head = store.head().expect("a head");
    drop(store);
    spoil(&rusqlite::Connection::open(folder.path().join("hilum.db")).expect("opens"));
    (folder, head)
}

// verifies: REQ-STORE-03
#[test]
fn every_edit_is_found_and_the_copy_stands_in() {
    for edit in [
        "UPDATE cases SET state = 'draft' WHERE number = 2",
        "UPDATE cases SET attempts = 1 WHERE number = 2",
        "UPDATE cases SET control = 1 WHERE number = 2",
        "UPDATE cases SET record = x'00' WHERE number = 2",
        "UPDATE cases SET search = x'00' WHERE number = 2",
        "INSERT INTO results (number, sealed) VALUES (2, x'')",
        "PRAGMA foreign_keys = OFF; INSERT INTO results (number, sealed) VALUES (9, x'')",
        "UPDATE cases SET reviews = x'' WHERE number = 2",
        "DELETE FROM files WHERE number = 2",
        "DELETE FROM files; DELETE FROM cases WHERE number = 3",
        "INSERT INTO cases SELECT 9, control, state, attempts, search, record, reviews, read_first FROM cases WHERE number = 1",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit WHERE number = 7",
        "UPDATE audit SET line = replace(line, 'operator', 'reviewer') WHERE number = 3",
        "UPDATE audit SET hash = zeroblob(32) WHERE number = 3",
        "UPDATE audit SET number = 70 WHERE number = 7",
    ] {
        let (folder, head) = spoilt(|database| database.execute_batch(edit).expect(edit));
        let (store, found) = opened(folder.path());
        assert_eq!(found, Opened::Restored, "{edit}");
        assert_eq!(store.list().expect("readable").len(), 3, "{edit}");
        store.verify(Some(head)).expect("whole again");
    }
}

// verifies: REQ-STORE-03
#[test]
fn a_log_that_was_cut_or_written_again_does_not_have_the_saved_head() {
    let (folder, head) = spoilt(|_| ());
    for path in BOTH {
        let database = rusqlite::Connection::open(folder.path().join(path)).expect("opens");
        // The last change of the third case, taken back as if it had never been.
        database.execute_batch("DELETE FROM audit WHERE number >= 6; DELETE FROM files WHERE number = 3; DELETE FROM cases WHERE number = 3").expect("cut");
    }
    let (store, found) = opened(folder.path());
    assert_eq!(found, Opened::Well, "nothing but the saved head can tell");
    assert!(matches!(store.verify(Some(head)), Err(StoreFault::Tampering(Tampering::Cut))));
}

const BOTH: [&str; 2] = ["hilum.db", "copy/hilum.db"];

/// Writes the log again from an entry on, as somebody who knows how it is chained: operators become reviewers.
fn written_again(path: &Path, from: u64) {
    let database = rusqlite::Connection::open(path).expect("opens");
    let mut statement = database.prepare("SELECT number, line FROM audit ORDER BY number").expect("readable");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("readable");
    let rows: Vec<(u64, String)> = rows.collect::<Result<_, _>>().expect("readable");
    let mut hash = Head::none().hash;
    for (number, mut line) in rows {
        if number >= from {
            line = line.replace("operator", "reviewer");
        }
        hash = Sha256::new().chain_update(hash).chain_update(&line).finalize().into();
        database
            .execute("UPDATE audit SET line = ?2, hash = ?3 WHERE number = ?1", (number, line, hash))
            .expect("kept");
    }
}

/// What the two databases of a store say, in the order of their tables.
fn told(folder: &Path) -> [String; 2] {
    BOTH.map(|path| {
        let database = rusqlite::Connection::open(folder.join(path)).expect("opens");
        let mut statement = database.prepare("SELECT line || hex(hash) FROM audit ORDER BY number").expect("readable");
        let rows = statement.query_map([], |row| row.get(0)).expect("readable");
        rows.collect::<Result<Vec<String>, _>>().expect("readable").join("\n")
    })
}

// verifies: REQ-STORE-03
#[test]
fn a_log_that_was_written_again_does_not_replace_the_other() {
    for tampered in BOTH {
        for more in BOTH.map(Some).into_iter().chain([None]) {
            let (folder, _) = spoilt(|_| ());
            if let Some(more) = more {
                // One of them has some changes that the other lacks, as after a cut.
                let other = folder.path().join(BOTH[usize::from(more == BOTH[0])]);
                let before = std::fs::read(&other).expect("readable");
                queued(&mut opened(folder.path()).0, "4");
                std::fs::write(&other, before).expect("put back");
            }
            written_again(&folder.path().join(tampered), 3);
            let before = told(folder.path());
            for _ in 0..2 {
                let fault = Store::open(folder.path(), 0, &now()).expect_err("which one is true?");
                assert!(matches!(fault, StoreFault::Disagree), "{tampered}, {more:?} longer: {fault}");
            }
            assert_eq!(told(folder.path()), before, "both are kept");
            // Somebody knows which one is true, and moves the other away.
            std::fs::remove_file(folder.path().join(tampered)).expect("removed");
            let (store, found) = opened(folder.path());
            assert_eq!(found, if tampered == BOTH[0] { Opened::Restored } else { Opened::Copied });
            assert!(store.log().expect("whole").iter().any(|entry| entry.actor == Actor::Operator));
            store.verify(None).expect("whole");
        }
    }
}

// verifies: REQ-STORE-02
#[test]
fn one_that_lacks_the_last_changes_is_made_anew_and_the_log_says_so() {
    for (behind, wanted, action) in
        [(BOTH[0], Opened::Restored, Action::Restored), (BOTH[1], Opened::Copied, Action::Copied)]
    {
        for changes in 1..=3 {
            let (folder, _) = spoilt(|_| ());
            let path = folder.path().join(behind);
            let before = std::fs::read(&path).expect("readable");
            let (mut store, _) = opened(folder.path());
            for _ in 0..changes {
                store.note(Actor::Device, Action::Started, &now()).expect("entered");
            }
            let head = store.head().expect("a head");
            drop(store);
            std::fs::write(&path, before).expect("put back");
            let (store, found) = opened(folder.path());
            assert_eq!(found, wanted, "{behind} lacks {changes}");
            assert_eq!(store.log().expect("whole").last().map(|entry| entry.action), Some(action));
            assert_eq!(store.verify(Some(head)).expect("whole").entries, head.entries + 1);
            drop(store);
            assert_eq!(opened(folder.path()).1, Opened::Well);
        }
    }
}

#[test]
fn a_copy_that_cannot_be_read_is_made_anew_and_the_log_says_so() {
    for missing in [true, false] {
        let (folder, head) = spoilt(|_| ());
        let path = folder.path().join(BOTH[1]);
        if missing {
            std::fs::remove_file(&path).expect("removed");
        } else {
            std::fs::write(&path, [0x5a; 8192]).expect("damaged");
        }
        let (store, found) = opened(folder.path());
        assert_eq!(found, Opened::Copied);
        assert_eq!(store.log().expect("whole").last().map(|entry| entry.action), Some(Action::Copied));
        store.verify(Some(head)).expect("whole");
    }
}

// verifies: REQ-STORE-02
#[test]
fn what_a_later_version_wrote_is_not_replaced() {
    for later in BOTH {
        let (folder, _) = spoilt(|_| ());
        let database = rusqlite::Connection::open(folder.path().join(later)).expect("opens");
        database.pragma_update(None, "user_version", 900).expect("written");
        drop(database);
        let fault = Store::open(folder.path(), 0, &now()).expect_err("a later version");
        assert!(matches!(fault, StoreFault::Later { found: 900, .. }), "{later}: {fault}");
    }
}

// verifies: REQ-STORE-02
#[test]
fn a_missing_database_does_not_stand_in_for_a_damaged_one() {
    for [damaged, missing] in [["hilum.db", "copy/hilum.db"], ["copy/hilum.db", "hilum.db"]] {
        let (folder, _) = spoilt(|_| ());
        std::fs::write(folder.path().join(damaged), [0x5a; 8192]).expect("damaged");
        std::fs::remove_file(folder.path().join(missing)).expect("removed");
        for _ in 0..2 {
            let fault = Store::open(folder.path(), 0, &now()).expect_err("an empty store is none");
            assert!(matches!(fault, StoreFault::BothLost), "{damaged}: {fault}");
        }
    }
}

// verifies: REQ-STORE-02
#[test]
fn any_damaged_page_is_restored_from_the_copy() {
    let (folder, head) =
        spoilt(|database| database.pragma_update(None, "wal_checkpoint", "TRUNCATE").expect("written"));
    let path = folder.path().join("hilum.db");
    let whole = std::fs::read(&path).expect("readable");
    let mut restored = 0;
    // The database file format, 1.3: where the size of a page is.
    let page_bytes = usize::from(u16::from_be_bytes([whole[16], whole[17]]));
    for page in 0..whole.len() / page_bytes {
        let mut damaged = whole.clone();
        damaged[page * page_bytes..(page + 1) * page_bytes].fill(0x5a);
        std::fs::write(&path, damaged).expect("written");
        let (store, found) = opened(folder.path());
        restored += usize::from(found == Opened::Restored);
        store.verify(Some(head)).expect("whole");
        assert_eq!(store.list().expect("readable").len(), 3);
    }
    assert!(restored * page_bytes > whole.len() / 2, "{restored}");
}

// verifies: REQ-STORE-05
#[test]
fn an_input_that_kills_its_reader_twice_is_not_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for begun in [true, true, false, false] {
        assert_eq!(opened(folder.path()).0.may_read("export 7, 300 slices").expect("counted"), begun);
    }
    let (mut store, _) = opened(folder.path());
    for _ in 0..3 {
        assert!(store.may_read("export 8").expect("counted"), "each time it was read");
        store.was_read("export 8").expect("counted");
    }
    assert!(!store.is_taken("export 8").expect("readable"));
    assert!(store.may_read("export 8").expect("counted"));
    store.take("export 8").expect("taken");
    store.was_read("export 8").expect("counted");
    drop(store);
    assert!(opened(folder.path()).0.is_taken("export 8").expect("readable"), "across starts");
}

#[test]
fn what_no_case_names_is_gone_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let case = queued(&mut store, "1");
    let stray = store.files().put(b"taken and not named").expect("kept");
    drop(store);
    let (store, _) = opened(folder.path());
    assert!(matches!(store.files().get(&stray), Err(StoreFault::Blob)));
    store.files().get(&store.case(case).expect("there").intake.fields[0].picture).expect("still there");
}

// verifies: REQ-PRIVACY-04
#[test]
fn what_a_draft_does_not_name_any_more_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = opened(folder.path());
    let put = |store: &Store, plain: &[u8]| store.files().put(plain).expect("kept");
    let [wrong, right] = [&b"another patient's CT"[..], b"the patient's CT"].map(|plain| put(&store, plain));
    let shared = put(&store, b"a CT of two cases");
    let with = |volume: &BlobName, fields: &[FieldFile]| Intake {
        volume: Some(volume.clone()),
        ..intake_of("1", fields.to_vec())
    };
    let fields = intake(&store, "1").fields;
    let case = store.open_case(&with(&wrong, &fields), Actor::Operator, &now()).expect("opened");
    let other = store.open_case(&with(&shared, &[]), Actor::Operator, &now()).expect("opened");
    for volume in [&shared, &right] {
        store.change_draft(case, &with(volume, &fields), Actor::Operator, &now()).expect("changed");
        assert!(matches!(store.files().get(&wrong), Err(StoreFault::Blob)));
    }
    store.files().get(&shared).expect("the other case names it");
    store.files().get(&fields[0].picture).expect("still named");
    // A file that went while it was on its way to a draft is not promised.
    let fault = store.change_draft(case, &with(&wrong, &fields), Actor::Operator, &now()).expect_err("it is gone");
    assert!(matches!(fault, StoreFault::Blob));
    assert!(matches!(store.open_case(&with(&wrong, &[]), Actor::Operator, &now()), Err(StoreFault::Blob)));
    assert_eq!(store.case(case).expect("there").intake.volume, Some(right.clone()));
    store.submit(case, Actor::Operator, &now()).expect("whole");
    assert!(store.change_draft(case, &with(&shared, &[]), Actor::Operator, &now()).is_err(), "no draft any more");
    store.files().get(&right).expect("still named");
    store.verify(None).expect("whole");
    drop(store);
    let (store, _) = opened(folder.path());
    assert_eq!(store.case(other).expect("there").intake.volume, Some(shared.clone()));
    store.files().get(&shared).expect("still named");
    assert_eq!(std::fs::read_dir(folder.path().join("files")).expect("readable").count(), 3);
}

fn pin(typed: &str) -> Pin {
    Pin::typed(typed)
}

// verifies: REQ-ACCESS-02
#[test]
fn a_pin_opens_the_records_and_wrong_ones_are_counted_across_starts() {
    for wraps in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut store, _) = opened(folder.path());
        let case = queued(&mut store, "1");
        assert_eq!(store.people().expect("readable"), []);
        let stretching = Stretching::new([3; 16]);
        let right = stretching.stretch(&pin("194603")).expect("stretched");
        store.set_pin(Role::Reviewer, stretching, &right, wraps, Actor::Administrator, &now()).expect("set");
        let head = store.head().expect("a head");
        drop(store);

        let reopened = || {
            let (mut store, _) = Store::open(folder.path(), 0, &now()).expect("opens");
            if !wraps {
                store.unlock(key()).expect("its key");
            }
            store
        };
        let wrong = stretching.stretch(&pin("194604")).expect("stretched");
        for failures in 1..=3 {
            let mut store = reopened();
            assert_eq!(store.stretching(Role::Reviewer).expect("has a PIN"), (stretching, failures - 1));
            assert_eq!(store.try_pin(Role::Reviewer, &wrong, &now()).expect("tried"), Tried::Wrong(failures));
            assert_eq!(store.is_locked(), wraps);
        }
        let mut store = reopened();
        assert!(matches!(store.try_pin(Role::Operator, &right, &now()), Err(StoreFault::NoPin)));
        assert_eq!(store.try_pin(Role::Reviewer, &right, &now()).expect("tried"), Tried::Right);
        store.case(case).expect("open");
        assert_eq!(store.stretching(Role::Reviewer).expect("has a PIN").1, 0);
        assert_eq!(store.people().expect("readable"), [Role::Reviewer]);
        store.verify(Some(head)).expect("whole");
    }
}

// verifies: REQ-ACCESS-02
#[test]
fn a_lock_that_was_changed_from_outside_is_found() {
    for edit in ["UPDATE people SET failures = 0", "UPDATE people SET sealed = x'00'", "DELETE FROM people"] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut store, _) = opened(folder.path());
        let stretching = Stretching::new([3; 16]);
        let right = stretching.stretch(&pin("194603")).expect("stretched");
        store.set_pin(Role::Operator, stretching, &right, true, Actor::Administrator, &now()).expect("set");
        let wrong = stretching.stretch(&pin("194604")).expect("stretched");
        store.try_pin(Role::Operator, &wrong, &now()).expect("tried");
        drop(store);
        let database = rusqlite::Connection::open(folder.path().join("hilum.db")).expect("opens");
        database.execute_batch(edit).expect(edit);
        drop(database);
        let (store, found) = opened(folder.path());
        assert_eq!(found, Opened::Restored, "{edit}");
        assert_eq!(store.stretching(Role::Operator).expect("has a PIN").1, 1, "{edit}");
    }
}

#[test]
fn the_first_pin_brings_its_key_and_only_before_there_are_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path(), 0, &now()).expect("opens");
    let stretching = Stretching::new([3; 16]);
    let right = stretching.stretch(&pin("194603")).expect("stretched");
    store.first_pin(Role::Administrator, stretching, &right, key(), &now()).expect("set");
    queued(&mut store, "1");
    let again = store.first_pin(Role::Administrator, stretching, &right, DataKey::new(&[9; 32]), &now());
    assert!(matches!(again, Err(StoreFault::State { .. })));
    drop(store);
    let (mut store, _) = Store::open(folder.path(), 0, &now()).expect("opens");
    assert!(store.is_locked());
    assert_eq!(store.try_pin(Role::Administrator, &right, &now()).expect("tried"), Tried::Right);
    assert_eq!(store.list().expect("readable").len(), 1);
}

// verifies: REQ-BUNDLE-02
#[test]
fn the_highest_serial_of_a_bundle_is_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, serial, highest) in [("a", 7, 7), ("b", 2, 2), ("a", 9, 9), ("a", 8, 9), ("b", 2, 2)] {
        let (mut store, _) = opened(folder.path());
        assert_eq!(store.highest_serial(name, serial, &now()).expect("readable"), highest, "{name} {serial}");
    }
    for edit in ["UPDATE bundles SET serial = 8 WHERE name = 'a'", "DELETE FROM bundles"] {
        let database = rusqlite::Connection::open(folder.path().join("hilum.db")).expect("opens");
        database.execute_batch(edit).expect(edit);
        let (mut store, found) = opened(folder.path());
        assert_eq!(found, Opened::Restored, "{edit}");
        assert_eq!(store.highest_serial("a", 8, &now()).expect("readable"), 9, "{edit}");
    }
}
