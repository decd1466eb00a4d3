//! Heatmaps over what was read.

use embedded_graphics::{
    mono_font::{MonoTextStyle, iso_8859_1::FONT_10X20},
    pixelcolor::Rgb888,
    prelude::*,
    primitives::{Circle, PrimitiveStyle, Rectangle},
    text::{Baseline, Text},
};
use hilum_assess::{CtFinding, HeFinding, Heat};
use hilum_domain::Point as Place;
use hilum_imaging::{PatchGeometry, Volume, Window, lesion_patch, resized_map, triangle};
use image::{Rgb, RgbImage, imageops};
use ndarray::{Array2, Axis};

use crate::NOTICE;

/// A picture that embedded-graphics draws into.
pub(crate) struct Canvas(pub(crate) RgbImage);

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, color) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y))
                && let Some(pixel) = self.0.get_pixel_mut_checked(x, y)
            {
                *pixel = Rgb([color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}

impl Canvas {
    pub(crate) fn text(&mut self, at: (i32, i32), text: &str, color: Rgb888) {
        let style = MonoTextStyle::new(&FONT_10X20, color);
        // Drawing into a picture cannot fail.
        Text::with_baseline(text, at.into(), style, Baseline::Top).draw(self).ok();
    }

    pub(crate) fn frame(&mut self, at: (i32, i32), size: (u32, u32), color: Rgb888, width: u32) {
        let style = PrimitiveStyle::with_stroke(color, width);
        Rectangle::new(at.into(), size.into()).into_styled(style).draw(self).ok();
    }

    pub(crate) fn fill(&mut self, at: (i32, i32), size: (u32, u32), color: Rgb888) {
        Rectangle::new(at.into(), size.into()).into_styled(PrimitiveStyle::with_fill(color)).draw(self).ok();
    }

    fn ring(&mut self, centre: (i32, i32), diameter: u32, color: Rgb888) {
        let style = PrimitiveStyle::with_stroke(color, 2);
        Circle::with_center(centre.into(), diameter).into_styled(style).draw(self).ok();
    }

    pub(crate) fn picture(&mut self, at: (i64, i64), picture: &RgbImage) {
        imageops::replace(&mut self.0, picture, at.0, at.1);
    }
}

/// Ring and frame: a colour that neither CT nor H&E nor the ramp has.
const MARK: Rgb888 = Rgb888::new(0, 220, 255);
const LIGHT: Rgb888 = Rgb888::new(235, 238, 242);
/// Around what is hottest: seen on lung, on tissue and on the ramp.
const OUTLINE: Rgb888 = Rgb888::new(90, 255, 140);
/// The edge of a panel of the CT picture.
const PANEL: u32 = 512;
/// Room for the line of words under a picture.
const CAPTION: u32 = 28;
/// Fields are drawn at most this wide.
const FIELD_WIDTH: u32 = 1280;

/// Matplotlib's "inferno": equal steps of heat look equally far apart, in grey, too.
fn ramp(value: f32) -> [f32; 3] {
    let color = colorous::INFERNO.eval_continuous(f64::from(value.clamp(0.0, 1.0)));
    [color.r, color.g, color.b].map(f32::from)
}

/// Lays a heat of 0 to 1 over a pixel; what is cold stays as it is.
pub fn blend(pixel: &mut Rgb<u8>, heat: f32) {
    let heat = heat.clamp(0.0, 1.0);
    let opacity = 0.62 * heat.sqrt() * (heat * 8.0).min(1.0);
    let color = ramp(heat);
    for (level, colour) in pixel.0.iter_mut().zip(color) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two levels")]
        let mixed = (f32::from(*level) * (1.0 - opacity) + colour * opacity).round() as u8;
        *level = mixed;
    }
}

/// The largest value of some maps: what counts as hot.
pub(crate) fn hottest<'a>(maps: impl IntoIterator<Item = &'a Array2<f32>>) -> f32 {
    maps.into_iter().flatten().copied().fold(f32::MIN_POSITIVE, f32::max)
}

