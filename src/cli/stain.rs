//! `hilum stain`

use std::{
    hint::black_box,
    io::Cursor,
    path::PathBuf,
    time::{Duration, Instant},
};

use hilum_domain::{Refusal, StainMethod};
use hilum_imaging::stain::{Normaliser, StainMatrix, Stains};
use hilum_intake::read_fields;
use image::ImageFormat;
use serde::Serialize;

use crate::{
    Failure,
    files::{writable, write_whole},
    terminal::print_json,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The image to normalise.
    image: PathBuf,
    /// The normalised image.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How: macenko, vahadane or reinhard.
    #[arg(long, value_name = "NAME", default_value = "macenko")]
    method: StainMethod,
    /// Do it so often and report the median time: the first run of a process also pays for its memory and threads.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeat: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    verdict: &'static str,
    method: &'static str,
    #[serde(flatten)]
    found: Found,
    timing_ms: Timing,
}

/// What a method finds, null where it was refused.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Vectors { stain_matrix: Option<StainMatrix>, max_concentration: Option<[f64; 2]>, distance_deg: Option<f64> },
    Colours { lab_mean: Option<[f64; 3]>, lab_deviation: Option<[f64; 3]> },
}

impl Found {
    fn of(method: StainMethod, normaliser: Option<&Normaliser>) -> Self {
        match (method, normaliser) {
            (_, Some(Normaliser::Reinhard(colours))) => {
                Self::Colours { lab_mean: Some(colours.mean), lab_deviation: Some(colours.deviation) }
            }
            (StainMethod::Reinhard, _) => Self::Colours { lab_mean: None, lab_deviation: None },
            (StainMethod::Macenko | StainMethod::Vahadane, normaliser) => {
                let stains = normaliser.and_then(Normaliser::stains);
                Self::Vectors {
                    stain_matrix: stains.map(|stains| stains.matrix),
                    max_concentration: stains.map(|stains| stains.max_concentration),
                    distance_deg: stains.map(Stains::distance_deg),
                }
            }
        }
    }
}

#[derive(Serialize)]
struct Timing {
    /// Estimation and normalisation, without reading and writing files.
    normalise: f64,
    /// Normalisation alone.
    apply: Option<f64>,
    /// Copying the picture's bytes to where bytes were copied before: what normalisation is measured against.
    copy: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    writable(&arguments.out)?;
    let Ok(format @ (ImageFormat::Png | ImageFormat::Tiff | ImageFormat::Bmp)) = ImageFormat::from_path(&arguments.out)
    else {
        return Err(Failure::Usage(format!("{} does not end in .png, .tif or .bmp", arguments.out.display())));
    };
    if arguments.image.is_dir() {
        return Err(Failure::Usage("stain takes one image, not a folder".to_owned()));
    }
    let field = read_fields(std::slice::from_ref(&arguments.image), None)?.remove(0);
    let (mut whole, mut apply, mut copy) = (Vec::new(), Vec::new(), Vec::new());
    let mut copied = field.image.as_raw().clone();
    let (normaliser, normalised) = loop {
        let from = Instant::now();
        let normaliser = Normaliser::of_image(arguments.method, &field.image);
        let estimated = Instant::now();
        let normalised = normaliser.as_ref().map(|normaliser| normaliser.normalise(&field.image)).ok();
        let done = Instant::now();
        copied.copy_from_slice(field.image.as_raw());
        black_box(&mut copied);
        copy.push(done.elapsed());
        whole.push(done - from);
        apply.extend(normalised.is_some().then(|| done - estimated));
        if whole.len() >= usize::from(arguments.repeat) {
            break (normaliser, normalised);
        }
    };
    let timing_ms = Timing {
        normalise: median_ms(whole).unwrap_or_default(),
        apply: median_ms(apply),
        copy: median_ms(copy).unwrap_or_default(),
    };
    let answer = Answer {
        verdict: if normaliser.is_ok() { "ok" } else { "refused" },
        method: arguments.method.name(),
        found: Found::of(arguments.method, normaliser.as_ref().ok()),
        timing_ms,
    };
    if let Some(normalised) = normalised {
        let mut file = Cursor::new(Vec::new());
        normalised.write_to(&mut file, format).map_err(Failure::internal)?;
        write_whole(&arguments.out, file.get_ref())?;
    }
    if arguments.json {
        print_json(&answer)?;
    }
    normaliser.map(|_| ()).map_err(|reason| Refusal::from(reason).into())
}

/// The median of what rounds took, in ms.
pub(crate) fn median_ms(mut took: Vec<Duration>) -> Option<f64> {
    took.sort();
    took.get(took.len() / 2).map(|took| took.as_secs_f64() * 1e3)
}
