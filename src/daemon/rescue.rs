//! What a box does that cannot begin: it says why, on its screen and on its socket, until it is worth another try.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use embedded_graphics::geometry::Size;
use hilum_config::{Attached, Panel as Settings, Rotation};
use hilum_screen::{
    Area, Frame,
    paint::Painter,
    state,
    words::{Language, Words},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

use crate::{Denied, Fault, SOCKET, desk, display, glass::Glass, panel, protocol, watchdog};
use hilum_store::make_folder;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What is no fault of the files is tried again so much later.
const AGAIN: Duration = Duration::from_secs(10);
/// Nobody listens to what is told of the display's thread.
const EVENTS: usize = 64;
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
            Self::Configuration(..) => "Correct the files: the box starts by itself.".to_owned(),
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

/// The panel of a box of which nothing is known: whichever display is plugged in.
const UNKNOWN: Settings = Settings {
    enabled: true,
    display: Attached::Any,
    size: None,
    rotation: Rotation::None,
    scale: 1.0,
    language: "en",
    large_letters: false,
    read_first: false,
    welcome: false,
    backlight: None,
    buttons: None,
};

/// The page that says what the trouble is, for a display of `size` before it is turned.
fn page(trouble: &Trouble, settings: &Settings, size: [u16; 2]) -> Frame {
    let look = panel::look(settings, size, settings.large_letters);
    let words = Words::new(panel::language(settings.language).unwrap_or(Language::English));
    let mut problems = trouble.problems();
    problems.insert(0, format!("{}:", trouble.heading()));
    let scene = state::rescue(look, &words, &problems, &trouble.advice());
    let mut frame = Frame::new(Size::new(look.width.into(), look.height.into()));
    let Ok(()) = Painter::default().paint(&scene, Area::new(0, 0, look.width, look.height), &mut frame);
    frame
}

/// Shows what the trouble is until one of the files changes, or it is time for another try, or the service manager says stop.
/// The process ends after it, and is started anew. `settings` are the panel's, as far as anything could be read of them.
///
/// # Errors
/// [`Fault`] if the machine does not even do this.
pub fn rescue(trouble: &Trouble, settings: Option<&Settings>, runtime: &Path) -> Result<(), Fault> {
    let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let event_loop = event_loop.map_err(Fault::machine("start the event loop"))?;
    event_loop.block_on(shown(trouble, settings.unwrap_or(&UNKNOWN), runtime))
}

async fn shown(trouble: &Trouble, settings: &Settings, runtime: &Path) -> Result<(), Fault> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Fault::machine("listen for signals"))?;
    make_folder(runtime).map_err(Fault::machine("make the runtime folder"))?;
    let problems = trouble.problems();
    for problem in &problems {
        tracing::error!(problem, "{}", trouble.heading());
    }
    let frame = page(trouble, settings, panel::size(settings, display::attached(settings)));
    if let Err(error) = frame.image().save(runtime.join(PICTURE)) {
        tracing::warn!(%error, "cannot leave the picture");
    }
    // A display that is plugged in later shows it as well. The thread ends with the sender.
    let (_shown, glasses) = watch::channel(Some(Glass { frame: Arc::new(frame), locked: true }));
    let (events, _told) = mpsc::channel(EVENTS);
    if let Some(wanted) = display::wanted(settings) {
        display::start(wanted, display::rotation(settings), glasses, events)
            .map_err(Fault::machine("start the display's thread"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_size_of_the_display_and_shows_the_trouble() {
        let trouble = |why: &str| Trouble::Else(Denied::new(75, why.to_owned()));
        let settings = Settings { rotation: Rotation::Right, ..UNKNOWN };
        let one = page(&trouble("the store cannot be opened"), &settings, [800, 480]);
        assert_eq!((one.image().width(), one.image().height()), (480, 800));
        let other = page(&trouble("there is no bundle"), &settings, [800, 480]);
        assert_ne!(one, other);
        assert_eq!(one, page(&trouble("the store cannot be opened"), &settings, [800, 480]));
    }
}
