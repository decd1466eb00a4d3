//! What can happen to the screen, and what it can want. Both are closed: the daemon answers every wish, and nothing else
//! changes what is shown.

use std::{fmt, sync::Arc};

use hilum_domain::{CaseNumber, Class, Identity, Metadata, Point};

use crate::{
    model::{Ct, Draft, Export, Health, LogPart, Opinion, Role, Row, Shown, Sight, Waiting},
    words::Language,
};

/// Where a finger is in its touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It came down.
    Down,
    /// It moved.
    Move,
    /// It was lifted.
    Up,
    /// The panel lost it.
    Lost,
}

/// A finger on the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// Which finger.
    pub finger: u8,
    /// What it does.
    pub phase: Phase,
    /// Pixels from the left, as the panel is seen.
    pub x: u16,
    /// Pixels from the top.
    pub y: u16,
}

/// A key of a keyboard, of a barcode scanner, or a button on the box.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Character(char),
    /// Takes the last character away.
    Backspace,
    /// Does what has the focus.
    Enter,
    /// The next thing that can be touched.
    Next,
    /// The one before.
    Previous,
    /// Back.
    Escape,
    /// Takes what the camera sees: a pedal.
    Capture,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is typed may be a PIN or a name.
        formatter.write_str(match self {
            Self::Character(_) => "Character(…)",
            Self::Backspace => "Backspace",
            Self::Enter => "Enter",
            Self::Next => "Next",
            Self::Previous => "Previous",
            Self::Escape => "Escape",
            Self::Capture => "Capture",
        })
    }
}

/// A wish was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What kind of no it is: a message of the catalogues.
    pub word: &'static str,
    /// Why, in English, without anything of a patient.
    pub why: Arc<str>,
}

/// What became of the wish for a new draft.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// It is open. Earlier cases of the same two identifiers.
    Draft(Box<Draft>, Vec<CaseNumber>),
    /// These cases have the same first identifier and another second one: it may be another patient. A person may say
    /// that it is the same ([`Wish::Open`], confirmed).
    OtherSecond(Vec<CaseNumber>),
    /// No.
    Denied(Denied),
}

/// What the daemon tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Whether PINs are set, and for whom: nobody means that the panel is open.
    People(Vec<Role>),
    /// A login was tried.
    Login(Result<Role, Denied>),
    /// Whoever was logged in is so no more: the daemon asks for the PIN again.
    LoggedOut,
    /// The cases of today and those that are not done yet, newest first.
    Cases(Vec<Row>),
    /// How the device is.
    Health(Health),
    /// A new draft was opened, or not.
    Opened(Opened),
    /// A draft as it is now.
    Draft(Box<Draft>),
    /// The CT exports that wait on the share and could be a draft's.
    Exports(CaseNumber, Vec<Export>),
    /// A draft's CT.
    Ct(Ct),
    /// What the camera sees.
    Live(Sight),
    /// A case that waits for its result, or is being assessed.
    Waiting(Waiting),
    /// A case with what became of it.
    Shown(Box<Shown>),
    /// A case was exported: what the file is called.
    Exported(CaseNumber, Arc<str>),
    /// A part of the log.
    Log(LogPart),
    /// A wish about a case was not granted.
    Failed(CaseNumber, Denied),
    /// Something was done that is about no case, or not: a message of the catalogues, or why not.
    Done(Result<&'static str, Denied>),
}

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A finger.
    Touch(Touch),
    /// A key or a button.
    Key(Key),
    /// Time passed.
    Tick,
    /// The daemon.
    Told(Told),
}

/// What the screen wants of the daemon. Each is answered by one [`Told`] or more.
#[derive(Clone, PartialEq)]
pub enum Wish {
    /// To log in.
    Login(Role, String),
    /// That nobody is logged in.
    Logout,
    /// Who has a PIN, the cases, the health: once now. Later changes are told by themselves.
    Refresh,
    /// A new draft; the last is whether a person said that another second identifier is the patient's all the same.
    Open(Identity, Metadata, bool),
    /// A case, whatever it is by now: [`Told::Draft`], [`Told::Waiting`] or [`Told::Shown`].
    Case(CaseNumber),
    /// The exports that wait for a draft.
    Exports(CaseNumber),
    /// To give a draft an export. The Patient ID may be another than the first identifier if a person said so.
    TakeExport(CaseNumber, u64, bool),
    /// The CT of a draft, with candidates.
    Ct(CaseNumber),
    /// To set the lesion of a draft.
    Lesion(CaseNumber, Point),
    /// The camera's pictures from now on, or no pictures.
    Live(Option<Preview>),
    /// To use another objective.
    Objective(Arc<str>),
    /// The camera's next picture as a field of a draft.
    Capture(CaseNumber),
    /// To take a field out of a draft.
    DropField(CaseNumber, usize),
    /// To hand a draft over. Once more, if it was set aside.
    Submit(CaseNumber),
    /// Not to wait for a case any longer: it goes back to being a draft.
    Cancel(CaseNumber),
    /// To keep what a person sees in the images before they see the result: a class, or that they cannot say.
    ReadFirst(CaseNumber, Option<Class>),
    /// To keep what a person thinks of a result.
    Review(CaseNumber, Opinion),
    /// To write a case to where exports go, with the identifiers or without.
    Export(CaseNumber, bool),
    /// The log: so many entries before the newest.
    Log(u64),
    /// That the box starts again.
    Restart,
    /// To remember that the box was set up.
    SetUp,
    /// A control case now.
    Control,
    /// To check the whole store.
    Verify,
    /// To set a PIN.
    SetPin(Role, String),
    /// To remember the language and the size of letters.
    Remember(Language, bool),
}

/// What a live picture has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preview {
    /// For which draft.
    pub case: CaseNumber,
    /// Where the network looks.
    pub heat: bool,
    /// Fields are taken by themselves, where the slide rests on something good that was not taken yet.
    pub auto: bool,
}

impl fmt::Debug for Wish {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // PINs, identifiers and opinions are in it.
        formatter.write_str("Wish(…)")
    }
}
