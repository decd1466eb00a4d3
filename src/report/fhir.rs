//! A case as FHIR R4: a collection of one `DiagnosticReport`, its `Observation`s and the `Device` that made them.
//!
//! Nothing of the patient is in it, not even a reference: who takes it in knows whose study it is by its UID.

use hilum_dicom::{Code, Origin, uuid};
use hilum_domain::{Class, Specimen};
use serde::Serialize;

use crate::{
    codes,
    hospital::{ExportFault, Kept},
    said::{Said, SaidScores},
};

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct Bundle {
    identifier: Identifier,
    r#type: &'static str,
    timestamp: String,
    entry: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    full_url: String,
    resource: Resource,
}

#[derive(Serialize)]
#[serde(tag = "resourceType")]
enum Resource {
    DiagnosticReport(DiagnosticReport),
    Observation(Box<Observation>),
    Device(Device),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiagnosticReport {
    text: Narrative,
    identifier: [Identifier; 1],
    status: &'static str,
    category: Vec<Concept>,
    code: Concept,
    effective_date_time: String,
    issued: String,
    result: Vec<Reference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    imaging_study: Vec<Reference>,
    conclusion: String,
}

#[derive(Serialize)]
struct Narrative {
    status: &'static str,
    div: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Observation {
    status: &'static str,
    code: Concept,
    effective_date_time: String,
    #[serde(flatten)]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    note: Vec<Annotation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_site: Option<Concept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<Concept>,
    device: Reference,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    component: Vec<Component>,
}

#[derive(Serialize)]
enum Value {
    #[serde(rename = "valueQuantity")]
    Quantity(Quantity),
    #[serde(rename = "valueCodeableConcept")]
    Concept(Concept),
    #[serde(rename = "valueString")]
    Text(String),
}

#[derive(Serialize)]
struct Component {
    code: Concept,
    #[serde(flatten)]
    value: Value,
}

#[derive(Serialize)]
struct Annotation {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    status: &'static str,
    manufacturer: &'static str,
    serial_number: String,
    device_name: [DeviceName; 1],
    version: Vec<Version>,
}

#[derive(Serialize)]
struct DeviceName {
    name: &'static str,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Version {
    r#type: Concept,
    value: String,
}

#[derive(Serialize)]
struct Identifier {
    system: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Reference {
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<Identifier>,
}

#[derive(Serialize)]
struct Concept {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    coding: Vec<Coding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize)]
struct Coding {
    system: String,
    code: String,
    display: String,
}

#[derive(Serialize)]
struct Quantity {
    value: f64,
    unit: &'static str,
    system: &'static str,
    code: &'static str,
}

const UCUM: &str = "http://unitsofmeasure.org";

impl From<Code> for Concept {
    fn from(code: Code) -> Self {
        let system = match code.scheme {
            "SCT" => "http://snomed.info/sct".to_owned(),
            "DCM" => "http://dicom.nema.org/resources/ontology/DCM".to_owned(),
            _ => format!("urn:oid:{}", codes::own_scheme().uid),
        };
        let coding = Coding { system, code: code.value.to_owned(), display: code.meaning.to_owned() };
        Self { coding: vec![coding], text: None }
    }
}

/// A number in a unit; what one calls it is what UCUM calls it.
const fn quantity(value: f64, unit: &'static str) -> Value {
    Value::Quantity(Quantity { value, unit, system: UCUM, code: unit })
}

/// The URN of a UUID.
fn urn(seed: &str, kind: &str) -> String {
    let hex = format!("{:032x}", uuid(seed, kind));
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}

/// A case as JSON of FHIR R4. `origin` is where its CT comes from, if that is known: the study that the report belongs to.
///
/// # Errors
/// [`ExportFault`] if what was kept is no report.
pub(crate) fn fhir(kept: &Kept<'_>, origin: Option<&Origin>) -> Result<Vec<u8>, ExportFault> {
    let said = kept.said()?;
    let seed = kept.seed();
    let device = urn(&seed, "fhir/device");
    let observations = observations(&said, &device);
    let urls: Vec<String> =
        (0..observations.len()).map(|index| urn(&seed, &format!("fhir/observation/{index}"))).collect();
    let report = diagnostic_report(&said, &urn(&seed, "fhir/report"), &urls, origin);
    let mut entry = vec![Entry { full_url: urn(&seed, "fhir/report"), resource: Resource::DiagnosticReport(report) }];
    entry.extend(
        urls.into_iter()
            .zip(observations)
            .map(|(full_url, observation)| Entry { full_url, resource: Resource::Observation(Box::new(observation)) }),
    );
    entry.push(Entry { full_url: device, resource: Resource::Device(maker(&said, kept.device)) });
    let bundle = Bundle {
        identifier: Identifier { system: "urn:ietf:rfc:3986", value: urn(&seed, "fhir/bundle") },
        r#type: "collection",
        timestamp: said.provenance.created,
        entry,
    };
    serde_json::to_vec_pretty(&bundle)
        .map_err(|source| ExportFault::Document { what: "the FHIR bundle", source: source.into() })
}

fn diagnostic_report(said: &Said, urn: &str, results: &[String], origin: Option<&Origin>) -> DiagnosticReport {
    let conclusion = conclusion(said);
    let category =
        [(said.ct.is_some() || origin.is_some(), "RAD", "Radiology"), (said.he.is_some(), "SP", "Surgical Pathology")];
    let category = category.into_iter().filter(|(is_of, ..)| *is_of).map(|(_, code, display)| Concept {
        coding: vec![Coding {
            system: "http://terminology.hl7.org/CodeSystem/v2-0074".to_owned(),
            code: code.to_owned(),
            display: display.to_owned(),
        }],
        text: None,
    });
    let paragraphs: String = conclusion.lines().map(|line| format!("<p>{}</p>", escaped(line))).collect();
    DiagnosticReport {
        text: Narrative {
            status: "generated",
            div: format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{paragraphs}</div>"),
        },
        identifier: [Identifier { system: "urn:ietf:rfc:3986", value: urn.to_owned() }],
        status: "preliminary",
        category: category.collect(),
        code: codes::RESULT.into(),
        effective_date_time: said.provenance.created.clone(),
        issued: said.provenance.created.clone(),
        result: results.iter().map(|url| refers_to(url)).collect(),
        imaging_study: origin.map(study).into_iter().collect(),
        conclusion,
    }
}

/// What it says in words, the notice first.
fn conclusion(said: &Said) -> String {
    let mut lines = vec![said.notice.clone()];
    if let Some(refusal) = &said.refusal {
        lines.push(format!("Refused ({}): {}. Next step: {}.", refusal.code, refusal.message, refusal.next_step));
    }
    if let Some(fused) = &said.fused {
        let highest = fused.probabilities.iter().copied().fold(0.0, f64::max);
        lines.push(format!("The evidence favours: {} ({:.0}%).", fused.display, highest * 100.0));
    }
    lines.extend(
        said.limits.iter().map(|limit| format!("Limit ({}): {}; {}.", limit.code, limit.message, limit.next_step)),
    );
    lines.join("\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn study(origin: &Origin) -> Reference {
    let value = format!("urn:oid:{}", origin.carried.study_uid());
    let identifier = Some(Identifier { system: "urn:dicom:uid", value });
    Reference { reference: None, r#type: Some("ImagingStudy"), identifier }
}

fn refers_to(url: &str) -> Reference {
    Reference { reference: Some(url.to_owned()), r#type: None, identifier: None }
}

fn maker(said: &Said, serial: &str) -> Device {
    let version = |kind: &str, value: String| {
        let r#type = Concept { coding: Vec::new(), text: Some(kind.to_owned()) };
        Version { r#type, value }
    };
    let bundle = &said.bundle;
    Device {
        status: "active",
        manufacturer: "HILUM",
        serial_number: serial.to_owned(),
        device_name: [DeviceName { name: "Hilum", r#type: "model-name" }],
        version: vec![
            version("program", said.provenance.hilum.clone()),
            version("bundle", format!("{} {}", bundle.name, bundle.version)),
            version("bundle SHA-256", bundle.sha256.clone()),
            version("engine", bundle.engine.clone()),
        ],
    }
}

fn observations(said: &Said, device: &str) -> Vec<Observation> {
    let specimen = said.specimen();
    let observed = |code: Code, value: Option<Value>| Observation {
        status: "preliminary",
        code: code.into(),
        effective_date_time: said.provenance.created.clone(),
        value,
        note: Vec::new(),
        body_site: None,
        method: None,
        device: refers_to(device),
        component: Vec::new(),
    };
    let mut all = Vec::new();
    if let Some(refusal) = &said.refusal {
        let said = Value::Text(format!("{}: {}", refusal.code, refusal.message));
        let note = vec![Annotation { text: refusal.next_step.clone() }];
        all.push(Observation { note, ..observed(codes::REFUSAL, Some(said)) });
    }
    if let Some(fused) = &said.fused {
        let cancer = quantity(100.0 * (1.0 - fused.normal()), "%");
        all.push(Observation {
            body_site: Some(codes::LUNG.into()),
            ..observed(codes::PROBABILITY_OF_CANCER, Some(cancer))
        });
        let favoured = fused.class().map(|class| Value::Concept(codes::class(class, specimen).into()));
        all.push(observed(codes::FAVOURED, favoured));
    }
    all.extend(said.scores().into_iter().zip(codes::BY).filter_map(|(scores, by)| {
        let component = classes(scores?, specimen);
        Some(Observation { method: Some(by.into()), component, ..observed(codes::CLASS_PROBABILITY, None) })
    }));
    if let Some(weights) = said.weights {
        let component = codes::MODALITIES.into_iter().zip([weights.ct, weights.he]);
        let component =
            component.map(|(of, weight)| Component { code: of.into(), value: quantity(weight, "1") }).collect();
        all.push(Observation { component, ..observed(codes::WEIGHT, None) });
    }
    if let Some(ct) = &said.ct {
        let component = codes::AXES.into_iter().zip(ct.lesion_lps_mm);
        let component = component.map(|(of, mm)| Component { code: of.into(), value: quantity(mm, "mm") }).collect();
        let by = if ct.lesion_suggested { codes::LESION_SUGGESTED } else { codes::LESION_MARKED };
        all.push(Observation {
            body_site: Some(codes::LUNG.into()),
            method: Some(by.into()),
            component,
            ..observed(codes::LESION_PLACE, None)
        });
    }
    all.extend(said.limits.iter().map(|limit| {
        let note = vec![Annotation { text: limit.next_step.clone() }];
        let value = Value::Text(format!("{}: {}", limit.code, limit.message));
        Observation { note, ..observed(codes::LIMIT, Some(value)) }
    }));
    all
}

fn classes(scores: &SaidScores, specimen: Option<Specimen>) -> Vec<Component> {
    Class::ALL
        .into_iter()
        .zip(scores.probabilities)
        .map(|(class, probability)| Component {
            code: codes::class(class, specimen).into(),
            value: quantity(probability, "1"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::tests::report;

    #[track_caller]
    fn check(refused: bool) -> serde_json::Value {
        let report = serde_json::to_vec(&report(refused)).expect("JSON");
        let kept = Kept { report: &report, files: &[], device: "none" };
        let bytes = fhir(&kept, None).expect("a bundle");
        assert_eq!(bytes, fhir(&kept, None).expect("a bundle"), "the same bytes again");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn of(bundle: &serde_json::Value, code: &str) -> Vec<serde_json::Value> {
        let entries = bundle["entry"].as_array().expect("entries").iter().map(|entry| &entry["resource"]);
        entries.filter(|resource| resource["code"]["coding"][0]["code"] == code).cloned().collect()
    }

    #[test]
    fn an_assessed_case_has_its_figures() {
        let bundle = check(false);
        assert_eq!(of(&bundle, "111047")[0]["valueQuantity"]["value"], 96.875);
        let classes = of(&bundle, "class-prob");
        assert_eq!(classes.len(), 3);
        assert_eq!(classes[0]["component"][0]["valueQuantity"]["value"], 0.40625);
        assert_eq!(classes[0]["component"][2]["code"]["coding"][0]["code"], "254637007", "a biopsy");
        assert_eq!(of(&bundle, "weight")[0]["component"][1]["valueQuantity"]["value"], 0.375);
        assert_eq!(of(&bundle, "lesion-place")[0]["component"][0]["valueQuantity"]["value"], -32.5);
        let report = &of(&bundle, "result")[0];
        assert_eq!(report["status"], "preliminary");
        assert!(report["conclusion"].as_str().expect("words").starts_with(crate::NOTICE));
    }

    // verifies: REQ-RESULT-07
    #[test]
    fn a_refused_case_has_its_reason_and_no_figure() {
        let bundle = check(true);
        assert_eq!(of(&bundle, "refusal")[0]["valueString"], "lesion-outside-volume: what it is");
        assert!(of(&bundle, "class-prob").is_empty() && of(&bundle, "111047").is_empty());
    }
}
