//! What people ask for, done: opening cases, taking inputs in, handing over, looking, agreeing.
//!
//! Runs beside the event loop, since reading a CT takes seconds; what it changed it tells the loop as an event.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hilum_device::Clock;
use hilum_domain::{Age, CaseNumber, Class, Identity, Metadata, Point, Sex, Smoking, Specimen};
use hilum_intake::{Arrival, Digest, KeptCt};
use hilum_store::{
    Action, Actor, BlobName, Case, FieldFile, Head, Intake, Origin, ReadFirst, Review, State, Store, StoreFault,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::{
    camera::Frames,
    capture::Album,
    control,
    event::Event,
    export::{Order, read_first, reviewed},
    exports::{Next, Taken},
    inference::Benches,
    lane::Lanes,
    live::{Figures, Strain},
    optics::Optics,
    protocol::{Denied, No, Request},
    reader::{self, Item, Label, Limits, NotRead, What},
    records::{Closed, Records},
    signals::Sounds,
};

/// A case has no more fields than this.
const MOST_FIELDS: usize = 64;
/// The longest that anybody waits for a case with one question.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// All that it takes to do what people ask for.
#[derive(Clone)]
pub(crate) struct Office {
    pub(crate) records: Records,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) events: mpsc::Sender<Event>,
    /// Whoever clones the receiver looks at the camera.
    pub(crate) frames: Option<Arc<Frames>>,
    pub(crate) optics: Option<Arc<Optics>>,
    /// The networks, once they are loaded.
    pub(crate) bench: Benches,
    /// What fields that the camera took look like, to know them again.
    pub(crate) album: Arc<Mutex<Album>>,
    /// How hard the board has it.
    pub(crate) strain: watch::Receiver<Strain>,
    /// What the live picture achieved.
    pub(crate) figures: Arc<Figures>,
    /// Where what a person waits for is done.
    pub(crate) lanes: Lanes,
    /// Rises whenever a case's state changed.
    pub(crate) changes: watch::Receiver<u64>,
    /// From which the control case is drawn, and a folder to draw it in.
    pub(crate) control_seed: u64,
    pub(crate) scratch: PathBuf,
    /// So many inputs are read at once for people; who comes later waits. The share has a reader of its own.
    pub(crate) readers: Arc<Semaphore>,
    /// What is being read just now.
    pub(crate) reading: Arc<Mutex<BTreeSet<String>>>,
    /// The one folder below which exports may go, where there is one.
    pub(crate) exports: Option<PathBuf>,
    /// What is to be heard.
    pub(crate) sounds: Sounds,
    /// How the daemon and the system that it runs on tell each other something.
    pub(crate) system: System,
}

/// Files by which the daemon and the system that it runs on tell each other something.
#[derive(Debug, Clone, Default)]
pub(crate) struct System {
    /// In which the system says what became of an update.
    pub(crate) update: Option<PathBuf>,
    /// That the daemon makes where a person wants the box to start again.
    pub(crate) restart: Option<PathBuf>,
}

impl From<Closed> for Denied {
    fn from(closed: Closed) -> Self {
        Self::new(75, closed.to_string())
    }
}

impl From<StoreFault> for Denied {
    fn from(fault: StoreFault) -> Self {
        let exit = match fault {
            StoreFault::NoCase | StoreFault::State { .. } | StoreFault::NoPin | StoreFault::Reason(_) => 64,
            StoreFault::Sealed(_) => 78,
            StoreFault::Locked
            | StoreFault::InUse
            | StoreFault::BothLost
            | StoreFault::Disagree
            | StoreFault::Full { .. }
            | StoreFault::Disk { .. }
            | StoreFault::Database { .. } => 75,
            _ => 70,
        };
        Self::new(exit, format!("{:#}", anyhow::Error::from(fault)))
    }
}

impl From<NotRead> for Denied {
    fn from(not: NotRead) -> Self {
        let exit = match not {
            NotRead::Refused { .. } | NotRead::Several(_) => 2,
            NotRead::Unreadable(_) | NotRead::Died(_) | NotRead::SetAside => 65,
            NotRead::Start(_) | NotRead::NoRoom(_) => 75,
            NotRead::Denied(denied) => return denied,
        };
        Self::new(exit, not.to_string())
    }
}

