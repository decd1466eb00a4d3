//! A picture in the size in which it is drawn, row by row: every pixel lies between four of the source.

use std::sync::Arc;

use image::RgbImage;

use crate::{
    Area,
    picture::{Levels, Part},
};

/// Pixels that are looked up.
pub(crate) enum Samples {
    /// Red, green, blue.
    Color(Arc<RgbImage>),
    /// Grey.
    Grey(Arc<Levels>),
}

/// Neighbours of a position and the weight of the second, of 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Between {
    first: usize,
    second: usize,
    weight: u16,
}

/// Where in a source of `size` pixels a share of it is, along one axis.
fn between(share: f64, size: usize) -> Between {
    #[expect(clippy::cast_precision_loss, reason = "sizes of pictures")]
    let at = (share * size as f64 - 0.5).clamp(0.0, (size - 1) as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped on the line above")]
    let (first, weight) = (at as usize, (at.fract() * 256.0) as u16);
    Between { first, second: (first + 1).min(size - 1), weight }
}

/// A row of the source, as wide as it is drawn: 256 for each level.
#[derive(Default)]
struct Row {
    /// Which one.
    of: Option<usize>,
    values: Vec<u16>,
}

/// A part of a picture on an area.
pub(crate) struct Scaled {
    samples: Samples,
    /// Down the source, pixels.
    height: usize,
    area: Area,
    part: Part,
    /// For every pixel across.
    across: Vec<Between>,
    /// The two that were needed last: the next row mostly needs one of them, or both.
    rows: [Row; 2],
}

impl Scaled {
    /// What is seen of a picture that fills an area.
    pub(crate) fn new(samples: Samples, area: Area, part: Part, seen: Area) -> Self {
        let (width, height) = match &samples {
            Samples::Color(image) => (image.width() as usize, image.height() as usize),
            Samples::Grey(levels) => (levels.width, levels.height),
        };
        // A picture without pixels is black.
        let height = if width == 0 { 0 } else { height };
        let columns = if height == 0 { 0..0 } else { seen.x..seen.x + seen.width };
        let across = columns.map(|x| between(share(x, area.x, area.width, part, 0), width)).collect();
        Self { samples, height, area, part, across, rows: Default::default() }
    }

    /// One row of what is seen, three bytes a pixel.
    pub(crate) fn row(&mut self, y: u16, into: &mut [u8]) {
        if self.height == 0 {
            into.fill(0);
            return;
        }
        let Between { first, second, weight } =
            between(share(y, self.area.y, self.area.height, self.part, 1), self.height);
        let above = self.widened(first, second);
        let below = self.widened(second, first);
        let levels = self.rows[above].values.iter().zip(&self.rows[below].values);
        let levels = levels.map(|(&above, &below)| level(above, below, weight));
        match self.samples {
            Samples::Color(_) => into.iter_mut().zip(levels).for_each(|(into, level)| *into = level),
            Samples::Grey(_) => {
                let pixels = into.as_chunks_mut::<3>().0;
                pixels.iter_mut().zip(levels).for_each(|(pixel, level)| *pixel = [level; 3]);
            }
        }
    }

    /// Has a row of the source as wide as it is drawn, and leaves `beside` as it is. Answers with which of the two it is.
    fn widened(&mut self, of: usize, beside: usize) -> usize {
        if let Some(at) = self.rows.iter().position(|row| row.of == Some(of)) {
            return at;
        }
        let at = usize::from(self.rows[0].of == Some(beside));
        let Row { of: now, values } = &mut self.rows[at];
        *now = Some(of);
        match &self.samples {
            Samples::Color(image) => widen::<3>(image.as_raw(), image.width() as usize, of, &self.across, values),
            Samples::Grey(levels) => widen::<1>(&levels.levels, levels.width, of, &self.across, values),
        }
        at
    }
}

/// Where a pixel of an area is in its picture, as a share along one axis.
fn share(at: u16, from: u16, size: u16, part: Part, axis: usize) -> f64 {
    ((f64::from(at) + 0.5 - f64::from(from)) / f64::from(size) - 0.5) / part.zoom + part.centre[axis]
}

/// Row `of` of a source of `N` bytes a pixel, between its columns.
fn widen<const N: usize>(source: &[u8], width: usize, of: usize, across: &[Between], into: &mut Vec<u16>) {
    let source = &source.as_chunks::<N>().0[of * width..(of + 1) * width];
    into.resize(across.len() * N, 0);
    for (between, into) in across.iter().zip(into.as_chunks_mut::<N>().0) {
        let (first, second) = (source[between.first], source[between.second]);
        *into = std::array::from_fn(|channel| {
            u16::from(first[channel]) * (256 - between.weight) + u16::from(second[channel]) * between.weight
        });
    }
}

/// The level between two rows.
fn level(above: u16, below: u16, weight: u16) -> u8 {
    let sum = u32::from(above) * u32::from(256 - weight) + u32::from(below) * u32::from(weight);
    // Of 65,536, rounded: the second byte, since 255 is the most.
    (sum + (1 << 15)).to_be_bytes()[1]
}
