//! Branching trees: arteries, veins and bronchi of both lungs, windpipe and main bronchi.

use super::{
    anatomy::{Anatomy, HILUM},
    attenuation::BLOOD_HU,
    canvas::Canvas,
    lesion::Lesion,
    shapes::{Vec3, add, length, mix, sub, times, unit},
};
use crate::{
    Random,
    numbers::{real, single},
};

/// A piece of a branching tree.
#[derive(Debug, Clone, Copy)]
struct Twig {
    from: Vec3,
    to: Vec3,
    r_from: f64,
    r_to: f64,
}

/// A tree from `root` to all of `targets`: each joins where wire length and path length together are least (the greedy
/// tree of Cuntz et al., PLoS Comput Biol 2010), radii by Murray's law from the tips down.
fn branch(root: Vec3, outward: Vec3, targets: &[Vec3], tip_radius: f64, root_radius: f64) -> Vec<Twig> {
    const BALANCE: f64 = 0.55;
    const MURRAY: f64 = 2.25;
    const PIECES: usize = 3;
    let mut nodes: Vec<(Vec3, usize, f64)> = vec![(root, 0, 0.0)];
    let mut best: Vec<(f64, usize)> = targets.iter().map(|&t| (length(sub(t, root)) * (1.0 + BALANCE), 0)).collect();
    let mut open: Vec<usize> = (0..targets.len()).collect();
    while !open.is_empty() {
        let mut pick = 0;
        for (slot, &target) in open.iter().enumerate() {
            if best[target].0 < best[open[pick]].0 {
                pick = slot;
            }
        }
        let target = open.swap_remove(pick);
        let parent = best[target].1;
        let at = targets[target];
        let path = nodes[parent].2 + length(sub(at, nodes[parent].0));
        nodes.push((at, parent, path));
        let index = nodes.len() - 1;
        for &other in &open {
            let wire = length(sub(targets[other], at));
            let cost = wire + BALANCE * (path + wire);
            if cost < best[other].0 {
                best[other] = (cost, index);
            }
        }
    }
    let mut flow = vec![0.0; nodes.len()];
    for index in (1..nodes.len()).rev() {
        if flow[index] < 0.5 {
            flow[index] = 1.0;
        }
        let own = flow[index];
        flow[nodes[index].1] += own;
    }
    let radius: Vec<f64> = flow.iter().map(|&f| (tip_radius * libm::pow(f, 1.0 / MURRAY)).min(root_radius)).collect();
    let mut heading = vec![outward; nodes.len()];
    let mut twigs = Vec::with_capacity(nodes.len() * PIECES);
    for index in 1..nodes.len() {
        let (to, parent, _) = nodes[index];
        let from = nodes[parent].0;
        let chord = sub(to, from);
        let reach = length(chord);
        heading[index] = unit(add(unit(chord), times(heading[parent], 0.35)));
        // A cubic from the parent's heading to one's own: branches leave in a curve.
        let (m0, m1) = (times(heading[parent], 0.8 * reach), times(heading[index], 0.9 * reach));
        let at = |t: f64| {
            let (t2, t3) = (t * t, t * t * t);
            let (a, b, c, d) = (2.0 * t3 - 3.0 * t2 + 1.0, t3 - 2.0 * t2 + t, 3.0 * t2 - 2.0 * t3, t3 - t2);
            add(add(times(from, a), times(m0, b)), add(times(to, c), times(m1, d)))
        };
        let r_parent = radius[parent].min(radius[index] * 1.4);
        for piece in 0..PIECES {
            let (t0, t1) = (real(piece) / real(PIECES), real(piece + 1) / real(PIECES));
            twigs.push(Twig {
                from: at(t0),
                to: at(t1),
                r_from: mix(r_parent, radius[index], t0),
                r_to: mix(r_parent, radius[index], t1),
            });
        }
    }
    twigs
}

