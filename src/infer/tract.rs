//! The embedded default engine: tract, pure Rust. It runs the QDQ graph as float with rounding, which is exact to the int8
//! network, with operators of ours where tract's are slow.

use std::sync::Arc;

use hilum_domain::PerClass;
use ndarray::{Array2, Array3, ArrayView3};
use tract_onnx::prelude::*;

use crate::{
    Bundle, BundleError, CtOutput, Engine, EngineFault, HeOutput, InputLevels, Quantisation, Quantiser,
    graph::{parse, plan, plan_of_planes},
};

const NAME: &str = "tract";

/// The networks of a bundle, optimised for this machine.
pub struct TractEngine {
    ct: Network,
    he: Network,
    mil: Vec<u8>,
    metadata: Arc<TypedRunnableModel>,
}

/// A quantised network and how its levels are read.
struct Network {
    plan: Arc<TypedRunnableModel>,
    levels: InputLevels,
    shape: [usize; 4],
    outputs: [Output; 2],
}

struct Output {
    quantiser: Quantiser,
    shape: Vec<usize>,
}

impl TractEngine {
    /// Loads the networks of a bundle.
    ///
    /// # Errors
    /// [`BundleError::Unsuitable`] if tract cannot run one of them, or its contract makes no sense.
    pub fn load(bundle: &Bundle) -> Result<Self, BundleError> {
        let manifest = bundle.manifest();
        let (ct, he) = rayon::join(
            || {
                Network::load(
                    bundle,
                    "ct.onnx",
                    &manifest.quantisation.ct.onnx,
                    "logits",
                    manifest.ct.mean,
                    manifest.ct.std,
                )
            },
            || {
                Network::load(
                    bundle,
                    "he.onnx",
                    &manifest.quantisation.he.onnx,
                    "embedding",
                    manifest.he.mean,
                    manifest.he.std,
                )
            },
        );
        let metadata = parse(bundle.file("metadata.onnx")?)
            .and_then(|model| plan(model.with_input_fact(0, f32::fact([1, 3]).into())?))
            .map_err(|error| unsuitable("metadata.onnx", &error))?;
        let engine = Self { ct: ct?, he: he?, mil: bundle.file("mil.onnx")?.to_vec(), metadata };
        // The graph of the head is built for every case; a bundle whose head cannot be built is rejected now.
        engine.attention_plan(1).map_err(|error| unsuitable("mil.onnx", &error))?;
        Ok(engine)
    }

    /// The head for a known number of tiles: tract is several times slower on a symbolic one.
    fn attention_plan(&self, tiles: usize) -> TractResult<Arc<TypedRunnableModel>> {
        let channels = self.he.outputs[0].shape.last().copied().unwrap_or(0);
        plan(parse(&self.mil)?.with_input_fact(0, f32::fact([tiles, channels]).into())?)
    }
}

fn unsuitable(file: &str, error: &TractError) -> BundleError {
    BundleError::Unsuitable(format!("tract cannot run {file}: {error:#}"))
}

impl Network {
    fn load(
        bundle: &Bundle,
        file: &str,
        contract: &Quantisation,
        first_output: &str,
        mean: [f32; 3],
        std: [f32; 3],
    ) -> Result<Self, BundleError> {
        let wrong = |what: &str| BundleError::Unsuitable(format!("the contract of {file} has no valid {what}"));
        let input = &contract.input;
        let shape: [usize; 4] = input.shape.clone().try_into().map_err(|_| wrong("input shape"))?;
        if shape[3] != 3 {
            return Err(wrong("input shape"));
        }
        let quantiser = Quantiser::new(input.scale, input.zero_point).ok_or_else(|| wrong("input scale"))?;
        let levels = InputLevels::new(mean, std, &quantiser).ok_or_else(|| wrong("mean or std"))?;
        let output = |name: &str| {
            let tensor = contract.output(name).ok_or_else(|| wrong(name))?;
            let quantiser = Quantiser::new(tensor.scale, tensor.zero_point).ok_or_else(|| wrong(name))?;
            Ok(Output { quantiser, shape: tensor.shape.clone() })
        };
        let outputs = [output(first_output)?, output("features")?];
        let plan = parse(bundle.file(file)?)
            .and_then(|model| {
                let model = model.with_outputs_by_name([first_output, "features"])?;
                plan_of_planes(model.with_input_fact(0, i8::fact(shape).into())?)
            })
            .map_err(|error| unsuitable(file, &error))?;
        Ok(Self { plan, levels, shape, outputs })
    }

