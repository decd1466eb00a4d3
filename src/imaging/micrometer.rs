//! The scale of a microscope, from a picture of a stage micrometer.
//!
//! The direction of the lines by the structure tensor (Bigün & Granlund 1987), sharpened by turning until the lines fall
//! together; then the darkness summed along them, the pitch by its autocorrelation, and a straight line through the places
//! of all lines. Every line counts the same there, so that the longer fifth and tenth are not taken for the pitch.

use image::RgbImage;

/// The lines of a stage micrometer in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ruling {
    /// Distance of neighbouring lines, in pixels. The scale is the pitch on the glass divided by this.
    pub period_px: f64,
    /// The direction across the lines, along the scale, in degrees from the x axis towards the y axis: −90 to 90.
    pub angle_deg: f64,
    /// Lines that were found.
    pub lines: usize,
    /// The standard error of the period, as a share of it.
    pub relative_error: f64,
    /// How regular the lines are, 0 to 1: 1 where none is off its place.
    pub quality: f64,
}

/// Why there is no ruling to be read.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoRuling {
    /// The picture shows hardly anything, or is smaller than 64 pixels.
    #[error("there is nothing to be seen")]
    Blank,
    /// There is no one direction, or no one distance: tissue, letters, a grid.
    #[error("there are no even lines")]
    NotRegular,
    /// There are lines, but not enough of them.
    #[error("only {found} lines are seen, {LEAST_LINES} are needed")]
    TooFewLines {
        /// Lines found.
        found: usize,
    },
    /// The lines are so close that the camera may show others than there are.
    #[error("the lines are only {period_px:.1} pixels apart")]
    TooFine {
        /// Their distance, in pixels.
        period_px: f64,
    },
}

/// Lines that are needed.
const LEAST_LINES: usize = 5;
/// Lines closer than this, in pixels, are near what a camera can show.
const FINEST_PX: f64 = 4.0;
/// How much of the gradients must agree on a direction. Lines have 0.6 and more, tissue 0.1.
const LEAST_COHERENCE: f64 = 0.35;
/// Bins of a profile to a pixel.
const BINS: f64 = 4.0;
/// Standard deviation of the lines' places, as a share of the period, at which they are no ruling.
const MOST_IRREGULAR: f64 = 0.08;
/// The share of lines between the first and the last that must be seen.
const LEAST_SEEN: f64 = 0.8;
/// How much of itself a profile must find again one period on.
const LEAST_AGAIN: f64 = 0.3;

impl Ruling {
    /// The ruling in a picture.
    ///
    /// # Errors
    /// [`NoRuling`] if there is none that can be relied on.
    pub fn find(image: &RgbImage) -> Result<Self, NoRuling> {
        if image.width().min(image.height()) < 64 {
            return Err(NoRuling::Blank);
        }
        let grey = Grey::of(image);
        let (angle, coherence) = grey.direction();
        let dark = grey.dark_pixels();
        if dark.len() < 200 {
            return Err(NoRuling::Blank);
        }
        if coherence < LEAST_COHERENCE {
            return Err(NoRuling::NotRegular);
        }
        let angle = sharpest(&dark, angle);
        let profile = Profile::of(&dark, angle);
        let near = profile.repeats_at().ok_or(NoRuling::NotRegular)?;
        if near < FINEST_PX * BINS {
            return Err(NoRuling::TooFine { period_px: near / BINS });
        }
        profile.ruling(near, angle)
    }
}

/// A pixel that is darker than the glass around it.
struct Dark {
    x: f32,
    y: f32,
    darkness: f32,
}

/// The green channel.
struct Grey {
    width: usize,
    height: usize,
    levels: Vec<f32>,
}

impl Grey {
    fn of(image: &RgbImage) -> Self {
        let levels = image.as_raw().as_chunks::<3>().0.iter().map(|pixel| f32::from(pixel[1])).collect();
        Self { width: image.width() as usize, height: image.height() as usize, levels }
    }

