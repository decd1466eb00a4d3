//! A synthetic chest CT with one lesion, drawn from a seed.
//!
//! Anatomy and lesion are implicit shapes in patient millimetres, sampled at voxel centres with edges as wide as the
//! scanner's blur; nothing is a picture of a patient. The body's own axes have x to the left, y to the back, z to the
//! head, and 0 between the two hila. Only `+ - * /`, `sqrt`, `floor` and crate `libm` are used, so that every machine
//! writes the same bytes.
//!
//! What the phenotypes look like follows radiology reviews: Travis et al., "The 2015 WHO classification of lung
//! tumors", J Thorac Oncol 2015; Hollings and Shaw, "Diagnostic imaging of lung cancer", Eur Respir J 2002;
//! O'Donovan, "The radiologic appearance of lung cancer", Oncology 1997;11:1387 (where each cell type lies, what it
//! obstructs, which one cavitates); Carter et al., "Small cell lung carcinoma: staging, imaging, and treatment
//! considerations", Radiographics 2014; Snoeckx et al., "Evaluation of the solitary pulmonary nodule: size matters, but
//! do not ignore the power of morphology", Insights Imaging 2018 (benign against malignant). The figures in `signs` are
//! shares of cases of roughly the size these give, widened so that no sign is specific; they are not estimates.

mod anatomy;
mod attenuation;
mod bones;
mod canvas;
mod lesion;
mod scanner;
mod shapes;
mod signs;
mod surroundings;
mod tissue;
mod vessels;

use hilum_domain::{Class, Sex, Smoking};
use hilum_imaging::Volume;
use ndarray::Array3;

use self::{anatomy::Anatomy, canvas::Canvas, lesion::Lesion, scanner::Scanner, signs::Signs};
use crate::Random;

/// How much of the patient is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// 120 mm along z, with the lesion at least 40 mm from both ends.
    Slab120mm,
    /// 300 mm from below the diaphragm to above the apices.
    WholeThorax,
}

/// What to draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// The lesion's class; `Normal` draws a benign lesion that looks like one of the others.
    pub phenotype: Class,
    /// 0 (clear) to 1: emphysema, scarring, motion and noise hide the lesion's signs.
    pub obscurity: f64,
    /// The patient's age in years.
    pub age: f64,
    /// The patient's sex.
    pub sex: Sex,
    /// The patient's smoking history.
    pub smoking: Smoking,
    /// How much is scanned.
    pub extent: Extent,
    /// Columns, and as many rows.
    pub columns: usize,
    /// From slice to slice, in mm.
    pub slice_step_mm: f64,
    /// The lesion's diameter in mm, about; else as usual for the phenotype.
    pub diameter_mm: Option<f64>,
}

/// A drawn scan, with the truth about its lesion.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The scan in HU.
    pub ct: Volume<i16>,
    /// 1 where a voxel's centre lies in the lesion, on the scan's grid. Cavity, necrosis and ground glass belong to the
    /// lesion; spicules, tags, satellites and the lung behind an obstruction do not.
    pub mask: Array3<u8>,
    /// The centroid of the mask, patient LPS, mm.
    pub lesion_lps_mm: [f64; 3],
    /// The diameter of the sphere with the mask's volume.
    pub diameter_mm: f64,
    /// How it lies and what it is made of.
    pub lie: Lie,
}

/// How a lesion lies and what it is made of: what a measurement sorts cases by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lie {
    /// At the hilum.
    pub central: bool,
    /// From its rim to the inner surface of the rib cage, mm; below 0 they overlap.
    pub to_wall_mm: f64,
    /// The share of the radius that is solid; the rest is ground glass.
    pub solid: f64,
}

