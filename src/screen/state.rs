//! The screen as a pure state machine: an event and the time in, wishes out, and a scene of what is seen.

use std::{sync::Arc, time::Duration};

use hilum_domain::CaseNumber;

use crate::{
    Area,
    area::share,
    event::{Denied, Event, Key, Opened, Phase, Told, Touch, Wish},
    keyboard::Stroke,
    model::{Draft as Kept, Health, Patient, Role, Row, Shown},
    page::{
        Act, Around, Draft, Home, Lock, Page, Processing, ReadFirst, Result, SetPin, Settings, Turn, Viewing, Welcome,
    },
    scene::{Item, Scene, Sign},
    sheet::{Button, Sheet, size},
    theme::{FAINT, INK, Look, PAPER, PLATE, WARN},
    words::{Language, Words},
};

/// What the board says of its panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    /// The panel.
    pub look: Look,
    /// The language until a person picks another.
    pub language: Language,
    /// It locks after so long without a touch.
    pub auto_lock: Duration,
    /// A person says what they think before they see the result.
    pub read_first: bool,
    /// The box was not set up yet: it asks for language and PIN before anything else, unless somebody has one.
    pub welcome: bool,
}

/// After another page came up, what is touched in this time was meant for the one before.
const SETTLING: Duration = Duration::from_millis(250);
/// A finger that moved so far does not tap, pixels of a panel of 150 dpi.
const SLOP: u16 = 14;

/// A finger that came down on something.
#[derive(Debug, Clone, PartialEq)]
struct Press {
    act: Act,
    area: Area,
    /// The fingers on it: the first, and on a slice a second one. Where each is.
    fingers: Vec<(u8, [u16; 2])>,
    /// Where the first came down.
    from: [u16; 2],
    /// It moved too far, or another one joined it: it is no tap any more.
    moves: bool,
    /// What of a movement was too little for a slice.
    rest: [i32; 2],
    /// Whether it is on it now.
    on: bool,
}

/// Something that is said in the way of everything else until it was read.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Done(&'static str),
    Denied(Denied),
}

/// The screen.
#[derive(Debug, Clone)]
pub struct State {
    setup: Setup,
    page: Page,
    now: Duration,
    /// When the page came up.
    since: Duration,
    /// When somebody touched it last.
    touched: Duration,
    people: Option<Vec<Role>>,
    role: Option<Role>,
    unlocked: bool,
    health: Health,
    rows: Vec<Row>,
    /// The case that was asked for: its page comes up when it is told, and no other.
    awaited: Option<CaseNumber>,
    press: Option<Press>,
    focus: Option<usize>,
    said: Option<Said>,
}

impl State {
    /// A screen that knows nothing yet. Time is counted from whatever zero the caller keeps to.
    #[must_use]
    pub fn new(setup: Setup, now: Duration) -> Self {
        Self {
            setup,
            page: Page::Lock(Lock::default()),
            now,
            since: now,
            touched: now,
            people: None,
            role: None,
            unlocked: false,
            health: Health::default(),
            rows: Vec::new(),
            awaited: None,
            press: None,
            focus: None,
            said: None,
        }
    }

    /// The language in which it speaks.
    #[must_use]
    pub const fn language(&self) -> Language {
        self.setup.language
    }

    /// The panel.
    #[must_use]
    pub const fn look(&self) -> Look {
        self.setup.look
    }

