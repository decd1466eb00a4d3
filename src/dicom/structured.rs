//! Structured reports: content items in, a Comprehensive 3D SR document out.

use std::collections::BTreeMap;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use crate::{
    Algorithm, WriteError,
    object::{Code, CodingScheme, Making, decimal, file, reference, sequence, text},
};

/// How an item stands to the one above it (PS3.3 C.17.3.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// CONTAINS
    Contains,
    /// HAS CONCEPT MOD: it makes the concept narrower.
    Modifies,
    /// HAS OBS CONTEXT: who observed, what is tracked.
    Context,
}

impl Relation {
    const fn term(self) -> &'static str {
        match self {
            Self::Contains => "CONTAINS",
            Self::Modifies => "HAS CONCEPT MOD",
            Self::Context => "HAS OBS CONTEXT",
        }
    }
}

/// What an item says (PS3.3 C.17.3.2.1).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// CONTAINER, of the template that it follows, if it says one.
    Container(Option<&'static str>),
    /// TEXT
    Text(String),
    /// CODE
    Code(Code),
    /// NUM in a unit of UCUM.
    Number(f64, Code),
    /// UIDREF
    Uid(String),
    /// IMAGE: a segment of a segmentation.
    Segment {
        /// SOP Instance UID of the segmentation.
        sop_uid: String,
        /// Segment Number.
        segment: u16,
    },
    /// SCOORD3D of one point.
    Point {
        /// Patient coordinates, mm.
        lps_mm: [f64; 3],
        /// Frame of Reference UID.
        frame_of_reference_uid: String,
    },
}

/// A content item with those below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    relation: Relation,
    concept: Code,
    value: Value,
    below: Vec<Item>,
}

impl Item {
    /// An item with nothing below it.
    #[must_use]
    pub const fn new(relation: Relation, concept: Code, value: Value) -> Self {
        Self { relation, concept, value, below: Vec::new() }
    }

    /// The same with more items below it.
    #[must_use]
    pub fn with(mut self, below: impl IntoIterator<Item = Self>) -> Self {
        self.below.extend(below);
        self
    }

    fn object(&self) -> InMemDicomObject {
        let mut item = InMemDicomObject::new_empty();
        text(&mut item, tags::RELATIONSHIP_TYPE, VR::CS, self.relation.term());
        self.put(&mut item);
        item
    }

    fn put(&self, object: &mut InMemDicomObject) {
        let kind = match &self.value {
            Value::Container(template) => {
                text(object, tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
                if let Some(template) = template {
                    let mut item = InMemDicomObject::new_empty();
                    text(&mut item, tags::MAPPING_RESOURCE, VR::CS, "DCMR");
                    text(&mut item, tags::TEMPLATE_IDENTIFIER, VR::CS, template);
                    sequence(object, tags::CONTENT_TEMPLATE_SEQUENCE, vec![item]);
                }
                "CONTAINER"
            }
            Value::Text(words) => {
                text(object, tags::TEXT_VALUE, VR::UT, words);
                "TEXT"
            }
            Value::Code(code) => {
                sequence(object, tags::CONCEPT_CODE_SEQUENCE, vec![code.item()]);
                "CODE"
            }
            Value::Number(value, unit) => {
                let mut item = InMemDicomObject::new_empty();
                text(&mut item, tags::NUMERIC_VALUE, VR::DS, &decimal(*value));
                item.put(DataElement::new(tags::FLOATING_POINT_VALUE, VR::FD, PrimitiveValue::from(*value)));
                sequence(&mut item, tags::MEASUREMENT_UNITS_CODE_SEQUENCE, vec![unit.item()]);
                sequence(object, tags::MEASURED_VALUE_SEQUENCE, vec![item]);
                "NUM"
            }
            Value::Uid(uid) => {
                text(object, tags::UID, VR::UI, uid);
                "UIDREF"
            }
            Value::Segment { sop_uid, segment } => {
                let mut item = reference(uids::SEGMENTATION_STORAGE, sop_uid);
                item.put(DataElement::new(tags::REFERENCED_SEGMENT_NUMBER, VR::US, PrimitiveValue::from(*segment)));
                sequence(object, tags::REFERENCED_SOP_SEQUENCE, vec![item]);
                "IMAGE"
            }
            Value::Point { lps_mm, frame_of_reference_uid } => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "Graphic Data are floats of 32 bits (PS3.3 C.18.9)"
                )]
                let point = lps_mm.map(|mm| mm as f32);
                let point = PrimitiveValue::F32(point.into_iter().collect());
                object.put(DataElement::new(tags::GRAPHIC_DATA, VR::FL, point));
                text(object, tags::GRAPHIC_TYPE, VR::CS, "POINT");
                text(object, tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, frame_of_reference_uid);
                "SCOORD3D"
            }
        };
        text(object, tags::VALUE_TYPE, VR::CS, kind);
        sequence(object, tags::CONCEPT_NAME_CODE_SEQUENCE, vec![self.concept.item()]);
        if !self.below.is_empty() {
            sequence(object, tags::CONTENT_SEQUENCE, self.below.iter().map(Self::object).collect());
        }
    }
}

