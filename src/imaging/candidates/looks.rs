//! What a blob looks like, and how far that speaks for a lesion and against a vessel, a heart or a rib.
//!
//! A linear discriminant over signs of shape and density ranks what the search finds, as in Messay, Hardie and Rogers, "A
//! new computationally efficient CAD system for pulmonary nodule detection in CT imagery", Med Image Anal 2010. The signs
//! are seen along rays from the middle, as pulmonary nodules are measured by star-convex models: where the tissue of the
//! middle ends (a nodule's rim lies at one distance; a vessel's and a wall's rays run on), and what lies beyond.

use super::{Blob, Chest, LUNG_HU, SOFT_TISSUE_HU, real, whole};

/// Half the rays: each has its opposite.
const PAIRS: usize = 64;
/// A ray is followed so many radii, in steps of an eighth.
const FAR: f64 = 3.0;
const STEPS: usize = 24;
/// Rays that are still in the blob's tissue here have left it along a vessel or a wall.
const BEYOND: f64 = 2.0;
/// The radii at which the mean density is taken.
const SHELLS: [f64; 6] = [0.5, 1.0, 1.25, 1.5, 2.0, 2.5];
/// Less contrast than this, in HU, is noise.
const LEAST_CONTRAST_HU: f64 = 30.0;
/// The size to which sizes are compared, in mm.
const USUAL_RADIUS_MM: f64 = 10.0;

/// How many signs there are.
const SIGNS: usize = 19;

/// The signs of a blob. Densities are shares of the way from the lung around it to its middle, so that a faint lesion's are
/// those of a dense one; lengths are in its radii.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    /// What `WEIGHTS` weighs, in its order.
    signs: [f64; SIGNS],
    /// The logarithm of its radius.
    size: f64,
}

/// What one sign adds to the score: by itself, and for each unit of the logarithm of the radius.
type Weight = [f64; 2];

/// Fitted as a conditional logit (McFadden 1974: which of all blobs of a scan is the lesion) with a ridge, on phantoms of the
/// seeds that `docs/candidates.md` names, as `tests/candidates/fit` does; no scan of the measurement took part.
const WEIGHTS: [Weight; SIGNS] = [
    [1.4, 0.6],
    [5.6, -1.9],
    [9.6, 1.7],
    [3.7, 1.1],
    [12.3, 2.3],
    [0.4, 0.7],
    [3.9, 1.7],
    [8.7, -1.1],
    [4.5, -3.5],
    [-0.7, -1.5],
    [-1.9, -3.2],
    [2.5, -6.8],
    [-10.2, 3.9],
    [-31.6, 10.7],
    [-5.2, 3.8],
    [3.7, -1.9],
    [3.8, 0.5],
    [-2.5, 1.1],
    [-6.1, 0.5],
];
/// The same for the logarithm of the radius.
const SIZE_WEIGHT: Weight = [2.6, -1.0];

impl Looks {
    /// The logarithm of the size, and the signs.
    pub(super) fn signs(&self) -> (f64, Vec<f64>) {
        (self.size, self.signs.to_vec())
    }

    /// Larger is more like a lesion: log odds but for a constant.
    pub(super) fn score(&self) -> f64 {
        let linear = |[own, by_size]: Weight| own + by_size * self.size;
        let signs: f64 = self.signs.iter().zip(WEIGHTS).map(|(sign, weight)| sign * linear(weight)).sum();
        signs + self.size * linear(SIZE_WEIGHT)
    }
}

/// Directions that cover the sphere evenly (a spiral), in opposite pairs.
pub(super) fn rays() -> Vec<[f64; 3]> {
    const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653;
    (0..PAIRS)
        .flat_map(|pair| {
            let z = 1.0 - (real(pair) + 0.5) / real(PAIRS);
            let (sin, cos) = libm::sincos(real(pair) * GOLDEN_ANGLE);
            let flat = (1.0 - z * z).sqrt();
            let ray = [flat * cos, flat * sin, z];
            [ray, ray.map(|part| -part)]
        })
        .collect()
}

