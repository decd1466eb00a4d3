//! How sharp a picture is where it shows tissue.

use fearless_simd::{Level, Simd, dispatch};
use image::RgbImage;
use rayon::prelude::*;

use crate::{cells::CELL, field::TissueMask};

const EDGE: usize = CELL as usize;
/// The distance of the neighbours that blur makes equal first, in pixels.
const NEAR: usize = 2;
/// The distance of those that only a strong blur does.
const FAR: usize = 8;
/// Rows of cells that a thread takes at once: what neighbouring bands both smooth is then an eighth.
const BAND: usize = 4;

/// Sharpness, measured on tissue only; larger is sharper.
///
/// The energy of differences between neighbours two pixels apart (Brenner 1976), divided by that of differences eight
/// pixels apart: the quotient does not depend on stain strength or on how much there is to see, and a blur of two
/// pixels or more takes the numerator first. Measured on the green channel, where haematoxylin and eosin both absorb.
/// A picture blurred beyond recognition has 1/16, the square of the quotient of the distances.
/// Sensor noise, which would look sharp, is held down by a 3×3 binomial filter first.
#[must_use]
pub fn focus(image: &RgbImage, tissue: &TissueMask) -> f64 {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width < 32 || height < 32 {
        return 0.0;
    }
    let level = Level::new();
    let bands = height.div_ceil(EDGE * BAND);
    // Whole numbers: their sum does not depend on the order.
    let [fine, coarse] = (0..bands)
        .into_par_iter()
        .map_init(
            Smoothed::default,
            |smooth, band| dispatch!(level, simd => energies(simd, image, tissue, band * BAND, smooth)),
        )
        .reduce(|| [0, 0], |a, b| [a[0] + b[0], a[1] + b[1]]);
    #[expect(clippy::cast_precision_loss, reason = "two squares of twelve bits a pixel: below 2^53")]
    let quotient = if coarse > 0 { fine as f64 / coarse as f64 } else { 0.0 };
    quotient
}

/// The energies of near and far differences in [`BAND`] rows of cells from `first` on.
#[inline(always)]
fn energies<S: Simd>(simd: S, image: &RgbImage, tissue: &TissueMask, first: usize, smooth: &mut Smoothed) -> [u64; 2] {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let columns = width.div_ceil(EDGE);
    let is_tissue = |row: usize, column: usize| tissue.cells()[row * columns + column];
    // Differences from here on would reach beyond the picture. A row of the smoothed picture lies one pixel inside the
    // picture's; whole cells decide what is tissue, so this hardly matters.
    let end = (height - 2 - FAR).min((first + BAND) * EDGE);
    let rows = first..end.div_ceil(EDGE);
    if !rows.clone().any(|row| (0..columns).any(|column| is_tissue(row, column))) {
        return [0, 0];
    }
    let top = first * EDGE;
    let stride = width - 2;
    let smooth = smooth.of(simd, image, top, end + FAR - top);
    let (mut fine, mut coarse) = (0, 0);
    for row in rows {
        for column in (0..columns).filter(|&column| is_tissue(row, column)) {
            let left = column * EDGE;
            let lanes = (stride - FAR).saturating_sub(left).min(EDGE);
            if lanes == 0 {
                continue;
            }
            let lines = row * EDGE - top..(row * EDGE + EDGE).min(end) - top;
            // Sixteen rows of two squares of twelve bits fit 32 bits.
            let mut near = [0_u32; EDGE];
            let mut far = [0_u32; EDGE];
            for line in lines {
                let at = line * stride + left;
                let [here, right, below] = [0, NEAR, NEAR * stride].map(|offset| &smooth[at + offset..]);
                let [far_right, far_below] = [FAR, FAR * stride].map(|offset| &smooth[at + offset..]);
                if lanes == EDGE {
                    if let (Some(here), Some(right), Some(below), Some(far_right), Some(far_below)) = (
                        here.first_chunk::<EDGE>(),
                        right.first_chunk::<EDGE>(),
                        below.first_chunk::<EDGE>(),
                        far_right.first_chunk::<EDGE>(),
                        far_below.first_chunk::<EDGE>(),
                    ) {
                        for lane in 0..EDGE {
                            near[lane] += square(right[lane] - here[lane]) + square(below[lane] - here[lane]);
                            far[lane] += square(far_right[lane] - here[lane]) + square(far_below[lane] - here[lane]);
                        }
                    }
                } else {
                    for lane in 0..lanes {
                        near[lane] += square(right[lane] - here[lane]) + square(below[lane] - here[lane]);
                        far[lane] += square(far_right[lane] - here[lane]) + square(far_below[lane] - here[lane]);
                    }
                }
            }
            fine += near.iter().map(|&lane| u64::from(lane)).sum::<u64>();
            coarse += far.iter().map(|&lane| u64::from(lane)).sum::<u64>();
        }
    }
    [fine, coarse]
}

