//! The vectors of Vahadane et al., "Structure-preserving color normalization and sparse stain separation for histological images",
//! IEEE TMI 2016: sparse non-negative matrix factorisation, so that a pixel is explained by as little dye as will do.
//!
//! Minimised is ½ Σ |v − W h|² + λ Σ (h₁ + h₂) over densities v, with W ≥ 0 of unit columns and h ≥ 0: what scikit-learn's
//! `DictionaryLearning` minimises (`alpha` 0.1, `positive_code`, `positive_dict`, a sample a pixel). λ and the lightness below which a pixel
//! is learnt from, 0.8 of white's, are those of StainTools and `tiatoolbox`. The latter hands over the transposed matrix, which makes
//! the vectors sparse instead of the amounts, and may give a dye that brightens: that is not followed.

use rayon::prelude::*;

use super::{Degenerate, MIN_ANGLE_DEG, StainMatrix, angle_between_deg, density::Density};
use crate::{Random, dot, length};

/// λ, the price of a unit of dye.
const PRICE: f64 = 0.1;
/// Relative luminance of L\* 80: ((80 + 16) / 116)³.
const BRIGHTEST: f32 = 0.566_8;
/// Pixels from which the vectors are learnt, or at most one a block more.
const SAMPLE: usize = 16_384;
/// Pixels a thread takes at once.
const SHARE: usize = 2_048;
/// Rounds at most.
const ROUNDS: usize = 400;
/// Vectors that turn less than this in a round have arrived, in degrees.
const ARRIVED_DEG: f64 = 5e-4;

/// The stain vectors, from those of `start` (Macenko's) on: the problem has more than one minimum.
pub(super) fn vectors(
    blocks: &[&[[u8; 3]]],
    density: &Density,
    start: &StainMatrix,
) -> Result<StainMatrix, Degenerate> {
    let sample = sample(blocks, density);
    let mut stains = [0, 1].map(|stain| unit_above_zero(std::array::from_fn(|channel| start[channel][stain])));
    for _ in 0..ROUNDS {
        let shares: Vec<Learnt> = sample.par_chunks(SHARE).map(|share| Learnt::of(share, &stains)).collect();
        let learnt = shares.into_iter().fold(Learnt::default(), Learnt::add);
        let before = stains;
        for stain in 0..2 {
            let used = learnt.of_stains[stain][stain];
            if used <= f64::MIN_POSITIVE {
                return Err(Degenerate::OneStain { angle_deg: 0.0 });
            }
            // The best vector while the other one and all amounts are held.
            stains[stain] = unit_above_zero(std::array::from_fn(|channel| {
                let explained: f64 = (0..2).map(|other| stains[other][channel] * learnt.of_stains[other][stain]).sum();
                stains[stain][channel] + (learnt.of_density[stain][channel] - explained) / used
            }));
        }
        let turned = (0..2).map(|stain| angle_between_deg(before[stain], stains[stain])).fold(0.0, f64::max);
        if turned < ARRIVED_DEG {
            break;
        }
    }
    let [first, second] = stains;
    let angle_deg = angle_between_deg(first, second);
    if !angle_deg.is_finite() || angle_deg < MIN_ANGLE_DEG {
        return Err(Degenerate::OneStain { angle_deg });
    }
    let (h, e) = if first[0] > second[0] { (first, second) } else { (second, first) };
    Ok(std::array::from_fn(|channel| [h[channel], e[channel]]))
}

fn unit_above_zero(vector: [f64; 3]) -> [f64; 3] {
    let vector = vector.map(|part| part.max(0.0));
    let length = length(vector);
    vector.map(|part| part / length)
}

