//! `metrics.json` (`hilum.metrics/1`); its JSON Schema is `metrics.schema.json` beside this file.

use std::collections::BTreeMap;

use hilum_domain::Class;
use serde::Serialize;

use crate::{BINS, Delong, Difference, Evaluation, FIGURES, Figures, Interval, OfClass, Versus, compare::holm};

const SCHEMA: &str = "hilum.metrics/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    n: usize,
    patients: usize,
    refused: u64,
    classes: [&'static str; 5],
    accuracy: f64,
    coverage: f64,
    covered: Covered,
    balanced_accuracy: Option<f64>,
    mcc: f64,
    kappa: Option<f64>,
    #[serde(rename = "macro")]
    mean: Means,
    per_class: BTreeMap<&'static str, PerClass>,
    confusion: [[u64; 5]; 5],
    confusion_shares: [[Option<f64>; 5]; 5],
    refused_per_class: [u64; 5],
    brier: Option<f64>,
    brier_skill: Option<f64>,
    ece: Option<f64>,
    mce: Option<f64>,
    adaptive_ece: Option<f64>,
    calibration_bins: usize,
    reliability: Vec<Reliability>,
    log_loss: Option<f64>,
    temperature: Option<f64>,
    temperature_at_end: bool,
    log_loss_at_temperature: Option<f64>,
    intervals: BTreeMap<String, Interval>,
    interval_method: &'static str,
    resamples: usize,
    seed: u64,
    subgroups: Vec<Subgroup<'a>>,
    decision: Vec<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk_coverage: Option<RiskCoverage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_size: Option<SampleSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    versus: Option<Against>,
}

/// Of the cases that were not refused.
#[derive(Serialize)]
struct Covered {
    n: u64,
    accuracy: Option<f64>,
    #[serde(rename = "macro")]
    mean: Option<Means>,
}

#[derive(Serialize)]
struct Means {
    precision: f64,
    recall: f64,
    specificity: f64,
    npv: f64,
    f1: f64,
    auroc: Option<f64>,
    average_precision: Option<f64>,
}

impl From<&OfClass> for Means {
    fn from(of: &OfClass) -> Self {
        let OfClass { precision, recall, specificity, npv, f1, auroc, average_precision } = *of;
        Self { precision, recall, specificity, npv, f1, auroc, average_precision }
    }
}

#[derive(Serialize)]
struct PerClass {
    #[serde(flatten)]
    figures: Means,
    support: u64,
}

#[derive(Serialize)]
struct Reliability {
    above: f64,
    up_to: f64,
    n: u64,
    confidence: f64,
    accuracy: f64,
}

#[derive(Serialize)]
struct Subgroup<'a> {
    by: &'a str,
    name: &'a str,
    n: usize,
    patients: usize,
    few: bool,
    accuracy: f64,
    balanced_accuracy: Option<f64>,
    #[serde(rename = "macro")]
    mean: Means,
    brier: Option<f64>,
    intervals: BTreeMap<&'static str, Interval>,
}

#[derive(Serialize)]
struct Decision {
    threshold: f64,
    model: f64,
    all: f64,
}

#[derive(Serialize)]
struct RiskCoverage {
    aurc: f64,
}

#[derive(Serialize)]
struct SampleSize {
    figure: &'static str,
    width: f64,
    more_cases_to_halve: usize,
}

#[derive(Serialize)]
struct Against {
    n: usize,
    covered: usize,
    delong: BTreeMap<&'static str, Option<DelongOf>>,
    mcnemar: McnemarOf,
    accuracy: DifferenceOf,
    macro_auroc: Option<DifferenceOf>,
}

#[derive(Serialize)]
struct DelongOf {
    auc_a: f64,
    auc_b: f64,
    var_a: f64,
    var_b: f64,
    cov: f64,
    z: Option<f64>,
    p: Option<f64>,
    p_holm: Option<f64>,
}

#[derive(Serialize)]
struct McnemarOf {
    a_only: u64,
    b_only: u64,
    exact_p: f64,
    mid_p: f64,
}

#[derive(Serialize)]
struct DifferenceOf {
    a: f64,
    b: f64,
    difference: f64,
    interval: Option<Interval>,
}

impl From<&Difference> for DifferenceOf {
    fn from(&Difference { of: [a, b], interval }: &Difference) -> Self {
        Self { a, b, difference: a - b, interval }
    }
}

impl Versus {
    /// The P values of DeLong's test adjusted for five classes.
    pub(crate) fn adjusted(&self) -> Vec<Option<f64>> {
        holm(&self.delong.map(|of| of.and_then(|of| of.p)))
    }
}

