//! A new case: two identifiers, and what is known of the patient. What is needed and what is not known are different: every
//! line has an answer before the case is opened, and "not known" is one.

use hilum_domain::{Age, CaseNumber, Identity, IdentityFault, Metadata, Sex, Smoking, Specimen};

use crate::{
    Area,
    area::share,
    event::{Key, Wish},
    keyboard::{Keyboard, Layer, Stroke},
    page::{Act, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    text::is_legible,
    theme::{FAINT, INK, KEY, PAPER, PLATE},
};

/// A line of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The first identifier.
    First,
    /// The second.
    Second,
    /// Years.
    Age,
    /// Female or male.
    Sex,
    /// Never, former, current.
    Smoking,
    /// Biopsy, cytology, resection.
    Specimen,
}

impl Field {
    const ALL: [Self; 6] = [Self::First, Self::Second, Self::Age, Self::Sex, Self::Smoking, Self::Specimen];

    const fn word(self) -> &'static str {
        match self {
            Self::First => "form-first",
            Self::Second => "form-second",
            Self::Age => "form-age",
            Self::Sex => "form-sex",
            Self::Smoking => "form-smoking",
            Self::Specimen => "form-specimen",
        }
    }

    const fn choices(self) -> &'static [&'static str] {
        match self {
            Self::Sex => &["form-female", "form-male"],
            Self::Smoking => &["form-never", "form-former", "form-current"],
            Self::Specimen => &["form-biopsy", "form-cytology", "form-resection"],
            Self::First | Self::Second | Self::Age => &[],
        }
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::First => Some(Self::Second),
            Self::Second => Some(Self::Age),
            Self::Age => Some(Self::Sex),
            Self::Sex => Some(Self::Smoking),
            Self::Smoking => Some(Self::Specimen),
            Self::Specimen => None,
        }
    }
}

/// An answer, or none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Answer<T> {
    #[default]
    None,
    Unknown,
    Known(T),
}

impl<T> Answer<T> {
    fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::None | Self::Unknown => None,
        }
    }
}

/// What was typed and chosen so far.
#[derive(Clone, PartialEq)]
pub struct Form {
    first: String,
    second: String,
    age: Answer<()>,
    years: String,
    sex: Answer<Sex>,
    smoking: Answer<Smoking>,
    specimen: Answer<Specimen>,
    focus: Field,
    keyboard: Keyboard,
    /// The case is being opened.
    opening: bool,
    /// Cases of the same first identifier and another second one, which a person has to see.
    other: Vec<CaseNumber>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            first: String::new(),
            second: String::new(),
            age: Answer::None,
            years: String::new(),
            sex: Answer::None,
            smoking: Answer::None,
            specimen: Answer::None,
            focus: Field::First,
            keyboard: Keyboard::digits(),
            opening: false,
            other: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Form(…)")
    }
}

/// The longest that may be typed: what is longer is said to be too long.
const LONGEST: usize = 300;

impl Form {
    fn identity(&self) -> Result<Identity, IdentityFault> {
        Identity::new(&self.first, &self.second)
    }

    fn age(&self) -> Option<Option<Age>> {
        match self.age {
            Answer::Unknown => Some(None),
            Answer::None | Answer::Known(()) => Some(Some(Age::from_years(self.years.parse().ok()?).ok()?)),
        }
    }

    /// The draft that it makes, if every line has an answer.
    fn filled(&self) -> Option<(Identity, Metadata)> {
        let identity = self.identity().ok()?;
        if [Field::First, Field::Second].into_iter().any(|field| self.fault(field).is_some()) {
            return None;
        }
        let answered = self.sex != Answer::None && self.smoking != Answer::None && self.specimen != Answer::None;
        let metadata = Metadata {
            age: self.age()?,
            sex: self.sex.known(),
            smoking: self.smoking.known(),
            specimen: self.specimen.known(),
        };
        answered.then_some((identity, metadata))
    }

