//! Colour statistics instead of stains: Reinhard et al., "Color transfer between images", IEEE CG&A 2001.
//!
//! As `torchstain` (numpy back end) has it: in CIE L\*a\*b\*, white point D65, with the rounded constants that scikit-image had;
//! mean and standard deviation of all pixels are brought to the reference's, each channel by itself; the result is cut off to
//! whole levels. Ruderman's lαβ, which the paper works in, differs in the axes, not in the idea.

use fearless_simd::{Level, Simd, dispatch};
use image::RgbImage;
use rayon::prelude::*;

use super::{Degenerate, density::BLOCK};

/// From linear R, G, B to X, Y, Z.
const TO_XYZ: [[f64; 3]; 3] =
    [[0.412_453, 0.357_580, 0.180_423], [0.212_671, 0.715_160, 0.072_169], [0.019_334, 0.119_193, 0.950_227]];
/// The inverse of [`TO_XYZ`].
const FROM_XYZ: [[f64; 3]; 3] = [
    [3.240_481_343_200_526, -1.537_151_516_271_318_5, -0.498_536_326_168_887_8],
    [-0.969_254_949_996_568_2, 1.875_990_001_489_890_7, 0.041_555_926_558_292_84],
    [0.055_646_639_135_177_16, -0.204_041_338_366_511_23, 1.057_311_069_645_344_3],
];
/// X, Y, Z of white.
const WHITE: [f64; 3] = [0.950_47, 1.0, 1.088_83];
/// A channel that varies less than this, in units of L\*a\*b\*, shows no tissue that is stained with two dyes.
const LEAST_DEVIATION: f64 = 0.5;
/// Pixels that go through a step together.
const WIDE: usize = 128;
/// Steps of linear light for which the level is looked up: fine enough that none spans three levels.
const STEPS: usize = 4_096;

/// Mean and standard deviation of a picture's pixels in CIE L\*a\*b\* (D65): L\* from 0 to 100, then a\*, b\*.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colours {
    /// The means.
    pub mean: [f64; 3],
    /// The standard deviations (divisor n).
    pub deviation: [f64; 3],
}

/// What pictures are brought to: `NumpyReinhardNormalizer.fit` of the target picture that `torchstain` comes with (data/target.png).
pub const REFERENCE_COLOURS: Colours =
    Colours { mean: [70.396_22, 11.843_821, -19.952_099], deviation: [14.091_207_5, 7.232_985_5, 10.121_306] };

impl Colours {
    /// Of all pixels.
    ///
    /// # Errors
    /// [`Degenerate::OneColour`] if a channel does not vary.
    pub(super) fn of(blocks: &[&[[u8; 3]]]) -> Result<Self, Degenerate> {
        let (tables, level) = (Tables::new(), Level::new());
        // Added in the blocks' order, whatever the threads do.
        let sums: Vec<Sums> = blocks
            .par_iter()
            .map(|block| {
                let mut sums = Sums::default();
                dispatch!(level, simd => sums.take(simd, block, &tables));
                sums
            })
            .collect();
        let sums = sums.into_iter().fold(Sums::default(), Sums::add);
        #[expect(clippy::cast_precision_loss, reason = "pixel counts are far below 2^52")]
        let count = sums.count.max(1) as f64;
        let mean = sums.sum.map(|sum| sum / count);
        let deviation: [f64; 3] = std::array::from_fn(|channel| {
            libm::sqrt((sums.square[channel] / count - mean[channel] * mean[channel]).max(0.0))
        });
        let least = deviation.into_iter().fold(f64::INFINITY, f64::min);
        if least < LEAST_DEVIATION {
            return Err(Degenerate::OneColour { deviation: least });
        }
        Ok(Self { mean, deviation })
    }

    /// A picture of these colours with the reference's.
    pub(super) fn normalise(&self, image: &RgbImage) -> RgbImage {
        let (tables, level) = (Tables::new(), Level::new());
        #[expect(clippy::cast_possible_truncation, reason = "single precision, as the reference computes")]
        let (factor, offset) = {
            let factor: [f64; 3] = std::array::from_fn(|c| REFERENCE_COLOURS.deviation[c] / self.deviation[c]);
            let offset: [f64; 3] = std::array::from_fn(|c| REFERENCE_COLOURS.mean[c] - self.mean[c] * factor[c]);
            (factor.map(|x| x as f32), offset.map(|x| x as f32))
        };
        let mut normalised = RgbImage::new(image.width(), image.height());
        let target: &mut [u8] = &mut normalised;
        target.par_chunks_mut(3 * BLOCK).zip(image.as_raw().par_chunks(3 * BLOCK)).for_each(|(to, from)| {
            let (to, from) = (to.as_chunks_mut::<3>().0, from.as_chunks::<3>().0);
            dispatch!(level, simd => tables.transfer(simd, from, to, factor, offset));
        });
        normalised
    }
}

