//! What became of a case: the result with its limits and where the branches looked; or the refusal, which is a page of its own.
//!
//! Never here: words of certainty, advice on treatment, a green "normal", a map over nothing.

use hilum_domain::{Class, Metadata, Modality, PerClass, Specimen, top};

use crate::{
    Area,
    area::share,
    model::{Assessment, Note, Outcome, Shown},
    page::{
        Act, Export, Page, Review, Turn,
        draft::known,
        refusal::{self, note_words},
    },
    picture::{Part, Picture, Source},
    scene::{Item, Sign},
    sheet::{Button, Sheet, rounded, size},
    theme::{CT, DARK, FAINT, FUSED, HE, INK, PAPER, PLATE},
};

/// What of a result is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// Probabilities and weights.
    #[default]
    Figures,
    /// The weights alone, where a panel has no room for them under the probabilities.
    Weights,
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
            Outcome::Refused(note) => refusal::refused(sheet, area, note),
            Outcome::SetAside => refusal::set_aside(sheet, area),
        }
    }

    /// Whether the panel has no room for the weights under the probabilities: they are then seen by themselves.
    fn is_parted(sheet: &Sheet<'_, Act>) -> bool {
        sheet.look.is_low() || sheet.look.width < sheet.look.px(560)
    }

    fn assessed(&self, sheet: &mut Sheet<'_, Act>, mut area: Area, result: &Assessment) {
        let gap = sheet.gap();
        let parted = Self::is_parted(sheet);
        let buttons = if sheet.look.is_portrait() {
            let second = area.bottom(sheet.button_height()).columns(if parted { 3 } else { 2 }, gap);
            area.bottom(gap / 2);
            [area.bottom(sheet.button_height()).columns(3, gap), second].concat()
        } else {
            area.bottom(sheet.button_height()).columns(if parted { 6 } else { 5 }, gap)
        };
        area.bottom(gap);
        let words = sheet.words;
        let limits = words.with("result-limits", [("count", result.limits.len().into())]);
        let tabs = [
            Some((words.say("result-figures"), Tab::Figures)),
            parted.then(|| (words.say("result-weights"), Tab::Weights)),
            Some((words.say("result-looked"), Tab::Looked)),
            Some((limits, Tab::Limits)),
        ];
        let mut places = buttons.into_iter();
        for ((text, tab), place) in tabs.into_iter().flatten().zip(places.by_ref()) {
            sheet.button_of(place, text, Button::Choice(self.tab == tab), Some(Act::Tab(tab)), size::SMALL);
        }
        for ((word, act, kind), place) in
            [("result-opinion", Act::Opinion, Button::Call), ("result-export", Act::Export, Button::Plain)]
                .into_iter()
                .zip(places)
        {
            sheet.button_of(place, words.say(word), kind, Some(act), size::SMALL);
        }
        match self.tab {
            Tab::Figures => self.figures(sheet, area, result),
            Tab::Weights => weighed(sheet, area, result, self.shown.metadata, size::BODY),
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
            words.safe_with("result-normal", [("share", share.into())])
        } else {
            words.with(
                "result-favours",
                [("class", words.say(class_word(best, specimen)).into()), ("share", share.into())],
            )
        };
        let low = sheet.look.is_low();
        let head = match (low, sheet.look.is_portrait()) {
            (true, _) => sheet.line(size::BODY) * 2,
            (false, true) => sheet.line(size::TITLE) * 3,
            (false, false) => sheet.line(size::TITLE) * 2,
        };
        let head = area.top(head);
        sheet.strong(head, headline, size::TITLE, INK, PAPER);
        area.top(gap / 2);
        let limits = area.bottom(sheet.line(size::BODY) + gap);
        area.bottom(gap / 2);
        if !Self::is_parted(sheet) {
            let lines = if sheet.look.is_portrait() { 5 } else { 3 };
            let weights = area.bottom(sheet.line(size::SMALL) * lines + sheet.look.px(22) + gap);
            area.bottom(gap / 2);
            weighed(sheet, weights, result, self.shown.metadata, size::SMALL);
        }
        bars(sheet, area, result, specimen);
        let sign = if result.limits.is_empty() { Sign::Note } else { Sign::Warn };
        // That the branches disagree is never only one of several.
        let disagree = result.limits.iter().any(|limit| limit.code == "branches-disagree");
        let said = if disagree { "result-disagree" } else { "result-weakened" };
        sheet.said(limits, sign, words.with(said, [("count", result.limits.len().into())]), size::BODY, PAPER);
    }

    fn looked(&self, sheet: &mut Sheet<'_, Act>, mut area: Area, result: &Assessment) {
        let words = sheet.words;
        let gap = sheet.gap();
        let Some(explanation) = result.explanations.get(self.at.0) else {
            sheet.said(area, Sign::Note, words.say("looked-none"), size::BODY, PAPER);
            return;
        };
        let needed = 4 * sheet.button_height() + 3 * gap + 3 * sheet.line(size::SMALL);
        let mut side = if sheet.look.is_portrait() { area.bottom(needed) } else { area.right(area.width * 2 / 5) };
        if sheet.look.is_portrait() {
            side.top(gap);
        } else {
            side.left(gap);
        }
        let all = &result.explanations;
        // The branch: the same method of the other one, where there is that.
        let of = |modality: Modality| {
            let same = all.iter().position(|one| one.modality == modality && one.method == explanation.method);
            same.or_else(|| all.iter().position(|one| one.modality == modality))
        };
        let branches = side.top(sheet.button_height()).columns(2, gap / 2);
        side.top(gap / 2);
        for (place, (modality, word)) in
            branches.into_iter().zip([(Modality::Ct, "branch-ct"), (Modality::He, "branch-he")])
        {
            let chosen = Button::Choice(explanation.modality == modality);
            sheet.button_of(place, words.say(word), chosen, of(modality).map(Act::Look), size::SMALL);
        }
        let methods: Vec<usize> = all
            .iter()
            .enumerate()
            .filter(|(_, one)| one.modality == explanation.modality)
            .map(|(index, _)| index)
            .collect();
        let nth = methods.iter().position(|index| *index == self.at.0).unwrap_or(0);
        let next = methods.get((nth + 1) % methods.len().max(1)).filter(|_| methods.len() > 1);
        let place = side.top(sheet.button_height());
        side.top(gap / 2);
        let given = [
            ("method", explanation.method.as_str().into()),
            ("number", (nth + 1).into()),
            ("count", methods.len().into()),
        ];
        let text = words.with("looked-method", given);
        sheet.button_of(place, text, Button::Plain, next.copied().map(Act::Look), size::SMALL);
        let verdict = match explanation.verdict.as_str() {
            "faithful" => (Sign::Note, "looked-faithful"),
            "not_checked" => (Sign::Unknown, "looked-unchecked"),
            _ => (Sign::Stop, "looked-unreliable"),
        };
        let lines = if sheet.look.is_low() { 2 } else { 3 };
        let place = side.top((sheet.line(size::SMALL) * lines).min(side.height));
        sheet.said(place, verdict.0, words.say(verdict.1), size::SMALL, PAPER);
        let Some((plain, over)) = explanation.pictures.get(self.at.1) else {
            sheet.said(area, Sign::Stop, words.say("looked-unreliable"), size::BODY, PAPER);
            return;
        };
        let buttons = side.bottom(sheet.button_height()).columns(3, gap / 2);
        sheet.button(buttons[0], "\u{2212}", Button::Plain, Act::Opacity(-64));
        let seen = words.percent(f64::from(self.opacity) / 255.0);
        let seen = words.with("looked-map", [("share", seen.into())]);
        sheet.centred(buttons[1], seen, size::SMALL, FAINT, PAPER);
        sheet.button(buttons[2], "+", Button::Plain, Act::Opacity(64));
        let picture = Picture {
            source: Source::Image(std::sync::Arc::clone(&plain.0)),
            over: Some((Source::Image(std::sync::Arc::clone(&over.0)), self.opacity)),
            part: Part::ALL,
        };
        let caption = area.bottom(sheet.line(size::SMALL) * 2);
        sheet.picture(area, picture);
        sheet.centred(caption, words.safe("looked-caption"), size::SMALL, FAINT, PAPER);
        let count = explanation.pictures.len();
        if count > 1 && side.height >= sheet.button_height() {
            let place = side.bottom(sheet.button_height() + gap / 2);
            let place = Area { height: sheet.button_height(), ..place };
            let text = words.with("picture-next", [("number", (self.at.1 + 1).into()), ("count", count.into())]);
            sheet.button_of(place, text, Button::Plain, Some(Act::NextPicture), size::SMALL);
        }
    }

    fn limits(&self, sheet: &mut Sheet<'_, Act>, area: Area, result: &Assessment) {
        if result.limits.is_empty() {
            sheet.said(area, Sign::Note, sheet.words.with("result-weakened", [("count", 0.into())]), size::BODY, PAPER);
            return;
        }
        let gap = sheet.gap();
        let lines = if sheet.look.is_portrait() { 6 } else { 4 };
        let height = sheet.line(size::SMALL) * lines + gap;
        let fit = usize::from((area.height / height).max(1));
        let mut list = area;
        let pages = result.limits.len() > fit;
        let buttons = pages.then(|| list.bottom(sheet.button_height()).columns(2, gap));
        let fit = usize::from((list.height / height).max(1));
        let from = self.from.min(result.limits.len().saturating_sub(1));
        for limit in result.limits.iter().skip(from).take(fit) {
            let place = list.top(height.min(list.height));
            note(sheet, place.inside(gap / 4), limit);
        }
        if let Some(buttons) = buttons {
            let step = isize::try_from(fit).unwrap_or(1);
            sheet.button_if(from > 0, buttons[0], sheet.back_sign(), Button::Plain, Act::Page(-step));
            sheet.button_if(
                from + fit < result.limits.len(),
                buttons[1],
                sheet.on_sign(),
                Button::Plain,
                Act::Page(step),
            );
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        let Outcome::Assessed(result) = &self.shown.outcome else {
            return match (act, &self.shown.outcome) {
                (Act::Submit, Outcome::SetAside) => refusal::again(&self.shown.patient),
                _ => Turn::Stay,
            };
        };
        match act {
            Act::Tab(tab) => self.tab = *tab,
            Act::NextPicture => {
                let count = result.explanations.get(self.at.0).map_or(1, |one| one.pictures.len().max(1));
                self.at.1 = (self.at.1 + 1) % count;
            }
            Act::Look(index) if *index < result.explanations.len() => self.at = (*index, 0),
            Act::Opacity(by) => self.opacity = self.opacity.saturating_add_signed(*by),
            Act::Page(by) => {
                self.from = self.from.saturating_add_signed(*by).min(result.limits.len().saturating_sub(1));
            }
            Act::Opinion => {
                return Turn::To(Box::new(Page::Review(Box::new(Review::new(self.shown.clone())))), Vec::new());
            }
            Act::Export => {
                return Turn::To(Box::new(Page::Export(Box::new(Export::new(self.shown.clone())))), Vec::new());
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
    let wide = sheet.look.letters(size::BODY) * 3;
    let head = area.top(sheet.line(size::SMALL));
    let number = |row: Area, index: usize| -> Area {
        let index = u16::try_from(columns.len() - index).unwrap_or(1);
        Area { x: row.x + row.width.saturating_sub(wide * index), width: wide, ..row }
    };
    for (index, (word, color, _)) in columns.iter().enumerate() {
        sheet.at_end(number(head, index), words.say(word), size::SMALL, *color, PAPER);
    }
    let taken = wide * u16::try_from(columns.len()).unwrap_or(3);
    let portrait = sheet.look.is_portrait();
    for (row, class) in area.rows(5, sheet.gap() / 2).into_iter().zip(Class::ALL) {
        let mut left = Area { width: row.width.saturating_sub(taken), ..row };
        // A narrow panel has the bars below the name and the numbers.
        let (name, numbers, bars) = if portrait {
            // One line of the least letters in any case.
            let least = sheet.look.least_letters() * 3 / 2 + 2;
            let half = (row.height / 2).max(least).min(row.height);
            let below = Area { y: row.y + half, height: row.height - half, ..row };
            (Area { height: half, ..left }, Area { height: half, ..row }, below)
        } else {
            (left.left(share(left.width, if sheet.look.is_low() { 55 } else { 45 })), row, left)
        };
        sheet.text(name, words.say(class_word(class, specimen)), size::BODY, INK, PAPER);
        let bars = bars.inside(sheet.look.px(3));
        let count = u16::try_from(columns.len()).unwrap_or(1);
        let thick = (bars.height / (count + 1)).max(3).min(sheet.look.px(14));
        let mut y = bars.y + (bars.height.saturating_sub(thick * (count + 1))) / 2;
        for (index, (_, color, shares)) in columns.iter().enumerate() {
            let height = if index == 0 { thick * 2 } else { thick };
            let share = shares[class.index()];
            sheet.bar(Area { y, height: height.saturating_sub(1), ..bars }, share, *color);
            y += height;
            let place = number(numbers, index);
            if index == 0 {
                sheet.at_end(place, words.percent(share), size::BODY, INK, PAPER);
            } else {
                sheet.at_end(place, words.percent(share), size::SMALL, *color, PAPER);
            }
        }
    }
}

/// How much each branch counts, and what age, sex and smoking did to that.
fn weighed(sheet: &mut Sheet<'_, Act>, mut area: Area, result: &Assessment, metadata: Metadata, letters: u16) {
    let words = sheet.words;
    let [ct, he] = result.weights;
    // What was not known is said to be so wherever the weights are.
    let lines = if sheet.look.is_portrait() || letters > size::SMALL { 2 } else { 1 };
    let line = area.bottom(sheet.line(letters) * lines);
    let given =
        known(metadata, words, "weights-unknown-average").map(|(word, value)| format!("{}: {value}", words.say(word)));
    sheet.text(line, given.join("   "), letters, FAINT, PAPER);
    let mut bar = area.top(sheet.look.px(if letters > size::SMALL { 48 } else { 28 }));
    let of_ct = bar.left(rounded(f64::from(bar.width) * ct.clamp(0.0, 1.0)));
    for (part, share, color, name) in [(of_ct, ct, CT, "branch-ct"), (bar, he, HE, "branch-he")] {
        if part.is_empty() {
            continue;
        }
        sheet.item(Item::Fill { area: part, color });
        // Which part is which is not said by colour alone; the sentence below says the smallest ones.
        if part.width > 6 * sheet.look.letters(letters) {
            let said = format!("{} {}", words.say(name), words.percent(share));
            sheet.centred(part.inside(2), said, letters, DARK, color);
        }
    }
    area.top(sheet.gap() / 2);
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
    sheet.paragraph(area, said, letters, FAINT, PAPER);
}

/// A limit: what it is and what to do, and in English with its figures.
fn note(sheet: &mut Sheet<'_, Act>, area: Area, note: &Note) {
    let words = sheet.words;
    let inside = sheet.plate(area);
    let (own, next) = note_words(note, words);
    let lines = inside.rows(2, 0);
    let head = own.map_or_else(|| note.message.clone(), |own| format!("{own} {}", next.unwrap_or_default()));
    sheet.said(lines[0], Sign::Warn, head, size::SMALL, PLATE);
    let english = format!("{} \u{2014} {}", note.message, note.next_step);
    sheet.text(lines[1], english, size::SMALL, FAINT, PLATE);
}
