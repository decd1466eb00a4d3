//! The log: who did what and when, and its head, to be written down.

use crate::{
    Area,
    area::share,
    event::Wish,
    model::{LogLine, LogPart},
    page::{Act, Turn},
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PAPER, PLATE},
};

/// The page of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// What is seen; nothing before the daemon has said it.
    pub part: Option<LogPart>,
}

/// The height of an entry.
fn height(sheet: &Sheet<'_, Act>) -> u16 {
    sheet.line(size::SMALL) + sheet.look.px(6)
}

impl Audit {
    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let gap = sheet.gap();
        let words = sheet.words;
        let mut area = area.inside(gap);
        let Some(part) = &self.part else {
            sheet.centred(area, words.say("log-reading"), size::BODY, FAINT, PAPER);
            return;
        };
        let buttons = area.bottom(sheet.button_height());
        area.bottom(gap / 2);
        let lines = if sheet.look.is_portrait() { 3 } else { 2 };
        let head = area.bottom(sheet.line(size::SMALL) * lines + 2 * gap);
        area.bottom(gap / 2);
        let inside = sheet.plate(head);
        sheet.copied(inside, words.with("log-head", [("head", part.head.as_ref().into())]), size::SMALL, FAINT, PLATE);
        let row = height(sheet);
        let shown = usize::from(area.height / row).min(part.lines.len());
        for line in part.lines.iter().take(shown) {
            entry(sheet, area.top(row), line);
        }
        // The daemon gives more than fit: what is seen next begins where this ends.
        let seen = u64::try_from(shown).unwrap_or_default();
        let left_out = u64::try_from(part.lines.len()).unwrap_or_default() - seen;
        let step = isize::try_from(seen.max(1)).unwrap_or(1);
        let buttons = buttons.columns(2, gap);
        sheet.button_if(part.newer > 0, buttons[0], words.say("log-newer"), Button::Plain, Act::Page(-step));
        sheet.button_if(part.older + left_out > 0, buttons[1], words.say("log-older"), Button::Plain, Act::Page(step));
    }

    pub(super) fn act(&self, act: &Act) -> Turn {
        match (act, &self.part) {
            (Act::Page(by), Some(part)) => {
                let by = i64::try_from(*by).unwrap_or_default();
                Turn::Wish(vec![Wish::Log(part.newer.saturating_add_signed(by))])
            }
            _ => Turn::Stay,
        }
    }
}

/// An entry: its number, when, who, what, of which case.
fn entry(sheet: &mut Sheet<'_, Act>, mut place: Area, line: &LogLine) {
    let words = sheet.words;
    let case = line.case.map(|case| case.to_string()).unwrap_or_default();
    let shares = [(10, line.number.to_string()), (28, words.moment(&line.claimed)), (18, line.by.clone()), (14, case)];
    let whole = place.width;
    for (percent, text) in shares {
        let cell = place.left(share(whole, percent));
        sheet.typed(
            Area { width: cell.width.saturating_sub(sheet.look.px(6)), ..cell },
            text,
            size::SMALL,
            FAINT,
            PAPER,
        );
    }
    // What was done is named as the log names it: it is compared with what `hilum store log` says.
    sheet.typed(place, line.what.as_str(), size::SMALL, INK, PAPER);
}
