//! What a picture of the camera costs, step by step: a field of 1920×1080 at 0.25 µm, as a camera behind a 40× objective gives it.

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use hilum_assess::Ready;
use hilum_imaging::{
    gate::{Circumstances, judge_frame},
    registration::{Thumb, shift},
    shading::Shading,
    slide::Field,
    stain::{Normaliser, RunningStains, Stains},
    triangle,
};
use image::{Rgb, RgbImage};

use super::spread::Spread;

/// So often each step is done, on one field after the other.
const TIMES: usize = 60;
/// The preview's width on the panel.
const PREVIEW: u32 = 960;

/// Nothing that is made is left out because nobody wants it.
fn made<T>(made: T) {
    drop(black_box(made));
}

/// Every step, by its name.
pub(super) fn figures(fields: &[Field], ready: &Ready) -> BTreeMap<&'static str, Spread> {
    let contract = ready.model.slide;
    let mut steps: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    let mut running = RunningStains::new(10);
    for number in 0..TIMES {
        let Some(field) = fields.get(number % fields.len().max(1)) else { break };
        let (image, other) = (&field.image, &fields[(number + 1) % fields.len()].image);
        let mut step = |name, work: &mut dyn FnMut()| {
            let from = Instant::now();
            work();
            steps.entry(name).or_default().push(from.elapsed().as_secs_f64() * 1e3);
        };
        let Ok(stains) = Stains::of_image(image) else { continue };
        let white = RgbImage::from_pixel(image.width(), image.height(), Rgb([230, 228, 232]));
        let (shading, thumb) = (Shading::of(&white).ok(), Thumb::of(other));
        // Neither the copy nor where it lies is a step of the gate.
        let mut own = vec![image.clone(), image.clone()];
        let mut gate = |name, stains: Option<&Stains>| {
            let Some(image) = own.pop() else { return };
            let mut image = Some(image);
            let circumstances = Circumstances { scale: field.scale, stains };
            step(name, &mut || {
                if let Some(image) = image.take() {
                    made(judge_frame(image, &circumstances, &contract));
                }
            });
        };
        gate("gate", Some(&stains));
        gate("gate, its own stain", None);
        step("place", &mut || made(shift(&thumb, &Thumb::of(image))));
        step("light made even", &mut || {
            if let Some(shading) = &shading {
                made(shading.apply(image));
            }
        });
        step("preview", &mut || made(triangle(image, PREVIEW, image.height() * PREVIEW / image.width().max(1))));
        step("running stain", &mut || running.see(image));
        step("stain", &mut || made(Stains::of_image(image)));
        let normaliser = Normaliser::Macenko(stains);
        step("stain applied", &mut || made(normaliser.normalise(image)));
        let mut copy = image.clone();
        step("copy", &mut || copy.copy_from_slice(image.as_raw()));
        made(copy);
    }
    steps.into_iter().map(|(name, times)| (name, Spread::of(times))).collect()
}
