//! Leaving the report of one case in a folder: shared by `analyze`, `demo` and `bench`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use hilum_assess::{ExplainMethod, Outcome, Ready, Timings};
use hilum_domain::{Form, Metadata, Modality, Point, Refusal};
use hilum_imaging::slide::Field;
use hilum_intake::CtStudy;
use hilum_report::{
    Document, ExportSource, Given, GivenCt, Kept, Origin, Report, export, export_names, produce, turned_away,
};

use crate::{Failure, files::replace, terminal::Working};

/// A case with everything that was given.
pub(crate) fn given(ct: Option<(CtStudy, Option<Point>)>, he: Option<Vec<Field>>, metadata: Metadata) -> Given {
    let ct = ct.map(|(study, lesion)| GivenCt { volume: Arc::new(study.volume), series_uid: study.series_uid, lesion });
    Given { ct, he, metadata, device: Vec::new() }
}

/// What to do with it.
pub(crate) struct Order<'a> {
    pub(crate) ready: &'a Ready,
    pub(crate) methods: &'a [ExplainMethod],
    pub(crate) out: &'a Path,
    pub(crate) forms: &'a [Form],
    /// Where the CT comes from, if it made a volume.
    pub(crate) origin: Option<&'a Origin>,
}

/// What stands for a serial number: a program on somebody's computer has none.
const NO_DEVICE: &str = "none";

/// A case with its report on disk.
pub(crate) struct Done {
    pub(crate) report: Report,
    pub(crate) outcome: Outcome,
    /// How long the report took to write: it cannot say so itself.
    pub(crate) writing: Duration,
}

/// Assesses a case and writes report, maps and pictures into the folder of the order. A refusal leaves a complete
/// report, too.
pub(crate) fn run(given: Given, order: &Order<'_>, timings: Timings) -> Result<Done, Failure> {
    let Document { report, outcome, files } =
        produce(given, order.ready, order.methods, now(), timings, &Working::new()).map_err(Failure::internal)?;
    let writing = Instant::now();
    if !files.is_empty() {
        let unfinished = order.out.join(UNFINISHED);
        fs::write(&unfinished, []).map_err(Failure::unwritable(unfinished.display()))?;
        for (name, bytes) in &files {
            fs::write(order.out.join(name), bytes).map_err(Failure::unwritable("the pictures"))?;
        }
    }
    leave(&report, &files, order)?;
    Ok(Done { report, outcome, writing: writing.elapsed() })
}

/// Leaves the report of a case that was refused before it could be assessed.
pub(crate) fn refuse(
    refusal: &Refusal,
    metadata: Metadata,
    order: &Order<'_>,
    timings: &Timings,
) -> Result<Report, Failure> {
    let report = turned_away(refusal, metadata, order.ready, now(), timings);
    leave(&report, &[], order)?;
    Ok(report)
}

/// Writes the other ways out, then `report.json`. What is left where that fails marks the run as interrupted.
fn leave(report: &Report, files: &[(String, Vec<u8>)], order: &Order<'_>) -> Result<(), Failure> {
    let bytes = report.to_json().map_err(Failure::internal)?;
    let source = ExportSource {
        kept: Kept { report: &bytes, files, device: NO_DEVICE },
        origin: order.origin,
        patch: &order.ready.model.patch,
        number: None,
    };
    let unfinished = order.out.join(UNFINISHED);
    for form in order.forms {
        if *form == Form::Dicom && order.origin.is_none() {
            eprintln!("hilum: no DICOM objects: there is no CT volume whose study they could stand in");
        }
        fs::write(&unfinished, []).map_err(Failure::unwritable(unfinished.display()))?;
        for (name, bytes) in export(*form, &source).map_err(Failure::internal)? {
            fs::write(order.out.join(name), bytes).map_err(Failure::unwritable(name))?;
        }
    }
    replace(&order.out.join("report.json"), &unfinished, &bytes).map_err(Failure::unwritable("report.json"))
}

/// What a run that did not end leaves, and what a run that is on its way has: the pictures around it may be anybody's.
const UNFINISHED: &str = "report.json.part";

