//! What tissues attenuate, HU.

pub(super) const AIR_HU: f64 = -1000.0;
/// Inflated lung at the middle of a supine chest.
pub(super) const LUNG_HU: f64 = -868.0;
pub(super) const FAT_HU: f64 = -100.0;
pub(super) const MUSCLE_HU: f64 = 50.0;
/// Without contrast medium.
pub(super) const BLOOD_HU: f64 = 42.0;
pub(super) const LIVER_HU: f64 = 58.0;
/// The marrow of a spongy bone, with its trabeculae.
pub(super) const MARROW_HU: f64 = 190.0;
pub(super) const CORTEX_HU: f64 = 620.0;
