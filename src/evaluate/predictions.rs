//! `predictions.csv`: what a model said of each case, and what was true.
//!
//! Written by `hilum predict`, or by anybody's script or spreadsheet: a byte order mark, Windows line ends, semicolons, tabs, decimal
//! commas, empty lines and rows, and last fields that are left out are read as what they mean. What cannot be meant is an error that
//! says the line and the column, and nothing of what stands there.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    io::{self, BufRead, Chain, Cursor, Read as _},
};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use hilum_domain::{Age, Class, Metadata, PerClass, Sex, Smoking, Specimen};

/// How far the sum of a case's probabilities may be from 1: five of them, written with four digits.
pub const SUM_TOLERANCE: f64 = 1e-3;
/// How many cases a table may have.
pub const CASES_MOST: usize = 1 << 30;
/// The longest line, bytes. A case takes some two hundred.
const LINE_BYTES_MOST: usize = 1 << 16;
/// What some programs begin a text in UTF-8 with.
const MARK: &[u8] = b"\xef\xbb\xbf";
const NAMED: [&str; 3] = ["case_id", "patient_id", "label"];
const OPTIONAL: [&str; 5] = ["age", "sex", "smoking", "specimen", "refusal"];

/// What a model said of every case.
///
/// One position of each column is one case, in the order of the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predictions {
    /// The names of the cases: each once.
    pub case_ids: Vec<Box<str>>,
    /// Whose case it is: positions of patients, from 0, in the order in which they first come.
    pub patients: Vec<u32>,
    /// How many patients there are.
    pub patient_count: usize,
    /// What is true.
    pub labels: Vec<Class>,
    /// The probabilities, in the order of the classes, as they were written; of a refused case there are none.
    pub probabilities: Vec<Option<PerClass<f64>>>,
    /// What is known of the patient. All of it is missing where the file has no such column.
    pub metadata: Vec<Metadata>,
    /// Whether the file has a column that says which cases were refused.
    pub has_refusals: bool,
}

/// Where something stands in the file, from 1. The column is the field's, as a spreadsheet counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The field, and its name.
    pub column: Option<(usize, String)>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        self.column.as_ref().map_or(Ok(()), |(number, name)| write!(f, ", column {number} ({name})"))
    }
}