    /// The direction in which levels change most, in radians, and how much of the change agrees on it, 0 to 1.
    fn direction(&self) -> (f64, f64) {
        // Gradients of a Gaussian of about one pixel: noise has no direction but takes part in the sum.
        let smooth = self.smoothed();
        let (mut both, mut cos, mut sin) = (0.0_f64, 0.0_f64, 0.0_f64);
        let mut energies = Vec::with_capacity(self.levels.len() / 4);
        for y in (2..self.height - 2).step_by(2) {
            for x in (2..self.width - 2).step_by(2) {
                let at = |dx: usize, dy: usize| smooth[(y + dy - 1) * self.width + x + dx - 1];
                let (gx, gy) = (f64::from(at(2, 1) - at(0, 1)), f64::from(at(1, 2) - at(1, 0)));
                energies.push((gx * gx + gy * gy, gx * gx - gy * gy, 2.0 * gx * gy));
            }
        }
        // Only the steepest tenth: the rest is glass.
        let steep = energies.len() * 9 / 10;
        let (_, least, _) = energies.select_nth_unstable_by(steep, |a, b| a.0.total_cmp(&b.0));
        let least = least.0;
        for &(energy, c, s) in energies.iter().filter(|(energy, _, _)| *energy >= least) {
            both += energy;
            cos += c;
            sin += s;
        }
        (0.5 * libm::atan2(sin, cos), if both > 0.0 { cos.hypot(sin) / both } else { 0.0 })
    }

    fn smoothed(&self) -> Vec<f32> {
        let mut smooth = self.levels.clone();
        for y in 1..self.height - 1 {
            for x in 1..self.width - 1 {
                let row = |y: usize| {
                    let row = &self.levels[y * self.width + x - 1..][..3];
                    row[0] + 2.0 * row[1] + row[2]
                };
                smooth[y * self.width + x] = (row(y - 1) + 2.0 * row(y) + row(y + 1)) / 16.0;
            }
        }
        smooth
    }

    /// What is darker than the glass around it by more than noise.
    fn dark_pixels(&self) -> Vec<Dark> {
        // The glass around: the upper quartile of squares, drawn out between their middles.
        const SQUARE: usize = 64;
        let (columns, rows) = (self.width.div_ceil(SQUARE), self.height.div_ceil(SQUARE));
        let mut glass = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                let (left, top) =
                    ((column * SQUARE).min(self.width - SQUARE), (row * SQUARE).min(self.height - SQUARE));
                let mut levels: Vec<f32> = (top..top + SQUARE)
                    .step_by(2)
                    .flat_map(|y| self.levels[y * self.width + left..][..SQUARE].iter().step_by(2).copied())
                    .collect();
                let quartile = levels.len() * 3 / 4;
                let (_, level, _) = levels.select_nth_unstable_by(quartile, f32::total_cmp);
                glass.push(*level);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "sizes of pictures")]
        let between = |at: usize, count: usize| {
            let at = ((at as f32 + 0.5) / SQUARE as f32 - 0.5).clamp(0.0, (count - 1) as f32);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the count of squares")]
            let first = (at as usize).min(count.saturating_sub(2));
            (first, (first + 1).min(count - 1), at - first as f32)
        };
        let smooth = self.smoothed();
        let mut darkness = vec![0.0_f32; self.levels.len()];
        for y in 0..self.height {
            let (above, below, down) = between(y, rows);
            for x in 0..self.width {
                let (left, right, along) = between(x, columns);
                let row = |row: usize| {
                    let (a, b) = (glass[row * columns + left], glass[row * columns + right]);
                    a + (b - a) * along
                };
                let around = row(above) + (row(below) - row(above)) * down;
                darkness[y * self.width + x] = 1.0 - smooth[y * self.width + x] / around.max(1.0);
            }
        }
        let mut sorted: Vec<f32> = darkness.iter().copied().step_by(7).collect();
        // Glass is what is brightest; its noise is seen from below, where no lines are.
        let [faint, typical] = [20, 4].map(|part| {
            let at = sorted.len() / part;
            *sorted.select_nth_unstable_by(at, f32::total_cmp).1
        });
        let spread = typical - faint;
        let last = sorted.len() * 199 / 200;
        let darkest = *sorted.select_nth_unstable_by(last, f32::total_cmp).1;
        let least = (typical + 5.0 * spread).max(0.25 * darkest).max(0.04);
        let found = |(index, &darkness): (usize, &f32)| {
            #[expect(clippy::cast_precision_loss, reason = "sizes of pictures")]
            let (x, y) = ((index % self.width) as f32, (index / self.width) as f32);
            (darkness > least).then_some(Dark { x, y, darkness: darkness - least })
        };
        darkness.iter().enumerate().filter_map(found).collect()
    }
}

