//! Macenko stain estimation and normalisation.
//!
//! Macenko et al., "A method for normalizing histology slides for quantitative analysis", ISBI 2009, with the
//! constants and conventions of the reference implementation `torchstain` (numpy back end): I0 240,
//! OD = −ln((I + 1) / I0), β 0.15 in all three channels, α 1, output truncated to whole levels.

use image::RgbImage;
use rayon::prelude::*;

use crate::{cross, dot, eigen::symmetric_3x3};

/// Transmitted intensity through clear glass.
pub const I0: f64 = 240.0;
/// The optical density below which a channel counts as glass.
pub const BETA: f64 = 0.15;
/// Robust extremes: the `ALPHA`-th and (100 − `ALPHA`)-th percentile of the angle.
pub const ALPHA: f64 = 1.0;
/// The percentile of a stain's concentration that counts as its maximum.
const MAX_PERCENTILE: f64 = 99.0;
/// Reference stain vectors: `REFERENCE[channel][stain]`, stains H then E.
pub const REFERENCE: StainMatrix = [[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]];
/// Reference maximum concentrations, H then E.
pub const REFERENCE_MAX: [f64; 2] = [1.9705, 1.0308];
/// Fewer stained pixels than this tell nothing about a stain.
const MIN_PIXELS: usize = 500;
/// Two stains closer than this cannot be told apart. Real H&E shows 15° to 45°.
const MIN_ANGLE_DEG: f64 = 4.0;

/// Optical density of each stain in R, G, B: `[channel][stain]`, stains H then E, columns of unit length.
pub type StainMatrix = [[f64; 2]; 3];

/// The stains of a picture, or of all fields of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stains {
    /// The two stain vectors.
    pub matrix: StainMatrix,
    /// The 99th percentile of each stain's concentration, H then E.
    pub max_concentration: [f64; 2],
}

/// Why no stains could be estimated.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Degenerate {
    /// Nearly all of it is glass.
    #[error("only {found} pixels are stained, {MIN_PIXELS} are needed")]
    TooFewPixels {
        /// Stained pixels found.
        found: usize,
    },
    /// All stained pixels have one hue.
    #[error("the two stains are only {angle_deg:.1} degrees apart")]
    OneStain {
        /// The angle between the estimated vectors.
        angle_deg: f64,
    },
    /// A stain has no positive concentration.
    #[error("a stain's largest concentration is not positive")]
    NoConcentration,
}

impl Stains {
    /// Stains of one picture: vectors from its pixels with OD ≥ β in every channel, maxima over all its pixels.
    ///
    /// # Errors
    /// [`Degenerate`] if no two stains can be told apart.
    pub fn of_image(image: &RgbImage) -> Result<Self, Degenerate> {
        Self::of_pixels(&[image.as_raw()])
    }

    /// Stains of pixels gathered from anywhere: each slice holds R, G, B bytes.
    ///
    /// # Errors
    /// [`Degenerate`] if no two stains can be told apart.
    pub fn of_pixels(parts: &[&[u8]]) -> Result<Self, Degenerate> {
        let density = Density::table();
        let blocks: Vec<&[u8]> = parts.iter().flat_map(|part| part.chunks(BLOCK)).collect();
        let moments =
            blocks.par_iter().map(|block| Moments::of(block, &density)).reduce(Moments::default, Moments::add);
        if moments.count < MIN_PIXELS {
            return Err(Degenerate::TooFewPixels { found: moments.count });
        }
        let [_, (_, minor), (_, major)] = symmetric_3x3(moments.covariance());
        // An eigenvector's sign is arbitrary; densities are positive, so this one keeps the angles away from ±180°.
        let major = if major.iter().sum::<f64>() < 0.0 { major.map(|part| -part) } else { major };
        // The angle of a pixel in the plane of the two main directions, as `torchstain` takes it: atan2(major, minor).
        let project = density.projected([minor, major]);
        let angles = gather(&blocks, |pixel| {
            density.is_stained(pixel).then(|| {
                let [along_minor, along_major] = project.of(pixel);
                pseudo_angle(along_minor, along_major)
            })
        });
        let [low, high] = percentiles(&angles, [ALPHA, 100.0 - ALPHA], angle_of_pseudo);
        let towards = |angle: f64| -> [f64; 3] {
            let (sin, cos) = (libm::sin(angle), libm::cos(angle));
            std::array::from_fn(|channel| minor[channel] * cos + major[channel] * sin)
        };
        let (first, second) = (towards(low), towards(high));
        let (h, e) = if first[0] > second[0] { (first, second) } else { (second, first) };
        let angle_deg = angle_between_deg(h, e);
        if !angle_deg.is_finite() || angle_deg < MIN_ANGLE_DEG {
            return Err(Degenerate::OneStain { angle_deg });
        }
        let matrix: StainMatrix = std::array::from_fn(|channel| [h[channel], e[channel]]);
        let unmix = density.projected(pseudo_inverse(&matrix));
        let max_concentration = [0, 1].map(|stain: usize| {
            let concentrations = gather(&blocks, |pixel| Some(unmix.of(pixel)[stain]));
            percentiles(&concentrations, [MAX_PERCENTILE], f64::from)[0]
        });
        if max_concentration.iter().any(|&max| max.is_nan() || max <= 1e-3) {
            return Err(Degenerate::NoConcentration);
        }
        Ok(Self { matrix, max_concentration })
    }

