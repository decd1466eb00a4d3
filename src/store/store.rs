//! The store: one writer, every change acknowledged after both copies have it.

use std::{
    collections::BTreeSet,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use hilum_domain::{CaseNumber, Identity, Moment};
use rusqlite::{OptionalExtension as _, Transaction};
use zeroize::Zeroizing;

use crate::{
    Action, Actor, BlobName, Case, DataKey, Entry, Head, Intake, Kept, Opened, ReadFirst, Review, State, StoreFault,
    audit::{self, Event, Hash},
    blob::{Files, make_folder, replace},
    case::reviews_from,
    database::{Database, bundles_hash, is_in, row_hash},
    seal::KEY_WORD,
};

/// Room that is given up when the disk is full, so that records open and what was begun can be ended.
const BALLAST: &str = "ballast";
const BALLAST_BYTES: usize = 1 << 20;
/// What reviews are sealed for, since version 1.
const REVIEWS: &str = "review";
/// What the first reading is sealed for.
const READ_FIRST: &str = "read-first";
/// An input that killed the process so often is not tried again.
const ATTEMPTS: u32 = 2;

/// The store of a box.
#[derive(Debug)]
pub struct Store {
    database: Database,
    files: Files,
    /// Once it has come.
    key: Arc<OnceLock<DataKey>>,
    folder: PathBuf,
    /// Below this much free room nothing new is taken in, bytes.
    watermark: u64,
}

/// A case that is being assessed.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Its number.
    pub number: CaseNumber,
    /// Which attempt this is, from 1. Committed before the work starts.
    pub attempt: u32,
    /// What it is about.
    pub intake: Intake,
}

/// What the queue gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Begun {
    /// The case to assess.
    pub work: Option<Work>,
    /// Cases that were begun twice without an end, and were set aside just now.
    pub set_aside: Vec<CaseNumber>,
}

/// A case in a list: nothing of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overview {
    /// Its number.
    pub number: CaseNumber,
    /// Whether it is a control case of the device's own.
    pub control: bool,
    /// How far it has come.
    pub state: State,
    /// How often its assessment was begun.
    pub attempts: u32,
}

fn place(case: CaseNumber, column: &str) -> String {
    format!("case {case} {column}")
}

/// A case's row, without its records.
fn state_of(connection: &rusqlite::Connection, case: CaseNumber) -> Result<(State, u32), StoreFault> {
    let row = connection
        .query_row("SELECT state, attempts FROM cases WHERE number = ?1", [case.0], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?))
        })
        .optional()
        .map_err(StoreFault::database("read a case"))?;
    let (state, attempts) = row.ok_or(StoreFault::NoCase)?;
    Ok((State::named(&state).ok_or(StoreFault::NoCase)?, attempts))
}

/// Enters what was done to a case in the log, with the hash of its row as it is now.
fn logged(
    transaction: &Transaction<'_>,
    now: &Moment,
    actor: Actor,
    action: Action,
    case: CaseNumber,
) -> Result<(), StoreFault> {
    let row = Some(row_hash(transaction, case)?);
    audit::append(transaction, now, &Event { actor, action, case: Some(case), role: None, row })
}

pub(crate) fn executed(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl rusqlite::Params,
) -> Result<(), StoreFault> {
    let changed = transaction.execute(statement, values).map_err(StoreFault::database("write a case"))?;
    if changed == 1 { Ok(()) } else { Err(StoreFault::NoCase) }
}

fn named(transaction: &Transaction<'_>, case: CaseNumber, files: &BTreeSet<BlobName>) -> Result<(), StoreFault> {
    for name in files {
        transaction
            .execute("INSERT OR IGNORE INTO files (number, name) VALUES (?1, ?2)", (case.0, name.as_str()))
            .map_err(StoreFault::database("write a case"))?;
    }
    Ok(())
}

/// A report is words and figures: a fifth of it is left.
fn deflated(plain: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::default());
    deflated.write_all(plain)?;
    deflated.finish().map(Zeroizing::new)
}

fn inflated(deflated: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(Vec::new());
    ZlibDecoder::new(deflated).read_to_end(&mut plain)?;
    Ok(plain)
}

fn give_up_ballast(folder: &Path) -> Result<(), StoreFault> {
    match std::fs::remove_file(folder.join(BALLAST)) {
        // Given up before, and there was no room since.
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(StoreFault::disk("give up the ballast")(fault)),
        _ => Ok(()),
    }
}

