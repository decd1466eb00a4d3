//! The appliance as a process: wiring, one event loop, supervision, an orderly stop.
//!
//! Knows how the parts are put together; how anything is computed, kept or drawn is the parts' own business.

#![forbid(unsafe_code)]

mod appliance;
mod calibrate;
mod camera;
mod capture;
mod chores;
mod control;
mod deliver;
mod desk;
mod display;
mod door;
mod event;
mod export;
mod exports;
mod glass;
mod inference;
mod judge;
mod key;
mod lane;
mod live;
mod metrics;
mod mirror;
mod office;
mod optics;
mod panel;
mod protocol;
mod reader;
mod receive;
mod records;
mod rescue;
mod sandbox;
mod share;
mod signals;
mod supervise;
mod told;
mod touch;
mod watchdog;
mod wishes;

use std::{
    fs, io,
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::{Duration, Instant},
};

use hilum_config::{Board, ClockTrust as Trusted, KeySource};
use hilum_device::{
    Clock, ClockTrust, Inputs,
    linux::{SystemClock, ThermalZones, keeps_keys_apart, machine, pool_memory},
};
use hilum_store::{Action, Actor, Head, Line, Overview, StoreFault, make_folder};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, mpsc, watch},
};

pub use appliance::opened;
pub use camera::PHANTOM_SEED;
pub use inference::Networks;
pub use key::{NoKey, data_key, read as read_key};
pub use protocol::{Denied, No, Request, SOCKET, said};
pub use reader::worker;
pub use rescue::{Trouble, rescue};

use appliance::{Appliance, End, Parts};
use door::{Door, Session};
use event::Event;
use lane::Lanes;
use live::{Figures, Strain};
use office::{Office, System};
use optics::Optics;
use reader::Limits;
use records::{Place, Records};
use told::Fitted;

/// Events wait here; a part that tells more waits. The loop only ever waits for the store.
const EVENTS: usize = 64;
/// So many readers of outside bytes at once for people: their memory adds up. Share and camera have one each.
const READERS: usize = 1;
/// How long what was begun outside of the loop may take to end, after the loop.
const LAST: Duration = Duration::from_secs(3);

/// All that a daemon is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The board.
    pub board: Board,
    /// Where records lie.
    pub data: PathBuf,
    /// Where the socket lies.
    pub runtime: PathBuf,
    /// Where the networks come from.
    pub networks: Networks,
    /// What the mirror is served on, where somebody holds its address already; else it is bound when the mirror begins.
    pub mirror: Option<Arc<TcpListener>>,
}