    /// The largest angle between an estimated stain vector and its reference, in degrees.
    #[must_use]
    pub fn distance_deg(&self) -> f64 {
        let column = |matrix: &StainMatrix, stain: usize| -> [f64; 3] { std::array::from_fn(|c| matrix[c][stain]) };
        (0..2)
            .map(|stain| angle_between_deg(column(&self.matrix, stain), column(&REFERENCE, stain)))
            .fold(0.0, f64::max)
    }

    /// A picture of these stains as it would look with the reference stains, level by level.
    #[must_use]
    pub fn normalise(&self, image: &RgbImage) -> RgbImage {
        let unmix = pseudo_inverse(&self.matrix);
        // Unmix, scale each concentration to the reference's maximum, mix with the reference: one 3×3 matrix.
        let to_reference: [[f64; 3]; 3] = std::array::from_fn(|out| {
            std::array::from_fn(|channel| {
                (0..2)
                    .map(|s| REFERENCE[out][s] * REFERENCE_MAX[s] / self.max_concentration[s] * unmix[s][channel])
                    .sum::<f64>()
            })
        });
        let transform = Density::table().projected(to_reference);
        let mut normalised = RgbImage::new(image.width(), image.height());
        let target: &mut [u8] = &mut normalised;
        target.par_chunks_mut(BLOCK).zip(image.as_raw().par_chunks(BLOCK)).for_each(|(out, block)| {
            for (to, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(block.as_chunks::<3>().0) {
                *to = transform.of(pixel).map(transmitted_level);
            }
        });
        normalised
    }
}

/// Bytes a thread takes at once; a whole number of pixels.
const BLOCK: usize = 3 * 16_384;

/// The optical density of each of the 256 levels.
struct Density([f64; 256]);

impl Density {
    fn table() -> Self {
        #[expect(clippy::cast_precision_loss, reason = "0 to 255")]
        let density = std::array::from_fn(|level| -libm::log((level as f64 + 1.0) / I0));
        Self(density)
    }

    /// The level at and below which a channel has OD ≥ β: density falls with the level.
    fn is_stained(&self, pixel: &[u8; 3]) -> bool {
        pixel.iter().all(|&level| self.0[usize::from(level)] >= BETA)
    }

    /// The table form of `rows · OD`.
    fn projected<const N: usize>(&self, rows: [[f64; 3]; N]) -> Projected<N> {
        #[expect(clippy::cast_possible_truncation, reason = "single precision is plenty for 8-bit levels")]
        let of = |channel: usize, level: usize| rows.map(|row| (row[channel] * self.0[level]) as f32);
        Projected(std::array::from_fn(|channel| std::array::from_fn(|level| of(channel, level))))
    }
}

/// A linear map of a pixel's optical densities, as three look-ups and two additions.
struct Projected<const N: usize>([[[f32; N]; 256]; 3]);

impl<const N: usize> Projected<N> {
    fn of(&self, pixel: &[u8; 3]) -> [f32; N] {
        let [r, g, b] = [0, 1, 2].map(|channel: usize| &self.0[channel][usize::from(pixel[channel])]);
        std::array::from_fn(|n| r[n] + g[n] + b[n])
    }
}

/// Sums over stained pixels from which the covariance follows.
#[derive(Default)]
struct Moments {
    count: usize,
    sum: [f64; 3],
    product: [[f64; 3]; 3],
}

impl Moments {
    fn of(block: &[u8], density: &Density) -> Self {
        let mut moments = Self::default();
        for pixel in block.as_chunks::<3>().0 {
            if density.is_stained(pixel) {
                let od = pixel.map(|level| density.0[usize::from(level)]);
                moments.count += 1;
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
        #[expect(clippy::cast_precision_loss, reason = "pixel counts are far below 2^52")]
        let n = self.count as f64;
        std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                let product = self.product[row.min(column)][row.max(column)];
                (product - self.sum[row] * self.sum[column] / n) / (n - 1.0)
            })
        })
    }
}

