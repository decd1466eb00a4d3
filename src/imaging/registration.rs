//! How far one live frame lies from another: has the slide moved, and was this place captured before?
//!
//! The correlation of two fields at every displacement by one Fourier transform (Lewis, "Fast normalized
//! cross-correlation", 1995), each displacement normalised by what the two fields hold in the part that they would share
//! (Padfield, "Masked object registration in the Fourier domain", IEEE TIP 2012): without that, displacements with little
//! overlap could never win. Refined at twice the resolution. Vignetting and dirt on the camera do not move with the slide:
//! everything wider than nuclei is taken out first.

use std::ops::Range;

use fearless_simd::{Level, Simd, dispatch};
use image::RgbImage;
use rayon::prelude::*;
use rustfft::{FftPlanner, num_complex::Complex};

/// The longer edge of what is kept of a frame, in samples.
const LONGEST: u32 = 256;
/// Samples to each side over which the local mean is taken that is subtracted: about 50 µm at a high power.
const BACKGROUND: usize = 8;
/// The least part of a field that two fields must share for a displacement to be looked at.
const LEAST_OVERLAP: f64 = 0.1;
/// Standard deviation of a frame's detail below which there is nothing to hold on to, in grey levels.
const LEAST_DETAIL: f32 = 0.7;

/// A small, flat picture of a frame, kept to compare others with: 100 kB.
#[derive(Debug, Clone)]
pub struct Thumb {
    /// Size of the frame, in pixels.
    frame: [u32; 2],
    /// Pixels of the frame along the edge of a sample of `fine`.
    step: u32,
    fine: Plane,
    /// Half the resolution of `fine`.
    coarse: Plane,
    /// Integral of the squares of `coarse`.
    energy: Integral,
    /// Half of the spectrum of `coarse`, padded with zeros.
    spectrum: Vec<Complex<f32>>,
}

/// How far the picture moved from one frame to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// What is at x in the first frame is at x + `dx` in the second, in pixels of the frame.
    pub dx: f64,
    /// What is at y in the first frame is at y + `dy` in the second, in pixels of the frame.
    pub dy: f64,
    /// How alike the shared part is, weighed by its size; 0: nothing found, 1: the same frame.
    pub confidence: f64,
}

impl Shift {
    /// From this confidence on the two frames show the same place. `docs/quality.md` has how often that is wrong.
    pub const SURE: f64 = 0.6;

    /// Whether the two frames show the same place, so that the displacement means something.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.confidence >= Self::SURE
    }
}

/// The share of a frame of `width` × `height` pixels that another frame, displaced by `shift`, shows too; 0 where the
/// displacement is not [sure](Shift::is_sure).
#[must_use]
pub fn overlap(shift: Shift, width: u32, height: u32) -> f64 {
    let along = |moved: f64, length: u32| (1.0 - moved.abs() / f64::from(length.max(1))).max(0.0);
    if shift.is_sure() { along(shift.dx, width) * along(shift.dy, height) } else { 0.0 }
}

#[derive(Debug, Clone)]
struct Plane {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Thumb {
    /// What is kept of a frame.
    #[must_use]
    pub fn of(image: &RgbImage) -> Self {
        let frame = [image.width(), image.height()];
        let step = frame[0].max(frame[1]).div_ceil(LONGEST).max(1);
        let fine = Plane::of_green(image, step as usize).without_background();
        let coarse = fine.halved();
        let energy = Integral::of(&coarse, |value| f64::from(value) * f64::from(value));
        let spectrum = Padded::of(&coarse).spectrum(&coarse);
        Self { frame, step, fine, coarse, energy, spectrum }
    }

    /// Whether the frame has enough detail to be found again.
    #[must_use]
    pub fn has_detail(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "at most 65536 samples")]
        let mean_square =
            self.fine.values.iter().map(|value| value * value).sum::<f32>() / self.fine.values.len().max(1) as f32;
        mean_square.sqrt() >= LEAST_DETAIL
    }
}

