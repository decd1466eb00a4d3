//! The camera: a thread that takes what comes, and a task that decodes the newest of it. Nobody waits for an old picture.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use hilum_config::{Camera as Settings, CameraSource, HttpCamera, RawFormat};
use hilum_device::{
    Camera, CameraFault, Shot,
    camera::{self, Layout, PhantomCamera, Picture, Source, Stage, USUAL_SIZE, Wanted},
    linux::since_boot,
};
use hilum_domain::MicronsPerPixel;
use hilum_intake::{ImageFault, picture_of};
use hilum_phantom::{cohort, slide};
use image::RgbImage;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::spawn_blocking,
};

use crate::{
    event::Event,
    lane::Lanes,
    optics::{Optics, Used},
    reader::{self, Item, Limits, What},
    supervise::{task_of, thread_of},
};

/// How long a camera may take for a picture.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long after a fault the camera is opened again: with [`PATIENCE`] it is back within 3 s.
const AGAIN: Duration = Duration::from_millis(1000);
/// How long it may take to let go of it.
const END: Duration = Duration::from_secs(3);
/// How often a camera is looked at that nobody watches.
const IDLE: Duration = Duration::from_secs(1);
/// How often it is looked whether the appliance ends.
const LOOK: Duration = Duration::from_millis(20);
/// How often the task says that it lives while it waits: more often than any watchdog asks.
const BEAT: Duration = Duration::from_millis(500);
/// So many pictures in a row that cannot be decoded are no camera.
const DAMAGED: u32 = 10;
/// An older picture is not what the camera sees.
pub(crate) const FRESH: Duration = Duration::from_secs(3);
/// A folder of more pictures is not a camera.
const MOST_PICTURES: usize = 64;
/// The phantom under the simulated microscope, the one patient of a small cohort: the reference bundle has never seen it.
pub const PHANTOM_SEED: u64 = 1_000_002;
/// What is drawn of its slide: four pieces of so many pixels across and down, at so many µm.
const PIECE: [u32; 2] = [1120, 840];
const SLIDE_UM: f64 = 0.5;
/// What the simulated camera has of it where the board does not say.
const SEEN: [u32; 2] = [1280, 720];

/// A picture from the camera, decoded.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Its pixels: many look at one.
    pub(crate) image: Arc<RgbImage>,
    /// Rises with every picture of this camera since it was opened: by more than one where pictures were left out.
    pub(crate) sequence: u64,
    /// When it had arrived: time since the machine started.
    pub(crate) at: Duration,
    /// The scale, where it is known.
    pub(crate) scale: Option<MicronsPerPixel>,
    /// Whether its light was made even.
    pub(crate) is_even: bool,
}

impl Frame {
    /// Whether it is what the camera sees now.
    pub(crate) fn is_fresh(&self) -> bool {
        since_boot().saturating_sub(self.at) <= FRESH
    }
}

/// What the camera gives.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// A picture.
    Frame(Arc<Frame>),
    /// None: the name of the fault.
    Nothing(&'static str),
}

impl Seen {
    /// The picture, if there is one.
    pub(crate) fn frame(&self) -> Option<&Arc<Frame>> {
        match self {
            Self::Frame(frame) => Some(frame),
            Self::Nothing(_) => None,
        }
    }
}

/// What the camera showed last.
pub(crate) type Frames = watch::Receiver<Seen>;

