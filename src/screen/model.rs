//! What the screen is told: values, each whole in itself. What belongs to a case comes with the case's number and identity
//! in the same value, so that no page can put one patient's result beside another's name.

use std::{fmt, sync::Arc};

use hilum_domain::{CaseNumber, Class, Identity, Metadata, Modality, PerClass, Point};
use hilum_imaging::Volume;
use image::RgbImage;

/// Who is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes pictures and types.
    Operator,
    /// Signs.
    Reviewer,
    /// Sets the box up.
    Administrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Reviewer, Self::Administrator];

    /// Its message in the catalogues.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Operator => "role-operator",
            Self::Reviewer => "role-reviewer",
            Self::Administrator => "role-administrator",
        }
    }
}

/// How far a case has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not handed over.
    Draft,
    /// Waits, or is being assessed.
    Queued,
    /// Has a result.
    Assessed,
    /// Was refused.
    Refused,
    /// Was begun twice without an end.
    SetAside,
    /// A person said what they think of the result.
    Reviewed,
    /// Left the box.
    Exported,
}

impl Progress {
    /// Its message in the catalogues.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Draft => "progress-draft",
            Self::Queued => "progress-queued",
            Self::Assessed => "progress-assessed",
            Self::Refused => "progress-refused",
            Self::SetAside => "progress-set-aside",
            Self::Reviewed => "progress-reviewed",
            Self::Exported => "progress-exported",
        }
    }
}

/// A case in a list.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub case: CaseNumber,
    /// The first identifier; none for a control case.
    pub first: Option<String>,
    /// How far it has come.
    pub progress: Progress,
    /// When it was opened, as the clock claimed, RFC 3339.
    pub opened: String,
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Row({})", self.case)
    }
}

/// How a part of the device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Well.
    Well,
    /// Wants to be looked at.
    Warn,
    /// Does not work.
    Stop,
    /// Nobody knows yet.
    Unknown,
}

/// A part of the device, as home shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which: a message in the catalogues.
    pub name: &'static str,
    /// How it is.
    pub condition: Condition,
    /// What that means: a message in the catalogues.
    pub word: &'static str,
    /// A figure with its unit, where there is one.
    pub figure: String,
}

/// How the device is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// What the board is called.
    pub board: String,
    /// Its parts, in the order in which they are shown.
    pub parts: Vec<Part>,
    /// What the clock claims, RFC 3339.
    pub claimed: String,
    /// Whether there is a reason to believe it.
    pub trusted: bool,
    /// Version, bundle, engine: lines for the settings.
    pub about: Vec<(&'static str, String)>,
    /// Whether the system starts the box again where a person wants it.
    pub can_restart: bool,
    /// What seals the records, and whose bundles are taken; nothing before the daemon has said it.
    pub keys: Option<Keys>,
}

/// What the box's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// What seals the records: a message in the catalogues.
    pub sealed_by: &'static str,
    /// The keys of which a bundle may have the signature, as minisign calls them.
    pub signers: Vec<String>,
    /// Whether anybody can sign one.
    pub development: bool,
}

/// A patient's case: what every page about one says at its top.
#[derive(Clone, PartialEq, Eq)]
pub struct Patient {
    /// The case.
    pub case: CaseNumber,
    /// Whose it is.
    pub identity: Identity,
}

impl fmt::Debug for Patient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Patient({})", self.case)
    }
}

/// A CT on the share that could be a case's.
#[derive(Clone, PartialEq, Eq)]
pub struct Export {
    /// What the daemon calls it.
    pub key: u64,
    /// Slices.
    pub slices: usize,
    /// Whether its Patient ID is the case's first identifier.
    pub matches: bool,
    /// Its Patient ID, to be compared by eye.
    pub patient_id: String,
    /// What the scanner calls the series, to tell two of one study apart; empty if it calls it nothing.
    pub series: String,
    /// When the study was made, `YYYYMMDD` as DICOM has it; empty if it does not say.
    pub study_date: String,
}

impl fmt::Debug for Export {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Export({})", self.key)
    }
}

/// A draft as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Whose.
    pub patient: Patient,
    /// Age, sex, smoking, specimen.
    pub metadata: Metadata,
    /// Whether it has a CT.
    pub ct: bool,
    /// The lesion that was set.
    pub lesion: Option<Point>,
    /// The fields, small.
    pub fields: Vec<Picture>,
    /// So many are asked for.
    pub enough: usize,
}

/// A picture that is compared by what it is, not by its pixels.
#[derive(Clone)]
pub struct Picture(pub Arc<RgbImage>);

impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Picture(…)")
    }
}

/// What is being done for a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many cases come first.
    Queue(usize),
    /// Its files are read and checked.
    Reading,
    /// The CT is searched and scored.
    Ct,
    /// The fields are normalised and scored.
    Fields,
    /// The two are weighed, and it is looked where they looked.
    Explaining,
}

