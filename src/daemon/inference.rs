//! The thread that runs the networks. Never a thread of the event loop: a case takes seconds.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use hilum_assess::{ExplainMethod, Outcome, Part, Ready, Stage, Timings, Watch};
use hilum_domain::{CaseNumber, Limit, LimitCode};
use hilum_infer::{Bundle, EngineChoice, Trust};
use hilum_intake::{KeptCt, field_from_bytes};
use hilum_report::{Given, GivenCt, produce};
use hilum_store::{Files, Intake, Kept, StoreFault, Work};
use tokio::sync::{mpsc as channel, watch};

use crate::{event::Event, supervise::thread_of};

/// Where the networks come from.
#[derive(Debug, Clone)]
pub struct Networks {
    /// The folder of the bundle.
    pub bundle: PathBuf,
    /// Whose signature is accepted.
    pub trust: Trust,
    /// What is to run them.
    pub engine: EngineChoice,
    /// Which explanations a report has.
    pub methods: Vec<ExplainMethod>,
}

/// Which networks are loaded.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) bundle: String,
    pub(crate) name: String,
    pub(crate) serial: u64,
    pub(crate) took: Duration,
}

/// What runs the networks, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) engine: &'static str,
    /// Why it is this one.
    pub(crate) why: String,
    /// Whether it stands in for another.
    pub(crate) instead: bool,
}

impl Bench {
    /// What runs the networks now: an engine that fails has another stand in for it at any time.
    pub(crate) fn running(&self) -> Option<Running> {
        let used = self.ready.as_ref()?.used();
        Some(Running { engine: used.engine.name(), why: used.why, instead: used.instead })
    }
}

/// Something to assess.
pub(crate) enum Job {
    /// A case from the queue.
    Case { work: Box<Work>, created: String, device: Vec<Limit> },
    /// A case that has a result: is it the same again?
    Replay { intake: Box<Intake>, kept: Box<Kept>, answer: tokio::sync::oneshot::Sender<Result<Vec<String>, Failed>> },
}

/// What is being done for a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Its files are read and checked.
    Reading,
    /// What the pipeline does.
    Stage(Stage),
}

/// What the thread does, for whoever waits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bench {
    /// The case that it has, or had last, and since when.
    pub(crate) case: Option<(CaseNumber, Doing, Instant)>,
    /// The networks, once they are loaded.
    pub(crate) ready: Option<Arc<Ready>>,
    /// Whether it has something to do.
    pub(crate) busy: bool,
    /// How long cases took lately, by whether they had a CT and fields.
    pub(crate) usual: BTreeMap<[bool; 2], Duration>,
}

/// The newest wins.
pub(crate) type Benches = watch::Receiver<Bench>;

/// A case whose attempt ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) work: Box<Work>,
    /// What to keep, and whether it is a refusal.
    pub(crate) result: Result<(Kept, bool), Failed>,
    pub(crate) took: Duration,
}

/// Why an attempt has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The device is not well; the case may be tried again.
    #[error("{0:#}")]
    Device(anyhow::Error),
    /// A file of the case cannot be read now; it may be tried again, and others need not wait for it.
    #[error("{0:#}")]
    File(anyhow::Error),
    /// The attempt itself: one more, and the case is set aside.
    #[error("{0:#}")]
    Attempt(anyhow::Error),
}

/// Jobs wait here: one is being done, one may be handed over. The queue proper is the store's.
const WAITING: usize = 1;

/// A bundle that is rejected may be replaced: it is looked at again after this.
const AGAIN: Duration = Duration::from_secs(30);

/// The bench shows what is done for a case; a device that stops calls it off.
struct Waiting<'a> {
    bench: &'a watch::Sender<Bench>,
    case: (CaseNumber, Instant),
    called_off: &'a AtomicBool,
}

