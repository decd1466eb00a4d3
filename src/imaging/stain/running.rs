//! The stains of what a camera shows, kept up frame by frame.

use image::RgbImage;

use super::{
    ALPHA, BETA, Concentrations, Degenerate, MAX_PERCENTILE, Stains,
    density::Density,
    histogram::{Histogram, Measure as _},
    macenko::{self, Moments, PseudoAngle, angle_of_pseudo},
    pseudo_inverse,
};
use crate::dot;

/// Cells along each channel.
const CELLS: usize = 64;
/// Those that are stained; the rest is glass.
const STAINED: u8 = 60;
/// The densest level, 0, has 5.48.
const DENSEST: f64 = 5.5;
/// At most so many pixels of a frame are looked at, a grid of them: a field has thousands of each colour.
const PER_FRAME: usize = 131_072;
/// Weights are scaled down when a frame's reaches this, long before single precision loses the older frames' pixels.
const HEAVY: f32 = 1_048_576.0;

/// Macenko's stains of a moving picture: all frames so far, each counting half as much as one that came a half-life later.
///
/// What is kept is how much of each colour was seen, over 64 cells a channel, equal steps of the logarithm of the optical density:
/// a cell is 6% of its density wide. Covariance, angles and concentrations all follow from that, so a frame costs one look at a
/// grid of its pixels, and what is asked for is computed from the cells that are not empty (1 MiB in all).
#[derive(Debug, Clone)]
pub struct RunningStains {
    /// How much of each colour was seen, `[r][g][b]`, in units of a pixel of the first frame.
    seen: Vec<f32>,
    /// What a pixel of the newest frame counts.
    weight: f32,
    /// By how much that grows from frame to frame.
    growth: f32,
    cell_of_level: [u8; 256],
    /// The mean density of the levels in a cell.
    density: [f64; CELLS],
}

impl RunningStains {
    /// Nothing seen yet. `half_life_frames`: after so many further frames a frame counts half; at least one.
    #[must_use]
    pub fn new(half_life_frames: u16) -> Self {
        let density = Density::table().of_level;
        let cell_of_level = density.map(cell);
        let mean = |cell: u8| {
            let levels =
                || density.iter().zip(cell_of_level).filter(move |(_, of)| *of == cell).map(|(density, _)| *density);
            // A cell between two levels is never used.
            levels().sum::<f64>() / f64::from(u16::try_from(levels().count().max(1)).unwrap_or(1))
        };
        #[expect(clippy::cast_possible_truncation, reason = "fewer than 64 cells; a factor from 1 to 2")]
        let (density, growth) = (
            std::array::from_fn(|index| mean(index as u8)),
            libm::exp2(1.0 / f64::from(half_life_frames.max(1))) as f32,
        );
        Self { seen: vec![0.0; CELLS * CELLS * CELLS], weight: 1.0, growth, cell_of_level, density }
    }

    /// Takes a frame in.
    pub fn see(&mut self, frame: &RgbImage) {
        self.weight *= self.growth;
        if self.weight > HEAVY {
            self.seen.iter_mut().for_each(|seen| *seen /= self.weight);
            self.weight = 1.0;
        }
        let pixels = frame.width() as usize * frame.height() as usize;
        let step = (1..).find(|step| pixels / (step * step) <= PER_FRAME).unwrap_or(1);
        for row in frame.as_raw().chunks_exact(3 * frame.width().max(1) as usize).step_by(step) {
            for pixel in row.as_chunks::<3>().0.iter().step_by(step) {
                let [r, g, b] = pixel.map(|level| usize::from(self.cell_of_level[usize::from(level)]));
                self.seen[(r * CELLS + g) * CELLS + b] += self.weight;
            }
        }
    }

    /// The stains of what was seen, as [`Stains::of_pixels`] has them of pixels that are all at hand, to about a degree.
    ///
    /// # Errors
    /// [`Degenerate`] if no two stains can be told apart.
    pub fn stains(&self) -> Result<Stains, Degenerate> {
        let mut moments = Moments::default();
        self.each(|cells, density, weight| {
            if cells.iter().all(|cell| *cell < STAINED) {
                moments.take_weighed(density, weight);
            }
        });
        let plane @ [minor, major] = moments.plane()?;
        let mut angles = Histogram::empty(PseudoAngle::RANGE);
        self.each(|cells, density, weight| {
            if cells.iter().all(|cell| *cell < STAINED) {
                angles.add(macenko::pseudo_angle(dot(minor, density), dot(major, density)), weight);
            }
        });
        let matrix =
            macenko::between(plane, [ALPHA, 100.0 - ALPHA].map(|percent| angle_of_pseudo(angles.percentile(percent))))?;
        let unmix = pseudo_inverse(&matrix);
        let mut concentrations = [(); 2].map(|()| Histogram::empty(Concentrations::RANGE));
        self.each(|_, density, weight| {
            for (stain, row) in concentrations.iter_mut().zip(unmix) {
                stain.add(dot(row, density), weight);
            }
        });
        Stains::with_maxima(matrix, concentrations.map(|stain| stain.percentile(MAX_PERCENTILE)))
    }

