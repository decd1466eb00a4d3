//! `hilum stain`

use std::{io::Cursor, path::PathBuf, time::Instant};

use hilum_domain::Refusal;
use hilum_imaging::stain::{StainMatrix, Stains};
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
    stain_matrix: Option<StainMatrix>,
    max_concentration: Option<[f64; 2]>,
    distance_deg: Option<f64>,
    timing_ms: Timing,
}

#[derive(Serialize)]
struct Timing {
    /// Estimation and normalisation, without reading and writing files.
    normalise: f64,
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
    let mut times = Vec::new();
    let (stains, normalised) = loop {
        let from = Instant::now();
        let stains = Stains::of_image(&field.image);
        let normalised = stains.as_ref().map(|stains| stains.normalise(&field.image)).ok();
        times.push(from.elapsed().as_secs_f64() * 1e3);
        if times.len() >= usize::from(arguments.repeat) {
            break (stains, normalised);
        }
    };
    times.sort_by(f64::total_cmp);
    let timing_ms = Timing { normalise: times[times.len() / 2] };
    let answer = Answer {
        verdict: if stains.is_ok() { "ok" } else { "refused" },
        stain_matrix: stains.as_ref().ok().map(|stains| stains.matrix),
        max_concentration: stains.as_ref().ok().map(|stains| stains.max_concentration),
        distance_deg: stains.as_ref().ok().map(Stains::distance_deg),
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
    stains.map(|_| ()).map_err(|reason| Refusal::from(reason).into())
}
