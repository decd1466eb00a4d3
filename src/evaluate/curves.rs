//! Curves: over every threshold of a class, over how many cases are answered, over how dear a false alarm is.

use hilum_domain::Class;

use crate::{Predictions, figures::real, table::Table};

/// Points of a curve that are closer than this are one.
const VISIBLE: f64 = 1e-3;

/// A point of the curves of one class against the others, at one threshold of its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The share of the cases of the class at or above it: recall.
    pub sensitivity: f64,
    /// The share of the other cases at or above it.
    pub false_positives: f64,
    /// The share of the class among those at or above it.
    pub precision: f64,
}

/// The points of each class, from the highest threshold; none for a class without cases in it and outside. Of the cases that were
/// not refused, and of thresholds that lie close together, one: a line has no use for a million.
pub(crate) fn thresholds(table: &Table) -> [Vec<Point>; 5] {
    Class::ALL.map(|class| {
        let ranked = &table.ranked[class.index()];
        let positives = ranked.iter().filter(|place| place.positive()).count() as u64;
        let negatives = ranked.len() as u64 - positives;
        if positives == 0 || negatives == 0 {
            return Vec::new();
        }
        let (mut above, mut others, mut points) = (0_u64, 0_u64, Vec::<Point>::new());
        for place in ranked.iter() {
            if place.positive() {
                above += 1;
            } else {
                others += 1;
            }
            if !place.ends_ties() {
                continue;
            }
            let point = Point {
                sensitivity: real(above) / real(positives),
                false_positives: real(others) / real(negatives),
                precision: real(above) / real(above + others),
            };
            let last = above + others == positives + negatives;
            if last || points.last().is_none_or(|before| point.is_away_from(before)) {
                points.push(point);
            }
        }
        points
    })
}

impl Point {
    /// Whether a line between the two can be seen.
    fn is_away_from(&self, other: &Self) -> bool {
        let steps = [
            self.sensitivity - other.sensitivity,
            self.false_positives - other.false_positives,
            self.precision - other.precision,
        ];
        steps.iter().any(|step| step.abs() >= VISIBLE)
    }
}

/// How many of the answers are wrong if only the surest are given (Geifman & El-Yaniv 2017).
#[derive(Debug, Clone, PartialEq)]
pub struct Selective {
    /// Coverage and the share of wrong answers, from the surest case on, where the top probability changes. It ends where the
    /// refusals begin: they have no probability.
    pub points: Vec<[f64; 2]>,
    /// The mean of that share over the numbers of cases that were answered: the area under the curve up to there.
    pub aurc: f64,
}

/// The curve of risk over coverage; none where every case was refused.
pub(crate) fn selective(table: &Table) -> Option<Selective> {
    let (mut points, mut wrong, mut sum, mut before) = (Vec::<[f64; 2]>::new(), 0_u64, 0.0, 0_u64);
    let (mut tied, mut here) = (0_u64, 0_u64);
    for place in table.by_top.iter() {
        tied += 1;
        here += u64::from(!place.positive());
        if !place.ends_ties() {
            continue;
        }
        // Cases of one probability have no order: on the way over them the wrong ones come at an even pace.
        for step in 1..=tied {
            sum += (real(wrong) + real(here) * real(step) / real(tied)) / real(before + step);
        }
        wrong += here;
        before += tied;
        (tied, here) = (0, 0);
        let point = [real(before) / real(table.len() as u64), real(wrong) / real(before)];
        let away = |last: &[f64; 2]| last.iter().zip(point).any(|(last, new)| (last - new).abs() >= VISIBLE);
        if before == table.by_top.len() as u64 || points.last().is_none_or(away) {
            points.push(point);
        }
    }
    (before > 0).then(|| Selective { points, aurc: sum / real(before) })
}

/// The net benefit of acting on the probability that a case is malignant (Vickers & Elkin 2006).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Benefit {
    /// The probability from which on somebody acts: at 0.2, four false alarms are as bad as one missed tumour.
    pub threshold: f64,
    /// Found tumours less false alarms in these terms, as a share of the cases.
    pub model: f64,
    /// The same of acting on everybody. Of acting on nobody it is 0.
    pub all: f64,
}

/// Net benefit at thresholds of 0.01 to 0.99, of the cases that were not refused: malignant is what is not normal, and its
/// probability the sum of the four. Empty where every case was refused.
pub(crate) fn decision(predictions: &Predictions) -> Vec<Benefit> {
    let mut cases: Vec<(f64, bool)> = predictions
        .probabilities
        .iter()
        .zip(&predictions.labels)
        .filter_map(|(p, label)| {
            let malignant = Class::ALL.iter().filter(|class| **class != Class::Normal);
            Some((
                malignant.map(|class| p.as_ref().map(|p| p[class.index()])).sum::<Option<f64>>()?,
                *label != Class::Normal,
            ))
        })
        .collect();
    if cases.is_empty() {
        return Vec::new();
    }
    cases.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let count = real(cases.len() as u64);
    let tumours = real(cases.iter().filter(|case| case.1).count() as u64);
    let mut found = Vec::with_capacity(cases.len() + 1);
    found.push(0_u64);
    for case in &cases {
        found.push(found[found.len() - 1] + u64::from(case.1));
    }
    (1_u32..100)
        .map(|percent| {
            let threshold = f64::from(percent) / 100.0;
            let above = cases.partition_point(|case| case.0 >= threshold);
            let hits = real(found[above]);
            let odds = threshold / (1.0 - threshold);
            Benefit {
                threshold,
                model: (hits - (real(above as u64) - hits) * odds) / count,
                all: (tumours - (count - tumours) * odds) / count,
            }
        })
        .collect()
}
