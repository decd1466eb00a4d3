//! What every engine does, and how one proves that it does it right.

use hilum_domain::{Modality, PerClass, softmax, top};
use ndarray::{Array2, Array3, ArrayView3};
use serde::{Deserialize, Serialize};

use crate::{Bundle, BundleError, Quantiser, contract::first_output};

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

/// The engines of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Built in, pure Rust.
    Tract,
    /// TensorFlow Lite's C library with XNNPACK, in this process.
    Tflite,
    /// TensorFlow Lite's C library with a vendor's delegate, in a process of its own.
    TfliteDelegate,
    /// LiteRT's GPU accelerator, in a process of its own.
    LitertGpu,
    /// TensorFlow Lite's C library, linked in when the program was built (feature `tflitec`).
    Tflitec,
}

impl EngineKind {
    /// Every engine.
    pub const ALL: [Self; 5] = [Self::Tract, Self::Tflite, Self::TfliteDelegate, Self::LitertGpu, Self::Tflitec];

    /// The name on the command line, in board files and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tract => "tract",
            Self::Tflite => "tflite",
            Self::TfliteDelegate => "tflite-delegate",
            Self::LitertGpu => "litert-gpu",
            Self::Tflitec => "tflitec",
        }
    }

    /// How far its outputs may lie from the golden ones. What each engine needs was measured on a whole test split
    /// (`tests/engines/README.md`); what is allowed is more.
    #[must_use]
    pub const fn tolerance(self) -> Tolerance {
        match self {
            // Float with rounding.
            Self::Tract => Tolerance { probability: 0.15, cosine: 0.03, levels: 2.5 },
            // The library's own kernels, without XNNPACK, round sums twice.
            Self::Tflitec => Tolerance { probability: 0.15, cosine: 0.03, levels: 4.0 },
            // The golden outputs are XNNPACK's; its kernels differ between processors.
            Self::Tflite => Tolerance { probability: 0.05, cosine: 0.01, levels: 1.0 },
            // A GPU computes in half precision.
            Self::TfliteDelegate | Self::LitertGpu => Tolerance { probability: 0.15, cosine: 0.03, levels: 5.0 },
        }
    }
}

/// How far outputs lie, or may lie, from the golden ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// The largest difference of a probability of the CT branch (temperature 1).
    pub probability: f64,
    /// The largest difference from 1 of the cosine of an H&E embedding.
    pub cosine: f64,
    /// The largest mean, over an embedding or over features, of the difference in levels.
    pub levels: f64,
}

/// A library that an engine has loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Library {
    /// The name of its file, without the folder.
    pub file: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// Runs the networks of one bundle.
pub trait Engine: Send + Sync {
    /// The name on the command line and in reports.
    fn name(&self) -> &'static str;

    /// How far its outputs may lie from the bundle's golden ones.
    fn tolerance(&self) -> Tolerance;

    /// The libraries that it has loaded; none if it has none.
    fn libraries(&self) -> &[Library] {
        &[]
    }

    /// Whether nothing can stand in for it.
    fn is_built_in(&self) -> bool {
        true
    }

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

impl std::fmt::Debug for dyn Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How an engine did on the golden inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Pictures compared.
    pub compared: usize,
    /// The largest differences.
    pub found: Tolerance,
}

/// Margins below this may turn with one level of rounding.
const MARGIN: f64 = 0.1;

/// Runs an engine on at most `most` golden pictures of each branch and compares: the same class wherever the golden
/// margin is above 0.1, and everything within the engine's tolerance.
///
/// # Errors
/// [`BundleError::Unsuitable`] says what differs: such an engine must not be used with this bundle.
pub fn accept(engine: &dyn Engine, bundle: &Bundle, most: usize) -> Result<Agreement, BundleError> {
    let mut found = Tolerance { probability: 0.0, cosine: 0.0, levels: 0.0 };
    let allowed = engine.tolerance();
    let failed = |fault: EngineFault| BundleError::Unsuitable(chain(&fault));
    let differs = |output: &str, by: String| {
        BundleError::Unsuitable(format!("the {} engine differs from its golden {output} by {by}", engine.name()))
    };
    let edge = bundle.manifest().ct.size;
    let ct = Golden::of(bundle, Modality::Ct)?;
    for picture in ct.pictures(most) {
        let view = ArrayView3::from_shape((edge, edge, 3), &picture.levels);
        let got = engine.ct(view.map_err(|_| broken("ct_image.npy"))?).map_err(failed)?;
        let want = PerClass::<f32>::try_from(picture.first.as_slice()).map_err(|_| broken("ct_logits.npy"))?;
        let (want, probabilities) = (softmax(&want.map(f64::from)), softmax(&got.logits.map(f64::from)));
        let away = want.iter().zip(&probabilities).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let levels = picture.levels_away(None, &got.features);
        found.probability = found.probability.max(away);
        found.levels = found.levels.max(levels);
        if (margin(&want) > MARGIN && top(&probabilities) != top(&want)) || !within(away, allowed.probability) {
            return Err(differs("CT logits", format!("{away:.3} of a probability")));
        }
        if !within(levels, allowed.levels) {
            return Err(differs("CT features", format!("{levels:.1} levels on average")));
        }
    }
    let he = Golden::of(bundle, Modality::He)?;
    for picture in he.pictures(most) {
        let got = engine.he(&picture.levels).map_err(failed)?;
        let (mut product, mut a2, mut b2) = (0.0, 0.0, 0.0);
        for (a, b) in picture.first.iter().zip(&got.embedding) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            product += a * b;
            a2 += a * a;
            b2 += b * b;
        }
        let away = 1.0 - product / (a2 * b2).sqrt().max(f64::MIN_POSITIVE);
        let levels = picture.levels_away(Some(&got.embedding), &got.features);
        found.cosine = found.cosine.max(away);
        found.levels = found.levels.max(levels);
        if !within(away, allowed.cosine) {
            return Err(differs("H&E embedding", format!("{away:.3} of a cosine")));
        }
        if !within(levels, allowed.levels) {
            return Err(differs("H&E outputs", format!("{levels:.1} levels on average")));
        }
    }
    let compared = ct.pictures(most).count() + he.pictures(most).count();
    if compared == 0 {
        return Err(broken("index.json"));
    }
    Ok(Agreement { compared, found })
}

