//! Where bundle, board and records are, when nobody says: never in the current folder.

use std::{
    env,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use hilum_assess::{ExplainMethod, Ready, Used};
use hilum_config::{Board, Explanation, Problems, PublicKey};
use hilum_daemon::Networks;
use hilum_infer::{Bundle, DelegateFile, EngineChoice, EngineKind, LibraryError, LibraryFile, Trust, parse_public_key};

use crate::Failure;

/// The key that signs the reference bundle. Its secret half is public (`models/development.key`): it protects against
/// damage, not against forgery, and only the simulated and the desktop board accept it.
const DEVELOPMENT_KEY: &str = include_str!("../../models/development.pub");

/// Golden pictures an engine must reproduce before a single command uses it; the daemon runs them all.
const GOLDEN: usize = 2;

/// Which engine runs the networks.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EngineName {
    /// As the board's file says; without one, TensorFlow Lite where its library is found, else tract.
    #[default]
    Auto,
    /// Built in, pure Rust.
    Tract,
    /// TensorFlow Lite with XNNPACK.
    Tflite,
    /// TensorFlow Lite with the delegate that the board's file names.
    TfliteDelegate,
    /// LiteRT's GPU accelerator.
    LitertGpu,
    /// TensorFlow Lite as it was linked when the program was built.
    Tflitec,
}

impl std::fmt::Display for EngineName {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(self.kind().map_or("auto", EngineKind::name))
    }
}

impl EngineName {
    const fn kind(self) -> Option<EngineKind> {
        match self {
            Self::Auto => None,
            Self::Tract => Some(EngineKind::Tract),
            Self::Tflite => Some(EngineKind::Tflite),
            Self::TfliteDelegate => Some(EngineKind::TfliteDelegate),
            Self::LitertGpu => Some(EngineKind::LitertGpu),
            Self::Tflitec => Some(EngineKind::Tflitec),
        }
    }
}

/// Verifies the bundle, chooses the engine, and has it prove itself. Says on standard error if another stands in for it.
pub(crate) fn load(given: Option<&Path>, engine: EngineName) -> Result<Ready, Failure> {
    let ready = proved(given, engine, GOLDEN, None)?;
    let used = ready.used();
    if used.instead {
        eprintln!("hilum: {}; {} stands in for it", used.why, used.engine.name());
    }
    Ok(ready)
}

/// Says on standard error if the engine of `loaded` has failed since `before`.
pub(crate) fn say_if_it_fell(loaded: &Ready, before: &Used) {
    let now = loaded.used();
    if now.engine.name() != before.engine.name() {
        eprintln!("hilum: {}; {} stands in for it", now.why, now.engine.name());
    }
}

/// Verifies a bundle by the keys of a board, where one is named, and has the very engine that is meant prove itself.
pub(crate) fn load_signed(folder: &Path, by: &BoardFiles, engine: EngineName) -> Result<Ready, Failure> {
    itself(chosen(open_signed(folder, by)?, engine, usize::MAX, None)?)
}

/// Verifies the bundle, and has the very engine that is meant prove itself, on all golden outputs.
pub(crate) fn load_only(given: Option<&Path>, engine: EngineName) -> Result<Ready, Failure> {
    itself(proved(given, engine, usize::MAX, None)?)
}

/// The same, with so many threads.
pub(crate) fn load_threads(given: Option<&Path>, engine: EngineName, threads: NonZeroUsize) -> Result<Ready, Failure> {
    itself(proved(given, engine, usize::MAX, Some(threads))?)
}

fn itself(ready: Ready) -> Result<Ready, Failure> {
    let used = ready.used();
    if used.instead { Err(Failure::Rejected(anyhow::anyhow!(used.why))) } else { Ok(ready) }
}

fn proved(
    given: Option<&Path>,
    engine: EngineName,
    goldens: usize,
    threads: Option<NonZeroUsize>,
) -> Result<Ready, Failure> {
    chosen(open(given)?, engine, goldens, threads)
}

fn chosen(bundle: Bundle, engine: EngineName, goldens: usize, threads: Option<NonZeroUsize>) -> Result<Ready, Failure> {
    let mut choice = engine_choice(some_board()?.as_ref(), engine.kind())?;
    // Unless somebody did before.
    choice.use_threads();
    choice.threads = threads.or(choice.threads);
    Ready::choose(bundle, &choice, goldens).map_err(|error| Failure::Rejected(error.into()))
}

/// Has this process keep to as many cores as the board says, before anything works on several.
pub(crate) fn use_threads() -> Result<(), Failure> {
    engine_choice(some_board()?.as_ref(), None).map(|choice| choice.use_threads())
}

