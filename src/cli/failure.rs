//! How a command ends when it does not end well.

use std::{fmt, process::ExitCode};

use hilum_daemon::{Denied, Fault};
use hilum_domain::Refusal;
use hilum_intake::{CohortFault, Rejection, Unreadable};
use hilum_store::StoreFault;

/// Why a command failed, which decides the exit code. (Most of 64, words that make no sense, is found before any command
/// runs.)
#[derive(Debug)]
pub(crate) enum Failure {
    /// 64: the words do not fit what they name.
    Usage(String),
    /// 2: the input can be read and must not be scored.
    Refused(Refusal),
    /// 65: the input cannot be read.
    Unreadable(anyhow::Error),
    /// 70: nothing that a person could have done better.
    Internal(anyhow::Error),
    /// 78: a configuration or bundle is rejected.
    Rejected(anyhow::Error),
    /// What a part that knows the exit codes itself has said already: the daemon, or a store.
    Said {
        /// The exit code.
        exit: u8,
        /// Why.
        why: String,
    },
}

impl Failure {
    /// Whatever went wrong, as an internal failure.
    pub(crate) fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self::Internal(error.into())
    }

    /// That `what` (a path, or what a person calls it) cannot be written.
    pub(crate) fn unwritable<E: Into<anyhow::Error>>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self::Internal(error.into().context(format!("cannot write {what}")))
    }

    /// Says which of many cases it was.
    pub(crate) fn of(self, case_id: &str) -> Self {
        match self {
            Self::Unreadable(error) => Self::Unreadable(error.context(format!("cannot read {case_id}"))),
            Self::Internal(error) => Self::Internal(error.context(case_id.to_owned())),
            other => other,
        }
    }

    pub(crate) const fn exit(&self) -> u8 {
        match self {
            Self::Refused(_) => 2,
            Self::Usage(_) => 64,
            Self::Unreadable(_) => 65,
            Self::Internal(_) => 70,
            Self::Rejected(_) => 78,
            Self::Said { exit, .. } => *exit,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit())
    }
}

/// One sentence: the error and the causes below it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused: {}; {}", refusal.message, refusal.code.next_step()),
            Self::Usage(message) | Self::Said { why: message, .. } => f.write_str(message),
            Self::Unreadable(error) | Self::Internal(error) | Self::Rejected(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<Denied> for Failure {
    fn from(Denied { exit, why, .. }: Denied) -> Self {
        Self::Said { exit, why }
    }
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Self {
        Denied::from(fault).into()
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Said { exit: fault.exit(), why: format!("{:#}", anyhow::Error::from(fault)) }
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error.into())
    }
}

impl From<CohortFault> for Failure {
    fn from(error: CohortFault) -> Self {
        Self::Unreadable(error.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unreadable(error) => error.into(),
            Rejection::Refused(refusal) => refusal.into(),
        }
    }
}
