//! Trilinear sampling of volumes: patches and isotropic copies.

use hilum_domain::{Point, Step};
use ndarray::{Array3, Axis};
use rayon::prelude::*;

use crate::{Grid, Volume};

/// What lies outside the scanned volume: air.
const AIR_HU: f32 = -1024.0;

/// The value at a voxel index (i, j, k) between voxel centres, by trilinear interpolation; `None` beyond half a voxel
/// outside the outermost centres. Within that half voxel the outermost value is repeated.
#[must_use]
pub fn trilinear<T: Copy + Into<f32>>(volume: &Volume<T>, index: [f64; 3]) -> Option<f32> {
    let mut corner = [0_usize; 3];
    let mut rest = [0.0_f32; 3];
    for axis in 0..3 {
        let size = volume.grid().size[axis];
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        let last = (size - 1) as f64;
        // A point computed to lie on the border may miss it by rounding.
        if !(-0.5 - 1e-6..=last + 0.5 + 1e-6).contains(&index[axis]) {
            return None;
        }
        let inside = index[axis].clamp(0.0, last);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to size − 1")]
        let whole = (inside as usize).min(size.saturating_sub(2));
        corner[axis] = whole;
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "0 to 1")]
        let fraction = (inside - whole as f64) as f32;
        rest[axis] = fraction;
    }
    let voxels = volume.voxels();
    let [columns, rows, slices] = volume.grid().size;
    let next = [(corner[0] + 1).min(columns - 1), (corner[1] + 1).min(rows - 1), (corner[2] + 1).min(slices - 1)];
    let at = |i: usize, j: usize, k: usize| -> f32 { voxels[[k, j, i]].into() };
    let along_i = |j: usize, k: usize| at(corner[0], j, k) * (1.0 - rest[0]) + at(next[0], j, k) * rest[0];
    let along_j = |k: usize| along_i(corner[1], k) * (1.0 - rest[1]) + along_i(next[1], k) * rest[1];
    Some(along_j(corner[2]) * (1.0 - rest[2]) + along_j(next[2]) * rest[2])
}

/// How a lesion patch is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchGeometry {
    /// Pixels along an edge.
    pub size: usize,
    /// Edge of a pixel.
    pub spacing: Step,
    /// Where the three axial planes lie relative to the lesion, in mm towards the head.
    pub slice_offsets_mm: [f64; 3],
}

/// A patch around a lesion.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// HU, `[row, column, plane]`: rows to the back, columns to the left, planes in the order of the offsets.
    pub hu: Array3<f32>,
    /// The share of the patch that lies outside the scanned volume and was filled with air.
    pub outside: f64,
}

impl Patch {
    /// The patch as the network reads it: grey levels of a window, `[row, column, plane]`.
    #[must_use]
    pub fn levels(&self, window: Window) -> Array3<u8> {
        self.hu.mapv(|hu| window.level(hu))
    }
}

/// The patch of `geometry` centred on `lesion`, along the patient's axes whatever the orientation of the volume.
///
/// The centre of the lesion lies between the middle four pixels (for an even size), not on one of them.
#[must_use]
pub fn lesion_patch(volume: &Volume<i16>, lesion: Point, geometry: &PatchGeometry) -> Patch {
    let size = geometry.size;
    let mm = geometry.spacing.mm();
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let offset = |index: usize| (index as f64 - (size as f64 - 1.0) / 2.0) * mm;
    let mut outside = 0_usize;
    let hu = Array3::from_shape_fn((size, size, 3), |(row, column, plane)| {
        let [x, y, z] = lesion.lps_mm;
        let point = Point::new([x + offset(column), y + offset(row), z + geometry.slice_offsets_mm[plane]]);
        trilinear(volume, volume.grid().index(point)).unwrap_or_else(|| {
            outside += 1;
            AIR_HU
        })
    });
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let outside = outside as f64 / (size * size * 3) as f64;
    Patch { hu, outside }
}