/// A command needs no board; the one there is says where libraries lie.
fn some_board() -> Result<Option<Board>, Failure> {
    let Ok(file) = board_file() else { return Ok(None) };
    hilum_config::load(&file, None).map(Some).map_err(|problems| rejected(&problems))
}

/// Where TensorFlow Lite's library lies, if it is here.
pub(crate) fn tflite_library() -> anyhow::Result<Option<PathBuf>> {
    let choice = engine_choice(some_board().map_err(said_failure)?.as_ref(), Some(EngineKind::Tflite));
    Ok(choice.map_err(said_failure)?.library())
}

fn said_failure(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{failure}")
}

/// The engine of a board, or another one that is asked for.
fn engine_choice(board: Option<&Board>, asked: Option<EngineKind>) -> Result<EngineChoice, Failure> {
    let refused = |error: LibraryError| Failure::Rejected(error.into());
    let of_board = board.map(|board| &board.engine);
    let kind_of_board = of_board.and_then(|engine| engine.name).map(|name| match name {
        hilum_config::EngineName::Tract => EngineKind::Tract,
        hilum_config::EngineName::Tflite => EngineKind::Tflite,
        hilum_config::EngineName::TfliteDelegate => EngineKind::TfliteDelegate,
        hilum_config::EngineName::LitertGpu => EngineKind::LitertGpu,
        hilum_config::EngineName::Tflitec => EngineKind::Tflitec,
    });
    let kind = asked.or(kind_of_board);
    // The board's library is that of the board's engine.
    let same = |engine: &&hilum_config::Engine| {
        kind.unwrap_or(EngineKind::Tflite) == kind_of_board.unwrap_or(EngineKind::Tflite) && engine.library.is_some()
    };
    let library = of_board.filter(same).and_then(|engine| Some((engine.library.clone()?, &engine.sha256)));
    let library = library
        .map(|(path, sha256)| LibraryFile::new(path, sha256.as_ref().map(|sha256| sha256.as_str().to_owned())))
        .transpose()
        .map_err(refused)?;
    let delegate = of_board.and_then(|engine| engine.delegate.as_ref()).map(|delegate| {
        let sha256 = Some(delegate.sha256.as_str().to_owned());
        let library = LibraryFile::new(delegate.library.clone(), sha256)?;
        Ok(DelegateFile { library, options: delegate.options.clone() })
    });
    let folders =
        said("HILUM_ENGINES").map_or_else(|| places("engines", ".cache/engines").collect(), |said| vec![said]);
    Ok(EngineChoice {
        kind,
        library,
        delegate: delegate.transpose().map_err(refused)?,
        folders,
        threads: of_board.and_then(|engine| engine.threads),
        program: env::current_exe().map_err(Failure::internal)?,
    })
}

/// The folder of the bundle: `given`, or the first that is found.
pub(crate) fn bundle_folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    given.map_or_else(find, |path| Ok(path.to_owned()))
}

/// The bundle at `given`, or the first that is found, verified.
pub(crate) fn open(given: Option<&Path>) -> Result<Bundle, Failure> {
    verified(&bundle_folder(given)?, &[], true)
}

/// The bundle at `folder`, verified by the keys that a board accepts; by the development key, if no board is named.
pub(crate) fn open_signed(folder: &Path, by: &BoardFiles) -> Result<Bundle, Failure> {
    if by.board.is_none() {
        return open(Some(folder));
    }
    let board = by.read()?;
    verified(folder, &board.bundle.keys, board.bundle.development_key)
}

fn verified(folder: &Path, keys: &[PublicKey], development: bool) -> Result<Bundle, Failure> {
    Bundle::open(folder, &trust(keys, development)?).map_err(|error| Failure::Rejected(error.into()))
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
    let engine = engine_choice(Some(board), None)?;
    engine.use_threads();
    Ok(Networks {
        bundle: board.bundle.folder.clone().map_or_else(find, Ok)?,
        trust: trust(&board.bundle.keys, board.bundle.development_key)?,
        engine,
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
    beside.into_iter().chain([installed, self::in_source(in_source)])
}

/// What lies in the source tree.
pub(crate) fn in_source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn find() -> Result<PathBuf, Failure> {
    if let Some(said) = said("HILUM_BUNDLE") {
        return Ok(said);
    }
    places("bundle", "models/reference").find(|place| place.join("manifest.toml").is_file()).ok_or_else(|| {
        Failure::Rejected(anyhow::anyhow!("no bundle was found: name one with --bundle or HILUM_BUNDLE"))
    })
}
