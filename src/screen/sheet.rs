//! A page while it is drawn: areas, words and widgets become a scene.
//!
//! Pages are laid out as they are read from left to right. For a language from right to left the whole sheet is mirrored at the
//! end, but for what has one order everywhere: digits, keyboards, pictures.

use std::sync::Arc;

use embedded_graphics::pixelcolor::Rgb888;

use crate::{
    Area,
    picture::Picture,
    scene::{Item, Scene, Sign, Stand, Target},
    text::{Align, Style},
    theme::{CALL, CHOSEN, DARK, FAINT, INK, KEY, Look, PAPER, PLATE, PRESSED, STOP, WARN, WELL},
    words::Words,
};

/// What a button is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// One of several ways on.
    Plain,
    /// The way on, as a rule.
    Call,
    /// What cannot be taken back.
    Danger,
    /// One of several that exclude each other, chosen or not.
    Choice(bool),
}

/// Sizes of letters, pixels of a panel of 150 dpi.
pub mod size {
    /// What is seen first.
    pub const TITLE: u16 = 30;
    /// What is read.
    pub const BODY: u16 = 22;
    /// What is read on demand.
    pub const SMALL: u16 = 18;
    /// What is read from a metre and matters.
    pub const LARGE: u16 = 40;
}

/// A page while it is drawn.
pub struct Sheet<'a, A> {
    /// The panel.
    pub look: Look,
    /// The language.
    pub words: &'a Words,
    scene: Scene<A>,
    /// What a finger is on.
    pressed: Option<&'a A>,
    /// What keys and buttons are on, as the number of a target.
    focus: Option<usize>,
    /// Items and targets from the first to before the last that keep their order, and the area that they fill.
    kept: Vec<(std::ops::Range<usize>, std::ops::Range<usize>, Area)>,
}

impl<'a, A: Clone + PartialEq> Sheet<'a, A> {
    /// An empty one.
    #[must_use]
    pub fn new(look: Look, words: &'a Words, pressed: Option<&'a A>, focus: Option<usize>) -> Self {
        let mut scene = Scene::default();
        scene.items.push(Item::Fill { area: Area::new(0, 0, look.width, look.height), color: PAPER });
        Self { look, words, scene, pressed, focus, kept: Vec::new() }
    }

    /// All of the panel.
    #[must_use]
    pub const fn all(&self) -> Area {
        Area::new(0, 0, self.look.width, self.look.height)
    }

    /// The gap between two things.
    #[must_use]
    pub fn gap(&self) -> u16 {
        self.look.px(10)
    }

    /// The height of one line of letters.
    #[must_use]
    pub fn line(&self, size: u16) -> u16 {
        // As high as the line of `text`, and one for rounding.
        let height = f32::from(self.look.letters(size)) * 1.5;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few dozen pixels")]
        let whole = height.ceil() as u16;
        whole + 1
    }

    /// The height of a button with one line.
    #[must_use]
    pub fn button_height(&self) -> u16 {
        self.look.finger().max(self.line(size::BODY) + self.look.px(12))
    }

    const fn rtl(&self) -> bool {
        self.words.language().is_rtl()
    }