impl From<Denied> for NotRead {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<StoreFault> for NotRead {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Full { .. } => Self::NoRoom(fault.to_string()),
            fault => Self::Denied(fault.into()),
        }
    }
}

impl From<Closed> for NotRead {
    fn from(closed: Closed) -> Self {
        Self::Denied(closed.into())
    }
}

pub(crate) fn usage(why: impl Into<String>) -> Denied {
    Denied::new(64, why)
}

fn number(case: &str) -> Result<CaseNumber, Denied> {
    case.parse().map_err(|error: hilum_domain::NoCaseNumber| usage(error.to_string()))
}

fn stated(case: CaseNumber, state: State) -> Value {
    json!({"case": case.to_string(), "state": state.name()})
}

/// What a name stands for, or that it stands for nothing.
fn named<T: std::str::FromStr<Err: std::fmt::Display>>(name: Option<String>) -> Result<Option<T>, Denied> {
    name.map(|name| name.parse()).transpose().map_err(|error: T::Err| usage(error.to_string()))
}

impl Office {
    /// Does what was asked.
    pub(crate) async fn done(&self, request: Request, actor: Actor) -> Result<Value, Denied> {
        if request.paths().any(Path::is_relative) {
            return Err(usage("a path must be absolute: the daemon has another current folder"));
        }
        match request {
            Request::Login { .. } | Request::SetPin { .. } => Err(usage("this is for the door")),
            Request::Status => {
                let (answer, answered) = oneshot::channel();
                self.tell(Event::Status(answer)).await?;
                answered.await.map_err(|_| Denied::from(Closed))
            }
            Request::Open { first, second, age, sex, smoking, specimen, confirmed } => {
                let identity = Identity::new(&first, &second).map_err(|fault| usage(fault.to_string()))?;
                let age = age.map(Age::from_years).transpose().map_err(|error| usage(error.to_string()))?;
                let metadata = Metadata { age, sex: named(sex)?, smoking: named(smoking)?, specimen: named(specimen)? };
                match self.open(identity, metadata, confirmed, actor).await? {
                    Admitted::Draft { case, same, other } => {
                        let mut answer = stated(case, State::Draft);
                        answer["same-person"] = same.iter().map(CaseNumber::to_string).collect();
                        answer["other-second"] = other.iter().map(CaseNumber::to_string).collect();
                        Ok(answer)
                    }
                    Admitted::OtherSecond(cases) => {
                        let case = cases.first().map(CaseNumber::to_string).unwrap_or_default();
                        let why = "has the same first identifier and another second one: it may be another patient; check \
                                   both";
                        Err(Denied::of(No::Refused, format!("case {case} {why}")))
                    }
                }
            }
            Request::Ct { case, path, lesion, other_id } => {
                let lesion = lesion.map(Point::new);
                self.ct(number(&case)?, (path, None), lesion, other_id, actor).await
            }
            Request::Fields { case, paths, um_per_px } => self.fields(number(&case)?, paths, um_per_px, actor).await,
            Request::Capture { case } => self.capture(number(&case)?, actor).await,
            Request::Optics => self.optics(),
            Request::Scale { objective, pitch_um, path } => self.calibrate(objective, pitch_um, path, actor).await,
            Request::White { forget } => self.white(forget, actor).await,
            Request::Objective { objective } => self.pick_objective(objective, actor).await,
            Request::Lesion { case, lesion } => {
                let case = number(&case)?;
                self.lesion(case, Point::new(lesion), actor).await?;
                Ok(stated(case, State::Draft))
            }
            Request::DropField { case, index } => {
                let case = number(&case)?;
                let mut answer = stated(case, State::Draft);
                answer["fields"] = self.drop_field(case, index, actor).await?.into();
                Ok(answer)
            }
            Request::Cancel { case } => {
                let case = number(&case)?;
                self.cancel(case, actor).await?;
                Ok(stated(case, State::Draft))
            }
            Request::ReadFirst { case, class } => {
                let case = number(&case)?;
                self.read_first(case, named(class)?, actor).await?;
                Ok(stated(case, State::Assessed))
            }
            Request::Submit { case } => self.submit(number(&case)?, actor).await,
            Request::Wait { case, seconds } => self.wait(number(&case)?, seconds).await,
            Request::Show { case } => self.show(number(&case)?, actor).await,
            Request::Review { case, agrees, reason } => {
                let case = number(&case)?;
                self.review(case, agrees, reason, actor).await?;
                Ok(stated(case, State::Reviewed))
            }
            Request::List => {
                let cases = self.records.with(|store| store.list()).await??;
                Ok(json!({"cases": crate::listed(&cases)}))
            }
            Request::Controls => {
                let trend = self.records.with(|store| control::trend(store)).await??;
                Ok(json!({"controls": trend.iter().map(control::Point::described).collect::<Vec<_>>()}))
            }
            Request::Restart => {
                self.restart(actor)?;
                Ok(json!({}))
            }
            Request::Control => Ok(stated(self.control(actor).await?, State::Queued)),
            Request::Verify { head } => {
                let saved: Option<Head> = head
                    .map(|head| head.parse())
                    .transpose()
                    .map_err(|error: hilum_store::NoHead| usage(error.to_string()))?;
                let head = self.verify(saved).await?;
                Ok(json!({"head": head.to_string(), "entries": head.entries}))
            }
            Request::Log { from } => self.log(from).await,
            Request::Export { case, to, recipient, identity } => {
                let recipient = recipient.map(|recipient| recipient.parse()).transpose();
                let recipient = recipient.map_err(|error: hilum_store::NotAge| usage(error.to_string()))?;
                self.export(Order { case: number(&case)?, to, recipient, identity }, actor).await
            }
            Request::Replay { case } => {
                let case = self.case(number(&case)?).await?;
                if case.result.is_none() {
                    return Err(usage("the case has no result to compare with"));
                }
                let number = case.number;
                let (answer, answered) = oneshot::channel();
                self.tell(Event::Replay(Box::new(case), answer)).await?;
                let differences = answered.await.map_err(|_| Denied::new(75, "no networks are loaded"))?;
                let differences = differences.map_err(|failed| Denied::new(70, failed.to_string()))?;
                Ok(json!({
                    "case": number.to_string(), "identical": differences.is_empty(), "differences": differences
                }))
            }
        }
    }