    /// Whether nobody is logged in who would have to be.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        !self.unlocked
    }

    /// The page that is seen.
    #[must_use]
    pub const fn page(&self) -> &Page {
        &self.page
    }

    /// When time has to be told at the latest, if nothing else happens before: never, if nothing depends on it.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let locks = self.unlocked && self.has_pins();
        let lock = locks.then(|| self.touched.saturating_add(self.setup.auto_lock));
        let second = match &self.page {
            Page::Processing(page) => Some(page.next_tick(self.now)),
            _ => None,
        };
        lock.into_iter().chain(second).min()
    }

    fn has_pins(&self) -> bool {
        self.people.as_ref().is_some_and(|people| !people.is_empty())
    }

    fn around(&self) -> Around<'_> {
        Around {
            health: &self.health,
            rows: &self.rows,
            people: self.people.as_deref(),
            role: self.role,
            now: self.now,
        }
    }

    /// Another page. What a finger is on belongs to the one before, and so does the camera.
    fn show(&mut self, page: Page) -> Vec<Wish> {
        let watched = matches!(self.page, Page::Microscope(_)) && !matches!(page, Page::Microscope(_));
        self.page = page;
        self.since = self.now;
        (self.press, self.focus, self.awaited) = (None, None, None);
        if watched { vec![Wish::Live(None)] } else { Vec::new() }
    }

    fn lock(&mut self) -> Vec<Wish> {
        (self.role, self.unlocked, self.said) = (None, false, None);
        self.rows.clear();
        let mut wishes = self.show(Page::Lock(Lock::default()));
        wishes.push(Wish::Logout);
        wishes
    }

    fn home(&mut self) -> Vec<Wish> {
        let mut wishes = self.show(Page::Home(Home::default()));
        wishes.push(Wish::Refresh);
        wishes
    }

    /// Takes what happened.
    pub fn handle(&mut self, event: Event, words: &Words, now: Duration) -> Vec<Wish> {
        self.now = now;
        match event {
            Event::Touch(touch) => {
                self.touched = now;
                self.touch(touch, words)
            }
            Event::Key(key) => {
                self.touched = now;
                self.key(key, words)
            }
            Event::Tick => {
                let silent = now.saturating_sub(self.touched) >= self.setup.auto_lock;
                if silent && self.unlocked && self.has_pins() { self.lock() } else { Vec::new() }
            }
            Event::Told(told) => self.told(told),
        }
    }

    fn touch(&mut self, touch: Touch, words: &Words) -> Vec<Wish> {
        let at = [touch.x, touch.y];
        match touch.phase {
            Phase::Down => {
                if let Some(press) = &mut self.press {
                    // One finger at a time, since nobody means ten things at once; but two turn a slice larger.
                    let joins =
                        press.act == Act::Slice && press.fingers.len() == 1 && press.area.contains(at[0], at[1]);
                    if joins && press.fingers[0].0 != touch.finger {
                        press.fingers.push((touch.finger, at));
                        press.moves = true;
                    }
                    return Vec::new();
                }
                if self.now.saturating_sub(self.since) < SETTLING {
                    return Vec::new();
                }
                if let Some(target) = self.scene(words).at(at[0], at[1]) {
                    let (act, area) = (target.act.clone(), target.area);
                    let fingers = vec![(touch.finger, at)];
                    self.press = Some(Press { act, area, fingers, from: at, moves: false, rest: [0, 0], on: true });
                }
            }
            Phase::Move => self.moved(touch.finger, at),
            Phase::Up => {
                let Some(press) = self.press.as_mut() else { return Vec::new() };
                let Some(index) = press.fingers.iter().position(|(finger, _)| *finger == touch.finger) else {
                    return Vec::new();
                };
                press.fingers.swap_remove(index);
                if !press.fingers.is_empty() {
                    return Vec::new();
                }
                if let Some(press) = self.press.take()
                    && press.area.contains(at[0], at[1])
                    && !press.moves
                {
                    if let (Act::Slice, Page::Viewing(page)) = (&press.act, &mut self.page) {
                        page.touched(press.area, at[0], at[1]);
                        return Vec::new();
                    }
                    return self.act(&press.act);
                }
            }
            Phase::Lost => {
                if self
                    .press
                    .as_ref()
                    .is_some_and(|press| press.fingers.iter().any(|(finger, _)| *finger == touch.finger))
                {
                    self.press = None;
                }
            }
        }
        Vec::new()
    }

    fn moved(&mut self, finger: u8, at: [u16; 2]) {
        let (slop, slice) = (self.setup.look.px(SLOP), self.setup.look.px(8));
        let Some(press) = &mut self.press else { return };
        let Some(index) = press.fingers.iter().position(|(one, _)| *one == finger) else { return };
        let before = press.fingers.clone();
        press.fingers[index].1 = at;
        press.on = press.area.contains(at[0], at[1]);
        if press.act != Act::Slice {
            return;
        }
        press.moves |= press.from[0].abs_diff(at[0]).max(press.from[1].abs_diff(at[1])) > slop;
        let Page::Viewing(page) = &mut self.page else { return };
        match (&before[..], &press.fingers[..]) {
            ([(_, was)], [(_, is)]) if press.moves => {
                let by = std::array::from_fn(|axis| i32::from(is[axis]) - i32::from(was[axis]) + press.rest[axis]);
                press.rest = page.dragged(press.area, by, slice);
            }
            ([(_, a), (_, b)], [(_, c), (_, d)]) => {
                let apart = |a: &[u16; 2], b: &[u16; 2]| {
                    (f64::from(a[0]) - f64::from(b[0])).hypot(f64::from(a[1]) - f64::from(b[1])).max(1.0)
                };
                let middle = std::array::from_fn(|axis| f64::midpoint(f64::from(c[axis]), f64::from(d[axis])));
                page.pinched(press.area, apart(c, d) / apart(a, b), middle);
            }
            _ => {}
        }
    }

    fn key(&mut self, key: Key, words: &Words) -> Vec<Wish> {
        if self.said.is_some() {
            if matches!(key, Key::Enter | Key::Escape) {
                self.said = None;
            }
            return Vec::new();
        }
        let count = self.scene(words).targets.len();
        match key {
            Key::Next if count > 0 => self.focus = Some(self.focus.map_or(0, |at| (at + 1) % count)),
            Key::Previous if count > 0 => {
                self.focus = Some(self.focus.map_or(count - 1, |at| (at + count - 1) % count));
            }
            Key::Enter if self.focus.is_some() => {
                let act = self.focus.and_then(|at| self.scene(words).targets.get(at).map(|target| target.act.clone()));
                return act.map_or_else(Vec::new, |act| self.act(&act));
            }
            Key::Escape => return self.act(&Act::Back),
            // A foot does not know which page is shown.
            Key::Capture if matches!(self.page, Page::Microscope(_)) => return self.act(&Act::Capture),
            Key::Character(_) | Key::Backspace | Key::Enter => {
                // A keyboard or a scanner types into what has the text.
                self.focus = None;
                return self.act(&Act::Stroke(Stroke::Key(key)));
            }
            Key::Next | Key::Previous | Key::Capture => {}
        }
        Vec::new()
    }

    fn act(&mut self, act: &Act) -> Vec<Wish> {
        match act {
            Act::Heard => {
                self.said = None;
                return Vec::new();
            }
            Act::Back => {
                let turn = self.page.back();
                return turn.map_or_else(Vec::new, |turn| self.turn(turn));
            }
            Act::Lock if self.unlocked => return self.lock(),
            Act::Language(language) => {
                self.setup.language = *language;
                return vec![Wish::Remember(*language, self.setup.look.large)];
            }
            Act::Large(large) => {
                self.setup.look.large = *large;
                return vec![Wish::Remember(self.setup.language, *large)];
            }
            _ => {}
        }
        // The page is taken out so that it can look at the rest.
        let mut page = std::mem::replace(&mut self.page, Page::Settings(Settings::default()));
        let turn = page.act(act, &self.around());
        self.page = page;
        self.turn(turn)
    }

    fn turn(&mut self, turn: Turn) -> Vec<Wish> {
        match turn {
            Turn::Stay => Vec::new(),
            Turn::Wish(wishes) => wishes,
            Turn::To(page, wishes) => self.show(*page).into_iter().chain(wishes).collect(),
            Turn::Case(case) => {
                self.awaited = Some(case);
                vec![Wish::Case(case)]
            }
            Turn::Home => self.home(),
            Turn::SetUp => {
                self.setup.welcome = false;
                let mut wishes = self.home();
                wishes.push(Wish::SetUp);
                wishes
            }
        }
    }

    /// Whether a case is the one that the panel is about.
    fn is_about(&self, patient: &Patient) -> bool {
        self.unlocked && (self.awaited == Some(patient.case) || self.page.patient() == Some(patient))
    }

    fn told(&mut self, told: Told) -> Vec<Wish> {
        match told {
            Told::People(people) => {
                let open = people.is_empty();
                self.people = Some(people);
                if open && !self.unlocked {
                    self.unlocked = true;
                    if self.setup.welcome {
                        return self.show(Page::Welcome(Welcome::default()));
                    }
                    return self.home();
                }
                if !open && self.unlocked && self.role.is_none() {
                    return self.lock();
                }
            }
            Told::Login(Ok(role)) if matches!(self.page, Page::Lock(_)) => {
                (self.role, self.unlocked) = (Some(role), true);
                return self.home();
            }
            Told::Login(Err(denied)) => {
                if let Page::Lock(page) = &mut self.page {
                    page.denied(denied);
                }
            }
            Told::LoggedOut if self.unlocked && self.has_pins() => return self.lock(),
            Told::Health(health) => self.health = health,
            told if self.unlocked => return self.told_of_work(told),
            _ => {}
        }
        Vec::new()
    }

    /// What nobody is told who is not logged in.
    fn told_of_work(&mut self, told: Told) -> Vec<Wish> {
        match told {
            Told::Cases(rows) => self.rows = rows,
            Told::Opened(opened) => {
                let Page::Form(form) = &mut self.page else { return Vec::new() };
                match opened {
                    Opened::Draft(kept, earlier) => {
                        return self.show(Page::Draft(Box::new(Draft::new(*kept, earlier))));
                    }
                    Opened::OtherSecond(cases) => form.other_second(cases),
                    Opened::Denied(denied) => {
                        form.denied();
                        self.said = Some(Said::Denied(denied));
                    }
                }
            }
            Told::Draft(kept) if self.is_about(&kept.patient) => return self.draft(*kept),
            Told::Exports(case, exports) => {
                if let Page::Choosing(page) = &mut self.page
                    && page.patient.case == case
                {
                    page.exports = Some(exports);
                }
            }
            Told::Ct(ct) => {
                if let Page::Draft(page) = &self.page
                    && page.kept.patient == ct.patient
                {
                    let viewing = Viewing::new(ct, page.kept.lesion);
                    return self.show(Page::Viewing(Box::new(viewing)));
                }
            }
            Told::Live(live) => {
                if let Page::Microscope(page) = &mut self.page {
                    page.live = live;
                }
            }
            Told::Waiting(waiting) if self.is_about(&waiting.patient) => {
                let page = Processing::new(waiting, self.now);
                if let Page::Processing(before) = &mut self.page {
                    before.told_again(page);
                } else {
                    return self.show(Page::Processing(page));
                }
            }
            Told::Shown(shown) if self.is_about(&shown.patient) => return self.shown(*shown),
            Told::Exported(case, name) => {
                if let Page::Export(page) = &mut self.page
                    && page.shown.patient.case == case
                {
                    page.done(name);
                }
            }
            Told::Log(part) => {
                if let Page::Audit(page) = &mut self.page {
                    page.part = Some(part);
                }
            }
            Told::Failed(case, denied) => {
                let about = self.page.patient().is_some_and(|patient| patient.case == case);
                if about || self.awaited == Some(case) {
                    self.awaited = None;
                    self.page.failed();
                    self.said = Some(Said::Denied(denied));
                }
            }
            Told::Done(done) => {
                match &done {
                    Ok(_) if matches!(self.page, Page::SetPin(_)) => self.page = Page::SetPin(SetPin::default()),
                    // Whoever has set the first PIN logs in with it.
                    Ok(_) if matches!(self.page, Page::Welcome(_)) => self.setup.welcome = false,
                    Ok(_) => {}
                    Err(_) => self.page.failed(),
                }
                self.said = Some(done.map_or_else(Said::Denied, Said::Done));
            }
            _ => {}
        }
        Vec::new()
    }

    /// A draft that the panel is about, as it is now.
    fn draft(&mut self, kept: Kept) -> Vec<Wish> {
        let case = kept.patient.case;
        match &mut self.page {
            Page::Draft(page) if self.awaited.is_none() => page.kept = kept,
            Page::Microscope(page) if self.awaited.is_none() => page.changed(kept),
            Page::Viewing(page) if self.awaited.is_none() => page.kept = kept.lesion,
            // It has its CT now: the lesion is next.
            Page::Choosing(page) if self.awaited.is_none() && page.is_busy() && kept.ct => {
                let draft = Draft::new(kept, Vec::new()).waiting_for_ct();
                let mut wishes = self.show(Page::Draft(Box::new(draft)));
                wishes.push(Wish::Ct(case));
                return wishes;
            }
            Page::Choosing(_) if self.awaited.is_none() => {}
            _ => return self.show(Page::Draft(Box::new(Draft::new(kept, Vec::new())))),
        }
        Vec::new()
    }

    /// What became of a case that the panel is about. It comes with its own patient, and never joins another's page.
    fn shown(&mut self, shown: Shown) -> Vec<Wish> {
        match &mut self.page {
            // Somebody is writing about it: what they see is what they write about.
            Page::Review(page) if !page.is_busy() => return Vec::new(),
            Page::Export(_) => return Vec::new(),
            Page::Result(page) if page.shown.patient == shown.patient => {
                page.shown = shown;
                return Vec::new();
            }
            _ => {}
        }
        let first = self.setup.read_first && shown.read_first.is_none() && shown.has_result();
        let page = if first {
            Page::ReadFirst(Box::new(ReadFirst::new(shown)))
        } else {
            Page::Result(Box::new(Result::new(shown)))
        };
        self.show(page)
    }

    /// What is seen.
    #[must_use]
    pub fn scene(&self, words: &Words) -> Scene<Act> {
        let pressed = self.press.as_ref().filter(|press| press.on && !press.moves).map(|press| &press.act);
        let mut sheet = Sheet::new(self.setup.look, words, pressed, self.focus);
        let mut area = sheet.all();
        let narrow = is_narrow(&sheet);
        let line = if narrow { sheet.line(size::SMALL) } else { 0 };
        let head = area.top(sheet.button_height() + sheet.gap() + line);
        let foot = area.bottom(foot_height(&sheet));
        self.head(&mut sheet, head);
        foot_line(&mut sheet, foot);
        match &self.said {
            None => self.page.draw(&mut sheet, area, &self.around()),
            Some(said) => tell(&mut sheet, area, said),
        }
        sheet.scene()
    }

    /// Way back, whose page it is, the clock, the lock.
    fn head(&self, sheet: &mut Sheet<'_, Act>, mut area: Area) {
        let gap = sheet.gap();
        sheet.item(Item::Fill { area, color: PLATE });
        let width = sheet.look.px(110).max(sheet.look.finger());
        let free = self.said.is_none();
        let below = if is_narrow(sheet) { area.bottom(sheet.line(size::SMALL)) } else { Area::new(0, 0, 0, 0) };
        if free && self.page.back().is_some() {
            let back = area.left(width + gap);
            sheet.button(back.inside(gap / 2), sheet.words.say("back"), Button::Plain, Act::Back);
        }
        if free && self.role.is_some() {
            let lock = area.right(width + gap);
            sheet.button(lock.inside(gap / 2), sheet.words.say("lock"), Button::Plain, Act::Lock);
        }
        if free && matches!(self.page, Page::Lock(_)) {
            let speech = area.right(width + gap);
            sheet.button(speech.inside(gap / 2), sheet.words.language().name(), Button::Plain, Act::Speech);
        }
        let mut inside = area.inside(gap / 2);
        let clock = if below.is_empty() {
            let clock = inside.right(share(inside.width, 30));
            inside.right(gap / 2);
            clock
        } else {
            Area { x: below.x + gap, width: below.width - 2 * gap, ..below }
        };
        if !self.health.claimed.is_empty() {
            if self.health.trusted {
                sheet.at_end(clock, sheet.words.moment(&self.health.claimed), size::SMALL, FAINT, PLATE);
            } else {
                sheet.said(clock, Sign::Warn, sheet.words.say("clock-not-trusted"), size::SMALL, PLATE);
            }
        }
        match (self.page.patient(), self.page.title()) {
            // Both identifiers, always, and the case's number.
            (Some(patient), _) => {
                let lines = inside.rows(2, 0);
                let mut first = lines[0];
                let number = first.left(sheet.look.letters(size::BODY) * 5);
                sheet.strong(number, patient.case.to_string(), size::BODY, INK, PLATE);
                sheet.typed(first, patient.identity.first(), size::BODY, INK, PLATE);
                sheet.typed(lines[1], patient.identity.second(), size::BODY, INK, PLATE);
            }
            (None, Some(id)) => sheet.strong(inside, sheet.words.say(id), size::TITLE, INK, PLATE),
            (None, None) => {
                let title = format!("Hilum  {}", self.health.board);
                sheet.strong(inside, title, size::TITLE, INK, PLATE);
            }
        }
    }
}

