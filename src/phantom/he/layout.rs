//! Which tissue lies where: the specimen's outline, lesion, stroma, walls and vessels, then necrosis, keratin, single
//! cells and fluid.

use hilum_domain::{Class, Specimen};

use super::{
    Request,
    field::{Fibres, Field, Kind},
    growth::Plan,
    noise::{cell, count, fractal, noise, quantile, seed, whole},
    traits::{Pattern, Traits},
};
use crate::{
    Random,
    numbers::{real, single},
};

/// A vessel or a bronchiole, cut across.
struct Tube {
    x: f32,
    y: f32,
    radius_um: f32,
    wall_um: f32,
    airway: bool,
    seed: u32,
}

impl Tube {
    fn at(&self, x: f32, y: f32, filled: bool) -> Option<(Kind, f32)> {
        let (dx, dy) = (x - self.x, y - self.y);
        let outer = 1.3 * self.radius_um + 3.0 * self.wall_um;
        if dx * dx + dy * dy > outer * outer {
            return None;
        }
        let scale = 0.7 * self.radius_um;
        let from_lumen =
            (dx * dx + dy * dy).sqrt() - self.radius_um * (1.0 + 0.3 * noise(self.seed, x / scale, y / scale));
        // Bronchiolar lining is some 20 µm high, folded; an intima is a line.
        let lining = if self.airway { 19.0 + 4.0 * noise(self.seed ^ 3, x / 25.0, y / 25.0) } else { 0.0 };
        if from_lumen < 0.0 {
            Some((if filled && !self.airway { Kind::Blood } else { Kind::Air }, -from_lumen))
        } else if from_lumen < lining {
            Some((Kind::Lining, lining - from_lumen))
        } else if from_lumen < lining + self.wall_um {
            Some((Kind::Muscle, from_lumen))
        } else if from_lumen < lining + 1.8 * self.wall_um {
            Some((Kind::Stroma, from_lumen))
        } else {
            None
        }
    }
}

impl Field {
    pub(super) fn compose(request: &Request, traits: &Traits, pattern: Pattern, random: &mut Random) -> Self {
        let (width, height) = (request.width as usize, request.height as usize);
        let angle = random.range(0.0, std::f64::consts::PI);
        let mut field = Self {
            width,
            height,
            um: single(request.um_per_px),
            smear: request.specimen == Specimen::Cytology,
            kinds: vec![Kind::Glass; width * height],
            depth: vec![0.0; width * height],
            crush: Vec::new(),
            fibres: Fibres {
                seed: seed(random),
                cos: single(libm::cos(angle)),
                sin: single(libm::sin(angle)),
                wave_um: single(random.range(60.0, 140.0)),
                amplitude_um: single(random.range(12.0, 40.0)),
            },
            singles: Vec::new(),
        };
        let support = field.support(request.specimen, random);
        // Every area below is a quantile of a noise plane over the supported tissue, so its share is exact.
        let spread = single(random.range(110.0, 260.0));
        let lesion = (traits.share * random.range(0.8, 1.1)).clamp(0.28, 0.95);
        let lesion = if pattern == Pattern::Quiet { 0.0 } else { lesion };
        let territory = field.distance_plane(random, spread, 3, Some(&support), lesion);
        let nest_share = (traits.nest_share + random.normal(0.0, 0.05)).clamp(0.4, 0.96);
        let nests = field.distance_plane(random, single(traits.nest_scale_um), 2, None, nest_share);
        let plan = Plan::draw(traits, pattern, random);
        let lung = Plan::draw(traits, Pattern::Quiet, random);
        let stroma = field.distance_plane(random, 180.0, 2, None, {
            let share: f64 = if pattern == Pattern::Scar { 0.8 } else { traits.stroma_share };
            if request.specimen == Specimen::Biopsy { share.max(0.45) } else { share }
        });
        let lymphoid_share = 0.02 + 0.22 * traits.lymphocytes * traits.lymphocytes;
        let lymphoid = field.distance_plane(random, 80.0, 3, None, lymphoid_share);
        let walls = field.wall_plane(&lung, random);
        let wall_share = (traits.wall_share
            + if request.specimen == Specimen::Biopsy { 0.25 } else { 0.0 }
            + random.normal(0.0, 0.05))
        .clamp(0.35, 0.92);
        let half_wall = quantile(walls.iter().copied(), wall_share);
        let tubes = field.tubes(&territory, random);
        let filled = random.chance(0.6);

        for row in 0..height {
            for column in 0..width {
                let index = row * width + column;
                if support[index] <= 0.0 {
                    continue;
                }
                let (x, y) = (count(column) * field.um, count(row) * field.um);
                let inside = territory[index];
                let (mut kind, depth) = if inside > 0.0 && pattern != Pattern::Quiet {
                    plan.at(x, y, inside, nests[index])
                } else if field.smear {
                    // Beside the tumour a smear has groups of bronchial cells, and glass between them.
                    let group = stroma[index].min(-inside - 20.0);
                    (if group > 0.0 { Kind::Lining } else { Kind::Glass }, group)
                } else if let Some(tube) = tubes.iter().find_map(|tube| tube.at(x, y, filled)) {
                    tube
                } else if lymphoid[index] > 0.0 {
                    (Kind::Lymphoid, lymphoid[index])
                } else if stroma[index] > 0.0 || (inside > -traits.desmoplasia_um && pattern != Pattern::Quiet) {
                    (Kind::Stroma, stroma[index])
                } else if walls[index] < half_wall {
                    (Kind::Wall, walls[index])
                } else {
                    (Kind::Air, walls[index])
                };
                if field.smear && matches!(kind, Kind::Stroma | Kind::Wall | Kind::Air) {
                    kind = Kind::Glass;
                }
                field.kinds[index] = kind;
                field.depth[index] = depth;
            }
        }
        field.add_necrosis(traits, pattern, &territory, random);
        field.add_keratin(traits, random);
        field.add_singles(request.specimen, traits, random);
        field.ensure_tissue(request.specimen, random);
        field.crush = {
            let share = traits.crush * random.range(0.5, 1.5);
            let mut plane = field.distance_plane(random, 90.0, 2, None, share.min(0.6));
            plane.iter_mut().for_each(|depth| *depth = (0.5 + *depth / 16.0).clamp(0.0, 1.0));
            plane
        };
        field
    }

