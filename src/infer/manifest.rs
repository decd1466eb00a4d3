//! `manifest.toml` (`hilum.bundle/1`): what a bundle says of itself.

use std::collections::BTreeMap;

use hilum_domain::{Modality, StainMethod};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// A bundle's manifest. Keys beyond these (metrics, training provenance) are kept for reports as they are.
#[derive(Debug, Clone, Deserialize)]
pub struct Manifest {
    /// `hilum.bundle/1`.
    pub schema: String,
    /// The bundle's name.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// Rises with every release: an older one is never installed over a newer one.
    pub serial: u64,
    /// The classes, in the project's order.
    pub classes: Vec<String>,
    /// The CT branch.
    pub ct: CtManifest,
    /// The H&E branch.
    pub he: HeManifest,
    /// The fusion.
    pub fusion: FusionManifest,
    /// The metadata encoder's standardisation.
    pub metadata: MetadataManifest,
    /// Scales and zero points of every network file.
    pub quantisation: BranchManifest<QuantisedFiles>,
    /// Thresholds of the gate.
    pub refusal: RefusalManifest,
    /// Parameters of the explanation methods.
    #[serde(default)]
    pub explain: ExplainManifest,
    /// How it was trained.
    pub training: TrainingManifest,
    /// SHA-256 of every file but the manifest and its signature.
    pub files: BTreeMap<String, String>,
}

/// One of a thing for each branch.
#[derive(Debug, Clone, Deserialize)]
pub struct BranchManifest<T> {
    /// For CT.
    pub ct: T,
    /// For H&E.
    pub he: T,
}

impl<T> BranchManifest<T> {
    /// That of a branch.
    #[must_use]
    pub const fn of(&self, branch: Modality) -> &T {
        match branch {
            Modality::Ct => &self.ct,
            Modality::He => &self.he,
        }
    }
}

/// The CT branch's input and calibration.
#[derive(Debug, Clone, Deserialize)]
pub struct CtManifest {
    /// Pixels along an edge of the patch.
    pub size: usize,
    /// Edge of a pixel, mm.
    pub spacing_mm: f64,
    /// HU shown as level 0 and 255.
    pub window_hu: [f32; 2],
    /// Planes of the three channels, mm towards the head from the lesion.
    pub slice_offsets_mm: [f64; 3],
    /// Mean of the levels divided by 255, a channel.
    pub mean: [f32; 3],
    /// Their standard deviation.
    pub std: [f32; 3],
    /// Divides the logits when CT stands alone.
    pub temperature: f64,
}

/// The H&E branch's input and calibration.
#[derive(Debug, Clone, Deserialize)]
pub struct HeManifest {
    /// Pixels along an edge of a tile.
    pub tile_px: u32,
    /// Edge of a pixel, µm.
    pub um_per_px: f64,
    /// How fields are brought to one stain. Bundles that do not say it were trained on Macenko's.
    #[serde(default = "default_stain", deserialize_with = "stain")]
    pub stain: StainMethod,
    /// So many fields are asked of whoever takes them; fewer are read all the same.
    #[serde(default = "default_fields")]
    pub fields: usize,
    /// Mean of the levels divided by 255, a channel.
    pub mean: [f32; 3],
    /// Their standard deviation.
    pub std: [f32; 3],
    /// Divides the logits when H&E stands alone.
    pub temperature: f64,
}

/// What the reference bundle was trained on at full size.
const fn default_fields() -> usize {
    6
}

const fn default_stain() -> StainMethod {
    StainMethod::Macenko
}

fn stain<'de, D: Deserializer<'de>>(word: D) -> Result<StainMethod, D::Error> {
    String::deserialize(word)?.parse().map_err(D::Error::custom)
}

/// The fusion's calibration.
#[derive(Debug, Clone, Deserialize)]
pub struct FusionManifest {
    /// Divides the fused logits.
    pub temperature: f64,
}

/// Age in years, sex, smoking: mean and standard deviation over the training cohort.
#[derive(Debug, Clone, Deserialize)]
pub struct MetadataManifest {
    /// Means.
    pub mean: [f64; 3],
    /// Standard deviations.
    pub std: [f64; 3],
}

/// Thresholds of the gate.
#[derive(Debug, Clone, Deserialize)]
pub struct RefusalManifest {
    /// The share of a field that must be tissue.
    pub min_tissue_share: f64,
    /// The least sharpness of a field.
    #[serde(default = "default_min_focus")]
    pub min_focus: f64,
    /// Stains further from the reference than this are a limit, degrees.
    #[serde(default = "default_max_stain_distance_deg")]
    pub max_stain_distance_deg: f64,
}

