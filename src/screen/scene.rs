//! A page as a list of what is on it, from back to front: what a state looks like, before any pixel.
//!
//! Two scenes can be compared: what differs is what has to be painted again.

use std::sync::Arc;

use embedded_graphics::pixelcolor::Rgb888;

use crate::{
    Area,
    picture::Picture,
    text::{Align, Fit, Style, Typesetter},
    theme::{Look, contrast},
};

/// A sign that means the same without its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A disc with a tick: well.
    Well,
    /// A triangle with an exclamation mark: wants to be looked at.
    Warn,
    /// An octagon with a bar: must not be.
    Stop,
    /// A ring with a question mark: nobody knows.
    Unknown,
    /// A square with an i: to be known.
    Note,
}

/// Where a block of text stands in its area, from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// At the top.
    Top,
    /// In the middle.
    Middle,
}

/// Something on a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// One colour.
    Fill {
        /// Where.
        area: Area,
        /// Which.
        color: Rgb888,
    },
    /// One colour with round corners, and a border.
    Plate {
        /// Where.
        area: Area,
        /// Which.
        color: Rgb888,
        /// What it lies on: its corners are mixed with that.
        on: Rgb888,
        /// Of the corners, pixels.
        radius: u16,
        /// Colour and width of the border.
        border: Option<(Rgb888, u16)>,
    },
    /// Letters.
    Text {
        /// Where.
        area: Area,
        /// What.
        text: Arc<str>,
        /// How it is set.
        style: Style,
        /// From top to bottom.
        stand: Stand,
        /// The letters.
        color: Rgb888,
        /// What they stand on.
        on: Rgb888,
    },
    /// A sign.
    Sign {
        /// Where. Its shape is square.
        area: Area,
        /// Which.
        sign: Sign,
        /// Its colour.
        color: Rgb888,
        /// What it stands on.
        on: Rgb888,
    },
    /// A picture.
    Picture {
        /// Where.
        area: Area,
        /// Of what.
        picture: Picture,
    },
    /// A ring on a picture.
    Ring {
        /// Around it. Its shape is square.
        area: Area,
        /// Nothing of it is seen outside of this.
        clip: Area,
        /// Its colour.
        color: Rgb888,
        /// Of its line, pixels.
        width: u16,
    },
}

impl Item {
    /// Where it is.
    #[must_use]
    pub const fn area(&self) -> Area {
        match self {
            Self::Fill { area, .. }
            | Self::Plate { area, .. }
            | Self::Text { area, .. }
            | Self::Sign { area, .. }
            | Self::Picture { area, .. }
            | Self::Ring { area, .. } => *area,
        }
    }
}

impl Item {
    /// Puts it somewhere else.
    pub const fn place(&mut self, to: Area) {
        match self {
            Self::Ring { area, clip, .. } => {
                // It stays as it lies on its picture.
                clip.x = clip.x + to.x - area.x;
                *area = to;
            }
            Self::Fill { area, .. }
            | Self::Plate { area, .. }
            | Self::Text { area, .. }
            | Self::Sign { area, .. }
            | Self::Picture { area, .. } => *area = to,
        }
    }
}

/// What a touch of an area means.
#[derive(Debug, Clone, PartialEq)]
pub struct Target<A> {
    /// Where.
    pub area: Area,
    /// What it means.
    pub act: A,
}

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene<A> {
    /// What is on it, from back to front.
    pub items: Vec<Item>,
    /// What can be touched, in the order in which buttons and keys go through it. The last one that has a point has the touch.
    pub targets: Vec<Target<A>>,
}

impl<A> Default for Scene<A> {
    fn default() -> Self {
        Self { items: Vec::new(), targets: Vec::new() }
    }
}

/// What is wrong with a page.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Text needs more room than it has.
    #[error("\"{text}\" needs {needs:?} pixels and has {has:?}")]
    Clipped {
        /// The text.
        text: Arc<str>,
        /// Across and down.
        needs: (usize, usize),
        /// Across and down.
        has: (u16, u16),
    },
    /// No font has a character.
    #[error("{missing} characters of \"{text}\" are in no font")]
    Missing {
        /// The text.
        text: Arc<str>,
        /// So many.
        missing: usize,
    },
    /// A word is broken where no word may be.
    #[error("\"{text}\" is broken within a word")]
    Broken {
        /// The text.
        text: Arc<str>,
    },
    /// Letters cannot be read on their ground.
    #[error("\"{text}\" has a contrast of {contrast:.1}")]
    Faint {
        /// The text.
        text: Arc<str>,
        /// Less than 4.5.
        contrast: f64,
    },
    /// Something is not on the panel.
    #[error("{0:?} is outside")]
    Outside(Area),
    /// A finger misses it.
    #[error("the target {0:?} is too small")]
    Small(Area),
    /// A finger cannot tell two apart.
    #[error("the targets {0:?} and {1:?} overlap")]
    Overlap(Area, Area),
}