/// A case that waits for its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Whose.
    pub patient: Patient,
    /// What is being done.
    pub step: Step,
    /// Since when, in seconds before it is told.
    pub seconds: u32,
    /// How long such a case took lately, seconds; nothing if nobody knows.
    pub usual: Option<u32>,
}

/// A part of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// Entries, the newest first.
    pub lines: Vec<LogLine>,
    /// So many are newer than the first of them.
    pub newer: u64,
    /// So many are older than the last.
    pub older: u64,
    /// The head, to be written down: who has it can prove that nothing was changed before it.
    pub head: Arc<str>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number.
    pub number: u64,
    /// When, as the clock claimed, RFC 3339.
    pub claimed: String,
    /// Who: the name of a role, or of the device.
    pub by: String,
    /// What, by its name in the log.
    pub what: String,
    /// Of which case.
    pub case: Option<CaseNumber>,
}

/// The CT of a draft with the places that could be a lesion.
#[derive(Clone)]
pub struct Ct {
    /// Whose.
    pub patient: Patient,
    /// HU on the scanner's grid.
    pub volume: Arc<Volume<i16>>,
    /// Candidates, best first: the place and the diameter, mm. A suggestion, never "no nodule".
    pub candidates: Vec<(Point, f64)>,
}

impl PartialEq for Ct {
    fn eq(&self, other: &Self) -> bool {
        self.patient == other.patient && Arc::ptr_eq(&self.volume, &other.volume) && self.candidates == other.candidates
    }
}

impl fmt::Debug for Ct {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ct({})", self.patient.case)
    }
}

/// What the camera sees, and what that is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// The picture, no larger than the panel.
    pub picture: Picture,
    /// Whether a field that is taken now would be good.
    pub condition: Condition,
    /// What to do: a message in the catalogues.
    pub advice: &'static str,
    /// What else is to be known: a message in the catalogues.
    pub also: Option<&'static str>,
    /// Where the network looks, as a picture of the same shape to be laid over. Nothing if nobody asked, or it is not ready, or
    /// the slide was moved since.
    pub heat: Option<Picture>,
    /// Whether it could be asked for.
    pub can_heat: bool,
    /// The objective in use, where it has a name.
    pub objective: Option<Arc<str>>,
    /// The one that comes after it, where there are several.
    pub next_objective: Option<Arc<str>>,
}

/// What the camera sees, or a message of the catalogues why it sees nothing.
pub type Sight = Result<Live, &'static str>;

/// Why the camera sees nothing, until somebody knows better.
pub const NO_CAMERA: &str = "microscope-no-camera";

/// A sentence with a code: a refusal or a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The code.
    pub code: String,
    /// What it says in English, with its figures.
    pub message: String,
    /// What to do, in English.
    pub next_step: String,
}

/// Where a branch looked.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Which branch.
    pub modality: Modality,
    /// By which method: its name.
    pub method: String,
    /// What is known of whether the map can be relied on: its name in the report.
    pub verdict: String,
    /// What was read, and the same with the map over all of it: the page mixes the two. Nothing where there is no map that may
    /// be shown.
    pub pictures: Vec<(Picture, Picture)>,
}

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Probabilities of the fused result.
    pub fused: PerClass<f64>,
    /// Those of the CT alone.
    pub ct: Option<PerClass<f64>>,
    /// Those of the fields alone.
    pub he: Option<PerClass<f64>>,
    /// How much the CT and the fields count.
    pub weights: [f64; 2],
    /// What the weights would be if nothing were known of the patient; nothing if it is not known, or nothing was given.
    pub weights_unknown: Option<[f64; 2]>,
    /// What weakens it.
    pub limits: Vec<Note>,
    /// Where the branches looked.
    pub explanations: Vec<Explanation>,
    /// Bundle and engine, as they are called.
    pub made_by: String,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It has a result.
    Assessed(Box<Assessment>),
    /// It was refused.
    Refused(Note),
    /// It was begun twice without an end.
    SetAside,
}

/// What a person thinks of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Whether they agree.
    pub agrees: bool,
    /// Why.
    pub reason: String,
}

/// A case with what became of it: identity and result come together, from the store, and are never put together later.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Whose.
    pub patient: Patient,
    /// Age, sex, smoking, specimen.
    pub metadata: Metadata,
    /// How far it has come.
    pub progress: Progress,
    /// What became of it.
    pub outcome: Outcome,
    /// What a person said of it last.
    pub opinion: Option<Opinion>,
    /// What a person saw in the images before they saw the result, where the board asks for it: a class, or that they could
    /// not say. Not asked yet is nothing.
    pub read_first: Option<Option<Class>>,
    /// What was read: one picture of the CT and the fields, for who reads first.
    pub images: Vec<Picture>,
    /// Where exports go, as the panel may name it; nothing if the board names no place.
    pub exports_to: Option<Arc<str>>,
}

impl Shown {
    /// Whether there is a result, and not a refusal or nothing.
    #[must_use]
    pub const fn has_result(&self) -> bool {
        matches!(self.outcome, Outcome::Assessed(_))
    }
}
