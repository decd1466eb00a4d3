//! `hilum explain-eval`: how faithful each method is, and how well it localises, over a cohort with masks.

use std::{fs, path::PathBuf};

use hilum_assess::{
    AssessFault, Assessed, Curves, ExplainMethod, Explainer, Localisation, Outcome, Part, Question, Ready, Seen, Study,
    Timings, Wanted, assess, curves, localisation, over,
};
use hilum_domain::{Class, Modality};
use hilum_imaging::{Random, mask_over_patch};
use hilum_intake::{CohortCase, read_cohort};
use ndarray::Array2;
use serde::Serialize;

use crate::{
    Failure,
    analyze::{Methods, methods},
    files::write_whole,
    locate::{EngineName, load},
    predict::study,
    terminal::{Progress, print_json, say},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bundle to use.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// A cohort as `hilum phantom` writes it; its test split is read.
    #[arg(long, value_name = "DIR")]
    cohort: PathBuf,
    /// all, or methods separated by commas.
    #[arg(long, value_name = "METHOD,…", default_value = "all", value_parser = methods)]
    method: Methods,
    /// Steps of the insertion and deletion curves.
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u16).range(2..=1000))]
    steps: u16,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
    /// The folder for explain-eval.json, explain-eval.md and cases.csv.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// A method over a branch of one case.
#[derive(Debug, Clone, Serialize)]
struct Row {
    case_id: String,
    patient_id: String,
    label: &'static str,
    class: &'static str,
    modality: &'static str,
    method: &'static str,
    insertion_auc: Option<f64>,
    deletion_auc: Option<f64>,
    iou: Option<f64>,
    hit: Option<bool>,
    twin_gap: f64,
    completeness_gap: Option<f64>,
}

/// A mean with its 95% interval over patients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Mean {
    mean: f64,
    low: f64,
    high: f64,
    n: usize,
}

#[derive(Debug, Serialize)]
struct Line {
    modality: &'static str,
    method: &'static str,
    insertion_auc: Option<Mean>,
    deletion_auc: Option<Mean>,
    /// At the area share of the mask, over the cases that have one.
    iou: Option<Mean>,
    /// The share of cases whose hottest pixel lies in the mask.
    pointing: Option<Mean>,
    /// Cases in which nothing spoke for the class.
    blank: usize,
}

#[derive(Debug, Serialize)]
struct Table {
    schema: &'static str,
    cases: usize,
    refused: usize,
    steps: u16,
    he_tiles: usize,
    he_faithfulness_tiles: usize,
    bundle: String,
    bundle_sha256: String,
    engine: &'static str,
    lines: Vec<Line>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let methods = &arguments.method.0;
    if methods.is_empty() {
        return Err(Failure::Usage("--method names no method".to_owned()));
    }
    let cases: Vec<CohortCase> =
        read_cohort(&arguments.cohort)?.into_iter().filter(|case| case.split == "test").collect();
    if cases.is_empty() {
        return Err(Failure::Unreadable(anyhow::anyhow!("the cohort has no case of the test split")));
    }
    fs::create_dir_all(&arguments.out).map_err(Failure::unwritable(arguments.out.display()))?;
    let loaded = load(arguments.bundle.as_deref(), EngineName::Auto)?;
    let progress = Progress::new("cases");
    let (mut rows, mut refused) = (Vec::new(), 0);
    for (index, case) in cases.iter().enumerate() {
        progress.at(index, cases.len());
        match evaluated(case, &loaded, methods, usize::from(arguments.steps))
            .map_err(|failure| failure.of(&case.case_id))?
        {
            Some(found) => rows.extend(found),
            None => refused += 1,
        }
    }
    progress.at(cases.len(), cases.len());
    drop(progress);
    let explain = &loaded.bundle.manifest().explain;
    let table = Table {
        schema: "hilum.explain-eval/1",
        cases: cases.len(),
        refused,
        steps: arguments.steps,
        he_tiles: explain.tiles,
        he_faithfulness_tiles: explain.faithfulness_tiles,
        bundle: format!("{} {}", loaded.bundle.manifest().name, loaded.bundle.manifest().version),
        bundle_sha256: loaded.bundle.sha256().to_owned(),
        engine: loaded.engine().name(),
        lines: Modality::ALL
            .into_iter()
            .flat_map(|modality| methods.iter().map(move |&method| (modality, method)))
            .filter_map(|(modality, method)| line(&rows, modality, method))
            .collect(),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row)).map_err(Failure::internal)?;
    write_whole(&arguments.out.join("cases.csv"), &writer.into_inner().map_err(Failure::internal)?)?;
    let json = serde_json::to_vec_pretty(&table).map_err(Failure::internal)?;
    write_whole(&arguments.out.join("explain-eval.json"), &json)?;
    let text = table.markdown();
    write_whole(&arguments.out.join("explain-eval.md"), text.as_bytes())?;
    if arguments.json { print_json(&table) } else { say(text.trim_end()) }
}

