//! What the panel wishes for, done by way of the door and the office; and what it is told unasked.
//!
//! Every wish is a task: one that takes long holds up no other. What changes a case waits for what was wished for it before.
//! Whatever was wished for by a person who left is not told to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hilum_domain::{CaseNumber, Moment, Point};
use hilum_imaging::{Volume, lesion_candidates};
use hilum_intake::{KeptCt, field_from_bytes};
use hilum_screen::{
    event::{Opened, Preview, Told, Wish},
    model::{Ct, Draft, Health, Keys, LogPart, NO_CAMERA, Picture, Role, Row, Sight, Step, Waiting},
};
use hilum_store::{Actor, BlobName, Case, Files, Intake, State, Store, StoreFault};
use rustix::fs::{Access, access};
use serde_json::Value;
use tokio::{
    sync::{Notify, RwLock, mpsc, oneshot, watch},
    task::{AbortHandle, spawn_blocking},
};

use crate::{
    door::{Door, Session, Standing},
    event::Event,
    export::Order,
    inference::Benches,
    live,
    office::{Admitted, Office, System},
    panel::{Back, Remembered},
    protocol::{Denied, No, Request},
    records::Closed,
    supervise::task_of,
    told::{self, Fitted},
};

/// A list has no more cases than this.
const MOST_ROWS: usize = 200;
/// So many of the newest cases are looked at for those of today that are done.
const MOST_DONE: usize = 400;
/// A part of the log has so many entries.
const MOST_LINES: u64 = 50;
/// So many places are offered as the lesion.
const MOST_CANDIDATES: usize = 8;
/// So many fields are asked for until a bundle says how many.
const FIELDS: usize = 6;
/// Fields of a draft are shown so wide, pixels.
const SMALL: u32 = 320;
/// Pictures of a result are shown at most so wide, pixels, and together take at most so many bytes.
const LARGE: u32 = 1280;
const ALBUM: u64 = 128_000_000;
/// How often the device's health is looked at while somebody works with the panel, and while it is locked: the clock is on it.
const LOOKS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// What the screen asks.
pub(crate) enum Ask {
    /// A screen began, and knows nothing.
    Begun,
    /// Somebody touched it.
    Touched,
    /// It wishes for something.
    Wish(Wish),
}

/// What it takes to answer.
pub(crate) struct Parts {
    pub(crate) office: Office,
    pub(crate) door: Arc<Door>,
    pub(crate) bench: Benches,
    pub(crate) back: Back,
    pub(crate) fitted: Fitted,
    /// Where what a person picked is kept.
    pub(crate) data: PathBuf,
    /// Marked whenever somebody touches the panel.
    pub(crate) touches: watch::Sender<()>,
    /// What seals the records, and whose bundles are taken.
    pub(crate) keys: Keys,
    /// What a person picked so far.
    pub(crate) remembered: Remembered,
}

/// Starts to answer, until the screen's thread is gone.
pub(crate) fn start(parts: Parts, events: mpsc::Sender<Event>) {
    let Parts { office, door, bench, back: Back { asks, told, live }, fitted, data, touches, keys, remembered } = parts;
    let clerk = Arc::new(Clerk {
        office,
        door,
        bench,
        fitted,
        data,
        touches,
        keys,
        remembered: tokio::sync::Mutex::new(remembered),
        told,
        live: Arc::new(live),
        here: Mutex::default(),
        woken: Notify::new(),
    });
    let asks = Arc::new(tokio::sync::Mutex::new(asks));
    let asked = Arc::clone(&clerk);
    task_of("wishes", events.clone(), move || serve(Arc::clone(&asked), Arc::clone(&asks)));
    task_of("news", events, move || news(Arc::clone(&clerk)));
}

/// Whoever answers the panel.
struct Clerk {
    office: Office,
    door: Arc<Door>,
    bench: Benches,
    fitted: Fitted,
    data: PathBuf,
    touches: watch::Sender<()>,
    keys: Keys,
    remembered: tokio::sync::Mutex<Remembered>,
    told: mpsc::Sender<Told>,
    live: Arc<watch::Sender<Sight>>,
    here: Mutex<Here>,
    /// Somebody came or went.
    woken: Notify,
}

/// Who stands before the panel, and what is there for them.
#[derive(Default)]
struct Here {
    session: Session,
    /// Rises when somebody comes or goes.
    term: u64,
    /// Cases whose end the screen waits for.
    followed: BTreeMap<CaseNumber, Followed>,
    /// The cases that were told unasked last.
    rows: Option<Vec<Row>>,
    /// The draft that was told last, as it was then.
    draft: Option<(CaseNumber, Intake)>,
    /// Pictures of the case that was shown last.
    album: Album,
    /// The CT that was shown last.
    scan: Option<Scan>,
    /// The camera is looked at.
    watching: Option<AbortHandle>,
    lanes: BTreeMap<CaseNumber, Arc<RwLock<()>>>,
}

/// A case that waits.
#[derive(Clone, Copy)]
struct Followed {
    since: Instant,
    /// What was told of it last.
    said: Option<Step>,
}

#[derive(Default)]
struct Album {
    of: Option<CaseNumber>,
    /// By how wide they may be.
    pictures: BTreeMap<(BlobName, u32), Picture>,
}

#[derive(Clone)]
struct Scan {
    name: BlobName,
    volume: Arc<Volume<i16>>,
    candidates: Vec<(Point, f64)>,
}

