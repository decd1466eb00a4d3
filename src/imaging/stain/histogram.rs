//! Percentiles of what is computed of every pixel, without sorting.

use fearless_simd::{Level, Simd, dispatch, f32x8, prelude::*};
use rayon::prelude::*;

use super::density::Projected;

/// Counts of values in equal bins over a fixed range; what lies outside counts in the outer bins.
pub(super) struct Histogram {
    low: f64,
    bin_width: f64,
    /// Of pixels, or their weights.
    counts: Vec<f64>,
}

/// Bins enough that a percentile, interpolated within its bin, is exact to about a thousandth of a radian or unit of
/// concentration, and few enough to stay in the nearest cache.
const BINS: usize = 4_096;

impl Histogram {
    /// Nothing counted yet, over a range.
    pub(super) fn empty((low, high): (f32, f32)) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "4096")]
        let bin_width = f64::from(high - low) / BINS as f64;
        Self { low: f64::from(low), bin_width, counts: vec![0.0; BINS] }
    }

    /// Counts a value with a weight.
    pub(super) fn add(&mut self, value: f64, weight: f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let bin = (((value - self.low) / self.bin_width) as usize).min(BINS - 1);
        self.counts[bin] += weight;
    }

    /// The value below which `percent` of the counts lie, taken as evenly spread within a bin.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        let mut left = percent / 100.0 * self.counts.iter().sum::<f64>();
        let mut edge = self.low;
        for &count in &self.counts {
            if left <= count && count > 0.0 {
                return edge + self.bin_width * left / count;
            }
            left -= count;
            edge += self.bin_width;
        }
        edge
    }
}

/// What is counted of the two projections of a pixel.
pub(super) trait Measure<const N: usize>: Sync {
    /// Smallest and largest value that has a bin of its own.
    const RANGE: (f32, f32);

    /// The values of eight pixels.
    fn of<S: Simd>(&self, simd: S, first: f32x8<S>, second: f32x8<S>) -> [f32x8<S>; N];
}

/// The pixels between look-up, arithmetic and counting: all of it stays in the nearest cache.
const WIDE: usize = 256;
/// Lanes of the arithmetic.
const LANES: usize = 8;

/// The histogram of each value that `measure` has. What is no number is not counted.
pub(super) fn histograms<const N: usize>(
    blocks: &[&[[u8; 3]]],
    projected: &Projected,
    measure: &impl Measure<N>,
) -> [Histogram; N] {
    // Of neighbours that are alike, one must not wait for the other's count: even and odd pixels have their own.
    let empty = || vec![[[0_u32; 2 * BINS]; 2]; N];
    let level = Level::new();
    let counts = blocks
        .par_iter()
        .fold(empty, |mut counts, block| {
            dispatch!(level, simd => count(simd, block, projected, measure, &mut counts));
            counts
        })
        .reduce(empty, |mut sum, part| {
            for (sum, part) in
                sum.as_flattened_mut().as_flattened_mut().iter_mut().zip(part.as_flattened().as_flattened())
            {
                *sum += part;
            }
            sum
        });
    let (low, high) = range(measure);
    std::array::from_fn(|value| {
        let [even, odd] = &counts[value];
        #[expect(clippy::cast_precision_loss, reason = "4096")]
        let bin_width = f64::from(high - low) / BINS as f64;
        Histogram {
            low: f64::from(low),
            bin_width,
            counts: even[..BINS].iter().zip(odd).map(|(even, odd)| f64::from(even + odd)).collect(),
        }
    })
}

fn range<const N: usize, M: Measure<N>>(_: &M) -> (f32, f32) {
    M::RANGE
}

/// Counts a block's pixels.
#[inline(always)]
fn count<S: Simd, const N: usize>(
    simd: S,
    block: &[[u8; 3]],
    projected: &Projected,
    measure: &impl Measure<N>,
    counts: &mut [[[u32; 2 * BINS]; 2]],
) {
    let mut projections = [[0.0_f32; 2]; WIDE];
    let mut bins = [[0_i32; WIDE]; N];
    let (low, high) = range(measure);
    let low_lanes = f32x8::splat(simd, low);
    #[expect(clippy::cast_precision_loss, reason = "4096")]
    let (per_unit, last) = (f32x8::splat(simd, BINS as f32 / (high - low)), f32x8::splat(simd, (BINS - 1) as f32));
    let (zero, uncounted) = (f32x8::splat(simd, 0.0), f32x8::splat(simd, BINS as f32));
    for pixels in block.chunks(WIDE) {
        projected.of(pixels, &mut projections);
        for (index, eight) in projections.as_chunks::<LANES>().0.iter().enumerate().take(pixels.len().div_ceil(LANES)) {
            let (front, back) = eight.as_flattened().split_at(LANES);
            let (first, second) = f32x8::from_slice(simd, front).deinterleave(f32x8::from_slice(simd, back));
            for (bins, value) in bins.iter_mut().zip(measure.of(simd, first, second)) {
                let bin = ((value - low_lanes) * per_unit).max(zero).min(last);
                let bin = value.simd_eq(value).select(bin, uncounted);
                simd.cvt_i32_f32x8(bin).store_slice(&mut bins[LANES * index..][..LANES]);
            }
        }
        for ([even, odd], bins) in counts.iter_mut().zip(&bins) {
            let (pairs, rest) = bins[..pixels.len()].as_chunks::<2>();
            for [first, second] in pairs {
                even[slot(*first)] += 1;
                odd[slot(*second)] += 1;
            }
            for last in rest {
                even[slot(*last)] += 1;
            }
        }
    }
}

/// A bin as a position.
#[inline(always)]
#[expect(clippy::cast_sign_loss, reason = "0 to 4096, as the mask repeats for the compiler")]
fn slot(bin: i32) -> usize {
    bin as usize & (2 * BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::{super::density::Density, *};

    struct First;

    impl Measure<1> for First {
        const RANGE: (f32, f32) = (-6.0, 1.0);

        fn of<S: Simd>(&self, _: S, first: f32x8<S>, _: f32x8<S>) -> [f32x8<S>; 1] {
            [first]
        }
    }

    #[test]
    fn percentiles_lie_within_a_bin_of_the_order_statistics() {
        // Each level once, as its density: the percentile is the density of the level so far from the darkest.
        let pixels: Vec<[u8; 3]> = (0..=255_u8).map(|level| [level, 0, 0]).collect();
        let density = Density::table();
        let projected = density.projected([[-1.0, 0.0, 0.0], [0.0; 3]]);
        let [found] = histograms(&[&pixels], &projected, &First);
        for (percent, level) in [(1.0, 2), (25.0, 63), (50.0, 127), (99.0, 253)] {
            let (value, want) = (found.percentile(percent), -density.of_level[level]);
            let neighbour = (density.of_level[level + 1] - density.of_level[level]).abs();
            assert!((value - want).abs() <= 2.0 * neighbour + 7.0 / 4096.0, "{percent}: {value}, {want}");
        }
    }

    #[test]
    fn pixels_without_stain_do_not_count() {
        let density = Density::table();
        let pixels = [[250; 3], [100; 3], [100, 100, 250], [20; 3]].repeat(201);
        let rows = [[1.0, 0.0, 0.0], [0.0; 3]];
        for (projected, want) in [(density.projected(rows), 804.0), (density.projected_stained(rows), 402.0)] {
            let [found] = histograms(&[&pixels], &projected, &First);
            assert!((found.counts.iter().sum::<f64>() - want).abs() < 0.5, "{want}");
        }
    }
}