    /// Keeps what a person made of a result.
    pub(crate) async fn review(
        &self,
        case: CaseNumber,
        agrees: bool,
        reason: String,
        actor: Actor,
    ) -> Result<(), Denied> {
        let review = Review { agrees, reason, by: actor };
        let now = self.clock.now();
        self.records.with(move |store| store.review(case, &review, &now)).await??;
        self.tell(Event::Touched).await
    }

    /// Has the system start the box again, if it lets itself be asked.
    pub(crate) fn restart(&self, actor: Actor) -> Result<(), Denied> {
        let not = |why: String| Denied::of(No::NotReady, why);
        let file =
            self.system.restart.as_ref().ok_or_else(|| not("the system does not let itself be asked".to_owned()))?;
        tracing::warn!(by = actor.name(), "the box is to start again");
        std::fs::write(file, []).map_err(|error| not(format!("the system cannot be asked: {error}")))
    }

    /// Has a control case assessed now.
    pub(crate) async fn control(&self, actor: Actor) -> Result<CaseNumber, Denied> {
        let case = control::open(self, &self.scratch, self.control_seed, actor).await?;
        self.tell(Event::Queued(case)).await?;
        Ok(case)
    }

    /// Marks the lesion of a draft.
    pub(crate) async fn lesion(&self, case: CaseNumber, lesion: Point, actor: Actor) -> Result<(), Denied> {
        let volume = self.draft(case).await?.intake.volume.ok_or_else(|| usage("the draft has no CT"))?;
        let (files, name) = (self.records.files().clone(), volume.clone());
        let inside = tokio::task::spawn_blocking(move || -> Result<bool, Denied> {
            let grid = KeptCt::grid(&files.get(&name)?).map_err(|error| Denied::new(70, error.to_string()))?;
            Ok(lesion.lps_mm.iter().all(|mm| mm.is_finite()) && grid.contains(lesion))
        });
        if !inside.await.map_err(|_| Denied::from(Closed))?? {
            return Err(Denied::of(No::Refused, "the lesion lies outside the scanned volume"));
        }
        let marked = move |intake: &mut Intake| {
            if intake.volume.as_ref() != Some(&volume) {
                return Err(usage("the draft has another CT by now"));
            }
            intake.lesion = Some(lesion);
            Ok(())
        };
        self.change_by(case, Action::LesionMarked, actor, marked).await
    }

