//! Which nuclei lie in each tissue.

use hilum_domain::Class;

use super::{
    crowd::{Crowd, Look, Nucleus},
    field::{Field, Kind},
    noise::{cell, count, noise, seed, share, unit, whole},
    traits::{Cells, Pattern, Traits},
};
use crate::{Random, numbers::single};

impl Field {
    /// Places the nuclei of every tissue.
    pub(super) fn populate(&self, traits: &Traits, pattern: Pattern, random: &mut Random) -> Crowd {
        let mut crowd = Crowd::new(self);
        for single_cell in &self.singles {
            self.place_single(&mut crowd, traits, *single_cell, random);
        }
        let cells = traits.cells;
        let glandular = !matches!(pattern, Pattern::Nests | Pattern::Granuloma | Pattern::Lining);
        let epithelial_step =
            if glandular { cells.nucleus_um * 0.62 } else { 0.68 * cells.nucleus_um * cells.cell_ratio };
        for _ in 0..3 {
            self.scatter(&mut crowd, epithelial_step, random, |kind, depth, x, y, random| match kind {
                Kind::Tumour => self.epithelial(traits, glandular, depth, x, y, random),
                Kind::Keratin => random.chance(0.03).then(|| self.pyknotic(x, y, random)),
                Kind::Lumen => random.chance(0.006).then(|| self.pyknotic(x, y, random)),
                _ => None,
            });
        }
        for _ in 0..2 {
            self.scatter(&mut crowd, 5.5, random, |kind, depth, x, y, random| match kind {
                Kind::Lining => self.benign_epithelial(traits, pattern, depth, x, y, random),
                _ => None,
            });
        }
        let infiltrate = seed(random);
        let lymphocytes = traits.lymphocytes;
        for _ in 0..2 {
            self.scatter(&mut crowd, 5.6, random, |kind, depth, x, y, random| {
                let patch = f64::from(noise(infiltrate, x / 45.0, y / 45.0));
                let infiltrated = (0.03 + 0.5 * lymphocytes * (patch + 0.2).max(0.0)).min(0.8);
                match kind {
                    Kind::Lymphoid => random.chance(0.8).then(|| self.lymphocyte(x, y, random)),
                    Kind::Stroma if random.chance(infiltrated) => Some(self.lymphocyte(x, y, random)),
                    Kind::Stroma => random
                        .chance(0.02 + 0.07 * f64::from(share(infiltrate)))
                        .then(|| self.spindle(x, y, self.fibres.along(x, y), random)),
                    Kind::Muscle => random.chance(0.16).then(|| {
                        let [dx, dy] = self.inward(x, y);
                        self.spindle(x, y, [-dy, dx], random)
                    }),
                    Kind::Wall if random.chance(0.3 * infiltrated) => Some(self.lymphocyte(x, y, random)),
                    Kind::Wall => random.chance(0.34).then(|| self.pneumocyte(x, y, random)),
                    Kind::Tumour if random.chance(0.02 * lymphocytes) => Some(self.lymphocyte(x, y, random)),
                    Kind::Necrosis => random.chance(0.10).then(|| self.pyknotic(x, y, random)),
                    Kind::Glass if depth < 0.0 => {
                        random.chance(0.01 * lymphocytes).then(|| self.lymphocyte(x, y, random))
                    }
                    _ => None,
                }
            });
        }
        self.alter(&mut crowd, traits);
        crowd
    }

    /// One pass over a jittered grid: `make` proposes a nucleus, and it stays where it fits.
    fn scatter(
        &self,
        crowd: &mut Crowd,
        step_um: f32,
        random: &mut Random,
        make: impl Fn(Kind, f32, f32, f32, &mut Random) -> Option<Nucleus>,
    ) {
        let step = step_um.max(2.5);
        let (rows, columns) = (cell(count(self.height) * self.um / step), cell(count(self.width) * self.um / step));
        for row in 0..=rows {
            for column in 0..=columns {
                let x = step * (whole(column) + single(random.unit()));
                let y = step * (whole(row) + single(random.unit()));
                let Some(index) = self.index(x, y) else { continue };
                if let Some(nucleus) = make(self.kinds[index], self.depth[index], x, y, random)
                    && crowd.fits(&nucleus)
                {
                    crowd.push(nucleus);
                }
            }
        }
    }