/// Why a file is no table of predictions. Says nothing of a case but where it stands.
#[derive(Debug, thiserror::Error)]
pub enum NoPredictions {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    /// It has no line.
    #[error("the file is empty")]
    Empty,
    /// It has a header and nothing below it.
    #[error("the file has no case: there is only a header")]
    NoCase,
    /// It has more than [`CASES_MOST`].
    #[error("{0}: there are more than {CASES_MOST} cases")]
    TooMany(Place),
    /// A column is not there.
    #[error("line {line}: there is no column {name}")]
    NoColumn {
        /// The header's line.
        line: u64,
        /// Its name.
        name: String,
    },
    /// A column is there twice.
    #[error("{place}: it stands in column {before} already")]
    TwiceColumn {
        /// Where it is.
        place: Place,
        /// Where it was, from 1.
        before: usize,
    },
    /// It is not text, or no text that a table is written in.
    #[error("{0}: this is no text in UTF-8{1}")]
    NoText(Place, &'static str),
    /// A line has more fields than the header, or fewer than it takes.
    #[error("{place}: {found} fields, the header has {wanted}")]
    Uneven {
        /// Where: the first field that is missing, if one is.
        place: Place,
        /// How many the line has.
        found: usize,
        /// How many the header has.
        wanted: usize,
    },
    /// A line goes on and on, or a quote is open at the end of one: what follows would be swallowed.
    #[error("{0}: {1}; is a quote open?")]
    NoEnd(Place, &'static str),
    /// A value is none of those that can stand there.
    #[error("{place}: {why}")]
    Value {
        /// Where.
        place: Place,
        /// Why not.
        why: String,
    },
    /// A case stands there twice.
    #[error("{place}: this case stands in line {before} already")]
    Twice {
        /// Where.
        place: Place,
        /// Where it stood before.
        before: u64,
    },
}

impl Predictions {
    /// How many cases there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Reads the table. Memory goes with the number of cases, whatever else stands in the file.
    ///
    /// # Errors
    /// [`NoPredictions`], at the first thing that is wrong.
    pub fn read(from: impl BufRead) -> Result<Self, NoPredictions> {
        let mut lines = Lines::new(from)?;
        let columns = Columns::of(&mut lines)?;
        let mut table = Self { has_refusals: columns.refusal.is_some(), ..Self::default() };
        let mut patients: HashMap<Box<str>, u32> = HashMap::new();
        let (hasher, mut seen) = (RandomState::new(), HashMap::<u64, u32>::new());
        let mut at = Vec::new();
        while lines.next()? {
            let row = Row { lines: &lines, columns: &columns };
            let case = row.named(columns.case_id)?;
            if table.len() == CASES_MOST {
                return Err(NoPredictions::TooMany(row.place(columns.case_id)));
            }
            let place = u32::try_from(table.len()).expect("below the most");
            // By a hash, so that a million names are not kept twice; where two have the same, the names decide.
            let mut hash = hasher.hash_one(case);
            while let Some(&other) = seen.get(&hash) {
                if *table.case_ids[other as usize] == *case {
                    return Err(NoPredictions::Twice { place: row.place(columns.case_id), before: at[other as usize] });
                }
                hash = hash.wrapping_add(1);
            }
            seen.insert(hash, place);
            let patient = row.named(columns.patient_id)?;
            let next = u32::try_from(patients.len()).expect("no more than cases");
            let patient = match patients.get(patient) {
                Some(&known) => known,
                None => *patients.entry(patient.into()).or_insert(next),
            };
            table.labels.push(row.known(columns.label, Class::ALL, Class::name)?);
            table.probabilities.push(row.probabilities()?);
            table.metadata.push(row.metadata()?);
            table.case_ids.push(case.into());
            table.patients.push(patient);
            at.push(lines.line);
        }
        table.patient_count = patients.len();
        if table.is_empty() { Err(NoPredictions::NoCase) } else { Ok(table) }
    }
}

/// The lines of a file, cut into fields.
struct Lines<R> {
    from: Chain<Cursor<Vec<u8>>, R>,
    reader: Reader,
    /// The fields of this line, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    fields: usize,
    /// Whether the file ended before the line did.
    cut: bool,
    /// Its number, from 1.
    line: u64,
    /// How many ends of lines were read, and whether the last one was half of a Windows line end.
    ended: u64,
    halfway: bool,
    /// The header's names, and up to where a line must have fields.
    names: Vec<String>,
    needed: usize,
}

impl<R: BufRead> Lines<R> {
    fn new(mut from: R) -> Result<Self, NoPredictions> {
        // As far as the header goes: a pipe may give less at once.
        let mut begin = Vec::new();
        let mut most = from.by_ref().take(LINE_BYTES_MOST as u64);
        let nothing = |begin: &[u8]| begin.strip_prefix(MARK).unwrap_or(begin).trim_ascii().is_empty();
        while most.read_until(b'\n', &mut begin)? > 0 && nothing(&begin) {}
        if begin.starts_with(b"\xff\xfe") || begin.starts_with(b"\xfe\xff") {
            return Err(NoPredictions::NoText(Place { line: 1, column: None }, " but UTF-16: save it as CSV in UTF-8"));
        }
        if begin.starts_with(MARK) {
            begin.drain(..MARK.len());
        }
        let header = begin.trim_ascii().split(|&byte| byte == b'\n' || byte == b'\r').next().unwrap_or_default();
        let count = |wanted: u8| header.iter().filter(|&&byte| byte == wanted).count();
        let delimiter = [b'\t', b';', b','].into_iter().max_by_key(|&each| count(each)).unwrap_or(b',');
        Ok(Self {
            from: Cursor::new(begin).chain(from),
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            text: vec![0; 1024],
            ends: vec![0; 32],
            fields: 0,
            cut: false,
            line: 1,
            ended: 0,
            halfway: false,
            names: Vec::new(),
            needed: 0,
        })
    }

    /// Goes to the next line that has something in any field. False: there is none.
    fn next(&mut self) -> Result<bool, NoPredictions> {
        while self.record()? {
            if (0..self.fields).all(|column| self.field(column).is_empty()) {
                continue;
            }
            let (found, wanted) = (self.fields, self.names.len());
            // A spreadsheet leaves out last fields with nothing in them; a file that was cut off has no end of its last line.
            if wanted > 0 && found != wanted && (found > wanted || found < self.needed || self.cut) {
                let column = self.names.get(found).map(|name| (found + 1, name.clone()));
                return Err(NoPredictions::Uneven { place: Place { line: self.line, column }, found, wanted });
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn record(&mut self) -> Result<bool, NoPredictions> {
        self.skip_ends()?;
        let line = self.line;
        let no_end = |why| NoPredictions::NoEnd(Place { line, column: None }, why);
        let (mut text, mut fields, mut quotes, mut cut) = (0, 0, 0, false);
        loop {
            let input = self.from.fill_buf()?;
            cut = cut || input.is_empty();
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.text[text..], &mut self.ends[fields..]);
            quotes += input[..read].iter().filter(|&&byte| byte == b'"').count();
            let last = input[..read].last().copied();
            self.from.consume(read);
            text += written;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if text >= LINE_BYTES_MOST => {
                    return Err(no_end("the line is longer than 65536 bytes"));
                }
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if fields >= LINE_BYTES_MOST => {
                    return Err(no_end("the line has more than 65536 fields"));
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    last.into_iter().for_each(|byte| self.end_of_line(byte));
                    break;
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
        self.fields = fields;
        if self.text[..text].iter().any(|&byte| byte == b'\n' || byte == b'\r') {
            return Err(no_end("a field goes over the end of the line"));
        }
        if cut && quotes % 2 == 1 {
            return Err(no_end("the file ends within a field"));
        }
        self.cut = cut;
        Ok(true)
    }

    /// Goes over the ends of lines, so that the number of the next line is known.
    fn skip_ends(&mut self) -> io::Result<()> {
        loop {
            let input = self.from.fill_buf()?;
            let Some(&byte) = input.first().filter(|&&byte| byte == b'\n' || byte == b'\r') else {
                self.line = self.ended + 1;
                return Ok(());
            };
            self.end_of_line(byte);
            self.from.consume(1);
        }
    }

    /// Counts an end of a line: \n, \r, or both.
    fn end_of_line(&mut self, byte: u8) {
        match byte {
            b'\n' if self.halfway => self.halfway = false,
            b'\n' | b'\r' => {
                self.ended += 1;
                self.halfway = byte == b'\r';
            }
            _ => self.halfway = false,
        }
    }

    /// A field without the blanks around it; nothing where the line leaves it out.
    fn field(&self, column: usize) -> &[u8] {
        if column >= self.fields {
            return b"";
        }
        let begin = if column == 0 { 0 } else { self.ends[column - 1] };
        self.text[begin..self.ends[column]].trim_ascii()
    }
}

/// Where each column is.
struct Columns {
    case_id: usize,
    patient_id: usize,
    label: usize,
    probabilities: PerClass<usize>,
    age: Option<usize>,
    sex: Option<usize>,
    smoking: Option<usize>,
    specimen: Option<usize>,
    refusal: Option<usize>,
}

impl Columns {
    fn of<R: BufRead>(lines: &mut Lines<R>) -> Result<Self, NoPredictions> {
        if !lines.next()? {
            return Err(NoPredictions::Empty);
        }
        let line = lines.line;
        let names = (0..lines.fields).map(|column| str::from_utf8(lines.field(column)).map(str::to_owned));
        let names: Vec<String> =
            names.collect::<Result<_, _>>().map_err(|_| NoPredictions::NoText(Place { line, column: None }, ""))?;
        let find = |wanted: &str| -> Result<Option<usize>, NoPredictions> {
            let mut found = names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(column, _)| column);
            match (found.next(), found.next()) {
                (Some(before), Some(column)) => {
                    let place = Place { line, column: Some((column + 1, wanted.to_owned())) };
                    Err(NoPredictions::TwiceColumn { place, before: before + 1 })
                }
                (found, _) => Ok(found),
            }
        };
        let needed =
            |wanted: &str| find(wanted)?.ok_or_else(|| NoPredictions::NoColumn { line, name: wanted.to_owned() });
        let [case_id, patient_id, label] = NAMED.map(needed);
        let [a, b, c, d, e] = Class::ALL.map(|class| needed(&format!("p_{}", class.name())));
        let [age, sex, smoking, specimen, refusal] = OPTIONAL.map(find);
        let columns = Self {
            case_id: case_id?,
            patient_id: patient_id?,
            label: label?,
            probabilities: [a?, b?, c?, d?, e?],
            age: age?,
            sex: sex?,
            smoking: smoking?,
            specimen: specimen?,
            refusal: refusal?,
        };
        let last = columns.probabilities.into_iter().chain([columns.case_id, columns.patient_id, columns.label]).max();
        lines.needed = last.map_or(0, |last| last + 1);
        lines.names = names;
        Ok(columns)
    }
}

struct Row<'a, R> {
    lines: &'a Lines<R>,
    columns: &'a Columns,
}

impl<R: BufRead> Row<'_, R> {
    fn place(&self, column: usize) -> Place {
        Place { line: self.lines.line, column: Some((column + 1, self.lines.names[column].clone())) }
    }

    fn value(&self, column: usize, why: impl Into<String>) -> NoPredictions {
        NoPredictions::Value { place: self.place(column), why: why.into() }
    }

    fn has(&self, column: usize) -> bool {
        !self.lines.field(column).is_empty()
    }

    fn named(&self, column: usize) -> Result<&str, NoPredictions> {
        match str::from_utf8(self.lines.field(column)) {
            Ok("") => Err(self.value(column, "there is nothing")),
            Ok(text) => Ok(text),
            Err(_) => Err(NoPredictions::NoText(self.place(column), "")),
        }
    }

    /// One of several values, by its name. What stands there instead is not said: it may be a person's.
    fn known<T: Copy, const N: usize>(
        &self,
        column: usize,
        all: [T; N],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, NoPredictions> {
        let text = self.named(column)?;
        let found = all.into_iter().find(|&one| name(one) == text);
        found.ok_or_else(|| self.value(column, format!("this is none of {}", all.map(name).join(", "))))
    }

    fn perhaps<T>(
        &self,
        column: Option<usize>,
        read: impl Fn(usize) -> Result<T, NoPredictions>,
    ) -> Result<Option<T>, NoPredictions> {
        column.filter(|&column| self.has(column)).map(read).transpose()
    }

    /// A number as a program writes it, or as a spreadsheet does that writes commas.
    fn number(&self, column: usize) -> Result<f64, NoPredictions> {
        let text = self.named(column)?;
        let parsed: Result<f64, _> = if text.contains(',') { text.replacen(',', ".", 1).parse() } else { text.parse() };
        match parsed {
            Ok(number) if number.is_finite() => Ok(number),
            Ok(number) => Err(self.value(column, format!("{number} is no finite number"))),
            Err(_) => Err(self.value(column, "this is no number")),
        }
    }

    fn probabilities(&self) -> Result<Option<PerClass<f64>>, NoPredictions> {
        let columns = &self.columns.probabilities;
        let missing = columns.iter().copied().find(|&column| !self.has(column));
        match (missing, self.columns.refusal.filter(|&column| self.has(column))) {
            (None, None) => {}
            (None, Some(column)) => {
                return Err(self.value(column, "a refused case has no probabilities, and this one has"));
            }
            (Some(_), _) if columns.iter().all(|&column| !self.has(column)) => return Ok(None),
            (Some(column), _) => {
                return Err(self.value(column, "this probability is missing, and others are there"));
            }
        }
        let mut probabilities = [0.0; 5];
        for (value, &column) in probabilities.iter_mut().zip(columns) {
            *value = self.number(column)?;
            if !(0.0..=1.0).contains(value) {
                return Err(self.value(column, format!("{value} is no probability: it is from 0 to 1")));
            }
        }
        let sum: f64 = probabilities.iter().sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            let why = format!("the five probabilities add up to {sum}, not to 1 within {SUM_TOLERANCE}");
            return Err(self.value(columns[0], why));
        }
        Ok(Some(probabilities))
    }

    fn metadata(&self) -> Result<Metadata, NoPredictions> {
        let columns = self.columns;
        let age = |column| {
            let years = self.number(column)?;
            Age::from_years(years).map_err(|_| self.value(column, "this is no age in years"))
        };
        Ok(Metadata {
            age: self.perhaps(columns.age, age)?,
            sex: self.perhaps(columns.sex, |column| self.known(column, Sex::ALL, Sex::name))?,
            smoking: self.perhaps(columns.smoking, |column| self.known(column, Smoking::ALL, Smoking::name))?,
            specimen: self.perhaps(columns.specimen, |column| self.known(column, Specimen::ALL, Specimen::name))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    const HEAD: &str = "case_id,patient_id,label,p_adenocarcinoma,p_squamous_cell_carcinoma,p_large_cell_carcinoma,\
                        p_small_cell_carcinoma,p_normal,age,sex,smoking,specimen,refusal";

    /// Whatever stands there: a table or a sentence with its line, the same in pieces of any size.
    #[test]
    fn fuzz_predictions() {
        let rows = "C1,P1,normal,0.1,0.1,0.1,0.1,0.6,63,male,former,biopsy,\nC2,P1,adenocarcinoma,,,,,,,,,,he-focus\n";
        let whole = format!("{HEAD}\n{rows}");
        let seeds = vec![
            whole.clone().into_bytes(),
            whole.replace('\n', "\r\n").into_bytes(),
            format!("\u{feff}{}", whole.replace(',', ";").replace("0.", "0,")).into_bytes(),
            whole.replace("C1", "\"C\"\"1\"").into_bytes(),
            whole.replace('\n', "\r").into_bytes(),
        ];
        let said = |read: Result<Predictions, NoPredictions>| match read {
            Ok(table) => {
                assert_eq!(table.len(), table.case_ids.len());
                assert!(table.patients.iter().all(|&patient| (patient as usize) < table.patient_count));
                format!("{} cases of {}", table.len(), table.patient_count)
            }
            Err(error) => error.to_string(),
        };
        hilum_fuzz::fuzz("predictions", seeds, |bytes| {
            let at_once = said(Predictions::read(bytes));
            assert_eq!(at_once, said(Predictions::read(BufReader::with_capacity(3, bytes))), "in pieces");
            // What it was without where it was: new words are worth more than new lines.
            at_once.replace(|letter: char| letter.is_ascii_digit(), "")
        });
    }
}
