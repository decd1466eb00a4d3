//! `hilum explain`

use std::path::PathBuf;

use hilum_assess::{ExplainMethod, Ready, cam_ct, cam_he, scores};
use hilum_domain::{Class, Modality};
use hilum_infer::{HeOutput, bag};
use hilum_report::resized_map;
use ndarray::{Array3, Array4, ArrayD, Axis, Ix3, Ix4};
use ndarray_npy::WriteNpyExt as _;
use serde::Serialize;

use crate::{
    Failure,
    files::{writable, write_whole},
    locate::{EngineName, load},
    terminal::print_json,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bundle to use.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// ct or he.
    #[arg(long)]
    modality: Modality,
    /// float32 [S,S,3] (CT) or [N,S,S,3] (H&E), already normalised for the network.
    #[arg(long, value_name = "FILE.npy")]
    input: PathBuf,
    /// The class to explain.
    #[arg(long, value_name = "NAME")]
    class: Class,
    /// gradcam or gradcam++.
    #[arg(long, value_name = "NAME")]
    method: ExplainMethod,
    /// float32 [S,S] (CT) or [N,S,S] (H&E), unscaled.
    #[arg(long, value_name = "FILE.npy")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Faithfulness is not measured by this version: the figures are null and the verdict says so.
#[derive(Serialize)]
struct Answer {
    method: &'static str,
    class: &'static str,
    probability: f64,
    insertion_auc: Option<f64>,
    deletion_auc: Option<f64>,
    twin_gap: Option<f64>,
    verdict: &'static str,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    writable(&arguments.out)?;
    let loaded = load(arguments.bundle.as_deref(), EngineName::Tract)?;
    let unreadable = |what: String| Failure::Unreadable(anyhow::anyhow!("cannot read the input array: {what}"));
    let input: ArrayD<f32> = ndarray_npy::read_npy(&arguments.input).map_err(|error| unreadable(error.to_string()))?;
    if input.iter().any(|value| !value.is_finite()) {
        return Err(unreadable("it has values that are no numbers".to_owned()));
    }
    let class = arguments.class.index();
    let manifest = loaded.bundle.manifest();
    let (map, probability): (ArrayD<f32>, f64) = match arguments.modality {
        Modality::Ct => {
            let edge = manifest.ct.size;
            let image: Array3<f32> =
                input.into_dimensionality::<Ix3>().map_err(|error| unreadable(error.to_string()))?;
            if image.dim() != (edge, edge, 3) {
                return Err(unreadable(format!("its shape is not [{edge}, {edge}, 3]")));
            }
            let levels = Array3::from_shape_fn(image.dim(), |(row, column, channel)| {
                level(image[[row, column, channel]], manifest.ct.mean[channel], manifest.ct.std[channel])
            });
            let output = loaded.engine.ct(levels.view()).map_err(Failure::internal)?;
            let map = cam_ct(&output.features, &loaded.model.ct_head, class, arguments.method);
            let scores = scores(output.logits.map(f64::from), manifest.ct.temperature);
            (resized_map(&map, edge, edge).into_dyn(), scores.probabilities[class])
        }
        Modality::He => {
            let edge = manifest.he.tile_px as usize;
            let images: Array4<f32> =
                input.into_dimensionality::<Ix4>().map_err(|error| unreadable(error.to_string()))?;
            if images.is_empty() || images.shape()[1..] != [edge, edge, 3] {
                return Err(unreadable(format!("its shape is not [N, {edge}, {edge}, 3]")));
            }
            he(&images, &loaded, arguments, edge)?
        }
    };
    let blank = !map.iter().any(|&value| value > 0.0);
    let mut bytes = Vec::new();
    map.write_npy(&mut bytes).map_err(Failure::internal)?;
    write_whole(&arguments.out, &bytes)?;
    let answer = Answer {
        method: arguments.method.name(),
        class: arguments.class.name(),
        probability,
        insertion_auc: None,
        deletion_auc: None,
        twin_gap: None,
        verdict: if blank { "blank" } else { "not_checked" },
    };
    if arguments.json { print_json(&answer) } else { Ok(()) }
}

fn he(images: &Array4<f32>, loaded: &Ready, arguments: &Arguments, edge: usize) -> Result<(ArrayD<f32>, f64), Failure> {
    let contract = &loaded.bundle.manifest().he;
    let outputs: Vec<HeOutput> = images
        .axis_iter(Axis(0))
        .map(|image| {
            let levels: Vec<u8> = image
                .indexed_iter()
                .map(|((_, _, channel), &value)| level(value, contract.mean[channel], contract.std[channel]))
                .collect();
            loaded.engine.he(&levels).map_err(Failure::internal)
        })
        .collect::<Result<_, _>>()?;
    let embeddings = bag(&outputs);
    let (logits, attention) = loaded.engine.attention(&embeddings).map_err(Failure::internal)?;
    let features: Vec<&Array3<f32>> = outputs.iter().map(|output| &output.features).collect();
    let class = arguments.class.index();
    let maps = cam_he(&features, &embeddings, &attention, &loaded.model.attention, class, arguments.method);
    let mut all = Array3::zeros((maps.len(), edge, edge));
    for (mut to, map) in all.outer_iter_mut().zip(&maps) {
        to.assign(&resized_map(map, edge, edge));
    }
    let scores = scores(logits.map(f64::from), contract.temperature);
    Ok((all.into_dyn(), scores.probabilities[class]))
}

/// The picture level whose normalised value is nearest: what the network's int8 input can tell apart.
fn level(value: f32, mean: f32, std: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded; the cast saturates")]
    let level = ((value * std + mean) * 255.0).round() as u8;
    level
}
