//! Everything that is said of a table of predictions, at once.

use rayon::{join, prelude::*};

use crate::{
    Benefit, Bin, Confusion, Delong, Figures, Group, Interval, Mcnemar, Point, Predictions, Resampling, Selective,
    Temperature,
    bootstrap::{all_or_none, intervals},
    calibration::{adaptive_ece, reliability, temperature},
    compare::{covered, delong, mcnemar},
    curves::{decision, selective, thresholds},
    figures::{accuracy, auroc},
    subgroups::subgroups,
    table::{Every, Table},
};

/// What is said of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// How many cases, refused ones among them.
    pub cases: usize,
    /// Of how many patients.
    pub patients: usize,
    /// Truth and prediction.
    pub confusion: Confusion,
    /// The figures of all cases.
    pub figures: Figures,
    /// The figures of the cases that were not refused; none where every case was, or none.
    pub covered: Option<Figures>,
    /// The intervals of the [`Figures::values`]; exact ones where all patients are right, or answered, or none.
    pub intervals: Vec<Option<Interval>>,
    /// How they were drawn.
    pub resampling: Resampling,
    /// Expected calibration error over bins of equally many cases.
    pub adaptive_ece: Option<f64>,
    /// The reliability diagram.
    pub reliability: Vec<Bin>,
    /// What would make the probabilities most likely.
    pub temperature: Option<Temperature>,
    /// ROC and precision-recall.
    pub thresholds: [Vec<Point>; 5],
    /// Decision curve.
    pub decision: Vec<Benefit>,
    /// Risk over coverage, where the table has refusals, or a column for them.
    pub selective: Option<Selective>,
    /// Parts of the cases.
    pub subgroups: Vec<Group>,
    /// Against another model.
    pub versus: Option<Versus>,
}

impl Evaluation {
    /// A figure by its name, with its interval; none where it is not defined.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<(f64, Option<Interval>)> {
        let at = Figures::place(name)?;
        Some((self.figures.values()[at]?, self.intervals[at]))
    }

    /// How many cases were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.confusion.refused.iter().sum()
    }
}

/// Two models on the same cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Versus {
    /// How many cases there are.
    pub cases: usize,
    /// Of how many patients they are.
    pub patients: usize,
    /// How many of them neither refused: those of the areas.
    pub covered: usize,
    /// Each class's areas.
    pub delong: [Option<Delong>; 5],
    /// Which is right more often, on all cases.
    pub mcnemar: Mcnemar,
    /// Accuracy of both and the difference, on all cases.
    pub accuracy: Difference,
    /// Macro AUROC of both and the difference, on the cases that neither refused.
    pub auroc: Option<Difference>,
}

/// A figure of two models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Of each.
    pub of: [f64; 2],
    /// The interval of the first less the second, patients being drawn for both at once.
    pub interval: Option<Interval>,
}

/// Evaluates a table, and against another one where there is one: the same cases in the same order ([`crate::aligned`]).
#[must_use]
pub fn evaluate(predictions: &Predictions, versus: Option<&Predictions>, resampling: Resampling) -> Evaluation {
    let (table, temperature) = join(|| Table::of(predictions, None), || temperature(predictions));
    let answered = covered(predictions, predictions);
    let part = !answered.is_empty() && answered.len() < predictions.len();
    let of_table = |weights: &[u32]| Figures::weighed(&table, weights).values();
    let ((figures, thresholds), (reliability, decision)) = join(
        || join(|| Figures::weighed(&table, &Every), || thresholds(&table)),
        || join(|| reliability(&table), || decision(predictions)),
    );
    let mut found = intervals(&table.patients, table.patient_count, of_table, resampling);
    if resampling.resamples > 0 {
        for share in ["accuracy", "coverage"] {
            let at = Figures::place(share).expect("it has this name");
            let value = figures.values()[at].expect("every table has one");
            found[at] = found[at].or_else(|| all_or_none(value, table.patient_count));
        }
    }
    Evaluation {
        cases: predictions.len(),
        patients: predictions.patient_count,
        confusion: Confusion::counted(&table, &Every),
        figures,
        covered: part.then(|| Figures::weighed(&Table::of(predictions, Some(&answered)), &Every)),
        intervals: found,
        resampling,
        adaptive_ece: adaptive_ece(&table),
        reliability,
        temperature,
        thresholds,
        decision,
        selective: if predictions.has_refusals || answered.len() < predictions.len() {
            selective(&table)
        } else {
            None
        },
        subgroups: subgroups(predictions, resampling),
        versus: versus.map(|second| against([predictions, second], &table, resampling)),
    }
}

fn against(both: [&Predictions; 2], first: &Table, resampling: Resampling) -> Versus {
    let second = Table::of(both[1], None);
    let answered = covered(both[0], both[1]);
    // Of the cases that neither refused, where that is not all of them.
    let parts = (answered.len() < first.len()).then(|| both.map(|of| Table::of(of, Some(&answered))));
    let all = [first, &second];
    let areas = parts.as_ref().map_or(all, |parts| parts.each_ref());
    let difference = |tables: [&Table; 2], figure: fn(&Table, &[u32]) -> Option<f64>| {
        let of = |weights: &[u32]| {
            let [a, b] = tables.map(|table| figure(table, weights));
            vec![a.zip(b).map(|(a, b)| a - b)]
        };
        let [a, b] = tables.map(|table| figure(table, &vec![1; table.len()]));
        let interval = intervals(&tables[0].patients, tables[0].patient_count, of, resampling);
        a.zip(b).map(|(a, b)| Difference { of: [a, b], interval: interval[0] })
    };
    let mut delong_of = [None; 5];
    delong_of.par_iter_mut().enumerate().for_each(|(class, found)| *found = delong(areas, class));
    Versus {
        cases: first.len(),
        patients: first.patient_count,
        covered: answered.len(),
        delong: delong_of,
        mcnemar: mcnemar(all),
        accuracy: difference(all, |table, weights| Some(accuracy(table, weights))).expect("every table has one"),
        auroc: difference(areas, auroc),
    }
}
