//! `hilum predict`

use std::path::PathBuf;

use hilum_assess::{CtInput, Outcome, Ready, Study, Timings, Wanted, assess};
use hilum_domain::{Metadata, PerClass, Refusal, top};
use hilum_intake::{CohortCase, Rejection, read_cohort, read_fields, volume};
use serde::Serialize;

use crate::{
    Failure,
    files::{writable, write_whole},
    locate::{EngineName, load, say_if_it_fell},
    terminal::{Progress, print_json, say},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bundle to use.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// A cohort as `hilum phantom` writes it.
    #[arg(long, value_name = "DIR")]
    cohort: PathBuf,
    /// Which cases.
    #[arg(long, value_enum, default_value = "test")]
    split: Split,
    /// What is read of each.
    #[arg(long, value_enum, default_value = "fused")]
    branch: Branch,
    /// What runs the networks.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineName,
    /// Print a summary as JSON.
    #[arg(long)]
    json: bool,
    /// The table to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Split {
    Test,
    Val,
    Train,
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Branch {
    Fused,
    Ct,
    He,
}

/// A row of `predictions.csv`; a refused case leaves its probabilities empty.
#[derive(Serialize)]
struct Row<'a> {
    case_id: &'a str,
    patient_id: &'a str,
    label: &'a str,
    p_adenocarcinoma: Option<f64>,
    p_squamous_cell_carcinoma: Option<f64>,
    p_large_cell_carcinoma: Option<f64>,
    p_small_cell_carcinoma: Option<f64>,
    p_normal: Option<f64>,
    age: Option<f64>,
    sex: &'a str,
    smoking: &'a str,
    specimen: &'a str,
    refusal: &'a str,
}

#[derive(Serialize)]
struct Summary {
    branch: Branch,
    cases: usize,
    refused: usize,
    correct: usize,
    /// A refused case counts as wrong.
    accuracy: f64,
    /// The share of cases that were not refused.
    coverage: f64,
    /// Among these; `null` if every case was refused.
    accuracy_covered: Option<f64>,
    engine: &'static str,
    bundle_sha256: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    writable(&arguments.out)?;
    let wanted = match arguments.split {
        Split::Test => Some("test"),
        Split::Val => Some("val"),
        Split::Train => Some("train"),
        Split::All => None,
    };
    let cases: Vec<CohortCase> = read_cohort(&arguments.cohort)?
        .into_iter()
        .filter(|case| wanted.is_none_or(|split| case.split == split))
        .collect();
    if cases.is_empty() {
        return Err(Failure::Unreadable(anyhow::anyhow!("the cohort has no case of that split")));
    }
    let loaded = load(arguments.bundle.as_deref(), arguments.engine)?;
    let engine = loaded.used();
    let progress = Progress::new("cases");
    let mut writer = csv::Writer::from_writer(Vec::new());
    let (mut refused, mut correct) = (0, 0);
    for (index, case) in cases.iter().enumerate() {
        let outcome = predict(case, arguments.branch, &loaded).map_err(|failure| failure.of(&case.case_id))?;
        let (probabilities, refusal) = match &outcome {
            Ok(probabilities) => (probabilities.map(Some), ""),
            Err(refusal) => ([None; 5], refusal.code.code()),
        };
        refused += usize::from(outcome.is_err());
        correct += usize::from(outcome.is_ok_and(|probabilities| top(&probabilities) == case.label.index()));
        let [p_adenocarcinoma, p_squamous_cell_carcinoma, p_large_cell_carcinoma, p_small_cell_carcinoma, p_normal] =
            probabilities;
        let Metadata { age, sex, smoking, specimen } = case.metadata;
        let row = Row {
            case_id: &case.case_id,
            patient_id: &case.patient_id,
            label: case.label.name(),
            p_adenocarcinoma,
            p_squamous_cell_carcinoma,
            p_large_cell_carcinoma,
            p_small_cell_carcinoma,
            p_normal,
            age: age.map(hilum_domain::Age::years),
            sex: sex.map_or("", hilum_domain::Sex::name),
            smoking: smoking.map_or("", hilum_domain::Smoking::name),
            specimen: specimen.map_or("", hilum_domain::Specimen::name),
            refusal,
        };
        writer.serialize(row).map_err(Failure::internal)?;
        progress.at(index + 1, cases.len());
    }
    drop(progress);
    say_if_it_fell(&loaded, &engine);
    let bytes = writer.into_inner().map_err(|error| Failure::internal(anyhow::anyhow!("{error}")))?;
    write_whole(&arguments.out, &bytes)?;
    #[expect(clippy::cast_precision_loss, reason = "case counts")]
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let covered = cases.len() - refused;
    let summary = Summary {
        branch: arguments.branch,
        cases: cases.len(),
        refused,
        correct,
        accuracy: share(correct, cases.len()),
        coverage: share(covered, cases.len()),
        accuracy_covered: (covered > 0).then(|| share(correct, covered)),
        engine: loaded.engine().name(),
        bundle_sha256: loaded.bundle.sha256().to_owned(),
    };
    if arguments.json {
        return print_json(&summary);
    }
    let covered = summary.accuracy_covered.map_or_else(String::new, |share| format!(", {:.1}%", share * 100.0));
    say(&format!(
        "{} of {} right, {:.1}%, a refused case counting as wrong; covered {:.1}%, of these right {}{covered}",
        summary.correct,
        summary.cases,
        summary.accuracy * 100.0,
        summary.coverage * 100.0,
        summary.correct,
    ))
}

fn predict(case: &CohortCase, branch: Branch, loaded: &Ready) -> Result<Result<PerClass<f64>, Refusal>, Failure> {
    let study = match study_of(case, branch)? {
        Ok(study) => study,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let wanted = Wanted { methods: &[], judged: false };
    let outcome = assess(study, loaded, wanted, &mut Timings::default(), &());
    Ok(match outcome.map_err(Failure::internal)? {
        Outcome::Assessed(result) => Ok(result.fused.probabilities),
        Outcome::Refused(refusal) => Err(refusal),
    })
}

/// A case of a cohort with all that it has.
pub(crate) fn study(case: &CohortCase) -> Result<Result<Study, Refusal>, Failure> {
    study_of(case, Branch::Fused)
}

fn study_of(case: &CohortCase, branch: Branch) -> Result<Result<Study, Refusal>, Failure> {
    // A case with one modality is assessed by that one, as `analyze` does.
    let branch = match (branch, case.ct().exists(), case.he().exists()) {
        (Branch::Fused, true, false) => Branch::Ct,
        (Branch::Fused, false, true) => Branch::He,
        (asked, ..) => asked,
    };
    let ct = if branch == Branch::He {
        None
    } else {
        match volume(&case.ct()) {
            Ok(study) => Some(CtInput { volume: study.volume.into(), lesion: Some(case.lesion()?) }),
            Err(Rejection::Refused(refusal)) => return Ok(Err(refusal)),
            Err(Rejection::Unreadable(error)) => return Err(error.into()),
        }
    };
    let he = if branch == Branch::Ct { None } else { Some(read_fields(&[case.he()], None)?) };
    Ok(Ok(Study { ct, he, stain: None, metadata: case.metadata }))
}
