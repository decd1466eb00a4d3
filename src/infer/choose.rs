//! Which engine runs a bundle: the one that is wanted if it proves itself, else the one that is built in, and why.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use crate::{
    Agreement, Bundle, BundleError, Engine, EngineKind, LibraryFile, accept,
    engine::chain,
    foreign::{Foreign, ForeignRuntime},
    library::{LITERT, TFLITE},
    runtime::{Complete, RunError},
    tract::TractRuntime,
};

/// A vendor's delegate for TensorFlow Lite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegateFile {
    /// Its library.
    pub library: LibraryFile,
    /// Options that its documentation has.
    pub options: Vec<(String, String)>,
}

/// Which engine is wanted.
#[derive(Debug, Clone)]
pub struct EngineChoice {
    /// `None`: TensorFlow Lite where its library lies in one of `folders`, else the engine that is built in.
    pub kind: Option<EngineKind>,
    /// The engine's library; `None` looks for it in `folders`.
    pub library: Option<LibraryFile>,
    /// For [`EngineKind::TfliteDelegate`].
    pub delegate: Option<DelegateFile>,
    /// Where libraries are looked for, absolute.
    pub folders: Vec<PathBuf>,
    /// How many cores; `None` is all.
    pub threads: Option<NonZeroUsize>,
    /// This program, which is started again for what must not run in the same process: its argument [`crate::COMMAND`]
    /// must lead to [`crate::serve`].
    pub program: PathBuf,
}

impl EngineChoice {
    /// Has everything in this process that works on several cores keep to so many as are wanted. The first who says so, or who works
    /// before anybody did, is the one who is heard.
    pub fn use_threads(&self) {
        if let Some(threads) = self.threads {
            // Somebody may have been first.
            rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global().ok();
        }
    }

    /// Where TensorFlow Lite's library lies that would be loaded.
    #[must_use]
    pub fn library(&self) -> Option<PathBuf> {
        let found = self.library.clone().or_else(|| LibraryFile::find(TFLITE, &self.folders));
        found.map(|library| library.path().to_owned())
    }

    /// The engine that is built in.
    #[must_use]
    pub fn built_in() -> Self {
        let program = PathBuf::new();
        let kind = Some(EngineKind::Tract);
        Self { kind, library: None, delegate: None, folders: Vec::new(), threads: None, program }
    }
}

/// An engine that has proved itself on a bundle.
pub struct Chosen {
    /// The engine.
    pub engine: Box<dyn Engine>,
    /// How it did.
    pub agreement: Agreement,
    /// Why it is this one.
    pub why: String,
    /// Whether another was there, or was wanted, and is not used.
    pub instead: bool,
}

/// Loads the engine that is wanted and has it reproduce at most `goldens` golden pictures of each branch. One that cannot be
/// loaded, crashes, hangs or answers otherwise is not used: the engine that is built in stands in for it.
///
/// # Errors
/// [`BundleError`] if the bundle does not fit this program.
pub fn choose(bundle: &Bundle, choice: &EngineChoice, goldens: usize) -> Result<Chosen, BundleError> {
    let (why, instead) = match wanted(bundle, choice, goldens) {
        Ok(Wanted::Proved(engine, agreement)) => {
            let why = "it has reproduced the golden outputs".to_owned();
            return Ok(Chosen { engine, agreement, why, instead: false });
        }
        Ok(Wanted::BuiltIn(why)) => (why, false),
        Err(error) => {
            let kind = choice.kind.unwrap_or(EngineKind::Tflite);
            (format!("{} is not used: {}", kind.name(), chain(&*error)), true)
        }
    };
    let built_in = built_in(bundle, goldens).map_err(|error| match error {
        // Whoever asked for another hears of both.
        BundleError::Unsuitable(what) if instead => BundleError::Unsuitable(format!("{why}; and {what}")),
        error => error,
    });
    let (engine, agreement) = built_in?;
    Ok(Chosen { engine, agreement, why, instead })
}