/// What came from the camera, or why nothing did: the newest.
#[derive(Clone)]
enum Came {
    Shot(Shot, Option<MicronsPerPixel>),
    Fault(&'static str),
}

/// The camera as the rest of the appliance sees it.
pub(crate) struct Microscope {
    pub(crate) frames: Arc<Frames>,
    /// Rises while the task lives, with or without a camera.
    pub(crate) beats: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Microscope {
    /// Lets go of the camera. One that hangs is left behind.
    pub(crate) async fn end(self) {
        self.stopping.store(true, Ordering::Relaxed);
        let ended = spawn_blocking(move || self.thread.join().is_ok());
        if tokio::time::timeout(END, ended).await.is_err() {
            tracing::warn!("the camera does not let go");
        }
    }
}

/// Starts thread and task.
pub(crate) fn start(
    settings: Settings,
    optics: &Optics,
    lanes: Lanes,
    limits: Limits,
    events: mpsc::Sender<Event>,
) -> std::io::Result<Microscope> {
    let (shown, frames) = watch::channel(Seen::Nothing("absent"));
    let shown = Arc::new(shown);
    let (came, newest) = watch::channel(Came::Fault("absent"));
    let beats = Arc::new(AtomicU64::new(0));
    let stopping = Arc::new(AtomicBool::new(false));
    let thread = {
        let stopping = Arc::clone(&stopping);
        let (settings, shown, handle) = (settings.clone(), Arc::clone(&shown), Handle::current());
        // A camera that hangs in the kernel hangs this thread, and nothing else.
        let started = thread_of("camera", events.clone(), move || {
            let open = || opened(&settings, &limits, &handle);
            let there = || match &settings.source {
                CameraSource::Folder(folder) => folder.is_dir(),
                _ => true,
            };
            let is_drawn = matches!(settings.source, CameraSource::Phantom(_) | CameraSource::Folder(_));
            // One receiver is always held; a second one is somebody who looks.
            let rests = || is_drawn && shown.receiver_count() < 2;
            let pause = |time: Duration| {
                let began = Instant::now();
                while began.elapsed() < time && !stopping.load(Ordering::Relaxed) {
                    std::thread::sleep(LOOK.min(time.saturating_sub(began.elapsed())));
                }
                !stopping.load(Ordering::Relaxed)
            };
            let rest = || {
                let began = Instant::now();
                while rests() && began.elapsed() < IDLE && pause(LOOK) {}
            };
            take(open, there, rest, pause, is_drawn, &came);
        });
        started?
    };
    let counted = Arc::clone(&beats);
    let told = events.clone();
    let used = optics.used();
    task_of("camera", told, move || {
        let ends = Ends {
            lanes: lanes.clone(),
            newest: newest.clone(),
            used: used.clone(),
            shown: Arc::clone(&shown),
            events: events.clone(),
        };
        decoded(ends, settings.rate_hz, settings.scale, Arc::clone(&counted))
    });
    Ok(Microscope { frames: Arc::new(frames), beats, stopping, thread })
}

/// A camera that was opened, and the scale that it knows of itself.
type Open = (Box<dyn Camera>, Option<MicronsPerPixel>);

/// Takes what comes, until nobody wants it any more. Only what is drawn may look the same twice.
fn take(
    open: impl Fn() -> Result<Open, CameraFault>,
    there: impl Fn() -> bool,
    rest: impl Fn(),
    pause: impl Fn(Duration) -> bool,
    is_drawn: bool,
    came: &watch::Sender<Came>,
) {
    let mut said = None;
    // A camera that hangs shows its last picture to whoever opens it again.
    let mut last: Option<Arc<Picture>> = None;
    let mut failed = |fault: &CameraFault| {
        if said.replace(fault.code()) != Some(fault.code()) {
            tracing::warn!(%fault, "no camera");
        }
        came.send_replace(Came::Fault(fault.code()));
        pause(AGAIN);
    };
    while pause(Duration::ZERO) {
        let (mut camera, scale) = match open() {
            Ok(open) => open,
            Err(fault) => {
                failed(&fault);
                continue;
            }
        };
        let mut looked = Instant::now();
        while pause(Duration::ZERO) {
            if looked.elapsed() >= IDLE {
                looked = Instant::now();
                if !there() {
                    failed(&CameraFault::Absent);
                    break;
                }
            }
            match camera.next(PATIENCE) {
                Ok(shot) if !is_drawn && last.as_ref() == Some(&shot.picture) => {}
                Ok(shot) => {
                    last = Some(Arc::clone(&shot.picture));
                    came.send_replace(Came::Shot(shot, scale));
                }
                Err(fault) => {
                    // What it holds is let go of before it is opened again.
                    drop(camera);
                    failed(&fault);
                    break;
                }
            }
            rest();
        }
    }
}

/// The ends of the channels of the task.
struct Ends {
    lanes: Lanes,
    newest: watch::Receiver<Came>,
    used: watch::Receiver<Arc<Used>>,
    shown: Arc<watch::Sender<Seen>>,
    events: mpsc::Sender<Event>,
}

/// Decodes the newest that came, as often as somebody looks. `fixed` is the scale that the board says.
async fn decoded(ends: Ends, rate_hz: f64, fixed: Option<MicronsPerPixel>, beats: Arc<AtomicU64>) {
    let Ends { lanes, mut newest, used, shown, events } = ends;
    // A little less than the time between two: a picture that comes early is not left out.
    let busy = Duration::from_secs_f64(0.8 / rate_hz);
    let mut well = None;
    let mut damaged = 0;
    let mut beat = tokio::time::interval(BEAT);
    loop {
        let began = tokio::time::Instant::now();
        let came = newest.borrow_and_update().clone();
        let seen = match came {
            Came::Fault(fault) => Some(Seen::Nothing(fault)),
            Came::Shot(Shot { picture, sequence, at }, scale) => {
                let used = Arc::clone(&used.borrow());
                let lanes = lanes.clone();
                let decode = move || {
                    let image = picture_of(&picture)?;
                    // A white field of another size says nothing of this picture.
                    let even = used.shading.as_ref().and_then(|shading| shading.apply(&image).ok());
                    let is_even = even.is_some();
                    let image = even.map_or(image, Arc::new);
                    // An objective has its own scale, or none: what a picture's file says was said of another.
                    let scale = match used.objective {
                        Some(_) if fixed.is_none() => used.scale(image.dimensions().into()),
                        _ => fixed.or(scale),
                    };
                    Ok::<_, ImageFault>(Frame { image, sequence, at, scale, is_even })
                };
                let frame = spawn_blocking(move || lanes.shown(decode));
                match frame.await {
                    Ok(Ok(frame)) => {
                        damaged = 0;
                        Some(Seen::Frame(Arc::new(frame)))
                    }
                    // A decoder that panics has met no picture either.
                    Ok(Err(_)) | Err(_) => {
                        damaged += 1;
                        (damaged >= DAMAGED).then_some(Seen::Nothing("damaged"))
                    }
                }
            }
        };
        if let Some(seen) = seen {
            let is = seen.frame().is_some();
            let said = match &seen {
                Seen::Frame(_) => Ok(()),
                Seen::Nothing(fault) => Err(*fault),
            };
            if well != Some(said) {
                well = Some(said);
                if events.send(Event::Camera(said)).await.is_err() {
                    return;
                }
            }
            let was = shown.borrow().frame().is_some();
            // Nobody is woken to hear that there is still nothing.
            if is || was {
                shown.send_replace(seen);
            } else {
                shown.send_if_modified(|shown| {
                    *shown = seen;
                    false
                });
            }
        }
        let mut idle = shown.receiver_count() < 2;
        loop {
            let since = began.elapsed();
            let pause = if idle { IDLE } else { busy };
            tokio::select! {
                changed = newest.changed(), if since >= pause => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                _ = beat.tick() => {
                    beats.fetch_add(1, Ordering::Relaxed);
                    idle = shown.receiver_count() < 2;
                }
                () = tokio::time::sleep(pause.saturating_sub(since)), if since < pause => {}
            }
        }
    }
}

fn opened(settings: &Settings, limits: &Limits, handle: &Handle) -> Result<Open, CameraFault> {
    let said = settings.scale;
    let wanted = Wanted {
        size: settings.size.unwrap_or(USUAL_SIZE),
        rate_hz: settings.rate_hz,
        exposure_ms: settings.controls.exposure_ms,
        white_balance_k: settings.controls.white_balance_k,
        gain: settings.controls.gain,
    };
    let seen = settings.size.unwrap_or(SEEN);
    Ok(match &settings.source {
        CameraSource::Phantom(None) => {
            let patient = cohort::draw(1, PHANTOM_SEED).pop().ok_or(CameraFault::Absent)?;
            let slide = slide(&patient, PHANTOM_SEED, PIECE, SLIDE_UM);
            let scale = said.or(MicronsPerPixel::plausible(SLIDE_UM));
            (Box::new(Stage::new(slide, seen, settings.rate_hz)), scale)
        }
        CameraSource::Phantom(Some(path)) => {
            let (mut pictures, scale) = handle.block_on(pictures(path, limits))?;
            (Box::new(Stage::new(pictures.swap_remove(0), seen, settings.rate_hz)), said.or(scale))
        }
        CameraSource::Folder(folder) => {
            let (pictures, scale) = handle.block_on(pictures(folder, limits))?;
            let pictures: Vec<_> =
                pictures.into_iter().map(|image| Arc::new(Picture::Ready(Arc::new(image)))).collect();
            (Box::new(PhantomCamera::new(pictures.into_iter().cycle(), Some(settings.rate_hz))), said.or(scale))
        }
        CameraSource::V4l2(node) => (camera::open(&Source::V4l2(node.clone()), &wanted)?, said),
        CameraSource::Http(HttpCamera { host, port, target, login }) => {
            let (host, target, login) = (host.clone(), target.clone(), login.clone());
            (camera::open(&Source::Http { host, port: *port, target, login }, &wanted)?, said)
        }
        CameraSource::Exec(command) => {
            let layout = settings.raw.map(|raw| match raw {
                RawFormat::Rgb => Layout::Rgb,
                RawFormat::Bgr => Layout::Bgr,
                RawFormat::Yuyv => Layout::Yuyv,
            });
            (camera::open(&Source::Exec(command.clone(), layout.zip(settings.size)), &wanted)?, said)
        }
    })
}

/// The pictures at a path, and their scale; at least one.
async fn pictures(path: &Path, limits: &Limits) -> Result<(Vec<RgbImage>, Option<MicronsPerPixel>), CameraFault> {
    let what = What::Fields { paths: vec![path.to_owned()], um_per_px: None };
    let (items, _) = reader::read(what, limits).await.map_err(|_| CameraFault::Absent)?;
    let fields: Vec<_> = items.into_iter().take(MOST_PICTURES).filter_map(Item::field).collect();
    let scale = fields.first().ok_or(CameraFault::Absent)?.scale;
    Ok((fields.into_iter().map(|field| field.image).collect(), scale))
}