/// What is drawn of a heat: everything from half of the hottest on is outlined.
const OUTLINED: f32 = 0.5;

/// Lays a map over a part of a picture, hot where it is `top`, and outlines what is hottest.
pub(crate) fn lay(
    picture: &mut RgbImage,
    (left, upper): (u32, u32),
    (width, height): (u32, u32),
    map: &Array2<f32>,
    top: f32,
) {
    let heat = resized_map(map, height as usize, width as usize).mapv_into(|value| value / top);
    let inside = |row: usize, column: usize| heat.get([row, column]).is_some_and(|&heat| heat >= OUTLINED);
    for ((row, column), &value) in heat.indexed_iter() {
        #[expect(clippy::cast_possible_truncation, reason = "within the picture")]
        let (x, y) = (left + column as u32, upper + row as u32);
        let Some(pixel) = picture.get_pixel_mut_checked(x, y) else { continue };
        let edge = inside(row, column)
            && !(row > 0
                && column > 0
                && inside(row - 1, column)
                && inside(row + 1, column)
                && inside(row, column - 1)
                && inside(row, column + 1));
        if edge {
            *pixel = Rgb([OUTLINE.r(), OUTLINE.g(), OUTLINE.b()]);
        } else {
            blend(pixel, value);
        }
    }
}

/// What the colours mean: from nothing to the hottest place of this explanation.
const LEGEND: u32 = 256;

fn legend(canvas: &mut Canvas, (x, y): (i32, i32)) {
    const RAMP: u32 = 100;
    canvas.text((x, y), "0", LIGHT);
    for step in 0..RAMP {
        let mut pixel = Rgb([90; 3]);
        blend(&mut pixel, step as f32 / RAMP as f32);
        #[expect(clippy::cast_possible_wrap, reason = "a hundred")]
        let at = (x + 16 + step as i32, y + 4);
        canvas.fill(at, (1, 12), Rgb888::new(pixel[0], pixel[1], pixel[2]));
    }
    canvas.text((x + 122, y), "max", LIGHT);
    canvas.frame((x + 162, y + 4), (16, 12), OUTLINE, 1);
    canvas.text((x + 184, y), "> half", LIGHT);
}

/// Left, the axial slice through the lesion with the patch framed; right, the patch with the heat over it.
///
/// The slice is drawn along the patient's axes, as the patch is read: left of the picture is the patient's right.
#[must_use]
pub(crate) fn ct_overlay(
    volume: &Volume<i16>,
    finding: &CtFinding,
    geometry: &PatchGeometry,
    map: Option<&Array2<f32>>,
) -> RgbImage {
    let words = if map.is_some() { "where the CT network looked" } else { "no reliable explanation" };
    ct_picture(volume, finding, geometry, map, Some(words))
}

/// The same without a map: what was read. Where the other one is laid over it, its words are over none.
#[must_use]
pub(crate) fn ct_plain(volume: &Volume<i16>, finding: &CtFinding, geometry: &PatchGeometry) -> RgbImage {
    ct_picture(volume, finding, geometry, None, None)
}

