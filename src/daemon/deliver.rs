//! What goes to the hospital by itself: each result to an archive and into an outgoing folder, once, as soon as they take it.
//!
//! The queue is what is kept: a case that has a result and is not in the log as delivered is due. Nothing waits outside the store,
//! where it would lie unsealed, and nothing is lost by a restart.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use hilum_assess::Ready;
use hilum_config::Deliver as Settings;
use hilum_device::Clock;
use hilum_dicom::{Archive, ClientTls, Origin, SendError, send};
use hilum_domain::{CaseNumber, Form};
use hilum_report::{ExportSource, Kept, export};
use hilum_store::{Case, Files, State, StoreFault, replace};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};

use crate::{
    appliance::chain, event::Event, exports::wait, inference::Benches, receive::identity, records::Records,
    supervise::task_of,
};

/// How often it is looked whether something is due, where nobody said so.
const LOOK: Duration = Duration::from_secs(30);
/// How long an archive may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where results go.
#[derive(Debug, Clone)]
enum To {
    Archive(Archive),
    Folder(PathBuf, Vec<Form>),
}

impl To {
    /// What the place is called in the records: where it lies may change, what it is does not.
    const fn name(&self) -> &'static str {
        match self {
            Self::Archive(_) => "archive",
            Self::Folder(..) => "folder",
        }
    }
}

/// What became of deliveries since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    delivered: AtomicU64,
    waiting: AtomicU64,
    failures: AtomicU64,
    /// Cases that cannot be told to it: what was kept of them is damaged, or it takes no objects of their kind.
    impossible: AtomicU64,
}

/// The counts by the names of the places.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delivered(Vec<(&'static str, Arc<Counts>)>);

impl Delivered {
    pub(crate) fn status(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let place = |(name, counts): &(&'static str, Arc<Counts>)| {
            let counts = json!({
                "delivered": count(&counts.delivered),
                "waiting": count(&counts.waiting),
                "failures": count(&counts.failures),
                "impossible": count(&counts.impossible),
            });
            ((*name).to_owned(), counts)
        };
        self.0.iter().map(place).collect()
    }
}

/// What deliveries need of the appliance.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) records: Records,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bench: Benches,
    /// Something about the cases changed.
    pub(crate) changed: watch::Receiver<u64>,
    /// Whether a person sees the images before the result: then nothing leaves before that person has judged it.
    pub(crate) after_review: bool,
}

/// Starts to deliver, to each place by itself: one that is away holds up no other.
pub(crate) fn start(settings: Settings, parts: &Parts, events: &mpsc::Sender<Event>) -> Delivered {
    let Settings { archive, ae_title, folder, forms, authorities, tls } = settings;
    let identity = tls.as_ref().map(identity);
    let tls = authorities.map(|authorities| ClientTls { authorities, identity });
    let archive = archive.map(|(title, address)| {
        To::Archive(Archive { address, ae_title: title, own_ae_title: ae_title, patience: PATIENCE, tls })
    });
    let places = archive.into_iter().chain(folder.map(|folder| To::Folder(folder, forms)));
    let mut delivered = Delivered::default();
    for to in places {
        let counts = Arc::new(Counts::default());
        delivered.0.push((to.name(), Arc::clone(&counts)));
        let parts = parts.clone();
        task_of("deliveries", events.clone(), move || {
            let delivery = Delivery { to: to.clone(), parts: parts.clone(), counts: Arc::clone(&counts) };
            delivery.run()
        });
    }
    delivered
}

struct Delivery {
    to: To,
    parts: Parts,
    counts: Arc<Counts>,
}

/// Why a case did not go.
#[derive(Debug)]
enum NotGone {
    /// The place is away or full, or the device not well: none goes now.
    Now(anyhow::Error),
    /// This case cannot go. It is not tried again before the next start.
    Never(anyhow::Error),
}

