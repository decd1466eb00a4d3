//! The microscope, live: what the camera sees, what it is worth, and the fields that were taken.
//!
//! The live picture is a preview: it is marked so, and nothing of it is kept but what is captured.

use crate::{
    Area,
    event::Wish,
    model::{Condition, Draft, Live},
    page::{Act, Turn},
    picture::{Picture, Source},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, PAPER},
};

/// So many fields are better than fewer.
const ENOUGH: usize = 6;

/// The camera for a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct Microscope {
    /// Whose fields they are.
    pub draft: Draft,
    /// What the camera sees; nothing if it is gone, or has not been asked yet.
    pub live: Option<Live>,
    /// A field is being taken.
    pub(super) taking: bool,
    /// The field that is to be taken out, once a person has said so.
    dropping: Option<usize>,
}

impl Microscope {
    /// Without a picture yet.
    #[must_use]
    pub const fn new(draft: Draft) -> Self {
        Self { draft, live: None, taking: false, dropping: None }
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let words = sheet.words;
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let strip = area.bottom(sheet.look.finger() + sheet.line(size::SMALL));
        area.bottom(gap);
        let mut side = if sheet.look.is_portrait() {
            area.bottom(2 * sheet.button_height() + sheet.line(size::BODY) * 2 + gap)
        } else {
            area.right(area.width / 3)
        };
        if sheet.look.is_portrait() {
            side.top(gap);
        } else {
            side.left(gap);
        }
        let take = side.bottom(sheet.button_height() * 3 / 2);
        side.bottom(gap);
        match &self.live {
            None => sheet.said(area, Sign::Stop, words.say("microscope-no-camera"), size::BODY, PAPER),
            Some(live) => {
                let mut picture_area = area;
                let caption = picture_area.bottom(sheet.line(size::SMALL));
                sheet.picture(picture_area, Picture::whole(Source::Image(std::sync::Arc::clone(&live.picture.0))));
                sheet.centred(caption, words.say("microscope-preview"), size::SMALL, FAINT, PAPER);
                let sign = match live.condition {
                    Condition::Well => Sign::Well,
                    Condition::Warn => Sign::Warn,
                    Condition::Stop => Sign::Stop,
                    Condition::Unknown => Sign::Unknown,
                };
                sheet.said(side, sign, words.say(live.advice), size::BODY, PAPER);
            }
        }
        let can = self.live.as_ref().is_some_and(|live| live.condition != Condition::Stop) && !self.taking;
        sheet.button_if(can, take, words.say("microscope-take"), Button::Call, Act::Capture);
        self.strip(sheet, strip);
    }

    fn strip(&self, sheet: &mut Sheet<'_, Act>, mut area: Area) {
        let words = sheet.words;
        let gap = sheet.gap() / 2;
        let count = self.draft.fields.len();
        let head = area.top(sheet.line(size::SMALL));
        let given = [("count", count.into()), ("wanted", ENOUGH.into())];
        sheet.text(head, words.with("microscope-count", given), size::SMALL, FAINT, PAPER);
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
            sheet.item(crate::scene::Item::Picture {
                area: place,
                picture: Picture::whole(Source::Image(std::sync::Arc::clone(&field.0))),
            });
            sheet.target(place, Act::Drop(Some(index)));
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        let case = self.draft.patient.case;
        match act {
            Act::Capture if !self.taking && self.live.is_some() => {
                self.taking = true;
                return Turn::Wish(vec![Wish::Capture(case)]);
            }
            Act::Drop(index) => self.dropping = index.filter(|index| *index < self.draft.fields.len()),
            Act::DropNow(index) if self.dropping == Some(*index) => {
                self.dropping = None;
                return Turn::Wish(vec![Wish::DropField(case, *index)]);
            }
            _ => {}
        }
        Turn::Stay
    }
}
