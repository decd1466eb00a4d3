//! What a lesion shows: how often each phenotype has each sign, and the signs of one lesion once drawn.

use hilum_domain::Class;

use super::{
    Request,
    shapes::{Vec3, mix},
};
use crate::{Random, numbers::real};

/// How often a malignant phenotype shows each sign, and how strongly.
#[derive(Debug, Clone, Copy)]
struct Habit {
    /// Median diameter, mm, and the standard deviation of its logarithm.
    diameter_mm: f64,
    spread: f64,
    /// Shares of cases.
    central: f64,
    upper: f64,
    spiculated: f64,
    part_solid: f64,
    pure_ground: f64,
    bronchogram: f64,
    tag: f64,
    cavity: f64,
    necrosis: f64,
    obstruction: f64,
    confluent: f64,
    adenopathy: f64,
    calcified: f64,
    satellites: f64,
    /// Depth of the lobulation relative to the radius.
    lobulation: f64,
    /// Roughness of the margin, mm.
    rough_mm: f64,
}

/// Adenocarcinoma, squamous, large cell, small cell, in the order of [`Class::ALL`]; sources at the head of `ct.rs`.
const HABITS: [Habit; 4] = [
    // Peripheral, spiculated, often with ground glass, bronchograms and a pleural tag.
    Habit {
        diameter_mm: 27.0,
        spread: 0.34,
        central: 0.05,
        upper: 0.64,
        spiculated: 0.90,
        part_solid: 0.48,
        pure_ground: 0.10,
        bronchogram: 0.42,
        tag: 0.55,
        cavity: 0.05,
        necrosis: 0.05,
        obstruction: 0.03,
        confluent: 0.02,
        adenopathy: 0.12,
        calcified: 0.03,
        satellites: 0.10,
        lobulation: 0.16,
        rough_mm: 0.7,
    },
    // Central with obstruction, or peripheral with a thick-walled cavity.
    Habit {
        diameter_mm: 40.0,
        spread: 0.30,
        central: 0.55,
        upper: 0.55,
        spiculated: 0.16,
        part_solid: 0.01,
        pure_ground: 0.0,
        bronchogram: 0.02,
        tag: 0.12,
        cavity: 0.66,
        necrosis: 0.20,
        obstruction: 0.82,
        confluent: 0.02,
        adenopathy: 0.12,
        calcified: 0.04,
        satellites: 0.06,
        lobulation: 0.20,
        rough_mm: 1.0,
    },
    // Large, peripheral, lobulated, necrotic.
    Habit {
        diameter_mm: 54.0,
        spread: 0.26,
        central: 0.07,
        upper: 0.55,
        spiculated: 0.10,
        part_solid: 0.01,
        pure_ground: 0.0,
        bronchogram: 0.03,
        tag: 0.08,
        cavity: 0.03,
        necrosis: 0.86,
        obstruction: 0.02,
        confluent: 0.03,
        adenopathy: 0.12,
        calcified: 0.05,
        satellites: 0.08,
        lobulation: 0.56,
        rough_mm: 0.4,
    },
    // A central bulk of smooth confluent nodes.
    Habit {
        diameter_mm: 54.0,
        spread: 0.28,
        central: 0.95,
        upper: 0.50,
        spiculated: 0.03,
        part_solid: 0.0,
        pure_ground: 0.0,
        bronchogram: 0.02,
        tag: 0.04,
        cavity: 0.01,
        necrosis: 0.12,
        obstruction: 0.06,
        confluent: 0.94,
        adenopathy: 0.90,
        calcified: 0.03,
        satellites: 0.04,
        lobulation: 0.08,
        rough_mm: 0.1,
    },
];

