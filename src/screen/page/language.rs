//! Which language, and how large the letters are.

use crate::{
    Area,
    page::{Act, Lock, Page, Settings, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::PAPER,
    words::Language,
};

/// The page of languages. It can be reached before anybody is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speech {
    before_login: bool,
}

impl Speech {
    /// From the lock.
    #[must_use]
    pub const fn before_login() -> Self {
        Self { before_login: true }
    }

    /// From the settings.
    #[must_use]
    pub const fn from_settings() -> Self {
        Self { before_login: false }
    }

    pub(super) fn back(self) -> Turn {
        let page = if self.before_login { Page::Lock(Lock::default()) } else { Page::Settings(Settings::default()) };
        Turn::To(Box::new(page), Vec::new())
    }

    /// Whether it belongs to the locked panel.
    #[must_use]
    pub const fn is_before_login(self) -> bool {
        self.before_login
    }

    pub(super) fn draw(self, sheet: &mut Sheet<'_, Act>, area: Area) {
        languages(sheet, area, None);
    }
}

/// Every language, how large the letters are, and a way on where there is one.
pub(super) fn languages(sheet: &mut Sheet<'_, Act>, area: Area, onward: Option<&'static str>) {
    let gap = sheet.gap();
    let mut area = area.inside(gap);
    let letters = area.bottom(sheet.button_height());
    area.bottom(gap / 2);
    let warning = area.bottom(sheet.line(size::SMALL) * if sheet.look.is_low() { 1 } else { 2 });
    area.bottom(gap / 2);
    let now = sheet.words.language();
    let places = area.rows(4, gap / 2).into_iter().flat_map(|row| row.columns(2, gap));
    for (place, language) in places.zip(Language::ALL) {
        sheet.button(place, language.name(), Button::Choice(language == now), Act::Language(language));
    }
    if !now.is_reviewed() {
        sheet.said(warning, Sign::Warn, sheet.words.say("language-unreviewed"), size::SMALL, PAPER);
    }
    let large = sheet.look.large;
    let parts = letters.columns(if onward.is_some() { 3 } else { 2 }, gap);
    sheet.button(parts[0], sheet.words.say("letters-plain"), Button::Choice(!large), Act::Large(false));
    sheet.button(parts[1], sheet.words.say("letters-large"), Button::Choice(large), Act::Large(true));
    if let Some(word) = onward {
        sheet.button(parts[2], sheet.words.say(word), Button::Call, Act::Onward);
    }
}