/// How far the picture moved from the frame of `from` to that of `to`. Frames of different sizes, or without detail, give a
/// confidence of 0.
#[must_use]
pub fn shift(from: &Thumb, to: &Thumb) -> Shift {
    let nothing = Shift { dx: 0.0, dy: 0.0, confidence: 0.0 };
    if from.frame != to.frame || !from.has_detail() || !to.has_detail() {
        return nothing;
    }
    let Some(coarse) = best_displacement(from, to) else { return nothing };
    // The neighbours of the best displacement at twice the resolution, then the top of a parabola through the best of those.
    let mut best = (f64::NEG_INFINITY, [0, 0]);
    for dy in -2..=2 {
        for dx in -2..=2 {
            let at = [2 * coarse[0] + dx, 2 * coarse[1] + dy];
            let likeness = from.fine.likeness(&to.fine, at);
            if likeness > best.0 {
                best = (likeness, at);
            }
        }
    }
    let (likeness, at) = best;
    let top = |axis: usize| {
        let beside = |offset: isize| {
            let mut there = at;
            there[axis] += offset;
            from.fine.likeness(&to.fine, there)
        };
        let (before, after) = (beside(-1), beside(1));
        let bend = before - 2.0 * likeness + after;
        let offset = if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "at most 256")]
        let found = (at[axis] as f64 + offset) * f64::from(from.step);
        found
    };
    let (dx, dy) = (top(0), top(1));
    let shared = from.fine.shared(at);
    Shift { dx, dy, confidence: (likeness * shared.sqrt().sqrt()).clamp(0.0, 1.0) }
}

/// The displacement of the coarse planes whose shared parts are most alike, for their size.
fn best_displacement(from: &Thumb, to: &Thumb) -> Option<[isize; 2]> {
    let padded = Padded::of(&from.coarse);
    let product: Vec<Complex<f32>> =
        from.spectrum.iter().zip(&to.spectrum).map(|(from, to)| from.conj() * to).collect();
    let correlation = padded.inverse(product);
    let (width, height) = (from.coarse.width.cast_signed(), from.coarse.height.cast_signed());
    let mut best: Option<(f64, [isize; 2])> = None;
    for dy in 1 - height..height {
        for dx in 1 - width..width {
            let share = from.coarse.shared([dx, dy]);
            if share < LEAST_OVERLAP {
                continue;
            }
            let sum = f64::from(correlation[padded.at(dx, dy)]);
            if sum <= 0.0 {
                continue;
            }
            let here = from.energy.over(range(-dx, width), range(-dy, height));
            let there = to.energy.over(range(dx, width), range(dy, height));
            let likeness = sum / (here * there).sqrt().max(f64::MIN_POSITIVE);
            // By chance alone, likeness grows as the root of the part falls.
            let score = likeness * share.sqrt();
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, [dx, dy]));
            }
        }
    }
    best.map(|(_, at)| at)
}

/// Where 0..`length`, moved by `by`, lies in 0..`length`.
fn range(by: isize, length: isize) -> Range<usize> {
    by.clamp(0, length).unsigned_abs()..(length + by).clamp(0, length).unsigned_abs()
}

impl Plane {
    /// The means of the green channel over squares of `step` pixels; what is left over to the right and below is left out.
    fn of_green(image: &RgbImage, step: usize) -> Self {
        let (width, height) = (image.width() as usize / step, image.height() as usize / step);
        let mut values = vec![0.0_f32; width * height];
        if !values.is_empty() {
            let stride = 3 * image.width() as usize;
            #[expect(clippy::cast_precision_loss, reason = "a step has few pixels")]
            let per_sum = 1.0 / (step * step) as f32;
            values.par_chunks_mut(width).zip(image.as_raw().par_chunks_exact(stride * step)).with_min_len(16).for_each(
                |(row, band)| {
                    let mut green = vec![0_u32; width * step];
                    for line in band.chunks_exact(stride) {
                        for (sum, pixel) in green.iter_mut().zip(line.as_chunks::<3>().0) {
                            *sum += u32::from(pixel[1]);
                        }
                    }
                    for (value, sums) in row.iter_mut().zip(green.chunks_exact(step)) {
                        #[expect(clippy::cast_precision_loss, reason = "a square of pixels has a small sum")]
                        let sum = sums.iter().sum::<u32>() as f32;
                        *value = sum * per_sum;
                    }
                },
            );
        }
        Self { width, height, values }
    }