    /// Positive where the specimen has tissue.
    fn support(&self, specimen: Specimen, random: &mut Random) -> Vec<f32> {
        match specimen {
            Specimen::Resection => vec![1.0; self.width * self.height],
            Specimen::Cytology => {
                let (scale, share) = (single(random.range(70.0, 150.0)), random.range(0.3, 0.6));
                self.distance_plane(random, scale, 3, None, share)
            }
            Specimen::Biopsy => {
                // A core: a band across the field with a ragged rim.
                let angle = random.range(0.0, std::f64::consts::PI);
                let (sin, cos) = (single(libm::sin(angle)), single(libm::cos(angle)));
                let centre = [count(self.width) / 2.0 * self.um, count(self.height) / 2.0 * self.um];
                let offset = single(random.range(-0.3, 0.3)) * count(self.width.min(self.height)) * self.um;
                let ragged = seed(random);
                let mut plane = self.plane(|x, y| {
                    let across = (x - centre[0]) * sin - (y - centre[1]) * cos + offset;
                    across.abs() - 22.0 * fractal(ragged, x / 90.0, y / 90.0, 4)
                });
                let edge = quantile(plane.iter().copied(), random.range(0.64, 0.93));
                plane.iter_mut().for_each(|across| *across = edge - *across);
                plane
            }
        }
    }

    /// Vessels and bronchioles beside the lesion.
    fn tubes(&self, territory: &[f32], random: &mut Random) -> Vec<Tube> {
        let mut tubes: Vec<Tube> = Vec::new();
        for _ in 0..8 {
            let (column, row) = (random.below(self.width), random.below(self.height));
            let airway = random.chance(0.3);
            let radius = if airway { random.range(35.0, 90.0) } else { random.range(12.0, 55.0) };
            let tube = Tube {
                x: count(column) * self.um,
                y: count(row) * self.um,
                radius_um: single(radius),
                wall_um: single(radius * random.range(0.2, 0.55)),
                airway,
                seed: seed(random),
            };
            let clear = tubes.iter().all(|other| {
                let (dx, dy) = (other.x - tube.x, other.y - tube.y);
                (dx * dx + dy * dy).sqrt() > 1.6 * (other.radius_um + tube.radius_um) + 30.0
            });
            if clear && territory[row * self.width + column] < 0.0 && tubes.len() < 3 {
                tubes.push(tube);
            }
        }
        tubes
    }

    fn add_necrosis(&mut self, traits: &Traits, pattern: Pattern, territory: &[f32], random: &mut Random) {
        let area = traits.necrosis * random.range(0.2, 1.6);
        if pattern.has_air() || area < 0.005 {
            return;
        }
        let necrosis = self.distance_plane(random, 110.0, 3, Some(territory), area);
        for (index, kind) in self.kinds.iter_mut().enumerate() {
            if necrosis[index] > 0.0 && territory[index] > 12.0 && (kind.is_tumour() || *kind == Kind::Stroma) {
                *kind = Kind::Necrosis;
            }
        }
    }

