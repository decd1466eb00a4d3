//! From a scene to pixels, all of it or only what changed, into anything that takes pixels.

use std::sync::Arc;

use embedded_graphics::{pixelcolor::Rgb888, prelude::*, primitives::Rectangle};

use crate::{
    Area,
    picture::{Levels, Picture, Slice, Source},
    scaled::{Samples, Scaled},
    scene::{Item, Scene, Sign, Stand},
    text::Typesetter,
};

/// So many slices are kept as levels.
const SLICES: usize = 6;

/// Draws scenes. Keeps the text and the slices that it drew.
#[derive(Default)]
pub struct Painter {
    typesetter: Typesetter,
    slices: Vec<(Slice, Arc<Levels>)>,
}

/// Between two levels: 0 is `ground`, 255 is `ink`. Exact for every pair: 255 ground and no ink is ground.
fn mix(ground: u8, ink: u8, coverage: u8) -> u8 {
    let sum = u16::from(ground) * u16::from(255 - coverage) + u16::from(ink) * u16::from(coverage);
    // At most 255.
    ((sum + 127) / 255).to_be_bytes()[1]
}

/// Between two colours.
fn mixed(ground: Rgb888, ink: Rgb888, coverage: u8) -> Rgb888 {
    Rgb888::new(
        mix(ground.r(), ink.r(), coverage),
        mix(ground.g(), ink.g(), coverage),
        mix(ground.b(), ink.b(), coverage),
    )
}

/// All mixtures of two colours.
fn ramp(ground: Rgb888, ink: Rgb888) -> [Rgb888; 256] {
    let mut level = 0_u8;
    std::array::from_fn(|_| {
        let color = mixed(ground, ink, level);
        level = level.wrapping_add(1);
        color
    })
}

/// The pixels that two areas have in common.
fn common(a: Area, b: Area) -> Area {
    let (x, y) = (a.x.max(b.x), a.y.max(b.y));
    let right = (a.x + a.width).min(b.x + b.width);
    let bottom = (a.y + a.height).min(b.y + b.height);
    Area { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) }
}

impl Painter {
    /// Sets text for whoever wants to know its size.
    pub const fn typesetter(&mut self) -> &mut Typesetter {
        &mut self.typesetter
    }

    /// Draws what of a scene is in `clip`.
    ///
    /// # Errors
    /// What the target's are.
    pub fn paint<A, D: DrawTarget<Color = Rgb888>>(
        &mut self,
        scene: &Scene<A>,
        clip: Area,
        target: &mut D,
    ) -> Result<(), D::Error> {
        for item in &scene.items {
            let seen = common(item.area(), clip);
            if !seen.is_empty() {
                self.item(item, seen, target)?;
            }
        }
        Ok(())
    }

    fn item<D: DrawTarget<Color = Rgb888>>(&mut self, item: &Item, seen: Area, target: &mut D) -> Result<(), D::Error> {
        let rectangle = Rectangle::from(seen);
        match item {
            Item::Fill { color, .. } => target.fill_solid(&rectangle, *color),
            Item::Plate { area, color, on, radius, border } => {
                plate(*area, *color, *on, *radius, *border, seen, target)
            }
            Item::Text { area, text, style, stand, color, on } => {
                let mask = self.typesetter.set(text, *style, area.width, area.height);
                let height = u16::try_from(mask.height).unwrap_or(u16::MAX);
                let down = match stand {
                    Stand::Top => 0,
                    Stand::Middle => area.height.saturating_sub(height) / 2,
                };
                let [left, right] = [mask.ink.start, mask.ink.end].map(|at| u16::try_from(at).unwrap_or(area.width));
                let block = Area {
                    x: area.x + left,
                    y: area.y + down,
                    width: right.saturating_sub(left),
                    height: height.min(area.height - down),
                };
                let seen = common(block, seen);
                if seen.is_empty() {
                    return Ok(());
                }
                let ramp = ramp(*on, *color);
                let rows = usize::from(seen.y - block.y)..usize::from(seen.y - block.y + seen.height);
                let columns = usize::from(seen.x - area.x)..usize::from(seen.x - area.x + seen.width);
                let covered = rows.flat_map(|row| {
                    let row = &mask.coverage[row * mask.width..(row + 1) * mask.width];
                    row[columns.clone()].iter().map(|&coverage| ramp[usize::from(coverage)])
                });
                target.fill_contiguous(&seen.into(), covered)
            }
            Item::Sign { area, sign, color, on } => {
                let ramp = ramp(*on, *color);
                let pixels = rectangle.points().map(|point| {
                    let share = |at: i32, from: u16, size: u16| {
                        (f64::from(at) + 0.5 - f64::from(from)) / f64::from(size) * 2.0 - 1.0
                    };
                    let (x, y) = (share(point.x, area.x, area.width), share(point.y, area.y, area.height));
                    ramp[usize::from(sign_coverage(*sign, x, y, 2.0 / f64::from(area.width)))]
                });
                target.fill_contiguous(&rectangle, pixels)
            }
            Item::Picture { area, picture } => self.picture(*area, picture, seen, target),
            Item::Ring { area, clip, color, width } => {
                let seen = common(seen, *clip);
                let (cx, cy) =
                    (f64::from(area.x) + f64::from(area.width) / 2.0, f64::from(area.y) + f64::from(area.height) / 2.0);
                let radius = f64::from(area.width) / 2.0;
                let pixels = Rectangle::from(seen).points().filter_map(|point| {
                    let away = (f64::from(point.x) + 0.5 - cx).hypot(f64::from(point.y) + 0.5 - cy);
                    let inwards = radius - away;
                    let width = f64::from(*width);
                    // A dark edge on both sides: it is seen on every ground.
                    let color = if (1.0..1.0 + width).contains(&inwards) {
                        *color
                    } else if (0.0..2.0 + width).contains(&inwards) {
                        Rgb888::BLACK
                    } else {
                        return None;
                    };
                    Some(Pixel(point, color))
                });
                target.draw_iter(pixels)
            }
        }
    }

