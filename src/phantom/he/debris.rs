//! What lies over the cells: crush streaks, broken nuclei, carbon, red cells.

use super::{
    dyes::Dyes,
    field::{Field, Kind},
    noise::{cell, count, noise, seed, whole},
    traits::Traits,
};
use crate::{Random, numbers::single};

impl Dyes {
    /// Crush streaks, karyorrhexis, red cells, carbon.
    pub(super) fn add_debris(&mut self, field: &Field, traits: &Traits, random: &mut Random) {
        let [streaks, dust, specks, pigment] = std::array::from_fn(|_| seed(random));
        let vessels = traits.blood * random.range(0.5, 1.2);
        for row in 0..field.height {
            for column in 0..field.width {
                let index = row * field.width + column;
                let kind = field.kinds[index];
                let (x, y) = (count(column) * field.um, count(row) * field.um);
                if field.crush[index] > 0.0
                    && matches!(kind, Kind::Tumour | Kind::Lymphoid | Kind::Lining | Kind::Stroma)
                {
                    let (across, along) = field.fibres.at(x, y);
                    let streak = noise(streaks, across / 2.6, along / 70.0)
                        + 0.5 * noise(streaks ^ 1, across / 1.2, along / 30.0);
                    let amount = if kind == Kind::Stroma { 0.45 } else { 1.25 };
                    self.haematoxylin[index] += amount * field.crush[index] * (streak - 0.05).max(0.0);
                }
                if kind == Kind::Necrosis {
                    let speck = noise(dust, x / 1.7, y / 1.7) * (0.6 + 0.4 * noise(dust ^ 1, x / 30.0, y / 30.0));
                    self.haematoxylin[index] += 2.2 * (speck - 0.42).max(0.0);
                }
                if traits.anthracosis > 0.0 && matches!(kind, Kind::Stroma | Kind::Macrophage | Kind::Lymphoid) {
                    let here = if kind == Kind::Macrophage { 0.25 } else { noise(pigment, x / 70.0, y / 70.0) - 0.45 };
                    if here > 0.0 {
                        let speck = noise(specks, x / 1.8, y / 1.8);
                        self.carbon[index] = single(traits.anthracosis) * 4.0 * here * (speck - 0.1).max(0.0);
                    }
                }
            }
        }
        self.add_red_cells(field, vessels, random);
    }

    /// Red cells of 7 µm: packed in vessels, single in walls and stroma, loose on smears.
    fn add_red_cells(&mut self, field: &Field, amount: f64, random: &mut Random) {
        let bleeding = seed(random);
        let step = 6.2;
        let (rows, columns) = (cell(count(field.height) * field.um / step), cell(count(field.width) * field.um / step));
        for row in 0..=rows {
            for column in 0..=columns {
                let x = step * (whole(column) + single(random.range(0.15, 0.85)));
                let y = step * (whole(row) + single(random.range(0.15, 0.85)));
                let (draw, radius) = (random.unit(), single(random.range(2.7, 3.6)));
                let Some(index) = field.index(x, y) else { continue };
                let pool = f64::from((noise(bleeding, x / 90.0, y / 90.0) - 0.35).max(0.0));
                let chance = match field.kinds[index] {
                    Kind::Blood => 0.9,
                    Kind::Wall => 0.06 + 0.3 * amount * pool,
                    Kind::Stroma | Kind::Necrosis => 0.006 + 0.8 * amount * pool,
                    Kind::Air | Kind::Lumen => 0.9 * amount * pool,
                    Kind::Glass if field.depth[index] < 0.0 => 0.05 * amount,
                    _ => 0.0,
                };
                if draw >= chance {
                    continue;
                }
                let (ys, xs) = (field.span(y, radius + 1.0, field.height), field.span(x, radius + 1.0, field.width));
                for row in ys {
                    for column in xs.clone() {
                        let (dx, dy) = (count(column) * field.um - x, count(row) * field.um - y);
                        let distance = (dx * dx + dy * dy).sqrt();
                        let cover = (0.5 + (radius - distance) / 0.9).clamp(0.0, 1.0);
                        let index = row * field.width + column;
                        let pallor = 0.2 * (1.0 - distance / radius).max(0.0);
                        self.eosin[index] += cover * (1.0 - pallor - self.eosin[index]).max(0.0);
                    }
                }
            }
        }
    }
}