/// Sums over pixels from which mean and standard deviation follow.
#[derive(Default)]
struct Sums {
    count: usize,
    sum: [f64; 3],
    square: [f64; 3],
}

impl Sums {
    #[inline(always)]
    fn take<S: Simd>(&mut self, simd: S, block: &[[u8; 3]], tables: &Tables) {
        /// Sums side by side: one would wait for itself.
        const LANES: usize = 8;
        let mut lab = [[0.0; WIDE]; 3];
        let (mut sum, mut square) = ([[0.0_f64; LANES]; 3], [[0.0_f64; LANES]; 3]);
        for pixels in block.chunks(WIDE) {
            tables.lab(simd, pixels, &mut lab);
            for channel in 0..3 {
                // What is left over of the last pixels must not count.
                lab[channel][pixels.len()..].fill(0.0);
                for lanes in lab[channel].as_chunks::<LANES>().0 {
                    for lane in 0..LANES {
                        let value = f64::from(lanes[lane]);
                        sum[channel][lane] += value;
                        square[channel][lane] += value * value;
                    }
                }
            }
        }
        self.count = block.len();
        self.sum = sum.map(|lanes| lanes.iter().sum());
        self.square = square.map(|lanes| lanes.iter().sum());
    }

    fn add(mut self, other: Self) -> Self {
        self.count += other.count;
        for channel in 0..3 {
            self.sum[channel] += other.sum[channel];
            self.square[channel] += other.square[channel];
        }
        self
    }
}

/// What depends on one level alone.
struct Tables {
    /// Linear light of each level, 0 to 1.
    linear: [f32; 256],
    /// The level at each step of linear light.
    level: [u8; STEPS + 1],
    /// From what linear light on the next level is reached; the last is never left.
    next: [f32; 256],
}

impl Tables {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "0 to 4096; single precision")]
    fn new() -> Self {
        let linear_of = |level: f64| {
            if level > 0.040_45 { libm::pow((level + 0.055) / 1.055, 2.4) } else { level / 12.92 }
        };
        let linear = std::array::from_fn(|level| linear_of(level as f64 / 255.0) as f32);
        let next: [f32; 256] = std::array::from_fn(|level| {
            if level == 255 { f32::INFINITY } else { linear_of((level as f64 + 1.0) / 255.0) as f32 }
        });
        let level = std::array::from_fn(|step| {
            let light = step as f32 / STEPS as f32;
            next.partition_point(|next| *next <= light).min(255) as u8
        });
        Self { linear, level, next }
    }

    /// L\*, a\*, b\* of at most [`WIDE`] pixels.
    #[inline(always)]
    fn lab<S: Simd>(&self, _: S, pixels: &[[u8; 3]], lab: &mut [[f32; WIDE]; 3]) {
        let mut rgb = [[0.0_f32; WIDE]; 3];
        for (index, pixel) in pixels.iter().enumerate() {
            let [r, g, b] = *pixel;
            rgb[0][index] = self.linear[usize::from(r)];
            rgb[1][index] = self.linear[usize::from(g)];
            rgb[2][index] = self.linear[usize::from(b)];
        }
        let [l, a, b] = lab;
        for index in 0..WIDE {
            let light = [rgb[0][index], rgb[1][index], rgb[2][index]];
            let x = compressed(weighed(light, 0));
            let y = compressed(weighed(light, 1));
            let z = compressed(weighed(light, 2));
            l[index] = 116.0 * y - 16.0;
            a[index] = 500.0 * (x - y);
            b[index] = 200.0 * (y - z);
        }
    }

    #[inline(always)]
    fn transfer<S: Simd>(&self, simd: S, from: &[[u8; 3]], to: &mut [[u8; 3]], factor: [f32; 3], offset: [f32; 3]) {
        let mut lab = [[0.0; WIDE]; 3];
        let mut rgb = [[0.0_f32; WIDE]; 3];
        for (to, from) in to.chunks_mut(WIDE).zip(from.chunks(WIDE)) {
            self.lab(simd, from, &mut lab);
            for index in 0..WIDE {
                let l = lab[0][index] * factor[0] + offset[0];
                let a = lab[1][index] * factor[1] + offset[1];
                let b = lab[2][index] * factor[2] + offset[2];
                let y = (l + 16.0) / 116.0;
                let xyz = [widened(a / 500.0 + y, 0), widened(y, 1), widened(y - b / 200.0, 2)];
                rgb[0][index] = mixed(xyz, 0);
                rgb[1][index] = mixed(xyz, 1);
                rgb[2][index] = mixed(xyz, 2);
            }
            for (index, to) in to.iter_mut().enumerate() {
                *to = [self.level(rgb[0][index]), self.level(rgb[1][index]), self.level(rgb[2][index])];
            }
        }
    }

    /// The level of linear light from 0 to 1, cut off.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "0 to 4096"
    )]
    fn level(&self, light: f32) -> u8 {
        let level = self.level[((light * STEPS as f32) as usize).min(STEPS)];
        level + u8::from(light >= self.next[usize::from(level)])
    }
}

