//! The figures of parts of the cases: by sex, age, smoking and specimen.

use hilum_domain::{Metadata, Sex, Smoking, Specimen};

use crate::{
    Figures, Predictions,
    bootstrap::{Interval, Resampling, intervals},
    table::{Every, Table},
};

/// Below so many cases a group's figures say next to nothing, and are shown in grey.
pub const CASES_LEAST: usize = 30;
/// Ends of the age bands, years: below the first, from each to before the next, from the last on.
const BANDS: [f64; 4] = [50.0, 60.0, 70.0, 80.0];
const BAND_NAMES: [&str; 5] = ["below 50", "50 to 59", "60 to 69", "70 to 79", "80 and above"];
/// The figures of a group that have intervals.
pub const FIGURES: [&str; 4] = ["accuracy", "balanced_accuracy", "macro.auroc", "brier"];

/// Some of the cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What they are told apart by.
    pub by: &'static str,
    /// What they have in common there; `unknown` where it is missing.
    pub name: &'static str,
    /// How many cases.
    pub cases: usize,
    /// Of how many patients.
    pub patients: usize,
    /// Their figures.
    pub figures: Figures,
    /// Intervals of the [`FIGURES`].
    pub intervals: [Option<Interval>; FIGURES.len()],
}

impl Group {
    /// The [`FIGURES`].
    #[must_use]
    pub const fn values(&self) -> [Option<f64>; FIGURES.len()] {
        Self::chosen(&self.figures)
    }

    /// Whether there are so few cases that figures say next to nothing.
    #[must_use]
    pub const fn is_small(&self) -> bool {
        self.cases < CASES_LEAST
    }

    const fn chosen(figures: &Figures) -> [Option<f64>; FIGURES.len()] {
        [Some(figures.accuracy), figures.balanced_accuracy, figures.mean.auroc, figures.brier]
    }
}

/// The groups that have a case, of what is known of any case.
pub(crate) fn subgroups(predictions: &Predictions, resampling: Resampling) -> Vec<Group> {
    const UNKNOWN: &str = "unknown";
    type Named = fn(&Metadata) -> Option<&'static str>;
    let names = |names: &[&'static str]| names.iter().copied().chain([UNKNOWN]).collect::<Vec<_>>();
    let all: [(&'static str, Named, Vec<&'static str>); 4] = [
        ("sex", |known| known.sex.map(Sex::name), names(&Sex::ALL.map(Sex::name))),
        (
            "age",
            |known| known.age.map(|age| BAND_NAMES[BANDS.partition_point(|&end| end <= age.years())]),
            names(&BAND_NAMES),
        ),
        ("smoking", |known| known.smoking.map(Smoking::name), names(&Smoking::ALL.map(Smoking::name))),
        ("specimen", |known| known.specimen.map(Specimen::name), names(&Specimen::ALL.map(Specimen::name))),
    ];
    let mut groups = Vec::new();
    for (by, named, names) in all {
        if predictions.metadata.iter().all(|known| named(known).is_none()) {
            continue;
        }
        for name in names {
            let cases: Vec<u32> = (0_u32..)
                .zip(&predictions.metadata)
                .filter(|(_, known)| named(known).unwrap_or(UNKNOWN) == name)
                .map(|(at, _)| at)
                .collect();
            if !cases.is_empty() {
                groups.push(group(predictions, by, name, &cases, resampling));
            }
        }
    }
    groups
}

fn group(
    predictions: &Predictions,
    by: &'static str,
    name: &'static str,
    cases: &[u32],
    resampling: Resampling,
) -> Group {
    let table = Table::of(predictions, Some(cases));
    let found = intervals(
        &table.patients,
        table.patient_count,
        |weights| Group::chosen(&Figures::weighed(&table, weights)).to_vec(),
        resampling,
    );
    Group {
        by,
        name,
        cases: cases.len(),
        patients: table.patient_count,
        figures: Figures::weighed(&table, &Every),
        intervals: std::array::from_fn(|which| found[which]),
    }
}
