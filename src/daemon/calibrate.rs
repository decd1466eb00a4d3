//! Calibrating the microscope: what an administrator does once for each objective, and which objective is in use.

use std::{path::PathBuf, sync::Arc, time::Duration};

use hilum_config::Camera;
use hilum_domain::MicronsPerPixel;
use hilum_imaging::{micrometer::Ruling, shading::Shading};
use hilum_store::{Action, Actor};
use image::RgbImage;
use serde_json::{Value, json};

use crate::{
    camera::{Frame, Frames, Seen},
    office::{Office, usage},
    optics::Optics,
    protocol::{Denied, No},
    reader::{Item, What},
    records::Closed,
};

/// How long somebody waits for a picture of the camera.
const PICTURE: Duration = Duration::from_secs(5);
/// What stage micrometers are divided into, µm.
const PITCHES: std::ops::RangeInclusive<f64> = 0.5..=1000.0;

impl Office {
    /// The next picture of the camera that passes.
    pub(crate) async fn picture(&self, passes: impl Fn(&Frame) -> bool) -> Result<Arc<Frame>, Denied> {
        let none = || Denied::new(75, "the camera gives no picture");
        let mut frames = self.camera()?;
        frames.mark_unchanged();
        let next = async {
            loop {
                frames.changed().await.ok()?;
                let frame = frames.borrow_and_update().frame().cloned();
                if let Some(frame) = frame.filter(|frame| frame.is_fresh() && passes(frame)) {
                    return Some(frame);
                }
            }
        };
        tokio::time::timeout(PICTURE, next).await.ok().flatten().ok_or_else(none)
    }

    /// The camera, which gives pictures.
    pub(crate) fn camera(&self) -> Result<Frames, Denied> {
        let frames = self.frames.as_deref().cloned().ok_or_else(|| Denied::new(75, "the board has no camera"))?;
        if let Seen::Nothing(fault) = *frames.borrow() {
            return Err(Denied::new(75, format!("the camera gives no picture ({fault})")));
        }
        Ok(frames)
    }

    fn eyes(&self) -> Result<&Arc<Optics>, Denied> {
        self.optics.as_ref().ok_or_else(|| Denied::new(75, "the board has no camera"))
    }

    /// What is known of the optics.
    pub(crate) fn optics(&self) -> Result<Value, Denied> {
        let optics = self.eyes()?;
        let used = Arc::clone(&optics.used().borrow());
        let scales: Vec<Value> = optics
            .scales()
            .into_iter()
            .map(|scale| {
                json!({
                    "objective": scale.objective, "um-per-px": scale.um_per_px, "size": scale.size,
                    "claimed": scale.claimed, "white": optics.has_white(&scale.objective),
                })
            })
            .collect();
        Ok(json!({
            "camera": optics.camera(), "objective": used.objective, "objectives": optics.objectives(),
            "fixed": optics.is_fixed, "calibrated": scales,
        }))
    }

    /// Finds the scale of an objective and keeps it.
    pub(crate) async fn calibrate(
        &self,
        objective: String,
        pitch_um: f64,
        path: Option<PathBuf>,
        actor: Actor,
    ) -> Result<Value, Denied> {
        let optics = Arc::clone(self.eyes()?);
        if optics.is_fixed {
            return Err(usage("the board says the scale (um-per-px): with an objective instead it can be calibrated"));
        }
        if !Camera::is_objective(&objective) {
            return Err(usage("an objective has a name of 1 to 16 letters, digits, spaces, and . - / + ×"));
        }
        if !PITCHES.contains(&pitch_um) {
            return Err(usage("the lines of a stage micrometer are 0.5 to 1000 µm apart"));
        }
        let image = match path {
            Some(path) => self.picture_at(path).await?,
            None => Arc::clone(&self.picture(|_| true).await?.image),
        };
        let size = [image.width(), image.height()];
        let found =
            tokio::task::spawn_blocking(move || Ruling::find(&image)).await.map_err(|_| Denied::from(Closed))?;
        let ruling = found
            .map_err(|no| Denied::of(No::Refused, format!("this is no stage micrometer that can be read: {no}")))?;
        let um_per_px = pitch_um / ruling.period_px;
        if MicronsPerPixel::plausible(um_per_px).is_none() {
            return Err(Denied::of(
                No::Refused,
                format!("{um_per_px:.4} µm per pixel is no scale of a microscope: check the pitch"),
            ));
        }
        let now = self.clock.now();
        let kept = {
            let (objective, claimed) = (objective.clone(), now.claimed.clone());
            tokio::task::spawn_blocking(move || optics.keep_scale(&objective, um_per_px, size, &claimed)).await
        };
        self.written(kept, Action::Calibrated, actor).await?;
        Ok(json!({
            "objective": objective, "um-per-px": um_per_px, "size": size, "period-px": ruling.period_px,
            "lines": ruling.lines, "angle-deg": ruling.angle_deg, "relative-error": ruling.relative_error,
        }))
    }

