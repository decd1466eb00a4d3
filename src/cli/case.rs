//! `hilum case`: a case of the running daemon, from a draft to a person's word on it.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use hilum_daemon::Request;
use hilum_domain::{Age, Class, Metadata, MicronsPerPixel, Point};
use serde_json::Value;

use crate::{
    Failure,
    analyze::{lesion, scale},
    patient::Patient,
    shown,
    socket::{To, print, word},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Open a case as a draft; prints its number.
    Open {
        /// The first identifier: the clinic's number of the patient, as in the CT's Patient ID.
        #[arg(long, value_name = "ID")]
        first: String,
        /// A second identifier that confirms the first.
        #[arg(long, value_name = "ID")]
        second: String,
        #[command(flatten)]
        patient: Patient,
        /// It is the patient although an earlier case has another second identifier.
        #[arg(long)]
        confirm_second: bool,
        #[command(flatten)]
        to: To,
    },
    /// Read a CT series into a draft.
    Ct {
        /// The case, as H000012.
        case: String,
        /// A DICOM file or a folder of them.
        path: PathBuf,
        /// The lesion, patient LPS in mm; without it the best candidate is taken.
        #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true, value_parser = lesion)]
        lesion: Option<Point>,
        /// The series is this patient's although its Patient ID is another than the first identifier.
        #[arg(long)]
        other_id: bool,
        #[command(flatten)]
        to: To,
    },
    /// Read H&E images into a draft.
    He {
        /// The case.
        case: String,
        /// Images or folders of them.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The scale of the images, where the files do not say it.
        #[arg(long, value_name = "F", allow_hyphen_values = true, value_parser = scale)]
        um_per_px: Option<MicronsPerPixel>,
        #[command(flatten)]
        to: To,
    },
    /// Take the camera's next frame into a draft.
    Capture {
        /// The case.
        case: String,
        #[command(flatten)]
        to: To,
    },
    /// Mark the lesion of a draft that has a CT.
    Lesion {
        /// The case.
        case: String,
        /// The lesion, patient LPS in mm.
        #[arg(value_name = "X,Y,Z", allow_hyphen_values = true, value_parser = lesion)]
        lesion: Point,
        #[command(flatten)]
        to: To,
    },
    /// Take a field out of a draft.
    DropField {
        /// The case.
        case: String,
        /// Which field, from 1, in the order in which they were taken.
        #[arg(value_name = "N")]
        field: NonZeroUsize,
        #[command(flatten)]
        to: To,
    },
    /// Take a case that waits for its result back to being a draft; what an attempt that is under way finds is not kept.
    Cancel {
        /// The case.
        case: String,
        #[command(flatten)]
        to: To,
    },
    /// Keep what a person sees in the images before they are shown the result; once.
    #[command(group = clap::ArgGroup::new("seen").args(["class", "cannot_say"]).required(true))]
    ReadFirst {
        /// The case.
        case: String,
        /// The class.
        #[arg(long, value_name = "CLASS")]
        class: Option<Class>,
        /// The images do not let them say.
        #[arg(long)]
        cannot_say: bool,
        #[command(flatten)]
        to: To,
    },
    /// Hand a draft over to be assessed, or a case that was set aside once more.
    Submit {
        /// The case.
        case: String,
        #[command(flatten)]
        to: To,
    },
    /// Wait until a case is assessed, refused or set aside.
    Wait {
        /// The case.
        case: String,
        /// Wait no longer than this.
        #[arg(long, value_name = "S", default_value_t = 600.0)]
        seconds: f64,
        #[command(flatten)]
        to: To,
    },
    /// Show a case with its result; entered in the log.
    Show {
        /// The case.
        case: String,
        #[command(flatten)]
        to: To,
    },
    /// Agree with a result, or not, with the reason. Earlier reviews stay.
    #[command(group = clap::ArgGroup::new("word").args(["agree", "disagree"]).required(true))]
    Review {
        /// The case.
        case: String,
        /// The result is right.
        #[arg(long)]
        agree: bool,
        /// The result is wrong.
        #[arg(long)]
        disagree: bool,
        /// Why; who agrees need not say.
        #[arg(long, value_name = "TEXT", required_unless_present = "agree")]
        reason: Option<String>,
        #[command(flatten)]
        to: To,
    },
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    let (request, to) = match command {
        Command::Open { first, second, patient, confirm_second, to } => {
            let Metadata { age, sex, smoking, specimen } = patient.metadata();
            let request = Request::Open {
                first,
                second,
                age: age.map(Age::years),
                sex: sex.map(|sex| sex.name().to_owned()),
                smoking: smoking.map(|smoking| smoking.name().to_owned()),
                specimen: specimen.map(|specimen| specimen.name().to_owned()),
                confirmed: confirm_second,
            };
            (request, to)
        }
        Command::Ct { case, path, lesion, other_id, to } => {
            let lesion = lesion.map(|lesion| lesion.lps_mm);
            (Request::Ct { case, path: absolute(&path)?, lesion, other_id }, to)
        }
        Command::He { case, paths, um_per_px, to } => {
            let paths = paths.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?;
            (Request::Fields { case, paths, um_per_px: um_per_px.map(MicronsPerPixel::um) }, to)
        }
        Command::Capture { case, to } => (Request::Capture { case }, to),
        Command::Lesion { case, lesion, to } => (Request::Lesion { case, lesion: lesion.lps_mm }, to),
        Command::DropField { case, field, to } => (Request::DropField { case, index: field.get() - 1 }, to),
        Command::Cancel { case, to } => (Request::Cancel { case }, to),
        Command::ReadFirst { case, class, cannot_say: _, to } => {
            (Request::ReadFirst { case, class: class.map(|class| class.name().to_owned()) }, to)
        }
        Command::Submit { case, to } => (Request::Submit { case }, to),
        Command::Wait { case, seconds, to } => {
            let answer = to.daemon.ask(&Request::Wait { case, seconds })?;
            print(&answer, to.json, described)?;
            return match word(&answer, "state") {
                "queued" => Err(Failure::Said { exit: 75, why: "the case still waits for its result".to_owned() }),
                _ => Ok(()),
            };
        }
        Command::Show { case, to } => {
            return print(&to.daemon.ask(&Request::Show { case })?, to.json, shown::lines);
        }
        Command::Review { case, agree, disagree: _, reason, to } => {
            (Request::Review { case, agrees: agree, reason: reason.unwrap_or_default() }, to)
        }
    };
    print(&to.daemon.ask(&request)?, to.json, described)
}

/// The daemon has another current folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn described(answer: &Value) -> String {
    let mut line = format!("{} {}", word(answer, "case"), word(answer, "state"));
    for (key, said) in [
        ("same-person", "earlier cases of the same patient"),
        ("other-second", "the same first identifier and another second one"),
    ] {
        let cases: Vec<&str> = answer[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !cases.is_empty() {
            line.push_str(&format!("; {said}: {}", cases.join(", ")));
        }
    }
    if let Some(fields) = answer["fields"].as_u64() {
        line.push_str(&format!("; {fields} fields"));
    }
    line
}
