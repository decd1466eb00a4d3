//! Where in the lungs a lesion could be: suggestions for a reader, never a statement that there is none.
//!
//! The scan is copied to a coarse isotropic grid, the lungs are cut out, and blobs of tissue are sought in and beside
//! them at several scales (Lindeberg, "Feature detection with automatic scale selection", 1998) by the weakest of the
//! three curvatures of the smoothed scan: vessels are tubes and walls are sheets, flat along an axis or two. What is
//! found is ranked by how it looks (`looks.rs`). How often a lesion is among the first: `docs/candidates.md`.

mod looks;

use hilum_domain::Point;
use ndarray::{Array3, Axis, Zip, s};
use rayon::prelude::*;

use self::looks::rays;
use crate::{Grid, Volume, gaussian, symmetric_3x3};

/// A place in the lung that could be a lesion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Larger is more suspicious, and may be below 0; it ranks the candidates of one scan and is no probability.
    pub score: f64,
    /// Its centre.
    pub centre: Point,
    /// The diameter of the sphere with its volume; where it merges with its surroundings, of the blob that fits best.
    pub diameter_mm: f64,
    /// Its mean HU on a grid of about 2 mm, where bone, calcium and metal count as 400.
    pub mean_hu: f64,
}

/// The step of the coarse grid.
const STEP_MM: f64 = 2.0;
/// A large chest has fewer voxels at that step: a larger volume is copied more coarsely.
const MOST_VOXELS: f64 = 16e6;
/// A volume outside this along an axis is no scan of a chest.
const EXTENT_MM: std::ops::RangeInclusive<f64> = 24.0..=4000.0;
const AIR_HU: f32 = -1000.0;
const DENSEST_HU: f32 = 400.0;
/// In the search for blobs everything denser counts as this: contrast in a vessel is no sign.
const SOFT_TISSUE_HU: f32 = 60.0;
/// What inflated lung has, if there is none near a candidate to measure.
const LUNG_HU: f64 = -850.0;
/// Lung and air lie below.
const LUNG_BELOW_HU: i16 = -400;
/// Gas in the gut and the windpipe lies below, most of a lung above.
const GAS_BELOW_HU: i16 = -960;
/// A lung, or the part of it in the scan, is at least as large.
const SMALLEST_LUNG_ML: f64 = 30.0;
/// How far from aerated lung the middle of a lesion may lie.
const REACH_MM: f64 = 20.0;
/// Grooves and notches of the lung that are narrower than twice this belong to its hull.
const CLOSING_MM: f64 = 14.0;
/// Diameters of the blobs sought, in rising order.
const DIAMETERS_MM: [f64; 8] = [5.5, 8.0, 12.0, 17.0, 24.0, 34.0, 46.0, 62.0];
/// From this scale on every second voxel says it all.
const COARSER_FROM_MM: f64 = 24.0;
/// A blob weaker than this, in HU, is noise.
const WEAKEST_HU: f64 = 15.0;

/// The most suspicious places, best first, at most `most`. Volumes without lungs have none.
#[must_use]
pub fn lesion_candidates(volume: &Volume<i16>, most: usize) -> Vec<Candidate> {
    let Some(coarse) = Coarse::copy(volume) else { return Vec::new() };
    let Some(chest) = Chest::cut(&coarse) else { return Vec::new() };
    let mut blobs = chest.blobs();
    let rays = rays();
    blobs.par_iter_mut().for_each(|blob| blob.score = chest.looks(blob, &rays).score());
    blobs.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.centre.cmp(&b.centre)).then(a.radius.total_cmp(&b.radius)));
    let mut kept: Vec<(Blob, Body)> = Vec::new();
    for blob in blobs {
        if kept.len() == most {
            break;
        }
        if kept.iter().any(|(other, _)| {
            let apart = distance(blob.centre.map(real), other.centre.map(real));
            apart <= 0.9 * blob.radius.max(other.radius)
        }) {
            continue;
        }
        // Blobs of several scales and places may belong to one body: it is suggested once.
        let body = chest.body_of(&blob);
        if kept.iter().all(|(_, other)| distance(body.centre, other.centre) > 0.5 * body.diameter.max(other.diameter)) {
            kept.push((blob, body));
        }
    }
    kept.iter()
        .map(|(blob, body)| Candidate {
            score: blob.score,
            centre: coarse.grid.point(std::array::from_fn(|axis| body.centre[2 - axis])),
            diameter_mm: body.diameter * chest.step_mm,
            mean_hu: body.mean_hu,
        })
        .collect()
}

