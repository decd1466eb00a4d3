//! What the box says without its screen: a lamp of which the pattern says how it is, a buzzer for who looks through the eyepieces,
//! and the display's light, which is dimmed while nobody is there.

use std::time::Duration;

use hilum_config::{Backlight, Buzzer, GpioLine, Signals as Wiring};
use hilum_device::{
    Output,
    output::{NoOutput, Wired, output},
};
use hilum_store::{Store, StoreFault};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use crate::{
    appliance::{Controlled, Networks, Vitals, Warmth},
    event::Event,
    inference::Benches,
    records::Records,
    told::{Storage, storage},
};

/// How often it is asked how the box is.
const LOOK: Duration = Duration::from_secs(1);
/// What cannot be switched is tried again so much later.
const AGAIN: Duration = Duration::from_secs(10);
/// Sounds wait here; what comes when it is full is not heard.
const SOUNDS: usize = 4;
/// Half of the time on: the loudest tone, and what a line takes for on.
const HALF: u8 = 50;

/// What a lamp says, by how it blinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    /// All is well and nothing is to be done: it is lit.
    Ready,
    /// Something is being assessed: slowly on and off.
    Working,
    /// A person is wanted, and cases go on: two short flashes.
    Wanted,
    /// The records wait for a PIN: one short flash every three seconds.
    Locked,
    /// Nothing can be assessed: quickly on and off.
    Fault,
}

/// What a buzzer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sound {
    /// A field was taken, and is kept: one short.
    Taken,
    /// A field was not taken: three quick ones.
    Denied,
    /// There is a result: a short and a long one.
    Result,
    /// A [`Pattern::Fault`] began: two long ones.
    Fault,
}

impl Pattern {
    /// How long it is lit, dark, lit and so on, milliseconds, again and again; always lit if there is nothing.
    const fn rhythm(self) -> &'static [u64] {
        match self {
            Self::Ready => &[],
            Self::Working => &[1000, 1000],
            Self::Wanted => &[150, 150, 150, 1550],
            Self::Locked => &[100, 2900],
            Self::Fault => &[100, 100],
        }
    }

    fn of(vitals: &Vitals, storage: Storage, locked: bool, busy: bool) -> Self {
        let rejected = matches!(vitals.networks, Networks::Rejected(_));
        let full = matches!(storage, Storage::Full(_) | Storage::Failed);
        if rejected || full || vitals.warmth == Warmth::Hot || vitals.control == Controlled::Failed {
            Self::Fault
        } else if locked {
            Self::Locked
        } else if busy || matches!(vitals.networks, Networks::Loading) {
            Self::Working
        } else if vitals.warmth == Warmth::Warm
            || vitals.control == Controlled::Overdue
            || vitals.share == Some(false)
            || vitals.camera.is_some_and(|seen| seen.is_err())
        {
            Self::Wanted
        } else {
            Self::Ready
        }
    }
}

impl Sound {
    /// How long it sounds, is silent, sounds and so on, milliseconds, once.
    const fn rhythm(self) -> &'static [u64] {
        match self {
            Self::Taken => &[80],
            Self::Denied => &[80, 80, 80, 80, 80],
            Self::Result => &[80, 120, 400],
            Self::Fault => &[600, 300, 600],
        }
    }
}

/// Whether a lamp is lit so long after its rhythm began, and how long it stays so; for ever if there is no rhythm.
fn beat(rhythm: &[u64], since: Duration) -> (bool, Option<Duration>) {
    let whole: u64 = rhythm.iter().sum();
    if whole == 0 {
        return (true, None);
    }
    let at = u64::try_from(since.as_millis()).unwrap_or(u64::MAX) % whole;
    let mut end = 0;
    for (index, part) in rhythm.iter().enumerate() {
        end += part;
        if at < end {
            return (index % 2 == 0, Some(Duration::from_millis(end - at)));
        }
    }
    (false, None)
}

/// A sound on its way. Each part of it lasts at least as long as it should, however busy the box is: three tones are never heard as one.
#[derive(Debug, Clone, Copy)]
struct Sounding {
    sound: Sound,
    /// Which part of its rhythm, and until when.
    part: usize,
    until: Instant,
}

impl Sounding {
    fn new(sound: Sound) -> Self {
        Self { sound, part: 0, until: Instant::now() }.with(0)
    }

    fn with(self, part: usize) -> Self {
        let lasts = self.sound.rhythm().get(part).copied().unwrap_or(0);
        Self { part, until: Instant::now() + Duration::from_millis(lasts), ..self }
    }

