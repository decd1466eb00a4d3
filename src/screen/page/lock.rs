//! Nobody is logged in: who, and the PIN.

use std::sync::Arc;

use crate::{
    Area,
    event::{Denied, Key, Wish},
    keyboard::Stroke,
    model::Role,
    page::{Act, Around, Page, Speech, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PAPER, PLATE},
};

/// The shortest and the longest PIN.
pub(super) const DIGITS: std::ops::RangeInclusive<usize> = 6..=12;

/// Who wants to log in, and the digits so far. Never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Lock {
    role: Option<Role>,
    digits: String,
    /// The PIN is being checked.
    trying: bool,
    /// Why the last one did not open.
    denied: Option<Denied>,
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Lock({:?})", self.role)
    }
}

impl Lock {
    /// A login ended, and not well: the digits are typed anew.
    pub fn refused(&mut self) {
        self.trying = false;
        self.digits.clear();
    }

    /// Says why.
    pub fn denied(&mut self, denied: Denied) {
        self.refused();
        self.denied = Some(denied);
    }

    fn role(&self, people: &[Role]) -> Option<Role> {
        match people {
            [one] => Some(*one),
            _ => self.role.filter(|role| people.contains(role)),
        }
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area, around: &Around<'_>) {
        let Some(people) = around.people else {
            sheet.centred(area, sheet.words.say("lock-starting"), size::TITLE, FAINT, PAPER);
            return;
        };
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        // The whole is no wider than a hand.
        let width = area.width.min(sheet.look.px(620));
        area = Area { x: area.x + (area.width - width) / 2, width, ..area };
        let role = self.role(people);
        let count = u16::try_from(people.len()).unwrap_or(1).max(1);
        let roles = area.top(sheet.button_height());
        for (place, one) in roles.columns(count, gap).into_iter().zip(people) {
            sheet.button(place, sheet.words.say(one.word()), Button::Choice(role == Some(*one)), Act::Role(*one));
        }
        area.top(gap / 2);
        let inside = area.top((sheet.line(size::TITLE) + gap).max(sheet.line(size::SMALL) * 2 + gap));
        let inside = sheet.plate(inside);
        let words = sheet.words;
        match (&self.denied, role) {
            _ if self.trying => sheet.centred(inside, words.say("lock-trying"), size::BODY, FAINT, PLATE),
            _ if !self.digits.is_empty() => {
                sheet.centred(inside, "\u{2022}".repeat(self.digits.len()), size::LARGE, INK, PLATE);
            }
            (Some(denied), _) => sheet.said(inside, Sign::Stop, denied_in(denied, sheet), size::SMALL, PLATE),
            (None, None) => sheet.centred(inside, words.say("lock-role"), size::BODY, FAINT, PLATE),
            (None, Some(role)) => {
                let given = [("role", words.say(role.word()).into())];
                sheet.centred(inside, words.with("lock-pin", given), size::BODY, FAINT, PLATE);
            }
        }
        area.top(gap / 2);
        let can = role.is_some() && !self.trying;
        pad(sheet, area, can, self.digits.len());
    }

    pub(super) fn act(&mut self, act: &Act, around: &Around<'_>) -> Turn {
        let people = around.people.unwrap_or_default();
        match act {
            Act::Speech => return Turn::To(Box::new(Page::Speech(Speech::before_login())), Vec::new()),
            Act::Role(role) if !self.trying => *self = Self { role: Some(*role), ..Self::default() },
            Act::Stroke(Stroke::Key(Key::Character(digit)))
                if digit.is_ascii_digit() && self.digits.len() < *DIGITS.end() && !self.trying =>
            {
                self.denied = None;
                self.digits.push(*digit);
            }
            Act::Stroke(Stroke::Key(Key::Backspace)) => {
                self.digits.pop();
            }
            Act::Enter | Act::Stroke(Stroke::Key(Key::Enter))
                if !self.trying && DIGITS.contains(&self.digits.len()) =>
            {
                if let Some(role) = self.role(people) {
                    self.trying = true;
                    return Turn::Wish(vec![Wish::Login(role, std::mem::take(&mut self.digits))]);
                }
            }
            _ => {}
        }
        Turn::Stay
    }
}

/// Why not: in the language, and in English with its figures.
fn denied_in(denied: &Denied, sheet: &Sheet<'_, Act>) -> Arc<str> {
    let said = sheet.words.say(denied.word);
    if denied.why.is_empty() { said.into() } else { format!("{said} (\u{2068}{}\u{2069})", denied.why).into() }
}

/// Ten digits, erase and done.
pub(super) fn pad(sheet: &mut Sheet<'_, Act>, area: Area, can: bool, typed: usize) {
    let gap = sheet.gap() / 2;
    sheet.in_order(area, |sheet| {
        let keys = [["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"], ["", "0", ""]];
        for (row, keys) in area.rows(4, gap).into_iter().zip(keys) {
            let last = keys[0].is_empty();
            for (at, (place, key)) in row.columns(3, gap).into_iter().zip(keys).enumerate() {
                match (last, at) {
                    (true, 0) => {
                        let stroke = Act::Stroke(Stroke::Key(Key::Backspace));
                        sheet.button_if(can && typed > 0, place, sheet.words.say("key-erase"), Button::Plain, stroke);
                    }
                    (true, 2) => {
                        let enough = can && DIGITS.contains(&typed);
                        sheet.button_if(enough, place, sheet.words.say("key-done"), Button::Call, Act::Enter);
                    }
                    _ => {
                        let stroke = key.chars().next().map(|digit| Act::Stroke(Stroke::Key(Key::Character(digit))));
                        sheet.button_of(place, key, Button::Plain, stroke.filter(|_| can), size::TITLE);
                    }
                }
            }
        }
    });
}
