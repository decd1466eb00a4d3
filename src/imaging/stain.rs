//! How H&E is stained, and what it would look like stained as the reference is.
//!
//! [`Normaliser`] is one of three methods, of which Macenko's is the default; [`Stains`] are the two dyes that two of them find;
//! [`RunningStains`] are those of a moving picture.

mod density;
mod histogram;
mod macenko;
mod reinhard;
mod running;
mod vahadane;

use fearless_simd::{Simd, f32x8};
use hilum_domain::{Refusal, RefusalCode, StainMethod};
use image::RgbImage;

use self::{
    density::{Density, blocks},
    histogram::{Measure, histograms},
};
use crate::{cross, dot, length};

pub use reinhard::{Colours, REFERENCE_COLOURS};
pub use running::RunningStains;

/// Transmitted intensity through clear glass.
pub const I0: f64 = 240.0;
/// The optical density below which a channel counts as glass.
pub const BETA: f64 = 0.15;
/// Robust extremes: the `ALPHA`-th and (100 − `ALPHA`)-th percentile of the angle.
pub const ALPHA: f64 = 1.0;
/// The percentile of a stain's concentration that counts as its maximum.
const MAX_PERCENTILE: f64 = 99.0;
/// Reference stain vectors: `REFERENCE[channel][stain]`, stains H then E.
pub const REFERENCE: StainMatrix = [[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]];
/// Reference maximum concentrations, H then E.
pub const REFERENCE_MAX: [f64; 2] = [1.9705, 1.0308];
/// Fewer stained pixels than this tell nothing about a stain.
const MIN_PIXELS: usize = 500;
/// Two stains closer than this cannot be told apart. Real H&E shows 15° to 45°.
const MIN_ANGLE_DEG: f64 = 4.0;
/// Dyes absorb. An estimate may miss zero by a little (eosin in red), not by this much: that is noise, or no transmitted
/// light.
const LEAST_DENSITY: f64 = -0.25;

/// Optical density of each stain in R, G, B: `[channel][stain]`, stains H then E, columns of unit length.
pub type StainMatrix = [[f64; 2]; 3];

/// The stains of a picture, or of all fields of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stains {
    /// The two stain vectors.
    pub matrix: StainMatrix,
    /// The 99th percentile of each stain's concentration, H then E.
    pub max_concentration: [f64; 2],
}

/// Why no stains could be estimated.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Degenerate {
    /// Nearly all of it is glass.
    #[error("only {found} pixels are stained, {MIN_PIXELS} are needed")]
    TooFewPixels {
        /// Stained pixels found.
        found: usize,
    },
    /// All stained pixels have one hue.
    #[error("the two stains are only {angle_deg:.1} degrees apart")]
    OneStain {
        /// The angle between the estimated vectors.
        angle_deg: f64,
    },
    /// A stain lets more light through than glass.
    #[error("a stain's optical density is {least:.2} in one channel")]
    Negative {
        /// The smallest part of the estimated vectors.
        least: f64,
    },
    /// A stain has no positive concentration.
    #[error("a stain's largest concentration is not positive")]
    NoConcentration,
    /// A channel of L\*a\*b\* hardly varies.
    #[error("its colours vary by only {deviation:.1} units of L*a*b* in one channel")]
    OneColour {
        /// The smallest standard deviation.
        deviation: f64,
    },
}

/// What brings a picture to the reference's stain, by one of the methods. Only those that look for dyes have [`Stains`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Normaliser {
    /// Macenko's stain vectors.
    Macenko(Stains),
    /// Vahadane's.
    Vahadane(Stains),
    /// Reinhard's colour statistics.
    Reinhard(Colours),
}

impl Normaliser {
    /// For one picture, from all its pixels.
    ///
    /// # Errors
    /// [`Degenerate`] if no two stains can be told apart.
    pub fn of_image(method: StainMethod, image: &RgbImage) -> Result<Self, Degenerate> {
        Self::of_pixels(method, &[image.as_raw()])
    }

    /// For pixels gathered from anywhere: each slice holds R, G, B bytes.
    ///
    /// Every method needs what Macenko's does, two stains that can be told apart: where it finds none, the picture is not H&E,
    /// however good its colour statistics are.
    ///
    /// # Errors
    /// [`Degenerate`] if no two stains can be told apart.
    pub fn of_pixels(method: StainMethod, parts: &[&[u8]]) -> Result<Self, Degenerate> {
        let density = Density::table();
        let blocks = blocks(parts);
        let vectors = macenko::vectors(&blocks, &density)?;
        match method {
            StainMethod::Macenko => Stains::along(vectors, &blocks, &density).map(Self::Macenko),
            StainMethod::Vahadane => {
                let vectors = vahadane::vectors(&blocks, &density, &vectors)?;
                Stains::along(vectors, &blocks, &density).map(Self::Vahadane)
            }
            StainMethod::Reinhard => Colours::of(&blocks).map(Self::Reinhard),
        }
    }

