//! The CT of a draft: which export, then slices in three planes, windows, a part of them, candidates as rings, and the lesion.

use hilum_domain::Point;
use hilum_imaging::Window;

use crate::{
    Area,
    event::Wish,
    model::{Ct, Export, Patient},
    page::{Act, Turn},
    picture::{CLOSEST, Part, Picture, Plane, Slice, Source, extent_mm},
    scene::{Item, Sign},
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, KEY, PAPER, WARN},
};

/// Which Hounsfield units are black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// Level −600, width 1500.
    #[default]
    Lung,
    /// Level 40, width 400.
    Mediastinum,
}

impl View {
    fn window(self) -> Window {
        match self {
            Self::Lung => Window::around(-600.0, 1500.0),
            Self::Mediastinum => Window::around(40.0, 400.0),
        }
    }
}

/// The exports that wait for a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct Choosing {
    /// Whose.
    pub patient: Patient,
    /// What waits; nothing before the daemon has said it.
    pub exports: Option<Vec<Export>>,
    /// One of another Patient ID that is to be taken all the same, once a person has said so.
    asked: Option<u64>,
}

impl Choosing {
    /// Nothing is known yet.
    #[must_use]
    pub const fn new(patient: Patient) -> Self {
        Self { patient, exports: None, asked: None }
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let mut area = area.inside(sheet.gap());
        let words = sheet.words;
        let Some(exports) = &self.exports else {
            sheet.centred(area, words.say("ct-looking"), size::BODY, FAINT, PAPER);
            return;
        };
        if let Some(key) = self.asked {
            let gap = sheet.gap();
            let buttons = area.bottom(sheet.button_height()).columns(2, gap);
            let of = exports.iter().find(|export| export.key == key).map(|export| export.patient_id.clone());
            let given = [("found", of.unwrap_or_default().into()), ("case", self.patient.identity.first().into())];
            sheet.said(area, Sign::Stop, words.with("ct-other-id", given), size::BODY, PAPER);
            sheet.button(buttons[0], words.say("cancel"), Button::Call, Act::Take(None));
            sheet.button(buttons[1], words.say("ct-same-patient"), Button::Danger, Act::TakeAnyway(key));
            return;
        }
        if exports.is_empty() {
            sheet.said(area, Sign::Note, words.say("ct-none"), size::BODY, PAPER);
            return;
        }
        let height = sheet.button_height() * 3 / 2;
        for export in exports {
            if area.height < height {
                break;
            }
            let place = area.top(height);
            area.top(sheet.gap());
            sheet.button_of(place, "", Button::Plain, Some(Act::Take(Some(export.key))), size::BODY);
            let mut inside = place.inside(sheet.look.px(8));
            let slices = inside.right(inside.width / 4);
            let given = [("count", export.slices.into())];
            sheet.at_end(slices, words.with("ct-slices", given), size::SMALL, FAINT, KEY);
            let sign = if export.matches { Sign::Note } else { Sign::Warn };
            sheet.said(inside, sign, export.patient_id.clone(), size::BODY, KEY);
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        let case = self.patient.case;
        match act {
            Act::Take(None) => self.asked = None,
            Act::Take(Some(key)) => {
                let matches = self.exports.iter().flatten().any(|export| export.key == *key && export.matches);
                if matches {
                    return Turn::Wish(vec![Wish::TakeExport(case, *key, false)]);
                }
                self.asked = Some(*key);
            }
            Act::TakeAnyway(key) if self.asked == Some(*key) => {
                self.asked = None;
                return Turn::Wish(vec![Wish::TakeExport(case, *key, true)]);
            }
            _ => {}
        }
        Turn::Stay
    }
}

/// The slices of a draft's CT.
#[derive(Debug, Clone, PartialEq)]
pub struct Viewing {
    /// The CT.
    pub ct: Ct,
    /// The lesion that is kept.
    pub kept: Option<Point>,
    plane: Plane,
    view: View,
    /// Where all three planes meet.
    at: Point,
    part: Part,
    /// The lesion that was touched and is not kept yet.
    marked: Option<Point>,
}

impl Viewing {
    /// At the lesion, the best candidate or the middle.
    #[must_use]
    pub fn new(ct: Ct, kept: Option<Point>) -> Self {
        let extent = extent_mm(&ct.volume);
        let middle = Point::new(extent.map(|[least, most]| f64::midpoint(least, most)));
        let at = kept.or_else(|| ct.candidates.first().map(|(point, _)| *point)).unwrap_or(middle);
        let (plane, view) = (Plane::Axial, View::default());
        Self { ct, kept, plane, view, at, part: Part::ALL, marked: None }
    }

