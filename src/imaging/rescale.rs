//! A picture at another size, with a triangle filter that widens as the picture shrinks.
//!
//! What `image::imageops::resize` gives with `FilterType::Triangle`, bit for bit, in a tenth of the time: rows at once, and no picture
//! of floats in between. The bits matter: the networks were trained on pictures that were made so.

use fearless_simd::{Level, Simd, dispatch};
use image::RgbImage;
use rayon::prelude::*;

/// Rows of the result that a thread takes at once.
const ROWS: usize = 32;

/// The samples that one pixel of the result is made of, along one axis.
struct Taps {
    first: usize,
    /// They sum to 1.
    weights: Vec<f32>,
}

/// What each of `to` pixels is made of, from `from` pixels.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of pictures; what is cast is clamped to them"
)]
fn taps(from: u32, to: u32) -> Vec<Taps> {
    let ratio = from as f32 / to as f32;
    let widened = if ratio < 1.0 { 1.0 } else { ratio };
    let of = |index: u32| {
        let centre = (index as f32 + 0.5) * ratio;
        let first = ((centre - widened).floor() as i64).clamp(0, i64::from(from) - 1);
        let end = ((centre + widened).ceil() as i64).clamp(first + 1, i64::from(from));
        let (first, end) = (first as u32, end as u32);
        let centre = centre - 0.5;
        let triangle = |x: f32| if x.abs() < 1.0 { 1.0 - x.abs() } else { 0.0 };
        let mut weights: Vec<f32> = (first..end).map(|index| triangle((index as f32 - centre) / widened)).collect();
        let sum: f32 = weights.iter().fold(0.0, |sum, weight| sum + weight);
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Taps { first: first as usize, weights }
    };
    (0..to).map(of).collect()
}

/// `image` with so many pixels across and down, both above zero.
#[must_use]
pub fn triangle(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let mut scaled = RgbImage::new(width, height);
    let half = [image.width(), image.height()] == [2 * width, 2 * height] && width.min(height) > 2;
    let (across, down) = (taps(image.width(), width), taps(image.height(), height));
    let stride = 3 * image.width() as usize;
    let rows: &mut [u8] = &mut scaled;
    let level = Level::new();
    rows.par_chunks_exact_mut(3 * width as usize).zip(&down).with_min_len(ROWS).for_each_init(
        || Lines::of(stride, 3 * width as usize),
        |lines, (row, Taps { first, weights })| {
            let rows = &image.as_raw()[first * stride..];
            if half && weights.len() == 4 {
                dispatch!(level, simd => halve(simd, rows, &across, lines, row));
            } else {
                let Lines { sums, line, .. } = lines;
                dispatch!(level, simd => {
                    down_columns(simd, rows, weights, &mut sums[..stride]);
                    along(simd, sums, &across, line, row);
                });
            }
        },
    );
    scaled
}

/// What a thread needs for a row.
struct Lines {
    /// One more than a row has: pixels are read four numbers at once, of which the last is not used.
    sums: Vec<f32>,
    line: Vec<f32>,
    eighths: Vec<u16>,
    levels: Vec<u8>,
}

impl Lines {
    fn of(stride: usize, scaled: usize) -> Self {
        Self {
            sums: vec![0.0; stride + 1],
            line: vec![0.0; scaled + 1],
            eighths: vec![0; stride],
            levels: vec![0; stride],
        }
    }
}

/// A row of the result at exactly half the size, from the four rows that it is made of. The weights are 1, 3, 3, 1 eighths
/// along both axes but for the outermost pixels: whole numbers give what the floats give, as those are exact there.
#[inline(always)]
fn halve<S: Simd>(_: S, rows: &[u8], across: &[Taps], lines: &mut Lines, row: &mut [u8]) {
    let Lines { sums, eighths, levels, .. } = lines;
    let stride = eighths.len();
    let [a, b, c, d] = [0, 1, 2, 3].map(|line| &rows[line * stride..][..stride]);
    for ((((sum, &a), &b), &c), &d) in eighths.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *sum = u16::from(a) + 3 * (u16::from(b) + u16::from(c)) + u16::from(d);
    }
    for ((((level, &a), &b), &c), &d) in
        levels.iter_mut().zip(&*eighths).zip(&eighths[3..]).zip(&eighths[6..]).zip(&eighths[9..])
    {
        #[expect(clippy::cast_possible_truncation, reason = "64 weights of at most 255")]
        let nearest = ((a + 3 * (b + c) + d + 32) >> 6) as u8;
        *level = nearest;
    }
    // The second pixel begins with the second pixel of the picture.
    for (pixel, from) in row.as_chunks_mut::<3>().0[1..].iter_mut().zip(levels[3..].chunks(6)) {
        if let Some(level) = from.first_chunk::<3>() {
            *pixel = *level;
        }
    }
    for index in [0, across.len() - 1] {
        let Taps { first, weights } = &across[index];
        for at in 3 * first..3 * (first + weights.len()) {
            sums[at] = f32::from(eighths[at]) / 8.0;
        }
        let found = weighed(&sums[3 * first..], weights);
        for (level, &sum) in row[3 * index..].iter_mut().zip(&found[..3]) {
            *level = nearest(sum);
        }
    }
}

