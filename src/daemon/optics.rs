//! What is known of the optics: for each camera and objective the scale, and how unevenly the field is lit.
//!
//! A scale holds for pictures of the size that it was found on: another size may be a crop as well as a smaller picture, and nobody
//! could tell from it. A file that is damaged is as good as none: then nothing has a scale, and nothing is scored.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hilum_config::Camera as Settings;
use hilum_domain::MicronsPerPixel;
use hilum_imaging::shading::Shading;
use hilum_store::replace;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Where it is kept, in the data folder.
const KEPT: &str = "optics.json";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Record {
    /// What a person picked last.
    objective: Option<String>,
    scales: Vec<Scale>,
    whites: Vec<White>,
}

/// A scale that was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Scale {
    camera: String,
    pub(crate) objective: String,
    pub(crate) um_per_px: f64,
    /// Pixels across and down of the picture on which it was found.
    pub(crate) size: [u32; 2],
    /// When, as the clock claimed.
    pub(crate) claimed: String,
}

/// A white field.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct White {
    camera: String,
    objective: String,
    claimed: String,
    /// As `hilum_imaging::shading` writes it, base64.
    shading: String,
}

/// What holds for the pictures that come now.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// The objective in use.
    pub(crate) objective: Option<String>,
    scale: Option<(MicronsPerPixel, [u32; 2])>,
    /// How the field is made even.
    pub(crate) shading: Option<Shading>,
}

impl Used {
    /// The scale of a picture of this size, if it was calibrated.
    pub(crate) fn scale(&self, size: [u32; 2]) -> Option<MicronsPerPixel> {
        self.scale.filter(|(_, of)| *of == size).map(|(scale, _)| scale)
    }
}

/// The optics of a board's camera.
pub(crate) struct Optics {
    file: PathBuf,
    camera: String,
    /// What the board says.
    configured: Option<String>,
    /// Whether the board says the scale itself.
    pub(crate) is_fixed: bool,
    kept: Mutex<Record>,
    used: watch::Sender<Arc<Used>>,
}

impl Optics {
    /// What is kept in a data folder of a camera.
    pub(crate) fn open(data: &Path, settings: &Settings) -> Self {
        let file = data.join(KEPT);
        let kept = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|_| {
                tracing::error!("what was calibrated is damaged and is ignored: calibrate again");
                Record::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Record::default(),
            Err(error) => {
                tracing::error!(%error, "what was calibrated cannot be read");
                Record::default()
            }
        };
        let (used, _) = watch::channel(Arc::default());
        let camera = settings.source.name();
        let optics = Self {
            file,
            camera,
            configured: settings.objective.clone(),
            is_fixed: settings.scale.is_some(),
            kept: Mutex::new(kept),
            used,
        };
        optics.use_now(&optics.record());
        optics
    }

    /// What the camera is called.
    pub(crate) fn camera(&self) -> &str {
        &self.camera
    }

    /// What holds, and what will.
    pub(crate) fn used(&self) -> watch::Receiver<Arc<Used>> {
        self.used.subscribe()
    }

    fn record(&self) -> Record {
        // Each value in it is whole by itself.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The scales of this camera.
    pub(crate) fn scales(&self) -> Vec<Scale> {
        self.record().scales.into_iter().filter(|scale| scale.camera == self.camera).collect()
    }

    /// Whether an objective has a white field.
    pub(crate) fn has_white(&self, objective: &str) -> bool {
        self.record().whites.iter().any(|white| white.camera == self.camera && white.objective == objective)
    }

    /// The objectives that can be picked: those that were calibrated, and the board's.
    pub(crate) fn objectives(&self) -> Vec<String> {
        let mut names: Vec<String> = self.configured.iter().cloned().collect();
        for scale in self.scales() {
            if !names.contains(&scale.objective) {
                names.push(scale.objective);
            }
        }
        names
    }

    /// The objective in use, and the one that comes after it where there are several.
    pub(crate) fn two(&self) -> (Option<Arc<str>>, Option<Arc<str>>) {
        let used = self.used.borrow().objective.clone();
        let all = self.objectives();
        let next = used
            .as_ref()
            .and_then(|used| all.iter().position(|name| name == used))
            .map(|at| &all[(at + 1) % all.len()]);
        let next = next.filter(|next| Some(*next) != used.as_ref()).map(|next| next.as_str().into());
        (used.map(Into::into), next)
    }

    /// Keeps a scale, in the place of an earlier one, and uses its objective.
    pub(crate) fn keep_scale(&self, objective: &str, um_per_px: f64, size: [u32; 2], claimed: &str) -> io::Result<()> {
        self.change(|record, camera| {
            record.scales.retain(|scale| scale.camera != camera || scale.objective != objective);
            record.scales.push(Scale {
                camera: camera.to_owned(),
                objective: objective.to_owned(),
                um_per_px,
                size,
                claimed: claimed.to_owned(),
            });
            record.objective = Some(objective.to_owned());
        })
    }

    /// Keeps a white field, in the place of an earlier one; none takes that away.
    pub(crate) fn keep_white(&self, objective: &str, shading: Option<&Shading>, claimed: &str) -> io::Result<()> {
        self.change(|record, camera| {
            record.whites.retain(|white| white.camera != camera || white.objective != objective);
            record.whites.extend(shading.map(|shading| White {
                camera: camera.to_owned(),
                objective: objective.to_owned(),
                claimed: claimed.to_owned(),
                shading: STANDARD.encode(shading.to_bytes()),
            }));
        })
    }

    /// Uses an objective.
    pub(crate) fn pick(&self, objective: &str) -> io::Result<()> {
        self.change(|record, _| record.objective = Some(objective.to_owned()))
    }

    /// Changes what is kept: on the disk first.
    fn change(&self, how: impl FnOnce(&mut Record, &str)) -> io::Result<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut record = kept.clone();
        how(&mut record, &self.camera);
        replace(&self.file, &serde_json::to_vec(&record)?)?;
        self.use_now(&record);
        *kept = record;
        Ok(())
    }