/// The engine that is built in, proved.
///
/// # Errors
/// [`BundleError`] if the bundle does not fit this program.
pub fn built_in(bundle: &Bundle, goldens: usize) -> Result<(Box<dyn Engine>, Agreement), BundleError> {
    let runtime = TractRuntime::load(bundle)?;
    let engine = Complete::new(bundle, Box::new(runtime), Vec::new())?;
    let agreement = accept(&engine, bundle, goldens)?;
    Ok((Box::new(engine), agreement))
}

/// What a choice comes to.
enum Wanted {
    Proved(Box<dyn Engine>, Agreement),
    /// The engine that is built in, and why it is meant.
    BuiltIn(String),
}

fn wanted(bundle: &Bundle, choice: &EngineChoice, goldens: usize) -> Result<Wanted, RunError> {
    let kind = choice.kind.unwrap_or(EngineKind::Tflite);
    let threads = choice.threads.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let file = match kind {
        EngineKind::Tract => return Ok(Wanted::BuiltIn("it is the one that is asked for".to_owned())),
        EngineKind::Tflitec => return linked(bundle, threads, goldens),
        EngineKind::Tflite | EngineKind::TfliteDelegate => TFLITE,
        EngineKind::LitertGpu => LITERT,
    };
    let library = match (choice.library.clone().or_else(|| LibraryFile::find(file, &choice.folders)), choice.kind) {
        (Some(library), _) => library,
        (None, Some(_)) => return Err(format!("there is no {file}").into()),
        (None, None) => return Ok(Wanted::BuiltIn(format!("there is no {file}"))),
    };
    let delegate = match (kind, &choice.delegate) {
        (EngineKind::TfliteDelegate, None) => return Err("no delegate is named".into()),
        (EngineKind::TfliteDelegate, Some(delegate)) => Some((delegate.library.clone(), delegate.options.clone())),
        _ => None,
    };
    let foreign = Foreign { kind, library, delegate, threads };
    let (engine, agreement) = proved(bundle, &foreign, &choice.program, goldens)?;
    Ok(Wanted::Proved(engine, agreement))
}

/// The engine that was linked when the program was built.
#[cfg(feature = "tflitec")]
fn linked(bundle: &Bundle, threads: NonZeroUsize, goldens: usize) -> Result<Wanted, RunError> {
    let runtime = crate::tflitec::TflitecRuntime::load(Foreign::networks(bundle)?, threads)?;
    let engine = Complete::new(bundle, Box::new(runtime), Vec::new())?;
    let agreement = accept(&engine, bundle, goldens)?;
    Ok(Wanted::Proved(Box::new(engine), agreement))
}

#[cfg(not(feature = "tflitec"))]
fn linked(_: &Bundle, _: NonZeroUsize, _: usize) -> Result<Wanted, RunError> {
    Err("this program was built without it (feature tflitec)".into())
}

/// An engine that is not ours, once it has proved itself in a process of its own. A GPU and a vendor's device stay there.
fn proved(
    bundle: &Bundle,
    foreign: &Foreign,
    program: &Path,
    goldens: usize,
) -> Result<(Box<dyn Engine>, Agreement), RunError> {
    let mut libraries = vec![foreign.library.named()];
    libraries.extend(foreign.delegate.iter().map(|(library, _)| library.named()));
    // A library that is another one is not even started.
    foreign.library.check()?;
    let apart = ForeignRuntime::start(program, foreign, Foreign::networks(bundle)?)?;
    let apart = Complete::new(bundle, Box::new(apart), libraries)?;
    let agreement = accept(&apart, bundle, goldens)?;
    if foreign.kind != EngineKind::Tflite {
        return Ok((Box::new(apart), agreement));
    }
    // The other process ends here.
    let here = apart.run_by(foreign.load(Foreign::networks(bundle)?)?);
    let agreement = accept(&here, bundle, goldens)?;
    Ok((Box::new(here), agreement))
}
