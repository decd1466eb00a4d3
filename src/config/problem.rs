//! What is wrong, and where.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A place in a file, for people: both count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong with a file. Shown as `FILE:LINE:COLUMN: MESSAGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was given, or as its heir names it.
    pub file: PathBuf,
    /// Where in the file; nowhere if it cannot be read.
    pub at: Option<Position>,
    /// What is wrong, without the place.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(Position { line, column }) = self.at {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

/// All that is wrong with a board, by file (the board, what it inherits, the site) and position. Shown one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }

    /// The problems, in order.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A stretch of one of the files that were read, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The files that were read, and what was found in them so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    files: Vec<File>,
    problems: Vec<(usize, Option<usize>, String)>,
    incomplete: bool,
}

#[derive(Debug)]
struct File {
    shown: PathBuf,
    text: String,
    /// It has syntax errors, so that keys may be missing or stand in the wrong section.
    broken: bool,
}

impl Findings {
    /// Takes a file in, and gives the number by which spans name it.
    pub(crate) fn add_file(&mut self, shown: &Path, text: String) -> usize {
        self.files.push(File { shown: shown.to_owned(), text, broken: false });
        self.files.len() - 1
    }

    /// Something that is wrong with a file as a whole.
    pub(crate) fn unreadable(&mut self, file: usize, message: String) {
        self.incomplete = true;
        self.problems.push((file, None, message));
    }

    /// Something that keeps a part of a file, or a file that it inherits, from being read.
    pub(crate) fn unread(&mut self, at: Span, message: String) {
        self.incomplete = true;
        self.problems.push((at.file, Some(at.start), message));
    }

    /// A syntax error.
    pub(crate) fn broken(&mut self, at: Span, message: String) {
        if let Some(file) = self.files.get_mut(at.file) {
            file.broken = true;
        }
        self.unread(at, message);
    }

    /// Something that is wrong with a value.
    pub(crate) fn wrong(&mut self, at: Span, message: String) {
        self.problems.push((at.file, Some(at.start), message));
    }

    /// A key that nobody knows. In a broken file it may have lost its section.
    pub(crate) fn unknown(&mut self, at: Span, message: String) {
        if self.files.get(at.file).is_some_and(|file| !file.broken) {
            self.wrong(at, message);
        }
    }

    /// Something that is wrong with values together, or with one that is not there. Not said while a part is unread, as it
    /// may be there. Without a place: the first of the board file.
    pub(crate) fn together(&mut self, at: Option<Span>, message: String) {
        if !self.incomplete {
            self.wrong(at.unwrap_or(Span { file: 0, start: 0, end: 0 }), message);
        }
    }

    /// The stretch as it was written.
    pub(crate) fn text(&self, at: Span) -> &str {
        self.files.get(at.file).and_then(|file| file.text.get(at.start..at.end)).unwrap_or_default()
    }

    /// In order, each once, in words.
    pub(crate) fn into_problems(mut self) -> Problems {
        self.problems.sort();
        self.problems.dedup();
        let lines: Vec<Vec<usize>> = self.files.iter().map(|file| line_starts(&file.text)).collect();
        let problems = self.problems.into_iter().map(|(file, start, message)| Problem {
            file: self.files[file].shown.clone(),
            at: start.map(|start| position(&self.files[file].text, &lines[file], start)),
            message,
        });
        Problems(problems.collect())
    }
}

/// Where each line begins.
pub(crate) fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

fn position(text: &str, lines: &[usize], offset: usize) -> Position {
    let line = lines.partition_point(|start| *start <= offset);
    let start = lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
    let before = text.get(start..).unwrap_or_default().char_indices().take_while(|(at, _)| start + at < offset);
    // A byte order mark is no character of the first line.
    let before = before.filter(|(at, character)| (start + at, *character) != (0, '\u{feff}'));
    Position { line: line.max(1), column: 1 + before.count() }
}
