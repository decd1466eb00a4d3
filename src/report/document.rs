//! `report.json` (`hilum.report/1`); its JSON Schema is `report.schema.json` beside this file.

use std::collections::BTreeMap;

use hilum_assess::{Assessed, CtFinding, Engine, ExplainMethod, HeFinding, Library, Ready, Scores, Timings};
use hilum_domain::{Class, Limit, Metadata, Modality, PerClass, Refusal};
use hilum_imaging::stain::Normaliser;
use serde::Serialize;

use crate::NOTICE;

/// The JSON Schema of a report.
pub const REPORT_SCHEMA: &str = include_str!("report.schema.json");

/// What `schema` says in every report.
const SCHEMA: &str = "hilum.report/1";

/// A report, as written.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    schema: &'static str,
    notice: &'static str,
    outcome: &'static str,
    refusal: Option<Note>,
    limits: Vec<Note>,
    classes: PerClass<&'static str>,
    fused: Option<Prediction>,
    weights: Option<Weights>,
    ct: Option<Ct>,
    he: Option<He>,
    metadata: Clinical,
    plain: Plain,
    sheet: Option<String>,
    explanations: Vec<Explained>,
    bundle: Bundle,
    timing_ms: BTreeMap<&'static str, f64>,
    provenance: Provenance,
}

impl Report {
    /// How many tiles were read.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.he.as_ref().map_or(0, |he| he.tiles.len())
    }

    /// The bytes of `report.json`.
    ///
    /// # Errors
    /// If a figure is none.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
    }

    /// How long each stage took, in ms.
    #[must_use]
    pub const fn timing_ms(&self) -> &BTreeMap<&'static str, f64> {
        &self.timing_ms
    }
}

/// A refusal or a limit, as written.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    code: &'static str,
    message: String,
    next_step: &'static str,
}

impl From<&Refusal> for Note {
    fn from(refusal: &Refusal) -> Self {
        Self { code: refusal.code.code(), message: refusal.message.clone(), next_step: refusal.code.next_step() }
    }
}

impl From<&Limit> for Note {
    fn from(limit: &Limit) -> Self {
        Self { code: limit.code.code(), message: limit.message.clone(), next_step: limit.code.next_step() }
    }
}

#[derive(Debug, Clone, Serialize)]
struct Prediction {
    logits: PerClass<f64>,
    probabilities: PerClass<f64>,
    predicted: &'static str,
    display: &'static str,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Weights {
    ct: f64,
    he: f64,
}

impl From<[f64; 2]> for Weights {
    fn from([ct, he]: [f64; 2]) -> Self {
        Self { ct, he }
    }
}

#[derive(Debug, Clone, Serialize)]
struct Ct {
    #[serde(flatten)]
    prediction: Prediction,
    lesion_lps_mm: [f64; 3],
    lesion_suggested: bool,
    series: String,
    slices: usize,
    spacing_mm: [f64; 3],
    patch_outside_share: f64,
}

#[derive(Debug, Clone, Serialize)]
struct He {
    #[serde(flatten)]
    prediction: Prediction,
    tiles: Vec<Tile>,
    stain: Stain,
    fields: Vec<FieldEntry>,
}

#[derive(Debug, Clone, Serialize)]
struct Tile {
    field: usize,
    x: u32,
    y: u32,
    size: u32,
    attention: f64,
    tissue_share: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Stain {
    verdict: &'static str,
    method: &'static str,
    #[serde(flatten)]
    found: StainFound,
}

/// What a method finds: the keys of one are not those of another.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum StainFound {
    Vectors { stain_matrix: [[f64; 2]; 3], max_concentration: [f64; 2], distance_deg: f64 },
    Colours { lab_mean: [f64; 3], lab_deviation: [f64; 3] },
}

impl From<&Normaliser> for Stain {
    fn from(normaliser: &Normaliser) -> Self {
        let found = match normaliser {
            Normaliser::Macenko(stains) | Normaliser::Vahadane(stains) => StainFound::Vectors {
                stain_matrix: stains.matrix,
                max_concentration: stains.max_concentration,
                distance_deg: stains.distance_deg(),
            },
            Normaliser::Reinhard(colours) => {
                StainFound::Colours { lab_mean: colours.mean, lab_deviation: colours.deviation }
            }
        };
        Self { verdict: "ok", method: normaliser.method().name(), found }
    }
}