/// Sharp fields, phantom and real, lie above 0.11; a Gaussian blur of 2.5 pixels brings each of them below 0.09.
const fn default_min_focus() -> f64 {
    0.09
}

const fn default_max_stain_distance_deg() -> f64 {
    25.0
}

/// Parameters of the explanation methods.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ExplainManifest {
    /// Seed of every random number.
    pub seed: u64,
    /// Tiles of a case that the methods on pixels explain: those of the most attention.
    pub tiles: usize,
    /// Tiles of a case over which faithfulness is measured: those of the most attention.
    pub faithfulness_tiles: usize,
    /// For CT.
    pub ct: ExplainedBranch,
    /// For H&E.
    pub he: ExplainedBranch,
}

/// Parameters of the explanation methods over one branch's pictures. Levels are those of pictures, 0 to 255.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainedBranch {
    /// Integrated gradients begin at a picture of this level.
    pub baseline_level: u8,
    /// Their steps.
    pub integrated_gradients_steps: usize,
    /// Edge of what occlusion covers, pixels.
    pub occlusion_px: usize,
    /// How far it moves, pixels.
    pub occlusion_stride_px: usize,
    /// What it covers with; deletion removes to this level, too.
    pub occlusion_level: u8,
    /// Noisy pictures of SmoothGrad.
    pub smoothgrad_n: usize,
    /// Standard deviation of its noise, as a share of the picture's range.
    pub smoothgrad_sigma: f32,
}

impl Default for ExplainManifest {
    fn default() -> Self {
        let ct = ExplainedBranch {
            baseline_level: 0,
            // Towards a picture of one level the derivative of a ReLU6 network swings: fewer steps do not add up.
            integrated_gradients_steps: 128,
            occlusion_px: 24,
            occlusion_stride_px: 8,
            occlusion_level: 0,
            smoothgrad_n: 16,
            smoothgrad_sigma: 0.1,
        };
        // Glass is white.
        let he = ExplainedBranch {
            baseline_level: 240,
            integrated_gradients_steps: 32,
            occlusion_px: 56,
            occlusion_stride_px: 28,
            occlusion_level: 240,
            smoothgrad_n: 8,
            smoothgrad_sigma: 0.1,
        };
        Self { seed: 2604, tiles: 4, faithfulness_tiles: 2, ct, he }
    }
}

/// How it was trained, as far as the device must know.
#[derive(Debug, Clone, Deserialize)]
pub struct TrainingManifest {
    /// `phantom` for bundles whose figures mean nothing on patients.
    pub trained_on: String,
}

/// The two files of one network.
#[derive(Debug, Clone, Deserialize)]
pub struct QuantisedFiles {
    /// The master.
    pub tflite: Quantisation,
    /// The same network as QDQ.
    pub onnx: Quantisation,
}

/// Inputs and outputs of one file.
#[derive(Debug, Clone, Deserialize)]
pub struct Quantisation {
    /// Its input.
    pub input: TensorManifest,
    /// Its outputs.
    pub outputs: Vec<TensorManifest>,
}

/// One int8 tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorManifest {
    /// Its name in the graph.
    pub name: String,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Real units a level.
    pub scale: f32,
    /// The level of real zero.
    pub zero_point: i8,
}

impl Quantisation {
    /// The output of that name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&TensorManifest> {
        self.outputs.iter().find(|tensor| tensor.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, want: Result<StainMethod, &str>) {
        let text = format!(
            "tile_px = 224\num_per_px = 0.5\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\ntemperature = 1.0\n{line}\n"
        );
        let found = toml::from_str::<HeManifest>(&text).map(|he| he.stain).map_err(|error| error.message().to_owned());
        assert_eq!(found, want.map_err(str::to_owned));
    }

    #[test]
    fn the_stain_method_is_macenkos_unless_a_bundle_says_another() {
        check("", Ok(StainMethod::Macenko));
        check("stain = \"macenko\"", Ok(StainMethod::Macenko));
        check("stain = \"vahadane\"", Ok(StainMethod::Vahadane));
        check("stain = \"reinhard\"", Ok(StainMethod::Reinhard));
        check(
            "stain = \"Macenko\"",
            Err("unknown stain method \"Macenko\": expected one of macenko, vahadane, reinhard"),
        );
    }
}
