//! `hilum run`

use hilum_daemon::Setup;
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

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    log();
    let board = match arguments.files.read_all()? {
        Ok(board) => board,
        // Under a service manager a box must not be dead; at a terminal the problems are the answer.
        Err((problems, files)) if std::env::var_os("NOTIFY_SOCKET").is_some() => {
            let problems: Vec<String> = problems.into_vec().iter().map(ToString::to_string).collect();
            return Ok(hilum_daemon::rescue(&problems, &files, &default_runtime_folder()?)?);
        }
        Err((problems, _)) => return Err(rejected(&problems)),
    };
    let setup =
        Setup { data: data_folder(&board)?, runtime: runtime_folder(&board)?, networks: networks(&board)?, board };
    Ok(hilum_daemon::run(setup)?)
}

/// Logs to the journal where the service manager says that standard error is one, else to standard error. How much is said
/// in `HILUM_LOG`, as `info` or `hilum_daemon=debug`.
fn log() {
    let filter = || EnvFilter::try_from_env("HILUM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match journal {
        Some(journal) => journal.with_filter(filter()).boxed(),
        None => {
            tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr).with_filter(filter()).boxed()
        }
    };
    tracing_subscriber::registry().with(layer).init();
}