impl Watch for Waiting<'_> {
    fn stage(&self, stage: Stage) {
        let (number, began) = self.case;
        self.bench.send_modify(|bench| bench.case = Some((number, Doing::Stage(stage), began)));
    }

    fn progress(&self, _: Part, _: usize, _: usize) -> ControlFlow<()> {
        if self.called_off.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Starts the thread. `called_off` ends the assessment of a case that takes too long when the device stops. It loads the networks, says so, and then does what it gets.
pub(crate) fn start(
    networks: Networks,
    files: Files,
    events: channel::Sender<Event>,
    bench: watch::Sender<Bench>,
    called_off: Arc<AtomicBool>,
) -> std::io::Result<mpsc::SyncSender<Job>> {
    let (jobs, asked) = mpsc::sync_channel(WAITING);
    let told = events.clone();
    thread_of("inference", told, move || {
        let began = Instant::now();
        let ready = loop {
            match load(&networks) {
                Ok(ready) => break ready,
                Err(error) => {
                    if events.blocking_send(Event::Networks(Err(format!("{error:#}")))).is_err() {
                        return;
                    }
                    thread::sleep(AGAIN);
                }
            }
        };
        let loaded = Loaded {
            bundle: format!("{} {}", ready.bundle.manifest().name, ready.bundle.manifest().version),
            name: ready.bundle.manifest().name.clone(),
            serial: ready.bundle.manifest().serial,
            took: began.elapsed(),
        };
        let ready = Arc::new(ready);
        bench.send_modify(|bench| (bench.ready, bench.busy) = (Some(Arc::clone(&ready)), false));
        if events.blocking_send(Event::Networks(Ok(loaded))).is_err() {
            return;
        }
        let mut engine = ready.engine().name();
        while let Ok(job) = asked.recv() {
            let used = ready.used();
            if used.engine.name() != std::mem::replace(&mut engine, used.engine.name()) {
                tracing::error!(engine, why = used.why, "another engine stands in");
            }
            bench.send_modify(|bench| bench.busy = true);
            match job {
                Job::Case { work, created, device } => {
                    let began = Instant::now();
                    let doing = |doing| {
                        bench.send_modify(|bench| bench.case = Some((work.number, doing, began)));
                    };
                    doing(Doing::Reading);
                    let waiting = Waiting { bench: &bench, case: (work.number, began), called_off: &called_off };
                    let result = guarded(|| {
                        assessed(&work.intake, (created, device), &ready, &networks.methods, &files, &waiting)
                    });
                    let result = result.and_then(|(report, files_of, refused)| {
                        let named = files_of.into_iter().map(|(name, bytes)| Ok((name, files.put(&bytes)?)));
                        let named = named.collect::<Result<Vec<_>, StoreFault>>();
                        Ok((Kept { report, files: named.map_err(|fault| Failed::Device(fault.into()))? }, refused))
                    });
                    let took = began.elapsed();
                    bench.send_modify(|bench| {
                        bench.busy = false;
                        match &result {
                            Ok((_, false)) => {
                                let inputs = [work.intake.volume.is_some(), !work.intake.fields.is_empty()];
                                bench.usual.insert(inputs, took);
                            }
                            // It is early to say how long such a case takes.
                            Ok((_, true)) => {}
                            Err(_) => bench.case = None,
                        }
                    });
                    let done = Done { work, result, took };
                    if events.blocking_send(Event::Assessed(Box::new(done))).is_err() {
                        return;
                    }
                }
                Job::Replay { intake, kept, answer } => {
                    let differences = guarded(|| replayed(&intake, &kept, &ready, &files));
                    bench.send_modify(|bench| bench.busy = false);
                    // Who asked may have gone away.
                    drop(answer.send(differences));
                }
            }
        }
    })?;
    Ok(jobs)
}

/// Verifies the bundle and has the engine reproduce all its golden outputs.
fn load(networks: &Networks) -> anyhow::Result<Ready> {
    let bundle = Bundle::open(&networks.bundle, &networks.trust)?;
    Ok(Ready::choose(bundle, &networks.engine, usize::MAX)?)
}

/// A panic is the attempt's, not the device's.
fn guarded<T>(what: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    catch_unwind(AssertUnwindSafe(what))
        .unwrap_or_else(|_| Err(Failed::Attempt(anyhow::anyhow!("the assessment panicked"))))
}

type Produced = (String, Vec<(String, Vec<u8>)>, bool);

fn assessed(
    intake: &Intake,
    (created, device): (String, Vec<Limit>),
    ready: &Ready,
    methods: &[ExplainMethod],
    files: &Files,
    watch: &dyn Watch,
) -> Result<Produced, Failed> {
    let mut given = given(intake, files)?;
    given.device.extend(device);
    let document = produce(given, ready, methods, created, Timings::default(), watch);
    let document = document.map_err(|fault| Failed::Attempt(fault.into()))?;
    let report = document.report.to_json().map_err(|error| Failed::Attempt(error.into()))?;
    let report = String::from_utf8(report).map_err(|error| Failed::Attempt(error.into()))?;
    Ok((report, document.files, matches!(document.outcome, Outcome::Refused(_))))
}

/// The inputs of a case as the pipeline takes them.
fn given(intake: &Intake, files: &Files) -> Result<Given, Failed> {
    let file = |name| match files.get(name) {
        Ok(bytes) => Ok(bytes),
        // The disk may come back; a file that is gone or changed will not.
        Err(fault @ StoreFault::Disk { .. }) => Err(Failed::File(fault.into())),
        Err(fault) => Err(Failed::Attempt(fault.into())),
    };
    let ct = intake.volume.as_ref().map(|name| {
        let kept = KeptCt::from_bytes(&file(name)?).map_err(|error| Failed::Attempt(error.into()))?;
        Ok(GivenCt { volume: Arc::new(kept.volume), series_uid: kept.series_uid, lesion: intake.lesion })
    });
    let fields = intake.fields.iter().map(|field| {
        field_from_bytes(&file(&field.picture)?, field.scale, field.colour)
            .map_err(|error| Failed::Attempt(error.into()))
    });
    let fields = fields.collect::<Result<Vec<_>, Failed>>()?;
    Ok(Given {
        ct: ct.transpose()?,
        he: (!fields.is_empty()).then_some(fields),
        metadata: intake.metadata,
        device: intake.origin.other_id.then(other_id).into_iter().collect(),
    })
}

fn other_id() -> Limit {
    let what = "the CT's Patient ID is not the first identifier; a person said it is this patient's";
    Limit::new(LimitCode::OtherPatientId, what)
}

/// What an earlier program's report does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Earlier {
    /// Pictures without maps.
    plain: bool,
    /// Explanations with their proof: maps were shown that would not be now.
    proof: bool,
}