impl Habit {
    /// This habit as far as it still shows: the rest is what malignancies have in common.
    fn blurred(&self, share: f64) -> Self {
        let blend = |figure: fn(&Self) -> f64| {
            let common = HABITS.iter().map(figure).sum::<f64>() / real(HABITS.len());
            mix(figure(self), common, share)
        };
        Self {
            diameter_mm: blend(|h| h.diameter_mm),
            spread: blend(|h| h.spread),
            central: blend(|h| h.central),
            upper: blend(|h| h.upper),
            spiculated: blend(|h| h.spiculated),
            part_solid: blend(|h| h.part_solid),
            pure_ground: blend(|h| h.pure_ground),
            bronchogram: blend(|h| h.bronchogram),
            tag: blend(|h| h.tag),
            cavity: blend(|h| h.cavity),
            necrosis: blend(|h| h.necrosis),
            obstruction: blend(|h| h.obstruction),
            confluent: blend(|h| h.confluent),
            adenopathy: blend(|h| h.adenopathy),
            calcified: blend(|h| h.calcified),
            satellites: blend(|h| h.satellites),
            lobulation: blend(|h| h.lobulation),
            rough_mm: blend(|h| h.rough_mm),
        }
    }
}

/// Benign lesions that look like one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mimic {
    Granuloma,
    Scar,
    VesselKnot,
    LymphNode,
    Pneumonia,
    Hamartoma,
    /// Enlarged hilar nodes, as in sarcoidosis.
    HilarNodes,
    Abscess,
}

/// Where calcium lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calcium {
    None,
    Central,
    Diffuse,
    Popcorn,
    Specks,
}

/// What one lesion shows, once drawn.
#[derive(Debug, Clone)]
pub(super) struct Signs {
    pub(super) mimic: Option<Mimic>,
    pub(super) diameter_mm: f64,
    /// Half-axes relative to half the diameter.
    pub(super) axes: Vec3,
    pub(super) central: bool,
    pub(super) upper: bool,
    pub(super) lobulation: f64,
    pub(super) rough_mm: f64,
    pub(super) spicules: usize,
    pub(super) spicule_share: f64,
    pub(super) solid_hu: f64,
    /// HU of the ground glass, and the solid core's share of the radius; 1 is a solid lesion.
    pub(super) ground_hu: f64,
    pub(super) core: f64,
    pub(super) bronchograms: usize,
    pub(super) tags: usize,
    /// The cavity's share of the radius.
    pub(super) cavity: f64,
    /// How far necrosis lowers the middle, HU.
    pub(super) necrosis_hu: f64,
    pub(super) obstruction: bool,
    pub(super) nodules: usize,
    pub(super) adenopathy: usize,
    pub(super) calcium: Calcium,
    pub(super) satellites: usize,
    /// Extra width of the margin, mm.
    pub(super) haze_mm: f64,
    /// Strands in the lung around.
    pub(super) strands: f64,
}

