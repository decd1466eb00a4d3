//! The audit log: what happened to which case, each entry bound to all before it.
//!
//! An entry is a line of JSON; its hash is the SHA-256 of the hash before it and of the line (RFC 9162's idea without the
//! tree: a clinic's log is read whole). Whoever keeps a head, the number and hash of the last entry, can tell later that
//! nothing up to there was changed, taken out or cut off. An entry has no patient data: cases have numbers, people have
//! roles, records are named by the hash of their sealed bytes.

use hilum_domain::{CaseNumber, Moment};
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Role, StoreFault};

/// A SHA-256.
pub type Hash = [u8; 32];

/// The hash before the first entry.
const GENESIS: &[u8] = b"hilum.audit/1";

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The box itself.
    Device,
    /// Who takes pictures and types.
    Operator,
    /// Who signs.
    Reviewer,
    /// Who sets the box up.
    Administrator,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The store was made.
    Made,
    /// The daemon started.
    Started,
    /// The daemon stopped in order.
    Stopped,
    /// Somebody logged in.
    LoggedIn,
    /// A PIN was wrong.
    LoginRefused,
    /// A PIN was set.
    PinSet,
    /// A case was opened, or its identity or metadata were changed.
    Drafted,
    /// Fields or a volume came to a draft.
    InputTaken,
    /// The place of the lesion was marked in a draft.
    LesionMarked,
    /// A field was taken out of a draft.
    FieldDropped,
    /// A person said that it is the patient although an identifier is another.
    IdentityOverridden,
    /// A case was handed over to be assessed. From here on it is never lost.
    Queued,
    /// A case that waited for its result went back to being a draft.
    Withdrawn,
    /// An attempt at a case began.
    Begun,
    /// A result was kept.
    Assessed,
    /// A refusal was kept.
    Refused,
    /// Two attempts died: the input is not tried again.
    SetAside,
    /// A person said what they see, before they were shown the result.
    ReadFirst,
    /// A result was looked at.
    Viewed,
    /// A person agreed, or did not. Written by version 1 of the store only.
    Reviewed,
    /// A person agreed with a result.
    Agreed,
    /// A person disagreed with a result, and said why.
    Disagreed,
    /// A case left the box.
    Exported,
    /// What the hospital takes of a case went to an archive or an outgoing folder.
    Delivered,
    /// A case was removed as the retention rules want it.
    Expired,
    /// The day's control case was assessed.
    Controlled,
    /// A bundle with a higher serial number than any of its name before was taken into use.
    BundleTaken,
    /// A scale or a white field of the microscope was kept.
    Calibrated,
    /// Another objective was picked.
    ObjectivePicked,
    /// The database was restored from its second copy.
    Restored,
    /// The second copy of the database was damaged, missing or behind, and was made anew.
    Copied,
}

/// The end of the log at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many entries there are.
    pub entries: u64,
    /// The hash of the last.
    pub hash: Hash,
}

impl Actor {
    /// The name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Operator => "operator",
            Self::Reviewer => "reviewer",
            Self::Administrator => "administrator",
        }
    }
}

impl Head {
    /// The head of a log without entries.
    #[must_use]
    pub fn none() -> Self {
        Self { entries: 0, hash: Sha256::digest(GENESIS).into() }
    }
}

/// A head as people copy it: the number of entries, a dash, the hash in hexadecimal.
impl std::fmt::Display for Head {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.entries, hex(&self.hash))
    }
}

/// Not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a head of the log: expected a number, a dash and 64 hexadecimal digits")]
pub struct NoHead;

impl std::str::FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let (entries, hash) = text.trim().split_once('-').ok_or(NoHead)?;
        let mut bytes = [0; 32];
        if hash.len() != 64 || !hash.is_ascii() {
            return Err(NoHead);
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hash[2 * index..2 * index + 2], 16).map_err(|_| NoHead)?;
        }
        Ok(Self { entries: entries.parse().map_err(|_| NoHead)?, hash: bytes })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its place, from 1.
    pub number: u64,
    /// What the wall clock claimed, RFC 3339 in UTC.
    pub claimed: String,
    /// Whether there was a reason to believe it.
    pub trusted: bool,
    /// The kernel's identifier of the boot.
    pub boot: String,
    /// Milliseconds since then.
    pub since_boot_ms: u64,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// The case, where it was one.
    pub case: Option<u64>,
    /// Whose PIN it was about.
    pub role: Option<Role>,
    /// The SHA-256 of the case's or the PIN's row, or of the table of the bundles, after this, hexadecimal.
    pub row: Option<String>,
    /// The SHA-256 of the file in which the case left the box, hexadecimal, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// What an entry says, apart from its place and time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    pub(crate) case: Option<CaseNumber>,
    pub(crate) role: Option<Role>,
    pub(crate) row: Option<Hash>,
}

