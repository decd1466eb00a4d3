//! From a case to everything that leaves the box: it is assessed, and what was found is written and drawn, in memory.

use std::{
    io::Cursor,
    sync::Arc,
    time::{Duration, Instant},
};

use hilum_assess::{Assessed, CtInput, ExplainMethod, Maps, Outcome, Ready, Stage, Study, Timings, assess};
use hilum_domain::{Limit, Metadata, MicronsPerPixel, Modality, Point, Refusal};
use hilum_imaging::{Volume, slide::Field};
use image::{ImageFormat, RgbImage};
use ndarray::{Array2, Array3};
use ndarray_npy::WriteNpyExt as _;

use crate::{
    Bundle, Context, ExplanationFiles, FieldNote, Plain, Report,
    document::{assessed, refused},
    paint::{ct_overlay, ct_plain, field_heat, field_overlay, field_plain, resized_map},
    result::result_card,
};

/// The CT of a case.
#[derive(Debug, Clone)]
pub struct GivenCt {
    /// HU on the scanner's grid.
    pub volume: Arc<Volume<i16>>,
    /// Series Instance UID.
    pub series_uid: String,
    /// The lesion that the person marked.
    pub lesion: Option<Point>,
}

/// A case with everything that was given.
#[derive(Debug)]
pub struct Given {
    /// The CT.
    pub ct: Option<GivenCt>,
    /// The fields.
    pub he: Option<Vec<Field>>,
    /// Age, sex, smoking history, specimen.
    pub metadata: Metadata,
    /// What weakens every result of the device just now.
    pub device: Vec<Limit>,
}

/// What a case became.
#[derive(Debug)]
pub struct Document {
    /// `report.json`.
    pub report: Report,
    /// What it says, as values.
    pub outcome: Outcome,
    /// Maps and pictures by the names that the report calls them, relative to it.
    pub files: Vec<(String, Vec<u8>)>,
}