/// What the search sees in one blob, for `tests/candidates/fit`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Its middle.
    pub centre: Point,
    /// The middle and the diameter of what grows out of it.
    pub body: (Point, f64),
    /// The radius of the blob itself, in mm.
    pub radius_mm: f64,
    /// The logarithm of its size, and its signs, in the order of their weights.
    pub signs: (f64, Vec<f64>),
}

/// Every blob of a scan with its signs, in no order: what the weights of the ranking are fitted to.
#[must_use]
pub fn lesion_sightings(volume: &Volume<i16>) -> Vec<Sighting> {
    let Some(coarse) = Coarse::copy(volume) else { return Vec::new() };
    let Some(chest) = Chest::cut(&coarse) else { return Vec::new() };
    let rays = rays();
    let point = |at: [f64; 3]| coarse.grid.point(std::array::from_fn(|axis| at[2 - axis]));
    let see = |blob: &Blob| {
        let body = chest.body_of(blob);
        Sighting {
            centre: point(std::array::from_fn(|axis| real(blob.centre[axis] + chest.corner[axis]))),
            body: (point(body.centre), body.diameter * chest.step_mm),
            radius_mm: blob.radius * chest.step_mm,
            signs: chest.looks(blob, &rays).signs(),
        }
    };
    chest.blobs().par_iter().map(see).collect()
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
const fn real(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "callers pass sizes; the cast saturates")]
fn whole(value: f64) -> usize {
    value as usize
}

#[expect(clippy::cast_possible_truncation, reason = "HU and weights need no more than f32 holds")]
fn single(value: f64) -> f32 {
    value as f32
}

// ---------------------------------------------------------------------------------------------------------------------
// The coarse copy

/// The scan on the coarse grid, as [slice, row, column] like the scan.
struct Coarse {
    hu: Array3<i16>,
    grid: Grid,
    step_mm: f64,
}

/// Which voxels of a line, from the first on, make a coarse voxel, and with which weights: a triangle that is two steps
/// of the wider grid wide, so that thick slices are interpolated and thin ones averaged.
fn taps(size: usize, old_per_new: f64, at: usize) -> (usize, Vec<f32>) {
    let centre = ((real(at) + 0.5) * old_per_new - 0.5).clamp(0.0, real(size - 1));
    let half = old_per_new.max(1.0);
    let first = whole((centre - half).ceil().max(0.0));
    let last = whole((centre + half).floor()).min(size - 1);
    let weight = |index: usize| (1.0 - (real(index) - centre).abs() / half).max(0.0);
    let sum: f64 = (first..=last).map(weight).sum();
    (first, (first..=last).map(|index| single(weight(index) / sum)).collect())
}