/// An HU window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Shown as black, 0.
    pub low_hu: f32,
    /// Shown as white, 255.
    pub high_hu: f32,
}

impl Window {
    /// The window around a level, as consoles name it.
    #[must_use]
    pub fn around(level_hu: f32, width_hu: f32) -> Self {
        Self { low_hu: level_hu - width_hu / 2.0, high_hu: level_hu + width_hu / 2.0 }
    }

    /// The grey level of a value, rounded and saturated; NaN is black.
    #[must_use]
    pub fn level(&self, hu: f32) -> u8 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let level = ((hu - self.low_hu) / (self.high_hu - self.low_hu) * 255.0).round() as u8;
        level
    }
}

/// A spacing so small that the copy would not fit into memory or into a NIfTI file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it makes more than {MOST_VOXELS} voxels, or more than {MOST_ALONG} along an axis")]
pub struct TooManyVoxels;

/// 2 GiB of floats.
const MOST_VOXELS: usize = 1 << 29;
/// NIfTI-1 counts in 16 bits.
const MOST_ALONG: i16 = i16::MAX;

/// How many voxels of `to` fill the grid along each axis, at least one.
fn isotropic_size(old: &Grid, to: Step) -> Result<[usize; 3], TooManyVoxels> {
    let spacing = old.spacing_mm();
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let size: [f64; 3] = std::array::from_fn(|axis| (old.size[axis] as f64 * spacing[axis] / to.mm()).round().max(1.0));
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    let fits =
        size.iter().all(|&along| along <= f64::from(MOST_ALONG)) && size.iter().product::<f64>() <= MOST_VOXELS as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to MOST_ALONG")]
    let whole = size.map(|along| along as usize);
    if fits { Ok(whole) } else { Err(TooManyVoxels) }
}

