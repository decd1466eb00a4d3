//! What a person thinks of a result: it is kept beside the result, with a reason where they disagree.

use crate::{
    Area,
    event::{Key, Wish},
    keyboard::{Keyboard, Layer, Stroke},
    model::{Opinion, Shown},
    page::{Act, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PAPER, PLATE},
};

/// The longest reason.
const LONGEST: usize = 300;

/// An opinion that is being given.
#[derive(Clone, PartialEq)]
pub struct Review {
    /// The case with its result.
    pub shown: Shown,
    agrees: Option<bool>,
    reason: String,
    keyboard: Keyboard,
    pub(super) busy: bool,
}

impl std::fmt::Debug for Review {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Review({})", self.shown.patient.case)
    }
}

impl Review {
    /// Nothing is said yet.
    #[must_use]
    pub const fn new(shown: Shown) -> Self {
        let keyboard = Keyboard { layer: Layer::Latin, shift: false };
        Self { shown, agrees: None, reason: String::new(), keyboard, busy: false }
    }

    /// Whether it is being kept.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.busy
    }

    fn can_save(&self) -> bool {
        match self.agrees {
            None => false,
            Some(true) => !self.busy,
            Some(false) => !self.busy && !self.reason.trim().is_empty(),
        }
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let words = sheet.words;
        let gap = sheet.gap();
        let mut area = area;
        let writes = self.agrees == Some(false);
        if writes {
            let keys = area.bottom(Keyboard::height(sheet).max(area.height * 2 / 5));
            self.keyboard.draw(sheet, keys, Act::Stroke);
        }
        let mut area = area.inside(gap);
        let choices = area.top(sheet.button_height()).columns(if writes { 3 } else { 2 }, gap);
        area.top(gap);
        let agrees = |agrees| Button::Choice(self.agrees == Some(agrees));
        sheet.button(choices[0], words.say("review-agree"), agrees(true), Act::Agrees(true));
        sheet.button(choices[1], words.say("review-disagree"), agrees(false), Act::Agrees(false));
        let save = match choices.get(2) {
            Some(place) => *place,
            None => {
                let place = area.bottom(sheet.button_height());
                area.bottom(gap);
                place
            }
        };
        sheet.button_if(self.can_save(), save, words.say("review-save"), Button::Call, Act::Save);
        if writes {
            let inside = sheet.plate(area);
            if self.reason.is_empty() {
                sheet.text(inside, words.say("review-reason"), size::BODY, FAINT, PLATE);
            } else {
                sheet.typed(inside, self.reason.as_str(), size::BODY, INK, PLATE);
            }
            return;
        }
        let parts = area.rows(2, gap);
        sheet.said(parts[0], Sign::Note, words.say("review-kept"), size::BODY, PAPER);
        if let Some(opinion) = &self.shown.opinion {
            let said = words.say(if opinion.agrees { "review-agreed-before" } else { "review-disagreed-before" });
            let inside = sheet.plate(parts[1]);
            let lines = inside.rows(2, 0);
            sheet.text(lines[0], said, size::SMALL, FAINT, PLATE);
            sheet.typed(lines[1], opinion.reason.as_str(), size::SMALL, INK, PLATE);
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        if self.busy {
            return Turn::Stay;
        }
        match act {
            Act::Agrees(agrees) => self.agrees = Some(*agrees),
            Act::Stroke(Stroke::Key(key)) if self.agrees == Some(false) => match key {
                Key::Character(character) if !character.is_control() && self.reason.chars().count() < LONGEST => {
                    self.reason.push(*character);
                }
                Key::Backspace => {
                    self.reason.pop();
                }
                _ => {}
            },
            Act::Stroke(stroke) => self.keyboard = self.keyboard.after(*stroke),
            Act::Save if self.can_save() => {
                self.busy = true;
                let agrees = self.agrees == Some(true);
                let reason = if agrees { String::new() } else { self.reason.trim().to_owned() };
                return Turn::Wish(vec![Wish::Review(self.shown.patient.case, Opinion { agrees, reason })]);
            }
            _ => {}
        }
        Turn::Stay
    }
}
