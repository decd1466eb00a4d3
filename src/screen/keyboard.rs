//! The keyboard on the panel: letters of the language, Latin letters, digits.

use crate::{
    Area,
    event::Key,
    sheet::{Sheet, size},
    text::is_mark,
    words::Language,
};

/// What its keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Digits and what stands between them in identifiers and dates.
    Digits,
    /// Latin letters.
    Latin,
    /// The letters of the language.
    Local,
}

/// What a touch of it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// A key.
    Key(Key),
    /// Other keys.
    Layer(Layer),
    /// Capitals, or small letters.
    Shift,
}

/// A keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyboard {
    /// What its keys are.
    pub layer: Layer,
    /// Whether letters are capitals.
    pub shift: bool,
}

const DIGITS: [&str; 3] = ["1234567890", "-/.:+", ""];
const QWERTY: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];
const AZERTY: [&str; 3] = ["azertyuiop", "qsdfghjklm", "wxcvbn'"];
const SPANISH: [&str; 3] = ["qwertyuiop", "asdfghjklñ", "zxcvbnm"];
const PORTUGUESE: [&str; 3] = ["qwertyuiop", "asdfghjklç", "zxcvbnmãõ"];
/// Kedmanee, its more frequent half and the other.
const THAI: [[&str; 3]; 2] = [["ๆไำพะัีรนย", "ฟหกดเ้่าสว", "ผปแอิืทมใฝ"], ["ภถุึคตจขชบ", "ฤฆฏโฌ็๋ษศซ", "ฉฮฺ์ฒฬฦลงฃ"]];
/// InScript, its more frequent half and the other.
const HINDI: [[&str; 3]; 2] = [["ौैाीूबहगदज", "ोे्िुपरकतच", "टॉंमनवलसय़"], ["औऐआईऊभङघधझ", "ओएअइउफऱखथछ", "ठऑँणनशळषञड"]];
/// The Arabic keyboard in rows of ten; what they lack is in the other half.
const ARABIC: [[&str; 3]; 2] = [["ضصثقفغعهخح", "شسيبلاتنمك", "طءرىةوزدذج"], ["ئؤأإآظًٌٍّ", "َُِْ", ""]];

impl Keyboard {
    /// One for digits.
    #[must_use]
    pub const fn digits() -> Self {
        Self { layer: Layer::Digits, shift: false }
    }

    /// Whether a language has letters of its own besides the Latin ones.
    #[must_use]
    pub const fn has_local(language: Language) -> bool {
        matches!(language, Language::Thai | Language::Hindi | Language::Arabic)
    }

    fn rows(self, language: Language) -> [&'static str; 3] {
        let half = usize::from(self.shift);
        match (self.layer, language) {
            (Layer::Digits, _) => DIGITS,
            (Layer::Local, Language::Thai) => THAI[half],
            (Layer::Local, Language::Hindi) => HINDI[half],
            (Layer::Local, Language::Arabic) => ARABIC[half],
            (_, Language::French) => AZERTY,
            (_, Language::Spanish) => SPANISH,
            (_, Language::Portuguese) => PORTUGUESE,
            _ => QWERTY,
        }
    }

    /// What a stroke makes of it; a key is for whoever has the text.
    #[must_use]
    pub const fn after(self, stroke: Stroke) -> Self {
        match stroke {
            Stroke::Layer(layer) => Self { layer, shift: false },
            Stroke::Shift => Self { shift: !self.shift, ..self },
            Stroke::Key(_) => self,
        }
    }

    /// The least height it needs.
    #[must_use]
    pub fn height<A: Clone + PartialEq>(sheet: &Sheet<'_, A>) -> u16 {
        4 * sheet.look.finger()
    }

    /// Draws it.
    pub fn draw<A: Clone + PartialEq>(self, sheet: &mut Sheet<'_, A>, area: Area, act: impl Fn(Stroke) -> A) {
        let language = sheet.words.language();
        sheet.in_order(area, |sheet| {
            // Rows without a key leave their room to the others.
            let keys: Vec<&str> = self.rows(language).into_iter().filter(|keys| !keys.is_empty()).collect();
            let mut rows = area.rows(u16::try_from(keys.len() + 1).unwrap_or(4), 0);
            let mut last = rows.pop().unwrap_or(area);
            for (row, keys) in rows.into_iter().zip(keys) {
                let characters: Vec<char> = keys.chars().collect();
                let count = u16::try_from(characters.len()).unwrap_or(1).max(10);
                for (place, character) in row.columns(count, 0).into_iter().zip(characters) {
                    let character = if self.shift && self.layer == Layer::Latin {
                        character.to_uppercase().next().unwrap_or(character)
                    } else {
                        character
                    };
                    let stroke = Stroke::Key(Key::Character(character));
                    // A mark needs something to stand on.
                    let shown = if is_mark(character) { format!("\u{25cc}{character}") } else { character.to_string() };
                    sheet.key(place, shown, act(stroke), size::BODY);
                }
            }
            let wide = last.width / 5;
            let mut key = |sheet: &mut Sheet<'_, A>, text: String, stroke: Stroke| {
                let place = last.left(wide);
                sheet.key(place, text, act(stroke), size::SMALL);
            };
            match self.layer {
                Layer::Digits => key(sheet, "ABC".to_owned(), Stroke::Layer(Layer::Latin)),
                Layer::Latin | Layer::Local => {
                    let text = if self.shift { "abc" } else { "ABC" };
                    let text = if self.layer == Layer::Local { "\u{21c5}" } else { text };
                    key(
                        sheet,
                        sheet.words.say(if text == "\u{21c5}" { "key-more" } else { "key-shift" }),
                        Stroke::Shift,
                    );
                    key(sheet, "123".to_owned(), Stroke::Layer(Layer::Digits));
                }
            }
            if Self::has_local(language) {
                let (text, layer) = if self.layer == Layer::Local {
                    ("ABC".to_owned(), Layer::Latin)
                } else {
                    (language.name().to_owned(), Layer::Local)
                };
                if self.layer != Layer::Digits || layer == Layer::Local {
                    key(sheet, text, Stroke::Layer(layer));
                }
            }
            let erase = last.right(wide);
            let (space, backspace) = (Key::Character(' '), Key::Backspace);
            sheet.key(last, sheet.words.say("key-space"), act(Stroke::Key(space)), size::SMALL);
            sheet.key(erase, sheet.words.say("key-erase"), act(Stroke::Key(backspace)), size::SMALL);
        });
    }
}
