//! The panel's thread: it owns the screen, waits for hands and for what the daemon tells, and shows what became of it.
//!
//! Nothing is polled: where nothing happens and nothing is due, the thread sleeps. A panic in it begins the screen anew, locked.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use hilum_config::Panel as Settings;
use hilum_screen::{
    Screen,
    event::{Event, Told},
    model::{NO_CAMERA, Sight},
    state::Setup,
    theme::Look,
    words::Language,
};
use hilum_store::replace;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::{
    event,
    glass::{Glass, Glasses, Hand, Hands},
    supervise::thread_of,
    wishes::Ask,
};

/// Hands wait here, a second of a fast finger; who finds it full drops its own.
const HANDS: usize = 64;
/// What the daemon tells waits here; who tells more waits. Nothing is dropped.
const TOLD: usize = 32;
/// Wishes wait here; the screen waits with the next. Whoever takes them never waits for the screen.
const ASKS: usize = 32;
/// So much is handled before what became of it is painted.
const MOST: usize = 256;
/// A tick that changes nothing does not come again at once.
const LEAST: Duration = Duration::from_millis(10);
/// How often it is said that somebody is there, at most.
const TOUCHED: Duration = Duration::from_secs(5);
/// What a person picked at the panel, in the data folder.
const REMEMBERED: &str = "panel.json";

/// The panel as its outputs and inputs see it.
#[derive(Clone)]
pub(crate) struct Panel {
    /// What it shows.
    pub(crate) glasses: Glasses,
    /// Where hands go.
    pub(crate) hands: Hands,
}

/// The panel as the daemon's answers see it.
pub(crate) struct Back {
    /// What is wished for.
    pub(crate) asks: mpsc::Receiver<Ask>,
    /// Where it is answered.
    pub(crate) told: mpsc::Sender<Told>,
    /// What the camera sees, while that is asked for: the newest wins.
    pub(crate) live: watch::Sender<Sight>,
}

/// What a person picked at the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) language: Language,
    pub(crate) large: bool,
    /// The box was set up, or somebody said that it need not be.
    pub(crate) set_up: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Record {
    language: String,
    large_letters: bool,
    #[serde(default)]
    set_up: bool,
}

impl Remembered {
    fn of(settings: &Settings) -> Self {
        let language = language(settings.language).unwrap_or(Language::English);
        Self { language, large: settings.large_letters, set_up: false }
    }

    /// What was picked last, or what the board says. A file that cannot be read is as good as none.
    pub(crate) fn read(folder: &Path, settings: &Settings) -> Self {
        let bytes = match std::fs::read(folder.join(REMEMBERED)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::of(settings),
            Err(error) => {
                tracing::warn!(%error, "what was picked at the panel cannot be read");
                return Self::of(settings);
            }
        };
        let record: Option<Record> = serde_json::from_slice(&bytes).ok();
        let read = record.and_then(|Record { language: code, large_letters: large, set_up }| {
            Some(Self { language: language(&code)?, large, set_up })
        });
        read.unwrap_or_else(|| {
            tracing::warn!("what was picked at the panel is damaged and is ignored");
            Self::of(settings)
        })
    }

    /// Keeps it, whole.
    pub(crate) fn write(self, folder: &Path) -> io::Result<()> {
        let record =
            Record { language: self.language.code().to_owned(), large_letters: self.large, set_up: self.set_up };
        replace(&folder.join(REMEMBERED), &serde_json::to_vec(&record)?)
    }
}

pub(crate) fn language(code: &str) -> Option<Language> {
    Language::ALL.into_iter().find(|language| language.code() == code)
}

/// How a board's panel looks whose display has so many pixels across and down, before it is turned.
pub(crate) fn look(settings: &Settings, [width, height]: [u16; 2], large: bool) -> Look {
    let (width, height) = if settings.rotation.is_quarter() { (height, width) } else { (width, height) };
    #[expect(clippy::cast_possible_truncation, reason = "0.5 to 4")]
    let scale = settings.scale as f32;
    Look { width, height, scale, large }
}

/// The size of a panel, before it is turned: that of the display, where one is attached.
pub(crate) fn size(settings: &Settings, attached: Option<[u16; 2]>) -> [u16; 2] {
    attached.or(settings.size).unwrap_or(Settings::SIZE)
}

