//! `hilum demo` in a browser: the daemon of the simulated board, phantoms on its share, and a line that says what to try.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hilum_config::{Mirror, Paths, Share};
use hilum_daemon::{PHANTOM_SEED, Request, SOCKET, Setup};
use hilum_phantom::{Patient, Size, cohort, write_case};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Failure,
    locate::{networks, simulated},
    run, socket,
    terminal::say,
};

/// Patients that the reference bundle has never seen: it was trained on another seed (its card says which).
const OTHERS_SEED: u64 = PHANTOM_SEED + 1;
/// Where the mirror is served, unless that is taken.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8733);
/// How often something is looked at that is waited for, and for how long.
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);
/// An export is put on the share whole.
const POLL: Duration = Duration::from_millis(500);

/// Runs it until it is told to stop. Everything is in `out`, or in a folder that is gone afterwards.
pub(crate) fn run(out: Option<&Path>, bundle: Option<&Path>) -> Result<(), Failure> {
    run::log("warn");
    let stopping = told_to_stop().map_err(Failure::internal)?;
    let temporary = tempfile::Builder::new().prefix("hilum-demo-").tempdir().map_err(Failure::internal)?;
    let served = serve(out.unwrap_or(temporary.path()), temporary.path(), bundle, &stopping);
    let removed = temporary.close().map_err(Failure::unwritable("the temporary folder"));
    served.and(removed)
}

fn serve(out: &Path, temporary: &Path, bundle: Option<&Path>, stopping: &Arc<AtomicBool>) -> Result<(), Failure> {
    let out = std::path::absolute(out).map_err(Failure::unwritable(out.display()))?;
    let [share, stick] = ["share", "exports/stick"].map(|name| out.join(name));
    for folder in [&share, &stick] {
        fs::create_dir_all(folder).map_err(Failure::unwritable(folder.display()))?;
    }
    let listener = TcpListener::bind(LISTEN).or_else(|_| TcpListener::bind((LISTEN.ip(), 0)));
    let listener = listener.map_err(Failure::unwritable("to this machine's own network"))?;
    let address = listener.local_addr().map_err(Failure::internal)?;

    let mut board = simulated()?;
    board.bundle.folder = bundle.map(std::path::absolute).transpose().map_err(Failure::internal)?;
    board.paths = Paths {
        data: None,
        runtime: None,
        exports: Some(out.join("exports")),
        trouble: None,
        update: None,
        restart: None,
    };
    board.share = Some(Share { folder: share, poll: POLL, quiet: Duration::ZERO });
    board.mirror = Some(Mirror { listen: address, tls: None });
    // A path of a socket has about a hundred bytes: it is not for `out`, which may be longer.
    let runtime = temporary.join("run");
    let ended = Arc::new(AtomicBool::new(false));
    let guide = Guide {
        out: out.clone(),
        socket: runtime.join(SOCKET),
        address,
        stopping: Arc::clone(stopping),
        ended: Arc::clone(&ended),
    };
    let setup =
        Setup { networks: networks(&board)?, data: out.join("data"), runtime, mirror: Some(Arc::new(listener)), board };
    let led = thread::Builder::new().name("guide".to_owned()).spawn(move || guide.leads());
    let led = led.map_err(Failure::internal)?;
    let served = hilum_daemon::run(setup);
    ended.store(true, Ordering::Relaxed);
    let led = led.join().map_err(|_| Failure::internal(anyhow::anyhow!("the guide panicked")))?;
    served?;
    led
}

/// Set by SIGINT and SIGTERM, which a daemon in this process hears as well.
fn told_to_stop() -> io::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let told = Arc::new(AtomicBool::new(false));
    let telling = Arc::clone(&told);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        });
        telling.store(true, Ordering::Relaxed);
    })?;
    Ok(told)
}

/// Whoever prepares what there is to see, and says what to do.
struct Guide {
    out: PathBuf,
    socket: PathBuf,
    address: SocketAddr,
    /// The process was told to stop.
    stopping: Arc<AtomicBool>,
    /// The daemon is no more.
    ended: Arc<AtomicBool>,
}

/// A phantom by a name that is soon typed.
struct Visitor {
    patient: Patient,
    seed: u64,
    second: &'static str,
}

impl Visitor {
    fn new(patient: Option<Patient>, seed: u64, [first, second]: [&'static str; 2]) -> Option<Self> {
        Some(Self { patient: Patient { patient_id: first.to_owned(), ..patient? }, seed, second })
    }
}

impl Guide {
    /// Does all of it, and ends the process in an orderly way if that cannot be done.
    fn leads(self) -> Result<(), Failure> {
        let there = self.until("the daemon does not answer", || self.ask(&Request::Status).is_ok());
        let led = there.and_then(|()| self.lead());
        let is_over = self.is_over();
        if is_over || led.is_err() {
            // The daemon may not have listened yet when the process was told.
            kill_process(getpid(), Signal::TERM).map_err(Failure::internal)?;
        }
        // What the end interrupts did not go wrong.
        if is_over { Ok(()) } else { led }
    }

    fn is_over(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.ended.load(Ordering::Relaxed)
    }

