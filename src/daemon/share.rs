//! The thread that watches the share. A share that hangs (a server gone) hangs this thread and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use hilum_config::Share as Settings;
use hilum_intake::{Arrival, Digest, Share};
use tokio::sync::mpsc;

use crate::{event::Event, supervise::thread_of};

/// What the share has to tell.
#[derive(Debug)]
pub(crate) enum News {
    /// It came, or went away.
    There(bool),
    /// An export came to rest.
    Arrived(Arrival),
    /// An export is not there any more.
    Left(Digest),
}

/// Starts to watch. Arrivals wait until they are taken: they lie on the share, so none is lost.
pub(crate) fn watch(
    settings: Settings,
    events: mpsc::Sender<Event>,
    stopping: Arc<AtomicBool>,
) -> std::io::Result<thread::JoinHandle<()>> {
    let told = events.clone();
    thread_of("share", told, move || {
        let began = Instant::now();
        let mut share = Share::new(&settings.folder, settings.quiet);
        let mut there = None;
        while !stopping.load(Ordering::Relaxed) {
            let scanned = share.scan(began.elapsed());
            let news = there != Some(scanned.is_ok());
            there = Some(scanned.is_ok());
            if news && events.blocking_send(Event::Share(News::There(scanned.is_ok()))).is_err() {
                return;
            }
            let found = scanned.unwrap_or_default();
            let arrived = found.arrived.into_iter().map(News::Arrived);
            for news in found.left.into_iter().map(News::Left).chain(arrived) {
                if events.blocking_send(Event::Share(news)).is_err() {
                    return;
                }
            }
            thread::park_timeout(settings.poll);
        }
    })
}