/// Draws a scan. The same request and the same stream give the same bytes on every machine.
#[must_use]
pub fn render(request: &Request, random: &mut Random) -> Rendered {
    let anatomy = Anatomy::draw(request, random);
    let scanner = Scanner::draw(request, random);
    let signs = Signs::draw(request, anatomy.contrast_hu, random);
    let lesion = Lesion::draw(signs, &anatomy, random);
    let mut canvas = Canvas::place(request, &anatomy, lesion.centre, scanner.softness, random);

    canvas.draw_body(&anatomy);
    canvas.draw_bones(&anatomy, random);
    canvas.draw_vessels(&anatomy, &lesion, random);
    let mask = canvas.draw_lesion(&anatomy, &lesion, random);
    canvas.draw_windpipe(&anatomy, &lesion, random);
    canvas.move_patient(&scanner);
    canvas.add_noise(&scanner);
    canvas.finish(mask, lesion.centre, lesion.lie(&anatomy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::real;

    fn request(phenotype: Class, obscurity: f64) -> Request {
        Request {
            phenotype,
            obscurity,
            age: 66.0,
            sex: Sex::Female,
            smoking: Smoking::Former,
            extent: Extent::Slab120mm,
            columns: 64,
            slice_step_mm: 5.0,
            diameter_mm: None,
        }
    }

    /// FNV-1a over the voxels, little endian.
    fn hash(rendered: &Rendered) -> u64 {
        rendered
            .ct
            .voxels()
            .iter()
            .flat_map(|hu| hu.to_le_bytes())
            .chain(rendered.mask.iter().copied())
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    #[test]
    fn bytes_are_frozen() {
        // Cohorts are regenerated from their seed, on x86-64 and on aarch64: this figure changes with the pictures only.
        let draw = |seed| hash(&render(&request(Class::Adenocarcinoma, 0.5), &mut Random::new(seed, "ct")));
        assert_eq!(draw(1), 0xa019_d23d_6b08_e88f);
        assert_ne!(draw(2), draw(1));
    }

    #[test]
    fn every_phenotype_has_its_lesion_well_inside() {
        for (seed, phenotype) in (0_u64..).zip(Class::ALL.into_iter().chain(Class::ALL)) {
            let obscurity = if seed < 5 { 0.1 } else { 0.95 };
            let rendered = render(&request(phenotype, obscurity), &mut Random::new(seed, "ct"));
            let grid = rendered.ct.grid();
            let [_, _, z] = rendered.lesion_lps_mm;
            let low = grid.origin_lps_mm[2];
            let high = low + real(grid.size[2] - 1) * grid.step_lps_mm[2][2];
            assert!(z - low >= 40.0 && high - z >= 40.0, "{phenotype:?} {low} {z} {high}");
            assert!(rendered.ct.voxels().iter().all(|hu| (-1024..=3071).contains(hu)));

            let inside: Vec<f64> = rendered
                .mask
                .indexed_iter()
                .filter(|(_, inside)| **inside == 1)
                .map(|((k, j, i), _)| {
                    grid.point([real(i), real(j), real(k)])
                        .distance_mm(hilum_domain::Point::new(rendered.lesion_lps_mm))
                })
                .collect();
            // One voxel of these coarse ones is 8 mm across.
            let limit = rendered.diameter_mm.max(10.0);
            assert!(!inside.is_empty(), "{phenotype:?}");
            assert!(inside.iter().any(|&mm| mm < 0.5 * limit), "{phenotype:?}");
            assert!((3.0..110.0).contains(&rendered.diameter_mm), "{phenotype:?} {}", rendered.diameter_mm);

            let lung = rendered.ct.voxels().iter().filter(|hu| (-970..-780).contains(*hu)).count();
            assert!(lung * 14 > rendered.ct.voxels().len(), "{phenotype:?} {lung}");
        }
    }

    #[test]
    fn a_whole_thorax_ends_in_soft_tissue_at_both_ends() {
        let whole = Request { extent: Extent::WholeThorax, slice_step_mm: 10.0, ..request(Class::Normal, 0.2) };
        let rendered = render(&whole, &mut Random::new(3, "ct"));
        let voxels = rendered.ct.voxels();
        assert_eq!(voxels.dim(), (30, 64, 64));
        // Lung within the chest's middle, not beside the table.
        let lung =
            |k: usize| voxels.index_axis(ndarray::Axis(0), k).iter().filter(|hu| (-930..-700).contains(*hu)).count();
        assert!(lung(29) * 3 < lung(15) && lung(0) * 2 < lung(15), "{} {} {}", lung(0), lung(15), lung(29));
    }

    #[test]
    fn obscurity_adds_noise() {
        let spread = |obscurity| {
            (0..4)
                .map(|seed| {
                    let rendered = render(&request(Class::Normal, obscurity), &mut Random::new(seed, "noise"));
                    // Air beside the patient: the upper corners.
                    let corner: Vec<f64> = rendered
                        .ct
                        .voxels()
                        .slice(ndarray::s![.., 0..8, 0..8])
                        .iter()
                        .map(|&hu| f64::from(hu))
                        .collect();
                    let mean = corner.iter().sum::<f64>() / real(corner.len());
                    corner.iter().map(|hu| (hu - mean) * (hu - mean)).sum::<f64>() / real(corner.len())
                })
                .sum::<f64>()
        };
        assert!(spread(1.0) > spread(0.0));
    }
}
