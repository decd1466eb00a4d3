//! What can be set and checked, and what the box is.

use crate::{
    Area,
    event::Wish,
    model::Role,
    page::{Act, Around, Audit, Page, SetPin, Speech, Turn},
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PLATE},
};

/// The page of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings;

impl Settings {
    pub(super) fn draw(self, sheet: &mut Sheet<'_, Act>, area: Area, around: &Around<'_>) {
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let side = if sheet.look.is_portrait() {
            let side = area.bottom(area.height / 2);
            area.bottom(gap);
            side
        } else {
            let side = area.right(area.width / 2);
            area.right(gap);
            side
        };
        // Where nobody has a PIN the first one can be set by whoever stands here.
        let pins = around.role.is_none_or(|role| role == Role::Administrator);
        let rows = area.rows(5, gap);
        for (place, (word, act, can)) in rows.into_iter().zip([
            ("settings-language", Act::Speech, true),
            ("settings-log", Act::Log, true),
            ("settings-verify", Act::Verify, true),
            ("home-control-case", Act::Control, true),
            ("settings-pins", Act::Pins, pins),
        ]) {
            let place = Area { height: place.height.min(sheet.button_height() * 3 / 2), ..place };
            sheet.button_if(can, place, sheet.words.say(word), Button::Plain, act);
        }
        let mut inside = sheet.plate(side);
        let head = inside.top(sheet.line(size::BODY));
        sheet.strong(head, sheet.words.say("settings-about"), size::BODY, INK, PLATE);
        let count = u16::try_from(around.health.about.len()).unwrap_or(1).max(4);
        for (mut row, (word, value)) in inside.rows(count, 2).into_iter().zip(&around.health.about) {
            let name = row.left(row.width * 2 / 5);
            sheet.text(name, sheet.words.say(word), size::SMALL, FAINT, PLATE);
            sheet.typed(row, value.as_str(), size::SMALL, INK, PLATE);
        }
    }

    pub(super) fn act(self, act: &Act) -> Turn {
        let to = |page, wishes| Turn::To(Box::new(page), wishes);
        match act {
            Act::Speech => to(Page::Speech(Speech::from_settings()), Vec::new()),
            Act::Log => to(Page::Audit(Audit::default()), vec![Wish::Log(0)]),
            Act::Pins => to(Page::SetPin(SetPin::default()), Vec::new()),
            Act::Verify => Turn::Wish(vec![Wish::Verify]),
            Act::Control => Turn::Wish(vec![Wish::Control]),
            _ => Turn::Stay,
        }
    }
}
