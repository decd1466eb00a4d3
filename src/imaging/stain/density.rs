//! Optical density of 8-bit levels, and what is linear or exponential in it, as tables.

use fearless_simd::{Level, Simd, dispatch, f32x4, prelude::*, u8x16, u32x4};
use rayon::prelude::*;

use super::{BETA, I0};

/// Pixels a thread takes at once.
pub(super) const BLOCK: usize = 16_384;

/// The pixels of all parts, in blocks whose order does not depend on threads.
pub(super) fn blocks<'a>(parts: &[&'a [u8]]) -> Vec<&'a [[u8; 3]]> {
    parts.iter().flat_map(|part| part.as_chunks::<3>().0.chunks(BLOCK)).collect()
}

/// The optical density of each of the 256 levels.
pub(super) struct Density {
    pub(super) of_level: [f64; 256],
    /// The brightest level with OD ≥ β: density falls with the level.
    faintest: u8,
}

impl Density {
    pub(super) fn table() -> Self {
        #[expect(clippy::cast_precision_loss, reason = "0 to 255")]
        let density: [f64; 256] = std::array::from_fn(|level| -libm::log((level as f64 + 1.0) / I0));
        let faintest = (0..=255_u8).rev().find(|&level| density[usize::from(level)] >= BETA).unwrap_or(0);
        Self { of_level: density, faintest }
    }

    /// The densities of a pixel.
    pub(super) fn of(&self, pixel: [u8; 3]) -> [f64; 3] {
        pixel.map(|level| self.of_level[usize::from(level)])
    }

    /// Copies the pixels with OD ≥ β in every channel, in their order, to the beginning of `stained`, and says how many. Without a
    /// branch: stained and clear pixels alternate as no processor can foresee.
    #[inline(always)]
    pub(super) fn keep_stained(&self, pixels: &[[u8; 3]], stained: &mut [[u8; 3]]) -> usize {
        let mut count = 0;
        for pixel in pixels {
            let [r, g, b] = *pixel;
            stained[count] = *pixel;
            count += usize::from(r.max(g).max(b) <= self.faintest);
        }
        count
    }

    /// The table form of `rows · OD` for all pixels, or no number for those of which not every channel has OD ≥ β.
    pub(super) fn projected_stained(&self, rows: [[f64; 3]; 2]) -> Projected {
        let mut table = self.projected(rows);
        for channel in &mut table.0 {
            channel[usize::from(self.faintest) + 1..].fill([f32::NAN; 2]);
        }
        table
    }

    /// The table form of `rows · OD`.
    pub(super) fn projected(&self, rows: [[f64; 3]; 2]) -> Projected {
        #[expect(clippy::cast_possible_truncation, reason = "single precision is plenty for 8-bit levels")]
        let of = |channel: usize, level: usize| rows.map(|row| (row[channel] * self.of_level[level]) as f32);
        Projected(std::array::from_fn(|channel| std::array::from_fn(|level| of(channel, level))))
    }

    /// The table form of `I0 · exp(−rows · OD)`: the exponential of a sum is a product, so a picture needs none.
    pub(super) fn transmitted(&self, rows: [[f64; 3]; 3]) -> Transmitted {
        #[expect(clippy::cast_possible_truncation, reason = "clamped to what single precision holds thrice multiplied")]
        let of = |channel: usize, level: usize| -> [f32; 4] {
            let light = |row: [f64; 3]| libm::exp((-row[channel] * self.of_level[level]).clamp(-28.0, 28.0)) as f32;
            let [r, g, b] = rows.map(light);
            // The light source goes into the first factor. The fourth number fills the lane.
            let factor = if channel == 0 { I0 as f32 } else { 1.0 };
            [factor * r, factor * g, factor * b, 0.0]
        };
        Transmitted(std::array::from_fn(|channel| std::array::from_fn(|level| of(channel, level))))
    }
}

/// A linear map of a pixel's optical densities, as three look-ups and two additions.
pub(super) struct Projected([[[f32; 2]; 256]; 3]);

