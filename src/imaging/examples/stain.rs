//! What bringing a field to the reference's stain costs: `cargo run --release -p hilum-imaging --example stain -- IMAGE`, the image
//! repeated over 1920 × 1080 pixels. Medians, in ms; `RAYON_NUM_THREADS` says how many threads.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a table for whoever runs it")]

use std::{error::Error, hint::black_box, time::Instant};

use hilum_domain::StainMethod;
use hilum_imaging::stain::{Normaliser, RunningStains};
use image::RgbImage;

const ROUNDS: usize = 41;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which image?")?;
    let tile = image::open(path)?.into_rgb8();
    let field = RgbImage::from_fn(1920, 1080, |x, y| *tile.get_pixel(x % tile.width(), y % tile.height()));
    let mut copied = vec![0; field.as_raw().len()];
    let copy = median_ms(|| black_box(&mut copied).copy_from_slice(black_box(&field)));
    println!("copying the pixels     {copy:6.2}");
    for method in StainMethod::ALL {
        let normaliser = Normaliser::of_image(method, &field)?;
        let estimate = median_ms(|| _ = black_box(Normaliser::of_image(method, black_box(&field))).is_ok());
        let apply = median_ms(|| drop(black_box(normaliser.normalise(black_box(&field)))));
        let name = method.name();
        println!("{name:9} estimate     {estimate:6.2}   apply {apply:6.2}, {:.1} times the copy", apply / copy);
    }
    let mut running = RunningStains::new(5);
    let see = median_ms(|| running.see(black_box(&field)));
    let ask = median_ms(|| _ = black_box(running.stains()).is_ok());
    println!("running   a frame      {see:6.2}   asked {ask:6.2}");
    Ok(())
}

fn median_ms(mut work: impl FnMut()) -> f64 {
    let mut took: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let from = Instant::now();
            work();
            from.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[ROUNDS / 2]
}
