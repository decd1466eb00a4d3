//! Two models on the same cases: DeLong's test and McNemar's.

use std::collections::HashMap;

use crate::{
    Predictions,
    figures::real,
    normal::{heads, two_sided},
    table::{Ranked, Table},
};

/// Why two tables cannot be compared. Says nothing of a case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPair {
    /// The tables are of other cases.
    #[error("the tables are of other cases: {only_first} are in the first alone, {only_second} in the second alone")]
    Cases {
        /// How many are in the first alone.
        only_first: usize,
        /// How many are in the second alone.
        only_second: usize,
    },
    /// The tables know another truth.
    #[error("{0} cases have another label in the second table")]
    Labels(usize),
    /// The tables know other patients.
    #[error("{0} cases are another patient's in the second table")]
    Patients(usize),
}

/// One class's areas under two correlated ROC curves (DeLong 1988, by Sun & Xu 2014).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delong {
    /// The areas.
    pub auc: [f64; 2],
    /// Their variances.
    pub variance: [f64; 2],
    /// Their covariance.
    pub covariance: f64,
    /// The difference in standard errors; none where the difference has no spread.
    pub z: Option<f64>,
    /// P of a difference at least as large, if there were none; two-sided, unadjusted.
    pub p: Option<f64>,
}

/// Which of two models is right more often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mcnemar {
    /// Cases that the first alone got right; a refused one is not right.
    pub first_only: u64,
    /// Cases that the second alone got right.
    pub second_only: u64,
    /// P by the binomial distribution, two-sided.
    pub exact_p: f64,
    /// The same less half of the probability of what was found (Fagerland 2013).
    pub mid_p: f64,
}

/// The second table in the order of the first.
///
/// # Errors
/// [`NoPair`] if the cases, their labels or their patients differ.
pub fn aligned(first: &Predictions, second: &Predictions) -> Result<Predictions, NoPair> {
    let places: HashMap<&str, usize> = second.case_ids.iter().enumerate().map(|(at, id)| (&**id, at)).collect();
    let order: Vec<Option<usize>> = first.case_ids.iter().map(|id| places.get(&**id).copied()).collect();
    let only_first = order.iter().filter(|place| place.is_none()).count();
    let only_second = second.len() - (first.len() - only_first);
    if only_first + only_second > 0 {
        return Err(NoPair::Cases { only_first, only_second });
    }
    let order: Vec<usize> = order.into_iter().flatten().collect();
    let other = (0..first.len()).filter(|&at| first.labels[at] != second.labels[order[at]]).count();
    if other > 0 {
        return Err(NoPair::Labels(other));
    }
    // Patients have numbers in the order in which they come: the same cases make the same groups, or do not.
    let mut numbers = vec![None; second.patient_count];
    let mut known = vec![None; first.patient_count];
    let strange = (0..first.len()).filter(|&at| {
        let (here, there) = (first.patients[at], second.patients[order[at]]);
        let number = *numbers[there as usize].get_or_insert(here);
        let back = *known[here as usize].get_or_insert(there);
        number != here || back != there
    });
    let strange = strange.count();
    if strange > 0 {
        return Err(NoPair::Patients(strange));
    }
    Ok(Predictions {
        case_ids: first.case_ids.clone(),
        patients: first.patients.clone(),
        patient_count: first.patient_count,
        labels: first.labels.clone(),
        probabilities: order.iter().map(|&at| second.probabilities[at]).collect(),
        metadata: order.iter().map(|&at| second.metadata[at]).collect(),
        has_refusals: second.has_refusals,
    })
}

/// The cases that neither refused.
pub(crate) fn covered(first: &Predictions, second: &Predictions) -> Vec<u32> {
    let both = |at: &u32| {
        let at = *at as usize;
        first.probabilities[at].is_some() && second.probabilities[at].is_some()
    };
    (0..u32::try_from(first.len()).expect("checked when read")).filter(both).collect()
}

