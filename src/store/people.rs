//! People: which roles have a PIN, and what a right one opens.

use hilum_domain::Moment;
use rusqlite::Transaction;

use crate::{
    Action, Actor, DataKey, Role, Store, StoreFault, Stretched, Stretching, Tried,
    audit::{self, Event},
    pin::{READ, row, row_hash},
    seal::KEY_WORD,
    store::executed,
};

/// What is sealed for a PIN.
const PLACE: &str = "pin";
const WORD: &[u8] = b"hilum";
const WRITE: &str = "write a PIN's lock";

/// The roles that have a PIN.
pub(crate) fn people(database: &rusqlite::Connection) -> Result<Vec<Role>, StoreFault> {
    let attempt = StoreFault::database(READ);
    let mut statement = database.prepare("SELECT role FROM people ORDER BY role").map_err(&attempt)?;
    let names = statement.query_map([], |row| row.get::<_, String>(0)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    names.map_err(&attempt)?.iter().map(|name| name.parse().map_err(|_| StoreFault::NoPin)).collect()
}

fn locked(
    transaction: &Transaction<'_>,
    role: Role,
    stretching: Stretching,
    wraps: bool,
    sealed: &[u8],
) -> Result<(), StoreFault> {
    let Stretching { salt, memory_kib, passes } = stretching;
    executed(
        transaction,
        "INSERT OR REPLACE INTO people (role, salt, memory_kib, passes, wraps, sealed, failures)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
        (role.name(), salt, memory_kib, passes, wraps, sealed),
    )
}

fn logged(
    transaction: &Transaction<'_>,
    now: &Moment,
    actor: Actor,
    action: Action,
    role: Role,
) -> Result<(), StoreFault> {
    let row = Some(row_hash(transaction, role)?);
    audit::append(transaction, now, &Event { actor, action, case: None, role: Some(role), row })
}

impl Store {
    /// The roles that have a PIN. As long as there are none, whoever reaches the box may do everything.
    ///
    /// # Errors
    /// [`StoreFault`]
    pub fn people(&self) -> Result<Vec<Role>, StoreFault> {
        people(self.read())
    }

    /// How the PIN of a role is stretched, and how often in a row it was wrong.
    ///
    /// # Errors
    /// [`StoreFault::NoPin`] if the role has none.
    pub fn stretching(&self, role: Role) -> Result<(Stretching, u32), StoreFault> {
        let row = row(self.read(), role)?.ok_or(StoreFault::NoPin)?;
        Ok((row.stretching, row.failures))
    }

    /// Sets the PIN of a role. Where it `wraps`, the PIN is what opens the records.
    ///
    /// # Errors
    /// [`StoreFault::Locked`] while the records are closed.
    pub fn set_pin(
        &mut self,
        role: Role,
        stretching: Stretching,
        stretched: &Stretched,
        wraps: bool,
        by: Actor,
        now: &Moment,
    ) -> Result<(), StoreFault> {
        let key = self.key()?;
        let sealed = if wraps {
            DataKey::new(&stretched.0).seal(PLACE, key.bytes())
        } else {
            key.with(&stretched.0).seal(PLACE, WORD)
        };
        self.write(|transaction| {
            locked(transaction, role, stretching, wraps, &sealed)?;
            logged(transaction, now, by, Action::PinSet, role)
        })
    }

    /// Makes the PIN of a role what opens the records, before there are any: their key is `key` from now on.
    ///
    /// # Errors
    /// [`StoreFault::Sealed`] if the records have another key already, and [`StoreFault::State`] if there is a PIN.
    pub fn first_pin(
        &mut self,
        role: Role,
        stretching: Stretching,
        stretched: &Stretched,
        key: DataKey,
        now: &Moment,
    ) -> Result<(), StoreFault> {
        if !self.people()?.is_empty() || !self.list()?.is_empty() {
            return Err(StoreFault::State { state: "in use", wanted: "given a first PIN" });
        }
        let word = key.token(KEY_WORD);
        let sealed = DataKey::new(&stretched.0).seal(PLACE, key.bytes());
        // Key and lock at once: a key whose lock was lost could not be had again.
        self.write(|transaction| {
            transaction.execute("DELETE FROM key", []).map_err(StoreFault::database(WRITE))?;
            executed(transaction, "INSERT INTO key (word) VALUES (?1)", [word])?;
            locked(transaction, role, stretching, true, &sealed)?;
            logged(transaction, now, role.into(), Action::PinSet, role)
        })?;
        self.unlock(key)
    }

    /// Tries a PIN. That it was wrong is on the disk when this returns; a right one opens records that it seals.
    ///
    /// # Errors
    /// [`StoreFault::NoPin`] if the role has none, [`StoreFault::Locked`] if the PIN is right and does not open the records.
    pub fn try_pin(&mut self, role: Role, stretched: &Stretched, now: &Moment) -> Result<Tried, StoreFault> {
        let row = row(self.read(), role)?.ok_or(StoreFault::NoPin)?;
        let key = if row.wraps {
            let opened = DataKey::new(&stretched.0).open(PLACE, &row.sealed);
            opened.ok().and_then(|bytes| Some(DataKey::new(bytes.as_slice().try_into().ok()?)))
        } else {
            let key = self.key()?;
            let right = key.with(&stretched.0).open(PLACE, &row.sealed).is_ok_and(|word| word.as_slice() == WORD);
            right.then(|| key.clone())
        };
        let (failures, action) = match &key {
            Some(_) => (0, Action::LoggedIn),
            None => (row.failures.saturating_add(1), Action::LoginRefused),
        };
        self.in_kept_room(|store| {
            store.write(|transaction| {
                transaction
                    .execute("UPDATE people SET failures = ?2 WHERE role = ?1", (role.name(), failures))
                    .map_err(StoreFault::database(WRITE))?;
                logged(transaction, now, role.into(), action, role)
            })
        })?;
        let Some(key) = key else { return Ok(Tried::Wrong(failures)) };
        self.unlock(key)?;
        Ok(Tried::Right)
    }
}
