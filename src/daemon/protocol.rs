//! What can be asked of a running daemon: a line of JSON on its socket, answered by a line of JSON.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use hilum_store::Role;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The name of the socket in the runtime folder.
pub const SOCKET: &str = "hilum.sock";
/// The longest request, in bytes.
pub(crate) const LONGEST: u64 = 65_536;

/// A request.
///
/// Never shown by `Debug`: it names people, and files that are named after them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Request {
    /// How the device is.
    Status,
    /// Says who asks from here on, on this connection.
    Login {
        /// operator, reviewer or administrator.
        role: Role,
        /// The PIN.
        pin: String,
    },
    /// Sets the PIN of a role.
    SetPin {
        /// Whose.
        role: Role,
        /// The new PIN.
        pin: String,
    },
    /// Opens a case as a draft.
    Open {
        /// The first identifier.
        first: String,
        /// The second.
        second: String,
        /// Years.
        age: Option<f64>,
        /// female or male.
        sex: Option<String>,
        /// never, former or current.
        smoking: Option<String>,
        /// biopsy, cytology or resection.
        specimen: Option<String>,
        /// It is the patient although an earlier case has the same first identifier and another second one.
        #[serde(default)]
        confirmed: bool,
    },
    /// Reads a CT series into a draft.
    Ct {
        /// Which case.
        case: String,
        /// A folder or file that the daemon may read.
        path: PathBuf,
        /// The lesion, patient LPS, mm.
        lesion: Option<[f64; 3]>,
        /// The series is of this patient although its Patient ID is not the first identifier.
        other_id: bool,
    },
    /// Reads images into a draft.
    Fields {
        /// Which case.
        case: String,
        /// Files or folders that the daemon may read.
        paths: Vec<PathBuf>,
        /// The scale, where the files do not say it.
        um_per_px: Option<f64>,
    },
    /// Takes the camera's next frame into a draft.
    Capture {
        /// Which case.
        case: String,
    },
    /// What is known of the camera's optics.
    Optics,
    /// Finds the scale of an objective on a stage micrometer under the camera, or on a picture of one.
    Scale {
        /// What the objective is called.
        objective: String,
        /// The distance of neighbouring lines, µm.
        pitch_um: f64,
        /// A picture that the daemon may read, instead of the camera's.
        path: Option<PathBuf>,
    },
    /// Takes what the camera sees as the white field of the objective in use, or forgets it.
    White {
        /// Forgets it.
        forget: bool,
    },
    /// Uses an objective.
    Objective {
        /// Its name.
        objective: String,
    },
    /// Marks the lesion of a draft that has a CT.
    Lesion {
        /// Which case.
        case: String,
        /// The lesion, patient LPS, mm.
        lesion: [f64; 3],
    },
    /// Takes a field out of a draft.
    DropField {
        /// Which case.
        case: String,
        /// Which field, from 0, in the order in which they were taken.
        index: usize,
    },
    /// Takes a case that waits for its result back to being a draft. What an attempt that is under way finds is not kept.
    Cancel {
        /// Which case.
        case: String,
    },
    /// Keeps what a person sees in the images before they are shown the result. It is said once.
    ReadFirst {
        /// Which case.
        case: String,
        /// The class, or that they cannot say.
        class: Option<String>,
    },
    /// Hands a draft over to be assessed, or a case that was set aside once more.
    Submit {
        /// Which case.
        case: String,
    },
    /// Answers when the case has a result, a refusal, or was set aside.
    Wait {
        /// Which case.
        case: String,
        /// At most so long.
        seconds: f64,
    },
    /// The case with its result; entered in the log.
    Show {
        /// Which case.
        case: String,
    },
    /// Keeps what a person made of the result, beside what was made of it before.
    Review {
        /// Which case.
        case: String,
        /// Whether the person agrees.
        agrees: bool,
        /// Why; who agrees need not say.
        #[serde(default)]
        reason: String,
    },
    /// Every case's number and state.
    List,
    /// What became of the control cases.
    Controls,
    /// Has a control case assessed now. It is nobody's, and needs nobody: the system asks for it after an update.
    Control,
    /// Has the system start the box again.
    Restart,
    /// Checks the whole store.
    Verify {
        /// A head of the log that was saved.
        head: Option<String>,
    },
    /// Lines of the log as they were chained, at most 1,000.
    Log {
        /// The number of the first.
        from: u64,
    },
    /// Writes a case with all that is kept of it to a folder outside, as one file.
    Export {
        /// Which case.
        case: String,
        /// The folder.
        to: PathBuf,
        /// Whom it is encrypted to, an age recipient.
        recipient: Option<String>,
        /// With the identifiers of the patient.
        identity: bool,
    },
    /// Assesses a case's inputs again and compares with what was kept.
    Replay {
        /// Which case.
        case: String,
    },
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Request(…)")
    }
}