/// DeLong's test for one class, of two tables of the same cases in the same order, none of them refused; none for a class without
/// two cases in it and two outside.
pub(crate) fn delong(tables: [&Table; 2], class: usize) -> Option<Delong> {
    let positive = |at: usize| usize::from(tables[0].labels[at]) == class;
    let cases = tables[0].len();
    let positives = (0..cases).filter(|&at| positive(at)).count();
    let negatives = cases - positives;
    if positives < 2 || negatives < 2 {
        return None;
    }
    let counts = [positives, negatives].map(|count| real(count as u64));
    let places = tables.map(|table| placements(&table.ranked[class], cases, counts));
    // The mean placement of either group is the area.
    let auc = places
        .each_ref()
        .map(|places| (0..cases).filter(|&at| positive(at)).map(|at| places[at]).sum::<f64>() / counts[0]);
    // Of the positive and of the negative cases: sums of squares of the first, of the second, of products.
    let mut sums = [[0.0; 3]; 2];
    for at in 0..cases {
        let [a, b] = [0, 1].map(|model: usize| places[model][at] - auc[model]);
        let sums = &mut sums[usize::from(!positive(at))];
        sums[0] += a * a;
        sums[1] += b * b;
        sums[2] += a * b;
    }
    let of = |which: usize| -> f64 {
        sums.iter().zip(counts).map(|(sums, count)| sums[which] / (count - 1.0) / count).sum()
    };
    let (variance, covariance) = ([of(0), of(1)], of(2));
    let difference = auc[0] - auc[1];
    let spread = variance[0] + variance[1] - 2.0 * covariance;
    // Rounding leaves a trace of a spread that is none.
    let none = spread <= 1e-12 * (variance[0] + variance[1]);
    let z = (!none).then(|| difference / spread.sqrt());
    let p = if none { (difference.abs() < 1e-12).then_some(1.0) } else { z.map(two_sided) };
    Some(Delong { auc, variance, covariance, z, p })
}

/// Of each positive case, the share of negative ones below it; of each negative, the share of positive ones above it; ties
/// count half. Counts of the positive and the negative.
fn placements(ranked: &Ranked, cases: usize, [positives, negatives]: [f64; 2]) -> Vec<f64> {
    let mut places = vec![0.0; cases];
    let mut tied = Vec::new();
    let (mut above, mut negatives_above) = (0_u64, 0_u64);
    for place in ranked.iter() {
        tied.push(place);
        if place.ends_ties() {
            let here = tied.iter().filter(|place| place.positive()).count() as u64;
            let others = tied.len() as u64 - here;
            let of_positive = (negatives - real(negatives_above) - real(others) / 2.0) / negatives;
            let of_negative = (real(above) + real(here) / 2.0) / positives;
            for place in tied.drain(..) {
                places[place.case()] = if place.positive() { of_positive } else { of_negative };
            }
            above += here;
            negatives_above += others;
        }
    }
    places
}

/// McNemar's test, of two tables of the same cases in the same order; what is refused is not right.
pub(crate) fn mcnemar([first, second]: [&Table; 2]) -> Mcnemar {
    let right = |of: &Table, at: usize| of.predicted[at] == of.labels[at];
    let count = |a: &Table, b: &Table| (0..first.len()).filter(|&at| right(a, at) && !right(b, at)).count();
    let [first_only, second_only] = [count(first, second), count(second, first)].map(|count| count as u64);
    let (exactly, at_most) = heads(first_only.min(second_only), first_only + second_only);
    Mcnemar { first_only, second_only, exact_p: (2.0 * at_most).min(1.0), mid_p: (2.0 * at_most - exactly).min(1.0) }
}

/// P values adjusted for how many there are (Holm 1979), in their order.
pub(crate) fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&at| p[at].is_some()).collect();
    order.sort_by(|&a, &b| p[a].unwrap_or(1.0).total_cmp(&p[b].unwrap_or(1.0)));
    let mut adjusted = vec![None; p.len()];
    let mut least = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        least = least.max(p[at].unwrap_or(1.0) * real((order.len() - rank) as u64)).min(1.0);
        adjusted[at] = Some(least);
    }
    adjusted
}
