//! The pages. Each is a value that draws itself and says what a touch makes of it.

mod audit;
mod ct;
mod draft;
mod export;
mod form;
mod home;
mod language;
mod lock;
mod microscope;
mod pin;
mod processing;
mod read_first;
mod refusal;
mod result;
mod review;
mod settings;
mod welcome;

pub use std::sync::Arc;

use audit::Audit;
pub use ct::{Choosing, View, Viewing};
pub use draft::Draft;
pub use export::Export;
pub use form::{Field, Form};
pub use home::Home;
pub use language::Speech;
pub use lock::Lock;
pub use microscope::Microscope;
pub use pin::SetPin;
pub use processing::Processing;
pub use read_first::ReadFirst;
pub use result::{Result, Tab};
pub use review::Review;
pub use settings::Settings;
pub use welcome::Welcome;

use std::time::Duration;

use hilum_domain::{CaseNumber, Class};

use crate::{
    Area,
    event::Wish,
    keyboard::Stroke,
    model::{Health, Patient, Role, Row},
    picture::Plane,
    sheet::Sheet,
    words::Language,
};

/// What a touch means.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// The page before.
    Back,
    /// Nobody is logged in any more.
    Lock,
    /// What was said in the way has been read.
    Heard,
    /// A key of the panel's keyboard.
    Stroke(Stroke),
    /// A role, to log in or to set its PIN.
    Role(Role),
    /// The PIN is typed.
    Enter,
    /// A new case.
    New,
    /// Settings.
    Settings,
    /// A control case now.
    Control,
    /// A case of the list.
    Case(CaseNumber),
    /// More or fewer of a list: by so many of it.
    Page(isize),
    /// A field of the form.
    Field(Field),
    /// A choice of the form: a field and the place of the choice, or that it is not known.
    Choose(Field, Option<usize>),
    /// The form is complete.
    Open,
    /// It is the same patient all the same, or not.
    SamePatient(bool),
    /// The CT of a draft.
    ToCt,
    /// Another export than the one that a draft has.
    OtherCt,
    /// The fields of a draft.
    ToMicroscope,
    /// The draft is to be assessed.
    Submit,
    /// An export of the share, or none of them after all.
    Take(Option<u64>),
    /// An export of another Patient ID: a person says it is this patient's.
    TakeAnyway(u64),
    /// Another plane.
    Plane(Plane),
    /// Another window.
    View(View),
    /// A place in the slice.
    Slice,
    /// So many slices on.
    Scroll(i32),
    /// Closer, or less close.
    Zoom(i8),
    /// The next candidate.
    Candidate,
    /// The place that was touched is the lesion.
    SetLesion,
    /// What the camera sees is a field.
    Capture,
    /// A field is to be taken out, or none after all.
    Drop(Option<usize>),
    /// It is taken out.
    DropNow(usize),
    /// Where the network looks, live, or not.
    Heat(bool),
    /// Fields are taken by themselves, or not.
    Auto(bool),
    /// Another objective is in use.
    Objective(Arc<str>),
    /// Not to wait any longer.
    Cancel,
    /// What is seen in the images: a class, or that nobody can say.
    See(Option<Class>),
    /// That is it: now the result.
    Reveal,
    /// Another part of a result.
    Tab(Tab),
    /// Another explanation.
    Look(usize),
    /// The next picture of the same explanation.
    NextPicture,
    /// More or less of a map.
    Opacity(i8),
    /// What a person thinks of it.
    Opinion,
    /// Agreement, or not.
    Agrees(bool),
    /// The opinion is to be kept.
    Save,
    /// To a stick.
    Export,
    /// With the identifiers, or without.
    WithIdentity(bool),
    /// It is written.
    Write,
    /// Languages.
    Speech,
    /// One of them.
    Language(Language),
    /// Larger letters, or not.
    Large(bool),
    /// PINs.
    Pins,
    /// The log.
    Log,
    /// The whole store is checked.
    Verify,
    /// The box starts again; the first time it is asked whether that is meant.
    Restart,
    /// On with setting the box up.
    Onward,
    /// On without a PIN: whoever stands here may do everything.
    NoPin,
}

/// What an act makes of a page.
#[derive(Debug, PartialEq)]
pub enum Turn {
    /// It stays, as it is now.
    Stay,
    /// Wishes of the daemon; it stays.
    Wish(Vec<Wish>),
    /// Another page, with wishes of the daemon.
    To(Box<Page>, Vec<Wish>),
    /// The page of a case, whatever it is by now.
    Case(CaseNumber),
    /// The page that one comes back to.
    Home,
    /// The same: the box need not be set up any more.
    SetUp,
}

/// What every page may look at.
pub struct Around<'a> {
    /// How the device is.
    pub health: &'a Health,
    /// The cases of today.
    pub rows: &'a [Row],
    /// Who has a PIN; nobody if nobody does. Nothing before the daemon has said it.
    pub people: Option<&'a [Role]>,
    /// Who is logged in.
    pub role: Option<Role>,
    /// Now, as the state counts it.
    pub now: Duration,
}

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub enum Page {
    /// Nobody is logged in.
    Lock(Lock),
    /// The cases and the device.
    Home(Home),
    /// A new case.
    Form(Form),
    /// A case before it is handed over.
    Draft(Box<Draft>),
    /// Which CT.
    Choosing(Choosing),
    /// The slices of a CT.
    Viewing(Box<Viewing>),
    /// The camera.
    Microscope(Box<Microscope>),
    /// A case that waits for its result.
    Processing(Processing),
    /// What a person sees before the result.
    ReadFirst(Box<ReadFirst>),
    /// What became of a case.
    Result(Box<Result>),
    /// What a person thinks of it.
    Review(Box<Review>),
    /// It leaves the box.
    Export(Box<Export>),
    /// What can be set.
    Settings(Settings),
    /// Languages.
    Speech(Speech),
    /// PINs.
    SetPin(SetPin),
    /// The log.
    Audit(Audit),
    /// A box that nobody has set up yet.
    Welcome(Welcome),
}

