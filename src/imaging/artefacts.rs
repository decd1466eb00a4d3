//! What on a slide is not tissue or spoils it: pen, folds, air bubbles. Suspicions from cells of 16 pixels, for a hint to the
//! person at the microscope; nothing is refused for them.

use image::RgbImage;

use crate::{
    cells::{Cell, Cells},
    field::TissueMask,
    stain::I0,
};

/// The share of a field that is suspected to be spoiled, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Artefacts {
    /// Black, blue or green ink: dark, and not absorbing green most as both stains do.
    pub pen_share: f64,
    /// A strip far darker than the rest of the tissue, in the stains' own colours: tissue over tissue.
    pub fold_share: f64,
    /// Clear ground within a dark rim without colour.
    pub bubble_share: f64,
}

impl Artefacts {
    /// The artefacts of a picture.
    #[must_use]
    pub fn of(image: &RgbImage, tissue: &TissueMask) -> Self {
        Self::of_cells(&Cells::of(image), tissue)
    }

    pub(crate) fn of_cells(cells: &Cells, tissue: &TissueMask) -> Self {
        let seen: Vec<Seen> = cells.cells.iter().map(Seen::of).collect();
        let grid = Grid { columns: cells.columns as usize, rows: cells.rows as usize };
        let pen = pen(&grid, &seen);
        Self {
            fold_share: grid.share(&folds(&grid, &seen, tissue, &pen)),
            bubble_share: grid.share(&bubbles(&grid, cells, tissue, &pen)),
            pen_share: grid.share(&pen),
        }
    }
}

/// The optical density of a cell's mean colour.
struct Seen {
    density: [f64; 3],
    sum: f64,
    black_share: f64,
    /// The density in green of its lightest pixels.
    least: f64,
}

impl Seen {
    fn of(cell: &Cell) -> Self {
        let pixels = f64::from(cell.pixels.max(1));
        let density = cell.sum.map(|sum| -libm::log((f64::from(sum) / pixels + 1.0) / I0));
        Self {
            density,
            sum: density.iter().sum(),
            black_share: f64::from(cell.black) / pixels,
            least: -libm::log((f64::from(cell.green_top) + 1.0) / I0),
        }
    }

    /// By how much green is absorbed more than red or blue, as a share of the density: positive in H&E.
    fn green_lead(&self) -> f64 {
        let [r, g, b] = self.density;
        (g - r.max(b)) / self.sum
    }
}

/// Ink is at least so dense, as the sum of three channels.
const INK_DENSITY: f64 = 0.9;
/// Ink absorbs green less than another channel by this share of its density. The least of cells in real H&E is about 0.
const INK_LEAD: f64 = -0.05;
/// A cell is black where so many of its pixels are.
const BLACK_SHARE: f64 = 0.7;
/// A stroke covers at least so many cells; grains of carbon in lungs cover fewer.
const LEAST_STROKE: usize = 16;

/// Cells under ink.
fn pen(grid: &Grid, seen: &[Seen]) -> Vec<bool> {
    let inked =
        |cell: &Seen| cell.sum > INK_DENSITY && (cell.green_lead() < INK_LEAD || cell.black_share > BLACK_SHARE);
    let suspected: Vec<bool> = seen.iter().map(inked).collect();
    grid.keep(&suspected, |part| part.len() >= LEAST_STROKE)
}

/// The lightest pixels of a fold are so many times as dense as those of the field's tissue: nuclei in a row leave gaps.
const FOLD_FACTOR: f64 = 1.5;
/// And at least so dense, in green.
const FOLD_DENSITY: f64 = 0.5;
/// A fold covers at least so many cells.
const LEAST_FOLD: usize = 16;
/// A fold is so many times longer than wide.
const FOLD_LENGTH: f64 = 6.0;

