//! How the tissue and its nuclei take the two dyes.

use hilum_domain::Class;

use super::{
    crowd::{Crowd, Nucleus},
    field::{Field, Kind},
    noise::{count, noise, seed, share},
    traits::Traits,
};
use crate::Random;

/// Concentrations by pixel; Macenko's reference has a 99th percentile of 1.97 for haematoxylin and 1.03 for eosin.
pub(super) struct Dyes {
    pub(super) haematoxylin: Vec<f32>,
    pub(super) eosin: Vec<f32>,
    /// Optical density of carbon, the same in R, G and B.
    pub(super) carbon: Vec<f32>,
}

impl Dyes {
    /// Cytoplasm, fibres and fluids.
    pub(super) fn of_tissue(field: &Field, traits: &Traits, crowd: &Crowd, random: &mut Random) -> Self {
        let mut dyes = Self {
            haematoxylin: vec![0.0; field.kinds.len()],
            eosin: vec![0.0; field.kinds.len()],
            carbon: vec![0.0; field.kinds.len()],
        };
        let [fine, coarse, wide, fibre, mucin] = std::array::from_fn(|_| seed(random));
        let pale_mucus = random.chance(0.5);
        for row in 0..field.height {
            for column in 0..field.width {
                let index = row * field.width + column;
                let kind = field.kinds[index];
                if matches!(kind, Kind::Glass | Kind::Air) {
                    continue;
                }
                let (x, y) = (count(column) * field.um, count(row) * field.um);
                let grain = noise(fine, x / 1.5, y / 1.5);
                let patch = noise(coarse, x / 7.0, y / 7.0);
                let drift = 1.0 + 0.14 * noise(wide, x / 60.0, y / 60.0);
                let (h, e) = match kind {
                    Kind::Glass | Kind::Air => (0.0, 0.0),
                    Kind::Lumen => {
                        let mucus = (noise(mucin, x / 22.0, y / 22.0) - 0.1).max(0.0);
                        if pale_mucus { (0.35 * mucus, 0.08 * mucus) } else { (0.06 * mucus, 0.6 * mucus) }
                    }
                    Kind::Wall => (0.12 + 0.05 * grain, 0.52 + 0.1 * patch + 0.07 * grain),
                    Kind::Stroma | Kind::Muscle => {
                        let (across, along) = if kind == Kind::Muscle {
                            (field.depth[index] + 4.0 * patch, 0.35 * (x + y))
                        } else {
                            field.fibres.at(x, y)
                        };
                        let coarse_fibre = noise(fibre, across / 3.1, along / 34.0);
                        let thin_fibre = noise(fibre ^ 0x21, across / 1.4, along / 15.0);
                        let loose = noise(wide ^ 0x3, x / 38.0, y / 38.0);
                        let texture = 0.75 + 0.32 * coarse_fibre + 0.2 * thin_fibre + 0.22 * loose;
                        let dense = if kind == Kind::Muscle { 0.95 } else { traits.collagen };
                        (0.07 + 0.03 * thin_fibre, (dense * texture).max(0.06))
                    }
                    Kind::Fluid | Kind::Secretion => (0.05, 0.5 + 0.05 * patch + 0.03 * grain),
                    Kind::Blood => (0.04, 0.3 + 0.04 * grain),
                    Kind::Lymphoid => (0.2 + 0.06 * grain, 0.26 + 0.06 * patch),
                    Kind::Necrosis => (0.17 + 0.16 * grain.max(0.0), 0.62 + 0.16 * patch + 0.16 * grain),
                    Kind::Macrophage => (0.12 + 0.06 * grain, 0.36 + 0.18 * noise(coarse, x / 2.6, y / 2.6)),
                    Kind::Keratin => {
                        // Squames: lamellae that waver, merge and flake.
                        let waver = noise(coarse, x / 17.0, y / 17.0) + 0.5 * noise(coarse ^ 5, x / 6.0, y / 6.0);
                        let turn = 0.95 * field.depth[index] + 5.5 * waver;
                        let flake = (0.6 + 0.6 * noise(coarse ^ 7, x / 12.0, y / 12.0)).max(0.0);
                        let lamella = flake * libm::sinf(turn);
                        let cleft = (lamella - 0.75).max(0.0);
                        (
                            0.05 + 0.06 * grain.max(0.0),
                            0.92 + 0.22 * lamella - 1.4 * cleft + 0.12 * patch + 0.06 * grain,
                        )
                    }
                    Kind::Tumour | Kind::Lining => dyes_of_cytoplasm(field, traits, crowd, index, x, y, grain, patch),
                };
                dyes.haematoxylin[index] = (h * drift).max(0.0);
                dyes.eosin[index] = (e * drift).max(0.0);
            }
        }
        dyes
    }

