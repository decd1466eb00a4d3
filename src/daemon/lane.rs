//! Threads of their own for the live picture: what a person looks at is on time, whatever the networks do meanwhile.

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::available_parallelism,
};

use hilum_device::linux::give_way;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::oneshot;

/// On a larger board so many threads for the preview: a picture is then looked at in half the time.
const MOST: usize = 2;

/// Lanes that nobody else uses.
#[derive(Clone)]
pub(crate) struct Lanes {
    /// For what is shown.
    preview: Arc<ThreadPool>,
    /// For the networks that look at it: they give way to everything else. A case has other threads.
    analysis: Arc<ThreadPool>,
}

impl Lanes {
    /// At most half of the cores for what is shown, all of them for what gives way.
    pub(crate) fn new() -> Result<Self, ThreadPoolBuildError> {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        let preview = ThreadPoolBuilder::new()
            .num_threads((cores / 2).clamp(1, MOST))
            .thread_name(|number| format!("preview {number}"));
        let gives_way = |_| {
            if let Err(error) = give_way() {
                tracing::debug!(%error, "the networks do not give way to the preview");
            }
        };
        let analysis = ThreadPoolBuilder::new()
            .num_threads(cores)
            .thread_name(|number| format!("analysis {number}"))
            .start_handler(gives_way);
        Ok(Self { preview: Arc::new(preview.build()?), analysis: Arc::new(analysis.build()?) })
    }

    /// Does something of the preview, and waits.
    pub(crate) fn shown<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.preview.install(work)
    }

    /// Has the networks look. Nothing comes of it if that panics.
    pub(crate) fn looked<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
        let (tell, told) = oneshot::channel();
        self.analysis.spawn(move || {
            // Rayon ends the process otherwise.
            if let Ok(made) = catch_unwind(AssertUnwindSafe(work)) {
                // Whoever asked may have gone.
                drop(tell.send(made));
            }
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: REQ-SERVICE-01
    #[tokio::test]
    async fn what_panics_ends_nothing() {
        let lanes = Lanes::new().expect("threads");
        assert!(lanes.looked(|| -> u8 { panic!("on purpose") }).await.is_err());
        assert_eq!(lanes.looked(|| 7).await, Ok(7));
        assert_eq!(lanes.shown(|| 8), 8);
    }
}