/// A copy with the same axes and the given spacing along each. The extent, from border to border of the outer voxels,
/// is kept to within one voxel: the first centre moves by half the difference of the steps.
///
/// # Errors
/// [`TooManyVoxels`] before anything is allocated.
pub fn resample_isotropic<T: Copy + Into<f32> + Sync>(
    volume: &Volume<T>,
    to: Step,
) -> Result<Volume<f32>, TooManyVoxels> {
    let old = volume.grid();
    let spacing = old.spacing_mm();
    let size = isotropic_size(old, to)?;
    let old_per_new: [f64; 3] = std::array::from_fn(|axis| to.mm() / spacing[axis]);
    let first: [f64; 3] = old_per_new.map(|ratio| 0.5 * ratio - 0.5);
    let grid = Grid {
        size,
        origin_lps_mm: old.point(first).lps_mm,
        step_lps_mm: std::array::from_fn(|axis| old.step_lps_mm[axis].map(|part| part * old_per_new[axis])),
    };
    let [columns, rows, slices] = size;
    let mut voxels = Array3::zeros((slices, rows, columns));
    voxels.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(k, mut slice)| {
        for ((j, i), voxel) in slice.indexed_iter_mut() {
            #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
            let index: [f64; 3] = std::array::from_fn(|axis| first[axis] + [i, j, k][axis] as f64 * old_per_new[axis]);
            // Rounding the size up may put the last centre past the border by less than half a new voxel.
            let clamped = std::array::from_fn(|axis| {
                #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
                let last = old.size[axis] as f64 - 0.5;
                index[axis].clamp(-0.5, last)
            });
            *voxel = trilinear(volume, clamped).unwrap_or(AIR_HU);
        }
    });
    Ok(Volume::from_parts(voxels, grid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(size: [usize; 3], spacing_mm: [f64; 3]) -> Volume<i16> {
        let grid = Grid::axial(size, [-20.0, 5.0, -300.0], spacing_mm);
        let voxels = Array3::from_shape_fn((size[2], size[1], size[0]), |(k, j, i)| {
            i16::try_from(i * 10 + j * 100 + k * 1000).unwrap_or(i16::MAX)
        });
        Volume::new(voxels, grid).expect("shape")
    }

    fn step(mm: f64) -> Step {
        Step::from_mm(mm).expect("positive")
    }

    #[test]
    fn a_linear_volume_is_sampled_exactly() {
        let volume = ramp([8, 8, 8], [1.0, 1.0, 2.0]);
        let value = trilinear(&volume, [2.5, 3.25, 1.75]).expect("inside");
        assert!((value - (25.0 + 325.0 + 1750.0)).abs() < 1e-3, "{value}");
        assert_eq!(trilinear(&volume, [-0.6, 0.0, 0.0]), None);
        assert_eq!(trilinear(&volume, [-0.4, 0.0, 0.0]), Some(0.0));
    }

    #[test]
    fn one_slice_is_enough() {
        assert_eq!(trilinear(&ramp([4, 4, 1], [1.0; 3]), [1.0, 0.0, 0.3]), Some(10.0));
    }

    #[test]
    fn the_patch_is_centred_on_the_lesion() {
        // x runs by 10 HU a mm: the mean over a centred patch is the value at the centre.
        let volume = ramp([40, 8, 8], [1.0; 3]);
        let lesion = volume.grid().point([20.0, 3.0, 3.0]);
        let geometry = PatchGeometry { size: 4, spacing: step(1.0), slice_offsets_mm: [-1.0, 0.0, 1.0] };
        let patch = lesion_patch(&volume, lesion, &geometry);
        assert!((patch.hu.mean().expect("not empty") - (200.0 + 300.0 + 3000.0)).abs() < 1e-3);
        assert!(patch.outside.abs() < 1e-12);
        assert!((patch.hu[[0, 0, 1]] - (185.0 + 150.0 + 3000.0)).abs() < 1e-3, "half a pixel off centre");
    }

    #[test]
    fn isotropic_copies_keep_the_extent_and_a_constant() {
        let volume =
            Volume::new(Array3::from_elem((6, 10, 12), 40_i16), Grid::axial([12, 10, 6], [0.0; 3], [0.7, 0.7, 2.5]))
                .expect("shape");
        let copy = resample_isotropic(&volume, step(0.75)).expect("small");
        assert_eq!(copy.grid().size, [11, 9, 20]);
        assert!(copy.voxels().iter().all(|&hu| (hu - 40.0).abs() < 1e-3));
        // The border: first centre minus half a step.
        let border = |grid: &Grid| grid.point([-0.5; 3]).lps_mm;
        for axis in 0..3 {
            assert!((border(volume.grid())[axis] - border(copy.grid())[axis]).abs() < 1e-9);
        }
    }

    #[test]
    fn spacings_that_nothing_can_hold_are_refused() {
        // A thorax: 360 × 360 × 300 mm.
        let grid = Grid::axial([512, 512, 200], [0.0; 3], [0.703_125, 0.703_125, 1.5]);
        assert_eq!(isotropic_size(&grid, step(1.0)), Ok([360, 360, 300]));
        assert_eq!(isotropic_size(&grid, step(1e9)), Ok([1; 3]));
        for mm in [0.1, 0.01, 1e-9, 1e-300, f64::MIN_POSITIVE] {
            assert!(isotropic_size(&grid, step(mm)).is_err(), "{mm} mm");
        }
        let long = Grid::axial([1, 1, 200], [0.0; 3], [0.001, 0.001, 1.5]);
        assert!(isotropic_size(&long, step(0.005)).is_err(), "60,000 along one axis");
    }

    #[test]
    fn the_window_saturates() {
        let window = Window { low_hu: -1000.0, high_hu: 400.0 };
        assert_eq!([-2000.0, -1000.0, -300.0, 400.0, 3000.0].map(|hu| window.level(hu)), [0, 0, 128, 255, 255]);
        assert_eq!(window.level(f32::NAN), 0);
    }
}
