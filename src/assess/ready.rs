//! A bundle with an engine that has proved itself on it.

use hilum_infer::{Bundle, BundleError, Engine, accept};

use crate::Model;

/// A verified bundle, what the pipeline needs of it, and the engine that runs it.
pub struct Ready {
    /// The bundle.
    pub bundle: Bundle,
    /// What it says, checked.
    pub model: Model,
    /// What runs its networks.
    pub engine: Box<dyn Engine>,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Ready({}, {})", self.bundle.manifest().name, self.engine.name())
    }
}

impl Ready {
    /// Has `engine` reproduce at most `goldens` of the bundle's golden outputs before anything is assessed with it.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle does not fit this program, or the engine the bundle.
    pub fn prove(bundle: Bundle, engine: Box<dyn Engine>, goldens: usize) -> Result<Self, BundleError> {
        let model = Model::of(&bundle)?;
        accept(&*engine, &bundle, goldens)?;
        Ok(Self { bundle, model, engine })
    }
}
