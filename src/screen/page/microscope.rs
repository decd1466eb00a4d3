//! The microscope, live: what the camera sees, what it is worth, and the fields that were taken.
//!
//! The live picture is a preview: it is marked so, and nothing of it is kept but what is captured.

use std::sync::Arc;

use crate::{
    Area,
    event::{Preview, Wish},
    model::{Condition, Draft, NO_CAMERA, Sight},
    page::{Act, Turn},
    picture::{Part, Picture, Source},
    scene::Item,
    sheet::{Button, Sheet, size},
    theme::{FAINT, PAPER},
};

/// How much of the map is seen, of 255.
const HEAT: u8 = 128;

/// The camera for a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct Microscope {
    /// Whose fields they are.
    pub draft: Draft,
    /// What the camera sees.
    pub live: Sight,
    heat: bool,
    auto: bool,
    /// A field is being taken.
    pub(super) busy: bool,
    /// The field that is to be taken out, once a person has said so.
    dropping: Option<usize>,
}

impl Microscope {
    /// Without a picture yet.
    #[must_use]
    pub const fn new(draft: Draft) -> Self {
        Self { draft, live: Err(NO_CAMERA), heat: false, auto: false, busy: false, dropping: None }
    }

    /// What it wants to see.
    #[must_use]
    pub const fn watching(&self) -> Wish {
        Wish::Live(Some(Preview { case: self.draft.patient.case, heat: self.heat, auto: self.auto }))
    }

    /// The draft changed: a field was taken or taken out.
    pub fn changed(&mut self, draft: Draft) {
        self.draft = draft;
        (self.busy, self.dropping) = (false, None);
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let words = sheet.words;
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let strip = area.bottom(sheet.button_height() + sheet.line(size::SMALL));
        area.bottom(gap / 2);
        let mut side = if sheet.look.is_portrait() {
            let (picks, also) = match &self.live {
                Ok(live) => (live.next_objective.is_some(), live.also.is_some()),
                Err(_) => (false, false),
            };
            let buttons = (3 + u16::from(picks)) * sheet.button_height();
            let lines = sheet.line(size::BODY) * 2 + u16::from(also) * sheet.line(size::SMALL) * 2;
            let side = area.bottom(buttons + lines + gap);
            area.bottom(gap);
            side
        } else {
            let side = area.right(area.width / 3);
            area.right(gap);
            side
        };
        let mut take = side.bottom(sheet.button_height() * 3 / 2);
        side.bottom(gap / 2);
        match &self.live {
            Err(why) => {
                sheet.said(area, crate::scene::Sign::Stop, words.say(why), size::BODY, PAPER);
            }
            Ok(live) => {
                let over = live.heat.as_ref().filter(|_| self.heat);
                let over = over.map(|heat| (Source::Image(Arc::clone(&heat.0)), HEAT));
                let picture = Picture { source: Source::Image(Arc::clone(&live.picture.0)), over, part: Part::ALL };
                let mut seen = area;
                let caption = seen.bottom(sheet.line(size::SMALL) * 2);
                sheet.picture(seen, picture);
                let said = if self.heat { "microscope-preview-heat" } else { "microscope-preview" };
                sheet.centred(caption, words.safe(said), size::SMALL, FAINT, PAPER);
                if live.can_heat {
                    let toggle = side.bottom(sheet.button_height());
                    side.bottom(gap / 2);
                    sheet.button(
                        toggle,
                        words.say("microscope-heat"),
                        Button::Choice(self.heat),
                        Act::Heat(!self.heat),
                    );
                }
                if let (Some(name), Some(next)) = (&live.objective, &live.next_objective) {
                    let pick = side.bottom(sheet.button_height());
                    side.bottom(gap / 2);
                    let said = words.with("microscope-objective", [("name", name.as_ref().into())]);
                    sheet.button_of(pick, said, Button::Plain, Some(Act::Objective(Arc::clone(next))), size::SMALL);
                }
                if let Some(also) = live.also {
                    let note = side.bottom(side.height / 2);
                    sheet.said(note, Condition::Warn.sign(), words.say(also), size::SMALL, PAPER);
                }
                sheet.said(side, live.condition.sign(), words.say(live.advice), size::BODY, PAPER);
            }
        }
        let can = self.live.as_ref().is_ok_and(|live| live.condition != Condition::Stop) && !self.busy;
        let auto = take.right(take.width / 3);
        take.right(gap / 2);
        sheet.button_of(
            auto,
            words.say("microscope-auto"),
            Button::Choice(self.auto),
            Some(Act::Auto(!self.auto)),
            size::SMALL,
        );
        sheet.button_if(can, take, words.say("microscope-take"), Button::Call, Act::Capture);
        self.strip(sheet, strip);
    }

    fn strip(&self, sheet: &mut Sheet<'_, Act>, mut area: Area) {
        let words = sheet.words;
        let gap = sheet.gap() / 2;
        let count = self.draft.fields.len();
        let head = area.top(sheet.line(size::SMALL));
        let left = self.draft.enough.saturating_sub(count);
        let said = if left == 0 { "microscope-enough" } else { "microscope-count" };
        let said = words.with(said, [("count", count.into()), ("left", left.into())]);
        sheet.text(head, said, size::SMALL, FAINT, PAPER);
        if let Some(index) = self.dropping {
            let buttons = area.columns(2, gap);
            sheet.button_of(buttons[0], words.say("cancel"), Button::Call, Some(Act::Drop(None)), size::SMALL);
            let text = words.with("microscope-drop", [("number", (index + 1).into())]);
            sheet.button_of(buttons[1], text, Button::Danger, Some(Act::DropNow(index)), size::SMALL);
            return;
        }
        let edge = area.height.max(sheet.look.finger());
        let fit = usize::from(area.width / (edge + gap)).max(1);
        // The last ones: they were taken just now.
        for (index, field) in self.draft.fields.iter().enumerate().skip(count.saturating_sub(fit)) {
            let place = area.left(edge);
            area.left(gap);
            sheet.item(Item::Picture { area: place, picture: Picture::whole(Source::Image(Arc::clone(&field.0))) });
            sheet.target(place, Act::Drop(Some(index)));
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        let case = self.draft.patient.case;
        match act {
            Act::Capture if !self.busy && self.live.is_ok() => {
                self.busy = true;
                return Turn::Wish(vec![Wish::Capture(case)]);
            }
            Act::Heat(heat) => {
                self.heat = *heat;
                return Turn::Wish(vec![self.watching()]);
            }
            Act::Auto(auto) => {
                self.auto = *auto;
                return Turn::Wish(vec![self.watching()]);
            }
            Act::Objective(name) => return Turn::Wish(vec![Wish::Objective(Arc::clone(name))]),
            Act::Drop(index) => self.dropping = index.filter(|index| *index < self.draft.fields.len()),
            Act::DropNow(index) if self.dropping == Some(*index) && !self.busy => {
                (self.dropping, self.busy) = (None, true);
                return Turn::Wish(vec![Wish::DropField(case, *index)]);
            }
            _ => {}
        }
        Turn::Stay
    }
}
