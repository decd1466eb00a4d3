//! What a lesion does to the lung around it.

use hilum_imaging::dot;

use super::{
    anatomy::Anatomy,
    attenuation::BLOOD_HU,
    canvas::Canvas,
    lesion::Lesion,
    shapes::{add, coverage, direction, length, mix, sub, times, unit},
    signs::Mimic,
};
use crate::{Random, numbers::single};

impl Canvas {
    /// What surrounds the lesion: obstruction, strands, satellites, nodes, spicules, tags, vessels that meet in a knot.
    pub(super) fn draw_surroundings(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        let signs = &lesion.signs;
        let centre = lesion.centre;
        let hu = signs.solid_hu - 12.0;
        let raise = |hu: f64, strength: f64| {
            move |value: &mut f32, share: f64| {
                *value = value.max(single(mix(f64::from(*value).min(hu), hu, share * strength)))
            }
        };

        if signs.obstruction {
            self.draw_obstruction(anatomy, lesion, random);
        }
        if signs.strands > 0.05 {
            let reach = lesion.radius + 16.0;
            let (low, high) = (add(centre, [-reach; 3]), add(centre, [reach; 3]));
            self.in_box(low, high, |value, at, _, _| {
                let beyond = length(sub(at, centre)) - 0.8 * lesion.radius;
                if beyond < 16.0 && *value < -300.0 {
                    let fade = signs.strands * (1.0 - beyond.max(0.0) / 16.0);
                    let ridge = lesion.shape.at(at[0] * 0.13 + 5.0, at[1] * 0.13, at[2] * 0.13).abs();
                    *value += single(fade * (330.0 * (1.0 - 6.0 * ridge).max(0.0) + 55.0));
                }
            });
        }
        for node in &lesion.nodes {
            let reach = node.axes[0].max(node.axes[1]).max(node.axes[2]) + self.blur;
            let blur = self.blur;
            let node_hu = signs.solid_hu;
            self.in_box(add(node.centre, [-reach; 3]), add(node.centre, [reach; 3]), |value, at, _, _| {
                let under = f64::from(*value);
                // Windpipe and bronchi keep their lumen, vessels their contrast.
                if under < node_hu && under > -920.0 {
                    *value = single(mix(under, node_hu, coverage(node.depth(at), blur)));
                }
            });
        }
        for _ in 0..signs.satellites {
            let away = lesion.radius + random.range(4.0, 18.0);
            let at = add(centre, times(direction(random), away));
            let size = random.range(1.0, 2.6);
            if anatomy.lung(at) > size {
                self.tube(at, size, add(at, [0.0, 0.0, 0.5]), size, raise(hu, 1.0));
            }
        }
        for _ in 0..signs.spicules {
            let along = direction(random);
            let start = lesion.surface(anatomy, along);
            let reach = (signs.spicule_share * lesion.radius * random.range(0.4, 1.6)).clamp(3.5, 18.0);
            let width = random.range(0.9, 1.7);
            let bend = times(direction(random), 0.18 * reach);
            let from = add(centre, times(along, (start - 2.5).max(0.0)));
            let middle = add(add(centre, times(along, start + 0.45 * reach)), bend);
            let to = add(centre, times(along, start + reach));
            if anatomy.lung(middle) > -1.0 {
                let strength = random.range(0.6, 1.0);
                self.tube(from, width * 1.5, middle, width * 0.8, raise(hu, strength));
                self.tube(middle, width * 0.8, to, 0.3, raise(hu, strength));
            }
        }
        for _ in 0..signs.tags {
            // Towards the nearest pleura, found by trying directions.
            let mut tag = None;
            let mut best = lesion.radius + 32.0;
            for _ in 0..24 {
                let along = unit(add(direction(random), times(lesion.outward, 0.8)));
                let mut far = lesion.radius;
                while far < best && anatomy.lung(add(centre, times(along, far))) > 0.0 {
                    far += 1.0;
                }
                if far < best {
                    best = far;
                    tag = Some(along);
                }
            }
            if let Some(along) = tag {
                let start = lesion.surface(anatomy, along);
                let (from, to) = (add(centre, times(along, start - 2.0)), add(centre, times(along, best + 1.0)));
                let middle = add(times(add(from, to), 0.5), times(direction(random), 1.5));
                self.tube(from, 1.5, middle, 0.8, raise(hu, 0.9));
                self.tube(middle, 0.8, to, 2.2, raise(hu, 0.9));
            }
        }
        match signs.mimic {
            Some(Mimic::VesselKnot) => {
                for _ in 0..2 + random.below(3) {
                    let along = direction(random);
                    let side = times(direction(random), 2.0);
                    let reach = random.range(14.0, 32.0);
                    let width = random.range(1.2, 2.3);
                    let knee = add(centre, times(along, 0.4 * reach));
                    let (a, b) =
                        (add(centre, side), add(add(centre, times(along, reach)), times(direction(random), 7.0)));
                    if anatomy.lung(b) > 2.0 {
                        self.tube(a, width, knee, width * 0.9, raise(BLOOD_HU, 1.0));
                        self.tube(knee, width * 0.9, b, width * 0.6, raise(BLOOD_HU, 1.0));
                    }
                }
            }
            Some(Mimic::Scar) => {
                // Bands in the plane of the scar, drawn out towards pleura and hilum.
                let plane = lesion.blobs[0].frame;
                for _ in 0..3 + random.below(4) {
                    let sign = if random.chance(0.65) { 1.0 } else { -1.0 };
                    let lean = random.range(-0.7, 0.7);
                    let along = unit(add(times(plane[0], sign), times(plane[1], lean)));
                    let from = add(centre, times(along, 0.5 * lesion.radius));
                    let to = add(centre, times(along, lesion.radius * random.range(1.2, 2.0)));
                    if anatomy.lung(to) > -4.0 {
                        self.tube(from, 2.0, to, 0.6, raise(hu, 0.9));
                    }
                }
            }
            _ => {}
        }
    }

