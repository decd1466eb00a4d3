//! Whether a picture can be H&E at all, and whether its red and blue are exchanged.
//!
//! Haematoxylin and eosin both absorb green most: of all that comes before a camera, skin, wood, paper and grass among them,
//! little else does. Red and blue cannot be told by the two hues alone, whose reference vectors nearly mirror each other;
//! but nuclei are dark and blue where the pink around them is light, so that in a picture with its channels exchanged the
//! dark parts are the redder ones.

use image::RgbImage;

use crate::{
    cells::{CELL, Cells},
    field::TissueMask,
    stain::{BETA, I0, Stains},
};

/// What a picture's colours say it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plausibility {
    /// Nothing speaks against H&E.
    Plausible,
    /// Too little of it is stained to tell.
    TooLittle,
    /// Not H&E: a desk, a face, another stain.
    NotStained,
    /// H&E whose red and blue are exchanged.
    Swapped,
}

/// The colours of what is not glass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colours {
    /// The share of pixels on tissue that are coloured and whose green lies well below red and blue, 0 to 1.
    pub green_least_share: f64,
    /// How much bluer dark tissue is than light tissue: the correlation of density with the difference of red's and blue's
    /// part in it, −1 to 1; positive in H&E. `None` where too little is stained.
    pub dark_is_blue: Option<f64>,
    /// How much further, in degrees, the stain vectors lie from the reference when red and blue are exchanged; `None` where
    /// no two stains can be told apart.
    pub fits_better_deg: Option<f64>,
    /// What that comes to.
    pub verdict: Plausibility,
}

/// Under this share of pixels with green lowest, tissue is not H&E. The least of real tiles is 0.31, the most of photographs 0.18.
const LEAST_GREEN_SHARE: f64 = 0.25;
/// A degree of better fit counts as much as this correlation.
const PER_DEGREE: f64 = 0.02;
/// Under this sum of both signs, red and blue are exchanged. The least of real tiles is −0.05.
const SWAPPED: f64 = -0.2;
/// Cells of tissue that are needed to say anything.
const LEAST_CELLS: usize = 20;
/// Stained samples that are needed for the second question.
const LEAST_SAMPLES: usize = 500;
/// Samples that are looked at, at most.
const MOST_SAMPLES: usize = 32_768;
/// Samples of a cell: a grid of every fourth pixel.
const STEP: u32 = 4;

impl Colours {
    /// The colours of a picture's tissue.
    #[must_use]
    pub fn of(image: &RgbImage, tissue: &TissueMask) -> Self {
        Self::of_cells(image, &Cells::of(image), tissue)
    }

    pub(crate) fn of_cells(image: &RgbImage, cells: &Cells, tissue: &TissueMask) -> Self {
        let of_tissue =
            || cells.cells.iter().zip(tissue.cells()).filter(|(_, is_tissue)| **is_tissue).map(|(cell, _)| cell);
        let (mut pixels, mut green_least, mut count) = (0_u64, 0_u64, 0);
        for cell in of_tissue() {
            pixels += u64::from(cell.pixels);
            green_least += u64::from(cell.green_least);
            count += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "pixel counts are far below 2^52")]
        let green_least_share = green_least as f64 / pixels.max(1) as f64;
        if count < LEAST_CELLS {
            let verdict = Plausibility::TooLittle;
            return Self { green_least_share, dark_is_blue: None, fits_better_deg: None, verdict };
        }
        if green_least_share < LEAST_GREEN_SHARE {
            let verdict = Plausibility::NotStained;
            return Self { green_least_share, dark_is_blue: None, fits_better_deg: None, verdict };
        }
        let samples = stained_samples(image, cells, tissue, count);
        let dark_is_blue = (samples.len() >= 3 * LEAST_SAMPLES).then(|| dark_is_blue(&samples));
        let fits_better_deg = Stains::of_pixels(&[&samples]).ok().map(|stains| fits_better_deg(&stains));
        let swapped = dark_is_blue
            .zip(fits_better_deg)
            .is_some_and(|(dark_is_blue, degrees)| dark_is_blue + PER_DEGREE * degrees < SWAPPED);
        let verdict = if swapped { Plausibility::Swapped } else { Plausibility::Plausible };
        Self { green_least_share, dark_is_blue, fits_better_deg, verdict }
    }
}

/// Bytes of R, G, B of a grid of pixels on tissue that absorb in every channel.
fn stained_samples(image: &RgbImage, cells: &Cells, tissue: &TissueMask, count: usize) -> Vec<u8> {
    let a_cell = (CELL / STEP * CELL / STEP) as usize;
    let every = (count * a_cell).div_ceil(MOST_SAMPLES).max(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "205")]
    let faintest = (I0 * libm::exp(-BETA) - 1.0) as u8;
    let stride = 3 * image.width() as usize;
    let mut samples = Vec::with_capacity(3 * MOST_SAMPLES);
    let places = (0..cells.rows).flat_map(|row| (0..cells.columns).map(move |column| (column, row)));
    let of_tissue = places.zip(tissue.cells()).filter(|(_, is_tissue)| **is_tissue).map(|(place, _)| place);
    for (column, row) in of_tissue.step_by(every) {
        let (left, top) = (column * CELL + STEP / 2, row * CELL + STEP / 2);
        for y in (top..((row + 1) * CELL).min(image.height())).step_by(STEP as usize) {
            for x in (left..((column + 1) * CELL).min(image.width())).step_by(STEP as usize) {
                let at = y as usize * stride + 3 * x as usize;
                let pixel = &image.as_raw()[at..at + 3];
                if pixel.iter().all(|&level| level <= faintest) {
                    samples.extend_from_slice(pixel);
                }
            }
        }
    }
    samples
}

