//! `hilum analyze`

use std::{
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use hilum_assess::{ExplainMethod, Outcome, Timings};
use hilum_domain::{Class, Form, Metadata, MicronsPerPixel, Point, Refusal};
use hilum_imaging::slide::Field;
use hilum_intake::{CtStudy, Rejection, Unreadable, read_fields, volume};

use crate::{
    Failure,
    locate::{EngineName, load, say_if_it_fell, use_threads},
    patient::Patient,
    report,
    terminal::{print_json, say},
};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("pictures").args(["ct", "he"]).multiple(true).required(true))]
pub(crate) struct Arguments {
    /// A CT series: a folder, a DICOM file, a DICOMDIR or a zip archive.
    #[arg(long, value_name = "PATH")]
    ct: Option<PathBuf>,
    /// The lesion, patient LPS in mm; without it the best candidate is taken.
    #[arg(long, value_name = "X,Y,Z", requires = "ct", allow_hyphen_values = true, value_parser = lesion)]
    lesion: Option<Point>,
    /// An H&E image or a folder of them; may be given several times.
    #[arg(long, value_name = "PATH")]
    he: Vec<PathBuf>,
    /// The scale of the images, where the files do not say it.
    #[arg(long, value_name = "F", allow_hyphen_values = true, value_parser = scale)]
    um_per_px: Option<MicronsPerPixel>,
    #[command(flatten)]
    patient: Patient,
    /// The bundle to use.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// What runs the networks.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineName,
    /// all, none, or methods separated by commas.
    #[arg(long, value_name = "METHOD,…", default_value = "gradcam++", value_parser = methods)]
    explain: Methods,
    /// Beside the report: dicom (with the patient's name, as the CT has it), fhir, pdf; several separated by commas.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    export: Vec<Form>,
    /// Print the report.
    #[arg(long)]
    json: bool,
    /// The folder for report and pictures.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Which explanations are wanted.
#[derive(Clone)]
pub(crate) struct Methods(pub(crate) Vec<ExplainMethod>);

pub(crate) fn methods(text: &str) -> Result<Methods, String> {
    match text {
        "none" => Ok(Methods(Vec::new())),
        "all" => Ok(Methods(ExplainMethod::ALL.to_vec())),
        names => {
            let parsed: Result<Vec<ExplainMethod>, _> = names.split(',').map(|name| name.trim().parse()).collect();
            let mut methods = parsed.map_err(|error| error.to_string())?;
            let mut seen = Vec::new();
            methods.retain(|method| {
                !seen.contains(method) && {
                    seen.push(*method);
                    true
                }
            });
            Ok(Methods(methods))
        }
    }
}

pub(crate) fn lesion(text: &str) -> Result<Point, String> {
    let numbers: Vec<f64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    match <[f64; 3]>::try_from(numbers) {
        Ok(lps_mm) if text.split(',').count() == 3 && lps_mm.iter().all(|mm| mm.is_finite()) => Ok(Point::new(lps_mm)),
        _ => Err("expected three numbers in mm, X,Y,Z".to_owned()),
    }
}

pub(crate) fn scale(text: &str) -> Result<MicronsPerPixel, String> {
    text.parse().ok().and_then(MicronsPerPixel::new).ok_or_else(|| "expected a number above 0, in µm".to_owned())
}

/// What was given, as far as it can be read.
struct Inputs {
    study: Result<Option<CtStudy>, Rejection>,
    fields: Result<Option<Vec<Field>>, Unreadable>,
    timings: Timings,
}

fn read(ct: Option<&Path>, he: &[PathBuf], um_per_px: Option<MicronsPerPixel>) -> Inputs {
    let mut timings = Timings::default();
    let from = Instant::now();
    let study = ct.map(volume).transpose();
    timings.0.push(("read_ct", from.elapsed()));
    let from = Instant::now();
    let fields = if he.is_empty() { Ok(None) } else { read_fields(he, um_per_px).map(Some) };
    timings.0.push(("read_he", from.elapsed()));
    Inputs { study, fields, timings }
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { ct, lesion, he, um_per_px, patient, bundle, engine, explain, export, json, out } = arguments;
    if export.contains(&Form::Dicom) && ct.is_none() {
        return Err(Failure::Usage("--export dicom needs --ct: the objects stand in the study of the CT".to_owned()));
    }
    let inputs: Vec<PathBuf> = ct.iter().chain(&he).cloned().collect();
    report::clean(&out, &inputs)?;
    let metadata = patient.metadata();
    use_threads()?;
    // The networks are loaded and prove themselves while the case is read.
    let (loaded, read) = thread::scope(|scope| {
        let loading = scope.spawn(|| load(bundle.as_deref(), engine));
        let read = read(ct.as_deref(), &he, um_per_px);
        (loading.join(), read)
    });
    let loaded = loaded.unwrap_or_else(|panic| resume_unwind(panic))?;
    let Inputs { study, fields, timings } = read;
    let forms: Vec<Form> = Form::ALL.into_iter().filter(|form| export.contains(form)).collect();
    let origin = match &study {
        Ok(Some(study)) => Some(study.origin.clone()),
        _ => None,
    };
    let order =
        report::Order { ready: &loaded, methods: &explain.0, out: &out, forms: &forms, origin: origin.as_ref() };
    // What cannot be read outranks what must not be scored: it leaves no report.
    let fields = fields.map_err(Failure::from)?;
    let study = match study {
        Ok(study) => study,
        Err(Rejection::Unreadable(error)) => return Err(error.into()),
        Err(Rejection::Refused(refusal)) => return Err(refuse(refusal, metadata, &order, &timings, json)),
    };
    let case = report::given(study.map(|study| (study, lesion)), fields, metadata);
    let engine = loaded.used();
    let report::Done { report, outcome, .. } = report::run(case, &order, timings)?;
    say_if_it_fell(&loaded, &engine);
    if json {
        print_json(&report)?;
    }
    match outcome {
        Outcome::Refused(refusal) => Err(refusal.into()),
        Outcome::Assessed(result) => {
            if !json {
                let class = Class::ALL[result.fused.top()];
                let probability = result.fused.probabilities[result.fused.top()] * 100.0;
                let display = class.display(metadata.specimen);
                say(&format!(
                    "{display}, {probability:.0}%; {} limits; {}",
                    result.limits.len(),
                    hilum_report::NOTICE
                ))?;
            }
            Ok(())
        }
    }
}

/// A refusal at the door leaves the same complete report as one further in.
fn refuse(refusal: Refusal, metadata: Metadata, order: &report::Order<'_>, timings: &Timings, json: bool) -> Failure {
    match report::refuse(&refusal, metadata, order, timings) {
        Ok(report) if json => print_json(&report).err().unwrap_or_else(|| refusal.into()),
        Ok(_) => refusal.into(),
        Err(failure) => failure,
    }
}