impl<A: PartialEq> Scene<A> {
    /// The target at a pixel.
    #[must_use]
    pub fn at(&self, x: u16, y: u16) -> Option<&Target<A>> {
        self.targets.iter().rev().find(|target| target.area.contains(x, y))
    }

    /// What has to be painted again after `before`.
    #[must_use]
    pub fn damage(&self, before: &Self) -> Vec<Area> {
        let new = self.items.iter().filter(|item| !before.items.contains(item));
        let old = before.items.iter().filter(|item| !self.items.contains(item));
        let mut damage: Vec<Area> = Vec::new();
        for mut area in new.chain(old).map(Item::area).filter(|area| !area.is_empty()) {
            // Areas that meet become one: nothing is painted twice.
            while let Some(index) = damage.iter().position(|other| other.meets(&area)) {
                area = area.and(&damage.swap_remove(index));
            }
            damage.push(area);
        }
        damage
    }

    /// What is wrong with it on a panel.
    #[must_use]
    pub fn faults(&self, look: &Look, typesetter: &mut Typesetter) -> Vec<Fault> {
        let panel = Area::new(0, 0, look.width, look.height);
        let mut faults = Vec::new();
        let areas = self.items.iter().map(Item::area).chain(self.targets.iter().map(|target| target.area));
        faults.extend(areas.filter(|area| !area.is_in(&panel)).map(Fault::Outside));
        for item in &self.items {
            let Item::Text { area, text, style, color, on, .. } = item else { continue };
            let mask = typesetter.set(text, *style, area.width, area.height);
            let needs = (mask.longest, mask.height);
            if needs.0 > usize::from(area.width) || needs.1 > usize::from(area.height) {
                faults.push(Fault::Clipped { text: Arc::clone(text), needs, has: (area.width, area.height) });
            }
            if mask.missing > 0 {
                faults.push(Fault::Missing { text: Arc::clone(text), missing: mask.missing });
            }
            if mask.broken > 0 && matches!(style.fit, Fit::Smaller(_)) {
                faults.push(Fault::Broken { text: Arc::clone(text) });
            }
            let contrast = contrast(*color, *on);
            if contrast < 4.5 {
                faults.push(Fault::Faint { text: Arc::clone(text), contrast });
            }
        }
        let finger = look.finger();
        for (index, Target { area, .. }) in self.targets.iter().enumerate() {
            if area.width < finger || area.height < finger {
                faults.push(Fault::Small(*area));
            }
            let others = self.targets[..index].iter().map(|other| other.area);
            faults.extend(others.filter(|other| other.meets(area)).map(|other| Fault::Overlap(other, *area)));
        }
        faults
    }

    /// Adds letters.
    pub fn text(&mut self, area: Area, text: impl Into<Arc<str>>, style: Style, color: Rgb888, on: Rgb888) {
        self.items.push(Item::Text { area, text: text.into(), style, stand: Stand::Middle, color, on });
    }
}

impl Style {
    /// Letters of a size from where reading begins, that may become smaller down to another.
    #[must_use]
    pub const fn of(size: u16, least: u16, rtl: bool) -> Self {
        Self { size, bold: false, align: Align::Start, rtl, fit: Fit::Smaller(least) }
    }

    /// Heavier.
    #[must_use]
    pub const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// In the middle.
    #[must_use]
    pub const fn centred(self) -> Self {
        Self { align: Align::Centre, ..self }
    }

    /// Of what people type: what has no room is left out in the middle.
    #[must_use]
    pub const fn shorter(self) -> Self {
        Self { fit: Fit::Shorter(self.least()), ..self }
    }

    /// Of a number that is copied: it has to be there whole, on as many lines as it needs.
    #[must_use]
    pub const fn broken(self) -> Self {
        Self { fit: Fit::Broken(self.least()), ..self }
    }

    const fn least(self) -> u16 {
        let (Fit::Smaller(least) | Fit::Broken(least) | Fit::Shorter(least)) = self.fit;
        least
    }
}