impl Projected {
    /// Both values of every pixel.
    #[inline(always)]
    pub(super) fn of(&self, pixels: &[[u8; 3]], values: &mut [[f32; 2]]) {
        for (pixel, values) in pixels.iter().zip(values) {
            let ([of_r, of_g, of_b], [r, g, b]) = (&self.0, *pixel);
            let (r, g, b) = (&of_r[usize::from(r)], &of_g[usize::from(g)], &of_b[usize::from(b)]);
            *values = [r[0] + g[0] + b[0], r[1] + g[1] + b[1]];
        }
    }
}

/// An optical transform of a pixel, as three look-ups and two multiplications of four lanes.
pub(super) struct Transmitted([[[f32; 4]; 256]; 3]);

impl Transmitted {
    /// Transforms the bytes of a picture.
    pub(super) fn apply(&self, from: &[u8], to: &mut [u8]) {
        let level = Level::new();
        // What runs on lanes is never called through a closure: it would be compiled for the oldest processor.
        to.par_chunks_mut(3 * BLOCK).zip(from.par_chunks(3 * BLOCK)).for_each(|(to, from)| {
            let (to, from) = (to.as_chunks_mut::<3>().0, from.as_chunks::<3>().0);
            dispatch!(level, simd => self.block(simd, from, to));
        });
    }

    #[inline(always)]
    fn block<S: Simd>(&self, simd: S, from: &[[u8; 3]], to: &mut [[u8; 3]]) {
        const WIDE: usize = 4;
        let (wide_from, from_rest) = from.as_chunks::<WIDE>();
        let (wide_to, to_rest) = to.as_chunks_mut::<WIDE>();
        for (to, from) in wide_to.iter_mut().zip(wide_from) {
            *to = self.four(simd, from);
        }
        let mut last = [[0; 3]; WIDE];
        last[..from_rest.len()].copy_from_slice(from_rest);
        to_rest.copy_from_slice(&self.four(simd, &last)[..from_rest.len()]);
    }

    #[inline(always)]
    fn four<S: Simd>(&self, simd: S, [a, b, c, d]: &[[u8; 3]; 4]) -> [[u8; 3]; 4] {
        /// Where the twelve bytes are among four times R, G, B and nothing.
        const PACKED: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15];
        let first = simd.narrow_u32x4(self.one(simd, *a), self.one(simd, *b));
        let second = simd.narrow_u32x4(self.one(simd, *c), self.one(simd, *d));
        let bytes = simd.narrow_u16x8(first, second).swizzle_dyn_within_blocks(u8x16::load_array(simd, PACKED));
        let bytes = *bytes.as_array();
        // Knowing that four bytes are dropped, LLVM 22.1 (rustc 1.95) does not convert them, and crashes over that.
        #[cfg(target_arch = "aarch64")]
        let bytes = std::hint::black_box(bytes);
        let mut packed = [[0; 3]; 4];
        packed.as_flattened_mut().copy_from_slice(&bytes[..12]);
        packed
    }

    /// At most 255, truncated as the reference does.
    #[inline(always)]
    fn one<S: Simd>(&self, simd: S, [r, g, b]: [u8; 3]) -> u32x4<S> {
        let [of_r, of_g, of_b] = &self.0;
        let r = f32x4::load_array_ref(simd, &of_r[usize::from(r)]);
        let g = f32x4::load_array_ref(simd, &of_g[usize::from(g)]);
        let b = f32x4::load_array_ref(simd, &of_b[usize::from(b)]);
        simd.cvt_i32_f32x4((r * g * b).min(f32x4::splat(simd, 255.0))).bitcast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_transmit_as_the_formula_does() {
        let rows = [[1.1, -0.3, 0.2], [0.1, 0.9, 0.2], [-0.2, 0.4, 0.8]];
        let density = Density::table();
        let table = density.transmitted(rows);
        let pixels: Vec<[u8; 3]> =
            [[0, 0, 0], [255, 255, 255], [120, 30, 200], [3, 250, 128], [239, 240, 1]].repeat(3).to_vec();
        let mut found = vec![0; 3 * pixels.len()];
        table.apply(pixels.as_flattened(), &mut found);
        for (pixel, found) in pixels.iter().zip(found.as_chunks::<3>().0) {
            for (out, row) in rows.iter().enumerate() {
                let want = (I0 * libm::exp(-crate::dot(*row, density.of(*pixel)))).min(255.0);
                assert!((f64::from(found[out]) - want.floor()).abs() <= 1.0, "{pixel:?}: {} for {want}", found[out]);
            }
        }
    }
}
