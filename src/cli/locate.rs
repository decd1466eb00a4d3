//! Where bundle, board and records are, when nobody says: never in the current folder.

use std::{
    env,
    path::{Path, PathBuf},
};

use hilum_assess::{ExplainMethod, Ready};
use hilum_config::{Board, Explanation, Problems, PublicKey};
use hilum_daemon::Networks;
use hilum_infer::{Bundle, TractEngine, Trust, parse_public_key};

use crate::Failure;

/// The key that signs the reference bundle. Its secret half is public (`models/development.key`): it protects against
/// damage, not against forgery, and only the simulated and the desktop board accept it.
const DEVELOPMENT_KEY: &str = include_str!("../../models/development.pub");

/// Golden pictures an engine must reproduce before a single command uses it; the daemon runs them all.
const GOLDEN: usize = 2;

/// Which engine runs the networks.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EngineName {
    /// Built in, pure Rust.
    Tract,
}

/// Verifies the bundle, loads the engine, and has it prove itself.
pub(crate) fn load(given: Option<&Path>, engine: EngineName) -> Result<Ready, Failure> {
    let rejected = |error: hilum_infer::BundleError| Failure::Rejected(error.into());
    let bundle = open(given)?;
    let EngineName::Tract = engine;
    let engine = TractEngine::load(&bundle).map_err(rejected)?;
    Ready::prove(bundle, Box::new(engine), GOLDEN).map_err(rejected)
}

/// The bundle at `given`, or the first that is found, verified.
pub(crate) fn open(given: Option<&Path>) -> Result<Bundle, Failure> {
    let folder = given.map_or_else(find, |path| Ok(path.to_owned()))?;
    Bundle::open(&folder, &trust(&[], true)?).map_err(|error| Failure::Rejected(error.into()))
}

/// Whose signature is accepted.
fn trust(keys: &[PublicKey], development: bool) -> Result<Trust, Failure> {
    let development = development.then(|| DEVELOPMENT_KEY.lines().nth(1).unwrap_or_default());
    let keys = keys.iter().map(PublicKey::as_str).chain(development).map(parse_public_key).collect::<Result<_, _>>();
    Ok(Trust { keys: keys.map_err(|error| Failure::Rejected(error.into()))? })
}

/// The networks of a board: its own bundle, or the first that is found; signed by its own keys.
pub(crate) fn networks(board: &Board) -> Result<Networks, Failure> {
    let methods = board.case.explain.iter().map(|method| match method {
        Explanation::GradCam => ExplainMethod::GradCam,
        Explanation::GradCamPlusPlus => ExplainMethod::GradCamPlusPlus,
        Explanation::IntegratedGradients => ExplainMethod::IntegratedGradients,
        Explanation::Occlusion => ExplainMethod::Occlusion,
        Explanation::Saliency => ExplainMethod::Saliency,
        Explanation::SmoothGrad => ExplainMethod::SmoothGrad,
    });
    Ok(Networks {
        bundle: board.bundle.folder.clone().map_or_else(find, Ok)?,
        trust: trust(&board.bundle.keys, board.bundle.development_key)?,
        methods: methods.collect(),
    })
}

/// A board file with the settings of its site: as given, or the first that is found.
#[derive(clap::Args)]
pub(crate) struct BoardFiles {
    /// The board file.
    #[arg(long, value_name = "FILE")]
    board: Option<PathBuf>,
    /// The settings of the site, laid over the board's.
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
}

impl BoardFiles {
    /// The board, checked. Every problem goes to standard error first.
    pub(crate) fn read(&self) -> Result<Board, Failure> {
        self.read_all()?.map_err(|(problems, _)| rejected(&problems))
    }

    /// The board, checked, or all its problems with the files that were read.
    pub(crate) fn read_all(&self) -> Result<Result<Board, (Problems, Vec<PathBuf>)>, Failure> {
        let board = self.board.clone().map_or_else(board_file, Ok)?;
        Ok(hilum_config::load(&board, self.site.as_deref()).map_err(|problems| {
            let mut files: Vec<PathBuf> = self.site.iter().cloned().chain([board]).collect();
            files.extend(problems.as_slice().iter().map(|problem| problem.file.clone()));
            (problems, files)
        }))
    }

