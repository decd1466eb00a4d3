//! How a lesion grows: the glands, walls, fronds and nests of each pattern.

use hilum_domain::Class;

use super::{
    field::{Field, Kind},
    noise::{nearest, noise, seed, share},
    traits::{Pattern, Traits},
};
use crate::{Random, numbers::single};

/// Figures of one pattern in one field.
pub(super) struct Plan {
    pattern: Pattern,
    seed: u32,
    spacing_um: f32,
    gap_um: f32,
    layer_um: f32,
    solid: f32,
    cribriform: f32,
    cell_kind: Kind,
    lumen_kind: Kind,
}

impl Plan {
    pub(super) fn draw(traits: &Traits, pattern: Pattern, random: &mut Random) -> Self {
        let benign = traits.phenotype == Class::Normal;
        let cell_um = traits.cells.nucleus_um * traits.cells.cell_ratio;
        let (spacing, gap, layer) = match pattern {
            Pattern::Acinar => (random.range(80.0, 150.0), random.range(3.0, 14.0), f64::from(cell_um)),
            // Alveoli are 200 µm wide (Ochs et al., AJRCCM 2004), less after fixation and collapse.
            Pattern::Lepidic => (random.range(95.0, 170.0), random.range(3.0, 11.0), 0.85 * f64::from(cell_um)),
            Pattern::Reactive => (random.range(95.0, 170.0), random.range(4.0, 12.0), 0.75 * f64::from(cell_um)),
            Pattern::Papillary => (random.range(70.0, 120.0), random.range(3.0, 9.0), f64::from(cell_um)),
            Pattern::Glands => (random.range(45.0, 70.0), random.range(2.0, 6.0), f64::from(cell_um) * 1.2),
            _ => (traits.nest_scale_um, random.range(2.0, 8.0), f64::from(cell_um)),
        };
        let layers = if benign { 1.0 } else { 1.0 + 0.45 * f64::from(traits.stratified) };
        Self {
            pattern,
            seed: seed(random),
            spacing_um: single(spacing),
            gap_um: single(gap),
            layer_um: single(layer * layers),
            solid: traits.solid_glands,
            cribriform: if benign { 0.0 } else { traits.cribriform },
            cell_kind: if benign { Kind::Lining } else { Kind::Tumour },
            lumen_kind: if benign { Kind::Air } else { Kind::Lumen },
        }
    }

    /// Tissue and depth at a place that is `inside_um` inside the lesion. `nest_um` is the distance inside a nest.
    pub(super) fn at(&self, x: f32, y: f32, inside_um: f32, nest_um: f32) -> (Kind, f32) {
        let wobble = |scale: f32, amount: f32| amount * noise(self.seed ^ 0x77, x / scale, y / scale);
        match self.pattern {
            Pattern::Acinar | Pattern::Glands => {
                let (wx, wy) = self.warp(x, y, 0.16);
                let gland = nearest(self.seed, wx, wy, self.spacing_um);
                let size = 0.5 + 0.3 * share(gland.id ^ 0x1234_5678);
                let depth =
                    (gland.border_um - self.gap_um).min(self.spacing_um * size - gland.centre_um).min(inside_um)
                        + wobble(9.0, 1.6);
                let layer = self.layer_um * (0.8 + 0.4 * share(gland.id ^ 0x0bad_cafe));
                let fate = share(gland.id.rotate_left(7));
                if depth < 0.0 {
                    (Kind::Stroma, depth)
                } else if depth < layer || fate < self.solid {
                    (self.cell_kind, depth)
                } else if fate > 1.0 - self.cribriform {
                    let hole = nearest(self.seed ^ 0x99, x, y, 2.6 * self.layer_um);
                    let bridge = 0.38 * self.layer_um - hole.border_um + wobble(9.0, 1.6);
                    if bridge > 0.0 { (self.cell_kind, bridge) } else { (self.lumen_kind, depth) }
                } else {
                    (self.lumen_kind, depth)
                }
            }
            Pattern::Lepidic | Pattern::Reactive => {
                let (wx, wy) = self.warp(x, y, 0.2);
                let wall = nearest(self.seed, wx, wy, self.spacing_um);
                let core = self.gap_um * (1.0 + 0.7 * noise(self.seed ^ 0x31, x / 60.0, y / 60.0));
                // Reactive pneumocytes line a wall in part only.
                let lined = self.pattern == Pattern::Lepidic || noise(self.seed ^ 0x17, x / 55.0, y / 55.0) > -0.25;
                let depth = wall.border_um - core;
                let hobnail = self.layer_um * (1.0 + 0.35 * noise(self.seed ^ 0x77, x / 8.0, y / 8.0));
                if depth < 0.0 {
                    (if core > 8.0 { Kind::Stroma } else { Kind::Wall }, depth)
                } else if lined && depth < hobnail {
                    (self.cell_kind, depth)
                } else {
                    (Kind::Air, depth)
                }
            }
            Pattern::Papillary => {
                let (wx, wy) = self.warp(x, y, 0.35);
                let frond = nearest(self.seed, wx, wy, self.spacing_um);
                // Fronds end in the lumen: the core thins out and breaks off along the border.
                let broken = noise(self.seed ^ 0x31, x / 45.0, y / 45.0);
                let distance = if broken < -0.35 { frond.border_um + 60.0 * (-0.35 - broken) } else { frond.border_um };
                let depth = distance - self.gap_um * (1.0 + 0.6 * broken);
                if depth < 0.0 {
                    (Kind::Stroma, depth)
                } else if depth < self.layer_um + wobble(8.0, 2.0) {
                    (self.cell_kind, depth)
                } else {
                    (self.lumen_kind, depth)
                }
            }
            Pattern::Nests | Pattern::Granuloma | Pattern::Lining => {
                let depth = nest_um.min(inside_um) + wobble(10.0, 1.8);
                (if depth > 0.0 { self.cell_kind } else { Kind::Stroma }, depth)
            }
            Pattern::Lymphoid => {
                (if nest_um + wobble(12.0, 6.0) > 0.0 { Kind::Lymphoid } else { Kind::Stroma }, inside_um)
            }
            Pattern::Scar => (Kind::Stroma, inside_um),
            Pattern::Quiet => (Kind::Air, 0.0),
        }
    }

    fn warp(&self, x: f32, y: f32, amount: f32) -> (f32, f32) {
        let scale = 0.7 * self.spacing_um;
        let reach = amount * self.spacing_um;
        (
            x + reach * noise(self.seed ^ 0xa1, x / scale, y / scale),
            y + reach * noise(self.seed ^ 0xb2, x / scale, y / scale),
        )
    }
}

impl Field {
    /// Distance from the mid-line of the nearest alveolar wall, in µm.
    pub(super) fn wall_plane(&self, plan: &Plan, random: &mut Random) -> Vec<f32> {
        let spacing = single(random.range(80.0, 190.0));
        let plan = Plan { spacing_um: spacing, ..*plan };
        self.plane(|x, y| {
            let (wx, wy) = plan.warp(x, y, 0.22);
            nearest(plan.seed, wx, wy, spacing).border_um * (1.0 + 0.35 * noise(plan.seed ^ 9, x / 70.0, y / 70.0))
        })
    }
}