/// Every method over both branches of a case; nothing if it is refused.
fn evaluated(
    case: &CohortCase,
    ready: &Ready,
    methods: &[ExplainMethod],
    steps: usize,
) -> Result<Option<Vec<Row>>, Failure> {
    let study: Study = match study(case)? {
        Ok(study) => study,
        Err(_) => return Ok(None),
    };
    let wanted = Wanted { methods: &[], judged: false };
    let outcome = assess(study, ready, wanted, &mut Timings::default(), &()).map_err(Failure::internal)?;
    let Outcome::Assessed(result) = outcome else { return Ok(None) };
    let parameters = &ready.bundle.manifest().explain;
    let mut rows = Vec::new();
    let branches =
        [result.ct.as_ref().map(hilum_assess::CtFinding::seen), result.he.as_ref().map(hilum_assess::HeFinding::seen)];
    for (seen, weight) in branches.into_iter().zip(result.weights) {
        let Some(seen) = seen else { continue };
        #[expect(clippy::cast_possible_truncation, reason = "the networks' precision")]
        let question = Question {
            seen,
            class: result.fused.top(),
            weight: weight as f32,
            tiles: parameters.tiles,
            faithfulness_tiles: parameters.faithfulness_tiles,
        };
        let explainer = Explainer::new(ready, question).map_err(Failure::internal)?;
        let masks = masks(case, &result, seen, &explainer, parameters.tiles)?;
        for &method in methods {
            rows.push(row(case, &explainer, question, method, &masks, steps).map_err(Failure::internal)?);
        }
    }
    Ok(Some(rows))
}

fn row(
    case: &CohortCase,
    explainer: &Explainer<'_>,
    question: Question<'_>,
    method: ExplainMethod,
    masks: &[Array2<bool>],
    steps: usize,
) -> Result<Row, AssessFault> {
    let heat = explainer.map(method, &())?;
    let shown = heat.shown(method);
    let target = explainer.target(question.faithfulness_tiles);
    let speaks = heat.speaks() && shown.speaks();
    let found: Option<Curves> =
        speaks.then(|| curves(&target, &shown, steps, 0, &(), Part::Faithfulness(method))).transpose()?;
    let wide = explainer.target(question.tiles);
    let located: Option<Localisation> = speaks.then(|| localisation(&over(&wide, &shown), masks)).flatten();
    Ok(Row {
        case_id: case.case_id.clone(),
        patient_id: case.patient_id.clone(),
        label: case.label.name(),
        class: Class::ALL[question.class].name(),
        modality: question.seen.modality().name(),
        method: method.name(),
        insertion_auc: found.map(|found| found.insertion),
        deletion_auc: found.map(|found| found.deletion),
        iou: located.map(|located| located.iou),
        hit: located.map(|located| located.hit),
        twin_gap: target.twin_gap()?,
        completeness_gap: heat.completeness_gap,
    })
}