    fn slice(&self) -> Slice {
        let (_, through) = self.plane.axes();
        Slice {
            volume: std::sync::Arc::clone(&self.ct.volume),
            plane: self.plane,
            at_mm: self.at.lps_mm[through],
            window: self.view.window(),
        }
    }

    fn picture(&self) -> Picture {
        Picture { source: Source::Slice(self.slice()), over: None, part: self.part }
    }

    /// How far one slice is from the next.
    fn step_mm(&self) -> f64 {
        let grid = self.ct.volume.grid();
        let (_, through) = self.plane.axes();
        grid.step_lps_mm.iter().map(|step| step[through].abs()).fold(0.0, f64::max).max(0.1)
    }

    /// The room of the picture and of the buttons.
    fn room(sheet: &Sheet<'_, Act>, area: Area) -> (Area, Area) {
        let mut area = area.inside(sheet.gap());
        let side = if sheet.look.is_portrait() {
            area.bottom(3 * sheet.button_height() + 3 * sheet.gap())
        } else {
            area.right((area.width / 4).max(sheet.look.finger() * 3 + 2 * sheet.gap()))
        };
        (area.inside(sheet.gap() / 2), side)
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let (room, mut side) = Self::room(sheet, area);
        let words = sheet.words;
        let picture = self.picture();
        let slice = self.slice();
        let fitted = sheet.picture(room, picture.clone());
        sheet.target(fitted, Act::Slice);
        let rings = self.ct.candidates.iter().map(|(point, diameter)| (*point, *diameter, FAINT));
        let kept = self.kept.map(|point| (point, 12.0, INK));
        let marked = self.marked.map(|point| (point, 12.0, WARN));
        for (point, diameter, color) in rings.chain(kept).chain(marked) {
            let (share, away) = slice.share(point);
            // A ring is what a ball of that size shows of itself in this slice.
            let radius = diameter / 2.0 + 4.0;
            if away > radius {
                continue;
            }
            let shown = (radius * radius - away * away).sqrt();
            let [x, y] = picture.pixel_of(fitted, share);
            let pixels = shown / picture.size()[0] * f64::from(fitted.width) * self.part.zoom;
            if let Some(ring) = ring(x, y, pixels, fitted) {
                sheet.item(Item::Ring { area: ring, clip: fitted, color, width: sheet.look.px(3) });
            }
        }
        let gap = sheet.gap() / 2;
        let rows = side.rows(if sheet.look.is_portrait() { 3 } else { 6 }, gap);
        let mut places = if sheet.look.is_portrait() {
            rows.iter().flat_map(|row| row.columns(6, gap)).collect::<Vec<_>>()
        } else {
            rows.iter().flat_map(|row| row.columns(3, gap)).collect()
        };
        side.top(0);
        let height = sheet.button_height();
        for place in &mut places {
            place.height = place.height.min(height * 2);
        }
        let mut places = places.into_iter();
        let mut put = |sheet: &mut Sheet<'_, Act>, text: String, kind: Button, act: Option<Act>| {
            if let Some(place) = places.next() {
                sheet.button_of(place, text, kind, act, size::SMALL);
            }
        };
        for (plane, word) in [(Plane::Axial, "ct-axial"), (Plane::Coronal, "ct-coronal"), (Plane::Sagittal, "ct-sagittal")] {
            put(sheet, words.say(word), Button::Choice(self.plane == plane), Some(Act::Plane(plane)));
        }
        for (view, word) in [(View::Lung, "ct-lung"), (View::Mediastinum, "ct-mediastinum")] {
            put(sheet, words.say(word), Button::Choice(self.view == view), Some(Act::View(view)));
        }
        put(sheet, words.say("ct-next-candidate"), Button::Plain, (!self.ct.candidates.is_empty()).then_some(Act::Candidate));
        for (text, by) in [("-10", -10), ("-1", -1), ("+1", 1), ("+10", 10)] {
            put(sheet, text.to_owned(), Button::Plain, Some(Act::Scroll(by)));
        }
        put(sheet, "\u{2212}".to_owned(), Button::Plain, (self.part.zoom > 1.0).then_some(Act::Zoom(-1)));
        put(sheet, "+".to_owned(), Button::Plain, (self.part.zoom < CLOSEST).then_some(Act::Zoom(1)));
        put(sheet, words.say("ct-set-lesion"), Button::Call, self.marked.map(|_| Act::SetLesion));
    }

