//! Nobody is logged in: who, and the PIN.

use crate::{
    Area,
    event::{Key, Wish},
    keyboard::Stroke,
    model::Role,
    page::{Act, Around, Turn},
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PAPER, PLATE},
};

/// The longest PIN.
const LONGEST: usize = 12;

/// Who wants to log in, and the digits so far. Never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Lock {
    role: Option<Role>,
    digits: String,
    /// The PIN is being checked.
    trying: bool,
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

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area, around: &Around<'_>) {
        let Some(people) = around.people else {
            sheet.centred(area, sheet.words.say("lock-starting"), size::TITLE, FAINT, PAPER);
            return;
        };
        let mut area = area.inside(sheet.gap());
        let gap = sheet.gap();
        // The whole is no wider than a hand.
        let width = area.width.min(sheet.look.px(620));
        area = Area { x: area.x + (area.width - width) / 2, width, ..area };
        let count = u16::try_from(people.len()).unwrap_or(1).max(1);
        let roles = area.top(sheet.button_height());
        for (place, role) in roles.columns(count, gap).into_iter().zip(people) {
            let chosen = self.role == Some(*role) || people.len() == 1;
            sheet.button(place, sheet.words.say(role.word()), Button::Choice(chosen), Act::Role(*role));
        }
        area.top(gap);
        let shown = area.top(sheet.line(size::TITLE) + gap);
        let inside = sheet.plate(shown);
        let role = self.role.or_else(|| people.first().copied().filter(|_| people.len() == 1));
        if self.trying {
            sheet.centred(inside, sheet.words.say("lock-trying"), size::BODY, FAINT, PLATE);
        } else if let (true, Some(role)) = (self.digits.is_empty(), role) {
            let name = sheet.words.say(role.word());
            sheet.centred(inside, sheet.words.with("lock-pin", [("role", name.into())]), size::BODY, FAINT, PLATE);
        } else {
            sheet.centred(inside, "\u{2022}".repeat(self.digits.len()), size::TITLE, INK, PLATE);
        }
        area.top(gap);
        let can = role.is_some() && !self.trying;
        let enough = self.digits.len() >= 6;
        sheet.in_order(area, |sheet| {
            let erase = sheet.words.say("key-erase");
            let enter = sheet.words.say("key-done");
            let keys = [["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"], ["", "0", ""]];
            for (row, keys) in area.rows(4, gap / 2).into_iter().zip(keys) {
                let last = keys[0].is_empty();
                for (at, (place, key)) in row.columns(3, gap / 2).into_iter().zip(keys).enumerate() {
                    match (last, at) {
                        (true, 0) => {
                            let stroke = Act::Stroke(Stroke::Key(Key::Backspace));
                            sheet.button_if(can && !self.digits.is_empty(), place, erase.clone(), Button::Plain, stroke);
                        }
                        (true, 2) => sheet.button_if(can && enough, place, enter.clone(), Button::Call, Act::Enter),
                        _ => {
                            let stroke = key.chars().next().map(|digit| Act::Stroke(Stroke::Key(Key::Character(digit))));
                            sheet.button_of(place, key, Button::Plain, stroke.filter(|_| can), size::TITLE);
                        }
                    }
                }
            }
        });
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        match act {
            Act::Role(role) => {
                *self = Self { role: Some(*role), ..Self::default() };
                Turn::Stay
            }
            Act::Stroke(Stroke::Key(Key::Character(digit))) if digit.is_ascii_digit() && self.digits.len() < LONGEST => {
                self.digits.push(*digit);
                Turn::Stay
            }
            Act::Stroke(Stroke::Key(Key::Backspace)) => {
                self.digits.pop();
                Turn::Stay
            }
            Act::Enter if !self.trying && self.digits.len() >= 6 => match self.role {
                Some(role) => {
                    self.trying = true;
                    Turn::Wish(vec![Wish::Login(role, std::mem::take(&mut self.digits))])
                }
                None => Turn::Stay,
            },
            _ => Turn::Stay,
        }
    }
}
