//! A picture at another size, with a triangle filter that widens as the picture shrinks.
//!
//! What `image::imageops::resize` gives with `FilterType::Triangle`, bit for bit, in a tenth of the time: rows at once, and no picture
//! of floats in between. The bits matter: the networks were trained on pictures that were made so.

use image::RgbImage;

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
    let (across, down) = (taps(image.width(), width), taps(image.height(), height));
    let stride = 3 * image.width() as usize;
    // One more than a row has: pixels are read four numbers at once, of which the last is not used.
    let mut sums = vec![0.0_f32; stride + 1];
    let rows: &mut [u8] = &mut scaled;
    for (row, Taps { first, weights }) in rows.chunks_exact_mut(3 * width as usize).zip(&down) {
        sums.fill(0.0);
        for (line, &weight) in image.as_raw()[first * stride..].chunks_exact(stride).zip(weights) {
            for (sum, &level) in sums.iter_mut().zip(line) {
                *sum += f32::from(level) * weight;
            }
        }
        for (to, Taps { first, weights }) in row.as_chunks_mut::<3>().0.iter_mut().zip(&across) {
            let mut four = [0.0_f32; 4];
            for (pixel, &weight) in sums[3 * first..].windows(4).step_by(3).zip(weights) {
                for (sum, &part) in four.iter_mut().zip(pixel) {
                    *sum += part * weight;
                }
            }
            let [red, green, blue, _] = four;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 255")]
            let levels = [red, green, blue].map(|sum| {
                let sum = sum.clamp(0.0, 255.0);
                // Half away from zero, without a call: what is left after the whole part is exact.
                let whole = sum as u8;
                whole + u8::from(sum - f32::from(whole) >= 0.5)
            });
            *to = levels;
        }
    }
    scaled
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