    /// What it is now; nothing if it is over.
    fn now(self) -> Option<Self> {
        let is = if self.until <= Instant::now() { self.with(self.part + 1) } else { self };
        (is.part < is.sound.rhythm().len()).then_some(is)
    }

    const fn is_loud(self) -> bool {
        self.part.is_multiple_of(2)
    }
}

/// Where what is to be heard is said. Nothing is heard where there is no buzzer.
#[derive(Debug, Clone)]
pub(crate) struct Sounds(mpsc::Sender<Sound>);

impl Sounds {
    pub(crate) fn say(&self, sound: Sound) {
        // A second sound beside another would be neither.
        if self.0.try_send(sound).is_err() {
            tracing::debug!(?sound, "is not heard");
        }
    }

    pub(crate) fn channel() -> (Self, mpsc::Receiver<Sound>) {
        let (sounds, heard) = mpsc::channel(SOUNDS);
        (Self(sounds), heard)
    }
}

/// Something that is switched, or will be once it can be had.
struct Switched {
    name: &'static str,
    wired: Wired,
    had: Option<Box<dyn Output>>,
    /// What it is set to.
    now: Option<u8>,
    /// Not tried before this.
    again: Option<Instant>,
}

impl Switched {
    fn new(name: &'static str, wired: Wired) -> Self {
        Self { name, wired, had: None, now: None, again: None }
    }

    fn set(&mut self, percent: u8) {
        if self.now == Some(percent) || self.again.is_some_and(|again| again > Instant::now()) {
            return;
        }
        let set = |one: &mut Self| -> Result<(), NoOutput> {
            let had = match one.had.take() {
                Some(had) => had,
                None => output(&one.wired)?,
            };
            one.had.insert(had).set(percent)
        };
        match set(self) {
            Ok(()) => (self.now, self.again) = (Some(percent), None),
            Err(error) => {
                // Once until it works again.
                if self.again.is_none() {
                    tracing::warn!(what = self.name, %error, "cannot be switched");
                }
                (self.had, self.now, self.again) = (None, None, Some(Instant::now() + AGAIN));
            }
        }
    }
}

fn line(at: &GpioLine, active_low: bool) -> Wired {
    Wired::Line { chip: at.chip.clone(), line: at.line, active_low }
}

/// What it takes to know how the box is.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) records: Records,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) bench: Benches,
    /// Marked whenever somebody touches the panel.
    pub(crate) touched: watch::Receiver<()>,
}

impl Sources {
    /// How the box is; nothing if the loop has ended.
    async fn pattern(&self) -> Option<Pattern> {
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::Vitals(answer)).await.ok()?;
        let vitals = answered.await.ok()?;
        let kept = self.records.with(|store: &mut Store| Ok::<_, StoreFault>((storage(store), store.is_locked())));
        let (storage, locked) = kept.await.ok()?.ok()?;
        let busy = self.bench.borrow().busy;
        Some(Pattern::of(&vitals, storage, locked, busy))
    }
}