/// The truth over the pictures of a branch that every method explains.
fn masks(
    case: &CohortCase,
    result: &Assessed,
    seen: Seen<'_>,
    explainer: &Explainer<'_>,
    tiles: usize,
) -> Result<Vec<Array2<bool>>, Failure> {
    let ready = explainer.ready();
    match (seen.modality(), &result.ct, &result.he) {
        (Modality::Ct, Some(ct), _) => Ok(vec![mask_over_patch(&case.ct_mask()?, ct.lesion, &ready.model.patch)]),
        (Modality::He, _, Some(he)) => {
            let masks = case.he_masks()?;
            let edge = ready.bundle.manifest().he.tile_px as usize;
            let of = |&position: &usize| {
                let tile = &he.tiles[position];
                let mask = masks.get(tile.field);
                Array2::from_shape_fn((edge, edge), |(row, column)| {
                    #[expect(clippy::cast_possible_truncation, reason = "within a tile")]
                    let at = |index: usize, from: u32| from + (index * tile.edge as usize / edge) as u32;
                    let (x, y) = (at(column, tile.origin[0]), at(row, tile.origin[1]));
                    mask.and_then(|mask| mask.get_pixel_checked(x, y)).is_some_and(|pixel| pixel.0[0] > 0)
                })
            };
            Ok(explainer.target(tiles).pictures().iter().map(of).collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// The seed of the resampling: the same table every time.
const SEED: u64 = 2604;
const RESAMPLES: usize = 2000;

fn line(rows: &[Row], modality: Modality, method: ExplainMethod) -> Option<Line> {
    let of: Vec<&Row> =
        rows.iter().filter(|row| row.modality == modality.name() && row.method == method.name()).collect();
    if of.is_empty() {
        return None;
    }
    let mean = |value: &dyn Fn(&Row) -> Option<f64>| {
        let values: Vec<(&str, f64)> =
            of.iter().filter_map(|row| Some((row.patient_id.as_str(), value(row)?))).collect();
        mean(&values)
    };
    Some(Line {
        modality: modality.name(),
        method: method.name(),
        insertion_auc: mean(&|row| row.insertion_auc),
        deletion_auc: mean(&|row| row.deletion_auc),
        iou: mean(&|row| row.iou),
        pointing: mean(&|row| row.hit.map(|hit| f64::from(u8::from(hit)))),
        blank: of.iter().filter(|row| row.insertion_auc.is_none()).count(),
    })
}

/// The mean, and its 95% percentile interval from resampling patients.
fn mean(values: &[(&str, f64)]) -> Option<Mean> {
    let mut patients: Vec<&str> = values.iter().map(|(patient, _)| *patient).collect();
    patients.sort_unstable();
    patients.dedup();
    let groups: Vec<Vec<f64>> = patients
        .iter()
        .map(|patient| values.iter().filter(|(of, _)| of == patient).map(|(_, value)| *value).collect())
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "numbers of cases")]
    let mean = |groups: &mut dyn Iterator<Item = &Vec<f64>>| {
        let (sum, count) = groups.flatten().fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
        sum / count as f64
    };
    if groups.is_empty() {
        return None;
    }
    let mut random = Random::new(SEED, "explain-eval");
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            mean(&mut (0..groups.len()).map(|_| &groups[random.below(groups.len())]).collect::<Vec<_>>().into_iter())
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let (low, high) = (means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40]);
    Some(Mean { mean: mean(&mut groups.iter()), low, high, n: values.len() })
}

impl Table {
    fn markdown(&self) -> String {
        let cell = |mean: &Option<Mean>| {
            mean.map_or_else(
                || "–".to_owned(),
                |Mean { mean, low, high, n }| format!("{mean:.3} [{low:.3}, {high:.3}] ({n})"),
            )
        };
        let mut text = format!(
            "{} cases, {} refused; {} steps; bundle {} ({}), engine {}. Mean [95% interval over patients] (cases). H&E: maps over the {} \
             tiles of most attention, curves over {}.\n\n| modality | method | insertion AUC | deletion AUC | IoU | pointing game | blank |\n\
             |---|---|---|---|---|---|---|\n",
            self.cases,
            self.refused,
            self.steps,
            self.bundle,
            &self.bundle_sha256[..12],
            self.engine,
            self.he_tiles,
            self.he_faithfulness_tiles,
        );
        for line in &self.lines {
            let Line { modality, method, insertion_auc, deletion_auc, iou, pointing, blank } = line;
            text.push_str(&format!(
                "| {modality} | {method} | {} | {} | {} | {} | {blank} |\n",
                cell(insertion_auc),
                cell(deletion_auc),
                cell(iou),
                cell(pointing)
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_mean_and_is_that_of_patients() {
        let one = mean(&[("a", 0.5), ("a", 0.7)]).expect("a mean");
        assert!((one.mean - 0.6).abs() < 1e-12 && (one.low - 0.6).abs() < 1e-12 && (one.high - 0.6).abs() < 1e-12);
        let names: Vec<String> = (0..40).map(|index| format!("p{index}")).collect();
        let values: Vec<(&str, f64)> =
            names.iter().zip(0..).map(|(name, index)| (name.as_str(), f64::from(index % 2))).collect();
        let found = mean(&values).expect("a mean");
        assert!((found.mean - 0.5).abs() < 1e-12 && found.n == 40);
        // ± 1.96 standard errors of a fair coin thrown 40 times.
        assert!((found.low - 0.345).abs() < 0.05 && (found.high - 0.655).abs() < 0.05, "{found:?}");
        assert_eq!(mean(&[]), None);
    }
}