    fn without_background(mut self) -> Self {
        let integral = Integral::of(&self, f64::from);
        for y in 0..self.height {
            let rows = y.saturating_sub(BACKGROUND)..(y + BACKGROUND + 1).min(self.height);
            for x in 0..self.width {
                let columns = x.saturating_sub(BACKGROUND)..(x + BACKGROUND + 1).min(self.width);
                #[expect(clippy::cast_precision_loss, reason = "at most 289")]
                let count = (rows.len() * columns.len()) as f64;
                #[expect(clippy::cast_possible_truncation, reason = "a grey level")]
                let mean = (integral.over(columns, rows.clone()) / count) as f32;
                self.values[y * self.width + x] -= mean;
            }
        }
        self
    }

    /// The means of squares of two by two samples.
    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let values = (0..height)
            .flat_map(|y| {
                let above = &self.values[2 * y * self.width..][..2 * width];
                let below = &self.values[(2 * y + 1) * self.width..][..2 * width];
                above
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .zip(below.as_chunks::<2>().0)
                    .map(|(a, b)| (a[0] + a[1] + b[0] + b[1]) / 4.0)
            })
            .collect();
        Self { width, height, values }
    }

    /// The share of the plane that it has in common with one displaced by `by`.
    fn shared(&self, by: [isize; 2]) -> f64 {
        let along = |moved: isize, length: usize| {
            #[expect(clippy::cast_precision_loss, reason = "at most 256")]
            let share = length.saturating_sub(moved.unsigned_abs()) as f64 / length.max(1) as f64;
            share
        };
        along(by[0], self.width) * along(by[1], self.height)
    }

    /// The normalised correlation of what `self` and `other` share when `other` lies `by` further; 0 if nothing.
    fn likeness(&self, other: &Self, by: [isize; 2]) -> f64 {
        let (width, height) = (self.width.cast_signed(), self.height.cast_signed());
        let rows = range(-by[1], height).zip(range(by[1], height));
        let columns = (range(-by[0], width), range(by[0], width));
        let [product, from, to] = dispatch!(Level::new(), simd => products(simd, self, other, rows, columns));
        let scale = (from * to).sqrt();
        if scale > 0.0 { product / scale } else { 0.0 }
    }
}

/// The sums of a·b, a² and b² over pairs of rows, each over its columns. Sixteen sums side by side, whatever the machine: the
/// same on all of them.
#[inline(always)]
fn products<S: Simd>(
    _: S,
    a: &Plane,
    b: &Plane,
    rows: impl Iterator<Item = (usize, usize)>,
    columns: (Range<usize>, Range<usize>),
) -> [f64; 3] {
    const LANES: usize = 16;
    let (mut both, mut here, mut there) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    for (row, other_row) in rows {
        let from = &a.values[row * a.width..][columns.0.clone()];
        let to = &b.values[other_row * b.width..][columns.1.clone()];
        let ((from, from_rest), (to, to_rest)) = (from.as_chunks::<LANES>(), to.as_chunks::<LANES>());
        for (from, to) in from.iter().zip(to) {
            for lane in 0..LANES {
                both[lane] += from[lane] * to[lane];
                here[lane] += from[lane] * from[lane];
                there[lane] += to[lane] * to[lane];
            }
        }
        for (&from, &to) in from_rest.iter().zip(to_rest) {
            both[0] += from * to;
            here[0] += from * from;
            there[0] += to * to;
        }
    }
    [both, here, there].map(|lanes| lanes.iter().map(|&lane| f64::from(lane)).sum())
}

