//! Taking fields with the camera: a field is a picture of now that the gate lets pass, of a place that was not taken yet.

use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use hilum_assess::preview::{MOST_SHARED, shared};
use hilum_domain::{CaseNumber, Refusal};
use hilum_imaging::{registration::Thumb, slide::SlideContract};
use hilum_intake::{field_from_bytes, picture_to_bytes};
use hilum_store::{Actor, BlobName, FieldFile, Intake};
use serde_json::Value;

use crate::{
    camera::Frame,
    judge,
    office::Office,
    protocol::{Denied, No},
    records::Closed,
    signals::Sound,
};

/// How long a person waits for networks that are being loaded.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the fields of a draft look like, to know their places again.
#[derive(Default)]
pub(crate) struct Album {
    of: Option<CaseNumber>,
    known: BTreeMap<BlobName, Arc<Thumb>>,
    /// In the order of the draft's fields.
    order: Vec<BlobName>,
}

impl Album {
    /// The fields of a draft that are known.
    pub(crate) fn of(&self, case: CaseNumber) -> Vec<Arc<Thumb>> {
        let ours = self.of == Some(case);
        self.order.iter().filter(|_| ours).filter_map(|name| self.known.get(name).cloned()).collect()
    }
}

impl Office {
    fn album(&self) -> MutexGuard<'_, Album> {
        // Each value in it is whole by itself.
        self.album.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the fields of a draft as they are now. One that cannot be read is nothing to compare with.
    pub(crate) async fn know(&self, case: CaseNumber, intake: &Intake) -> Result<Vec<Arc<Thumb>>, Denied> {
        let order: Vec<BlobName> = intake.fields.iter().map(|field| field.picture.clone()).collect();
        let missing: Vec<BlobName> = {
            let mut album = self.album();
            if album.of != Some(case) {
                *album = Album { of: Some(case), ..Album::default() };
            }
            order.iter().filter(|name| !album.known.contains_key(*name)).cloned().collect()
        };
        let files = self.records.files().clone();
        let read = tokio::task::spawn_blocking(move || {
            let thumb = |name: BlobName| {
                let bytes = files.get(&name).ok()?;
                let field = field_from_bytes(&bytes, None, true).ok()?;
                Some((name, Arc::new(Thumb::of(&field.image))))
            };
            missing.into_iter().filter_map(thumb).collect::<Vec<_>>()
        });
        let read = read.await.map_err(|_| Denied::from(Closed))?;
        let mut album = self.album();
        if album.of == Some(case) {
            album.known.extend(read);
            album.known.retain(|name, _| order.contains(name));
            album.order = order;
        }
        Ok(album.of(case))
    }

    /// What the networks ask of a field. At the start they may not be loaded yet.
    async fn contract(&self) -> Result<SlideContract, Denied> {
        let mut bench = self.bench.clone();
        let loaded = tokio::time::timeout(PATIENCE, bench.wait_for(|bench| bench.ready.is_some())).await;
        let contract = loaded.ok().and_then(Result::ok).and_then(|bench| Some(bench.ready.as_ref()?.model.slide));
        contract.ok_or_else(|| {
            let why = "the networks are not loaded: what they ask of a field is not known";
            Denied::of(No::NotReady, why.to_owned())
        })
    }

    /// Takes what the camera sees now as a field of a draft. Who looks through the eyepieces hears whether it was taken.
    pub(crate) async fn capture(&self, case: CaseNumber, actor: Actor) -> Result<Value, Denied> {
        let taken = self.taken(case, actor).await;
        self.sounds.say(if taken.is_ok() { Sound::Taken } else { Sound::Denied });
        taken
    }

    async fn taken(&self, case: CaseNumber, actor: Actor) -> Result<Value, Denied> {
        let intake = self.draft(case).await?.intake;
        let fields = self.know(case, &intake).await?;
        self.camera()?;
        let contract = self.contract().await?;
        let frame = self.picture(|_| true).await?;
        tracing::info!(%case, sequence = frame.sequence, "a picture of the camera is taken");
        let scale = frame.scale;
        let lanes = self.lanes.clone();
        let taking = move || {
            if let Some(refusal) = judge::judge(&frame, &contract, None).refusal {
                let Refusal { message, .. } = &refusal;
                let why = message.replacen("image 1", "the picture", 1);
                return Err(Denied::of(No::Refused, format!("{why}; {}", refusal.code.next_step())));
            }
            let thumb = place(&frame, &fields)?;
            let bytes = picture_to_bytes(&frame.image).map_err(|error| Denied::new(70, error.to_string()))?;
            Ok((bytes, thumb))
        };
        let taken = tokio::task::spawn_blocking(move || lanes.shown(taking));
        let (bytes, thumb) = taken.await.map_err(|_| Denied::from(Closed))??;
        let picture = self.kept(bytes).await?;
        let answer = self.add(case, vec![FieldFile { picture: picture.clone(), scale, colour: true }], actor).await?;
        let mut album = self.album();
        if album.of == Some(case) {
            album.known.insert(picture.clone(), thumb);
            album.order.push(picture);
        }
        Ok(answer)
    }
}

/// What a picture looks like, if its place was not taken.
fn place(frame: &Frame, fields: &[Arc<Thumb>]) -> Result<Arc<Thumb>, Denied> {
    let thumb = Arc::new(Thumb::of(&frame.image));
    match shared(&thumb, fields, frame.image.dimensions().into()) {
        Some((index, share)) if share > MOST_SHARED => Err(Denied::of(
            No::Refused,
            format!("field {} shows {:.0}% of this already: move on", index + 1, share * 100.0),
        )),
        _ => Ok(thumb),
    }
}
