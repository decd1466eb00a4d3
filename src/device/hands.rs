//! What hands do: touches, keys and buttons, from whichever device.

use std::{fmt, time::Duration};

use crate::placement::Placement;

/// Where a finger is in its touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It came down.
    Down,
    /// It moved.
    Move,
    /// It was lifted.
    Up,
    /// Nobody knows what became of it: it counts for nothing.
    Lost,
}

/// A finger on what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// Which finger, below [`Contact::FINGERS`].
    pub finger: u8,
    /// What it does.
    pub phase: Phase,
    /// Pixels of the picture from the left.
    pub x: u32,
    /// Pixels of the picture from the top.
    pub y: u32,
}

impl Contact {
    /// So many fingers there can be, of all devices together.
    pub const FINGERS: u8 = 128;
}

/// A key that means something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Character(char),
    /// Takes the last character away.
    Backspace,
    /// Does what has the focus.
    Enter,
    /// The next thing.
    Next,
    /// The one before.
    Previous,
    /// Back.
    Escape,
    /// Takes what the camera sees: a pedal.
    Capture,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is typed may be a PIN or a name.
        formatter.write_str(match self {
            Self::Character(_) => "Character(…)",
            Self::Backspace => "Backspace",
            Self::Enter => "Enter",
            Self::Next => "Next",
            Self::Previous => "Previous",
            Self::Escape => "Escape",
            Self::Capture => "Capture",
        })
    }
}

/// What a hand did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A finger.
    Contact(Contact),
    /// A key or a button.
    Key(Key),
}

/// Whatever hands can do something with.
pub trait Hands: Send {
    /// What was done to what is shown, waiting at most `patience`. Devices come and go meanwhile.
    fn next(&mut self, shown: &Placement, patience: Duration) -> Vec<Deed>;

    /// Lets go of every device, because nothing is shown: what is typed then is somebody else's. The fingers that are lost with it.
    fn rest(&mut self) -> Vec<Deed>;
}
