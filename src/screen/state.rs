//! The screen as a pure state machine: an event and the time in, wishes out, and a scene of what is seen.

use std::{sync::Arc, time::Duration};

use crate::{
    Area, page,
    event::{Event, Key, Phase, Told, Touch, Wish},
    keyboard::Stroke,
    model::{Health, Role, Row},
    page::{Act, Around, Home, Lock, Page, Turn},
    scene::Scene,
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
}

/// After another page came up, what is touched in this time was meant for the one before.
const SETTLING: Duration = Duration::from_millis(250);
/// How long a sentence stays at the bottom.
const SAID: Duration = Duration::from_secs(8);

/// A finger that came down on something.
#[derive(Debug, Clone, PartialEq)]
struct Press {
    finger: u8,
    act: Act,
    area: Area,
    /// Whether it is on it now.
    on: bool,
}

/// The screen.
#[derive(Debug, Clone)]
pub struct State {
    setup: Setup,
    page: Page,
    /// When the page came up.
    since: Duration,
    /// When somebody touched it last.
    touched: Duration,
    people: Option<Vec<Role>>,
    role: Option<Role>,
    pub(crate) health: Health,
    pub(crate) rows: Vec<Row>,
    press: Option<Press>,
    focus: Option<usize>,
    said: Option<(Arc<str>, Duration)>,
}

impl State {
    /// A screen that knows nothing yet.
    #[must_use]
    pub fn new(setup: Setup, now: Duration) -> Self {
        Self {
            setup,
            page: Page::Lock(Lock::default()),
            since: now,
            touched: now,
            people: None,
            role: None,
            health: Health::default(),
            rows: Vec::new(),
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
        !self.is_open()
    }

    /// When time has to be told at the latest, if nothing else happens before: never, if nothing depends on it.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let said = self.said.as_ref().map(|(_, until)| *until);
        let locks = self.people.as_ref().is_some_and(|people| !people.is_empty()) && self.is_open();
        let lock = locks.then(|| self.touched + self.setup.auto_lock);
        said.into_iter().chain(lock).min()
    }

    /// The page that is seen.
    #[must_use]
    pub const fn page(&self) -> &Page {
        &self.page
    }

    /// Whether somebody works with it: nobody is logged in, or nobody has to be.
    const fn is_open(&self) -> bool {
        !matches!(self.page, Page::Lock(_))
    }

    fn show(&mut self, page: Page, now: Duration) {
        self.page = page;
        self.since = now;
        // What a finger is on belongs to the page before.
        self.press = None;
        self.focus = None;
    }

    fn lock(&mut self, now: Duration) -> Vec<Wish> {
        self.role = None;
        self.rows.clear();
        self.show(Page::Lock(Lock::default()), now);
        vec![Wish::Logout]
    }

    fn home(&mut self, now: Duration) -> Vec<Wish> {
        self.show(Page::Home(Home::default()), now);
        vec![Wish::Refresh]
    }

    /// Takes what happened.
    pub fn handle(&mut self, event: Event, words: &Words, now: Duration) -> Vec<Wish> {
        match event {
            Event::Touch(touch) => {
                self.touched = now;
                self.touch(touch, words, now)
            }
            Event::Key(key) => {
                self.touched = now;
                self.key(key, words, now)
            }
            Event::Tick => self.tick(now),
            Event::Told(told) => self.told(told, now),
        }
    }