    /// Which method it is.
    #[must_use]
    pub const fn method(&self) -> StainMethod {
        match self {
            Self::Macenko(_) => StainMethod::Macenko,
            Self::Vahadane(_) => StainMethod::Vahadane,
            Self::Reinhard(_) => StainMethod::Reinhard,
        }
    }

    /// The dyes, where the method looks for them.
    #[must_use]
    pub const fn stains(&self) -> Option<&Stains> {
        match self {
            Self::Macenko(stains) | Self::Vahadane(stains) => Some(stains),
            Self::Reinhard(_) => None,
        }
    }

    /// A picture of this stain as it would look with the reference's, level by level.
    #[must_use]
    pub fn normalise(&self, image: &RgbImage) -> RgbImage {
        match self {
            Self::Macenko(stains) | Self::Vahadane(stains) => stains.normalise(image),
            Self::Reinhard(colours) => colours.normalise(image),
        }
    }
}

impl From<Degenerate> for Refusal {
    fn from(reason: Degenerate) -> Self {
        Self::new(RefusalCode::StainDegenerate, format!("the stain cannot be read: {reason}"))
    }
}

impl Stains {
    /// Macenko's stains of one picture: vectors from its pixels with OD ≥ β in every channel, maxima over all its pixels.
    ///
    /// # Errors
    /// [`Degenerate`] if no two stains can be told apart.
    pub fn of_image(image: &RgbImage) -> Result<Self, Degenerate> {
        Self::of_pixels(&[image.as_raw()])
    }

    /// Macenko's stains of pixels gathered from anywhere: each slice holds R, G, B bytes.
    ///
    /// # Errors
    /// [`Degenerate`] if no two stains can be told apart.
    pub fn of_pixels(parts: &[&[u8]]) -> Result<Self, Degenerate> {
        let density = Density::table();
        let blocks = blocks(parts);
        let matrix = macenko::vectors(&blocks, &density)?;
        Self::along(matrix, &blocks, &density)
    }

    /// With these vectors, and the largest concentrations of all pixels.
    fn along(matrix: StainMatrix, blocks: &[&[[u8; 3]]], density: &Density) -> Result<Self, Degenerate> {
        let unmix = density.projected(pseudo_inverse(&matrix));
        let concentrations = histograms(blocks, &unmix, &Concentrations);
        Self::with_maxima(matrix, concentrations.map(|stain| stain.percentile(MAX_PERCENTILE)))
    }

    fn with_maxima(matrix: StainMatrix, max_concentration: [f64; 2]) -> Result<Self, Degenerate> {
        if max_concentration.iter().any(|&max| max.is_nan() || max <= 1e-3) {
            return Err(Degenerate::NoConcentration);
        }
        Ok(Self { matrix, max_concentration })
    }

    /// The largest angle between an estimated stain vector and its reference, in degrees.
    #[must_use]
    pub fn distance_deg(&self) -> f64 {
        let column = |matrix: &StainMatrix, stain: usize| -> [f64; 3] { std::array::from_fn(|c| matrix[c][stain]) };
        (0..2)
            .map(|stain| angle_between_deg(column(&self.matrix, stain), column(&REFERENCE, stain)))
            .fold(0.0, f64::max)
    }

    /// A picture of these stains as it would look with the reference stains, level by level.
    #[must_use]
    pub fn normalise(&self, image: &RgbImage) -> RgbImage {
        let unmix = pseudo_inverse(&self.matrix);
        // Unmix, scale each concentration to the reference's maximum, mix with the reference: one 3×3 matrix.
        let to_reference: [[f64; 3]; 3] = std::array::from_fn(|out| {
            std::array::from_fn(|channel| {
                (0..2)
                    .map(|s| REFERENCE[out][s] * REFERENCE_MAX[s] / self.max_concentration[s] * unmix[s][channel])
                    .sum::<f64>()
            })
        });
        let mut normalised = RgbImage::new(image.width(), image.height());
        Density::table().transmitted(to_reference).apply(image.as_raw(), &mut normalised);
        normalised
    }
}

/// The concentrations of both stains, H then E.
struct Concentrations;

impl Measure<2> for Concentrations {
    const RANGE: (f32, f32) = (-4.0, 12.0);

    #[inline(always)]
    fn of<S: Simd>(&self, _: S, h: f32x8<S>, e: f32x8<S>) -> [f32x8<S>; 2] {
        [h, e]
    }
}

/// The least-squares inverse of a 3×2 matrix: (AᵀA)⁻¹Aᵀ.
fn pseudo_inverse(matrix: &StainMatrix) -> [[f64; 3]; 2] {
    let h: [f64; 3] = std::array::from_fn(|channel| matrix[channel][0]);
    let e: [f64; 3] = std::array::from_fn(|channel| matrix[channel][1]);
    let (hh, he, ee) = (dot(h, h), dot(h, e), dot(e, e));
    let determinant = hh * ee - he * he;
    [
        std::array::from_fn(|channel| (ee * h[channel] - he * e[channel]) / determinant),
        std::array::from_fn(|channel| (hh * e[channel] - he * h[channel]) / determinant),
    ]
}

