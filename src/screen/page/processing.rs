//! A case that waits for its result: what is being done, for how long, and the way out.

use std::time::Duration;

use crate::{
    Area,
    event::Wish,
    model::{Step, Waiting},
    page::{Act, Around, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{CALL, FAINT, INK, PAPER},
};

/// What is known of it, and since when.
#[derive(Debug, Clone, PartialEq)]
pub struct Processing {
    /// What the daemon said.
    pub told: Waiting,
    /// When it was said.
    at: Duration,
    /// A person does not want to wait any longer.
    pub(super) busy: bool,
}

impl Step {
    /// The steps of a case in their order.
    const WORDS: [&'static str; 5] = ["step-queue", "step-reading", "step-ct", "step-fields", "step-explaining"];

    const fn place(self) -> usize {
        match self {
            Self::Queue(_) => 0,
            Self::Reading => 1,
            Self::Ct => 2,
            Self::Fields => 3,
            Self::Explaining => 4,
        }
    }
}

impl Processing {
    /// As it is said now.
    #[must_use]
    pub const fn new(told: Waiting, now: Duration) -> Self {
        Self { told, at: now, busy: false }
    }

    /// It is said again, about the same case.
    pub fn told_again(&mut self, page: Self) {
        *self = Self { busy: self.busy, ..page };
    }

    /// Seconds since it began.
    fn seconds(&self, now: Duration) -> u64 {
        u64::from(self.told.seconds) + now.saturating_sub(self.at).as_secs()
    }

    /// When the next second is over.
    pub(crate) const fn next_tick(&self, now: Duration) -> Duration {
        let over = now.saturating_sub(self.at).as_secs() + 1;
        self.at.saturating_add(Duration::from_secs(over))
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area, around: &Around<'_>) {
        let words = sheet.words;
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let cancel = area.bottom(sheet.button_height());
        area.bottom(gap);
        let time = area.bottom(sheet.line(size::BODY));
        area.bottom(gap);
        let head = area.top(sheet.line(size::TITLE) * 2);
        sheet.strong(head, words.say("processing-title"), size::TITLE, INK, PAPER);
        let now = self.told.step.place();
        for (place, (row, word)) in area.rows(5, gap / 2).into_iter().zip(Step::WORDS).enumerate() {
            let text = match (place, self.told.step) {
                (0, Step::Queue(before)) => words.with("step-queue-before", [("count", before.into())]),
                _ => words.say(word),
            };
            let mut row = row;
            if place == now {
                let mark = Area { width: sheet.look.px(6), ..row };
                sheet.item(crate::scene::Item::Fill { area: mark, color: CALL });
            }
            row.left(sheet.look.px(16));
            let sign = if place < now { Sign::Well } else { Sign::Unknown };
            match place.cmp(&now) {
                std::cmp::Ordering::Less => sheet.said(row, sign, text, size::BODY, PAPER),
                std::cmp::Ordering::Equal => {
                    row.left(sheet.look.letters(size::BODY) + gap);
                    sheet.strong(row, text, size::BODY, INK, PAPER);
                }
                std::cmp::Ordering::Greater => {
                    row.left(sheet.look.letters(size::BODY) + gap);
                    sheet.text(row, text, size::BODY, FAINT, PAPER);
                }
            }
        }
        let seconds = self.seconds(around.now);
        let said = match self.told.usual {
            Some(usual) => words.with("processing-time", [("seconds", seconds.into()), ("usual", usual.into())]),
            None => words.with("processing-time-alone", [("seconds", seconds.into())]),
        };
        sheet.text(time, said, size::BODY, FAINT, PAPER);
        sheet.button_if(!self.busy, cancel, words.say("processing-cancel"), Button::Danger, Act::Cancel);
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        match act {
            Act::Cancel if !self.busy => {
                self.busy = true;
                Turn::Wish(vec![Wish::Cancel(self.told.patient.case)])
            }
            _ => Turn::Stay,
        }
    }
}
