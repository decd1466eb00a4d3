//! How long each step of the gate takes on an image: `pace IMAGE [THREADS]`, the least and the median of 60 runs in ms.

#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::{error::Error, hint::black_box, time::Instant};

use hilum_domain::MicronsPerPixel;
use hilum_imaging::{
    artefacts::Artefacts,
    field::{Exposure, TissueMask, focus},
    gate::{Circumstances, judge_frame},
    plausible::Colours,
    registration::{self, Thumb},
    shading::Shading,
    slide,
    slide::SlideContract,
    stain::Stains,
    triangle,
};
use image::{Rgb, RgbImage};

const RUNS: usize = 60;

fn time<T>(name: &str, mut step: impl FnMut() -> T) {
    let mut took: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(step());
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!("{name:28} {:7.2} {:7.2}", took[0], took[RUNS / 2]);
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("an image is needed")?;
    if let Some(threads) = arguments.next() {
        rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    }
    let image = image::open(path)?.into_rgb8();
    let tissue = TissueMask::of(&image);
    let thumb = Thumb::of(&image);
    println!("{} × {}, tissue {:.2}", image.width(), image.height(), tissue.share());
    time("exposure", || Exposure::of(&image));
    time("tissue", || TissueMask::of(&image));
    time("focus", || focus(&image, &tissue));
    time("judge", || slide::judge(&image, true, 1, 0.05, 0.09));
    time("artefacts", || Artefacts::of(&image, &tissue));
    time("colours", || Colours::of(&image, &tissue));
    let white =
        RgbImage::from_fn(image.width(), image.height(), |x, _| Rgb([u8::try_from(x / 40).unwrap_or(99) + 150; 3]));
    let shading = Shading::of(&white)?;
    time("shading", || shading.apply(&image));
    time("to half the size", || triangle(&image, image.width() / 2, image.height() / 2));
    time("thumb", || Thumb::of(&image));
    time("shift", || registration::shift(&thumb, &thumb));
    // The gate takes the frame: its copy is made outside of what is timed.
    let contract = SlideContract {
        tile_px: 224,
        scale: MicronsPerPixel::new(0.5).ok_or("a scale")?,
        min_tissue_share: 0.05,
        min_focus: 0.09,
        stain: hilum_domain::StainMethod::Macenko,
        max_stain_distance_deg: 25.0,
    };
    let stains = Stains::of_image(&image).ok();
    for (name, um, stains) in [
        ("gate at 0.5 µm", 0.5, stains.as_ref()),
        ("gate at 0.25 µm", 0.25, stains.as_ref()),
        ("gate at 0.5 µm, stain too", 0.5, None),
        ("gate at 0.25 µm, stain too", 0.25, None),
    ] {
        let circumstances = Circumstances { scale: MicronsPerPixel::new(um), stains };
        let mut copies = vec![image.clone(); RUNS];
        time(name, || copies.pop().map(|image| judge_frame(image, &circumstances, &contract)));
    }
    Ok(())
}
