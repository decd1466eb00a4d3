//! The embedded default engine: tract, pure Rust. It runs the QDQ graph as float with rounding, which is exact to the int8
//! network, with operators of ours where tract's are slow.

use std::sync::Arc;

use hilum_domain::Modality;
use tract_onnx::prelude::*;

use crate::{
    BranchManifest, Bundle, BundleError, EngineKind,
    contract::{Form, Tensors, first_output},
    graph::{parse, plan_of_planes},
    heads::unsuitable,
    runtime::{RunError, Runtime},
};

/// The quantised networks of a bundle, optimised for this machine.
pub(crate) struct TractRuntime(BranchManifest<Network>);

struct Network {
    plan: Arc<TypedRunnableModel>,
    /// Batch, rows, columns, channels.
    shape: [usize; 4],
}

impl TractRuntime {
    pub(crate) fn load(bundle: &Bundle) -> Result<Self, BundleError> {
        let (ct, he) = rayon::join(|| Network::load(bundle, Modality::Ct), || Network::load(bundle, Modality::He));
        Ok(Self(BranchManifest { ct: ct?, he: he? }))
    }
}

impl Network {
    fn load(bundle: &Bundle, branch: Modality) -> Result<Self, BundleError> {
        let file = Form::Onnx.file(branch);
        let shape: [usize; 4] = Tensors::of(bundle, branch, Form::Onnx)?
            .input
            .shape
            .try_into()
            .map_err(|_| BundleError::Unsuitable(format!("the contract of {file} has no valid input shape")))?;
        let plan = parse(bundle.file(file)?)
            .and_then(|model| {
                let model = model.with_outputs_by_name([first_output(branch), "features"])?;
                plan_of_planes(model.with_input_fact(0, i8::fact(shape).into())?)
            })
            .map_err(|error| unsuitable(file, &error))?;
        Ok(Self { plan, shape })
    }

    fn run(&self, levels: &[i8]) -> TractResult<[Vec<i8>; 2]> {
        let [batch, rows, columns, channels] = self.shape;
        let planes: Vec<i8> =
            (0..channels).flat_map(|channel| levels.iter().skip(channel).step_by(channels).copied()).collect();
        let input = Tensor::from_shape(&[batch, channels, rows, columns], &planes)?;
        let outputs = self.plan.run(tvec!(input.into_tvalue()))?;
        // A tensor may carry its scale in its type; the levels are the same.
        let levels = |index: usize| outputs[index].as_bytes().iter().map(|byte| byte.cast_signed()).collect();
        Ok([levels(0), levels(1)])
    }
}

impl Runtime for TractRuntime {
    fn kind(&self) -> EngineKind {
        EngineKind::Tract
    }

    fn run(&self, branch: Modality, levels: &[i8]) -> Result<[Vec<i8>; 2], RunError> {
        Ok(self.0.of(branch).run(levels)?)
    }
}