/// The direction near `angle` in which the darkness falls together most.
fn sharpest(dark: &[Dark], angle: f64) -> f64 {
    let every = dark.len().div_ceil(150_000);
    let few: Vec<&Dark> = dark.iter().step_by(every).collect();
    let mut best = angle;
    // The differences of neighbouring pixels turn away from a slant when lines are only a few pixels apart: by 3° at five.
    for (step, turns) in [(0.004_f64, 18), (0.001, 5), (0.000_2, 6)] {
        let middle = best;
        let mut most = f64::NEG_INFINITY;
        for turn in -turns..=turns {
            let angle = middle + step * f64::from(turn);
            let sharpness = Profile::of(few.iter().copied(), angle).sharpness();
            if sharpness > most {
                (most, best) = (sharpness, angle);
            }
        }
    }
    best
}

/// Darkness summed along the lines.
struct Profile {
    sums: Vec<f64>,
}

impl Profile {
    fn of<'a>(dark: impl IntoIterator<Item = &'a Dark> + Clone, angle: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "to the precision of the places")]
        let (cos, sin) = ((libm::cos(angle) * BINS) as f32, (libm::sin(angle) * BINS) as f32);
        let place = |dark: &Dark| dark.x * cos + dark.y * sin;
        let (mut first, mut last) = (f32::INFINITY, f32::NEG_INFINITY);
        for dark in dark.clone() {
            first = first.min(place(dark));
            last = last.max(place(dark));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "four times a picture's diagonal")]
        let mut sums = vec![0.0; (last - first).max(0.0) as usize + 3];
        for dark in dark {
            let at = place(dark) - first;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the length")]
            let bin = at as usize;
            let right = f64::from(at.fract());
            sums[bin] += f64::from(dark.darkness) * (1.0 - right);
            sums[bin + 1] += f64::from(dark.darkness) * right;
        }
        Self { sums }
    }

    fn sharpness(&self) -> f64 {
        // Over bins of about a pixel: finer ones show where pixels' middles fall.
        self.sums.windows(4).map(|window| window.iter().sum::<f64>().powi(2)).sum()
    }

    /// The least distance, in bins, at which the profile is like itself again.
    fn repeats_at(&self) -> Option<f64> {
        let profile = smoothed(&self.sums, BINS / 2.0);
        #[expect(clippy::cast_precision_loss, reason = "lengths of profiles")]
        let mean = profile.iter().sum::<f64>() / profile.len() as f64;
        let off: Vec<f64> = profile.iter().map(|sum| sum - mean).collect();
        let again = |lag: usize| {
            let pairs = off.iter().zip(&off[lag..]);
            let (mut both, mut here, mut there) = (0.0, 0.0, 0.0);
            for (a, b) in pairs {
                both += a * b;
                here += a * a;
                there += b * b;
            }
            both / (here * there).sqrt().max(f64::MIN_POSITIVE)
        };
        let lags = off.len() / 3;
        let likeness: Vec<f64> = (0..lags).map(again).collect();
        // The first lag that is much more alike than what lies before it.
        let mut least = 1.0;
        for lag in 1..lags.saturating_sub(1) {
            least = f64::min(least, likeness[lag]);
            let top = likeness[lag] >= likeness[lag - 1] && likeness[lag] > likeness[lag + 1];
            if top && likeness[lag] > LEAST_AGAIN && likeness[lag] - least > 0.2 {
                #[expect(clippy::cast_precision_loss, reason = "lengths of profiles")]
                let found = lag as f64;
                return Some(found);
            }
        }
        None
    }

    /// The lines, `near` bins apart or about so.
    fn ruling(&self, near: f64, angle: f64) -> Result<Ruling, NoRuling> {
        let profile = smoothed(&self.sums, (0.15 * near).max(BINS / 2.0));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the profile's length")]
        let reach = (0.4 * near) as usize;
        let mut tops: Vec<(f64, f64)> = Vec::new();
        for at in 1..profile.len() - 1 {
            let around = &profile[at.saturating_sub(reach)..(at + reach + 1).min(profile.len())];
            if profile[at] > 0.0 && around.iter().all(|&other| other <= profile[at]) && profile[at - 1] < profile[at] {
                let bend = profile[at - 1] - 2.0 * profile[at] + profile[at + 1];
                let offset = if bend < 0.0 { 0.5 * (profile[at - 1] - profile[at + 1]) / bend } else { 0.0 };
                #[expect(clippy::cast_precision_loss, reason = "lengths of profiles")]
                let place = at as f64 + offset.clamp(-0.5, 0.5);
                tops.push((place, profile[at]));
            }
        }
        // The least line is a third as long as the longest; what is far less dark is dirt.
        let mut heights: Vec<f64> = tops.iter().map(|top| top.1).collect();
        if heights.is_empty() {
            return Err(NoRuling::NotRegular);
        }
        let middle = heights.len() / 2;
        let typical = *heights.select_nth_unstable_by(middle, f64::total_cmp).1;
        let places: Vec<f64> = tops.iter().filter(|top| top.1 > 0.3 * typical).map(|top| top.0).collect();
        let lines = longest_run(&places, near);
        if lines.len() < LEAST_LINES {
            return Err(NoRuling::TooFewLines { found: lines.len() });
        }
        let fit = Fit::through(&lines);
        let irregular = fit.deviation / fit.period;
        #[expect(clippy::cast_precision_loss, reason = "few lines")]
        let seen = lines.len() as f64 / (lines[lines.len() - 1].0 - lines[0].0 + 1) as f64;
        if irregular > MOST_IRREGULAR || seen < LEAST_SEEN || (fit.period - near).abs() > 0.2 * near {
            return Err(NoRuling::NotRegular);
        }
        let angle_deg = angle.to_degrees();
        Ok(Ruling {
            period_px: fit.period / BINS,
            angle_deg: if angle_deg > 90.0 {
                angle_deg - 180.0
            } else if angle_deg <= -90.0 {
                angle_deg + 180.0
            } else {
                angle_deg
            },
            lines: lines.len(),
            relative_error: fit.error / fit.period,
            quality: seen.min(1.0) * (1.0 - irregular / MOST_IRREGULAR),
        })
    }
}

