//! The methods of stain normalisation against the libraries they are known from; `stain/make` made the golden files.

use std::path::{Path, PathBuf};

use hilum_domain::StainMethod;
use hilum_imaging::{
    cross, dot, length,
    stain::{Colours, Normaliser},
};
use image::RgbImage;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stain").join(name)
}

fn picture(name: &str) -> RgbImage {
    image::open(file(name)).expect("a picture").into_rgb8()
}

fn golden<const N: usize>(value: &serde_json::Value) -> [f64; N] {
    std::array::from_fn(|index| value[index].as_f64().expect("a number"))
}

fn figures() -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(file("golden.json")).expect("there")).expect("JSON")
}

#[test]
fn vahadanes_vectors_are_scikit_learns() {
    /// The two stop at different distances from the one minimum.
    const WITHIN_DEG: f64 = 0.1;
    let found = Normaliser::of_image(StainMethod::Vahadane, &picture("he.png")).expect("two stains");
    let matrix = found.stains().expect("vectors").matrix;
    let wanted = figures()["vahadane"].as_array().cloned().expect("two vectors");
    for (stain, want) in wanted.iter().enumerate() {
        let (want, found) = (golden(want), std::array::from_fn(|channel| matrix[channel][stain]));
        let apart_deg = length(cross(want, found)).atan2(dot(want, found)).to_degrees();
        assert!(apart_deg < WITHIN_DEG, "stain {stain} is {apart_deg} degrees away: {found:?}, {want:?}");
    }
}

#[test]
fn reinhards_colours_are_torchstains() {
    let image = picture("he.png");
    let found = Normaliser::of_image(StainMethod::Reinhard, &image).expect("two stains");
    let Normaliser::Reinhard(Colours { mean, deviation }) = found else { panic!("another method") };
    for (found, name) in [(mean, "lab_mean"), (deviation, "lab_deviation")] {
        let want: [f64; 3] = golden(&figures()[name]);
        for channel in 0..3 {
            // Single precision, summed in another order.
            assert!((found[channel] - want[channel]).abs() < 0.002, "{name}: {found:?}, {want:?}");
        }
    }
    let (found, want) = (found.normalise(&image), picture("reinhard.png"));
    let apart: Vec<u8> = found.as_raw().iter().zip(want.as_raw()).map(|(found, want)| found.abs_diff(*want)).collect();
    let others = apart.iter().filter(|apart| **apart > 0).count();
    // One level, where single precision falls on the other side of a whole one.
    assert!(apart.iter().all(|apart| *apart <= 1) && 500 * others < apart.len(), "{others} of {}", apart.len());
}
