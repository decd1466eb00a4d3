//! Weighted decision-level fusion of logits.

use hilum_domain::{Metadata, PerClass, softmax, top};
use hilum_infer::MetadataManifest;

/// Logits and what they say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Raw, before temperature.
    pub logits: PerClass<f64>,
    /// softmax(logits / T).
    pub probabilities: PerClass<f64>,
}

impl Scores {
    /// The position of the most probable class.
    #[must_use]
    pub fn top(&self) -> usize {
        top(&self.probabilities)
    }
}

/// Scores of logits at a temperature (Guo et al. 2017): softmax(z / T).
#[must_use]
pub fn scores(logits: PerClass<f64>, temperature: f64) -> Scores {
    Scores { logits, probabilities: softmax(&logits.map(|logit| logit / temperature)) }
}

/// z = w_ct · z_ct + w_he · z_he.
#[must_use]
pub fn fuse(ct: &PerClass<f64>, he: &PerClass<f64>, [w_ct, w_he]: [f64; 2]) -> PerClass<f64> {
    std::array::from_fn(|class| w_ct * ct[class] + w_he * he[class])
}

/// What the encoder reads: standardised age, sex, smoking; 0, the cohort's mean, where a value is not known.
#[must_use]
pub fn standardised(metadata: &Metadata, manifest: &MetadataManifest) -> [f32; 3] {
    let values = metadata.encoded();
    std::array::from_fn(|index| {
        let value = values[index].map_or(0.0, |value| (value - manifest.mean[index]) / manifest.std[index]);
        #[expect(clippy::cast_possible_truncation, reason = "the encoder has single precision")]
        let single = value as f32;
        single
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_domain::{Age, Sex};

    #[test]
    fn probabilities_sum_to_one_and_temperature_flattens() {
        let sharp = scores([3.0, 1.0, 0.0, -1.0, 2.0], 1.0);
        let flat = scores([3.0, 1.0, 0.0, -1.0, 2.0], 4.0);
        for scores in [sharp, flat] {
            assert!((scores.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert_eq!(scores.top(), 0);
        }
        assert!(flat.probabilities[0] < sharp.probabilities[0]);
        assert!(scores([1e6, -1e6, 0.0, 0.0, 0.0], 0.1).probabilities.iter().all(|p| p.is_finite()));
    }

    #[test]
    fn weight_one_leaves_a_branch_as_it_is() {
        let (ct, he) = ([1.0, 2.0, 3.0, 4.0, 5.0], [9.0, 8.0, 7.0, 6.0, 5.0]);
        for (weights, want) in [([1.0, 0.0], ct), ([0.0, 1.0], he), ([0.5, 0.5], [5.0; 5])] {
            let fused = fuse(&ct, &he, weights);
            assert!(fused.iter().zip(want).all(|(found, want)| (found - want).abs() < 1e-12), "{fused:?}");
        }
    }

    #[test]
    fn unknown_values_stand_at_the_mean() {
        let manifest = MetadataManifest { mean: [65.0, 0.5, 1.0], std: [10.0, 0.5, 0.8] };
        let metadata = Metadata { age: Age::from_years(75.0).ok(), sex: Some(Sex::Male), ..Metadata::default() };
        let found = standardised(&metadata, &manifest);
        assert!(found.iter().zip([1.0, 1.0, 0.0]).all(|(found, want)| (found - want).abs() < 1e-6), "{found:?}");
    }
}
