//! One field: which tissue each of its pixels shows, and how places and areas of it are found.

use image::GrayImage;

use super::noise::{count, fractal, noise, pixels, quantile, seed, split, unit};
use crate::Random;

/// What one pixel shows, before nuclei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Glass,
    Air,
    /// Alveolar wall.
    Wall,
    Stroma,
    Muscle,
    /// Air space filled with protein-rich fluid, or mucus on a smear.
    Fluid,
    Blood,
    Lymphoid,
    Necrosis,
    /// Benign epithelium or histiocytes.
    Lining,
    Macrophage,
    Tumour,
    /// Inside a tumour gland: empty or with some mucus, or filled.
    Lumen,
    Secretion,
    Keratin,
}

impl Kind {
    pub(super) const fn is_tissue(self) -> bool {
        !matches!(self, Self::Glass | Self::Air | Self::Lumen)
    }

    pub(super) const fn is_tumour(self) -> bool {
        matches!(self, Self::Tumour | Self::Lumen | Self::Secretion | Self::Keratin)
    }
}

/// The tissue of one field, row by row.
pub(super) struct Field {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) um: f32,
    /// A smear has no stroma, no wall and no air: glass instead.
    pub(super) smear: bool,
    pub(super) kinds: Vec<Kind>,
    /// Distance from the base of an epithelium, the mid-line of a wall or the rim of a nest, in µm.
    pub(super) depth: Vec<f32>,
    /// How crushed the tissue is, 0 to 1.
    pub(super) crush: Vec<f32>,
    pub(super) fibres: Fibres,
    /// Cells that lie singly: centre and radius in µm, and what they are.
    pub(super) singles: Vec<(f32, f32, f32, Kind)>,
}

/// The direction of collagen and of crush.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fibres {
    pub(super) seed: u32,
    pub(super) cos: f32,
    pub(super) sin: f32,
    pub(super) wave_um: f32,
    pub(super) amplitude_um: f32,
}

impl Fibres {
    /// Position across and along the fibres, in µm.
    pub(super) fn at(self, x: f32, y: f32) -> (f32, f32) {
        let wave = noise(self.seed, x / self.wave_um, y / self.wave_um)
            + 0.35 * noise(self.seed ^ 0x55, x * 2.3 / self.wave_um, y * 2.3 / self.wave_um);
        (y * self.cos - x * self.sin + self.amplitude_um * wave, x * self.cos + y * self.sin)
    }

    /// Unit vector along the fibres.
    pub(super) fn along(self, x: f32, y: f32) -> [f32; 2] {
        let here = self.at(x, y).0;
        let (gx, gy) = (self.at(x + 1.0, y).0 - here, self.at(x, y + 1.0).0 - here);
        unit([gy, -gx])
    }
}

impl Field {
    pub(super) fn plane(&self, at: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let mut plane = Vec::with_capacity(self.width * self.height);
        for row in 0..self.height {
            for column in 0..self.width {
                plane.push(at(count(column) * self.um, count(row) * self.um));
            }
        }
        plane
    }

    /// Distance in µm inside (positive) an area that takes `area` of the field, or of the positive part of `within`.
    pub(super) fn distance_plane(
        &self,
        random: &mut Random,
        scale_um: f32,
        octaves: u32,
        within: Option<&[f32]>,
        area: f64,
    ) -> Vec<f32> {
        let seed = seed(random);
        let plane = self.plane(|x, y| fractal(seed, x / scale_um, y / scale_um, octaves));
        let threshold = match within {
            Some(within) => {
                let inside = plane.iter().zip(within).filter(|(_, within)| **within > 0.0).map(|(value, _)| *value);
                quantile(inside, 1.0 - area)
            }
            None => quantile(plane.iter().copied(), 1.0 - area),
        };
        let mut distances = vec![0.0; plane.len()];
        for row in 0..self.height {
            let (above, below) = (row.saturating_sub(1), (row + 1).min(self.height - 1));
            for column in 0..self.width {
                let (left, right) = (column.saturating_sub(1), (column + 1).min(self.width - 1));
                let at = |row: usize, column: usize| plane[row * self.width + column];
                let gx = (at(row, right) - at(row, left)) / (count((right - left).max(1)) * self.um);
                let gy = (at(below, column) - at(above, column)) / (count((below - above).max(1)) * self.um);
                let slope = (gx * gx + gy * gy).sqrt().max(0.5 / scale_um);
                distances[row * self.width + column] = (at(row, column) - threshold) / slope;
            }
        }
        distances
    }

    pub(super) fn index(&self, x: f32, y: f32) -> Option<usize> {
        let (column, row) = (split(x / self.um).0, split(y / self.um).0);
        let (column, row) = (usize::try_from(column).ok()?, usize::try_from(row).ok()?);
        (column < self.width && row < self.height).then_some(row * self.width + column)
    }

    /// Calls `paint` with the index of each pixel of a square around (x, y) and its offset from there in µm.
    pub(super) fn each_within(
        &mut self,
        x: f32,
        y: f32,
        reach: f32,
        mut paint: impl FnMut(&mut Self, usize, f32, f32),
    ) {
        let (rows, columns) = (self.span(y, reach, self.height), self.span(x, reach, self.width));
        for row in rows {
            for column in columns.clone() {
                let (dx, dy) = (count(column) * self.um - x, count(row) * self.um - y);
                paint(self, row * self.width + column, dx, dy);
            }
        }
    }

    pub(super) fn span(&self, centre: f32, reach: f32, end: usize) -> std::ops::Range<usize> {
        let low = usize::try_from(split((centre - reach) / self.um).0).unwrap_or(0);
        let high = usize::try_from(split((centre + reach) / self.um).0 + 2).unwrap_or(0);
        low.min(end)..high.min(end)
    }

    /// Unit vector in which `depth` rises.
    pub(super) fn inward(&self, x: f32, y: f32) -> [f32; 2] {
        let at = |x: f32, y: f32| self.index(x, y).map(|index| self.depth[index]);
        let step = 3.0;
        match (at(x - step, y), at(x + step, y), at(x, y - step), at(x, y + step)) {
            (Some(left), Some(right), Some(above), Some(below)) => unit([right - left, below - above]),
            _ => [1.0, 0.0],
        }
    }

    pub(super) fn mask(&self) -> GrayImage {
        let mut mask = GrayImage::new(pixels(self.width), pixels(self.height));
        for (pixel, kind) in mask.pixels_mut().zip(&self.kinds) {
            pixel.0 = [if kind.is_tumour() { 255 } else { 0 }];
        }
        mask
    }
}
