//! What a microscope field shows: colour, light, tissue, focus; and its tiles.

use hilum_domain::MicronsPerPixel;
use image::RgbImage;
use rayon::prelude::*;

use crate::{
    cells::{CELL, Cell, Cells},
    rescale::triangle,
    stain::I0,
};

pub use crate::sharpness::focus;

/// A cell is tissue where its mean optical density over the three channels reaches this: thin alveolar walls do,
/// smeared glass does not.
const TISSUE_DENSITY: f32 = 0.12;
/// The share of coloured pixels under which a picture counts as grey. Clear glass with little tissue has some.
const COLOUR_SHARE: f64 = 0.002;
/// Mean level under which nothing can be told: the lamp is off or the exposure is wrong.
const DARK_LEVEL: f64 = 40.0;

/// The 99.9-percentile level and the mean, as seen before any correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// Mean of all samples, 0 to 255.
    pub mean_level: f64,
    /// The share of pixels in which every channel is 254 or 255.
    pub clipped_share: f64,
    /// Whether the picture has colour at all.
    pub coloured: bool,
}

impl Exposure {
    /// The exposure of a picture.
    #[must_use]
    pub fn of(image: &RgbImage) -> Self {
        Self::of_cells(&Cells::of(image))
    }

    pub(crate) fn of_cells(cells: &Cells) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "sums of levels are far below 2^52")]
        let total = |of: fn(&Cell) -> u32| cells.total(of) as f64;
        let pixels = total(|cell| cell.pixels).max(1.0);
        Self {
            mean_level: total(|cell| cell.sum.iter().sum()) / (3.0 * pixels),
            clipped_share: total(|cell| cell.clipped) / pixels,
            coloured: total(|cell| cell.coloured) / pixels >= COLOUR_SHARE,
        }
    }

    /// Whether the picture is black or nearly so.
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.mean_level < DARK_LEVEL
    }
}

/// Where tissue lies, in cells of 16 pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TissueMask {
    columns: u32,
    rows: u32,
    cells: Vec<bool>,
}

impl TissueMask {
    /// The tissue of a picture.
    #[must_use]
    pub fn of(image: &RgbImage) -> Self {
        Self::of_cells(&Cells::of(image), image)
    }

    /// The same from the picture's cells.
    pub(crate) fn of_cells(cells: &Cells, image: &RgbImage) -> Self {
        let density: [f32; 256] = std::array::from_fn(|level| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "0 to 255")]
            let od = -libm::log((level as f64 + 1.0) / I0) as f32;
            od
        });
        // Few cells need the sum of their pixels' densities. A density is convex in the level: the mean density is at least
        // that of the mean level, and at most what the chord from the lowest to the highest level has there. The slack is ten
        // times what adding 768 densities in single precision can lose.
        let (surely, surely_not) = (f64::from(TISSUE_DENSITY) * 1.001, f64::from(TISSUE_DENSITY) * 0.999);
        let dark_enough = I0 * libm::exp(-surely) - 1.0;
        let at = |level: u8| f64::from(density[usize::from(level)]);
        let decide = |(index, cell): (usize, &Cell)| {
            let mean = f64::from(cell.sum.iter().sum::<u32>()) / f64::from(3 * cell.pixels);
            if mean <= dark_enough {
                return true;
            }
            let along = (mean - f64::from(cell.low)) / f64::from(cell.high - cell.low).max(1.0);
            if at(cell.low) + (at(cell.high) - at(cell.low)) * along <= surely_not {
                return false;
            }
            #[expect(clippy::cast_possible_truncation, reason = "there are as many cells as fit 32 bits")]
            let (column, row) = (index as u32 % cells.columns, index as u32 / cells.columns);
            summed(image, column, row, &density)
        };
        let cells_of_tissue = cells.cells.par_iter().enumerate().with_min_len(64).map(decide).collect();
        Self { columns: cells.columns, rows: cells.rows, cells: cells_of_tissue }
    }

    /// Whether each cell is tissue, in reading order.
    pub(crate) fn cells(&self) -> &[bool] {
        &self.cells
    }

    /// Whether the pixel lies on tissue.
    #[must_use]
    pub fn at(&self, x: u32, y: u32) -> bool {
        self.cells[(y / CELL * self.columns + x / CELL) as usize]
    }

    /// The share of cells that are tissue, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share_within(0, 0, self.columns * CELL, self.rows * CELL)
    }

    /// The share of tissue among the cells whose middle lies in the rectangle.
    #[must_use]
    pub fn share_within(&self, x: u32, y: u32, width: u32, height: u32) -> f64 {
        let first = |from: u32| from.saturating_sub(CELL / 2).div_ceil(CELL);
        let (columns, rows) =
            (first(x)..first(x + width).min(self.columns), first(y)..first(y + height).min(self.rows));
        let all = columns.len() * rows.len();
        let tissue: usize = rows
            .map(|row| columns.clone().filter(|column| self.cells[(row * self.columns + column) as usize]).count())
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "cell counts are far below 2^52")]
        let share = if all == 0 { 0.0 } else { tissue as f64 / all as f64 };
        share
    }
}