    fn lead(&self) -> Result<(), Failure> {
        // The first is the one whose tissue lies under the simulated microscope.
        let under = Visitor::new(cohort::draw(1, PHANTOM_SEED).pop(), PHANTOM_SEED, ["4711", "1954-03-02"]);
        let mut others = cohort::draw(2, OTHERS_SEED).into_iter();
        let seen = Visitor::new(others.next(), OTHERS_SEED, ["4712", "1961-11-30"]);
        let other = Visitor::new(others.next(), OTHERS_SEED, ["4713", "1948-07-19"]);
        let none = || Failure::internal(anyhow::anyhow!("a cohort has no patients"));
        let (under, seen, other) = (under.ok_or_else(none)?, seen.ok_or_else(none)?, other.ok_or_else(none)?);

        let begun = self.ask(&Request::List)?["cases"].as_array().is_some_and(|cases| {
            // The device's own cases are there from the start.
            cases.iter().any(|case| case["control"] != true)
        });
        let draft = if begun { None } else { Some(self.draft(&seen)?) };
        for visitor in [&under, &other] {
            self.share(visitor)?;
        }
        if self.is_over() {
            return Ok(());
        }
        self.welcome(&under, &seen)?;
        if let Some(case) = draft {
            // A result before the first control case has a limit that says so.
            let answered = |controls: Value| {
                controls["controls"]
                    .as_array()
                    .is_some_and(|points| points.iter().any(|point| !point["good"].is_null()))
            };
            self.until("no control case is answered", || {
                self.is_over() || self.ask(&Request::Controls).is_ok_and(answered)
            })?;
            self.ask(&Request::Submit { case })?;
        }
        Ok(())
    }

    fn ask(&self, request: &Request) -> Result<Value, Failure> {
        socket::asked(&self.socket, [request])
    }

    /// Waits for something, or for the daemon's end.
    fn until(&self, why_not: &'static str, is_so: impl Fn() -> bool) -> Result<(), Failure> {
        let began = Instant::now();
        while !is_so() && !self.ended.load(Ordering::Relaxed) {
            if began.elapsed() > PATIENCE {
                return Err(Failure::Said { exit: 75, why: format!("{why_not} within {} s", PATIENCE.as_secs()) });
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn drawn(&self, visitor: &Visitor) -> Result<PathBuf, Failure> {
        let folder = self.out.join("phantoms").join(&visitor.patient.patient_id);
        write_case(&folder, &visitor.patient, visitor.seed, Size::Small).map_err(Failure::internal)?;
        Ok(folder)
    }

    /// A draft with all that there is of a patient.
    fn draft(&self, visitor: &Visitor) -> Result<String, Failure> {
        let folder = self.drawn(visitor)?;
        let Patient { patient_id, age, sex, smoking, specimen, .. } = &visitor.patient;
        let opened = self.ask(&Request::Open {
            first: patient_id.clone(),
            second: visitor.second.to_owned(),
            age: Some(age.years()),
            sex: Some(sex.name().to_owned()),
            smoking: Some(smoking.name().to_owned()),
            specimen: Some(specimen.name().to_owned()),
            confirmed: false,
        })?;
        let case = socket::word(&opened, "case").to_owned();
        self.ask(&Request::Ct { case: case.clone(), path: folder.join("ct"), lesion: None, other_id: false })?;
        self.ask(&Request::Fields { case: case.clone(), paths: vec![folder.join("he")], um_per_px: None })?;
        Ok(case)
    }

    /// Puts a patient's CT on the share as an export, unless it is there.
    fn share(&self, visitor: &Visitor) -> Result<(), Failure> {
        let export = self.out.join("share").join(&visitor.patient.patient_id);
        if export.exists() || self.is_over() {
            return Ok(());
        }
        fs::rename(self.drawn(visitor)?.join("ct"), &export).map_err(Failure::unwritable(export.display()))
    }

    fn welcome(&self, under: &Visitor, seen: &Visitor) -> Result<(), Failure> {
        let Patient { patient_id: first, age, sex, smoking, specimen, .. } = &under.patient;
        let (second, seen, age) = (under.second, &seen.patient.patient_id, age.years());
        let (sex, smoking, specimen) = (sex.name(), smoking.name(), specimen.name());
        let [address, stick, socket] =
            [format!("http://{}/", self.address), self.shown("exports/stick"), self.socket.display().to_string()];
        say(&format!(
            "Open {address} in a browser. Ctrl-C ends it.

Patient {seen} is being assessed: touch the case on the first page to see the result.
Then go the whole way: New case, first identifier {first}, second identifier {second}, age {age},
{sex}, {smoking} smoker, {specimen}. The CT comes from the share by itself, and the tissue lies under
the microscope already: mark the lesion, take some fields, hand the case over.

Also: the CT of patient 4713 waits, without tissue. Settings has eight languages, PINs and the log.
An export lands in {stick}
A terminal asks with: hilum status --socket {socket}

All patients are phantoms, nothing leaves this machine. {}",
            hilum_report::NOTICE
        ))
    }

    fn shown(&self, name: &str) -> String {
        self.out.join(name).display().to_string()
    }
}
