//! What each cell of 16 × 16 pixels shows, from one pass over the picture: the ground of exposure, tissue, plausibility
//! and artefacts.

use fearless_simd::{Level, Simd, dispatch};
use image::RgbImage;
use rayon::prelude::*;

/// Edge of a cell, in pixels.
pub(crate) const CELL: u32 = 16;
const EDGE: usize = CELL as usize;

/// The sums of a cell. The cells of the last column and row may hold fewer pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Its pixels, at most 256.
    pub(crate) pixels: u32,
    /// The sum of the levels of R, G, B.
    pub(crate) sum: [u32; 3],
    /// The lowest level of any channel.
    pub(crate) low: u8,
    /// The highest level of any channel.
    pub(crate) high: u8,
    /// Pixels with 254 or 255 in every channel.
    pub(crate) clipped: u32,
    /// Pixels whose channels lie more than [`COLOUR_LEVELS`] apart.
    pub(crate) coloured: u32,
    /// Coloured pixels whose green lies [`GREEN_LEVELS`] or more below red and blue.
    pub(crate) green_least: u32,
    /// The mean over its columns of the highest level of green.
    pub(crate) green_top: u8,
    /// Pixels under [`BLACK_LEVEL`] that are hardly coloured.
    pub(crate) black: u32,
}

/// A pixel this much more coloured than grey counts as coloured.
const COLOUR_LEVELS: u8 = 12;
/// Pure red and pure blue have as little green as blue or red, but for what a camera's own coding adds.
const GREEN_LEVELS: u8 = 4;
/// What is black lies under this level in every channel, and its channels at most [`BLACK_COLOUR`] apart. Nuclei are coloured.
const BLACK_LEVEL: u8 = 110;
const BLACK_COLOUR: u8 = 30;

/// The cells of a picture, in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    pub(crate) cells: Vec<Cell>,
}

impl Cells {
    pub(crate) fn of(image: &RgbImage) -> Self {
        let (columns, rows) = (image.width().div_ceil(CELL), image.height().div_ceil(CELL));
        let mut cells = vec![Cell::default(); columns as usize * rows as usize];
        let stride = 3 * image.width() as usize;
        let level = Level::new();
        if stride > 0 {
            cells.par_chunks_mut(columns as usize).zip(image.as_raw().par_chunks(stride * EDGE)).for_each_init(
                || vec![0_u8; stride * EDGE],
                |planes, (cells, band)| dispatch!(level, simd => row_of_cells(simd, band, stride, planes, cells)),
            );
        }
        Self { columns, rows, cells }
    }

    /// The sum over all cells of what `of` takes from each.
    pub(crate) fn total(&self, of: impl Fn(&Cell) -> u32) -> u64 {
        self.cells.iter().map(|cell| u64::from(of(cell))).sum()
    }
}

/// One number a column of a cell, over its rows: 16 × 255 fits 16 bits, 16 fits 8.
#[derive(Clone, Copy)]
struct Lanes {
    sum: [[u16; EDGE]; 3],
    low: [u8; EDGE],
    high: [u8; EDGE],
    clipped: [u8; EDGE],
    coloured: [u8; EDGE],
    green_least: [u8; EDGE],
    green_top: [u8; EDGE],
    black: [u8; EDGE],
}

impl Lanes {
    const EMPTY: Self = Self {
        sum: [[0; EDGE]; 3],
        low: [u8::MAX; EDGE],
        high: [0; EDGE],
        clipped: [0; EDGE],
        coloured: [0; EDGE],
        green_least: [0; EDGE],
        green_top: [0; EDGE],
        black: [0; EDGE],
    };

    #[inline(always)]
    fn add(&mut self, lane: usize, [r, g, b]: [u8; 3]) {
        self.sum[0][lane] += u16::from(r);
        self.sum[1][lane] += u16::from(g);
        self.sum[2][lane] += u16::from(b);
        let (low, high) = (r.min(g).min(b), r.max(g).max(b));
        self.low[lane] = self.low[lane].min(low);
        self.high[lane] = self.high[lane].max(high);
        let coloured = u8::from(high - low > COLOUR_LEVELS);
        self.clipped[lane] += u8::from(low >= 254);
        self.coloured[lane] += coloured;
        self.green_least[lane] += coloured & u8::from(r.min(b).saturating_sub(g) >= GREEN_LEVELS);
        self.green_top[lane] = self.green_top[lane].max(g);
        self.black[lane] += u8::from(high < BLACK_LEVEL) & u8::from(high - low <= BLACK_COLOUR);
    }