/// Whether the clock stands below the rest of the head.
fn is_narrow(sheet: &Sheet<'_, Act>) -> bool {
    sheet.look.width < sheet.look.px(720)
}

/// Two lines where one would be too long: an unreviewed language says it in English too.
fn foot_height(sheet: &Sheet<'_, Act>) -> u16 {
    let short = sheet.words.language().is_reviewed() || sheet.look.width > sheet.look.px(1000);
    sheet.line(size::SMALL) * if short { 1 } else { 2 }
}

/// What is on every page.
fn foot_line(sheet: &mut Sheet<'_, Act>, area: Area) {
    let text = sheet.words.safe("research-only");
    sheet.centred(area, text, size::SMALL, WARN, PAPER);
}

/// Says what was done or not, until it was read.
fn tell(sheet: &mut Sheet<'_, Act>, area: Area, said: &Said) {
    let words = sheet.words;
    let mut area = area.inside(sheet.gap());
    let heard = area.bottom(sheet.button_height() * 3 / 2);
    area.bottom(sheet.gap());
    match said {
        Said::Done(word) => sheet.said(area, Sign::Well, words.say(word), size::TITLE, PAPER),
        Said::Denied(denied) => {
            let parts = area.rows(2, sheet.gap());
            sheet.said(parts[0], Sign::Stop, words.say(denied.word), size::TITLE, PAPER);
            let inside = sheet.plate(parts[1]);
            sheet.text(inside, Arc::clone(&denied.why), size::BODY, FAINT, PLATE);
        }
    }
    sheet.button(heard, words.say("close"), Button::Call, Act::Heard);
}

