//! The cases of today, how the device is, and the way to a new case.

use crate::{
    Area,
    area::share,
    event::Wish,
    model::{Condition, Part, Progress, Row},
    page::{Act, Around, Form, Page, Settings, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, KEY, PAPER, PLATE},
};

/// Which part of the list is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Home {
    page: usize,
}

impl Progress {
    const fn sign(self) -> Sign {
        match self {
            Self::Queued => Sign::Unknown,
            Self::Draft | Self::Assessed | Self::Reviewed | Self::Exported => Sign::Note,
            Self::Refused | Self::SetAside => Sign::Warn,
        }
    }
}

impl Condition {
    /// The sign of it: the shape says it without the colour.
    pub(super) const fn sign(self) -> Sign {
        match self {
            Self::Well => Sign::Well,
            Self::Warn => Sign::Warn,
            Self::Stop => Sign::Stop,
            Self::Unknown => Sign::Unknown,
        }
    }
}

impl Home {
    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area, around: &Around<'_>) {
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let (list, mut side) = if sheet.look.is_portrait() {
            let lines = u16::try_from(around.health.parts.len()).unwrap_or(8) + 1;
            let needed = lines * (sheet.line(size::SMALL) + 2) + 2 * sheet.button_height() + 6 * gap;
            let side = area.bottom(needed.min(share(area.height, 65)));
            area.bottom(gap);
            (area, side)
        } else {
            let side = area.right(share(area.width, if sheet.look.is_low() { 43 } else { 36 }));
            area.right(gap);
            (area, side)
        };
        self.cases(sheet, list, around.rows);
        let new = side.bottom(sheet.button_height() + gap);
        side.bottom(gap);
        let settings = side.bottom(sheet.button_height());
        side.bottom(gap);
        sheet.button(new, sheet.words.say("home-new"), Button::Call, Act::New);
        let halves = settings.columns(2, gap);
        sheet.button(halves[0], sheet.words.say("home-control-case"), Button::Plain, Act::Control);
        sheet.button(halves[1], sheet.words.say("home-settings"), Button::Plain, Act::Settings);
        parts(sheet, side, &around.health.parts);
    }

    fn cases(self, sheet: &mut Sheet<'_, Act>, mut area: Area, rows: &[Row]) {
        let gap = sheet.gap();
        let head = area.top(sheet.line(size::TITLE));
        sheet.strong(head, sheet.words.say("home-cases"), size::TITLE, INK, PAPER);
        area.top(gap / 2);
        if rows.is_empty() {
            sheet.paragraph(area, sheet.words.say("home-no-cases"), size::BODY, FAINT, PAPER);
            return;
        }
        let height = sheet.button_height() + sheet.look.px(4);
        let fit = usize::from((area.height / (height + gap / 2)).max(1));
        let (per_page, many) = if rows.len() > fit { (fit.saturating_sub(1).max(1), true) } else { (fit, false) };
        let pages = rows.len().div_ceil(per_page);
        let page = self.page.min(pages - 1);
        for row in rows.iter().skip(page * per_page).take(per_page) {
            let place = area.top(height);
            area.top(gap / 2);
            line(sheet, place, row);
        }
        if many {
            let buttons = Area { height: sheet.button_height(), ..area.bottom(sheet.button_height()) }.columns(3, gap);
            sheet.button_if(page > 0, buttons[0], sheet.back_sign(), Button::Plain, Act::Page(-1));
            sheet.centred(buttons[1], format!("{} / {pages}", page + 1), size::BODY, FAINT, PAPER);
            sheet.button_if(page + 1 < pages, buttons[2], sheet.on_sign(), Button::Plain, Act::Page(1));
        }
    }

    pub(super) fn act(&mut self, act: &Act, around: &Around<'_>) -> Turn {
        match act {
            Act::New => Turn::To(Box::new(Page::Form(Form::default())), Vec::new()),
            Act::Settings => Turn::To(Box::new(Page::Settings(Settings::default())), Vec::new()),
            Act::Case(case) => Turn::Case(*case),
            Act::Control => Turn::Wish(vec![Wish::Control]),
            Act::Page(by) => {
                self.page = self.page.saturating_add_signed(*by).min(around.rows.len());
                Turn::Stay
            }
            _ => Turn::Stay,
        }
    }
}

/// A case: its number and whose it is, how far it has come.
fn line(sheet: &mut Sheet<'_, Act>, place: Area, row: &Row) {
    sheet.button_of(place, "", Button::Plain, Some(Act::Case(row.case)), size::BODY);
    let mut inside = place.inside(sheet.look.px(8));
    let progress = inside.right(share(inside.width, 34));
    let number = inside.left(sheet.look.letters(size::BODY) * 5);
    sheet.strong(number, row.case.to_string(), size::BODY, INK, KEY);
    let whose = row.first.clone().unwrap_or_else(|| sheet.words.say("home-control-case"));
    sheet.typed(inside, whose, size::BODY, INK, KEY);
    sheet.said(progress, row.progress.sign(), sheet.words.say(row.progress.word()), size::SMALL, KEY);
}

/// How the device is, a line a part.
fn parts(sheet: &mut Sheet<'_, Act>, area: Area, parts: &[Part]) {
    let mut inside = sheet.plate(area);
    let head = inside.top(sheet.line(size::SMALL));
    sheet.strong(head, sheet.words.say("home-device"), size::SMALL, FAINT, PLATE);
    let count = u16::try_from(parts.len()).unwrap_or(1).max(1);
    for (mut place, part) in inside.rows(count, 2).into_iter().zip(parts) {
        let words = sheet.words;
        let figure = if part.figure.is_empty() { words.say(part.word) } else { part.figure.clone() };
        let end = place.right(share(place.width, 45));
        sheet.said(place, part.condition.sign(), words.say(part.name), size::SMALL, PLATE);
        sheet.at_end(end, figure, size::SMALL, if part.condition == Condition::Well { FAINT } else { INK }, PLATE);
    }
}