/// What is no number is within nothing.
fn within(found: f64, allowed: f64) -> bool {
    found <= allowed
}

fn broken(what: &str) -> BundleError {
    BundleError::Unsuitable(format!("golden/{what} is not as expected"))
}

/// The golden pictures of a branch, and its network's outputs on them.
struct Golden {
    images: Vec<i8>,
    first: Vec<i8>,
    features: Vec<i8>,
    /// Levels of one picture, its first output and its features.
    sizes: [usize; 3],
    of_first: Quantiser,
    of_features: Quantiser,
}

/// One golden picture.
struct GoldenPicture {
    levels: Vec<u8>,
    /// Real values of the first output, and of the features where the bundle has them.
    first: Vec<f32>,
    features: Option<Vec<f32>>,
    units_per_level: [f64; 2],
}

impl Golden {
    fn of(bundle: &Bundle, branch: Modality) -> Result<Self, BundleError> {
        let (stem, output) = (branch.name(), first_output(branch));
        let quantisation = &bundle.manifest().quantisation.of(branch).tflite;
        let tensor = |name: &str| {
            let tensor = quantisation.output(name).ok_or_else(|| broken(name))?;
            let quantiser = Quantiser::new(tensor.scale, tensor.zero_point).ok_or_else(|| broken(name))?;
            Ok((quantiser, tensor.shape.iter().product::<usize>().max(1)))
        };
        let (of_first, first) = tensor(output)?;
        let (of_features, features) = tensor("features")?;
        let file = |what: &str| golden(bundle, &format!("{stem}_{what}.npy"));
        Ok(Self {
            images: file("image")?,
            first: file(output)?,
            features: file("features")?,
            sizes: [quantisation.input.shape.iter().product::<usize>().max(1), first, features],
            of_first,
            of_features,
        })
    }

    fn pictures(&self, most: usize) -> impl Iterator<Item = GoldenPicture> {
        let [picture, first, features] = self.sizes;
        let mut known = self.features.chunks_exact(features);
        let real = |quantiser: &Quantiser, levels: &[i8]| levels.iter().map(|&level| quantiser.real(level)).collect();
        self.images.chunks_exact(picture).zip(self.first.chunks_exact(first)).take(most).map(move |(image, first)| {
            GoldenPicture {
                levels: image.iter().map(|&level| unquantised(level)).collect(),
                first: real(&self.of_first, first),
                features: known.next().map(|levels| real(&self.of_features, levels)),
                units_per_level: [&self.of_first, &self.of_features].map(Quantiser::units_per_level),
            }
        })
    }
}

impl GoldenPicture {
    /// The larger mean difference in levels, of the embedding and of the features. Five logits have no mean worth the name, and what
    /// is added to all of them changes no probability, here or fused.
    fn levels_away(&self, embedding: Option<&[f32]>, features: &Array3<f32>) -> f64 {
        let mean = |want: &[f32], got: &mut dyn Iterator<Item = &f32>, units: f64| {
            let sum: f64 = want.iter().zip(got).map(|(want, got)| f64::from((want - got).abs())).sum();
            #[expect(clippy::cast_precision_loss, reason = "values of a tensor")]
            let count = want.len().max(1) as f64;
            sum / count / units
        };
        let [of_first, of_features] = self.units_per_level;
        let first = embedding.map_or(0.0, |got| mean(&self.first, &mut got.iter(), of_first));
        let features = self.features.as_ref().map(|want| mean(want, &mut features.iter(), of_features));
        // A difference that is no number is no agreement.
        [first, features.unwrap_or(0.0)]
            .into_iter()
            .fold(0.0, |most, next| if next.is_nan() || next > most { next } else { most })
    }
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

/// What failed, and why, and why that.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
