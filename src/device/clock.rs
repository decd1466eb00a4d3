//! What time it claims to be, and whether there is a reason to believe it.

use hilum_domain::Moment;

/// A clock.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Moment;
}

/// When the wall clock is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTrust {
    /// When something keeps it in step: the kernel says so, or, where it may not be asked, systemd-timesyncd.
    Synchronised,
    /// Always: the board has a clock battery.
    Always,
    /// Never.
    Never,
}
