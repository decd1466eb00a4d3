//! What became of a case: the result with its limits and where the branches looked; or the refusal, which is a page of its own.
//!
//! Never here: words of certainty, advice on treatment, a green "normal", a map over nothing.

use hilum_domain::{Class, Modality, PerClass, Specimen, top};

use crate::{
    Area,
    model::{Assessment, Note, Outcome, Shown},
    page::{Act, Turn},
    picture::{Part, Picture, Source},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{CT, FAINT, FUSED, HE, INK, PAPER, PLATE},
    words::Words,
};

/// What of a result is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// Probabilities and weights.
    #[default]
    Figures,
    /// Where the branches looked.
    Looked,
    /// What weakens it.
    Limits,
}

/// A case with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Result {
    /// The case.
    pub shown: Shown,
    tab: Tab,
    /// Which explanation, and which picture of it.
    at: (usize, usize),
    /// How much of the map is seen.
    opacity: u8,
    /// The first limit that is seen.
    from: usize,
}


/// The message of a class. Large cell carcinoma is a diagnosis of resections (IASLC/ATS/ERS).
pub(super) const fn class_word(class: Class, specimen: Option<Specimen>) -> &'static str {
    match (class, specimen) {
        (Class::LargeCellCarcinoma, Some(Specimen::Biopsy | Specimen::Cytology)) => "class-nsclc-nos",
        (Class::Adenocarcinoma, _) => "class-adenocarcinoma",
        (Class::SquamousCellCarcinoma, _) => "class-squamous",
        (Class::LargeCellCarcinoma, _) => "class-large-cell",
        (Class::SmallCellCarcinoma, _) => "class-small-cell",
        (Class::Normal, _) => "class-normal",
    }
}

/// The message of a limit or refusal of this version, or none: then the English sentence stands alone.
fn note_word(code: &str, words: &Words) -> Option<String> {
    let said = words.say(&format!("note-{code}"));
    (!said.starts_with('\u{27e6}')).then_some(said)
}

impl Result {
    /// A page about a case.
    #[must_use]
    pub fn new(shown: Shown) -> Self {
        Self { shown, tab: Tab::default(), at: (0, 0), opacity: 160, from: 0 }
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let area = area.inside(sheet.gap());
        match &self.shown.outcome {
            Outcome::Assessed(result) => self.assessed(sheet, area, result),
            Outcome::Refused(note) => refused(sheet, area, note),
            Outcome::SetAside => set_aside(sheet, area),
        }
    }

    fn assessed(&self, sheet: &mut Sheet<'_, Act>, mut area: Area, result: &Assessment) {
        let gap = sheet.gap();
        let tabs = area.bottom(sheet.button_height()).columns(5, gap);
        area.bottom(gap);
        let words = sheet.words;
        let limits = words.with("result-limits", [("count", result.limits.len().into())]);
        let named = [
            (words.say("result-figures"), Tab::Figures),
            (words.say("result-looked"), Tab::Looked),
            (limits, Tab::Limits),
        ];
        for (place, (text, tab)) in tabs.iter().zip(named) {
            sheet.button_of(*place, text, Button::Choice(self.tab == tab), Some(Act::Tab(tab)), size::SMALL);
        }
        sheet.button_of(tabs[3], words.say("result-opinion"), Button::Call, Some(Act::Opinion), size::SMALL);
        sheet.button_of(tabs[4], words.say("result-export"), Button::Plain, Some(Act::Export), size::SMALL);
        match self.tab {
            Tab::Figures => self.figures(sheet, area, result),
            Tab::Looked => self.looked(sheet, area, result),
            Tab::Limits => self.limits(sheet, area, result),
        }
    }

    fn figures(&self, sheet: &mut Sheet<'_, Act>, mut area: Area, result: &Assessment) {
        let words = sheet.words;
        let gap = sheet.gap();
        let specimen = self.shown.metadata.specimen;
        let best = Class::ALL[top(&result.fused)];
        let share = words.percent(result.fused[best.index()]);
        let headline = if best == Class::Normal {
            words.with("result-normal", [("share", share.into())])
        } else {
            words.with("result-favours", [("class", words.say(class_word(best, specimen)).into()), ("share", share.into())])
        };
        let lines = if sheet.look.is_portrait() { 3 } else { 2 };
        let head = area.top(sheet.line(size::TITLE) * lines);
        sheet.strong(head, headline, size::TITLE, INK, PAPER);
        area.top(gap / 2);
        let limits = area.bottom(sheet.line(size::BODY) + gap);
        area.bottom(gap / 2);
        let weights = area.bottom(sheet.line(size::SMALL) * 2 + sheet.look.px(22) + gap);
        area.bottom(gap / 2);
        bars(sheet, area, result, specimen);
        weighed(sheet, weights, result);
        let sign = if result.limits.is_empty() { Sign::Note } else { Sign::Warn };
        let said = words.with("result-weakened", [("count", result.limits.len().into())]);
        sheet.said(limits, sign, said, size::BODY, PAPER);
    }

