//! Every explanation of a case side by side.

use embedded_graphics::pixelcolor::Rgb888;
use hilum_assess::{Assessed, Explanation, Verdict};
use hilum_domain::{Class, Modality};
use hilum_imaging::{PatchGeometry, Volume, triangle};
use image::{RgbImage, imageops};
use ndarray::Array2;

use crate::{
    NOTICE,
    paint::{Canvas, hottest, lay, patch_plain},
};

const PAPER: Rgb888 = Rgb888::new(18, 22, 28);
const INK: Rgb888 = Rgb888::new(235, 238, 242);
const FAINT: Rgb888 = Rgb888::new(140, 150, 165);
/// The edge of a picture.
const EDGE: u32 = 256;
/// Between pictures.
const GAP: u32 = 12;
/// Two lines of words.
const WORDS: u32 = 48;
const COLUMNS: u32 = 3;

/// The methods over the patch, then over the tile of most attention; nothing if fewer than two methods were asked for.
#[must_use]
pub(crate) fn sheet(
    result: &Assessed,
    volume: Option<&Volume<i16>>,
    fields: &[RgbImage],
    geometry: &PatchGeometry,
) -> Option<RgbImage> {
    let of = |modality: Modality| -> Vec<&Explanation> {
        result.explanations.iter().filter(|explanation| explanation.modality == modality).collect()
    };
    let ct = result.ct.as_ref().zip(volume).map(|(ct, volume)| patch_plain(volume, ct, geometry, EDGE));
    let he = result.he.as_ref().and_then(|he| {
        let most = he.most_attended()?;
        let tile = &he.tiles[most];
        let [x, y] = tile.origin;
        let there = imageops::crop_imm(fields.get(tile.field)?, x, y, tile.edge, tile.edge).to_image();
        Some((most, triangle(&there, EDGE, EDGE)))
    });
    let rows = [
        ct.map(|plain| ("CT, the patch around the lesion", 0, plain, of(Modality::Ct))),
        he.map(|(tile, plain)| ("H&E, the tile of most attention", tile, plain, of(Modality::He))),
    ];
    let rows: Vec<_> = rows.into_iter().flatten().filter(|(_, _, _, methods)| methods.len() > 1).collect();
    let lines = |methods: &[&Explanation]| u32::try_from(methods.len()).unwrap_or(u32::MAX).div_ceil(COLUMNS);
    let height: u32 = rows.iter().map(|(_, _, _, methods)| WORDS + lines(methods) * (EDGE + WORDS + GAP)).sum();
    if height == 0 {
        return None;
    }
    let width = COLUMNS * (EDGE + GAP) + GAP;
    let mut canvas = Canvas(RgbImage::new(width, height + 2 * WORDS));
    canvas.fill((0, 0), (width, height + 2 * WORDS), PAPER);
    let class = Class::ALL[result.fused.top()].display(result.metadata.specimen);
    canvas.text((position(GAP), 12), &format!("Where the networks looked for: {class}"), INK);
    let mut y = WORDS;
    for (title, picture, plain, methods) in rows {
        canvas.text((position(GAP), position(y + 12)), title, FAINT);
        y += WORDS;
        for (index, explanation) in (0..).zip(&methods) {
            let x = GAP + index % COLUMNS * (EDGE + GAP);
            let upper = y + index / COLUMNS * (EDGE + WORDS + GAP);
            let mut shown = plain.clone();
            let heat = explanation.heat.as_ref().map(|heat| heat.shown(explanation.method));
            let map: Option<&Array2<f32>> = heat
                .as_ref()
                .and_then(|heat| Some(&heat.maps[heat.pictures.iter().position(|&shown| shown == picture)?]));
            if let (Some(map), Some(heat)) = (map, &heat) {
                lay(&mut shown, (0, 0), (EDGE, EDGE), map, hottest(&heat.maps));
            }
            canvas.picture((i64::from(x), i64::from(upper)), &shown);
            canvas.text((position(x), position(upper + EDGE + 4)), explanation.method.title(), INK);
            canvas.text((position(x), position(upper + EDGE + 24)), &said(explanation), FAINT);
        }
        y += lines(&methods) * (EDGE + WORDS + GAP);
    }
    canvas.text((position(GAP), position(height + WORDS + 12)), NOTICE, FAINT);
    Some(canvas.0)
}

/// What is known of how faithful it is, in at most 25 letters.
fn said(explanation: &Explanation) -> String {
    let judged = &explanation.judged;
    match (judged.verdict, judged.insertion_auc, judged.random_auc) {
        (Verdict::Faithful, Some(insertion), Some(random)) => format!("insertion {insertion:.2}/{random:.2}"),
        (Verdict::NotChecked, ..) => "not checked".to_owned(),
        _ => "no reliable explanation".to_owned(),
    }
}

fn position(pixels: u32) -> i32 {
    i32::try_from(pixels).unwrap_or(i32::MAX)
}