fn chained(before: &Hash, line: &str) -> Hash {
    Sha256::new().chain_update(before).chain_update(line).finalize().into()
}

const READ: &str = "read the log";

/// The last entry's number and hash.
pub(crate) fn head(database: &Connection) -> Result<Head, StoreFault> {
    let row = database
        .query_row("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", [], |row| {
            Ok(Head { entries: row.get(0)?, hash: row.get(1)? })
        })
        .optional();
    row.map(|head| head.unwrap_or_else(Head::none)).map_err(StoreFault::database(READ))
}

/// The hash of the first entry: no two logs begin alike.
pub(crate) fn first(database: &Connection) -> Result<Hash, StoreFault> {
    database
        .query_row("SELECT hash FROM audit WHERE number = 1", [], |row| row.get(0))
        .map_err(StoreFault::database(READ))
}

/// Whether a log that is whole has the entry that a head names. Every log begins with none.
pub(crate) fn has(database: &Connection, head: Head) -> Result<bool, StoreFault> {
    if head.entries == 0 {
        return Ok(head == Head::none());
    }
    let hash: Option<Hash> = database
        .query_row("SELECT hash FROM audit WHERE number = ?1", [head.entries], |row| row.get(0))
        .optional()
        .map_err(StoreFault::database(READ))?;
    Ok(hash == Some(head.hash))
}

/// Adds an entry after the last.
pub(crate) fn append(transaction: &Transaction<'_>, now: &Moment, event: &Event) -> Result<(), StoreFault> {
    append_with(transaction, now, event, None)
}

/// Adds an entry about a file that left the box.
pub(crate) fn append_with(
    transaction: &Transaction<'_>,
    now: &Moment,
    event: &Event,
    file: Option<&Hash>,
) -> Result<(), StoreFault> {
    let before = head(transaction)?;
    let entry = Entry {
        number: before.entries + 1,
        claimed: now.claimed.clone(),
        trusted: now.trusted,
        boot: now.boot.clone(),
        since_boot_ms: u64::try_from(now.since_boot.as_millis()).unwrap_or(u64::MAX),
        actor: event.actor,
        action: event.action,
        case: event.case.map(|case| case.0),
        role: event.role,
        row: event.row.map(|row| hex(&row)),
        file: file.map(|file| hex(file)),
    };
    let line = serde_json::to_string(&entry).map_err(StoreFault::record)?;
    transaction
        .execute(
            "INSERT INTO audit (number, line, hash) VALUES (?1, ?2, ?3)",
            (entry.number, &line, chained(&before.hash, &line)),
        )
        .map(|_| ())
        .map_err(StoreFault::database("write the log"))
}

/// What is wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Tampering {
    /// An entry's line or hash was changed, or one before it.
    #[error("entry {0} of the log does not follow from the one before it")]
    Broken(u64),
    /// Entries are missing at the end, or all were written again.
    #[error("the log does not have the entry that the saved head names")]
    Cut,
    /// A case is not as its last entry left it.
    #[error("case {0} is not as the log left it")]
    Case(CaseNumber),
    /// A case that the log knows is not there.
    #[error("case {0} is in the log and not in the store")]
    Missing(CaseNumber),
    /// The PIN of a role is not as its last entry left it.
    #[error("the PIN of the {} is not as the log left it", .0.name())]
    Pin(Role),
    /// The serial numbers of the bundles are not as their last entry left them.
    #[error("the highest serial numbers of the bundles are not as the log left them")]
    Bundles,
    /// A case that the log does not know.
    #[error("case {0} is in the store and not in the log")]
    Unknown(CaseNumber),
}

/// Every entry, checked: each follows from the one before, and the saved head is among them.
pub(crate) fn entries(database: &Connection, saved: Option<Head>) -> Result<Result<Vec<Entry>, Tampering>, StoreFault> {
    let attempt = StoreFault::database(READ);
    let mut statement =
        database.prepare("SELECT number, line, hash FROM audit ORDER BY number").map_err(StoreFault::database(READ))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let rows: Vec<(u64, String, Hash)> = rows.and_then(Iterator::collect).map_err(attempt)?;
    let mut head = Head::none();
    let mut seen = saved.is_none_or(|saved| saved == head);
    let mut entries = Vec::with_capacity(rows.len());
    for (number, line, hash) in rows {
        let entry = serde_json::from_str::<Entry>(&line).ok();
        let follows = number == head.entries + 1 && hash == chained(&head.hash, &line);
        let Some(entry) = entry.filter(|entry| follows && entry.number == number) else {
            return Ok(Err(Tampering::Broken(number)));
        };
        head = Head { entries: number, hash };
        seen |= saved == Some(head);
        entries.push(entry);
    }
    Ok(if seen { Ok(entries) } else { Err(Tampering::Cut) })
}
