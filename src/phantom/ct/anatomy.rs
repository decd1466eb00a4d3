//! Where the patient's organs lie: body, rib cage, mediastinum, diaphragm, lungs and fissures as depths.

use hilum_domain::{Sex, Smoking};

use super::{
    Request,
    attenuation::{BLOOD_HU, FAT_HU, MUSCLE_HU},
    shapes::{Lattice, Vec3, coverage, intersect, mix, piecewise, squircle, unite},
};
use crate::Random;

/// A rounded bar in an axial plane: everything within `radius` of a segment, y stretched by `squash`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bar {
    pub(super) from: [f64; 2],
    pub(super) to: [f64; 2],
    pub(super) radius: f64,
    pub(super) squash: f64,
    pub(super) hu: f64,
}

impl Bar {
    pub(super) fn depth(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (self.to[0] - self.from[0], (self.to[1] - self.from[1]) * self.squash);
        let (px, py) = (x - self.from[0], (y - self.from[1]) * self.squash);
        let t = ((px * dx + py * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
        let (ex, ey) = (px - t * dx, py - t * dy);
        self.radius - (ex * ex + ey * ey).sqrt()
    }
}

/// What of the anatomy depends on z alone, worked out once a slice.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub(super) z: f64,
    pub(super) cavity: [f64; 2],
    pub(super) cavity_y: f64,
    column: Bar,
    column_half_depth: f64,
    bars: Vec<Bar>,
    pub(super) disc: bool,
}

/// One patient: sizes, positions and what the lungs are like, in the axes of the body.
#[derive(Debug, Clone)]
pub(super) struct Anatomy {
    pub(super) scale: f64,
    pub(super) female: bool,
    pub(super) body: [f64; 2],
    pub(super) cavity: [f64; 2],
    pub(super) fat_mm: f64,
    heart: f64,
    pub(super) contrast_hu: f64,
    blood_hu: f64,
    pub(super) spine_y: f64,
    disc_phase: f64,
    dome: [f64; 2],
    pub(super) gutter: f64,
    pub(super) lung_shift: f64,
    pub(super) emphysema: f64,
    pub(super) reticulation: f64,
    pub(super) atelectasis: f64,
    pub(super) table: bool,
    fissure: [f64; 4],
    pub(super) noise: Lattice,
    pub(super) offset: Vec3,
    pub(super) fov: f64,
}

/// Seen from the carina, this is where the bronchi and vessels enter each lung; [right, left].
pub(super) const HILUM: [Vec3; 2] = [[-44.0, 4.0, -4.0], [44.0, 10.0, 2.0]];

impl Anatomy {
    pub(super) fn draw(request: &Request, random: &mut Random) -> Self {
        let female = request.sex == Sex::Female;
        let scale = random.normal(if female { 0.91 } else { 1.0 }, 0.035).clamp(0.82, 1.08);
        let cavity = [134.0 * scale * random.range(0.96, 1.04), 90.0 * scale * random.range(0.94, 1.06)];
        let fat_mm = random.log_normal(if female { 15.0 } else { 12.0 }, 0.35).clamp(5.0, 26.0);
        let body = [cavity[0] + 17.0 + fat_mm, cavity[1] + 16.0 + 0.8 * fat_mm];
        let contrast = random.chance(0.35);
        let contrast_hu = if contrast { random.range(90.0, 190.0) } else { 0.0 };
        let smoke = match request.smoking {
            Smoking::Never => 0.02,
            Smoking::Former => 0.20,
            Smoking::Current => 0.28,
        };
        let old = ((request.age - 50.0) / 100.0).clamp(0.0, 0.4);
        let hidden = request.obscurity;
        let emphysema =
            (random.range(0.0, 2.0) * smoke + random.range(0.0, 0.45) * hidden + 0.4 * old - 0.12).clamp(0.0, 0.85);
        Self {
            scale,
            female,
            body,
            cavity,
            fat_mm,
            heart: random.range(0.92, 1.12),
            contrast_hu,
            blood_hu: BLOOD_HU + contrast_hu,
            spine_y: cavity[1] - random.range(17.0, 23.0),
            disc_phase: random.unit(),
            dome: [random.normal(-92.0, 6.0), random.normal(-101.0, 6.0)],
            gutter: random.range(9.0, 17.0),
            lung_shift: random.normal(0.0, 12.0),
            emphysema,
            reticulation: (random.range(0.0, 0.25) + random.range(0.1, 0.75) * hidden).min(1.0),
            atelectasis: random.range(0.0, 0.5) + random.range(0.0, 0.5) * hidden,
            table: random.chance(0.8),
            fissure: std::array::from_fn(|_| random.normal(0.0, 1.0)),
            noise: Lattice::draw(random),
            offset: [random.range(-12.0, 12.0), random.range(-190.0, -120.0), random.range(-420.0, -20.0)],
            fov: (2.0 * body[0] + random.range(4.0, 24.0)).clamp(300.0, 380.0),
        }
    }

