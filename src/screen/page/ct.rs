//! The CT of a draft: which export, then slices in three planes, windows, a part of them, candidates as rings, and the lesion.

use embedded_graphics::pixelcolor::Rgb888;
use hilum_domain::{CaseNumber, Point};
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

/// How large the mark of a lesion is, which has no size of its own.
const MARK_MM: f64 = 12.0;

impl Plane {
    const fn word(self) -> &'static str {
        match self {
            Self::Axial => "ct-axial-slice",
            Self::Coronal => "ct-coronal-slice",
            Self::Sagittal => "ct-sagittal-slice",
        }
    }
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
    /// One is being read.
    pub(super) busy: bool,
    /// The first that is seen.
    from: usize,
}

impl Choosing {
    /// Nothing is known yet.
    #[must_use]
    pub const fn new(patient: Patient) -> Self {
        Self { patient, exports: None, asked: None, busy: false, from: 0 }
    }

    /// Whether one is being read.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.busy
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let gap = sheet.gap();
        let mut area = area.inside(gap);
        let words = sheet.words;
        let Some(exports) = self.exports.as_ref().filter(|_| !self.busy) else {
            let said = if self.busy { "ct-reading" } else { "ct-looking" };
            sheet.centred(area, words.say(said), size::BODY, FAINT, PAPER);
            return;
        };
        if let Some(key) = self.asked {
            let buttons = area.bottom(sheet.button_height() * 3 / 2).columns(2, gap);
            let of = exports.iter().find(|export| export.key == key).map(|export| export.patient_id.clone());
            let given = [("found", of.unwrap_or_default().into()), ("case", self.patient.identity.first().into())];
            sheet.said(area, Sign::Stop, words.safe_with("ct-other-id", given), size::TITLE, PAPER);
            sheet.button(buttons[0], words.say("cancel"), Button::Call, Act::Take(None));
            sheet.button(buttons[1], words.say("ct-same-patient"), Button::Danger, Act::TakeAnyway(key));
            return;
        }
        let head = area.top(sheet.line(size::BODY) * 2);
        let matching = exports.iter().filter(|export| export.matches).count();
        let sign = if matching == 0 { Sign::Warn } else { Sign::Note };
        let said = if exports.is_empty() {
            "ct-none"
        } else if matching == 0 {
            "ct-none-of-patient"
        } else {
            "ct-choose"
        };
        sheet.said(head, sign, words.say(said), size::BODY, PAPER);
        area.top(gap);
        let height = sheet.button_height() + gap;
        let fit = usize::from(area.height / (height + gap)).max(1);
        let many = exports.len() > fit;
        let buttons = many.then(|| area.bottom(sheet.button_height()).columns(2, gap));
        let fit = usize::from(area.height / (height + gap)).max(1);
        let from = self.from.min(exports.len().saturating_sub(1));
        for export in exports.iter().skip(from).take(fit) {
            let place = area.top(height);
            area.top(gap);
            sheet.button_of(place, "", Button::Plain, Some(Act::Take(Some(export.key))), size::BODY);
            let mut inside = place.inside(sheet.look.px(8));
            let slices = inside.right(inside.width / 5);
            let given = [("count", export.slices.into())];
            sheet.at_end(slices, words.with("ct-slices", given), size::SMALL, FAINT, KEY);
            let date = inside.right(inside.width / 4);
            sheet.at_end(date, words.date(&export.study_date), size::SMALL, FAINT, KEY);
            let sign = if export.matches { Sign::Note } else { Sign::Warn };
            if !export.series.trim().is_empty() {
                // Between the two, or below the identifier where there is no room beside it.
                let place = if sheet.look.is_portrait() || sheet.look.is_low() {
                    inside.bottom(inside.height / 2)
                } else {
                    inside.right(inside.width / 2)
                };
                sheet.typed(place, export.series.as_str(), size::SMALL, FAINT, KEY);
            }
            if export.patient_id.trim().is_empty() {
                sheet.said(inside, sign, words.say("ct-no-id"), size::BODY, KEY);
            } else {
                sheet.said_typed(inside, sign, export.patient_id.as_str(), size::BODY, KEY);
            }
        }
        if let Some(buttons) = buttons {
            let step = isize::try_from(fit).unwrap_or(1);
            sheet.button_if(from > 0, buttons[0], sheet.back_sign(), Button::Plain, Act::Page(-step));
            sheet.button_if(from + fit < exports.len(), buttons[1], sheet.on_sign(), Button::Plain, Act::Page(step));
        }
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        let case = self.patient.case;
        if self.busy {
            return Turn::Stay;
        }
        match act {
            Act::Take(None) => self.asked = None,
            Act::Take(Some(key)) => match self.exports.iter().flatten().find(|export| export.key == *key) {
                Some(export) if export.matches => return self.take(case, *key, false),
                Some(_) => self.asked = Some(*key),
                None => {}
            },
            Act::TakeAnyway(key) if self.asked == Some(*key) => return self.take(case, *key, true),
            Act::Page(by) => {
                let last = self.exports.as_ref().map_or(0, |exports| exports.len().saturating_sub(1));
                self.from = self.from.saturating_add_signed(*by).min(last);
            }
            _ => {}
        }
        Turn::Stay
    }

    fn take(&mut self, case: CaseNumber, key: u64, other_id: bool) -> Turn {
        (self.asked, self.busy) = (None, true);
        Turn::Wish(vec![Wish::TakeExport(case, key, other_id)])
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

    /// Which slice of how many, from the feet, the front or the patient's right.
    fn number(&self) -> (u32, u32) {
        let (_, through) = self.plane.axes();
        let [least, most] = extent_mm(&self.ct.volume)[through];
        let step = self.step_mm();
        let whole = |count: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates, and is not negative"
            )]
            let whole = count as u32;
            whole
        };
        let count = whole(((most - least) / step).round()).max(1);
        (whole((self.at.lps_mm[through] - least) / step).min(count - 1) + 1, count)
    }

    /// Which side of the patient is at the left and at the right: letters of the standard (PS3.3 C.7.6.1.1.1), the same in every
    /// language.
    fn sides(&self, sheet: &mut Sheet<'_, Act>, fitted: Area) {
        let letters = match self.plane {
            Plane::Axial | Plane::Coronal => ["R", "L"],
            Plane::Sagittal => ["A", "P"],
        };
        let (width, height) = (sheet.look.px(26), sheet.line(size::SMALL));
        let y = fitted.y + fitted.height.saturating_sub(height) / 2;
        let right = fitted.x + fitted.width.saturating_sub(width);
        sheet.in_order(fitted, |sheet| {
            for (x, letter) in [fitted.x, right].into_iter().zip(letters) {
                let place = Area::new(x, y, width, height);
                sheet.item(Item::Fill { area: place, color: PAPER });
                sheet.centred(place, letter, size::SMALL, INK, PAPER);
            }
        });
    }

    /// The room of the picture and of the buttons.
    fn room(sheet: &Sheet<'_, Act>, area: Area) -> (Area, Area) {
        let mut area = area.inside(sheet.gap());
        let side = if sheet.look.is_portrait() {
            area.bottom(3 * sheet.button_height() + 3 * sheet.gap())
        } else {
            area.right((area.width / 4).max(sheet.look.finger() * 4 + 2 * sheet.gap()))
        };
        (area.inside(sheet.gap() / 2), side)
    }

    pub(super) fn draw(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let (room, side) = Self::room(sheet, area);
        let words = sheet.words;
        let picture = self.picture();
        let mut room = room;
        let caption = room.bottom(sheet.line(size::SMALL));
        let fitted = sheet.picture(room, picture.clone());
        sheet.target(fitted, Act::Slice);
        let (number, count) = self.number();
        let given = [("number", number.into()), ("count", count.into())];
        sheet.centred(caption, words.with(self.plane.word(), given), size::SMALL, FAINT, PAPER);
        self.sides(sheet, fitted);
        let ring = sheet.look.px(3);
        for (point, diameter) in &self.ct.candidates {
            self.ring(sheet, fitted, &picture, *point, *diameter, (FAINT, ring), false);
        }
        // What is kept and what is only touched differ by more than their colour.
        if let Some(point) = self.kept {
            self.ring(sheet, fitted, &picture, point, MARK_MM, (INK, ring * 2), false);
        }
        if let Some(point) = self.marked {
            self.ring(sheet, fitted, &picture, point, MARK_MM, (WARN, ring), true);
        }
        self.buttons(sheet, side);
    }

    /// A ring around a place: what a ball of that size shows of itself in this slice.
    #[expect(clippy::too_many_arguments, reason = "what is drawn, where, and how")]
    fn ring(
        &self,
        sheet: &mut Sheet<'_, Act>,
        fitted: Area,
        picture: &Picture,
        point: Point,
        diameter_mm: f64,
        (color, width): (Rgb888, u16),
        crossed: bool,
    ) {
        let (share, away) = self.slice().share(point);
        let radius = diameter_mm / 2.0 + 4.0;
        if away > radius {
            return;
        }
        let shown = (radius * radius - away * away).sqrt();
        let [x, y] = picture.pixel_of(fitted, share);
        let pixels = shown / picture.size()[0] * f64::from(fitted.width) * self.part.zoom;
        let Some(ring) = ring(x, y, pixels, fitted) else { return };
        // It lies on the patient, in whichever direction is read.
        sheet.in_order(fitted, |sheet| sheet.item(Item::Ring { area: ring, clip: fitted, color, width }));
        let length = (ring.width / 3).max(4);
        let (middle_x, middle_y) = (ring.x + ring.width / 2, ring.y + ring.height / 2);
        let cross = [
            Area::new(middle_x.saturating_sub(length / 2), middle_y, length, 2),
            Area::new(middle_x, middle_y.saturating_sub(length / 2), 2, length),
        ];
        if crossed && cross.iter().all(|line| line.is_in(&fitted)) {
            sheet.in_order(fitted, |sheet| cross.into_iter().for_each(|area| sheet.item(Item::Fill { area, color })));
        }
    }

    /// What is done with the slices: rows of what belongs together.
    fn buttons(&self, sheet: &mut Sheet<'_, Act>, side: Area) {
        let words = sheet.words;
        let gap = sheet.gap() / 2;
        let planes = Plane::ALL
            .into_iter()
            .zip(["ct-axial", "ct-coronal", "ct-sagittal"])
            .map(|(plane, word)| (words.say(word), Button::Choice(self.plane == plane), Some(Act::Plane(plane))));
        let views = [(View::Lung, "ct-lung"), (View::Mediastinum, "ct-mediastinum")]
            .map(|(view, word)| (words.say(word), Button::Choice(self.view == view), Some(Act::View(view))));
        let scrolls = [("-10", -10), ("-1", -1), ("+1", 1), ("+10", 10)]
            .map(|(text, by)| (text.to_owned(), Button::Plain, Some(Act::Scroll(by))));
        let zooms = [
            ("\u{2212}".to_owned(), Button::Plain, (self.part.zoom > 1.0).then_some(Act::Zoom(-1))),
            ("+".to_owned(), Button::Plain, (self.part.zoom < CLOSEST).then_some(Act::Zoom(1))),
        ];
        let suggest = (!self.ct.candidates.is_empty()).then_some(Act::Candidate);
        let suggest = (words.say("ct-next-candidate"), Button::Plain, suggest);
        let set = (words.say("ct-set-lesion"), Button::Call, self.marked.map(|_| Act::SetLesion));
        let planes: Vec<_> = planes.collect();
        let rows: Vec<Vec<_>> = if sheet.look.is_portrait() {
            vec![
                planes.into_iter().chain(views).collect(),
                scrolls.into_iter().chain(zooms).collect(),
                vec![suggest, set],
            ]
        } else {
            vec![planes, views.to_vec(), scrolls.to_vec(), zooms.to_vec(), vec![suggest], vec![set]]
        };
        let places = side.rows(u16::try_from(rows.len()).unwrap_or(1), gap);
        let highest = sheet.button_height() * 2;
        for (place, row) in places.into_iter().zip(rows) {
            let place = Area { height: place.height.min(highest), ..place };
            let count = u16::try_from(row.len()).unwrap_or(1);
            for (place, (text, kind, act)) in place.columns(count, gap).into_iter().zip(row) {
                sheet.button_of(place, text, kind, act, size::SMALL);
            }
        }
    }

    /// A touch of the slice, which fills `area`, in pixels of the panel.
    pub fn touched(&mut self, area: Area, x: u16, y: u16) {
        let share = self.picture().share_at(area, f64::from(x) + 0.5, f64::from(y) + 0.5);
        let point = self.slice().point(share);
        if self.ct.volume.grid().contains(point) {
            self.marked = Some(point);
            self.at = point;
        }
    }

    /// A finger moved over the slice by so many pixels: what is seen moves with it, if there is more than is seen; otherwise it
    /// goes through the slices. Answers with what of the movement is left for the next time.
    pub fn dragged(&mut self, area: Area, by: [i32; 2], slice_pixels: u16) -> [i32; 2] {
        if self.part.zoom > 1.0 {
            let size = [area.width, area.height];
            let Part { centre, zoom } = self.part;
            let moved =
                std::array::from_fn(|axis| centre[axis] - f64::from(by[axis]) / f64::from(size[axis].max(1)) / zoom);
            self.part = Part { centre: moved, zoom }.kept_inside();
            return [0, 0];
        }
        let step = i32::from(slice_pixels.max(1));
        self.scroll(by[1] / step);
        [0, by[1] % step]
    }

    /// Two fingers on the slice: their distance became so many times what it was, around a pixel between them.
    pub fn pinched(&mut self, area: Area, times: f64, around: [f64; 2]) {
        let held = self.picture().share_at(area, around[0], around[1]);
        let zoom = (self.part.zoom * times).clamp(1.0, CLOSEST);
        let across = [
            (around[0] - f64::from(area.x)) / f64::from(area.width.max(1)),
            (around[1] - f64::from(area.y)) / f64::from(area.height.max(1)),
        ];
        // What was between the fingers stays there.
        let centre = std::array::from_fn(|axis| held[axis] - (across[axis] - 0.5) / zoom);
        self.part = Part { centre, zoom }.kept_inside();
    }

    fn scroll(&mut self, by: i32) {
        let (_, through) = self.plane.axes();
        let [least, most] = extent_mm(&self.ct.volume)[through];
        let half = self.step_mm() / 2.0;
        let to = self.at.lps_mm[through] + f64::from(by) * self.step_mm();
        self.at.lps_mm[through] = to.clamp(least + half, (most - half).max(least + half));
    }

    pub(super) fn act(&mut self, act: &Act) -> Turn {
        match act {
            Act::Plane(plane) => {
                self.plane = *plane;
                self.part = Part::ALL;
            }
            Act::View(view) => self.view = *view,
            Act::Scroll(by) => self.scroll(*by),
            // By a button instead of a finger: where the three planes meet.
            Act::Slice => self.marked = Some(self.at),
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
