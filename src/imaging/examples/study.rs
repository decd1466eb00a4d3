//! What the gate sees in images, and what other measures of focus would: a line of JSON an image.
//!
//! `study focus IMAGE...`

#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::error::Error;

use hilum_imaging::field::{TissueMask, focus};
use image::RgbImage;

/// The measures of sharpness that are compared, on tissue, from the green channel under the same 3×3 binomial filter.
fn measures(image: &RgbImage) -> Vec<(&'static str, f64)> {
    let tissue = TissueMask::of(image);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let green = |x: usize, y: usize| f64::from(image.as_raw()[3 * (y * width + x) + 1]);
    let mut smooth = vec![0.0; width * height];
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            let row = |y: usize| green(x - 1, y) + 2.0 * green(x, y) + green(x + 1, y);
            smooth[y * width + x] = (row(y - 1) + 2.0 * row(y) + row(y + 1)) / 16.0;
        }
    }
    let at = |x: usize, y: usize| smooth[y * width + x];
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    let (mut brenner, mut tenengrad, mut laplace, mut laplace_squares) = (0.0, 0.0, 0.0, 0.0);
    for y in 2..height - 3 {
        for x in 2..width - 3 {
            #[expect(clippy::cast_possible_truncation, reason = "picture sizes fit 32 bits")]
            if !tissue.at(x as u32, y as u32) {
                continue;
            }
            let here = at(x, y);
            count += 1.0;
            sum += here;
            squares += here * here;
            brenner += (at(x + 2, y) - here).powi(2) + (at(x, y + 2) - here).powi(2);
            let across = |y: usize| at(x + 1, y) - at(x - 1, y);
            let down = |x: usize| at(x, y + 1) - at(x, y - 1);
            tenengrad += (across(y - 1) + 2.0 * across(y) + across(y + 1)).powi(2)
                + (down(x - 1) + 2.0 * down(x) + down(x + 1)).powi(2);
            let curved = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * here;
            laplace += curved;
            laplace_squares += curved * curved;
        }
    }
    let count = f64::max(count, 1.0);
    let variance = (squares / count - (sum / count).powi(2)).max(1e-9);
    let laplace = laplace_squares / count - (laplace / count).powi(2);
    vec![
        ("ratio", focus(image, &tissue)),
        ("brenner", brenner / count),
        ("tenengrad", tenengrad / count),
        ("laplace", laplace),
        ("brenner-by-contrast", brenner / count / variance),
        ("tenengrad-by-contrast", tenengrad / count / variance),
        ("laplace-by-contrast", laplace / variance),
        ("laplace-by-tenengrad", if tenengrad > 0.0 { laplace * count / tenengrad } else { 0.0 }),
        ("tissue", tissue.share()),
    ]
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mode, paths) = arguments.split_first().ok_or("a mode and images are needed")?;
    for path in paths {
        let image = image::open(path)?.into_rgb8();
        let said = match mode.as_str() {
            "focus" => measures(&image),
            other => return Err(format!("there is no mode {other}").into()),
        };
        let fields: Vec<String> = said.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        println!("{{\"path\":{path:?},{}}}", fields.join(","));
    }
    Ok(())
}