impl Anatomy {
    /// `count` points in one lung (0 right, 1 left), at least `depth` below the pleura.
    fn scatter(&self, side: usize, count: usize, depth: f64, random: &mut Random) -> Vec<Vec3> {
        let sign = [-1.0, 1.0][side];
        let mut points = Vec::with_capacity(count);
        for _ in 0..count * 30 {
            if points.len() == count {
                break;
            }
            let at = [
                sign * random.range(18.0, self.cavity[0]),
                random.range(-self.cavity[1], self.cavity[1] + self.gutter),
                random.range(-150.0, 122.0),
            ];
            if self.lung(at) > depth {
                points.push(at);
            }
        }
        points
    }
}

impl Canvas {
    /// Arteries, veins and bronchi of both lungs.
    pub(super) fn draw_vessels(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        let blood = BLOOD_HU + 0.8 * anatomy.contrast_hu;
        let raise = |hu: f64| {
            move |value: &mut f32, share: f64| *value = value.max(single(mix(f64::from(*value).min(hu), hu, share)))
        };
        let tip = random.range(0.56, 0.70);
        let mut bronchi = Vec::new();
        for (side, &hilum) in HILUM.iter().enumerate() {
            let sign = [-1.0, 1.0][side];
            let hilum = times(hilum, anatomy.scale);
            for (shift, count, root_radius) in [([0.0, 0.0, 6.0], 560, 7.0), ([-6.0 * sign, -8.0, -14.0], 400, 6.0)] {
                let targets = anatomy.scatter(side, count, 2.5, random);
                for twig in branch(add(hilum, shift), [sign, 0.0, 0.0], &targets, tip, root_radius) {
                    if lesion.is_solid() && lesion.depth(anatomy, twig.from, true) > 1.5 {
                        continue;
                    }
                    self.tube(twig.from, twig.r_from, twig.to, twig.r_to, raise(blood));
                }
            }
            let targets = anatomy.scatter(side, 18, 24.0, random);
            bronchi.extend(branch(hilum, [sign, 0.0, -0.3], &targets, 0.85, 4.0));
        }
        self.draw_airways(&bronchi);
    }

    /// Windpipe and main bronchi. Drawn after the lesion: it narrows them, but seldom closes them.
    pub(super) fn draw_windpipe(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        let carina = [1.0, 8.0, 26.0];
        let radius = random.range(7.5, 9.5) * anatomy.scale;
        let mut airways = vec![
            Twig { from: carina, to: [0.0, 2.0, 90.0], r_from: radius, r_to: radius },
            Twig { from: [0.0, 2.0, 90.0], to: [0.0, 0.0, 190.0], r_from: radius, r_to: radius },
        ];
        for (side, &hilum) in HILUM.iter().enumerate() {
            let open = if side == lesion.side && lesion.signs.obstruction {
                random.range(0.1, 0.5)
            } else if side == lesion.side && lesion.signs.nodules > 1 {
                random.range(0.4, 0.9)
            } else {
                1.0
            };
            let r = [7.4, 6.7][side] * anatomy.scale;
            // A central cavity has no bronchus running through it.
            let reach =
                if side == lesion.side && lesion.signs.central && lesion.signs.cavity > 0.0 { 0.6 } else { 1.0 };
            let to = add(carina, times(sub(times(hilum, anatomy.scale), carina), reach));
            airways.push(Twig { from: carina, to, r_from: r, r_to: 0.7 * r * open });
        }
        self.draw_airways(&airways);
    }

    /// Walls first, so that no wall crosses a lumen.
    fn draw_airways(&mut self, twigs: &[Twig]) {
        const WALL_HU: f64 = 10.0;
        for twig in twigs {
            self.tube(twig.from, twig.r_from * 1.1 + 0.5, twig.to, twig.r_to * 1.1 + 0.5, |value, share| {
                let under = f64::from(*value);
                *value = value.max(single(mix(under.min(WALL_HU), WALL_HU, share)));
            });
        }
        for twig in twigs {
            self.tube(twig.from, twig.r_from, twig.to, twig.r_to, |value, share| {
                *value = single(mix(f64::from(*value), -985.0, share))
            });
        }
    }
}
