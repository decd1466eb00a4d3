//! Judges a live frame at once: whether what it shows could be read if it were captured, and what to do about it if not.

use hilum_domain::{MicronsPerPixel, Refusal, RefusalCode};
use image::RgbImage;

use crate::{
    artefacts::Artefacts,
    cells::Cells,
    field::{self, TissueMask},
    plausible::{Colours, Plausibility},
    slide::{self, FieldQuality, SlideContract},
    stain::Stains,
};

/// What is wrong with a frame, the first in order of importance. Up to [`Advice::StainDegenerate`] the frame is of no use; from
/// [`Advice::StainUnusual`] on it can be read, with care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Advice {
    /// Light too low, or off.
    Dark,
    /// Light too high: what is white may have been tissue.
    Clipped,
    /// No tissue at all.
    NoTissue,
    /// No colour.
    NotColour,
    /// Not H&E.
    NotStained,
    /// Red and blue are exchanged.
    Swapped,
    /// Some tissue, not enough.
    LittleTissue,
    /// How large a pixel is on the slide is not known.
    ScaleUnknown,
    /// Too low a power: nuclei cannot be seen.
    TooCoarse,
    /// Out of focus.
    Blurred,
    /// Less than a tile at the network's scale.
    SmallField,
    /// The stains cannot be told apart.
    StainDegenerate,
    /// The stain is far from the reference.
    StainUnusual,
    /// Ink is suspected.
    Pen,
    /// A fold is suspected.
    Fold,
    /// An air bubble is suspected.
    Bubble,
    /// Nothing is wrong.
    Good,
}

/// What is known of a frame beside its pixels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// Its scale, where it is known.
    pub scale: Option<MicronsPerPixel>,
    /// The stains of the case so far. Without them they are estimated from the frame, which takes most of the time.
    pub stains: Option<&'a Stains>,
}

/// What the gate saw in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Light, tissue and focus at the network's scale, and the refusal that the captured field would get, if it would.
    pub quality: FieldQuality,
    /// What its colours say it shows.
    pub colours: Colours,
    /// What spoils it.
    pub artefacts: Artefacts,
    /// How far the stains lie from the reference, in degrees; `None` where they cannot be told.
    pub stain_distance_deg: Option<f64>,
    /// The first thing to be told.
    pub advice: Advice,
}

/// More than this share of clipped pixels in a field with tissue hides some of it. Clear glass may be clipped.
const MOST_CLIPPED: f64 = 0.5;
/// From these shares of a field on, an artefact is told.
const LEAST_SPOILED: f64 = 0.01;

/// Judges a frame at the scale the network reads.
///
/// `quality.refusal` is there exactly where [`slide::read_slide`] would refuse the frame as a case's only field. Where
/// `stains` are given they are taken as they are: a frame that passes then could be refused only for a stain of its own
/// that cannot be told. [`Advice`] knows more reasons against a frame than that: clipped light, no H&E, exchanged channels.
#[must_use]
pub fn judge_frame(image: RgbImage, circumstances: &Circumstances<'_>, contract: &SlideContract) -> Frame {
    let Some(scale) = circumstances.scale else {
        let cells = Cells::of(&image);
        let tissue = TissueMask::of_cells(&cells, &image);
        let mut quality = slide::judge_on(&image, &cells, &tissue, true, 1, 0.0, 0.0);
        quality.refusal.get_or_insert_with(|| slide::scale_unknown(1));
        return Frame::told(&image, &cells, &tissue, quality, None, contract);
    };
    if let Some(refusal) = slide::too_coarse(&image, scale, 1, contract) {
        let cells = Cells::of(&image);
        let tissue = TissueMask::of_cells(&cells, &image);
        let quality = slide::judge_on(&image, &cells, &tissue, true, 1, contract.min_tissue_share, contract.min_focus);
        let quality = FieldQuality { refusal: Some(refusal), ..quality };
        return Frame::told(&image, &cells, &tissue, quality, None, contract);
    }
    let image = field::rescale(image, scale, contract.scale);
    let cells = Cells::of(&image);
    let tissue = TissueMask::of_cells(&cells, &image);
    let mut quality = slide::judge_scaled(&image, &cells, &tissue, true, 1, contract);
    let mut stains = circumstances.stains.copied();
    if quality.refusal.is_none() {
        if stains.is_none() {
            match Stains::of_pixels(&[&slide::tissue_pixels(&image, &tissue)]) {
                Ok(found) => stains = Some(found),
                Err(degenerate) => quality.refusal = Some(degenerate.into()),
            }
        }
        let (width, height) = image.dimensions();
        let no_tile = field::tiles(width, height, &tissue, contract.tile_px, contract.min_tissue_share).is_empty();
        if no_tile && quality.refusal.is_none() {
            quality.refusal = Some(slide::no_tile(1));
        }
    }
    Frame::told(&image, &cells, &tissue, quality, stains, contract)
}

