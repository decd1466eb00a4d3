//! Macenko stain estimation and normalisation.
//!
//! Macenko et al., "A method for normalizing histology slides for quantitative analysis", ISBI 2009, with the
//! constants and conventions of the reference implementation `torchstain` (numpy back end): I0 240,
//! OD = −ln((I + 1) / I0), β 0.15 in all three channels, α 1, output truncated to whole levels.

use hilum_domain::{Refusal, RefusalCode};
use image::RgbImage;
use rayon::prelude::*;

use crate::{cross, dot, eigen::symmetric_3x3, length};

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
/// Dyes absorb. An estimate may miss zero by a little (eosin in red), not by this much: that is noise, or no transmitted
/// light.
const LEAST_DENSITY: f64 = -0.25;

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
    /// A stain lets more light through than glass.
    #[error("a stain's optical density is {least:.2} in one channel")]
    Negative {
        /// The smallest part of the estimated vectors.
        least: f64,
    },
    /// A stain has no positive concentration.
    #[error("a stain's largest concentration is not positive")]
    NoConcentration,
}

impl From<Degenerate> for Refusal {
    fn from(reason: Degenerate) -> Self {
        Self::new(RefusalCode::StainDegenerate, format!("the stain cannot be read: {reason}"))
    }
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
        // Sums of floats depend on their order: the blocks' are added in the blocks' order, whatever the threads do.
        let moments: Vec<Moments> = blocks.par_iter().map(|block| Moments::of(block, &density)).collect();
        let moments = moments.into_iter().fold(Moments::default(), Moments::add);
        if moments.count < MIN_PIXELS {
            return Err(Degenerate::TooFewPixels { found: moments.count });
        }
        let [_, (_, minor), (_, major)] = symmetric_3x3(moments.covariance());
        // An eigenvector's sign is arbitrary; densities are positive, so this one keeps the angles away from ±180°.
        let major = if major.iter().sum::<f64>() < 0.0 { major.map(|part| -part) } else { major };
        // The angle of a pixel in the plane of the two main directions, as `torchstain` takes it: atan2(major, minor).
        let project = density.projected([minor, major]);
        let angles = histogram(&blocks, -2.0, 2.0, |pixel| {
            if !density.is_stained(pixel) {
                return None;
            }
            let [along_minor, along_major] = project.of(pixel);
            Some([pseudo_angle(along_minor, along_major)])
        });
        let [low, high] = [ALPHA, 100.0 - ALPHA].map(|percent| angle_of_pseudo(angles[0].percentile(percent)));
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
        let least = h.into_iter().chain(e).fold(f64::INFINITY, f64::min);
        if least < LEAST_DENSITY {
            return Err(Degenerate::Negative { least });
        }
        let matrix: StainMatrix = std::array::from_fn(|channel| [h[channel], e[channel]]);
        let unmix = density.projected(pseudo_inverse(&matrix));
        let concentrations = histogram(&blocks, -4.0, 12.0, |pixel| Some(unmix.of(pixel)));
        let max_concentration = concentrations.map(|stain| stain.percentile(MAX_PERCENTILE));
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
        let transform = Density::table().transmitted(to_reference);
        let mut normalised = RgbImage::new(image.width(), image.height());
        let target: &mut [u8] = &mut normalised;
        target.par_chunks_mut(BLOCK).zip(image.as_raw().par_chunks(BLOCK)).for_each(|(out, block)| {
            for (to, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(block.as_chunks::<3>().0) {
                *to = transform.of(pixel);
            }
        });
        normalised
    }
}

/// Bytes a thread takes at once; a whole number of pixels.
const BLOCK: usize = 3 * 16_384;

/// The optical density of each of the 256 levels.
struct Density {
    of_level: [f64; 256],
    /// The brightest level with OD ≥ β: density falls with the level.
    faintest: u8,
}

impl Density {
    fn table() -> Self {
        #[expect(clippy::cast_precision_loss, reason = "0 to 255")]
        let density: [f64; 256] = std::array::from_fn(|level| -libm::log((level as f64 + 1.0) / I0));
        let faintest = (0..=255_u8).rev().find(|&level| density[usize::from(level)] >= BETA).unwrap_or(0);
        Self { of_level: density, faintest }
    }

    fn is_stained(&self, pixel: &[u8; 3]) -> bool {
        let [r, g, b] = *pixel;
        r.max(g).max(b) <= self.faintest
    }

    /// The table form of `rows · OD`.
    fn projected<const N: usize>(&self, rows: [[f64; 3]; N]) -> Projected<N> {
        #[expect(clippy::cast_possible_truncation, reason = "single precision is plenty for 8-bit levels")]
        let of = |channel: usize, level: usize| rows.map(|row| (row[channel] * self.of_level[level]) as f32);
        Projected(std::array::from_fn(|channel| std::array::from_fn(|level| of(channel, level))))
    }

    /// The table form of `I0 · exp(−rows · OD)`: the exponential of a sum is a product, so a picture needs none.
    fn transmitted(&self, rows: [[f64; 3]; 3]) -> Transmitted {
        #[expect(clippy::cast_possible_truncation, reason = "clamped to what single precision holds thrice multiplied")]
        let of = |channel: usize, level: usize| {
            rows.map(|row| libm::exp((-row[channel] * self.of_level[level]).clamp(-28.0, 28.0)) as f32)
        };
        Transmitted(std::array::from_fn(|channel| std::array::from_fn(|level| of(channel, level))))
    }
}

