//! The threads that watch the share, and what was received. A share that hangs (a server gone) hangs this thread and nothing else.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

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

/// What is watched.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    /// What the thread is called.
    pub(crate) name: &'static str,
    pub(crate) folder: PathBuf,
    pub(crate) poll: Duration,
    pub(crate) quiet: Duration,
    /// Whether it comes and goes: the box's own folder does not.
    pub(crate) comes_and_goes: bool,
}

/// Starts to watch. Arrivals wait until they are taken: they lie there, so none is lost.
pub(crate) fn watch(
    watched: Watched,
    events: mpsc::Sender<Event>,
    stopping: Arc<AtomicBool>,
) -> std::io::Result<thread::JoinHandle<()>> {
    let told = events.clone();
    let Watched { name, folder, poll, quiet, comes_and_goes } = watched;
    thread_of(name, told, move || {
        let began = Instant::now();
        let mut share = Share::new(&folder, quiet);
        let mut there = None;
        while !stopping.load(Ordering::Relaxed) {
            let scanned = share.scan(began.elapsed());
            let news = comes_and_goes && there != Some(scanned.is_ok());
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
            thread::park_timeout(poll);
        }
    })
}