    /// Real values of the two outputs.
    fn run(&self, levels: &[u8]) -> TractResult<[Vec<f32>; 2]> {
        let [batch, rows, columns, channels] = self.shape;
        let input = Tensor::from_shape(&[batch, channels, rows, columns], &self.levels.apply(levels))?;
        let outputs = self.plan.run(tvec!(input.into_tvalue()))?;
        let real = |index: usize| -> TractResult<Vec<f32>> {
            let wanted: usize = self.outputs[index].shape.iter().product();
            // A tensor may carry its scale in its type; the levels are the same.
            let bytes = outputs[index].as_bytes();
            if bytes.len() != wanted {
                tract_onnx::prelude::tract_data::internal::bail!(
                    "output {index} has {} levels, not {wanted}",
                    bytes.len()
                );
            }
            Ok(bytes.iter().map(|&byte| self.outputs[index].quantiser.real(byte.cast_signed())).collect())
        };
        Ok([real(0)?, real(1)?])
    }

    fn maps(&self, values: Vec<f32>) -> TractResult<Array3<f32>> {
        let shape = &self.outputs[1].shape;
        Ok(Array3::from_shape_vec((shape[1], shape[2], shape[3]), values)?)
    }
}

fn fault(what: &'static str) -> impl FnOnce(TractError) -> EngineFault {
    move |error| EngineFault { engine: NAME, what, source: error.into() }
}

fn five(values: &[f32]) -> TractResult<PerClass<f32>> {
    Ok(PerClass::<f32>::try_from(values)?)
}

impl Engine for TractEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Measured on the reference bundle: XNNPACK and an exact float emulation differ by a few levels of the logits.
    fn tolerance(&self) -> f64 {
        0.15
    }

    fn ct(&self, levels: ArrayView3<'_, u8>) -> Result<CtOutput, EngineFault> {
        let run = || {
            let contiguous = levels.as_standard_layout();
            let [logits, features] = self.ct.run(contiguous.as_slice().unwrap_or_default())?;
            Ok(CtOutput { logits: five(&logits)?, features: self.ct.maps(features)? })
        };
        run().map_err(fault("a CT patch"))
    }

    fn he(&self, levels: &[u8]) -> Result<HeOutput, EngineFault> {
        let run = || {
            let [embedding, features] = self.he.run(levels)?;
            Ok(HeOutput { embedding, features: self.he.maps(features)? })
        };
        run().map_err(fault("an H&E tile"))
    }

    fn attention(&self, embeddings: &Array2<f32>) -> Result<(PerClass<f32>, Vec<f32>), EngineFault> {
        let run = || {
            let plan = self.attention_plan(embeddings.nrows())?;
            let values: Vec<f32> = embeddings.iter().copied().collect();
            let input = Tensor::from_shape(&[embeddings.nrows(), embeddings.ncols()], &values)?;
            let outputs = plan.run(tvec!(input.into_tvalue()))?;
            Ok((five(&floats(&outputs[0])?)?, floats(&outputs[1])?))
        };
        run().map_err(fault("the attention head"))
    }

    fn weights(&self, metadata: [f32; 3]) -> Result<[f32; 2], EngineFault> {
        let run = || {
            let input = Tensor::from_shape(&[1, 3], &metadata)?;
            let outputs = self.metadata.run(tvec!(input.into_tvalue()))?;
            Ok(<[f32; 2]>::try_from(floats(&outputs[0])?.as_slice())?)
        };
        run().map_err(fault("the metadata encoder"))
    }
}

fn floats(tensor: &Tensor) -> TractResult<Vec<f32>> {
    Ok(tensor.to_plain_array_view::<f32>()?.iter().copied().collect())
}
