//! Trilinear sampling of volumes: patches and isotropic copies.

use hilum_domain::{Point, Step};
use ndarray::{Array2, Array3, Axis, Zip};
use rayon::prelude::*;

use crate::{Grid, Volume, cross, dot, length, map::bilinear, volume::right_angled};

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

/// A mask over a patch, `[row, column]`: the pixels in which one of its planes lies in the mask.
#[must_use]
pub fn mask_over_patch(mask: &Volume<bool>, lesion: Point, geometry: &PatchGeometry) -> Array2<bool> {
    let (size, mm) = (geometry.size, geometry.spacing.mm());
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let offset = |index: usize| (index as f64 - (size as f64 - 1.0) / 2.0) * mm;
    let [x, y, z] = lesion.lps_mm;
    Array2::from_shape_fn((size, size), |(row, column)| {
        geometry.slice_offsets_mm.iter().any(|along| {
            let index = mask.grid().index(Point::new([x + offset(column), y + offset(row), z + along]));
            let [i, j, k] = index.map(|at| {
                #[expect(clippy::cast_possible_truncation, reason = "rounded; the cast saturates")]
                let whole = at.round() as isize;
                usize::try_from(whole).ok()
            });
            let inside = || mask.voxels().get([k?, j?, i?]).copied();
            inside().unwrap_or(false)
        })
    })
}