    fn picture<D: DrawTarget<Color = Rgb888>>(
        &mut self,
        area: Area,
        picture: &Picture,
        seen: Area,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let part = picture.part.kept_inside();
        let mut base = Scaled::new(self.samples(&picture.source), area, part, seen);
        let mut over = picture
            .over
            .as_ref()
            .filter(|(_, opacity)| *opacity > 0)
            .map(|(source, opacity)| (Scaled::new(self.samples(source), area, part, seen), *opacity));
        let mut row = vec![0; usize::from(seen.width) * 3];
        let mut top = row.clone();
        for y in seen.y..seen.y + seen.height {
            base.row(y, &mut row);
            if let Some((over, opacity)) = &mut over {
                over.row(y, &mut top);
                for (below, above) in row.iter_mut().zip(&top) {
                    *below = mix(*below, *above, *opacity);
                }
            }
            let pixels = row.as_chunks().0.iter().map(|&[red, green, blue]| Rgb888::new(red, green, blue));
            target.fill_contiguous(&Area { y, height: 1, ..seen }.into(), pixels)?;
        }
        Ok(())
    }

    fn samples(&mut self, source: &Source) -> Samples {
        match source {
            Source::Image(image) => Samples::Color(Arc::clone(image)),
            Source::Slice(slice) => {
                if let Some((_, levels)) = self.slices.iter().find(|(kept, _)| kept == slice) {
                    return Samples::Grey(Arc::clone(levels));
                }
                let levels = Arc::new(slice.levels());
                if self.slices.len() >= SLICES {
                    self.slices.remove(0);
                }
                self.slices.push((slice.clone(), Arc::clone(&levels)));
                Samples::Grey(levels)
            }
        }
    }
}

fn plate<D: DrawTarget<Color = Rgb888>>(
    area: Area,
    color: Rgb888,
    on: Rgb888,
    radius: u16,
    border: Option<(Rgb888, u16)>,
    seen: Area,
    target: &mut D,
) -> Result<(), D::Error> {
    let radius = radius.min(area.width / 2).min(area.height / 2);
    let (edge, width) = border.unwrap_or((color, 0));
    let reach = radius.max(width);
    // All but the corners is straight.
    let mut middle = area;
    let (top, bottom) = (middle.top(reach), middle.bottom(reach));
    for (part, outer) in [(middle, false), (top, true), (bottom, true)] {
        let part = common(part, seen);
        if part.is_empty() {
            continue;
        }
        if !outer {
            let mut inner = middle;
            for side in [inner.left(width), inner.right(width)] {
                let side = common(side, seen);
                target.fill_solid(&side.into(), edge)?;
            }
            target.fill_solid(&common(inner, seen).into(), color)?;
            continue;
        }
        let round = |inset: u16, x: i32, y: i32| {
            let (inset, radius) = (f64::from(inset), f64::from(radius));
            let half = |at: i32, from: u16, size: u16| {
                let middle = f64::from(from) + f64::from(size) / 2.0;
                (f64::from(at) + 0.5 - middle).abs() - (f64::from(size) / 2.0 - radius.max(inset))
            };
            let (dx, dy) = (half(x, area.x, area.width), half(y, area.y, area.height));
            let away = dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - (radius.max(inset) - inset);
            coverage(away, 1.0)
        };
        let pixels = Rectangle::from(part).points().map(|point| {
            let outside = round(0, point.x, point.y);
            let inside = if width == 0 { outside } else { round(width, point.x, point.y) };
            mixed(mixed(on, edge, outside), color, inside)
        });
        target.fill_contiguous(&part.into(), pixels)?;
    }
    Ok(())
}

/// How much of a pixel is inside, whose middle is so far outside of an edge.
fn coverage(outside: f64, pixel: f64) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    let level = ((0.5 - outside / pixel).clamp(0.0, 1.0) * 255.0).round() as u8;
    level
}

/// The distance of a point from a line between two others.
fn from_line([x, y]: [f64; 2], [ax, ay]: [f64; 2], [bx, by]: [f64; 2]) -> f64 {
    let (dx, dy) = (bx - ax, by - ay);
    let along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (x - ax - along * dx).hypot(y - ay - along * dy)
}