impl Signs {
    pub(super) fn draw(request: &Request, contrast_hu: f64, random: &mut Random) -> Self {
        let hidden = request.obscurity.clamp(0.0, 1.0);
        let enhancement = contrast_hu * random.range(0.15, 0.35);
        let haze_mm = hidden * random.range(0.2, 2.2);
        let strands = hidden * random.range(0.2, 1.0);
        if request.phenotype == Class::Normal {
            let benign = Self::benign(hidden, enhancement, haze_mm, strands, random);
            return Self { diameter_mm: request.diameter_mm.unwrap_or(benign.diameter_mm), ..benign };
        }
        let habit = HABITS[request.phenotype.index().min(3)].blurred(0.01 + 0.10 * hidden);
        let pick = |random: &mut Random, share: f64| random.chance(share.clamp(0.0, 1.0));
        let confluent = pick(random, habit.confluent);
        let central = pick(random, if confluent { habit.central.max(0.8) } else { habit.central });
        let usual_mm = random.log_normal(habit.diameter_mm, habit.spread).clamp(11.0, 84.0);
        let diameter_mm = request.diameter_mm.unwrap_or(usual_mm);
        let pure = diameter_mm < 32.0 && pick(random, habit.pure_ground);
        let part = !pure && diameter_mm < 45.0 && pick(random, habit.part_solid);
        let spiculated = pick(random, habit.spiculated);
        // A squamous cancer of the periphery shows itself by its cavity, a central one by what it blocks.
        let cavity = diameter_mm > 17.0 && !pure && pick(random, habit.cavity * if central { 0.6 } else { 1.4 });
        let necrosis = diameter_mm > 24.0 && pick(random, habit.necrosis);
        let small = libm::exp(-diameter_mm / 30.0);
        Self {
            mimic: None,
            diameter_mm,
            axes: [random.range(0.92, 1.15), random.range(0.86, 1.05), random.range(0.85, 1.1)],
            central,
            upper: pick(random, habit.upper),
            lobulation: habit.lobulation * random.range(0.6, 1.4),
            rough_mm: habit.rough_mm * random.range(0.6, 1.5),
            spicules: if spiculated { 18 + random.below(20) } else { random.below(3) },
            spicule_share: random.range(0.45, 0.85) * (1.0 - 0.35 * hidden) * (0.6 + small),
            solid_hu: random.normal(34.0, 8.0) + enhancement + if necrosis { 20.0 } else { 0.0 },
            ground_hu: random.normal(-580.0, 70.0).clamp(-720.0, -400.0),
            core: if pure {
                0.0
            } else if part {
                random.range(0.25, 0.75)
            } else {
                1.0
            },
            bronchograms: if pick(random, habit.bronchogram) { 1 + random.below(3) } else { 0 },
            tags: if pick(random, habit.tag) { 1 + random.below(3) } else { 0 },
            cavity: if cavity { random.range(0.30, 0.74) } else { 0.0 },
            necrosis_hu: if necrosis { random.range(35.0, 60.0) + 0.9 * enhancement } else { 0.0 },
            obstruction: central && pick(random, habit.obstruction),
            nodules: if confluent { 4 + random.below(4) } else { 1 },
            adenopathy: if pick(random, habit.adenopathy) { 2 + random.below(4) } else { 0 },
            calcium: if pick(random, habit.calcified) { Calcium::Specks } else { Calcium::None },
            satellites: if pick(random, habit.satellites) { 1 + random.below(4) } else { 0 },
            haze_mm,
            strands,
        }
    }

