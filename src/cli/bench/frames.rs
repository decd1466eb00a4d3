//! How long the panel takes to draw: whole pages, and what becomes of a touch.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use embedded_graphics::prelude::Size;
use hilum_device::linux::pool_memory;
use hilum_domain::CaseNumber;
use hilum_imaging::{Grid, Volume};
use hilum_screen::{
    Area, Frame,
    event::{Event, Key, Phase, Told, Touch},
    keyboard::Stroke,
    model::{Ct, Live, Picture},
    page::{Act, Tab, View},
    paint::Painter,
    specimen::{self, LOOKS, Person, assessed, assessment, draft, pages},
    theme::Look,
    words::Language,
};
use image::RgbImage;
use ndarray::Array3;
use serde::Serialize;

use super::spread::Spread;
use crate::Failure;

/// The panels that are timed: the first of those that are sold.
const PANELS: usize = 2;
/// So often something is done to a page.
const TIMES: u32 = 100;
/// A picture of the camera as the daemon makes it small, pixels.
const CAMERA: [u32; 2] = [960, 640];
/// A CT as scanners make it: voxels, and mm between them.
const CT: [usize; 3] = [512, 512, 120];
const STEP_MM: [f64; 3] = [0.7, 0.7, 2.5];

/// What it takes to draw on one panel.
#[derive(Serialize)]
pub(super) struct Figures {
    /// Every page, whole, the first time that its words are seen.
    pub(super) page_first: Spread,
    /// Every page, whole, once more.
    pub(super) page: Spread,
    /// From what happens to the last pixel of it.
    pub(super) updates: BTreeMap<&'static str, Spread>,
}

/// Draws every page `runs` times and more, on each panel, named by its pixels.
pub(super) fn figures(runs: u16) -> Result<BTreeMap<String, Figures>, Failure> {
    // As the daemon has it.
    pool_memory();
    let ct = large()?;
    let of = |look: Look| {
        let (page_first, page) = whole(look, runs);
        let updates = updates(look, &ct).into_iter().map(|(name, samples)| (name, Spread::of(samples))).collect();
        (format!("{}x{}", look.width, look.height), Figures { page_first, page, updates })
    };
    Ok(LOOKS.into_iter().take(PANELS).map(of).collect())
}

fn ms_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

/// Every page, by a painter that has not drawn it yet, and then by the same.
fn whole(look: Look, runs: u16) -> (Spread, Spread) {
    let pages = pages(look, Language::English);
    let mut frame = Frame::new(Size::new(look.width.into(), look.height.into()));
    let all = Area::new(0, 0, look.width, look.height);
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let mut painter = Painter::default();
        for samples in [&mut first, &mut again] {
            for page in &pages {
                let began = Instant::now();
                let Ok(()) = painter.paint(&page.scene, all, &mut frame);
                samples.push(ms_since(began));
            }
        }
    }
    (Spread::of(first), Spread::of(again))
}

/// A person whose touches are timed.
struct Timed {
    person: Person,
    /// What is shown: the daemon has it in its hands while the next is drawn.
    shown: Arc<Frame>,
    took_ms: BTreeMap<&'static str, Vec<f64>>,
}

impl Timed {
    fn new(look: Look) -> Self {
        let person = Person::new(look, Language::English, false).at_home();
        let shown = Arc::clone(person.screen.frame());
        Self { person, shown, took_ms: BTreeMap::new() }
    }

    /// From an event to its pixels.
    fn event(&mut self, name: &'static str, event: Event) {
        let began = Instant::now();
        self.person.event(event);
        let damage = self.person.screen.paint();
        let took = ms_since(began);
        if !damage.is_empty() {
            self.took_ms.entry(name).or_default().push(took);
            self.shown = Arc::clone(self.person.screen.frame());
        }
    }

    fn told(&mut self, name: &'static str, told: Told) {
        self.event(name, Event::Told(told));
    }

