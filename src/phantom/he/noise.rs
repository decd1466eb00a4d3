//! Noise by hashes of lattice points, and conversions of numbers.

use crate::{
    Random,
    numbers::{real, single},
};

/// A hash of a lattice point.
pub(super) fn hash(seed: u32, x: i32, y: i32) -> u32 {
    let mut hash = seed
        ^ x.cast_unsigned().wrapping_mul(0x9e37_79b1)
        ^ y.cast_unsigned().wrapping_mul(0x85eb_ca77).rotate_left(15);
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297a_2d39);
    hash ^ (hash >> 15)
}

/// A hash as a number in [0, 1).
pub(super) fn share(hash: u32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit the mantissa")]
    let bits = (hash >> 8) as f32;
    bits * (1.0 / 16_777_216.0)
}

/// Smooth noise on a unit lattice, −1 to 1.
pub(super) fn noise(seed: u32, x: f32, y: f32) -> f32 {
    let ((column, fx), (row, fy)) = (split(x), split(y));
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let at = |column: i32, row: i32| share(hash(seed, column, row));
    let above = at(column, row) + sx * (at(column + 1, row) - at(column, row));
    let below = at(column, row + 1) + sx * (at(column + 1, row + 1) - at(column, row + 1));
    2.0 * (above + sy * (below - above)) - 1.0
}

/// Noise of several octaves, each turned against the last so that the lattice does not show.
pub(super) fn fractal(seed: u32, x: f32, y: f32, octaves: u32) -> f32 {
    let (mut u, mut v, mut sum, mut weight) = (0.8 * x - 0.6 * y, 0.6 * x + 0.8 * y, 0.0, 1.0);
    for octave in 0..octaves {
        sum += weight * noise(seed.wrapping_add(octave), u, v);
        (u, v) = (2.1 * (0.6 * u - 0.8 * v), 2.1 * (0.8 * u + 0.6 * v));
        weight *= 0.5;
    }
    sum
}

/// The nearest two of a jittered grid of points.
pub(super) struct Nearest {
    /// Distance to the nearest point, and to the border with the second, in µm.
    pub(super) centre_um: f32,
    pub(super) border_um: f32,
    pub(super) id: u32,
}

/// Cells of a jittered grid (Worley noise).
pub(super) fn nearest(seed: u32, x: f32, y: f32, spacing_um: f32) -> Nearest {
    let (u, v) = (x / spacing_um, y / spacing_um);
    let ((cx, _), (cy, _)) = (split(u), split(v));
    let mut first = (f32::MAX, 0.0, 0.0, 0);
    let mut second = (f32::MAX, 0.0, 0.0);
    for row in cy - 1..=cy + 1 {
        for column in cx - 1..=cx + 1 {
            let id = hash(seed, column, row);
            let px = whole(column) + 0.14 + 0.72 * share(id);
            let py = whole(row) + 0.14 + 0.72 * share(id.wrapping_mul(0x9e37_79b1) ^ (id >> 13));
            let distance = (px - u) * (px - u) + (py - v) * (py - v);
            if distance < first.0 {
                second = (first.0, first.1, first.2);
                first = (distance, px, py, id);
            } else if distance < second.0 {
                second = (distance, px, py);
            }
        }
    }
    let apart = ((first.1 - second.1) * (first.1 - second.1) + (first.2 - second.2) * (first.2 - second.2)).sqrt();
    Nearest {
        centre_um: first.0.sqrt() * spacing_um,
        border_um: (second.0 - first.0) / (2.0 * apart.max(1e-3)) * spacing_um,
        id: first.3,
    }
}

/// The value below which `share` of the values lie; of a sample of them.
pub(super) fn quantile(values: impl Iterator<Item = f32>, share: f64) -> f32 {
    let mut sample: Vec<f32> = values.step_by(7).collect();
    sample.sort_unstable_by(f32::total_cmp);
    let rank = usize::try_from(cell(single(share.clamp(0.0, 1.0) * real(sample.len())))).unwrap_or(0);
    match (sample.last(), sample.get(rank)) {
        (_, Some(value)) => *value,
        (Some(last), None) => last + 1e-3,
        (None, None) => f32::MAX,
    }
}

pub(super) fn unit([x, y]: [f32; 2]) -> [f32; 2] {
    let length = (x * x + y * y).sqrt();
    if length > 1e-6 { [x / length, y / length] } else { [1.0, 0.0] }
}

/// A seed for the noise functions.
pub(super) fn seed(random: &mut Random) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, 2^32)")]
    let seed = (random.unit() * 4_294_967_296.0) as u32;
    seed
}

/// The integer part towards minus infinity, and the rest.
pub(super) fn split(value: f32) -> (i32, f32) {
    let below = cell(value);
    let floor = if whole(below) > value { below - 1 } else { below };
    (floor, value - whole(floor))
}

/// The integer part towards zero.
pub(super) fn cell(value: f32) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates; lattices are far smaller")]
    let cell = value as i32;
    cell
}

pub(super) fn whole(value: i32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "lattice places are below 2^24")]
    let whole = value as f32;
    whole
}

pub(super) fn count(value: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "pixels of a row are below 2^24")]
    let count = value as f32;
    count
}

/// A pixel count as the `image` crate has it.
pub(super) fn pixels(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
