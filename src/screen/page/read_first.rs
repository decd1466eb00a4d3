//! Before the result: what a person sees in the images by themselves. Who has seen the machine's answer sees it in the images.

use std::sync::Arc;

use hilum_domain::Class;

use crate::{
    Area,
    area::share,
    event::Wish,
    model::Shown,
    page::{Act, Turn, result::class_word},
    picture::{Picture, Source},
    sheet::{Button, Sheet, size},
    theme::{FAINT, PAPER},
};

/// A case whose result is kept back until a person has said what they see.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadFirst {
    /// The case, with the result that is not shown yet.
    pub shown: Shown,
    /// What was chosen: a class, or that it cannot be said.
    chosen: Option<Option<Class>>,
    image: usize,
    pub(super) busy: bool,
}

impl ReadFirst {
    /// Nothing is chosen.
    #[must_use]
    pub const fn new(shown: Shown) -> Self {
        Self { shown, chosen: None, image: 0, busy: false }
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let words = sheet.words;
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let head = area.top(sheet.line(size::BODY) + gap);
        sheet.strong(head, words.say("first-title"), size::BODY, crate::theme::INK, PAPER);
        let reveal = area.bottom(sheet.button_height());
        area.bottom(gap);
        sheet.button_if(
            self.chosen.is_some() && !self.busy,
            reveal,
            words.say("first-reveal"),
            Button::Call,
            Act::Reveal,
        );
        let low = sheet.look.is_low();
        let mut seen = if sheet.look.is_portrait() {
            let choices = 6 * (sheet.button_height() + gap / 2) + gap;
            let seen = area.top(area.height.saturating_sub(choices));
            area.top(gap);
            seen
        } else {
            let seen = area.left(share(area.width, if low { 40 } else { 55 }));
            area.left(gap);
            seen
        };
        let count = self.shown.images.len();
        if count > 1 {
            let next = seen.bottom(sheet.button_height());
            seen.bottom(gap / 2);
            let text = words.with("picture-next", [("number", (self.image + 1).into()), ("count", count.into())]);
            sheet.button(next, text, Button::Plain, Act::NextPicture);
        }
        match self.shown.images.get(self.image) {
            Some(image) => {
                sheet.picture(seen, Picture::whole(Source::Image(Arc::clone(&image.0))));
            }
            None => sheet.centred(seen, words.say("first-no-image"), size::BODY, FAINT, PAPER),
        }
        let specimen = self.shown.metadata.specimen;
        let choices = Class::ALL.map(Some).into_iter().chain([None]);
        let (rows, columns) = if low { (3, 2) } else { (6, 1) };
        let places = area.rows(rows, gap / 2).into_iter().flat_map(|row| row.columns(columns, gap / 2));
        for (place, class) in places.zip(choices) {
            let word = class.map_or("first-cannot-say", |class| class_word(class, specimen));
            sheet.button(place, words.say(word), Button::Choice(self.chosen == Some(class)), Act::See(class));
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        match act {
            Act::See(class) if !self.busy => self.chosen = Some(*class),
            Act::NextPicture => self.image = (self.image + 1) % self.shown.images.len().max(1),
            Act::Reveal if !self.busy => {
                if let Some(class) = self.chosen {
                    self.busy = true;
                    return Turn::Wish(vec![Wish::ReadFirst(self.shown.patient.case, class)]);
                }
            }
            _ => {}
        }
        Turn::Stay
    }
}