impl Coarse {
    /// `None` if this cannot be a scan of a chest.
    fn copy(volume: &Volume<i16>) -> Option<Self> {
        let old = volume.grid();
        let spacing = old.spacing_mm();
        let extent: [f64; 3] = std::array::from_fn(|axis| real(old.size[axis]) * spacing[axis]);
        if !extent.iter().all(|mm| EXTENT_MM.contains(mm)) {
            return None;
        }
        let step_mm = STEP_MM * (extent.iter().product::<f64>() / STEP_MM.powi(3) / MOST_VOXELS).cbrt().max(1.0);
        let ratio = spacing.map(|mm| step_mm / mm);
        let size = extent.map(|mm| whole((mm / step_mm).round()).max(1));
        let [along_i, along_j, along_k]: [Vec<(usize, Vec<f32>)>; 3] =
            std::array::from_fn(|axis| (0..size[axis]).map(|at| taps(old.size[axis], ratio[axis], at)).collect());
        let [columns, rows, _] = old.size;
        let mut hu = Array3::zeros((size[2], size[1], size[0]));
        hu.axis_iter_mut(Axis(0)).into_par_iter().zip(&along_k).for_each(|(mut plane, (first, weights))| {
            let mut slice = vec![0.0_f32; columns * rows];
            for (k, &weight) in (*first..).zip(weights) {
                for (sum, &hu) in slice.iter_mut().zip(volume.voxels().index_axis(Axis(0), k)) {
                    *sum += weight * f32::from(hu).clamp(AIR_HU, DENSEST_HU);
                }
            }
            let mut line = vec![0.0_f32; columns];
            for (mut row, (first, weights)) in plane.outer_iter_mut().zip(&along_j) {
                line.fill(0.0);
                for (old_row, &weight) in slice.chunks_exact(columns).skip(*first).zip(weights) {
                    for (sum, &hu) in line.iter_mut().zip(old_row) {
                        *sum += weight * hu;
                    }
                }
                for (voxel, (first, weights)) in row.iter_mut().zip(&along_i) {
                    let sum: f32 = line[*first..].iter().zip(weights).map(|(hu, weight)| hu * weight).sum();
                    #[expect(clippy::cast_possible_truncation, reason = "a mean of clamped HU")]
                    let hu = sum.round() as i16;
                    *voxel = hu;
                }
            }
        });
        let grid = Grid {
            size,
            origin_lps_mm: old.point(ratio.map(|ratio| 0.5 * ratio - 0.5)).lps_mm,
            step_lps_mm: std::array::from_fn(|axis| old.step_lps_mm[axis].map(|part| part * ratio[axis])),
        };
        Some(Self { hu, grid, step_mm })
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The lungs

/// The lungs and what lies around them.
struct Chest {
    /// HU.
    hu: Array3<i16>,
    /// Lung and what it surrounds.
    hull: Array3<bool>,
    /// The squared distance from aerated lung, in voxels; infinite beyond the reach.
    from_lung: Array3<f32>,
    /// Where the first voxel lies in the coarse copy.
    corner: [usize; 3],
    /// The size of the coarse copy.
    whole_size: [usize; 3],
    step_mm: f64,
}

/// Not lung.
const TISSUE: u8 = 0;
/// Air not yet looked at.
const AIR: u8 = 1;
/// Air around the body.
const OUTSIDE: u8 = 2;
/// Air in the body.
const INSIDE: u8 = 3;
const LUNG: u8 = 4;

/// Turns what is joined by faces to `seed` from one state into another, and shows it to `visit`.
fn flood(state: &mut Array3<u8>, seed: [usize; 3], from: u8, to: u8, mut visit: impl FnMut([usize; 3])) {
    if state[seed] != from {
        return;
    }
    let (slices, rows, columns) = state.dim();
    let size = [slices, rows, columns];
    state[seed] = to;
    // Sizes are at most EXTENT_MM over STEP_MM.
    let pack = |at: [usize; 3]| at.map(|index| u16::try_from(index).unwrap_or(u16::MAX));
    let mut stack = vec![pack(seed)];
    while let Some(packed) = stack.pop() {
        let at = packed.map(usize::from);
        visit(at);
        for axis in 0..3 {
            for next in [at[axis].wrapping_sub(1), at[axis] + 1] {
                let mut beside = at;
                beside[axis] = next;
                if next < size[axis] && state[beside] == from {
                    state[beside] = to;
                    stack.push(pack(beside));
                }
            }
        }
    }
}

/// The squared distance to the nearest voxel of `mask`, in voxels; infinite beyond `reach` along an axis.
fn squared_distance(mask: &Array3<bool>, reach: usize) -> Array3<f32> {
    let mut distance = mask.mapv(|inside| if inside { 0.0 } else { f32::INFINITY });
    let square: Vec<f32> = (0..=reach).map(|steps| single(real(steps * steps))).collect();
    for axis in 0..3 {
        Zip::from(distance.lanes_mut(Axis(axis))).par_for_each(|mut lane| {
            let line = lane.to_vec();
            for (at, value) in lane.iter_mut().enumerate() {
                let first = at.saturating_sub(reach);
                let near = (first..).zip(&line[first..(at + reach + 1).min(line.len())]);
                *value = near.map(|(other, value)| value + square[other.abs_diff(at)]).fold(f32::INFINITY, f32::min);
            }
        });
    }
    distance
}

impl Chest {
    fn cut(coarse: &Coarse) -> Option<Self> {
        let mut state = coarse.hu.mapv(|hu| if hu < LUNG_BELOW_HU { AIR } else { TISSUE });
        let (slices, rows, columns) = state.dim();
        let size = [slices, rows, columns];
        // Air enters from the sides, not from the ends: a scan of part of the chest ends within the lungs.
        let along_body = (0..3)
            .max_by(|&a, &b| {
                let upright = |axis: usize| coarse.grid.step_lps_mm[2 - axis][2].abs();
                upright(a).total_cmp(&upright(b))
            })
            .unwrap_or(0);
        for side in (0..3).filter(|&axis| axis != along_body) {
            for end in [0, size[side] - 1] {
                let (a, b) = ((side + 1) % 3, (side + 2) % 3);
                for p in 0..size[a] {
                    for q in 0..size[b] {
                        let mut seed = [end; 3];
                        (seed[a], seed[b]) = (p, q);
                        flood(&mut state, seed, AIR, OUTSIDE, |_| ());
                    }
                }
            }
        }
        // Each piece of air in the body: how much of it there is, and how much is gas.
        let mut pieces: Vec<([usize; 3], usize)> = Vec::new();
        for k in 0..slices {
            for j in 0..rows {
                for i in 0..columns {
                    if state[[k, j, i]] == AIR {
                        let (mut all, mut gas) = (0, 0);
                        flood(&mut state, [k, j, i], AIR, INSIDE, |at| {
                            all += 1;
                            gas += usize::from(coarse.hu[at] < GAS_BELOW_HU);
                        });
                        if real(all) * coarse.step_mm.powi(3) > 1000.0 * SMALLEST_LUNG_ML && gas * 5 < all * 3 {
                            pieces.push(([k, j, i], all));
                        }
                    }
                }
            }
        }
        let largest = pieces.iter().map(|piece| piece.1).max()?;
        let (mut low, mut high) = (size, [0; 3]);
        for (seed, _) in pieces.iter().filter(|piece| piece.1 * 8 > largest) {
            flood(&mut state, *seed, INSIDE, LUNG, |at| {
                for axis in 0..3 {
                    low[axis] = low[axis].min(at[axis]);
                    high[axis] = high[axis].max(at[axis]);
                }
            });
        }
        let voxels = |mm: f64| whole(mm / coarse.step_mm).max(1);
        let margin = voxels(REACH_MM);
        let corner = low.map(|low| low.saturating_sub(margin));
        let end: [usize; 3] = std::array::from_fn(|axis| (high[axis] + margin + 1).min(size[axis]));
        let part = s![corner[0]..end[0], corner[1]..end[1], corner[2]..end[2]];
        let hu = coarse.hu.slice(part).to_owned();
        let from_lung = squared_distance(&state.slice(part).mapv(|state| state == LUNG), margin);
        let closing = voxels(CLOSING_MM);
        let square = single(real(closing * closing));
        let hull = squared_distance(&from_lung.mapv(|from| from > square), closing).mapv(|from| from > square);
        Some(Self { hu, hull, from_lung, corner, whole_size: size, step_mm: coarse.step_mm })
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Blobs

/// Something round at one scale.
#[derive(Debug, Clone, Copy)]
struct Blob {
    /// Slice, row, column.
    centre: [usize; 3],
    /// In voxels.
    radius: f64,
    /// The weakest curvature, times the square of the scale, in HU: the same for spheres of any size.
    response: f64,
    /// The weakest curvature by the strongest: 1 for a sphere, near 0 for tubes and sheets.
    roundness: f64,
    score: f64,
}

/// The weakest and the strongest curvature at a voxel at least `h` from the border, over steps of `h`; 0 unless all three are
/// downward.
fn curvatures(f: &Array3<f32>, at: [usize; 3], h: usize) -> [f64; 2] {
    let step = isize::try_from(h).unwrap_or(1);
    let value = |a: usize, along_a: isize, b: usize, along_b: isize| {
        let mut near = at;
        near[a] = near[a].wrapping_add_signed(along_a * step);
        near[b] = near[b].wrapping_add_signed(along_b * step);
        f64::from(f[near])
    };
    // No entry on the diagonal is above the largest eigenvalue, and no minor of a definite matrix is negative: most
    // voxels are done here.
    let own: [f64; 3] = std::array::from_fn(|a| value(a, 1, a, 0) + value(a, -1, a, 0) - 2.0 * value(a, 0, a, 0));
    if own.iter().any(|&curvature| curvature >= 0.0) {
        return [0.0; 2];
    }
    let mixed: [f64; 3] = std::array::from_fn(|a| {
        let b = (a + 1) % 3;
        0.25 * (value(a, 1, b, 1) + value(a, -1, b, -1) - value(a, 1, b, -1) - value(a, -1, b, 1))
    });
    if (0..3).any(|a| mixed[a] * mixed[a] >= own[a] * own[(a + 1) % 3]) {
        return [0.0; 2];
    }
    let hessian = [[own[0], mixed[0], mixed[2]], [mixed[0], own[1], mixed[1]], [mixed[2], mixed[1], own[2]]];
    let [(least, _), _, (largest, _)] = symmetric_3x3(hessian);
    [largest, least].map(|curvature| (-curvature).max(0.0) / real(h * h))
}

impl Chest {
    fn blobs(&self) -> Vec<Blob> {
        let mut smooth = self.hu.mapv(|hu| f32::from(hu).min(SOFT_TISSUE_HU));
        let (mut stride, mut smoothed) = (1, 0.0_f64);
        let mut found = Vec::new();
        for diameter_mm in DIAMETERS_MM {
            let radius = 0.5 * diameter_mm / self.step_mm;
            // A sphere answers most strongly to a Gaussian of this width.
            let sigma = radius / 3.0_f64.sqrt();
            gaussian(&mut smooth, (sigma * sigma - smoothed * smoothed).max(0.04).sqrt() / real(stride), &[0, 1, 2]);
            smoothed = sigma;
            if stride == 1 && diameter_mm >= COARSER_FROM_MM {
                stride = 2;
                smooth = smooth.slice(s![..;2, ..;2, ..;2]).to_owned();
            }
            self.blobs_at(&smooth, stride, radius, &mut found);
        }
        found
    }

    /// The blobs of one scale: where the response is the largest among neighbours.
    fn blobs_at(&self, smooth: &Array3<f32>, stride: usize, radius: f64, found: &mut Vec<Blob>) {
        let (slices, rows, columns) = smooth.dim();
        let sigma = radius / 3.0_f64.sqrt() / real(stride);
        let h = whole(0.5 * sigma).max(1);
        if slices.min(rows).min(columns) <= 2 * h {
            return;
        }
        let reach = single((radius + 2.0).min(REACH_MM / self.step_mm).powi(2));
        let mut response = Array3::<f32>::zeros(smooth.dim());
        response.axis_iter_mut(Axis(0)).into_par_iter().enumerate().skip(h).take(slices - 2 * h).for_each(
            |(k, mut plane)| {
                for j in h..rows - h {
                    for i in h..columns - h {
                        if self.from_lung[[k * stride, j * stride, i * stride]] <= reach {
                            plane[[j, i]] = single(sigma * sigma * curvatures(smooth, [k, j, i], h)[0]);
                        }
                    }
                }
            },
        );
        // The border has no response, so every neighbour exists.
        for ((k, j, i), &value) in response.indexed_iter().filter(|(_, value)| f64::from(**value) >= WEAKEST_HU) {
            if response.slice(s![k - 1..=k + 1, j - 1..=j + 1, i - 1..=i + 1]).iter().all(|&near| near <= value) {
                let centre = [k, j, i].map(|index| index * stride);
                let [weakest, strongest] = curvatures(smooth, [k, j, i], h);
                let roundness = weakest / strongest.max(1e-9);
                found.push(Blob { centre, radius, response: f64::from(value), roundness, score: 0.0 });
            }
        }
    }

    /// Shows the voxels of a ball to `visit`, with their distance from its centre.
    fn ball(&self, centre: [usize; 3], radius: f64, mut visit: impl FnMut([usize; 3], f64)) {
        let (slices, rows, columns) = self.hu.dim();
        let reach = whole(radius);
        let span = |axis: usize, size: usize| centre[axis].saturating_sub(reach)..(centre[axis] + reach + 1).min(size);
        for k in span(0, slices) {
            for j in span(1, rows) {
                for i in span(2, columns) {
                    let from_centre = distance([k, j, i].map(real), centre.map(real));
                    if from_centre <= radius {
                        visit([k, j, i], from_centre);
                    }
                }
            }
        }
    }

    fn is_lung(&self, at: [usize; 3]) -> bool {
        self.from_lung[at] < 0.5
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Ranking and measuring

/// A candidate grown out of its blob, in voxels of the coarse copy.
struct Body {
    centre: [f64; 3],
    diameter: f64,
    mean_hu: f64,
}

impl Chest {
    /// The tissue joined to the middle of a blob, out to one and a half of its radius and within the hull of the lungs.
    fn body_of(&self, blob: &Blob) -> Body {
        let reach = 1.5 * blob.radius + 1.0;
        let (mut core, mut lung) = ((0, 0.0), (0, 0.0));
        self.ball(blob.centre, reach, |at, from_centre| {
            let part = if from_centre <= (0.5 * blob.radius).max(1.0) {
                &mut core
            } else if self.is_lung(at) {
                &mut lung
            } else {
                return;
            };
            *part = (part.0 + 1, part.1 + f64::from(self.hu[at]));
        });
        let core_hu = core.1 / real(core.0.max(1));
        let lung_hu = if lung.0 > 0 { lung.1 / real(lung.0) } else { LUNG_HU };
        let tissue_hu = 0.5 * (core_hu + lung_hu);

        let side = 2 * whole(reach) + 3;
        let middle = side / 2;
        let local =
            |at: [usize; 3]| -> [usize; 3] { std::array::from_fn(|axis| at[axis] + middle - blob.centre[axis]) };
        let mut state = Array3::zeros([side; 3]);
        let (mut seeds, mut ball) = (Vec::new(), 0);
        self.ball(blob.centre, reach, |at, from_centre| {
            ball += 1;
            if f64::from(self.hu[at]) > tissue_hu && self.hull[at] {
                state[local(at)] = 1;
                if from_centre <= (0.5 * blob.radius).max(1.0) {
                    seeds.push(local(at));
                }
            }
        });
        let (mut count, mut sum, mut sum_hu) = (0, [0.0; 3], 0.0);
        for seed in seeds {
            flood(&mut state, seed, 1, 2, |near| {
                let at: [usize; 3] = std::array::from_fn(|axis| near[axis] + blob.centre[axis] - middle);
                count += 1;
                sum_hu += f64::from(self.hu[at]);
                sum = std::array::from_fn(|axis| sum[axis] + real(at[axis] + self.corner[axis]));
            });
        }
        let diameter = libm::cbrt(6.0 * real(count) / std::f64::consts::PI);
        // Less is a shred of something beyond the hull, more has leaked into its surroundings.
        if diameter < blob.radius || 5 * count > 4 * ball {
            let centre = std::array::from_fn(|axis| real(blob.centre[axis] + self.corner[axis]));
            return Body { centre, diameter: 2.0 * blob.radius, mean_hu: core_hu };
        }
        Body { centre: sum.map(|sum| sum / real(count)), diameter, mean_hu: sum_hu / real(count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ball or a rod of soft tissue: along z, or from one point to another.
    #[derive(Clone, Copy)]
    enum Part {
        Nodule { at: [f64; 3], diameter: f64 },
        Glass { at: [f64; 3], diameter: f64 },
        Vessel { at: [f64; 2], diameter: f64 },
        Branch { from: [f64; 3], to: [f64; 3], diameter: f64 },
    }

    impl Part {
        fn holds(&self, at: [f64; 3]) -> bool {
            match *self {
                Self::Nodule { at: centre, diameter } | Self::Glass { at: centre, diameter } => {
                    distance(at, centre) < 0.5 * diameter
                }
                Self::Vessel { at: [x, y], diameter } => (at[0] - x).hypot(at[1] - y) < 0.5 * diameter,
                Self::Branch { from, to, diameter } => {
                    let along: [f64; 3] = std::array::from_fn(|axis| to[axis] - from[axis]);
                    let off: [f64; 3] = std::array::from_fn(|axis| at[axis] - from[axis]);
                    let share = (crate::dot(off, along) / crate::dot(along, along)).clamp(0.0, 1.0);
                    distance(off, along.map(|part| share * part)) < 0.5 * diameter
                }
            }
        }
    }

    /// A chest of 300 by 220 by `depth` mm with lungs at x = ±70 (half axes 55 and 80 mm) and what is drawn in them.
    fn thorax(spacing: [f64; 3], depth: f64, parts: &[Part]) -> Volume<i16> {
        let size = [300.0 / spacing[0], 220.0 / spacing[1], depth / spacing[2]].map(whole);
        let grid = Grid::axial(size, [-150.0, -110.0, -500.0], spacing);
        let voxels = Array3::from_shape_fn((size[2], size[1], size[0]), |(k, j, i)| {
            let [x, y, z] = grid.point([real(i), real(j), real(k)]).lps_mm;
            let glass = |part: &&Part| matches!(part, Part::Glass { .. });
            let holds = |part: &Part| part.holds([x, y, z]);
            let in_part = parts.iter().filter(|part| !glass(part)).any(holds);
            let in_glass = parts.iter().filter(glass).any(holds);
            if (x / 140.0).hypot(y / 105.0) > 1.0 {
                -1000
            } else if ((x.abs() - 70.0) / 55.0).hypot(y / 80.0) > 1.0 || in_part {
                40
            } else if in_glass {
                -550
            } else {
                -850
            }
        });
        Volume::new(voxels, grid).expect("shape")
    }

    const VESSELS: [Part; 3] = [
        Part::Vessel { at: [-60.0, 10.0], diameter: 9.0 },
        Part::Vessel { at: [65.0, -30.0], diameter: 6.0 },
        Part::Vessel { at: [50.0, 20.0], diameter: 12.0 },
    ];

    #[track_caller]
    fn check_first(spacing: [f64; 3], at: [f64; 3], diameter: f64, off_mm: f64) {
        let mut parts = VESSELS.to_vec();
        parts.push(Part::Nodule { at, diameter });
        let found = lesion_candidates(&thorax(spacing, 130.0, &parts), 5);
        let first = found.first().expect("a candidate");
        assert!(first.centre.distance_mm(Point::new(at)) <= off_mm, "{found:?}");
        assert!((first.diameter_mm / diameter - 1.0).abs() < 0.3, "{found:?}");
        assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score), "{found:?}");
    }

    #[test]
    fn a_nodule_comes_before_vessels() {
        check_first([1.0, 1.0, 2.0], [-80.0, -20.0, -440.0], 12.0, 3.0);
        check_first([0.8, 0.8, 5.0], [75.0, 25.0, -430.0], 20.0, 3.0);
        check_first([1.5, 1.5, 1.5], [75.0, 5.0, -430.0], 40.0, 4.0);
    }

    #[test]
    fn a_nodule_on_the_pleura_is_found() {
        // The lung ends at x = -125 here.
        check_first([1.0, 1.0, 2.0], [-120.0, 0.0, -435.0], 16.0, 5.0);
    }

    /// Where three branches of a vessel meet.
    const FORK: [f64; 3] = [-75.0, -15.0, -440.0];

    fn fork() -> [Part; 3] {
        [[-100.0, -15.0, -425.0], [-60.0, -40.0, -445.0], [-65.0, 15.0, -460.0]].map(|to| Part::Branch {
            from: FORK,
            to,
            diameter: 8.0,
        })
    }

    #[track_caller]
    fn check_before_the_fork(lesion: Part, at: [f64; 3]) {
        let parts = [&fork()[..], &VESSELS[1..], &[lesion]].concat();
        let found = lesion_candidates(&thorax([1.0, 1.0, 2.0], 130.0, &parts), 10);
        let place = |at: [f64; 3]| found.iter().position(|one| one.centre.distance_mm(Point::new(at)) < 6.0);
        let lesion = place(at).unwrap_or_else(|| panic!("{found:?}"));
        assert!(place(FORK).is_none_or(|fork| lesion < fork), "{found:?}");
    }

    #[test]
    fn lesions_come_before_the_fork_of_a_vessel() {
        let (free, on_pleura) = ([75.0, 25.0, -430.0], [-121.0, 0.0, -435.0]);
        for (at, diameter) in [(free, 6.5), (free, 9.0), (free, 20.0), (on_pleura, 12.0)] {
            check_before_the_fork(Part::Nodule { at, diameter }, at);
        }
        for diameter in [10.0, 18.0] {
            check_before_the_fork(Part::Glass { at: free, diameter }, free);
        }
    }

    #[test]
    fn a_nodule_on_a_vessel_comes_before_the_fork_of_another() {
        // The branch runs past the nodule and touches it.
        let (at, from, to) = ([75.0, 25.0, -430.0], [45.0, 20.0, -440.0], [100.0, 31.0, -425.0]);
        let on_vessel = [&fork()[..], &[Part::Branch { from, to, diameter: 3.0 }]].concat();
        let parts = [&on_vessel[..], &[Part::Nodule { at, diameter: 10.0 }]].concat();
        let found = lesion_candidates(&thorax([1.0, 1.0, 2.0], 130.0, &parts), 10);
        assert!(found[0].centre.distance_mm(Point::new(at)) < 5.0, "{found:?}");
    }

    #[test]
    fn the_density_is_that_of_the_nodule() {
        let volume = thorax([1.0; 3], 100.0, &[Part::Nodule { at: [-70.0, 0.0, -450.0], diameter: 24.0 }]);
        let found = lesion_candidates(&volume, 1);
        assert!(found.len() == 1 && (-120.0..=40.0).contains(&found[0].mean_hu), "{found:?}");
    }

    #[test]
    fn the_same_scan_gives_the_same_candidates() {
        let volume = thorax([1.5; 3], 80.0, &VESSELS);
        assert_eq!(lesion_candidates(&volume, 20), lesion_candidates(&volume, 20));
    }

    #[test]
    fn what_has_no_lungs_has_no_candidates() {
        let flat = |size: [usize; 3], hu: i16| {
            let voxels = Array3::from_elem((size[2], size[1], size[0]), hu);
            Volume::new(voxels, Grid::axial(size, [0.0; 3], [1.0; 3])).expect("shape")
        };
        for size in [[64, 64, 64], [64, 64, 1], [1, 1, 1], [1, 64, 64], [0, 0, 0], [64, 64, 0]] {
            for hu in [i16::MIN, -1000, -850, 0, i16::MAX] {
                assert_eq!(lesion_candidates(&flat(size, hu), 5), [], "{size:?} {hu}");
            }
        }
        let one_slice = thorax([1.0, 1.0, 2.0], 2.0, &VESSELS);
        assert_eq!(lesion_candidates(&one_slice, 5), []);
        assert_eq!(lesion_candidates(&thorax([2.0; 3], 60.0, &VESSELS), 0), []);
    }
}
