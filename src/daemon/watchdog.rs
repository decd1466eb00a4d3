//! The service manager: told when the appliance is ready and when it stops, and fed while every loop makes progress.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sd_notify::NotifyState;

use crate::records::Records;

/// What must move between two feedings.
pub(crate) struct Signs {
    pub(crate) records: Records,
    pub(crate) beats: Arc<AtomicU64>,
    pub(crate) camera: Option<Arc<AtomicU64>>,
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}

/// The appliance takes cases.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The appliance stops in order.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// A sign of life of a process that has nothing else to watch.
pub(crate) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Feeds the watchdog, if there is one, while event loop, store and camera all moved since the last time.
pub(crate) async fn feed(signs: Signs) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let every = (patience / 3).max(Duration::from_millis(100));
    let mut last = (0, 0, 0);
    loop {
        tokio::time::sleep(every).await;
        // The store may have nothing to do: it is asked for nothing, which counts as something done.
        if tokio::time::timeout(every, signs.records.with(|_| ())).await.is_err() {
            tracing::warn!("the store does not answer: the watchdog is not fed");
            continue;
        }
        let camera = signs.camera.as_ref().map_or(last.2 + 1, |beats| beats.load(Ordering::Relaxed));
        let now = (signs.beats.load(Ordering::Relaxed), signs.records.done(), camera);
        if now.0 != last.0 && now.1 != last.1 && now.2 != last.2 {
            notify(&[NotifyState::Watchdog]);
            last = now;
        } else {
            tracing::warn!(?now, ?last, "something does not move: the watchdog is not fed");
        }
    }
}
