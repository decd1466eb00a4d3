//! The HU of a point of the body: wall, lung between its vessels, mediastinum, abdomen.

use super::{
    anatomy::{Anatomy, Level},
    attenuation::{AIR_HU, FAT_HU, LIVER_HU, LUNG_HU, MUSCLE_HU},
    canvas::Canvas,
    shapes::{Vec3, coverage, intersect, mix, squircle, unite},
};
use crate::numbers::single;

impl Canvas {
    /// Wall, lungs, mediastinum and abdomen, voxel by voxel.
    pub(super) fn draw_body(&mut self, anatomy: &Anatomy) {
        let [columns, rows, slices] = self.size;
        let blur = self.blur;
        let domes: Vec<f64> = (0..rows * columns)
            .map(|index| {
                let at = self.point(index % columns, index / columns, 0);
                anatomy.diaphragm(at[0], at[1])
            })
            .collect();
        for k in 0..slices {
            let level = &self.levels[k];
            for j in 0..rows {
                let row = (k * rows + j) * columns;
                for i in 0..columns {
                    let at = self.point(i, j, k);
                    let hu = anatomy.tissue(level, at, domes[j * columns + i], blur, self.step[2]);
                    self.hu[row + i] = single(hu);
                }
            }
        }
    }
}

impl Anatomy {
    /// The HU of a point of the body without ribs, vessels and lesion.
    fn tissue(&self, level: &Level, at: Vec3, dome: f64, blur: f64, slice_mm: f64) -> f64 {
        let [x, y, z] = at;
        let mut skin = squircle(x, y - 2.0, self.body[0], self.body[1], 0.38);
        if self.female && y < 0.0 {
            let (u, v, w) = ((x.abs() - 78.0 * self.scale) / 58.0, (y + self.body[1] - 14.0) / 32.0, (z + 30.0) / 62.0);
            skin = unite(skin, (1.0 - (u * u + v * v + w * w).sqrt()) * 26.0, 8.0);
        }
        if skin < -blur {
            let shelf = (y - self.body[1] - 9.0 + x * x * 0.0009).abs();
            return if self.table && shelf < 3.0 { mix(AIR_HU, -420.0, coverage(1.5 - shelf, 1.2)) } else { AIR_HU };
        }
        let cage = self.cage(level, x, y);
        let inside = if cage > -blur {
            let (shell, chest) = if x.abs() < 118.0 { self.mediastinum(level, x, y, blur) } else { (-60.0, 0.0) };
            let above = (z - dome) * 0.75;
            let lung = intersect(intersect(cage, -shell, 6.0), above, 5.0);
            let mut hu = 0.0;
            if lung < blur {
                let middle = coverage(shell, blur);
                let rest = if middle < 1.0 && above < blur + 12.0 { self.abdomen(at, -above) } else { FAT_HU };
                // Where neither organ is near, the corner between them is fat.
                hu = mix(rest, chest, if above > 0.0 { 1.0 } else { middle });
                if above > -blur && -shell > above {
                    hu = mix(hu, rest, 0.9);
                }
            }
            if lung > -blur {
                hu = mix(
                    hu,
                    self.parenchyma(at, lung, cage, above),
                    coverage(lung, blur + if above < cage { 0.3 * slice_mm } else { 0.0 }),
                );
            }
            hu
        } else {
            0.0
        };
        let mut hu = inside;
        if cage < blur {
            hu = mix(self.wall(at, skin, cage), inside, coverage(cage, blur));
        }
        if x.abs() < 42.0 {
            hu = self.axial_bones(level, x, y, blur, hu);
        }
        if skin < blur { mix(AIR_HU, hu, coverage(skin, blur)) } else { hu }
    }

