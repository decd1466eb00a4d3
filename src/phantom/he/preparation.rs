//! How one site prepares, lights and scans its slides.

use crate::Random;

/// Optical density of haematoxylin in R, G, B, unit length (Macenko et al., ISBI 2009, reference matrix).
const HAEMATOXYLIN: [f64; 3] = [0.5626, 0.7201, 0.4062];
/// Optical density of eosin in R, G, B, unit length (same source).
const EOSIN: [f64; 3] = [0.2159, 0.8012, 0.5581];
/// The least angle between the two stains, in degrees; the reference pair is 22° apart.
const LEAST_STAIN_ANGLE_DEG: f64 = 17.0;

/// What one laboratory does to every slide.
struct Site {
    haematoxylin_shift: [f64; 3],
    eosin_shift: [f64; 3],
    gains: [f64; 2],
    light: [f64; 3],
    blur_px: f64,
    noise_levels: f64,
}

/// Four laboratories: a neutral one, a blue and heavy one, a pink and pale one, a yellowish camera.
const SITES: [Site; 4] = [
    Site {
        haematoxylin_shift: [0.0, 0.0, 0.0],
        eosin_shift: [0.0, 0.0, 0.0],
        gains: [1.0, 1.0],
        light: [243.0, 242.0, 244.0],
        blur_px: 0.65,
        noise_levels: 1.4,
    },
    Site {
        haematoxylin_shift: [0.08, -0.03, -0.07],
        eosin_shift: [-0.05, 0.02, -0.02],
        gains: [1.14, 0.90],
        light: [236.0, 239.0, 246.0],
        blur_px: 0.85,
        noise_levels: 1.9,
    },
    Site {
        haematoxylin_shift: [-0.02, 0.03, 0.02],
        eosin_shift: [-0.07, 0.05, -0.07],
        gains: [0.84, 1.12],
        light: [246.0, 243.0, 245.0],
        blur_px: 0.75,
        noise_levels: 1.2,
    },
    Site {
        haematoxylin_shift: [0.05, 0.02, -0.09],
        eosin_shift: [0.01, -0.04, 0.05],
        gains: [0.96, 0.84],
        light: [241.0, 237.0, 229.0],
        blur_px: 0.95,
        noise_levels: 2.3,
    },
];

/// Stain, scanner and preparation of one site; drawn once a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// Optical density of haematoxylin in R, G, B at concentration 1; unit length.
    pub haematoxylin: [f64; 3],
    /// Optical density of eosin in R, G, B at concentration 1; unit length.
    pub eosin: [f64; 3],
    /// Stained concentration per concentration of the tissue, for haematoxylin and eosin, 0.7 to 1.35.
    pub gains: [f64; 2],
    /// Levels of empty glass in R, G, B, 225 to 250.
    pub light: [f64; 3],
    /// Standard deviation of the optics' blur, in px of the field, 0.5 to 1.2.
    pub blur_px: f64,
    /// Standard deviation of the camera's noise, in levels, 1 to 3.
    pub noise_levels: f64,
}

impl Preparation {
    /// The preparation of one case at `site` (0 to 3; others wrap around).
    pub fn draw(site: usize, random: &mut Random) -> Self {
        let site = &SITES[site % SITES.len()];
        let mut shift = |of: [f64; 3]| of.map(|shift| shift + random.normal(0.0, 0.02));
        let (mut h_shift, mut e_shift) = (shift(site.haematoxylin_shift), shift(site.eosin_shift));
        let [haematoxylin, eosin] = loop {
            let pair = [shifted(HAEMATOXYLIN, h_shift), shifted(EOSIN, e_shift)];
            let cosine: f64 = pair[0].iter().zip(pair[1]).map(|(h, e)| h * e).sum();
            if cosine <= libm::cos(LEAST_STAIN_ANGLE_DEG.to_radians()) {
                break pair;
            }
            h_shift = h_shift.map(|shift| shift * 0.7);
            e_shift = e_shift.map(|shift| shift * 0.7);
        };
        let brightness = random.normal(0.0, 2.5);
        Self {
            haematoxylin,
            eosin,
            gains: site.gains.map(|gain| random.log_normal(gain, 0.08).clamp(0.7, 1.35)),
            light: site.light.map(|level| (level + brightness + random.normal(0.0, 0.8)).clamp(225.0, 250.0)),
            blur_px: random.log_normal(site.blur_px, 0.12).clamp(0.5, 1.2),
            noise_levels: random.log_normal(site.noise_levels, 0.15).clamp(1.0, 3.0),
        }
    }
}

/// `vector` moved by `shift`, positive and of unit length.
fn shifted(vector: [f64; 3], shift: [f64; 3]) -> [f64; 3] {
    let moved: [f64; 3] = std::array::from_fn(|channel| (vector[channel] + shift[channel]).max(0.05));
    let length = moved.iter().map(|part| part * part).sum::<f64>().sqrt();
    moved.map(|part| part / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preparations_stay_within_their_bounds() {
        let mut random = Random::new(3, "preparations");
        for case in 0..400 {
            let drawn = Preparation::draw(case % 4, &mut random);
            let cosine: f64 = drawn.haematoxylin.iter().zip(drawn.eosin).map(|(h, e)| h * e).sum();
            assert!(cosine <= libm::cos(LEAST_STAIN_ANGLE_DEG.to_radians()), "{drawn:?}");
            assert!(drawn.light.iter().all(|level| (225.0..=250.0).contains(level)), "{drawn:?}");
            assert!(drawn.gains.iter().all(|gain| (0.7..=1.35).contains(gain)), "{drawn:?}");
        }
    }
}
