//! What a box does that cannot begin: it says why, on its screen and on its socket, until it is worth another try.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use hilum_device::linux::Framebuffer;
use hilum_report::notice_card;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    signal::unix::{SignalKind, signal},
};

use crate::{Denied, Fault, SOCKET, desk, protocol, watchdog};
use hilum_store::make_folder;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What is no fault of the files is tried again so much later.
const AGAIN: Duration = Duration::from_secs(10);
/// The picture for whoever has no screen, in the runtime folder.
const PICTURE: &str = "rescue.png";

/// Why a box cannot begin.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// Its configuration is rejected: each problem, and the files that have to change.
    Configuration(Vec<String>, Vec<PathBuf>),
    /// Something else, as an exit code and a sentence: its records, their key, its bundle.
    Else(Denied),
}

impl Trouble {
    fn exit(&self) -> u8 {
        match self {
            Self::Configuration(..) => 78,
            Self::Else(denied) => denied.exit,
        }
    }

    fn problems(&self) -> Vec<String> {
        match self {
            Self::Configuration(problems, _) => problems.clone(),
            Self::Else(denied) => vec![denied.why.clone()],
        }
    }

    /// What the box is, in a sentence.
    const fn heading(&self) -> &'static str {
        match self {
            Self::Configuration(..) => "the configuration is rejected",
            Self::Else(_) => "the box cannot begin its work",
        }
    }

    /// What is to be done about it.
    fn advice(&self) -> String {
        match self {
            Self::Configuration(..) => "No case is lost. Correct the files: the box starts by itself.".to_owned(),
            Self::Else(_) => format!(
                "The box tries again by itself every {} s. Erase nothing, and ask whoever looks after it.",
                AGAIN.as_secs()
            ),
        }
    }

    /// What another try may turn out otherwise for.
    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        match self {
            Self::Configuration(_, files) => stamps(files),
            Self::Else(_) => Vec::new(),
        }
    }

    /// Whether it is time for another try whatever the files are.
    fn is_over(&self, since: Instant) -> bool {
        matches!(self, Self::Else(_)) && since.elapsed() >= AGAIN
    }
}

/// Shows what the trouble is until one of the files changes, or it is time for another try, or the service manager says stop.
/// The process ends after it, and is started anew.
///
/// # Errors
/// [`Fault`] if the machine does not even do this.
pub fn rescue(trouble: &Trouble, runtime: &Path) -> Result<(), Fault> {
    let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build();
    event_loop.map_err(Fault::machine("start the event loop"))?.block_on(shown(trouble, runtime))
}

async fn shown(trouble: &Trouble, runtime: &Path) -> Result<(), Fault> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Fault::machine("listen for signals"))?;
    make_folder(runtime).map_err(Fault::machine("make the runtime folder"))?;
    let problems = trouble.problems();
    for problem in &problems {
        tracing::error!(problem, "{}", trouble.heading());
    }
    let mut lines = vec![format!("This box is not ready: {}.", trouble.heading()), String::new()];
    lines.extend(problems);
    lines.extend([String::new(), trouble.advice()]);
    let screen = Framebuffer::open(Path::new("/dev/fb0")).ok();
    let size = screen.as_ref().map_or((1280, 800), Framebuffer::size);
    let picture = notice_card(size, &lines);
    if let Some(screen) = screen {
        screen.show(&picture).unwrap_or_else(|error| tracing::warn!(%error, "cannot draw on the screen"));
    }
    if let Err(error) = picture.save(runtime.join(PICTURE)) {
        tracing::warn!(%error, "cannot leave the picture");
    }
    let desk::Desk { listener, lock: _held } =
        desk::open(&runtime.join(SOCKET)).map_err(Fault::machine("open the socket"))?;
    let (before, since) = (trouble.stamps(), Instant::now());
    watchdog::ready();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = look.tick() => {
                watchdog::alive();
                if trouble.stamps() != before || trouble.is_over(since) {
                    tracing::info!("it is tried again");
                    break;
                }
            }
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let trouble = trouble.clone();
                    tokio::spawn(async move { drop(told(stream, &trouble).await) });
                }
            }
        }
    }
    watchdog::stopping();
    fs::remove_file(runtime.join(SOCKET)).map_err(Fault::machine("remove the socket"))
}

/// Whatever is asked, this is the answer.
async fn told(stream: UnixStream, trouble: &Trouble) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut input = BufReader::new(input);
    loop {
        let mut line = Vec::new();
        (&mut input).take(protocol::LONGEST).read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
        let answer = json!({
            "ok": false, "exit": trouble.exit(), "problems": trouble.problems(),
            "error": format!("{}: {}", trouble.heading(), trouble.problems().join("; ")),
        });
        output.write_all(format!("{answer}\n").as_bytes()).await?;
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<(SystemTime, u64)>> {
    let of = |file: &PathBuf| {
        let meta = fs::metadata(file).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    files.iter().map(of).collect()
}
