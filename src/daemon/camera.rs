//! The camera's task: the newest frame wins, and nobody waits for an old one.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hilum_config::{Camera as Settings, CameraSource};
use hilum_device::{Camera, Frame, sim::PhantomCamera};
use hilum_domain::MicronsPerPixel;
use hilum_intake::{field_from_bytes, read_cohort, read_fields};
use hilum_phantom::{Size, write_cohort};
use image::RgbImage;
use tokio::sync::{mpsc, watch};

use crate::{
    event::Event,
    reader::{self, Item, Limits, What},
    supervise::task_of,
};

/// How long a camera may take for a frame.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a camera is looked at that nobody watches, or that is not there.
const IDLE: Duration = Duration::from_secs(1);
/// How often the task says that it lives while it waits for a reader: more often than any watchdog asks.
const BEAT: Duration = Duration::from_millis(50);
/// A folder of more pictures is not a camera.
const MOST_PICTURES: usize = 64;
/// The phantom under the simulated microscope, the one patient of a small cohort: the reference bundle has never seen it.
pub const PHANTOM_SEED: u64 = 1_000_002;

/// What the camera showed last.
pub(crate) type Frames = watch::Receiver<Option<Arc<Frame>>>;

/// The camera as the rest of the appliance sees it.
#[derive(Clone)]
pub(crate) struct Microscope {
    pub(crate) frames: Frames,
    /// Rises while the task lives, with or without a camera.
    pub(crate) beats: Arc<AtomicU64>,
}

/// Starts the task.
pub(crate) fn start(settings: Settings, runtime: PathBuf, limits: Limits, events: mpsc::Sender<Event>) -> Microscope {
    let (shown, frames) = watch::channel(None);
    let beats = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&beats);
    let shown = Arc::new(shown);
    let told = events.clone();
    task_of("camera", told, move || {
        let (settings, runtime, limits) = (settings.clone(), runtime.clone(), limits.clone());
        watched(settings, runtime, limits, Arc::clone(&shown), Arc::clone(&counted), events.clone())
    });
    Microscope { frames, beats }
}

async fn watched(
    settings: Settings,
    runtime: PathBuf,
    limits: Limits,
    shown: Arc<watch::Sender<Option<Arc<Frame>>>>,
    beats: Arc<AtomicU64>,
    events: mpsc::Sender<Event>,
) {
    let busy = Duration::from_secs_f64(1.0 / settings.rate_hz);
    let mut camera: Option<Box<dyn Camera + Send>> = None;
    let mut well = None;
    loop {
        beats.fetch_add(1, Ordering::Relaxed);
        if let CameraSource::Folder(folder) = &settings.source
            && !folder.is_dir()
        {
            camera = None;
        } else if camera.is_none() {
            camera = beating(&beats, opened(&settings, &runtime, &limits)).await;
        }
        // A real camera waits for its next frame; that must not hold the loop up.
        let asked = camera.take();
        let taken = tokio::task::spawn_blocking(move || {
            let mut camera = asked?;
            let frame = camera.next(PATIENCE).ok()?;
            Some((camera, frame))
        });
        let frame = match taken.await.ok().flatten() {
            Some((back, frame)) => {
                camera = Some(back);
                Some(Arc::new(frame))
            }
            None => None,
        };
        if well != Some(frame.is_some()) {
            well = Some(frame.is_some());
            if events.send(Event::Camera(frame.is_some())).await.is_err() {
                return;
            }
        }
        let there = frame.is_some();
        shown.send_replace(frame);
        // One receiver is always held; a second one is somebody who looks.
        let pause = if there && shown.receiver_count() > 1 { busy } else { IDLE };
        tokio::time::sleep(pause).await;
    }
}

/// Waits for something that takes longer than the watchdog's patience, and is bounded by itself.
async fn beating<T>(beats: &AtomicU64, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = beat.tick() => { beats.fetch_add(1, Ordering::Relaxed); }
        }
    }
}

async fn opened(settings: &Settings, runtime: &Path, limits: &Limits) -> Option<Box<dyn Camera + Send>> {
    let (pictures, scale) = match &settings.source {
        CameraSource::Phantom => {
            let folder = runtime.join("phantom");
            tokio::task::spawn_blocking(move || phantom(&folder)).await.ok()??
        }
        CameraSource::Folder(folder) => {
            let what = What::Fields { paths: vec![folder.clone()], um_per_px: None };
            let (items, _) = reader::read(what, limits).await.ok()?;
            let fields = items.into_iter().take(MOST_PICTURES).filter_map(|item| match item {
                Item::Field { bytes, scale, colour } => field_from_bytes(&bytes, scale, colour).ok(),
                Item::Ct { .. } => None,
            });
            let fields: Vec<_> = fields.collect();
            let scale = fields.first().and_then(|field| field.scale);
            (fields.into_iter().map(|field| field.image).collect(), scale)
        }
    };
    if pictures.is_empty() {
        return None;
    }
    let pictures: Vec<Arc<RgbImage>> = pictures.into_iter().map(Arc::new).collect();
    Some(Box::new(PhantomCamera::new(pictures.into_iter().cycle(), settings.scale.or(scale))))
}

/// The fields of one phantom, drawn in `folder` and removed from there.
fn phantom(folder: &Path) -> Option<(Vec<RgbImage>, Option<MicronsPerPixel>)> {
    write_cohort(folder, 1, PHANTOM_SEED, Size::Small, |_| ()).ok()?;
    let fields = read_fields(&[read_cohort(folder).ok()?.first()?.he()], None).ok()?;
    std::fs::remove_dir_all(folder).ok()?;
    let scale = fields.first().and_then(|field| field.scale);
    Some((fields.into_iter().map(|field| field.image).collect(), scale))
}