/// Takes asks until there is nobody to ask.
async fn serve(clerk: Arc<Clerk>, asks: Arc<tokio::sync::Mutex<mpsc::Receiver<Ask>>>) {
    let mut asks = asks.lock().await;
    clerk.leave();
    loop {
        let ends = clerk.door.ends(&clerk.here().session);
        let silence = async {
            match ends {
                Some(ends) => tokio::time::sleep_until(ends.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ask = asks.recv() => match ask {
                Some(ask) => clerk.take(ask),
                None => return,
            },
            // The door's word on that, whatever the screen thinks.
            () = silence => {
                // It may have been broken meanwhile.
                if clerk.door.ends(&clerk.here().session).is_some_and(|ends| ends <= Instant::now()) {
                    clerk.lock_out();
                }
            }
        }
    }
}

/// Tells what nobody asked for.
async fn news(clerk: Arc<Clerk>) {
    let (mut changes, mut bench, mut people) = (clerk.office.changes.clone(), clerk.bench.clone(), clerk.door.people());
    let mut told = None;
    let mut was = Standing::Nobody;
    loop {
        let standing = clerk.standing().await;
        if was == Standing::Open && standing == Standing::Nobody {
            // Somebody set the first PIN elsewhere.
            clerk.lock_out();
        }
        let pause = LOOKS[usize::from(standing == Standing::Nobody)];
        was = standing;
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                clerk.say_cases().await;
                clerk.say_draft().await;
                clerk.follow_up().await;
            }
            changed = bench.changed() => {
                if changed.is_err() {
                    return;
                }
                clerk.follow_up().await;
            }
            changed = people.changed() => {
                if changed.is_err() {
                    return;
                }
                let term = clerk.here().term;
                clerk.say_people(term).await;
            }
            () = clerk.woken.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        clerk.say_health(&mut told).await;
    }
}

impl Clerk {
    fn here(&self) -> MutexGuard<'_, Here> {
        // Each value in it is whole by itself.
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody stands before the panel: what was there for them is gone. Answers with the term that begins.
    fn leave(&self) -> u64 {
        let mut here = self.here();
        if let Some(watching) = here.watching.take() {
            watching.abort();
        }
        self.live.send_if_modified(|live| std::mem::replace(live, Err(NO_CAMERA)).is_ok());
        let term = here.term + 1;
        *here = Here { term, lanes: std::mem::take(&mut here.lanes), ..Here::default() };
        self.woken.notify_one();
        term
    }

    /// Who the panel's session is taken for; nobody, while the store does not say.
    async fn standing(&self) -> Standing {
        let session = self.here().session;
        self.door.standing(&session).await.unwrap_or(Standing::Nobody)
    }

    /// Tells the screen something that was wished for, or is due, in a term.
    async fn tell(&self, term: u64, told: Told) {
        if self.here().term == term {
            // The screen may be gone, with the daemon.
            drop(self.told.send(told).await);
        }
    }

    fn lock_out(self: &Arc<Self>) {
        let (term, clerk) = (self.leave(), Arc::clone(self));
        tokio::spawn(async move {
            clerk.tell(term, Told::LoggedOut).await;
            clerk.refresh(term).await;
        });
    }

    fn take(self: &Arc<Self>, ask: Ask) {
        let clerk = Arc::clone(self);
        match ask {
            Ask::Begun => {
                let term = self.leave();
                tokio::spawn(async move { clerk.refresh(term).await });
            }
            Ask::Touched => {
                self.touches.send_replace(());
                self.door.touched(&mut self.here().session);
            }
            Ask::Wish(Wish::Logout) => {
                // The screen locked itself, and knows it.
                let term = self.leave();
                tokio::spawn(async move { clerk.refresh(term).await });
            }
            Ask::Wish(Wish::Login(role, pin)) => {
                let term = self.leave();
                tokio::spawn(async move { clerk.login(term, role, pin).await });
            }
            Ask::Wish(Wish::Live(None)) => {
                if let Some(watching) = self.here().watching.take() {
                    watching.abort();
                }
            }
            Ask::Wish(wish) => {
                let term = self.here().term;
                let case = case_of(&wish);
                let is_opening = matches!(wish, Wish::Open(..));
                let granted = tokio::spawn(Arc::clone(self).grant(wish, term));
                tokio::spawn(async move {
                    if granted.await.is_err_and(|error| error.is_panic()) {
                        let denied = Denied::of(No::Internal, "what was to be done panicked");
                        clerk.tell(term, refused(case, is_opening, &denied)).await;
                    }
                });
            }
        }
    }

    async fn login(&self, term: u64, role: Role, pin: String) {
        let mut session = Session::default();
        let login = match self.door.login(&mut session, told::kept(role), pin).await {
            Ok(_) => {
                let mut here = self.here();
                if here.term == term {
                    here.session = session;
                }
                Ok(role)
            }
            Err(denied) => Err(told::denied(&denied)),
        };
        self.woken.notify_one();
        self.tell(term, Told::Login(login)).await;
    }

    /// Who has a PIN, and the device's health; to whoever may see them, the cases.
    async fn refresh(&self, term: u64) {
        self.say_people(term).await;
        if let Ok(health) = self.health().await {
            self.tell(term, Told::Health(health)).await;
        }
        if self.standing().await != Standing::Nobody
            && let Ok(rows) = self.rows().await
        {
            self.tell(term, Told::Cases(rows)).await;
        }
    }

    async fn say_people(&self, term: u64) {
        if let Ok(people) = self.people().await {
            self.tell(term, Told::People(people)).await;
        }
    }

    async fn people(&self) -> Result<Vec<Role>, Denied> {
        let people = self.office.records.with(|store| store.people()).await??;
        Ok(people.into_iter().map(told::role).collect())
    }

    async fn rows(&self) -> Result<Vec<Row>, Denied> {
        let now = self.office.clock.now();
        Ok(self.office.records.with(move |store| rows(store, &now)).await??)
    }

    async fn ask<T>(&self, event: impl FnOnce(oneshot::Sender<T>) -> Event) -> Result<T, Denied> {
        let (answer, answered) = oneshot::channel();
        self.office.tell(event(answer)).await?;
        answered.await.map_err(|_| Closed.into())
    }

    async fn health(&self) -> Result<Health, Denied> {
        let vitals = self.ask(Event::Vitals).await?;
        let storage = self.office.records.with(told::storage).await?;
        let System { update, restart } = &self.office.system;
        // A line in a file in memory.
        let update = update.as_ref().and_then(|file| fs::read_to_string(file).ok());
        let mut health = told::health(&vitals, storage, self.fitted);
        health.parts.extend(update.as_deref().and_then(told::update));
        health.can_restart = restart.is_some();
        health.keys = Some(self.keys.clone());
        Ok(health)
    }

    /// Who asks, if they may: what a session may at the panel is what it may on the socket.
    async fn actor(&self, term: u64, request: &Request) -> Result<Actor, Denied> {
        let here = || Some(self.here()).filter(|here| here.term == term);
        let left = || Denied::of(No::Login, "whoever asked has left");
        let mut session = here().map(|here| here.session).ok_or_else(left)?;
        let actor = self.door.actor(&mut session, request).await;
        here().ok_or_else(left)?.session = session;
        actor
    }

    /// Does what was wished for, and tells what became of it.
    async fn grant(self: Arc<Self>, wish: Wish, term: u64) {
        let (case, is_opening) = (case_of(&wish), matches!(wish, Wish::Open(..)));
        let granted = match self.granted(wish, term).await {
            Ok(granted) => granted,
            Err(denied) if denied.no == No::Login => {
                if self.here().term == term {
                    let term = self.leave();
                    self.tell(term, Told::LoggedOut).await;
                    self.refresh(term).await;
                }
                return;
            }
            Err(denied) => vec![refused(case, is_opening, &denied)],
        };
        for told in granted {
            self.tell(term, told).await;
        }
    }

    async fn granted(self: &Arc<Self>, wish: Wish, term: u64) -> Result<Vec<Told>, Denied> {
        // What hands a case over, or takes it back, comes after all that was wished for it before, and that before what follows.
        let lane = case_of(&wish).map(|case| self.lane(case));
        let (_alone, _beside) = match (&lane, &wish) {
            (Some(lane), Wish::Submit(_) | Wish::Cancel(_)) => (Some(lane.write().await), None),
            (Some(lane), _) => (None, Some(lane.read().await)),
            (None, _) => (None, None),
        };
        let actor = match request(&wish) {
            Some(request) => self.actor(term, &request).await?,
            None => Actor::Device,
        };
        let office = &self.office;
        Ok(match wish {
            // They are answered where they are taken.
            Wish::Login(..) | Wish::Logout => Vec::new(),
            Wish::Refresh => {
                self.refresh(term).await;
                Vec::new()
            }
            Wish::Open(identity, metadata, confirmed) => {
                let opened = match office.open(identity, metadata, confirmed, actor).await? {
                    Admitted::OtherSecond(cases) => Opened::OtherSecond(cases),
                    Admitted::Draft { case, same, .. } => {
                        Opened::Draft(Box::new(self.draft(office.case(case).await?).await?), same)
                    }
                };
                vec![Told::Opened(opened)]
            }
            Wish::Case(case) => {
                let now = office.clock.now();
                office.records.with(move |store| store.viewed(case, actor, &now)).await??;
                vec![self.state_of(term, case, None).await?]
            }
            Wish::Exports(case) => {
                let intake = office.case(case).await?.intake;
                let offered = self.ask(Event::Offered).await?;
                vec![Told::Exports(case, told::exports(offered, &intake))]
            }
            Wish::TakeExport(case, key, other_id) => {
                let folder = self.ask(|answer| Event::Picked(key, answer)).await?;
                let place = folder.ok_or_else(|| Denied::of(No::NotReady, "this export is not there any more"))?;
                office.ct(case, place, None, other_id, actor).await?;
                self.drafted(case).await?
            }
            Wish::Ct(case) => vec![Told::Ct(self.scan(term, case).await?)],
            Wish::Lesion(case, lesion) => {
                office.lesion(case, lesion, actor).await?;
                self.drafted(case).await?
            }
            // No pictures are wished for where that is taken.
            Wish::Live(None) => Vec::new(),
            Wish::Live(Some(preview)) => {
                let intake = office.draft(preview.case).await?.intake;
                office.know(preview.case, &intake).await?;
                self.look(term, preview);
                Vec::new()
            }
            Wish::Objective(name) => {
                office.pick_objective(name.to_string(), actor).await?;
                Vec::new()
            }
            Wish::Capture(case) => {
                office.capture(case, actor).await?;
                self.drafted(case).await?
            }
            Wish::DropField(case, index) => {
                office.drop_field(case, index, actor).await?;
                self.drafted(case).await?
            }
            Wish::Submit(case) => {
                office.submit(case, actor).await?;
                self.here().scan = None;
                // Its end may have come already.
                vec![self.state_of(term, case, Some(actor)).await?]
            }
            Wish::Cancel(case) => {
                office.cancel(case, actor).await?;
                self.here().followed.remove(&case);
                self.drafted(case).await?
            }
            Wish::ReadFirst(case, class) => {
                office.read_first(case, class, actor).await?;
                vec![self.state_of(term, case, None).await?]
            }
            Wish::Review(case, opinion) => {
                office.review(case, opinion.agrees, opinion.reason, actor).await?;
                vec![self.state_of(term, case, None).await?]
            }
            Wish::Export(case, identity) => {
                let within = office.exports.clone();
                let to = spawn_blocking(move || within.as_deref().and_then(destination)).await;
                let to = to.map_err(|_| Denied::from(Closed))?;
                let to = to.ok_or_else(|| Denied::of(No::NotReady, "there is no folder for exports"))?;
                let answer = office.export(Order { case, to, recipient: None, identity }, actor).await?;
                let file = answer["file"].as_str().unwrap_or_default().into();
                vec![Told::Exported(case, file), self.state_of(term, case, None).await?]
            }
            Wish::Log(skipped) => vec![Told::Log(self.log(skipped).await?)],
            Wish::Restart => {
                office.restart(actor)?;
                vec![Told::Done(Ok("done-restart"))]
            }
            Wish::SetUp => {
                self.remember(|remembered| remembered.set_up = true).await?;
                Vec::new()
            }
            Wish::Control => {
                office.control(actor).await?;
                vec![Told::Done(Ok("done-control"))]
            }
            Wish::Verify => {
                office.verify(None).await?;
                vec![Told::Done(Ok("done-verified"))]
            }
            Wish::SetPin(role, pin) => {
                self.door.set_pin(told::kept(role), pin, actor).await?;
                let told = vec![Told::People(self.people().await?), Told::Done(Ok("done-pin-set"))];
                if self.standing().await == Standing::Nobody {
                    // It was the first one: from here on somebody has to be logged in.
                    for told in told {
                        self.tell(term, told).await;
                    }
                    return Err(Denied::of(No::Login, "somebody has to be logged in from here on"));
                }
                told
            }
            Wish::Remember(language, large) => {
                self.remember(|remembered| (remembered.language, remembered.large) = (language, large)).await?;
                Vec::new()
            }
        })
    }

    /// Keeps something that a person picked, beside what was picked before.
    async fn remember(&self, pick: impl FnOnce(&mut Remembered)) -> Result<(), Denied> {
        let mut remembered = self.remembered.lock().await;
        let mut picked = *remembered;
        pick(&mut picked);
        let data = self.data.clone();
        let kept = spawn_blocking(move || picked.write(&data)).await;
        if let Err(error) = kept.map_err(|_| Denied::from(Closed))? {
            tracing::warn!(%error, "cannot keep what was picked at the panel");
            return Err(Denied::of(No::NotReady, "cannot keep what was picked"));
        }
        *remembered = picked;
        Ok(())
    }

    /// What is done for a case follows what was wished for it before.
    fn lane(&self, case: CaseNumber) -> Arc<RwLock<()>> {
        let mut here = self.here();
        here.lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        Arc::clone(here.lanes.entry(case).or_default())
    }

    /// Has the camera's pictures shown, and fields taken by themselves if that is wished for.
    fn look(self: &Arc<Self>, term: u64, preview: Preview) {
        let mut here = self.here();
        if here.term != term {
            return;
        }
        if let Some(before) = here.watching.take() {
            before.abort();
        }
        let Some(frames) = self.office.frames.as_deref().cloned() else {
            // That there is none is an answer.
            drop(self.live.send_replace(Err(NO_CAMERA)));
            return;
        };
        let sources = live::Sources {
            frames,
            bench: self.bench.clone(),
            strain: self.office.strain.clone(),
            optics: self.office.optics.clone(),
            album: Arc::clone(&self.office.album),
            figures: Arc::clone(&self.office.figures),
            lanes: self.office.lanes.clone(),
        };
        let Preview { case, heat, auto } = preview;
        let (takes, mut taken) = mpsc::channel(1);
        let watched = live::watched(sources, live::Wants { case, heat, auto }, Arc::clone(&self.live), takes);
        let clerk = Arc::clone(self);
        let taking = async move {
            while taken.recv().await.is_some() {
                // As if whoever stands here had touched the button.
                match clerk.granted(Wish::Capture(case), term).await {
                    Ok(told) => {
                        for told in told {
                            clerk.tell(term, told).await;
                        }
                    }
                    // The slide was moved meanwhile; or nobody is logged in any more, which is told elsewhere.
                    Err(denied) => tracing::info!(why = denied.why, "no field was taken by itself"),
                }
            }
        };
        // A future that contains itself has to be boxed.
        let taking: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(taking);
        here.watching = Some(tokio::spawn(async move { tokio::join!(watched, taking) }).abort_handle());
    }

    async fn drafted(&self, case: CaseNumber) -> Result<Vec<Told>, Denied> {
        Ok(vec![Told::Draft(Box::new(self.draft(self.office.case(case).await?).await?))])
    }

    async fn draft(&self, case: Case) -> Result<Draft, Denied> {
        self.here().draft = Some((case.number, case.intake.clone()));
        let fields: Vec<BlobName> = case.intake.fields.iter().map(|field| field.picture.clone()).collect();
        let fields = self.pictures(case.number, fields, SMALL).await?;
        Ok(Draft {
            patient: told::patient(case.number, &case.intake),
            metadata: case.intake.metadata,
            ct: case.intake.volume.is_some(),
            lesion: case.intake.lesion,
            fields,
            enough: self.bench.borrow().ready.as_ref().map_or(FIELDS, |ready| ready.model.fields),
        })
    }

    /// Pictures of a case, at most so wide. Those that were shown before are the same again.
    async fn pictures(&self, case: CaseNumber, names: Vec<BlobName>, widest: u32) -> Result<Vec<Picture>, Denied> {
        let missing: BTreeSet<BlobName> = {
            let mut here = self.here();
            if here.album.of != Some(case) {
                here.album = Album { of: Some(case), pictures: BTreeMap::new() };
            }
            names.iter().filter(|name| !here.album.pictures.contains_key(&((*name).clone(), widest))).cloned().collect()
        };
        let files = self.office.records.files().clone();
        let read = spawn_blocking(move || missing.into_iter().map(|name| read(&files, name, widest)).collect());
        let read: Result<Vec<(BlobName, Picture)>, Denied> = read.await.map_err(|_| Denied::from(Closed))?;
        let read: BTreeMap<BlobName, Picture> = read?.into_iter().collect();
        let mut here = self.here();
        let known = |name: &BlobName| here.album.pictures.get(&(name.clone(), widest)).cloned();
        let pictures = names.iter().filter_map(|name| read.get(name).cloned().or_else(|| known(name))).collect();
        if here.album.of == Some(case) {
            here.album.pictures.extend(read.into_iter().map(|(name, picture)| ((name, widest), picture)));
        }
        Ok(pictures)
    }

    /// The CT of a case, with places that could be its lesion.
    async fn scan(&self, term: u64, case: CaseNumber) -> Result<Ct, Denied> {
        let intake = self.office.case(case).await?.intake;
        let patient = told::patient(case, &intake);
        let name = intake.volume.ok_or_else(|| Denied::of(No::Usage, "the case has no CT"))?;
        let kept = self.here().scan.clone().filter(|scan| scan.name == name);
        let scan = match kept {
            Some(scan) => scan,
            None => {
                // Two of them at once may be more than there is memory for.
                self.here().scan = None;
                let files = self.office.records.files().clone();
                let scan = spawn_blocking(move || scanned(&files, name)).await.map_err(|_| Denied::from(Closed))??;
                let mut here = self.here();
                if here.term == term {
                    here.scan = Some(scan.clone());
                }
                scan
            }
        };
        Ok(Ct { patient, volume: scan.volume, candidates: scan.candidates })
    }

    async fn log(&self, skipped: u64) -> Result<LogPart, Denied> {
        let read = move |store: &mut Store| -> Result<LogPart, StoreFault> {
            let head = store.head()?;
            let (from, last) = part_of(head.entries, skipped);
            let count = last.saturating_sub(from).saturating_add(1);
            let lines = store.lines(from, usize::try_from(count).unwrap_or(0))?;
            Ok(LogPart {
                lines: lines.iter().rev().filter_map(told::line).collect(),
                newer: head.entries.saturating_sub(last),
                older: from.saturating_sub(1),
                head: head.to_string().into(),
            })
        };
        Ok(self.office.records.with(read).await??)
    }

    /// A case as it is now; one that waits is followed. If it is its result, the log says that the `viewer` looks at it;
    /// nobody, where it says so already.
    async fn state_of(&self, term: u64, number: CaseNumber, viewer: Option<Actor>) -> Result<Told, Denied> {
        let case = self.office.case(number).await?;
        match case.state {
            State::Draft => {
                self.here().followed.remove(&number);
                Ok(Told::Draft(Box::new(self.draft(case).await?)))
            }
            State::Queued => {
                self.follow(term, number);
                match self.waiting(&case).await? {
                    Some(waiting) => {
                        if let Some(followed) = self.here().followed.get_mut(&number) {
                            followed.said = Some(waiting.step);
                        }
                        Ok(Told::Waiting(waiting))
                    }
                    // It ended just now.
                    None => Box::pin(self.state_of(term, number, viewer)).await,
                }
            }
            _ => {
                self.here().followed.remove(&number);
                if let Some(actor) = viewer {
                    let now = self.office.clock.now();
                    self.office.records.with(move |store| store.viewed(number, actor, &now)).await??;
                }
                self.shown(case).await
            }
        }
    }

    fn follow(&self, term: u64, case: CaseNumber) {
        let mut here = self.here();
        if here.term == term {
            here.followed.entry(case).or_insert(Followed { since: Instant::now(), said: None });
        }
    }

    /// How a queued case stands; nothing if it is not queued any more.
    async fn waiting(&self, case: &Case) -> Result<Option<Waiting>, Denied> {
        let number = case.number;
        let before = move |store: &mut Store| -> Result<Option<usize>, StoreFault> {
            let queued = store.list()?.into_iter().filter(|case| case.state == State::Queued);
            let queued: Vec<CaseNumber> = queued.map(|case| case.number).collect();
            Ok(queued.iter().position(|queued| *queued == number))
        };
        let Some(before) = self.office.records.with(before).await?? else { return Ok(None) };
        let bench = self.bench.borrow().clone();
        let step = told::step(number, before, &bench);
        let began = bench.case.filter(|_| !matches!(step, Step::Queue(_))).map(|(_, _, began)| began);
        let since = began.or_else(|| self.here().followed.get(&number).map(|followed| followed.since));
        let inputs = [case.intake.volume.is_some(), !case.intake.fields.is_empty()];
        let seconds = |took: Duration| u32::try_from(took.as_secs()).unwrap_or(u32::MAX);
        Ok(Some(Waiting {
            patient: told::patient(number, &case.intake),
            step,
            seconds: since.map_or(0, |since| seconds(since.elapsed())),
            usual: bench.usual.get(&inputs).map(|usual| seconds(*usual).max(1)),
        }))
    }

    /// A case with what became of it, from its report and its pictures as they are kept.
    async fn shown(&self, case: Case) -> Result<Told, Denied> {
        let report = case.result.as_ref().map(|kept| serde_json::from_str::<Value>(&kept.report)).transpose();
        let report = report.map_err(|_| Denied::of(No::Internal, "the kept report is no JSON"))?;
        let named = report.as_ref().map(told::pictures).unwrap_or_default();
        let kept = case.result.iter().flat_map(|kept| &kept.files);
        let (names, blobs): (Vec<String>, Vec<BlobName>) =
            kept.filter(|(name, _)| named.contains(name)).cloned().unzip();
        let widest = widest(blobs.len());
        let pictures = self.pictures(case.number, blobs, widest).await?;
        let pictures: BTreeMap<String, Picture> = names.into_iter().zip(pictures).collect();
        let within = self.office.exports.clone();
        let to = spawn_blocking(move || within.as_deref().and_then(destination)).await.ok().flatten();
        let to = to.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into());
        told::shown(&case, report.as_ref(), &|name| pictures.get(name).cloned(), to)
            .map(|shown| Told::Shown(Box::new(shown)))
            .ok_or_else(|| Denied::of(No::Internal, "the kept report is none of a result"))
    }

    async fn say_cases(&self) {
        let term = self.here().term;
        if self.standing().await == Standing::Nobody {
            return;
        }
        let Ok(rows) = self.rows().await else { return };
        let is_news = {
            let mut here = self.here();
            let is_news = here.term == term && here.rows.as_ref() != Some(&rows);
            if is_news {
                here.rows = Some(rows.clone());
            }
            is_news
        };
        if is_news {
            self.tell(term, Told::Cases(rows)).await;
        }
    }

    /// A draft that somebody may be looking at, as it is now: its CT came from the share, or a colleague took a field.
    async fn say_draft(&self) {
        let (term, told) = {
            let here = self.here();
            (here.term, here.draft.clone())
        };
        let Some((number, before)) = told else { return };
        if self.standing().await == Standing::Nobody {
            return;
        }
        // What is over was told by whoever ended it, or is when it is asked for.
        let Ok(case) = self.office.case(number).await else { return };
        if case.state == State::Draft
            && case.intake != before
            && let Ok(draft) = self.draft(case).await
        {
            self.tell(term, Told::Draft(Box::new(draft))).await;
        }
    }

    async fn say_health(&self, told: &mut Option<(Health, Instant)>) {
        let recent = |(_, at): &(Health, Instant)| at.elapsed() < LOOKS[0];
        if told.as_ref().is_some_and(recent) {
            return;
        }
        let term = self.here().term;
        let Ok(health) = self.health().await else { return };
        let is_news = told.as_ref().is_none_or(|(before, _)| told::differs(before, &health));
        *told = Some((health.clone(), Instant::now()));
        if is_news {
            self.tell(term, Told::Health(health)).await;
        }
    }

    /// Tells of the cases that the screen waits for what changed.
    async fn follow_up(&self) {
        let (term, followed) = {
            let here = self.here();
            (here.term, here.followed.clone())
        };
        if followed.is_empty() {
            return;
        }
        // Whose it is when nobody has a PIN is as the door has it: the first who may.
        let actor = match self.standing().await {
            Standing::Nobody => return,
            Standing::Open => Actor::Operator,
            Standing::Role(role) => role.into(),
        };
        for (number, followed) in followed {
            let told = match self.office.case(number).await {
                Ok(case) if case.state == State::Queued => match self.waiting(&case).await {
                    Ok(Some(waiting)) if followed.said != Some(waiting.step) => {
                        if let Some(followed) = self.here().followed.get_mut(&number) {
                            followed.said = Some(waiting.step);
                        }
                        Ok(Told::Waiting(waiting))
                    }
                    Ok(_) => continue,
                    Err(denied) => Err(denied),
                },
                // Whoever was told by another way has it already.
                Ok(_) if self.here().followed.remove(&number).is_none() => continue,
                Ok(_) => self.state_of(term, number, Some(actor)).await,
                Err(denied) => {
                    self.here().followed.remove(&number);
                    Err(denied)
                }
            };
            let told = told.unwrap_or_else(|denied| Told::Failed(number, told::denied(&denied)));
            self.tell(term, told).await;
        }
    }
}

