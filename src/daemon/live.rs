//! What the camera sees, for whoever looks at the panel: small, and with what it is worth.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hilum_assess::Ready;
use hilum_domain::RefusalCode;
use hilum_imaging::{
    field::rescale,
    slide::{self, Field, SlideContract},
    stain::RunningStains,
};
use hilum_screen::model::{Condition, Live, Picture};
use image::{RgbImage, imageops};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    camera::{Frame, Frames},
    inference::Benches,
};

/// A picture is at most so wide, pixels.
const WIDEST: u32 = 960;
/// Between the beginnings of two verdicts.
const VERDICTS: Duration = Duration::from_millis(200);
/// The stain is the slide's, not a frame's: it is read from the frames that were judged, one of a second ago counting half.
const HALF_LIFE: u16 = 5;
/// A frame is shown for so long at most where nobody looks at another.
const STALE: Duration = Duration::from_secs(10);
/// So much of a picture that is white beyond measure hides tissue.
const CLIPPED: f64 = 0.5;

/// What a frame is worth, and what to do: a message of the catalogues.
type Verdict = (Condition, &'static str);

/// Nobody knows yet.
const CHECKING: Verdict = (Condition::Unknown, "live-checking");

/// A frame in which the network looked, and where.
struct Glimpse {
    picture: Arc<RgbImage>,
    heat: Arc<RgbImage>,
    at: Instant,
}

/// What is made of a frame beside what is shown of it, one of each at a time.
struct Watch {
    bench: Benches,
    /// Somebody asked where the network looks.
    heat: bool,
    verdict: Verdict,
    judging: Option<JoinHandle<Verdict>>,
    judged: Option<Instant>,
    stains: Arc<Mutex<RunningStains>>,
    looking: Option<JoinHandle<Option<Glimpse>>>,
    glimpse: Option<Glimpse>,
}

/// Shows frames at the camera's rate until it is dropped. A frame that comes while one is made small takes its place.
///
/// With `heat` what is shown is the frame in which the network looked last, with where: never the map of one frame over another.
pub(crate) async fn watched(mut frames: Frames, bench: Benches, live: Arc<watch::Sender<Option<Live>>>, heat: bool) {
    let stains = Arc::new(Mutex::new(RunningStains::new(HALF_LIFE)));
    let mut watch =
        Watch { bench, heat, verdict: CHECKING, judging: None, judged: None, stains, looking: None, glimpse: None };
    loop {
        let frame = frames.borrow_and_update().frame().cloned();
        let shown = match frame {
            None => {
                (watch.verdict, watch.glimpse) = (CHECKING, None);
                // What comes next may be another slide.
                watch.stains = Arc::new(Mutex::new(RunningStains::new(HALF_LIFE)));
                None
            }
            Some(frame) => {
                watch.begin(&frame);
                // A picture that cannot be made small is left out.
                let small = spawn_blocking(move || small(&frame.image, WIDEST)).await.ok();
                small.map(|picture| watch.live(picture))
            }
        };
        live.send_replace(shown);
        loop {
            tokio::select! {
                changed = frames.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                made = made(&mut watch.judging) => {
                    (watch.judging, watch.verdict) = (None, made.unwrap_or(CHECKING));
                    live.send_modify(|live| {
                        if let Some(live) = live {
                            (live.condition, live.advice) = watch.verdict;
                        }
                    });
                }
                made = made(&mut watch.looking) => {
                    (watch.looking, watch.glimpse) = (None, made.flatten());
                }
            }
        }
    }
}

/// Waits for what is being made, for ever if nothing is; nothing if that panicked.
async fn made<T>(making: &mut Option<JoinHandle<T>>) -> Option<T> {
    match making {
        Some(making) => making.await.ok(),
        None => std::future::pending().await,
    }
}

impl Watch {
    /// Begins with a frame what is due.
    fn begin(&mut self, frame: &Arc<Frame>) {
        let (ready, busy) = {
            let bench = self.bench.borrow();
            (bench.ready.clone(), bench.busy)
        };
        if self.judging.is_none() && self.judged.is_none_or(|at| at.elapsed() >= VERDICTS) {
            self.judged = Some(Instant::now());
            let (frame, contract) = (Arc::clone(frame), ready.as_ref().map(|ready| ready.model.slide));
            let stains = Arc::clone(&self.stains);
            self.judging = Some(spawn_blocking(move || {
                let mut stains = stains.lock().unwrap_or_else(PoisonError::into_inner);
                contract.map_or(CHECKING, |contract| judge(&frame, &contract, &mut stains))
            }));
        }
        if let Some(ready) = ready
            && self.looking.is_none()
            && self.looks()
            // A case comes first.
            && !busy
        {
            let frame = Arc::clone(frame);
            self.looking = Some(spawn_blocking(move || glimpse(&frame, &ready)));
        }
    }

    /// Whether the network is to look at what there is now.
    fn looks(&self) -> bool {
        self.heat && self.verdict.0 == Condition::Well
    }

    /// What is shown of a frame that was made small.
    fn live(&self, picture: Arc<RgbImage>) -> Live {
        let (condition, advice) = self.verdict;
        let can_heat = self.bench.borrow().ready.is_some();
        let recent = |glimpse: &&Glimpse| self.looks() && glimpse.at.elapsed() < STALE;
        let (picture, heat) = match self.glimpse.as_ref().filter(recent) {
            Some(glimpse) => (Arc::clone(&glimpse.picture), Some(Picture(Arc::clone(&glimpse.heat)))),
            None => (picture, None),
        };
        Live { picture: Picture(picture), condition, advice, heat, can_heat }
    }
}

/// Where the network looks in a frame; nothing if it would be refused.
fn glimpse(frame: &Frame, ready: &Ready) -> Option<Glimpse> {
    let at = Instant::now();
    let field = Field { image: frame.image.as_ref().clone(), scale: frame.scale, colour_file: true };
    let heat = hilum_report::glimpse(field, ready)
        .inspect_err(|error| tracing::warn!(%error, "where the network looks cannot be shown"))
        .ok()??;
    Some(Glimpse { picture: small(&frame.image, WIDEST), heat: small(&Arc::new(heat), WIDEST), at })
}

/// A picture at most so wide, pixels: itself if it is.
pub(crate) fn small(image: &Arc<RgbImage>, widest: u32) -> Arc<RgbImage> {
    if image.width() <= widest {
        return Arc::clone(image);
    }
    let height = (image.height() * widest / image.width()).max(1);
    Arc::new(imageops::thumbnail(image.as_ref(), widest, height))
}

/// What a field that is this frame would be worth to whoever reads it, by the same gate as every field. A frame that passes the rest
/// of the gate is taken into `stains`, by which the slide is judged.
fn judge(frame: &Frame, contract: &SlideContract, stains: &mut RunningStains) -> Verdict {
    let image = frame.image.as_ref();
    let Some(scale) = frame.scale else {
        // What a picture shows comes first: its scale would not help.
        let shown = slide::judge(image, true, 1, 0.0, 0.0);
        return shown.refusal.map_or_else(
            || advice(RefusalCode::ScaleUnknown, 0.0),
            |refusal| advice(refusal.code, shown.exposure.clipped_share),
        );
    };
    if let Some(refusal) = slide::too_coarse(image, scale, 1, contract) {
        return advice(refusal.code, 0.0);
    }
    let image = rescale(image.clone(), scale, contract.scale);
    let quality = slide::judge(&image, true, 1, contract.min_tissue_share, contract.min_focus);
    match quality.refusal {
        Some(refusal) => advice(refusal.code, quality.exposure.clipped_share),
        None => {
            stains.see(&image);
            stains
                .stains()
                .map_or_else(|_| advice(RefusalCode::StainDegenerate, 0.0), |_| (Condition::Well, "live-good"))
        }
    }
}

/// What to do about a field that would be refused, of which so much is white beyond measure.
fn advice(code: RefusalCode, clipped: f64) -> Verdict {
    match code {
        RefusalCode::Blurred => (Condition::Warn, "live-blurred"),
        RefusalCode::TooDark => (Condition::Warn, "live-dark"),
        RefusalCode::Blank | RefusalCode::TooLittleTissue if clipped >= CLIPPED => (Condition::Warn, "live-bright"),
        RefusalCode::Blank | RefusalCode::TooLittleTissue | RefusalCode::TooSmall => {
            (Condition::Warn, "live-no-tissue")
        }
        RefusalCode::NotColour | RefusalCode::StainDegenerate => (Condition::Stop, "live-no-colour"),
        RefusalCode::ScaleUnknown | RefusalCode::ScaleTooCoarse => (Condition::Stop, "live-no-scale"),
        _ => CHECKING,
    }
}

#[cfg(test)]
mod tests {
    use hilum_domain::{MicronsPerPixel, StainMethod};
    use image::Rgb;

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
        }
    }

    #[track_caller]
    fn check(image: RgbImage, um: Option<f64>, want: &str) {
        assert_eq!(judge(&frame(image, um), &contract(), &mut RunningStains::new(HALF_LIFE)).1, want);
    }

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
    }

    /// A pattern as sharp as tissue, of these colours.
    fn pattern(colours: [[u8; 3]; 4]) -> RgbImage {
        RgbImage::from_fn(320, 320, |x, y| Rgb(colours[((x / 4 * 7 + y / 3 * 5) % 4) as usize]))
    }

    #[test]
    fn the_stain_is_that_of_the_last_seconds() {
        let he = pattern([[103, 81, 130], [197, 117, 145], [220, 180, 190], [140, 95, 140]]);
        let one_dye = pattern([[160, 150, 200], [120, 110, 180], [80, 75, 160], [200, 195, 220]]);
        let mut stains = RunningStains::new(HALF_LIFE);
        let mut said = |image: &RgbImage| judge(&frame(image.clone(), Some(0.5)), &contract(), &mut stains).1;
        assert_eq!(said(&one_dye), "live-no-colour");
        (0..60).for_each(|_| {
            said(&he);
        });
        assert_eq!(said(&he), "live-good");
        // One poor frame does not make another slide; twelve seconds of them do.
        assert_eq!(said(&one_dye), "live-good");
        (0..60).for_each(|_| {
            said(&one_dye);
        });
        assert_eq!(said(&one_dye), "live-no-colour");
    }

    #[test]
    fn a_picture_is_made_small_and_keeps_its_shape() {
        let wide = Arc::new(RgbImage::new(1920, 1080));
        assert_eq!(small(&wide, WIDEST).dimensions(), (960, 540));
        let narrow = Arc::new(RgbImage::new(640, 480));
        assert!(Arc::ptr_eq(&small(&narrow, WIDEST), &narrow));
    }
}
