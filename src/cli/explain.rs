//! `hilum explain`

use std::{path::PathBuf, time::Instant};

use hilum_assess::{
    AssessFault, ExplainMethod, Explainer, GivenTiles, Heat, Judged, Question, Ready, Seen, picture_levels,
    score_tiles, scores,
};
use hilum_domain::{Class, Modality, PerClass};
use hilum_imaging::resized_map;
use hilum_infer::bag;
use ndarray::{Array2, Array3, Array4, ArrayD, Axis, Ix4};
use ndarray_npy::WriteNpyExt as _;
use serde::Serialize;

use crate::{
    Failure,
    files::{writable, write_whole},
    locate::{EngineName, load},
    terminal::{Working, print_json},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bundle to use.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// ct or he.
    #[arg(long)]
    modality: Modality,
    /// float32 [S,S,3] (CT; [N,S,S,3] are N patches, each by itself) or [N,S,S,3] (H&E: the tiles of one case), already normalised
    /// for the network.
    #[arg(long, value_name = "FILE.npy")]
    input: PathBuf,
    /// The class to explain.
    #[arg(long, value_name = "NAME")]
    class: Class,
    /// gradcam, gradcam++, integrated-gradients, occlusion, saliency or smoothgrad.
    #[arg(long, value_name = "NAME")]
    method: ExplainMethod,
    /// float32 [S,S] for each, unscaled, in logits of the class.
    #[arg(long, value_name = "FILE.npy")]
    out: PathBuf,
    /// Leave out how faithful the map is: the verdict is not_checked.
    #[arg(long)]
    unchecked: bool,
    /// Score and explain so often; the times are medians.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    method: &'static str,
    class: &'static str,
    probability: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    completeness_gap: Option<f64>,
    insertion_auc: Option<f64>,
    deletion_auc: Option<f64>,
    random_auc: Option<f64>,
    twin_gap: Option<f64>,
    verdict: &'static str,
    timing_ms: Timing,
}

/// Medians.
#[derive(Clone, Copy, Serialize)]
struct Timing {
    /// The engine over all pictures.
    score: f64,
    /// The method, with what it loads the first time if it is run once.
    map: f64,
    /// The proof, once.
    faithfulness: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    writable(&arguments.out)?;
    let loaded = load(arguments.bundle.as_deref(), EngineName::Auto)?;
    let unreadable = |what: String| Failure::Unreadable(anyhow::anyhow!("cannot read the input array: {what}"));
    let input: ArrayD<f32> = ndarray_npy::read_npy(&arguments.input).map_err(|error| unreadable(error.to_string()))?;
    if input.iter().any(|value| !value.is_finite()) {
        return Err(unreadable("it has values that are no numbers".to_owned()));
    }
    let engine = loaded.engine();
    let manifest = loaded.bundle.manifest();
    let (edge, mean, std) = match arguments.modality {
        Modality::Ct => (manifest.ct.size, manifest.ct.mean, manifest.ct.std),
        Modality::He => (manifest.he.tile_px as usize, manifest.he.mean, manifest.he.std),
    };
    let single = arguments.modality == Modality::Ct && input.ndim() == 3;
    let images = if single { input.insert_axis(Axis(0)) } else { input };
    let images: Array4<f32> = images.into_dimensionality::<Ix4>().map_err(|error| unreadable(error.to_string()))?;
    if images.is_empty() || images.shape()[1..] != [edge, edge, 3] {
        let wanted = if arguments.modality == Modality::Ct { "" } else { "N, " };
        return Err(unreadable(format!("its shape is not [{wanted}{edge}, {edge}, 3]")));
    }
    let pictures: Vec<Array3<f32>> = images.axis_iter(Axis(0)).map(|image| image.to_owned()).collect();
    let (maps, answers): (Vec<Array2<f32>>, Vec<Answer>) = match arguments.modality {
        Modality::Ct => {
            let mut found = (Vec::new(), Vec::new());
            for picture in &pictures {
                let levels = picture_levels(picture, mean, std);
                let (output, score) =
                    timed(arguments.repeat, || engine.ct(levels.view())).map_err(Failure::internal)?;
                let scores = scores(output.logits.map(f64::from), manifest.ct.temperature);
                let seen = Seen::Ct(picture, &output.features);
                let Explained { heat, answer } = explain(arguments, &loaded, seen, (1, score), scores.probabilities)?;
                found.0.extend(heat.maps);
                found.1.push(answer);
            }
            found
        }
        Modality::He => {
            let count = pictures.len();
            let levels: Vec<Array3<u8>> = pictures.iter().map(|picture| picture_levels(picture, mean, std)).collect();
            let tiles: Vec<&[u8]> = levels.iter().map(|levels| levels.as_slice().unwrap_or_default()).collect();
            let (outputs, score) =
                timed(arguments.repeat, || score_tiles(&*engine, &tiles)).map_err(Failure::internal)?;
            let (logits, attention) = engine.attention(&bag(&outputs)).map_err(Failure::internal)?;
            let scores = scores(logits.map(f64::from), manifest.he.temperature);
            let tiles = GivenTiles::new(pictures, outputs, attention);
            let Explained { heat, answer } =
                explain(arguments, &loaded, Seen::He(&tiles), (count, score), scores.probabilities)?;
            (heat.maps, vec![answer])
        }
    };
    let mut bytes = Vec::new();
    let mut all = Array3::zeros((maps.len(), edge, edge));
    for (mut to, map) in all.outer_iter_mut().zip(&maps) {
        to.assign(&resized_map(map, edge, edge));
    }
    let written = if single { all.index_axis(Axis(0), 0).write_npy(&mut bytes) } else { all.write_npy(&mut bytes) };
    written.map_err(Failure::internal)?;
    write_whole(&arguments.out, &bytes)?;
    match (&answers[..], arguments.json) {
        (_, false) => Ok(()),
        ([answer], true) => print_json(answer),
        (answers, true) => print_json(&answers),
    }
}

