//! The lesion itself: its place and shape, its tissue, the mask that samples it, open bronchi inside it.

use hilum_imaging::dot;

use super::{
    Lie,
    anatomy::{Anatomy, HILUM},
    canvas::Canvas,
    shapes::{Lattice, Vec3, add, coverage, direction, frame, length, mix, sub, times, unit, unite},
    signs::{Calcium, Mimic, Signs},
};
use crate::{
    Random,
    numbers::{real, single},
};

/// One ellipsoid of a lesion.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blob {
    pub(super) centre: Vec3,
    pub(super) frame: [Vec3; 3],
    pub(super) axes: Vec3,
}

impl Blob {
    pub(super) fn depth(&self, at: Vec3) -> f64 {
        let p = sub(at, self.centre);
        let q: Vec3 = std::array::from_fn(|a| dot(p, self.frame[a]) / self.axes[a]);
        let k0 = length(q);
        let k1 = length(std::array::from_fn(|a| q[a] / self.axes[a]));
        if k1 < 1e-9 { self.axes[0].min(self.axes[1]).min(self.axes[2]) } else { k0 * (1.0 - k0) / k1 }
    }
}

/// The lesion's shape and place.
#[derive(Debug, Clone)]
pub(super) struct Lesion {
    pub(super) signs: Signs,
    pub(super) centre: Vec3,
    pub(super) radius: f64,
    pub(super) blobs: Vec<Blob>,
    pub(super) nodes: Vec<Blob>,
    pub(super) shape: Lattice,
    /// How far it grows beyond the pleura, mm.
    invasion: f64,
    /// Away from the hilum.
    pub(super) outward: Vec3,
    cavity_shift: Vec3,
    pub(super) side: usize,
}

impl Lesion {
    pub(super) fn draw(signs: Signs, anatomy: &Anatomy, random: &mut Random) -> Self {
        let radius = 0.5 * signs.diameter_mm;
        let side = usize::from(random.chance(0.42));
        let sign = [-1.0, 1.0][side];
        let hilum = times(HILUM[side], anatomy.scale);
        // A centre near the hilum, or under the pleura; the best of many guesses.
        let mut centre = add(hilum, [sign * (0.4 * radius + 6.0), 0.0, 0.0]);
        let mut best = f64::MAX;
        for _ in 0..400 {
            let (guess, cost) = if signs.central {
                // Confluent nodes lie in the mediastinum as much as in the lung; others show against the lung.
                let (out, shown) = if signs.nodules > 1 { (0.0, -0.12) } else { (0.55, 0.30) };
                let x = hilum[0] + sign * (random.range(-6.0, 10.0) + out * radius);
                let guess = [x, hilum[1] + random.normal(0.0, 8.0), hilum[2] + random.normal(0.0, 11.0)];
                (guess, ((anatomy.lung(guess) - shown * radius).abs() - 2.0).max(0.0))
            } else {
                let guess = [
                    sign * random.range(26.0, anatomy.cavity[0]),
                    random.range(-0.95, 1.05) * anatomy.cavity[1],
                    if signs.upper { random.range(8.0, 96.0) } else { random.range(-92.0, 16.0) },
                ];
                let level = anatomy.level(guess[2]);
                let cage = anatomy.cage(&level, guess[0], guess[1]);
                let wanted = match signs.mimic {
                    Some(Mimic::Scar) => 0.5 * radius,
                    Some(Mimic::LymphNode) => 11.0,
                    _ => 0.80 * radius + 5.0,
                };
                let slack = (cage - wanted).abs() - 0.12 * radius - 4.0;
                let deep = (0.72 * radius).min(24.0) - anatomy.lung(guess);
                let fissure =
                    if signs.mimic == Some(Mimic::LymphNode) { anatomy.fissures(guess)[0].abs() - 7.0 } else { 0.0 };
                (guess, slack.max(0.0) + 3.0 * deep.max(0.0) + fissure.max(0.0))
            };
            if cost < best {
                best = cost;
                centre = guess;
            }
            if best <= 0.0 {
                break;
            }
        }
        let outward = unit(add(unit(sub(centre, hilum)), [0.25 * sign, 0.0, 0.0]));
        let turned = if signs.mimic == Some(Mimic::Scar) { frame(outward) } else { frame(direction(random)) };
        let mut blobs = vec![Blob { centre, frame: turned, axes: times(signs.axes, radius) }];
        if signs.nodules > 1 {
            // The same bulk in several lumps along the hilum.
            blobs[0].axes = times(blobs[0].axes, 0.66);
            for _ in 1..signs.nodules {
                let away = unit(add(direction(random), [0.0, 0.0, random.range(-0.3, 0.3)]));
                let share = random.range(0.36, 0.60);
                let axes = std::array::from_fn(|_| radius * share * random.range(0.88, 1.12));
                blobs.push(Blob {
                    centre: add(centre, times(away, radius * random.range(0.48, 0.75))),
                    frame: frame(direction(random)),
                    axes,
                });
            }
            let mean = times(blobs.iter().fold([0.0; 3], |sum, blob| add(sum, blob.centre)), 1.0 / real(blobs.len()));
            for blob in &mut blobs {
                blob.centre = add(blob.centre, times(sub(centre, mean), 0.8));
            }
        }
        let mut nodes = Vec::new();
        for _ in 0..signs.adenopathy {
            let [x, y, z] = [
                [-18.0, 6.0, 46.0],
                [0.0, 22.0, 8.0],
                [sign * 36.0, 4.0, -10.0],
                [sign * 34.0, -2.0, 16.0],
                [20.0, -6.0, 28.0],
                [-14.0, -2.0, 24.0],
            ][random.below(6)];
            let size = random.log_normal(9.0, 0.25).clamp(5.0, 17.0);
            let axes = std::array::from_fn(|_| size * random.range(0.8, 1.25));
            let jitter = std::array::from_fn(|_| random.normal(0.0, 4.0));
            nodes.push(Blob {
                centre: add(times([x, y, z], anatomy.scale), jitter),
                frame: frame(direction(random)),
                axes,
            });
        }
        let invasion = if signs.central {
            if signs.nodules > 1 { random.range(22.0, 40.0) } else { random.range(5.0, 18.0) }
        } else if signs.mimic.is_none() && radius > 18.0 && random.chance(0.3) {
            random.range(1.0, 6.0)
        } else {
            -0.6
        };
        let cavity_shift = times(direction(random), radius * random.range(0.0, 0.14));
        Self {
            signs,
            centre,
            radius,
            blobs,
            nodes,
            shape: Lattice::draw(random),
            invasion,
            outward,
            cavity_shift,
            side,
        }
    }

