//! A bundle with an engine that has proved itself on it.

use std::sync::{Arc, PoisonError, RwLock};

use hilum_domain::Modality;
use hilum_infer::{
    Agreement, BranchManifest, Bundle, BundleError, Chosen, Engine, EngineChoice, EngineFault, Tail, TwinNetwork,
    built_in, choose,
};

use crate::Model;

/// Golden pictures of each branch that an engine must reproduce before it stands in for one that failed.
const GOLDENS: usize = 2;

/// A verified bundle, what the pipeline needs of it, and the engine that runs it.
pub struct Ready {
    /// The bundle.
    pub bundle: Bundle,
    /// What it says, checked.
    pub model: Model,
    /// What follows each network's last feature maps, differentiable.
    pub tails: BranchManifest<Tail>,
    used: RwLock<Used>,
}

/// What runs the networks now.
#[derive(Clone)]
pub struct Used {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// How it did on the golden pictures.
    pub agreement: Agreement,
    /// Why it is this one.
    pub why: String,
    /// Whether it stands in for another, which was there or was wanted.
    pub instead: bool,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Ready({}, {})", self.bundle.manifest().name, self.engine().name())
    }
}

impl Ready {
    /// Chooses an engine for a bundle: it must reproduce at most `goldens` golden pictures of each branch before anything is
    /// assessed with it.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle does not fit this program, or the engine that is built in the bundle.
    pub fn choose(bundle: Bundle, choice: &EngineChoice, goldens: usize) -> Result<Self, BundleError> {
        let chosen = choose(&bundle, choice, goldens)?;
        let Chosen { engine, agreement, why, instead } = chosen;
        Self::with(bundle, Used { engine: engine.into(), agreement, why, instead })
    }

    /// A bundle with an engine that has proved itself on it.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle does not fit this program.
    pub fn with(bundle: Bundle, used: Used) -> Result<Self, BundleError> {
        let model = Model::of(&bundle)?;
        let tail = |modality| Tail::load(&bundle, modality);
        let tails = BranchManifest { ct: tail(Modality::Ct)?, he: tail(Modality::He)? };
        Ok(Self { bundle, model, tails, used: RwLock::new(used) })
    }

    /// What runs the networks now. A case keeps to one engine from its first picture to its last.
    #[must_use]
    pub fn used(&self) -> Used {
        self.used.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The engine that runs the networks now.
    #[must_use]
    pub fn engine(&self) -> Arc<dyn Engine> {
        self.used().engine
    }

    /// Has the engine that is built in stand in for one that failed, for good. `false` if there is nothing to stand in: the
    /// device is not well.
    pub fn fall_back(&self, from: &dyn Engine, fault: &EngineFault) -> bool {
        if from.is_built_in() {
            return false;
        }
        let mut used = self.used.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have been here first.
        if used.engine.is_built_in() {
            return true;
        }
        let Ok((engine, agreement)) = built_in(&self.bundle, GOLDENS) else { return false };
        let why = format!("{} is not used: it failed on {}: {}", from.name(), fault.what, fault.source);
        *used = Used { engine: engine.into(), agreement, why, instead: true };
        true
    }

    /// Whether every method of explanation can be used with the bundle's networks.
    ///
    /// # Errors
    /// [`BundleError::Unsuitable`] names the operator that has no derivative.
    pub fn explainable(&self) -> Result<(), BundleError> {
        Modality::ALL.into_iter().try_for_each(|modality| TwinNetwork::load(&self.bundle, modality).map(drop))
    }
}