    fn looked(&self, sheet: &mut Sheet<'_, Act>, mut area: Area, result: &Assessment) {
        let words = sheet.words;
        let gap = sheet.gap();
        let Some(explanation) = result.explanations.get(self.at.0) else {
            sheet.said(area, Sign::Note, words.say("looked-none"), size::BODY, PAPER);
            return;
        };
        let mut side = if sheet.look.is_portrait() { area.bottom(area.height * 2 / 5) } else { area.right(area.width * 2 / 5) };
        if sheet.look.is_portrait() {
            side.top(gap);
        } else {
            side.left(gap);
        }
        // Which branch and method.
        for (index, one) in result.explanations.iter().enumerate().take(4) {
            let place = side.top(sheet.button_height());
            side.top(gap / 2);
            let branch = words.say(if one.modality == Modality::Ct { "branch-ct" } else { "branch-he" });
            let text = format!("{branch}: {}", one.method);
            sheet.button_of(place, text, Button::Choice(index == self.at.0), Some(Act::Look(index)), size::SMALL);
        }
        let verdict = match explanation.verdict.as_str() {
            "faithful" => (Sign::Well, "looked-faithful"),
            "not_checked" => (Sign::Unknown, "looked-unchecked"),
            _ => (Sign::Stop, "looked-unreliable"),
        };
        let place = side.top((sheet.line(size::SMALL) * 3).min(side.height));
        sheet.said(place, verdict.0, words.say(verdict.1), size::SMALL, PAPER);
        let Some((plain, over)) = explanation.pictures.get(self.at.1) else {
            sheet.said(area, Sign::Stop, words.say("looked-unreliable"), size::BODY, PAPER);
            return;
        };
        let buttons = side.bottom(sheet.button_height()).columns(3, gap / 2);
        sheet.button(buttons[0], "\u{2212}", Button::Plain, Act::Opacity(-64));
        let seen = words.percent(f64::from(self.opacity) / 255.0);
        sheet.centred(buttons[1], seen, size::SMALL, FAINT, PAPER);
        sheet.button(buttons[2], "+", Button::Plain, Act::Opacity(64));
        let picture = Picture {
            source: Source::Image(std::sync::Arc::clone(&plain.0)),
            over: Some((Source::Image(std::sync::Arc::clone(&over.0)), self.opacity)),
            part: Part::ALL,
        };
        let caption = area.bottom(sheet.line(size::SMALL) * 2);
        sheet.picture(area, picture);
        sheet.centred(caption, words.say("looked-caption"), size::SMALL, FAINT, PAPER);
        let count = explanation.pictures.len();
        if count > 1 && side.height >= sheet.button_height() {
            let place = side.bottom(sheet.button_height() + gap / 2);
            let place = Area { height: sheet.button_height(), ..place };
            let text = format!("{} / {count}", self.at.1 + 1);
            sheet.button(place, text, Button::Plain, Act::Look(usize::MAX));
        }
    }