/// The cases of today and those with which somebody has something to do, the newest first.
fn rows(store: &Store, now: &Moment) -> Result<Vec<Row>, StoreFault> {
    let mut rows = Vec::new();
    let mut done = 0;
    for case in store.list()?.iter().rev() {
        // Nobody reviews what the device checks itself by.
        let open = told::is_open(case.state) && !(case.control && case.state == State::Assessed);
        done += usize::from(!open);
        if case.state == State::Expired || (!open && done > MOST_DONE) {
            continue;
        }
        let intake = store.intake(case.number)?;
        if open || told::is_today(&intake.opened, now) {
            rows.extend(told::row(case, &intake));
        }
        if rows.len() == MOST_ROWS {
            break;
        }
    }
    Ok(rows)
}

/// The first and the last entry of a part of a log of so many, of which so many are skipped at the end.
fn part_of(entries: u64, skipped: u64) -> (u64, u64) {
    let last = entries.saturating_sub(skipped);
    (last.saturating_sub(MOST_LINES - 1).max(1), last)
}

/// How wide so many pictures may be to fit the memory that there is for them.
fn widest(count: usize) -> u32 {
    // A field is about three quarters as high as wide, and a pixel has three bytes.
    let bytes = |width: u32| u64::from(width) * u64::from(width) * 9 / 4;
    let each = ALBUM / u64::try_from(count).unwrap_or(u64::MAX).max(1);
    (SMALL..=LARGE).rev().step_by(64).find(|width| bytes(*width) <= each).unwrap_or(SMALL)
}

