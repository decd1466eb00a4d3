//! `hilum quality`

use std::path::PathBuf;

use hilum_domain::Refusal;
use hilum_imaging::{field::rescale, slide, stain::Stains};
use hilum_intake::field_files;
use hilum_prepare::Parameters;
use serde::Serialize;

use crate::{
    Failure,
    terminal::{print_json, say},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The images to judge, or folders of them.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    images: Vec<Judged>,
}

#[derive(Serialize)]
struct Judged {
    path: String,
    verdict: &'static str,
    focus: f64,
    exposure: f64,
    tissue_share: f64,
    stain_distance: Option<f64>,
    advice: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let contract = Parameters::reference().slide;
    let mut first: Option<Refusal> = None;
    let mut images = Vec::new();
    // Read one at a time, so that many images need the memory of one.
    for file in field_files(&arguments.images)? {
        let field = file.read(None)?;
        // Judged at the network's scale where the scale is known, as it is elsewhere.
        let coarse = field.scale.and_then(|scale| slide::too_coarse(&field.image, scale, file.number, &contract));
        let image = match field.scale {
            Some(scale) if coarse.is_none() => rescale(field.image, scale, contract.scale),
            _ => field.image,
        };
        let quality =
            slide::judge(&image, field.colour_file, file.number, contract.min_tissue_share, contract.min_focus);
        let stains = Stains::of_image(&image);
        let refusal = coarse.or(quality.refusal).or_else(|| stains.as_ref().err().copied().map(Refusal::from));
        let advice = refusal.as_ref().map_or("usable", |refusal| refusal.code.next_step());
        images.push(Judged {
            path: file.path.display().to_string(),
            verdict: if refusal.is_some() { "refused" } else { "ok" },
            focus: quality.focus,
            exposure: quality.exposure.mean_level,
            tissue_share: quality.tissue_share,
            stain_distance: stains.ok().map(|stains| stains.distance_deg()),
            advice: advice.to_owned(),
        });
        first = first.or(refusal);
    }
    let answer = Answer { images };
    if arguments.json {
        print_json(&answer)?;
    } else {
        for image in &answer.images {
            say(&format!(
                "{}: {} (sharpness {:.3}, tissue {:.0}%): {}",
                image.path,
                image.verdict,
                image.focus,
                image.tissue_share * 100.0,
                image.advice
            ))?;
        }
    }
    first.map_or(Ok(()), |refusal| Err(refusal.into()))
}
