//! The two float heads of a bundle, which every engine has run by tract: they are small, and their files are ONNX.

use std::sync::Arc;

use hilum_domain::PerClass;
use ndarray::Array2;
use tract_onnx::prelude::*;

use crate::{
    Bundle, BundleError,
    graph::{parse, plan},
};

/// `mil.onnx` and `metadata.onnx`.
pub(crate) struct Heads {
    mil: Vec<u8>,
    /// Of an embedding.
    channels: usize,
    metadata: Arc<TypedRunnableModel>,
}

impl Heads {
    pub(crate) fn load(bundle: &Bundle) -> Result<Self, BundleError> {
        let embedding = bundle.manifest().quantisation.he.onnx.output("embedding");
        let channels = embedding.and_then(|tensor| tensor.shape.last().copied()).unwrap_or(0);
        let metadata = parse(bundle.file("metadata.onnx")?)
            .and_then(|model| plan(model.with_input_fact(0, f32::fact([1, 3]).into())?))
            .map_err(|error| unsuitable("metadata.onnx", &error))?;
        let heads = Self { mil: bundle.file("mil.onnx")?.to_vec(), channels, metadata };
        // The graph of the head is built for every case; a bundle whose head cannot be built is rejected now.
        heads.attention_plan(1).map_err(|error| unsuitable("mil.onnx", &error))?;
        Ok(heads)
    }

    /// The attention head for a known number of tiles: tract is several times slower on a symbolic one.
    fn attention_plan(&self, tiles: usize) -> TractResult<Arc<TypedRunnableModel>> {
        plan(parse(&self.mil)?.with_input_fact(0, f32::fact([tiles, self.channels]).into())?)
    }

    /// Logits, and each tile's attention, of embeddings, `[tile, channel]`.
    pub(crate) fn attention(&self, embeddings: &Array2<f32>) -> TractResult<(PerClass<f32>, Vec<f32>)> {
        let plan = self.attention_plan(embeddings.nrows())?;
        let values: Vec<f32> = embeddings.iter().copied().collect();
        let input = Tensor::from_shape(&[embeddings.nrows(), embeddings.ncols()], &values)?;
        let outputs = plan.run(tvec!(input.into_tvalue()))?;
        Ok((PerClass::<f32>::try_from(floats(&outputs[0])?.as_slice())?, floats(&outputs[1])?))
    }

    /// The weights of CT and H&E, of standardised age, sex and smoking.
    pub(crate) fn weights(&self, metadata: [f32; 3]) -> TractResult<[f32; 2]> {
        let input = Tensor::from_shape(&[1, 3], &metadata)?;
        let outputs = self.metadata.run(tvec!(input.into_tvalue()))?;
        Ok(<[f32; 2]>::try_from(floats(&outputs[0])?.as_slice())?)
    }
}

/// A file that tract cannot run.
pub(crate) fn unsuitable(file: &str, error: &TractError) -> BundleError {
    BundleError::Unsuitable(format!("tract cannot run {file}: {error:#}"))
}

fn floats(tensor: &Tensor) -> TractResult<Vec<f32>> {
    Ok(tensor.to_plain_array_view::<f32>()?.iter().copied().collect())
}