/// Makes the folder, and removes report and pictures of an earlier case: two patients never lie in one folder. Removed is
/// what the earlier report names, or after an interrupted run what a run would leave; never an input.
pub(crate) fn clean(out: &Path, inputs: &[PathBuf]) -> Result<(), Failure> {
    fs::create_dir_all(out).map_err(Failure::unwritable(out.display()))?;
    let (report, unfinished) = (out.join("report.json"), out.join(UNFINISHED));
    let mut earlier = fs::read(&report).ok().and_then(|bytes| hilum_report::files_of(&bytes)).unwrap_or_default();
    if !earlier.is_empty() {
        earlier.extend(exported().map(str::to_owned));
    }
    let interrupted = unfinished.exists();
    let whole = |path: &Path| path.canonicalize().ok();
    let given: Vec<PathBuf> = inputs.iter().filter_map(|input| whole(input)).collect();
    let mut ours = Vec::new();
    for entry in fs::read_dir(out).map_err(Failure::unwritable(out.display()))? {
        let path = entry.map_err(Failure::unwritable(out.display()))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_ours(name)) else { continue };
        let stale = interrupted || earlier.iter().any(|file| file == name);
        let input = whole(&path).is_some_and(|path| {
            given.contains(&path) || (!stale && path.parent().is_some_and(|parent| given.iter().any(|of| of == parent)))
        });
        if input {
            let what = format!("{} is an input, and the report needs its name: choose another --out", path.display());
            return Err(Failure::Usage(what));
        }
        if stale {
            ours.push(path);
        }
    }
    // Whatever interrupts this, no report names pictures that are gone.
    if report.exists() {
        fs::rename(&report, &unfinished).map_err(Failure::unwritable(report.display()))?;
    }
    ours.push(unfinished);
    for path in ours {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::unwritable(path.display())(error));
            }
            _ => (),
        }
    }
    Ok(())
}

/// Every file of another way out.
fn exported() -> impl Iterator<Item = &'static str> {
    Form::ALL.into_iter().flat_map(export_names).copied()
}

/// Whether a run leaves a picture, map or export of that name.
fn is_ours(name: &str) -> bool {
    let map = |modality: Modality| {
        let kind = name.strip_prefix(modality.name()).and_then(|rest| rest.strip_prefix('-'));
        let mut kinds = ExplainMethod::ALL.into_iter().map(ExplainMethod::name).chain(["plain"]);
        kind.is_some_and(|rest| kinds.any(|kind| rest.starts_with(kind)))
    };
    ["result.png", "ct.png", "explanations.png"].into_iter().chain(exported()).any(|ours| ours == name)
        || Modality::ALL.into_iter().any(map)
}

/// Now, RFC 3339 in UTC.
fn now() -> String {
    chrono::DateTime::<chrono::Utc>::from(SystemTime::now()).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, and what is left of them after [`clean`], sorted.
    fn left(files: &[(&str, &str)], inputs: &[&str]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        let inputs: Vec<PathBuf> = inputs.iter().map(|name| folder.path().join(name)).collect();
        let cleaned = clean(folder.path(), &inputs).map_err(|failure| failure.to_string());
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .expect("still there")
            .map(|entry| entry.expect("a name").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        cleaned.map(|()| names)
    }

    const REPORT: &str = r#"{"schema": "hilum.report/1", "plain": {"ct": null, "he": ["he-plain-1.png"]}, "explanations": [
        {"map": "he-gradcam++.npy", "overlay": "he-gradcam++-1.png", "overlays": ["he-gradcam++-1.png", "notes.txt"]}]}"#;

    #[test]
    fn an_earlier_report_goes_with_its_pictures_and_nothing_else() {
        let mine = [("notes.txt", ""), ("he.png", ""), ("he-gradcam-mine.png", ""), ("scan.dcm", "")];
        let theirs = [
            ("report.json", REPORT),
            ("he-gradcam++-1.png", ""),
            ("he-gradcam++.npy", ""),
            ("he-plain-1.png", ""),
            ("result.png", ""),
            ("sr.dcm", ""),
        ];
        let kept = left(&[&mine[..], &theirs].concat(), &[]).expect("cleaned");
        assert_eq!(kept, ["he-gradcam-mine.png", "he.png", "notes.txt", "scan.dcm"]);
        assert_eq!(
            left(&[("ct.png", ""), ("sr.dcm", ""), ("report.json", "{")], &[]).expect("cleaned"),
            ["ct.png", "sr.dcm"]
        );
    }

    #[test]
    fn an_interrupted_run_leaves_no_picture() {
        let files =
            [(UNFINISHED, ""), ("he-gradcam-6.png", ""), ("ct-plain.png", ""), ("result.png", ""), ("field.png", "")];
        assert_eq!(left(&files, &["field.png"]).expect("cleaned"), ["field.png"]);
    }

    // verifies: REQ-INPUT-03
    #[test]
    fn an_input_is_never_removed() {
        let said = left(&[("report.json", REPORT), ("he-gradcam++-1.png", "")], &["he-gradcam++-1.png"]);
        assert!(said.expect_err("its own input").contains("he-gradcam++-1.png is an input"));
        assert!(left(&[("result.png", "")], &["."]).is_err(), "a picture of the input folder");
        // The pictures of an earlier run into the folder of the inputs are no inputs.
        let again = left(&[("report.json", REPORT), ("result.png", ""), ("field.png", "")], &["."]);
        assert_eq!(again.expect("cleaned"), ["field.png"]);
    }
}