/// Why a daemon does not run, with its exit code.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// 78: the key that the configuration names is not there.
    #[error(transparent)]
    Key(#[from] NoKey),
    /// 75: the store cannot be opened; 78 if that is because its records have another key.
    #[error("cannot open the store")]
    Store(#[from] StoreFault),
    /// 75: the machine does not do what is needed.
    #[error("cannot {attempt}")]
    Machine {
        /// What was attempted.
        attempt: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// 75: the system says that it must not begin: what it keeps would not be kept.
    #[error("the system is not well: {0}")]
    Told(String),
    /// 78: the board's file is for another machine.
    #[error("the board \"{board}\" is for a machine that calls itself {wanted}, and this one calls itself {found}")]
    OtherMachine {
        /// What the board is called.
        board: String,
        /// What it is for.
        wanted: String,
        /// What this machine calls itself.
        found: String,
    },
    /// 70: an assessment hung, and only the end of the process ends it.
    #[error("an assessment hung")]
    Hung,
}

impl Fault {
    fn machine(attempt: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Machine { attempt, source }
    }

    /// The exit code of a process that ends with this.
    #[must_use]
    pub const fn exit(&self) -> u8 {
        match self {
            Self::Key(_) | Self::Store(StoreFault::Sealed(_)) | Self::OtherMachine { .. } => 78,
            Self::Store(_) | Self::Machine { .. } | Self::Told(_) => 75,
            Self::Hung => 70,
        }
    }
}

/// Runs the appliance until it is told to stop (SIGTERM, SIGINT).
///
/// # Errors
/// [`Fault`]: but for [`Fault::Hung`] it is one that kept the appliance from beginning.
pub fn run(setup: Setup) -> Result<(), Fault> {
    pool_memory();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Fault::machine("start the event loop"))?;
    let ended = runtime.block_on(running(setup));
    // What is being written may end; what hangs (a medium, a camera) holds up the end no longer than this.
    runtime.shutdown_timeout(LAST);
    ended
}

async fn running(setup: Setup) -> Result<(), Fault> {
    let began = Instant::now();
    // A core would have what is in memory: cases that are being worked on.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
        .map_err(|error| Fault::Machine { attempt: "forbid cores", source: error.into() })?;
    let Setup { board, data, runtime, networks, mirror: bound } = setup;
    let mut terminate = signal(SignalKind::terminate()).map_err(Fault::machine("listen for signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Fault::machine("listen for signals"))?;
    if let Some(said) = board.paths.trouble.as_deref().and_then(|file| std::fs::read_to_string(file).ok()) {
        return Err(Fault::Told(said.trim().to_owned()));
    }
    is_for(&board, &machine())?;
    for folder in [&data, &runtime] {
        make_folder(folder).map_err(Fault::machine("make the folders of the store"))?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(match board.clock {
        Trusted::Ntp => ClockTrust::Synchronised,
        Trusted::Always => ClockTrust::Always,
        Trusted::Never => ClockTrust::Never,
    }));
    let key = data_key(&board.key, &data)?;
    let locked = key.is_none();
    let (received_in, after_review) = (data.clone(), board.panel.read_first);
    let place = Place { folder: data.join("store"), key, watermark: board.store.watermark_bytes };
    let (records, opened, store_thread) = Records::open(place, &clock)?;
    let now = clock.now();
    let noted = records.with(move |store| store.note(Actor::Device, Action::Started, &now)).await;
    noted.map_err(|_| Fault::Hung)??;

    let (tell, mut events) = mpsc::channel(EVENTS);
    let (changes, changed) = watch::channel(0);
    let limits = Limits { memory: board.worker.memory_bytes, time: board.worker.time, socket: board.worker.socket };
    let pedal = board.camera.as_ref().and_then(|camera| camera.pedal.as_ref()).map(touch::pedal);
    let optics = board.camera.as_ref().map(|camera| Arc::new(Optics::open(&data, camera)));
    let lanes = Lanes::new().map_err(|error| Fault::Machine {
        attempt: "start the threads of the live picture",
        source: io::Error::other(error),
    })?;
    let microscope = board
        .camera
        .zip(optics.as_deref())
        .map(|(camera, optics)| camera::start(camera, optics, lanes.clone(), limits.clone(), tell.clone()));
    let microscope = microscope.transpose().map_err(Fault::machine("start the camera's thread"))?;
    let (doing, bench) = watch::channel(inference::Bench::default());
    let (strain, strained) = watch::channel(Strain::None);
    let figures = Arc::<Figures>::default();
    let (sounds, heard) = signals::Sounds::channel();
    let office = Office {
        records: records.clone(),
        clock: Arc::clone(&clock),
        limits,
        events: tell.clone(),
        frames: microscope.as_ref().map(|microscope| Arc::clone(&microscope.frames)),
        optics,
        bench: bench.clone(),
        album: Arc::default(),
        strain: strained,
        figures,
        lanes,
        changes: changed,
        control_seed: board.control.seed,
        scratch: runtime.join("control"),
        readers: Arc::new(Semaphore::new(READERS)),
        reading: Arc::default(),
        exports: board.paths.exports,
        sounds,
        system: System { update: board.paths.update, restart: board.paths.restart },
    };
    let (touches, touched) = watch::channel(());
    if board.signals.is_some() || board.panel.backlight.is_some() {
        let (records, events) = (records.clone(), tell.clone());
        let sources = signals::Sources { records, events, bench: bench.clone(), touched };
        tokio::spawn(signals::run(board.signals, board.panel.backlight.clone(), heard, sources));
    }
    let keys = told::keys(&board.key, &board.bundle, keeps_keys_apart(&data));
    let wraps = board.key == KeySource::Pin;
    let auto_lock = board.access.auto_lock;
    let door = Door::new(records.clone(), Arc::clone(&clock), tell.clone(), board.access, wraps);
    let door = Arc::new(door);
    let desk::Desk { listener, lock: _held } =
        desk::open(&runtime.join(SOCKET)).map_err(Fault::machine("open the socket"))?;
    let looked = Arc::<mirror::Counts>::default();
    if let Some(address) = board.daemon.metrics {
        tokio::spawn(metrics::serve(address, office.clone(), Arc::clone(&looked)));
    }
    let desk = tokio::spawn(desk::serve(listener, office.clone(), Arc::clone(&door)));
    let called_off = Arc::new(AtomicBool::new(false));
    let jobs = inference::start(networks, records.files().clone(), tell.clone(), doing, Arc::clone(&called_off))
        .map_err(Fault::machine("start the inference thread"))?;
    let fitted = Fitted { camera: office.frames.is_some(), share: board.share.is_some() };
    let (going, ended) = watch::channel(());
    let mut shown = None;
    if board.panel.enabled {
        let wanted = display::wanted(&board.panel);
        let size = panel::size(&board.panel, display::attached(&board.panel));
        let rotation = display::rotation(&board.panel);
        let buttons: Vec<_> = board.panel.buttons.as_ref().map(touch::buttons).into_iter().chain(pedal).collect();
        let remembered = panel::Remembered::read(&data, &board.panel);
        let (panel, back) = panel::start(board.panel, size, auto_lock, remembered, ended, tell.clone())
            .map_err(Fault::machine("start the panel's thread"))?;
        if let Some(wanted) = wanted {
            let placed = display::start(wanted, rotation, panel.glasses.clone(), tell.clone())
                .map_err(Fault::machine("start the display's thread"))?;
            shown = Some(placed.clone());
            touch::start(move || Inputs::new(buttons.clone()), placed, panel.hands.clone(), tell.clone())
                .map_err(Fault::machine("start the thread of hands"))?;
        }
        if let Some(settings) = board.mirror {
            let door = Arc::clone(&door);
            let login: mirror::Login = Arc::new(move |role, pin| {
                let door = Arc::clone(&door);
                Box::pin(async move { door.login(&mut Session::default(), role, pin.to_string()).await.map(drop) })
            });
            let panel::Panel { glasses, hands } = panel;
            let served = mirror::Served { settings, bound, auto_lock, glasses, hands, login, counts: looked };
            supervise::task_of("mirror", tell.clone(), move || mirror::serve(served.clone()));
        }
        let parts = wishes::Parts {
            office: office.clone(),
            door,
            bench: bench.clone(),
            back,
            fitted,
            data,
            touches,
            keys,
            remembered,
        };
        wishes::start(parts, tell.clone());
    }
    let stopping = Arc::new(AtomicBool::new(false));
    if let Some(hilum_config::Share { folder, poll, quiet }) = board.share {
        let watched = share::Watched { name: "share", folder, poll, quiet, comes_and_goes: true };
        share::watch(watched, tell.clone(), Arc::clone(&stopping)).map_err(Fault::machine("watch the share"))?;
    }
    let mut received = None;
    let mut clearing = None;
    if let Some(settings) = board.receive {
        let machine = Fault::machine;
        let folder =
            receive::folder(&settings, &received_in).map_err(machine("make the folder for what is received"))?;
        let watched = share::Watched {
            name: "received",
            folder: folder.clone(),
            poll: Duration::from_secs(1),
            quiet: settings.quiet,
            comes_and_goes: false,
        };
        share::watch(watched, tell.clone(), Arc::clone(&stopping)).map_err(machine("watch what is received"))?;
        clearing = settings.keep.map(|keep| (folder.clone(), keep));
        let counts = Arc::new(receive::Received::default());
        received = Some(Arc::clone(&counts));
        let (told, stop) = (tell.clone(), Arc::clone(&stopping));
        receive::start(settings, folder, board.store.watermark_bytes, counts, told, stop)
            .map_err(machine("receive"))?;
    }
    let delivered = board.deliver.map(|settings| {
        let parts = deliver::Parts {
            records: records.clone(),
            clock: Arc::clone(&clock),
            bench: bench.clone(),
            changed: office.changes.clone(),
            after_review,
        };
        deliver::start(settings, &parts, &tell)
    });
    let beats = Arc::new(AtomicU64::new(0));
    let dog = tokio::spawn(watchdog::feed(watchdog::Signs {
        records: records.clone(),
        beats: Arc::clone(&beats),
        camera: microscope.as_ref().map(|microscope| Arc::clone(&microscope.beats)),
    }));
    let chores = tokio::spawn(chores::done(records.clone(), Arc::clone(&clock), board.store, clearing));
    let told = tell.clone();
    tokio::spawn(async move {
        let why = tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
        // The loop may have ended.
        drop(told.send(Event::Stop(why)).await);
    });
    watchdog::ready();
    tracing::info!(
        board = board.name,
        store = appliance::opened(opened),
        took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "ready"
    );
    let mut appliance = Appliance::new(Parts {
        office,
        clock,
        jobs,
        bench: bench.clone(),
        thermal: Box::new(ThermalZones::new(board.thermal.zones.clone(), board.thermal.throttled.clone())),
        changes,
        strain,
        beats,
        name: board.name,
        received,
        delivered,
        opened,
        locked,
        heat: board.thermal,
        control: board.control.every,
        case_time: board.case.time,
        grace: board.daemon.grace,
        called_off,
    });
    let end = appliance.run(&mut events).await;
    watchdog::stopping();
    stopping.store(true, std::sync::atomic::Ordering::Relaxed);
    desk.abort();
    dog.abort();
    chores.abort();
    if end == End::Hung {
        return Err(Fault::Hung);
    }
    // A command that gives pictures ends with the appliance.
    if let Some(microscope) = microscope {
        microscope.end().await;
    }
    // The store's thread ends with the last handle of it; whoever still holds one has the grace time.
    // The panel's thread ends with this, and with it whatever shows it and answers it.
    drop((appliance, events, tell, going));
    let closed = async {
        // A thread that lets go of its asks has a little way to its end: it is waited for, not looked at.
        records.close(board.daemon.grace).await
            && tokio::task::spawn_blocking(move || store_thread.join()).await.is_ok_and(|ended| ended.is_ok())
    };
    if !tokio::time::timeout(board.daemon.grace, closed).await.unwrap_or(false) {
        tracing::warn!("the store did not close in time; everything acknowledged is on the disk");
    }
    if let Some(placed) = shown {
        display::darkened(placed).await;
    }
    if let Err(error) = fs::remove_file(runtime.join(SOCKET)) {
        tracing::warn!(%error, "cannot remove the socket");
    }
    Ok(())
}

/// Whether a board's file is for a machine that calls itself so.
fn is_for(board: &Board, machine: &[String]) -> Result<(), Fault> {
    match &board.compatible {
        Some(wanted) if !machine.contains(wanted) => Err(Fault::OtherMachine {
            board: board.name.clone(),
            wanted: wanted.clone(),
            found: machine.first().cloned().unwrap_or_else(|| "nothing (it has no device tree)".to_owned()),
        }),
        _ => Ok(()),
    }
}

/// Cases in a list, as JSON.
#[must_use]
pub fn listed(cases: &[Overview]) -> Value {
    let of = |case: &Overview| {
        json!({
            "number": case.number.to_string(), "state": case.state.name(), "attempts": case.attempts,
            "control": case.control,
        })
    };
    cases.iter().map(of).collect()
}

/// Lines of the log as they were chained, as JSON.
#[must_use]
pub fn logged(lines: &[Line], head: Head) -> Value {
    let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    json!({"lines": lines, "head": head.to_string()})
}