    /// Takes a field out of a draft, and says how many are left.
    pub(crate) async fn drop_field(&self, case: CaseNumber, index: usize, actor: Actor) -> Result<usize, Denied> {
        let dropped = move |intake: &mut Intake| {
            if index >= intake.fields.len() {
                return Err(usage("the draft has no such field"));
            }
            intake.fields.remove(index);
            Ok(intake.fields.len())
        };
        self.change_by(case, Action::FieldDropped, actor, dropped).await
    }

    /// Takes a case that waits for its result back to being a draft.
    pub(crate) async fn cancel(&self, case: CaseNumber, actor: Actor) -> Result<(), Denied> {
        let now = self.clock.now();
        let cancelled = move |store: &mut Store| -> Result<Identity, Denied> {
            let intake = store.intake(case)?;
            if intake.control {
                return Err(usage("a control case is the device's own"));
            }
            store.withdraw(case, actor, &now)?;
            Ok(intake.identity)
        };
        let identity = self.records.with(cancelled).await??;
        // An export on the share may be for it, as for every draft.
        self.tell(Event::Opened(identity)).await
    }

    /// Keeps what a person sees in the images before they are shown the result.
    pub(crate) async fn read_first(&self, case: CaseNumber, class: Option<Class>, actor: Actor) -> Result<(), Denied> {
        let now = self.clock.now();
        let read = ReadFirst { class, by: actor, claimed: now.claimed.clone(), trusted: now.trusted };
        Ok(self.records.with(move |store| store.read_first(case, &read, &now)).await??)
    }

    /// Checks the whole store. The files are read beside the store's thread: it has cases to keep meanwhile.
    pub(crate) async fn verify(&self, saved: Option<Head>) -> Result<Head, Denied> {
        let (head, names) = self.records.with(move |store| store.verify_records(saved)).await??;
        for name in names {
            let (files, asked) = (self.records.files().clone(), name.clone());
            let verified = tokio::task::spawn_blocking(move || files.verify(&asked)).await;
            if let Err(fault) = verified.map_err(|_| Denied::from(Closed))? {
                // Its case may have been removed since.
                if self.records.with(move |store| store.is_kept(&name)).await?? {
                    return Err(fault.into());
                }
            }
        }
        Ok(head)
    }

    pub(crate) async fn tell(&self, event: Event) -> Result<(), Denied> {
        self.events.send(event).await.map_err(|_| Closed.into())
    }

    pub(crate) async fn case(&self, case: CaseNumber) -> Result<Case, Denied> {
        Ok(self.records.with(move |store| store.case(case)).await??)
    }

