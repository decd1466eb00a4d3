//! One picture with the whole result, for people without a viewer.

use embedded_graphics::{pixelcolor::Rgb888, prelude::*};
use hilum_assess::{Assessed, Scores};
use hilum_domain::{Class, Metadata};
use image::{RgbImage, imageops};

use crate::{NOTICE, paint::Canvas};

const PAPER: Rgb888 = Rgb888::new(18, 22, 28);
const INK: Rgb888 = Rgb888::new(235, 238, 242);
const FAINT: Rgb888 = Rgb888::new(140, 150, 165);
const FUSED: Rgb888 = Rgb888::new(250, 180, 60);
const CT: Rgb888 = Rgb888::new(110, 170, 250);
const HE: Rgb888 = Rgb888::new(225, 120, 190);
const WIDTH: u32 = 1280;
const HEIGHT: u32 = 960;

/// The result on 1280×960: class bars, weights, limits, and the pictures `ct` and `he` where there are any.
#[must_use]
pub(crate) fn result_card(result: &Assessed, ct: Option<&RgbImage>, he: Option<&RgbImage>) -> RgbImage {
    let metadata: &Metadata = &result.metadata;
    let mut canvas = Canvas(RgbImage::from_pixel(WIDTH, HEIGHT, image::Rgb([PAPER.r(), PAPER.g(), PAPER.b()])));
    let top = Class::ALL[result.fused.top()];
    canvas.text((24, 16), &format!("HILUM   {NOTICE}"), FAINT);
    let probability = result.fused.probabilities[result.fused.top()] * 100.0;
    canvas.text(
        (24, 48),
        &format!("The evidence favours: {} ({probability:.0}%)", top.display(metadata.specimen)),
        INK,
    );

    let rows: Vec<(&str, Rgb888, &Scores)> = [
        Some(("fused", FUSED, &result.fused)),
        result.ct.as_ref().map(|ct| ("CT", CT, &ct.scores)),
        result.he.as_ref().map(|he| ("H&E", HE, &he.scores)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut y = 88;
    for class in Class::ALL {
        canvas.text((24, y + 10), class.display(metadata.specimen), INK);
        for (line, (_, color, scores)) in (0..).zip(&rows) {
            let share = scores.probabilities[class.index()];
            bar(&mut canvas, (330, y + 14 * line), 200.0, share, *color);
            if line == 0 {
                canvas.text((540, y + 8), &format!("{:>3.0}%", share * 100.0), INK);
            }
        }
        y += 52;
    }
    let mut x = 330;
    for (name, color, _) in &rows {
        canvas.fill((x, y + 4), (14, 14), *color);
        canvas.text((x + 20, y), name, FAINT);
        x += 90;
    }
    y += 36;
    let [w_ct, w_he] = result.weights;
    canvas.text((24, y), &format!("weights: CT {:.0}%, H&E {:.0}%", w_ct * 100.0, w_he * 100.0), INK);
    bar(&mut canvas, (330, y + 4), 200.0, 1.0, HE);
    bar(&mut canvas, (330, y + 4), 200.0, w_ct, CT);
    y += 30;
    let known = |name: &str, value: Option<String>| format!("{name} {}", value.unwrap_or_else(|| "unknown".to_owned()));
    let clinical = [
        known("age", metadata.age.map(|age| format!("{:.0}", age.years()))),
        known("sex", metadata.sex.map(|sex| sex.name().to_owned())),
        known("smoking", metadata.smoking.map(|smoking| smoking.name().to_owned())),
    ];
    canvas.text((24, y), &clinical.join(", "), FAINT);
    y += 34;
    for limit in result.limits.iter().take(12) {
        for line in wrapped(&format!("! {}", limit.message), 60) {
            canvas.text((24, y), &line, FUSED);
            y += 22;
        }
    }
    let mut y = 48;
    for picture in [ct, he].into_iter().flatten() {
        let (width, height) = fitted(picture.dimensions(), (650, 480));
        canvas.picture((i64::from(WIDTH - width) - 16, y), &imageops::thumbnail(picture, width, height));
        y += i64::from(height) + 16;
    }
    canvas.0
}

/// The largest size of the same shape that fits into `room`.
fn fitted((width, height): (u32, u32), room: (u32, u32)) -> (u32, u32) {
    let scale = (f64::from(room.0) / f64::from(width.max(1))).min(f64::from(room.1) / f64::from(height.max(1)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the room")]
    let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    (scaled(width), scaled(height))
}

/// A bar of at most `width` pixels.
fn bar(canvas: &mut Canvas, at: (i32, i32), width: f64, share: f64, color: Rgb888) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the width")]
    let length = (width * share.clamp(0.0, 1.0)).round() as u32;
    canvas.fill(at, (length.max(1), 11), color);
}

/// Lines of at most `columns` characters, broken at spaces.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > columns {
                lines.push(format!("  {word}"));
            } else {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_shape() {
        assert_eq!(fitted((1032, 540), (650, 480)), (650, 340));
        assert_eq!(fitted((896, 924), (650, 480)), (465, 480));
    }

    #[test]
    fn words_are_not_cut() {
        let lines = wrapped("one two three four five", 10);
        assert!(lines.iter().all(|line| line.chars().count() <= 10), "{lines:?}");
        assert_eq!(lines.join(" ").split_whitespace().count(), 5);
    }
}
