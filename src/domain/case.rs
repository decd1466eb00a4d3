//! A case's number, whose it is, and when something happened.

use std::{fmt, str::FromStr, time::Duration};

/// The number of a case on one box, from 1, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseNumber(pub u64);

impl fmt::Display for CaseNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "H{:06}", self.0)
    }
}

/// Not a case's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the number of a case: expected H and six digits, as in H000012")]
pub struct NoCaseNumber;

impl FromStr for CaseNumber {
    type Err = NoCaseNumber;

    fn from_str(text: &str) -> Result<Self, NoCaseNumber> {
        let digits =
            text.strip_prefix('H').filter(|rest| rest.len() >= 6 && rest.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).filter(|&number| number > 0).map(Self).ok_or(NoCaseNumber)
    }
}

/// The longest identifier: DICOM's LO, Patient ID (PS3.5, 6.2).
const LONGEST: usize = 64;

/// The two identifiers of a patient, as typed or scanned: a number of the clinic's, and a second one that confirms it.
///
/// Never shown by `Debug`: it names a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    first: String,
    second: String,
}

/// Two identifiers that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// One is empty.
    #[error("two identifiers are needed")]
    Missing,
    /// Both are the same.
    #[error("the two identifiers are the same")]
    Same,
    /// One is too long, or has a control character.
    #[error("an identifier has more than 64 characters, or one that cannot be printed")]
    Unprintable,
}

impl Identity {
    /// The identity of these two identifiers, without the spaces around them.
    ///
    /// # Errors
    /// [`IdentityFault`] if one is missing, both are one, or one cannot be printed.
    pub fn new(first: &str, second: &str) -> Result<Self, IdentityFault> {
        let (first, second) = (first.trim(), second.trim());
        if first.is_empty() || second.is_empty() {
            return Err(IdentityFault::Missing);
        }
        if first == second {
            return Err(IdentityFault::Same);
        }
        let unprintable = |text: &str| text.chars().count() > LONGEST || text.chars().any(char::is_control);
        if unprintable(first) || unprintable(second) {
            return Err(IdentityFault::Unprintable);
        }
        Ok(Self { first: first.to_owned(), second: second.to_owned() })
    }

    /// The first identifier.
    #[must_use]
    pub fn first(&self) -> &str {
        &self.first
    }

    /// The second identifier.
    #[must_use]
    pub fn second(&self) -> &str {
        &self.second
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Identity(…)")
    }
}

/// When something happened, as far as a box without a clock battery knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// What the wall clock claimed, RFC 3339 in UTC.
    pub claimed: String,
    /// Whether there was a reason to believe it.
    pub trusted: bool,
    /// The kernel's identifier of this boot.
    pub boot: String,
    /// Time since then, sleep included.
    pub since_boot: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_back() {
        for number in [1, 12, 999_999, 1_000_000] {
            assert_eq!(CaseNumber(number).to_string().parse(), Ok(CaseNumber(number)));
        }
        for wrong in ["", "12", "H12", "H00001x", "H000000", "h000001", "H99999999999999999999999"] {
            assert_eq!(wrong.parse::<CaseNumber>(), Err(NoCaseNumber), "{wrong}");
        }
    }

    // verifies: REQ-PATIENT-03, REQ-PRIVACY-02
    #[test]
    fn identities_are_two_words_that_nobody_prints_by_accident() {
        let identity = Identity::new(" 4711 ", "1954-03-02").expect("two words");
        assert_eq!((identity.first(), identity.second()), ("4711", "1954-03-02"));
        assert!(!format!("{identity:?}").contains("4711"));
        assert_eq!(Identity::new("4711", " "), Err(IdentityFault::Missing));
        assert_eq!(Identity::new("4711", "4711 "), Err(IdentityFault::Same));
        assert_eq!(Identity::new("4711", "a\nb"), Err(IdentityFault::Unprintable));
        assert_eq!(Identity::new("4711", &"x".repeat(65)), Err(IdentityFault::Unprintable));
    }
}