    /// Nuclei over the tissue, each in its own box.
    pub(super) fn add_nuclei(&mut self, field: &Field, crowd: &Crowd) {
        let mut pressing: Vec<[f32; 3]> = Vec::new();
        for (own, nucleus) in crowd.nuclei.iter().enumerate() {
            let reach = nucleus.long * 1.35 + nucleus.look.rim_um;
            // A neighbour's pressure is a half-plane: unit vector towards it, and the distance of the border.
            pressing.clear();
            crowd.around(nucleus.x, nucleus.y, 2.0 * reach, |index, other| {
                let (dx, dy) = (other.x - nucleus.x, other.y - nucleus.y);
                let apart = (dx * dx + dy * dy).sqrt();
                if index != own && apart > 0.5 && apart < 1.2 * (nucleus.long + other.long) {
                    let (mine, theirs) = (nucleus.long * nucleus.short, other.long * other.short);
                    let border = (apart * apart + mine - theirs) / (2.0 * apart) - 0.5 * nucleus.look.moulding_gap_um;
                    pressing.push([dx / apart, dy / apart, border]);
                }
            });
            self.add_nucleus(field, nucleus, reach, &pressing);
        }
    }

    fn add_nucleus(&mut self, field: &Field, nucleus: &Nucleus, reach: f32, pressing: &[[f32; 3]]) {
        let look = nucleus.look;
        let wave =
            |order: u32| 2.0 * share(nucleus.seed.rotate_left(order * 5) ^ order.wrapping_mul(0x9e37_79b1)) - 1.0;
        let outline: [f32; 8] = std::array::from_fn(|order| wave(u32::try_from(order).unwrap_or(0)) * look.irregular);
        let nucleolus = [wave(11) * 0.35 * nucleus.short, wave(13) * 0.35 * nucleus.short, 0.5 * look.nucleolus_um];
        let rim = look.rim_um.max(0.6 * field.um);
        let (rows, columns) = (field.span(nucleus.y, reach, field.height), field.span(nucleus.x, reach, field.width));
        for row in rows {
            for column in columns.clone() {
                let (dx, dy) = (count(column) * field.um - nucleus.x, count(row) * field.um - nucleus.y);
                let u = dx * nucleus.along[0] + dy * nucleus.along[1];
                let v = dy * nucleus.along[0] - dx * nucleus.along[1];
                let (p, q) = (u / nucleus.long, v / nucleus.short);
                let rho = (p * p + q * q).sqrt();
                if rho > 1.7 {
                    continue;
                }
                // The outline's Fourier terms 2 to 5, by powers of the unit complex number of the direction.
                let (c, s) = if rho > 1e-4 { (p / rho, q / rho) } else { (1.0, 0.0) };
                let (mut re, mut im, mut edge) = (c, s, 1.0);
                for order in 0..4 {
                    (re, im) = (re * c - im * s, re * s + im * c);
                    edge += outline[2 * order] * re + outline[2 * order + 1] * im;
                }
                let mut inside = (edge - rho) * nucleus.short;
                for [px, py, border] in pressing {
                    inside = inside.min(border - (dx * px + dy * py));
                }
                let cover = (0.5 + 0.5 * inside / rim).clamp(0.0, 1.0);
                if cover <= 0.0 {
                    continue;
                }
                // Chromatin: cleared centre, membrane, grains, nucleolus.
                let membrane = (1.0 - (inside - 0.6).abs() / 0.9).max(0.0);
                let cleared = look.vesicular * (inside / 1.6).clamp(0.0, 1.0);
                let (gx, gy) = (u / look.grain_um, v / look.grain_um);
                let grains = noise(nucleus.seed, gx, gy) + 0.7 * noise(nucleus.seed ^ 0x5a, 0.45 * gx, 0.45 * gy);
                let mut h = look.haematoxylin
                    * (1.0 - 0.75 * cleared + (0.1 + 0.35 * look.vesicular) * membrane + look.chromatin * grains);
                let mut e_kept = 0.45;
                if nucleolus[2] > 0.3 {
                    let (nx, ny) = (u - nucleolus[0], v - nucleolus[1]);
                    let spot = (1.2 - (nx * nx + ny * ny) / (nucleolus[2] * nucleolus[2])).clamp(0.0, 1.0);
                    h += spot * (0.75 * look.haematoxylin).max(0.7);
                    e_kept += 0.4 * spot;
                }
                let index = row * field.width + column;
                let h = h.clamp(0.15, 2.4);
                self.haematoxylin[index] += cover * (h - self.haematoxylin[index]).max(0.0);
                self.eosin[index] *= 1.0 - cover * (1.0 - e_kept);
            }
        }
    }
}