/// The screen of a board whose display has so many pixels across and down, before it is turned.
fn setup(settings: &Settings, size: [u16; 2], auto_lock: Duration, picked: Remembered) -> Setup {
    Setup {
        look: look(settings, size, picked.large),
        language: picked.language,
        auto_lock,
        read_first: settings.read_first,
        welcome: settings.welcome && !picked.set_up,
    }
}

/// Starts the thread. `size` is the panel's, before it is turned; `picked` is what a person picked there last. It ends
/// when the sender of `ended` is dropped.
pub(crate) fn start(
    settings: Settings,
    size: [u16; 2],
    auto_lock: Duration,
    picked: Remembered,
    mut ended: watch::Receiver<()>,
    events: mpsc::Sender<event::Event>,
) -> io::Result<(Panel, Back)> {
    let (hands, mut handed) = mpsc::channel(HANDS);
    let (told, mut telling) = mpsc::channel(TOLD);
    let (wishes, asks) = mpsc::channel(ASKS);
    let (live, mut lives) = watch::channel(Err(NO_CAMERA));
    let (shown, glasses) = watch::channel(None);
    thread_of("panel", events, move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "no panel"),
        };
        let setup = setup(&settings, size, auto_lock, picked);
        let mut front = Front {
            handed: &mut handed,
            told: &mut telling,
            lives: &mut lives,
            wishes: &wishes,
            shown: &shown,
            ended: &mut ended,
        };
        runtime.block_on(front.run(setup));
    })?;
    Ok((Panel { glasses, hands }, Back { asks, told, live }))
}

/// The screen's ends of all channels. They outlive a screen that panicked.
struct Front<'a> {
    handed: &'a mut mpsc::Receiver<Hand>,
    told: &'a mut mpsc::Receiver<Told>,
    lives: &'a mut watch::Receiver<Sight>,
    wishes: &'a mpsc::Sender<Ask>,
    shown: &'a watch::Sender<Option<Glass>>,
    ended: &'a mut watch::Receiver<()>,
}

/// The daemon ended.
struct Ended;

impl Front<'_> {
    /// Runs a screen until the daemon ends.
    async fn run(&mut self, setup: Setup) {
        let began = Instant::now();
        let mut screen = Screen::new(setup, Duration::ZERO);
        // What was told to a screen before this one is not for whoever stands before this one.
        while self.told.try_recv().is_ok() {}
        self.lives.mark_unchanged();
        if self.wishes.send(Ask::Begun).await.is_err() {
            return;
        }
        let mut ticked = None;
        let mut touched: Option<Instant> = None;
        loop {
            self.show(&mut screen);
            let due = screen.next_tick().map(|due| due.max(ticked.map_or(Duration::ZERO, |at| at + LEAST)));
            let Ok(event) = self.next(due.map(|due| began + due)).await else { return };
            let mut next = Some(event);
            let mut handled = 0;
            while let Some(event) = next {
                let now = began.elapsed();
                match event {
                    Event::Tick => ticked = Some(now),
                    Event::Touch(_) | Event::Key(_) if touched.is_none_or(|at| at.elapsed() >= TOUCHED) => {
                        touched = Some(Instant::now());
                        if self.wishes.send(Ask::Touched).await.is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
                for wish in screen.handle(event, now) {
                    if self.wishes.send(Ask::Wish(wish)).await.is_err() {
                        return;
                    }
                }
                handled += 1;
                next = if handled < MOST { self.waiting() } else { None };
            }
        }
    }

    /// The next that happens, or the tick that is due then.
    async fn next(&mut self, due: Option<Instant>) -> Result<Event, Ended> {
        let tick = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            hand = self.handed.recv() => hand.map(event_of).ok_or(Ended),
            told = self.told.recv() => told.map(Event::Told).ok_or(Ended),
            changed = self.lives.changed() => {
                changed.map_err(|_| Ended)?;
                Ok(Event::Told(Told::Live(self.lives.borrow_and_update().clone())))
            }
            () = tick => Ok(Event::Tick),
            _ = self.ended.changed() => Err(Ended),
        }
    }

    /// Something more that waits already.
    fn waiting(&mut self) -> Option<Event> {
        let hand = self.handed.try_recv().ok().map(event_of);
        hand.or_else(|| self.told.try_recv().ok().map(Event::Told))
    }

    fn show(&self, screen: &mut Screen) {
        let painted = !screen.paint().is_empty();
        let locked = screen.state().is_locked();
        let was = self.shown.borrow().as_ref().map(|glass| glass.locked);
        if painted || was != Some(locked) {
            self.shown.send_replace(Some(Glass { frame: Arc::clone(screen.frame()), locked }));
        }
    }
}