    /// The anatomy of the axial plane at `z`.
    pub(super) fn level(&self, z: f64) -> Level {
        let s = self.scale;
        let wide = piecewise(
            z,
            &[
                (-170.0, 1.0),
                (-60.0, 1.0),
                (-10.0, 0.985),
                (30.0, 0.93),
                (60.0, 0.84),
                (90.0, 0.68),
                (108.0, 0.52),
                (120.0, 0.36),
                (130.0, 0.1),
            ],
        );
        let deep = piecewise(
            z,
            &[
                (-170.0, 1.0),
                (-40.0, 1.0),
                (0.0, 0.97),
                (40.0, 0.88),
                (80.0, 0.70),
                (105.0, 0.52),
                (120.0, 0.36),
                (130.0, 0.15),
            ],
        );
        let cavity = [self.cavity[0] * wide, self.cavity[1] * deep];
        let cavity_y = piecewise(z, &[(0.0, 0.0), (60.0, 8.0), (120.0, 20.0)]) * s;
        let half = piecewise(
            z,
            &[
                (-170.0, 40.0),
                (-95.0, 38.0),
                (-40.0, 33.0),
                (0.0, 33.0),
                (25.0, 30.0),
                (60.0, 31.0),
                (95.0, 34.0),
                (125.0, 46.0),
            ],
        );
        let deep_half = piecewise(z, &[(-170.0, 64.0), (0.0, 60.0), (50.0, 52.0), (90.0, 46.0), (125.0, 46.0)]);
        let column = Bar { from: [1.0, -2.0], to: [1.0, -2.0], radius: half * s, squash: 1.0, hu: FAT_HU };

        let mut bars = Vec::with_capacity(20);
        let mut bar = |from: [f64; 2], to: [f64; 2], radius: f64, squash: f64, hu: f64| {
            let at = |p: [f64; 2]| [p[0] * s, p[1] * s];
            bars.push(Bar { from: at(from), to: at(to), radius: radius * s, squash, hu });
        };
        let blood = self.blood_hu;
        // Heart, apex to the left and front; the slice of an ellipsoid. Then the left atrium behind it.
        let up = (z + 64.0) / 62.0;
        if up.abs() < 0.999 {
            let share = (1.0 - up * up).sqrt() * self.heart;
            let shift = -0.28 * (z + 64.0);
            bar([14.0 + shift, -22.0], [34.0 + shift, -34.0], 46.0 * share, 1.15, blood - 0.25 * self.contrast_hu);
        }
        let up = (z + 38.0) / 28.0;
        if up.abs() < 0.999 {
            bar([-12.0, 12.0], [16.0, 12.0], 24.0 * (1.0 - up * up).sqrt() * self.heart, 1.1, blood);
        }
        // Aorta: ascending, arch, descending.
        if (-30.0..46.0).contains(&z) {
            bar([-12.0, -24.0], [-12.0, -24.0], 15.5, 1.0, blood);
        }
        if z < 46.0 {
            let x = piecewise(z, &[(-150.0, 8.0), (-60.0, 20.0), (0.0, 25.0)]);
            bar([x, 40.0], [x, 40.0], 12.5, 1.0, blood);
        }
        let up = (z - 46.0) / 13.5;
        if up.abs() < 0.999 {
            bar([-8.0, -20.0], [20.0, 34.0], 13.5 * (1.0 - up * up).sqrt(), 1.0, blood);
        }
        // Pulmonary trunk and its two branches.
        if (-28.0..16.0).contains(&z) {
            bar([16.0, -34.0], [16.0, -34.0], 14.0, 1.0, blood);
        }
        let up = (z - 1.0) / 10.5;
        if up.abs() < 0.999 {
            bar([12.0, -24.0], [-34.0, -2.0], 10.5 * (1.0 - up * up).sqrt(), 1.0, blood);
        }
        let up = (z - 10.0) / 11.5;
        if up.abs() < 0.999 {
            bar([18.0, -28.0], [38.0, 8.0], 11.5 * (1.0 - up * up).sqrt(), 1.0, blood);
        }
        // Hilar bulges: veins and interlobar arteries on their way out.
        for (side, hilum) in HILUM.iter().enumerate() {
            let up = (z - hilum[2] + 8.0) / 34.0;
            if up.abs() < 0.999 {
                let r = 9.0 * (1.0 - up * up).sqrt();
                let x = if side == 0 { -36.0 } else { 38.0 };
                bar([x, hilum[1] + 4.0], [x, hilum[1] - 6.0], r, 1.0, mix(BLOOD_HU, blood, 0.9));
            }
        }
        // Veins and arteries above; superior vena cava down to the atrium.
        if z > -28.0 {
            bar([-25.0, -18.0], [-25.0, -18.0], if z < 62.0 { 9.5 } else { 7.0 }, 1.0, mix(BLOOD_HU, blood, 1.2));
        }
        if z > 56.0 {
            bar([-9.0, -16.0], [-9.0, -16.0], 6.0, 1.0, blood);
            bar([11.0, -10.0], [11.0, -10.0], 4.5, 1.0, blood);
            bar([22.0, 4.0], [22.0, 4.0], 5.5, 1.0, blood);
            bar([22.0, -22.0], [22.0, -22.0], 6.5, 1.0, blood);
        }
        bar([7.0, 38.0], [3.0, 38.0], 6.5, 1.0, 32.0);
        // Fat in front, thymic bed.
        let front = -(cavity[1] - cavity_y) / s;
        bar(
            [2.0, -45.0],
            [0.0, front],
            piecewise(z, &[(-80.0, 22.0), (0.0, 10.0), (40.0, 9.0), (90.0, 18.0)]),
            1.0,
            FAT_HU + 18.0,
        );
        let y = self.spine_y / s;
        bar([0.0, y], [0.0, y], 20.0, 1.15, MUSCLE_HU);
        bar([0.0, y + 6.0], [0.0, y + 40.0], 22.0, 1.0, MUSCLE_HU);
        let phase = z / (25.0 * s) + self.disc_phase;
        let disc = phase - phase.floor() < 0.2;
        Level { z, cavity, cavity_y, column, column_half_depth: deep_half * s, bars, disc }
    }