    fn limits(&self, sheet: &mut Sheet<'_, Act>, area: Area, result: &Assessment) {
        if result.limits.is_empty() {
            sheet.said(area, Sign::Note, sheet.words.with("result-weakened", [("count", 0.into())]), size::BODY, PAPER);
            return;
        }
        let gap = sheet.gap();
        let height = sheet.line(size::SMALL) * 4 + gap;
        let fit = usize::from((area.height / height).max(1));
        let mut list = area;
        let pages = result.limits.len() > fit;
        let buttons = pages.then(|| list.bottom(sheet.button_height()).columns(2, gap));
        let fit = usize::from((list.height / height).max(1));
        let from = self.from.min(result.limits.len().saturating_sub(1));
        for limit in result.limits.iter().skip(from).take(fit) {
            let place = list.top(height.min(list.height));
            note(sheet, place.inside(gap / 4), Sign::Warn, limit);
        }
        if let Some(buttons) = buttons {
            let step = isize::try_from(fit).unwrap_or(1);
            sheet.button_if(from > 0, buttons[0], "<", Button::Plain, Act::Page(-step));
            sheet.button_if(from + fit < result.limits.len(), buttons[1], ">", Button::Plain, Act::Page(step));
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        let Outcome::Assessed(result) = &self.shown.outcome else { return Turn::Stay };
        match act {
            Act::Tab(tab) => self.tab = *tab,
            Act::Look(usize::MAX) => {
                let count = result.explanations.get(self.at.0).map_or(1, |one| one.pictures.len().max(1));
                self.at.1 = (self.at.1 + 1) % count;
            }
            Act::Look(index) if *index < result.explanations.len() => self.at = (*index, 0),
            Act::Opacity(by) => self.opacity = self.opacity.saturating_add_signed(*by),
            Act::Page(by) => {
                self.from = self.from.saturating_add_signed(*by).min(result.limits.len().saturating_sub(1));
            }
            _ => {}
        }
        Turn::Stay
    }
}

/// A bar for each class, with the numbers of all three.
fn bars(sheet: &mut Sheet<'_, Act>, mut area: Area, result: &Assessment, specimen: Option<Specimen>) {
    let words = sheet.words;
    let columns: Vec<(&str, _, &PerClass<f64>)> = [
        Some(("branch-fused", FUSED, &result.fused)),
        result.ct.as_ref().map(|ct| ("branch-ct", CT, ct)),
        result.he.as_ref().map(|he| ("branch-he", HE, he)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let wide = sheet.look.letters(size::BODY) * 4;
    let head = area.top(sheet.line(size::SMALL));
    let number = |row: Area, index: usize| -> Area {
        let index = u16::try_from(columns.len() - index).unwrap_or(1);
        Area { x: row.x + row.width.saturating_sub(wide * index), width: wide, ..row }
    };
    for (index, (word, color, _)) in columns.iter().enumerate() {
        sheet.at_end(number(head, index), words.say(word), size::SMALL, *color, PAPER);
    }
    let taken = wide * u16::try_from(columns.len()).unwrap_or(3);
    for (row, class) in area.rows(5, sheet.gap() / 2).into_iter().zip(Class::ALL) {
        let mut left = Area { width: row.width.saturating_sub(taken), ..row };
        let name = left.left(left.width * 45 / 100);
        sheet.text(name, words.say(class_word(class, specimen)), size::BODY, INK, PAPER);
        let left = left.inside(sheet.look.px(3));
        let count = u16::try_from(columns.len()).unwrap_or(1);
        let thick = (left.height / (count + 1)).max(3).min(sheet.look.px(14));
        let mut y = left.y + (left.height.saturating_sub(thick * (count + 1))) / 2;
        for (index, (_, color, shares)) in columns.iter().enumerate() {
            let height = if index == 0 { thick * 2 } else { thick };
            let share = shares[class.index()];
            sheet.bar(Area { y, height: height.saturating_sub(1), ..left }, share, *color);
            y += height;
            let place = number(row, index);
            if index == 0 {
                sheet.at_end(place, words.percent(share), size::BODY, INK, PAPER);
            } else {
                sheet.at_end(place, words.percent(share), size::SMALL, *color, PAPER);
            }
        }
    }
}

/// How much each branch counts, and what age, sex and smoking did to that.
fn weighed(sheet: &mut Sheet<'_, Act>, mut area: Area, result: &Assessment) {
    let words = sheet.words;
    let [ct, he] = result.weights;
    let bar = area.top(sheet.look.px(22));
    sheet.bar(bar, 1.0, HE);
    sheet.bar(bar, ct, CT);
    let shares = [("ct", words.percent(ct).into()), ("he", words.percent(he).into())];
    let said = match (&result.ct, &result.he, result.weights_unknown) {
        (Some(_), None, _) => words.say("weights-ct-alone"),
        (None, Some(_), _) => words.say("weights-he-alone"),
        (_, _, Some([without, _])) => {
            let given = shares.into_iter().chain([("without", words.percent(without).into())]);
            words.with("weights-compared", given)
        }
        _ => words.with("weights", shares),
    };
    sheet.paragraph(area, said, size::SMALL, FAINT, PAPER);
}

/// A limit or refusal: in the language, where this version knows it, and in English with its figures.
fn note(sheet: &mut Sheet<'_, Act>, area: Area, sign: Sign, note: &Note) {
    let mut inside = sheet.plate(area);
    let message = note_word(&note.code, sheet.words).unwrap_or_else(|| note.message.clone());
    let head = inside.top(inside.height / 2);
    sheet.said(head, sign, message, size::SMALL, PLATE);
    sheet.text(inside, format!("{} \u{2014} {}", note.message, note.next_step), size::SMALL, FAINT, PLATE);
}

/// A refusal is no result: its reason and what to do next, and nothing else.
fn refused(sheet: &mut Sheet<'_, Act>, mut area: Area, refusal: &Note) {
    let words = sheet.words;
    let gap = sheet.gap();
    let done = area.bottom(sheet.button_height());
    area.bottom(gap);
    sheet.button(done, words.say("close"), Button::Call, Act::Back);
    let head = area.top(sheet.line(size::TITLE) * 2);
    sheet.said(head, Sign::Stop, words.say("refused-title"), size::TITLE, PAPER);
    let reason = note_word(&refusal.code, words).unwrap_or_else(|| refusal.message.clone());
    let parts = area.rows(2, gap);
    let mut why = sheet.plate(parts[0]);
    let label = why.top(sheet.line(size::SMALL));
    sheet.strong(label, words.say("refused-why"), size::SMALL, FAINT, PLATE);
    sheet.paragraph(why, format!("{reason}\n{}", refusal.message), size::BODY, INK, PLATE);
    let mut next = sheet.plate(parts[1]);
    let label = next.top(sheet.line(size::SMALL));
    sheet.strong(label, words.say("refused-next"), size::SMALL, FAINT, PLATE);
    sheet.paragraph(next, refusal.next_step.clone(), size::BODY, INK, PLATE);
}

fn set_aside(sheet: &mut Sheet<'_, Act>, mut area: Area) {
    let words = sheet.words;
    let done = area.bottom(sheet.button_height());
    sheet.button(done, words.say("close"), Button::Call, Act::Back);
    sheet.said(area, Sign::Stop, words.say("set-aside-why"), size::BODY, PAPER);
}