const fn event_of(hand: Hand) -> Event {
    match hand {
        Hand::Touch(touch) => Event::Touch(touch),
        Hand::Key(key) => Event::Key(key),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use hilum_config::Rotation;
    use hilum_screen::{event::Key, model::Role};

    use super::*;

    pub(crate) fn settings(rotation: Rotation) -> Settings {
        Settings {
            enabled: true,
            display: hilum_config::Attached::Any,
            size: None,
            rotation,
            scale: 1.0,
            language: "sw",
            large_letters: false,
            read_first: false,
            welcome: false,
            backlight: None,
            buttons: None,
        }
    }

    #[test]
    fn a_turned_display_is_seen_turned() {
        let picked = Remembered { language: Language::Thai, large: true, set_up: false };
        for (rotation, seen) in
            [(Rotation::None, (1280, 800)), (Rotation::Left, (800, 1280)), (Rotation::Half, (1280, 800))]
        {
            let setup = setup(&settings(rotation), [1280, 800], Duration::from_secs(60), picked);
            assert_eq!((setup.look.width, setup.look.height), seen);
            assert!(setup.look.large && setup.language == Language::Thai);
        }
    }

    #[test]
    fn what_was_picked_outlives_a_start_and_damage_does_not_matter() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(Rotation::None);
        let board = Remembered { language: Language::Swahili, large: false, set_up: false };
        assert_eq!(Remembered::read(folder.path(), &settings), board);
        let picked = Remembered { language: Language::Arabic, large: true, set_up: true };
        picked.write(folder.path()).expect("written");
        assert_eq!(Remembered::read(folder.path(), &settings), picked);
        for damaged in ["", "{\"language\":\"ar\"", "{\"language\":\"xx\",\"large-letters\":true}"] {
            std::fs::write(folder.path().join(REMEMBERED), damaged).expect("written");
            assert_eq!(Remembered::read(folder.path(), &settings), board, "{damaged}");
        }
    }

    /// A glass of the panel that passes a test.
    fn until(glasses: &mut Glasses, passes: impl Fn(&Glass) -> bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let found = glasses.wait_for(|glass| glass.as_ref().is_some_and(&passes));
        let found = async { tokio::time::timeout(Duration::from_secs(20), found).await.map(|found| found.is_ok()) };
        assert_eq!(runtime.block_on(found), Ok(true));
    }

    // verifies: REQ-ACCESS-03
    #[test]
    fn it_shows_itself_locked_and_opens_where_nobody_has_a_pin() {
        let (events, _events) = mpsc::channel(4);
        let (_going, ended) = watch::channel(());
        let (mut panel, mut back) = start(
            settings(Rotation::Right),
            [1280, 800],
            Duration::from_secs(60),
            Remembered::of(&settings(Rotation::Right)),
            ended,
            events,
        )
        .expect("a thread");
        assert!(matches!(back.asks.blocking_recv(), Some(Ask::Begun)));
        until(&mut panel.glasses, |glass| {
            glass.locked && glass.frame.pixels().len() == 1280 * 800 && glass.frame.image().width() == 800
        });
        back.told.blocking_send(Told::People(vec![Role::Operator])).expect("it lives");
        panel.hands.blocking_send(Hand::Key(Key::Next)).expect("it lives");
        assert!(matches!(back.asks.blocking_recv(), Some(Ask::Touched)));
        back.told.blocking_send(Told::People(Vec::new())).expect("it lives");
        until(&mut panel.glasses, |glass| !glass.locked);
        assert!(matches!(back.asks.blocking_recv(), Some(Ask::Wish(_))));
    }
}