/// Applies `value` to every pixel of every block and gathers what it gives, in order.
fn gather(blocks: &[&[u8]], value: impl Fn(&[u8; 3]) -> Option<f32> + Sync) -> Vec<f32> {
    let parts: Vec<Vec<f32>> =
        blocks.par_iter().map(|block| block.as_chunks::<3>().0.iter().filter_map(&value).collect()).collect();
    parts.concat()
}

/// The least-squares inverse of a 3×2 matrix: (AᵀA)⁻¹Aᵀ.
fn pseudo_inverse(matrix: &StainMatrix) -> [[f64; 3]; 2] {
    let h: [f64; 3] = std::array::from_fn(|channel| matrix[channel][0]);
    let e: [f64; 3] = std::array::from_fn(|channel| matrix[channel][1]);
    let (hh, he, ee) = (dot(h, h), dot(h, e), dot(e, e));
    let determinant = hh * ee - he * he;
    [
        std::array::from_fn(|channel| (ee * h[channel] - he * e[channel]) / determinant),
        std::array::from_fn(|channel| (hh * e[channel] - he * h[channel]) / determinant),
    ]
}

fn angle_between_deg(a: [f64; 3], b: [f64; 3]) -> f64 {
    let perpendicular = cross(a, b);
    libm::atan2(dot(perpendicular, perpendicular).sqrt(), dot(a, b)).to_degrees()
}

/// A number in [−2, 2] that grows with atan2(y, x) and needs one division.
fn pseudo_angle(x: f32, y: f32) -> f32 {
    let along = x / (x.abs() + y.abs()).max(f32::MIN_POSITIVE);
    if y >= 0.0 { 1.0 - along } else { along - 1.0 }
}

/// The angle whose [`pseudo_angle`] is `pseudo`, in radians.
fn angle_of_pseudo(pseudo: f32) -> f64 {
    let pseudo = f64::from(pseudo);
    let (x, sign) = if pseudo >= 0.0 { (1.0 - pseudo, 1.0) } else { (pseudo + 1.0, -1.0) };
    libm::atan2(sign * (1.0 - x.abs()), x)
}

