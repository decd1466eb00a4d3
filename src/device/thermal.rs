//! How hot the board is.

use std::time::Duration;

/// A temperature.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Celsius(pub f64);

/// What a sensor last said, with its age.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading<T> {
    /// There is no sensor.
    Absent,
    /// There is one, and it has not been read yet.
    NeverRead,
    /// It was read.
    Last {
        /// What it said.
        value: T,
        /// When, monotonic.
        at: Duration,
    },
}

impl<T: Copy> Reading<T> {
    /// The value, if it was read at most `max_age` before `now`.
    #[must_use]
    pub fn fresh(&self, now: Duration, max_age: Duration) -> Option<T> {
        match self {
            Self::Last { value, at } if now.saturating_sub(*at) <= max_age => Some(*value),
            _ => None,
        }
    }
}

/// The board's temperature sensors.
pub trait Thermal: Send {
    /// The hottest of them now.
    fn poll(&mut self) -> Reading<Celsius>;

    /// Whether the board says that it is slowed down now.
    fn is_throttled(&mut self) -> bool;
}
