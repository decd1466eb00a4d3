//! Engines that are not ours in a process of their own. What kills that process, or hangs it, is an answer like any other: the
//! engine is not used.
//!
//! Over one socket, frames of a length (four bytes, little-endian) and so many bytes. To the process: an [`Order`] in JSON, the
//! two `.tflite` files, and then one frame a picture: a byte that says which network, and its levels. From it, one frame each time:
//! a byte that says whether it went well, and what it says: its outputs one after the other, or words.

use std::{
    io::{self, Read as _, Write as _},
    num::NonZeroUsize,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use hilum_domain::Modality;
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, getpid, kill_process},
};
use serde::{Deserialize, Serialize};

use crate::{
    BranchManifest, Bundle, BundleError, EngineKind,
    contract::{Contract, Form, Tensors},
    engine::chain,
    library::LibraryFile,
    litert::LitertRuntime,
    runtime::{RunError, Runtime},
    tflite::{Accelerator, TfliteRuntime},
};

/// The argument that makes the program such a process.
pub const COMMAND: &str = "engine";
/// A library is loaded and has packed two networks in this time.
const LOADS: Duration = Duration::from_secs(15);
/// A device's driver has compiled them in this one; LiteRT itself gives up after two minutes a network.
const COMPILES: Duration = Duration::from_secs(250);
/// No picture takes longer.
const RUNS: Duration = Duration::from_secs(20);
/// No frame is longer: a network's file is a few MB.
const LONGEST: u32 = 1 << 28;

/// An engine that is not ours, and how it is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Foreign {
    pub(crate) kind: EngineKind,
    pub(crate) library: LibraryFile,
    pub(crate) delegate: Option<(LibraryFile, Vec<(String, String)>)>,
    pub(crate) threads: NonZeroUsize,
}

#[derive(Serialize, Deserialize)]
struct Order {
    engine: Foreign,
    tensors: [Tensors; 2],
}

impl Foreign {
    /// Loads the engine here.
    pub(crate) fn load(&self, networks: BranchManifest<(Tensors, Vec<u8>)>) -> Result<Box<dyn Runtime>, RunError> {
        let accelerator = match (self.kind, &self.delegate) {
            (EngineKind::LitertGpu, _) => return Ok(Box::new(LitertRuntime::load(&self.library, networks)?)),
            (EngineKind::Tflite, None) => Accelerator::Xnnpack,
            (EngineKind::TfliteDelegate, Some((library, options))) => {
                Accelerator::External { library: library.clone(), options: options.clone() }
            }
            _ => return Err(format!("{} is no engine that is loaded so", self.kind.name()).into()),
        };
        Ok(Box::new(TfliteRuntime::load(&self.library, &accelerator, networks, self.threads)?))
    }

    /// Its networks in a bundle, whose contract makes sense.
    pub(crate) fn networks(bundle: &Bundle) -> Result<BranchManifest<(Tensors, Vec<u8>)>, BundleError> {
        let of = |branch| {
            Contract::of(bundle, branch, Form::Tflite)?;
            let file = bundle.file(Form::Tflite.file(branch))?;
            Ok((Tensors::of(bundle, branch, Form::Tflite)?, file.to_vec()))
        };
        Ok(BranchManifest { ct: of(Modality::Ct)?, he: of(Modality::He)? })
    }
}

/// An engine in a process of its own.
pub(crate) struct ForeignRuntime {
    kind: EngineKind,
    sizes: BranchManifest<[usize; 2]>,
    process: Mutex<Process>,
}

struct Process {
    child: Child,
    socket: UnixStream,
}

impl ForeignRuntime {
    /// Starts `program`, which is this program, and has it load the engine.
    pub(crate) fn start(
        program: &Path,
        engine: &Foreign,
        networks: BranchManifest<(Tensors, Vec<u8>)>,
    ) -> Result<Self, RunError> {
        let (socket, theirs) = UnixStream::pair()?;
        let patience = if engine.kind == EngineKind::Tflite { LOADS } else { COMPILES };
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        // What a device's driver prints is for a log; what TensorFlow Lite does it prints again in this process.
        let printed = if engine.kind == EngineKind::Tflite { Stdio::null() } else { Stdio::inherit() };
        let child = Command::new(program)
            .arg(COMMAND)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(printed)
            .spawn()?;
        let mut process = Process { child, socket };
        let BranchManifest { ct: (ct, ct_model), he: (he, he_model) } = networks;
        let sizes = |tensors: &Tensors| tensors.outputs.each_ref().map(|tensor| tensor.shape.iter().product());
        let sizes = BranchManifest { ct: sizes(&ct), he: sizes(&he) };
        let order = serde_json::to_vec(&Order { engine: engine.clone(), tensors: [ct, he] })?;
        process.ask(&[&order, &ct_model, &he_model])?;
        process.socket.set_read_timeout(Some(RUNS))?;
        Ok(Self { kind: engine.kind, sizes, process: Mutex::new(process) })
    }
}

