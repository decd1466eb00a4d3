//! What is said, in the language of whoever stands before the panel. Catalogues are Fluent files, `words/CODE.ftl`.
//!
//! Figures keep the digits 0 to 9 in every language: identifiers are compared with labels, digit by digit. What differs is the
//! decimal sign, the place of the percent sign, and the date, and the catalogues say it.

use std::borrow::Cow;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

macro_rules! languages {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $rtl:literal, $reviewed:literal;)+) => {
        /// A language of the panel.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Language { $($(#[$doc])* $variant),+ }

        impl Language {
            /// Every language, in the order in which they are offered.
            pub const ALL: [Self; [$($code),+].len()] = [$(Self::$variant),+];

            /// Its code (ISO 639-1), as in the board file.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// Its name, in itself.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Whether it is read from right to left.
            #[must_use]
            pub const fn is_rtl(self) -> bool {
                match self { $(Self::$variant => $rtl),+ }
            }

            /// Whether a speaker with a clinical background has reviewed its catalogue. As long as not, what matters for safety
            /// is said in English as well.
            #[must_use]
            pub const fn is_reviewed(self) -> bool {
                match self { $(Self::$variant => $reviewed),+ }
            }

            const fn catalogue(self) -> &'static str {
                match self { $(Self::$variant => include_str!(concat!("words/", $code, ".ftl"))),+ }
            }
        }
    };
}

languages! {
    /// The language in which the project is written.
    English = "en", "English", false, true;
    /// French.
    French = "fr", "Français", false, false;
    /// Spanish.
    Spanish = "es", "Español", false, false;
    /// Portuguese.
    Portuguese = "pt", "Português", false, false;
    /// Swahili.
    Swahili = "sw", "Kiswahili", false, false;
    /// Thai.
    Thai = "th", "ไทย", false, false;
    /// Hindi.
    Hindi = "hi", "हिन्दी", false, false;
    /// Arabic.
    Arabic = "ar", "العربية", true, false;
}

/// A value in a sentence.
pub type Given<'a> = (&'static str, FluentValue<'a>);

/// A catalogue.
pub struct Words {
    language: Language,
    bundle: FluentBundle<FluentResource>,
    /// English, beside a language that nobody has reviewed.
    english: Option<Box<Words>>,
}

impl Words {
    /// The words of a language.
    #[must_use]
    pub fn new(language: Language) -> Self {
        let id: LanguageIdentifier = language.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new(vec![id]);
        // What cannot be parsed is found by a test; the rest of a catalogue is used.
        let resource = match FluentResource::try_new(language.catalogue().to_owned()) {
            Ok(resource) | Err((resource, _)) => resource,
        };
        // Values are set apart only where two directions meet.
        bundle.set_use_isolating(language.is_rtl());
        bundle.add_resource_overriding(resource);
        let english = (!language.is_reviewed()).then(|| Box::new(Self::new(Language::English)));
        Self { language, bundle, english }
    }

    /// Which language.
    #[must_use]
    pub const fn language(&self) -> Language {
        self.language
    }