/// The device could not do it: no fault of the case.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt}")]
pub struct ProduceFault {
    attempt: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl ProduceFault {
    fn when<E: Into<Box<dyn std::error::Error + Send + Sync>>>(attempt: &'static str) -> impl Fn(E) -> Self {
        move |source| Self { attempt, source: source.into() }
    }
}

/// Assesses a case, and draws maps and overlays of `methods` and the result card. A refusal has a complete report, too.
/// `created` (RFC 3339) is what the report says of when it was made; `timings` has the stages before this one; `stage` is told
/// what begins.
///
/// # Errors
/// [`ProduceFault`] if the engine fails or a picture cannot be written.
pub fn produce(
    given: Given,
    ready: &Ready,
    methods: &[ExplainMethod],
    created: String,
    mut timings: Timings,
    stage: &mut dyn FnMut(Stage),
) -> Result<Document, ProduceFault> {
    let begun = Instant::now();
    let context = Context {
        metadata: given.metadata,
        series: given.ct.as_ref().map(|ct| {
            let grid = ct.volume.grid();
            (ct.series_uid.clone(), grid.size[2], grid.spacing_mm())
        }),
        fields: given.he.iter().flatten().map(note).collect(),
        bundle: Bundle::of(ready),
        created,
    };
    // The pictures are painted over what was given, so the fields are kept; the volume is shared.
    let fields: Vec<RgbImage> = given.he.iter().flatten().map(|field| field.image.clone()).collect();
    let volume = given.ct.as_ref().map(|ct| Arc::clone(&ct.volume));
    let ct = given.ct.map(|GivenCt { volume, lesion, .. }| CtInput { volume, lesion });
    let study = Study { ct, he: given.he, metadata: given.metadata };
    let mut outcome = assess(study, &ready.model, ready.engine.as_ref(), methods, &mut timings, stage)
        .map_err(ProduceFault::when("assess the case"))?;
    let result = match &mut outcome {
        Outcome::Assessed(result) => {
            result.limits.extend(given.device);
            &*result
        }
        Outcome::Refused(refusal) => {
            let report = refused(refusal, &context, &timings);
            return Ok(Document { report, outcome, files: Vec::new() });
        }
    };
    let painting = Instant::now();
    let mut drawn = Drawn { files: Vec::new() };
    let plain = drawn.plain(result, volume.as_deref(), &fields, ready)?;
    let explanations = drawn.explanations(result, volume.as_deref(), &fields, ready, methods)?;
    timings.0.push(("pictures", painting.elapsed()));
    let before: Duration =
        timings.0.iter().filter(|(stage, _)| stage.starts_with("read_")).map(|(_, took)| *took).sum();
    timings.0.push(("total", before + begun.elapsed()));
    let report = assessed(result, &context, plain, &explanations, &timings);
    Ok(Document { report, outcome, files: drawn.files })
}

/// Where the H&E network looks in a field by itself, drawn over it, with every tile's attention; nothing if the field would be
/// refused, or nothing speaks for a class. It is no result: nobody's metadata, no other field.
///
/// # Errors
/// [`ProduceFault`] if the engine fails.
pub fn glimpse(field: Field, ready: &Ready) -> Result<Option<RgbImage>, ProduceFault> {
    let image = field.image.clone();
    let study = Study { ct: None, he: Some(vec![field]), metadata: Metadata::default() };
    let (methods, mut timings) = ([ExplainMethod::GradCam], Timings::default());
    let outcome = assess(study, &ready.model, ready.engine.as_ref(), &methods, &mut timings, &mut |_| ())
        .map_err(ProduceFault::when("look at a field"))?;
    let Outcome::Assessed(result) = outcome else { return Ok(None) };
    let maps = result.explanations.iter().find_map(|explanation| match &explanation.maps {
        Some(Maps::He(maps)) => Some(maps),
        _ => None,
    });
    Ok(result.he.as_ref().zip(maps).map(|(finding, maps)| field_heat(&image, finding, maps)))
}

/// The complete report of a case that was refused before it could be assessed.
#[must_use]
pub fn turned_away(refusal: &Refusal, metadata: Metadata, ready: &Ready, created: String, timings: &Timings) -> Report {
    let bundle = Bundle::of(ready);
    refused(refusal, &Context { metadata, series: None, fields: Vec::new(), bundle, created }, timings)
}

fn note(field: &Field) -> FieldNote {
    FieldNote {
        width: field.image.width(),
        height: field.image.height(),
        um_per_px: field.scale.map(MicronsPerPixel::um),
    }
}

/// The files of a report as they are made.
struct Drawn {
    files: Vec<(String, Vec<u8>)>,
}

impl Drawn {
    fn picture(&mut self, name: String, picture: &RgbImage) -> Result<(), ProduceFault> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).map_err(ProduceFault::when("draw a picture"))?;
        self.files.push((name, bytes.into_inner()));
        Ok(())
    }

    fn map<D: ndarray::Dimension>(&mut self, name: String, map: &ndarray::Array<f32, D>) -> Result<(), ProduceFault> {
        let mut bytes = Vec::new();
        map.write_npy(&mut bytes).map_err(ProduceFault::when("write a map"))?;
        self.files.push((name, bytes));
        Ok(())
    }

    /// What was read, in pictures of the overlays' size with no map over them.
    fn plain(
        &mut self,
        result: &Assessed,
        volume: Option<&Volume<i16>>,
        fields: &[RgbImage],
        ready: &Ready,
    ) -> Result<Plain, ProduceFault> {
        let mut plain = Plain::default();
        if let (Some(ct), Some(volume)) = (&result.ct, volume) {
            let name = "ct-plain.png".to_owned();
            self.picture(name.clone(), &ct_plain(volume, ct, &ready.model.patch))?;
            plain.ct = Some(name);
        }
        for (number, field) in fields.iter().enumerate().map(|(index, field)| (index + 1, field)) {
            let name = format!("he-plain-{number}.png");
            self.picture(name.clone(), &field_plain(field))?;
            plain.he.push(name);
        }
        Ok(plain)
    }

    /// Maps and overlays of every method, and the result card.
    fn explanations(
        &mut self,
        result: &Assessed,
        volume: Option<&Volume<i16>>,
        fields: &[RgbImage],
        ready: &Ready,
        methods: &[ExplainMethod],
    ) -> Result<Vec<ExplanationFiles>, ProduceFault> {
        let patch = &ready.model.patch;
        let mut named = Vec::new();
        let (mut ct_picture, mut he_picture) = (None, None);
        if let (Some(ct), Some(volume), true) = (&result.ct, volume, methods.is_empty()) {
            let picture = ct_overlay(volume, ct, patch, None);
            self.picture("ct.png".to_owned(), &picture)?;
            ct_picture = Some(picture);
        }
        for explanation in &result.explanations {
            let stem = format!("{}-{}", explanation.modality.name(), explanation.method.name());
            let map = format!("{stem}.npy");
            let mut overlays = Vec::new();
            match (explanation.modality, &explanation.maps) {
                (Modality::Ct, maps) => {
                    let raw = match maps {
                        Some(Maps::Ct(map)) => Some(map),
                        _ => None,
                    };
                    if let (Some(ct), Some(volume)) = (&result.ct, volume) {
                        let picture = ct_overlay(volume, ct, patch, raw);
                        let name = format!("{stem}.png");
                        self.picture(name.clone(), &picture)?;
                        overlays.push(name);
                        ct_picture.get_or_insert(picture);
                    }
                    if let Some(raw) = raw {
                        self.map(map.clone(), &resized_map(raw, patch.size, patch.size))?;
                    }
                }
                (Modality::He, maps) => {
                    let raw: Option<&[Array2<f32>]> = match maps {
                        Some(Maps::He(maps)) => Some(maps),
                        _ => None,
                    };
                    if let Some(he) = &result.he {
                        let most = (0..he.tiles.len()).max_by(|&a, &b| he.attention[a].total_cmp(&he.attention[b]));
                        let shown = most.map(|index| he.tiles[index].field);
                        for (index, field) in fields.iter().enumerate() {
                            let picture = field_overlay(field, index, he, raw);
                            let name = format!("{stem}-{}.png", index + 1);
                            self.picture(name.clone(), &picture)?;
                            overlays.push(name);
                            if Some(index) == shown {
                                he_picture.get_or_insert(picture);
                            }
                        }
                    }
                    if let Some(raw) = raw {
                        self.map(map.clone(), &stacked(raw))?;
                    }
                }
            }
            let (modality, method) = (explanation.modality, explanation.method);
            named.push(ExplanationFiles { modality, method, map, overlays });
        }
        let card = result_card(result, ct_picture.as_ref(), he_picture.as_ref());
        self.picture("result.png".to_owned(), &card)?;
        Ok(named)
    }
}

fn stacked(maps: &[Array2<f32>]) -> Array3<f32> {
    let (rows, columns) = maps.first().map_or((0, 0), Array2::dim);
    Array3::from_shape_fn((maps.len(), rows, columns), |(tile, row, column)| maps[tile][[row, column]])
}