    /// A touch of the slice, in pixels of the panel.
    pub(super) fn touched(&mut self, sheet: &Sheet<'_, Act>, area: Area, x: u16, y: u16) {
        let (room, _) = Self::room(sheet, area);
        let picture = self.picture();
        let fitted = picture.fitted(room);
        if fitted.contains(x, y) {
            let share = picture.share_at(fitted, f64::from(x) + 0.5, f64::from(y) + 0.5);
            let point = self.slice().point(share);
            if self.ct.volume.grid().contains(point) {
                self.marked = Some(point);
                self.at = point;
            }
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        match act {
            Act::Plane(plane) => {
                self.plane = *plane;
                self.part = Part::ALL;
            }
            Act::View(view) => self.view = *view,
            Act::Scroll(by) => {
                let (_, through) = self.plane.axes();
                let [least, most] = extent_mm(&self.ct.volume)[through];
                let half = self.step_mm() / 2.0;
                let to = self.at.lps_mm[through] + f64::from(*by) * self.step_mm();
                self.at.lps_mm[through] = to.clamp(least + half, (most - half).max(least + half));
            }
            Act::Zoom(by) => {
                let (share, _) = self.slice().share(self.at);
                let zoom = self.part.zoom * if *by > 0 { 1.5 } else { 1.0 / 1.5 };
                self.part = Part { centre: share, zoom }.kept_inside();
            }
            Act::Candidate => {
                let places: Vec<Point> = self.ct.candidates.iter().map(|(point, _)| *point).collect();
                let now = places.iter().position(|point| *point == self.at);
                let next = now.map_or(0, |at| (at + 1) % places.len().max(1));
                if let Some(point) = places.get(next) {
                    self.at = *point;
                    self.marked = Some(*point);
                }
            }
            Act::SetLesion => {
                if let Some(point) = self.marked.take() {
                    self.kept = Some(point);
                    return Turn::Wish(vec![Wish::Lesion(self.ct.patient.case, point)]);
                }
            }
            _ => {}
        }
        Turn::Stay
    }
}

/// The square around a ring, if it touches what is seen.
fn ring(x: f64, y: f64, radius: f64, seen: Area) -> Option<Area> {
    let radius = radius.clamp(6.0, 400.0);
    let (left, top) = (x - radius, y - radius);
    let inside = left >= 0.0
        && top >= 0.0
        && x + radius < f64::from(seen.x + seen.width) + radius
        && y + radius < f64::from(seen.y + seen.height) + radius;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and on the panel")]
    let square = Area::new(left as u16, top as u16, (2.0 * radius) as u16, (2.0 * radius) as u16);
    (inside && square.meets(&seen)).then_some(square)
}