fn ct_picture(
    volume: &Volume<i16>,
    finding: &CtFinding,
    geometry: &PatchGeometry,
    map: Option<&Array2<f32>>,
    words: Option<&str>,
) -> RgbImage {
    let window = Window::around(-600.0, 1500.0);
    let mut canvas = Canvas(RgbImage::new(2 * PANEL + 8, PANEL + CAPTION));
    let middle = volume_middle(volume, finding.lesion);
    let span_mm = extent_mm(volume);
    let slice = rendered(volume, middle, span_mm, window);
    canvas.picture((0, 0), &slice);
    let [x, y, _] = finding.lesion.lps_mm;
    let [mx, my, _] = middle.lps_mm;
    let px_per_mm = f64::from(PANEL) / span_mm;
    #[expect(clippy::cast_possible_truncation, reason = "a position in the picture")]
    let at = |mm: f64, middle: f64| ((mm - middle) * px_per_mm + f64::from(PANEL) / 2.0).round() as i32;
    #[expect(clippy::cast_precision_loss, reason = "a hundred or so")]
    let patch_mm = geometry.size as f64 * geometry.spacing.mm();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length in the picture")]
    let edge = (patch_mm * px_per_mm).round() as u32;
    canvas.frame((at(x - patch_mm / 2.0, mx), at(y - patch_mm / 2.0, my)), (edge, edge), MARK, 2);
    canvas.ring((at(x, mx), at(y, my)), 14, MARK);

    let mut patch = rendered(volume, finding.lesion, patch_mm, window);
    if let Some(map) = map {
        lay(&mut patch, (0, 0), (PANEL, PANEL), map, hottest([map]));
    }
    canvas.picture((i64::from(PANEL) + 8, 0), &patch);
    #[expect(clippy::cast_possible_wrap, reason = "512")]
    let below = PANEL as i32 + 4;
    canvas.text((6, below), NOTICE, LIGHT);
    if map.is_some() {
        #[expect(clippy::cast_possible_wrap, reason = "a thousand")]
        legend(&mut canvas, ((2 * PANEL + 8 - LEGEND) as i32, below));
    }
    if let Some(words) = words {
        canvas.text((below - 100, below), &format!("{words}, {patch_mm:.0} mm"), LIGHT);
    }
    canvas.0
}

/// The patch alone, `edge` pixels wide, as it is drawn under its map.
#[must_use]
pub(crate) fn patch_plain(volume: &Volume<i16>, finding: &CtFinding, geometry: &PatchGeometry, edge: u32) -> RgbImage {
    #[expect(clippy::cast_precision_loss, reason = "a hundred or so")]
    let patch_mm = geometry.size as f64 * geometry.spacing.mm();
    let patch = rendered(volume, finding.lesion, patch_mm, Window::around(-600.0, 1500.0));
    triangle(&patch, edge, edge)
}

/// The point in the middle of the slice through the lesion.
fn volume_middle(volume: &Volume<i16>, lesion: Place) -> Place {
    let grid = volume.grid();
    let [_, _, k] = grid.index(lesion);
    #[expect(clippy::cast_precision_loss, reason = "picture sizes")]
    let half = |axis: usize| (grid.size[axis] as f64 - 1.0) / 2.0;
    let mut middle = grid.point([half(0), half(1), k]);
    middle.lps_mm[2] = lesion.lps_mm[2];
    middle
}

fn extent_mm(volume: &Volume<i16>) -> f64 {
    let spacing = volume.grid().spacing_mm();
    #[expect(clippy::cast_precision_loss, reason = "picture sizes")]
    let extent = |axis: usize| volume.grid().size[axis] as f64 * spacing[axis];
    extent(0).max(extent(1))
}

/// A square of the axial plane through a point, as grey levels.
fn rendered(volume: &Volume<i16>, centre: Place, span_mm: f64, window: Window) -> RgbImage {
    let spacing = hilum_domain::Step::from_mm(span_mm / f64::from(PANEL));
    let Some(spacing) = spacing else { return RgbImage::new(PANEL, PANEL) };
    let geometry = PatchGeometry { size: PANEL as usize, spacing, slice_offsets_mm: [0.0; 3] };
    let patch = lesion_patch(volume, centre, &geometry);
    let plane = patch.hu.index_axis(Axis(2), 0);
    RgbImage::from_fn(PANEL, PANEL, |x, y| Rgb([window.level(plane[[y as usize, x as usize]]); 3]))
}