/// The nearest level, half away from zero.
#[inline(always)]
fn nearest(sum: f32) -> u8 {
    let sum = sum.clamp(0.0, 255.0);
    // Without a call: what is left after the whole part is exact.
    let whole = sum.floor();
    let nearest = whole + if sum - whole >= 0.5 { 1.0 } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 255")]
    let nearest = nearest as u8;
    nearest
}

/// What the first lines, one a weight, come to in each column.
#[inline(always)]
fn down_columns<S: Simd>(_: S, lines: &[u8], weights: &[f32], sums: &mut [f32]) {
    const WIDE: usize = 32;
    let stride = sums.len();
    let (blocks, rest) = sums.as_chunks_mut::<WIDE>();
    let whole = blocks.len() * WIDE;
    for (index, block) in blocks.iter_mut().enumerate() {
        let mut found = [0.0_f32; WIDE];
        for (line, &weight) in lines.chunks_exact(stride).zip(weights) {
            for (sum, &level) in found.iter_mut().zip(&line[index * WIDE..][..WIDE]) {
                *sum += f32::from(level) * weight;
            }
        }
        *block = found;
    }
    rest.fill(0.0);
    for (line, &weight) in lines.chunks_exact(stride).zip(weights) {
        for (sum, &level) in rest.iter_mut().zip(&line[whole..]) {
            *sum += f32::from(level) * weight;
        }
    }
}

/// A row of the result, from such sums.
#[inline(always)]
fn along<S: Simd>(_: S, sums: &[f32], across: &[Taps], line: &mut [f32], row: &mut [u8]) {
    for (index, Taps { first, weights }) in across.iter().enumerate() {
        let from = &sums[3 * first..];
        // By half, nearly every pixel is made of four.
        let four = match (weights.first_chunk::<4>().filter(|_| weights.len() == 4), from.first_chunk::<13>()) {
            (Some(weights), Some(from)) => {
                let mut four = [0.0_f32; 4];
                for index in 0..4 {
                    for (lane, sum) in four.iter_mut().enumerate() {
                        *sum += from[3 * index + lane] * weights[index];
                    }
                }
                four
            }
            _ => weighed(from, weights),
        };
        // The fourth is written over by the next pixel.
        line[3 * index..][..4].copy_from_slice(&four);
    }
    for (level, &sum) in row.iter_mut().zip(&*line) {
        *level = nearest(sum);
    }
}

#[inline(always)]
fn weighed(from: &[f32], weights: &[f32]) -> [f32; 4] {
    let mut four = [0.0_f32; 4];
    for (pixel, &weight) in from.windows(4).step_by(3).zip(weights) {
        for (sum, &part) in four.iter_mut().zip(pixel) {
            *sum += part * weight;
        }
    }
    four
}

#[cfg(test)]
mod tests {
    use image::imageops::{FilterType, resize};

    use super::*;
    use crate::Random;

    #[test]
    fn it_is_what_the_library_gives() {
        let mut random = Random::new(7, "rescale");
        for (width, height, to) in [
            (64, 48, (32, 24)),
            (61, 47, (29, 31)),
            (33, 33, (100, 70)),
            (40, 30, (40, 13)),
            (9, 200, (3, 1)),
            (1, 5, (4, 4)),
            (500, 3, (17, 2)),
            (6, 6, (3, 3)),
            (8, 90, (4, 45)),
            (202, 300, (101, 150)),
        ] {
            let image = RgbImage::from_fn(width, height, |_, _| {
                image::Rgb(std::array::from_fn(|_| u8::try_from(random.below(256)).unwrap_or(0)))
            });
            let (wide, high) = to;
            assert!(
                triangle(&image, wide, high) == resize(&image, wide, high, FilterType::Triangle),
                "{width} × {height}"
            );
        }
    }
}
