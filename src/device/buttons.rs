//! Buttons on the box, at lines of the kernel's GPIO chips.

use std::{
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    time::Duration,
};

use gpiocdev::{
    Chip, Request,
    chip::chips,
    line::{Bias, EdgeDetection},
};

use crate::hands::Key;

/// A press is told at once; so many at a time are taken from the kernel.
const PRESSES: usize = 16;

/// What holds a line at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// A resistor in the chip, to the supply.
    Up,
    /// A resistor in the chip, to ground.
    Down,
    /// The chip does nothing: there is a resistor beside the button.
    None,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// Its chip's name (gpiochip0) or label (pinctrl-rp1).
    pub chip: String,
    /// Its line of the chip.
    pub line: u32,
    /// What it does.
    pub key: Key,
}

/// The buttons of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buttons {
    /// Each of them.
    pub all: Vec<Button>,
    /// Whether a line is low while its button is pressed.
    pub active_low: bool,
    /// What holds the lines at rest.
    pub pull: Pull,
    /// A line that was not at rest for so long is pressed; the kernel waits.
    pub debounce: Duration,
}

/// A button's line, of which the kernel tells every press.
pub(crate) struct Line {
    key: Key,
    request: Request,
}

/// Why a line cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NoLine {
    /// There is no chip of this name and label.
    #[error("there is no chip {0}")]
    NoChip(String),
    /// The kernel does not give it.
    #[error(transparent)]
    Refused(#[from] gpiocdev::Error),
}

/// The node of a chip, by its name or its label.
pub(crate) fn chip(named: &str) -> Result<PathBuf, NoLine> {
    for path in chips()? {
        let info = Chip::from_path(&path)?.info()?;
        if info.name == named || info.label == named {
            return Ok(path);
        }
    }
    Err(NoLine::NoChip(named.to_owned()))
}

impl Line {
    /// Takes a button's line for this program.
    pub(crate) fn take(button: &Button, buttons: &Buttons) -> Result<Self, NoLine> {
        let mut request = Request::builder();
        request.on_chip(chip(&button.chip)?).with_consumer("hilum").with_line(button.line).as_input();
        if buttons.active_low {
            request.as_active_low();
        }
        request.with_bias(match buttons.pull {
            Pull::Up => Bias::PullUp,
            Pull::Down => Bias::PullDown,
            Pull::None => Bias::Disabled,
        });
        // A press is where the line becomes active.
        request.with_edge_detection(EdgeDetection::RisingEdge).with_debounce_period(buttons.debounce);
        Ok(Self { key: button.key, request: request.request()? })
    }

    /// The presses that were not told yet.
    pub(crate) fn pressed(&self) -> Result<Vec<Key>, NoLine> {
        let mut pressed = Vec::new();
        while pressed.len() < PRESSES && self.request.has_edge_event()? {
            self.request.read_edge_event()?;
            pressed.push(self.key);
        }
        Ok(pressed)
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.request.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_that_is_not_there_is_named() {
        let button = Button { chip: "no-such-chip".to_owned(), line: 3, key: Key::Next };
        let buttons =
            Buttons { all: vec![button.clone()], active_low: true, pull: Pull::Up, debounce: Duration::from_millis(5) };
        let why = Line::take(&button, &buttons).map(drop).expect_err("there is none").to_string();
        assert_eq!(why, "there is no chip no-such-chip");
    }
}