    /// Collapse and pneumonia behind a blocked bronchus: a wedge that widens from the lesion to the pleura.
    fn draw_obstruction(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        let centre = lesion.centre;
        let axis = unit(add(lesion.outward, times(direction(random), 0.35)));
        let spread = random.range(0.35, 0.75);
        let reach = lesion.radius + random.range(25.0, 70.0);
        let density = random.range(0.55, 1.0);
        let sign = [-1.0, 1.0][lesion.side];
        let (low, high) = (add(centre, [-reach; 3]), add(centre, [reach; 3]));
        self.in_box(low, high, |value, at, _, level| {
            let p = sub(at, centre);
            let ahead = dot(p, axis);
            if ahead < 0.0 || at[0] * sign < 0.0 || *value > -150.0 {
                return;
            }
            let aside = (dot(p, p) - ahead * ahead).max(0.0).sqrt();
            let wave = lesion.shape.at(at[0] * 0.07, at[1] * 0.07 + 8.0, at[2] * 0.07);
            let wedge = (0.5 * lesion.radius + spread * ahead - aside + 14.0 * wave).min(reach - ahead);
            if wedge < -2.5 {
                return;
            }
            let lung = anatomy.lung_in(level, at);
            let patchy =
                0.5 + 1.2 * lesion.shape.at(at[0] * 0.16, at[1] * 0.16 + 1.0, at[2] * 0.16) + 0.4 * (density - 0.5);
            let fill =
                coverage(wedge, 2.5) * coverage(lung, 1.5) * mix(patchy.clamp(0.15, 1.0), 1.0, (density - 0.55) * 2.0);
            *value = single(mix(f64::from(*value), 28.0, fill * (1.0 - 0.35 * (ahead / reach))));
        });
    }
}