/// Percentiles by linear interpolation between order statistics (numpy's default), taken after `meaning`, which must
/// not change the order. `values` must not be empty.
fn percentiles<const N: usize>(values: &[f32], at: [f64; N], meaning: impl Fn(f32) -> f64) -> [f64; N] {
    const BINS: usize = 4_096;
    let (low, high) = values
        .par_chunks(BLOCK)
        .map(|part| part.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v))))
        .reduce(|| (f32::INFINITY, f32::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    #[expect(clippy::cast_precision_loss, reason = "4096")]
    let per_unit = if high > low { (BINS - 1) as f32 / (high - low) } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to BINS − 1; the cast saturates")]
    let bin = |value: f32| (((value - low) * per_unit) as usize).min(BINS - 1);
    let histogram = values
        .par_chunks(BLOCK)
        .map(|part| {
            let mut counts = vec![0_u32; BINS];
            for &value in part {
                counts[bin(value)] += 1;
            }
            counts
        })
        .reduce(
            || vec![0; BINS],
            |mut sum, part| {
                sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
                sum
            },
        );
    // The histogram says in which bin the wanted order statistic lies; only that bin is sorted.
    let order_statistic = |rank: usize| -> f64 {
        let mut before = 0_usize;
        for (index, &count) in histogram.iter().enumerate() {
            let count = count as usize;
            if rank < before + count {
                let mut inside: Vec<f32> = values.iter().copied().filter(|&value| bin(value) == index).collect();
                let (_, value, _) = inside.select_nth_unstable_by(rank - before, f32::total_cmp);
                return meaning(*value);
            }
            before += count;
        }
        meaning(high)
    };
    at.map(|percent| {
        #[expect(clippy::cast_precision_loss, reason = "pixel counts are far below 2^52")]
        let virtual_rank = percent / 100.0 * (values.len() - 1) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the ranks")]
        let rank = virtual_rank.floor() as usize;
        let (below, above) = (order_statistic(rank), order_statistic((rank + 1).min(values.len() - 1)));
        below + (above - below) * (virtual_rank - virtual_rank.floor())
    })
}

/// `I0 · exp(−density)`, at most 255, truncated as the reference does. Vectorises; relative error below 2e-6.
fn transmitted_level(density: f32) -> u8 {
    let exponent = (-density * std::f32::consts::LOG2_E).clamp(-60.0, 2.0);
    let whole = exponent.floor();
    let rest = exponent - whole;
    // 2^rest on [0, 1): Taylor series of exp(rest · ln 2), truncated after the sixth power.
    let r = rest * std::f32::consts::LN_2;
    let power =
        1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "−60 to 2; the level saturates at 255")]
    {
        let scale = f32::from_bits(((whole as i32 + 127) as u32) << 23);
        (240.0 * power * scale) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture mixed by Beer-Lambert from the two vectors of `matrix`.
    fn mixed(matrix: &StainMatrix, strength: [f64; 2]) -> RgbImage {
        RgbImage::from_fn(96, 96, |x, y| {
            let h = strength[0] * f64::from((x * 7 + y * 3) % 32) / 31.0;
            let e = strength[1] * f64::from((x * 5 + y * 11) % 32) / 31.0;
            image::Rgb(std::array::from_fn(|channel| {
                let level = I0 * libm::exp(-(matrix[channel][0] * h + matrix[channel][1] * e)) - 1.0;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 239")]
                let level = level.round() as u8;
                level
            }))
        })
    }

    #[test]
    fn vectors_that_were_mixed_in_are_found_again() {
        let h = [0.65, 0.70, 0.29];
        let e = [0.30, 0.80, 0.52];
        let unit = |v: [f64; 3]| v.map(|x| x / dot(v, v).sqrt());
        let (h, e) = (unit(h), unit(e));
        let matrix: StainMatrix = std::array::from_fn(|channel| [h[channel], e[channel]]);
        let stains = Stains::of_image(&mixed(&matrix, [1.6, 0.9])).expect("two stains");
        for (stain, truth) in [h, e].into_iter().enumerate() {
            let found = std::array::from_fn(|channel| stains.matrix[channel][stain]);
            assert!(angle_between_deg(found, truth) < 4.0, "stain {stain}: {found:?} for {truth:?}");
        }
    }

    #[test]
    fn grey_and_blank_pictures_are_degenerate() {
        let grey = RgbImage::from_fn(64, 64, |x, y| image::Rgb([u8::try_from((x + y) % 180).unwrap_or(0); 3]));
        assert!(matches!(Stains::of_image(&grey), Err(Degenerate::OneStain { .. } | Degenerate::NoConcentration)));
        let white = RgbImage::from_pixel(64, 64, image::Rgb([250; 3]));
        assert_eq!(Stains::of_image(&white), Err(Degenerate::TooFewPixels { found: 0 }));
    }

    #[test]
    fn the_fast_exponential_is_the_exponential() {
        for step in -400..6_000_i16 {
            let density = f32::from(step) / 1_000.0;
            let exact = (240.0 * libm::exp(-f64::from(density))).min(255.0);
            let difference = f64::from(transmitted_level(density)) - exact.floor();
            assert!(difference.abs() < 0.5 || (exact - exact.round()).abs() < 1e-3, "{density}: {exact}");
        }
    }

    #[test]
    fn pseudo_angles_keep_the_order_and_turn_back() {
        let mut last = f32::NEG_INFINITY;
        for degree in -179..=180_i16 {
            let angle = f64::from(degree).to_radians();
            #[expect(clippy::cast_possible_truncation, reason = "test")]
            let pseudo = pseudo_angle(libm::cos(angle) as f32, libm::sin(angle) as f32);
            assert!(pseudo > last, "{degree}");
            assert!((angle_of_pseudo(pseudo) - angle).abs() < 1e-5, "{degree}");
            last = pseudo;
        }
    }

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8, 16], [1, 50, 99]) = 1.04, 4, 15.68
        let found = percentiles(&[16.0, 1.0, 8.0, 2.0, 4.0], [1.0, 50.0, 99.0], f64::from);
        for (found, want) in found.into_iter().zip([1.04, 4.0, 15.68]) {
            assert!((found - want).abs() < 1e-6, "{found} for {want}");
        }
    }
}