    #[inline(always)]
    fn cell(&self, pixels: u32, columns: u32) -> Cell {
        let count = |lanes: &[u8; EDGE]| lanes.iter().map(|&lane| u32::from(lane)).sum::<u32>();
        Cell {
            pixels,
            sum: self.sum.map(|lanes| lanes.iter().map(|&lane| u32::from(lane)).sum()),
            low: self.low.iter().fold(u8::MAX, |low, &lane| low.min(lane)),
            high: self.high.iter().fold(0, |high, &lane| high.max(lane)),
            clipped: count(&self.clipped),
            coloured: count(&self.coloured),
            green_least: count(&self.green_least),
            green_top: u8::try_from(count(&self.green_top) / columns).unwrap_or(u8::MAX),
            black: count(&self.black),
        }
    }
}

#[inline(always)]
fn take<const CHANNEL: usize>(pixels: &[[u8; 3]], plane: &mut [u8]) {
    for (level, pixel) in plane.iter_mut().zip(pixels) {
        *level = pixel[CHANNEL];
    }
}

/// `planes` is memory for the rows of the band with their channels one after the other.
#[inline(always)]
fn row_of_cells<S: Simd>(_: S, band: &[u8], stride: usize, planes: &mut [u8], cells: &mut [Cell]) {
    let width = stride / 3;
    for (row, planes) in band.chunks_exact(stride).zip(planes.chunks_exact_mut(stride)) {
        let pixels = row.as_chunks::<3>().0;
        // One channel after the other: this is what compilers turn into shuffles.
        take::<0>(pixels, &mut planes[..width]);
        take::<1>(pixels, &mut planes[width..2 * width]);
        take::<2>(pixels, &mut planes[2 * width..]);
    }
    for (column, cell) in cells.iter_mut().enumerate() {
        let mut lanes = Lanes::EMPTY;
        let mut pixels = 0;
        for row in planes.chunks_exact(stride).take(band.len() / stride) {
            let [r, g, b] = [0, width, 2 * width].map(|plane| &row[plane + EDGE * column..]);
            if let (true, Some(r), Some(g), Some(b)) = (
                EDGE * (column + 1) <= width,
                r.first_chunk::<EDGE>(),
                g.first_chunk::<EDGE>(),
                b.first_chunk::<EDGE>(),
            ) {
                pixels += CELL;
                for lane in 0..EDGE {
                    lanes.add(lane, [r[lane], g[lane], b[lane]]);
                }
            } else {
                for lane in 0..width - EDGE * column {
                    pixels += 1;
                    lanes.add(lane, [r[lane], g[lane], b[lane]]);
                }
            }
        }
        let columns = (width - EDGE * column).min(EDGE);
        *cell = lanes.cell(pixels, u32::try_from(columns).unwrap_or(CELL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    #[test]
    fn sums_are_those_of_the_pixels() {
        let mut random = Random::new(3, "cells");
        for (width, height) in [(1, 1), (15, 17), (16, 16), (33, 31), (100, 65)] {
            let image = RgbImage::from_fn(width, height, |_, y| {
                image::Rgb(std::array::from_fn(|_| {
                    let level = u8::try_from(random.below(256)).unwrap_or(0);
                    if y % 3 == 0 { level / 4 } else { level.saturating_add(40) }
                }))
            });
            let found = Cells::of(&image);
            assert_eq!((found.columns, found.rows), (width.div_ceil(16), height.div_ceil(16)));
            let mut wanted = vec![Cell { low: 255, ..Cell::default() }; (found.columns * found.rows) as usize];
            for (x, y, image::Rgb(pixel)) in image.enumerate_pixels() {
                let cell = &mut wanted[(y / 16 * found.columns + x / 16) as usize];
                let (low, high) = (*pixel.iter().min().expect("three"), *pixel.iter().max().expect("three"));
                cell.pixels += 1;
                cell.sum = std::array::from_fn(|channel| cell.sum[channel] + u32::from(pixel[channel]));
                cell.low = cell.low.min(low);
                cell.high = cell.high.max(high);
                cell.clipped += u32::from(low >= 254);
                cell.coloured += u32::from(high - low > 12);
                cell.green_least += u32::from(high - low > 12 && pixel[0].min(pixel[2]).saturating_sub(pixel[1]) >= 4);
                cell.black += u32::from(high < 110 && high - low <= 30);
            }
            for (index, cell) in wanted.iter_mut().enumerate() {
                let index = u32::try_from(index).expect("few cells");
                let (left, top) = (index % found.columns * 16, index / found.columns * 16);
                let columns = left..(left + 16).min(width);
                let highest =
                    |x: u32| (top..(top + 16).min(height)).map(|y| u32::from(image.get_pixel(x, y).0[1])).max();
                let sum: u32 = columns.clone().filter_map(highest).sum();
                cell.green_top = u8::try_from(sum / (columns.end - columns.start)).expect("a level");
            }
            assert_eq!(found.cells, wanted, "{width} × {height}");
        }
        assert!(Cells::of(&RgbImage::new(0, 7)).cells.is_empty());
    }
}
