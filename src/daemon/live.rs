//! What the camera sees, for whoever looks at the panel: every picture small, with what it is worth, and where the network looked
//! last, if that place is still seen.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hilum_assess::{
    Ready,
    preview::{Glance, Preview, displaced},
};
use hilum_device::linux::since_boot;
use hilum_domain::{CaseNumber, StainMethod};
use hilum_imaging::{
    registration::Thumb,
    slide::{Field, SlideContract},
    stain::{Normaliser, RunningStains, Stains},
    triangle,
};
use hilum_screen::model::{Condition, Live, NO_CAMERA, Picture, Sight};
use image::RgbImage;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::spawn_blocking,
};

use crate::{
    camera::{Frame, Frames, Seen},
    capture::Album,
    inference::Benches,
    judge::{self, CHECKING, GOOD, Verdict},
    lane::Lanes,
    optics::Optics,
};

/// A picture is at most so wide, pixels.
const WIDEST: u32 = 960;
/// Every so many pictures the stain is looked at: it is the slide's, and changes slowly.
const STAIN_EVERY: u64 = 6;
/// A picture counts half as much for the stain once so many further ones were looked at: two seconds.
const HALF_LIFE: u16 = 10;
/// A map is shown for so long at most where the network does not look again.
const STALE: Duration = Duration::from_secs(10);

/// How hard the board has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strain {
    /// Not at all.
    None,
    /// It is warm: the network rests as long as it looked.
    Warm,
    /// It is too hot: the network does not look.
    Hot,
    /// The power supply is weak: as if it were warm.
    Weak,
}

impl Strain {
    /// What is said of it: a message in the catalogues.
    const fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Warm => Some("live-warm"),
            Self::Hot => Some("live-hot"),
            Self::Weak => Some("live-power"),
        }
    }
}

/// Where what is shown comes from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) frames: Frames,
    pub(crate) bench: Benches,
    pub(crate) strain: watch::Receiver<Strain>,
    pub(crate) optics: Option<Arc<Optics>>,
    pub(crate) album: Arc<Mutex<Album>>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) lanes: Lanes,
}

/// What whoever looks wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wants {
    /// Whose fields are taken.
    pub(crate) case: CaseNumber,
    /// Where the network looks.
    pub(crate) heat: bool,
    /// Fields are taken by themselves.
    pub(crate) auto: bool,
}

/// A picture in which the network looked, and where.
struct Glimpse {
    heat: Arc<RgbImage>,
    thumb: Arc<Thumb>,
    /// When the picture came from the camera.
    came: Duration,
    at: Instant,
}

/// What is kept from picture to picture.
struct Memory {
    preview: Preview,
    stains: RunningStains,
    /// The slide's stain, as it is known by now.
    stain: Option<Stains>,
    verdict: Verdict,
    also: Option<&'static str>,
}

impl Memory {
    fn new() -> Box<Self> {
        let stains = RunningStains::new(HALF_LIFE);
        Box::new(Self { preview: Preview::default(), stains, stain: None, verdict: CHECKING, also: None })
    }
}

/// What was made of a picture.
struct Looked {
    memory: Box<Memory>,
    thumb: Arc<Thumb>,
    picture: Arc<RgbImage>,
    heat: Option<Arc<RgbImage>>,
    verdict: Verdict,
    also: Option<&'static str>,
    /// A field is to be taken.
    takes: bool,
}