    /// What is wrong with a line, as a message.
    fn fault(&self, field: Field) -> Option<&'static str> {
        let long = |text: &str| text.trim().chars().count() > 64;
        match field {
            Field::First | Field::Second => {
                let own = if field == Field::First { &self.first } else { &self.second };
                if long(own) {
                    Some("form-long")
                } else if !is_legible(own) {
                    Some("form-unshown")
                } else if field == Field::Second && self.identity() == Err(IdentityFault::Same) {
                    Some("form-same")
                } else {
                    None
                }
            }
            Field::Age => (!self.years.is_empty() && self.age().is_none()).then_some("form-age-wrong"),
            Field::Sex | Field::Smoking | Field::Specimen => None,
        }
    }

    fn value(&self, sheet: &Sheet<'_, Act>, field: Field) -> Option<String> {
        let words = sheet.words;
        let choice = |answer: Answer<usize>| match answer {
            Answer::None => None,
            Answer::Unknown => Some(words.say("form-unknown")),
            Answer::Known(at) => field.choices().get(at).map(|word| words.say(word)),
        };
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match field {
            Field::First => text(&self.first),
            Field::Second => text(&self.second),
            Field::Age if self.age == Answer::Unknown => Some(words.say("form-unknown")),
            Field::Age => text(&self.years),
            Field::Sex | Field::Smoking | Field::Specimen => choice(self.chosen(field)),
        }
    }

    /// The place of what was chosen.
    fn chosen(&self, field: Field) -> Answer<usize> {
        fn place<T: PartialEq>(answer: Answer<T>, all: &[T]) -> Answer<usize> {
            match answer {
                Answer::None => Answer::None,
                Answer::Unknown => Answer::Unknown,
                Answer::Known(value) => all.iter().position(|one| *one == value).map_or(Answer::None, Answer::Known),
            }
        }
        match field {
            Field::Sex => place(self.sex, &Sex::ALL),
            Field::Smoking => place(self.smoking, &Smoking::ALL),
            Field::Specimen => place(self.specimen, &Specimen::ALL),
            Field::First | Field::Second | Field::Age => Answer::None,
        }
    }

    /// It was not opened: it can be touched again.
    pub fn denied(&mut self) {
        self.opening = false;
    }

    /// It was not opened, because these cases may be another patient's.
    pub fn other_second(&mut self, cases: Vec<CaseNumber>) {
        self.opening = false;
        self.other = cases;
    }

    fn asked(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let words = sheet.words;
        let mut area = area.inside(sheet.gap());
        let buttons = area.bottom(sheet.button_height() * 3 / 2).columns(2, sheet.gap());
        let cases: Vec<String> = self.other.iter().take(3).map(CaseNumber::to_string).collect();
        let parts = area.rows(2, sheet.gap());
        let said = words.safe_with("form-other-second", [("cases", cases.join(", ").into())]);
        sheet.said(parts[0], Sign::Stop, said, size::TITLE, PAPER);
        let inside = sheet.plate(parts[1]);
        for (row, (word, value)) in
            inside.rows(2, 2).into_iter().zip([("form-first", &self.first), ("form-second", &self.second)])
        {
            let mut row = row;
            let name = row.left(row.width / 3);
            sheet.text(name, words.say(word), size::SMALL, FAINT, PLATE);
            sheet.typed(row, value.as_str(), size::BODY, INK, PLATE);
        }
        sheet.button(buttons[0], words.say("cancel"), Button::Call, Act::SamePatient(false));
        sheet.button(buttons[1], words.say("form-same-patient"), Button::Danger, Act::SamePatient(true));
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        if !self.other.is_empty() {
            return self.asked(sheet, area);
        }
        let gap = sheet.gap();
        let mut rest = area;
        let portrait = sheet.look.is_portrait();
        let extra = if portrait && self.focus == Field::Age { sheet.button_height() + 2 * gap } else { 0 };
        let least = if portrait { 0 } else { area.height * 2 / 5 };
        let keys = rest.bottom(Keyboard::height(sheet).max(least) + extra);
        rest.bottom(gap);
        let mut rest = Area { y: rest.y + gap / 2, height: rest.height.saturating_sub(gap / 2), ..rest };
        rest.left(gap);
        rest.right(gap);
        let open =
            if sheet.look.is_portrait() { rest.bottom(sheet.button_height()) } else { rest.right(rest.width / 5) };
        if sheet.look.is_portrait() {
            rest.bottom(gap);
        } else {
            rest.right(gap);
        }
        sheet.button_if(
            self.filled().is_some() && !self.opening,
            open,
            sheet.words.say("form-open"),
            Button::Call,
            Act::Open,
        );
        let (across, down) = if sheet.look.is_portrait() { (1, 6) } else { (2, 3) };
        let places = rest.columns(across, gap).into_iter().flat_map(|column| column.rows(down, gap / 2));
        for (place, field) in places.zip(Field::ALL) {
            self.line(sheet, place, field);
        }
        match self.focus {
            Field::First | Field::Second | Field::Age => self.typing(sheet, keys),
            Field::Sex | Field::Smoking | Field::Specimen => self.choosing(sheet, keys.inside(gap)),
        }
    }

    fn typing(&self, sheet: &mut Sheet<'_, Act>, mut keys: Area) {
        if self.focus == Field::Age {
            let (gap, height) = (sheet.gap(), sheet.button_height());
            let unknown = if sheet.look.is_portrait() {
                keys.top(height + 2 * gap)
            } else {
                let side = keys.right(keys.width / 4);
                Area { height: (height + 2 * gap).min(side.height), ..side }
            };
            let chosen = Button::Choice(self.age == Answer::Unknown);
            sheet.button(unknown.inside(gap), sheet.words.say("form-unknown"), chosen, Act::Choose(Field::Age, None));
        }
        self.keyboard.draw(sheet, keys, Act::Stroke);
    }

    fn choosing(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let gap = sheet.gap();
        let choices = self.focus.choices();
        let count = u16::try_from(choices.len()).unwrap_or(1) + 1;
        let chosen = self.chosen(self.focus);
        let places = if sheet.look.is_portrait() {
            area.rows(2, gap).into_iter().flat_map(|row| row.columns(count.div_ceil(2), gap)).collect()
        } else {
            area.columns(count, gap)
        };
        let height = sheet.button_height() * 3 / 2;
        for (index, place) in places.into_iter().enumerate() {
            let place = Area { height: height.min(place.height), ..place };
            let (word, answer) = choices.get(index).map_or(("form-unknown", None), |word| (*word, Some(index)));
            let is = match answer {
                Some(at) => chosen == Answer::Known(at),
                None => chosen == Answer::Unknown,
            };
            sheet.button(place, sheet.words.say(word), Button::Choice(is), Act::Choose(self.focus, answer));
        }
    }

    /// A line: what it is called, what was answered, what is wrong with that.
    fn line(&self, sheet: &mut Sheet<'_, Act>, place: Area, field: Field) {
        let focused = self.focus == field;
        sheet.button_of(
            place,
            "",
            if focused { Button::Choice(false) } else { Button::Plain },
            Some(Act::Field(field)),
            size::BODY,
        );
        let mut inside = place.inside(sheet.look.px(6));
        inside.left(sheet.look.px(6));
        let name = inside.left(share(inside.width, 42));
        sheet.text(name, sheet.words.say(field.word()), size::SMALL, FAINT, KEY);
        match (self.fault(field), self.value(sheet, field)) {
            (Some(fault), _) => sheet.said(inside, Sign::Stop, sheet.words.say(fault), size::SMALL, KEY),
            (None, Some(value)) => sheet.typed(inside, value, size::BODY, INK, KEY),
            (None, None) => sheet.said(inside, Sign::Unknown, sheet.words.say("form-required"), size::SMALL, KEY),
        }
        if focused {
            let mark = Area { width: sheet.look.px(5), ..place };
            sheet.item(crate::scene::Item::Fill { area: mark, color: crate::theme::WARN });
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        // What is being opened is not changed under the hand, and what is asked is answered first.
        let changes = matches!(act, Act::Field(_) | Act::Choose(..) | Act::Stroke(_) | Act::Open);
        if changes && (self.opening || !self.other.is_empty()) {
            return Turn::Stay;
        }
        match act {
            Act::Field(field) => self.focus_on(*field),
            Act::Choose(field, answer) => self.choose(*field, *answer),
            Act::Stroke(Stroke::Key(key)) => self.typed(*key),
            Act::Stroke(stroke) => self.keyboard = self.keyboard.after(*stroke),
            Act::Open => return self.open(false),
            Act::SamePatient(same) if !self.other.is_empty() => {
                self.other.clear();
                if *same {
                    return self.open(true);
                }
                self.focus_on(Field::Second);
            }
            _ => {}
        }
        Turn::Stay
    }

    fn open(&mut self, confirmed: bool) -> Turn {
        match self.filled() {
            Some((identity, metadata)) if !self.opening && self.other.is_empty() => {
                self.opening = true;
                Turn::Wish(vec![Wish::Open(identity, metadata, confirmed)])
            }
            _ => Turn::Stay,
        }
    }

    fn focus_on(&mut self, field: Field) {
        self.focus = field;
        if matches!(field, Field::First | Field::Age) {
            self.keyboard = Keyboard { layer: Layer::Digits, shift: false };
        }
    }

    fn choose(&mut self, field: Field, answer: Option<usize>) {
        fn of<T: Copy>(all: &[T], answer: Option<usize>) -> Answer<T> {
            match answer {
                None => Answer::Unknown,
                Some(at) => all.get(at).map_or(Answer::None, |value| Answer::Known(*value)),
            }
        }
        match field {
            Field::Age => {
                self.age = Answer::Unknown;
                self.years.clear();
            }
            Field::Sex => self.sex = of(&Sex::ALL, answer),
            Field::Smoking => self.smoking = of(&Smoking::ALL, answer),
            Field::Specimen => self.specimen = of(&Specimen::ALL, answer),
            Field::First | Field::Second => return,
        }
        if let Some(next) = field.next() {
            self.focus_on(next);
        }
    }

    /// A key of the panel, of a keyboard, or of a scanner, which ends with Enter.
    pub(super) fn typed(&mut self, key: Key) {
        let text = match self.focus {
            Field::First => &mut self.first,
            Field::Second => &mut self.second,
            Field::Age => &mut self.years,
            Field::Sex | Field::Smoking | Field::Specimen => return,
        };
        match key {
            Key::Character(character) if !character.is_control() && text.chars().count() < LONGEST => {
                let fits = self.focus != Field::Age || character.is_ascii_digit() && text.len() < 3;
                if fits {
                    text.push(character);
                    if self.focus == Field::Age {
                        self.age = Answer::Known(());
                    }
                }
            }
            Key::Backspace => {
                text.pop();
            }
            Key::Enter => {
                if let Some(next) = self.focus.next() {
                    self.focus_on(next);
                }
            }
            _ => {}
        }
    }
}