#[derive(Debug, Clone, Serialize)]
struct FieldEntry {
    width: u32,
    height: u32,
    um_per_px: Option<f64>,
    verdict: &'static str,
    focus: f64,
    tissue_share: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Clinical {
    age: Option<f64>,
    sex: Option<&'static str>,
    smoking: Option<&'static str>,
    specimen: Option<&'static str>,
    missing: Vec<&'static str>,
    weights_unknown: Option<Weights>,
}

#[derive(Debug, Clone, Serialize)]
struct Explained {
    modality: &'static str,
    method: &'static str,
    class: &'static str,
    verdict: &'static str,
    map: Option<String>,
    tiles: Option<Vec<usize>>,
    volume: Option<String>,
    overlay: Option<String>,
    overlays: Vec<String>,
    insertion_auc: Option<f64>,
    deletion_auc: Option<f64>,
    random_auc: Option<f64>,
    twin_gap: Option<f64>,
    completeness_gap: Option<f64>,
}

/// Which bundle and engine spoke.
#[derive(Debug, Clone, Serialize)]
pub struct Bundle {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its manifest.
    pub sha256: String,
    /// The engine that ran it.
    pub engine: String,
    /// The libraries that the engine had loaded; none if it is built in.
    pub libraries: Vec<Library>,
}

impl Bundle {
    pub(crate) fn of(ready: &Ready, engine: &dyn Engine) -> Self {
        Self {
            name: ready.bundle.manifest().name.clone(),
            version: ready.bundle.manifest().version.clone(),
            sha256: ready.bundle.sha256().to_owned(),
            engine: engine.name().to_owned(),
            libraries: engine.libraries().to_vec(),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
struct Provenance {
    hilum: &'static str,
    created: String,
}

/// A field as it was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldNote {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The scale that was used, where one was known.
    pub um_per_px: Option<f64>,
}

/// What a report says beside the outcome.
#[derive(Debug, Clone)]
pub struct Context {
    /// Age, sex, smoking history, specimen.
    pub metadata: Metadata,
    /// The CT series that was read and its grid: UID, slices, spacing along column, row and slice steps.
    pub series: Option<(String, usize, [f64; 3])>,
    /// The fields that were given.
    pub fields: Vec<FieldNote>,
    /// Bundle and engine.
    pub bundle: Bundle,
    /// When the report was made, RFC 3339.
    pub created: String,
}

/// The pictures of what was read, of the overlays' sizes and with no map over them, relative to the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plain {
    /// The CT's, where there is one.
    pub ct: Option<String>,
    /// One a field.
    pub he: Vec<String>,
}

/// The files of an explanation, relative to the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplanationFiles {
    /// Which branch.
    pub modality: Modality,
    /// By which method.
    pub method: ExplainMethod,
    /// The map as an array.
    pub map: String,
    /// For CT, the map on the scanner's slices.
    pub volume: Option<String>,
    /// Pictures with the map over what was read.
    pub overlays: Vec<String>,
}

/// The report of an assessed case.
#[must_use]
pub(crate) fn assessed(
    result: &Assessed,
    context: &Context,
    plain: Plain,
    (files, sheet): (&[ExplanationFiles], Option<String>),
    timings: &Timings,
) -> Report {
    let specimen = context.metadata.specimen;
    let prediction = |scores: &Scores| {
        let class = Class::ALL[scores.top()];
        Prediction {
            logits: scores.logits,
            probabilities: scores.probabilities,
            predicted: class.name(),
            display: class.display(specimen),
        }
    };
    let explanations = result
        .explanations
        .iter()
        .map(|explanation| {
            let of = files.iter().find(|of| (of.modality, of.method) == (explanation.modality, explanation.method));
            let of = of.filter(|_| explanation.heat.is_some());
            let heat = explanation.heat.as_ref().filter(|_| explanation.modality == Modality::He);
            Explained {
                modality: explanation.modality.name(),
                method: explanation.method.name(),
                class: Class::ALL[explanation.class].name(),
                verdict: explanation.judged.verdict.name(),
                map: of.map(|of| of.map.clone()),
                tiles: heat.map(|heat| heat.pictures.clone()),
                volume: of.and_then(|of| of.volume.clone()),
                overlay: of.and_then(|of| of.overlays.first().cloned()),
                overlays: of.map(|of| of.overlays.clone()).unwrap_or_default(),
                insertion_auc: explanation.judged.insertion_auc,
                deletion_auc: explanation.judged.deletion_auc,
                random_auc: explanation.judged.random_auc,
                twin_gap: explanation.judged.twin_gap,
                completeness_gap: explanation.completeness_gap,
            }
        })
        .collect();
    let mut report = empty(context, "assessed", timings);
    report.limits = result.limits.iter().map(Note::from).collect();
    report.fused = Some(prediction(&result.fused));
    report.weights = Some(result.weights.into());
    report.metadata.weights_unknown = result.weights_unknown.map(Weights::from);
    report.plain = plain;
    report.sheet = sheet;
    report.ct = result.ct.as_ref().map(|ct| ct_entry(ct, prediction(&ct.scores), context));
    report.he = result.he.as_ref().map(|he| he_entry(he, prediction(&he.scores), context));
    report.explanations = explanations;
    report
}

/// The report of a refused case: complete, without any score.
#[must_use]
pub(crate) fn refused(refusal: &Refusal, context: &Context, timings: &Timings) -> Report {
    let mut report = empty(context, "refused", timings);
    report.refusal = Some(refusal.into());
    report
}

fn empty(context: &Context, outcome: &'static str, timings: &Timings) -> Report {
    let Metadata { age, sex, smoking, specimen } = context.metadata;
    let mut timing_ms = BTreeMap::new();
    for (stage, took) in &timings.0 {
        *timing_ms.entry(*stage).or_insert(0.0) += took.as_secs_f64() * 1e3;
    }
    Report {
        schema: SCHEMA,
        notice: NOTICE,
        outcome,
        refusal: None,
        limits: Vec::new(),
        classes: Class::ALL.map(Class::name),
        fused: None,
        weights: None,
        ct: None,
        he: None,
        metadata: Clinical {
            age: age.map(hilum_domain::Age::years),
            sex: sex.map(hilum_domain::Sex::name),
            smoking: smoking.map(hilum_domain::Smoking::name),
            specimen: specimen.map(hilum_domain::Specimen::name),
            missing: context.metadata.missing(),
            weights_unknown: None,
        },
        plain: Plain::default(),
        sheet: None,
        explanations: Vec::new(),
        bundle: context.bundle.clone(),
        timing_ms,
        provenance: Provenance { hilum: env!("CARGO_PKG_VERSION"), created: context.created.clone() },
    }
}

fn ct_entry(ct: &CtFinding, prediction: Prediction, context: &Context) -> Ct {
    let (series, slices, spacing_mm) = context.series.clone().unwrap_or_default();
    Ct {
        prediction,
        lesion_lps_mm: ct.lesion.lps_mm,
        lesion_suggested: ct.suggested,
        series,
        slices,
        spacing_mm,
        patch_outside_share: ct.outside,
    }
}

fn he_entry(he: &HeFinding, prediction: Prediction, context: &Context) -> He {
    let tiles = he
        .tiles
        .iter()
        .zip(&he.attention)
        .map(|(tile, &attention)| Tile {
            field: tile.field,
            x: tile.origin[0],
            y: tile.origin[1],
            size: tile.edge,
            attention: f64::from(attention),
            tissue_share: tile.tissue_share,
        })
        .collect();
    let fields = he
        .quality
        .iter()
        .zip(&context.fields)
        .map(|(quality, field)| FieldEntry {
            width: field.width,
            height: field.height,
            um_per_px: field.um_per_px,
            verdict: quality.refusal.as_ref().map_or("ok", |refusal| refusal.code.code()),
            focus: quality.focus,
            tissue_share: quality.tissue_share,
        })
        .collect();
    He { prediction, tiles, stain: Stain::from(&he.stain), fields }
}

/// The files beside a report that it names: its maps and pictures. `None` if the bytes are no report.
#[must_use]
pub fn files_of(report: &[u8]) -> Option<Vec<String>> {
    let report: serde_json::Value = serde_json::from_slice(report).ok()?;
    if report["schema"] != SCHEMA {
        return None;
    }
    let mut files = vec!["result.png".to_owned(), "ct.png".to_owned()];
    let plain =
        report["plain"]["he"].as_array().into_iter().flatten().chain([&report["plain"]["ct"], &report["sheet"]]);
    files.extend(plain.filter_map(|name| name.as_str()).map(str::to_owned));
    for explanation in report["explanations"].as_array().into_iter().flatten() {
        let overlays = explanation["overlays"].as_array().into_iter().flatten();
        let named = overlays.chain([&explanation["map"], &explanation["volume"], &explanation["overlay"]]);
        files.extend(named.filter_map(|name| name.as_str()).map(str::to_owned));
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use hilum_imaging::stain::{Colours, Stains};
    use serde_json::json;

    use super::*;

    #[test]
    fn only_methods_with_stain_vectors_have_a_matrix() {
        let stains = Stains { matrix: [[0.6, 0.2], [0.7, 0.8], [0.4, 0.5]], max_concentration: [2.0, 1.0] };
        let vectors = |method: &str| {
            json!({
                "verdict": "ok", "method": method, "stain_matrix": [[0.6, 0.2], [0.7, 0.8], [0.4, 0.5]],
                "max_concentration": [2.0, 1.0], "distance_deg": stains.distance_deg()
            })
        };
        let colours = Colours { mean: [70.0, 12.0, -20.0], deviation: [14.0, 7.0, 10.0] };
        for (normaliser, want) in [
            (Normaliser::Macenko(stains), vectors("macenko")),
            (Normaliser::Vahadane(stains), vectors("vahadane")),
            (
                Normaliser::Reinhard(colours),
                json!({
                    "verdict": "ok", "method": "reinhard", "lab_mean": [70.0, 12.0, -20.0], "lab_deviation": [14.0, 7.0, 10.0]
                }),
            ),
        ] {
            assert_eq!(serde_json::to_value(Stain::from(&normaliser)).expect("figures"), want);
        }
    }
}
