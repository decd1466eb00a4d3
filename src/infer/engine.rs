//! What every engine does, and how one proves that it does it right.

use hilum_domain::{PerClass, softmax, top};
use ndarray::{Array2, Array3, ArrayView3};

use crate::{Bundle, BundleError, Quantiser, TensorManifest};

/// What the CT network says of a patch.
#[derive(Debug, Clone, PartialEq)]
pub struct CtOutput {
    /// Raw logits, in class order.
    pub logits: PerClass<f32>,
    /// The last convolution's maps, `[row, column, channel]`.
    pub features: Array3<f32>,
}

/// What the H&E network says of a tile.
#[derive(Debug, Clone, PartialEq)]
pub struct HeOutput {
    /// The mean of the maps, a channel.
    pub embedding: Vec<f32>,
    /// The last convolution's maps, `[row, column, channel]`.
    pub features: Array3<f32>,
}

/// The bag of a case: one row a tile, `[tile, channel]`, as the attention head reads it.
#[must_use]
pub fn bag(tiles: &[HeOutput]) -> Array2<f32> {
    let channels = tiles.first().map_or(0, |tile| tile.embedding.len());
    let mut embeddings = Array2::zeros((tiles.len(), channels));
    for (mut row, tile) in embeddings.rows_mut().into_iter().zip(tiles) {
        row.iter_mut().zip(&tile.embedding).for_each(|(to, &from)| *to = from);
    }
    embeddings
}

/// The engine failed: the device is not well.
#[derive(Debug, thiserror::Error)]
#[error("the {engine} engine failed on {what}")]
pub struct EngineFault {
    /// Which engine.
    pub engine: &'static str,
    /// Doing what.
    pub what: &'static str,
    /// Its reason.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Runs the networks of one bundle.
pub trait Engine: Send + Sync {
    /// The name on the command line and in reports.
    fn name(&self) -> &'static str;

    /// How far a probability may lie from the bundle's golden one.
    fn tolerance(&self) -> f64;

