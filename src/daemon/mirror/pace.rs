//! How fast a browser may talk.

use std::time::Instant;

/// So many messages a second, and as many at once.
const RATE: f64 = 240.0;

/// What is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is taken.
    Take,
    /// It came too fast.
    Drop,
    /// So did all before it.
    Close,
}

/// One browser's pace: a second's worth may come at once, another is dropped, then it is over.
#[derive(Debug)]
pub(super) struct Pace {
    left: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: RATE, at: now }
    }

    /// A message came.
    pub(super) fn verdict(&mut self, now: Instant) -> Verdict {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * RATE;
        self.at = now;
        self.left = (self.left + gained).min(RATE) - 1.0;
        match self.left {
            left if left >= 0.0 => Verdict::Take,
            left if left >= -RATE => Verdict::Drop,
            _ => Verdict::Close,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Takes, drops and whether it ended, of so many messages at so many a second.
    #[track_caller]
    fn check(count: u32, per_second: f64, want: (u32, u32, bool)) {
        let began = Instant::now();
        let mut pace = Pace::new(began);
        let (mut taken, mut dropped) = (0, 0);
        for message in 0..count {
            match pace.verdict(began + Duration::from_secs_f64(f64::from(message) / per_second)) {
                Verdict::Take => taken += 1,
                Verdict::Drop => dropped += 1,
                Verdict::Close => {
                    assert_eq!((taken, dropped, true), want);
                    return;
                }
            }
        }
        assert_eq!((taken, dropped, false), want);
    }

    #[test]
    fn a_hand_is_never_too_fast() {
        check(10_000, 200.0, (10_000, 0, false));
    }

    #[test]
    fn a_burst_is_taken_and_more_is_dropped() {
        check(240, 1e9, (240, 0, false));
        check(400, 1e9, (240, 160, false));
    }

    #[test]
    fn a_flood_ends() {
        check(100_000, 1e9, (240, 240, true));
        let began = Instant::now();
        let mut pace = Pace::new(began);
        let ends =
            (0..10_000).any(|message| pace.verdict(began + Duration::from_millis(message * 2)) == Verdict::Close);
        assert!(ends, "500 a second");
    }
}
