//! The differentiable twin of a bundle's networks: their gradient graphs (crate `hilum-gradient`), run by tract whatever the
//! engine is. int8 rounding has no derivative, so this is the float network with the quantised weights; how far its answer lies
//! from the engine's is said with every explanation.

use std::sync::Arc;

use hilum_domain::Modality;
use hilum_gradient::{GradientError, GradientGraph, Request, differentiate};
use ndarray::{Array2, Array3};
use tract_onnx::prelude::*;

use crate::{
    Bundle, BundleError, EngineFault,
    graph::{Halves, halves, parse, plan},
};

const NAME: &str = "tract (gradient)";

/// What an output of a network is called, and where its file is.
const fn network(modality: Modality) -> (&'static str, &'static str) {
    match modality {
        Modality::Ct => ("ct.onnx", "logits"),
        Modality::He => ("he.onnx", "embedding"),
    }
}

/// A gradient graph whose plans are made for what is asked of it.
struct Graph {
    bytes: Vec<u8>,
    input: String,
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
}

impl Graph {
    fn of(bundle: &Bundle, file: &str, request: &Request) -> Result<Self, BundleError> {
        Self::derived(bundle.file(file)?, request).map_err(|error| {
            let mut why = error.to_string();
            if let Some(source) = std::error::Error::source(&error) {
                why = format!("{why}: {source}");
            }
            BundleError::Unsuitable(format!("{file} cannot be explained: {why}"))
        })
    }

    fn derived(model: &[u8], request: &Request) -> Result<Self, GradientError> {
        let GradientGraph { onnx, input, input_shape, output_shape, .. } = differentiate(model, request)?;
        Ok(Self { bytes: onnx, input, input_shape, output_shape })
    }

    /// A plan that runs no more than the output.
    fn forward(&self) -> Result<Arc<TypedRunnableModel>, BundleError> {
        parse(&self.bytes)
            .and_then(|model| plan(cut(model, &[&self.input], &["logits"])?))
            .map_err(|error| unfit(&error))
    }

    /// A plan for the output and the derivative.
    fn backward(&mut self) -> Result<Arc<TypedRunnableModel>, BundleError> {
        self.whole().and_then(plan).map_err(|error| unfit(&error))
    }

    /// Plans for the output, and for the derivative from there on.
    fn halves(&mut self) -> Result<Halves, BundleError> {
        self.whole().and_then(halves).map_err(|error| unfit(&error))
    }

    /// The graph's own bytes are let go before it is optimised: each of the two holds all weights.
    fn whole(&mut self) -> TractResult<InferenceModel> {
        let model = parse(&std::mem::take(&mut self.bytes))?;
        cut(model, &[&self.input, "cotangent"], &["logits", "grad_input"])
    }
}

fn cut(model: InferenceModel, inputs: &[&str], outputs: &[&str]) -> TractResult<InferenceModel> {
    model.with_outputs_by_name(outputs)?.with_input_names(inputs)
}

fn unfit(error: &TractError) -> BundleError {
    BundleError::Unsuitable(format!("tract cannot run a gradient graph: {error:#}"))
}

/// An array as tract takes it.
fn tensor(shape: &[usize], values: &[f32]) -> TractResult<TValue> {
    Ok(Tensor::from_shape(shape, values)?.into_tvalue())
}

fn floats(tensor: &Tensor) -> TractResult<Vec<f32>> {
    Ok(tensor.to_plain_array_view::<f32>()?.iter().copied().collect())
}

fn fault(what: &'static str) -> impl FnOnce(TractError) -> EngineFault {
    move |error| EngineFault { engine: NAME, what, source: error.into() }
}

/// `[row, column, channel]` as `[1, channel, row, column]`.
fn channels_first(image: &Array3<f32>) -> Vec<f32> {
    image.view().permuted_axes([2, 0, 1]).iter().copied().collect()
}

/// `[1, channel, row, column]` as `[row, column, channel]`.
fn channels_last(shape: &[usize], values: Vec<f32>) -> TractResult<Array3<f32>> {
    let first = Array3::from_shape_vec((shape[1], shape[2], shape[3]), values)?;
    Ok(first.permuted_axes([1, 2, 0]).as_standard_layout().into_owned())
}

/// One network from its picture to its output: logits for CT, an embedding for H&E.
pub struct TwinNetwork {
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
    halves: Halves,
}

/// A network's output for a picture, and what the way back from it needs.
pub struct Forward {
    /// Logits, or an embedding.
    pub output: Vec<f32>,
    kept: TVec<TValue>,
}

impl TwinNetwork {
    /// Derives and optimises the gradient graph of a bundle's network; some tenths of a second.
    ///
    /// # Errors
    /// [`BundleError::Unsuitable`] if it has no derivative, or tract cannot run it.
    pub fn load(bundle: &Bundle, modality: Modality) -> Result<Self, BundleError> {
        let (file, output) = network(modality);
        let request = Request { output: Some(output.to_owned()), last_maps: false, ..Request::default() };
        Self::of(Graph::of(bundle, file, &request)?)
    }

    /// The same of any network of one image, `[1, 3, row, column]`, and its first output.
    ///
    /// # Errors
    /// [`BundleError::Unsuitable`] if it has no derivative, or tract cannot run it.
    pub fn of_model(model: &[u8]) -> Result<Self, BundleError> {
        let request = Request { last_maps: false, ..Request::default() };
        Self::of(Graph::derived(model, &request).map_err(|error| BundleError::Unsuitable(error.to_string()))?)
    }

