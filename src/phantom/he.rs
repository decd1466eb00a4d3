//! A synthetic microscope field of lung tissue stained with haematoxylin and eosin.
//!
//! The order of work: how the site prepares and scans a slide ([`Preparation`]), what kind of tissue the case is
//! ([`Traits`]), where each tissue lies in one field (`layout`, by the patterns of `growth`), which nuclei lie in it
//! (`nuclei`), and how the two dyes become an image (`dyes`, `debris`, `camera`). Lengths are in µm until the camera, so
//! that a field looks the same at any scale.
//!
//! The picture is meant to be as ambiguous as slides are: every class has members that resemble another one (poorly
//! differentiated adenocarcinoma and squamous carcinoma resemble large cell carcinoma, lepidic growth resembles reactive
//! pneumocytes, granuloma and lymphoid aggregates resemble tumour), and no stain or scanner belongs to a class.
//!
//! Bytes are equal on every machine: `libm` for what is not exact in IEEE 754, hashes for noise, one thread.

mod camera;
mod crowd;
mod debris;
mod dyes;
mod field;
mod growth;
mod layout;
mod noise;
mod nuclei;
mod preparation;
mod traits;

use hilum_domain::{Class, Specimen};
use image::{GrayImage, RgbImage};

use self::{dyes::Dyes, field::Field};
pub use self::{preparation::Preparation, traits::Traits};
use crate::Random;

/// What to render.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The class of the case; the same as that of its [`Traits`].
    pub phenotype: Class,
    /// How the tissue was taken.
    pub specimen: Specimen,
    /// Width of the field, in px.
    pub width: u32,
    /// Height of the field, in px.
    pub height: u32,
    /// Edge of a pixel, in µm, 0.25 to 1.
    pub um_per_px: f64,
}

/// One field and what is in it.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The field as the camera gives it.
    pub field: RgbImage,
    /// 255 where tumour is (its cells, and the lumens, mucin and keratin inside them), 0 elsewhere.
    pub mask: GrayImage,
}

/// One field of a case. Fields of a case have the same `traits` and `preparation`, and each its own `random`.
///
/// Of a biopsy at least 45 %, of cytology at least 15 %, of a resection at least 30 % of the field is tissue.
pub fn render(request: &Request, preparation: &Preparation, traits: &Traits, random: &mut Random) -> Rendered {
    debug_assert_eq!(request.phenotype, traits.phenotype, "traits of another class");
    let pattern = if random.chance(0.65) { traits.pattern } else { traits.second_pattern };
    let field = Field::compose(request, traits, pattern, random);
    let crowd = field.populate(traits, pattern, random);
    let mut dyes = Dyes::of_tissue(&field, traits, &crowd, random);
    dyes.add_nuclei(&field, &crowd);
    dyes.add_debris(&field, traits, random);
    Rendered { field: dyes.photograph(&field, preparation, random), mask: field.mask() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::real;

    const SIDE: u32 = 112;

    fn rendered(phenotype: Class, specimen: Specimen, seed: u64) -> (Rendered, Preparation) {
        let mut random = Random::new(seed, "case");
        let preparation = Preparation::draw(random.below(4), &mut random);
        let obscurity = random.unit();
        let traits = Traits::draw(phenotype, obscurity, &mut random);
        let request = Request { phenotype, specimen, width: SIDE, height: SIDE, um_per_px: 1.0 };
        (render(&request, &preparation, &traits, &mut Random::new(seed, "field 0")), preparation)
    }

    fn each(cases: u64, mut check: impl FnMut(Class, Specimen, u64, &Rendered, &Preparation)) {
        for phenotype in Class::ALL {
            for specimen in Specimen::ALL {
                for seed in 0..cases {
                    let (field, preparation) = rendered(phenotype, specimen, seed);
                    check(phenotype, specimen, seed, &field, &preparation);
                }
            }
        }
    }

    /// Optical density against white, as stain normalisation has it.
    fn densities(field: &RgbImage) -> Vec<[f64; 3]> {
        field.pixels().map(|pixel| pixel.0.map(|level| -libm::log((f64::from(level) + 1.0) / 241.0))).collect()
    }

    fn mean([r, g, b]: [f64; 3]) -> f64 {
        (r + g + b) / 3.0
    }

    #[test]
    fn bytes_are_frozen() {
        // Cohorts are regenerated from their seed on other machines: these figures never change.
        let fnv = |bytes: &[u8]| {
            bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            })
        };
        let mut bytes = Vec::new();
        each(1, |_, _, _, rendered, _| {
            bytes.extend_from_slice(rendered.field.as_raw());
            bytes.extend_from_slice(rendered.mask.as_raw());
        });
        assert_eq!(fnv(&bytes), 0x6a83_df8b_9cab_9515, "{:#018x}", fnv(&bytes));
    }

    #[test]
    fn the_mask_is_empty_only_without_tumour() {
        each(4, |phenotype, specimen, seed, rendered, _| {
            let marked = rendered.mask.pixels().filter(|pixel| pixel.0[0] == 255).count();
            assert!(rendered.mask.pixels().all(|pixel| matches!(pixel.0[0], 0 | 255)));
            assert_eq!(marked == 0, phenotype == Class::Normal, "{phenotype:?} {specimen:?} {seed}: {marked}");
        });
    }

    #[test]
    fn every_specimen_has_its_tissue() {
        each(4, |phenotype, specimen, seed, rendered, _| {
            let densities = densities(&rendered.field);
            let tissue = densities.iter().filter(|density| mean(**density) >= 0.15).count();
            let share = real(tissue) / real(densities.len());
            let least = match specimen {
                Specimen::Biopsy => 0.45,
                Specimen::Cytology => 0.15,
                Specimen::Resection => 0.3,
            };
            assert!(share >= least, "{phenotype:?} {specimen:?} {seed}: {share}");
        });
    }

    #[test]
    fn both_stains_are_seen() {
        each(4, |phenotype, specimen, seed, rendered, preparation| {
            // The share of haematoxylin in each tissue pixel, by least squares on the two stains.
            let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (h, e) = (preparation.haematoxylin, preparation.eosin);
            let overlap = dot(h, e);
            let mut shares: Vec<f64> = densities(&rendered.field)
                .into_iter()
                .filter(|density| mean(*density) >= 0.15)
                .map(|density| {
                    let (along_h, along_e) = (dot(density, h), dot(density, e));
                    let (h, e) = (along_h - overlap * along_e, along_e - overlap * along_h);
                    h.max(0.0) / (h.max(0.0) + e.max(0.0)).max(1e-9)
                })
                .collect();
            shares.sort_by(f64::total_cmp);
            let (low, high) = (shares[shares.len() / 20], shares[shares.len() * 19 / 20]);
            assert!(low < 0.45 && high > 0.6, "{phenotype:?} {specimen:?} {seed}: {low} {high}");
        });
    }

    #[test]
    fn levels_are_not_clipped() {
        each(3, |phenotype, specimen, seed, rendered, _| {
            let levels = rendered.field.as_raw();
            let clipped = levels.iter().filter(|level| matches!(level, 0 | 255)).count();
            assert!(real(clipped) / real(levels.len()) < 0.005, "{phenotype:?} {specimen:?} {seed}: {clipped}");
        });
    }

    #[test]
    fn a_field_depends_on_its_stream_alone() {
        let again = || rendered(Class::Adenocarcinoma, Specimen::Resection, 2).0;
        let first = again();
        assert_eq!(first.field, again().field);
        assert_eq!(first.mask, again().mask);
        assert_ne!(first.field, rendered(Class::Adenocarcinoma, Specimen::Resection, 3).0.field);
    }
}
