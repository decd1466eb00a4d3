//! The appliance: one loop over one closed [`Event`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::TrySendError,
    },
    time::{Duration, Instant},
};

use hilum_config::Thermal as Heat;
use hilum_device::{
    Celsius, Clock, Thermal,
    linux::{give_memory_back, since_boot},
};
use hilum_domain::{CaseNumber, Limit, LimitCode, Moment};
use hilum_store::{Action, Actor, Begun, Opened, Role, State, Store, StoreFault, Work};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
};

use crate::{
    control::{self, Point},
    deliver::Delivered,
    event::Event,
    exports::{Exports, Taken},
    inference::{Benches, Done, Failed, Job, Loaded, Running as Engine},
    live::Strain,
    office::Office,
    receive::Received,
    share::News,
    signals::Sound,
};

/// How often the loop looks at what nobody tells it: heat, hung work, what has to be tried again.
const BEAT: Duration = Duration::from_millis(500);
/// How often a box at rest gives back memory that it does not use.
const GIVE_BACK: Duration = Duration::from_secs(20);
/// After a fault of the device work is tried again so much later.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest wait after faults in a row.
const LONGEST: Duration = Duration::from_secs(600);
/// A temperature that is older than this says nothing.
const OLD: Duration = Duration::from_secs(30);

/// How warm the board is, as far as work is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Warmth {
    Cool,
    /// After each case the board rests as long as the case took.
    Warm,
    /// Nothing new is begun.
    Hot,
}

impl Warmth {
    const fn name(self) -> &'static str {
        match self {
            Self::Cool => "cool",
            Self::Warm => "warm",
            Self::Hot => "hot",
        }
    }
}

/// What is loaded, or why nothing is.
#[derive(Debug, Clone)]
pub(crate) enum Networks {
    Loading,
    Ready(Loaded),
    Rejected(String),
}

/// What the control cases say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controlled {
    /// The board has none.
    Off,
    Well,
    /// None was answered yet.
    Never,
    Overdue,
    Failed,
}

/// How the device is, as the loop knows it without asking anybody.
#[derive(Debug, Clone)]
pub(crate) struct Vitals {
    pub(crate) board: String,
    pub(crate) networks: Networks,
    /// What runs them.
    pub(crate) running: Option<Engine>,
    pub(crate) warmth: Warmth,
    pub(crate) celsius: Option<f64>,
    /// Whether the board can tell how warm it is.
    pub(crate) feels: bool,
    pub(crate) share: Option<bool>,
    pub(crate) camera: Option<Result<(), &'static str>>,
    pub(crate) control: Controlled,
    pub(crate) now: Moment,
}

/// A case that the inference thread has.
struct Running {
    case: CaseNumber,
    since: Instant,
}

/// A case of which a file could not be read.
struct Rest {
    failures: u32,
    until: Instant,
}

/// The wait after so many failures in a row: each twice as long as the one before.
fn growing(failures: u32) -> Duration {
    AGAIN.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST)
}

/// What the loop needs from outside.
pub(crate) struct Parts {
    pub(crate) office: Office,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) jobs: std::sync::mpsc::SyncSender<Job>,
    pub(crate) bench: Benches,
    pub(crate) thermal: Box<dyn Thermal>,
    pub(crate) changes: watch::Sender<u64>,
    /// How hard the board has it, for the live picture.
    pub(crate) strain: watch::Sender<Strain>,
    pub(crate) beats: Arc<AtomicU64>,
    pub(crate) name: String,
    /// What was received, where anybody may send.
    pub(crate) received: Option<Arc<Received>>,
    /// What was delivered, where results go out by themselves.
    pub(crate) delivered: Option<Delivered>,
    pub(crate) opened: Opened,
    /// Whether the records wait for a PIN.
    pub(crate) locked: bool,
    pub(crate) heat: Heat,
    /// How often there is a control case.
    pub(crate) control: Option<Duration>,
    /// An assessment that takes longer is hung.
    pub(crate) case_time: Duration,
    /// How long an assessment may take to end when the appliance stops.
    pub(crate) grace: Duration,
    /// Ends the assessment that does not end by itself in that time.
    pub(crate) called_off: Arc<AtomicBool>,
}