    /// Keeps what the camera sees as the white field of the objective in use, or forgets it.
    pub(crate) async fn white(&self, forget: bool, actor: Actor) -> Result<Value, Denied> {
        let optics = Arc::clone(self.eyes()?);
        let objective = optics.used().borrow().objective.clone().unwrap_or_default();
        let had = optics.used().borrow().shading.clone();
        let claimed = self.clock.now().claimed;
        let keep = |shading: Option<Shading>| {
            let (optics, objective, claimed) = (Arc::clone(&optics), objective.clone(), claimed.clone());
            tokio::task::spawn_blocking(move || optics.keep_white(&objective, shading.as_ref(), &claimed))
        };
        // A picture that was made even says nothing of the light.
        self.written(keep(None).await, Action::Calibrated, actor).await?;
        if forget {
            return Ok(json!({"objective": objective, "white": false}));
        }
        let taken = async {
            let frame = self.picture(|frame| !frame.is_even).await?;
            let shading = tokio::task::spawn_blocking(move || Shading::of(&frame.image)).await;
            let shading = shading.map_err(|_| Denied::from(Closed))?;
            shading.map_err(|no| Denied::of(No::Refused, format!("this is no white field: {no}; move to clear glass")))
        };
        match taken.await {
            Ok(shading) => {
                let gain = shading.largest_gain();
                self.written(keep(Some(shading)).await, Action::Calibrated, actor).await?;
                Ok(json!({"objective": objective, "white": true, "largest-gain": gain}))
            }
            Err(denied) => {
                // What was there before still holds.
                if had.is_some() {
                    self.written(keep(had).await, Action::Calibrated, actor).await?;
                }
                Err(denied)
            }
        }
    }

    /// Uses an objective.
    pub(crate) async fn pick_objective(&self, objective: String, actor: Actor) -> Result<Value, Denied> {
        let optics = Arc::clone(self.eyes()?);
        let known = optics.objectives();
        if !known.contains(&objective) {
            return Err(usage(match known.join(", ") {
                none if none.is_empty() => "no objective is calibrated".to_owned(),
                known => format!("the objectives of this camera are {known}"),
            }));
        }
        let picked = objective.clone();
        let kept = tokio::task::spawn_blocking(move || optics.pick(&picked)).await;
        self.written(kept, Action::ObjectivePicked, actor).await?;
        Ok(json!({"objective": objective}))
    }

    async fn written(
        &self,
        kept: Result<std::io::Result<()>, tokio::task::JoinError>,
        action: Action,
        actor: Actor,
    ) -> Result<(), Denied> {
        kept.map_err(|_| Denied::from(Closed))?
            .map_err(|error| Denied::new(75, format!("what was calibrated cannot be kept: {error}")))?;
        let now = self.clock.now();
        Ok(self.records.with(move |store| store.note(actor, action, &now)).await??)
    }

    async fn picture_at(&self, path: PathBuf) -> Result<Arc<RgbImage>, Denied> {
        let items = self.read(What::Fields { paths: vec![path], um_per_px: None }).await?;
        let field = items.into_iter().find_map(Item::field);
        field.map(|field| Arc::new(field.image)).ok_or_else(|| Denied::new(70, "the reader gave no picture"))
    }
}