    fn tick(&mut self, now: Duration) -> Vec<Wish> {
        if self.said.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.said = None;
        }
        let locks = self.people.as_ref().is_some_and(|people| !people.is_empty());
        if locks && self.is_open() && now.saturating_sub(self.touched) >= self.setup.auto_lock {
            return self.lock(now);
        }
        Vec::new()
    }

    fn touch(&mut self, touch: Touch, words: &Words, now: Duration) -> Vec<Wish> {
        match touch.phase {
            Phase::Down => {
                // One finger at a time: nobody means ten things at once.
                if self.press.is_some() || now.saturating_sub(self.since) < SETTLING {
                    return Vec::new();
                }
                if let Some(target) = self.scene(words).at(touch.x, touch.y) {
                    self.press =
                        Some(Press { finger: touch.finger, act: target.act.clone(), area: target.area, on: true });
                }
            }
            Phase::Move => {
                if let Some(press) = self.press.as_mut().filter(|press| press.finger == touch.finger) {
                    press.on = press.area.contains(touch.x, touch.y);
                }
            }
            Phase::Up => {
                if self.press.as_ref().is_some_and(|press| press.finger == touch.finger)
                    && let Some(press) = self.press.take()
                    && press.area.contains(touch.x, touch.y)
                {
                    return self.act(&press.act, now);
                }
            }
            Phase::Lost => self.press = None,
        }
        Vec::new()
    }

    fn key(&mut self, key: Key, words: &Words, now: Duration) -> Vec<Wish> {
        let count = self.scene(words).targets.len();
        match key {
            Key::Next if count > 0 => self.focus = Some(self.focus.map_or(0, |at| (at + 1) % count)),
            Key::Previous if count > 0 => {
                self.focus = Some(self.focus.map_or(count - 1, |at| (at + count - 1) % count));
            }
            Key::Enter if self.focus.is_some() => {
                let act = self.focus.and_then(|at| self.scene(words).targets.get(at).map(|target| target.act.clone()));
                return act.map_or_else(Vec::new, |act| self.act(&act, now));
            }
            Key::Escape if self.page.has_back() => return self.act(&Act::Back, now),
            Key::Enter if matches!(self.page, Page::Lock(_)) => return self.act(&Act::Enter, now),
            Key::Character(_) | Key::Backspace | Key::Enter => {
                // A keyboard or a scanner types into what has the text.
                self.focus = None;
                return self.act(&Act::Stroke(Stroke::Key(key)), now);
            }
            Key::Next | Key::Previous | Key::Escape => {}
        }
        Vec::new()
    }

    fn act(&mut self, act: &Act, now: Duration) -> Vec<Wish> {
        match act {
            Act::Back => return self.home(now),
            Act::Lock => return self.lock(now),
            _ => {}
        }
        let around = Around { health: &self.health, rows: &self.rows, people: self.people.as_deref() };
        match self.page.act(act, &around) {
            Turn::Stay => Vec::new(),
            Turn::Wish(wishes) => wishes,
            Turn::To(page) => {
                self.show(*page, now);
                Vec::new()
            }
            Turn::Home => self.home(now),
            Turn::Lock => self.lock(now),
        }
    }

    fn told(&mut self, told: Told, now: Duration) -> Vec<Wish> {
        match told {
            Told::People(people) => {
                let open = people.is_empty();
                self.people = Some(people);
                if open && matches!(self.page, Page::Lock(_)) {
                    return self.home(now);
                }
            }
            Told::Login(Ok(role)) => {
                self.role = Some(role);
                self.touched = now;
                return self.home(now);
            }
            Told::Login(Err(why)) => {
                if let Page::Lock(lock) = &mut self.page {
                    lock.refused();
                }
                self.said = Some((why.why, now + SAID));
            }
            Told::Cases(rows) if self.is_open() => self.rows = rows,
            Told::Health(health) => self.health = health,
            // A result comes with its own patient, and never joins another's page.
            Told::Shown(shown) if self.is_open() => self.show(Page::Result(Box::new(page::Result::new(*shown))), now),
            _ => {}
        }
        Vec::new()
    }

    /// What is seen.
    #[must_use]
    pub fn scene(&self, words: &Words) -> Scene<Act> {
        let pressed = self.press.as_ref().filter(|press| press.on).map(|press| &press.act);
        let mut sheet = Sheet::new(self.setup.look, words, pressed, self.focus);
        let mut area = sheet.all();
        let head = area.top(sheet.button_height() + sheet.gap());
        let foot = area.bottom(sheet.line(size::SMALL) + 2);
        self.head(&mut sheet, head);
        self.foot(&mut sheet, foot);
        let around = Around { health: &self.health, rows: &self.rows, people: self.people.as_deref() };
        self.page.draw(&mut sheet, area, &around);
        sheet.scene()
    }

    /// Way back, whose page it is, the clock, the lock.
    fn head(&self, sheet: &mut Sheet<'_, Act>, mut area: Area) {
        let gap = sheet.gap();
        sheet.item(crate::scene::Item::Fill { area, color: PLATE });
        let width = sheet.look.px(110).max(sheet.look.finger());
        if self.page.has_back() {
            let back = area.left(width + gap);
            sheet.button(back.inside(gap / 2), sheet.words.say("back"), Button::Plain, Act::Back);
        }
        if self.is_open() && self.role.is_some() {
            let lock = area.right(width + gap);
            sheet.button(lock.inside(gap / 2), sheet.words.say("lock"), Button::Plain, Act::Lock);
        }
        let mut inside = area.inside(gap / 2);
        let title = match (self.page.patient(), self.page.title()) {
            // Both identifiers, always, and the case's number.
            (Some(patient), _) => {
                format!("{}  {}  {}", patient.case, patient.identity.first(), patient.identity.second())
            }
            (None, Some(id)) => sheet.words.say(id),
            (None, None) => self.health.board.clone(),
        };
        let clock = inside.right(inside.width / 2);
        if !self.health.claimed.is_empty() {
            if self.health.trusted {
                sheet.at_end(clock, sheet.words.moment(&self.health.claimed), size::SMALL, FAINT, PLATE);
            } else {
                sheet.said(clock, crate::scene::Sign::Warn, sheet.words.say("clock-not-trusted"), size::SMALL, PLATE);
            }
        }
        sheet.strong(inside, title, size::TITLE, INK, PLATE);
    }

    /// What is on every page: what the device is not; or what was said last.
    fn foot(&self, sheet: &mut Sheet<'_, Act>, area: Area) {
        let text = sheet.words.say("research-only");
        sheet.centred(area, text, size::SMALL, WARN, PAPER);
    }
}
