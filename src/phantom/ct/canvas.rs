//! The scan while it is being drawn: where its voxels lie, and the two ways to draw on them.

use hilum_imaging::dot;

use super::{
    Extent, Request,
    anatomy::{Anatomy, Level},
    attenuation::AIR_HU,
    shapes::{Counter, Vec3, coverage, mix, sub, times, whole},
};
use crate::{
    Random,
    numbers::{real, single},
};

/// The scan while it is being drawn, in the body's axes.
pub(super) struct Canvas {
    pub(super) hu: Vec<f32>,
    pub(super) levels: Vec<Level>,
    pub(super) size: [usize; 3],
    pub(super) origin: Vec3,
    pub(super) step: Vec3,
    /// Half the width of an edge, mm.
    pub(super) blur: f64,
    /// Thick slices see a thin tube that passes beside their centre.
    thick: f64,
    pub(super) noise: Counter,
    pub(super) offset: Vec3,
}

impl Canvas {
    /// Round the centre of the lesion; `softness` multiplies the blur of edges.
    pub(super) fn place(
        request: &Request,
        anatomy: &Anatomy,
        lesion: Vec3,
        softness: f64,
        random: &mut Random,
    ) -> Self {
        let step = request.slice_step_mm;
        let span = match request.extent {
            Extent::Slab120mm => 120.0,
            Extent::WholeThorax => 300.0,
        };
        let slices = whole((span / step).round()).max(1);
        let reach = real(slices - 1) * step;
        let low = match request.extent {
            // 46 mm, not 40: the centroid of a clipped lesion lies a little off its drawn centre.
            Extent::Slab120mm => lesion[2] - random.range(46.0, (reach - 46.0).max(46.1)),
            Extent::WholeThorax => -168.0 + random.range(-3.0, 3.0),
        };
        let pixel = anatomy.fov / real(request.columns);
        let half = 0.5 * real(request.columns - 1) * pixel;
        let middle_y = random.range(-4.0, 10.0);
        Self {
            levels: (0..slices).map(|k| anatomy.level(low + real(k) * step)).collect(),
            hu: vec![single(AIR_HU); request.columns * request.columns * slices],
            size: [request.columns, request.columns, slices],
            origin: [-half, middle_y - half, low],
            step: [pixel, pixel, step],
            blur: (0.45 + 0.5 * pixel + 0.08 * step) * softness,
            thick: (2.0 / step).min(1.0),
            noise: Counter::draw(random),
            offset: anatomy.offset,
        }
    }

    pub(super) fn point(&self, i: usize, j: usize, k: usize) -> Vec3 {
        [
            self.origin[0] + real(i) * self.step[0],
            self.origin[1] + real(j) * self.step[1],
            self.origin[2] + real(k) * self.step[2],
        ]
    }

    /// Calls `op` with every voxel's value and centre in the box from `low` to `high`.
    pub(super) fn in_box(&mut self, low: Vec3, high: Vec3, mut op: impl FnMut(&mut f32, Vec3, usize, &Level)) {
        let first: [usize; 3] =
            std::array::from_fn(|a| whole(((low[a] - self.origin[a]) / self.step[a]).max(0.0).ceil()));
        let end: [usize; 3] = std::array::from_fn(|a| {
            let last = ((high[a] - self.origin[a]) / self.step[a]).floor();
            if last < 0.0 { 0 } else { (whole(last) + 1).min(self.size[a]) }
        });
        for k in first[2]..end[2] {
            for j in first[1]..end[1] {
                let row = (k * self.size[1] + j) * self.size[0];
                for i in first[0]..end[0] {
                    let at = self.point(i, j, k);
                    op(&mut self.hu[row + i], at, row + i, &self.levels[k]);
                }
            }
        }
    }

    /// Calls `op` with every voxel's value and its share inside a tapered round tube.
    pub(super) fn tube(&mut self, from: Vec3, r_from: f64, to: Vec3, r_to: f64, mut op: impl FnMut(&mut f32, f64)) {
        let (blur, thick) = (self.blur, self.thick);
        // A tube thinner than the blur is drawn wider and fainter.
        let least = 0.7 * blur;
        let reach = r_from.max(r_to).max(least) + blur;
        let margin = [reach, reach, reach / thick];
        let low = std::array::from_fn(|a| from[a].min(to[a]) - margin[a]);
        let high = std::array::from_fn(|a| from[a].max(to[a]) + margin[a]);
        let along = sub(to, from);
        let scale = 1.0 / dot(along, along).max(1e-9);
        self.in_box(low, high, |value, at, _, _| {
            let p = sub(at, from);
            let t = (dot(p, along) * scale).clamp(0.0, 1.0);
            let off = sub(p, times(along, t));
            let distance = (off[0] * off[0] + off[1] * off[1] + off[2] * off[2] * thick * thick).sqrt();
            let radius = mix(r_from, r_to, t);
            let drawn = radius.max(least);
            let share = coverage(drawn - distance, blur);
            if share > 0.0 {
                let faint = radius / drawn;
                op(value, share * faint * faint);
            }
        });
    }
}
