//! A case before it is handed over: what it has, what it lacks, and the ways to the rest.

use hilum_domain::CaseNumber;

use crate::{
    Area,
    event::Wish,
    model::Draft as Kept,
    page::{Act, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, PAPER, PLATE},
};

/// A draft, and earlier cases with the same first identifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// As it is kept.
    pub kept: Kept,
    /// Cases that were opened before for the same first identifier.
    pub earlier: Vec<CaseNumber>,
    /// It is being handed over.
    submitting: bool,
}

impl Draft {
    /// A page about a draft.
    #[must_use]
    pub const fn new(kept: Kept, earlier: Vec<CaseNumber>) -> Self {
        Self { kept, earlier, submitting: false }
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let words = sheet.words;
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let call = area.bottom(sheet.button_height() + gap);
        area.bottom(gap);
        let ready = (self.kept.ct || !self.kept.fields.is_empty()) && !self.submitting;
        sheet.button_if(ready, call, words.say("draft-submit"), Button::Call, Act::Submit);
        if !self.earlier.is_empty() {
            let place = area.top(sheet.line(size::SMALL) + gap);
            let numbers: Vec<String> = self.earlier.iter().take(3).map(CaseNumber::to_string).collect();
            let given = [("cases", numbers.join(", ").into())];
            sheet.said(place, Sign::Note, words.with("draft-earlier", given), size::SMALL, PAPER);
            area.top(gap / 2);
        }
        let parts = if sheet.look.is_portrait() { area.rows(3, gap) } else { area.columns(3, gap) };
        let metadata = self.kept.metadata;
        let unknown = || words.say("form-unknown");
        let age = metadata.age.map_or_else(unknown, |age| words.number(age.years(), 0));
        let known = [
            ("form-age", age),
            ("form-sex", metadata.sex.map_or_else(unknown, |sex| words.say(&format!("form-{}", sex.name())))),
            ("form-smoking", metadata.smoking.map_or_else(unknown, |one| words.say(&format!("form-{}", one.name())))),
            ("form-specimen", metadata.specimen.map_or_else(unknown, |one| words.say(&format!("form-{}", one.name())))),
        ];
        let inside = sheet.plate(parts[0]);
        for (mut row, (name, value)) in inside.rows(4, 2).into_iter().zip(known) {
            let value_place = row.right(row.width / 2);
            sheet.text(row, words.say(name), size::SMALL, FAINT, PLATE);
            sheet.at_end(value_place, value, size::SMALL, crate::theme::INK, PLATE);
        }
        let ct = match (self.kept.ct, self.kept.lesion) {
            (false, _) => (Sign::Unknown, "draft-no-ct"),
            (true, None) => (Sign::Warn, "draft-no-lesion"),
            (true, Some(_)) => (Sign::Note, "draft-ct"),
        };
        part(sheet, parts[1], ct.0, words.say(ct.1), words.say("draft-to-ct"), Act::ToCt);
        let count = self.kept.fields.len();
        let sign = if count == 0 { Sign::Unknown } else { Sign::Note };
        let said = words.with("draft-fields", [("count", count.into())]);
        part(sheet, parts[2], sign, said, words.say("draft-to-microscope"), Act::ToMicroscope);
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        match act {
            Act::Submit if !self.submitting => {
                self.submitting = true;
                Turn::Wish(vec![Wish::Submit(self.kept.patient.case)])
            }
            Act::ToCt if self.kept.ct => Turn::Wish(vec![Wish::Ct(self.kept.patient.case)]),
            Act::ToCt => Turn::Choose,
            Act::ToMicroscope => Turn::Microscope,
            _ => Turn::Stay,
        }
    }
}

/// A part of a case: how it is, and the way there.
fn part(sheet: &mut Sheet<'_, Act>, area: Area, sign: Sign, said: String, to: String, act: Act) {
    let mut inside = sheet.plate(area);
    let button = inside.bottom(sheet.button_height());
    inside.bottom(sheet.gap());
    sheet.said(inside, sign, said, size::BODY, PLATE);
    sheet.button(button, to, Button::Plain, act);
}
