//! Whoever waits for a case: hears what is done, and may call it off.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
};

use hilum_infer::{BundleError, EngineFault};

use crate::{ExplainMethod, Stage};

/// Why a case has no outcome: no fault of the case.
#[derive(Debug, thiserror::Error)]
pub enum AssessFault {
    /// The engine failed: the device is not well.
    #[error(transparent)]
    Engine(#[from] EngineFault),
    /// The bundle's networks cannot be explained.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Whoever waited called it off.
    #[error("it was called off")]
    CalledOff,
}

/// What is being explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A method's map is computed.
    Map(ExplainMethod),
    /// It is measured how faithful a method's map is.
    Faithfulness(ExplainMethod),
}

/// Whoever waits.
pub trait Watch: Sync {
    /// What begins.
    fn stage(&self, _stage: Stage) {}

    /// `done` of `of` runs of a network are behind. `Break` calls the case off: it ends with [`AssessFault::CalledOff`] within one
    /// run of a network.
    fn progress(&self, _part: Part, _done: usize, _of: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Nobody waits.
impl Watch for () {}

/// Counts the runs of one part.
pub(crate) struct Count<'a> {
    watch: &'a dyn Watch,
    part: Part,
    of: usize,
    done: AtomicUsize,
}

impl<'a> Count<'a> {
    /// Says that a part of `of` runs begins.
    pub(crate) fn new(watch: &'a dyn Watch, part: Part, of: usize) -> Result<Self, AssessFault> {
        let count = Self { watch, part, of, done: AtomicUsize::new(0) };
        match watch.progress(part, 0, of) {
            ControlFlow::Continue(()) => Ok(count),
            ControlFlow::Break(()) => Err(AssessFault::CalledOff),
        }
    }

    /// One more is done.
    pub(crate) fn step(&self) -> Result<(), AssessFault> {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match self.watch.progress(self.part, done.min(self.of), self.of) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(AssessFault::CalledOff),
        }
    }
}
