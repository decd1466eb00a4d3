//! A case on paper: A4 pages with text that can be selected, and the pictures; PDF/A-2b.

mod layout;
mod typeface;

use hilum_assess::ExplainMethod;
use hilum_domain::Class;
use image::RgbImage;
use krilla::{
    Document, SerializeSettings,
    color::rgb,
    configure::{Archival, ConfigurationBuilder},
    geom::{PathBuilder, Point, Rect, Size, Transform},
    image::Image,
    metadata::{DateTime, Metadata},
    num::NormalizedF32,
    page::PageSettings,
    paint::Fill,
};

use crate::{
    hospital::{ExportFault, Kept, picture},
    pdf::{
        layout::{Ink, Mark, PAGE, Sheets},
        typeface::Typeface,
    },
    said::Said,
};

/// A case as a PDF. `case` is what it is called on paper, if it is to be called anything: nothing else of a patient is in it but age,
/// sex and smoking history.
///
/// # Errors
/// [`ExportFault`] if what was kept is damaged, or the document cannot be made.
pub(crate) fn pdf(kept: &Kept<'_>, case: Option<&str>) -> Result<Vec<u8>, ExportFault> {
    let said = kept.said()?;
    let faces = Typeface::both().ok_or_else(|| fault("a built-in font is damaged"))?;
    let mut sheets = Sheets::new(&faces);
    result(&said, case, &mut sheets);
    reliance(&said, kept, &mut sheets);
    for (title, name) in pictures(&said) {
        if let Some(bytes) = kept.file(name) {
            sheets.picture(&title, picture(name, bytes)?);
        }
    }
    let pages = sheets.finished(&said.notice);
    drawn(&pages, &faces, &said, &kept.seed())
}

fn fault(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ExportFault {
    ExportFault::Document { what: "the PDF", source: why.into() }
}

/// What was found, or why nothing was looked for.
fn result(said: &Said, case: Option<&str>, sheets: &mut Sheets<'_>) {
    sheets.words(Ink::Faint, &format!("{} Preliminary; not verified by any person.", said.notice));
    if let Some(case) = case {
        sheets.words(Ink::Plain, &format!("Case {case}"));
    }
    sheets.gap(6.0);
    if let Some(refusal) = &said.refusal {
        sheets.heading("Refused: nothing was assessed");
        sheets.words(Ink::Strong, &format!("{} ({})", refusal.message, refusal.code));
        sheets.words(Ink::Plain, &format!("Next step: {}", refusal.next_step));
    }
    if let Some(fused) = &said.fused {
        sheets.heading(&format!("The evidence favours: {}", fused.display));
        let cancer = 100.0 * (1.0 - fused.normal());
        sheets.words(Ink::Plain, &format!("Probability of cancer, by the class probabilities: {cancer:.1}%"));
        sheets.gap(6.0);
        let specimen = said.specimen();
        let columns: Vec<_> = said
            .scores()
            .into_iter()
            .zip(layout::BRANCHES)
            .filter_map(|(scores, branch)| Some((branch, scores?)))
            .collect();
        let rows = Class::ALL.map(|class| {
            let shares = columns.iter().map(|(_, scores)| scores.probabilities[class.index()]).collect();
            (class.display(specimen), shares)
        });
        sheets.table(&columns.iter().map(|(branch, _)| *branch).collect::<Vec<_>>(), &rows);
    }
    if let Some(weights) = said.weights {
        let words = format!("Weights of the fusion: CT {:.0}%, H&E {:.0}%", weights.ct * 100.0, weights.he * 100.0);
        sheets.share(&words, weights.ct);
    }
    if let Some(ct) = &said.ct {
        let [x, y, z] = ct.lesion_lps_mm;
        let by = if ct.lesion_suggested { "suggested by the program" } else { "marked by a person" };
        sheets.words(Ink::Plain, &format!("Lesion at {x:.1}, {y:.1}, {z:.1} mm (LPS), {by}"));
    }
    if let Some(he) = &said.he {
        sheets.words(Ink::Plain, &format!("H&E: {} fields, {} tiles read", he.fields.len(), he.tiles.len()));
    }
    let clinical = &said.metadata;
    let known = |name: &str, value: Option<&str>| format!("{name} {}", value.unwrap_or("unknown"));
    let age = clinical.age.map(|age| format!("{age:.0}"));
    let person = [
        known("age", age.as_deref()),
        known("sex", clinical.sex.as_deref()),
        known("smoking", clinical.smoking.as_deref()),
        known("specimen", clinical.specimen.as_deref()),
    ];
    sheets.words(Ink::Plain, &format!("Given: {}", person.join(", ")));
}

/// How far it may be relied on, and what made it.
fn reliance(said: &Said, kept: &Kept<'_>, sheets: &mut Sheets<'_>) {
    if !said.limits.is_empty() {
        sheets.heading("Limits of this result");
        for limit in &said.limits {
            sheets.words(Ink::Plain, &format!("•  {}: {}", limit.message, limit.next_step));
        }
    }
    if !said.explanations.is_empty() {
        sheets.heading("Where the networks looked");
        for explanation in &said.explanations {
            let method = title(&explanation.method);
            let modality = modality(&explanation.modality);
            let verdict = match &*explanation.verdict {
                "faithful" => "checked: faithful",
                "not_checked" => "not checked",
                _ => "no reliable explanation, not shown",
            };
            sheets.words(Ink::Plain, &format!("•  {modality}, {method}: {verdict}"));
        }
    }
    sheets.heading("What made it");
    let bundle = &said.bundle;
    sheets.words(Ink::Plain, &format!("Bundle {} {}, engine {}", bundle.name, bundle.version, bundle.engine));
    sheets.words(Ink::Plain, &format!("Bundle SHA-256 {}", bundle.sha256));
    sheets.words(
        Ink::Plain,
        &format!("HILUM {}, device {}, {}", said.provenance.hilum, kept.device, said.provenance.created),
    );
    sheets.words(Ink::Plain, &format!("Report SHA-256 {}", kept.seed()));
}

/// What a method's authors call it.
fn title(method: &str) -> &str {
    match method.parse::<ExplainMethod>() {
        Ok(known) => known.title(),
        Err(_) => method,
    }
}

fn modality(name: &str) -> &str {
    if name == "ct" { "CT" } else { "H&E" }
}

/// An overlay of each modality, with what it is: of the fields, that of most attention.
fn pictures(said: &Said) -> Vec<(String, &str)> {
    let tiles = said.he.iter().flat_map(|he| &he.tiles);
    let field = tiles.max_by(|a, b| a.attention.total_cmp(&b.attention)).map_or(0, |tile| tile.field);
    let of = |(name, at): (&str, usize)| {
        let mut all = said.explanations.iter().filter(|explanation| explanation.modality == name);
        let (method, overlay) =
            all.find_map(|explanation| Some((&explanation.method, explanation.overlays.get(at)?.as_str())))?;
        Some((format!("{}: where the network looked ({})", modality(name), title(method)), overlay))
    };
    [("ct", 0), ("he", field)].into_iter().filter_map(of).collect()
}

/// The document of pages that were laid out.
fn drawn(pages: &[Vec<Mark>], faces: &[Typeface; 2], said: &Said, seed: &str) -> Result<Vec<u8>, ExportFault> {
    let configuration = ConfigurationBuilder::new().with_archival_validator(Archival::A2_B).finish();
    let settings = SerializeSettings {
        configuration: configuration.map_err(|error| fault(format!("{error:?}")))?,
        ..SerializeSettings::default()
    };
    let mut document = Document::new_with(settings);
    let created = moment(&said.provenance.created).ok_or(ExportFault::Undated)?;
    document.set_metadata(
        Metadata::new()
            .title("HILUM result".to_owned())
            .description(said.notice.clone())
            .language("en".to_owned())
            .creator(format!("HILUM {}", said.provenance.hilum))
            .creation_date(created)
            .document_id(seed.to_owned()),
    );
    for marks in pages {
        let settings = PageSettings::from_wh(PAGE[0], PAGE[1]).ok_or_else(|| fault("the page has no size"))?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        for mark in marks {
            match mark {
                Mark::Text { at: [x, y], size, ink, text } => {
                    let face = &faces[usize::from(ink.is_bold())];
                    surface.set_fill(Some(fill(ink.color())));
                    let glyphs = face.glyphs(text);
                    surface.draw_glyphs(Point::from_xy(*x, *y), &glyphs, face.font(), text, *size, false);
                }
                Mark::Bar { at: [x, y], size: [width, height], color } => {
                    let mut path = PathBuilder::new();
                    if let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) {
                        path.push_rect(rect);
                    }
                    surface.set_fill(Some(fill(*color)));
                    if let Some(path) = path.finish() {
                        surface.draw_path(&path);
                    }
                }
                Mark::Picture { at: [x, y], size: [width, height], picture } => {
                    if let Some(size) = Size::from_wh(*width, *height) {
                        surface.push_transform(&Transform::from_translate(*x, *y));
                        surface.draw_image(image(picture), size);
                        surface.pop();
                    }
                }
            }
        }
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| fault(format!("{error:?}")))
}

