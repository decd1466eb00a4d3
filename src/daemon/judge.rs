//! What a picture of the camera would be worth as a field, for people: by the gate that every field goes through, and what else can
//! be seen of it.

use hilum_domain::{Refusal, RefusalCode};
use hilum_imaging::{
    gate::{Advice, Circumstances, judge_frame},
    slide::SlideContract,
    stain::Stains,
};
use hilum_screen::model::Condition;

use crate::camera::Frame;

/// What a picture is worth, and what to do: a message of the catalogues.
pub(crate) type Verdict = (Condition, &'static str);

/// Nobody knows yet.
pub(crate) const CHECKING: Verdict = (Condition::Unknown, "live-checking");
/// A field that is taken now is a good one.
pub(crate) const GOOD: Verdict = (Condition::Well, "live-good");

/// What was found out about a picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// What else is to be known: a message of the catalogues.
    pub(crate) also: Option<&'static str>,
    /// Why it must not be a field, if it must not.
    pub(crate) refusal: Option<Refusal>,
}

/// Judges a picture. `known` is the slide's stain, where more than this picture is known of it: then the picture's own is not looked
/// for.
pub(crate) fn judge(frame: &Frame, contract: &SlideContract, known: Option<&Stains>) -> Judged {
    let circumstances = Circumstances { scale: frame.scale, stains: known };
    let seen = judge_frame(frame.image.as_ref().clone(), &circumstances, contract);
    let verdict = match seen.advice {
        Advice::Dark => (Condition::Warn, "live-dark"),
        Advice::Clipped => (Condition::Warn, "live-bright"),
        Advice::NoTissue | Advice::LittleTissue | Advice::SmallField => (Condition::Warn, "live-no-tissue"),
        Advice::NotColour | Advice::StainDegenerate => (Condition::Stop, "live-no-colour"),
        Advice::NotStained => (Condition::Stop, "live-not-he"),
        Advice::Swapped => (Condition::Stop, "live-swapped"),
        Advice::ScaleUnknown | Advice::TooCoarse => (Condition::Stop, "live-no-scale"),
        Advice::Blurred => (Condition::Warn, "live-blurred"),
        Advice::StainUnusual | Advice::Pen | Advice::Fold | Advice::Bubble | Advice::Good => GOOD,
    };
    let also = match seen.advice {
        Advice::StainUnusual => Some("live-stain"),
        Advice::Pen => Some("live-pen"),
        Advice::Fold => Some("live-fold"),
        Advice::Bubble => Some("live-bubble"),
        _ => None,
    };
    let refusal = seen.quality.refusal.or_else(|| of_live(seen.advice));
    Judged { verdict, also, refusal }
}

/// What is refused of a camera, and would not be of a file.
fn of_live(advice: Advice) -> Option<Refusal> {
    let because = |code, why: &str| Some(Refusal::new(code, format!("image 1 {why}")));
    match advice {
        Advice::Clipped => because(RefusalCode::Blank, "is too bright to show what is there"),
        Advice::NotStained => because(RefusalCode::NotColour, "shows no tissue that is stained with H&E"),
        Advice::Swapped => because(RefusalCode::NotColour, "has red and blue exchanged"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use hilum_domain::{MicronsPerPixel, StainMethod};
    use image::{Rgb, RgbImage};

    use super::*;

    fn contract() -> SlideContract {
        SlideContract {
            tile_px: 224,
            scale: MicronsPerPixel::plausible(0.5).expect("plausible"),
            min_tissue_share: 0.05,
            min_focus: 0.09,
            stain: StainMethod::Macenko,
            max_stain_distance_deg: 20.0,
        }
    }

    fn frame(image: RgbImage, um: Option<f64>) -> Frame {
        Frame {
            image: Arc::new(image),
            sequence: 1,
            at: Duration::ZERO,
            scale: um.and_then(MicronsPerPixel::plausible),
            is_even: false,
        }
    }

    #[track_caller]
    fn check(image: RgbImage, um: Option<f64>, want: &str) {
        let judged = judge(&frame(image, um), &contract(), None);
        assert_eq!(judged.verdict.1, want);
        assert_eq!(judged.refusal.is_none(), judged.verdict == GOOD);
    }

    /// A pattern as sharp as tissue, of these colours.
    fn pattern(colours: [[u8; 3]; 4]) -> RgbImage {
        RgbImage::from_fn(320, 320, |x, y| Rgb(colours[((x / 4 * 7 + y / 3 * 5) % 4) as usize]))
    }

    const HE: [[u8; 3]; 4] = [[103, 81, 130], [197, 117, 145], [220, 180, 190], [140, 95, 140]];

    #[test]
    fn what_to_do_is_what_the_gate_would_refuse() {
        let flat = |level: [u8; 3]| RgbImage::from_pixel(320, 320, Rgb(level));
        check(flat([4, 4, 4]), Some(0.5), "live-dark");
        check(flat([255, 255, 255]), Some(0.5), "live-bright");
        check(flat([244, 244, 244]), Some(0.5), "live-no-tissue");
        check(flat([120, 120, 120]), Some(0.5), "live-no-colour");
        check(flat([200, 120, 180]), Some(0.5), "live-blurred");
        check(flat([200, 120, 180]), None, "live-no-scale");
        check(flat([200, 120, 180]), Some(4.0), "live-no-scale");
        check(flat([4, 4, 4]), None, "live-dark");
        check(pattern(HE), Some(0.5), "live-good");
    }

    #[test]
    fn a_desk_is_no_tissue_however_sharp_it_is() {
        check(pattern([[150, 110, 70], [200, 160, 110], [120, 80, 50], [180, 140, 90]]), Some(0.5), "live-not-he");
    }

    #[test]
    fn an_unusual_stain_is_said_beside_what_else_is_true() {
        let contract = SlideContract { max_stain_distance_deg: 0.5, ..contract() };
        let judged = judge(&frame(pattern(HE), Some(0.5)), &contract, None);
        assert_eq!((judged.verdict, judged.also), (GOOD, Some("live-stain")));
    }
}