    /// Calls with every colour that was seen: its cells, its densities, how many of the newest frame's pixels it weighs.
    fn each(&self, mut call: impl FnMut([u8; 3], [f64; 3], f64)) {
        let newest = f64::from(self.weight);
        for (index, &seen) in self.seen.iter().enumerate().filter(|(_, seen)| **seen > 0.0) {
            #[expect(clippy::cast_possible_truncation, reason = "below 64")]
            let cells = [index / (CELLS * CELLS), index / CELLS % CELLS, index % CELLS].map(|cell| cell as u8);
            call(cells, cells.map(|cell| self.density[usize::from(cell)]), f64::from(seen) / newest);
        }
    }
}

/// Where a density is counted: 60 equal steps of its logarithm from the densest down to β, then four for glass.
fn cell(density: f64) -> u8 {
    if density < BETA {
        return STAINED + [0.1, 0.05, 0.0].iter().map(|edge| u8::from(density < *edge)).sum::<u8>();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 59")]
    let cell = (f64::from(STAINED) * libm::log(DENSEST / density) / libm::log(DENSEST / BETA)) as u8;
    cell.min(STAINED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stain::tests::{between_deg, mixed, pair};

    #[track_caller]
    fn check(found: &Stains, want: &Stains, within_deg: f64, within_share: f64) {
        for stain in 0..2 {
            let apart = between_deg(&found.matrix, &want.matrix, stain);
            assert!(apart < within_deg, "stain {stain} is {apart} degrees away");
            let share = found.max_concentration[stain] / want.max_concentration[stain];
            assert!((share - 1.0).abs() < within_share, "stain {stain}: {share}");
        }
    }

    #[test]
    fn every_level_has_a_cell_and_stain_is_not_mixed_with_glass() {
        let running = RunningStains::new(1);
        let density = Density::table().of_level;
        let cells = running.cell_of_level;
        assert!(cells.is_sorted());
        for (level, (density, cell)) in density.iter().zip(cells).enumerate() {
            assert_eq!(*density >= BETA, cell < STAINED, "{level}");
            if *density >= BETA {
                assert!((running.density[usize::from(cell)] / density - 1.0).abs() < 0.065, "{level}");
            }
        }
    }

    #[test]
    fn it_is_the_estimate_of_the_pooled_pixels() {
        let matrix = pair([0.65, 0.70, 0.29], [0.27, 0.85, 0.45]);
        let frames = [[1.6, 0.9], [0.8, 1.4], [2.0, 0.5]].map(|strength| mixed(&matrix, strength));
        let pooled: Vec<&[u8]> = frames.iter().map(|frame| frame.as_raw().as_slice()).collect();
        let pooled = Stains::of_pixels(&pooled).expect("two stains");
        // So long a half-life that all frames count alike.
        let mut running = RunningStains::new(u16::MAX);
        for _ in 0..3 {
            frames.iter().for_each(|frame| running.see(frame));
            check(&running.stains().expect("two stains"), &pooled, 1.0, 0.03);
        }
    }

    #[test]
    fn an_earlier_slide_is_forgotten_by_halves() {
        let [first, second] =
            [pair([0.65, 0.70, 0.29], [0.27, 0.85, 0.45]), pair([0.55, 0.75, 0.37], [0.10, 0.98, 0.17])];
        let [first, second] = [first, second].map(|matrix| mixed(&matrix, [1.4, 1.1]));
        let want = Stains::of_image(&second).expect("two stains");
        let mut running = RunningStains::new(4);
        (0..40).for_each(|_| running.see(&first));
        let total =
            |running: &RunningStains| running.seen.iter().map(|seen| f64::from(*seen / running.weight)).sum::<f64>();
        let before = total(&running);
        let white = RgbImage::from_pixel(1, 1, image::Rgb([255; 3]));
        (0..4).for_each(|_| running.see(&white));
        assert!((total(&running) / before - 0.5).abs() < 1e-3, "half after a half-life");
        (0..40).for_each(|_| running.see(&second));
        // 2^-10 of the first slide is left: less than the percentile that is asked for.
        check(&running.stains().expect("two stains"), &want, 1.0, 0.03);
    }

    #[test]
    fn weights_never_overflow() {
        let frame = mixed(&pair([0.65, 0.70, 0.29], [0.27, 0.85, 0.45]), [1.4, 1.1]);
        let mut running = RunningStains::new(1);
        (0..2_000).for_each(|_| running.see(&frame));
        check(&running.stains().expect("two stains"), &Stains::of_image(&frame).expect("two stains"), 1.0, 0.03);
    }

    #[test]
    fn what_shows_no_two_stains_has_none() {
        let mut running = RunningStains::new(2);
        assert_eq!(running.stains(), Err(Degenerate::TooFewPixels { found: 0 }));
        running.see(&RgbImage::new(0, 0));
        running.see(&RgbImage::from_pixel(300, 300, image::Rgb([250; 3])));
        assert_eq!(running.stains(), Err(Degenerate::TooFewPixels { found: 0 }));
        running.see(&RgbImage::from_fn(300, 300, |x, _| image::Rgb([u8::try_from(x % 180).unwrap_or(0); 3])));
        assert!(matches!(running.stains(), Err(Degenerate::OneStain { .. })), "{:?}", running.stains());
    }
}