    fn epithelial(
        &self,
        traits: &Traits,
        glandular: bool,
        depth: f32,
        x: f32,
        y: f32,
        random: &mut Random,
    ) -> Option<Nucleus> {
        let cells = traits.cells;
        let nucleus_um = single(random.log_normal(f64::from(cells.nucleus_um), f64::from(cells.spread)));
        if glandular {
            // Basal nuclei, at more heights the less the gland is differentiated; solid glands everywhere.
            let layer = cells.nucleus_um * cells.cell_ratio;
            let height = depth / layer;
            let highest = 0.5 + 0.9 * traits.stratified;
            if height < 0.22
                || (height > highest && height < 1.9 && !random.chance(0.1 + 0.2 * f64::from(traits.stratified)))
            {
                return None;
            }
            let mut nucleus = self.lesional(&cells, nucleus_um, self.inward(x, y), x, y, random);
            nucleus.room = 0.53 * nucleus_um / libm::sqrtf(cells.aspect).max(1.0) * (0.75 + 0.25 * cells.cell_ratio);
            return Some(nucleus);
        }
        // Basal cells of a nest are smaller and stand upright; inner ones lie as they fall.
        let basal = depth < 7.0 && cells.gaps > 0.0;
        let along = if basal { self.inward(x, y) } else { self.lie(cells.aspect, x, y, random) };
        let mut nucleus = self.lesional(&cells, nucleus_um * if basal { 0.9 } else { 1.0 }, along, x, y, random);
        if basal {
            nucleus.room *= 0.8;
        }
        // Rare giant nuclei in pleomorphic tumours.
        if cells.spread > 0.24 && random.chance(0.02) {
            nucleus.long *= 1.6;
            nucleus.short *= 1.6;
            nucleus.room *= 1.4;
        }
        Some(nucleus)
    }

    /// A direction: along the fibres for spindly cells, any for round ones.
    fn lie(&self, aspect: f32, x: f32, y: f32, random: &mut Random) -> [f32; 2] {
        let [fx, fy] = self.fibres.along(x, y);
        let pull = (2.4 * (aspect - 1.25)).clamp(0.0, 1.0);
        unit([pull * fx + single(random.normal(0.0, 0.6)), pull * fy + single(random.normal(0.0, 0.6))])
    }

    fn lesional(
        &self,
        cells: &Cells,
        nucleus_um: f32,
        along: [f32; 2],
        x: f32,
        y: f32,
        random: &mut Random,
    ) -> Nucleus {
        let aspect = libm::sqrtf((cells.aspect * single(random.log_normal(1.0, 0.1))).max(1.0));
        let nucleolus = random.chance(f64::from(cells.nucleoli));
        let size = nucleus_um / cells.nucleus_um;
        Nucleus {
            x,
            y,
            long: 0.5 * nucleus_um,
            short: 0.5 * nucleus_um / (aspect * aspect),
            along,
            room: 0.5 * cells.cell_ratio * nucleus_um * 0.93,
            look: Look {
                haematoxylin: cells.haematoxylin * single(random.log_normal(1.0, 0.13)),
                vesicular: (cells.vesicular + single(random.normal(0.0, 0.08))).clamp(0.0, 0.8),
                chromatin: cells.chromatin,
                grain_um: cells.grain_um,
                nucleolus_um: if nucleolus { cells.nucleolus_um * size } else { 0.0 },
                irregular: cells.irregular,
                moulding_gap_um: cells.moulding_gap_um,
                rim_um: 0.5,
                bordered: true,
            },
            seed: seed(random),
        }
    }

    /// Bronchial and gland cells, pneumocytes, histiocytes.
    fn benign_epithelial(
        &self,
        traits: &Traits,
        pattern: Pattern,
        depth: f32,
        x: f32,
        y: f32,
        random: &mut Random,
    ) -> Option<Nucleus> {
        let benign = traits.phenotype == Class::Normal;
        let mut cells = Cells {
            nucleus_um: if benign { traits.cells.nucleus_um } else { 8.5 },
            spread: 0.1,
            aspect: 1.45,
            haematoxylin: if benign { traits.cells.haematoxylin } else { 1.25 },
            vesicular: 0.2,
            chromatin: 0.2,
            nucleoli: if benign { traits.cells.nucleoli } else { 0.15 },
            nucleolus_um: 1.3,
            irregular: 0.03,
            cell_ratio: 1.5,
            ..traits.cells
        };
        let mut along = self.inward(x, y);
        match pattern {
            Pattern::Granuloma if benign => {
                // Epithelioid histiocytes: pale slipper-shaped nuclei in much cytoplasm without borders.
                cells = Cells {
                    nucleus_um: 12.5,
                    aspect: 2.1,
                    haematoxylin: 0.95,
                    vesicular: 0.4,
                    cell_ratio: 1.7,
                    ..cells
                };
                along = self.lie(1.4, x, y, random);
            }
            Pattern::Lining if benign => {
                // Squamous metaplasia: stratified, even nuclei, flatter towards the surface.
                cells = Cells { aspect: 1.3, cell_ratio: traits.cells.cell_ratio, ..cells };
            }
            Pattern::Glands if benign => {
                cells.aspect = 1.15;
                if !(2.0..9.0).contains(&depth) {
                    return None;
                }
            }
            Pattern::Reactive if benign => {
                cells.aspect = 1.2;
                if !(2.0..10.0).contains(&depth) {
                    return None;
                }
            }
            // A group on a smear is a sheet seen from above.
            _ if self.smear => cells.aspect = 1.2,
            // Pseudostratified columnar lining: nuclei in the lower two thirds.
            _ => {
                if !(2.5..13.0).contains(&depth) {
                    return None;
                }
            }
        }
        let nucleus_um = single(random.log_normal(f64::from(cells.nucleus_um), f64::from(cells.spread)));
        let mut nucleus = self.lesional(&cells, nucleus_um, along, x, y, random);
        if !(self.smear || benign && matches!(pattern, Pattern::Granuloma | Pattern::Lining)) {
            nucleus.room = 0.52 * nucleus_um / libm::sqrtf(cells.aspect);
        }
        Some(nucleus)
    }