impl Process {
    /// Sends frames and waits for the answer. A process that gave none is ended: whatever it says later is of another picture.
    fn ask(&mut self, frames: &[&[u8]]) -> Result<Vec<u8>, RunError> {
        let sent = frames.iter().try_for_each(|frame| send(&self.socket, &[frame]));
        match sent.and_then(|()| receive(&self.socket)) {
            Ok(Some(mut answer)) => match answer.first() {
                Some(0) => Ok(answer.split_off(1)),
                _ => Err(String::from_utf8_lossy(answer.get(1..).unwrap_or_default()).into_owned().into()),
            },
            Ok(None) => Err(self.ended().into()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                self.end();
                Err("its process did not answer in time".into())
            }
            Err(_) => Err(self.ended().into()),
        }
    }

    /// How the process ended, once it does.
    fn ended(&mut self) -> String {
        // Its end of the socket is closed: it is about to end, or does what it should not.
        for _ in 0..100 {
            match self.child.try_wait() {
                Ok(Some(status)) => return format!("its process ended ({status})"),
                Ok(None) => thread::sleep(Duration::from_millis(10)),
                Err(_) => break,
            }
        }
        self.end();
        "its process does not answer".to_owned()
    }

    fn end(&mut self) {
        // One that has ended already is no failure, and there is nobody to tell of another.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

impl Runtime for ForeignRuntime {
    fn kind(&self) -> EngineKind {
        self.kind
    }

    fn run(&self, branch: Modality, levels: &[i8]) -> Result<[Vec<i8>; 2], RunError> {
        let mut frame = Vec::with_capacity(levels.len() + 1);
        frame.push(u8::from(branch == Modality::He));
        frame.extend(levels.iter().map(|level| level.cast_unsigned()));
        let answer = self.process.lock().unwrap_or_else(PoisonError::into_inner).ask(&[&frame])?;
        let [first, features] = *self.sizes.of(branch);
        if answer.len() != first + features {
            return Err(format!("its process answered {} levels, not {}", answer.len(), first + features).into());
        }
        let mut first_levels: Vec<i8> = answer.into_iter().map(u8::cast_signed).collect();
        let features = first_levels.split_off(first);
        Ok([first_levels, features])
    }
}

/// What the program does as such a process: answers on its standard input, a socket, until the other end is closed.
///
/// # Errors
/// If the socket fails, or what comes is none of the above.
pub fn serve() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    end_with(socket.try_clone()?);
    let frame = || receive(&socket)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
    let order: io::Result<Vec<u8>> = frame();
    let Order { engine, tensors: [ct, he] } = serde_json::from_slice(&order?)?;
    let networks = BranchManifest { ct: (ct, frame()?), he: (he, frame()?) };
    // A function that a library does not have is a panic of the crate that looks it up.
    let loaded = catch_unwind(AssertUnwindSafe(|| engine.load(networks))).unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().map_or("it panicked", String::as_str);
        Err(format!("the library cannot be used: {what}").into())
    });
    let runtime = match loaded {
        Ok(runtime) => runtime,
        Err(error) => return send(&socket, &[&[1], chain(&*error).as_bytes()]),
    };
    send(&socket, &[&[0]])?;
    while let Some(frame) = receive(&socket)? {
        let [which, levels @ ..] = &frame[..] else { return Err(io::ErrorKind::InvalidData.into()) };
        let branch = if *which == 0 { Modality::Ct } else { Modality::He };
        let levels: Vec<i8> = levels.iter().map(|&level| level.cast_signed()).collect();
        match runtime.run(branch, &levels) {
            Ok(outputs) => {
                let outputs: Vec<u8> = outputs.iter().flatten().map(|level| level.cast_unsigned()).collect();
                send(&socket, &[&[0], &outputs])?;
            }
            Err(error) => send(&socket, &[&[1], chain(&*error).as_bytes()])?,
        }
    }
    Ok(())
}

/// Whoever asked may end in any way, and at any time: then this process ends, even if a driver has its other threads. (A signal at the
/// death of the parent would come at the death of the thread that started this process.)
fn end_with(socket: UnixStream) {
    thread::spawn(move || {
        let mut ends = [PollFd::new(&socket, PollFlags::RDHUP)];
        while poll(&mut ends, None).is_err() {}
        // It cannot fail for a process's own sake.
        kill_process(getpid(), Signal::KILL).ok();
    });
}

/// One frame of several parts.
fn send(mut socket: &UnixStream, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    socket.write_all(&length.to_le_bytes())?;
    parts.iter().try_for_each(|part| socket.write_all(part))
}

/// The next frame; nothing if the other end is closed between two.
fn receive(mut socket: &UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length as usize];
    socket.read_exact(&mut frame)?;
    Ok(Some(frame))
}