fn read(files: &Files, name: BlobName, widest: u32) -> Result<(BlobName, Picture), Denied> {
    let field = field_from_bytes(&files.get(&name)?, None, true);
    let image = field.map_err(|error| Denied::of(No::Internal, error.to_string()))?.image;
    Ok((name, Picture(live::small(&Arc::new(image), widest))))
}

fn scanned(files: &Files, name: BlobName) -> Result<Scan, Denied> {
    let kept = KeptCt::from_bytes(&files.get(&name)?).map_err(|error| Denied::of(No::Internal, error.to_string()))?;
    let candidates = lesion_candidates(&kept.volume, MOST_CANDIDATES);
    let candidates = candidates.into_iter().map(|found| (found.centre, found.diameter_mm)).collect();
    Ok(Scan { name, volume: Arc::new(kept.volume), candidates })
}

/// Where an export goes: the first medium that is mounted below the folder, else the first folder there, else it itself; the
/// first that can be written to.
fn destination(within: &Path) -> Option<PathBuf> {
    let folders = |of: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(of).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        folders.sort();
        folders
    };
    let device = |of: &Path| fs::metadata(of).ok().map(|meta| meta.dev());
    let own = device(within)?;
    let near = folders(within);
    // A desktop mounts below a folder for each user.
    let far = near.iter().flat_map(|folder| folders(folder));
    let mounted = near.iter().cloned().chain(far).filter(|folder| device(folder).is_some_and(|device| device != own));
    let all = mounted.collect::<Vec<_>>().into_iter().chain(near.iter().cloned()).chain([within.to_owned()]);
    all.into_iter().find(|folder| access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok())
}