/// Marks an input as taken, whether it was begun or not.
fn taken(transaction: &Transaction<'_>, token: [u8; 32]) -> Result<(), StoreFault> {
    executed(
        transaction,
        "INSERT INTO inputs (token, begun, taken) VALUES (?1, 0, 1) ON CONFLICT DO UPDATE SET taken = 1",
        [token],
    )
}

/// What stands for a delivery among the inputs.
fn delivery(case: CaseNumber, to: &str) -> String {
    format!("delivered {case} to {to}")
}

impl Store {
    /// Opens the store in `folder`, or makes one. Below `watermark` bytes of free room nothing new is taken in.
    ///
    /// # Errors
    /// [`StoreFault`], in particular [`StoreFault::InUse`] while another process has it.
    pub fn open(folder: &Path, watermark: u64, now: &Moment) -> Result<(Self, Opened), StoreFault> {
        make_folder(folder).map_err(StoreFault::disk("make the folder of the store"))?;
        let (database, opened) = match Database::open(folder, now) {
            Err(fault) if fault.wants_room() => {
                give_up_ballast(folder)?;
                Database::open(folder, now)?
            }
            opened => opened?,
        };
        let key = Arc::new(OnceLock::new());
        let files = Files::open(&folder.join("files"), Arc::clone(&key))?;
        let store = Self { database, files, key, folder: folder.to_owned(), watermark };
        let kept = store.names()?;
        store.files.sweep(&|name| kept.contains(name))?;
        store.load_ballast();
        Ok((store, opened))
    }

    /// Whether a folder has a store, or what is left of one: else [`Store::open`] makes one there.
    #[must_use]
    pub fn is_in(folder: &Path) -> bool {
        is_in(folder)
    }

    /// Puts the ballast in its place, if it is not there and there is room for it.
    fn load_ballast(&self) {
        let path = self.folder.join(BALLAST);
        let there = std::fs::metadata(&path).is_ok_and(|meta| meta.len() == BALLAST_BYTES as u64);
        if !there && replace(&path, &vec![0; BALLAST_BYTES]).is_err() {
            // On a full disk there is none; one of another length is no use.
            drop(std::fs::remove_file(&path));
        }
    }

    /// Makes a change that ends what was begun, or lets somebody see what is there. If the disk is full, it has the room of the
    /// ballast.
    pub(crate) fn in_kept_room<T>(
        &mut self,
        change: impl Fn(&mut Self) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        match change(self) {
            Err(fault) if fault.wants_room() => {
                give_up_ballast(&self.folder)?;
                change(self)
            }
            ended => ended,
        }
    }

    /// Opens the records with their key. A new store is sealed with the first key that comes.
    ///
    /// # Errors
    /// [`StoreFault::Sealed`] if it is another key than the records were sealed with.
    pub fn unlock(&mut self, key: DataKey) -> Result<(), StoreFault> {
        let attempt = StoreFault::database("read the word that tells keys apart");
        let word = key.token(KEY_WORD);
        let known: Option<[u8; 32]> =
            self.read().query_row("SELECT word FROM key", [], |row| row.get(0)).optional().map_err(&attempt)?;
        match known {
            Some(known) if known != word => return Err(crate::Sealed.into()),
            Some(_) => {}
            None => self.write(|transaction| executed(transaction, "INSERT INTO key (word) VALUES (?1)", [word]))?,
        }
        // It may have come before; then it is the same.
        drop(self.key.set(key));
        Ok(())
    }