    pub(super) const fn is_solid(&self) -> bool {
        self.signs.core > 0.95
    }

    pub(super) fn lie(&self, anatomy: &Anatomy) -> Lie {
        let [x, y, z] = self.centre;
        Lie {
            central: self.signs.central,
            to_wall_mm: anatomy.cage(&anatomy.level(z), x, y) - self.radius,
            solid: self.signs.core,
        }
    }

    /// Depth below the lesion's surface; the implicit shape that the mask samples. `free` leaves out the pleura.
    pub(super) fn depth(&self, anatomy: &Anatomy, at: Vec3, free: bool) -> f64 {
        let p = sub(at, self.centre);
        if dot(p, p) > 6.0 * self.radius * self.radius + 400.0 {
            return -20.0;
        }
        let mut depth = f64::MIN;
        for blob in &self.blobs {
            depth = unite(depth, blob.depth(at), 0.12 * self.radius + 0.5);
        }
        // Lobulation is noise on the sphere of directions; roughness is noise in space.
        let d = times(p, 1.0 / length(p).max(0.35 * self.radius));
        let lobes = self.shape.at(d[0] * 1.5, d[1] * 1.5, d[2] * 1.5)
            + 0.45 * self.shape.at(d[0] * 3.1 + 9.0, d[1] * 3.1, d[2] * 3.1);
        let thin = self.signs.axes[2].min(1.0);
        depth += self.signs.lobulation * self.radius * thin * lobes;
        if self.signs.rough_mm > 0.0 {
            depth += self.signs.rough_mm * 1.8 * self.shape.at(at[0] * 0.3, at[1] * 0.3, at[2] * 0.3);
        }
        if free { depth } else { depth.min(anatomy.lung(at) + self.invasion) }
    }

    /// Depth below the wall of the cavity.
    fn cavity(&self, at: Vec3, depth: f64) -> f64 {
        if self.signs.cavity <= 0.0 {
            return -50.0;
        }
        let p = sub(sub(at, self.centre), self.cavity_shift);
        let wavy = 0.28 * self.shape.at(at[0] * 0.09 + 3.0, at[1] * 0.09, at[2] * 0.09);
        // No thinner than 2 mm at any place.
        (self.radius * (self.signs.cavity + wavy) - length(p)).min(depth - 2.0)
    }