/// Shows pictures at the camera's rate until it is dropped. A picture that comes while one is looked at takes the place of the one
/// that waits. `takes` is told when a field is to be taken by itself.
pub(crate) async fn watched(
    mut sources: Sources,
    wants: Wants,
    live: Arc<watch::Sender<Sight>>,
    takes: mpsc::Sender<()>,
) {
    let mut memory = Memory::new();
    let mut last = None;
    let mut glimpse: Option<Arc<Glimpse>> = None;
    let mut looking: Option<oneshot::Receiver<Option<Glimpse>>> = None;
    let mut rests = Instant::now();
    loop {
        let seen = sources.frames.borrow_and_update().clone();
        match seen {
            Seen::Nothing(fault) => {
                // What comes next may be another slide.
                (memory, last, glimpse) = (Memory::new(), None, None);
                drop(live.send_replace(Err(no_picture(fault))));
            }
            Seen::Frame(frame) if last != Some(frame.sequence) => {
                let (ready, busy) = {
                    let bench = sources.bench.borrow();
                    (bench.ready.clone(), bench.busy)
                };
                let strain = *sources.strain.borrow();
                let fields = sources.album.lock().unwrap_or_else(PoisonError::into_inner).of(wants.case);
                let contract = ready.as_ref().map(|ready| ready.model.slide);
                glimpse = glimpse.filter(|glimpse| glimpse.at.elapsed() < STALE && wants.heat);
                let (over, of) = (glimpse.clone(), Arc::clone(&frame));
                let began = std::mem::replace(&mut memory, Memory::new());
                let lanes = sources.lanes.clone();
                let looked = spawn_blocking(move || {
                    lanes.shown(|| look(began, &of, contract, &fields, over.as_deref(), wants.auto))
                });
                // What cannot be looked at is left out.
                let Ok(looked) = looked.await else { continue };
                memory = looked.memory;
                sources.figures.shown(last, frame.sequence);
                last = Some(frame.sequence);
                if let (Some(glimpse), true) = (&glimpse, looked.heat.is_some()) {
                    sources.figures.lay(glimpse.came);
                }
                let is_good = looked.verdict.0 == Condition::Well;
                let rested = Instant::now() >= rests && strain != Strain::Hot;
                // A case comes first.
                if let Some(ready) = &ready
                    && wants.heat
                    && is_good
                    && rested
                    && !busy
                    && looking.is_none()
                {
                    let (ready, thumb) = (Arc::clone(ready), Arc::clone(&looked.thumb));
                    // The other methods look at each picture anew.
                    let is_macenko = ready.model.slide.stain == StainMethod::Macenko;
                    let stain = memory.stain.filter(|_| is_macenko).map(Normaliser::Macenko);
                    let frame = Arc::clone(&frame);
                    looking = Some(sources.lanes.looked(move || glimpsed(&frame, thumb, stain, &ready)));
                }
                if looked.takes && takes.try_send(()).is_err() {
                    tracing::debug!("a field is being taken already");
                }
                let objectives = sources.optics.as_ref().map(|optics| optics.two()).unwrap_or_default();
                let sight = Ok(Live {
                    picture: Picture(looked.picture),
                    condition: looked.verdict.0,
                    advice: looked.verdict.1,
                    also: strain.word().filter(|_| wants.heat).or(looked.also),
                    heat: looked.heat.map(Picture),
                    can_heat: ready.is_some(),
                    objective: objectives.0,
                    next_objective: objectives.1,
                });
                drop(live.send_replace(sight));
            }
            Seen::Frame(_) => {}
        }
        loop {
            tokio::select! {
                changed = sources.frames.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                made = made(&mut looking) => {
                    looking = None;
                    if let Some(made) = made.flatten() {
                        // A board that is warm or weak rests as long as it worked.
                        let took = made.at.elapsed();
                        rests = Instant::now() + if *sources.strain.borrow() == Strain::None { Duration::ZERO } else { took };
                        sources.figures.looked(took);
                        glimpse = Some(Arc::new(made));
                    }
                }
            }
        }
    }
}

/// Waits for what is being made, for ever if nothing is; nothing if that panicked.
async fn made<T>(making: &mut Option<oneshot::Receiver<T>>) -> Option<T> {
    match making {
        Some(making) => making.await.ok(),
        None => std::future::pending().await,
    }
}

/// What is said where the camera gives no picture: a message in the catalogues.
fn no_picture(fault: &str) -> &'static str {
    match fault {
        "busy" => "camera-busy",
        "stalled" | "frozen" | "damaged" => "camera-hangs",
        "no-usable-format" | "answered" | "ended" | "forbidden" | "io" => "camera-format",
        "too-large" => "camera-large",
        _ => NO_CAMERA,
    }
}