/// Runs lamp, buzzer and light until the loop ends.
pub(crate) async fn run(
    wiring: Option<Wiring>,
    light: Option<Backlight>,
    mut heard: mpsc::Receiver<Sound>,
    mut sources: Sources,
) {
    let low = wiring.as_ref().is_some_and(|wiring| wiring.active_low);
    let (lamp, buzzer) = wiring.map_or((None, None), |wiring| (wiring.lamp, wiring.buzzer));
    let mut lamp = lamp.map(|at| Switched::new("lamp", line(&at, low)));
    let mut buzzer = buzzer.map(|buzzer| match buzzer {
        Buzzer::Line(at) => Switched::new("buzzer", line(&at, low)),
        Buzzer::Tone { channel, hz } => Switched::new("buzzer", Wired::Pwm { channel, hz }),
    });
    let mut backlight =
        light.as_ref().map(|light| Switched::new("backlight", Wired::Pwm { channel: light.channel, hz: light.hz }));
    let (mut pattern, mut began) = (Pattern::Working, Instant::now());
    let mut sounding: Option<Sounding> = None;
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut touched = Instant::now();
    loop {
        let now = Instant::now();
        let (lit, lamp_for) = beat(pattern.rhythm(), now - began);
        sounding = sounding.and_then(Sounding::now);
        if let Some(lamp) = &mut lamp {
            lamp.set(if lit { 100 } else { 0 });
        }
        if let Some(buzzer) = &mut buzzer {
            buzzer.set(if sounding.is_some_and(Sounding::is_loud) { HALF } else { 0 });
        }
        let mut dims = None;
        if let (Some(backlight), Some(light)) = (&mut backlight, &light) {
            let dim_at = touched + light.dim_after;
            backlight.set(if now >= dim_at { light.dim_percent } else { 100 });
            dims = (now < dim_at).then_some(dim_at);
        }
        let lamp_turns = lamp.as_ref().and(lamp_for).map(|left| now + left);
        let due = [lamp_turns, sounding.map(|sounding| sounding.until), dims].into_iter().flatten().min();
        let turn = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = turn => {}
            _ = look.tick(), if lamp.is_some() || buzzer.is_some() => {
                let Some(is) = sources.pattern().await else { return };
                if is != pattern {
                    if is == Pattern::Fault {
                        sounding = Some(Sounding::new(Sound::Fault));
                    }
                    (pattern, began) = (is, Instant::now());
                }
            }
            sound = heard.recv(), if sounding.is_none() => match sound {
                Some(sound) => sounding = Some(Sounding::new(sound)),
                None => return,
            },
            changed = sources.touched.changed(), if light.is_some() => {
                if changed.is_err() {
                    return;
                }
                touched = Instant::now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hilum_device::sim::PhantomOutput;
    use hilum_domain::Moment;

    use super::*;

    fn vitals() -> Vitals {
        Vitals {
            board: "x".to_owned(),
            networks: Networks::Loading,
            running: None,
            warmth: Warmth::Cool,
            celsius: None,
            feels: false,
            share: None,
            camera: None,
            control: Controlled::Well,
            now: Moment {
                claimed: "2026-11-01T08:00:00Z".to_owned(),
                trusted: true,
                boot: "b".to_owned(),
                since_boot: Duration::ZERO,
            },
        }
    }

    #[test]
    fn what_is_worse_is_what_the_lamp_says() {
        let free = Storage::Free(1);
        assert_eq!(Pattern::of(&vitals(), free, false, false), Pattern::Working, "the networks are being loaded");
        let rejected = Vitals { networks: Networks::Rejected("no".to_owned()), ..vitals() };
        assert_eq!(Pattern::of(&rejected, free, true, true), Pattern::Fault);
        assert_eq!(Pattern::of(&vitals(), Storage::Full(1), false, false), Pattern::Fault);
        assert_eq!(Pattern::of(&vitals(), free, true, true), Pattern::Locked);
        let hot = Vitals { warmth: Warmth::Hot, ..vitals() };
        assert_eq!(Pattern::of(&hot, free, true, false), Pattern::Fault);
    }

    #[test]
    fn a_rhythm_is_kept() {
        let at = |rhythm: &[u64], ms| {
            let (on, left) = beat(rhythm, Duration::from_millis(ms));
            (on, left.map(|left| left.as_millis()))
        };
        assert_eq!(at(Pattern::Ready.rhythm(), 12_345), (true, None));
        let wanted = Pattern::Wanted.rhythm();
        assert_eq!(
            [0, 149, 150, 300, 450, 1999, 2000].map(|ms| at(wanted, ms).0),
            [true, true, false, true, false, false, true]
        );
        assert_eq!(at(wanted, 400), (true, Some(50)));
    }

    #[tokio::test(start_paused = true)]
    async fn three_tones_are_three_however_late_it_is() {
        for late in [0, 500] {
            let (mut heard, mut sounding) = (Vec::new(), Some(Sounding::new(Sound::Denied)));
            while let Some(now) = sounding {
                heard.push(now.is_loud());
                sleep_until(now.until + Duration::from_millis(late)).await;
                sounding = now.now();
            }
            assert_eq!(heard, [true, false, true, false, true]);
        }
    }

    #[test]
    fn what_is_set_already_is_not_set_again() {
        let kept = PhantomOutput::default();
        let mut lamp = Switched::new("lamp", Wired::Pwm { channel: 0, hz: 1 });
        lamp.had = Some(Box::new(kept.clone()));
        for percent in [0, 100, 100, 0] {
            lamp.set(percent);
        }
        assert_eq!(kept.was(), [0, 100, 0]);
    }

    #[test]
    fn what_is_not_there_is_tried_again_later() {
        let at = GpioLine { chip: "no-such-chip".to_owned(), line: 1 };
        let mut lamp = Switched::new("lamp", line(&at, false));
        lamp.set(100);
        assert!(lamp.now.is_none() && lamp.again.is_some_and(|again| again > Instant::now()));
    }
}
