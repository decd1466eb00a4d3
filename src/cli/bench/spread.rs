//! What many samples of a time come to.

use serde::{Deserialize, Serialize};

/// How long something took, of `n` times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
    pub(super) n: usize,
}

impl Spread {
    /// Nearest-rank percentiles of samples in ms.
    pub(super) fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100).max(1);
            samples.get(rank - 1).copied().unwrap_or(0.0)
        };
        Self { p50_ms: at(50), p99_ms: at(99), max_ms: at(100), n: samples.len() }
    }

    /// Of each of so many parts.
    pub(super) fn over(self, parts: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "tile counts")]
        let parts = parts.max(1) as f64;
        Self { p50_ms: self.p50_ms / parts, p99_ms: self.p99_ms / parts, max_ms: self.max_ms / parts, n: self.n }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let found = Spread::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(found, Spread { p50_ms: 3.0, p99_ms: 5.0, max_ms: 5.0, n: 5 });
        assert_eq!(Spread::of(Vec::new()).n, 0);
    }
}