impl Delivery {
    async fn run(mut self) {
        // Cases that went, or never will: they are asked for once.
        let mut settled = BTreeSet::new();
        let mut failures = 0;
        loop {
            match self.round(&mut settled).await {
                Ok(()) => {
                    failures = 0;
                    let changed = tokio::time::timeout(LOOK, self.parts.changed.changed()).await;
                    if matches!(changed, Ok(Err(_))) {
                        return;
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.counts.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(to = self.to.name(), error = chain(error), "results wait to be delivered");
                    // What changes while a place is away does not make it come back.
                    tokio::time::sleep(wait(failures)).await;
                }
            }
        }
    }

    /// Delivers what is due, the oldest first.
    async fn round(&self, settled: &mut BTreeSet<CaseNumber>) -> anyhow::Result<()> {
        let Some(ready) = self.parts.bench.borrow().ready.clone() else { return Ok(()) };
        let (to, after_review, known) = (self.to.name(), self.parts.after_review, settled.clone());
        let due = self.parts.records.with(move |store| -> Result<(Vec<Case>, Vec<CaseNumber>), StoreFault> {
            let (mut due, mut gone) = (Vec::new(), Vec::new());
            if store.is_locked() {
                return Ok((due, gone));
            }
            for case in store.list()? {
                if known.contains(&case.number) || !is_over(case.state, after_review) {
                    continue;
                }
                if store.is_delivered(case.number, to)? {
                    gone.push(case.number);
                    continue;
                }
                let case = store.case(case.number)?;
                if case.intake.control { gone.push(case.number) } else { due.push(case) }
            }
            due.sort_by_key(|case| case.number);
            Ok((due, gone))
        });
        let (due, gone) = due.await??;
        settled.extend(gone);
        for (at, case) in due.iter().enumerate() {
            self.counts.waiting.store((due.len() - at) as u64, Ordering::Relaxed);
            let number = case.number;
            match self.one(case.clone(), Arc::clone(&ready)).await {
                Ok(Some(objects)) => {
                    let now = self.parts.clock.now();
                    self.parts.records.with(move |store| store.delivered(number, to, &objects, &now)).await??;
                    self.counts.delivered.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(case = %number, to, "delivered");
                }
                // There is nothing of it that this place takes.
                Ok(None) => {}
                Err(NotGone::Never(error)) => {
                    self.counts.impossible.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(case = %number, to, error = chain(error), "a result cannot be delivered");
                }
                Err(NotGone::Now(error)) => return Err(error),
            }
            settled.insert(number);
        }
        self.counts.waiting.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Delivers one case, and answers with the hash of what went, if anything did.
    async fn one(&self, case: Case, ready: Arc<Ready>) -> Result<Option<[u8; 32]>, NotGone> {
        let (to, files) = (self.to.clone(), self.parts.records.files().clone());
        let from =
            self.parts.records.with(|store| store.box_name()).await.map_err(|closed| NotGone::Now(closed.into()))?;
        let from = from.map_err(|fault| NotGone::Now(fault.into()))?;
        let gone = tokio::task::spawn_blocking(move || {
            let objects = objects(&case, &to, &ready, &files, &from).map_err(NotGone::Never)?;
            if objects.is_empty() {
                return Ok(None);
            }
            let mut hash = Sha256::new();
            objects.iter().for_each(|(_, bytes)| hash.update(bytes));
            match &to {
                To::Archive(archive) => {
                    let bytes: Vec<Vec<u8>> = objects.into_iter().map(|(_, bytes)| bytes).collect();
                    match send(&bytes, archive) {
                        Ok(taken) if !taken.is_verified => {
                            tracing::info!("the archive cannot be asked whether it has what it took");
                        }
                        Ok(_) => {}
                        Err(error @ (SendError::Object { .. } | SendError::Class { .. })) => {
                            return Err(NotGone::Never(error.into()));
                        }
                        Err(error) => return Err(NotGone::Now(error.into())),
                    }
                }
                To::Folder(folder, _) => {
                    for (name, bytes) in &objects {
                        let path = folder.join(format!("hilum-{from}-{}-{name}", case.number));
                        replace(&path, bytes).context("cannot write into the outgoing folder").map_err(NotGone::Now)?;
                    }
                }
            }
            Ok(Some(hash.finalize().into()))
        });
        gone.await.map_err(|_| NotGone::Never(anyhow::anyhow!("the delivery panicked")))?
    }
}

/// Whether a case in this state has a result that may leave.
const fn is_over(state: State, after_review: bool) -> bool {
    match state {
        State::Reviewed | State::Exported | State::Refused => true,
        State::Assessed => !after_review,
        State::Draft | State::Queued | State::SetAside | State::Expired => false,
    }
}

/// What a place takes of a case, by file names.
fn objects(
    case: &Case,
    to: &To,
    ready: &Ready,
    files: &Files,
    from: &str,
) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let Some(result) = &case.result else { return Ok(Vec::new()) };
    let get = |name| files.get(name).map(|bytes| bytes.to_vec());
    let pictures = result.files.iter().map(|(name, blob)| Ok((name.clone(), get(blob)?)));
    let pictures: Vec<(String, Vec<u8>)> = pictures.collect::<Result<_, StoreFault>>()?;
    let source = case.intake.origin.source.as_ref().map(get).transpose()?;
    let origin = source.map(|bytes| Origin::from_bytes(&bytes)).transpose()?;
    let number = case.number.to_string();
    let source = ExportSource {
        kept: Kept { report: result.report.as_bytes(), files: &pictures, device: from },
        origin: origin.as_ref(),
        patch: &ready.model.patch,
        number: Some(&number),
    };
    let forms = match to {
        To::Archive(_) => &[Form::Dicom][..],
        To::Folder(_, forms) => forms,
    };
    let mut objects = Vec::new();
    for form in forms {
        objects.extend(export(*form, &source)?);
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_leaves_when_it_may() {
        let states = |after_review| State::ALL.into_iter().filter(move |state| is_over(*state, after_review));
        let names = |after_review| states(after_review).map(State::name).collect::<Vec<_>>();
        assert_eq!(names(false), ["assessed", "refused", "reviewed", "exported"]);
        assert_eq!(names(true), ["refused", "reviewed", "exported"]);
    }
}
