//! A bundle with an engine that has proved itself on it.

use hilum_domain::Modality;
use hilum_infer::{BranchManifest, Bundle, BundleError, Engine, Tail, TwinNetwork, accept};

use crate::Model;

/// A verified bundle, what the pipeline needs of it, and the engine that runs it.
pub struct Ready {
    /// The bundle.
    pub bundle: Bundle,
    /// What it says, checked.
    pub model: Model,
    /// What runs its networks.
    pub engine: Box<dyn Engine>,
    /// What follows each network's last feature maps, differentiable.
    pub tails: BranchManifest<Tail>,
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
        let tail = |modality| Tail::load(&bundle, modality);
        let tails = BranchManifest { ct: tail(Modality::Ct)?, he: tail(Modality::He)? };
        Ok(Self { bundle, model, engine, tails })
    }

    /// Whether every method of explanation can be used with the bundle's networks.
    ///
    /// # Errors
    /// [`BundleError::Unsuitable`] names the operator that has no derivative.
    pub fn explainable(&self) -> Result<(), BundleError> {
        Modality::ALL.into_iter().try_for_each(|modality| TwinNetwork::load(&self.bundle, modality).map(drop))
    }
}