/// Sums over all rectangles from the upper left corner.
#[derive(Debug, Clone)]
struct Integral {
    stride: usize,
    sums: Vec<f64>,
}

impl Integral {
    fn of(plane: &Plane, value: impl Fn(f32) -> f64) -> Self {
        let stride = plane.width + 1;
        let mut sums = vec![0.0; stride * (plane.height + 1)];
        for y in 0..plane.height {
            let mut row = 0.0;
            for x in 0..plane.width {
                row += value(plane.values[y * plane.width + x]);
                sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
            }
        }
        Self { stride, sums }
    }

    fn over(&self, columns: Range<usize>, rows: Range<usize>) -> f64 {
        let at = |x: usize, y: usize| self.sums[y * self.stride + x];
        at(columns.end, rows.end) - at(columns.start, rows.end) - at(columns.end, rows.start)
            + at(columns.start, rows.start)
    }
}

/// A plane with zeros to the right and below, so that what leaves it on one side does not come in on the other.
struct Padded {
    width: usize,
    height: usize,
}

impl Padded {
    fn of(plane: &Plane) -> Self {
        // Transforms of these lengths are made of steps of 2 and 3.
        let length = |least: usize| {
            let (two, three) = (least.next_power_of_two(), 3 * least.div_ceil(3).next_power_of_two());
            two.min(three).max(1)
        };
        Self { width: length(2 * plane.width), height: length(2 * plane.height) }
    }

    /// Columns of the spectrum that are kept: the rest mirrors them, as the samples are real.
    fn kept(&self) -> usize {
        self.width / 2 + 1
    }

    /// Where a displacement lies.
    fn at(&self, dx: isize, dy: isize) -> usize {
        dy.rem_euclid(self.height.cast_signed()).unsigned_abs() * self.width
            + dx.rem_euclid(self.width.cast_signed()).unsigned_abs()
    }

    /// The spectrum, column after column.
    fn spectrum(&self, plane: &Plane) -> Vec<Complex<f32>> {
        let mut planner = FftPlanner::new();
        let (along, down) = (planner.plan_fft_forward(self.width), planner.plan_fft_forward(self.height));
        let mut columns = vec![Complex::default(); self.kept() * self.height];
        let mut row = vec![Complex::default(); self.width];
        for (y, line) in plane.values.chunks_exact(plane.width.max(1)).enumerate() {
            row.fill(Complex::default());
            for (to, &value) in row.iter_mut().zip(line) {
                to.re = value;
            }
            along.process(&mut row);
            for (x, value) in row[..self.kept()].iter().enumerate() {
                columns[x * self.height + y] = *value;
            }
        }
        down.process(&mut columns);
        columns
    }

    /// The real plane whose spectrum is given, row after row.
    fn inverse(&self, mut columns: Vec<Complex<f32>>) -> Vec<f32> {
        let mut planner = FftPlanner::new();
        let (along, down) = (planner.plan_fft_inverse(self.width), planner.plan_fft_inverse(self.height));
        down.process(&mut columns);
        let mut row = vec![Complex::default(); self.width];
        let mut values = Vec::with_capacity(self.width * self.height);
        #[expect(clippy::cast_precision_loss, reason = "at most 2^19")]
        let per_sum = 1.0 / (self.width * self.height) as f32;
        for y in 0..self.height {
            for x in 0..self.kept() {
                row[x] = columns[x * self.height + y];
            }
            for x in self.kept()..self.width {
                row[x] = columns[(self.width - x) * self.height + y].conj();
            }
            along.process(&mut row);
            values.extend(row.iter().map(|value| value.re * per_sum));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    /// Round spots of many sizes on a bright ground: texture with no two places alike.
    fn specimen(width: u32, height: u32, seed: u64) -> RgbImage {
        let mut random = Random::new(seed, "specimen");
        let mut image = RgbImage::from_pixel(width, height, image::Rgb([225, 190, 215]));
        for _ in 0..width * height / 600 {
            let (x, y) = (random.range(0.0, f64::from(width)), random.range(0.0, f64::from(height)));
            let (radius, level) = (random.range(4.0, 14.0), random.range(60.0, 160.0));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let near = |middle: f64, most: u32| (middle - radius) as u32..((middle + radius) as u32).min(most - 1) + 1;
            for row in near(y, height) {
                for column in near(x, width) {
                    if (f64::from(column) - x).hypot(f64::from(row) - y) < radius {
                        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "60 to 160")]
                        let level = level as u8;
                        image.put_pixel(column, row, image::Rgb([level + 20, level, level + 40]));
                    }
                }
            }
        }
        image
    }

