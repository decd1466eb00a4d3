//! Pictures for browsers, one made at a time, and the last kept: browsers that keep up get the same.

use axum::body::Bytes;
use tokio::{sync::Mutex, task::spawn_blocking};

use super::{Shown, difference};

/// What made a picture died.
#[derive(Debug)]
pub(super) struct NoPicture;

/// What changed from one serial, or from nothing, to another.
struct Update {
    from: Option<u32>,
    to: u32,
    bytes: Option<Bytes>,
}

/// The last of each kind.
#[derive(Default)]
pub(super) struct Pictures {
    update: Mutex<Option<Update>>,
    /// Of which serial.
    whole: Mutex<Option<(u32, Option<Bytes>)>>,
}

impl Pictures {
    /// What turns one frame into the other: see [`difference::update`].
    pub(super) async fn update(&self, before: Option<&Shown>, after: &Shown) -> Result<Option<Bytes>, NoPicture> {
        let mut kept = self.update.lock().await;
        let (from, to) = (before.map(|before| before.serial), after.serial);
        if let Some(kept) = kept.as_ref().filter(|kept| (kept.from, kept.to) == (from, to)) {
            return Ok(kept.bytes.clone());
        }
        let (old, new) = (before.map(|before| before.glass.frame.clone()), after.glass.frame.clone());
        let made = spawn_blocking(move || difference::update(to, old.as_deref(), &new).map(Bytes::from));
        let bytes = made.await.map_err(|_| NoPicture)?;
        *kept = Some(Update { from, to, bytes: bytes.clone() });
        Ok(bytes)
    }

    /// A whole frame as PNG, if it has pixels.
    pub(super) async fn whole(&self, shown: &Shown) -> Result<Option<Bytes>, NoPicture> {
        let mut kept = self.whole.lock().await;
        if let Some((serial, picture)) = kept.as_ref()
            && *serial == shown.serial
        {
            return Ok(picture.clone());
        }
        let frame = shown.glass.frame.clone();
        let picture = spawn_blocking(move || difference::picture(&frame).map(Bytes::from));
        let picture = picture.await.map_err(|_| NoPicture)?;
        *kept = Some((shown.serial, picture.clone()));
        Ok(picture)
    }
}
