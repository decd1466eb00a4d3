//! Whether probabilities are what they say.

use rayon::prelude::*;

use crate::{
    Predictions,
    figures::{Binned, real},
    table::{BINS, LEAST, Table, bin_ends},
};

/// A bin of the reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Its ends, of the top probability; without the lower and with the upper.
    pub ends: [f64; 2],
    /// How many cases are in it.
    pub cases: u64,
    /// Their mean top probability.
    pub top: f64,
    /// The share of them that are right.
    pub accuracy: f64,
}

/// What makes the probabilities of some cases most likely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature {
    /// T of softmax(ln p / T) with the least log loss; above 1 the model was too sure.
    pub value: f64,
    /// Whether it is an end of where it is looked for ([`TEMPERATURES`]): no T has the least log loss.
    pub at_end: bool,
    /// The log loss with it.
    pub log_loss: f64,
}

/// Where a temperature is looked for.
pub const TEMPERATURES: [f64; 2] = [0.01, 100.0];

/// Bins of equal width that have a case (Guo 2017).
pub(crate) fn reliability(table: &Table) -> Vec<Bin> {
    let ends = bin_ends();
    let mut bins = [Binned::default(); BINS];
    for rank in table.by_top.iter() {
        bins[usize::from(table.bins[rank.case()])].add(1, rank.positive(), table.tops[rank.case()]);
    }
    let bins = bins.iter().enumerate().filter(|(_, bin)| bin.cases > 0);
    let drawn = bins.map(|(at, bin)| Bin {
        ends: [if at == 0 { 0.0 } else { ends[at - 1] }, ends[at]],
        cases: bin.cases,
        top: bin.top / real(bin.cases),
        accuracy: real(bin.right) / real(bin.cases),
    });
    drawn.collect()
}

/// Expected calibration error over fifteen bins of equally many cases (Nguyen & O'Connor 2015), from the highest top probability;
/// cases of one probability stay in one bin. None where every case was refused.
pub(crate) fn adaptive_ece(table: &Table) -> Option<f64> {
    let total = table.by_top.len();
    let end_of = |bin: usize| (total / BINS) * (bin + 1) + (total % BINS).min(bin + 1);
    let (mut sum, mut seen, mut bin, mut binned) = (0.0, 0, 0, Binned::default());
    for rank in table.by_top.iter() {
        binned.add(1, rank.positive(), table.tops[rank.case()]);
        seen += 1;
        if rank.ends_ties() && seen >= end_of(bin) {
            sum += std::mem::take(&mut binned).gap_sum();
            bin = (bin + 1..BINS).find(|&bin| end_of(bin) > seen).unwrap_or(BINS);
        }
    }
    (total > 0).then(|| sum / real(total as u64))
}

/// The temperature of the cases that were not refused. None where every case was.
///
/// The log loss is convex in 1/T: Newton's steps, and halving where one goes too far.
pub(crate) fn temperature(predictions: &Predictions) -> Option<Temperature> {
    let logs: Vec<([f64; 5], usize)> = predictions
        .probabilities
        .par_iter()
        .zip(&predictions.labels)
        .filter_map(|(p, label)| Some((p.as_ref()?.map(|p| p.clamp(LEAST, 1.0 - LEAST).ln()), label.index())))
        .collect();
    if logs.is_empty() {
        return None;
    }
    let count = real(logs.len() as u64);
    // Log loss, slope and curvature in β = 1/T. Summed in pieces of one size, so that it does not depend on how many threads there are.
    let at = |beta: f64| -> [f64; 3] {
        let pieces: Vec<[f64; 3]> = logs
            .par_chunks(1 << 14)
            .map(|piece| {
                let mut sums = [0.0; 3];
                for (logs, label) in piece {
                    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let parts = logs.map(|log| (beta * (log - most)).exp());
                    let whole: f64 = parts.iter().sum();
                    let mean = parts.iter().zip(logs).map(|(part, log)| part * log).sum::<f64>() / whole;
                    let square =
                        parts.iter().zip(logs).map(|(part, log)| part * (log - mean).powi(2)).sum::<f64>() / whole;
                    sums[0] += whole.ln() + beta * (most - logs[*label]);
                    sums[1] += mean - logs[*label];
                    sums[2] += square;
                }
                sums
            })
            .collect();
        let mut sums = [0.0; 3];
        for piece in pieces {
            for (sum, part) in sums.iter_mut().zip(piece) {
                *sum += part / count;
            }
        }
        sums
    };
    let [mut low, mut high] = [1.0 / TEMPERATURES[1], 1.0 / TEMPERATURES[0]];
    let found = |beta: f64, at_end| Temperature { value: 1.0 / beta, at_end, log_loss: at(beta)[0] };
    let (at_low, at_high) = (at(low)[1], at(high)[1]);
    // Every probability is the same: any temperature does.
    if at_low.abs() < 1e-15 && at_high.abs() < 1e-15 {
        return Some(Temperature { value: 1.0, at_end: false, log_loss: at(1.0)[0] });
    }
    if at_low >= 0.0 {
        return Some(found(low, true));
    }
    if at_high <= 0.0 {
        return Some(found(high, true));
    }
    let mut beta = 1.0;
    for _ in 0..200 {
        let [_, slope, curvature] = at(beta);
        if slope < 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        let step = beta - slope / curvature;
        let next = if step > low && step < high { step } else { f64::midpoint(low, high) };
        if (next - beta).abs() <= 1e-14 * beta {
            break;
        }
        beta = next;
    }
    Some(found(beta, false))
}