/// Whether a cell's mean density over all its samples makes it tissue.
fn summed(image: &RgbImage, column: u32, row: u32, density: &[f32; 256]) -> bool {
    let (left, right) = (column * CELL, ((column + 1) * CELL).min(image.width()));
    let stride = 3 * image.width() as usize;
    let (mut sum, mut count) = (0.0_f32, 0_u16);
    for line in image.as_raw().chunks_exact(stride).skip((row * CELL) as usize).take(CELL as usize) {
        for pixel in line[3 * left as usize..3 * right as usize].as_chunks::<3>().0 {
            sum += pixel.iter().map(|&level| density[usize::from(level)]).sum::<f32>();
            count += 3;
        }
    }
    sum >= TISSUE_DENSITY * f32::from(count)
}

/// A tile of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// Left edge in the field at the network's scale, in pixels.
    pub x: u32,
    /// Upper edge in the field at the network's scale, in pixels.
    pub y: u32,
    /// The share of it that is tissue.
    pub tissue_share: f64,
}

/// A tile with this much tissue is always read.
const TILE_TISSUE: f64 = 0.25;

/// The tiles of a field that show tissue: a grid without overlap, centred, in reading order.
///
/// A tile is read with a quarter of tissue. Where no tile has that much, those with `least_share` are.
#[must_use]
pub fn tiles(width: u32, height: u32, tissue: &TissueMask, edge: u32, least_share: f64) -> Vec<Tile> {
    let (left, top) = ((width % edge) / 2, (height % edge) / 2);
    let all: Vec<Tile> = (0..height / edge)
        .flat_map(|row| (0..width / edge).map(move |column| (left + column * edge, top + row * edge)))
        .map(|(x, y)| Tile { x, y, tissue_share: tissue.share_within(x, y, edge, edge) })
        .collect();
    let with = |share: f64| all.iter().filter(|tile| tile.tissue_share >= share).cloned().collect::<Vec<_>>();
    let rich = with(TILE_TISSUE);
    if rich.is_empty() { with(least_share) } else { rich }
}

/// What a field may be enlarged to, in pixels: 4000 × 3000 at 2 µm are still read.
const MOST_ENLARGED: f64 = 268_435_456.0;