/// The correlation of density with red's part in it less blue's.
fn dark_is_blue(samples: &[u8]) -> f64 {
    let density: [f64; 256] = std::array::from_fn(|level| {
        #[expect(clippy::cast_precision_loss, reason = "0 to 255")]
        let level = level as f64;
        -libm::log((level + 1.0) / I0)
    });
    let (mut count, mut sum, mut products) = (0.0, [0.0; 2], [0.0; 3]);
    for pixel in samples.as_chunks::<3>().0 {
        let [r, g, b] = pixel.map(|level| density[usize::from(level)]);
        let dark = r + g + b;
        let blue = (r - b) / dark;
        count += 1.0;
        sum[0] += dark;
        sum[1] += blue;
        products[0] += dark * dark;
        products[1] += blue * blue;
        products[2] += dark * blue;
    }
    let spread = |product: f64, a: f64, b: f64| product - a * b / count;
    let both = spread(products[0], sum[0], sum[0]) * spread(products[1], sum[1], sum[1]);
    if both > 0.0 { spread(products[2], sum[0], sum[1]) / both.sqrt() } else { 0.0 }
}

/// How much further from the reference the stains lie with red and blue exchanged, in degrees.
fn fits_better_deg(stains: &Stains) -> f64 {
    let [red, green, blue] = stains.matrix;
    // Haematoxylin is the one that absorbs more red.
    let order = |[h, e]: [f64; 2]| if blue[0] > blue[1] { [h, e] } else { [e, h] };
    let exchanged = Stains { matrix: [order(blue), order(green), order(red)], ..*stains };
    exchanged.distance_deg() - stains.distance_deg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Random, stain::REFERENCE};

    /// Nuclei in a pink ground, mixed from the reference stains.
    fn stained() -> RgbImage {
        let mut random = Random::new(4, "stained");
        RgbImage::from_fn(256, 256, |x, y| {
            let nucleus = (x / 12 + y / 14) % 3 == 0;
            let (h, e) = (if nucleus { 1.4 } else { 0.12 }, if nucleus { 0.2 } else { 0.5 });
            let (h, e) = (h * random.range(0.7, 1.3), e * random.range(0.7, 1.3));
            image::Rgb(REFERENCE.map(|row| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 240")]
                let level = (I0 * libm::exp(-(row[0] * h + row[1] * e))) as u8;
                level
            }))
        })
    }

    fn coloured(of: impl Fn(f64) -> [f64; 3]) -> RgbImage {
        let mut random = Random::new(9, "coloured");
        RgbImage::from_fn(256, 256, |x, y| {
            let light = f64::from((x / 7 + y / 5) % 9) / 9.0 + random.range(0.0, 0.1);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let level = of(light).map(|level| level as u8);
            image::Rgb(level)
        })
    }

    #[track_caller]
    fn check(image: &RgbImage, want: Plausibility) {
        let found = Colours::of(image, &TissueMask::of(image));
        assert_eq!(found.verdict, want, "{found:?}");
    }

    // verifies: REQ-SLIDE-03
    #[test]
    fn stained_tissue_is_plausible_and_its_mirror_is_named() {
        let mut image = stained();
        check(&image, Plausibility::Plausible);
        image.pixels_mut().for_each(|pixel| pixel.0.reverse());
        check(&image, Plausibility::Swapped);
    }

    // verifies: REQ-SLIDE-03
    #[test]
    fn other_things_are_not_stained() {
        let skin = coloured(|light| [110.0 + 100.0 * light, 70.0 + 85.0 * light, 55.0 + 70.0 * light]);
        let wood = coloured(|light| [80.0 + 90.0 * light, 50.0 + 60.0 * light, 25.0 + 40.0 * light]);
        let keys = coloured(|light| [40.0 + 100.0 * light, 41.0 + 100.0 * light, 44.0 + 100.0 * light]);
        let grass = coloured(|light| [50.0 + 60.0 * light, 80.0 + 90.0 * light, 30.0 + 40.0 * light]);
        // What a video source without a signal gives.
        let levels = |bar: u32| [4, 2, 1].map(|bit| if (7 - bar) & bit == 0 { 0 } else { 191 });
        let bars = RgbImage::from_fn(256, 256, |x, _| image::Rgb(levels(x / 32)));
        for image in [skin, wood, keys, grass, bars] {
            check(&image, Plausibility::NotStained);
        }
    }

    #[test]
    fn clear_glass_tells_nothing() {
        check(&RgbImage::from_pixel(256, 256, image::Rgb([244, 243, 245])), Plausibility::TooLittle);
        check(&RgbImage::new(0, 0), Plausibility::TooLittle);
    }
}
