//! Assessing one case and leaving its report: shared by `analyze` and `demo`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use hilum_assess::{Assessed, CtInput, ExplainMethod, Maps, Outcome, Study, Timings, assess};
use hilum_domain::{Metadata, MicronsPerPixel, Modality, Point, Refusal};
use hilum_imaging::{Volume, slide::Field};
use hilum_intake::CtStudy;
use hilum_report::{Context, ExplanationFiles, FieldNote, Report, ct_overlay, field_overlay, resized_map, result_card};
use image::RgbImage;
use ndarray::{Array2, Array3};

use crate::{Failure, files::replace, locate::Loaded};

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

/// A case with its report on disk.
pub(crate) struct Done {
    pub(crate) report: Report,
    pub(crate) outcome: Outcome,
    /// How long the report took to write: it cannot say so itself.
    pub(crate) writing: Duration,
}

/// Assesses a case and writes report, maps and pictures into the folder of the order. A refusal leaves a complete
/// report, too.
pub(crate) fn run(case: Case, order: &Order<'_>, mut timings: Timings) -> Result<Done, Failure> {
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
            let unfinished = order.out.join(UNFINISHED);
            fs::write(&unfinished, []).map_err(Failure::unwritable(unfinished.display()))?;
            let files =
                pictures(result, volume.as_deref(), &originals, order).map_err(Failure::unwritable("the pictures"))?;
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
    let writing = Instant::now();
    leave(&report, order.out)?;
    Ok(Done { report, outcome, writing: writing.elapsed() })
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
    leave(&report, order.out)?;
    Ok(report)
}

/// Writes `report.json`. What is left where that fails marks the run as interrupted.
fn leave(report: &Report, out: &Path) -> Result<(), Failure> {
    let bytes = report.to_json().map_err(Failure::internal)?;
    replace(&out.join("report.json"), &out.join(UNFINISHED), &bytes).map_err(Failure::unwritable("report.json"))
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

/// What a run that did not end leaves, and what a run that is on its way has: the pictures around it may be anybody's.
const UNFINISHED: &str = "report.json.part";

/// Makes the folder, and removes report and pictures of an earlier case: two patients never lie in one folder. Removed is
/// what the earlier report names, or after an interrupted run what a run would leave; never an input.
pub(crate) fn clean(out: &Path, inputs: &[PathBuf]) -> Result<(), Failure> {
    fs::create_dir_all(out).map_err(Failure::unwritable(out.display()))?;
    let (report, unfinished) = (out.join("report.json"), out.join(UNFINISHED));
    let earlier = fs::read(&report).ok().and_then(|bytes| hilum_report::files_of(&bytes)).unwrap_or_default();
    let interrupted = unfinished.exists();
    let whole = |path: &Path| path.canonicalize().ok();
    let given: Vec<PathBuf> = inputs.iter().filter_map(|input| whole(input)).collect();
    let mut ours = Vec::new();
    for entry in fs::read_dir(out).map_err(Failure::unwritable(out.display()))? {
        let path = entry.map_err(Failure::unwritable(out.display()))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_ours(name)) else { continue };
        let stale = interrupted || earlier.iter().any(|file| file == name);
        let input = whole(&path).is_some_and(|path| {
            given.contains(&path) || (!stale && path.parent().is_some_and(|parent| given.iter().any(|of| of == parent)))
        });
        if input {
            let what = format!("{} is an input, and the report needs its name: choose another --out", path.display());
            return Err(Failure::Usage(what));
        }
        if stale {
            ours.push(path);
        }
    }
    // Whatever interrupts this, no report names pictures that are gone.
    if report.exists() {
        fs::rename(&report, &unfinished).map_err(Failure::unwritable(report.display()))?;
    }
    ours.push(unfinished);
    for path in ours {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::unwritable(path.display())(error));
            }
            _ => (),
        }
    }
    Ok(())
}

/// Whether a run leaves a picture or map of that name.
fn is_ours(name: &str) -> bool {
    let map = |modality: Modality| name.strip_prefix(modality.name()).is_some_and(|rest| rest.starts_with("-gradcam"));
    name == "result.png" || name == "ct.png" || Modality::ALL.into_iter().any(map)
}

/// Now, RFC 3339 in UTC.
fn now() -> String {
    chrono::DateTime::<chrono::Utc>::from(SystemTime::now()).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, and what is left of them after [`clean`], sorted.
    fn left(files: &[(&str, &str)], inputs: &[&str]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        let inputs: Vec<PathBuf> = inputs.iter().map(|name| folder.path().join(name)).collect();
        let cleaned = clean(folder.path(), &inputs).map_err(|failure| failure.to_string());
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .expect("still there")
            .map(|entry| entry.expect("a name").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        cleaned.map(|()| names)
    }

    const REPORT: &str = r#"{"schema": "hilum.report/1", "explanations": [
        {"map": "he-gradcam++.npy", "overlay": "he-gradcam++-1.png", "overlays": ["he-gradcam++-1.png", "notes.txt"]}]}"#;

    #[test]
    fn an_earlier_report_goes_with_its_pictures_and_nothing_else() {
        let mine = [("notes.txt", ""), ("he.png", ""), ("he-gradcam-mine.png", "")];
        let theirs =
            [("report.json", REPORT), ("he-gradcam++-1.png", ""), ("he-gradcam++.npy", ""), ("result.png", "")];
        let kept = left(&[&mine[..], &theirs].concat(), &[]).expect("cleaned");
        assert_eq!(kept, ["he-gradcam-mine.png", "he.png", "notes.txt"]);
        assert_eq!(left(&[("ct.png", ""), ("report.json", "{")], &[]).expect("cleaned"), ["ct.png"]);
    }

    #[test]
    fn an_interrupted_run_leaves_no_picture() {
        let files = [(UNFINISHED, ""), ("he-gradcam-6.png", ""), ("result.png", ""), ("field.png", "")];
        assert_eq!(left(&files, &["field.png"]).expect("cleaned"), ["field.png"]);
    }

    #[test]
    fn an_input_is_never_removed() {
        let said = left(&[("report.json", REPORT), ("he-gradcam++-1.png", "")], &["he-gradcam++-1.png"]);
        assert!(said.expect_err("its own input").contains("he-gradcam++-1.png is an input"));
        assert!(left(&[("result.png", "")], &["."]).is_err(), "a picture of the input folder");
        // The pictures of an earlier run into the folder of the inputs are no inputs.
        let again = left(&[("report.json", REPORT), ("result.png", ""), ("field.png", "")], &["."]);
        assert_eq!(again.expect("cleaned"), ["field.png"]);
    }
}