impl Frame {
    fn told(
        image: &RgbImage,
        cells: &Cells,
        tissue: &TissueMask,
        quality: FieldQuality,
        stains: Option<Stains>,
        contract: &SlideContract,
    ) -> Self {
        let colours = Colours::of_cells(image, cells, tissue);
        let artefacts = Artefacts::of_cells(cells, tissue);
        let stain_distance_deg = stains.map(|stains| stains.distance_deg());
        let unusual = stain_distance_deg.is_some_and(|distance| distance > contract.max_stain_distance_deg);
        let clipped = quality.exposure.clipped_share > MOST_CLIPPED && quality.tissue_share < 1.0 - MOST_CLIPPED;
        let suspicions = [
            (refused(quality.refusal.as_ref()), true),
            (Advice::Clipped, clipped),
            (Advice::NotStained, colours.verdict == Plausibility::NotStained),
            (Advice::Swapped, colours.verdict == Plausibility::Swapped),
            (Advice::StainUnusual, unusual),
            (Advice::Pen, artefacts.pen_share >= LEAST_SPOILED),
            (Advice::Fold, artefacts.fold_share >= LEAST_SPOILED),
            (Advice::Bubble, artefacts.bubble_share >= LEAST_SPOILED),
        ];
        let told = suspicions.into_iter().filter(|(_, suspected)| *suspected).map(|(advice, _)| advice);
        let advice = told.min().unwrap_or(Advice::Good);
        Self { quality, colours, artefacts, stain_distance_deg, advice }
    }
}

/// The advice that belongs to a refusal.
fn refused(refusal: Option<&Refusal>) -> Advice {
    match refusal.map(|refusal| refusal.code) {
        None => Advice::Good,
        Some(RefusalCode::TooDark) => Advice::Dark,
        Some(RefusalCode::Blank) => Advice::NoTissue,
        Some(RefusalCode::NotColour) => Advice::NotColour,
        Some(RefusalCode::ScaleUnknown) => Advice::ScaleUnknown,
        Some(RefusalCode::ScaleTooCoarse) => Advice::TooCoarse,
        Some(RefusalCode::Blurred) => Advice::Blurred,
        Some(RefusalCode::TooSmall) => Advice::SmallField,
        Some(RefusalCode::StainDegenerate) => Advice::StainDegenerate,
        // No other refusal is given to a field.
        Some(_) => Advice::LittleTissue,
    }
}

#[cfg(test)]
mod tests {
    use hilum_domain::StainMethod;
    use image::imageops;

    use super::*;
    use crate::{Random, slide::Field, stain::REFERENCE};

    fn um(um: f64) -> MicronsPerPixel {
        MicronsPerPixel::new(um).expect("positive")
    }

    fn contract() -> SlideContract {
        SlideContract {
            tile_px: 64,
            scale: um(0.5),
            min_tissue_share: 0.05,
            min_focus: 0.1,
            stain: StainMethod::Macenko,
            max_stain_distance_deg: 25.0,
        }
    }

