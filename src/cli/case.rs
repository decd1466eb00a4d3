//! Assessing one case and leaving its report: shared by `analyze` and `demo`.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use hilum_assess::{Assessed, CtInput, ExplainMethod, Maps, Outcome, Study, Timings, assess};
use hilum_domain::{Metadata, MicronsPerPixel, Modality, Point, Refusal};
use hilum_imaging::{Volume, slide::Field};
use hilum_intake::CtStudy;
use hilum_report::{
    Context, ExplanationFiles, FieldNote, Report, ct_overlay, field_overlay, resized_map, result_card, write_report,
};
use image::RgbImage;
use ndarray::{Array2, Array3};

use crate::{Failure, locate::Loaded};

/// A case with everything that was given.
pub(crate) struct Case {
    pub(crate) ct: Option<(CtStudy, Option<Point>)>,
    pub(crate) he: Option<Vec<Field>>,
    pub(crate) metadata: Metadata,
}

/// What to do with it.
pub(crate) struct Order<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) methods: &'a [ExplainMethod],
    pub(crate) out: &'a Path,
}

/// Assesses a case and writes report, maps and pictures into the folder of the order. A refusal leaves a complete
/// report, too.
pub(crate) fn run(case: Case, order: &Order<'_>, mut timings: Timings) -> Result<(Report, Outcome), Failure> {
    let begun = Instant::now();
    let context = Context {
        metadata: case.metadata,
        series: case.ct.as_ref().map(|(study, _)| {
            let grid = study.volume.grid();
            (study.series_uid.clone(), grid.size[2], grid.spacing_mm())
        }),
        fields: case.he.iter().flatten().map(note).collect(),
        bundle: order.loaded.described(),
        created: now(),
    };
    // The pictures are painted over what was given, so the fields are kept; the volume is shared.
    let originals: Vec<RgbImage> = case.he.iter().flatten().map(|field| field.image.clone()).collect();
    let ct = case.ct.map(|(study, lesion)| CtInput { volume: Arc::new(study.volume), lesion });
    let volume = ct.as_ref().map(|ct| Arc::clone(&ct.volume));
    let study = Study { ct, he: case.he, metadata: case.metadata };
    let Loaded { model, engine, .. } = order.loaded;
    let outcome = assess(study, model, engine.as_ref(), order.methods, &mut timings).map_err(Failure::internal)?;
    let report = match &outcome {
        Outcome::Refused(refusal) => hilum_report::refused(refusal, &context, &timings),
        Outcome::Assessed(result) => {
            let painting = Instant::now();
            let files = pictures(result, volume.as_deref(), &originals, order).map_err(Failure::internal)?;
            timings.0.push(("pictures", painting.elapsed()));
            let before = timings
                .0
                .iter()
                .filter(|(stage, _)| stage.starts_with("read_"))
                .map(|(_, took)| *took)
                .sum::<Duration>();
            timings.0.push(("total", before + begun.elapsed()));
            hilum_report::assessed(result, &context, &files, &timings)
        }
    };
    write_report(order.out, &report).map_err(Failure::internal)?;
    Ok((report, outcome))
}

/// Leaves the report of a case that was refused before it could be assessed.
pub(crate) fn refuse(
    refusal: &Refusal,
    metadata: Metadata,
    order: &Order<'_>,
    timings: &Timings,
) -> Result<Report, Failure> {
    let context =
        Context { metadata, series: None, fields: Vec::new(), bundle: order.loaded.described(), created: now() };
    let report = hilum_report::refused(refusal, &context, timings);
    write_report(order.out, &report).map_err(Failure::internal)?;
    Ok(report)
}

fn note(field: &Field) -> FieldNote {
    FieldNote {
        width: field.image.width(),
        height: field.image.height(),
        um_per_px: field.scale.map(MicronsPerPixel::um),
    }
}

/// Writes maps and overlays of every method, and the result card.
fn pictures(
    result: &Assessed,
    volume: Option<&Volume<i16>>,
    fields: &[RgbImage],
    order: &Order<'_>,
) -> anyhow::Result<Vec<ExplanationFiles>> {
    let size = order.loaded.model.patch.size;
    let mut files = Vec::new();
    let (mut ct_picture, mut he_picture) = (None, None);
    let save = |name: &str, picture: &RgbImage| picture.save(order.out.join(name));
    if let (Some(ct), Some(volume), true) = (&result.ct, volume, order.methods.is_empty()) {
        let picture = ct_overlay(volume, ct, &order.loaded.model.patch, None);
        save("ct.png", &picture)?;
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
                    let picture = ct_overlay(volume, ct, &order.loaded.model.patch, raw);
                    let name = format!("{stem}.png");
                    save(&name, &picture)?;
                    overlays.push(name);
                    ct_picture.get_or_insert(picture);
                }
                if let Some(raw) = raw {
                    ndarray_npy::write_npy(order.out.join(&map), &resized_map(raw, size, size))?;
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
                        save(&name, &picture)?;
                        overlays.push(name);
                        if Some(index) == shown {
                            he_picture.get_or_insert(picture);
                        }
                    }
                }
                if let Some(raw) = raw {
                    ndarray_npy::write_npy(order.out.join(&map), &stacked(raw))?;
                }
            }
        }
        files.push(ExplanationFiles { modality: explanation.modality, method: explanation.method, map, overlays });
    }
    let card = result_card(result, ct_picture.as_ref(), he_picture.as_ref());
    save("result.png", &card)?;
    Ok(files)
}

fn stacked(maps: &[Array2<f32>]) -> Array3<f32> {
    let (rows, columns) = maps.first().map_or((0, 0), Array2::dim);
    Array3::from_shape_fn((maps.len(), rows, columns), |(tile, row, column)| maps[tile][[row, column]])
}

/// Removes the report and pictures of an earlier case: two patients never lie in one folder.
pub(crate) fn clean(out: &Path) -> Result<(), Failure> {
    fs::create_dir_all(out).map_err(Failure::internal)?;
    for entry in fs::read_dir(out).map_err(Failure::internal)? {
        let entry = entry.map_err(Failure::internal)?;
        if entry.file_name().to_str().is_some_and(is_ours) {
            fs::remove_file(entry.path()).map_err(Failure::internal)?;
        }
    }
    Ok(())
}

/// Whether a run of ours leaves files of that name.
fn is_ours(name: &str) -> bool {
    let map = |modality: Modality| {
        name.strip_prefix(modality.name()).is_some_and(|rest| rest.starts_with("-gradcam") || rest == ".png")
    };
    name == "report.json" || name == "report.json.part" || name == "result.png" || Modality::ALL.into_iter().any(map)
}

/// Now, RFC 3339 in UTC.
fn now() -> String {
    chrono::DateTime::<chrono::Utc>::from(SystemTime::now()).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