impl From<&Versus> for Against {
    fn from(versus: &Versus) -> Self {
        let adjusted = versus.adjusted();
        let delong = Class::ALL.iter().zip(&versus.delong).zip(adjusted).map(|((class, of), p_holm)| {
            let of = of.as_ref().map(|of| {
                let Delong { auc: [auc_a, auc_b], variance: [var_a, var_b], covariance: cov, z, p } = *of;
                DelongOf { auc_a, auc_b, var_a, var_b, cov, z, p, p_holm }
            });
            (class.name(), of)
        });
        let crate::Mcnemar { first_only, second_only, exact_p, mid_p } = versus.mcnemar;
        Self {
            n: versus.cases,
            covered: versus.covered,
            delong: delong.collect(),
            mcnemar: McnemarOf { a_only: first_only, b_only: second_only, exact_p, mid_p },
            accuracy: (&versus.accuracy).into(),
            macro_auroc: versus.auroc.as_ref().map(Into::into),
        }
    }
}

impl Evaluation {
    /// `metrics.json`, as text.
    ///
    /// # Panics
    /// Never: every figure is finite, or none.
    #[must_use]
    pub fn document(&self) -> String {
        let mut text = serde_json::to_string_pretty(&Document::from(self)).expect("numbers and words");
        text.push('\n');
        text
    }

    /// How wide the interval of the accuracy is, and how many cases more would make it half as wide: its width goes with the
    /// square root of their number.
    #[must_use]
    pub fn to_halve(&self) -> Option<(f64, usize)> {
        let (_, interval) = self.figure("accuracy")?;
        let [low, high] = interval?;
        (high > low).then(|| (high - low, 3 * self.cases))
    }
}

impl<'a> From<&'a Evaluation> for Document<'a> {
    fn from(of: &'a Evaluation) -> Self {
        let figures = &of.figures;
        let support = of.confusion.support();
        let refused = of.refused();
        let covered = of.cases as u64 - refused;
        let answered = of.covered.as_ref().or((refused == 0).then_some(figures));
        let per_class = Class::ALL.iter().map(|class| {
            let (of_class, support) = (&figures.per_class[class.index()], support[class.index()]);
            (class.name(), PerClass { figures: of_class.into(), support })
        });
        let named = Figures::names().into_iter().zip(&of.intervals);
        Self {
            schema: SCHEMA,
            n: of.cases,
            patients: of.patients,
            refused,
            classes: Class::ALL.map(Class::name),
            accuracy: figures.accuracy,
            coverage: figures.coverage,
            covered: Covered {
                n: covered,
                accuracy: figures.accuracy_covered,
                mean: answered.map(|of| (&of.mean).into()),
            },
            balanced_accuracy: figures.balanced_accuracy,
            mcc: figures.mcc,
            kappa: figures.kappa,
            mean: (&figures.mean).into(),
            per_class: per_class.collect(),
            confusion: of.confusion.counts,
            confusion_shares: of.confusion.shares(),
            refused_per_class: of.confusion.refused,
            brier: figures.brier,
            brier_skill: figures.brier_skill,
            ece: figures.ece,
            mce: figures.mce,
            adaptive_ece: of.adaptive_ece,
            calibration_bins: BINS,
            reliability: of
                .reliability
                .iter()
                .map(|bin| Reliability {
                    above: bin.ends[0],
                    up_to: bin.ends[1],
                    n: bin.cases,
                    confidence: bin.top,
                    accuracy: bin.accuracy,
                })
                .collect(),
            log_loss: figures.log_loss,
            temperature: of.temperature.map(|of| of.value),
            temperature_at_end: of.temperature.is_some_and(|of| of.at_end),
            log_loss_at_temperature: of.temperature.map(|of| of.log_loss),
            intervals: named.filter_map(|(name, interval)| Some((name, (*interval)?))).collect(),
            interval_method: "bias-corrected and accelerated bootstrap of patients, 95%",
            resamples: of.resampling.resamples,
            seed: of.resampling.seed,
            subgroups: of
                .subgroups
                .iter()
                .map(|group| Subgroup {
                    by: group.by,
                    name: group.name,
                    n: group.cases,
                    patients: group.patients,
                    few: group.is_small(),
                    accuracy: group.figures.accuracy,
                    balanced_accuracy: group.figures.balanced_accuracy,
                    mean: (&group.figures.mean).into(),
                    brier: group.figures.brier,
                    intervals: FIGURES
                        .iter()
                        .zip(&group.intervals)
                        .filter_map(|(name, of)| Some((*name, (*of)?)))
                        .collect(),
                })
                .collect(),
            decision: of
                .decision
                .iter()
                .map(|at| Decision { threshold: at.threshold, model: at.model, all: at.all })
                .collect(),
            risk_coverage: of.selective.as_ref().map(|of| RiskCoverage { aurc: of.aurc }),
            sample_size: of.to_halve().map(|(width, more)| SampleSize {
                figure: "accuracy",
                width,
                more_cases_to_halve: more,
            }),
            versus: of.versus.as_ref().map(Into::into),
        }
    }
}