struct Explained {
    heat: Heat,
    answer: Answer,
}

/// The branch alone is asked: its logits count in full.
fn explain(
    arguments: &Arguments,
    loaded: &Ready,
    seen: Seen<'_>,
    (tiles, score): (usize, f64),
    probabilities: PerClass<f64>,
) -> Result<Explained, Failure> {
    let class = arguments.class.index();
    let faithfulness_tiles = loaded.bundle.manifest().explain.faithfulness_tiles;
    let question = Question { seen, class, weight: 1.0, tiles, faithfulness_tiles };
    let working = Working::new();
    let answered = || -> Result<Explained, AssessFault> {
        let explainer = Explainer::new(loaded, question)?;
        if arguments.repeat > 1 {
            // What is loaded once is no part of the median.
            explainer.map(arguments.method, &working)?;
        }
        let (heat, map) = timed(arguments.repeat, || explainer.map(arguments.method, &working))?;
        let from = Instant::now();
        let judged = match arguments.unchecked {
            true => Judged::unjudged(&heat),
            false => explainer.judge(arguments.method, &heat, &working)?,
        };
        let timing_ms = Timing { score, map, faithfulness: from.elapsed().as_secs_f64() * 1e3 };
        let answer = Answer {
            method: arguments.method.name(),
            class: arguments.class.name(),
            probability: probabilities[class],
            completeness_gap: heat.completeness_gap,
            insertion_auc: judged.insertion_auc,
            deletion_auc: judged.deletion_auc,
            random_auc: judged.random_auc,
            twin_gap: judged.twin_gap,
            verdict: judged.verdict.name(),
            timing_ms,
        };
        Ok(Explained { heat, answer })
    };
    answered().map_err(Failure::internal)
}

/// What some work gives, and the median of how long it takes, ms.
fn timed<T, E>(times: u16, work: impl Fn() -> Result<T, E>) -> Result<(T, f64), E> {
    let once = || {
        let from = Instant::now();
        work().map(|value| (value, from.elapsed().as_secs_f64() * 1e3))
    };
    let (value, first) = once()?;
    let mut took = vec![first];
    for _ in 1..times {
        took.push(once()?.1);
    }
    took.sort_by(f64::total_cmp);
    Ok((value, took[took.len() / 2]))
}
