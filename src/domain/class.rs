//! The five lung classes of the paper, in the one order that is used everywhere.

use crate::{Specimen, UnknownName};

/// One of the five classes (arXiv 2604.16104, CT table).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Adenocarcinoma.
    Adenocarcinoma,
    /// Squamous cell carcinoma.
    SquamousCellCarcinoma,
    /// Large cell carcinoma: by WHO 2021 a diagnosis of exclusion on a resection.
    LargeCellCarcinoma,
    /// Small cell carcinoma.
    SmallCellCarcinoma,
    /// No malignancy: normal lung, or a benign lesion that looks like one.
    Normal,
}

/// Five figures, one a class, in the order of [`Class::ALL`].
pub type PerClass<T> = [T; 5];

impl Class {
    /// Every class, in the order of every array, file and column of the project.
    pub const ALL: PerClass<Self> = [
        Self::Adenocarcinoma,
        Self::SquamousCellCarcinoma,
        Self::LargeCellCarcinoma,
        Self::SmallCellCarcinoma,
        Self::Normal,
    ];

    /// The name in files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adenocarcinoma => "adenocarcinoma",
            Self::SquamousCellCarcinoma => "squamous_cell_carcinoma",
            Self::LargeCellCarcinoma => "large_cell_carcinoma",
            Self::SmallCellCarcinoma => "small_cell_carcinoma",
            Self::Normal => "normal",
        }
    }

    /// The wording for a person.
    ///
    /// On small specimens "large cell carcinoma" must not be diagnosed (IASLC/ATS/ERS 2011): it is a diagnosis of
    /// exclusion on a resection, and a biopsy or cytology reads "NSCLC-NOS" instead.
    #[must_use]
    pub const fn display(self, specimen: Option<Specimen>) -> &'static str {
        match (self, specimen) {
            (Self::LargeCellCarcinoma, Some(Specimen::Biopsy | Specimen::Cytology)) => "NSCLC-NOS, large-cell pattern",
            (Self::Adenocarcinoma, _) => "adenocarcinoma",
            (Self::SquamousCellCarcinoma, _) => "squamous cell carcinoma",
            (Self::LargeCellCarcinoma, _) => "large cell carcinoma",
            (Self::SmallCellCarcinoma, _) => "small cell carcinoma",
            (Self::Normal, _) => "normal / benign",
        }
    }

    /// The position in [`Class::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// exp(z) / Σ exp(z).
#[must_use]
pub fn softmax(logits: &PerClass<f64>) -> PerClass<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers = logits.map(|logit| (logit - largest).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

/// The position of the most probable class; of equals, which int8 logits do give, the first, as numpy's argmax has it.
#[must_use]
pub fn top(probabilities: &PerClass<f64>) -> usize {
    (0..5).rev().max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap_or(0)
}

impl std::str::FromStr for Class {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|class| class.name() == name)
            .ok_or_else(|| UnknownName::new("class", name, Self::ALL.map(Self::name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: REQ-RESULT-01
    #[test]
    fn the_order_is_the_contract() {
        let names = Class::ALL.map(Class::name).join(",");
        assert_eq!(names, "adenocarcinoma,squamous_cell_carcinoma,large_cell_carcinoma,small_cell_carcinoma,normal");
        for (position, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), position);
            assert_eq!(class.name().parse(), Ok(class));
        }
    }

    // verifies: REQ-RESULT-01
    #[test]
    fn large_cell_is_not_diagnosed_on_small_specimens() {
        let large = Class::LargeCellCarcinoma;
        assert!(large.display(Some(Specimen::Biopsy)).starts_with("NSCLC-NOS"));
        assert!(large.display(Some(Specimen::Cytology)).starts_with("NSCLC-NOS"));
        assert_eq!(large.display(Some(Specimen::Resection)), "large cell carcinoma");
    }

    #[test]
    fn of_equals_the_first_is_the_top() {
        assert_eq!(top(&[0.1, 0.4, 0.1, 0.4, 0.0]), 1);
        assert_eq!(top(&[0.2; 5]), 0);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "carcinoid".parse::<Class>().expect_err("not one of the five");
        assert!(error.to_string().contains("small_cell_carcinoma"), "{error}");
    }
}
