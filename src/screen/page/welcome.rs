//! A box that nobody has set up yet: its language, what its keys are, and the first PIN.

use crate::{
    Area,
    model::Keys,
    page::{Act, Around, Page, SetPin, Turn, language::languages},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PAPER, PLATE},
};

/// How far the setting up has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Welcome {
    /// Which language.
    #[default]
    Language,
    /// What seals the records, and whose networks are taken.
    Keys,
    /// The administrator's PIN.
    Pin(SetPin),
}

impl Welcome {
    pub(super) const fn title(&self) -> &'static str {
        match self {
            Self::Language => "welcome-title",
            Self::Keys => "welcome-keys",
            Self::Pin(_) => "welcome-pin",
        }
    }

    pub(super) fn back(&self) -> Option<Turn> {
        let page = match self {
            Self::Language => return None,
            Self::Keys => Self::Language,
            Self::Pin(_) => Self::Keys,
        };
        Some(Turn::To(Box::new(Page::Welcome(page)), Vec::new()))
    }

    pub(super) const fn failed(&mut self) {
        if let Self::Pin(page) = self {
            page.busy = false;
        }
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, mut area: Area, around: &Around<'_>) {
        let gap = sheet.gap();
        // The records of such a box have no key before there is a PIN.
        let has_to = around.health.keys.as_ref().is_some_and(|keys| keys.sealed_by == "key-pin");
        let foot = |area: &mut Area, sheet: &Sheet<'_, Act>| {
            let mut foot = area.bottom(sheet.button_height() + gap).inside(gap / 2);
            foot.right(foot.width / 2)
        };
        match self {
            Self::Language => languages(sheet, area, Some("welcome-onward")),
            Self::Keys => {
                let place = foot(&mut area, sheet);
                sheet.button(place, sheet.words.say("welcome-onward"), Button::Call, Act::Onward);
                keys(sheet, area, around.health.keys.as_ref());
            }
            Self::Pin(page) if has_to => page.draw(sheet, area),
            Self::Pin(page) => {
                let place = foot(&mut area, sheet);
                sheet.button(place, sheet.words.say("welcome-no-pin"), Button::Plain, Act::NoPin);
                page.draw(sheet, area);
            }
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        let to = |page| Turn::To(Box::new(Page::Welcome(page)), Vec::new());
        match (&mut *self, act) {
            (Self::Language, Act::Onward) => to(Self::Keys),
            (Self::Keys, Act::Onward) => to(Self::Pin(SetPin::first())),
            (Self::Pin(_), Act::NoPin) => Turn::SetUp,
            (Self::Pin(page), act) => page.act(act),
            _ => Turn::Stay,
        }
    }
}

fn keys(sheet: &mut Sheet<'_, Act>, area: Area, keys: Option<&Keys>) {
    let Some(keys) = keys else {
        sheet.centred(area, sheet.words.say("lock-starting"), size::TITLE, FAINT, PAPER);
        return;
    };
    let gap = sheet.gap();
    let parts = area.inside(gap).rows(2, gap);
    let mut records = sheet.plate(parts[0]);
    let head = records.top(sheet.line(size::BODY));
    sheet.strong(head, sheet.words.say("keys-records"), size::BODY, INK, PLATE);
    let open = matches!(keys.sealed_by, "key-file" | "key-disk");
    let sign = if open { Sign::Warn } else { Sign::Well };
    sheet.said(records, sign, sheet.words.say(keys.sealed_by), size::BODY, PLATE);
    let mut networks = sheet.plate(parts[1]);
    let head = networks.top(sheet.line(size::BODY));
    sheet.strong(head, sheet.words.say("keys-networks"), size::BODY, INK, PLATE);
    if keys.development {
        let warning = networks.top(networks.height * 2 / 3);
        sheet.said(warning, Sign::Warn, sheet.words.safe("key-development"), size::BODY, PLATE);
    }
    if !keys.signers.is_empty() {
        sheet.typed(networks, keys.signers.join("  "), size::BODY, INK, PLATE);
    }
}