    /// A finger comes down, which is seen, and does something when it is lifted.
    fn tap(&mut self, name: &'static str, act: &Act) {
        let (x, y) = self.person.place(act);
        // A touch right after another page was shown is not meant for it.
        self.person.now += Duration::from_secs(1);
        for (name, phase) in [("touch", Phase::Down), (name, Phase::Up)] {
            self.event(name, Event::Touch(Touch { finger: 0, phase, x, y }));
        }
    }
}

/// What happens most on the pages where most is drawn.
fn updates(look: Look, ct: &Ct) -> BTreeMap<&'static str, Vec<f64>> {
    let mut timed = Timed::new(look);
    // What comes first draws all of it.
    timed.person.screen.paint();
    for _ in 0..TIMES {
        timed.tap("page", &Act::New);
        timed.tap("page", &Act::Back);
    }
    timed.tap("page", &Act::New);
    for _ in 0..TIMES {
        timed.tap("key", &Act::Stroke(Stroke::Key(Key::Character('4'))));
        timed.event("key", Event::Key(Key::Backspace));
    }
    timed.tap("page", &Act::Back);

    let case = CaseNumber(119);
    timed.tap("page", &Act::Case(case));
    timed.told("page", Told::Draft(Box::new(draft(true, 3))));
    timed.tap("page", &Act::ToCt);
    timed.told("page", Told::Ct(ct.clone()));
    for step in 0..TIMES {
        timed.tap("slice", &Act::Scroll(if step < TIMES / 2 { 1 } else { -1 }));
        timed.tap("window", &Act::View(if step % 2 == 0 { View::Mediastinum } else { View::Lung }));
    }
    timed.tap("page", &Act::Back);
    timed.told("page", Told::Draft(Box::new(draft(true, 3))));
    timed.tap("page", &Act::ToMicroscope);
    for number in 0..TIMES {
        timed.told("preview", Told::Live(Ok(seen_by_camera(number))));
    }
    timed.tap("page", &Act::Back);
    timed.told("page", Told::Draft(Box::new(draft(true, 3))));
    timed.told("page", Told::Shown(Box::new(assessed(assessment()))));
    for _ in 0..TIMES {
        timed.tap("tab", &Act::Tab(Tab::Limits));
        timed.tap("tab", &Act::Tab(Tab::Looked));
        timed.tap("map", &Act::Opacity(-64));
        timed.tap("map", &Act::Opacity(64));
    }
    timed.took_ms
}

/// A picture that is another one each time.
fn seen_by_camera(number: u32) -> Live {
    let [width, height] = CAMERA;
    let image = RgbImage::from_fn(width, height, |x, y| {
        let [low, high, ..] = ((x * 7) ^ (y * 13) ^ (number * 29)).to_le_bytes();
        image::Rgb([low, low ^ high, high])
    });
    let picture = Picture(Arc::new(image));
    specimen::live(picture)
}

fn large() -> Result<Ct, Failure> {
    let [i, j, k] = CT;
    let voxels = Array3::from_shape_fn((k, j, i), |(k, j, i)| {
        let level = ((i * 7) ^ (j * 13) ^ (k * 29)) % 1400;
        i16::try_from(level).unwrap_or_default() - 1000
    });
    let grid = Grid::axial(CT, [-180.0, -180.0, -400.0], STEP_MM);
    let volume =
        Volume::new(voxels, grid).ok_or_else(|| Failure::internal(anyhow::anyhow!("the CT is not as its grid")))?;
    Ok(Ct { volume: Arc::new(volume), ..specimen::ct() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_drawn_on_every_panel() {
        let figures = figures(1).expect("drawn");
        assert_eq!(figures.keys().collect::<Vec<_>>(), ["1280x800", "800x480"]);
        for Figures { page_first, page, updates } in figures.values() {
            let names: Vec<_> = updates.keys().copied().collect();
            assert_eq!(names, ["key", "map", "page", "preview", "slice", "tab", "touch", "window"]);
            let counts = updates.values().chain([page_first, page]).map(|spread| spread.n);
            assert!(counts.min() >= Some(50));
        }
    }
}
