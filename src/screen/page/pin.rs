//! A PIN for a role, typed twice.

use crate::{
    Area,
    event::{Key, Wish},
    keyboard::Stroke,
    model::Role,
    page::{
        Act, Turn,
        lock::{DIGITS, pad},
    },
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PLATE},
};

/// Whose PIN is set, and the digits so far. Never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SetPin {
    role: Option<Role>,
    first: Option<String>,
    digits: String,
    /// The two were not the same.
    differ: bool,
    /// Nobody else's can be set.
    only: bool,
    pub(super) busy: bool,
}

impl std::fmt::Debug for SetPin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SetPin({:?})", self.role)
    }
}

impl SetPin {
    /// The first PIN of a box: the administrator's.
    pub(super) fn first() -> Self {
        Self { role: Some(Role::Administrator), only: true, ..Self::default() }
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let gap = sheet.gap();
        let words = sheet.words;
        let mut area = area.inside(gap);
        let width = area.width.min(sheet.look.px(620));
        area = Area { x: area.x + (area.width - width) / 2, width, ..area };
        if !self.only {
            let roles = area.top(sheet.button_height());
            for (place, role) in roles.columns(3, gap).into_iter().zip(Role::ALL) {
                sheet.button(place, words.say(role.word()), Button::Choice(self.role == Some(role)), Act::Role(role));
            }
            area.top(gap / 2);
        }
        let shown = area.top((sheet.line(size::TITLE) + gap).max(sheet.line(size::SMALL) * 2 + gap));
        let inside = sheet.plate(shown);
        let ask = match (self.role, &self.first) {
            _ if self.busy => "pin-setting",
            (None, _) => "pin-role",
            (Some(_), None) => "pin-new",
            (Some(_), Some(_)) => "pin-again",
        };
        if !self.digits.is_empty() {
            sheet.centred(inside, "\u{2022}".repeat(self.digits.len()), size::LARGE, INK, PLATE);
        } else if self.differ {
            sheet.said(inside, Sign::Stop, words.say("pin-differ"), size::SMALL, PLATE);
        } else {
            sheet.centred(inside, words.say(ask), size::BODY, FAINT, PLATE);
        }
        area.top(gap / 2);
        pad(sheet, area, self.role.is_some() && !self.busy, self.digits.len());
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        match act {
            Act::Role(role) if !self.only => *self = Self { role: Some(*role), ..Self::default() },
            Act::Stroke(Stroke::Key(Key::Character(digit)))
                if digit.is_ascii_digit() && self.digits.len() < *DIGITS.end() && self.role.is_some() && !self.busy =>
            {
                self.differ = false;
                self.digits.push(*digit);
            }
            Act::Stroke(Stroke::Key(Key::Backspace)) => {
                self.digits.pop();
            }
            Act::Enter | Act::Stroke(Stroke::Key(Key::Enter)) if DIGITS.contains(&self.digits.len()) && !self.busy => {
                let digits = std::mem::take(&mut self.digits);
                match (self.role, self.first.take()) {
                    (Some(role), Some(first)) if first == digits => {
                        self.busy = true;
                        return Turn::Wish(vec![Wish::SetPin(role, digits)]);
                    }
                    (Some(_), Some(_)) => self.differ = true,
                    (Some(_), None) => self.first = Some(digits),
                    (None, _) => {}
                }
            }
            _ => {}
        }
        Turn::Stay
    }
}
