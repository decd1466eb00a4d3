//! A new case: two identifiers, and what is known of the patient. What is needed and what is not known are different: every
//! line has an answer before the case is opened, and "not known" is one.

use hilum_domain::{Age, Identity, IdentityFault, Metadata, Sex, Smoking, Specimen};

use crate::{
    Area,
    event::{Key, Wish},
    keyboard::{Keyboard, Layer, Stroke},
    page::{Act, Turn},
    scene::Sign,
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, KEY},
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
    pub(super) opening: bool,
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
            Answer::None | Answer::Known(()) => {
                Some(Some(Age::from_years(self.years.parse().ok()?).ok()?))
            }
        }
    }

    /// The draft that it makes, if every line has an answer.
    fn filled(&self) -> Option<(Identity, Metadata)> {
        let identity = self.identity().ok()?;
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

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let gap = sheet.gap();
        let mut rest = area;
        let keys = rest.bottom(Keyboard::height(sheet).max(area.height * 2 / 5));
        rest.bottom(gap);
        let mut rest = Area { y: rest.y + gap / 2, height: rest.height.saturating_sub(gap / 2), ..rest };
        rest.left(gap);
        rest.right(gap);
        let open = if sheet.look.is_portrait() { rest.bottom(sheet.button_height()) } else { rest.right(rest.width / 5) };
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
            let gap = sheet.gap();
            let unknown = keys.right(keys.width / 4).inside(gap);
            let chosen = Button::Choice(self.age == Answer::Unknown);
            let height = sheet.button_height();
            let unknown = Area { height: height.min(unknown.height), ..unknown };
            sheet.button(unknown, sheet.words.say("form-unknown"), chosen, Act::Choose(Field::Age, None));
        }
        self.keyboard.draw(sheet, keys, Act::Stroke);
    }

    fn choosing(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let gap = sheet.gap();
        let choices = self.focus.choices();
        let count = u16::try_from(choices.len()).unwrap_or(1) + 1;
        let chosen = self.chosen(self.focus);
        let places = if sheet.look.is_portrait() { area.rows(count, gap) } else { area.columns(count, gap) };
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
        sheet.button_of(place, "", if focused { Button::Choice(false) } else { Button::Plain }, Some(Act::Field(field)), size::BODY);
        let mut inside = place.inside(sheet.look.px(6));
        let name = inside.left(inside.width * 42 / 100);
        sheet.text(name, sheet.words.say(field.word()), size::SMALL, FAINT, KEY);
        match (self.fault(field), self.value(sheet, field)) {
            (Some(fault), _) => sheet.said(inside, Sign::Stop, sheet.words.say(fault), size::SMALL, KEY),
            (None, Some(value)) => sheet.text(inside, ending(&value), size::BODY, INK, KEY),
            (None, None) => sheet.said(inside, Sign::Unknown, sheet.words.say("form-required"), size::SMALL, KEY),
        }
        if focused {
            let mark = Area { width: sheet.look.px(5), ..place };
            sheet.item(crate::scene::Item::Fill { area: mark, color: crate::theme::WARN });
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        match act {
            Act::Field(field) => self.focus_on(*field),
            Act::Choose(field, answer) => self.choose(*field, *answer),
            Act::Stroke(Stroke::Key(key)) => self.typed(*key),
            Act::Stroke(stroke) => self.keyboard = self.keyboard.after(*stroke),
            Act::Open => {
                if let (Some((identity, metadata)), false) = (self.filled(), self.opening) {
                    self.opening = true;
                    return Turn::Wish(vec![Wish::Open(identity, metadata, false)]);
                }
            }
            _ => {}
        }
        Turn::Stay
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

/// The end of what was typed, where it is long: that is where one types.
fn ending(value: &str) -> String {
    const MOST: usize = 22;
    let count = value.chars().count();
    if count <= MOST {
        return value.to_owned();
    }
    std::iter::once('\u{2026}').chain(value.chars().skip(count - MOST + 1)).collect()
}