    /// What a message says, if there is one of that name.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<String> {
        self.bundle.has_message(id).then(|| self.say(id))
    }

    /// What a message says on which safety depends: in English as well, as long as nobody has reviewed the language.
    #[must_use]
    pub fn safe(&self, id: &str) -> String {
        self.safe_with(id, [])
    }

    /// Likewise, with values.
    #[must_use]
    pub fn safe_with<'a>(&self, id: &str, given: impl IntoIterator<Item = Given<'a>> + Clone) -> String {
        let own = self.with(id, given.clone());
        match &self.english {
            // Set apart (first strong isolate): English keeps its order beside a language from right to left.
            Some(english) => format!("{own} \u{2014} \u{2068}{}\u{2069}", english.with(id, given)),
            None => own,
        }
    }

    /// What a message says. One that is not there says its own name in brackets that no font has, so that no test misses it.
    #[must_use]
    pub fn say(&self, id: &str) -> String {
        self.with(id, [])
    }

    /// What a message says with values.
    #[must_use]
    pub fn with<'a>(&self, id: &str, given: impl IntoIterator<Item = Given<'a>>) -> String {
        let absent = || format!("\u{27e6}{id}\u{27e7}");
        let Some(pattern) = self.bundle.get_message(id).and_then(|message| message.value()) else { return absent() };
        let mut values = FluentArgs::new();
        for (name, value) in given {
            values.set(name, value);
        }
        let mut errors = Vec::new();
        let said = self.bundle.format_pattern(pattern, Some(&values), &mut errors);
        if errors.is_empty() { said.into_owned() } else { absent() }
    }

    /// A number with its decimal sign.
    #[must_use]
    pub fn number(&self, value: f64, decimals: usize) -> String {
        let plain = format!("{value:.decimals$}");
        plain.replace('.', &self.say("decimal-sign"))
    }

    /// A share as a whole number of percent. What is neither none nor all is never said to be.
    #[must_use]
    pub fn percent(&self, share: f64) -> String {
        let whole = match share * 100.0 {
            hundredths if hundredths > 0.0 && hundredths < 1.0 => Cow::Borrowed("<1"),
            hundredths if hundredths > 99.0 && hundredths < 100.0 => Cow::Borrowed(">99"),
            hundredths => Cow::Owned(format!("{hundredths:.0}")),
        };
        self.with("percent", [("number", whole.into())])
    }

    /// A date of DICOM, `YYYYMMDD`, as people of the language write it. What is none is said as it is.
    #[must_use]
    pub fn date(&self, date: &str) -> String {
        let part = |range: std::ops::Range<usize>| date.get(range).and_then(|digits| digits.parse::<u32>().ok());
        match (part(0..4), part(4..6), part(6..8)) {
            (Some(year), Some(month @ 1..=12), Some(day @ 1..=31)) => self.with("date", of_date(year, month, day)),
            _ => date.to_owned(),
        }
    }

    /// A date and time of RFC 3339 in UTC, as people of the language write it. What is none is said as it is.
    #[must_use]
    pub fn moment(&self, claimed: &str) -> String {
        let part = |range: std::ops::Range<usize>| claimed.get(range).and_then(|digits| digits.parse::<u32>().ok());
        let (Some(year), Some(month), Some(day), Some(time)) =
            (part(0..4), part(5..7), part(8..10), claimed.get(11..16))
        else {
            return claimed.to_owned();
        };
        let given = of_date(year, month, day).into_iter().chain([("time", FluentValue::from(time))]);
        self.with("moment", given)
    }
}

fn of_date<'a>(year: u32, month: u32, day: u32) -> [Given<'a>; 4] {
    let text = |number: u32| FluentValue::from(number.to_string());
    // Thailand counts from the Buddha's death.
    [("year", text(year)), ("buddhist", text(year + 543)), ("month", FluentValue::from(month)), ("day", text(day))]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// The messages of a catalogue and the values that each takes.
    fn messages(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        use fluent_syntax::ast::{Entry, Expression, InlineExpression, PatternElement};
        fn values(elements: &[PatternElement<&str>], into: &mut BTreeSet<String>) {
            for element in elements {
                let PatternElement::Placeable { expression } = element else { continue };
                match expression {
                    Expression::Inline(InlineExpression::VariableReference { id }) => {
                        into.insert(id.name.to_owned());
                    }
                    Expression::Select { selector, variants } => {
                        if let InlineExpression::VariableReference { id } = selector {
                            into.insert(id.name.to_owned());
                        }
                        variants.iter().for_each(|variant| values(&variant.value.elements, into));
                    }
                    Expression::Inline(_) => {}
                }
            }
        }
        let parsed = fluent_syntax::parser::parse(language.catalogue())
            .unwrap_or_else(|(_, errors)| panic!("{}: {errors:?}", language.code()));
        let mut found = BTreeMap::new();
        for entry in parsed.body {
            if let Entry::Message(message) = entry {
                let mut taken = BTreeSet::new();
                values(&message.value.expect("a value").elements, &mut taken);
                assert!(found.insert(message.id.name.to_owned(), taken).is_none(), "{} twice", message.id.name);
            }
        }
        found
    }

    // verifies: REQ-SCREEN-01
    #[test]
    fn every_catalogue_says_the_same_messages_with_the_same_values() {
        let english = messages(Language::English);
        for language in Language::ALL {
            let own = messages(language);
            for (id, values) in &english {
                let Some(taken) = own.get(id) else { panic!("{} lacks {id}", language.code()) };
                // How a date is written is the language's own.
                assert!(id == "moment" || id == "date" || taken == values, "{} {id}: {taken:?}", language.code());
            }
            assert_eq!(own.len(), english.len(), "{} says more", language.code());
        }
    }

    #[test]
    fn shares_and_dates_are_those_of_the_language() {
        let words = Words::new(Language::English);
        let shares = [0.0, 0.002, 0.5, 0.624, 0.998, 1.0].map(|share| words.percent(share));
        assert_eq!(shares, ["0%", "<1%", "50%", "62%", ">99%", "100%"]);
        assert_eq!(words.moment("2026-11-03T09:15:00Z"), "3 Nov 2026, 09:15 UTC");
        assert_eq!(words.moment("nonsense"), "nonsense");
        assert_eq!(words.number(1.25, 1), "1.2");
        assert!(words.say("no-such-thing").starts_with('\u{27e6}'));
    }
}
