//! What the panel shows, and what hands do to it: between the screen's thread, its outputs and its inputs.

use std::sync::Arc;

use hilum_screen::{
    Frame,
    event::{Key, Touch},
};
use tokio::sync::{mpsc, watch};

/// What the panel shows.
#[derive(Debug, Clone)]
pub(crate) struct Glass {
    /// Its pixels: many show one frame.
    pub(crate) frame: Arc<Frame>,
    /// Whether nobody is logged in who would have to be: then nothing of a patient is on it.
    pub(crate) locked: bool,
}

/// The newest picture wins, and nobody waits for an old one. Nothing before the first.
pub(crate) type Glasses = watch::Receiver<Option<Glass>>;

/// What a hand does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// A finger, or what stands for one.
    Touch(Touch),
    /// A key, a scanner's character, a button on the box.
    Key(Key),
}

/// Where hands go. Bounded: an input that finds it full drops what it has, and says so with [`Phase::Lost`] before the next
/// touch.
///
/// [`Phase::Lost`]: hilum_screen::event::Phase::Lost
pub(crate) type Hands = mpsc::Sender<Hand>;