/// The longest sequence of places that follow each other at whole multiples of `near`, up to two, each with its number.
fn longest_run(places: &[f64], near: f64) -> Vec<(usize, f64)> {
    let mut best: Vec<(usize, f64)> = Vec::new();
    let mut run: Vec<(usize, f64)> = Vec::new();
    for &place in places {
        if let Some(&(number, before)) = run.last() {
            let steps = ((place - before) / near).round();
            if (1.0..=2.0).contains(&steps) && ((place - before) / near - steps).abs() < 0.25 {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 or 2")]
                run.push((number + steps as usize, place));
                continue;
            }
        }
        if run.len() > best.len() {
            best.clone_from(&run);
        }
        run = vec![(0, place)];
    }
    if run.len() > best.len() { run } else { best }
}

/// A straight line through numbered places.
struct Fit {
    period: f64,
    /// The standard error of the period.
    error: f64,
    /// The standard deviation of the places.
    deviation: f64,
}

impl Fit {
    fn through(lines: &[(usize, f64)]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "few lines")]
        let points: Vec<(f64, f64)> = lines.iter().map(|&(number, place)| (number as f64, place)).collect();
        #[expect(clippy::cast_precision_loss, reason = "few lines")]
        let count = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        let (x, y) = (x / count, y / count);
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let period = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
        let squares: f64 = points.iter().map(|point| (point.1 - y - period * (point.0 - x)).powi(2)).sum();
        let deviation = (squares / (count - 2.0)).sqrt();
        Self { period, error: deviation / spread.sqrt(), deviation }
    }
}