    /// Lung between its vessels, at depth `lung` below the pleura.
    fn parenchyma(&self, at: Vec3, lung: f64, cage: f64, above: f64) -> f64 {
        let [x, y, z] = at;
        let coarse = self.noise.at(x * 0.035, y * 0.035, z * 0.035);
        let fine = self.noise.at(x * 0.27, y * 0.27, z * 0.27);
        // Gravity: about 0.4 HU a millimetre from front to back.
        let mut hu = LUNG_HU + self.lung_shift + 0.42 * y + 26.0 * coarse + 22.0 * fine;
        // Centrilobular emphysema: holes of 5 to 10 mm, more of them towards the apex.
        if self.emphysema > 0.0 {
            let zone = self.emphysema * (0.72 + 0.004 * z).clamp(0.15, 1.15) + 0.28 * coarse;
            let hole = self.noise.at(x * 0.105 + 17.0, y * 0.105, z * 0.105) + 0.25 * fine;
            let share = ((hole - 0.62 + 0.85 * zone) * 3.0).clamp(0.0, 1.0);
            hu = mix(hu, -968.0, share * zone.clamp(0.0, 1.0).sqrt());
        }
        // Reticulation under the pleura, more at the base.
        if lung < 22.0 && self.reticulation > 0.05 {
            let zone = self.reticulation * (0.75 - 0.004 * z).clamp(0.25, 1.3) * (1.0 - lung / 22.0) + 0.3 * coarse;
            if zone > 0.1 {
                let ridge = self.noise.at(x * 0.16, y * 0.16 + 5.0, z * 0.16).abs();
                hu += 330.0 * zone * (1.0 - ridge * 7.0).max(0.0) + 60.0 * zone;
            }
        }
        // Dependent atelectasis along the back.
        if y > 30.0 && cage < 16.0 {
            let depth = 16.0 * self.atelectasis * (0.5 + coarse.abs() + 0.3 * fine);
            hu += 420.0 * self.atelectasis * ((y - 30.0) / 25.0).min(1.0) * (1.0 - cage / depth.max(0.5)).max(0.0);
        }
        if above < 10.0 {
            hu += 40.0 * (1.0 - above / 10.0);
        }
        let [major, minor] = self.fissures(at);
        let sheet = major.abs().min(minor.abs());
        if sheet < 1.6 { hu + 190.0 * coverage(0.3 - sheet, 1.2) } else { hu }
    }

    /// Soft tissue and fat outside the rib cage, given the depth below the skin.
    fn wall(&self, at: Vec3, skin: f64, cage: f64) -> f64 {
        let [x, y, z] = at;
        if skin < 2.0 {
            return 15.0;
        }
        let lumps = self.noise.at(x * 0.02, y * 0.02, z * 0.02);
        let side = (x / self.body[0]).abs();
        let fat = self.fat_mm * (0.75 + 0.35 * lumps + 0.35 * side * side);
        if cage < -1.5 && cage > -3.5 && lumps > 0.05 {
            return -30.0;
        }
        if skin < fat || (self.female && y < (0.12 * lumps - 0.72) * self.body[1] && cage < -14.0) {
            let strands = self.noise.at(x * 0.11, y * 0.11, z * 0.11);
            return FAT_HU + 10.0 * lumps + if strands > 0.45 { 70.0 } else { 0.0 };
        }
        // Planes of fat between the muscles.
        let planes = self.noise.at(x * 0.055 + 11.0, y * 0.055, z * 0.03).abs();
        let muscle = MUSCLE_HU + 8.0 * lumps;
        let fat = if cage < -9.0 { (1.0 - planes / 0.07).max(0.0) } else { 0.0 };
        // Fat of the armpits and between the shoulders.
        let pocket = if cage < -18.0 { coverage(lumps - 0.12, 0.10) } else { 0.0 };
        mix(muscle, FAT_HU, fat.max(pocket))
    }

    /// Liver, spleen, stomach and fat below the diaphragm; `below` is the depth under it.
    fn abdomen(&self, at: Vec3, below: f64) -> f64 {
        let [x, y, z] = at;
        let s = self.scale;
        let blur = 2.0;
        let liver = unite(-x + 10.0 - 0.25 * (z + 150.0), -40.0, 4.0).min(below - 1.0);
        let mut hu = FAT_HU;
        hu = mix(hu, 20.0, coverage(below, blur) * coverage(4.0 - below, blur));
        hu = mix(hu, LIVER_HU + 0.35 * self.contrast_hu, coverage(liver, blur));
        let ellipsoid = |c: Vec3, r: Vec3| {
            let (u, v, w) = ((x - c[0] * s) / r[0], (y - c[1] * s) / r[1], (z - c[2]) / r[2]);
            (1.0 - (u * u + v * v + w * w).sqrt()) * 30.0
        };
        hu =
            mix(hu, 52.0 + 0.5 * self.contrast_hu, coverage(ellipsoid([84.0, 38.0, -150.0], [34.0, 36.0, 42.0]), blur));
        let stomach = ellipsoid([58.0, -22.0, -152.0], [42.0, 44.0, 38.0]).min(below - 4.0);
        hu = mix(hu, 35.0, coverage(stomach, blur));
        mix(hu, AIR_HU, coverage((stomach - 4.0).min(-y - 24.0 * s), blur))
    }
}
