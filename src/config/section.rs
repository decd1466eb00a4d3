//! One section: takes each key once, checks what it says, and reports what is left.

use std::{collections::BTreeMap, num::NonZeroUsize, ops::RangeInclusive, path::PathBuf, time::Duration};

use crate::{
    problem::{Findings, Span},
    tree::{Entry, Node, Table, Value},
};

/// A longer key was not meant to be one of ours.
const LONGEST: usize = 60;

/// A section that is being read.
///
/// What reads a key gives `None` if it reported something, so that every key can be read before the section is put
/// together with `?`.
#[derive(Debug)]
pub(crate) struct Section<'f> {
    /// Empty for what stands above all sections.
    name: &'static str,
    /// Its header, if it has one.
    at: Option<Span>,
    left: Table,
    taken: BTreeMap<&'static str, Option<Span>>,
    findings: &'f mut Findings,
}

impl<'f> Section<'f> {
    /// What stands above all sections.
    pub(crate) fn top(table: Table, findings: &'f mut Findings) -> Self {
        Section { name: "", at: None, left: table, taken: BTreeMap::new(), findings }
    }

    /// A section below, which may be missing: then all its keys are.
    pub(crate) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section) -> Option<T>) -> Option<T> {
        match self.take(key) {
            None => Section { name: key, ..Section::top(Table::new(), self.findings) }.finish(read),
            Some(node) => self.table(key, key, node, read),
        }
    }

    /// A section below that means something by being there.
    pub(crate) fn optional_section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section) -> Option<T>,
    ) -> Option<Option<T>> {
        self.optional_below(key, key, read)
    }

    /// The same, two below the top: `name` is what its header says.
    pub(crate) fn optional_below<T>(
        &mut self,
        key: &'static str,
        name: &'static str,
        read: impl FnOnce(&mut Section) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.take(key) {
            None => Some(None),
            Some(node) => self.table(key, name, node, read).map(Some),
        }
    }

    fn table<T>(
        &mut self,
        key: &'static str,
        name: &'static str,
        Node { at, value }: Node,
        read: impl FnOnce(&mut Section) -> Option<T>,
    ) -> Option<T> {
        match value {
            Value::Table(left) => {
                let taken = BTreeMap::new();
                Section { name, at: Some(at), left, taken, findings: self.findings }.finish(read)
            }
            other => self.wrong(at, format!("{key} is {}, not a section", other.kind())),
        }
    }

    /// Reads the section to its end: what nobody asked for is unknown.
    pub(crate) fn finish<T>(mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let read = read(&mut self);
        for (key, Entry { key: at, node }) in &self.left {
            let is_section = self.name.is_empty() && matches!(node.value, Value::Table(_));
            let called = |key: &str| if is_section { format!("[{key}]") } else { key.to_owned() };
            let shown = if is_bare(key) { key.clone() } else { format!("{key:?}") };
            let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
            let advice = closest(key, self.taken.keys().copied())
                .map_or(String::new(), |meant| format!("; did you mean {}?", called(meant)));
            let what = if is_section { "section" } else { "key" };
            self.findings.unknown(*at, format!("unknown {what} {}{place}{advice}", called(&shown)));
        }
        read
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        let node = self.left.remove(key).map(|entry| entry.node);
        self.taken.insert(key, node.as_ref().map(|node| node.at));
        node
    }

    /// Where the value of a key is that was taken, if it was there.
    pub(crate) fn at(&self, key: &str) -> Option<Span> {
        self.taken.get(key).copied().flatten()
    }

    fn wrong<T>(&mut self, at: Span, message: String) -> Option<T> {
        self.findings.wrong(at, message);
        None
    }

    /// Reports that values do not go together, at that of `key`.
    pub(crate) fn contradiction<T>(&mut self, key: &str, message: String) -> Option<T> {
        self.findings.together(self.at(key).or(self.at), message);
        None
    }

    /// A value that `check` accepts, which says in words what it is not.
    fn value<T>(&mut self, key: &'static str, check: impl FnOnce(&Value) -> Result<T, String>) -> Option<Option<T>> {
        let Some(node) = self.take(key) else { return Some(None) };
        self.checked(key, &node, check).map(Some)
    }

    fn checked<T>(
        &mut self,
        key: &'static str,
        node: &Node,
        check: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        check(&node.value).map_or_else(|complaint| self.complain(key, node, &complaint), Some)
    }

    /// `KEY = VALUE COMPLAINT`, where the value is short enough.
    fn complain<T>(&mut self, key: &'static str, node: &Node, complaint: &str) -> Option<T> {
        let message = node.complaint(key, complaint, self.findings);
        self.wrong(node.at, message)
    }

    /// What must be there.
    pub(crate) fn required<T>(&mut self, key: &'static str, read: Option<Option<T>>) -> Option<T> {
        let read = read?;
        if read.is_none() {
            let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
            self.findings.together(self.at, format!("{key} is missing{place}"));
        }
        read
    }

    /// `true` or `false`.
    pub(crate) fn switch(&mut self, key: &'static str, default: bool) -> Option<bool> {
        let read = self.value(key, |value| match value {
            Value::Switch(on) => Ok(*on),
            _ => Err("is not true or false".to_owned()),
        });
        read.map(|value| value.unwrap_or(default))
    }

    /// A text that `check` accepts.
    pub(crate) fn text<T>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        self.value(key, |value| check(text(value)?))
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)], default: T) -> Option<T> {
        self.text(key, |written| one_of(written, words)).map(|value| value.unwrap_or(default))
    }

    /// Some of a few words, each at most once.
    pub(crate) fn words<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        default: &[T],
    ) -> Option<Vec<T>> {
        let read = self.list(key, |written, before| {
            let word = one_of(written, words)?;
            if before.contains(&word) { Err("is there already".to_owned()) } else { Ok(word) }
        });
        read.map(|value| value.unwrap_or_else(|| default.to_vec()))
    }

    /// An array of texts that `check` accepts, given those before.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        check: impl Fn(&str, &[T]) -> Result<T, String>,
    ) -> Option<Option<Vec<T>>> {
        let Some(node) = self.take(key) else { return Some(None) };
        let Value::List(items) = &node.value else { return self.complain(key, &node, "is not an array") };
        let mut accepted = Vec::new();
        let mut all = true;
        for item in items {
            match self.checked(key, item, |value| check(text(value)?, &accepted)) {
                Some(value) => accepted.push(value),
                None => all = false,
            }
        }
        all.then_some(Some(accepted))
    }

    /// An absolute path, if it is there.
    pub(crate) fn absolute(&mut self, key: &'static str) -> Option<Option<PathBuf>> {
        self.text(key, absolute)
    }

    /// A number in `range`, if it is there.
    pub(crate) fn number_if_any(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        unit: &str,
    ) -> Option<Option<f64>> {
        self.value(key, |value| {
            let number = number(value)?;
            if range.contains(&number) { Ok(number) } else { Err(outside(range.start(), range.end(), unit)) }
        })
    }

    /// A number in `range`.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        unit: &str,
        default: f64,
    ) -> Option<f64> {
        self.number_if_any(key, range, unit).map(|value| value.unwrap_or(default))
    }

    /// So many seconds.
    pub(crate) fn seconds(&mut self, key: &'static str, range: RangeInclusive<f64>, default: f64) -> Option<Duration> {
        self.number(key, range, "seconds", default).map(Duration::from_secs_f64)
    }

    /// A whole number in `range`.
    pub(crate) fn whole(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        unit: &str,
        default: u64,
    ) -> Option<u64> {
        self.whole_if_any(key, range, unit).map(|value| value.unwrap_or(default))
    }

    /// A whole number in `range`, if it is there.
    pub(crate) fn whole_if_any(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> Option<Option<u64>> {
        self.value(key, |value| {
            let Value::Whole(number) = value else { return Err("is not a whole number".to_owned()) };
            let inside = u64::try_from(*number).ok().filter(|number| range.contains(number));
            inside.ok_or_else(|| outside(range.start(), range.end(), unit))
        })
    }

    /// An array of so many whole numbers, each in `range`, if it is there.
    pub(crate) fn wholes<const N: usize>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> Option<Option<[u64; N]>> {
        self.value(key, |value| {
            let not = || format!("is not {N} whole numbers");
            let Value::List(items) = value else { return Err(not()) };
            let whole = |item: &Node| match item.value {
                Value::Whole(number) => Some(number),
                _ => None,
            };
            let numbers = items.iter().map(whole).collect::<Option<Vec<i128>>>().ok_or_else(not)?;
            let numbers: [i128; N] = numbers.try_into().map_err(|_| not())?;
            let inside = |number: i128| u64::try_from(number).ok().filter(|number| range.contains(number));
            let inside = numbers.map(inside);
            if inside.iter().any(Option::is_none) {
                return Err(outside(range.start(), range.end(), unit));
            }
            Ok(inside.map(Option::unwrap_or_default))
        })
    }

    /// One of a few whole numbers.
    pub(crate) fn one_of_wholes<T: Copy>(&mut self, key: &'static str, known: &[(i128, T)], default: T) -> Option<T> {
        let read = self.value(key, |value| {
            let Value::Whole(written) = value else { return Err("is not a whole number".to_owned()) };
            known.iter().find(|(number, _)| number == written).map(|(_, meaning)| *meaning).ok_or_else(|| {
                let known: Vec<String> = known.iter().map(|(number, _)| number.to_string()).collect();
                format!("is none of {}", known.join(", "))
            })
        });
        read.map(|value| value.unwrap_or(default))
    }

    /// So many, or `None` for 0.
    pub(crate) fn count(&mut self, key: &'static str, most: u64, default: u64) -> Option<Option<NonZeroUsize>> {
        let count = self.whole(key, 0..=most, "", default)?;
        Some(usize::try_from(count).ok().and_then(NonZeroUsize::new))
    }

    /// So many megabytes, in bytes.
    pub(crate) fn megabytes(&mut self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> Option<u64> {
        self.whole(key, range, "MB", default).map(|megabytes| megabytes * 1_000_000)
    }

    /// So many days, or `None` for 0.
    pub(crate) fn days(&mut self, key: &'static str, most: u64, default: u64) -> Option<Option<Duration>> {
        let days = self.whole(key, 0..=most, "days", default)?;
        Some((days > 0).then(|| Duration::from_secs(days * 24 * 60 * 60)))
    }

    /// So many hours in `range`, or `None` for 0.
    pub(crate) fn hours(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        default: f64,
    ) -> Option<Option<Duration>> {
        let hours = self.value(key, |value| match number(value)? {
            0.0 => Ok(None),
            hours if range.contains(&hours) => Ok(Some(hours)),
            _ => Err(format!("{}, and is not 0", outside(range.start(), range.end(), "hours"))),
        })?;
        Some(hours.unwrap_or(Some(default)).map(|hours| Duration::from_secs_f64(hours * 60.0 * 60.0)))
    }
}

fn outside<T: std::fmt::Display>(low: T, high: T, unit: &str) -> String {
    format!("is outside {low} to {high} {unit}").trim_end().to_owned()
}

fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Real(number) => Ok(*number),
        // Wholes beyond 2^53 are outside every range.
        Value::Whole(number) => Ok(*number as f64),
        _ => Err("is not a number".to_owned()),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err("is not a text in quotes".to_owned()),
    }
}

