//! The hardware as narrow traits, each with a simulated twin that always builds and is always tested.
//!
//! Knows nothing of what is done with a frame. The only place where `unsafe` may live.

pub mod buttons;
pub mod camera;
mod card;
mod clock;
pub mod display;
mod fingers;
mod framebuffer;
pub mod hands;
mod inputs;
mod keyboard;
pub mod linux;
pub mod output;
pub mod placement;
mod power;
pub mod sim;
mod thermal;

pub use camera::{Camera, CameraFault, Shot};
pub use clock::{Clock, ClockTrust};
pub use display::Display;
pub use hands::Hands;
pub use inputs::Inputs;
pub use output::Output;
pub use power::PowerMeter;
pub use thermal::{Celsius, Reading, Thermal};