/// The items that say what found something (PS3.16 TID 4019).
#[must_use]
pub fn identification(algorithm: &Algorithm) -> Vec<Item> {
    let said = |value, meaning, words: &str| {
        Item::new(Relation::Modifies, Code::new(value, "DCM", meaning), Value::Text(words.to_owned()))
    };
    let parameters = algorithm.parameters.iter().map(|words| said("111002", "Algorithm Parameters", words));
    let family = Code::new("111000", "DCM", "Algorithm Family");
    [
        Item::new(Relation::Modifies, family, Value::Code(algorithm.family.clone())),
        said("111001", "Algorithm Name", &algorithm.name),
        said("111003", "Algorithm Version", &algorithm.version),
    ]
    .into_iter()
    .chain(parameters)
    .collect()
}

/// An object that a document is about or refers to, in the study of its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Series Instance UID.
    pub series_uid: String,
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// SOP Instance UID.
    pub sop_uid: String,
}

/// What a document is beside its content.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The root.
    pub content: &'a Item,
    /// Whether all that was to be observed was (PS3.3 C.17.2, Completion Flag).
    pub complete: bool,
    /// Why it is partial, or complete.
    pub completion: &'a str,
    /// What it refers to beside the images of its origin.
    pub evidence: &'a [Evidence],
    /// Coding schemes that the standard does not know.
    pub schemes: &'a [CodingScheme],
}

/// A Comprehensive 3D SR document (PS3.3 A.35.13) as a file: preliminary, and verified by nobody. Its UIDs are of the kind `sr`.
///
/// # Errors
/// [`WriteError`] if a value cannot be written.
pub fn structured_report(making: &Making<'_>, document: &Document<'_>) -> Result<Vec<u8>, WriteError> {
    let mut object = making.begin(uids::COMPREHENSIVE3_DSR_STORAGE, "SR", "sr");
    sequence(&mut object, tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Vec::new());
    sequence(&mut object, tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new());
    text(&mut object, tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY");
    text(&mut object, tags::COMPLETION_FLAG, VR::CS, if document.complete { "COMPLETE" } else { "PARTIAL" });
    text(&mut object, tags::COMPLETION_FLAG_DESCRIPTION, VR::LO, document.completion);
    text(&mut object, tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED");
    let schemes = document.schemes.iter().map(|scheme| {
        let mut item = InMemDicomObject::new_empty();
        text(&mut item, tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme.designator);
        text(&mut item, tags::CODING_SCHEME_UID, VR::UI, &scheme.uid);
        text(&mut item, tags::CODING_SCHEME_NAME, VR::ST, scheme.name);
        text(&mut item, tags::CODING_SCHEME_RESPONSIBLE_ORGANIZATION, VR::ST, scheme.responsible);
        item
    });
    sequence(&mut object, tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, schemes.collect());
    sequence(&mut object, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![evidence(making, document)]);
    document.content.put(&mut object);
    file(object)
}

/// Study, series and instances (PS3.3 Table C.17-3, Hierarchical SOP Instance Reference Macro).
fn evidence(making: &Making<'_>, document: &Document<'_>) -> InMemDicomObject {
    let origin = making.origin;
    let mut series: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let images = origin.images.iter().map(|image| (&*origin.series_uid, &*image.sop_class_uid, &*image.sop_uid));
    let others = document.evidence.iter().map(|other| (&*other.series_uid, &*other.sop_class_uid, &*other.sop_uid));
    for (of, class, sop_uid) in images.chain(others) {
        let instances = series.entry(of).or_default();
        // The frames of one object are one instance.
        if !instances.contains(&(class, sop_uid)) {
            instances.push((class, sop_uid));
        }
    }
    let series = series.into_iter().map(|(uid, instances)| {
        let mut item = InMemDicomObject::new_empty();
        text(&mut item, tags::SERIES_INSTANCE_UID, VR::UI, uid);
        let instances = instances.into_iter().map(|(class, sop_uid)| reference(class, sop_uid)).collect();
        sequence(&mut item, tags::REFERENCED_SOP_SEQUENCE, instances);
        item
    });
    let mut study = InMemDicomObject::new_empty();
    text(&mut study, tags::STUDY_INSTANCE_UID, VR::UI, origin.carried.study_uid());
    sequence(&mut study, tags::REFERENCED_SERIES_SEQUENCE, series.collect());
    study
}
