//! The vectors of Macenko et al., "A method for normalizing histology slides for quantitative analysis", ISBI 2009.
//!
//! Constants and conventions are those of the reference implementation `torchstain` (numpy back end): I0 240,
//! OD = −ln((I + 1) / I0), β 0.15 in all three channels, α 1.

use fearless_simd::{Simd, f32x8, prelude::*};
use rayon::prelude::*;

use super::{
    ALPHA, Degenerate, LEAST_DENSITY, MIN_ANGLE_DEG, MIN_PIXELS, StainMatrix, angle_between_deg,
    density::Density,
    histogram::{Measure, histograms},
};
use crate::eigen::symmetric_3x3;

/// The stain vectors of the pixels with OD ≥ β in every channel.
pub(super) fn vectors(blocks: &[&[[u8; 3]]], density: &Density) -> Result<StainMatrix, Degenerate> {
    // Sums of floats depend on their order: the blocks' are added in the blocks' order, whatever the threads do.
    let moments: Vec<Moments> = blocks.par_iter().map(|block| Moments::of(block, density)).collect();
    let moments = moments.into_iter().fold(Moments::default(), Moments::add);
    let plane = moments.plane()?;
    // The angle of a pixel in the plane of the two main directions, as `torchstain` takes it: atan2(major, minor).
    let projected = density.projected_stained(plane);
    let [angles] = histograms(blocks, &projected, &PseudoAngle);
    between(plane, [ALPHA, 100.0 - ALPHA].map(|percent| angle_of_pseudo(angles.percentile(percent))))
}

/// The stain vectors that lie at two angles, in radians, in the plane of the minor and the major direction.
pub(super) fn between([minor, major]: [[f64; 3]; 2], angles: [f64; 2]) -> Result<StainMatrix, Degenerate> {
    let [first, second] = angles.map(|angle| -> [f64; 3] {
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        std::array::from_fn(|channel| minor[channel] * cos + major[channel] * sin)
    });
    let (h, e) = if first[0] > second[0] { (first, second) } else { (second, first) };
    let angle_deg = angle_between_deg(h, e);
    if !angle_deg.is_finite() || angle_deg < MIN_ANGLE_DEG {
        return Err(Degenerate::OneStain { angle_deg });
    }
    let least = h.into_iter().chain(e).fold(f64::INFINITY, f64::min);
    if least < LEAST_DENSITY {
        return Err(Degenerate::Negative { least });
    }
    Ok(std::array::from_fn(|channel| [h[channel], e[channel]]))
}

/// Sums over stained pixels from which the covariance follows.
#[derive(Default)]
pub(super) struct Moments {
    /// How many pixels, or their weight.
    count: f64,
    sum: [f64; 3],
    product: [[f64; 3]; 3],
}

impl Moments {
    fn of(block: &[[u8; 3]], density: &Density) -> Self {
        const WIDE: usize = 256;
        let mut moments = Self::default();
        let mut stained = [[0; 3]; WIDE];
        for pixels in block.chunks(WIDE) {
            let count = density.keep_stained(pixels, &mut stained);
            for pixel in &stained[..count] {
                let od = density.of(*pixel);
                moments.count += 1.0;
                for row in 0..3 {
                    moments.sum[row] += od[row];
                    for column in row..3 {
                        moments.product[row][column] += od[row] * od[column];
                    }
                }
            }
        }
        moments
    }

    /// Takes in what weighs as much as so many pixels.
    pub(super) fn take_weighed(&mut self, od: [f64; 3], weight: f64) {
        self.count += weight;
        for row in 0..3 {
            self.sum[row] += weight * od[row];
            for column in row..3 {
                self.product[row][column] += weight * od[row] * od[column];
            }
        }
    }

    fn add(mut self, other: Self) -> Self {
        self.count += other.count;
        for row in 0..3 {
            self.sum[row] += other.sum[row];
            for column in 0..3 {
                self.product[row][column] += other.product[row][column];
            }
        }
        self
    }

    /// The sample covariance (divisor n − 1).
    fn covariance(&self) -> [[f64; 3]; 3] {
        std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                let product = self.product[row.min(column)][row.max(column)];
                (product - self.sum[row] * self.sum[column] / self.count) / (self.count - 1.0)
            })
        })
    }

    /// The directions of the second largest and of the largest variance, the latter with a positive sum.
    pub(super) fn plane(&self) -> Result<[[f64; 3]; 2], Degenerate> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, far below 2^52")]
        let found = self.count as usize;
        if found < MIN_PIXELS {
            return Err(Degenerate::TooFewPixels { found });
        }
        let [_, (_, minor), (_, major)] = symmetric_3x3(self.covariance());
        // An eigenvector's sign is arbitrary; densities are positive, so this one keeps the angles away from ±180°.
        let major = if major.iter().sum::<f64>() < 0.0 { major.map(|part| -part) } else { major };
        Ok([minor, major])
    }
}

/// A number in [−2, 2] that grows with atan2(y, x) and needs one division.
pub(super) struct PseudoAngle;

impl Measure<1> for PseudoAngle {
    const RANGE: (f32, f32) = (-2.0, 2.0);

    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, x: f32x8<S>, y: f32x8<S>) -> [f32x8<S>; 1] {
        let along = x / (x.abs() + y.abs()).max(f32x8::splat(simd, f32::MIN_POSITIVE));
        let one = f32x8::splat(simd, 1.0);
        [y.simd_ge(f32x8::splat(simd, 0.0)).select(one - along, along - one)]
    }
}

/// [`PseudoAngle`] of one pair.
pub(super) fn pseudo_angle(x: f64, y: f64) -> f64 {
    let along = x / (x.abs() + y.abs()).max(f64::MIN_POSITIVE);
    if y >= 0.0 { 1.0 - along } else { along - 1.0 }
}

/// The angle whose [`PseudoAngle`] is `pseudo`, in radians.
pub(super) fn angle_of_pseudo(pseudo: f64) -> f64 {
    let (x, sign) = if pseudo >= 0.0 { (1.0 - pseudo, 1.0) } else { (pseudo + 1.0, -1.0) };
    libm::atan2(sign * (1.0 - x.abs()), x)
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    #[test]
    fn pseudo_angles_keep_the_order_and_turn_back() {
        let mut last = f32::NEG_INFINITY;
        for degree in -179..=180_i16 {
            let angle = f64::from(degree).to_radians();
            #[expect(clippy::cast_possible_truncation, reason = "test")]
            let [x, y] = [libm::cos(angle) as f32, libm::sin(angle) as f32];
            let pseudo = dispatch!(Level::new(), simd => {
                PseudoAngle.of(simd, f32x8::splat(simd, x), f32x8::splat(simd, y))[0].to_array()[3]
            });
            assert!(pseudo > last, "{degree}");
            assert!((angle_of_pseudo(f64::from(pseudo)) - angle).abs() < 1e-5, "{degree}");
            assert!((pseudo_angle(f64::from(x), f64::from(y)) - f64::from(pseudo)).abs() < 1e-6, "{degree}");
            last = pseudo;
        }
    }
}