/// Takes out of a report what an earlier one does not say, or says otherwise, since its program did not know it.
fn without_later(then: &mut serde_json::Value, now: &mut serde_json::Value) -> Earlier {
    let earlier = Earlier { plain: then.get("plain").is_none(), proof: then.get("sheet").is_none() };
    if then["bundle"].get("libraries").is_none()
        && let Some(bundle) = now.get_mut("bundle").and_then(serde_json::Value::as_object_mut)
    {
        bundle.remove("libraries");
    }
    if then["metadata"].get("weights_unknown").is_none()
        && let Some(metadata) = now["metadata"].as_object_mut()
    {
        metadata.remove("weights_unknown");
    }
    for report in [then, now] {
        let Some(report) = report.as_object_mut() else { continue };
        if earlier.plain {
            report.remove("plain");
        }
        if earlier.proof {
            report.remove("sheet");
            report.remove("explanations");
        }
    }
    earlier
}

/// What differs when a case is assessed again: nothing, on the same bundle and engine.
fn replayed(intake: &Intake, kept: &Kept, ready: &Ready, files: &Files) -> Result<Vec<String>, Failed> {
    let attempt = |error: serde_json::Error| Failed::Attempt(error.into());
    let mut then: serde_json::Value = serde_json::from_str(&kept.report).map_err(attempt)?;
    let created = then["provenance"]["created"].as_str().unwrap_or_default().to_owned();
    let explained = then["explanations"].as_array().into_iter().flatten();
    let mut methods: Vec<ExplainMethod> =
        explained.filter_map(|explanation| explanation["method"].as_str()?.parse().ok()).collect();
    methods.dedup();
    methods.sort_by_key(|method| ExplainMethod::ALL.iter().position(|known| known == method));
    methods.dedup();
    // The device was as it was then, and what came after the case came.
    let device = then["limits"].as_array().into_iter().flatten().filter_map(|limit| {
        let code = LimitCode::ALL.into_iter().find(|code| Some(code.code()) == limit["code"].as_str())?;
        (code.is_of_device() || code == LimitCode::CtRevised)
            .then(|| Limit::new(code, limit["message"].as_str().unwrap_or_default()))
    });
    let (report, pictures, _) = assessed(intake, (created, device.collect()), ready, &methods, files, &())?;
    let mut now: serde_json::Value = serde_json::from_str(&report).map_err(attempt)?;
    let earlier = without_later(&mut then, &mut now);
    let mut differences = Vec::new();
    // How long it took is no part of what was said.
    let keys = then.as_object().into_iter().chain(now.as_object()).flat_map(|fields| fields.keys());
    let keys: std::collections::BTreeSet<&String> = keys.filter(|key| *key != "timing_ms").collect();
    differences.extend(keys.into_iter().filter(|key| then[*key] != now[*key]).map(|key| format!("report.json: {key}")));
    let mut before: std::collections::BTreeMap<&str, _> =
        kept.files.iter().map(|(name, blob)| (name.as_str(), blob)).collect();
    // Of an earlier program's pictures only what was read can be compared.
    let compared = |name: &str| if name.contains("-plain") { !earlier.plain } else { !earlier.proof };
    before.retain(|name, _| compared(name));
    for (name, bytes) in pictures.iter().filter(|(name, _)| compared(name)) {
        let same = before.remove(name.as_str()).is_some_and(|blob| files.get(blob).is_ok_and(|kept| *kept == *bytes));
        if !same {
            differences.push(name.clone());
        }
    }
    differences.extend(before.into_keys().map(str::to_owned));
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_earlier_program_did_not_say_is_no_difference() {
        let mut full = json!({
            "plain": {"ct": null, "he": []}, "metadata": {"age": 1, "weights_unknown": null}, "sheet": null, "explanations": [],
        });
        let mut now = full.clone();
        assert_eq!(without_later(&mut full, &mut now), Earlier { plain: false, proof: false });
        assert_eq!(now, full);
        let mut before = json!({"metadata": {"age": 1}, "explanations": [{"verdict": "not_checked"}]});
        assert_eq!(without_later(&mut before, &mut now), Earlier { plain: true, proof: true });
        assert_eq!(now, before);
    }
}