    /// Nuclei in a pink ground on the left `share` of the picture, mixed from the reference stains.
    fn tissue(width: u32, height: u32, share: f64) -> RgbImage {
        let mut random = Random::new(4, "gate");
        let mut image = RgbImage::from_pixel(width, height, image::Rgb([242, 241, 243]));
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            if f64::from(x) < share * f64::from(width) {
                let nucleus = (x / 9 + y / 11) % 3 == 0;
                let (h, e) = if nucleus { (1.4, 0.2) } else { (0.12, 0.5) };
                let (h, e) = (h * random.range(0.6, 1.4), e * random.range(0.6, 1.4));
                pixel.0 = REFERENCE.map(|row| {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 240")]
                    let level = (240.0 * libm::exp(-(row[0] * h + row[1] * e))) as u8;
                    level
                });
            }
        }
        image
    }

    fn changed(mut image: RgbImage, change: impl Fn([u8; 3]) -> [u8; 3]) -> RgbImage {
        image.pixels_mut().for_each(|pixel| pixel.0 = change(pixel.0));
        image
    }

    #[track_caller]
    fn check(image: RgbImage, scale: Option<f64>, want: Advice) -> Frame {
        let circumstances = Circumstances { scale: scale.map(um), ..Circumstances::default() };
        let frame = judge_frame(image.clone(), &circumstances, &contract());
        assert_eq!(frame.advice, want, "{frame:?}");
        // What is refused here is what would be refused when captured, for the same reason.
        let field = Field { image, scale: scale.map(um), colour_file: true };
        let captured = slide::read_slide(vec![field], None, &contract(), &mut |_, _| ()).err();
        assert_eq!(frame.quality.refusal, captured);
        frame
    }

    #[test]
    fn every_frame_has_its_advice() {
        let good = || tissue(256, 256, 1.0);
        check(good(), Some(0.5), Advice::Good);
        check(changed(good(), |pixel| pixel.map(|level| level / 8)), Some(0.5), Advice::Dark);
        check(RgbImage::from_pixel(256, 256, image::Rgb([250; 3])), Some(0.5), Advice::NoTissue);
        check(RgbImage::from_pixel(256, 256, image::Rgb([255; 3])), Some(0.5), Advice::Clipped);
        let washed = changed(tissue(256, 256, 0.3), |pixel| pixel.map(|level| if level > 235 { 255 } else { level }));
        check(washed, Some(0.5), Advice::Clipped);
        check(RgbImage::from_pixel(256, 256, image::Rgb([120; 3])), Some(0.5), Advice::NotColour);
        check(changed(good(), |[r, g, b]| [g, r, b]), Some(0.5), Advice::NotStained);
        check(changed(good(), |[r, g, b]| [b, g, r]), Some(0.5), Advice::Swapped);
        check(tissue(640, 640, 0.03), Some(0.5), Advice::LittleTissue);
        check(good(), None, Advice::ScaleUnknown);
        check(good(), Some(3.0), Advice::TooCoarse);
        check(imageops::blur(&good(), 6.0), Some(0.5), Advice::Blurred);
        check(tissue(60, 60, 1.0), Some(0.5), Advice::SmallField);
        // The same place at a higher power.
        check(imageops::resize(&good(), 512, 512, imageops::FilterType::Triangle), Some(0.25), Advice::Good);
    }

    #[test]
    fn what_is_only_a_warning_refuses_nothing() {
        let reference = Stains { matrix: REFERENCE, max_concentration: [1.9, 1.0] };
        let mut odd = reference;
        odd.matrix = [[0.9, 0.1], [0.3, 0.6], [0.2, 0.79]];
        for (stains, want) in [(&reference, Advice::Good), (&odd, Advice::StainUnusual)] {
            let circumstances = Circumstances { scale: Some(um(0.5)), stains: Some(stains) };
            let frame = judge_frame(tissue(256, 256, 1.0), &circumstances, &contract());
            assert_eq!((frame.advice, frame.quality.refusal), (want, None));
        }
    }

    /// Frames of every kind between good and hopeless: the gate and the reading of a captured field never disagree.
    // verifies: REQ-SLIDE-01
    #[test]
    fn a_frame_that_passes_can_be_read() {
        let mut random = Random::new(12, "frames");
        let (mut passed, mut refused) = (0, 0);
        for _ in 0..60 {
            let (width, height) = (40 + random.below(260), 40 + random.below(260));
            let [width, height] = [width, height].map(|edge| u32::try_from(edge).expect("small"));
            let share = if random.chance(0.5) { 1.0 } else { random.range(0.0, 0.3) };
            let image = tissue(width, height, share);
            #[expect(clippy::cast_possible_truncation, reason = "test")]
            let sigma = random.range(0.3, 4.0) as f32;
            let image = if random.chance(0.5) { imageops::blur(&image, sigma) } else { image };
            let light = random.range(0.1, 1.1);
            let image = changed(image, |pixel| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
                let level = pixel.map(|level| (f64::from(level) * light) as u8);
                level
            });
            let scale = [0.2, 0.25, 0.4, 0.5, 0.502, 1.0, 2.5][random.below(7)];
            let circumstances = Circumstances { scale: Some(um(scale)), ..Circumstances::default() };
            let frame = judge_frame(image.clone(), &circumstances, &contract());
            let field = Field { image, scale: Some(um(scale)), colour_file: true };
            let captured = slide::read_slide(vec![field], None, &contract(), &mut |_, _| ()).err();
            assert_eq!(frame.quality.refusal, captured);
            *if captured.is_some() { &mut refused } else { &mut passed } += 1;
        }
        assert!(passed > 5 && refused > 5, "{passed} passed, {refused} refused");
    }
}
