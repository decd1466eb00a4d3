//! What can be set and checked, and what the box is.

use crate::{
    Area,
    area::share,
    event::Wish,
    model::Role,
    page::{Act, Around, Audit, Page, SetPin, Speech, Turn},
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PLATE},
};

/// The page of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Somebody touched the restart: once more, and it is meant.
    restart: bool,
}

impl Settings {
    pub(super) const fn failed(&mut self) {
        self.restart = false;
    }

    pub(super) fn draw(self, sheet: &mut Sheet<'_, Act>, area: Area, around: &Around<'_>) {
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let side = if sheet.look.is_portrait() {
            let side = area.bottom(share(area.height, 40));
            area.bottom(gap);
            side
        } else {
            let side = area.right(area.width / 2);
            area.right(gap);
            side
        };
        // Where nobody has a PIN the first one can be set by whoever stands here.
        let pins = around.role.is_none_or(|role| role == Role::Administrator);
        let restart = if self.restart { "settings-restart-sure" } else { "settings-restart" };
        let mut entries = vec![
            ("settings-language", Act::Speech, true),
            ("settings-log", Act::Log, true),
            ("settings-verify", Act::Verify, true),
            ("home-control-case", Act::Control, true),
            ("settings-pins", Act::Pins, pins),
        ];
        if around.health.can_restart {
            entries.push((restart, Act::Restart, true));
        }
        let rows = area.rows(u16::try_from(entries.len()).unwrap_or(5), gap);
        for (place, (word, act, can)) in rows.into_iter().zip(entries) {
            let place = Area { height: place.height.min(sheet.button_height() * 3 / 2), ..place };
            let kind = if self.restart && act == Act::Restart { Button::Call } else { Button::Plain };
            sheet.button_if(can, place, sheet.words.say(word), kind, act);
        }
        let mut inside = sheet.plate(side);
        let head = inside.top(sheet.line(size::BODY));
        sheet.strong(head, sheet.words.say("settings-about"), size::BODY, INK, PLATE);
        let update = around.health.parts.iter().find(|part| part.name == "part-update");
        let lines = around.health.about.len() + usize::from(update.is_some());
        let count = u16::try_from(lines).unwrap_or(1).max(4);
        let mut rows = inside.rows(count, 2).into_iter();
        if let Some(update) = update
            && let Some(row) = rows.next()
        {
            sheet.said(row, update.condition.sign(), sheet.words.say(update.word), size::SMALL, PLATE);
        }
        for (mut row, (word, value)) in rows.zip(&around.health.about) {
            let name = row.left(row.width * 2 / 5);
            sheet.text(name, sheet.words.say(word), size::SMALL, FAINT, PLATE);
            sheet.typed(row, value.as_str(), size::SMALL, INK, PLATE);
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        let to = |page, wishes| Turn::To(Box::new(page), wishes);
        match act {
            Act::Speech => to(Page::Speech(Speech::from_settings()), Vec::new()),
            Act::Log => to(Page::Audit(Audit::default()), vec![Wish::Log(0)]),
            Act::Pins => to(Page::SetPin(SetPin::default()), Vec::new()),
            Act::Verify => Turn::Wish(vec![Wish::Verify]),
            Act::Control => Turn::Wish(vec![Wish::Control]),
            Act::Restart if self.restart => {
                self.restart = false;
                Turn::Wish(vec![Wish::Restart])
            }
            Act::Restart => {
                self.restart = true;
                Turn::Stay
            }
            _ => Turn::Stay,
        }
    }
}
