//! A case before it is handed over: what it has, what it lacks, and the ways to the rest.

use hilum_domain::{CaseNumber, Metadata};

use crate::{
    Area,
    event::Wish,
    model::Draft as Kept,
    page::{Act, Choosing, Microscope, Page, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PAPER, PLATE},
    words::Words,
};

/// A draft, and earlier cases with the same identifiers.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// As it is kept.
    pub kept: Kept,
    /// Cases that were opened before for the same identifiers.
    pub earlier: Vec<CaseNumber>,
    /// It is being handed over, or its CT is being read.
    pub(super) busy: bool,
}

/// Age, sex, smoking and specimen, each with its message. What is not known of the first three is said with the message
/// `unknown`: in a result something stood in for it.
pub(super) fn known(metadata: Metadata, words: &Words, unknown: &'static str) -> [(&'static str, String); 4] {
    let unknown = || words.say(unknown);
    [
        ("form-age", metadata.age.map_or_else(unknown, |age| words.number(age.years(), 0))),
        ("form-sex", metadata.sex.map_or_else(unknown, |sex| words.say(&format!("form-{}", sex.name())))),
        ("form-smoking", metadata.smoking.map_or_else(unknown, |one| words.say(&format!("form-{}", one.name())))),
        (
            "form-specimen",
            metadata
                .specimen
                .map_or_else(|| words.say("form-unknown"), |one| words.say(&format!("form-{}", one.name()))),
        ),
    ]
}

impl Draft {
    /// A page about a draft.
    #[must_use]
    pub const fn new(kept: Kept, earlier: Vec<CaseNumber>) -> Self {
        Self { kept, earlier, busy: false }
    }

    /// Its CT is on the way.
    #[must_use]
    pub fn waiting_for_ct(mut self) -> Self {
        self.busy = true;
        self
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let words = sheet.words;
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let call = area.bottom(sheet.button_height() + gap);
        area.bottom(gap);
        let ready = (self.kept.ct || !self.kept.fields.is_empty()) && !self.busy;
        let submit = if ready || self.busy { "draft-submit" } else { "draft-empty" };
        sheet.button_if(ready, call, words.say(submit), Button::Call, Act::Submit);
        if !self.earlier.is_empty() {
            let place = area.top(sheet.line(size::SMALL) + gap / 2);
            let numbers: Vec<String> = self.earlier.iter().take(3).map(CaseNumber::to_string).collect();
            let given = [("cases", numbers.join(", ").into())];
            sheet.said(place, Sign::Note, words.with("draft-earlier", given), size::SMALL, PAPER);
            area.top(gap / 2);
        }
        let parts = if sheet.look.is_portrait() { area.rows(3, gap) } else { area.columns(3, gap) };
        let inside = sheet.plate(parts[0]);
        let identity = &self.kept.patient.identity;
        let ids = [("form-first", identity.first().to_owned()), ("form-second", identity.second().to_owned())];
        for (mut row, (name, value)) in
            inside.rows(6, 2).into_iter().zip(ids.into_iter().chain(known(self.kept.metadata, words, "form-unknown")))
        {
            let value_place = row.right(row.width / 2);
            sheet.text(row, words.say(name), size::SMALL, FAINT, PLATE);
            sheet.typed(value_place, value, size::BODY, INK, PLATE);
        }
        let (sign, said, to) = match (self.kept.ct, self.kept.lesion) {
            (false, _) => (Sign::Unknown, "draft-no-ct", "draft-to-share"),
            (true, None) => (Sign::Warn, "draft-no-lesion", "draft-to-ct"),
            (true, Some(_)) => (Sign::Note, "draft-ct", "draft-to-ct"),
        };
        let to = (words.say(to), (!self.busy).then_some(Act::ToCt));
        let other = (words.say("draft-other-ct"), (self.kept.ct && !self.busy).then_some(Act::OtherCt));
        let ways: Vec<_> = if self.kept.ct { vec![other, to] } else { vec![to] };
        part(sheet, parts[1], sign, words.say(said), ways);
        let count = self.kept.fields.len();
        let sign = if count == 0 { Sign::Unknown } else { Sign::Note };
        let said = words.with("draft-fields", [("count", count.into())]);
        part(
            sheet,
            parts[2],
            sign,
            said,
            vec![(words.say("draft-to-microscope"), (!self.busy).then_some(Act::ToMicroscope))],
        );
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        let patient = self.kept.patient.clone();
        let case = patient.case;
        if self.busy {
            return Turn::Stay;
        }
        match act {
            Act::Submit => {
                self.busy = true;
                Turn::Wish(vec![Wish::Submit(case)])
            }
            Act::ToCt if self.kept.ct => {
                self.busy = true;
                Turn::Wish(vec![Wish::Ct(case)])
            }
            Act::ToCt | Act::OtherCt => {
                Turn::To(Box::new(Page::Choosing(Choosing::new(patient))), vec![Wish::Exports(case)])
            }
            Act::ToMicroscope => {
                let page = Microscope::new(self.kept.clone());
                let watching = page.watching();
                Turn::To(Box::new(Page::Microscope(Box::new(page))), vec![watching])
            }
            _ => Turn::Stay,
        }
    }
}

/// A part of a case: how it is, and the ways there.
fn part(sheet: &mut Sheet<'_, Act>, area: Area, sign: Sign, said: String, ways: Vec<(String, Option<Act>)>) {
    let mut inside = sheet.plate(area);
    for (text, act) in ways.into_iter().rev() {
        let button = inside.bottom(sheet.button_height());
        inside.bottom(sheet.gap() / 2);
        sheet.button_of(button, text, Button::Plain, act, size::BODY);
    }
    sheet.said(inside, sign, said, size::BODY, PLATE);
}
