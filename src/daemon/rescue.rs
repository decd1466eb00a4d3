//! What a box does whose configuration is rejected: it says why, on its screen and on its socket, until the files change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hilum_device::linux::Framebuffer;
use hilum_report::notice_card;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    signal::unix::{SignalKind, signal},
};

use crate::{Fault, SOCKET, desk, protocol, watchdog};
use hilum_store::make_folder;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The picture for whoever has no screen, in the runtime folder.
const PICTURE: &str = "rescue.png";

/// Shows `problems` until one of `files` changes, or the service manager says stop. The process ends after it, and is started
/// anew with what the files say then.
///
/// # Errors
/// [`Fault`] if the machine does not even do this.
pub fn rescue(problems: &[String], files: &[PathBuf], runtime: &Path) -> Result<(), Fault> {
    let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build();
    event_loop.map_err(Fault::machine("start the event loop"))?.block_on(shown(problems, files, runtime))
}

async fn shown(problems: &[String], files: &[PathBuf], runtime: &Path) -> Result<(), Fault> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Fault::machine("listen for signals"))?;
    make_folder(runtime).map_err(Fault::machine("make the runtime folder"))?;
    for problem in problems {
        tracing::error!(problem, "the configuration is rejected");
    }
    let mut lines = vec!["This box is not ready: its configuration is rejected.".to_owned(), String::new()];
    lines.extend(problems.iter().cloned());
    lines.extend([String::new(), "No case is lost. Correct the files: the box starts by itself.".to_owned()]);
    let screen = Framebuffer::open(Path::new("/dev/fb0")).ok();
    let size = screen.as_ref().map_or((1280, 800), Framebuffer::size);
    let picture = notice_card(size, &lines);
    if let Some(screen) = screen {
        screen.show(&picture).unwrap_or_else(|error| tracing::warn!(%error, "cannot draw on the screen"));
    }
    if let Err(error) = picture.save(runtime.join(PICTURE)) {
        tracing::warn!(%error, "cannot leave the picture");
    }
    let listener = desk::open(&runtime.join(SOCKET)).map_err(Fault::machine("open the socket"))?;
    let before = stamps(files);
    watchdog::ready();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = look.tick() => {
                watchdog::alive();
                if stamps(files) != before {
                    tracing::info!("the files changed");
                    break;
                }
            }
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let problems = problems.to_vec();
                    tokio::spawn(async move { drop(told(stream, &problems).await) });
                }
            }
        }
    }
    watchdog::stopping();
    fs::remove_file(runtime.join(SOCKET)).map_err(Fault::machine("remove the socket"))
}

/// Whatever is asked, this is the answer.
async fn told(stream: UnixStream, problems: &[String]) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut input = BufReader::new(input);
    loop {
        let mut line = Vec::new();
        (&mut input).take(protocol::LONGEST).read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
        let answer = json!({
            "ok": false, "exit": 78, "problems": problems,
            "error": format!("the configuration is rejected: {}", problems.join("; ")),
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
