//! The concepts that results are told in where a hospital reads them.

use hilum_dicom::{Code, CodingScheme, uid};
use hilum_domain::{Class, Specimen};

/// The scheme of what no terminology has a concept for. Names that begin with 99 are private (PS3.16 8.2).
pub(crate) const OWN: &str = "99HILUM";

/// It, for who meets it.
pub(crate) fn own_scheme() -> CodingScheme {
    CodingScheme {
        designator: OWN,
        uid: uid("Hilum", "coding scheme"),
        name: "Concepts of Hilum",
        responsible: "Hilum",
    }
}

const fn own(value: &'static str, meaning: &'static str) -> Code {
    Code::new(value, OWN, meaning)
}

const fn dcm(value: &'static str, meaning: &'static str) -> Code {
    Code::new(value, "DCM", meaning)
}

const fn sct(value: &'static str, meaning: &'static str) -> Code {
    Code::new(value, "SCT", meaning)
}

/// Of the class that modifies it.
pub(crate) const CLASS_PROBABILITY: Code = own("class-prob", "Class probability");
/// By what a class probability was found: its method.
pub(crate) const BY: [Code; 3] =
    [own("by-fusion", "Fusion of CT and H&E"), own("by-ct", "CT branch alone"), own("by-he", "H&E branch alone")];
/// Of the modality that modifies it.
pub(crate) const WEIGHT: Code = own("weight", "Weight of a modality in the fusion");
pub(crate) const FAVOURED: Code = own("favoured", "Class that the evidence favours");
pub(crate) const LESION_SOURCE: Code = own("lesion-source", "Who chose the lesion");
pub(crate) const LESION_MARKED: Code = own("lesion-marked", "A person marked it");
pub(crate) const LESION_SUGGESTED: Code = own("lesion-suggest", "The program suggested it");
pub(crate) const LESION_PLACE: Code = own("lesion-place", "Location of the lesion, patient coordinates (LPS)");
/// To the patient's left, to the back, to the head.
pub(crate) const AXES: [Code; 3] = [own("left", "To the left"), own("back", "To the back"), own("head", "To the head")];
pub(crate) const NOTICE_OF_USE: Code = own("notice", "Notice of use");
pub(crate) const LIMIT: Code = own("limit", "Limit of the result");
pub(crate) const REFUSAL: Code = own("refusal", "Refusal to assess");
pub(crate) const NEXT_STEP: Code = own("next-step", "Next step");
pub(crate) const PATCH: Code = own("patch", "Region that the CT branch read");
pub(crate) const LOOKED_AT: Code = own("looked-at", "Region that the CT branch looked at most");
pub(crate) const RESULT: Code = own("result", "Result of Hilum");

/// 1 − p(normal), in percent, as the standard's own templates have it.
pub(crate) const PROBABILITY_OF_CANCER: Code = dcm("111047", "Probability of cancer");
pub(crate) const ARTIFICIAL_INTELLIGENCE: Code = dcm("123110", "Artificial Intelligence");
pub(crate) const MODALITY: Code = dcm("121139", "Modality");
/// CT, then H&E.
pub(crate) const MODALITIES: [Code; 2] = [dcm("CT", "Computed Tomography"), dcm("SM", "Slide Microscopy")];
pub(crate) const FINDING: Code = dcm("121071", "Finding");
pub(crate) const FINDING_SITE: Code = sct("363698007", "Finding Site");
pub(crate) const METHOD: Code = sct("370129005", "Measurement Method");
pub(crate) const LUNG: Code = sct("39607008", "Lung");
pub(crate) const NODULE: Code = sct("27925004", "Nodule");
/// A category of segments that are no anatomy and no abnormality (PS3.16 CID 7150).
pub(crate) const SPATIAL: Code = sct("309825002", "Spatial and Relational Concept");
pub(crate) const CT_OF_CHEST: Code = sct("169069000", "CT of chest");
pub(crate) const RATIO: Code = Code::new("1", "UCUM", "no units");
pub(crate) const PERCENT: Code = Code::new("%", "UCUM", "Percent");

/// The SNOMED CT concept of a class. On a small specimen "large cell" is no diagnosis: what it reads there is NSCLC.
pub(crate) const fn class(class: Class, specimen: Option<Specimen>) -> Code {
    match (class, specimen) {
        (Class::Adenocarcinoma, _) => sct("254626006", "Adenocarcinoma of lung"),
        (Class::SquamousCellCarcinoma, _) => sct("254634000", "Squamous cell carcinoma of lung"),
        (Class::LargeCellCarcinoma, Some(Specimen::Biopsy | Specimen::Cytology)) => {
            sct("254637007", "Non-small cell lung cancer")
        }
        (Class::LargeCellCarcinoma, _) => sct("22687000", "Large cell carcinoma"),
        (Class::SmallCellCarcinoma, _) => sct("74364000", "Small cell carcinoma"),
        (Class::Normal, _) => sct("17621005", "Normal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: REQ-RESULT-01
    #[test]
    fn large_cell_is_not_coded_on_small_specimens() {
        let coded = |specimen| class(Class::LargeCellCarcinoma, specimen).value;
        for (specimen, want) in [
            (None, "22687000"),
            (Some(Specimen::Resection), "22687000"),
            (Some(Specimen::Biopsy), "254637007"),
            (Some(Specimen::Cytology), "254637007"),
        ] {
            assert_eq!(coded(specimen), want);
        }
    }

    #[test]
    fn code_values_are_short_enough() {
        let own =
            [CLASS_PROBABILITY, WEIGHT, FAVOURED, LESION_SOURCE, LESION_MARKED, LESION_SUGGESTED, NOTICE_OF_USE, LIMIT];
        let more = [REFUSAL, NEXT_STEP, PATCH, LOOKED_AT, RESULT, LESION_PLACE];
        for code in own.into_iter().chain(more).chain(BY) {
            // PS3.3 8.8: Code Value is an SH, Code Meaning an LO.
            assert!(code.value.len() <= 16 && code.meaning.len() <= 64, "{code:?}");
        }
    }
}