    fn cut(image: &RgbImage, x: u32, y: u32) -> RgbImage {
        image::imageops::crop_imm(image, x, y, 640, 360).to_image()
    }

    #[track_caller]
    fn check(to: [u32; 2], change: impl Fn(f64) -> f64) {
        let image = specimen(1_400, 900, 1);
        let mut second = cut(&image, to[0], to[1]);
        for level in second.iter_mut() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let changed = change(f64::from(*level)) as u8;
            *level = changed;
        }
        let found = shift(&Thumb::of(&cut(&image, 700, 400)), &Thumb::of(&second));
        let (dx, dy) = (700.0 - f64::from(to[0]), 400.0 - f64::from(to[1]));
        assert!((found.dx - dx).abs() < 1.0 && (found.dy - dy).abs() < 1.0, "{found:?} for {dx}, {dy}");
        assert!(found.is_sure(), "{found:?}");
        let shared = (1.0 - dx.abs() / 640.0) * (1.0 - dy.abs() / 360.0);
        assert!((overlap(found, 640, 360) - shared).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn displacements_are_found() {
        for to in [[700, 400], [703, 398], [731, 455], [300, 400], [700, 130], [250, 380], [188, 400], [500, 250]] {
            check(to, |level| level);
        }
    }

    #[test]
    fn other_light_changes_nothing() {
        check([650, 420], |level| 0.7 * level);
        check([650, 420], |level| 0.8 * level + 30.0);
    }

    #[test]
    fn other_places_and_clear_glass_are_not_the_same() {
        let [a, b] = [1, 2].map(|seed| Thumb::of(&specimen(640, 360, seed)));
        assert!(!shift(&a, &b).is_sure(), "{:?}", shift(&a, &b));
        let mut random = Random::new(1, "glass");
        let mut glass = || {
            Thumb::of(&RgbImage::from_fn(640, 360, |_, _| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "about 240")]
                let level = (240.0 + 2.0 * random.noise()) as u8;
                image::Rgb([level; 3])
            }))
        };
        let (first, second) = (glass(), glass());
        assert!(!first.has_detail() && shift(&first, &second).confidence < 1e-12);
        assert!(overlap(shift(&first, &second), 640, 360) < 1e-12);
    }

    #[test]
    fn sizes_that_are_odd_or_differ_are_no_trouble() {
        let thumb = |width, height| Thumb::of(&specimen(width, height, 1));
        assert!(shift(&thumb(640, 360), &thumb(640, 352)).confidence < 1e-12);
        for (width, height) in [(1, 1), (16, 300), (257, 31), (1_023, 577)] {
            let same = thumb(width, height);
            let found = shift(&same, &same);
            assert!(found.dx.abs() < 0.1 && found.dy.abs() < 0.1, "{width} × {height}: {found:?}");
        }
        let empty = Thumb::of(&RgbImage::new(0, 0));
        assert!(shift(&empty, &empty).confidence < 1e-12);
    }

    #[test]
    fn there_and_back_is_nowhere() {
        let image = specimen(1_400, 900, 3);
        let (a, b) = (Thumb::of(&cut(&image, 100, 100)), Thumb::of(&cut(&image, 217, 65)));
        let (there, back) = (shift(&a, &b), shift(&b, &a));
        assert!((there.dx + back.dx).abs() < 0.5 && (there.dy + back.dy).abs() < 0.5, "{there:?} {back:?}");
    }
}
