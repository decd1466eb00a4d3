//! The whole way of a case.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hilum_domain::{Limit, LimitCode, Metadata, MicronsPerPixel, Modality, Point, Refusal, RefusalCode, Step};
use hilum_imaging::{
    PatchGeometry, Volume, Window, lesion_candidates, lesion_patch,
    slide::{self, Field, SlideContract, SlideTile},
    stain::Normaliser,
};
use hilum_infer::{Bundle, BundleError, Engine, EngineFault, ExplainedBranch, HeOutput, bag};
use ndarray::{Array2, Array3};
use rayon::prelude::*;

use crate::{
    AssessFault, ExplainMethod, Explainer, Heat, Judged, Question, Ready, Scores, Seen, Tiles, Verdict, Watch,
    fusion::{fuse, scores, standardised},
    gate,
};

/// What a bundle says, as values that have been checked.
#[derive(Debug, Clone)]
pub struct Model {
    /// How the lesion patch is cut.
    pub patch: PatchGeometry,
    /// Its HU window.
    pub window: Window,
    /// What is asked of fields, and their tiles.
    pub slide: SlideContract,
    /// Temperatures of CT alone, H&E alone, fused.
    pub temperatures: [f64; 3],
    /// So many fields are asked for.
    pub fields: usize,
    /// The metadata encoder's standardisation.
    pub metadata: hilum_infer::MetadataManifest,
    /// Whether the bundle was trained on phantoms.
    pub phantom: bool,
}

impl Model {
    /// Reads what the pipeline needs of a bundle.
    ///
    /// # Errors
    /// [`BundleError::Unsuitable`] if a value makes no sense.
    pub fn of(bundle: &Bundle) -> Result<Self, BundleError> {
        let manifest = bundle.manifest();
        let bad = |what: &str| BundleError::Unsuitable(format!("{what} of its manifest makes no sense"));
        let patch = PatchGeometry {
            size: manifest.ct.size,
            spacing: Step::from_mm(manifest.ct.spacing_mm).ok_or_else(|| bad("ct.spacing_mm"))?,
            slice_offsets_mm: manifest.ct.slice_offsets_mm,
        };
        let [low_hu, high_hu] = manifest.ct.window_hu;
        if low_hu >= high_hu {
            return Err(bad("ct.window_hu"));
        }
        let slide = SlideContract {
            tile_px: manifest.he.tile_px,
            scale: MicronsPerPixel::plausible(manifest.he.um_per_px).ok_or_else(|| bad("he.um_per_px"))?,
            min_tissue_share: manifest.refusal.min_tissue_share,
            min_focus: manifest.refusal.min_focus,
            stain: manifest.he.stain,
            max_stain_distance_deg: manifest.refusal.max_stain_distance_deg,
        };
        let temperatures = [manifest.ct.temperature, manifest.he.temperature, manifest.fusion.temperature];
        if temperatures.iter().any(|temperature| !temperature.is_finite() || *temperature <= 0.0) {
            return Err(bad("a temperature"));
        }
        if manifest.metadata.std.iter().any(|std| !std.is_finite() || *std <= 0.0) {
            return Err(bad("metadata.std"));
        }
        let explain = &manifest.explain;
        if explain.tiles == 0
            || explain.faithfulness_tiles == 0
            || !explainable(&explain.ct, manifest.ct.size)
            || !explainable(&explain.he, manifest.he.tile_px as usize)
        {
            return Err(bad("explain"));
        }
        Ok(Self {
            patch,
            window: Window { low_hu, high_hu },
            slide,
            temperatures,
            fields: manifest.he.fields,
            metadata: manifest.metadata.clone(),
            phantom: manifest.training.trained_on == "phantom",
        })
    }
}

/// Whether the parameters of a branch's explanations can be worked with, over pictures of `edge` pixels. No picture needs a
/// thousand runs of a network.
fn explainable(parameters: &ExplainedBranch, edge: usize) -> bool {
    let few = |count: usize| (1..=1000).contains(&count);
    let stride = parameters.occlusion_stride_px;
    few(parameters.integrated_gradients_steps)
        && few(parameters.smoothgrad_n)
        && (1..=edge).contains(&parameters.occlusion_px)
        && (1..=parameters.occlusion_px).contains(&stride)
        && few((edge / stride.max(1)).pow(2))
        && (0.0..=1.0).contains(&parameters.smoothgrad_sigma)
}