    /// Keratin pearls deep in nests, rosettes likewise: round places whose kind and depth change.
    fn add_keratin(&mut self, traits: &Traits, random: &mut Random) {
        let step_um = 62.0;
        let (rows, columns) =
            (cell(count(self.height) * self.um / step_um), cell(count(self.width) * self.um / step_um));
        for row in 0..=rows {
            for column in 0..=columns {
                let x = step_um * (whole(column) + single(random.unit()));
                let y = step_um * (whole(row) + single(random.unit()));
                let (pearl, rosette) = (random.chance(traits.pearls), random.chance(0.4 * traits.rosettes));
                let size = single(random.range(0.55, 1.0));
                let Some(index) = self.index(x, y) else { continue };
                if self.kinds[index] != Kind::Tumour {
                    continue;
                }
                let (radius, kind) = if pearl && self.depth[index] > 14.0 {
                    ((self.depth[index] * size).min(38.0), Kind::Keratin)
                } else if rosette && self.depth[index] > 12.0 {
                    (4.0 * size, Kind::Lumen)
                } else {
                    continue;
                };
                let outline = seed(random);
                self.each_within(x, y, 1.3 * radius, |field, index, dx, dy| {
                    let distance = (dx * dx + dy * dy).sqrt();
                    let rim = radius * (1.0 + 0.25 * noise(outline, dx / (0.7 * radius), dy / (0.7 * radius)));
                    if distance < rim && field.kinds[index] == Kind::Tumour {
                        field.kinds[index] = kind;
                        field.depth[index] = distance;
                    }
                });
            }
        }
    }

    /// Macrophages in air spaces; on a smear also single cells of the lesion.
    fn add_singles(&mut self, specimen: Specimen, traits: &Traits, random: &mut Random) {
        let area = count(self.width * self.height) * self.um * self.um;
        let smear = specimen == Specimen::Cytology;
        let tumour = traits.phenotype != Class::Normal;
        let macrophages = f64::from(area) / 20_000.0 * traits.macrophages * if smear { 1.5 } else { 1.0 };
        let loose = if smear && tumour { f64::from(area) / 9_000.0 * random.range(0.2, 1.0) } else { 0.0 };
        for (kind, wanted) in [(Kind::Tumour, loose), (Kind::Macrophage, macrophages)] {
            // Alveolar macrophages measure some 15 to 22 µm.
            let usual = if kind == Kind::Tumour {
                f64::from(0.5 * traits.cells.nucleus_um * traits.cells.cell_ratio)
            } else {
                8.5
            };
            let mut left = wanted;
            while random.unit() < left {
                left -= 1.0;
                let x = single(random.unit()) * count(self.width) * self.um;
                let y = single(random.unit()) * count(self.height) * self.um;
                let radius = single(random.log_normal(usual, 0.15));
                let free = self.index(x, y).is_some_and(|index| match self.kinds[index] {
                    Kind::Glass => smear,
                    Kind::Air => kind == Kind::Macrophage,
                    _ => false,
                });
                if !free {
                    continue;
                }
                let outline = seed(random);
                self.each_within(x, y, 1.3 * radius, |field, index, dx, dy| {
                    let rim = radius * (1.0 + 0.25 * noise(outline, dx / radius, dy / radius));
                    if dx * dx + dy * dy < rim * rim && !field.kinds[index].is_tissue() {
                        field.kinds[index] = kind;
                        field.depth[index] = rim;
                    }
                });
                self.singles.push((x, y, radius, kind));
            }
        }
    }

    /// Fills air spaces with oedema, or glass of a smear with mucus, until the promised share is tissue.
    fn ensure_tissue(&mut self, specimen: Specimen, random: &mut Random) {
        let (least, fillable) = match specimen {
            Specimen::Biopsy => (0.5, Kind::Air),
            // Mucus lies on smears of every class.
            Specimen::Cytology => (random.range(0.2, 0.5), Kind::Glass),
            Specimen::Resection => (0.36, Kind::Air),
        };
        let share_of = |kinds: &[Kind], matches: &dyn Fn(Kind) -> bool| {
            real(kinds.iter().filter(|kind| matches(**kind)).count()) / real(kinds.len().max(1))
        };
        let tissue = share_of(&self.kinds, &Kind::is_tissue);
        let open = share_of(&self.kinds, &|kind| kind == fillable);
        if tissue >= least {
            return;
        }
        let fluid = if open > 0.0 { ((least - tissue) / open).min(1.0) } else { 0.0 };
        let eligible: Vec<f32> = self.kinds.iter().map(|kind| if *kind == fillable { 1.0 } else { -1.0 }).collect();
        let film = self.distance_plane(random, 70.0, 3, Some(&eligible), fluid);
        for (index, kind) in self.kinds.iter_mut().enumerate() {
            if *kind == fillable && film[index] > 0.0 {
                *kind = Kind::Fluid;
            }
        }
        // Where the open spaces do not suffice, lumens hold secretion.
        if open < least - tissue {
            self.kinds.iter_mut().filter(|kind| **kind == Kind::Lumen).for_each(|kind| *kind = Kind::Secretion);
        }
    }
}