/// An optical transform of a pixel, as three look-ups and two multiplications a channel.
struct Transmitted([[[f32; 3]; 256]; 3]);

impl Transmitted {
    /// At most 255, truncated as the reference does.
    fn of(&self, pixel: &[u8; 3]) -> [u8; 3] {
        let [r, g, b] = [0, 1, 2].map(|channel: usize| &self.0[channel][usize::from(pixel[channel])]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; the cast saturates")]
        std::array::from_fn(|out| (240.0 * r[out] * g[out] * b[out]) as u8)
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
                let od = pixel.map(|level| density.of_level[usize::from(level)]);
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

/// Counts of values in equal bins over a fixed range; what lies outside counts in the outer bins.
struct Histogram {
    low: f64,
    bin_width: f64,
    counts: Vec<u32>,
}

/// Bins enough that a percentile, interpolated within its bin, is exact to about a thousandth of a radian or unit of
/// concentration, and few enough to stay in the nearest cache.
const BINS: usize = 4_096;

impl Histogram {
    /// The value below which `percent` of the counts lie, taken as evenly spread within a bin.
    fn percentile(&self, percent: f64) -> f64 {
        let all: u64 = self.counts.iter().map(|&count| u64::from(count)).sum();
        #[expect(clippy::cast_precision_loss, reason = "pixel counts are far below 2^52")]
        let mut left = percent / 100.0 * all as f64;
        let mut edge = self.low;
        for &count in &self.counts {
            let count = f64::from(count);
            if left <= count && count > 0.0 {
                return edge + self.bin_width * left / count;
            }
            left -= count;
            edge += self.bin_width;
        }
        edge
    }
}

/// Histograms over `low` to `high` of what `value` gives for every pixel.
fn histogram<const N: usize>(
    blocks: &[&[u8]],
    low: f32,
    high: f32,
    value: impl Fn(&[u8; 3]) -> Option<[f32; N]> + Sync,
) -> [Histogram; N] {
    #[expect(clippy::cast_precision_loss, reason = "4096")]
    let bins = BINS as f32;
    let per_unit = bins / (high - low);
    let empty = || [(); N].map(|()| vec![0_u32; BINS]);
    let counts = blocks
        .par_iter()
        .fold(empty, |mut counts, block| {
            for values in block.as_chunks::<3>().0.iter().filter_map(&value) {
                for (counts, value) in counts.iter_mut().zip(values) {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
                    let bin = (((value - low) * per_unit) as usize).min(BINS - 1);
                    counts[bin] += 1;
                }
            }
            counts
        })
        .reduce(empty, |mut sum, part| {
            for (sum, part) in sum.iter_mut().zip(part) {
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
            sum
        });
    counts.map(|counts| Histogram { low: f64::from(low), bin_width: f64::from(high - low) / f64::from(bins), counts })
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
    libm::atan2(length(perpendicular), dot(a, b)).to_degrees()
}

/// A number in [−2, 2] that grows with atan2(y, x) and needs one division.
fn pseudo_angle(x: f32, y: f32) -> f32 {
    let along = x / (x.abs() + y.abs()).max(f32::MIN_POSITIVE);
    if y >= 0.0 { 1.0 - along } else { along - 1.0 }
}

/// The angle whose [`pseudo_angle`] is `pseudo`, in radians.
fn angle_of_pseudo(pseudo: f64) -> f64 {
    let (x, sign) = if pseudo >= 0.0 { (1.0 - pseudo, 1.0) } else { (pseudo + 1.0, -1.0) };
    libm::atan2(sign * (1.0 - x.abs()), x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::unit;

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
    fn tables_transmit_as_the_formula_does() {
        let rows = [[1.1, -0.3, 0.2], [0.1, 0.9, 0.2], [-0.2, 0.4, 0.8]];
        let table = Density::table().transmitted(rows);
        let density = |level: u8| -libm::log((f64::from(level) + 1.0) / I0);
        for pixel in [[0, 0, 0], [255, 255, 255], [120, 30, 200], [3, 250, 128]] {
            let found = table.of(&pixel);
            for (out, row) in rows.iter().enumerate() {
                let sum: f64 = (0..3).map(|channel| row[channel] * density(pixel[channel])).sum();
                let want = (I0 * libm::exp(-sum)).min(255.0);
                assert!((f64::from(found[out]) - want.floor()).abs() <= 1.0, "{pixel:?}: {} for {want}", found[out]);
            }
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
            assert!((angle_of_pseudo(f64::from(pseudo)) - angle).abs() < 1e-5, "{degree}");
            last = pseudo;
        }
    }

    #[test]
    fn percentiles_lie_within_a_bin_of_the_order_statistics() {
        // Levels 0 to 255 once each, as one value each: the percentile of level/255 is the percentage.
        let bytes: Vec<u8> = (0..=255_u8).flat_map(|level| [level; 3]).collect();
        let [found] = histogram(&[&bytes], 0.0, 1.0, |pixel| Some([f32::from(pixel[0]) / 256.0]));
        for percent in [1.0, 25.0, 50.0, 99.0] {
            let value = found.percentile(percent);
            assert!((value - percent / 100.0).abs() < 1.0 / 200.0, "{percent}: {value}");
        }
    }
}
