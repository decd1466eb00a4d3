//! Board files: what was written, then what is meant.
//!
//! Reads the files it is told of and nothing else: no environment, no clock. A [`Board`] holds checked values only; where
//! that is not to be had, [`Problems`] says everything that is wrong, each with its file, line and column.

#![forbid(unsafe_code)]

mod board;
mod problem;
mod section;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use board::{
    Access, Attached, Backlight, Board, Bundle, Buttons, Buzzer, Camera, CameraSource, Case, ClockTrust, Control,
    Controls, Daemon, Delegate, Deliver, Engine, EngineName, Explanation, GpioLine, HttpCamera, KeySource, Mirror,
    Panel, Paths, Pedal, PublicKey, Pull, RawFormat, Receive, Rotation, Sha256, Share, Signals, Store, Thermal, Tls,
    Wiring, Worker,
};
pub use problem::{Position, Problem, Problems};
pub use walk::{ae_title, archive};

/// Reads a board with all that it inherits, and the settings of its site over it.
///
/// # Errors
/// [`Problems`], never empty, if there is anything wrong with one of the files.
pub fn load(board: &Path, site: Option<&Path>) -> Result<Board, Problems> {
    let mut findings = problem::Findings::default();
    let tree = tree::read(board, site, &mut findings);
    let board = walk::board(tree, &mut findings);
    match (board, findings.into_problems()) {
        (Some(board), problems) if problems.as_slice().is_empty() => Ok(board),
        (_, problems) => Err(problems),
    }
}