    /// Whether the records wait for their key.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.key.get().is_none()
    }

    pub(crate) fn key(&self) -> Result<&DataKey, StoreFault> {
        self.key.get().ok_or(StoreFault::Locked)
    }

    pub(crate) const fn read(&self) -> &rusqlite::Connection {
        self.database.read()
    }

    pub(crate) fn write<T>(
        &mut self,
        change: impl Fn(&Transaction<'_>) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        self.database.write(change)
    }

    /// The room that is left, bytes.
    ///
    /// # Errors
    /// [`StoreFault::Disk`]
    pub fn free(&self) -> Result<u64, StoreFault> {
        let disk = rustix::fs::statvfs(&self.folder)
            .map_err(|error| StoreFault::Disk { attempt: "ask for the room that is left", source: error.into() })?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether there is room to take something in.
    ///
    /// # Errors
    /// [`StoreFault::Full`]
    pub fn room(&self) -> Result<(), StoreFault> {
        let free = self.free()?;
        if free < self.watermark {
            return Err(StoreFault::Full { free_mb: free >> 20 });
        }
        self.load_ballast();
        Ok(())
    }

    /// The files of the cases.
    #[must_use]
    pub const fn files(&self) -> &Files {
        &self.files
    }

    /// Opens a case as a draft.
    ///
    /// # Errors
    /// [`StoreFault::Full`] if there is no room for it.
    pub fn open_case(&mut self, intake: &Intake, actor: Actor, now: &Moment) -> Result<CaseNumber, StoreFault> {
        self.room()?;
        let last: u64 = self
            .read()
            .query_row("SELECT coalesce(max(number), 0) FROM cases", [], |row| row.get(0))
            .map_err(StoreFault::database("count the cases"))?;
        let number = CaseNumber(last + 1);
        let record = self.key()?.seal(&place(number, "record"), &intake.to_bytes()?);
        let search = self.search(intake.identity.first())?;
        let files: BTreeSet<BlobName> = intake.files().cloned().collect();
        self.there(&files)?;
        self.database.write(|transaction| {
            executed(
                transaction,
                "INSERT INTO cases (number, control, state, attempts, search, record) VALUES (?1, ?2, ?3, 0, ?4, ?5)",
                (number.0, intake.control, State::Draft.name(), search, &record),
            )?;
            named(transaction, number, &files)?;
            logged(transaction, now, actor, Action::Drafted, number)?;
            if intake.origin.other_second {
                logged(transaction, now, actor, Action::IdentityOverridden, number)?;
            }
            Ok(())
        })?;
        Ok(number)
    }

    /// Changes a draft. A file that it does not name any more is removed, unless another case names it.
    ///
    /// # Errors
    /// [`StoreFault::State`] if it is no draft any more, [`StoreFault::Full`] if there is no room, [`StoreFault::Blob`] if a
    /// file that it names now is not there.
    pub fn change_draft(
        &mut self,
        case: CaseNumber,
        intake: &Intake,
        actor: Actor,
        now: &Moment,
    ) -> Result<(), StoreFault> {
        self.change_draft_by(case, intake, Action::InputTaken, actor, now)
    }

    /// [`Self::change_draft`] for another reason than that an input was taken: the log says `action`. What takes a field out
    /// of a draft needs no room.
    ///
    /// # Errors
    /// As [`Self::change_draft`].
    pub fn change_draft_by(
        &mut self,
        case: CaseNumber,
        intake: &Intake,
        action: Action,
        actor: Actor,
        now: &Moment,
    ) -> Result<(), StoreFault> {
        if action != Action::FieldDropped {
            self.room()?;
        }
        let record = self.key()?.seal(&place(case, "record"), &intake.to_bytes()?);
        let search = self.search(intake.identity.first())?;
        let files: BTreeSet<BlobName> = intake.files().cloned().collect();
        let before = self.names_of(Some(case))?;
        self.there(files.difference(&before))?;
        let replaced: BTreeSet<BlobName> = before.difference(&files).cloned().collect();
        let earlier = self.case(case)?.intake;
        let said_before = earlier.origin.other_id && earlier.volume == intake.volume;
        let actions: &[Action] = match intake.origin.other_id && !said_before {
            true => &[action, Action::IdentityOverridden],
            false => &[action],
        };
        self.step(case, State::Draft, actor, actions, now, |transaction| {
            executed(
                transaction,
                "UPDATE cases SET search = ?2, record = ?3 WHERE number = ?1",
                (case.0, search, &record),
            )?;
            for name in &replaced {
                executed(transaction, "DELETE FROM files WHERE number = ?1 AND name = ?2", (case.0, name.as_str()))?;
            }
            named(transaction, case, &files)
        })?;
        self.given_up(&replaced)
    }

    /// That files which a case is about to name are there: what was kept for it may have been another case's, too, and gone
    /// with that one meanwhile.
    fn there<'a>(&self, files: impl IntoIterator<Item = &'a BlobName>) -> Result<(), StoreFault> {
        if files.into_iter().all(|name| self.files.is_there(name)) { Ok(()) } else { Err(StoreFault::Blob) }
    }

    /// Removes files that a case gave up, except those that another one names.
    fn given_up(&self, files: &BTreeSet<BlobName>) -> Result<(), StoreFault> {
        if files.is_empty() {
            return Ok(());
        }
        let kept = self.names()?;
        self.files.sweep(&|name| !files.contains(name) || kept.contains(name)).map(|_| ())
    }

    /// Hands a case over. When this returns, it will be assessed, whatever happens to the box.
    ///
    /// # Errors
    /// [`StoreFault::State`] if it is neither a draft nor set aside; [`StoreFault::Blob`] if a file of it is damaged.
    pub fn submit(&mut self, case: CaseNumber, actor: Actor, now: &Moment) -> Result<(), StoreFault> {
        for name in self.case(case)?.intake.files() {
            self.files.sealed(name)?;
        }
        self.step(case, State::Queued, actor, &[Action::Queued], now, |transaction| {
            executed(transaction, "UPDATE cases SET attempts = 0 WHERE number = ?1", [case.0])
        })
    }

    /// Takes a case that waits for its result, or is being assessed, back to being a draft. What an attempt that is under
    /// way finds is not kept: it ends nothing any more.
    ///
    /// # Errors
    /// [`StoreFault::State`] if it does not wait.
    pub fn withdraw(&mut self, case: CaseNumber, actor: Actor, now: &Moment) -> Result<(), StoreFault> {
        self.database.write(|transaction| {
            let (state, _) = state_of(transaction, case)?;
            if state != State::Queued {
                return Err(StoreFault::State { state: state.name(), wanted: "withdrawn" });
            }
            let back = "UPDATE cases SET state = ?2, attempts = 0 WHERE number = ?1";
            executed(transaction, back, (case.0, State::Draft.name()))?;
            logged(transaction, now, actor, Action::Withdrawn, case)
        })
    }

    /// The next case to assess that is not `resting`. That it was begun is on the disk when this returns; what was begun twice
    /// without an end is set aside.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn begin(&mut self, resting: &BTreeSet<CaseNumber>, now: &Moment) -> Result<Begun, StoreFault> {
        let mut begun = Begun::default();
        for (number, attempts) in self.waiting()? {
            if resting.contains(&number) {
                continue;
            }
            if attempts >= ATTEMPTS {
                self.step(number, State::SetAside, Actor::Device, &[Action::SetAside], now, |_| Ok(()))?;
                begun.set_aside.push(number);
                continue;
            }
            let intake = self.case(number)?.intake;
            let attempt = attempts + 1;
            self.database.write(|transaction| {
                executed(transaction, "UPDATE cases SET attempts = ?2 WHERE number = ?1", (number.0, attempt))?;
                logged(transaction, now, Actor::Device, Action::Begun, number)
            })?;
            begun.work = Some(Work { number, attempt, intake });
            break;
        }
        Ok(begun)
    }

    /// The queue: numbers, and how often each was begun.
    fn waiting(&self) -> Result<Vec<(CaseNumber, u32)>, StoreFault> {
        let attempt = StoreFault::database("look for work");
        let mut statement = self
            .read()
            .prepare_cached("SELECT number, attempts FROM cases WHERE state = ?1 ORDER BY number")
            .map_err(&attempt)?;
        statement
            .query_map([State::Queued.name()], |row| Ok((CaseNumber(row.get(0)?), row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(&attempt)
    }

    /// Takes an attempt back that an orderly stop interrupted: it was not the input's fault.
    ///
    /// # Errors
    /// [`StoreFault::NoCase`] if the case is not being assessed: it was withdrawn, for one.
    pub fn put_back(&mut self, work: &Work, now: &Moment) -> Result<(), StoreFault> {
        let (number, attempt) = (work.number, work.attempt);
        self.in_kept_room(|store| {
            store.write(|transaction| {
                executed(
                    transaction,
                    "UPDATE cases SET attempts = ?2 WHERE number = ?1 AND state = 'queued' AND attempts = ?3",
                    (number.0, attempt.saturating_sub(1), attempt),
                )?;
                logged(transaction, now, Actor::Device, Action::Queued, number)
            })
        })
    }

    /// Remembers the serial number of a bundle, and says the highest of its name that was ever here: a bundle below that is
    /// an older one that somebody brought back.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn highest_serial(&mut self, bundle: &str, serial: u64, now: &Moment) -> Result<u64, StoreFault> {
        let attempt = StoreFault::database("remember the bundle");
        let known: Option<u64> = self
            .read()
            .query_row("SELECT serial FROM bundles WHERE name = ?1", [bundle], |row| row.get(0))
            .optional()
            .map_err(&attempt)?;
        if let Some(known) = known.filter(|&known| known >= serial) {
            return Ok(known);
        }
        self.database.write(|transaction| {
            executed(transaction, "INSERT OR REPLACE INTO bundles (name, serial) VALUES (?1, ?2)", (bundle, serial))?;
            let row = Some(bundles_hash(transaction)?);
            let (actor, action) = (Actor::Device, Action::BundleTaken);
            audit::append(transaction, now, &Event { actor, action, case: None, role: None, row })
        })?;
        Ok(serial)
    }

    /// Counts an attempt at reading something from outside, before it is read, and says whether it may be read: what was
    /// begun twice without an end is not. `what` says which input it is; only a token of it is kept.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn may_read(&mut self, what: &str) -> Result<bool, StoreFault> {
        let (token, begun) = (self.key()?.token(what), self.input(what)?.0);
        if begun >= ATTEMPTS {
            return Ok(false);
        }
        self.database.write(|transaction| {
            executed(
                transaction,
                "INSERT INTO inputs (token, begun, taken) VALUES (?1, 1, 0) ON CONFLICT DO UPDATE SET begun = begun + 1",
                [token],
            )
        })?;
        Ok(true)
    }

    /// The reader of an input lived, whatever it said of it.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn was_read(&mut self, what: &str) -> Result<(), StoreFault> {
        let token = self.key()?.token(what);
        self.database.write(|transaction| {
            let attempt = StoreFault::database("count an attempt at an input");
            transaction.execute("UPDATE inputs SET begun = 0 WHERE token = ?1", [token]).map_err(&attempt)?;
            transaction.execute("DELETE FROM inputs WHERE token = ?1 AND taken = 0", [token]).map_err(&attempt)?;
            Ok(())
        })
    }

    /// A case has taken an input that comes by itself: it is not offered to another.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn take(&mut self, what: &str) -> Result<(), StoreFault> {
        let token = self.key()?.token(what);
        self.database.write(|transaction| taken(transaction, token))
    }

    /// Whether a case has taken an input.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn is_taken(&self, what: &str) -> Result<bool, StoreFault> {
        Ok(self.input(what)?.1)
    }

    fn input(&self, what: &str) -> Result<(u32, bool), StoreFault> {
        let row = self
            .read()
            .query_row("SELECT begun, taken FROM inputs WHERE token = ?1", [self.key()?.token(what)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional();
        Ok(row.map_err(StoreFault::database("count an attempt at an input"))?.unwrap_or_default())
    }

    /// Keeps the result or refusal of an attempt.
    ///
    /// # Errors
    /// [`StoreFault::State`] if the case is not waiting for one: a result is kept once.
    pub fn finish(&mut self, work: &Work, refused: bool, result: &Kept, now: &Moment) -> Result<(), StoreFault> {
        let case = work.number;
        let (state, action) =
            if refused { (State::Refused, Action::Refused) } else { (State::Assessed, Action::Assessed) };
        let plain = deflated(&serde_json::to_vec(result).map_err(StoreFault::record)?);
        let sealed = self.key()?.seal(&place(case, "result"), &plain.map_err(StoreFault::disk("write a result"))?);
        let files: BTreeSet<BlobName> = result.files.iter().map(|(_, name)| name.clone()).collect();
        self.in_kept_room(|store| {
            store.step(case, state, Actor::Device, &[action], now, |transaction| {
                // Only this very attempt may end it.
                executed(
                    transaction,
                    "INSERT INTO results (number, sealed) SELECT number, ?2 FROM cases WHERE number = ?1 AND attempts = ?3",
                    (case.0, &sealed, work.attempt),
                )?;
                named(transaction, case, &files)
            })
        })
    }

    /// Keeps what a person made of a result, beside what was made of it before.
    ///
    /// # Errors
    /// [`StoreFault::State`] if there is no result, [`StoreFault::Reason`] if a disagreement has none.
    pub fn review(&mut self, case: CaseNumber, review: &Review, now: &Moment) -> Result<(), StoreFault> {
        review.checked()?;
        let mut reviews = self.case(case)?.reviews;
        reviews.push(review.clone());
        let plain = Zeroizing::new(serde_json::to_vec(&reviews).map_err(StoreFault::record)?);
        let sealed = self.key()?.seal(&place(case, REVIEWS), &plain);
        let action = if review.agrees { Action::Agreed } else { Action::Disagreed };
        self.step(case, State::Reviewed, review.by, &[action], now, |transaction| {
            executed(transaction, "UPDATE cases SET reviews = ?2 WHERE number = ?1", (case.0, &sealed))
        })
    }

    /// Keeps what a person saw in the images before they were shown the result. Once: what was said stands.
    ///
    /// # Errors
    /// [`StoreFault::State`] if there is no result that nobody reviewed, or somebody has said it before.
    pub fn read_first(&mut self, case: CaseNumber, read: &ReadFirst, now: &Moment) -> Result<(), StoreFault> {
        const WANTED: &str = "read first";
        let sealed = self.key()?.seal(&place(case, READ_FIRST), &Zeroizing::new(read.to_bytes()?));
        self.database.write(|transaction| {
            let (state, _) = state_of(transaction, case)?;
            if state != State::Assessed {
                return Err(StoreFault::State { state: state.name(), wanted: WANTED });
            }
            let once = "UPDATE cases SET read_first = ?2 WHERE number = ?1 AND read_first IS NULL";
            executed(transaction, once, (case.0, &sealed)).map_err(|fault| match fault {
                StoreFault::NoCase => StoreFault::State { state: "read", wanted: WANTED },
                fault => fault,
            })?;
            logged(transaction, now, read.by, Action::ReadFirst, case)
        })
    }

    /// Enters in the log that a case left the box in a file with this SHA-256, and answers with the state it has then: one
    /// that nobody reviewed stays as it was.
    ///
    /// # Errors
    /// [`StoreFault::State`] if it has no result.
    pub fn exported(&mut self, case: CaseNumber, file: &Hash, actor: Actor, now: &Moment) -> Result<State, StoreFault> {
        self.database.write(|transaction| {
            let (state, _) = state_of(transaction, case)?;
            let next = state.when_exported()?;
            executed(transaction, "UPDATE cases SET state = ?2 WHERE number = ?1", (case.0, next.name()))?;
            let row = Some(row_hash(transaction, case)?);
            let event = Event { actor, action: Action::Exported, case: Some(case), role: None, row };
            audit::append_with(transaction, now, &event, Some(file))?;
            Ok(next)
        })
    }

    /// Enters in the log that objects with this SHA-256 of a case went to a place, and remembers it: both or none.
    ///
    /// # Errors
    /// [`StoreFault::NoCase`]
    pub fn delivered(&mut self, case: CaseNumber, to: &str, objects: &Hash, now: &Moment) -> Result<(), StoreFault> {
        let token = self.key()?.token(&delivery(case, to));
        self.database.write(|transaction| {
            taken(transaction, token)?;
            let row = Some(row_hash(transaction, case)?);
            let event = Event { actor: Actor::Device, action: Action::Delivered, case: Some(case), role: None, row };
            audit::append_with(transaction, now, &event, Some(objects))
        })
    }

    /// Whether a case went to a place.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn is_delivered(&self, case: CaseNumber, to: &str) -> Result<bool, StoreFault> {
        self.is_taken(&delivery(case, to))
    }

    /// Enters in the log that a result was looked at.
    ///
    /// # Errors
    /// [`StoreFault::NoCase`]
    pub fn viewed(&mut self, case: CaseNumber, actor: Actor, now: &Moment) -> Result<(), StoreFault> {
        self.in_kept_room(|store| store.write(|transaction| logged(transaction, now, actor, Action::Viewed, case)))
    }

    /// Enters something in the log that is not about a case.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn note(&mut self, actor: Actor, action: Action, now: &Moment) -> Result<(), StoreFault> {
        self.in_kept_room(|store| {
            store.write(|transaction| {
                audit::append(transaction, now, &Event { actor, action, case: None, role: None, row: None })
            })
        })
    }

    /// A case with everything that is kept of it.
    ///
    /// # Errors
    /// [`StoreFault::NoCase`], or [`StoreFault::Sealed`] under another key.
    pub fn case(&self, number: CaseNumber) -> Result<Case, StoreFault> {
        let (state, attempts) = state_of(self.read(), number)?;
        if state == State::Expired {
            return Err(StoreFault::NoCase);
        }
        type Columns = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);
        let (record, result, reviews, read_first): Columns = self
            .read()
            .query_row(
                "SELECT record, sealed, reviews, read_first FROM cases LEFT JOIN results USING (number) WHERE number = ?1",
                [number.0],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .map_err(StoreFault::database("read a case"))?;
        let key = self.key()?;
        let open = |column, sealed: &[u8]| key.open(&place(number, column), sealed);
        let intake = Intake::from_bytes(&open("record", &record)?)?;
        let result = result.map(|sealed| -> Result<Kept, StoreFault> {
            let plain = inflated(&open("result", &sealed)?).map_err(StoreFault::disk("read a result"))?;
            serde_json::from_slice(&plain).map_err(StoreFault::record)
        });
        let reviews = reviews.map(|sealed| reviews_from(&open(REVIEWS, &sealed)?)).transpose()?.unwrap_or_default();
        let read_first = read_first.map(|sealed| ReadFirst::from_bytes(&open(READ_FIRST, &sealed)?)).transpose()?;
        Ok(Case { number, state, attempts, intake, result: result.transpose()?, reviews, read_first })
    }

    /// What was known of a case before it was assessed; [`Self::case`] reads its result as well, which is much more.
    ///
    /// # Errors
    /// [`StoreFault::NoCase`], or [`StoreFault::Sealed`] under another key.
    pub fn intake(&self, number: CaseNumber) -> Result<Intake, StoreFault> {
        let record: Option<Vec<u8>> = self
            .read()
            .query_row("SELECT record FROM cases WHERE number = ?1 AND state != 'expired'", [number.0], |row| {
                row.get(0)
            })
            .optional()
            .map_err(StoreFault::database("read a case"))?;
        Intake::from_bytes(&self.key()?.open(&place(number, "record"), &record.ok_or(StoreFault::NoCase)?)?)
    }

    /// Every case, in the order of their numbers.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn list(&self) -> Result<Vec<Overview>, StoreFault> {
        let attempt = StoreFault::database("list the cases");
        let mut statement = self
            .read()
            .prepare("SELECT number, control, state, attempts FROM cases ORDER BY number")
            .map_err(&attempt)?;
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?)))
            .and_then(Iterator::collect::<Result<Vec<(u64, bool, String, u32)>, _>>)
            .map_err(&attempt)?;
        rows.into_iter()
            .map(|(number, control, state, attempts)| {
                let state = State::named(&state).ok_or(StoreFault::NoCase)?;
                Ok(Overview { number: CaseNumber(number), control, state, attempts })
            })
            .collect()
    }

    /// Earlier cases of the same person: the numbers of those with the same first identifier.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn same_person(&self, identity: &Identity) -> Result<Vec<CaseNumber>, StoreFault> {
        self.same_first(identity.first())
    }

    /// The cases with a first identifier; letters of either size are the same.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn same_first(&self, first: &str) -> Result<Vec<CaseNumber>, StoreFault> {
        let attempt = StoreFault::database("look for earlier cases");
        let mut statement =
            self.read().prepare("SELECT number FROM cases WHERE search = ?1 ORDER BY number").map_err(&attempt)?;
        statement
            .query_map([self.search(first)?], |row| Ok(CaseNumber(row.get(0)?)))
            .and_then(Iterator::collect)
            .map_err(&attempt)
    }

    /// Checks everything against the log: both databases, every case, every file, and that the log still has the entry
    /// that a saved head names. Answers with the head.
    ///
    /// # Errors
    /// [`StoreFault::Tampering`] for an edit, a deletion or a truncation, [`StoreFault::Blob`] for a file.
    pub fn verify(&self, saved: Option<Head>) -> Result<Head, StoreFault> {
        let (head, names) = self.verify_records(saved)?;
        for name in names {
            self.files.verify(&name)?;
        }
        Ok(head)
    }

    /// The first part of [`Self::verify`]: databases, cases, log. Answers with the head and the files that are left to be
    /// checked with [`Files::verify`]: they are large, and whoever has something else to do meanwhile checks them elsewhere.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_records(&self, saved: Option<Head>) -> Result<(Head, BTreeSet<BlobName>), StoreFault> {
        Ok((self.database.verify(saved)?, self.names()?))
    }

    /// Whether a case still has a file.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn is_kept(&self, name: &BlobName) -> Result<bool, StoreFault> {
        self.read()
            .query_row("SELECT EXISTS (SELECT 1 FROM files WHERE name = ?1)", [name.as_str()], |row| row.get(0))
            .map_err(StoreFault::database("look for a file of a case"))
    }

    /// The log.
    ///
    /// # Errors
    /// [`StoreFault::Tampering`]
    pub fn log(&self) -> Result<Vec<Entry>, StoreFault> {
        Ok(audit::entries(self.read(), None)??)
    }

    /// The end of the log.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn head(&self) -> Result<Head, StoreFault> {
        audit::head(self.read())
    }

    /// Which box this is, as it is told apart outside: the first eight digits of the hash of its log's first entry.
    ///
    /// # Errors
    /// [`StoreFault`], in particular while the log has no entry.
    pub fn box_name(&self) -> Result<String, StoreFault> {
        Ok(audit::hex(&audit::first(self.read())?[..4]))
    }

    /// Removes records, result and files of a case; number and log stay. A database that was set aside may have the case, too,
    /// and goes with it.
    ///
    /// # Errors
    /// [`StoreFault::State`] while the case waits for its result.
    pub fn expire(&mut self, case: CaseNumber, actor: Actor, now: &Moment) -> Result<(), StoreFault> {
        let own = self.names_of(Some(case))?;
        self.step(case, State::Expired, actor, &[Action::Expired], now, |transaction| {
            executed(
                transaction,
                "UPDATE cases SET record = x'', search = x'', reviews = NULL, read_first = NULL WHERE number = ?1",
                [case.0],
            )?;
            transaction
                .execute("DELETE FROM results WHERE number = ?1", [case.0])
                .map_err(StoreFault::database("write a case"))?;
            transaction
                .execute("DELETE FROM files WHERE number = ?1", [case.0])
                .map(|_| ())
                .map_err(StoreFault::database("write a case"))
        })?;
        self.given_up(&own)?;
        self.database.clear_aside().map(|_| ())
    }

    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    /// Whether the second copy of the database could not follow the last change.
    #[must_use]
    pub const fn copy_is_behind(&self) -> bool {
        self.database.behind()
    }

    fn names(&self) -> Result<BTreeSet<BlobName>, StoreFault> {
        self.names_of(None)
    }

    /// The files of one case, or of all.
    fn names_of(&self, case: Option<CaseNumber>) -> Result<BTreeSet<BlobName>, StoreFault> {
        let attempt = StoreFault::database("list the files of the cases");
        let mut statement =
            self.read().prepare("SELECT DISTINCT name FROM files WHERE ?1 IS NULL OR number = ?1").map_err(&attempt)?;
        let names = statement
            .query_map([case.map(|case| case.0)], |row| row.get::<_, String>(0))
            .and_then(Iterator::collect::<Result<Vec<String>, _>>)
            .map_err(&attempt)?;
        names.iter().map(|name| BlobName::from_digits(name).ok_or(StoreFault::Blob)).collect()
    }

    fn search(&self, first: &str) -> Result<[u8; 32], StoreFault> {
        Ok(self.key()?.token(&first.to_lowercase()))
    }

    /// Takes a case to its next state, with what `change` does besides, and enters what it was in the log: all or nothing.
    fn step(
        &mut self,
        case: CaseNumber,
        next: State,
        actor: Actor,
        actions: &[Action],
        now: &Moment,
        change: impl Fn(&Transaction<'_>) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        self.database.write(|transaction| {
            let (state, _) = state_of(transaction, case)?;
            if !state.may_become(next) {
                return Err(StoreFault::State { state: state.name(), wanted: next.name() });
            }
            change(transaction)?;
            executed(transaction, "UPDATE cases SET state = ?2 WHERE number = ?1", (case.0, next.name()))?;
            actions.iter().try_for_each(|&action| logged(transaction, now, actor, action, case))
        })
    }
}