pub(crate) struct Appliance {
    parts: Parts,
    networks: Networks,
    running: Option<Running>,
    /// A result that could not be kept yet: the disk may have been full.
    unkept: Option<Box<Done>>,
    /// An attempt that could not be taken back yet, for the same reason.
    owed: Option<Box<Work>>,
    /// No new work before this.
    rest_until: Instant,
    warmth: Warmth,
    temperature: Option<Celsius>,
    share: Option<bool>,
    camera: Option<Result<(), &'static str>>,
    exports: Exports,
    /// The records wait for a PIN: nothing can be kept.
    locked: bool,
    controls: Vec<Point>,
    /// When this process opened a control case last.
    controlled: Option<Instant>,
    /// No control case is tried before this, and how long the wait was for it: it grows.
    control_rest: (Instant, Duration),
    /// Cases of which a file could not be read: they let others go first, each time for longer.
    resting: BTreeMap<CaseNumber, Rest>,
    assessed: u64,
    restarted: u64,
    last_case: Option<Duration>,
    started: Instant,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to stop.
    Stopped,
    /// An assessment hung: only a new process ends it.
    Hung,
}

impl Appliance {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            networks: Networks::Loading,
            running: None,
            unkept: None,
            owed: None,
            rest_until: Instant::now(),
            warmth: Warmth::Cool,
            temperature: None,
            share: None,
            camera: None,
            exports: Exports::default(),
            locked: parts.locked,
            parts,
            controls: Vec::new(),
            controlled: None,
            control_rest: (Instant::now(), Duration::ZERO),
            resting: BTreeMap::new(),
            assessed: 0,
            restarted: 0,
            last_case: None,
            started: Instant::now(),
        }
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(&mut self, events: &mut mpsc::Receiver<Event>) -> End {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heat_read = Instant::now();
        let (mut gave_back, mut shown) = (Instant::now(), 0);
        self.feel();
        self.read_controls().await;
        loop {
            self.parts.beats.fetch_add(1, Ordering::Relaxed);
            let event = tokio::select! {
                event = events.recv() => event,
                _ = beat.tick() => {
                    if heat_read.elapsed() >= self.parts.heat.poll {
                        heat_read = Instant::now();
                        self.feel();
                    }
                    if gave_back.elapsed() >= GIVE_BACK {
                        let seen = self.parts.office.figures.seen();
                        if seen == shown && !self.parts.bench.borrow().busy {
                            spawn_blocking(give_memory_back);
                        }
                        (gave_back, shown) = (Instant::now(), seen);
                    }
                    // A result that waits for room on the disk is no hung assessment.
                    let hung = |running: &Running| running.since.elapsed() > self.parts.case_time;
                    if self.unkept.is_none() && self.running.as_ref().is_some_and(hung) {
                        tracing::error!("an assessment hangs: the process ends and begins anew");
                        return End::Hung;
                    }
                    self.control_if_due();
                    self.read_an_export();
                    self.go_on().await;
                    continue;
                }
            };
            let Some(event) = event else { return End::Stopped };
            if let Event::Stop(why) = event {
                tracing::info!(why, "stopping");
                self.stop(events).await;
                return End::Stopped;
            }
            self.handle(event).await;
            self.go_on().await;
        }
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Networks(Ok(loaded)) => {
                let (name, serial) = (loaded.name.clone(), loaded.serial);
                let now = self.parts.office.clock.now();
                let asked = move |store: &mut Store| store.highest_serial(&name, serial, &now);
                let highest = self.parts.office.records.with(asked).await;
                match highest {
                    Ok(Ok(highest)) if highest > serial => {
                        let why = format!("it has serial {serial}, and serial {highest} was here before");
                        tracing::error!(why, "the bundle is rejected: nothing can be assessed");
                        self.networks = Networks::Rejected(why);
                        return;
                    }
                    Ok(Ok(_)) => {}
                    // Whether it is older cannot be told now; that it is signed and whole was checked.
                    Ok(Err(fault)) => tracing::error!(error = %chain(fault), "cannot remember the bundle"),
                    Err(closed) => tracing::error!(error = %closed, "cannot remember the bundle"),
                }
                if let Some(Engine { engine, why, instead }) = self.parts.bench.borrow().running() {
                    match instead {
                        true => tracing::warn!(engine, why, "another engine stands in"),
                        false => tracing::info!(engine, why, "the engine is chosen"),
                    }
                }
                tracing::info!(bundle = loaded.bundle, took_ms = millis(loaded.took), "ready");
                self.networks = Networks::Ready(loaded);
            }
            Event::Networks(Err(why)) => {
                tracing::error!(why, "the bundle is rejected: nothing can be assessed");
                self.networks = Networks::Rejected(why);
            }
            Event::Control(Ok(case)) => {
                tracing::info!(%case, "the control case is queued");
                self.control_rest.1 = Duration::ZERO;
                self.changed();
            }
            Event::Control(Err(denied)) => {
                let wait = self.control_rest.1.saturating_mul(2).clamp(AGAIN, LONGEST);
                tracing::error!(why = denied.why, again_s = wait.as_secs(), "no control case");
                self.controlled = None;
                self.control_rest = (Instant::now() + wait, wait);
            }
            Event::Unlocked => {
                self.control_rest = (Instant::now(), Duration::ZERO);
                self.read_controls().await;
                tracing::info!("the records are open");
                self.locked = false;
                self.read_an_export();
            }
            Event::Opened(identity) => {
                self.exports.opened(&identity);
                self.read_an_export();
                self.changed();
            }
            Event::Queued(case) => {
                tracing::info!(%case, "queued");
                self.changed();
            }
            Event::Touched => self.changed(),
            Event::Assessed(done) => self.keep(done).await,
            Event::Replay(case, answer) => {
                let Some(kept) = case.result else {
                    drop(answer.send(Err(Failed::Attempt(anyhow::anyhow!("the case has no result to compare with")))));
                    return;
                };
                // While a case is being assessed, the answer is dropped: who asked is told to ask again.
                let job = Job::Replay { intake: Box::new(case.intake), kept: Box::new(kept), answer };
                drop(self.parts.jobs.try_send(job));
            }
            Event::Share(News::There(there)) => {
                if self.share.is_some_and(|was| was != there) || !there {
                    tracing::warn!(there, "the share");
                }
                self.share = Some(there);
            }
            Event::Share(News::Arrived(arrival)) => {
                tracing::info!(files = arrival.files, "an export came to rest");
                self.exports.arrived(arrival, Instant::now());
                self.read_an_export();
            }
            Event::Share(News::Left(name)) => self.exports.left(&name),
            Event::Export(arrival, read) => {
                match &read {
                    Ok(Taken::By(case)) => {
                        tracing::info!(%case, "an export went to its patient's draft");
                        self.changed();
                    }
                    Ok(Taken::Late(case, _)) => tracing::warn!(%case, "slices came after the case was handed over"),
                    Ok(Taken::Held(_)) => tracing::warn!("an export waits: another may be the same patient's"),
                    Ok(Taken::Several(series)) => tracing::info!(series = series.len(), "an export is several series"),
                    Ok(Taken::Before | Taken::ByNobody(_)) | Err(_) => {}
                }
                let kind = read.as_ref().err().map(|not| not.kind().to_owned());
                if let Some(said) = self.exports.ended(&arrival, read, Instant::now()) {
                    tracing::warn!(kind, "{said}");
                }
                self.read_an_export();
            }
            Event::Given(folder, series) => {
                if let Some(arrival) = self.exports.given(&folder, series.as_deref()) {
                    let office = self.parts.office.clone();
                    tokio::spawn(async move {
                        if let Err(denied) = office.has_taken(&arrival).await {
                            tracing::warn!(why = denied.why, "an export may be offered again");
                        }
                    });
                }
            }
            Event::OfCase(case, identity, answer) => {
                // Who asked may have gone away.
                drop(answer.send(self.exports.of_case(case, &identity)));
            }
            Event::Offered(answer) => drop(answer.send(self.exports.offered())),
            Event::Picked(key, answer) => drop(answer.send(self.exports.folder(key))),
            Event::Vitals(answer) => drop(answer.send(self.vitals())),
            Event::Camera(seen) => {
                tracing::info!(there = seen.is_ok(), fault = seen.err(), "the camera");
                self.camera = Some(seen);
            }
            Event::Status(answer) => {
                // Who asked may have gone away.
                drop(answer.send(self.status().await));
            }
            Event::Ended(part, why) => {
                tracing::error!(part, why, "a part ended and is started again");
                self.restarted += 1;
            }
            Event::Stop(_) => {}
        }
    }

    /// Has the next export read, if there is one and the records are open.
    fn read_an_export(&mut self) {
        if self.locked {
            return;
        }
        if let Some(next) = self.exports.next(Instant::now()) {
            let (office, arrival) = (self.parts.office.clone(), next.arrival.clone());
            tokio::spawn(async move {
                let read = office.take_export(next).await;
                // The loop may have ended.
                drop(office.events.send(Event::Export(arrival, read)).await);
            });
        }
    }

    fn feel(&mut self) {
        self.temperature = self.parts.thermal.poll().fresh(since_boot(), OLD);
        let Celsius(now) = self.temperature.unwrap_or(Celsius(0.0));
        let warmth = match now {
            now if now >= self.parts.heat.hot_c => Warmth::Hot,
            now if now >= self.parts.heat.warm_c => Warmth::Warm,
            _ => Warmth::Cool,
        };
        if warmth != self.warmth {
            tracing::warn!(celsius = now, warmth = warmth.name(), "the board");
            self.warmth = warmth;
        }
        let strain = match warmth {
            Warmth::Hot => Strain::Hot,
            Warmth::Warm => Strain::Warm,
            Warmth::Cool if self.parts.thermal.is_throttled() => Strain::Weak,
            Warmth::Cool => Strain::None,
        };
        let eases = |was: &mut Strain| std::mem::replace(was, strain) != strain;
        if self.parts.strain.send_if_modified(eases) && strain == Strain::Weak {
            tracing::warn!("the board is slowed down: its power supply may be weak");
        }
    }

    async fn read_controls(&mut self) {
        match self.parts.office.records.with(|store| control::trend(store)).await {
            Ok(Ok(controls)) => self.controls = controls,
            // They are read when a PIN opens the records.
            Ok(Err(StoreFault::Locked)) | Err(_) => {}
            Ok(Err(fault)) => tracing::error!(error = %chain(fault), "cannot read the control cases"),
        }
    }

    /// Has a control case opened when the last one is as old as the interval, or nobody knows how old it is.
    fn control_if_due(&mut self) {
        let Some(every) = self.parts.control else { return };
        let tried = self.controlled.is_some_and(|at| at.elapsed() < every) || self.control_rest.0 > Instant::now();
        if tried || !matches!(self.networks, Networks::Ready(_)) {
            return;
        }
        let now = self.parts.clock.now();
        let last = self.controls.last().and_then(|point| control::age(&point.opened, &now));
        let waiting = self.controls.last().is_some_and(|point| point.good.is_none());
        if waiting || last.is_some_and(|age| age < every) {
            return;
        }
        self.controlled = Some(Instant::now());
        let office = self.parts.office.clone();
        tokio::spawn(async move {
            let opened = control::open(&office, &office.scratch, office.control_seed, Actor::Device).await;
            // The loop may have ended.
            drop(office.events.send(Event::Control(opened)).await);
        });
    }

    /// Begins what there is to do, if it may be begun.
    async fn go_on(&mut self) {
        if self.rest_until > Instant::now() {
            return;
        }
        if let Some(done) = self.unkept.take() {
            self.keep(done).await;
            return;
        }
        if let Some(work) = self.owed.take() {
            self.put_back(work).await;
            return;
        }
        if self.running.is_some() || self.warmth == Warmth::Hot || !matches!(self.networks, Networks::Ready(_)) {
            return;
        }
        let now = self.parts.clock.now();
        let created = now.claimed.clone();
        let mut device: Vec<Limit> =
            self.parts.control.and_then(|every| control::limit(&self.controls, every, &now)).into_iter().collect();
        if !now.trusted {
            device.push(Limit::new(LimitCode::ClockNotTrusted, "the date of this result is not certain"));
        }
        let resting: BTreeSet<CaseNumber> =
            self.resting.iter().filter(|(_, rest)| rest.until > Instant::now()).map(|(&case, _)| case).collect();
        let begun = self.parts.office.records.with(move |store| store.begin(&resting, &now)).await;
        let Begun { work, set_aside } = match begun {
            Ok(Ok(begun)) => begun,
            Ok(Err(StoreFault::Locked)) | Err(_) => return,
            Ok(Err(fault)) => {
                tracing::error!(error = %chain(fault), "cannot begin a case");
                self.rest_until = Instant::now() + AGAIN;
                return;
            }
        };
        for case in &set_aside {
            tracing::warn!(%case, "was begun twice without an end and is set aside");
        }
        if !set_aside.is_empty() {
            self.read_controls().await;
            self.changed();
        }
        let Some(work) = work else { return };
        let case = work.number;
        tracing::info!(%case, attempt = work.attempt, "begun");
        if work.intake.control {
            // It is what proves the device, and cannot wait for its own proof.
            device.retain(|limit| limit.code == LimitCode::ClockNotTrusted);
        }
        if self.exports.has_more_of(case) {
            device.push(Limit::new(LimitCode::CtRevised, "slices came to the share after the case was handed over"));
        }
        match self.parts.jobs.try_send(Job::Case { work: Box::new(work), created, device }) {
            Ok(()) => self.running = Some(Running { case, since: Instant::now() }),
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                // A replay is on its way, or the thread is gone, which it says itself.
                if let Job::Case { work, .. } = job {
                    self.put_back(work).await;
                }
                self.rest_until = Instant::now() + BEAT;
            }
        }
    }

    /// Takes an attempt back; if the disk does not let it, at the next opportunity, and before anything else is begun.
    async fn put_back(&mut self, work: Box<Work>) {
        let now = self.parts.clock.now();
        let (case, asked) = (work.number, (*work).clone());
        match self.parts.office.records.with(move |store| store.put_back(&asked, &now)).await {
            Ok(Ok(())) => {}
            Ok(Err(StoreFault::NoCase)) => tracing::info!(%case, "was withdrawn meanwhile"),
            Ok(Err(fault)) => {
                tracing::error!(%case, error = %chain(fault), "cannot put a case back yet");
                self.owed = Some(work);
                self.rest_until = Instant::now() + BEAT;
            }
            Err(closed) => tracing::error!(%case, error = %closed, "cannot put a case back"),
        }
    }

    /// Keeps the end of an attempt.
    async fn keep(&mut self, done: Box<Done>) {
        let case = done.work.number;
        let took_ms = millis(done.took);
        match &done.result {
            Ok((kept, refused)) => {
                let (work, kept, refused) = ((*done.work).clone(), kept.clone(), *refused);
                let now = self.parts.clock.now();
                let finished =
                    self.parts.office.records.with(move |store| store.finish(&work, refused, &kept, &now)).await;
                match finished {
                    Ok(Ok(())) => {
                        if !done.work.intake.control {
                            self.parts.office.sounds.say(Sound::Result);
                        }
                        tracing::info!(%case, refused, took_ms, "kept");
                    }
                    Ok(Err(StoreFault::NoCase | StoreFault::State { .. })) => {
                        tracing::info!(%case, "was withdrawn: what was found is not kept");
                    }
                    Ok(Err(fault @ (StoreFault::Disk { .. } | StoreFault::Database { .. }))) => {
                        tracing::error!(%case, error = %chain(fault), "cannot keep a result yet");
                        self.unkept = Some(done);
                        self.rest_until = Instant::now() + BEAT;
                        return;
                    }
                    Ok(Err(fault)) => tracing::error!(%case, error = %chain(fault), "cannot keep a result"),
                    Err(closed) => tracing::error!(%case, error = %closed, "cannot keep a result"),
                }
            }
            Err(Failed::Device(error)) => {
                tracing::error!(%case, error = %format!("{error:#}"), "the device cannot assess it now");
                self.rest_until = Instant::now() + AGAIN;
                self.put_back(done.work.clone()).await;
            }
            Err(Failed::File(error)) => {
                let failures = self.resting.get(&case).map_or(0, |rest| rest.failures) + 1;
                let wait = growing(failures);
                tracing::error!(
                    %case, failures, again_s = wait.as_secs(), error = %format!("{error:#}"), "it cannot be assessed now"
                );
                self.resting.insert(case, Rest { failures, until: Instant::now() + wait });
                self.put_back(done.work.clone()).await;
            }
            Err(Failed::Attempt(error)) => {
                tracing::error!(%case, attempt = done.work.attempt, error = %format!("{error:#}"), "the attempt failed");
            }
        }
        if !matches!(done.result, Err(Failed::Device(_) | Failed::File(_))) {
            self.resting.remove(&case);
        }
        self.running = None;
        self.assessed += 1;
        self.last_case = Some(done.took);
        if done.work.intake.control {
            self.read_controls().await;
            if let Some(point) = self.controls.iter().find(|point| point.case == case) {
                tracing::info!(%case, good = point.good, drift = point.drift, predicted = point.predicted, "control case");
            }
        }
        if self.warmth == Warmth::Warm {
            self.rest_until = Instant::now() + done.took;
        }
        self.changed();
    }

    fn changed(&self) {
        self.parts.changes.send_modify(|count| *count += 1);
    }

    /// Lets the case that is being assessed end, for the grace time; then it goes back into the queue.
    async fn stop(&mut self, events: &mut mpsc::Receiver<Event>) {
        self.parts.office.stop_reading().await;
        let until = tokio::time::Instant::now() + self.parts.grace;
        while let Some(Running { case, .. }) = self.running {
            match tokio::time::timeout_at(until, events.recv()).await {
                Ok(Some(Event::Assessed(done))) => self.keep(done).await,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    tracing::warn!(%case, "did not end in time and goes back into the queue");
                    self.parts.called_off.store(true, Ordering::Relaxed);
                    let now = self.parts.clock.now();
                    let put_back = move |store: &mut Store| -> Result<(), StoreFault> {
                        let found = store.case(case)?;
                        if found.state != State::Queued {
                            // It was withdrawn meanwhile.
                            return Ok(());
                        }
                        let (number, attempt, intake) = (found.number, found.attempts, found.intake);
                        store.put_back(&Work { number, attempt, intake }, &now)
                    };
                    if let Ok(Err(fault)) = self.parts.office.records.with(put_back).await {
                        tracing::error!(%case, error = %chain(fault), "cannot put a case back");
                    }
                    break;
                }
            }
        }
        if let Some(work) = self.owed.take() {
            self.put_back(work).await;
        }
        let now = self.parts.clock.now();
        if let Ok(Err(fault)) =
            self.parts.office.records.with(move |store| store.note(Actor::Device, Action::Stopped, &now)).await
        {
            tracing::error!(error = %chain(fault), "cannot enter the stop in the log");
        }
    }

    fn vitals(&self) -> Vitals {
        let now = self.parts.clock.now();
        let limit = |every| control::limit(&self.controls, every, &now).map(|limit| limit.code);
        let control = match self.parts.control.map(limit) {
            None => Controlled::Off,
            Some(None) => Controlled::Well,
            Some(Some(LimitCode::ControlFailed)) => Controlled::Failed,
            Some(Some(_)) if self.controls.iter().all(|point| point.good.is_none()) => Controlled::Never,
            Some(Some(_)) => Controlled::Overdue,
        };
        Vitals {
            board: self.parts.name.clone(),
            networks: self.networks.clone(),
            running: self.parts.bench.borrow().running(),
            warmth: self.warmth,
            celsius: self.temperature.map(|Celsius(degrees)| degrees),
            feels: !self.parts.heat.zones.is_empty(),
            share: self.share,
            camera: self.camera,
            control,
            now,
        }
    }

    async fn status(&self) -> Value {
        let now = self.parts.clock.now();
        let counted = self
            .parts
            .office
            .records
            .with(|store| -> Result<Value, StoreFault> {
                let cases = store.list()?;
                let of = |state: State| cases.iter().filter(|case| case.state == state).count();
                let states: BTreeMap<&str, usize> =
                    State::ALL.into_iter().map(|state| (state.name(), of(state))).collect();
                let full = store.room().err().map(|fault| fault.to_string());
                Ok(json!({
                    "cases": states, "head": store.head()?.to_string(), "full": full,
                    "copy-is-behind": store.copy_is_behind(), "locked": store.is_locked(),
                    "pins": store.people()?.into_iter().map(Role::name).collect::<Vec<_>>(),
                }))
            })
            .await;
        let store = match counted {
            Ok(Ok(counted)) => counted,
            Ok(Err(fault)) => json!({"fault": chain(fault)}),
            Err(closed) => json!({"fault": closed.to_string()}),
        };
        let networks = match &self.networks {
            Networks::Loading => json!({"state": "loading"}),
            Networks::Ready(loaded) => {
                let running = self.parts.bench.borrow().running();
                let (engine, why, instead) = running
                    .map_or(("", String::new(), false), |running| (running.engine, running.why, running.instead));
                json!({
                    "state": "ready", "bundle": loaded.bundle, "engine": engine, "why": why, "stands-in": instead,
                })
            }
            Networks::Rejected(why) => json!({"state": "rejected", "why": why}),
        };
        json!({
            "board": self.parts.name,
            "version": env!("CARGO_PKG_VERSION"),
            "up-s": self.started.elapsed().as_secs(),
            "store": store,
            "opened": opened(self.parts.opened),
            "networks": networks,
            "running": self.running.as_ref().map(|running| running.case.to_string()),
            "resting": self.resting.iter().map(|(case, rest)| json!({
                "case": case.to_string(), "failures": rest.failures,
            })).collect::<Vec<_>>(),
            "attempts-ended": self.assessed,
            "parts-restarted": self.restarted,
            "last-case-s": self.last_case.map(|took| took.as_secs_f64()),
            "warmth": self.warmth.name(),
            "celsius": self.temperature.map(|Celsius(degrees)| degrees),
            "share": self.share,
            "exports-waiting": self.exports.status()["waiting"],
            "exports": self.exports.status(),
            "received": self.parts.received.as_ref().map(|received| received.status()),
            "delivered": self.parts.delivered.as_ref().map(Delivered::status),
            "camera": self.camera.map(|seen| seen.is_ok()),
            "live": self.parts.office.figures.status(),
            "camera-fault": self.camera.and_then(Result::err),
            "control": self.controls.last().map(Point::described),
            "control-limit": self.parts.control.and_then(|every| control::limit(&self.controls, every, &now)).map(
                |limit| limit.code.code()
            ),
            "clock": {"claimed": now.claimed, "trusted": now.trusted, "boot": now.boot},
        })
    }
}

/// What opening the store found, as words.
#[must_use]
pub const fn opened(opened: Opened) -> &'static str {
    match opened {
        Opened::New => "new",
        Opened::Well => "well",
        Opened::Copied => "copied",
        Opened::Behind => "behind",
        Opened::Restored => "restored",
    }
}

pub(crate) fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
