//! What differs between engines: how the two quantised networks are run. Everything else is the same for all of them.

use hilum_domain::{Modality, PerClass};
use ndarray::{Array2, ArrayView3};

use crate::{
    BranchManifest, Bundle, BundleError, CtOutput, Engine, EngineFault, EngineKind, HeOutput, Library, Tolerance,
    contract::{Contract, Form},
    heads::Heads,
};

/// Why a network was not run.
pub(crate) type RunError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the quantised networks of a bundle: int8 levels in, int8 levels out.
pub(crate) trait Runtime: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> EngineKind;

    /// A network on the levels of one picture, `[row, column, channel]`: the levels of its first output and of its features.
    fn run(&self, branch: Modality, levels: &[i8]) -> Result<[Vec<i8>; 2], RunError>;
}

/// A runtime with the bundle's contract and heads.
pub(crate) struct Complete {
    runtime: Box<dyn Runtime>,
    libraries: Vec<Library>,
    contracts: BranchManifest<Contract>,
    heads: Heads,
}

impl Complete {
    /// # Errors
    /// [`BundleError::Unsuitable`] if the contract makes no sense, or a head cannot be run.
    pub(crate) fn new(
        bundle: &Bundle,
        runtime: Box<dyn Runtime>,
        libraries: Vec<Library>,
    ) -> Result<Self, BundleError> {
        let form = if runtime.kind() == EngineKind::Tract { Form::Onnx } else { Form::Tflite };
        let contracts = BranchManifest {
            ct: Contract::of(bundle, Modality::Ct, form)?,
            he: Contract::of(bundle, Modality::He, form)?,
        };
        Ok(Self { runtime, libraries, contracts, heads: Heads::load(bundle)? })
    }

    /// The same engine, run by another runtime.
    pub(crate) fn run_by(self, runtime: Box<dyn Runtime>) -> Self {
        Self { runtime, ..self }
    }

    fn fault<E: Into<RunError>>(&self, what: &'static str) -> impl Fn(E) -> EngineFault {
        let engine = self.name();
        move |source| EngineFault { engine, what, source: source.into() }
    }

    fn outputs(&self, branch: Modality, picture: &[u8]) -> Result<[Vec<i8>; 2], RunError> {
        self.runtime.run(branch, &self.contracts.of(branch).input(picture)?)
    }
}

impl Engine for Complete {
    fn name(&self) -> &'static str {
        self.runtime.kind().name()
    }

    fn tolerance(&self) -> Tolerance {
        self.runtime.kind().tolerance()
    }

    fn libraries(&self) -> &[Library] {
        &self.libraries
    }

    fn is_built_in(&self) -> bool {
        self.runtime.kind() == EngineKind::Tract
    }

    fn ct(&self, levels: ArrayView3<'_, u8>) -> Result<CtOutput, EngineFault> {
        let run = || {
            let contiguous = levels.as_standard_layout();
            let outputs = self.outputs(Modality::Ct, contiguous.as_slice().unwrap_or_default())?;
            Ok(self.contracts.ct.ct(&outputs)?)
        };
        run().map_err(self.fault::<RunError>("a CT patch"))
    }

    fn he(&self, levels: &[u8]) -> Result<HeOutput, EngineFault> {
        let run = || Ok(self.contracts.he.he(&self.outputs(Modality::He, levels)?)?);
        run().map_err(self.fault::<RunError>("an H&E tile"))
    }

    fn attention(&self, embeddings: &Array2<f32>) -> Result<(PerClass<f32>, Vec<f32>), EngineFault> {
        self.heads.attention(embeddings).map_err(self.fault("the attention head"))
    }

    fn weights(&self, metadata: [f32; 3]) -> Result<[f32; 2], EngineFault> {
        self.heads.weights(metadata).map_err(self.fault("the metadata encoder"))
    }
}
