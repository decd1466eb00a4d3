//! The hardware as narrow traits, each with a simulated twin that always builds and is always tested.
//!
//! Knows nothing of what is done with a frame. The only place where `unsafe` may live.

pub mod buttons;
mod card;
mod clock;
pub mod display;
mod fingers;
mod framebuffer;
pub mod hands;
mod inputs;
mod keyboard;
pub mod linux;
pub mod placement;
mod power;
pub mod sim;
mod thermal;

pub use clock::{Clock, ClockTrust};
pub use display::Display;
pub use hands::Hands;
pub use inputs::Inputs;
pub use power::PowerMeter;
pub use thermal::{Celsius, Reading, Thermal};

use std::{sync::Arc, time::Duration};

use hilum_domain::MicronsPerPixel;
use image::RgbImage;

/// A picture from a camera.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its pixels: many look at one frame.
    pub image: Arc<RgbImage>,
    /// Rises by one with every frame the camera took.
    pub sequence: u64,
    /// Monotonic time since the camera was opened.
    pub at: Duration,
    /// The scale, where camera and objective are calibrated.
    pub scale: Option<MicronsPerPixel>,
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum CameraFault {
    /// The camera is not there, or went away.
    #[error("the camera is not there")]
    Absent,
    /// The camera is there and gives nothing.
    #[error("the camera gave no frame within {0:?}")]
    Stalled(Duration),
}

/// A microscope camera.
pub trait Camera {
    /// The next frame, waiting at most `patience`.
    ///
    /// # Errors
    /// [`CameraFault`] if there is none in time.
    fn next(&mut self, patience: Duration) -> Result<Frame, CameraFault>;
}