fn angle_between_deg(a: [f64; 3], b: [f64; 3]) -> f64 {
    let perpendicular = cross(a, b);
    libm::atan2(length(perpendicular), dot(a, b)).to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::unit;

    /// A stain matrix of two vectors of any length.
    pub(super) fn pair(h: [f64; 3], e: [f64; 3]) -> StainMatrix {
        let (h, e) = (unit(h), unit(e));
        std::array::from_fn(|channel| [h[channel], e[channel]])
    }

    /// By how much a stain differs, in degrees.
    pub(super) fn between_deg(a: &StainMatrix, b: &StainMatrix, stain: usize) -> f64 {
        let [a, b] = [a, b].map(|matrix| std::array::from_fn(|channel| matrix[channel][stain]));
        angle_between_deg(a, b)
    }

    /// A picture mixed by Beer-Lambert from the two vectors of `matrix`.
    pub(super) fn mixed(matrix: &StainMatrix, strength: [f64; 2]) -> RgbImage {
        RgbImage::from_fn(96, 96, |x, y| {
            let h = strength[0] * f64::from((x * 7 + y * 3) % 32) / 31.0;
            let e = strength[1] * f64::from((x * 5 + y * 11) % 32) / 31.0;
            image::Rgb(std::array::from_fn(|channel| {
                let level = I0 * libm::exp(-(matrix[channel][0] * h + matrix[channel][1] * e)) - 1.0;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 239")]
                let level = level.round() as u8;
                level
            }))
        })
    }

    #[test]
    fn vectors_that_were_mixed_in_are_found_again() {
        let matrix = pair([0.65, 0.70, 0.29], [0.30, 0.80, 0.52]);
        let stains = Stains::of_image(&mixed(&matrix, [1.6, 0.9])).expect("two stains");
        for stain in 0..2 {
            let apart = between_deg(&stains.matrix, &matrix, stain);
            assert!(apart < 4.0, "stain {stain} is {apart} degrees away: {stains:?}");
        }
    }

    // verifies: REQ-SLIDE-04
    #[test]
    fn what_shows_no_two_stains_is_degenerate_by_every_method() {
        let of = |colour: &dyn Fn(u32, u32) -> [u8; 3]| RgbImage::from_fn(64, 64, |x, y| image::Rgb(colour(x, y)));
        let dye = |x: u32, y: u32| {
            let amount = 0.3 + f64::from((x * 7 + y * 3) % 32) / 20.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 239")]
            [0.65, 0.70, 0.29].map(|part| (I0 * libm::exp(-part * amount) - 1.0).round() as u8)
        };
        let pictures = [
            ("white", of(&|_, _| [250; 3])),
            ("black", of(&|_, _| [0; 3])),
            ("one colour", of(&|_, _| [120, 60, 140])),
            ("grey", of(&|x, y| [u8::try_from((x + y) % 180).unwrap_or(0); 3])),
            ("one stain", of(&dye)),
            ("nothing", RgbImage::new(0, 0)),
        ];
        for (name, picture) in pictures {
            for method in StainMethod::ALL {
                let found = Normaliser::of_image(method, &picture);
                assert!(found.is_err(), "{name}, {}: {found:?}", method.name());
            }
        }
    }

    #[test]
    fn every_method_says_its_name_and_brings_two_stainings_together() {
        let [strong, weak] = [
            mixed(&pair([0.65, 0.70, 0.29], [0.27, 0.85, 0.45]), [1.6, 1.2]),
            mixed(&pair([0.55, 0.75, 0.37], [0.20, 0.90, 0.38]), [0.9, 0.8]),
        ];
        let apart = |a: &RgbImage, b: &RgbImage| {
            a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
        };
        for method in StainMethod::ALL {
            let [first, second] = [&strong, &weak].map(|picture| {
                let normaliser = Normaliser::of_image(method, picture).expect("two stains");
                assert_eq!(
                    (normaliser.method(), normaliser.stains().is_none()),
                    (method, method == StainMethod::Reinhard)
                );
                normaliser.normalise(picture)
            });
            assert!(3 * apart(&first, &second) < apart(&strong, &weak), "{}", method.name());
        }
    }

    #[test]
    fn results_do_not_depend_on_the_threads() {
        let image = mixed(&pair([0.65, 0.70, 0.29], [0.27, 0.85, 0.45]), [1.6, 1.2]);
        let many = RgbImage::from_raw(96 * 7, 96, image.as_raw().repeat(7)).expect("seven of them");
        for method in StainMethod::ALL {
            let of = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
                pool.install(|| Normaliser::of_image(method, &many).map(|found| (found, found.normalise(&many))))
            };
            assert_eq!(of(1), of(3), "{}", method.name());
        }
    }

    /// The networks of bundles in the field were trained on these bytes: if this fails, the code is wrong.
    #[test]
    fn macenkos_bytes_are_frozen() {
        let image = mixed(&pair([0.65, 0.70, 0.29], [0.27, 0.85, 0.45]), [1.6, 1.2]);
        let bytes = Stains::of_image(&image).expect("two stains").normalise(&image);
        let hash = bytes.as_raw().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        assert_eq!(hash, 0x4816_250b_fe08_ad29, "FNV-1a");
    }
}