    /// Depth below the inner surface of the rib cage.
    pub(super) fn cage(&self, level: &Level, x: f64, y: f64) -> f64 {
        // The gutters on both sides of the spine reach further back.
        let t = (x.abs() - 0.46 * self.cavity[0]) / (0.30 * self.cavity[0]);
        let back = if y > 0.0 { self.gutter / (1.0 + t * t * t * t) * (y * 0.02).min(1.0) } else { 0.0 };
        squircle(x, y - level.cavity_y - back, level.cavity[0], level.cavity[1], 0.42)
    }

    /// Depth below the surface of the mediastinum (spine included), and the HU there.
    pub(super) fn mediastinum(&self, level: &Level, x: f64, y: f64, width: f64) -> (f64, f64) {
        let column = {
            let squash = level.column.radius / level.column_half_depth;
            Bar { squash, ..level.column }.depth(x, y)
        };
        let mut shell = column;
        let mut hu = FAT_HU + 14.0 * self.noise.at(x * 0.12, y * 0.12, level.z * 0.12);
        for bar in &level.bars {
            let depth = bar.depth(x, y);
            if depth > -9.0 {
                shell = unite(shell, depth + 0.8, 7.0);
                if depth > -width {
                    hu = mix(hu, bar.hu, coverage(depth, width));
                }
            } else {
                shell = shell.max(depth);
            }
        }
        (shell, hu)
    }

    /// The height of the diaphragm above (x, y).
    pub(super) fn diaphragm(&self, x: f64, y: f64) -> f64 {
        let side = usize::from(x > 0.0);
        let centre = [-0.52, 0.55][side] * self.cavity[0];
        let (u, v) = ((x - centre) / (0.64 * self.cavity[0]), (y + 18.0) / self.cavity[1]);
        self.dome[side] - 62.0 * (u * u + v * v) + 4.0 * self.noise.at(x * 0.025, y * 0.025, 3.5)
    }

    /// Depth below the surface of the lung: positive in lung.
    pub(super) fn lung(&self, at: Vec3) -> f64 {
        self.lung_in(&self.level(at[2]), at)
    }

    /// The same where the level of `at` is at hand.
    pub(super) fn lung_in(&self, level: &Level, at: Vec3) -> f64 {
        let shell = self.mediastinum(level, at[0], at[1], 1.0).0;
        let cage = self.cage(level, at[0], at[1]);
        let above = (at[2] - self.diaphragm(at[0], at[1])) * 0.75;
        intersect(intersect(cage, -shell, 6.0), above, 5.0)
    }

    /// Distances to the major fissure and, in the right lung, to the minor one.
    pub(super) fn fissures(&self, at: Vec3) -> [f64; 2] {
        let wave = 5.0 * self.noise.at(at[0] * 0.018 + 7.3, at[1] * 0.018, at[2] * 0.018);
        let left = usize::from(at[0] > 0.0);
        // From high at the back to low at the front; the normal is about (0, -0.62, 0.78).
        let major =
            0.78 * (at[2] - 8.0 - 5.0 * self.fissure[left]) - 0.62 * (at[1] + 6.0) + wave + 0.0006 * at[0] * at[0];
        let minor = at[2] + 14.0 - 6.0 * self.fissure[2] + wave - 0.06 * (at[1] + 40.0);
        [major, if left == 0 && major > 0.0 { minor } else { f64::MAX }]
    }
}