/// X, Y or Z of linear R, G, B, as a share of white's.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "single precision, as the reference computes")]
fn weighed(light: [f32; 3], row: usize) -> f32 {
    let [r, g, b] = TO_XYZ[row];
    (light[0] * r as f32 + light[1] * g as f32 + light[2] * b as f32) / WHITE[row] as f32
}

/// One of R, G, B of X, Y, Z, cut off at 0 and 1.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "single precision is a thousandth of a level")]
fn mixed(xyz: [f32; 3], row: usize) -> f32 {
    let [x, y, z] = FROM_XYZ[row];
    (xyz[0] * x as f32 + xyz[1] * y as f32 + xyz[2] * z as f32).clamp(0.0, 1.0)
}

/// The cube root, and a line near black.
#[inline(always)]
fn compressed(share: f32) -> f32 {
    let line = 7.787 * share + 16.0 / 116.0;
    // A third of the exponent to begin with, then Halley's steps, each of which triples the digits. No call, so lanes are used.
    let guess = f32::from_bits(share.to_bits() / 3 + 709_921_077);
    let once = halley(guess, share);
    let root = halley(once, share);
    if share > 0.008_856 { root } else { line }
}

#[inline(always)]
fn halley(root: f32, cube: f32) -> f32 {
    let found = root * root * root;
    root * (found + 2.0 * cube) / (2.0 * found + cube)
}

/// The inverse of [`compressed`], times white's X, Y or Z.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "single precision, as the reference computes")]
fn widened(root: f32, row: usize) -> f32 {
    let line = (root - 16.0 / 116.0) / 7.787;
    let cube = root * root * root;
    (if root > 0.206_896_6 { cube } else { line }) * WHITE[row] as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cube_roots_are_exact_to_single_precision() {
        for step in 9..=1200_u16 {
            let share = f32::from(step) / 1000.0;
            let want = libm::cbrt(f64::from(share));
            assert!((f64::from(compressed(share)) / want - 1.0).abs() < 3e-7, "{share}");
        }
    }

    #[test]
    fn the_matrices_are_each_others_inverse() {
        for (row, from) in FROM_XYZ.iter().enumerate() {
            for column in 0..3 {
                let found: f64 = from.iter().zip(TO_XYZ).map(|(from, to)| from * to[column]).sum();
                let want = f64::from(u8::from(row == column));
                assert!((found - want).abs() < 1e-12, "{row} {column}: {found}");
            }
        }
    }

    #[test]
    fn the_references_colours_are_left_alone() {
        // Single precision may cut a level off one lower.
        let image = RgbImage::from_fn(64, 64, |x, y| {
            image::Rgb([x * 4, y * 4, (x * 3 + y * 5) % 256].map(|level| u8::try_from(level).unwrap_or(255)))
        });
        let found = REFERENCE_COLOURS.normalise(&image);
        let most = found.as_raw().iter().zip(image.as_raw()).map(|(found, want)| found.abs_diff(*want)).max();
        assert!(most <= Some(1), "{most:?}");
    }

    #[test]
    fn levels_are_cut_off_where_the_formula_does() {
        let tables = Tables::new();
        for level in 0..=255_u8 {
            let light = tables.linear[usize::from(level)];
            assert_eq!(tables.level(light), level);
            if level > 0 {
                assert_eq!(tables.level(light * 0.999), level - 1);
            }
        }
    }
}