    /// HU of the lesion's tissue at a depth.
    fn tissue(&self, at: Vec3, depth: f64) -> f64 {
        let [x, y, z] = at;
        let signs = &self.signs;
        let fine = self.shape.at(x * 0.31 + 2.0, y * 0.31, z * 0.31);
        let mut hu = signs.solid_hu + 16.0 * fine;
        if signs.necrosis_hu > 0.0 {
            let patch = self.shape.at(x * 0.085, y * 0.085 + 4.0, z * 0.085);
            let core = coverage(depth - 0.22 * self.radius + 0.3 * self.radius * patch, 2.0);
            hu -= signs.necrosis_hu * core;
        }
        if signs.mimic == Some(Mimic::Hamartoma) {
            let fat = self.shape.at(x * 0.2, y * 0.2 + 13.0, z * 0.2);
            hu = mix(hu, -90.0, coverage(fat - 0.2, 0.12));
        }
        if signs.core < 0.95 {
            // The core keeps the lesion's own outline, made rougher.
            let wave = self.shape.at(x * 0.14, y * 0.14 + 21.0, z * 0.14);
            let inner = depth - (1.0 - signs.core) * self.radius + 0.30 * self.radius * wave;
            let ground = signs.ground_hu + 90.0 * fine + 60.0 * wave;
            let solid = if signs.core > 0.0 { coverage(inner, 1.8) } else { 0.0 };
            hu = mix(ground, hu, solid);
        }
        let grain = self.shape.at(x * 0.33, y * 0.33 + 2.0, z * 0.33);
        match signs.calcium {
            Calcium::None => hu,
            Calcium::Diffuse => mix(hu, 480.0, coverage(depth - 1.0, 1.2)),
            Calcium::Central => mix(hu, 560.0, coverage(depth - 0.5 * self.radius, 1.2)),
            Calcium::Popcorn => mix(hu, 420.0, coverage(grain - 0.18, 0.12) * coverage(depth - 0.2 * self.radius, 1.0)),
            Calcium::Specks => mix(hu, 300.0, coverage(grain - 0.52, 0.1)),
        }
    }

    /// How far from the centre the surface lies in a direction.
    pub(super) fn surface(&self, anatomy: &Anatomy, along: Vec3) -> f64 {
        let mut at = 0.2 * self.radius;
        while at < 1.9 * self.radius && self.depth(anatomy, add(self.centre, times(along, at)), false) > 0.0 {
            at += 0.7;
        }
        at
    }
}

impl Canvas {
    /// Draws the lesion and what it does to the lung around; returns its mask.
    pub(super) fn draw_lesion(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) -> Vec<u8> {
        let signs = &lesion.signs;
        self.draw_surroundings(anatomy, lesion, random);

        let mut mask = vec![0_u8; self.hu.len()];
        let blur = self.blur;
        let width = blur + signs.haze_mm;
        let reach = 1.75 * lesion.radius + 12.0;
        let (low, high) = (add(lesion.centre, [-reach; 3]), add(lesion.centre, [reach; 3]));
        self.in_box(low, high, |value, at, index, level| {
            let free = lesion.depth(anatomy, at, true);
            if free < -width {
                return;
            }
            let lung = anatomy.lung_in(level, at);
            let depth = free.min(lung + lesion.invasion);
            if depth > 0.0 {
                mask[index] = 1;
            }
            // Haze belongs to the margin in the lung, not to the border with the wall.
            let share = coverage(free, width) * coverage(lung + lesion.invasion + blur, blur);
            if share <= 0.0 {
                return;
            }
            let hu = lesion.tissue(at, depth.max(0.0));
            let under = f64::from(*value);
            let calcified = signs.calcium != Calcium::None;
            let mut over = if under < hu || calcified { mix(under, hu, share) } else { under };
            let hole = lesion.cavity(at, depth);
            if hole > -blur {
                over = mix(over, -930.0, coverage(hole, blur));
            }
            *value = single(over);
        });
        self.draw_bronchograms(anatomy, lesion, random);
        mask
    }

    /// Open bronchi inside the lesion.
    fn draw_bronchograms(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        for _ in 0..lesion.signs.bronchograms {
            let side = times(direction(random), 0.35 * lesion.radius);
            let inward = unit(add(times(lesion.outward, -1.0), times(direction(random), 0.5)));
            let from = add(add(lesion.centre, side), times(inward, 0.75 * lesion.radius));
            let to = sub(add(lesion.centre, side), times(inward, 0.55 * lesion.radius));
            let fork = add(times(add(from, to), 0.5), times(direction(random), 1.5));
            let twig = add(to, times(direction(random), 0.45 * lesion.radius));
            let width = random.range(0.9, 1.7);
            for (a, b, ra, rb) in [
                (from, fork, width, 0.85 * width),
                (fork, to, 0.85 * width, 0.6 * width),
                (fork, twig, 0.7 * width, 0.5 * width),
            ] {
                if lesion.depth(anatomy, b, false) > 0.8 {
                    self.tube(a, ra, b, rb, |value, share| {
                        *value = value.min(single(mix(f64::from(*value), -930.0, share)))
                    });
                }
            }
        }
    }
}