    /// Opens a draft, or says which earlier cases have another second identifier if nobody `confirmed` that it is the patient.
    pub(crate) async fn open(
        &self,
        identity: Identity,
        metadata: Metadata,
        confirmed: bool,
        actor: Actor,
    ) -> Result<Admitted, Denied> {
        let now = self.clock.now();
        let mut intake = Intake {
            control: false,
            identity: identity.clone(),
            metadata,
            origin: Origin::default(),
            volume: None,
            lesion: None,
            fields: Vec::new(),
            opened: now.clone(),
        };
        let admitted = self
            .records
            .with(move |store| -> Result<_, Denied> {
                let (mut same, mut other) = (Vec::new(), Vec::new());
                for case in store.same_person(&intake.identity)? {
                    let earlier = store.case(case)?.intake;
                    if earlier.control {
                        continue;
                    }
                    let is_same = earlier.identity.second().eq_ignore_ascii_case(intake.identity.second());
                    if is_same { same.push(case) } else { other.push(case) }
                }
                if !other.is_empty() && !confirmed {
                    return Ok(Admitted::OtherSecond(other));
                }
                intake.origin.other_second = !other.is_empty();
                Ok(Admitted::Draft { case: store.open_case(&intake, actor, &now)?, same, other })
            })
            .await??;
        if matches!(admitted, Admitted::Draft { .. }) {
            self.tell(Event::Opened(identity)).await?;
        }
        Ok(admitted)
    }