/// A page of what keeps a box from beginning: no state, nothing to touch, in English and the panel's language.
///
/// `problems` are sentences, as many as have room; `advice` is what to do.
#[must_use]
pub fn rescue(look: Look, words: &Words, problems: &[String], advice: &str) -> Scene<Act> {
    let mut sheet = Sheet::new(look, words, None, None);
    let mut area = sheet.all();
    let foot = area.bottom(foot_height(&sheet));
    foot_line(&mut sheet, foot);
    let gap = sheet.gap();
    let mut area = area.inside(gap * 2);
    let head = area.top(sheet.line(size::TITLE) * 2);
    sheet.said(head, Sign::Stop, words.safe("rescue-title"), size::TITLE, PAPER);
    area.top(gap);
    let next = area.bottom(sheet.line(size::BODY) * 4);
    area.bottom(gap);
    let lines = next.rows(2, 0);
    sheet.text(lines[0], words.say("rescue-next"), size::BODY, INK, PAPER);
    sheet.text(lines[1], advice, size::SMALL, FAINT, PAPER);
    let mut inside = sheet.plate(area);
    let height = sheet.line(size::SMALL) * 2;
    let fit = usize::from(inside.height / height).max(1);
    for problem in problems.iter().take(fit) {
        let place = inside.top(height.min(inside.height));
        sheet.typed(place, problem.as_str(), size::SMALL, INK, PLATE);
    }
    sheet.scene()
}
