//! What the panel shows, and what hands do to it: between the screen's thread, its outputs and its inputs.

use std::sync::Arc;

use hilum_screen::{
    Frame,
    event::{Key, Touch},
};
use tokio::sync::{mpsc, watch};

/// What the panel shows.
#[derive(Clone)]
pub(crate) struct Glass {
    /// Its pixels.
    pub(crate) frame: Arc<Frame>,
    /// Nobody is logged in who would have to be.
    pub(crate) locked: bool,
}

/// The newest wins; nothing while there is no screen.
pub(crate) type Glasses = watch::Receiver<Option<Glass>>;

/// What a hand does.
#[cfg_attr(not(test), expect(dead_code, reason = "the screen's thread looks into it"))]
pub(crate) enum Hand {
    /// A finger.
    Touch(Touch),
    /// A key.
    Key(Key),
}

/// Bounded.
pub(crate) type Hands = mpsc::Sender<Hand>;
