//! The pages. Each is a value that draws itself and says what a touch makes of it.

mod ct;
mod form;
mod home;
mod lock;
mod result;

pub use ct::{Choosing, View, Viewing};
pub use form::{Field, Form};
pub use home::Home;
pub use lock::Lock;
pub use result::{Result, Tab};

use hilum_domain::{CaseNumber, Identity, Metadata};

use crate::{
    event::Wish,
    keyboard::Stroke,
    model::{Health, Role, Row},
    picture::Plane,
    sheet::Sheet,
};

/// What a touch means.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// The page before.
    Back,
    /// Nobody is logged in any more.
    Lock,
    /// A key of the panel's keyboard.
    Stroke(Stroke),
    /// A role, to log in.
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
    /// More or fewer of a list: by so many pages.
    Page(isize),
    /// A field of the form.
    Field(Field),
    /// A choice of the form: a field and the place of the choice, or that it is not known.
    Choose(Field, Option<usize>),
    /// The form is complete.
    Open,
    /// Another part of a result.
    Tab(Tab),
    /// Another explanation; the last number is the next picture of the same.
    Look(usize),
    /// More or less of a map.
    Opacity(i8),
    /// What a person thinks of it.
    Opinion,
    /// To a stick.
    Export,
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
}

/// What an act makes of a page.
#[derive(Debug, PartialEq)]
pub enum Turn {
    /// It stays, as it is now.
    Stay,
    /// Wishes of the daemon; it stays.
    Wish(Vec<Wish>),
    /// Another page.
    To(Box<Page>),
    /// The page that one comes back to.
    Home,
    /// Nobody is logged in.
    Lock,
}

/// What every page may look at.
pub struct Around<'a> {
    /// How the device is.
    pub health: &'a Health,
    /// The cases of today.
    pub rows: &'a [Row],
    /// Who has a PIN; nobody if nobody does.
    pub people: Option<&'a [Role]>,
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
    /// What became of a case.
    Result(Box<Result>),
    /// Which CT.
    Choosing(Choosing),
    /// The slices of a CT.
    Viewing(Box<Viewing>),
}

impl Page {
    /// Draws what is its own, between the head and the foot that all pages have.
    pub fn draw(&self, sheet: &mut Sheet<'_, Act>, area: crate::Area, around: &Around<'_>) {
        match self {
            Self::Lock(lock) => lock.draw(sheet, area, around),
            Self::Home(home) => home.draw(sheet, area, around),
            Self::Form(form) => form.draw(sheet, area),
            Self::Result(result) => result.draw(sheet, area),
            Self::Choosing(choosing) => choosing.draw(sheet, area),
            Self::Viewing(viewing) => viewing.draw(sheet, area),
        }
    }

    /// Does what a touch means.
    pub fn act(&mut self, act: &Act, around: &Around<'_>) -> Turn {
        match self {
            Self::Lock(lock) => lock.act(act),
            Self::Home(home) => home.act(act, around),
            Self::Form(form) => form.act(act),
            Self::Result(result) => result.act(act),
            Self::Choosing(choosing) => choosing.act(act),
            Self::Viewing(viewing) => viewing.act(act),
        }
    }

    /// What is said at its top, as a message; a page about a patient says whose it is instead.
    #[must_use]
    pub const fn title(&self) -> Option<&'static str> {
        match self {
            Self::Lock(_) => Some("lock-title"),
            Self::Home(_) => None,
            Self::Form(_) => Some("form-title"),
            Self::Result(_) | Self::Choosing(_) | Self::Viewing(_) => None,
        }
    }

    /// Whether there is a way back.
    #[must_use]
    pub const fn has_back(&self) -> bool {
        !matches!(self, Self::Lock(_) | Self::Home(_))
    }
}

impl Page {
    /// Whose case it is about.
    #[must_use]
    pub fn patient(&self) -> Option<&crate::model::Patient> {
        match self {
            Self::Result(result) => Some(&result.shown.patient),
            Self::Choosing(choosing) => Some(&choosing.patient),
            Self::Viewing(viewing) => Some(&viewing.ct.patient),
            Self::Lock(_) | Self::Home(_) | Self::Form(_) => None,
        }
    }
}

/// What a form made: a draft to be opened.
pub type Filled = (Identity, Metadata);