impl Request {
    /// The paths that it names.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let paths = match self {
            Self::Ct { path, .. } => std::slice::from_ref(path),
            Self::Fields { paths, .. } => paths,
            Self::Scale { path: Some(path), .. } => std::slice::from_ref(path),
            Self::Export { to, .. } => std::slice::from_ref(to),
            _ => &[],
        };
        paths.iter().map(PathBuf::as_path)
    }

    /// Who may ask this, where PINs are set; `None` for everybody who reaches the socket.
    pub(crate) const fn allowed(&self) -> Option<&'static [Role]> {
        match self {
            Self::Status | Self::Login { .. } | Self::Control | Self::Controls | Self::Wait { .. } => None,
            Self::SetPin { .. } | Self::Scale { .. } | Self::White { .. } => Some(&[Role::Administrator]),
            Self::Review { .. } => Some(&[Role::Reviewer]),
            Self::Export { identity: true, .. } => Some(&[Role::Reviewer, Role::Administrator]),
            Self::Open { .. }
            | Self::Ct { .. }
            | Self::Fields { .. }
            | Self::Capture { .. }
            | Self::Optics
            | Self::Objective { .. }
            | Self::Lesion { .. }
            | Self::DropField { .. }
            | Self::Cancel { .. }
            | Self::ReadFirst { .. }
            | Self::Submit { .. }
            | Self::Show { .. }
            | Self::List
            | Self::Restart
            | Self::Log { .. }
            | Self::Export { .. }
            | Self::Verify { .. }
            | Self::Replay { .. } => Some(&Role::ALL),
        }
    }
}

/// What kind of no it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    /// It must not be, whatever the device could do.
    Refused,
    /// It was asked for wrongly.
    Usage,
    /// What was given cannot be read.
    Unreadable,
    /// The device is not well.
    Internal,
    /// Not now.
    NotReady,
    /// The configuration or the key is not right.
    Configuration,
    /// The PIN is wrong.
    PinWrong,
    /// After wrong PINs there is a wait, of so many seconds.
    PinWait(u64),
    /// Another role may do it.
    Role,
    /// Nobody is logged in, or not any more.
    Login,
}

impl No {
    /// The exit code of a command that asked this.
    #[must_use]
    pub const fn exit(self) -> u8 {
        match self {
            Self::Refused => 2,
            Self::Usage | Self::PinWrong | Self::Role | Self::Login => 64,
            Self::Unreadable => 65,
            Self::Internal => 70,
            Self::NotReady | Self::PinWait(_) => 75,
            Self::Configuration => 78,
        }
    }
}

/// A request that was not done, as exit code and sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The exit code of a command that asked this.
    pub exit: u8,
    /// Why. Has nothing of a patient.
    pub why: String,
    /// What kind of no it is.
    pub no: No,
}

impl Denied {
    /// One with the kind that an exit code says.
    pub fn new(exit: u8, why: impl Into<String>) -> Self {
        let no = match exit {
            2 => No::Refused,
            64 => No::Usage,
            65 => No::Unreadable,
            75 => No::NotReady,
            78 => No::Configuration,
            _ => No::Internal,
        };
        Self { exit, why: why.into(), no }
    }

    pub(crate) fn of(no: No, why: impl Into<String>) -> Self {
        Self { exit: no.exit(), why: why.into(), no }
    }
}

/// A line of JSON from an answer: `{"ok": true, …}` or `{"ok": false, "exit": 2, "error": "…"}`.
pub(crate) fn line(answer: Result<Value, Denied>) -> String {
    let mut answer = match answer {
        Ok(mut value) => {
            if let Some(fields) = value.as_object_mut() {
                fields.insert("ok".to_owned(), Value::Bool(true));
            }
            value.to_string()
        }
        Err(denied) => json!({"ok": false, "exit": denied.exit, "error": denied.why}).to_string(),
    };
    answer.push('\n');
    answer
}

/// What an answer's line says.
///
/// # Errors
/// [`Denied`] if the daemon denied, or said what makes no sense.
pub fn said(line: &str) -> Result<Value, Denied> {
    let value: Value = serde_json::from_str(line).map_err(|_| Denied::new(70, "the daemon's answer is no JSON"))?;
    if value["ok"] == Value::Bool(true) {
        return Ok(value);
    }
    let exit = value["exit"].as_u64().and_then(|exit| u8::try_from(exit).ok()).unwrap_or(70);
    Err(Denied::new(exit, value["error"].as_str().unwrap_or("the daemon does not say why not")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_come_through() {
        let request = Request::Ct { case: "H000001".into(), path: "/srv/ct".into(), lesion: None, other_id: false };
        let line = serde_json::to_string(&request).expect("JSON");
        assert_eq!(line, r#"{"ask":"ct","case":"H000001","path":"/srv/ct","lesion":null,"other-id":false}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).expect("a request"), request);
        assert_eq!(said(&super::line(Ok(json!({"case": "H000001"})))).expect("ok")["case"], "H000001");
        let denied = Denied::new(2, "no");
        assert_eq!(said(&super::line(Err(denied.clone()))), Err(denied));
    }
}