    /// Changes a draft, which may have changed since it was looked at.
    async fn change<T: Send + 'static>(
        &self,
        case: CaseNumber,
        actor: Actor,
        change: impl FnOnce(&mut Intake) -> Result<T, Denied> + Send + 'static,
    ) -> Result<T, Denied> {
        self.change_by(case, Action::InputTaken, actor, change).await
    }

    /// Changes a draft; the log says what was done.
    async fn change_by<T: Send + 'static>(
        &self,
        case: CaseNumber,
        action: Action,
        actor: Actor,
        change: impl FnOnce(&mut Intake) -> Result<T, Denied> + Send + 'static,
    ) -> Result<T, Denied> {
        let now = self.clock.now();
        let told = self
            .records
            .with(move |store| -> Result<T, Denied> {
                let mut intake = store.case(case)?.intake;
                let told = change(&mut intake)?;
                store.change_draft_by(case, &intake, action, actor, &now)?;
                Ok(told)
            })
            .await??;
        // It is kept, whoever hears of it.
        drop(self.tell(Event::Touched).await);
        Ok(told)
    }

    /// That a case is a draft, before work is done for it.
    pub(crate) async fn draft(&self, case: CaseNumber) -> Result<Case, Denied> {
        let case = self.case(case).await?;
        match case.state {
            State::Draft => Ok(case),
            state => Err(StoreFault::State { state: state.name(), wanted: State::Draft.name() }.into()),
        }
    }

    /// Reads what a person gave.
    pub(crate) async fn read(&self, what: What) -> Result<Vec<Item>, Denied> {
        let _one_of_few = self.readers.acquire().await.map_err(|_| Denied::from(Closed))?;
        Ok(self.read_now(what).await?)
    }

    /// Reads an input that never killed its reader twice.
    async fn read_now(&self, what: What) -> Result<Vec<Item>, NotRead> {
        let input = described(&what);
        let asked = input.clone();
        if !self.records.with(move |store| store.may_read(&asked)).await?? {
            return Err(NotRead::SetAside);
        }
        self.note(|reading| reading.insert(input.clone()));
        let read = reader::read(what, &self.limits).await;
        self.note(|reading| reading.remove(&input));
        if !matches!(read, Err(NotRead::Died(_))) {
            self.records.with(move |store| store.was_read(&input)).await??;
        }
        match read {
            Ok((items, enforced)) => {
                tracing::info!(
                    landlock = enforced.landlock,
                    seccomp = enforced.seccomp,
                    limits = enforced.limits,
                    items = items.len(),
                    "an input was read"
                );
                Ok(items)
            }
            Err(not) => {
                tracing::warn!(kind = not.kind(), "an input was not read");
                Err(not)
            }
        }
    }

    fn note(&self, what: impl FnOnce(&mut BTreeSet<String>) -> bool) {
        // A set of words is whole whatever happened to who held it.
        what(&mut self.reading.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes back what an orderly stop interrupts: it was not the input's fault.
    pub(crate) async fn stop_reading(&self) {
        let inputs = std::mem::take(&mut *self.reading.lock().unwrap_or_else(PoisonError::into_inner));
        for input in inputs {
            // A store that does not answer leaves the attempt counted.
            drop(self.records.with(move |store| store.was_read(&input)).await);
        }
    }

    /// Keeps bytes of a case.
    pub(crate) async fn kept(&self, bytes: Vec<u8>) -> Result<BlobName, Denied> {
        self.records.with(|store| store.room()).await??;
        let files = self.records.files().clone();
        let kept = tokio::task::spawn_blocking(move || files.put(&bytes)).await;
        Ok(kept.map_err(|_| Denied::from(Closed))??)
    }

    pub(crate) async fn ct(
        &self,
        case: CaseNumber,
        (path, series): (PathBuf, Option<String>),
        lesion: Option<Point>,
        other_id: bool,
        actor: Actor,
    ) -> Result<Value, Denied> {
        let identity = self.draft(case).await?.intake.identity;
        let items = self.read(What::Ct { path: path.clone(), series: series.clone() }).await?;
        let Some(Item::Ct { bytes, source, label }) = items.into_iter().next() else {
            return Err(Denied::new(70, "the reader gave no volume"));
        };
        let Label { patient_id, study_date, slices, .. } = label;
        let is_other = !is_of(&patient_id, &identity);
        if !other_id && is_other {
            return Err(Denied::new(
                2,
                "the CT's Patient ID is not the first identifier of the case: it may be another patient's",
            ));
        }
        let (volume, source) = (self.kept(bytes).await?, Some(self.kept(source).await?));
        self.change(case, actor, move |intake| {
            let Origin { other_second, .. } = intake.origin;
            intake.origin =
                Origin { export: None, other_id: is_other, other_second, study_date, slices: Some(slices), source };
            intake.volume = Some(volume);
            intake.lesion = lesion;
            Ok(())
        })
        .await?;
        self.tell(Event::Given(path, series)).await?;
        Ok(stated(case, State::Draft))
    }

    async fn fields(
        &self,
        case: CaseNumber,
        paths: Vec<PathBuf>,
        um_per_px: Option<f64>,
        actor: Actor,
    ) -> Result<Value, Denied> {
        if um_per_px.is_some_and(|um| hilum_domain::MicronsPerPixel::new(um).is_none()) {
            return Err(usage("a scale is a number above 0, in µm"));
        }
        self.draft(case).await?;
        let mut fields = Vec::new();
        for item in self.read(What::Fields { paths, um_per_px }).await? {
            if let Item::Field { bytes, scale, colour } = item {
                fields.push(FieldFile { picture: self.kept(bytes).await?, scale, colour });
            }
        }
        self.add(case, fields, actor).await
    }

    pub(crate) async fn add(&self, case: CaseNumber, fields: Vec<FieldFile>, actor: Actor) -> Result<Value, Denied> {
        let fields = self
            .change(case, actor, move |intake| {
                intake.fields.extend(fields);
                let count = intake.fields.len();
                if count > MOST_FIELDS {
                    return Err(usage(format!("a case has at most {MOST_FIELDS} fields")));
                }
                Ok(count)
            })
            .await?;
        let mut answer = stated(case, State::Draft);
        answer["fields"] = fields.into();
        Ok(answer)
    }

    pub(crate) async fn submit(&self, case: CaseNumber, actor: Actor) -> Result<Value, Denied> {
        let Case { intake, .. } = self.case(case).await?;
        if intake.volume.is_none() && intake.fields.is_empty() {
            return Err(usage("a case needs a CT or a field"));
        }
        let now = self.clock.now();
        self.records.with(move |store| store.submit(case, actor, &now)).await??;
        self.tell(Event::Queued(case)).await?;
        Ok(stated(case, State::Queued))
    }

    async fn wait(&self, case: CaseNumber, seconds: f64) -> Result<Value, Denied> {
        let most = Duration::try_from_secs_f64(seconds).map_err(|_| usage("a time is a number of seconds"))?;
        let mut changes = self.changes.clone();
        let ended = async {
            loop {
                changes.mark_unchanged();
                let state = self.case(case).await?.state;
                if state != State::Queued {
                    return Ok::<State, Denied>(state);
                }
                changes.changed().await.map_err(|_| Denied::from(Closed))?;
            }
        };
        let state = tokio::time::timeout(most.min(LONGEST_WAIT), ended).await;
        Ok(stated(case, state.unwrap_or(Ok(State::Queued))?))
    }

    async fn show(&self, case: CaseNumber, actor: Actor) -> Result<Value, Denied> {
        let now = self.clock.now();
        let shown = self
            .records
            .with(move |store| -> Result<Case, StoreFault> {
                let shown = store.case(case)?;
                store.viewed(case, actor, &now)?;
                Ok(shown)
            })
            .await??;
        let report = shown.result.as_ref().map(|kept| serde_json::from_str::<Value>(&kept.report));
        let report = report.transpose().map_err(|_| Denied::new(70, "the kept report is no JSON"))?;
        let (tell, told) = oneshot::channel();
        self.tell(Event::OfCase(case, shown.intake.identity.clone(), tell)).await?;
        let mut answer = stated(case, shown.state);
        answer["identity"] = json!([shown.intake.identity.first(), shown.intake.identity.second()]);
        let Metadata { age, sex, smoking, specimen } = shown.intake.metadata;
        answer["metadata"] = json!({
            "age": age.map(Age::years), "sex": sex.map(Sex::name), "smoking": smoking.map(Smoking::name),
            "specimen": specimen.map(Specimen::name),
        });
        let Origin { export, other_id, other_second, study_date, slices, .. } = &shown.intake.origin;
        answer["origin"] = json!({
            "by-share": export.is_some(), "other-id": other_id, "other-second": other_second, "study-date": study_date,
            "slices": slices,
        });
        // While the daemon stops, the share is nobody's concern.
        answer["exports"] = told.await.unwrap_or_default();
        answer["attempts"] = shown.attempts.into();
        answer["ct"] = shown.intake.volume.is_some().into();
        answer["fields"] = shown.intake.fields.len().into();
        answer["opened"] = json!({"claimed": shown.intake.opened.claimed, "trusted": shown.intake.opened.trusted});
        answer["report"] = report.unwrap_or_default();
        answer["read-first"] = shown.read_first.as_ref().map(read_first).unwrap_or_default();
        answer["reviews"] = shown.reviews.iter().map(|review| reviewed(review, true)).collect();
        answer["review"] = shown.reviews.last().map(|review| reviewed(review, true)).unwrap_or_default();
        Ok(answer)
    }

    /// Reads an export that came to rest on the share, and gives it to the draft of its patient, if there is one and no other
    /// export could be meant.
    pub(crate) async fn take_export(&self, next: Next) -> Result<Taken, NotRead> {
        let Next { arrival, others_unread, others } = next;
        let asked = mark(&arrival);
        let taken = self.records.with(move |store| -> Result<bool, StoreFault> {
            // What there is no room for is not read in vain.
            store.room()?;
            store.is_taken(&asked)
        });
        if taken.await?? {
            return Ok(Taken::Before);
        }
        let what = What::Ct { path: arrival.folder.clone(), series: arrival.series.clone() };
        let items = match self.read_now(what).await {
            Err(NotRead::Several(series)) => return Ok(Taken::Several(series)),
            items => items?,
        };
        let Some(Item::Ct { bytes, source, label }) = items.into_iter().next() else {
            return Err(Denied::new(70, "the reader gave no volume").into());
        };
        let Label { patient_id, study_date, slices, .. } = label.clone();
        let (name, wanted) = (hex(&arrival.name), patient_id.clone());
        let found = {
            let name = name.clone();
            self.records.with(move |store| found(store, &wanted, &name, slices)).await??
        };
        let several = others_unread || others.iter().any(|other| other.trim().eq_ignore_ascii_case(patient_id.trim()));
        let case = match found {
            Found::Same(case) => case,
            Found::Draft(case) if !several => case,
            Found::Draft(_) => return Ok(Taken::Held(label)),
            Found::Late(case, volume) => {
                let files = self.records.files().clone();
                let same = move || files.get(&volume).is_ok_and(|kept| *kept == bytes);
                if tokio::task::spawn_blocking(same).await.map_err(|_| Closed)? {
                    self.has_taken(&arrival).await?;
                    return Ok(Taken::Before);
                }
                return Ok(Taken::Late(case, label));
            }
            Found::None => return Ok(Taken::ByNobody(label)),
        };
        let (volume, source) = (self.kept(bytes).await?, Some(self.kept(source).await?));
        self.change(case, Actor::Device, move |intake| {
            if intake.volume.is_some() && intake.origin.export.as_ref() != Some(&name) {
                return Err(usage("the draft has a CT by now"));
            }
            let Origin { other_second, .. } = intake.origin;
            intake.origin =
                Origin { export: Some(name), other_id: false, other_second, study_date, slices: Some(slices), source };
            // Nobody marked a lesion on what came by itself.
            (intake.volume, intake.lesion) = (Some(volume), None);
            Ok(())
        })
        .await?;
        self.has_taken(&arrival).await?;
        Ok(Taken::By(case))
    }

    /// Remembers that an export went to a case.
    pub(crate) async fn has_taken(&self, arrival: &Arrival) -> Result<(), Denied> {
        let input = mark(arrival);
        Ok(self.records.with(move |store| store.take(&input)).await??)
    }
}

/// What became of the wish for a draft.
pub(crate) enum Admitted {
    /// It is open.
    Draft {
        case: CaseNumber,
        /// Earlier cases of the same two identifiers.
        same: Vec<CaseNumber>,
        /// Earlier cases with another second identifier: a person said that it is the patient.
        other: Vec<CaseNumber>,
    },
    /// It may be another patient than that of these cases, which have another second identifier.
    OtherSecond(Vec<CaseNumber>),
}

/// For whom an export is.
enum Found {
    /// A draft that had it before, with other content.
    Same(CaseNumber),
    /// A draft without a CT.
    Draft(CaseNumber),
    /// A case that was handed over with other content of it.
    Late(CaseNumber, BlobName),
    None,
}

/// Looks for the case that an export of so many slices is for.
fn found(store: &Store, patient_id: &str, export: &str, slices: u64) -> Result<Found, StoreFault> {
    let mut found = Found::None;
    for number in store.same_first(patient_id.trim())? {
        let Case { state, intake, .. } = store.case(number)?;
        if intake.control || !is_of(patient_id, &intake.identity) {
            continue;
        }
        let same = intake.origin.export.as_deref() == Some(export);
        // A folder that is being emptied is no better CT.
        let more = same && intake.origin.slices.is_none_or(|had| slices >= had);
        match (state, intake.volume) {
            (State::Draft, Some(_)) if more => return Ok(Found::Same(number)),
            (State::Draft, None) if !matches!(found, Found::Draft(_)) => found = Found::Draft(number),
            (State::Draft, _) => {}
            (_, Some(volume)) if more && matches!(found, Found::None) => found = Found::Late(number, volume),
            _ => {}
        }
    }
    Ok(found)
}

/// Which export it is, and with which content. Only a token of this is kept.
fn mark(arrival: &Arrival) -> String {
    format!("export {} {}", hex(&arrival.name), hex(&arrival.stamp))
}

fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a Patient ID is the first identifier. Scanners pad with spaces and change the case of letters.
pub(crate) fn is_of(patient_id: &str, identity: &Identity) -> bool {
    !patient_id.trim().is_empty() && patient_id.trim().eq_ignore_ascii_case(identity.first())
}

/// Which input it is, and in which state: what was replaced is another one. Only a token of this is kept.
fn described(what: &What) -> String {
    let of = |path: &Path| {
        let meta = std::fs::metadata(path).ok();
        let size = meta.as_ref().map(std::fs::Metadata::len);
        let time = meta.and_then(|meta| meta.modified().ok());
        format!("{path:?} {size:?} {time:?}")
    };
    match what {
        What::Ct { path, series: None } => format!("ct {}", of(path)),
        What::Ct { path, series: Some(uid) } => format!("ct {} {uid}", of(path)),
        What::Fields { paths, .. } => {
            let paths: Vec<String> = paths.iter().map(|path| of(path)).collect();
            format!("fields {}", paths.join(" "))
        }
    }
}