    /// Towards where a list begins.
    #[must_use]
    pub const fn back_sign(&self) -> &'static str {
        if self.rtl() { ">" } else { "<" }
    }

    /// Towards where a list ends.
    #[must_use]
    pub const fn on_sign(&self) -> &'static str {
        if self.rtl() { "<" } else { ">" }
    }

    /// Whatever item there is.
    pub fn item(&mut self, item: Item) {
        self.scene.items.push(item);
    }

    /// Ground for what belongs together. Answers with the room inside.
    pub fn plate(&mut self, area: Area) -> Area {
        let radius = self.look.px(8);
        self.item(Item::Plate { area, color: PLATE, on: PAPER, radius, border: None });
        area.inside(self.look.px(12))
    }

    /// The colour that an area lies on.
    fn ground(&self, area: Area) -> Rgb888 {
        let below = self.scene.items.iter().rev().find_map(|item| match item {
            Item::Fill { area: below, color } | Item::Plate { area: below, color, .. } if area.is_in(below) => {
                Some(*color)
            }
            _ => None,
        });
        below.unwrap_or(PAPER)
    }

    fn style(&self, letters: u16) -> Style {
        Style::of(self.look.letters(letters), self.look.least_letters(), self.rtl())
    }

    /// Letters of what people typed, in one place: what has no room is left out in its middle.
    pub fn typed(&mut self, area: Area, text: impl Into<Arc<str>>, letters: u16, color: Rgb888, on: Rgb888) {
        let style = self.style(letters).shorter();
        self.scene.text(area, text, style, color, on);
    }

    /// Letters, as they are, from where reading begins.
    pub fn text(&mut self, area: Area, text: impl Into<Arc<str>>, letters: u16, color: Rgb888, on: Rgb888) {
        let style = self.style(letters);
        self.scene.text(area, text, style, color, on);
    }

    /// Letters with a long number in them that somebody copies.
    pub fn copied(&mut self, area: Area, text: impl Into<Arc<str>>, letters: u16, color: Rgb888, on: Rgb888) {
        let style = self.style(letters).broken();
        self.scene.text(area, text, style, color, on);
    }

    /// Letters that are heavier.
    pub fn strong(&mut self, area: Area, text: impl Into<Arc<str>>, letters: u16, color: Rgb888, on: Rgb888) {
        let style = self.style(letters).bold();
        self.scene.text(area, text, style, color, on);
    }

    /// Letters in the middle.
    pub fn centred(&mut self, area: Area, text: impl Into<Arc<str>>, letters: u16, color: Rgb888, on: Rgb888) {
        let style = self.style(letters).centred();
        self.scene.text(area, text, style, color, on);
    }

    /// Letters where reading ends.
    pub fn at_end(&mut self, area: Area, text: impl Into<Arc<str>>, letters: u16, color: Rgb888, on: Rgb888) {
        let style = Style { align: Align::End, ..self.style(letters) };
        self.scene.text(area, text, style, color, on);
    }

    /// A paragraph from the top.
    pub fn paragraph(&mut self, area: Area, text: impl Into<Arc<str>>, letters: u16, color: Rgb888, on: Rgb888) {
        let style = self.style(letters);
        self.item(Item::Text { area, text: text.into(), style, stand: Stand::Top, color, on });
    }

    /// A sign with a sentence.
    pub fn said(&mut self, area: Area, sign: Sign, text: impl Into<Arc<str>>, letters: u16, on: Rgb888) {
        let rest = self.signed(area, sign, letters, on);
        self.text(rest, text, letters, INK, on);
    }

    /// A sign with what people typed.
    pub fn said_typed(&mut self, area: Area, sign: Sign, text: impl Into<Arc<str>>, letters: u16, on: Rgb888) {
        let rest = self.signed(area, sign, letters, on);
        self.typed(rest, text, letters, INK, on);
    }

    /// A sign where reading begins. Answers with the room beside it.
    fn signed(&mut self, mut area: Area, sign: Sign, letters: u16, on: Rgb888) -> Area {
        let color = match sign {
            Sign::Well => WELL,
            Sign::Warn => WARN,
            Sign::Stop => STOP,
            Sign::Unknown | Sign::Note => FAINT,
        };
        let edge = self.look.letters(letters).min(area.height);
        let place = area.left(edge + self.gap());
        let top = place.y + (area.height - edge) / 2;
        self.item(Item::Sign { area: Area::new(place.x, top, edge, edge), sign, color, on });
        area
    }

    /// A bar of a share, with its ground.
    pub fn bar(&mut self, area: Area, share: f64, color: Rgb888) {
        self.item(Item::Fill { area, color: KEY });
        let width = rounded(f64::from(area.width) * share.clamp(0.0, 1.0));
        self.item(Item::Fill { area: Area { width: width.max(1), ..area }, color });
    }

    /// A picture in the middle of an area. Answers with where it is.
    pub fn picture(&mut self, area: Area, picture: Picture) -> Area {
        let fitted = picture.fitted(area);
        self.item(Item::Picture { area: fitted, picture });
        fitted
    }

    /// Something to touch that is drawn otherwise.
    pub fn target(&mut self, area: Area, act: A) {
        self.scene.targets.push(Target { area, act });
    }

    /// A button.
    pub fn button(&mut self, area: Area, text: impl Into<Arc<str>>, kind: Button, act: A) {
        self.button_of(area, text, kind, Some(act), size::BODY);
    }

    /// A button that can be touched or not: one that cannot is flat, and has no target.
    pub fn button_if(&mut self, can: bool, area: Area, text: impl Into<Arc<str>>, kind: Button, act: A) {
        self.button_of(area, text, kind, can.then_some(act), size::BODY);
    }

    /// A key of a keyboard: what can be touched is larger than what is drawn, and meets its neighbours.
    pub fn key(&mut self, area: Area, text: impl Into<Arc<str>>, act: A, letters: u16) {
        self.button_in(area, area.inside(self.look.px(2)), text, Button::Plain, Some(act), letters);
    }

    /// A button with letters of a size.
    pub fn button_of(&mut self, area: Area, text: impl Into<Arc<str>>, kind: Button, act: Option<A>, letters: u16) {
        self.button_in(area, area, text, kind, act, letters);
    }

    fn button_in(
        &mut self,
        target: Area,
        area: Area,
        text: impl Into<Arc<str>>,
        kind: Button,
        act: Option<A>,
        letters: u16,
    ) {
        let pressed = act.is_some() && act.as_ref() == self.pressed;
        let focused = act.is_some() && self.focus == Some(self.scene.targets.len());
        let (ground, ink) = match kind {
            _ if act.is_none() => (PAPER, FAINT),
            _ if pressed => (PRESSED, INK),
            Button::Plain | Button::Choice(false) => (KEY, INK),
            Button::Call => (CALL, INK),
            Button::Danger => (KEY, STOP),
            Button::Choice(true) => (CHOSEN, DARK),
        };
        let width = self.look.px(3).max(2);
        let border = match kind {
            _ if focused => Some((WARN, width)),
            _ if act.is_none() => Some((KEY, width)),
            Button::Danger => Some((STOP, width)),
            // Chosen is not said by colour alone.
            Button::Choice(true) => Some((CALL, width)),
            _ => None,
        };
        let on = self.ground(area);
        self.item(Item::Plate { area, color: ground, on, radius: self.look.px(8), border });
        let mut inside = area.inside(self.look.px(6));
        if kind == Button::Choice(true) {
            // Beside the words; above them where a word may need the whole width.
            let letters = self.look.letters(letters);
            let place = if inside.width < 8 * letters { inside.top(inside.height / 3) } else { inside.left(letters) };
            let edge = letters.min(place.height);
            let (x, y) = (place.x + (place.width - edge) / 2, place.y + (place.height - edge) / 2);
            let sign = Area::new(x, y, edge, edge);
            self.item(Item::Sign { area: sign, sign: Sign::Well, color: ink, on: ground });
        }
        let style = Style { bold: kind == Button::Call, ..self.style(letters).centred() };
        let text = text.into();
        if !text.is_empty() {
            self.scene.text(inside, text, style, ink, ground);
        }
        if let Some(act) = act {
            self.target(target, act);
        }
    }

    /// Draws what has one order in every language, in an area.
    pub fn in_order(&mut self, area: Area, draw: impl FnOnce(&mut Self)) {
        let (items, targets) = (self.scene.items.len(), self.scene.targets.len());
        draw(self);
        self.kept.push((items..self.scene.items.len(), targets..self.scene.targets.len(), area));
    }

    /// The page.
    #[must_use]
    pub fn scene(mut self) -> Scene<A> {
        if !self.rtl() {
            return self.scene;
        }
        let across = self.look.width;
        let place = |index: usize, area: Area, of: fn(&Kept) -> &std::ops::Range<usize>| match self
            .kept
            .iter()
            .find(|kept| of(kept).contains(&index))
        {
            None => area.mirrored(across),
            // A ring may reach beyond its picture.
            Some((_, _, whole)) => Area { x: (whole.mirrored(across).x + area.x).saturating_sub(whole.x), ..area },
        };
        for (index, item) in self.scene.items.iter_mut().enumerate() {
            let moved = place(index, item.area(), |kept| &kept.0);
            item.place(moved);
        }
        for (index, target) in self.scene.targets.iter_mut().enumerate() {
            target.area = place(index, target.area, |kept| &kept.1);
        }
        self.scene
    }
}

type Kept = (std::ops::Range<usize>, std::ops::Range<usize>, Area);

/// A length in whole pixels.
pub(crate) fn rounded(length: f64) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and lengths are positive")]
    let whole = length.round() as u16;
    whole
}