/// Under a Gaussian of standard deviation `sigma`, in elements.
fn smoothed(values: &[f64], sigma: f64) -> Vec<f64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a profile's length")]
    let reach = (3.0 * sigma).ceil() as usize;
    #[expect(clippy::cast_precision_loss, reason = "a share of a profile's length")]
    let bell: Vec<f64> = (0..=reach).map(|tap| libm::exp(-0.5 * (tap as f64 / sigma).powi(2))).collect();
    let sum = bell[0] + 2.0 * bell[1..].iter().sum::<f64>();
    (0..values.len())
        .map(|at| {
            let side = |tap: usize| {
                let before = at.checked_sub(tap).map_or(0.0, |at| values[at]);
                bell[tap] * (before + values.get(at + tap).copied().unwrap_or(0.0))
            };
            (bell[0] * values[at] + (1..=reach).map(side).sum::<f64>()) / sum
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    /// A micrometer as a camera shows it.
    #[derive(Clone, Copy)]
    struct Scene {
        size: [u32; 2],
        period_px: f64,
        angle_deg: f64,
        /// Lines to each side of the middle.
        reach: i32,
        /// Length of the shortest lines, in pixels; every fifth is 1.5, every tenth twice as long.
        length_px: f64,
        blur_px: f64,
        noise: f32,
        fall: f64,
        /// Width of a line as a share of the period.
        line: f64,
    }

    const SCENE: Scene = Scene {
        size: [960, 540],
        period_px: 20.0,
        angle_deg: 0.0,
        reach: 60,
        length_px: 120.0,
        blur_px: 1.0,
        noise: 3.0,
        fall: 0.8,
        line: 0.2,
    };

    fn drawn(scene: Scene) -> RgbImage {
        let mut random = Random::new(6, "micrometer");
        let [width, height] = scene.size.map(f64::from);
        let (sin, cos) = scene.angle_deg.to_radians().sin_cos();
        RgbImage::from_fn(scene.size[0], scene.size[1], |x, y| {
            let (x, y) = (f64::from(x) - 0.5 * width + 3.3, f64::from(y) - 0.5 * height - 1.7);
            let (along, across) = (x * cos + y * sin, -x * sin + y * cos);
            let number = (along / scene.period_px).round();
            #[expect(clippy::cast_possible_truncation, reason = "few lines")]
            let index = number as i32;
            let long = scene.length_px
                * if index % 10 == 0 {
                    2.0
                } else if index % 5 == 0 {
                    1.5
                } else {
                    1.0
                };
            // A box under a blur, by the logistic function.
            let edge = |distance: f64| 1.0 / (1.0 + (-1.7 * distance / scene.blur_px).exp());
            let half = 0.5 * scene.line * scene.period_px;
            let off = (along - number * scene.period_px).abs();
            let line = edge(half - off) * edge(across + 60.0) * edge(long - 60.0 - across);
            let line = if index.abs() <= scene.reach { line } else { 0.0 };
            let light = 235.0 / (1.0 + scene.fall * (x * x + y * y) / (width * width));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let level = (light * (1.0 - 0.8 * line) + f64::from(scene.noise * random.noise())).round() as u8;
            image::Rgb([level; 3])
        })
    }

    #[track_caller]
    fn check(scene: Scene) {
        let found = Ruling::find(&drawn(scene));
        let Ok(ruling) = found else { panic!("{found:?} at {}°, {} px", scene.angle_deg, scene.period_px) };
        let off = (ruling.period_px / scene.period_px - 1.0).abs();
        assert!(off < 0.005, "{ruling:?} for {} px at {}°", scene.period_px, scene.angle_deg);
        let turned = (ruling.angle_deg - scene.angle_deg).rem_euclid(180.0);
        assert!(turned.min(180.0 - turned) < 0.5, "{ruling:?} for {}°", scene.angle_deg);
        assert!(ruling.relative_error < 0.003 && ruling.quality > 0.5, "{ruling:?}");
    }

    #[test]
    fn at_every_angle() {
        for angle_deg in [0.0, 1.0, 7.0, 22.5, 30.0, 45.0, 60.0, 73.0, 89.0, 90.0] {
            check(Scene { angle_deg, ..SCENE });
        }
    }

    #[test]
    fn at_every_scale() {
        // 10 µm at 2 to 0.1 µm per pixel.
        for period_px in [5.0, 6.3, 10.0, 20.0, 40.0, 66.7, 100.0] {
            let blur_px = if period_px < 8.0 { 0.6 } else { 1.5 };
            for angle_deg in [0.0, 12.0] {
                check(Scene { size: [1_280, 720], period_px, angle_deg, blur_px, length_px: 180.0, ..SCENE });
            }
        }
    }

    #[test]
    fn blurred_noisy_vignetted_thin_and_thick() {
        check(Scene { blur_px: 4.0, ..SCENE });
        check(Scene { noise: 12.0, ..SCENE });
        check(Scene { fall: 2.0, ..SCENE });
        check(Scene { line: 0.08, ..SCENE });
        check(Scene { line: 0.5, ..SCENE });
    }

    #[test]
    fn a_part_of_the_picture_is_enough() {
        check(Scene { reach: 4, period_px: 33.0, ..SCENE });
        check(Scene { reach: 10, length_px: 70.0, angle_deg: 40.0, ..SCENE });
        check(Scene { reach: 2, period_px: 90.0, ..SCENE });
    }

    #[test]
    fn what_is_no_ruling_is_refused() {
        let find = |image: &RgbImage| Ruling::find(image);
        assert_eq!(find(&RgbImage::new(40, 400)), Err(NoRuling::Blank));
        let mut random = Random::new(1, "blank");
        let blank = RgbImage::from_fn(640, 480, |x, _| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "about 230")]
            let level = (235.0 - f64::from(x) / 40.0 + f64::from(3.0 * random.noise())) as u8;
            image::Rgb([level; 3])
        });
        assert!(find(&blank).is_err(), "{:?}", find(&blank));
        let few = find(&drawn(Scene { reach: 1, period_px: 60.0, ..SCENE }));
        assert!(few.is_err(), "{few:?}");
        let fine = find(&drawn(Scene { period_px: 3.2, blur_px: 0.4, line: 0.4, ..SCENE }));
        assert!(fine.is_err(), "{fine:?}");
        let mut random = Random::new(5, "nuclei");
        let mut tissue = RgbImage::from_pixel(640, 480, image::Rgb([225, 180, 210]));
        for _ in 0..900 {
            let (x, y, radius) = (random.range(0.0, 640.0), random.range(0.0, 480.0), random.range(5.0, 11.0));
            for (column, row, pixel) in tissue.enumerate_pixels_mut() {
                if (f64::from(column) - x).hypot(f64::from(row) - y) < radius {
                    pixel.0 = [110, 70, 140];
                }
            }
        }
        assert_eq!(find(&tissue), Err(NoRuling::NotRegular));
    }
}