    fn benign(hidden: f64, enhancement: f64, haze_mm: f64, strands: f64, random: &mut Random) -> Self {
        use Mimic::{Abscess, Granuloma, Hamartoma, HilarNodes, LymphNode, Pneumonia, Scar, VesselKnot};
        // The more is hidden, the more of the mimics that are hard to tell.
        let choices = [
            (Granuloma, 0.26),
            (Scar, 0.15),
            (VesselKnot, 0.12 - 0.05 * hidden),
            (LymphNode, 0.10 - 0.05 * hidden),
            (Pneumonia, 0.05 + 0.14 * hidden),
            (Hamartoma, 0.14),
            (HilarNodes, 0.01 + 0.08 * hidden),
            (Abscess, 0.01 + 0.06 * hidden),
        ];
        let mimic = choices[random.weighted(&choices.map(|choice| choice.1))].0;
        let telling = 1.0 - 0.5 * hidden;
        let calcium = match mimic {
            Granuloma if random.chance(0.75 * telling) => [Calcium::Diffuse, Calcium::Central][random.below(2)],
            Hamartoma if random.chance(0.75 * telling) => Calcium::Popcorn,
            _ => Calcium::None,
        };
        // Median diameter and the spread of its logarithm, limits, half-axes, depth of lobes, roughness in mm.
        let (median, spread, limits, axes, lobulation, rough_mm) = match mimic {
            Granuloma => (13.0, 0.36, [6.5, 34.0], [[0.95, 1.08], [0.92, 1.04], [0.92, 1.04]], 0.08, 0.2),
            Scar => (27.0, 0.30, [13.0, 50.0], [[0.9, 1.1], [0.55, 0.95], [0.16, 0.32]], 0.24, 1.2),
            VesselKnot => (10.0, 0.20, [6.5, 15.0], [[1.0, 1.3], [0.7, 0.9], [0.7, 0.9]], 0.05, 0.1),
            LymphNode => (8.5, 0.20, [6.0, 13.0], [[1.0, 1.2], [0.7, 0.9], [0.5, 0.65]], 0.05, 0.1),
            Pneumonia => (34.0, 0.34, [14.0, 65.0], [[0.95, 1.25], [0.75, 1.0], [0.75, 1.0]], 0.34, 2.0),
            Hamartoma => (22.0, 0.38, [9.0, 48.0], [[0.95, 1.08], [0.92, 1.04], [0.92, 1.04]], 0.18, 0.1),
            HilarNodes => (36.0, 0.25, [20.0, 60.0], [[0.95, 1.1], [0.9, 1.05], [0.9, 1.05]], 0.10, 0.15),
            Abscess => (36.0, 0.28, [20.0, 65.0], [[0.95, 1.1], [0.9, 1.05], [0.9, 1.05]], 0.12, 0.8),
        };
        let smooth = matches!(mimic, Granuloma | Hamartoma | HilarNodes);
        let inflamed = matches!(mimic, Pneumonia | Abscess);
        Self {
            mimic: Some(mimic),
            diameter_mm: random.log_normal(median, spread).clamp(limits[0], limits[1]),
            axes: axes.map(|[least, most]| random.range(least, most)),
            central: match mimic {
                HilarNodes => true,
                Pneumonia | Abscess => random.chance(0.15),
                _ => random.chance(0.06),
            },
            upper: random.chance(match mimic {
                Scar => 0.75,
                LymphNode => 0.15,
                _ => 0.5,
            }),
            lobulation,
            rough_mm,
            spicules: match mimic {
                Scar => 2 + random.below(5),
                Pneumonia => random.below(10),
                Abscess => random.below(6),
                // A granuloma that heals may pull in strands like a cancer's.
                Granuloma if random.chance(0.05 + 0.2 * hidden) => 5 + random.below(8),
                _ => 0,
            },
            spicule_share: random.range(0.3, 0.7),
            solid_hu: match mimic {
                Hamartoma => random.normal(14.0, 14.0),
                Scar => random.normal(12.0, 18.0),
                _ => random.normal(34.0, 10.0) + enhancement,
            },
            ground_hu: random.normal(-540.0, 80.0).clamp(-700.0, -380.0),
            core: if mimic == Pneumonia { random.range(0.35, 1.0) } else { 1.0 },
            bronchograms: if mimic == Pneumonia { random.below(4) } else { 0 },
            tags: if matches!(mimic, Scar | Granuloma | LymphNode) { random.below(3) } else { 0 },
            cavity: if mimic == Abscess || (mimic == Granuloma && random.chance(0.1)) {
                random.range(0.35, 0.75)
            } else {
                0.0
            },
            necrosis_hu: if mimic == Abscess { random.range(10.0, 30.0) + 0.8 * enhancement } else { 0.0 },
            obstruction: false,
            nodules: if mimic == HilarNodes { 3 + random.below(4) } else { 1 },
            adenopathy: if mimic == HilarNodes { 1 + random.below(4) } else { 0 },
            calcium,
            satellites: if mimic == Granuloma && random.chance(0.3) { 1 + random.below(4) } else { 0 },
            haze_mm: haze_mm
                + match mimic {
                    Pneumonia => random.range(0.5, 3.0),
                    Abscess => random.range(0.0, 1.5),
                    _ => 0.0,
                },
            strands: if smooth { 0.6 * strands } else { strands + if inflamed || mimic == Scar { 0.4 } else { 0.0 } },
        }
    }
}