    /// The CT network on the levels of a patch, `[row, column, plane]`.
    ///
    /// # Errors
    /// [`EngineFault`] if the engine fails; never for what a picture shows.
    fn ct(&self, levels: ArrayView3<'_, u8>) -> Result<CtOutput, EngineFault>;

    /// The H&E network on the levels of a stain-normalised tile, interleaved RGB.
    ///
    /// # Errors
    /// [`EngineFault`] if the engine fails.
    fn he(&self, levels: &[u8]) -> Result<HeOutput, EngineFault>;

    /// The attention head over the embeddings of a case, `[tile, channel]`: logits and each tile's attention.
    ///
    /// # Errors
    /// [`EngineFault`] if the engine fails.
    fn attention(&self, embeddings: &Array2<f32>) -> Result<(PerClass<f32>, Vec<f32>), EngineFault>;

    /// The metadata encoder on standardised age, sex, smoking: the weights of CT and H&E.
    ///
    /// # Errors
    /// [`EngineFault`] if the engine fails.
    fn weights(&self, metadata: [f32; 3]) -> Result<[f32; 2], EngineFault>;
}

/// How an engine did on the golden inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Pictures compared.
    pub compared: usize,
    /// The largest difference of a probability (CT) or of a cosine from 1 (H&E).
    pub largest: f64,
}

/// Margins below this may turn with one level of rounding.
const MARGIN: f64 = 0.1;

/// Runs an engine on at most `most` golden pictures of each branch and compares: the same class wherever the golden
/// margin is above 0.1, probabilities within the engine's tolerance, embeddings of the same direction.
///
/// # Errors
/// [`BundleError::Unsuitable`] says what differs: such an engine must not be used with this bundle.
pub fn accept(engine: &dyn Engine, bundle: &Bundle, most: usize) -> Result<Agreement, BundleError> {
    let manifest = bundle.manifest();
    let broken = |what: &str| BundleError::Unsuitable(format!("golden/{what} is not as expected"));
    let levels_of = |tensor: &TensorManifest| Quantiser::new(tensor.scale, tensor.zero_point);
    let logits_of =
        manifest.quantisation.ct.tflite.output("logits").and_then(levels_of).ok_or_else(|| broken("logits"))?;
    let embedding_of = manifest.quantisation.he.tflite.output("embedding").ok_or_else(|| broken("embedding"))?;
    let embedding_levels = levels_of(embedding_of).ok_or_else(|| broken("embedding"))?;
    let images = golden(bundle, "ct_image.npy")?;
    let logits = golden(bundle, "ct_logits.npy")?;
    let edge = manifest.ct.size;
    let mut agreement = Agreement { compared: 0, largest: 0.0 };
    for (image, want) in images.chunks_exact(edge * edge * 3).zip(logits.chunks_exact(5)).take(most) {
        let levels: Vec<u8> = image.iter().map(|&level| unquantised(level)).collect();
        let view = ArrayView3::from_shape((edge, edge, 3), &levels).map_err(|_| broken("ct_image.npy"))?;
        let got = engine.ct(view).map_err(|fault| BundleError::Unsuitable(chain(&fault)))?;
        let want = PerClass::<i8>::try_from(want).map_err(|_| broken("ct_logits.npy"))?;
        let want = softmax(&want.map(|level| f64::from(logits_of.real(level))));
        let got = softmax(&got.logits.map(f64::from));
        let largest = want.iter().zip(&got).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        agreement.largest = agreement.largest.max(largest);
        agreement.compared += 1;
        if (margin(&want) > MARGIN && top(&got) != top(&want)) || largest > engine.tolerance() {
            return Err(BundleError::Unsuitable(format!(
                "the {} engine differs from its golden CT outputs by {largest:.3}",
                engine.name()
            )));
        }
    }
    let tiles = golden(bundle, "he_image.npy")?;
    let embeddings = golden(bundle, "he_embedding.npy")?;
    let tile = manifest.he.tile_px as usize;
    let channels = embedding_of.shape.last().copied().unwrap_or(1).max(1);
    for (image, want) in tiles.chunks_exact(tile * tile * 3).zip(embeddings.chunks_exact(channels)).take(most) {
        let levels: Vec<u8> = image.iter().map(|&level| unquantised(level)).collect();
        let got = engine.he(&levels).map_err(|fault| BundleError::Unsuitable(chain(&fault)))?;
        let want = want.iter().map(|&level| f64::from(embedding_levels.real(level)));
        let (mut product, mut a2, mut b2) = (0.0, 0.0, 0.0);
        for (a, b) in want.zip(&got.embedding) {
            let b = f64::from(*b);
            product += a * b;
            a2 += a * a;
            b2 += b * b;
        }
        let away = 1.0 - product / (a2 * b2).sqrt().max(f64::MIN_POSITIVE);
        agreement.largest = agreement.largest.max(away);
        agreement.compared += 1;
        if away > engine.tolerance() {
            return Err(BundleError::Unsuitable(format!(
                "the {} engine's H&E embedding is {away:.3} from its golden one",
                engine.name()
            )));
        }
    }
    if agreement.compared == 0 {
        return Err(broken("index.json"));
    }
    Ok(agreement)
}

/// The picture level of an input level: the contract is level − 128.
fn unquantised(level: i8) -> u8 {
    level.cast_unsigned() ^ 0x80
}

fn golden(bundle: &Bundle, name: &str) -> Result<Vec<i8>, BundleError> {
    use ndarray::ArrayD;
    use ndarray_npy::ReadNpyExt as _;
    let bytes = bundle.file(&format!("golden/{name}"))?;
    let array =
        ArrayD::<i8>::read_npy(bytes).map_err(|error| BundleError::Unsuitable(format!("golden/{name}: {error}")))?;
    Ok(array.iter().copied().collect())
}

/// How far the most probable class is ahead of the next.
fn margin(probabilities: &PerClass<f64>) -> f64 {
    let mut sorted = *probabilities;
    sorted.sort_by(f64::total_cmp);
    sorted[4] - sorted[3]
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