/// The size of a field at another scale; `None` if it would have to be enlarged beyond all reason.
#[must_use]
pub fn size_at(width: u32, height: u32, from: MicronsPerPixel, to: MicronsPerPixel) -> Option<(u32, u32)> {
    let factor = from.um() / to.um();
    if factor > 1.0 && f64::from(width) * f64::from(height) * factor * factor > MOST_ENLARGED {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^28")]
    let scaled = |length: u32| ((f64::from(length) * factor).round() as u32).max(1);
    Some((scaled(width), scaled(height)))
}

/// A field at another scale, low-pass filtered when it shrinks; unchanged when the scales agree within 1%, or where there
/// is no [`size_at`] that scale.
#[must_use]
pub fn rescale(image: RgbImage, from: MicronsPerPixel, to: MicronsPerPixel) -> RgbImage {
    if (from.um() / to.um() - 1.0).abs() <= 0.01 {
        return image;
    }
    match size_at(image.width(), image.height(), from, to) {
        Some((width, height)) => triangle(&image, width, height),
        None => image,
    }
}

#[cfg(test)]
mod tests {
    use image::imageops;

    use super::*;
    use crate::Random;

    fn textured(blur: f32) -> RgbImage {
        let sharp = RgbImage::from_fn(256, 256, |x, y| {
            let dark = (x / 5 + y / 7) % 2 == 0 || (x * x + 3 * y) % 11 < 4;
            image::Rgb(if dark { [120, 60, 140] } else { [220, 170, 200] })
        });
        if blur > 0.0 { imageops::blur(&sharp, blur) } else { sharp }
    }

    #[test]
    fn focus_falls_with_every_step_of_blur() {
        let mut last = f64::INFINITY;
        for blur in [0.0, 1.0, 2.0, 3.0, 5.0] {
            let image = textured(blur);
            let value = focus(&image, &TissueMask::of(&image));
            assert!(value < last, "blur {blur}: {value} after {last}");
            last = value;
        }
    }

    #[test]
    fn glass_is_no_tissue_and_half_a_field_is_half() {
        let mut image = RgbImage::from_pixel(256, 128, image::Rgb([245, 244, 246]));
        assert!(TissueMask::of(&image).share().abs() < 1e-12);
        for (x, _, pixel) in image.enumerate_pixels_mut() {
            if x < 128 {
                *pixel = image::Rgb([180, 90, 160]);
            }
        }
        let mask = TissueMask::of(&image);
        assert!((mask.share() - 0.5).abs() < 1e-12);
        assert!((mask.share_within(0, 0, 128, 128) - 1.0).abs() < 1e-12);
        assert!(mask.at(127, 0) && !mask.at(128, 0));
    }

    /// The definition of the mask: the mean of the densities of all samples of a cell, added in reading order.
    #[test]
    fn the_mask_is_that_of_the_mean_density() {
        let mut random = Random::new(5, "mask");
        let density: [f32; 256] = std::array::from_fn(|level| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "0 to 255")]
            let od = -libm::log((level as f64 + 1.0) / I0) as f32;
            od
        });
        let (mut found_tissue, mut found_glass) = (0, 0);
        for round in 0..60 {
            // Around the threshold, with spots: cells of every kind, those that need their pixels' densities above all.
            let (middle, spots) = (random.range(190.0, 240.0), random.range(0.0, 0.1));
            let image = RgbImage::from_fn(90 + round, 75, |_, _| {
                let level = if random.chance(spots) { 20.0 } else { middle + random.range(-15.0, 15.0) };
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
                let level = level as u8;
                image::Rgb([level, level.saturating_sub(9), level.saturating_sub(2)])
            });
            let mask = TissueMask::of(&image);
            for (index, &is_tissue) in mask.cells().iter().enumerate() {
                let index = u32::try_from(index).expect("few cells");
                let (column, row) = (index % image.width().div_ceil(CELL), index / image.width().div_ceil(CELL));
                assert_eq!(is_tissue, summed(&image, column, row, &density), "round {round}, cell {column}, {row}");
                *if is_tissue { &mut found_tissue } else { &mut found_glass } += 1;
            }
        }
        assert!(found_tissue > 100 && found_glass > 100, "{found_tissue} and {found_glass} cells");
    }

    #[test]
    fn enlarging_is_bounded() {
        let um = |um| MicronsPerPixel::new(um).expect("positive");
        let size = |width, height, from| size_at(width, height, um(from), um(0.5));
        assert_eq!(size(1_920, 1_080, 0.25), Some((960, 540)));
        assert_eq!(size(20_000, 20_000, 0.5), Some((20_000, 20_000)));
        assert_eq!(size(4_000, 3_000, 2.0), Some((16_000, 12_000)));
        assert_eq!(size(896, 896, 1e-9), Some((1, 1)));
        for (edge, from) in [(896, 100.0), (896, 1e300), (1, 1e300), (10_000, 1.0)] {
            assert_eq!(size(edge, edge, from), None, "{edge} pixels of {from} µm");
        }
        let image = RgbImage::new(8, 8);
        assert_eq!(rescale(image.clone(), um(1e9), um(0.5)), image);
    }

    #[test]
    fn tiles_do_not_overlap_and_stay_inside() {
        let image = textured(0.0);
        let found = tiles(256, 256, &TissueMask::of(&image), 100, 0.05);
        assert_eq!(
            found.iter().map(|tile| (tile.x, tile.y)).collect::<Vec<_>>(),
            [(28, 28), (128, 28), (28, 128), (128, 128)]
        );
    }

    #[test]
    fn little_tissue_still_gives_a_tile() {
        let mut image = RgbImage::from_pixel(224, 224, image::Rgb([245, 244, 246]));
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            if x < 64 && y < 48 {
                *pixel = image::Rgb([180, 90, 160]);
            }
        }
        let mask = TissueMask::of(&image);
        assert_eq!(tiles(224, 224, &mask, 224, 0.05).len(), 1);
        assert_eq!(tiles(224, 224, &mask, 224, 0.10).len(), 0);
    }

    #[test]
    fn black_white_and_grey_are_told_apart() {
        let exposure = |level: [u8; 3]| Exposure::of(&RgbImage::from_pixel(64, 64, image::Rgb(level)));
        assert!(exposure([5, 5, 6]).is_dark());
        assert!(!exposure([128, 128, 128]).coloured);
        assert!(exposure([200, 120, 180]).coloured);
        assert!((exposure([255, 255, 255]).clipped_share - 1.0).abs() < 1e-12);
    }
}
