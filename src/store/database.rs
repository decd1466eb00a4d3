//! The database and its second copy: every change is committed to both before it is acknowledged.
//!
//! `SQLite` in WAL mode with synchronous FULL: a commit is on the disk when it returns. NORMAL loses the last commits in a
//! power cut, OFF more. There is one writer: the lock on the folder is held as long as the store is open.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use hilum_domain::{CaseNumber, Moment};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, backup::Backup};
use sha2::{Digest as _, Sha256};

use crate::{
    Action, Actor, Head, Role, StoreFault, Tampering,
    audit::{self, Event, Hash, hex},
    blob::make_folder,
    pin,
};

/// What the tables look like, one step a version. A step that shipped is never changed.
pub(crate) const STEPS: [&str; 3] = [
    "
    CREATE TABLE cases (
        number   INTEGER PRIMARY KEY,
        control  INTEGER NOT NULL,
        state    TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        search   BLOB NOT NULL,
        record   BLOB NOT NULL,
        review   BLOB
    ) STRICT;
    -- Apart from the case: a change of its row writes the whole row, and a result is large.
    CREATE TABLE results (
        number INTEGER PRIMARY KEY REFERENCES cases (number),
        sealed BLOB NOT NULL
    ) STRICT;
    CREATE INDEX cases_by_state ON cases (state, number);
    CREATE INDEX cases_by_search ON cases (search);
    CREATE TABLE files (
        number INTEGER NOT NULL REFERENCES cases (number),
        name   TEXT NOT NULL,
        PRIMARY KEY (number, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE people (
        role       TEXT PRIMARY KEY,
        salt       BLOB NOT NULL,
        memory_kib INTEGER NOT NULL,
        passes     INTEGER NOT NULL,
        wraps      INTEGER NOT NULL,
        sealed     BLOB NOT NULL,
        failures   INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE bundles (
        name   TEXT PRIMARY KEY,
        serial INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE key (
        word BLOB NOT NULL
    ) STRICT;
    CREATE TABLE inputs (
        token BLOB PRIMARY KEY,
        begun INTEGER NOT NULL,
        taken INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        line   TEXT NOT NULL,
        hash   BLOB NOT NULL
    ) STRICT;
",
    // All that people made of a result, where there was the last. What is sealed stays as it is until the next one comes. An
    // older program, which would keep the last only and does not know every word of the log, does not open this.
    "ALTER TABLE cases RENAME COLUMN review TO reviews;",
    // What a person saw before they saw the result. The log has words for that and for what is taken back.
    "ALTER TABLE cases ADD COLUMN read_first BLOB;",
];

/// What a database file is, to whoever finds it: "Hilu".
const APPLICATION_ID: i32 = 0x4869_6c75;
const OPEN: &str = "open the database";
const COPY: &str = "write the second copy of the database";

/// The database and its second copy.
#[derive(Debug)]
pub(crate) struct Database {
    main: Connection,
    copy: Connection,
    paths: [PathBuf; 2],
    /// The copy missed a change and must be made anew.
    behind: bool,
    _lock: File,
}

/// What opening a store found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// A new store was made.
    New,
    /// Both copies agreed.
    Well,
    /// The second copy lacked something and was made anew.
    Copied,
    /// The second copy lacks the last changes, and there is no room to make it anew before the next one.
    Behind,
    /// The database was damaged, was set aside and restored from its second copy.
    Restored,
}

/// The database and its second copy in a folder.
const PATHS: [&str; 2] = ["hilum.db", "copy/hilum.db"];

/// Whether a folder has a store, or what is left of one.
pub(crate) fn is_in(folder: &Path) -> bool {
    PATHS.iter().any(|path| folder.join(path).exists())
}

impl Database {
    /// The database in `folder`, with its second copy in `folder/copy`. What is damaged or lacks the last changes is made anew
    /// from the other. Where both are whole and neither goes on from the other, both stay as they are.
    pub(crate) fn open(folder: &Path, now: &Moment) -> Result<(Self, Opened), StoreFault> {
        let paths = PATHS.map(|path| folder.join(path));
        make_folder(&folder.join("copy")).map_err(StoreFault::disk("make the folder of the store"))?;
        let lock = File::create(folder.join("lock")).map_err(StoreFault::disk("lock the store"))?;
        match lock.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Err(StoreFault::InUse),
            Err(TryLockError::Error(source)) => return Err(StoreFault::Disk { attempt: "lock the store", source }),
        }
        let new = paths.iter().all(|path| !path.exists());
        let [main, copy] = [checked(&paths[0])?, checked(&paths[1])?];
        let opened = match (&main, &copy) {
            (Ok(_), Ok(_)) if new => Opened::New,
            (Ok(main), Ok(copy)) if main == copy => Opened::Well,
            // A cut between the two commits leaves the copy one change behind; a disk that lies leaves either. What neither
            // leaves are two logs that part: whoever wrote one of them again must not have the other replaced by it.
            (Ok(main), Ok(copy)) if main.entries > copy.entries && follows(&paths[0], *copy)? => Opened::Copied,
            (Ok(main), Ok(copy)) if copy.entries > main.entries && follows(&paths[1], *main)? => Opened::Restored,
            (Ok(_), Ok(_)) => return Err(StoreFault::Disagree),
            (Err(Unusable::Later(found)), _) | (_, Err(Unusable::Later(found))) => {
                return Err(StoreFault::Later { found: *found, known: LATEST });
            }
            // An empty one does not stand in for a damaged one: its file was missing.
            (Ok(main), Err(Unusable::Damaged)) if main.entries > 0 => Opened::Copied,
            (Err(Unusable::Damaged), Ok(copy)) if copy.entries > 0 => Opened::Restored,
            (Ok(_) | Err(Unusable::Damaged), _) => return Err(StoreFault::BothLost),
        };
        let opened = match opened {
            Opened::Restored => remade(&paths[1], &paths[0]).map(|()| opened)?,
            Opened::Copied => match remade(&paths[0], &paths[1]) {
                Err(fault) if fault.wants_room() && copy.is_ok() => Opened::Behind,
                made => made.map(|()| opened)?,
            },
            Opened::New | Opened::Well | Opened::Behind => opened,
        };
        let [main, copy] = [connected(&paths[0])?, connected(&paths[1])?];
        let mut database = Self { main, copy, paths, behind: opened == Opened::Behind, _lock: lock };
        let event = match opened {
            Opened::New => Some(Action::Made),
            Opened::Restored => Some(Action::Restored),
            Opened::Copied => Some(Action::Copied),
            Opened::Well | Opened::Behind => None,
        };
        if let Some(action) = event {
            let event = Event { actor: Actor::Device, action, case: None, role: None, row: None };
            database.write(|transaction| audit::append(transaction, now, &event))?;
        }
        Ok((database, opened))
    }

    pub(crate) const fn read(&self) -> &Connection {
        &self.main
    }

    /// Makes a change in both, or in none that is acknowledged. `change` is called twice and must do the same twice: what
    /// it needs from outside is decided before.
    pub(crate) fn write<T>(
        &mut self,
        change: impl Fn(&Transaction<'_>) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let committed = |connection: &mut Connection| -> Result<T, StoreFault> {
            let attempt = StoreFault::database("write to the database");
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&attempt)?;
            let told = change(&transaction)?;
            transaction.commit().map_err(&attempt)?;
            Ok(told)
        };
        let told = committed(&mut self.main)?;
        // The change stands. A copy that cannot follow is made anew, now or at the next change.
        self.behind = self.behind || committed(&mut self.copy).is_err();
        if self.behind {
            self.behind = self.copied_again().is_err();
        }
        Ok(told)
    }

    /// Files of databases that were set aside.
    pub(crate) fn aside(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.paths.iter().flat_map(|path| files_of(path));
        files.map(|file| aside_of(&file)).filter(|aside| aside.exists())
    }

    /// Removes what was set aside, and says how many files it was.
    pub(crate) fn clear_aside(&self) -> Result<usize, StoreFault> {
        let attempt = "remove a database that was set aside";
        let mut removed = 0;
        for aside in self.aside() {
            fs::remove_file(&aside).map_err(StoreFault::disk(attempt))?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Whether the second copy could not follow the last change.
    pub(crate) const fn behind(&self) -> bool {
        self.behind
    }

    fn copied_again(&mut self) -> Result<(), StoreFault> {
        let backup = Backup::new(&self.main, &mut self.copy).map_err(StoreFault::database(COPY))?;
        backup.run_to_completion(1024, Duration::ZERO, None).map_err(StoreFault::database(COPY))
    }

    /// Whether both are whole, follow their logs and are equal; the head they share.
    pub(crate) fn verify(&self, saved: Option<Head>) -> Result<Head, StoreFault> {
        let head = verified(&self.main, saved)?;
        match checked(&self.paths[1])? {
            Ok(copy) if copy == head => Ok(head),
            _ => Err(StoreFault::Database { attempt: COPY, source: rusqlite::Error::InvalidQuery }),
        }
    }
}

const LATEST: u32 = {
    assert!(STEPS.len() < 1000);
    #[expect(clippy::cast_possible_truncation, reason = "a handful, asserted above")]
    let latest = STEPS.len() as u32;
    latest
};

/// Why a database file cannot be used.
enum Unusable {
    Later(u32),
    Damaged,
}

/// The head of a database that is whole: pages, log, and every case as the log left it. A file that is not there is an
/// empty database.
///
/// # Errors
/// What says nothing of the database: there is no room to open it.
fn checked(path: &Path) -> Result<Result<Head, Unusable>, StoreFault> {
    match connected(path).and_then(|connection| verified(&connection, None)) {
        Ok(head) => Ok(Ok(head)),
        Err(fault) if fault.wants_room() => Err(fault),
        Err(StoreFault::Later { found, .. }) => Ok(Err(Unusable::Later(found))),
        Err(_) => Ok(Err(Unusable::Damaged)),
    }
}

/// Whether the log of a database that is whole goes on from this head.
fn follows(path: &Path, head: Head) -> Result<bool, StoreFault> {
    audit::has(&connected(path)?, head)
}

fn verified(connection: &Connection, saved: Option<Head>) -> Result<Head, StoreFault> {
    let attempt = "check the database";
    let whole: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(StoreFault::database(attempt))?;
    if whole != "ok" {
        return Err(StoreFault::Database { attempt, source: rusqlite::Error::InvalidQuery });
    }
    // A file or result of a case that is not there.
    let orphans: Option<String> = connection
        .query_row("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", [], |row| row.get(0))
        .optional()
        .map_err(StoreFault::database(attempt))?;
    if orphans.is_some() {
        return Err(StoreFault::Database { attempt, source: rusqlite::Error::InvalidQuery });
    }
    let entries = audit::entries(connection, saved)??;
    let mut left = BTreeMap::new();
    let mut pins = BTreeMap::new();
    let mut bundles = hex(&bundles_hash_of(&[]));
    for entry in entries {
        match (entry.case, entry.role, entry.row) {
            (Some(case), _, Some(row)) => drop(left.insert(case, row)),
            (None, Some(role), Some(row)) => drop(pins.insert(role, row)),
            (None, None, Some(row)) => bundles = row,
            _ => (),
        }
    }
    if bundles != hex(&bundles_hash(connection)?) {
        return Err(Tampering::Bundles.into());
    }
    for role in Role::ALL {
        let found = pin::row_hash(connection, role);
        let same = match (pins.get(&role), &found) {
            (None, Err(StoreFault::NoPin)) => true,
            (Some(row), Ok(found)) => *row == hex(found),
            _ => false,
        };
        if !same {
            return Err(Tampering::Pin(role).into());
        }
    }
    let mut numbers = connection.prepare("SELECT number FROM cases").map_err(StoreFault::database(attempt))?;
    let numbers: Vec<u64> =
        numbers.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(StoreFault::database(attempt))?;
    for number in numbers {
        match left.remove(&number) {
            None => return Err(Tampering::Unknown(CaseNumber(number)).into()),
            Some(row) if row == hex(&row_hash(connection, CaseNumber(number))?) => (),
            Some(_) => return Err(Tampering::Case(CaseNumber(number)).into()),
        }
    }
    if let Some((&number, _)) = left.iter().next() {
        return Err(Tampering::Missing(CaseNumber(number)).into());
    }
    audit::head(connection)
}

/// The SHA-256 of a case's row and of the names of its files.
pub(crate) fn row_hash(connection: &Connection, case: CaseNumber) -> Result<Hash, StoreFault> {
    let attempt = "read a case";
    let mut hash = Sha256::new();
    // Each part with its length, and whether it is there at all.
    let mut part = |bytes: Option<&[u8]>| {
        hash.update([u8::from(bytes.is_some())]);
        let bytes = bytes.unwrap_or_default();
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    connection
        .query_row(
            "SELECT state, attempts, control, search, record, sealed, reviews, read_first
             FROM cases LEFT JOIN results USING (number) WHERE number = ?1",
            [case.0],
            |row| {
                part(Some(row.get_ref(0)?.as_str()?.as_bytes()));
                part(Some(&row.get::<_, i64>(1)?.to_le_bytes()));
                part(Some(&row.get::<_, i64>(2)?.to_le_bytes()));
                for column in 3..7 {
                    part(row.get_ref(column)?.as_blob_or_null()?);
                }
                // The rows of before had no such column, and their hashes are in the log.
                if let Some(read_first) = row.get_ref(7)?.as_blob_or_null()? {
                    part(Some(read_first));
                }
                Ok(())
            },
        )
        .map_err(StoreFault::database(attempt))?;
    let mut names = connection
        .prepare_cached("SELECT name FROM files WHERE number = ?1 ORDER BY name")
        .map_err(StoreFault::database(attempt))?;
    let mut rows = names.query([case.0]).map_err(StoreFault::database(attempt))?;
    while let Some(row) = rows.next().map_err(StoreFault::database(attempt))? {
        part(Some(row.get::<_, String>(0).map_err(StoreFault::database(attempt))?.as_bytes()));
    }
    Ok(hash.finalize().into())
}

/// The SHA-256 of the bundles' serial numbers.
pub(crate) fn bundles_hash(connection: &Connection) -> Result<Hash, StoreFault> {
    let attempt = StoreFault::database("read the bundles");
    let mut rows = connection.prepare_cached("SELECT name, serial FROM bundles ORDER BY name").map_err(&attempt)?;
    let rows: Vec<(String, u64)> =
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect).map_err(&attempt)?;
    Ok(bundles_hash_of(&rows))
}

fn bundles_hash_of(rows: &[(String, u64)]) -> Hash {
    let mut hash = Sha256::new();
    for (name, serial) in rows {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(serial.to_le_bytes());
    }
    hash.finalize().into()
}

/// A connection as every one is: durable, checked, migrated.
fn connected(path: &Path) -> Result<Connection, StoreFault> {
    let fault = StoreFault::database(OPEN);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(&fault)?;
    let set = |name: &str, value: &str| connection.pragma_update(None, name, value).map_err(&fault);
    // Of a database that is not there yet. Most changes are a few hundred bytes here and there, and every page that one
    // touches is written four times: an SD card pays for large ones.
    set("page_size", "1024")?;
    set("journal_mode", "WAL")?;
    set("synchronous", "FULL")?;
    // In pages. A page that changes again before is written to the database once.
    set("wal_autocheckpoint", "4096")?;
    set("foreign_keys", "ON")?;
    set("cell_size_check", "ON")?;
    set("trusted_schema", "OFF")?;
    // Removed records leave nothing readable behind.
    set("secure_delete", "ON")?;
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&fault)?;
    if found > LATEST {
        return Err(StoreFault::Later { found, known: LATEST });
    }
    let steps = STEPS.iter().zip(1_u32..).filter(|&(_, version)| version > found);
    for (step, version) in steps {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fault)?;
        transaction.execute_batch(step).map_err(&fault)?;
        transaction.pragma_update(None, "user_version", version).map_err(&fault)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(&fault)?;
        transaction.commit().map_err(&fault)?;
    }
    Ok(connection)
}

/// The files of a database.
fn files_of(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| suffixed(database, suffix))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What a file is called when it is set aside.
fn aside_of(file: &Path) -> PathBuf {
    suffixed(file, ".aside")
}

/// Makes `to` a copy of the database at `from`. What stood at `to` is set aside, once there is what takes its place.
fn remade(from: &Path, to: &Path) -> Result<(), StoreFault> {
    let new = suffixed(to, ".new");
    let cleared = || {
        for left in [suffixed(&new, "-journal"), new.clone()] {
            match fs::remove_file(left) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(StoreFault::disk(COPY)(fault)),
                _ => (),
            }
        }
        Ok(())
    };
    cleared()?;
    if let Err(fault) = copied(from, &new) {
        cleared()?;
        return Err(fault);
    }
    let renamed =
        |from: &Path, to: &Path| fs::rename(from, to).map_err(StoreFault::disk("set a damaged database aside"));
    for damaged in files_of(to) {
        if damaged.exists() {
            renamed(&damaged, &aside_of(&damaged))?;
        }
    }
    renamed(&new, to)
}

fn copied(from: &Path, to: &Path) -> Result<(), StoreFault> {
    let source = connected(from)?;
    let mut target = Connection::open(to).map_err(StoreFault::database(COPY))?;
    target.pragma_update(None, "synchronous", "FULL").map_err(StoreFault::database(COPY))?;
    let backup = Backup::new(&source, &mut target).map_err(StoreFault::database(COPY))?;
    backup.run_to_completion(1024, Duration::ZERO, None).map_err(StoreFault::database(COPY))?;
    drop(backup);
    target.close().map_err(|(_, fault)| StoreFault::database(COPY)(fault))
}