    fn of(mut graph: Graph) -> Result<Self, BundleError> {
        if graph.input_shape.len() != 4 || graph.input_shape[0] != 1 || graph.input_shape[1] != 3 {
            return Err(BundleError::Unsuitable(format!("a network's input is {:?}", graph.input_shape)));
        }
        let halves = graph.halves()?;
        let Graph { input_shape, output_shape, .. } = graph;
        Ok(Self { input_shape, output_shape, halves })
    }

    /// The output for a normalised picture, `[row, column, channel]`. It holds a byte a value of the network's
    /// maps, 3 MB for a CT patch and 6 MB for an H&E tile.
    ///
    /// # Errors
    /// [`EngineFault`] if tract fails, or the picture has another size.
    pub fn forward(&self, image: &Array3<f32>) -> Result<Forward, EngineFault> {
        let run = || {
            let image = tensor(&self.input_shape, &channels_first(image))?;
            let mut kept = self.halves.forward.run(tvec!(image))?;
            Ok(Forward { output: floats(&kept.remove(0))?, kept })
        };
        run().map_err(fault("the twin's output"))
    }

    /// ∂(Σ cotangent · output)/∂image where the output was found, `[row, column, channel]`.
    ///
    /// # Errors
    /// [`EngineFault`] if tract fails, or the cotangent has another size.
    pub fn backward(&self, forward: Forward, cotangent: &[f32]) -> Result<Array3<f32>, EngineFault> {
        let run = || {
            let mut inputs = tvec!(tensor(&self.output_shape, cotangent)?);
            inputs.extend(forward.kept);
            channels_last(&self.input_shape, floats(&self.halves.backward.run(inputs)?[0])?)
        };
        run().map_err(fault("the twin's derivative"))
    }
}

/// The rest of a network from its last feature maps on. It runs on the engine's own maps and costs next to nothing.
pub struct Tail {
    graph: Graph,
    backward: Arc<TypedRunnableModel>,
}

impl Tail {
    /// Derives the gradient graph of what follows a network's output `features`.
    ///
    /// # Errors
    /// [`BundleError::Unsuitable`] if the maps do not lead to the output, or tract cannot run it.
    pub fn load(bundle: &Bundle, modality: Modality) -> Result<Self, BundleError> {
        let (file, output) = network(modality);
        let request = Request {
            output: Some(output.to_owned()),
            last_maps: false,
            from: Some("features".to_owned()),
            ..Request::default()
        };
        let mut graph = Graph::of(bundle, file, &request)?;
        let backward = graph.backward()?;
        if graph.input_shape.len() != 4 {
            return Err(BundleError::Unsuitable(format!("the maps of {file} are {:?}", graph.input_shape)));
        }
        Ok(Self { graph, backward })
    }

    /// ∂(Σ cotangent · output)/∂maps at these maps, both `[row, column, channel]`.
    ///
    /// # Errors
    /// [`EngineFault`] if tract fails, or maps or cotangent have another size.
    pub fn derivative(&self, features: &Array3<f32>, cotangent: &[f32]) -> Result<Array3<f32>, EngineFault> {
        let run = || {
            let features = tensor(&self.graph.input_shape, &channels_first(features))?;
            let outputs = self.backward.run(tvec!(features, tensor(&self.graph.output_shape, cotangent)?))?;
            channels_last(&self.graph.input_shape, floats(&outputs[1])?)
        };
        run().map_err(fault("the derivative of the maps"))
    }
}

/// The attention head over a bag of a known number of tiles.
pub struct TwinHead {
    graph: Graph,
    forward: Arc<TypedRunnableModel>,
    backward: Arc<TypedRunnableModel>,
}

impl TwinHead {
    /// Derives the gradient graph of a bundle's `mil.onnx` for `tiles` tiles of `channels` channels.
    ///
    /// # Errors
    /// [`BundleError::Unsuitable`] if it has no derivative, or tract cannot run it.
    pub fn load(bundle: &Bundle, tiles: usize, channels: usize) -> Result<Self, BundleError> {
        let request = Request {
            output: Some("logits".to_owned()),
            last_maps: false,
            input_shape: Some(vec![tiles, channels]),
            ..Request::default()
        };
        let mut graph = Graph::of(bundle, "mil.onnx", &request)?;
        Ok(Self { forward: graph.forward()?, backward: graph.backward()?, graph })
    }

    /// The logits of a bag, `[tile, channel]`.
    ///
    /// # Errors
    /// [`EngineFault`] if tract fails, or the bag has another size.
    pub fn logits(&self, embeddings: &Array2<f32>) -> Result<Vec<f32>, EngineFault> {
        let run = || floats(&self.forward.run(tvec!(self.bag(embeddings)?))?[0]);
        run().map_err(fault("the attention head"))
    }

    /// The logits, and ∂(Σ cotangent · logits)/∂embeddings, `[tile, channel]`.
    ///
    /// # Errors
    /// [`EngineFault`] if tract fails, or bag or cotangent have another size.
    pub fn derivative(
        &self,
        embeddings: &Array2<f32>,
        cotangent: &[f32],
    ) -> Result<(Vec<f32>, Array2<f32>), EngineFault> {
        let run = || {
            let outputs =
                self.backward.run(tvec!(self.bag(embeddings)?, tensor(&self.graph.output_shape, cotangent)?))?;
            Ok((floats(&outputs[0])?, Array2::from_shape_vec(embeddings.dim(), floats(&outputs[1])?)?))
        };
        run().map_err(fault("the derivative of the attention head"))
    }

    fn bag(&self, embeddings: &Array2<f32>) -> TractResult<TValue> {
        tensor(&self.graph.input_shape, &embeddings.iter().copied().collect::<Vec<_>>())
    }
}
