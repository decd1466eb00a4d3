//! Numbers with their unit in the type.

/// A distance between neighbouring samples, in mm. Finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Step(f64);

impl Step {
    /// `None` unless `mm` is finite and above zero.
    #[must_use]
    pub fn from_mm(mm: f64) -> Option<Self> {
        (mm.is_finite() && mm > 0.0).then_some(Self(mm))
    }

    /// The distance in mm.
    #[must_use]
    pub const fn mm(self) -> f64 {
        self.0
    }
}

/// The edge of a square pixel of a microscope image, in µm. Finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct MicronsPerPixel(f64);

impl MicronsPerPixel {
    /// What a file's own resolution tag may plausibly say: from a 100× objective to a loupe.
    pub const PLAUSIBLE: std::ops::RangeInclusive<f64> = 0.05..=5.0;

    /// `None` unless `um` is finite and above zero.
    #[must_use]
    pub fn new(um: f64) -> Option<Self> {
        (um.is_finite() && um > 0.0).then_some(Self(um))
    }

    /// `None` unless `um` lies in [`Self::PLAUSIBLE`]; screens' 72 and 96 dpi tags do not.
    #[must_use]
    pub fn plausible(um: f64) -> Option<Self> {
        Self::PLAUSIBLE.contains(&um).then_some(Self(um))
    }

    /// The edge in µm.
    #[must_use]
    pub const fn um(self) -> f64 {
        self.0
    }
}

/// A point in the patient, in mm: DICOM's LPS axes (x to the left, y to the back, z to the head).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// x, y, z in mm.
    pub lps_mm: [f64; 3],
}

impl Point {
    /// The point at `lps_mm`.
    #[must_use]
    pub const fn new(lps_mm: [f64; 3]) -> Self {
        Self { lps_mm }
    }

    /// Distance to `other`, in mm.
    #[must_use]
    pub fn distance_mm(self, other: Self) -> f64 {
        let [dx, dy, dz] = std::array::from_fn(|axis| self.lps_mm[axis] - other.lps_mm[axis]);
        (dx * dx + dy * dy + dz * dz).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: REQ-SLIDE-02
    #[test]
    fn screen_resolutions_are_no_microscope_scale() {
        for dpi in [72.0, 96.0, 300.0] {
            assert!(MicronsPerPixel::plausible(25_400.0 / dpi).is_none(), "{dpi} dpi");
        }
        assert!(MicronsPerPixel::plausible(0.5).is_some());
    }

    #[test]
    fn a_step_is_finite_and_positive() {
        for mm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Step::from_mm(mm).is_none(), "{mm}");
        }
    }
}
