//! The thread that scanners and archives send to, and what became of what they sent.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use hilum_config::{Receive as Settings, Tls};
use hilum_dicom::{Identity, Incident, Receiver, Receiving, ServerTls};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{appliance::chain, event::Event, supervise::thread_of};

/// How long is waited before an address is tried again that cannot be listened on.
const AGAIN: Duration = Duration::from_secs(5);

/// What was received since the start.
#[derive(Debug, Default)]
pub(crate) struct Received {
    listening: AtomicBool,
    taken: AtomicU64,
    refused: AtomicU64,
    turned_away: AtomicU64,
    broken: AtomicU64,
}

impl Received {
    fn count(&self, incident: Incident) {
        let counter = match incident {
            Incident::Stored { .. } => &self.taken,
            Incident::NotStored(why) => {
                tracing::warn!(%why, "an object was not received");
                &self.refused
            }
            Incident::TurnedAway => &self.turned_away,
            Incident::Broken => &self.broken,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "listening": self.listening.load(Ordering::Relaxed),
            "taken": count(&self.taken),
            "refused": count(&self.refused),
            "turned-away": count(&self.turned_away),
            "broken": count(&self.broken),
        })
    }
}

/// Makes the folder for what comes. Readers run as another user of the same group.
pub(crate) fn folder(settings: &Settings, data: &Path) -> io::Result<PathBuf> {
    let folder = settings.folder.clone().unwrap_or_else(|| data.join("received"));
    if !folder.is_dir() {
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o2750))?;
    }
    Ok(folder)
}

pub(crate) fn identity(Tls { certificate, key }: &Tls) -> Identity {
    Identity { certificate: certificate.clone(), key: key.clone() }
}

/// Starts to listen. An address that is not there yet, or taken, is tried again.
pub(crate) fn start(
    settings: Settings,
    folder: PathBuf,
    keep_free: u64,
    received: Arc<Received>,
    events: mpsc::Sender<Event>,
    stopping: Arc<AtomicBool>,
) -> io::Result<thread::JoinHandle<()>> {
    thread_of("receiver", events, move || {
        while !stopping.load(Ordering::Relaxed) {
            let tls = settings
                .tls
                .as_ref()
                .map(|tls| ServerTls { identity: identity(tls), authorities: settings.authorities.clone() });
            let allowed = settings.allow.clone();
            let receiving = Receiving { allowed, keep_free, tls, ..Receiving::new(&settings.ae_title, &folder) };
            let served = Receiver::bind(settings.listen, receiving).and_then(|receiver| {
                received.listening.store(true, Ordering::Relaxed);
                tracing::info!("scanners and archives may send");
                receiver.serve(&stopping, &|incident| received.count(incident))
            });
            received.listening.store(false, Ordering::Relaxed);
            if let Err(error) = served {
                tracing::error!(error = chain(error), "cannot receive, and tries again");
                thread::park_timeout(AGAIN);
            }
        }
    })
}

/// Removes series to which nothing came for so long; how many.
///
/// # Errors
/// If the folder cannot be read, or something in it not removed.
pub(crate) fn clear(folder: &Path, keep: Duration, now: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden || !path.is_dir() {
            continue;
        }
        // A folder's own time is that of the last file that came.
        let last = fs::metadata(&path)?.modified()?;
        if now.duration_since(last).is_ok_and(|age| age > keep) {
            fs::remove_dir_all(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: REQ-PRIVACY-04
    #[test]
    fn what_came_long_ago_is_removed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in ["1.2", "1.3", ".unfinished"] {
            fs::create_dir(folder.path().join(name)).expect("made");
            fs::write(folder.path().join(name).join("1.dcm"), b"slice").expect("written");
        }
        let day = Duration::from_secs(86_400);
        let now = SystemTime::now();
        assert_eq!(clear(folder.path(), day, now).expect("read"), 0);
        assert_eq!(clear(folder.path(), day, now - 9 * day).expect("read"), 0, "a clock that went back");
        assert_eq!(clear(folder.path(), day, now + 2 * day).expect("read"), 2);
        assert!(folder.path().join(".unfinished").is_dir());
    }
}
