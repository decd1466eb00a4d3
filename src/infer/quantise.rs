//! The affine int8 contract of the networks: real = (level − zero level) × units per level.

/// How a tensor's int8 levels stand for real numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiser {
    units_per_level: f32,
    zero_level: i8,
}

impl Quantiser {
    /// `None` unless the step is finite and above zero.
    #[must_use]
    pub fn new(units_per_level: f32, zero_level: i8) -> Option<Self> {
        (units_per_level.is_finite() && units_per_level > 0.0).then_some(Self { units_per_level, zero_level })
    }

    /// The level nearest to a real number, half away from zero, saturated; `None` for NaN.
    #[must_use]
    pub fn level(&self, real: f32) -> Option<i8> {
        let level = (real / self.units_per_level).round() + f32::from(self.zero_level);
        #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i8 on this line")]
        let clamped = level.clamp(-128.0, 127.0) as i8;
        (!level.is_nan()).then_some(clamped)
    }

    /// Real units a level.
    pub(crate) fn units_per_level(&self) -> f64 {
        f64::from(self.units_per_level)
    }

    /// The real number of a level.
    #[must_use]
    pub fn real(&self, level: i8) -> f32 {
        f32::from(i16::from(level) - i16::from(self.zero_level)) * self.units_per_level
    }
}

/// What becomes of each of the 256 picture levels on the way into a network, a channel at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct InputLevels([[i8; 256]; 3]);

impl InputLevels {
    /// Standardises (`level / 255 − mean`) / `std` and quantises; `None` if that makes no number.
    #[must_use]
    pub fn new(mean: [f32; 3], std: [f32; 3], quantiser: &Quantiser) -> Option<Self> {
        let mut table = [[0; 256]; 3];
        for (channel, levels) in table.iter_mut().enumerate() {
            for (level, out) in (0_u8..=255).zip(levels) {
                *out = quantiser.level((f32::from(level) / 255.0 - mean[channel]) / std[channel])?;
            }
        }
        Some(Self(table))
    }

    /// Quantises interleaved levels, `[pixel, channel]`.
    #[must_use]
    pub fn apply(&self, levels: &[u8]) -> Vec<i8> {
        let [red, green, blue] = &self.0;
        let mut quantised = vec![0; levels.len()];
        for (to, &[r, g, b]) in quantised.as_chunks_mut::<3>().0.iter_mut().zip(levels.as_chunks::<3>().0) {
            *to = [red[usize::from(r)], green[usize::from(g)], blue[usize::from(b)]];
        }
        quantised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_contract_is_level_minus_128() {
        let quantiser = Quantiser::new(1.0 / 128.0, -1).expect("a step");
        let table = InputLevels::new([127.0 / 255.0; 3], [128.0 / 255.0; 3], &quantiser).expect("numbers");
        for level in 0..=255_u8 {
            let want = i8::try_from(i16::from(level) - 128).expect("in range");
            assert_eq!(table.apply(&[level; 3]), [want; 3]);
        }
        assert_eq!(table.apply(&[1, 2, 3, 4, 5, 6]), [-127, -126, -125, -124, -123, -122]);
    }

    #[test]
    fn halves_go_away_from_zero_and_extremes_saturate() {
        let quantiser = Quantiser::new(0.5, 0).expect("a step");
        assert_eq!(quantiser.level(0.25), Some(1));
        assert_eq!(quantiser.level(-0.25), Some(-1));
        assert_eq!(quantiser.level(1e9), Some(127));
        assert_eq!(quantiser.level(f32::NAN), None);
        assert!((quantiser.real(-3) + 1.5).abs() < 1e-9);
    }
}
