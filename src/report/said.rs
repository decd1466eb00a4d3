//! What a report says that is stored already: every other way out is made of it, so they cannot say anything else.

use hilum_domain::{Class, PerClass, Specimen};
use serde::Deserialize;

/// `report.json`, as far as the other ways out repeat it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Said {
    pub(crate) notice: String,
    pub(crate) refusal: Option<SaidNote>,
    pub(crate) limits: Vec<SaidNote>,
    pub(crate) fused: Option<SaidScores>,
    pub(crate) weights: Option<SaidWeights>,
    pub(crate) ct: Option<SaidCt>,
    pub(crate) he: Option<SaidHe>,
    pub(crate) metadata: SaidMetadata,
    pub(crate) explanations: Vec<SaidExplanation>,
    pub(crate) bundle: SaidBundle,
    pub(crate) provenance: SaidProvenance,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SaidNote {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) next_step: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SaidScores {
    pub(crate) probabilities: PerClass<f64>,
    pub(crate) predicted: String,
    pub(crate) display: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct SaidWeights {
    pub(crate) ct: f64,
    pub(crate) he: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SaidCt {
    #[serde(flatten)]
    pub(crate) scores: SaidScores,
    pub(crate) lesion_lps_mm: [f64; 3],
    pub(crate) lesion_suggested: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SaidHe {
    #[serde(flatten)]
    pub(crate) scores: SaidScores,
    pub(crate) fields: Vec<serde::de::IgnoredAny>,
    pub(crate) tiles: Vec<SaidTile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct SaidTile {
    pub(crate) field: usize,
    pub(crate) attention: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SaidMetadata {
    pub(crate) age: Option<f64>,
    pub(crate) sex: Option<String>,
    pub(crate) smoking: Option<String>,
    pub(crate) specimen: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SaidExplanation {
    pub(crate) modality: String,
    pub(crate) method: String,
    pub(crate) map: Option<String>,
    /// Of CT one, of H&E one a field.
    pub(crate) overlays: Vec<String>,
    pub(crate) verdict: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SaidBundle {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) engine: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SaidProvenance {
    pub(crate) hilum: String,
    pub(crate) created: String,
}

impl Said {
    /// How the tissue was taken, which decides how large cell carcinoma is called.
    pub(crate) fn specimen(&self) -> Option<Specimen> {
        self.metadata.specimen.as_deref().and_then(|name| name.parse().ok())
    }

    /// The scores that there are: by fusion, by CT, by H&E.
    pub(crate) fn scores(&self) -> [Option<&SaidScores>; 3] {
        [self.fused.as_ref(), self.ct.as_ref().map(|ct| &ct.scores), self.he.as_ref().map(|he| &he.scores)]
    }
}

impl SaidScores {
    /// The class of the highest probability.
    pub(crate) fn class(&self) -> Option<Class> {
        self.predicted.parse().ok()
    }

    /// How probable it is that it is none of the cancers' classes.
    pub(crate) fn normal(&self) -> f64 {
        self.probabilities[Class::Normal.index()]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report as `report.json` has it, of a case that was assessed or refused.
    pub(crate) fn report(refused: bool) -> serde_json::Value {
        let scores = serde_json::json!({
            "logits": [1.0, 0.5, 0.25, 0.0, -1.0], "probabilities": [0.40625, 0.25, 0.125, 0.1875, 0.03125],
            "predicted": "adenocarcinoma", "display": "adenocarcinoma"
        });
        let mut ct = scores.clone();
        for (key, value) in
            [("lesion_lps_mm", serde_json::json!([-32.5, 10.25, -611.0])), ("lesion_suggested", true.into())]
        {
            ct[key] = value;
        }
        let mut he = scores.clone();
        he["fields"] = serde_json::json!([{}, {}]);
        he["tiles"] = serde_json::json!([{"field": 0, "attention": 0.25}, {"field": 1, "attention": 0.75}]);
        let note = |code: &str| serde_json::json!({"code": code, "message": "what it is", "next_step": "what to do"});
        let one = |value: serde_json::Value| if refused { serde_json::Value::Null } else { value };
        serde_json::json!({
            "schema": "hilum.report/1", "notice": crate::NOTICE, "outcome": if refused { "refused" } else { "assessed" },
            "refusal": if refused { note("lesion-outside-volume") } else { serde_json::Value::Null },
            "limits": if refused { vec![] } else { vec![note("phantom-bundle")] },
            "fused": one(scores), "weights": one(serde_json::json!({"ct": 0.625, "he": 0.375})), "ct": one(ct), "he": one(he),
            "metadata": {"age": 63.0, "sex": "male", "smoking": null, "specimen": "biopsy", "missing": ["smoking"]},
            "explanations": [], "bundle": {"name": "reference", "version": "1.2.3", "sha256": "ab".repeat(32), "engine": "tract"},
            "provenance": {"hilum": "0.1.0", "created": "2026-11-30T23:59:58Z"}
        })
    }

    #[test]
    fn a_report_says_what_the_other_ways_out_repeat() {
        let said: Said = serde_json::from_value(report(false)).expect("a report");
        assert_eq!(said.specimen(), Some(Specimen::Biopsy));
        assert_eq!(said.scores().map(|scores| scores.and_then(SaidScores::class)), [Some(Class::Adenocarcinoma); 3]);
        let refused: Said = serde_json::from_value(report(true)).expect("a report");
        assert_eq!(refused.refusal.map(|note| note.code).as_deref(), Some("lesion-outside-volume"));
    }
}