    /// The board without its site, if that much is in order.
    pub(crate) fn board_alone(&self) -> Option<Board> {
        hilum_config::load(&self.board.clone().or_else(|| board_file().ok())?, None).ok()
    }
}

/// Says every problem of a configuration, one a line.
pub(crate) fn rejected(problems: &Problems) -> Failure {
    eprintln!("{problems}");
    Failure::Rejected(anyhow::anyhow!("the configuration is rejected"))
}

impl BoardFiles {
    /// Where the board's file lies, and its site's.
    pub(crate) fn paths(&self) -> (Option<PathBuf>, Option<PathBuf>) {
        (self.board.clone().or_else(|| board_file().ok()), self.site.clone())
    }
}

fn board_file() -> Result<PathBuf, Failure> {
    if let Some(said) = said("HILUM_BOARD") {
        return Ok(said);
    }
    own_board("desktop.toml").ok_or_else(|| {
        Failure::Rejected(anyhow::anyhow!("no board file was found: name one with --board or HILUM_BOARD"))
    })
}

/// One of the boards that come with the program.
fn own_board(name: &str) -> Option<PathBuf> {
    places("board", "board").map(|place| place.join(name)).find(|place| place.is_file())
}

/// The simulated board.
pub(crate) fn simulated() -> Result<Board, Failure> {
    let file = own_board("sim.toml")
        .ok_or_else(|| Failure::Rejected(anyhow::anyhow!("the simulated board, sim.toml, was not found")))?;
    hilum_config::load(&file, None).map_err(|problems| rejected(&problems))
}

/// Where a board keeps its records: as its file says, or as the service manager or the user's environment says.
pub(crate) fn data_folder(board: &Board) -> Result<PathBuf, Failure> {
    let home = || said("HOME").map(|home| home.join(".local/state"));
    let user = || said("XDG_STATE_HOME").or_else(home).map(|state| state.join("hilum"));
    let found = board.paths.data.clone().or_else(|| said("STATE_DIRECTORY")).or_else(user);
    found.ok_or_else(|| Failure::Rejected(anyhow::anyhow!("nothing says where records are kept: set paths.data")))
}

/// Where a board's daemon has its socket.
pub(crate) fn runtime_folder(board: &Board) -> Result<PathBuf, Failure> {
    match board.paths.runtime.clone().or_else(said_runtime_folder) {
        Some(folder) => Ok(folder),
        None => Ok(data_folder(board)?.join("run")),
    }
}

/// Where a daemon without a board has its socket.
pub(crate) fn default_runtime_folder() -> Result<PathBuf, Failure> {
    said_runtime_folder().ok_or_else(|| Failure::Rejected(anyhow::anyhow!("nothing says where the socket is to be")))
}

fn said_runtime_folder() -> Option<PathBuf> {
    said("RUNTIME_DIRECTORY").or_else(|| said("XDG_RUNTIME_DIR").map(|runtime| runtime.join("hilum")))
}

/// A path that the environment says.
fn said(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|said| !said.is_empty()).map(PathBuf::from)
}

/// Where something lies when nobody says: beside the program, installed, in the source tree.
fn places(name: &str, in_source: &str) -> impl Iterator<Item = PathBuf> {
    let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(name)));
    let installed = Path::new("/usr/share/hilum").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(in_source);
    beside.into_iter().chain([installed, source])
}

fn find() -> Result<PathBuf, Failure> {
    if let Some(said) = said("HILUM_BUNDLE") {
        return Ok(said);
    }
    places("bundle", "models/reference").find(|place| place.join("manifest.toml").is_file()).ok_or_else(|| {
        Failure::Rejected(anyhow::anyhow!("no bundle was found: name one with --bundle or HILUM_BUNDLE"))
    })
}