/// Cells in folds.
fn folds(grid: &Grid, seen: &[Seen], tissue: &TissueMask, pen: &[bool]) -> Vec<bool> {
    let mut densities: Vec<f64> =
        seen.iter().zip(tissue.cells()).filter(|(_, is_tissue)| **is_tissue).map(|(cell, _)| cell.least).collect();
    if densities.is_empty() {
        return vec![false; seen.len()];
    }
    let middle = densities.len() / 2;
    let typical = *densities.select_nth_unstable_by(middle, f64::total_cmp).1;
    let least = (FOLD_FACTOR * typical).max(FOLD_DENSITY);
    let suspected: Vec<bool> =
        seen.iter().zip(pen).map(|(cell, &pen)| !pen && cell.least > least && cell.green_lead() > 0.0).collect();
    grid.keep(&suspected, |part| part.len() >= LEAST_FOLD && grid.elongation(part) >= FOLD_LENGTH)
}

/// A bubble covers at least so many cells, without its rim.
const LEAST_BUBBLE: usize = 12;
/// The share of a bubble's rim that must be black.
const RIM_SHARE: f64 = 0.6;
/// Black pixels that make a cell part of a rim.
const RIM_PIXELS: u32 = 8;

/// Cells in bubbles, rims included.
fn bubbles(grid: &Grid, cells: &Cells, tissue: &TissueMask, pen: &[bool]) -> Vec<bool> {
    let is_rim = |index: usize| cells.cells[index].black >= RIM_PIXELS && !pen[index];
    let clear: Vec<bool> = (0..grid.len()).map(|index| !tissue.cells()[index] && !is_rim(index)).collect();
    let mut found = vec![false; grid.len()];
    for part in grid.parts(&clear) {
        if part.len() < LEAST_BUBBLE {
            continue;
        }
        let mut around: Vec<usize> =
            part.iter().flat_map(|&index| grid.neighbours(index)).filter(|&index| !clear[index]).collect();
        around.sort_unstable();
        around.dedup();
        let rim: Vec<usize> = around.iter().copied().filter(|&index| is_rim(index)).collect();
        #[expect(clippy::cast_precision_loss, reason = "there are few cells")]
        let black = rim.len() as f64 >= RIM_SHARE * around.len() as f64;
        if black && !around.is_empty() {
            part.iter().chain(&rim).for_each(|&index| found[index] = true);
        }
    }
    found
}

/// The places of cells.
struct Grid {
    columns: usize,
    rows: usize,
}

impl Grid {
    fn len(&self) -> usize {
        self.columns * self.rows
    }