impl Chest {
    /// The signs of a blob along `rays`, which come in opposite pairs.
    pub(super) fn looks(&self, blob: &Blob, rays: &[[f64; 3]]) -> Looks {
        let radius = blob.radius;
        let (mut core, mut lung) = ((0, 0.0), (0, 0.0));
        let (mut shell, mut aerated, mut thickest) = (0, 0, 0.0_f32);
        self.ball(blob.centre, 2.0 * radius + 2.0, |at, from_centre| {
            let (hu, is_lung) = (f64::from(self.hu[at]), self.is_lung(at));
            if from_centre <= (0.5 * radius).max(1.0) {
                core = (core.0 + 1, core.1 + hu.min(f64::from(SOFT_TISSUE_HU)));
            } else if from_centre > 1.2 * radius && is_lung {
                lung = (lung.0 + 1, lung.1 + hu);
            }
            if from_centre <= radius {
                thickest = thickest.max(self.from_lung[at]);
            } else if from_centre > 1.1 * radius + 0.5 && from_centre <= 1.5 * radius + 1.0 {
                shell += 1;
                aerated += usize::from(is_lung);
            }
        });
        let lung_hu = if lung.0 > 0 { lung.1 / real(lung.0) } else { LUNG_HU };
        let contrast_hu = core.1 / real(core.0.max(1)) - lung_hu;

        let dim = <[usize; 3]>::from(self.hu.dim());
        let place = |ray: [f64; 3], radii: f64| -> Option<[usize; 3]> {
            let at: [f64; 3] = std::array::from_fn(|axis| real(blob.centre[axis]) + ray[axis] * radii * radius + 0.5);
            (0..3).all(|axis| at[axis] >= 0.0 && at[axis] < real(dim[axis])).then(|| at.map(whole))
        };
        // What the scan does not show may be tissue.
        let density = |at: Option<[usize; 3]>| {
            at.map_or(1.0, |at| ((f64::from(self.hu[at]) - lung_hu) / contrast_hu.max(1.0)).clamp(-0.2, 1.2))
        };
        let shells =
            SHELLS.map(|radii| rays.iter().map(|&ray| density(place(ray, radii))).sum::<f64>() / real(rays.len()));

        // Where each ray leaves the tissue, and whether it ran within the lungs' hull until there.
        let ends: Vec<(f64, bool)> = rays
            .iter()
            .map(|&ray| {
                let mut in_hull = true;
                for step in 1..=STEPS {
                    let radii = FAR * real(step) / real(STEPS);
                    let at = place(ray, radii);
                    in_hull &= radii > BEYOND || at.is_some_and(|at| self.hull[at]);
                    if density(at) < 0.5 {
                        return (radii, in_hull);
                    }
                }
                (FAR, in_hull)
            })
            .collect();
        let share = |count: usize, of: usize| real(count) / real(of.max(1));
        let runs_on = |end: &&(f64, bool)| end.0 > BEYOND;
        let leaving = share(ends.iter().filter(runs_on).count(), ends.len());
        let leaving_in_lung = share(ends.iter().filter(|end| runs_on(end) && end.1).count(), ends.len());
        let pairs = ends.chunks_exact(2);
        let through = share(pairs.clone().filter(|pair| pair.iter().all(|end| end.0 > BEYOND)).count(), pairs.len());
        let mut rims: Vec<f64> = ends.iter().map(|end| end.0).collect();
        rims.sort_by(f64::total_cmp);
        let rim = |quarters: usize| rims.get(rims.len() * quarters / 4).copied().unwrap_or(FAR);

        // How much of its surroundings the scan shows, along the axis that shows least: what is cut off looks round.
        let shown = (0..3)
            .map(|axis| {
                let at = blob.centre[axis] + self.corner[axis];
                (real(at.min(self.whole_size[axis] - 1 - at)) + 0.5) / (1.5 * radius)
            })
            .fold(1.0, f64::min);
        let [half, one, one_and_quarter, one_and_half, two, two_and_half] = shells;
        let signs = [
            libm::log(blob.response / 100.0),
            blob.roundness,
            // The share of aerated lung in the shell around it.
            share(aerated, shell),
            // The radius of the largest ball in it that holds no aerated lung: small for forks and folds.
            (f64::from(thickest).sqrt() / radius).min(1.0),
            shown,
            libm::log(contrast_hu.max(LEAST_CONTRAST_HU) / 500.0),
            half,
            one,
            one_and_quarter,
            one_and_half,
            two,
            two_and_half,
            leaving,
            leaving_in_lung,
            through,
            rim(1),
            rim(2),
            rim(3),
            rim(1) * leaving,
        ];
        Looks { signs, size: libm::log(radius * self.step_mm / USUAL_RADIUS_MM) }
    }
}
