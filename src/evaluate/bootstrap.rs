//! Bootstrap intervals: bias-corrected and accelerated (Efron 1987), by patient.

use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng as _, SeedableRng as _},
};
use rayon::prelude::*;

use crate::{figures::real, normal};

/// How often, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// How many resamples; none for 0.
    pub resamples: usize,
    /// Where the draws begin: the same seed gives the same intervals, whatever the number of threads.
    pub seed: u64,
}

impl Resampling {
    /// How many resamples there are if nobody says otherwise.
    pub const RESAMPLES: usize = 2000;
}

/// The ends of an interval that has its figure in 95 of 100 samples.
pub type Interval = [f64; 2];

const LEVEL: f64 = 0.95;
/// Patients are left out one by one as long as that is so many steps; beyond, by groups of equally many.
const STEPS_MOST: usize = 200_000_000;
const GROUPS_LEAST: usize = 200;
/// Of so many of the resamples a figure must be defined.
const DEFINED_LEAST: f64 = 0.9;

/// The intervals of several figures of one sample, by resampling patients with all of their cases.
///
/// `figures` gives them for what it is told of each case: how often it counts. None where a figure is not defined, or not in a tenth
/// of the resamples, where no resample has another value, and where all lie on one side of it (a calibration error of an honest model:
/// resamples are never as honest): there is no such interval then, and scipy says NaN.
pub(crate) fn intervals(
    patients: &[u32],
    patient_count: usize,
    figures: impl Fn(&[u32]) -> Vec<Option<f64>> + Sync,
    Resampling { resamples, seed }: Resampling,
) -> Vec<Option<Interval>> {
    let found = figures(&vec![1; patients.len()]);
    if resamples == 0 || patient_count < 2 {
        return vec![None; found.len()];
    }
    let weighed = |drawn: &[u32]| {
        let weights: Vec<u32> = patients.iter().map(|&patient| drawn[patient as usize]).collect();
        figures(&weights)
    };
    let drawn: Vec<Vec<Option<f64>>> = (0..resamples)
        .into_par_iter()
        .map(|resample| {
            // A stream of its own for each: which thread takes it makes no difference.
            let mut random = Pcg64Mcg::seed_from_u64(seed ^ (resample as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut counts = vec![0_u32; patient_count];
            for _ in 0..patient_count {
                counts[below(&mut random, patient_count)] += 1;
            }
            weighed(&counts)
        })
        .collect();
    let groups = groups(patient_count, patients.len());
    let left_out: Vec<Vec<Option<f64>>> = (0..groups)
        .into_par_iter()
        .map(|group| {
            weighed(&(0..patient_count).map(|patient| u32::from(patient % groups != group)).collect::<Vec<_>>())
        })
        .collect();
    (0..found.len())
        .map(|which| {
            let column = |rows: &[Vec<Option<f64>>]| rows.iter().filter_map(|row| row[which]).collect::<Vec<f64>>();
            accelerated(found[which]?, column(&drawn), &column(&left_out), resamples)
        })
        .collect()
}

/// How many groups of patients are left out, one at a time.
fn groups(patients: usize, cases: usize) -> usize {
    (STEPS_MOST / cases.max(1)).max(GROUPS_LEAST).min(patients)
}

/// A number from 0 to before `end`: Lemire's, without its bias (2019).
fn below(random: &mut Pcg64Mcg, end: usize) -> usize {
    let end = end as u64;
    loop {
        let product = u128::from(random.next_u64()) * u128::from(end);
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is what decides whether it is taken")]
        let low = product as u64;
        if low >= end || low >= end.wrapping_neg() % end {
            #[expect(clippy::cast_possible_truncation, reason = "below `end`")]
            return (product >> 64) as usize;
        }
    }
}

/// The interval of one figure, from what it is in the resamples and without each patient.
fn accelerated(found: f64, mut drawn: Vec<f64>, left_out: &[f64], resamples: usize) -> Option<Interval> {
    if real(drawn.len() as u64) < DEFINED_LEAST * real(resamples as u64) {
        return None;
    }
    drawn.sort_unstable_by(f64::total_cmp);
    let (least, most) = (drawn[0], drawn[drawn.len() - 1]);
    if most - least <= 1e-12 * most.abs() {
        return None;
    }
    let count = real(drawn.len() as u64);
    let under = real(drawn.partition_point(|&one| one < found) as u64);
    let up_to = real(drawn.partition_point(|&one| one <= found) as u64);
    let bias = normal::quantile((under + up_to) / (2.0 * count));
    if !bias.is_finite() {
        return None;
    }
    let mean = left_out.iter().sum::<f64>() / real(left_out.len() as u64);
    let power = |power: i32| left_out.iter().map(|one| (mean - one).powi(power)).sum::<f64>();
    let spread = power(2);
    let acceleration = if spread > 0.0 { power(3) / (6.0 * spread.powf(1.5)) } else { 0.0 };
    let end = |probability: f64| {
        let z = bias + normal::quantile(probability);
        at_share(&drawn, normal::below(bias + z / (1.0 - acceleration * z)))
    };
    let interval = [end((1.0 - LEVEL) / 2.0), end(f64::midpoint(1.0, LEVEL))];
    (interval[0] <= found && found <= interval[1]).then_some(interval)
}

/// The interval of a share of which all or none of the patients are: exact, for no resample has another (Clopper & Pearson 1934).
pub(crate) fn all_or_none(share: f64, patients: usize) -> Option<Interval> {
    let far = ((1.0 - LEVEL) / 2.0).powf(1.0 / real(patients as u64));
    match share {
        1.0 => Some([far, 1.0]),
        0.0 => Some([0.0, 1.0 - far]),
        _ => None,
    }
}

/// What has this share of sorted values below it, linear between them.
fn at_share(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    let place = share.clamp(0.0, 1.0) * real(last as u64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the last")]
    let before = place.floor() as usize;
    let after = (before + 1).min(last);
    sorted[before] + (sorted[after] - sorted[before]) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patients_are_left_out_one_by_one_or_in_groups() {
        assert_eq!(groups(10_000, 10_000), 10_000);
        assert_eq!(groups(1_000_000, 1_000_000), 200);
        assert_eq!(groups(100_000, 100_000), 2000);
        // Few patients of very many cases.
        assert_eq!(groups(100, 3_000_000), 100);
        assert_eq!(groups(1, 0), 1);
    }

    #[test]
    fn groups_accelerate_as_single_patients_do() {
        // A figure that is skewed: the mean of exponential values. By groups of 50, its interval is all but the same.
        let patients: Vec<u32> = (0..10_000).collect();
        let values: Vec<f64> = patients.iter().map(|&at| -((f64::from(at) + 0.5) / 10_000.0).ln()).collect();
        let mean = |weights: &[u32]| {
            let (sum, count) = weights.iter().zip(&values).fold((0.0, 0.0), |(sum, count), (&times, value)| {
                (sum + f64::from(times) * value, count + f64::from(times))
            });
            Some(sum / count)
        };
        let left_out = |groups: usize| -> Vec<f64> {
            let order = |at: usize| (at * 7919) % 10_000 % groups;
            let weights = |group| (0..10_000).map(|at| u32::from(order(at) != group)).collect::<Vec<_>>();
            (0..groups).filter_map(|group| mean(&weights(group))).collect()
        };
        let of = |mut random: Pcg64Mcg| {
            let mut counts = vec![0; 10_000];
            (0..10_000).for_each(|_| counts[below(&mut random, 10_000)] += 1);
            mean(&counts).expect("defined")
        };
        let drawn: Vec<f64> = (0..500).map(|seed| of(Pcg64Mcg::seed_from_u64(seed))).collect();
        let found = mean(&[1; 10_000]).expect("defined");
        let [one, many] =
            [10_000, 200].map(|groups| accelerated(found, drawn.clone(), &left_out(groups), 500).expect("an interval"));
        for (one, many) in one.iter().zip(many) {
            assert!((one - many).abs() < 1e-3, "{one} and {many}");
        }
    }

    #[test]
    fn what_has_no_interval() {
        let left_out = [0.4, 0.5, 0.6];
        assert_eq!(accelerated(0.5, vec![0.5; 100], &left_out, 100), None, "no resample differs");
        assert_eq!(accelerated(0.0, (1..=100).map(f64::from).collect(), &left_out, 100), None, "all are above");
        assert_eq!(accelerated(0.5, vec![0.4, 0.6], &left_out, 100), None, "it is hardly ever defined");
    }

    #[test]
    fn all_right_is_no_certainty() {
        let close = |found: Option<Interval>, wanted: Interval| {
            let found = found.expect("an interval");
            assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-12), "{found:?}");
        };
        // scipy 1.17.1: binomtest(30, 30).proportion_ci(method="exact"), and of 0.
        close(all_or_none(1.0, 30), [0.884_296_691_777_972_5, 1.0]);
        close(all_or_none(0.0, 30), [0.0, 0.115_703_308_222_027_5]);
        assert_eq!(all_or_none(0.5, 30), None);
    }
}