/// A CT to be read.
#[derive(Debug, Clone)]
pub struct CtInput {
    /// HU on the scanner's grid.
    pub volume: Arc<Volume<i16>>,
    /// The lesion that the person marked.
    pub lesion: Option<Point>,
}

/// All that is known of a case. At least one modality is there.
#[derive(Debug)]
pub struct Study {
    /// The CT.
    pub ct: Option<CtInput>,
    /// The fields.
    pub he: Option<Vec<Field>>,
    /// The slide's stain, where it is known from more than these fields. Without it they say it.
    pub stain: Option<Normaliser>,
    /// Age, sex, smoking history, specimen.
    pub metadata: Metadata,
}

/// What the CT branch found.
#[derive(Debug, Clone)]
pub struct CtFinding {
    /// Its logits and calibrated probabilities.
    pub scores: Scores,
    /// The lesion that was read.
    pub lesion: Point,
    /// Whether the machine chose it.
    pub suggested: bool,
    /// The share of the patch outside the scan.
    pub outside: f64,
    /// The patch as the network read it, normalised, `[row, column, plane]`.
    picture: Array3<f32>,
    features: Array3<f32>,
}

impl CtFinding {
    /// What there is to explain.
    #[must_use]
    pub const fn seen(&self) -> Seen<'_> {
        Seen::Ct(&self.picture, &self.features)
    }
}

/// What the H&E branch found.
#[derive(Debug, Clone)]
pub struct HeFinding {
    /// Its logits and calibrated probabilities.
    pub scores: Scores,
    /// The tiles that were read.
    pub tiles: Arc<[SlideTile]>,
    /// Each tile's attention; they sum to 1.
    pub attention: Vec<f32>,
    /// How the case was brought to one stain.
    pub stain: Normaliser,
    /// What the gate saw, one entry a field.
    pub quality: Vec<slide::FieldQuality>,
    features: Vec<Array3<f32>>,
    embeddings: Array2<f32>,
    /// Mean and standard deviation of levels over 255, a channel.
    normal: ([f32; 3], [f32; 3]),
}

impl HeFinding {
    /// What there is to explain.
    #[must_use]
    pub const fn seen(&self) -> Seen<'_> {
        Seen::He(self)
    }

    /// The position of the tile of most attention.
    #[must_use]
    pub fn most_attended(&self) -> Option<usize> {
        (0..self.tiles.len()).max_by(|&a, &b| self.attention[a].total_cmp(&self.attention[b]))
    }
}

impl Tiles for HeFinding {
    fn picture(&self, tile: usize) -> Array3<f32> {
        let image = &self.tiles[tile].image;
        let (width, height) = (image.width() as usize, image.height() as usize);
        Array3::from_shape_fn((height, width, 3), |(row, column, channel)| {
            normalised(image.as_raw()[(row * width + column) * 3 + channel], channel, self.normal)
        })
    }

    fn features(&self) -> Vec<&Array3<f32>> {
        self.features.iter().collect()
    }

    fn embeddings(&self) -> &Array2<f32> {
        &self.embeddings
    }

    fn attention(&self) -> &[f32] {
        &self.attention
    }
}

/// A picture level as a network's input has it.
fn normalised(level: u8, channel: usize, (mean, std): ([f32; 3], [f32; 3])) -> f32 {
    (f32::from(level) / 255.0 - mean[channel]) / std[channel]
}

/// Where a branch looked.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Which branch.
    pub modality: Modality,
    /// By which method.
    pub method: ExplainMethod,
    /// For which class, by position.
    pub class: usize,
    /// The maps; `None` unless they may be shown.
    pub heat: Option<Heat>,
    /// How faithful they are.
    pub judged: Judged,
    /// How far integrated gradients are from what they must add up to, in logits.
    pub completeness_gap: Option<f64>,
}

/// Which explanations a case gets.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The methods.
    pub methods: &'a [ExplainMethod],
    /// Whether it is measured how faithful they are, and shown only what is. A preview does without.
    pub judged: bool,
}

/// What is being done for a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The CT is searched and scored.
    Ct,
    /// The fields are normalised and scored.
    Fields,
    /// The two are weighed, and it is looked where they looked.
    Explaining,
}