/// Densities of dark pixels, spread evenly over all of them: one of each stretch, at a place drawn by a fixed seed, as even steps
/// would meet the same columns of a picture again and again.
fn sample(blocks: &[&[[u8; 3]]], density: &Density) -> Vec<[f64; 3]> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "single precision will do")]
    let luminance: [[f32; 256]; 3] = [0.212_671, 0.715_160, 0.072_169].map(|weight| {
        std::array::from_fn(|level| {
            let level = level as f64 / 255.0;
            let linear = if level > 0.040_45 { libm::pow((level + 0.055) / 1.055, 2.4) } else { level / 12.92 };
            (weight * linear) as f32
        })
    });
    let is_dark = |[r, g, b]: [u8; 3]| {
        luminance[0][usize::from(r)] + luminance[1][usize::from(g)] + luminance[2][usize::from(b)] < BRIGHTEST
    };
    let counts: Vec<usize> =
        blocks.par_iter().map(|block| block.iter().filter(|pixel| is_dark(**pixel)).count()).collect();
    let stretch = counts.iter().sum::<usize>().div_ceil(SAMPLE).max(1);
    let drawn: Vec<Vec<[f64; 3]>> = blocks
        .par_iter()
        .enumerate()
        .map(|(index, block)| {
            let mut random = Random::new(index as u64, "stain sample");
            let mut sample = Vec::with_capacity(counts[index] / stretch + 1);
            let mut wanted = random.below(stretch);
            for (rank, pixel) in block.iter().filter(|pixel| is_dark(**pixel)).enumerate() {
                if rank == wanted {
                    sample.push(density.of(*pixel).map(|density| density.max(0.0)));
                    wanted = (rank / stretch + 1) * stretch + random.below(stretch);
                }
            }
            sample
        })
        .collect();
    drawn.concat()
}

/// Of all pixels with the amounts that explain them best: Σ h hᵀ and Σ h vᵀ.
#[derive(Default)]
struct Learnt {
    of_stains: [[f64; 2]; 2],
    of_density: [[f64; 3]; 2],
}

impl Learnt {
    fn of(share: &[[f64; 3]], stains: &[[f64; 3]; 2]) -> Self {
        let alike = dot(stains[0], stains[1]);
        let rest = (1.0 - alike * alike).max(f64::MIN_POSITIVE);
        let mut learnt = Self::default();
        for density in share {
            let [first, second] = stains.map(|stain| dot(stain, *density) - PRICE);
            // With two stains the best amounts are known: both, one alone, or none.
            let amounts = if first <= alike * second.max(0.0) {
                [0.0, second.max(0.0)]
            } else if second <= alike * first.max(0.0) {
                [first.max(0.0), 0.0]
            } else {
                [(first - alike * second) / rest, (second - alike * first) / rest]
            };
            for stain in 0..2 {
                for other in 0..2 {
                    learnt.of_stains[stain][other] += amounts[stain] * amounts[other];
                }
                for (sum, density) in learnt.of_density[stain].iter_mut().zip(density) {
                    *sum += amounts[stain] * density;
                }
            }
        }
        learnt
    }

    fn add(mut self, other: Self) -> Self {
        for stain in 0..2 {
            for index in 0..2 {
                self.of_stains[stain][index] += other.of_stains[stain][index];
            }
            for channel in 0..3 {
                self.of_density[stain][channel] += other.of_density[stain][channel];
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stain::{
        density::blocks,
        tests::{between_deg, mixed, pair},
    };

    #[test]
    fn vectors_that_were_mixed_in_are_found_again() {
        let matrix = pair([0.65, 0.70, 0.29], [0.27, 0.85, 0.45]);
        // As in tissue, each dye has its places.
        let [nuclei, matrix_of_tissue] = [[1.6, 0.1], [0.1, 1.2]].map(|strength| mixed(&matrix, strength));
        let start = pair([0.60, 0.70, 0.40], [0.35, 0.80, 0.45]);
        let parts = [nuclei.as_raw().as_slice(), matrix_of_tissue.as_raw()];
        let found = vectors(&blocks(&parts), &Density::table(), &start).expect("two stains");
        for stain in 0..2 {
            let apart = between_deg(&found, &matrix, stain);
            assert!(apart < 2.0, "stain {stain} is {apart} degrees away");
        }
        assert!(found.as_flattened().iter().all(|part| *part >= 0.0));
    }

    #[test]
    fn a_sample_is_the_same_again_and_no_larger_than_it_may_be() {
        let image = mixed(&pair([0.65, 0.70, 0.29], [0.27, 0.85, 0.45]), [1.6, 1.2]);
        let many = image.as_raw().repeat(7);
        let blocks = blocks(&[&many]);
        let found = sample(&blocks, &Density::table());
        assert_eq!(found, sample(&blocks, &Density::table()));
        assert!((SAMPLE / 2..=SAMPLE + blocks.len()).contains(&found.len()), "{}", found.len());
    }
}