    fn use_now(&self, record: &Record) {
        // A name that was picked for another camera means nothing for this one, unless it was calibrated here, too.
        let ours = |name: &String| {
            self.configured.as_ref() == Some(name)
                || record.scales.iter().any(|scale| scale.camera == self.camera && scale.objective == *name)
        };
        let objective = record.objective.clone().filter(ours).or_else(|| self.configured.clone());
        let of = |camera: &str, name: &str| camera == self.camera && Some(name) == objective.as_deref();
        let scale = record.scales.iter().find(|scale| of(&scale.camera, &scale.objective));
        let scale = scale.and_then(|scale| Some((MicronsPerPixel::plausible(scale.um_per_px)?, scale.size)));
        let white = record.whites.iter().find(|white| of(&white.camera, &white.objective));
        let shading = white.and_then(|white| {
            let bytes = STANDARD.decode(&white.shading).ok()?;
            Shading::from_bytes(&bytes).inspect_err(|_| tracing::error!("a white field is damaged: take it again")).ok()
        });
        self.used.send_replace(Arc::new(Used { objective, scale, shading }));
    }
}

#[cfg(test)]
mod tests {
    use hilum_config::{CameraSource, Controls};
    use image::{Rgb, RgbImage};

    use super::*;

    fn settings(node: &str, objective: Option<&str>) -> Settings {
        Settings {
            source: CameraSource::V4l2(node.into()),
            scale: None,
            objective: objective.map(str::to_owned),
            size: None,
            rate_hz: 30.0,
            raw: None,
            controls: Controls::default(),
            pedal: None,
        }
    }

    fn um(optics: &Optics, size: [u32; 2]) -> Option<f64> {
        optics.used().borrow().scale(size).map(MicronsPerPixel::um)
    }

    // verifies: REQ-SLIDE-02
    #[test]
    fn a_scale_is_for_a_camera_an_objective_and_a_size_and_outlives_a_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |node: &str| Optics::open(folder.path(), &settings(node, Some("20x")));
        let optics = open("/dev/video0");
        assert_eq!((optics.used().borrow().objective.as_deref(), um(&optics, [640, 480])), (Some("20x"), None));
        optics.keep_scale("40x", 0.25, [640, 480], "2026-01-01T00:00:00Z").expect("kept");
        optics.keep_scale("20x", 0.5, [640, 480], "2026-01-01T00:00:00Z").expect("kept");
        optics.keep_scale("20x", 0.51, [640, 480], "2026-01-02T00:00:00Z").expect("kept");
        assert_eq!((um(&optics, [640, 480]), um(&optics, [1280, 960])), (Some(0.51), None));
        assert_eq!(optics.objectives(), ["20x", "40x"]);
        optics.pick("40x").expect("kept");
        let again = open("/dev/video0");
        assert_eq!((again.used().borrow().objective.as_deref(), um(&again, [640, 480])), (Some("40x"), Some(0.25)));
        // Another camera has nothing of it, not even the objective that was picked.
        let other = open("/dev/video1");
        assert_eq!((other.used().borrow().objective.as_deref(), um(&other, [640, 480])), (Some("20x"), None));
        assert_eq!(other.objectives(), ["20x"]);
    }

    #[test]
    fn a_white_field_is_used_with_its_objective_and_damage_is_as_good_as_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let optics = Optics::open(folder.path(), &settings("/dev/video0", Some("20x")));
        let white = RgbImage::from_fn(320, 256, |x, _| Rgb([u8::try_from(200 + x / 20).unwrap_or(255); 3]));
        let shading = Shading::of(&white).expect("a white field");
        optics.keep_white("20x", Some(&shading), "now").expect("kept");
        assert!(optics.used().borrow().shading.as_ref() == Some(&shading) && optics.has_white("20x"));
        let again = Optics::open(folder.path(), &settings("/dev/video0", Some("20x")));
        assert!(again.used().borrow().shading.as_ref() == Some(&shading));
        again.pick("40x").expect("kept");
        assert!(again.used().borrow().shading.is_some(), "nobody knows 40x here");
        again.keep_white("20x", None, "now").expect("kept");
        assert!(again.used().borrow().shading.is_none() && !again.has_white("20x"));
        fs::write(folder.path().join(KEPT), "{\"scales\":[{").expect("written");
        let damaged = Optics::open(folder.path(), &settings("/dev/video0", Some("20x")));
        assert_eq!(um(&damaged, [320, 256]), None);
    }
}