    fn plain(&self, x: f32, y: f32, size: [f64; 2], along: [f32; 2], random: &mut Random) -> Nucleus {
        let scale = random.log_normal(0.5, 0.1);
        Nucleus {
            x,
            y,
            long: single(size[0] * scale),
            short: single(size[1] * scale),
            along,
            room: single(0.5 * size[1] * 1.12),
            look: Look { haematoxylin: 1.4 * single(random.log_normal(1.0, 0.12)), ..Look::PLAIN },
            seed: seed(random),
        }
    }

    /// A lymphocyte: round, dark, 7 µm (WHO's yardstick for small cell carcinoma).
    fn lymphocyte(&self, x: f32, y: f32, random: &mut Random) -> Nucleus {
        let mut nucleus = self.plain(x, y, [7.0, 6.4], [1.0, 0.0], random);
        nucleus.look.haematoxylin *= 1.15;
        nucleus.look.chromatin = 0.3;
        nucleus.room = 3.7;
        nucleus
    }

    /// A fibroblast or muscle cell: some 14 by 3.5 µm.
    fn spindle(&self, x: f32, y: f32, along: [f32; 2], random: &mut Random) -> Nucleus {
        let long = random.log_normal(11.5, 0.25);
        let mut nucleus = self.plain(x, y, [long, random.range(2.0, 4.4)], along, random);
        nucleus.room = 4.5;
        nucleus
    }

    /// A capillary's or a type-I pneumocyte's nucleus: flat along the wall.
    fn pneumocyte(&self, x: f32, y: f32, random: &mut Random) -> Nucleus {
        let [dx, dy] = self.inward(x, y);
        let size = [random.range(6.5, 10.0), random.range(3.5, 6.0)];
        let mut nucleus = self.plain(x, y, size, [-dy, dx], random);
        nucleus.room = 4.4;
        nucleus
    }

    /// Shrunken, black, 3 to 6 µm.
    fn pyknotic(&self, x: f32, y: f32, random: &mut Random) -> Nucleus {
        let size = random.range(2.0, 6.0);
        let along = unit([single(random.normal(0.0, 1.0)), single(random.normal(0.0, 1.0))]);
        let mut nucleus = self.plain(x, y, [size * 1.3, size], along, random);
        nucleus.look.haematoxylin = 1.7;
        nucleus.look.irregular = 0.12;
        nucleus
    }

    fn place_single(&self, crowd: &mut Crowd, traits: &Traits, cell: (f32, f32, f32, Kind), random: &mut Random) {
        let (x, y, radius, kind) = cell;
        let along = unit([single(random.normal(0.0, 1.0)), single(random.normal(0.0, 1.0))]);
        let offset = single(random.range(-0.3, 0.3)) * radius;
        let nucleus = if kind == Kind::Tumour {
            let size = 2.0 * radius / traits.cells.cell_ratio;
            self.lesional(&traits.cells, size, along, x + 0.3 * offset, y, random)
        } else {
            let mut nucleus = self.plain(x + offset, y, [7.5, 6.0], along, random);
            nucleus.look.vesicular = 0.25;
            nucleus.room = radius;
            nucleus
        };
        crowd.push(nucleus);
    }

    /// Crush draws nuclei out along the fibres, autolysis fades them.
    fn alter(&self, crowd: &mut Crowd, traits: &Traits) {
        for nucleus in &mut crowd.nuclei {
            let Some(index) = self.index(nucleus.x, nucleus.y) else { continue };
            let crush = self.crush[index];
            if crush > 0.25 {
                nucleus.along = self.fibres.along(nucleus.x, nucleus.y);
                nucleus.long *= 1.0 + 1.3 * crush;
                nucleus.short *= 1.0 - 0.45 * crush;
                nucleus.look.chromatin *= 1.0 - 0.8 * crush;
                nucleus.look.vesicular *= 1.0 - crush;
                nucleus.look.nucleolus_um *= 1.0 - crush;
                nucleus.look.rim_um += 1.2 * crush;
            }
            let fading = traits.autolysis * (0.6 + 0.4 * share(nucleus.seed));
            nucleus.look.haematoxylin *= 1.0 - 0.4 * fading;
            nucleus.look.chromatin *= 1.0 - 0.7 * fading;
            nucleus.look.nucleolus_um *= 1.0 - 0.7 * fading;
            nucleus.look.rim_um += 0.9 * fading;
        }
    }
}
