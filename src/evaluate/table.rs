//! The cases arranged so that a figure of any of their resamples takes one pass.

use hilum_domain::{Class, top};
use rayon::prelude::*;

use crate::Predictions;

/// What is given for no probability at all in a logarithm: the distance of doubles at 1, as scikit-learn's `log_loss` has it.
pub(crate) const LEAST: f64 = f64::EPSILON;
/// Bins of the reliability diagram, the expected and the maximum calibration error (Guo 2017): equal widths on the top
/// probability, each without its lower end and with its upper.
pub const BINS: usize = 15;
/// What stands for a refused case among predicted classes.
pub(crate) const REFUSED: u8 = 5;

/// How often a case counts: once, or as often as its patient was drawn.
pub(crate) trait Weights: Sync {
    fn of(&self, case: usize) -> u32;
}

/// Every case once.
pub(crate) struct Every;

impl Weights for Every {
    fn of(&self, _: usize) -> u32 {
        1
    }
}

impl Weights for [u32] {
    fn of(&self, case: usize) -> u32 {
        self[case]
    }
}

/// The cases of a table, or some of them.
pub(crate) struct Table {
    /// Positions of classes; what is true.
    pub labels: Vec<u8>,
    /// What was predicted, or [`REFUSED`].
    pub predicted: Vec<u8>,
    /// Whose case it is, from 0.
    pub patients: Vec<u32>,
    pub patient_count: usize,
    /// Whether a class has cases; whether it has some that were not refused, and others too. A mean over classes is of these in every
    /// resample, or it is another figure.
    pub there: [bool; 5],
    pub told_apart: [bool; 5],
    /// Of each case: the top probability, its bin, what it adds to the Brier score and to the log loss. Nothing of a refused case.
    pub tops: Vec<f64>,
    pub bins: Vec<u8>,
    pub brier: Vec<f64>,
    pub log_loss: Vec<f64>,
    /// The cases that were not refused by each class's probability.
    pub ranked: [Ranked; 5],
    /// The same by the top probability; positive is who is right.
    pub by_top: Ranked,
}

/// Cases by one probability, from the highest. Of each: its position, whether it is positive (of the class), and whether the next
/// one's probability is another.
pub(crate) struct Ranked(Vec<u32>);

const POSITIVE: u32 = 1 << 31;
const LAST_TIED: u32 = 1 << 30;

/// One of the [`Ranked`].
#[derive(Clone, Copy)]
pub(crate) struct Rank(u32);

impl Rank {
    pub(crate) const fn case(self) -> usize {
        (self.0 & !(POSITIVE | LAST_TIED)) as usize
    }

    /// Whether it is of the class.
    pub(crate) const fn positive(self) -> bool {
        self.0 & POSITIVE != 0
    }

    /// Whether the next one's probability is another.
    pub(crate) const fn ends_ties(self) -> bool {
        self.0 & LAST_TIED != 0
    }
}

impl Ranked {
    fn of(values: impl Fn(usize) -> f64 + Sync, is_of_class: impl Fn(usize) -> bool, cases: &[u32]) -> Self {
        // A probability is not below 0, so its bits are ordered as it is. −0 is 0.
        let mut keyed: Vec<(u64, u32)> =
            cases.iter().map(|&case| ((values(case as usize) + 0.0).to_bits(), case)).collect();
        keyed.par_sort_unstable_by(|a, b| b.cmp(a));
        let ends = |at: usize| keyed.get(at + 1).is_none_or(|next| next.0 != keyed[at].0);
        let place = |(at, &(_, case)): (usize, &(u64, u32))| {
            case | if is_of_class(case as usize) { POSITIVE } else { 0 } | if ends(at) { LAST_TIED } else { 0 }
        };
        Self(keyed.iter().enumerate().map(place).collect())
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Rank> + '_ {
        self.0.iter().map(|&place| Rank(place))
    }
}

/// The upper ends of the bins.
pub(crate) fn bin_ends() -> [f64; BINS] {
    #[expect(clippy::cast_precision_loss, reason = "at most 15")]
    std::array::from_fn(|bin| if bin + 1 == BINS { 1.0 } else { (bin + 1) as f64 * (1.0 / BINS as f64) })
}

impl Table {
    /// Of the cases at these positions, which stay in their order; without any, of all.
    pub(crate) fn of(predictions: &Predictions, some: Option<&[u32]>) -> Self {
        let all: Vec<u32>;
        let some = match some {
            Some(some) => some,
            None => {
                all = (0..u32::try_from(predictions.len()).expect("checked when read")).collect();
                &all
            }
        };
        let each = || some.par_iter().map(|&case| case as usize);
        let probabilities = |at: usize| predictions.probabilities[some[at] as usize].as_ref();
        let labels: Vec<u8> = each().map(|case| index(predictions.labels[case])).collect();
        #[expect(clippy::cast_possible_truncation, reason = "five classes")]
        let predicted: Vec<u8> =
            each().map(|case| predictions.probabilities[case].as_ref().map_or(REFUSED, |p| top(p) as u8)).collect();
        let mut numbers = vec![u32::MAX; predictions.patient_count];
        let mut patient_count = 0;
        let patients = some.iter().map(|&case| {
            let number = &mut numbers[predictions.patients[case as usize] as usize];
            if *number == u32::MAX {
                *number = patient_count;
                patient_count += 1;
            }
            *number
        });
        let patients: Vec<u32> = patients.collect();
        let of_case = |what: fn(&[f64; 5], u8) -> f64| -> Vec<f64> {
            (0..some.len()).into_par_iter().map(|at| probabilities(at).map_or(0.0, |p| what(p, labels[at]))).collect()
        };
        let tops = of_case(|p, _| p[top(p)]);
        let ends = bin_ends();
        #[expect(clippy::cast_possible_truncation, reason = "15 bins")]
        let bins = tops.iter().map(|&top| ends.partition_point(|&end| end < top).min(BINS - 1) as u8).collect();
        let brier = of_case(|p, label| {
            (0_u8..).zip(p).map(|(class, p)| (p - if class == label { 1.0 } else { 0.0 }).powi(2)).sum()
        });
        let log_loss = of_case(|p, label| -p[usize::from(label)].clamp(LEAST, 1.0 - LEAST).ln());
        let covered: Vec<u32> = (0_u32..).zip(&predicted).filter(|(_, p)| **p != REFUSED).map(|(at, _)| at).collect();
        let ranked = [0, 1, 2, 3, 4].map(|class: u8| {
            let value = |at: usize| probabilities(at).map_or(0.0, |p| p[usize::from(class)]);
            Ranked::of(value, |at| labels[at] == class, &covered)
        });
        let by_top = Ranked::of(|at| tops[at], |at| predicted[at] == labels[at], &covered);
        let there = [0, 1, 2, 3, 4].map(|class: u8| labels.contains(&class));
        let told_apart = ranked.each_ref().map(|ranked| {
            let positives = ranked.iter().filter(|rank| rank.positive()).count();
            positives > 0 && positives < ranked.len()
        });
        Self {
            labels,
            predicted,
            patients,
            patient_count: patient_count as usize,
            there,
            told_apart,
            tops,
            bins,
            brier,
            log_loss,
            ranked,
            by_top,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.labels.len()
    }
}

fn index(class: Class) -> u8 {
    u8::try_from(class.index()).expect("five classes")
}
