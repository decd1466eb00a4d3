//! `hilum run`

use std::path::PathBuf;

use hilum_config::Panel;
use hilum_daemon::{Denied, Setup, Trouble};
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    Failure,
    locate::{BoardFiles, data_folder, default_runtime_folder, networks, rejected, runtime_folder},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    files: BoardFiles,
}

/// What kept the appliance from beginning, and where its socket would have been.
struct Halted {
    failure: Failure,
    trouble: Trouble,
    /// Nothing where it could not be read.
    panel: Option<Panel>,
    runtime: Result<PathBuf, Failure>,
}

impl Halted {
    fn new(failure: Failure, panel: Option<Panel>, runtime: Result<PathBuf, Failure>) -> Box<Self> {
        let trouble = Trouble::Else(Denied::new(failure.exit(), failure.to_string()));
        Box::new(Self { failure, trouble, panel, runtime })
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    log("info");
    let Err(halted) = begun(&arguments.files) else { return Ok(()) };
    let Halted { failure, trouble, panel, runtime } = *halted;
    // Under a service manager a box must not be dead; at a terminal the problems are the answer.
    if std::env::var_os("NOTIFY_SOCKET").is_some() && matches!(failure.exit(), 75 | 78) {
        return Ok(hilum_daemon::rescue(&trouble, panel.as_ref(), &runtime?)?);
    }
    Err(failure)
}

fn begun(files: &BoardFiles) -> Result<(), Box<Halted>> {
    let board = match files.read_all() {
        Ok(Ok(board)) => board,
        Ok(Err((problems, wrong))) => {
            let said = problems.as_slice().iter().map(ToString::to_string).collect();
            let (failure, trouble) = (rejected(&problems), Trouble::Configuration(said, wrong));
            // A site's file that is wrong leaves a board that says how its display is turned.
            let panel = files.board_alone().map(|board| board.panel);
            return Err(Box::new(Halted { failure, trouble, panel, runtime: default_runtime_folder() }));
        }
        Err(failure) => return Err(Halted::new(failure, None, default_runtime_folder())),
    };
    let halted = |failure: Failure| Halted::new(failure, Some(board.panel.clone()), runtime_folder(&board));
    let data = data_folder(&board).map_err(halted)?;
    let runtime = runtime_folder(&board).map_err(halted)?;
    let networks = networks(&board).map_err(halted)?;
    let setup = Setup { data, runtime, networks, board: board.clone(), mirror: None };
    hilum_daemon::run(setup).map_err(|fault| halted(fault.into()))
}

/// Logs to the journal where the service manager says that standard error is one, else to standard error. How much is said
/// in `HILUM_LOG`, as `info` or `hilum_daemon=debug`; else it is `usual`.
pub(crate) fn log(usual: &str) {
    let filter = || EnvFilter::try_from_env("HILUM_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match journal {
        Some(journal) => journal.with_filter(filter()).boxed(),
        None => {
            tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr).with_filter(filter()).boxed()
        }
    };
    tracing_subscriber::registry().with(layer).init();
}
