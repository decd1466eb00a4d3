//! The dyes as the site's optics and camera show them.

use image::RgbImage;

use super::{
    dyes::Dyes,
    field::Field,
    noise::{hash, pixels, seed},
    preparation::Preparation,
};
use crate::{
    Random,
    numbers::{real, single},
};

impl Dyes {
    /// Beer-Lambert, the optics' blur, the camera's noise, eight bits.
    pub(super) fn photograph(&self, field: &Field, preparation: &Preparation, random: &mut Random) -> RgbImage {
        let scaled = |vector: [f64; 3], gain: f64| vector.map(|part| single(part * gain));
        let h_od = scaled(preparation.haematoxylin, preparation.gains[0]);
        let e_od = scaled(preparation.eosin, preparation.gains[1]);
        let light = preparation.light.map(single);
        let mut kernel: [f32; 4] = std::array::from_fn(|offset| {
            let offset = real(offset) / preparation.blur_px;
            single(libm::exp(-0.5 * offset * offset))
        });
        let sum = kernel[0] + 2.0 * (kernel[1] + kernel[2] + kernel[3]);
        kernel.iter_mut().for_each(|weight| *weight /= sum);

        let noise_seed = seed(random);
        let noise_sd = single(preparation.noise_levels);
        let mut bytes = vec![0_u8; 3 * field.kinds.len()];
        let mut plane = vec![0.0_f32; field.kinds.len()];
        let mut turned = vec![0.0_f32; field.kinds.len()];
        for channel in 0..3 {
            for (index, level) in plane.iter_mut().enumerate() {
                let density = h_od[channel] * self.haematoxylin[index]
                    + e_od[channel] * self.eosin[index]
                    + self.carbon[index].min(2.5);
                *level = light[channel] * libm::expf(-density);
            }
            // Twice along rows with a transposition between: columns are blurred with the same code.
            blur_and_turn(&plane, &mut turned, field.width, field.height, &kernel);
            blur_and_turn(&turned, &mut plane, field.height, field.width, &kernel);
            for (index, level) in plane.iter().enumerate() {
                let noisy = level + noise_sd * deviation(noise_seed, index, channel);
                bytes[3 * index + channel] = level_of(noisy);
            }
        }
        RgbImage::from_raw(pixels(field.width), pixels(field.height), bytes).unwrap_or_default()
    }
}

/// Blurs each row of `from` and writes it as a column of `to`.
fn blur_and_turn(from: &[f32], to: &mut [f32], width: usize, height: usize, kernel: &[f32; 4]) {
    let reach = kernel.len() - 1;
    let mut padded = vec![0.0_f32; width + 2 * reach];
    for row in 0..height {
        let line = &from[row * width..(row + 1) * width];
        padded[reach..reach + width].copy_from_slice(line);
        padded[..reach].fill(line[0]);
        padded[reach + width..].fill(line[width - 1]);
        for column in 0..width {
            let centre = column + reach;
            let mut sum = kernel[0] * padded[centre];
            for (offset, weight) in kernel.iter().enumerate().skip(1) {
                sum += weight * (padded[centre - offset] + padded[centre + offset]);
            }
            to[column * height + row] = sum;
        }
    }
}

/// A nearly normal deviate for one pixel: four uniform bytes less their mean, of unit variance.
fn deviation(seed: u32, index: usize, channel: usize) -> f32 {
    let place = i32::try_from(index % 0x7fff_ffff).unwrap_or(0);
    let bytes = hash(seed, place, i32::try_from(channel).unwrap_or(0)).to_le_bytes();
    let sum: u16 = bytes.into_iter().map(u16::from).sum();
    // Four bytes of variance (256² − 1) / 12 each.
    (f32::from(sum) - 510.0) / 147.8
}

/// A level, rounded half up and clamped.
fn level_of(value: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of u8")]
    let level = (value + 0.5).clamp(0.0, 255.0) as u8;
    level
}