/// A map over a patch, `[row, column]`, on the voxels of the scan it was cut from: those within the patch and not farther from
/// its planes than a slice. The volume is the smallest part of `grid` that holds them; `None` where the patch lies outside.
///
/// A voxel has the map's value at its place, linear between pixel centres, the same on every slice; 0 outside the patch.
#[must_use]
pub fn over_grid(map: &Array2<f32>, lesion: Point, geometry: &PatchGeometry, grid: &Grid) -> Option<Volume<f32>> {
    let (rows, columns) = map.dim();
    let mm = geometry.spacing.mm();
    let [_, _, slice_mm] = grid.spacing_mm();
    let low_mm = geometry.slice_offsets_mm.iter().copied().fold(f64::INFINITY, f64::min) - 0.5 * slice_mm;
    let high_mm = geometry.slice_offsets_mm.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 0.5 * slice_mm;
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let half_mm = [columns as f64, rows as f64].map(|size| 0.5 * size * mm);
    let corners = (0..8).map(|corner: u32| {
        let end = |bit: u32, low: f64, high: f64| if corner & (1 << bit) == 0 { low } else { high };
        let [x, y, z] = lesion.lps_mm;
        grid.index(Point::new([
            x + end(0, -half_mm[0], half_mm[0]),
            y + end(1, -half_mm[1], half_mm[1]),
            z + end(2, low_mm, high_mm),
        ]))
    });
    let mut bounds = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
    for corner in corners {
        for (bound, at) in bounds.iter_mut().zip(corner) {
            *bound = [bound[0].min(at), bound[1].max(at)];
        }
    }
    let mut first = [0; 3];
    let mut size = [0; 3];
    for axis in 0..3 {
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        let last = grid.size[axis] as f64 - 1.0;
        let (from, to) = (bounds[axis][0].ceil().max(0.0), bounds[axis][1].floor().min(last));
        if from > to {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the grid")]
        let (from, to) = (from as usize, to as usize);
        (first[axis], size[axis]) = (from, to - from + 1);
    }
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let index = |at: [usize; 3]| -> [f64; 3] { std::array::from_fn(|axis| (first[axis] + at[axis]) as f64) };
    let voxels = Array3::from_shape_fn((size[2], size[1], size[0]), |(k, j, i)| {
        let there = grid.point(index([i, j, k])).lps_mm;
        let [x, y, z]: [f64; 3] = std::array::from_fn(|axis| there[axis] - lesion.lps_mm[axis]);
        if !(low_mm..=high_mm).contains(&z) {
            return 0.0;
        }
        bilinear(map, (y + half_mm[1]) / mm - 0.5, (x + half_mm[0]) / mm - 0.5).unwrap_or(0.0)
    });
    let origin_lps_mm = grid.point(index([0; 3])).lps_mm;
    Some(Volume::from_parts(voxels, Grid { size, origin_lps_mm, step_lps_mm: grid.step_lps_mm }))
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

/// A grid of right angles over all of `old`, with the given spacing: columns and rows in the old directions (rows made
/// square to columns where they are not), slices along their normal. Its extent, from border to border of the outer
/// voxels, is kept to within one voxel.
fn upright_grid(old: &Grid, spacing_mm: [f64; 3]) -> Result<Grid, TooManyVoxels> {
    let [i, j, k] = old.step_lps_mm;
    let mut axes = right_angled(i, j);
    if dot(axes[2], k) < 0.0 {
        axes[2] = axes[2].map(|part| -part);
    }
    // How far the corners of the old grid lie along each axis, from its first voxel's centre.
    let mut low = [f64::INFINITY; 3];
    let mut high = [f64::NEG_INFINITY; 3];
    for corner in 0..8 {
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        let index =
            std::array::from_fn(|axis| if corner >> axis & 1 == 0 { -0.5 } else { old.size[axis] as f64 - 0.5 });
        let at = old.point(index).lps_mm;
        let from: [f64; 3] = std::array::from_fn(|axis| at[axis] - old.origin_lps_mm[axis]);
        for axis in 0..3 {
            let along = dot(from, axes[axis]);
            (low[axis], high[axis]) = (low[axis].min(along), high[axis].max(along));
        }
    }
    let size: [f64; 3] = std::array::from_fn(|axis| ((high[axis] - low[axis]) / spacing_mm[axis]).round().max(1.0));
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    let fits =
        size.iter().all(|&along| along <= f64::from(MOST_ALONG)) && size.iter().product::<f64>() <= MOST_VOXELS as f64;
    if !fits {
        return Err(TooManyVoxels);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to MOST_ALONG")]
    let whole = size.map(|along| along as usize);
    let first: [f64; 3] = std::array::from_fn(|axis| low[axis] + 0.5 * spacing_mm[axis]);
    Ok(Grid {
        size: whole,
        origin_lps_mm: std::array::from_fn(|part| {
            old.origin_lps_mm[part] + (0..3).map(|axis| first[axis] * axes[axis][part]).sum::<f64>()
        }),
        step_lps_mm: std::array::from_fn(|axis| axes[axis].map(|part| part * spacing_mm[axis])),
    })
}

/// A copy of right angles with the given spacing along each axis. The extent, from border to border of the outer voxels,
/// is kept to within one voxel: the first centre moves by half the difference of the steps. What a tilted gantry leaves
/// outside the scan is air.
///
/// # Errors
/// [`TooManyVoxels`] before anything is allocated.
pub fn resample_isotropic<T: Copy + Into<f32> + Sync>(
    volume: &Volume<T>,
    to: Step,
) -> Result<Volume<f32>, TooManyVoxels> {
    resampled(volume, [to.mm(); 3])
}

/// The scan of a tilted gantry with its slices shifted back over one another: a copy of right angles, with the old
/// distances of columns, rows and slice planes. What lies outside the scan is air.
///
/// # Errors
/// [`TooManyVoxels`] before anything is allocated.
pub fn upright<T: Copy + Into<f32> + Sync>(volume: &Volume<T>) -> Result<Volume<f32>, TooManyVoxels> {
    let grid = volume.grid();
    let [columns, rows, _] = grid.spacing_mm();
    let [i, j, k] = grid.step_lps_mm;
    let normal = cross(i, j);
    let planes = dot(normal, k).abs() / length(normal);
    resampled(volume, [columns, rows, planes])
}

fn resampled<T: Copy + Into<f32> + Sync>(
    volume: &Volume<T>,
    spacing_mm: [f64; 3],
) -> Result<Volume<f32>, TooManyVoxels> {
    let old = volume.grid();
    let grid = upright_grid(old, spacing_mm)?;
    let sheared = !old.is_upright();
    let first = old.index(grid.point([0.0; 3]));
    let [along_i, along_j, along_k] = grid.step_lps_mm.map(|step| old.index_of_step(step));
    let [columns, rows, slices] = grid.size;
    let mut voxels = Array3::zeros((slices, rows, columns));
    if sheared {
        voxels.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(k, mut slice)| {
            for ((j, i), voxel) in slice.indexed_iter_mut() {
                #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
                let [i, j, k] = [i, j, k].map(|at| at as f64);
                let index: [f64; 3] =
                    std::array::from_fn(|axis| first[axis] + i * along_i[axis] + j * along_j[axis] + k * along_k[axis]);
                *voxel = trilinear(volume, index).unwrap_or(AIR_HU);
            }
        });
        return Ok(Volume::from_parts(voxels, grid));
    }
    // Both grids have the same axes: a new voxel's place along each is that of its line, and the three are taken one by one.
    let along = |axis: usize, step: f64| Line::of(grid.size[axis], first[axis], step, old.size[axis]);
    let (across, down, up) = (along(0, along_i[0]), along(1, along_j[1]), along(2, along_k[2]));
    let room = || (Array2::<f32>::zeros((old.size[1], old.size[0])), vec![0.0_f32; old.size[0]]);
    voxels.axis_iter_mut(Axis(0)).into_par_iter().zip(&up.0).for_each_init(room, |(plane, row), (mut slice, tap)| {
        let [below, above] = [tap.low, tap.high].map(|k| volume.voxels().index_axis(Axis(0), k));
        Zip::from(&mut *plane)
            .and(&below)
            .and(&above)
            .for_each(|between, &below, &above| *between = tap.between(below.into(), above.into()));
        for (mut line, tap) in slice.rows_mut().into_iter().zip(&down.0) {
            let (low, high) = (plane.row(tap.low), plane.row(tap.high));
            for ((between, &low), &high) in row.iter_mut().zip(low).zip(high) {
                *between = tap.between(low, high);
            }
            for (voxel, tap) in line.iter_mut().zip(&across.0) {
                *voxel = tap.between(row[tap.low], row[tap.high]);
            }
        }
    });
    Ok(Volume::from_parts(voxels, grid))
}

/// Between which two old voxels of a line a new one lies.
#[derive(Debug, Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    /// The weight of the higher.
    weight: f32,
}

impl Tap {
    fn between(self, low: f32, high: f32) -> f32 {
        low + self.weight * (high - low)
    }
}

/// A line of new voxels.
struct Line(Vec<Tap>);

impl Line {
    /// So many new voxels, from `first` on, `step` old voxels apart, in a line of `size` old ones. Rounding a grid's size up may put
    /// the last centre past the border by less than half a new voxel: it has the value of the border, as has what lies within half
    /// an old voxel of it.
    fn of(count: usize, first: f64, step: f64, size: usize) -> Self {
        let tap = |at: usize| {
            #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
            let (index, last) = (first + at as f64 * step, (size - 1) as f64);
            let index = index.clamp(0.0, last);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the last")]
            let low = index.floor() as usize;
            #[expect(clippy::cast_possible_truncation, reason = "a weight needs no more than f32 holds")]
            let weight = index.fract() as f32;
            Tap { low, high: (low + 1).min(size - 1), weight }
        };
        Self((0..count).map(tap).collect())
    }
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

    // verifies: REQ-CT-05
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
        let size = |grid: &Grid, mm: f64| upright_grid(grid, [mm; 3]).map(|grid| grid.size);
        assert_eq!(size(&grid, 1.0), Ok([360, 360, 300]));
        assert_eq!(size(&grid, 1e9), Ok([1; 3]));
        for mm in [0.1, 0.01, 1e-9, 1e-300, f64::MIN_POSITIVE] {
            assert!(size(&grid, mm).is_err(), "{mm} mm");
        }
        let long = Grid::axial([1, 1, 200], [0.0; 3], [0.001, 0.001, 1.5]);
        assert!(size(&long, 0.005).is_err(), "60,000 along one axis");
    }

    #[test]
    fn a_tilted_scan_is_set_upright() {
        // HU runs by 10 a mm to the back and 1 a mm to the head, in the patient: linear, so sampling is exact.
        let (sin, cos) = (0.3_f64.sin(), 0.3_f64.cos());
        let grid = Grid {
            size: [4, 40, 20],
            origin_lps_mm: [5.0, -7.0, 11.0],
            step_lps_mm: [[0.8, 0.0, 0.0], [0.0, 0.7 * cos, 0.7 * sin], [0.0, 0.0, 3.0]],
        };
        assert!(!grid.is_upright());
        let hu = |point: Point| 10.0 * point.lps_mm[1] + point.lps_mm[2];
        let voxels = Array3::from_shape_fn((20, 40, 4), |(k, j, i)| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a small test volume")]
            let hu = hu(grid.point([i, j, k].map(|at| at as f64))) as f32;
            hu
        });
        let volume = Volume::new(voxels, grid).expect("shape");
        for copy in [upright(&volume).expect("small"), resample_isotropic(&volume, step(1.1)).expect("small")] {
            let to = copy.grid();
            assert!(to.is_upright());
            let mut inside = 0;
            for ((k, j, i), &found) in copy.voxels().indexed_iter() {
                #[expect(clippy::cast_precision_loss, reason = "a small test volume")]
                let at = to.point([i, j, k].map(|at| at as f64));
                let old = grid.index(at);
                // Between the outermost centres; beyond them the last value is repeated, and then comes air.
                let within = old
                    .iter()
                    .zip(grid.size)
                    .all(|(&at, size)| at >= 0.0 && at <= f64::from(u32::try_from(size).expect("small")) - 1.0);
                if within {
                    assert!((f64::from(found) - hu(at)).abs() < 1e-3, "{i} {j} {k}: {found}");
                    inside += 1;
                }
            }
            assert!(inside > copy.voxels().len() / 2, "{inside}");
            assert!(copy.voxels().iter().any(|&hu| (hu - AIR_HU).abs() < 0.5), "the corners are air");
        }
        let planes = upright(&volume).expect("small").grid().spacing_mm();
        assert!((planes[2] - 3.0 * cos).abs() < 1e-9, "planes are nearer to one another than the table's step");
    }

    #[test]
    fn the_window_saturates() {
        let window = Window { low_hu: -1000.0, high_hu: 400.0 };
        assert_eq!([-2000.0, -1000.0, -300.0, 400.0, 3000.0].map(|hu| window.level(hu)), [0, 0, 128, 255, 255]);
        assert_eq!(window.level(f32::NAN), 0);
    }
}