#[inline(always)]
fn square(difference: i16) -> u32 {
    (i32::from(difference) * i32::from(difference)).unsigned_abs()
}

/// Rows of the green channel under the binomial filter 1 2 1 by 1 2 1; kept from band to band for its memory alone.
#[derive(Default)]
struct Smoothed {
    green: Vec<u8>,
    down: Vec<i16>,
    smooth: Vec<i16>,
}

impl Smoothed {
    /// `rows` rows from the picture's row `top` on: 16 times the levels, two columns fewer than the picture.
    #[inline(always)]
    fn of<S: Simd>(&mut self, _: S, image: &RgbImage, top: usize, rows: usize) -> &[i16] {
        let width = image.width() as usize;
        self.green.resize(width * (rows + 2), 0);
        self.down.resize(width, 0);
        self.smooth.resize((width - 2) * rows, 0);
        for (line, row) in self.green.chunks_exact_mut(width).zip(image.as_raw().chunks_exact(3 * width).skip(top)) {
            for (level, pixel) in line.iter_mut().zip(row.as_chunks::<3>().0) {
                *level = pixel[1];
            }
        }
        let windows = self.green.windows(3 * width).step_by(width);
        for (line, from) in self.smooth.chunks_exact_mut(width - 2).zip(windows) {
            let (above, rest) = from.split_at(width);
            let (here, below) = rest.split_at(width);
            for (((down, &a), &h), &b) in self.down.iter_mut().zip(above).zip(here).zip(below) {
                *down = i16::from(a) + 2 * i16::from(h) + i16::from(b);
            }
            for (((sum, &a), &h), &b) in line.iter_mut().zip(&self.down).zip(&self.down[1..]).zip(&self.down[2..]) {
                *sum = a + 2 * h + b;
            }
        }
        &self.smooth
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    /// The definition, pixel by pixel.
    fn by_definition(image: &RgbImage, tissue: &TissueMask) -> f64 {
        let (width, height) = (image.width(), image.height());
        if width < 32 || height < 32 {
            return 0.0;
        }
        let green = |x: u32, y: u32| f64::from(image.get_pixel(x, y).0[1]);
        let smooth = |x: u32, y: u32| -> f64 {
            let row = |y: u32| green(x, y) + 2.0 * green(x + 1, y) + green(x + 2, y);
            row(y) + 2.0 * row(y + 1) + row(y + 2)
        };
        let (mut fine, mut coarse) = (0.0, 0.0);
        for y in 0..height - 10 {
            for x in (0..width - 10).filter(|&x| tissue.at(x, y)) {
                let to = |x_there: u32, y_there: u32| (smooth(x_there, y_there) - smooth(x, y)).powi(2);
                fine += to(x + 2, y) + to(x, y + 2);
                coarse += to(x + 8, y) + to(x, y + 8);
            }
        }
        if coarse > 0.0 { fine / coarse } else { 0.0 }
    }

    #[test]
    fn it_is_what_its_definition_gives() {
        let mut random = Random::new(11, "sharpness");
        for (width, height) in
            [(31, 90), (32, 32), (48, 41), (57, 140), (131, 70), (90, 33), (33, 49), (49, 65), (113, 113)]
        {
            for brightest in [1, 80, 256] {
                let image = RgbImage::from_fn(width, height, |x, _| {
                    let glass = x > width / 2 && random.chance(0.99);
                    image::Rgb(std::array::from_fn(|_| {
                        if glass { 250 } else { u8::try_from(random.below(brightest)).unwrap_or(0) }
                    }))
                });
                let tissue = TissueMask::of(&image);
                let (found, wanted) = (focus(&image, &tissue), by_definition(&image, &tissue));
                assert!((found - wanted).abs() <= 1e-12 * wanted, "{width} × {height}: {found} for {wanted}");
            }
        }
    }

    #[test]
    fn nothing_to_see_has_no_sharpness() {
        let flat = RgbImage::from_pixel(64, 64, image::Rgb([150, 90, 140]));
        let glass = RgbImage::from_pixel(64, 64, image::Rgb([250, 250, 250]));
        for image in [flat, glass] {
            assert!(focus(&image, &TissueMask::of(&image)).abs() < 1e-12);
        }
    }
}