/// How long each step took.
#[derive(Debug, Clone, Default)]
pub struct Timings(pub Vec<(&'static str, Duration)>);

impl Timings {
    fn time<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let from = Instant::now();
        let value = work();
        self.0.push((stage, from.elapsed()));
        value
    }
}

/// A result that can be acted on.
#[derive(Debug, Clone)]
pub struct Assessed {
    /// Fused logits and calibrated probabilities.
    pub fused: Scores,
    /// The weights of CT and H&E; they sum to 1.
    pub weights: [f64; 2],
    /// What they would be if nothing were known of the patient; nothing where nothing is, or where one branch alone spoke.
    pub weights_unknown: Option<[f64; 2]>,
    /// The CT branch.
    pub ct: Option<CtFinding>,
    /// The H&E branch.
    pub he: Option<HeFinding>,
    /// What was known of the patient.
    pub metadata: Metadata,
    /// Where the branches looked.
    pub explanations: Vec<Explanation>,
    /// What weakens the result.
    pub limits: Vec<Limit>,
    /// What ran the networks, from the first picture to the last.
    pub engine: Arc<dyn Engine>,
}

/// What became of a case.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Can be acted on, within its limits.
    Assessed(Box<Assessed>),
    /// The device is well, this input must not be scored.
    Refused(Refusal),
}