/// The case that a wish is about.
const fn case_of(wish: &Wish) -> Option<CaseNumber> {
    match wish {
        Wish::Case(case)
        | Wish::Exports(case)
        | Wish::TakeExport(case, ..)
        | Wish::Ct(case)
        | Wish::Lesion(case, _)
        | Wish::Capture(case)
        | Wish::DropField(case, _)
        | Wish::Submit(case)
        | Wish::Cancel(case)
        | Wish::ReadFirst(case, _)
        | Wish::Review(case, _)
        | Wish::Export(case, _) => Some(*case),
        Wish::Login(..)
        | Wish::Logout
        | Wish::Refresh
        | Wish::Open(..)
        | Wish::Restart
        | Wish::SetUp
        | Wish::Live(_)
        | Wish::Objective(_)
        | Wish::Log(_)
        | Wish::Control
        | Wish::Verify
        | Wish::SetPin(..)
        | Wish::Remember(..) => None,
    }
}

fn refused(case: Option<CaseNumber>, is_opening: bool, denied: &Denied) -> Told {
    let no = told::denied(denied);
    match case {
        Some(case) => Told::Failed(case, no),
        None if is_opening => Told::Opened(Opened::Denied(no)),
        None => Told::Done(Err(no)),
    }
}

/// The request that would be the same on the socket, as far as it decides who may: without what is of a patient.
fn request(wish: &Wish) -> Option<Request> {
    let of = |case: &CaseNumber| case.to_string();
    Some(match wish {
        Wish::Login(..) | Wish::Logout | Wish::Refresh | Wish::Remember(..) | Wish::SetUp => return None,
        Wish::Open(..) => Request::Open {
            first: String::new(),
            second: String::new(),
            age: None,
            sex: None,
            smoking: None,
            specimen: None,
            confirmed: false,
        },
        // Nobody is logged in who may not look at a case.
        Wish::Case(case) | Wish::Exports(case) | Wish::Ct(case) => Request::Show { case: of(case) },
        Wish::TakeExport(case, _, other_id) => {
            Request::Ct { case: of(case), path: PathBuf::new(), lesion: None, other_id: *other_id }
        }
        Wish::Lesion(case, lesion) => Request::Lesion { case: of(case), lesion: lesion.lps_mm },
        Wish::Live(_) => Request::Capture { case: String::new() },
        Wish::Objective(name) => Request::Objective { objective: name.to_string() },
        Wish::Capture(case) => Request::Capture { case: of(case) },
        Wish::DropField(case, index) => Request::DropField { case: of(case), index: *index },
        Wish::Submit(case) => Request::Submit { case: of(case) },
        Wish::Cancel(case) => Request::Cancel { case: of(case) },
        Wish::ReadFirst(case, _) => Request::ReadFirst { case: of(case), class: None },
        Wish::Review(case, opinion) => {
            Request::Review { case: of(case), agrees: opinion.agrees, reason: String::new() }
        }
        Wish::Export(case, identity) => {
            Request::Export { case: of(case), to: PathBuf::new(), recipient: None, identity: *identity }
        }
        Wish::Log(_) => Request::Log { from: 1 },
        Wish::Control => Request::Control,
        Wish::Restart => Request::Restart,
        Wish::Verify => Request::Verify { head: None },
        Wish::SetPin(role, _) => Request::SetPin { role: told::kept(*role), pin: String::new() },
    })
}