    fn share(&self, found: &[bool]) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are few cells")]
        let share = found.iter().filter(|&&found| found).count() as f64 / self.len().max(1) as f64;
        share
    }

    /// The cells beside a cell, up to eight.
    fn neighbours(&self, index: usize) -> impl Iterator<Item = usize> {
        let (x, y) = (index % self.columns, index / self.columns);
        let (columns, rows) = (self.columns, self.rows);
        (y.saturating_sub(1)..(y + 2).min(rows))
            .flat_map(move |y| (x.saturating_sub(1)..(x + 2).min(columns)).map(move |x| y * columns + x))
            .filter(move |&other| other != index)
    }

    /// The connected parts of the cells that are set.
    fn parts(&self, set: &[bool]) -> Vec<Vec<usize>> {
        let mut left = set.to_vec();
        let mut parts = Vec::new();
        for start in 0..left.len() {
            if !std::mem::take(&mut left[start]) {
                continue;
            }
            let mut part = vec![start];
            let mut next = 0;
            while let Some(&index) = part.get(next) {
                next += 1;
                for other in self.neighbours(index) {
                    if std::mem::take(&mut left[other]) {
                        part.push(other);
                    }
                }
            }
            parts.push(part);
        }
        parts
    }

    /// The cells of those connected parts that `wanted` wants.
    fn keep(&self, set: &[bool], wanted: impl Fn(&[usize]) -> bool) -> Vec<bool> {
        let mut kept = vec![false; set.len()];
        self.parts(set).iter().filter(|part| wanted(part)).flatten().for_each(|&index| kept[index] = true);
        kept
    }

    /// How many times longer than wide a part is, from its extent along its main axis and its area: about 1 for a disc.
    fn elongation(&self, part: &[usize]) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are few cells")]
        let place = |&index: &usize| ((index % self.columns) as f64, (index / self.columns) as f64);
        #[expect(clippy::cast_precision_loss, reason = "there are few cells")]
        let count = part.len() as f64;
        let (x, y) = part.iter().map(place).fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
        let (x, y) = (x / count, y / count);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (column, row) in part.iter().map(place) {
            xx += (column - x).powi(2) / count;
            xy += (column - x) * (row - y) / count;
            yy += (row - y).powi(2) / count;
        }
        // A bar of length l has the variance l²/12.
        let most = 0.5 * (xx + yy) + (0.25 * (xx - yy).powi(2) + xy * xy).sqrt();
        12.0 * most / count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    /// Tissue with nuclei, and glass in the upper left quarter.
    fn field() -> RgbImage {
        let mut random = Random::new(2, "field");
        RgbImage::from_fn(640, 480, |x, y| {
            let level: [f64; 3] = if x < 320 && y < 240 {
                [241.0, 240.0, 243.0]
            } else if (x / 9 + y / 8) % 4 == 0 {
                [120.0, 85.0, 150.0]
            } else {
                [215.0, 165.0, 200.0]
            };
            image::Rgb(level.map(|level| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
                let level = (level + f64::from(3.0 * random.noise())) as u8;
                level
            }))
        })
    }

    /// The same under a layer of `density` where `place` says so.
    fn covered(density: [f64; 3], place: impl Fn(f64, f64) -> bool) -> RgbImage {
        let mut image = field();
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            if place(f64::from(x), f64::from(y)) {
                pixel.0 = std::array::from_fn(|channel| {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
                    let level = (f64::from(pixel.0[channel]) * libm::exp(-density[channel])) as u8;
                    level
                });
            }
        }
        image
    }

    fn seen(image: &RgbImage) -> [f64; 3] {
        let found = Artefacts::of(image, &TissueMask::of(image));
        [found.pen_share, found.fold_share, found.bubble_share]
    }

    #[track_caller]
    fn check(image: &RgbImage, which: usize, share: f64) {
        let found = seen(image);
        for (index, &value) in found.iter().enumerate() {
            let want = if index == which { share } else { 0.0 };
            assert!((value - want).abs() <= 0.4 * want, "{found:?} for {share} of {which}");
        }
    }

    #[test]
    fn a_clean_field_has_none() {
        check(&field(), 0, 0.0);
        assert!(seen(&RgbImage::new(0, 0)).iter().all(|share| share.abs() < 1e-12));
    }

    #[test]
    fn ink_is_pen() {
        // A stroke of 48 pixels' width from one side to the other: 15 of 100.
        let stroke = |x: f64, y: f64| (y - 100.0 - 0.5 * x).abs() < 36.0;
        let share = 72.0 / 480.0;
        check(&covered([2.0, 2.0, 1.9], stroke), 0, share);
        check(&covered([1.6, 0.9, 0.3], stroke), 0, share);
        check(&covered([1.6, 0.4, 1.2], stroke), 0, share);
    }

    #[test]
    fn a_dark_strip_is_a_fold_and_a_dark_disc_is_not() {
        let twice = [0.5, 0.9, 0.45];
        check(&covered(twice, |x, y| x > 60.0 && (y - 350.0).abs() < 30.0), 1, 580.0 * 60.0 / (640.0 * 480.0));
        check(&covered(twice, |x, y| (x - 480.0).hypot(y - 300.0) < 90.0), 1, 0.0);
    }

    #[test]
    fn a_dark_rim_around_glass_is_a_bubble() {
        let ring = |x: f64, y: f64| ((x - 150.0).hypot(y - 120.0) - 80.0).abs() < 5.0;
        check(&covered([1.8; 3], ring), 2, std::f64::consts::PI * 85.0 * 85.0 / (640.0 * 480.0));
        let without_colour = |x: f64, y: f64| ((x - 150.0).hypot(y - 120.0) - 80.0).abs() < 5.0 && x > 150.0;
        check(&covered([1.8; 3], without_colour), 2, 0.0);
    }
}
