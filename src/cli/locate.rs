//! Where the bundle is, when nobody says: never in the current folder.

use std::{
    env,
    path::{Path, PathBuf},
};

use hilum_assess::Ready;
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
    let rejected = |error: hilum_infer::BundleError| Failure::Rejected(error.into());
    let folder = given.map_or_else(find, |path| Ok(path.to_owned()))?;
    let key = DEVELOPMENT_KEY.lines().nth(1).unwrap_or_default();
    let trust = Trust { keys: vec![parse_public_key(key).map_err(rejected)?] };
    Bundle::open(&folder, &trust).map_err(rejected)
}

fn find() -> Result<PathBuf, Failure> {
    if let Some(said) = env::var_os("HILUM_BUNDLE").filter(|said| !said.is_empty()) {
        return Ok(PathBuf::from(said));
    }
    let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("bundle")));
    let installed = PathBuf::from("/usr/share/hilum/bundle");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/reference");
    let places = beside.into_iter().chain([installed, source]);
    places.into_iter().find(|place| place.join("manifest.toml").is_file()).ok_or_else(|| {
        Failure::Rejected(anyhow::anyhow!("no bundle was found: name one with --bundle or HILUM_BUNDLE"))
    })
}
