//! A case leaves the box: with the identifiers or without, to where the board says.

use crate::{
    Area,
    event::Wish,
    model::Shown,
    page::{Act, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{INK, PAPER, PLATE},
};

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The case.
    pub shown: Shown,
    identity: Option<bool>,
    pub(super) busy: bool,
    /// What the file is called that was written.
    pub written: Option<std::sync::Arc<str>>,
}

impl Export {
    /// Nothing is chosen.
    #[must_use]
    pub const fn new(shown: Shown) -> Self {
        Self { shown, identity: None, busy: false, written: None }
    }

    /// It was written.
    pub fn done(&mut self, name: std::sync::Arc<str>) {
        (self.busy, self.written) = (false, Some(name));
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let words = sheet.words;
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let call = area.bottom(sheet.button_height() + gap);
        area.bottom(gap);
        let Some(to) = &self.shown.exports_to else {
            sheet.button(call, words.say("close"), Button::Call, Act::Back);
            sheet.said(area, Sign::Stop, words.say("export-nowhere"), size::TITLE, PAPER);
            return;
        };
        if let Some(written) = &self.written {
            sheet.button(call, words.say("close"), Button::Call, Act::Back);
            let parts = area.rows(2, gap);
            sheet.said(parts[0], Sign::Well, words.say("export-done"), size::TITLE, PAPER);
            let inside = sheet.plate(parts[1]);
            sheet.typed(inside, std::sync::Arc::clone(written), size::SMALL, INK, PLATE);
            return;
        }
        let parts = area.rows(3, gap);
        let said = if self.busy { "export-writing" } else { "export-where" };
        sheet.said(parts[0], Sign::Note, words.with(said, [("folder", to.as_ref().into())]), size::BODY, PAPER);
        let halves = parts[1].columns(2, gap);
        let chosen = |identity| Button::Choice(self.identity == Some(identity));
        sheet.button(halves[0], words.say("export-without"), chosen(false), Act::WithIdentity(false));
        sheet.button(halves[1], words.say("export-with"), chosen(true), Act::WithIdentity(true));
        match self.identity {
            Some(true) => sheet.said(parts[2], Sign::Warn, words.say("export-with-warning"), size::BODY, PAPER),
            Some(false) => sheet.said(parts[2], Sign::Note, words.say("export-without-note"), size::BODY, PAPER),
            None => {}
        }
        let can = self.identity.is_some() && !self.busy;
        sheet.button_if(can, call, words.say("export-write"), Button::Call, Act::Write);
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        match act {
            Act::WithIdentity(identity) if !self.busy => self.identity = Some(*identity),
            Act::Write if !self.busy && self.written.is_none() => {
                if let Some(identity) = self.identity {
                    self.busy = true;
                    return Turn::Wish(vec![Wish::Export(self.shown.patient.case, identity)]);
                }
            }
            _ => {}
        }
        Turn::Stay
    }
}