/// An absolute path that can be shown in a line.
pub(crate) fn absolute(written: &str) -> Result<PathBuf, String> {
    match PathBuf::from(written) {
        _ if written.contains(char::is_control) => Err("has a control character".to_owned()),
        path if path.is_absolute() => Ok(path),
        _ => Err("is not an absolute path".to_owned()),
    }
}

fn one_of<T: Copy>(written: &str, words: &[(&str, T)]) -> Result<T, String> {
    words.iter().find(|(word, _)| *word == written).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        match words[..] {
            [word] => format!("is not {word}, the only one in this version"),
            _ => format!("is none of {}", words.join(", ")),
        }
    })
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The known key that was probably meant: one that goes on where `written` ends, or is a few letters away.
fn closest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if written.chars().count() > LONGEST {
        return None;
    }
    let distance = |key: &str| {
        let goes_on = key.strip_prefix(written).is_some_and(|rest| rest.starts_with('-'));
        if goes_on { 1 } else { letters_apart(written, key) }
    };
    let near = known.map(|key| (distance(key), key)).min()?;
    let (apart, key) = near;
    (apart <= (key.len() / 3).clamp(1, 3)).then_some(key)
}

/// How many letters must be added, dropped, replaced or exchanged with their neighbour.
fn letters_apart(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}
