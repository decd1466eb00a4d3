//! The one writer of the store: a thread that owns it, and does what it is asked in the order of the asking.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hilum_device::Clock;
use hilum_store::{DataKey, Files, Opened, Store, StoreFault};
use tokio::sync::{mpsc, oneshot};

/// What is asked waits here; who asks more waits, too. Nothing is dropped.
const WAITING: usize = 16;

/// Something to do with the store, or `None` for the last thing: to close it.
type Ask = Option<Box<dyn FnOnce(&mut Store) + Send>>;

/// The store, from outside its thread.
#[derive(Clone)]
pub(crate) struct Records {
    asks: mpsc::Sender<Ask>,
    files: Files,
    done: Arc<AtomicU64>,
}

/// The thread of the store ended.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the store is closed")]
pub(crate) struct Closed;

/// Where a store lies and how it is opened.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    /// None where a PIN has to bring it.
    pub(crate) key: Option<DataKey>,
    /// Below so much free room, bytes, nothing new is taken in.
    pub(crate) watermark: u64,
}

/// How long a store may be in use by a daemon that was killed just now: a reader that it was starting holds the lock until
/// it has become another program.
const LINGERING: Duration = Duration::from_secs(3);

fn opened(place: &Place, clock: &Arc<dyn Clock>) -> Result<(Store, Opened), StoreFault> {
    let began = Instant::now();
    loop {
        match Store::open(&place.folder, place.watermark, &clock.now()) {
            Err(StoreFault::InUse) if began.elapsed() < LINGERING => thread::sleep(Duration::from_millis(20)),
            opened => return opened,
        }
    }
}

impl Records {
    /// Opens the store in a thread of its own. The handle ends when the last `Records` is gone and all asks are done.
    pub(crate) fn open(
        place: Place,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Self, Opened, thread::JoinHandle<()>), StoreFault> {
        let (mut store, opened) = opened(&place, clock)?;
        if let Some(key) = place.key {
            store.unlock(key)?;
        }
        let files = store.files().clone();
        let (asks, mut asked) = mpsc::channel::<Ask>(WAITING);
        let done = Arc::new(AtomicU64::new(0));
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || {
            while let Some(Some(ask)) = asked.blocking_recv() {
                ask(&mut store);
            }
            // In this order: when the channel is closed, so is the store.
            drop(store);
            drop(asked);
        });
        let thread = thread.map_err(|source| StoreFault::Disk { attempt: "start the store's thread", source })?;
        Ok((Self { asks, files, done }, opened, thread))
    }

    /// Has something done with the store, and waits for it.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T, Closed> {
        let (answer, answered) = oneshot::channel();
        let done = Arc::clone(&self.done);
        let ask: Ask = Some(Box::new(move |store: &mut Store| {
            let told = what(store);
            // Before the answer: whoever has it finds it counted.
            done.fetch_add(1, Ordering::Relaxed);
            // Who asked may have gone away meanwhile; what was asked is done all the same.
            drop(answer.send(told));
        }));
        self.asks.send(ask).await.map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }

    /// Closes the store after what was asked before, and says whether it was closed within `most`.
    pub(crate) async fn close(&self, most: Duration) -> bool {
        let closed = async {
            // It may be closed already.
            drop(self.asks.send(None).await);
            self.asks.closed().await;
        };
        tokio::time::timeout(most, closed).await.is_ok()
    }

    /// The files of the cases, which need not wait for the store's thread.
    pub(crate) const fn files(&self) -> &Files {
        &self.files
    }

    /// How much was done so far.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}