fn fill([red, green, blue]: [u8; 3]) -> Fill {
    Fill { paint: rgb::Color::new(red, green, blue).into(), opacity: NormalizedF32::ONE, rule: Default::default() }
}

fn image(picture: &RgbImage) -> Image {
    let pixels = picture.pixels().flat_map(|pixel| [pixel[0], pixel[1], pixel[2], u8::MAX]).collect();
    Image::from_rgba8(pixels, picture.width(), picture.height())
}

/// A moment of RFC 3339 in UTC, as reports have it.
fn moment(text: &str) -> Option<DateTime> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    let short = |from, to| u8::try_from(part(from, to)?).ok();
    Some(
        DateTime::new(part(0, 4)?)
            .month(short(5, 7)?)
            .day(short(8, 10)?)
            .hour(short(11, 13)?)
            .minute(short(14, 16)?)
            .second(short(17, 19)?)
            .utc_offset_hour(0)
            .utc_offset_minute(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::tests::report;

    #[test]
    fn of_the_fields_that_of_most_attention_is_drawn() {
        let mut report = report(false);
        let of = |modality: &str, overlays: &[&str]| serde_json::json!({"modality": modality, "method": "gradcam", "map": null, "verdict": "faithful", "overlays": overlays});
        report["explanations"] = serde_json::json!([of("ct", &[]), of("he", &["he-1.png", "he-2.png"])]);
        let said = serde_json::from_value(report).expect("a report");
        assert_eq!(pictures(&said), [("H&E: where the network looked (Grad-CAM)".to_owned(), "he-2.png")]);
    }

    #[test]
    fn the_same_report_is_the_same_document() {
        for refused in [false, true] {
            let report = serde_json::to_vec(&report(refused)).expect("JSON");
            let kept = Kept { report: &report, files: &[], device: "none" };
            let first = pdf(&kept, None).expect("a document");
            assert!(first.starts_with(b"%PDF-"));
            assert_eq!(first, pdf(&kept, None).expect("a document"));
        }
    }
}
