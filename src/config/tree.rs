//! Files to one tree in which every value knows where it was written.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use crate::problem::{Findings, Span, line_starts};

/// Files larger than this are no settings.
const LARGEST_BYTES: u64 = 1_000_000;

/// How many files may stand between a board and the last that it inherits, that one included.
const DEEPEST: usize = 8;

/// Longer values are not repeated in a message.
const SHOWN: usize = 60;

/// The key that names the file below.
const INHERIT: &str = "inherit";

/// Keys and what they say.
pub(crate) type Table = BTreeMap<String, Entry>;

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Span,
    pub(crate) node: Node,
}

/// A value and where it was written; a table was written at its header.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Span,
    pub(crate) value: Value,
}

/// A value. Nothing reads dates.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    Whole(i128),
    Real(f64),
    Switch(bool),
    Date,
    List(Vec<Node>),
    Table(Table),
}

impl Node {
    /// `KEY = VALUE COMPLAINT`, where the value is short enough.
    pub(crate) fn complaint(&self, key: &str, complaint: &str, findings: &Findings) -> String {
        let written = findings.text(self.at);
        match &self.value {
            Value::List(_) | Value::Table(_) => format!("{key}, {}, {complaint}", self.value.kind()),
            _ if written.chars().count() > SHOWN || written.contains(char::is_control) => {
                format!("{key} = … ({}) {complaint}", self.value.kind())
            }
            _ => format!("{key} = {written} {complaint}"),
        }
    }
}

impl Value {
    /// What a person would call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole(_) | Self::Real(_) => "a number",
            Self::Switch(_) => "true or false",
            Self::Date => "a date",
            Self::List(_) => "an array",
            Self::Table(_) => "a section",
        }
    }
}

/// Reads the board, all that it inherits, and the site, and merges them: what is nearer to the board wins, and the site over
/// all.
pub(crate) fn read(board: &Path, site: Option<&Path>, findings: &mut Findings) -> Table {
    let mut chain = Vec::new();
    let mut seen = Vec::new();
    let mut next = Some(board.to_owned());
    while let Some(path) = next.take() {
        seen.push(identity(&path));
        let Some(mut table) = open(&path, findings) else { break };
        if let Some(entry) = table.remove(INHERIT) {
            next = parent(&path, &entry, &seen, findings);
        }
        chain.push(table);
    }
    let mut merged = Table::new();
    chain.into_iter().rev().for_each(|table| merge(&mut merged, table));
    if let Some(mut table) = site.and_then(|path| open(path, findings)) {
        if let Some(entry) = table.remove(INHERIT) {
            findings.unread(entry.key, "a site's file cannot inherit".to_owned());
        }
        merge(&mut merged, table);
    }
    merged
}

/// The file that `path` inherits.
fn parent(path: &Path, entry: &Entry, seen: &[PathBuf], findings: &mut Findings) -> Option<PathBuf> {
    let name = match &entry.node.value {
        Value::Text(name) if !name.is_empty() && !name.contains(char::is_control) => name,
        _ => {
            let message = entry.node.complaint(INHERIT, "is not the name of a file", findings);
            findings.unread(entry.node.at, message);
            return None;
        }
    };
    let parent = path.parent().unwrap_or(Path::new("")).join(name);
    if seen.contains(&identity(&parent)) {
        let message = entry.node.complaint(INHERIT, "leads back to a file that inherits this one", findings);
        findings.unread(entry.key, message);
        return None;
    }
    if seen.len() > DEEPEST {
        let one_too_many = format!("is one too many: {DEEPEST} files may be inherited");
        findings.unread(entry.key, entry.node.complaint(INHERIT, &one_too_many, findings));
        return None;
    }
    Some(parent)
}

