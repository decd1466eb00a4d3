//! The scanner: what it is like, the patient's motion, noise, and whole HU at the end.

use hilum_imaging::{Grid, Volume};
use ndarray::Array3;

use super::{
    Lie, Rendered, Request,
    canvas::Canvas,
    shapes::{Vec3, add, times, whole},
};
use crate::{
    Random,
    numbers::{real, single},
};

/// What the scan is like, apart from the patient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner {
    /// Standard deviation of the noise, HU.
    noise_hu: f64,
    /// Standard deviation of the noise's grain, mm.
    grain_mm: f64,
    /// Multiplies the blur of edges: 0.8 for a sharp kernel, 1.3 for a soft one.
    pub(super) softness: f64,
    /// The patient breathed: a second position, in mm, and its share.
    ghost_mm: [f64; 2],
    ghost_share: f64,
}

impl Scanner {
    pub(super) fn draw(request: &Request, random: &mut Random) -> Self {
        let hidden = request.obscurity;
        let moved = random.chance(0.05 + 0.35 * hidden);
        let softness = random.range(0.8, 1.3);
        Self {
            noise_hu: (random.log_normal(15.0, 0.18) + 9.0 * hidden * random.unit() + 3.0 * (1.0 - softness) * 5.0)
                .clamp(12.0, 30.0),
            grain_mm: 0.42 * softness + 0.1,
            softness,
            ghost_mm: [random.range(-0.8, 0.8), random.range(0.8, 2.6)],
            ghost_share: if moved { random.range(0.2, 0.5) } else { 0.0 },
        }
    }
}

impl Canvas {
    /// Breathing during the rotation: a fainter copy, moved.
    pub(super) fn move_patient(&mut self, scanner: &Scanner) {
        if scanner.ghost_share <= 0.0 {
            return;
        }
        let [columns, rows, slices] = self.size;
        let share = single(scanner.ghost_share);
        let (dx, dy) = (scanner.ghost_mm[0] / self.step[0] + 8.0, scanner.ghost_mm[1] / self.step[1] + 8.0);
        let (wx, wy) = (whole(dx), whole(dy));
        let (fx, fy) = (single(dx - real(wx)), single(dy - real(wy)));
        let clamp = |index: usize, by: usize, size: usize| (index + by).saturating_sub(8).min(size - 1);
        let mut moved = vec![0.0_f32; columns * rows];
        for k in 0..slices {
            let slice = &mut self.hu[k * columns * rows..(k + 1) * columns * rows];
            for j in 0..rows {
                let (j0, j1) = (clamp(j, wy, rows) * columns, clamp(j, wy + 1, rows) * columns);
                for i in 0..columns {
                    let (i0, i1) = (clamp(i, wx, columns), clamp(i, wx + 1, columns));
                    let top = slice[j0 + i0] + (slice[j0 + i1] - slice[j0 + i0]) * fx;
                    let low = slice[j1 + i0] + (slice[j1 + i1] - slice[j1 + i0]) * fx;
                    moved[j * columns + i] = top + (low - top) * fy;
                }
            }
            for (value, &ghost) in slice.iter_mut().zip(&moved) {
                *value += (ghost - *value) * share;
            }
        }
    }

    /// Gaussian noise with the grain of the kernel, stronger towards the middle of the field where fewer photons pass.
    pub(super) fn add_noise(&mut self, scanner: &Scanner) {
        let [columns, rows, slices] = self.size;
        let sigma = scanner.grain_mm / self.step[0];
        let taps: [f64; 4] = std::array::from_fn(|tap| libm::exp(-0.5 * real(tap * tap) / (sigma * sigma)));
        let sum = taps[0] + 2.0 * (taps[1] + taps[2] + taps[3]);
        let power =
            (taps[0] * taps[0] + 2.0 * (taps[1] * taps[1] + taps[2] * taps[2] + taps[3] * taps[3])) / (sum * sum);
        let taps = taps.map(|tap| single(tap / sum));
        // Smoothing along rows and columns shrinks the deviation by `power`.
        let gain = scanner.noise_hu / power;
        let profile: Vec<f32> = (0..columns.max(rows))
            .map(|index| {
                let u = 2.0 * real(index) / real(columns) - 1.0;
                single(1.12 - 0.30 * u * u)
            })
            .collect();
        let pad = 3;
        let wide = columns + 2 * pad;
        let mut white = vec![0.0_f32; wide * (rows + 2 * pad)];
        let mut rowed = vec![0.0_f32; columns * (rows + 2 * pad)];
        let gain = single(gain);
        for k in 0..slices {
            for value in &mut white {
                *value = self.noise.normal();
            }
            let smooth = |line: &[f32], at: usize, by: usize| {
                taps[0] * line[at]
                    + taps[1] * (line[at - by] + line[at + by])
                    + taps[2] * (line[at - 2 * by] + line[at + 2 * by])
                    + taps[3] * (line[at - 3 * by] + line[at + 3 * by])
            };
            for j in 0..rows + 2 * pad {
                for i in 0..columns {
                    rowed[j * columns + i] = smooth(&white, j * wide + i + pad, 1);
                }
            }
            for j in 0..rows {
                let row = (k * rows + j) * columns;
                for i in 0..columns {
                    self.hu[row + i] +=
                        gain * profile[i] * profile[j] * smooth(&rowed, (j + pad) * columns + i, columns);
                }
            }
        }
    }

    /// Whole HU on the patient's grid, the lesion's centroid and size.
    pub(super) fn finish(self, mut mask: Vec<u8>, centre: Vec3, lie: Lie) -> Rendered {
        let [columns, rows, slices] = self.size;
        if mask.iter().all(|&inside| inside == 0) {
            // Voxels so coarse that no centre lies in the lesion: the nearest one stands for it.
            let nearest: [usize; 3] = std::array::from_fn(|a| {
                whole(((centre[a] - self.origin[a]) / self.step[a]).round().max(0.0)).min(self.size[a] - 1)
            });
            mask[(nearest[2] * rows + nearest[1]) * columns + nearest[0]] = 1;
        }
        let mut sum = [0.0; 3];
        let mut count = 0_usize;
        for (index, _) in mask.iter().enumerate().filter(|(_, inside)| **inside == 1) {
            let at = self.point(index % columns, index / columns % rows, index / (columns * rows));
            sum = add(sum, at);
            count += 1;
        }
        let volume = real(count) * self.step[0] * self.step[1] * self.step[2];
        let voxels: Vec<i16> = self.hu.iter().map(|&value| hounsfield(value)).collect();
        let grid = Grid::axial(self.size, add(self.origin, self.offset), self.step);
        let shape = (slices, rows, columns);
        let voxels = Array3::from_shape_vec(shape, voxels).expect("one value a voxel");
        Rendered {
            ct: Volume::new(voxels, grid).expect("the grid has the canvas's size"),
            mask: Array3::from_shape_vec(shape, mask).expect("one value a voxel"),
            lesion_lps_mm: add(times(sum, 1.0 / real(count)), self.offset),
            diameter_mm: libm::cbrt(6.0 * volume / std::f64::consts::PI),
            lie,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of a 12-bit CT on this line")]
fn hounsfield(value: f32) -> i16 {
    value.clamp(-1024.0, 3071.0).round() as i16
}
