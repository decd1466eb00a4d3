//! What the attached panel shows: a state machine, its pages, text in eight languages, a framebuffer.
//!
//! [`Event`](event::Event) in, [`Wish`](event::Wish)es and a [`Scene`](scene::Scene) out. Knows no file, no clock, no network
//! and no hardware: time is an argument, the daemon answers wishes, and pixels go into any `DrawTarget`.

#![forbid(unsafe_code)]

pub mod event;
pub mod model;
pub mod words;

mod area;
mod frame;
pub mod keyboard;
pub mod page;
pub mod paint;
pub mod picture;
mod scaled;
pub mod scene;
mod screen;
pub mod sheet;
pub mod specimen;
pub mod state;
pub mod text;
pub mod theme;

pub use area::Area;
pub use frame::Frame;
pub use screen::Screen;
