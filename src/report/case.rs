//! From a case to everything that leaves the box: it is assessed, and what was found is written and drawn, in memory.

use std::{
    io::Cursor,
    sync::Arc,
    time::{Duration, Instant},
};

use hilum_assess::{
    AssessFault, Assessed, CtInput, ExplainMethod, Heat, Outcome, Ready, Study, Timings, Wanted, Watch, assess,
};
use hilum_domain::{Limit, Metadata, MicronsPerPixel, Modality, Point, Refusal};
use hilum_imaging::{Volume, nifti, over_grid, resized_map, slide::Field, stain::Normaliser};
use image::{ImageFormat, RgbImage};
use ndarray::{Array2, Array3};
use ndarray_npy::WriteNpyExt as _;
use rayon::prelude::*;

use crate::{
    Bundle, Context, ExplanationFiles, FieldNote, Plain, Report,
    document::{assessed, refused},
    paint::{ct_overlay, ct_plain, field_heat, field_overlay, field_plain},
    result::result_card,
    sheet::sheet,
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

/// It could not be done: no fault of the case.
#[derive(Debug, thiserror::Error)]
pub enum ProduceFault {
    /// The device is not well.
    #[error("cannot {attempt}")]
    Device {
        /// What was tried.
        attempt: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Whoever waited called it off.
    #[error("the case was called off")]
    CalledOff,
}

impl ProduceFault {
    fn when<E: Into<Box<dyn std::error::Error + Send + Sync>>>(attempt: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::Device { attempt, source: source.into() }
    }

    fn assessing(fault: AssessFault) -> Self {
        match fault {
            AssessFault::CalledOff => Self::CalledOff,
            fault => Self::Device { attempt: "assess the case", source: fault.into() },
        }
    }
}

/// Assesses a case, and draws maps and overlays of `methods` and the result card. A refusal has a complete report, too.
/// `created` (RFC 3339) is what the report says of when it was made; `timings` has the stages before this one; `watch` is told
/// what is done.
///
/// # Errors
/// [`ProduceFault`] if the engine fails, a picture cannot be written, or `watch` calls it off.
pub fn produce(
    given: Given,
    ready: &Ready,
    methods: &[ExplainMethod],
    created: String,
    mut timings: Timings,
    watch: &dyn Watch,
) -> Result<Document, ProduceFault> {
    let begun = Instant::now();
    let mut context = Context {
        metadata: given.metadata,
        series: given.ct.as_ref().map(|ct| {
            let grid = ct.volume.grid();
            (ct.series_uid.clone(), grid.size[2], grid.spacing_mm())
        }),
        fields: given.he.iter().flatten().map(note).collect(),
        bundle: Bundle::of(ready, &*ready.engine()),
        created,
    };
    // The pictures are painted over what was given, so the fields are kept; the volume is shared.
    let fields: Vec<RgbImage> = given.he.iter().flatten().map(|field| field.image.clone()).collect();
    let volume = given.ct.as_ref().map(|ct| Arc::clone(&ct.volume));
    let ct = given.ct.map(|GivenCt { volume, lesion, .. }| CtInput { volume, lesion });
    let study = Study { ct, he: given.he, stain: None, metadata: given.metadata };
    let wanted = Wanted { methods, judged: true };
    let mut outcome = assess(study, ready, wanted, &mut timings, watch).map_err(ProduceFault::assessing)?;
    let result = match &mut outcome {
        Outcome::Assessed(result) => {
            result.limits.extend(given.device);
            context.bundle = Bundle::of(ready, &*result.engine);
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
    let sheet = match sheet(result, volume.as_deref(), &fields, &ready.model.patch) {
        None => None,
        Some(picture) => {
            drawn.picture("explanations.png".to_owned(), &picture)?;
            Some("explanations.png".to_owned())
        }
    };
    timings.0.push(("pictures", painting.elapsed()));
    let before: Duration =
        timings.0.iter().filter(|(stage, _)| stage.starts_with("read_")).map(|(_, took)| *took).sum();
    timings.0.push(("total", before + begun.elapsed()));
    let report = assessed(result, &context, plain, (&explanations, sheet), &timings);
    Ok(Document { report, outcome, files: drawn.files })
}

/// Where the H&E network looks in a field by itself, drawn over it, with every tile's attention; nothing if the field would be
/// refused, or nothing speaks for a class. It is no result: nobody's metadata, no other field. `stain` is the slide's, where more is
/// known of it than this field shows.
///
/// # Errors
/// [`ProduceFault`] if the engine fails.
pub fn glimpse(field: Field, stain: Option<Normaliser>, ready: &Ready) -> Result<Option<RgbImage>, ProduceFault> {
    let image = field.image.clone();
    let study = Study { ct: None, he: Some(vec![field]), stain, metadata: Metadata::default() };
    let wanted = Wanted { methods: &[ExplainMethod::GradCam], judged: false };
    let outcome = assess(study, ready, wanted, &mut Timings::default(), &()).map_err(ProduceFault::assessing)?;
    let Outcome::Assessed(result) = outcome else { return Ok(None) };
    let heat = result.explanations.iter().find_map(|explanation| explanation.heat.as_ref());
    Ok(result.he.as_ref().zip(heat).map(|(finding, heat)| field_heat(&image, finding, heat)))
}

/// The complete report of a case that was refused before it could be assessed.
#[must_use]
pub fn turned_away(refusal: &Refusal, metadata: Metadata, ready: &Ready, created: String, timings: &Timings) -> Report {
    let bundle = Bundle::of(ready, &*ready.engine());
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
        self.files.push((name, png(picture)?));
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
        let pictures: Vec<_> = fields.par_iter().map(|field| png(&field_plain(field))).collect();
        for (number, picture) in (1..).zip(pictures) {
            let name = format!("he-plain-{number}.png");
            self.files.push((name.clone(), picture?));
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
            let picture = ct_plain(volume, ct, patch);
            self.picture("ct.png".to_owned(), &picture)?;
            ct_picture = Some(picture);
        }
        for explanation in &result.explanations {
            let stem = format!("{}-{}", explanation.modality.name(), explanation.method.name());
            let map = format!("{stem}.npy");
            let shown = explanation.heat.as_ref().map(|heat| heat.shown(explanation.method));
            let (mut overlays, mut on_slices) = (Vec::new(), None);
            match explanation.modality {
                Modality::Ct => {
                    let shown = shown.as_ref().and_then(|heat| heat.maps.first());
                    let raw = explanation.heat.as_ref().and_then(|heat| heat.maps.first());
                    if let (Some(ct), Some(volume)) = (&result.ct, volume) {
                        let picture = ct_overlay(volume, ct, patch, shown);
                        if shown.is_some() {
                            let name = format!("{stem}.png");
                            self.picture(name.clone(), &picture)?;
                            overlays.push(name);
                        }
                        ct_picture.get_or_insert(picture);
                        if let Some(raw) = raw {
                            let raw = resized_map(raw, patch.size, patch.size);
                            self.map(map.clone(), &raw)?;
                            if let Some(there) = over_grid(&raw, ct.lesion, patch, volume.grid()) {
                                let name = format!("{stem}.nii");
                                self.files.push((name.clone(), nifti::encode(&there)));
                                on_slices = Some(name);
                            }
                        }
                    }
                }
                Modality::He => {
                    if let Some(he) = &result.he {
                        let most = he.most_attended().map(|index| he.tiles[index].field);
                        let drawn: Vec<_> = fields
                            .par_iter()
                            .enumerate()
                            .filter(|&(index, _)| shown.is_some() || Some(index) == most)
                            .map(|(index, field)| {
                                let picture = field_overlay(field, index, he, shown.as_ref());
                                let file = shown.as_ref().map(|_| png(&picture)).transpose();
                                (index, file, (Some(index) == most).then_some(picture))
                            })
                            .collect();
                        for (index, file, picture) in drawn {
                            if let Some(file) = file? {
                                let name = format!("{stem}-{}.png", index + 1);
                                self.files.push((name.clone(), file));
                                overlays.push(name);
                            }
                            if let Some(picture) = picture {
                                he_picture.get_or_insert(picture);
                            }
                        }
                    }
                    if let Some(heat) = &explanation.heat {
                        self.map(map.clone(), &stacked(heat))?;
                    }
                }
            }
            let (modality, method) = (explanation.modality, explanation.method);
            named.push(ExplanationFiles { modality, method, map, volume: on_slices, overlays });
        }
        let card = result_card(result, ct_picture.as_ref(), he_picture.as_ref());
        self.picture("result.png".to_owned(), &card)?;
        Ok(named)
    }
}

fn png(picture: &RgbImage) -> Result<Vec<u8>, ProduceFault> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(ProduceFault::when("draw a picture"))?;
    Ok(bytes.into_inner())
}

fn stacked(heat: &Heat) -> Array3<f32> {
    let (rows, columns) = heat.maps.first().map_or((0, 0), Array2::dim);
    Array3::from_shape_fn((heat.maps.len(), rows, columns), |(tile, row, column)| heat.maps[tile][[row, column]])
}