impl Page {
    /// Draws what is its own, between the head and the foot that all pages have.
    pub fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area, around: &Around<'_>) {
        match self {
            Self::Lock(page) => page.draw(sheet, area, around),
            Self::Home(page) => page.draw(sheet, area, around),
            Self::Form(page) => page.draw(sheet, area),
            Self::Draft(page) => page.draw(sheet, area),
            Self::Choosing(page) => page.draw(sheet, area),
            Self::Viewing(page) => page.draw(sheet, area),
            Self::Microscope(page) => page.draw(sheet, area),
            Self::Processing(page) => page.draw(sheet, area, around),
            Self::ReadFirst(page) => page.draw(sheet, area),
            Self::Result(page) => page.draw(sheet, area),
            Self::Review(page) => page.draw(sheet, area),
            Self::Export(page) => page.draw(sheet, area),
            Self::Settings(page) => page.draw(sheet, area, around),
            Self::Speech(page) => page.draw(sheet, area),
            Self::SetPin(page) => page.draw(sheet, area),
            Self::Audit(page) => page.draw(sheet, area),
            Self::Welcome(page) => page.draw(sheet, area, around),
        }
    }

    /// Does what a touch means.
    pub fn act(&mut self, act: &Act, around: &Around<'_>) -> Turn {
        match self {
            Self::Lock(page) => page.act(act, around),
            Self::Home(page) => page.act(act, around),
            Self::Form(page) => page.act(act),
            Self::Draft(page) => page.act(act),
            Self::Choosing(page) => page.act(act),
            Self::Viewing(page) => page.act(act),
            Self::Microscope(page) => page.act(act),
            Self::Processing(page) => page.act(act),
            Self::ReadFirst(page) => page.act(act),
            Self::Result(page) => page.act(act),
            Self::Review(page) => page.act(act),
            Self::Export(page) => page.act(act),
            Self::Settings(page) => page.act(act),
            // What the panel looks like is the state's own.
            Self::Speech(_) => Turn::Stay,
            Self::SetPin(page) => page.act(act),
            Self::Audit(page) => page.act(act),
            Self::Welcome(page) => page.act(act),
        }
    }

    /// What is said at its top, as a message; a page about a patient says whose it is instead, and home the board's name.
    #[must_use]
    pub const fn title(&self) -> Option<&'static str> {
        match self {
            Self::Lock(_) => Some("lock-title"),
            Self::Form(_) => Some("form-title"),
            Self::Settings(_) => Some("settings-title"),
            Self::Speech(_) => Some("settings-language"),
            Self::SetPin(_) => Some("settings-pins"),
            Self::Audit(_) => Some("settings-log"),
            Self::Welcome(page) => Some(page.title()),
            _ => None,
        }
    }

    /// Where back leads: nowhere from the first page.
    #[must_use]
    pub fn back(&self) -> Option<Turn> {
        Some(match self {
            Self::Lock(_) | Self::Home(_) => return None,
            Self::Choosing(Choosing { patient, .. }) => Turn::Case(patient.case),
            Self::Viewing(page) => Turn::Case(page.ct.patient.case),
            Self::Microscope(page) => Turn::Case(page.draft.patient.case),
            Self::Review(page) => {
                Turn::To(Box::new(Self::Result(Box::new(Result::new(page.shown.clone())))), Vec::new())
            }
            Self::Export(page) => {
                Turn::To(Box::new(Self::Result(Box::new(Result::new(page.shown.clone())))), Vec::new())
            }
            Self::SetPin(_) | Self::Audit(_) => Turn::To(Box::new(Self::Settings(Settings::default())), Vec::new()),
            Self::Welcome(page) => return page.back(),
            Self::Speech(page) => page.back(),
            _ => Turn::Home,
        })
    }

    /// Whose case it is about.
    #[must_use]
    pub const fn patient(&self) -> Option<&Patient> {
        Some(match self {
            Self::Draft(page) => &page.kept.patient,
            Self::Choosing(page) => &page.patient,
            Self::Viewing(page) => &page.ct.patient,
            Self::Microscope(page) => &page.draft.patient,
            Self::Processing(page) => &page.told.patient,
            Self::ReadFirst(page) => &page.shown.patient,
            Self::Result(page) => &page.shown.patient,
            Self::Review(page) => &page.shown.patient,
            Self::Export(page) => &page.shown.patient,
            Self::Lock(_)
            | Self::Home(_)
            | Self::Form(_)
            | Self::Settings(_)
            | Self::Speech(_)
            | Self::SetPin(_)
            | Self::Audit(_)
            | Self::Welcome(_) => return None,
        })
    }

    /// A wish was not granted: what was touched can be touched again.
    pub fn failed(&mut self) {
        match self {
            Self::Lock(page) => page.refused(),
            Self::Form(page) => page.denied(),
            Self::Draft(page) => page.busy = false,
            Self::Choosing(page) => page.busy = false,
            Self::Microscope(page) => page.busy = false,
            Self::Processing(page) => page.busy = false,
            Self::ReadFirst(page) => page.busy = false,
            Self::Review(page) => page.busy = false,
            Self::Export(page) => page.busy = false,
            Self::SetPin(page) => page.busy = false,
            Self::Welcome(page) => page.failed(),
            Self::Settings(page) => page.failed(),
            Self::Home(_) | Self::Viewing(_) | Self::Result(_) | Self::Speech(_) | Self::Audit(_) => {}
        }
    }
}
