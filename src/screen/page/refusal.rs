//! A refusal is no result: its reason and what to do next, and nothing else. The same for a case that was set aside.

use crate::{
    Area,
    event::Wish,
    model::{Note, Patient},
    page::{Act, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, PAPER, PLATE},
    words::Words,
};

/// What a limit or refusal is, and what to do about it: in the language, where this version knows its code.
pub(super) fn note_words(note: &Note, words: &Words) -> (Option<String>, Option<String>) {
    (words.find(&format!("note-{}", note.code)), words.find(&format!("next-{}", note.code)))
}

/// The page of a refusal.
pub(super) fn refused(sheet: &mut Sheet<'_, Act>, mut area: Area, refusal: &Note) {
    let words = sheet.words;
    let gap = sheet.gap();
    let done = area.bottom(sheet.button_height());
    area.bottom(gap);
    sheet.button(done, words.say("close"), Button::Call, Act::Back);
    let head = area.top(sheet.line(size::TITLE) * if sheet.look.is_low() { 1 } else { 2 });
    sheet.said(head, Sign::Stop, words.safe("refused-title"), size::TITLE, PAPER);
    area.top(gap / 2);
    let (reason, next) = note_words(refusal, words);
    let parts = area.rows(2, gap);
    for (part, (label, own, english)) in
        parts.into_iter().zip([("refused-why", reason, &refusal.message), ("refused-next", next, &refusal.next_step)])
    {
        let mut inside = sheet.plate(part);
        let head = inside.top(sheet.line(size::SMALL));
        sheet.strong(head, words.say(label), size::SMALL, FAINT, PLATE);
        match own {
            // Not twice the same.
            Some(own) if own.trim_end_matches('.').eq_ignore_ascii_case(english) => {
                sheet.text(inside, own, size::BODY, INK, PLATE);
            }
            Some(own) => {
                let lines = inside.rows(2, 0);
                sheet.text(lines[0], own, size::BODY, INK, PLATE);
                // In English too: with its figures, and for whoever is asked by telephone.
                sheet.text(lines[1], english.as_str(), size::SMALL, FAINT, PLATE);
            }
            None => sheet.text(inside, english.as_str(), size::BODY, INK, PLATE),
        }
    }
}

/// The page of a case that was begun twice without an end.
pub(super) fn set_aside(sheet: &mut Sheet<'_, Act>, mut area: Area) {
    let words = sheet.words;
    let buttons = area.bottom(sheet.button_height()).columns(2, sheet.gap());
    sheet.button(buttons[0], words.say("close"), Button::Call, Act::Back);
    sheet.button(buttons[1], words.say("set-aside-again"), Button::Plain, Act::Submit);
    sheet.said(area, Sign::Stop, words.say("set-aside-why"), size::TITLE, PAPER);
}

/// A case that was set aside is handed over once more.
pub(super) fn again(patient: &Patient) -> Turn {
    Turn::Wish(vec![Wish::Submit(patient.case)])
}