/// The same for every name of one file, as far as that can be known.
fn identity(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// What a file says; what is wrong with it as TOML is reported.
fn open(path: &Path, findings: &mut Findings) -> Option<Table> {
    let bytes = match bytes(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let file = findings.add_file(path, String::new());
            findings.unreadable(file, format!("cannot read it: {error}"));
            return None;
        }
    };
    if bytes.len() as u64 > LARGEST_BYTES {
        let file = findings.add_file(path, String::new());
        findings.unreadable(file, "is larger than 1 MB".to_owned());
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(parse(path, text, findings)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default()).into_owned();
            let file = findings.add_file(path, text);
            findings.unread(Span { file, start: good, end: good }, "the text is not UTF-8 from here on".to_owned());
            None
        }
    }
}

/// The bytes of a file, one more than the largest may have at most.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for.
    let meta = fs::metadata(path)?;
    if !meta.is_file() && !meta.is_dir() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(path: &Path, text: String, findings: &mut Findings) -> Table {
    let file = findings.add_file(path, text.clone());
    let (table, errors) = DeTable::parse_recoverable(&text);
    let lines = line_starts(&text);
    let line_of = |offset: usize| lines.partition_point(|start| *start <= offset);
    let mut found: Vec<(usize, usize, &str)> = errors
        .iter()
        .map(|error| (error, error.span().map_or(0, |span| span.start)))
        .map(|(error, start)| (line_of(start), start, error.message()))
        .collect();
    // What follows on the same line is mostly the same mistake.
    found.sort_unstable();
    found.dedup_by_key(|(line, ..)| *line);
    for (_, start, message) in &found {
        // The parser quotes what it has read, which may be anything.
        let message = message.replace(char::is_control, " ");
        findings.broken(Span { file, start: *start, end: *start }, message);
    }
    let broken: Vec<usize> = found.into_iter().map(|(line, ..)| line).collect();
    let is_sound = |start: usize, end: usize| {
        let (first, last) = (line_of(start), line_of(end));
        broken.get(broken.partition_point(|line| *line < first)).is_none_or(|line| *line > last)
    };
    entries(table.into_inner(), file, &is_sound)
}

/// The entries of a table, less those with a syntax error in their lines: what the parser made of them is a guess.
fn entries(table: DeTable<'_>, file: usize, is_sound: &dyn Fn(usize, usize) -> bool) -> Table {
    let mut entries = Table::new();
    for (key, value) in table {
        let (key_span, value_span) = (key.span(), value.span());
        let value = value.into_inner();
        let end = key_span.end.max(value_span.end);
        if !matches!(value, DeValue::Table(_)) && (value_span.is_empty() || !is_sound(key_span.start, end)) {
            continue;
        }
        let key_at = Span { file, start: key_span.start, end: key_span.end };
        let node = Node {
            at: Span { file, start: value_span.start, end: value_span.end },
            value: converted(value, file, is_sound),
        };
        entries.insert(key.into_inner().into_owned(), Entry { key: key_at, node });
    }
    entries
}

fn converted(value: DeValue<'_>, file: usize, is_sound: &dyn Fn(usize, usize) -> bool) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(whole) => {
            let beyond = if whole.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
            Value::Whole(i128::from_str_radix(whole.as_str(), whole.radix()).unwrap_or(beyond))
        }
        DeValue::Float(real) => Value::Real(real.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(on) => Value::Switch(on),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(array) => Value::List(
            array
                .into_iter()
                .map(|item| {
                    let span = item.span();
                    let at = Span { file, start: span.start, end: span.end };
                    Node { at, value: converted(item.into_inner(), file, is_sound) }
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(entries(table, file, is_sound)),
    }
}

/// Lays `over` over `under`, key by key: tables are merged, everything else is replaced.
fn merge(under: &mut Table, over: Table) {
    for (name, entry) in over {
        match (under.get_mut(&name), entry.node.value) {
            (Some(Entry { key, node: Node { at, value: Value::Table(below) } }), Value::Table(above)) => {
                (*key, *at) = (entry.key, entry.node.at);
                merge(below, above);
            }
            (_, value) => {
                under.insert(name, Entry { key: entry.key, node: Node { at: entry.node.at, value } });
            }
        }
    }
}
