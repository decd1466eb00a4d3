//! What weakens a result that is given all the same.

use hilum_domain::{Class, Limit, LimitCode, Metadata};

use crate::Scores;

/// Both branches must be at least this sure of their own class …
const SURE: f64 = 0.5;
/// … and give the other's class at most this, to disagree strongly.
const DISMISSED: f64 = 0.2;
/// Standard deviations from the training cohort's mean beyond which the weights are extrapolated.
const FAR: f32 = 3.0;

/// The limit of two branches that are sure of different classes.
pub(crate) fn disagreement(ct: &Scores, he: &Scores) -> Option<Limit> {
    let (of_ct, of_he) = (ct.top(), he.top());
    let strong = of_ct != of_he
        && ct.probabilities[of_ct] >= SURE
        && he.probabilities[of_he] >= SURE
        && ct.probabilities[of_he] <= DISMISSED
        && he.probabilities[of_ct] <= DISMISSED;
    let name = |index: usize| Class::ALL[index].name().replace('_', " ");
    strong.then(|| {
        let what = format!("CT favours {}, H&E favours {}", name(of_ct), name(of_he));
        Limit::new(LimitCode::BranchesDisagree, what)
    })
}

/// The limits that come from the metadata.
pub(crate) fn metadata(metadata: &Metadata, standardised: [f32; 3]) -> Vec<Limit> {
    let mut limits = Vec::new();
    let missing = metadata.missing();
    if !missing.is_empty() {
        limits.push(Limit::new(LimitCode::MetadataMissing, format!("not known: {}", missing.join(", "))));
    }
    let far: Vec<&str> = Metadata::ENCODED
        .into_iter()
        .zip(standardised)
        .filter(|(_, value)| value.abs() > FAR)
        .map(|(name, _)| name)
        .collect();
    if !far.is_empty() {
        let what = format!("far from every training case: {}", far.join(", "));
        limits.push(Limit::new(LimitCode::OutsideTraining, what));
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores;

    // verifies: REQ-RESULT-04
    #[test]
    fn only_two_sure_branches_disagree() {
        let (adeno, small, unsure) = (
            scores([5.0, 0.0, 0.0, 0.0, 0.0], 1.0),
            scores([0.0, 0.0, 0.0, 5.0, 0.0], 1.0),
            scores([0.2, 0.0, 0.0, 0.3, 0.0], 1.0),
        );
        assert!(disagreement(&adeno, &small).is_some());
        assert!(disagreement(&adeno, &adeno).is_none());
        assert!(disagreement(&adeno, &unsure).is_none());
    }
}