/// Haematoxylin and eosin of an epithelial cell's cytoplasm and border.
#[expect(clippy::too_many_arguments, reason = "one pixel's place and its two noises, read in one inner loop")]
fn dyes_of_cytoplasm(
    field: &Field,
    traits: &Traits,
    crowd: &Crowd,
    index: usize,
    x: f32,
    y: f32,
    grain: f32,
    patch: f32,
) -> (f32, f32) {
    let cells = traits.cells;
    let tumour = field.kinds[index] == Kind::Tumour;
    let own = tumour || traits.phenotype == Class::Normal;
    let (base_h, base_e) = if own { (cells.cytoplasm_h, cells.cytoplasm_e) } else { (0.16, 0.45) };
    let foam = noise(0x0f0a, x / 3.2, y / 3.2);
    let (mut h, mut e) =
        (base_h * (1.0 + 0.3 * patch + 0.25 * foam), base_e * (1.0 + 0.16 * patch + 0.16 * grain + 0.14 * foam));
    let Some((border, nearest)) = crowd.border(x, y) else { return (h, e) };
    let nucleus = &crowd.nuclei[nearest];
    let fate = share(nucleus.seed.rotate_left(9) ^ 0x5bd1_e995);
    e *= 0.84 + 0.32 * share(nucleus.seed ^ 0x1b87_3593);
    if tumour && fate < traits.dyskeratosis {
        let body = (border / 2.0).clamp(0.2, 1.0);
        e += 0.45 * body;
        h *= 1.0 - 0.5 * body;
    } else if tumour && fate > 1.0 - traits.vacuoles {
        // A mucin vacuole beside the nucleus.
        let angle = share(nucleus.seed ^ 0x77) - 0.5;
        let away = 0.9 * nucleus.long;
        let (dx, dy) = (x - nucleus.x - away * angle, y - nucleus.y - away * (0.5 - angle.abs()) * 2.0);
        let radius = 0.8 * nucleus.long;
        let cleared = (1.3 - (dx * dx + dy * dy) / (radius * radius)).clamp(0.0, 1.0);
        e *= 1.0 - 0.85 * cleared;
        h *= 1.0 - 0.35 * cleared;
    }
    // Keratinising cells take more eosin with distance from the base.
    if tumour && cells.gaps > 0.0 && traits.dyskeratosis > 0.0 {
        e *= 1.0 + 0.35 * cells.gaps * (field.depth[index] / 45.0).clamp(0.0, 1.0);
    }
    if cells.gaps > 0.0 && own {
        // A bright gap, crossed by bridges about a µm apart.
        let bridge = 0.7 + 0.3 * noise(0x0b1d, x / 0.9, y / 0.9);
        let gap = cells.gaps * (1.0 - border / 1.1).clamp(0.0, 1.0) * bridge;
        e *= 1.0 - 0.75 * gap;
        h *= 1.0 - 0.6 * gap;
    } else if cells.gaps < 0.0 {
        e *= 1.0 - 0.6 * cells.gaps * (1.0 - border / 0.8).clamp(0.0, 1.0);
    }
    (h, e)
}