/// Assesses a case: check quality → normalise → locate → score CT, score H&E → fuse → calibrate → explain → gate.
/// `watch` is told what is done. If the engine fails, the one that is built in scores all of the case.
///
/// # Errors
/// [`AssessFault`] if the engine fails and nothing can stand in for it, or `watch` calls it off; never for what the input
/// shows.
pub fn assess(
    study: Study,
    ready: &Ready,
    wanted: Wanted<'_>,
    timings: &mut Timings,
    watch: &dyn Watch,
) -> Result<Outcome, AssessFault> {
    let prepared = match prepare(study, &ready.model, timings, watch) {
        Ok(prepared) => prepared,
        Err(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    loop {
        let engine = ready.engine();
        let mut taken = Timings::default();
        match scored(&prepared, ready, &engine, wanted, &mut taken, watch) {
            Err(AssessFault::Engine(fault)) if ready.fall_back(&*engine, &fault) => {}
            assessed => {
                timings.0.append(&mut taken.0);
                return assessed.map(|assessed| Outcome::Assessed(Box::new(assessed)));
            }
        }
    }
}

/// What the networks read of a case. At least one modality is there.
struct Prepared {
    ct: Option<PreparedCt>,
    he: Option<PreparedHe>,
    metadata: Metadata,
    /// What weakens it so far.
    limits: Vec<Limit>,
}

struct PreparedCt {
    /// `[row, column, plane]`
    levels: Array3<u8>,
    lesion: Point,
    suggested: bool,
    outside: f64,
}

struct PreparedHe {
    tiles: Arc<[SlideTile]>,
    stain: Normaliser,
    quality: Vec<slide::FieldQuality>,
}

/// From a case to what the networks read of it, or why they must not.
fn prepare(study: Study, model: &Model, timings: &mut Timings, watch: &dyn Watch) -> Result<Prepared, Refusal> {
    let mut limits = Vec::new();
    let ct = study.ct.map(|input| {
        watch.stage(Stage::Ct);
        prepare_ct(&input, model, &mut limits, timings)
    });
    let ct = ct.transpose()?;
    let he = study.he.map(|fields| {
        watch.stage(Stage::Fields);
        slide::read_slide(fields, study.stain, &model.slide, &mut |stage, took| timings.0.push((stage, took)))
    });
    let he = he.transpose()?.map(|slide| {
        limits.extend(slide.limits);
        PreparedHe { tiles: slide.tiles.into(), stain: slide.stain, quality: slide.quality }
    });
    if ct.is_none() && he.is_none() {
        return Err(Refusal::new(RefusalCode::NoVolume, "neither a CT nor an H&E image was given"));
    }
    Ok(Prepared { ct, he, metadata: study.metadata, limits })
}

fn prepare_ct(
    input: &CtInput,
    model: &Model,
    limits: &mut Vec<Limit>,
    timings: &mut Timings,
) -> Result<PreparedCt, Refusal> {
    let grid = input.volume.grid();
    let (lesion, suggested) = match input.lesion {
        Some(lesion) if !grid.contains(lesion) => {
            let [x, y, z] = lesion.lps_mm;
            let what = format!("the marked lesion ({x:.0}, {y:.0}, {z:.0}) mm lies outside the scanned volume");
            return Err(Refusal::new(RefusalCode::LesionOutside, what));
        }
        Some(lesion) => (lesion, false),
        None => match timings.time("locate", || lesion_candidates(&input.volume, 1)).first() {
            Some(candidate) => (candidate.centre, true),
            None => {
                let what =
                    "no lesion was marked and the search suggests no place, which does not mean that there is none";
                return Err(Refusal::new(RefusalCode::NoCandidate, what));
            }
        },
    };
    if suggested {
        limits.push(Limit::new(LimitCode::LesionSuggested, "the lesion was chosen by the machine"));
    }
    let [_, _, step] = grid.spacing_mm();
    if step > 3.0 {
        limits.push(Limit::new(LimitCode::ThickSlices, format!("slices are {step:.1} mm apart")));
    }
    let patch = timings.time("resample", || lesion_patch(&input.volume, lesion, &model.patch));
    if patch.outside > 0.0 {
        let what = format!("{:.0}% of the patch lies outside the scan", (patch.outside * 100.0).ceil());
        limits.push(Limit::new(LimitCode::PatchClipped, what));
    }
    let levels = timings.time("patch", || patch.levels(model.window));
    Ok(PreparedCt { levels, lesion, suggested, outside: patch.outside })
}

/// From what the networks read to the result, with one engine.
fn scored(
    prepared: &Prepared,
    ready: &Ready,
    engine: &Arc<dyn Engine>,
    wanted: Wanted<'_>,
    timings: &mut Timings,
    watch: &dyn Watch,
) -> Result<Assessed, AssessFault> {
    let model = &ready.model;
    let mut limits = prepared.limits.clone();
    let ct = prepared.ct.as_ref().map(|ct| score_ct(ct, ready, &**engine, timings)).transpose()?;
    let he = prepared.he.as_ref().map(|he| score_he(he, ready, &**engine, timings)).transpose()?;
    watch.stage(Stage::Explaining);
    let metadata = prepared.metadata;
    let encoded = standardised(&metadata, &model.metadata);
    limits.extend(gate::metadata(&metadata, encoded));
    let [of_ct, of_he, of_both] = model.temperatures;
    let from = Instant::now();
    let mut weights_unknown = None;
    let (weights, fused) = match (&ct, &he) {
        (Some(ct), Some(he)) => {
            let weights = engine.weights(encoded)?.map(f64::from);
            if metadata.encoded().iter().any(Option::is_some) {
                weights_unknown = Some(engine.weights([0.0; 3])?.map(f64::from));
            }
            limits.extend(gate::disagreement(&ct.scores, &he.scores));
            (weights, scores(fuse(&ct.scores.logits, &he.scores.logits, weights), of_both))
        }
        (Some(ct), None) => {
            limits.push(Limit::new(LimitCode::NoHe, "no H&E image was given"));
            ([1.0, 0.0], scores(ct.scores.logits, of_ct))
        }
        (None, he) => {
            limits.push(Limit::new(LimitCode::NoCt, "no CT was given"));
            ([0.0, 1.0], scores(he.as_ref().map_or([0.0; 5], |he| he.scores.logits), of_he))
        }
    };
    timings.0.push(("fusion", from.elapsed()));
    if model.phantom {
        limits.push(Limit::new(LimitCode::PhantomBundle, "the bundle was trained on synthetic phantoms"));
    }
    let asked = (fused.top(), weights);
    let explanations = explain(ct.as_ref(), he.as_ref(), (ready, engine), asked, wanted, timings, watch)?;
    let engine = Arc::clone(engine);
    Ok(Assessed { fused, weights, weights_unknown, ct, he, metadata, explanations, limits, engine })
}

fn score_ct(
    prepared: &PreparedCt,
    ready: &Ready,
    engine: &dyn Engine,
    timings: &mut Timings,
) -> Result<CtFinding, EngineFault> {
    let &PreparedCt { ref levels, lesion, suggested, outside } = prepared;
    let output = timings.time("ct_cnn", || engine.ct(levels.view()))?;
    let scores = scores(output.logits.map(f64::from), ready.model.temperatures[0]);
    let contract = &ready.bundle.manifest().ct;
    let picture = Array3::from_shape_fn(levels.dim(), |(row, column, plane)| {
        normalised(levels[[row, column, plane]], plane, (contract.mean, contract.std))
    });
    Ok(CtFinding { scores, lesion, suggested, outside, picture, features: output.features })
}

/// The H&E network on every tile, interleaved RGB: each runs on one core, all cores have tiles.
///
/// # Errors
/// [`EngineFault`] if the engine fails.
pub fn score_tiles(engine: &dyn Engine, tiles: &[&[u8]]) -> Result<Vec<HeOutput>, EngineFault> {
    tiles.par_iter().map(|levels| engine.he(levels)).collect()
}

fn score_he(
    prepared: &PreparedHe,
    ready: &Ready,
    engine: &dyn Engine,
    timings: &mut Timings,
) -> Result<HeFinding, EngineFault> {
    let PreparedHe { tiles, stain, quality } = prepared;
    let pictures: Vec<&[u8]> = tiles.iter().map(|tile| tile.image.as_raw().as_slice()).collect();
    let outputs = timings.time("he_cnn", || score_tiles(engine, &pictures))?;
    let embeddings = bag(&outputs);
    let features = outputs.into_iter().map(|output| output.features).collect();
    let (logits, attention) = timings.time("mil", || engine.attention(&embeddings))?;
    let scores = scores(logits.map(f64::from), ready.model.temperatures[1]);
    Ok(HeFinding {
        scores,
        tiles: Arc::clone(tiles),
        attention,
        stain: *stain,
        quality: quality.clone(),
        features,
        embeddings,
        normal: (ready.bundle.manifest().he.mean, ready.bundle.manifest().he.std),
    })
}

/// Every method over every branch, for the fused class: a branch's logits count as much as its weight.
fn explain(
    ct: Option<&CtFinding>,
    he: Option<&HeFinding>,
    (ready, engine): (&Ready, &Arc<dyn Engine>),
    (class, weights): (usize, [f64; 2]),
    wanted: Wanted<'_>,
    timings: &mut Timings,
    watch: &dyn Watch,
) -> Result<Vec<Explanation>, AssessFault> {
    let parameters = &ready.bundle.manifest().explain;
    let branches = [ct.map(CtFinding::seen), he.map(HeFinding::seen)];
    let mut explanations = Vec::new();
    let [mut mapping, mut judging] = [Duration::ZERO; 2];
    // A branch at a time: its twin is let go before the other's is loaded.
    for (seen, weight) in branches.into_iter().zip(weights) {
        let Some(seen) = seen.filter(|_| !wanted.methods.is_empty()) else { continue };
        #[expect(clippy::cast_possible_truncation, reason = "the networks' precision")]
        let weight = weight as f32;
        let (tiles, faithfulness_tiles) = (parameters.tiles, parameters.faithfulness_tiles);
        let from = Instant::now();
        let question = Question { seen, class, weight, tiles, faithfulness_tiles };
        let explainer = Explainer::by(Arc::clone(engine), ready, question)?;
        mapping += from.elapsed();
        for &method in wanted.methods {
            let from = Instant::now();
            let heat = explainer.map(method, watch)?;
            mapping += from.elapsed();
            let from = Instant::now();
            let judged = if wanted.judged { explainer.judge(method, &heat, watch)? } else { Judged::unjudged(&heat) };
            judging += from.elapsed();
            let completeness_gap = heat.completeness_gap;
            let heat = matches!(judged.verdict, Verdict::Faithful | Verdict::NotChecked).then_some(heat);
            explanations.push(Explanation { modality: seen.modality(), method, class, heat, judged, completeness_gap });
        }
    }
    let place = |method| wanted.methods.iter().position(|&wanted| wanted == method);
    explanations.sort_by_key(|explanation| place(explanation.method));
    if !wanted.methods.is_empty() {
        timings.0.push(("explain", mapping));
    }
    if wanted.judged && !wanted.methods.is_empty() {
        timings.0.push(("faithfulness", judging));
    }
    Ok(explanations)
}