/// Looks at a picture: what it is worth, whether the slide rests, where the map lies that is known.
fn look(
    mut memory: Box<Memory>,
    frame: &Frame,
    contract: Option<SlideContract>,
    fields: &[Arc<Thumb>],
    glimpse: Option<&Glimpse>,
    auto: bool,
) -> Looked {
    let size = frame.image.dimensions().into();
    let thumb = Arc::new(Thumb::of(&frame.image));
    let glance = memory.preview.see(&thumb, size, frame.at, fields);
    if let Some(contract) = contract {
        let seen = judge::judge(frame, &contract, memory.stain.as_ref());
        (memory.verdict, memory.also) = (seen.verdict, seen.also);
        if seen.verdict == GOOD && frame.sequence.is_multiple_of(STAIN_EVERY) {
            memory.stains.see(&frame.image);
            memory.stain = memory.stains.stains().ok();
        }
    }
    let (verdict, also) = with_place(memory.verdict, memory.also, &glance);
    let takes = auto && memory.preview.takes(&glance, verdict == GOOD);
    let picture = small(&frame.image, WIDEST);
    let heat = glimpse.and_then(|glimpse| {
        let by = displaced(&glimpse.thumb, &thumb, size)?;
        let scale = f64::from(picture.width()) / f64::from(frame.image.width());
        Some(Arc::new(laid(&picture, &glimpse.heat, by.map(|pixels| pixels * scale))))
    });
    Looked { memory, thumb, picture, heat, verdict, also, takes }
}

/// What is said of a picture, given where it is.
fn with_place(verdict: Verdict, also: Option<&'static str>, glance: &Glance) -> (Verdict, Option<&'static str>) {
    match verdict {
        GOOD if glance.moves => ((Condition::Warn, "live-moving"), also),
        GOOD if glance.taken.is_some() => ((Condition::Warn, "live-taken"), also),
        verdict => (verdict, also),
    }
}

/// Where the network looks in a picture; nothing if it would be refused.
fn glimpsed(frame: &Frame, thumb: Arc<Thumb>, stain: Option<Normaliser>, ready: &Ready) -> Option<Glimpse> {
    let at = Instant::now();
    let field = Field { image: frame.image.as_ref().clone(), scale: frame.scale, colour_file: true };
    let heat = hilum_report::glimpse(field, stain, ready)
        .inspect_err(|error| tracing::warn!(%error, "where the network looks cannot be shown"))
        .ok()??;
    Some(Glimpse { heat: small(&Arc::new(heat), WIDEST), thumb, came: frame.at, at })
}

/// A map that lies on a picture after that was moved by so many pixels: where the map ends there is the picture.
fn laid(picture: &RgbImage, map: &RgbImage, by: [f64; 2]) -> RgbImage {
    let mut laid = picture.clone();
    if map.dimensions() != picture.dimensions() {
        return laid;
    }
    #[expect(clippy::cast_possible_truncation, reason = "less than a picture")]
    let [right, down] = by.map(|pixels| pixels.round() as i64);
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    if right.abs() >= width || down.abs() >= height {
        return laid;
    }
    let bytes: &mut [u8] = &mut laid;
    let length = usize::try_from(3 * (width - right.abs()).max(0)).unwrap_or(0);
    for y in down.max(0)..(height + down).min(height) {
        let start = |row: i64, column: i64| usize::try_from(3 * (row * width + column)).unwrap_or(0);
        let (to, from) = (start(y, right.max(0)), start(y - down, (-right).max(0)));
        bytes[to..to + length].copy_from_slice(&map.as_raw()[from..from + length]);
    }
    laid
}

/// A picture at most so wide, pixels: itself if it is.
pub(crate) fn small(image: &Arc<RgbImage>, widest: u32) -> Arc<RgbImage> {
    if image.width() <= widest {
        return Arc::clone(image);
    }
    let height = (image.height() * widest / image.width()).max(1);
    Arc::new(triangle(image, widest, height))
}

/// So many of the last latencies are kept: ten minutes of five a second.
const KEPT: usize = 3000;