/// A field with every tile that was read: its heat, and a frame as bright as its attention.
///
/// `heat` has maps of some or all tiles of the finding; `field` is zero-based.
#[must_use]
pub(crate) fn field_overlay(image: &RgbImage, field: usize, finding: &HeFinding, heat: Option<&Heat>) -> RgbImage {
    let (mut canvas, scale) = field_canvas(image);
    let (width, height) = (canvas.0.width(), canvas.0.height() - CAPTION);
    let scaled = |length: u32| scaled(length, scale);
    let top = heat.map_or(1.0, |heat| hottest(&heat.maps));
    let most = finding.attention.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    for (index, tile) in finding.tiles.iter().enumerate().filter(|(_, tile)| tile.field == field) {
        let (left, upper, edge) = (scaled(tile.origin[0]), scaled(tile.origin[1]), scaled(tile.edge).max(1));
        let map = heat.and_then(|heat| Some(&heat.maps[heat.pictures.iter().position(|&picture| picture == index)?]));
        if let Some(map) = map {
            lay(&mut canvas.0, (left, upper), (edge, edge), map, top);
        }
        let attention = finding.attention[index];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "60 to 220")]
        let light = (60.0 + attention / most * 160.0) as u8;
        #[expect(clippy::cast_possible_wrap, reason = "within the picture")]
        let (x, y) = (left as i32, upper as i32);
        canvas.frame((x + 1, y + 1), (edge.saturating_sub(2), edge.saturating_sub(2)), Rgb888::new(0, light, light), 2);
        if attention >= 0.02 {
            canvas.fill((x + 4, y + 4), (44, 20), Rgb888::new(10, 14, 20));
            canvas.text((x + 6, y + 4), &format!("{:>3.0}%", attention * 100.0), MARK);
        }
    }
    let what = if heat.is_some() { "Percentages are attention." } else { "Attention; no reliable explanation." };
    #[expect(clippy::cast_possible_wrap, reason = "within the picture")]
    canvas.text((6, height as i32 + 4), &format!("{NOTICE} {what}"), LIGHT);
    if heat.is_some() && width > 640 + LEGEND {
        #[expect(clippy::cast_possible_wrap, reason = "within the picture")]
        legend(&mut canvas, ((width - LEGEND) as i32, height as i32 + 4));
    }
    canvas.0
}

/// [`field_overlay`] without its words: to be laid over the field.
#[must_use]
pub(crate) fn field_heat(image: &RgbImage, finding: &HeFinding, heat: &Heat) -> RgbImage {
    let overlay = field_overlay(image, 0, finding, Some(heat));
    imageops::crop_imm(&overlay, 0, 0, overlay.width(), overlay.height() - CAPTION).to_image()
}

/// The field alone, of the same size: what was read.
#[must_use]
pub(crate) fn field_plain(image: &RgbImage) -> RgbImage {
    let (mut canvas, _) = field_canvas(image);
    #[expect(clippy::cast_possible_wrap, reason = "within the picture")]
    let below = (canvas.0.height() - CAPTION) as i32 + 4;
    canvas.text((6, below), NOTICE, LIGHT);
    canvas.0
}

fn scaled(length: u32, scale: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the picture")]
    let whole = (f64::from(length) * scale).round() as u32;
    whole
}

/// A field with room for words below, and its scale there.
fn field_canvas(image: &RgbImage) -> (Canvas, f64) {
    let width = image.width().min(FIELD_WIDTH);
    let scale = f64::from(width) / f64::from(image.width());
    let height = scaled(image.height(), scale).max(1);
    let mut canvas = Canvas(RgbImage::new(width, height + CAPTION));
    if width == image.width() {
        canvas.picture((0, 0), image);
    } else {
        canvas.picture((0, 0), &triangle(image, width, height));
    }
    (canvas, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_is_untouched_and_hot_is_not() {
        let mut pixel = Rgb([100, 100, 100]);
        blend(&mut pixel, 0.0);
        assert_eq!(pixel, Rgb([100, 100, 100]));
        blend(&mut pixel, 1.0);
        assert_ne!(pixel, Rgb([100, 100, 100]));
    }
}
