//! What keeps the store from working.

use std::io;

use rusqlite::ErrorCode;

use crate::{NoReason, Sealed, Tampering};

/// The store is not well, or was asked for what it cannot do. Says no path and nothing of a patient.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The database does not do what was asked.
    #[error("cannot {attempt}")]
    Database {
        /// What was attempted.
        attempt: &'static str,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// The disk does not do what was asked.
    #[error("cannot {attempt}")]
    Disk {
        /// What was attempted.
        attempt: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process has the store.
    #[error("the store is in use by another process")]
    InUse,
    /// The store was written by a later version.
    #[error("the store has version {found}, this program knows {known}")]
    Later {
        /// The version of the store.
        found: u32,
        /// The latest version this program knows.
        known: u32,
    },
    /// Neither the database nor its copy can be used.
    #[error("neither the database nor its second copy can be used")]
    BothLost,
    /// The database and its copy are whole, and neither's log goes on from the other's: one was written again.
    #[error("the database and its second copy tell different stories: neither is changed")]
    Disagree,
    /// A record or file does not open with this key.
    #[error(transparent)]
    Sealed(#[from] Sealed),
    /// The key has not come yet.
    #[error("the records are locked: a PIN opens them")]
    Locked,
    /// The role has no PIN.
    #[error("this role has no PIN")]
    NoPin,
    /// A record is not what this version writes.
    #[error("a record cannot be read or written")]
    Record(#[source] serde_json::Error),
    /// The log or a case was changed from outside.
    #[error(transparent)]
    Tampering(#[from] Tampering),
    /// A file that a case needs is missing or changed.
    #[error("a file of the case is missing or changed")]
    Blob,
    /// There is no such case.
    #[error("there is no such case")]
    NoCase,
    /// The case is in another state than this asks for.
    #[error("a case that is {state} cannot be {wanted}")]
    State {
        /// What it is.
        state: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A review does not say why, or says too much.
    #[error(transparent)]
    Reason(#[from] NoReason),
    /// Too little room is left to take in more.
    #[error("the disk has {free_mb} MB left: results are kept, nothing new is taken in")]
    Full {
        /// What is left.
        free_mb: u64,
    },
}

impl StoreFault {
    /// Whether it is for want of room on the disk, and says nothing of what is there.
    pub(crate) fn wants_room(&self) -> bool {
        match self {
            // The index of a log of changes is a file, which SQLite reports in other words.
            Self::Database { source, .. } => source.sqlite_error().is_some_and(|error| {
                error.code == ErrorCode::DiskFull || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
            }),
            Self::Disk { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    pub(crate) fn database(attempt: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Database { attempt, source }
    }

    pub(crate) fn disk(attempt: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Disk { attempt, source }
    }

    pub(crate) const fn record(source: serde_json::Error) -> Self {
        Self::Record(source)
    }
}
