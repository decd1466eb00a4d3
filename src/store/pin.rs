//! PINs: who may do what, and for a board without another source what opens the records.
//!
//! A PIN is stretched with Argon2id (RFC 9106) and then either seals the data key itself (a board whose key comes from the PIN:
//! whoever takes the disk can try PINs, each at the price of the stretching), or seals a known word under a key that the data
//! key is part of (a board with another source: without that, the disk says nothing about a PIN).

use argon2::{Algorithm, Argon2, Params, Version};
use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{Actor, StoreFault, audit::Hash};

/// Who a person is to the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Takes pictures and types.
    Operator,
    /// Signs.
    Reviewer,
    /// Sets the box up.
    Administrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Reviewer, Self::Administrator];

    /// The name in the database and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Reviewer => "reviewer",
            Self::Administrator => "administrator",
        }
    }
}

/// Not a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role: expected operator, reviewer or administrator")]
pub struct NoRole;

impl std::str::FromStr for Role {
    type Err = NoRole;

    fn from_str(name: &str) -> Result<Self, NoRole> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or(NoRole)
    }
}

impl From<Role> for Actor {
    fn from(role: Role) -> Self {
        match role {
            Role::Operator => Self::Operator,
            Role::Reviewer => Self::Reviewer,
            Role::Administrator => Self::Administrator,
        }
    }
}

/// Six to twelve digits. Never shown.
pub struct Pin(Zeroizing<String>);

impl std::fmt::Debug for Pin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pin(…)")
    }
}

/// Digits that are no PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinFault {
    /// Too few, too many, or no digits.
    #[error("a PIN has 6 to 12 digits")]
    Digits,
    /// The first that anybody would try.
    #[error("this PIN is too easy to guess: not one digit over and over, and not a row of digits")]
    Easy,
}

impl Pin {
    /// What was typed, as a PIN that may be set.
    ///
    /// # Errors
    /// [`PinFault`]
    pub fn new(typed: &str) -> Result<Self, PinFault> {
        let digits = typed.as_bytes();
        if !(6..=12).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
            return Err(PinFault::Digits);
        }
        let steps = |step: i16| digits.windows(2).all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == step);
        if [-1, 0, 1].into_iter().any(steps) {
            return Err(PinFault::Easy);
        }
        Ok(Self::typed(typed))
    }

    /// What was typed, to be tried.
    #[must_use]
    pub fn typed(typed: &str) -> Self {
        Self(Zeroizing::new(typed.to_owned()))
    }
}

/// How a PIN is stretched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretching {
    pub(crate) salt: [u8; 16],
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
}

/// A stretched PIN.
pub struct Stretched(pub(crate) Zeroizing<[u8; 32]>);

impl Stretching {
    /// For a new PIN: a salt of 16 random bytes, 64 MiB, three passes (RFC 9106, the second recommended option).
    #[must_use]
    pub const fn new(salt: [u8; 16]) -> Self {
        Self { salt, memory_kib: 65_536, passes: 3 }
    }

    /// Stretches a PIN. Takes a tenth of a second and more, and the memory.
    ///
    /// # Errors
    /// [`StoreFault::Tampering`] if the parameters in the database are none.
    pub fn stretch(&self, pin: &Pin) -> Result<Stretched, StoreFault> {
        let wrong = |_| StoreFault::Sealed(crate::Sealed);
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32)).map_err(wrong)?;
        let mut bytes = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(pin.0.as_bytes(), &self.salt, &mut *bytes)
            .map_err(wrong)?;
        Ok(Stretched(bytes))
    }
}

/// What a tried PIN was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// Right. The records are open.
    Right,
    /// Wrong, so many times in a row.
    Wrong(u32),
}

/// What is kept of a PIN.
pub(crate) struct Row {
    pub(crate) stretching: Stretching,
    /// Whether the PIN seals the data key itself.
    pub(crate) wraps: bool,
    pub(crate) sealed: Vec<u8>,
    pub(crate) failures: u32,
}

pub(crate) const READ: &str = "read a PIN's lock";

/// What is kept of the PIN of a role, if it has one.
pub(crate) fn row(database: &rusqlite::Connection, role: Role) -> Result<Option<Row>, StoreFault> {
    database
        .query_row(
            "SELECT salt, memory_kib, passes, wraps, sealed, failures FROM people WHERE role = ?1",
            [role.name()],
            |row| {
                Ok(Row {
                    stretching: Stretching { salt: row.get(0)?, memory_kib: row.get(1)?, passes: row.get(2)? },
                    wraps: row.get(3)?,
                    sealed: row.get(4)?,
                    failures: row.get(5)?,
                })
            },
        )
        .optional()
        .map_err(StoreFault::database(READ))
}

/// The SHA-256 of a role's row.
pub(crate) fn row_hash(database: &rusqlite::Connection, role: Role) -> Result<Hash, StoreFault> {
    let row = row(database, role)?.ok_or(StoreFault::NoPin)?;
    let mut hash = Sha256::new();
    hash.update(role.name());
    hash.update(row.stretching.salt);
    hash.update(row.stretching.memory_kib.to_le_bytes());
    hash.update(row.stretching.passes.to_le_bytes());
    hash.update([u8::from(row.wraps)]);
    hash.update((row.sealed.len() as u64).to_le_bytes());
    hash.update(&row.sealed);
    hash.update(row.failures.to_le_bytes());
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: REQ-ACCESS-02
    #[test]
    fn a_pin_is_digits_that_are_not_the_first_to_be_tried() {
        for typed in ["194603", "0000001", "123457"] {
            assert!(Pin::new(typed).is_ok(), "{typed}");
        }
        for typed in ["", "12345", "1234567890123", "12345a", "１２３４５６"] {
            assert_eq!(Pin::new(typed).map(|_| ()), Err(PinFault::Digits), "{typed}");
        }
        for typed in ["000000", "123456", "987654", "777777777777"] {
            assert_eq!(Pin::new(typed).map(|_| ()), Err(PinFault::Easy), "{typed}");
        }
        assert!(!format!("{:?}", Pin::typed("194603")).contains("194603"));
    }

    #[test]
    fn roles_are_read_back() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("device".parse::<Role>(), Err(NoRole));
    }
}