#[cfg(test)]
mod tests {
    use hilum_config::Access as Settings;
    use hilum_device::{Clock, ClockTrust, linux::SystemClock};
    use hilum_domain::{Identity, Metadata, MicronsPerPixel};
    use hilum_intake::picture_to_bytes;
    use hilum_screen::{model::Progress, words::Language};
    use hilum_store::{Action, DataKey, FieldFile, Role as Kept};

    use super::*;
    use crate::{
        inference::Bench,
        reader::Limits,
        records::{Place, Records},
    };

    /// A clerk with a store of its own, and no loop behind it that would assess anything.
    struct Counter {
        folder: tempfile::TempDir,
        records: Records,
        clock: Arc<dyn Clock>,
        door: Arc<Door>,
        asks: mpsc::Sender<Ask>,
        told: mpsc::Receiver<Told>,
        changes: watch::Sender<u64>,
        _bench: watch::Sender<Bench>,
    }

    impl Counter {
        fn new(auto_lock: Duration) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(ClockTrust::Always));
            let place = Place { folder: folder.path().join("store"), key: Some(DataKey::new(&[7; 32])), watermark: 0 };
            let (records, _, _) = Records::open(place, &clock).expect("opens");
            let (events, mut happened) = mpsc::channel(16);
            tokio::spawn(async move { while happened.recv().await.is_some() {} });
            let access = Settings { auto_lock, wrong_pins: 3, wait: Duration::from_secs(10) };
            let door = Arc::new(Door::new(records.clone(), Arc::clone(&clock), events.clone(), access, false));
            let (changes, changed) = watch::channel(0);
            let exports = folder.path().join("media");
            fs::create_dir_all(exports.join("STICK")).expect("a folder");
            let (bench, benches) = watch::channel(Bench::default());
            let office = Office {
                records: records.clone(),
                clock: Arc::clone(&clock),
                limits: Limits { memory: 1, time: Duration::from_secs(1), socket: None },
                events: events.clone(),
                frames: None,
                optics: None,
                bench: benches.clone(),
                album: Arc::default(),
                strain: watch::channel(live::Strain::None).1,
                figures: Arc::default(),
                lanes: crate::lane::Lanes::new().expect("threads"),
                changes: changed,
                control_seed: 1,
                scratch: folder.path().join("scratch"),
                readers: Arc::new(tokio::sync::Semaphore::new(1)),
                reading: Arc::default(),
                exports: Some(exports),
                sounds: crate::signals::Sounds::channel().0,
                system: crate::office::System::default(),
            };
            let (asks, asked) = mpsc::channel(32);
            let (told, telling) = mpsc::channel(32);
            start(
                Parts {
                    office,
                    door: Arc::clone(&door),
                    bench: benches,
                    back: Back { asks: asked, told, live: watch::channel(Err(NO_CAMERA)).0 },
                    fitted: Fitted { camera: false, share: false },
                    data: folder.path().to_owned(),
                    touches: watch::channel(()).0,
                    keys: Keys { sealed_by: "key-file", signers: Vec::new(), development: true },
                    remembered: Remembered { language: Language::English, large: false, set_up: false },
                },
                events,
            );
            Self { folder, records, clock, door, asks, told: telling, changes, _bench: bench }
        }

        async fn wish(&self, wish: Wish) {
            self.asks.send(Ask::Wish(wish)).await.expect("it lives");
        }

        /// The next that is told which `take` takes; what else is told meanwhile is let go.
        async fn told<T>(&mut self, take: impl Fn(Told) -> Option<T>) -> T {
            let next = async {
                loop {
                    if let Some(taken) = take(self.told.recv().await.expect("it lives")) {
                        return taken;
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(30), next).await.expect("it is told")
        }

        async fn with<T: Send + 'static>(&self, what: impl FnOnce(&mut Store) -> T + Send + 'static) -> T {
            self.records.with(what).await.expect("open")
        }

        async fn draft(&mut self, first: &str) -> Draft {
            let identity = Identity::new(first, "1954-03-02").expect("two");
            self.wish(Wish::Open(identity, Metadata::default(), true)).await;
            let opened = self.told(|told| if let Told::Opened(opened) = told { Some(opened) } else { None }).await;
            match opened {
                Opened::Draft(draft, _) => *draft,
                other => panic!("{other:?}"),
            }
        }

        /// Gives a draft a field, as a camera would.
        async fn field(&self, case: CaseNumber) {
            let now = self.clock.now();
            let picture = picture_to_bytes(&image::RgbImage::new(640, 480)).expect("a picture");
            self.with(move |store| {
                let picture = store.files().put(&picture).expect("kept");
                let mut intake = store.case(case).expect("there").intake;
                intake.fields.push(FieldFile { picture, scale: MicronsPerPixel::plausible(0.5), colour: true });
                store.change_draft(case, &intake, Actor::Operator, &now).expect("a draft");
            })
            .await;
        }

        /// Ends the next case as an assessment would.
        async fn assess(&self) {
            let now = self.clock.now();
            self.with(move |store| {
                let work = store.begin(&BTreeSet::new(), &now).expect("readable").work.expect("work");
                let plain = picture_to_bytes(&image::RgbImage::new(8, 4)).expect("a picture");
                let plain = store.files().put(&plain).expect("kept");
                let prediction = serde_json::json!({"probabilities": [0.2, 0.2, 0.2, 0.2, 0.2]});
                let report = serde_json::json!({
                    "fused": prediction, "he": prediction, "weights": {"ct": 0.0, "he": 1.0},
                    "plain": {"ct": null, "he": ["he-plain-1.png"]},
                });
                let files = vec![("he-plain-1.png".to_owned(), plain)];
                let kept = hilum_store::Kept { report: report.to_string(), files };
                store.finish(&work, false, &kept, &now).expect("kept");
            })
            .await;
            self.changes.send_modify(|count| *count += 1);
        }

        async fn actions(&self) -> Vec<Action> {
            self.with(|store| store.log().expect("whole").into_iter().map(|entry| entry.action).collect()).await
        }
    }

    fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { test().await });
    }

    fn waiting(told: Told) -> Option<Waiting> {
        if let Told::Waiting(waiting) = told { Some(waiting) } else { None }
    }

    fn shown(told: Told) -> Option<hilum_screen::model::Shown> {
        if let Told::Shown(shown) = told { Some(*shown) } else { None }
    }

    fn failed(told: Told) -> Option<(CaseNumber, &'static str)> {
        if let Told::Failed(case, denied) = told { Some((case, denied.word)) } else { None }
    }

    fn is(wanted: &Told) -> impl Fn(Told) -> Option<()> + '_ {
        move |told| (told == *wanted).then_some(())
    }

    #[test]
    fn the_way_of_a_case_at_a_panel_without_pins() {
        run(|| async {
            let mut counter = Counter::new(Duration::from_secs(600));
            counter.asks.send(Ask::Begun).await.expect("it lives");
            counter.told(is(&Told::People(Vec::new()))).await;
            let draft = counter.draft("4711").await;
            let case = draft.patient.case;
            assert!(draft.fields.is_empty() && !draft.ct);
            // Another second identifier is asked back.
            let other = Identity::new("4711", "other").expect("two");
            counter.wish(Wish::Open(other, Metadata::default(), false)).await;
            counter.told(is(&Told::Opened(Opened::OtherSecond(vec![case])))).await;
            counter.wish(Wish::Capture(case)).await;
            assert_eq!(counter.told(failed).await, (case, "denied-not-ready"));
            counter.wish(Wish::Submit(case)).await;
            assert_eq!(counter.told(failed).await, (case, "denied-usage"));
            for _ in 0..2 {
                counter.field(case).await;
            }
            let draft = |told| if let Told::Draft(draft) = told { Some(*draft) } else { None };
            counter.changes.send_modify(|count| *count += 1);
            assert_eq!(counter.told(draft).await.fields.len(), 2, "a colleague took them");
            counter.wish(Wish::DropField(case, 1)).await;
            let dropped = counter.told(draft).await;
            assert_eq!(dropped.fields.iter().map(|field| field.0.width()).collect::<Vec<_>>(), [SMALL]);
            counter.wish(Wish::Submit(case)).await;
            assert_eq!(counter.told(waiting).await.step, Step::Queue(0));
            counter.wish(Wish::Cancel(case)).await;
            // What did not change is the same picture again.
            assert_eq!(counter.told(draft).await, dropped);
            counter.wish(Wish::Submit(case)).await;
            counter.told(waiting).await;
            counter.assess().await;
            // Unasked.
            let result = counter.told(shown).await;
            assert_eq!((result.patient.case, result.images.len(), result.read_first), (case, 1, None));
            assert_eq!(result.exports_to.as_deref(), Some("STICK"));
            counter.wish(Wish::ReadFirst(case, None)).await;
            assert_eq!(counter.told(shown).await.read_first, Some(None));
            let opinion = hilum_screen::model::Opinion { agrees: true, reason: String::new() };
            counter.wish(Wish::Review(case, opinion.clone())).await;
            let reviewed = counter.told(shown).await;
            assert_eq!((reviewed.progress, reviewed.opinion), (Progress::Reviewed, Some(opinion)));
            counter.wish(Wish::Export(case, true)).await;
            let exported = |told| if let Told::Exported(case, file) = told { Some((case, file)) } else { None };
            let (of, file) = counter.told(exported).await;
            assert!(of == case && counter.folder.path().join("media/STICK").join(&*file).is_file());
            assert_eq!(counter.told(shown).await.progress, Progress::Exported);
            counter.wish(Wish::Log(0)).await;
            let log = counter.told(|told| if let Told::Log(log) = told { Some(log) } else { None }).await;
            let said: Vec<&str> = log.lines.iter().rev().map(|line| line.what.as_str()).collect();
            assert_eq!(
                said[1..],
                [
                    "drafted",
                    "input-taken",
                    "input-taken",
                    "field-dropped",
                    "queued",
                    "withdrawn",
                    "queued",
                    "begun",
                    "assessed",
                    "viewed",
                    "read-first",
                    "agreed",
                    "exported",
                ]
            );
            counter.wish(Wish::Verify).await;
            counter.told(is(&Told::Done(Ok("done-verified")))).await;
        });
    }

    // verifies: REQ-ACCESS-01, REQ-ACCESS-03
    #[test]
    fn the_door_decides_who_may_and_when_it_is_over() {
        run(|| async {
            let mut counter = Counter::new(Duration::from_secs(2));
            let (admin, operator) = ("194603", "280519");
            counter.wish(Wish::SetPin(Role::Administrator, admin.into())).await;
            counter.told(is(&Told::People(vec![Role::Administrator]))).await;
            counter.told(is(&Told::LoggedOut)).await;
            // Nothing of a case is told to who is not logged in, and nothing is done for them.
            let identity = Identity::new("4711", "1954-03-02").expect("two");
            counter.wish(Wish::Open(identity, Metadata::default(), true)).await;
            counter.told(is(&Told::LoggedOut)).await;
            assert!(!counter.actions().await.contains(&Action::Drafted));
            let login = |told| if let Told::Login(login) = told { Some(login) } else { None };
            counter.wish(Wish::Login(Role::Administrator, operator.into())).await;
            assert_eq!(counter.told(login).await.map_err(|denied| denied.word), Err("denied-pin-wrong"));
            let door = Arc::clone(&counter.door);
            door.set_pin(Kept::Operator, operator.into(), Actor::Administrator).await.expect("set");
            counter.wish(Wish::Login(Role::Operator, operator.into())).await;
            assert_eq!(counter.told(login).await, Ok(Role::Operator));
            let case = counter.draft("4711").await.patient.case;
            let opinion = hilum_screen::model::Opinion { agrees: true, reason: String::new() };
            counter.wish(Wish::Review(case, opinion)).await;
            assert_eq!(counter.told(failed).await, (case, "denied-role"));
            // Silence.
            counter.told(is(&Told::LoggedOut)).await;
            counter.wish(Wish::Case(case)).await;
            counter.told(is(&Told::LoggedOut)).await;
            assert!(!counter.actions().await.contains(&Action::Viewed));
        });
    }

    #[test]
    fn a_first_pin_that_is_set_elsewhere_locks_the_panel() {
        run(|| async {
            let mut counter = Counter::new(Duration::from_secs(600));
            counter.asks.send(Ask::Begun).await.expect("it lives");
            counter.told(is(&Told::Cases(Vec::new()))).await;
            let door = Arc::clone(&counter.door);
            door.set_pin(Kept::Administrator, "194603".into(), Actor::Administrator).await.expect("set");
            counter.told(is(&Told::LoggedOut)).await;
            counter.told(is(&Told::People(vec![Role::Administrator]))).await;
            // Whoever got one since may log in without anything else having happened.
            door.set_pin(Kept::Operator, "350917".into(), Actor::Administrator).await.expect("set");
            counter.told(is(&Told::People(vec![Role::Administrator, Role::Operator]))).await;
        });
    }

    #[test]
    fn many_pictures_are_smaller_ones() {
        assert_eq!([0, 1, 30].map(widest), [LARGE; 3]);
        assert!(widest(200) < 640 && widest(200) > SMALL);
        assert_eq!(widest(usize::MAX), SMALL);
    }

    #[test]
    fn a_part_of_the_log_ends_where_the_log_does() {
        assert_eq!(part_of(0, 0), (1, 0));
        assert_eq!(part_of(10, 0), (1, 10));
        assert_eq!(part_of(120, 0), (71, 120));
        assert_eq!(part_of(120, 50), (21, 70));
        assert_eq!(part_of(120, 500), (1, 0));
    }

    #[test]
    fn exports_go_to_the_first_folder_or_the_folder_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(destination(folder.path()).as_deref(), Some(folder.path()));
        for name in ["b", "a"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        fs::write(folder.path().join("0"), "no folder").expect("written");
        assert_eq!(destination(folder.path()), Some(folder.path().join("a")));
        assert_eq!(destination(&folder.path().join("gone")), None);
    }

    // verifies: REQ-ACCESS-01
    #[test]
    fn every_wish_of_a_case_is_asked_for_as_on_the_socket() {
        let case = CaseNumber(7);
        let may = |wish: Wish| request(&wish).and_then(|request| request.allowed());
        assert_eq!(may(Wish::Case(case)), Some(&Kept::ALL[..]));
        let opinion = hilum_screen::model::Opinion { agrees: true, reason: String::new() };
        assert_eq!(may(Wish::Review(case, opinion)), Some(&[Kept::Reviewer][..]));
        assert_eq!(may(Wish::Export(case, true)), Some(&[Kept::Reviewer, Kept::Administrator][..]));
        assert_eq!(may(Wish::SetPin(Role::Operator, String::new())), Some(&[Kept::Administrator][..]));
        assert!(may(Wish::Refresh).is_none() && may(Wish::Logout).is_none());
    }
}