/// How much of a pixel of a sign is inked. The sign fills −1 to 1.
fn sign_coverage(sign: Sign, x: f64, y: f64, pixel: f64) -> u8 {
    let disc = x.hypot(y) - 0.95;
    let square = (x.abs().max(y.abs())) - 0.85;
    let stroke = |a: [f64; 2], b: [f64; 2], width: f64| from_line([x, y], a, b) - width;
    let (shape, cut) = match sign {
        Sign::Well => {
            let tick = stroke([-0.45, 0.05], [-0.12, 0.4], 0.13).min(stroke([-0.12, 0.4], [0.48, -0.35], 0.13));
            (disc, tick)
        }
        Sign::Warn => {
            // Three half-planes, with round corners.
            let side = (x.abs() * 0.88 - (y + 0.9) * 0.475).max(y - 0.82);
            let mark = stroke([0.0, -0.25], [0.0, 0.25], 0.12).min(x.hypot(y - 0.55) - 0.13);
            (side, mark)
        }
        Sign::Stop => {
            let octagon = square.max((x.abs() + y.abs()) * std::f64::consts::FRAC_1_SQRT_2 - 0.85) - 0.05;
            (octagon, stroke([-0.45, 0.0], [0.45, 0.0], 0.16))
        }
        Sign::Unknown => {
            let ring = (x.hypot(y) - 0.83).abs() - 0.12;
            let hook = ((x.hypot(y + 0.22) - 0.27).abs() - 0.09).max(if x < 0.0 && y > -0.22 { 1.0 } else { -1.0 });
            let stem = stroke([0.0, 0.08], [0.0, 0.2], 0.09).min(x.hypot(y - 0.48) - 0.11);
            (ring.min(hook).min(stem), 1.0)
        }
        Sign::Note => {
            let letter = stroke([0.0, -0.05], [0.0, 0.5], 0.13).min(x.hypot(y + 0.45) - 0.15);
            (square, letter)
        }
    };
    coverage(shape, pixel).saturating_sub(coverage(cut, pixel))
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::{
        Frame,
        scene::Target,
        text::Style,
        theme::{CALL, INK, KEY, PAPER, WARN},
    };

    fn scene() -> Scene<u8> {
        let mut scene = Scene::default();
        let whole = Area::new(0, 0, 200, 120);
        scene.items.push(Item::Fill { area: whole, color: PAPER });
        let button = Area::new(10, 12, 120, 60);
        scene.items.push(Item::Plate { area: button, color: KEY, on: PAPER, radius: 9, border: Some((CALL, 3)) });
        scene.text(button.inside(8), "Weiter", Style::of(20, 14, false).centred(), INK, KEY);
        scene.items.push(Item::Sign { area: Area::new(140, 20, 40, 40), sign: Sign::Warn, color: WARN, on: PAPER });
        let image = RgbImage::from_fn(8, 4, |x, y| image::Rgb([x.to_le_bytes()[0] * 30, y.to_le_bytes()[0] * 60, 9]));
        let picture = Picture::whole(Source::Image(Arc::new(image)));
        scene.items.push(Item::Picture { area: Area::new(10, 80, 60, 30), picture });
        scene.items.push(Item::Ring { area: Area::new(20, 85, 18, 18), clip: whole, color: WARN, width: 2 });
        scene.targets.push(Target { area: button, act: 1 });
        scene
    }

    #[test]
    fn parts_painted_alone_are_the_whole() {
        let scene = scene();
        let mut painter = Painter::default();
        let whole = Area::new(0, 0, 200, 120);
        let [mut at_once, mut in_parts] = [Frame::new(Size::new(200, 120)), Frame::new(Size::new(200, 120))];
        let Ok(()) = painter.paint(&scene, whole, &mut at_once);
        for (index, part) in whole.columns(8, 0).into_iter().flat_map(|column| column.rows(5, 0)).enumerate() {
            let Ok(()) = painter.paint(&scene, part, &mut in_parts);
            assert!(index < 40);
        }
        assert_eq!(at_once, in_parts);
    }

    #[test]
    fn painting_the_damage_is_painting_the_new_scene() {
        let (before, mut after) = (scene(), scene());
        after.items.remove(3);
        if let Item::Plate { color, .. } = &mut after.items[1] {
            *color = CALL;
        }
        let mut painter = Painter::default();
        let whole = Area::new(0, 0, 200, 120);
        let [mut wanted, mut mended] = [Frame::new(Size::new(200, 120)), Frame::new(Size::new(200, 120))];
        let Ok(()) = painter.paint(&after, whole, &mut wanted);
        let Ok(()) = painter.paint(&before, whole, &mut mended);
        assert_ne!(wanted, mended);
        let damage = after.damage(&before);
        assert!(damage.iter().all(|area| area.width < 150), "{damage:?}");
        for area in damage {
            let Ok(()) = painter.paint(&after, area, &mut mended);
        }
        assert_eq!(wanted, mended);
        assert!(after.damage(&after).is_empty());
    }
}
