//! Bones: spine and sternum by their outlines in each slice, ribs and shoulder blades as tubes.

use super::{
    anatomy::{Anatomy, Bar, Level},
    attenuation::{CORTEX_HU, MARROW_HU},
    canvas::Canvas,
    shapes::{Vec3, coverage, mix, piecewise, squircle, unite},
};
use crate::{
    Random,
    numbers::{real, single},
};

impl Anatomy {
    /// Cortex, marrow, disc and canal of the spine, and the sternum, drawn over `hu`.
    pub(super) fn axial_bones(&self, level: &Level, x: f64, y: f64, width: f64, hu: f64) -> f64 {
        let s = self.scale;
        let mut hu = hu;
        let v = y - self.spine_y;
        if v > -24.0 * s && x.abs() < 42.0 * s {
            let body = Bar {
                from: [-5.0 * s, self.spine_y],
                to: [5.0 * s, self.spine_y],
                radius: 14.0 * s,
                squash: 1.1,
                hu: 0.0,
            };
            let depth = body.depth(x, y);
            if level.disc {
                hu = mix(hu, 85.0, coverage(depth, width));
            } else {
                hu = mix(hu, 430.0, coverage(depth, width));
                hu = mix(
                    hu,
                    MARROW_HU + 60.0 * self.noise.at(x * 0.4, y * 0.4, level.z * 0.4),
                    coverage(depth - 1.8, width),
                );
            }
            let canal = 8.5 * s - (x * x + (v - 23.0 * s) * (v - 23.0 * s)).sqrt();
            let arch = canal + 5.0 * s;
            if !level.disc || v > 20.0 * s {
                hu = mix(hu, 380.0, coverage(arch, width));
            }
            if !level.disc {
                let process = Bar {
                    from: [0.0, self.spine_y + 36.0 * s],
                    to: [0.0, self.spine_y + 50.0 * s],
                    radius: 3.2 * s,
                    squash: 1.0,
                    hu: 0.0,
                };
                let wing = Bar {
                    from: [12.0 * s, self.spine_y + 24.0 * s],
                    to: [32.0 * s, self.spine_y + 33.0 * s],
                    radius: 4.2 * s,
                    squash: 1.0,
                    hu: 0.0,
                };
                hu = mix(hu, 360.0, coverage(unite(process.depth(x, y), wing.depth(x.abs(), y), 2.0), width));
            }
            hu = mix(hu, 30.0, coverage(canal, width));
        }
        let front = level.cavity_y - level.cavity[1] - 8.0;
        if (y - front).abs() < 12.0 && x.abs() < 30.0 && level.z > -75.0 * s && level.z < 85.0 {
            let half = piecewise(level.z, &[(-75.0, 4.0), (-40.0, 9.0), (40.0, 9.0), (70.0, 18.0)]) * s;
            let bone = Bar { from: [-half, front], to: [half, front], radius: 6.0 * s, squash: 1.0, hu: 0.0 };
            let depth = bone.depth(x, y);
            hu = mix(hu, 380.0, coverage(depth, width));
            hu = mix(hu, 130.0, coverage(depth - 1.8, width));
        }
        hu
    }
}

impl Canvas {
    /// Ribs and shoulder blades.
    pub(super) fn draw_bones(&mut self, anatomy: &Anatomy, random: &mut Random) {
        let s = anatomy.scale;
        let jitter = random.range(-8.0, 8.0);
        let surface = |angle: f64, z: f64, side: f64, out: f64| -> Vec3 {
            let level = anatomy.level(z);
            let (sin, cos) = (libm::sin(angle), libm::cos(angle));
            let (alpha, beta) =
                (sin * sin / (level.cavity[0] * level.cavity[0]), cos * cos / (level.cavity[1] * level.cavity[1]));
            let (sum, product) = (alpha + beta, (0.42 * alpha * beta).max(1e-16));
            let r = ((sum - (sum * sum - 4.0 * product).max(0.0).sqrt()) / (2.0 * product)).sqrt() + out;
            let x = r * sin;
            let t = (x - 0.46 * anatomy.cavity[0]) / (0.30 * anatomy.cavity[0]);
            let back = if cos > 0.0 { anatomy.gutter / (1.0 + t * t * t * t) * cos.min(0.5) * 2.0 } else { 0.0 };
            [side * x, level.cavity_y + r * cos + back, z]
        };
        let mut segments: Vec<(Vec3, Vec3, f64)> = Vec::new();
        for side in [-1.0, 1.0] {
            for rib in 0..12 {
                let n = real(rib);
                let top = 118.0 - 23.5 * n * s + jitter;
                let drop = 26.0 + 5.5 * n.min(7.0);
                let end = if rib < 8 { 2.35 } else { 2.0 - 0.28 * (n - 8.0) };
                let at = |t: f64| {
                    let angle = mix(0.24, end, t);
                    let z = top - drop * (angle / 2.6) * (1.3 - 0.3 * angle / 2.6)
                        + if angle < 0.5 { 4.0 * (angle - 0.5) } else { 0.0 };
                    surface(angle, z, side, 6.5)
                };
                let steps = 36;
                for step in 0..steps {
                    segments.push((at(real(step) / real(steps)), at(real(step + 1) / real(steps)), 5.4 * s));
                }
            }
            // The blade: a curved plate between the angles 0.75 and 1.45, from the armpit up.
            let mut z = -42.0;
            while z < 96.0 {
                let narrow = piecewise(z, &[(-42.0, 0.25), (20.0, 1.0), (96.0, 0.8)]);
                let at = |t: f64| {
                    let angle = mix(0.70, 0.70 + 0.75 * narrow, t);
                    let p = surface(angle, z.min(12.0), side, 14.0 + 4.0 * t);
                    [p[0], p[1], z]
                };
                for step in 0..6 {
                    let (from, to) = (at(real(step) / 6.0), at(real(step + 1) / 6.0));
                    // Never through the skin of a thin back.
                    if squircle(to[0], to[1] - 2.0, anatomy.body[0], anatomy.body[1], 0.38) > 6.0 {
                        segments.push((from, to, 2.4 * s));
                    }
                }
                z += 3.0;
            }
        }
        for &(from, to, radius) in &segments {
            self.tube(from, radius, to, radius, |value, share| {
                *value = value.max(single(mix(f64::from(*value), CORTEX_HU, share)))
            });
        }
        for &(from, to, radius) in segments.iter().filter(|segment| segment.2 > 4.0) {
            self.tube(from, radius - 2.0, to, radius - 2.0, |value, share| {
                *value = single(mix(f64::from(*value), MARROW_HU, share))
            });
        }
    }
}
