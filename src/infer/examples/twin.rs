//! What rounding costs in tract: each network of the reference bundle as the engine runs it, as float with rounding, and its float
//! twin, which has the quantised weights and does not round; one thread, by turns, on every golden picture. And how far the answers lie
//! apart. `cargo run --release -p hilum-infer --example twin`

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a table for whoever runs it")]

use std::{error::Error, fs, path::Path, time::Instant};

use hilum_domain::{Modality, PerClass, softmax};
use hilum_infer::{Bundle, Trust, TwinNetwork, built_in, parse_public_key};
use ndarray::Array4;

const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let folder = models.join("reference");
    let key = fs::read_to_string(models.join("development.pub"))?;
    let key = parse_public_key(key.lines().nth(1).ok_or("no key")?)?;
    let bundle = Bundle::open(&folder, &Trust { keys: vec![key] })?;
    let (engine, _) = built_in(&bundle, 1)?;
    println!("network   rounded ms   twin ms   twin / rounded   apart");
    for (branch, name, file) in [(Modality::Ct, "CT", "ct_image.npy"), (Modality::He, "H&E", "he_image.npy")] {
        let pictures: Array4<i8> = ndarray_npy::read_npy(folder.join("golden").join(file))?;
        let twin = TwinNetwork::load(&bundle, branch)?;
        let (mut took, mut apart) = ([Vec::new(), Vec::new()], 0.0_f64);
        for _ in 0..ROUNDS {
            for picture in pictures.outer_iter() {
                let levels = picture.mapv(|level| level.cast_unsigned() ^ 0x80);
                let image = picture.mapv(|level| (f32::from(level) + 1.0) / 128.0);
                let start = Instant::now();
                let rounded = match branch {
                    Modality::Ct => engine.ct(levels.view())?.logits.to_vec(),
                    Modality::He => engine.he(levels.as_slice().ok_or("not in one piece")?)?.embedding,
                };
                let between = Instant::now();
                let float = twin.forward(&image)?.output;
                took[0].push((between - start).as_secs_f64() * 1e3);
                took[1].push(between.elapsed().as_secs_f64() * 1e3);
                apart = apart.max(match branch {
                    Modality::Ct => probability(&rounded, &float)?,
                    Modality::He => 1.0 - cosine(&rounded, &float),
                });
            }
        }
        let [rounded, float] = took.map(|mut took| {
            took.sort_by(f64::total_cmp);
            took[took.len() / 2]
        });
        println!("{name:<9} {rounded:>10.1} {float:>9.1} {:>16.2} {apart:>7.4}", float / rounded);
    }
    println!("apart: CT the largest difference of a probability, H&E of the cosine of an embedding from 1");
    Ok(())
}

/// The largest difference of a probability.
fn probability(a: &[f32], b: &[f32]) -> Result<f64, Box<dyn Error>> {
    let probabilities = |logits: &[f32]| -> Result<_, Box<dyn Error>> {
        Ok(softmax(&PerClass::<f32>::try_from(logits)?.map(f64::from)))
    };
    let (a, b) = (probabilities(a)?, probabilities(b)?);
    Ok(a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}