/// What the live picture achieved since the start.
#[derive(Default)]
pub(crate) struct Figures(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    shown: u64,
    missed: u64,
    looked: VecDeque<f64>,
    /// From a picture's coming to the first overlay of it, ms.
    laid: VecDeque<f64>,
    last: Option<Duration>,
}

impl Figures {
    fn counts<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many pictures were shown.
    pub(crate) fn seen(&self) -> u64 {
        self.counts(|counts| counts.shown)
    }

    /// A picture was shown, after the one before it.
    fn shown(&self, last: Option<u64>, number: u64) {
        self.counts(|counts| {
            counts.shown += 1;
            counts.missed += last.map_or(0, |last| number.saturating_sub(last + 1));
        });
    }

    /// The network looked at a picture.
    fn looked(&self, took: Duration) {
        self.counts(|counts| keep(&mut counts.looked, took));
    }

    /// The map of a picture that came then is laid over what is shown now.
    fn lay(&self, came: Duration) {
        self.counts(|counts| {
            // The first time counts.
            if counts.last != Some(came) {
                counts.last = Some(came);
                keep(&mut counts.laid, since_boot().saturating_sub(came));
            }
        });
    }

    /// The figures, for the status.
    pub(crate) fn status(&self) -> Value {
        self.counts(|counts| {
            json!({
                "shown": counts.shown, "missed": counts.missed,
                "analysis-ms": spread(&counts.looked), "overlay-ms": spread(&counts.laid),
            })
        })
    }
}

fn keep(times: &mut VecDeque<f64>, took: Duration) {
    if times.len() == KEPT {
        times.pop_front();
    }
    times.push_back(took.as_secs_f64() * 1e3);
}

fn spread(times: &VecDeque<f64>) -> Value {
    let mut sorted: Vec<f64> = times.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in it"
    )]
    let at = |share: f64| sorted.get(((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied();
    json!({"n": sorted.len(), "p50": at(0.5), "p99": at(0.99), "max": sorted.last()})
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    // verifies: REQ-EXPLAIN-02
    #[test]
    fn a_map_moves_with_its_picture() {
        let picture = RgbImage::from_pixel(6, 4, Rgb([9, 9, 9]));
        let map = RgbImage::from_fn(6, 4, |x, y| Rgb([u8::try_from(10 * x + y).expect("small"), 100, 100]));
        for (by, at, want) in [
            ([0.0, 0.0], (2, 1), Some((2, 1))),
            ([2.0, 1.0], (2, 1), Some((0, 0))),
            ([2.0, 1.0], (1, 1), None),
            ([2.0, 1.0], (3, 0), None),
            ([-2.0, -1.0], (3, 2), Some((5, 3))),
            ([-2.0, -1.0], (4, 2), None),
            ([-2.0, -1.0], (0, 3), None),
            ([7.0, 0.0], (3, 3), None),
        ] {
            let found = *laid(&picture, &map, by).get_pixel(at.0, at.1);
            assert_eq!(found, want.map_or(Rgb([9, 9, 9]), |(x, y)| *map.get_pixel(x, y)), "{by:?} at {at:?}");
        }
    }

    #[test]
    fn what_was_left_out_is_counted_and_an_overlay_once() {
        let figures = Figures::default();
        figures.shown(None, 7);
        figures.shown(Some(7), 8);
        figures.shown(Some(8), 11);
        figures.lay(Duration::from_secs(1));
        figures.lay(Duration::from_secs(1));
        figures.looked(Duration::from_millis(40));
        let status = figures.status();
        assert_eq!(
            (&status["shown"], &status["missed"], &status["overlay-ms"]["n"]),
            (&json!(3), &json!(2), &json!(1))
        );
        assert_eq!(status["analysis-ms"]["p99"], json!(40.0));
    }

    #[test]
    fn a_picture_is_made_small_and_keeps_its_shape() {
        let wide = Arc::new(RgbImage::new(1920, 1080));
        assert_eq!(small(&wide, WIDEST).dimensions(), (960, 540));
        let narrow = Arc::new(RgbImage::new(640, 480));
        assert!(Arc::ptr_eq(&small(&narrow, WIDEST), &narrow));
    }
}
