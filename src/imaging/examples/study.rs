//! What the gate sees in images, and what other measures of focus would: a line of JSON an image.
//!
//! `study focus IMAGE...`, `study colours IMAGE...`, `study artefacts IMAGE...`,
//! `study calibration IMAGE...`, or for pairs of fields cut from the images, a line a pair: `study shift IMAGE...`

#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::error::Error;

use hilum_imaging::{
    Random,
    artefacts::Artefacts,
    field::{TissueMask, focus},
    micrometer::Ruling,
    plausible::{Colours, Plausibility},
    registration::{self, Thumb},
    shading::Shading,
};
use image::{RgbImage, imageops};

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

/// What the colours of a picture say, and of the same with red and blue exchanged. Verdicts: 0 plausible, 1 too little,
/// 2 not stained, 3 exchanged.
fn colours(image: &RgbImage) -> Vec<(&'static str, f64)> {
    let mut exchanged = image.clone();
    exchanged.pixels_mut().for_each(|pixel| pixel.0.reverse());
    let tissue = TissueMask::of(image);
    let [seen, mirrored] = [image, &exchanged].map(|image| Colours::of(image, &tissue));
    let verdict = |colours: Colours| match colours.verdict {
        Plausibility::Plausible => 0.0,
        Plausibility::TooLittle => 1.0,
        Plausibility::NotStained => 2.0,
        Plausibility::Swapped => 3.0,
    };
    vec![
        ("tissue", tissue.share()),
        ("green_least", seen.green_least_share),
        ("dark_is_blue", seen.dark_is_blue.unwrap_or(9.0)),
        ("fits_better_deg", seen.fits_better_deg.unwrap_or(99.0)),
        ("verdict", verdict(seen)),
        ("exchanged", verdict(mirrored)),
    ]
}

/// What a picture would be taken for that was not meant for calibration: a period in pixels and a largest gain, 0 where refused.
fn calibration(image: &RgbImage) -> Vec<(&'static str, f64)> {
    let period = Ruling::find(image).map_or(0.0, |ruling| ruling.period_px);
    let gain = Shading::of(image).map_or(0.0, |shading| shading.largest_gain());
    vec![("period", period), ("gain", gain)]
}

/// The shares of a picture that are suspected to be spoiled.
fn artefacts(image: &RgbImage) -> Vec<(&'static str, f64)> {
    let tissue = TissueMask::of(image);
    let seen = Artefacts::of(image, &tissue);
    vec![("tissue", tissue.share()), ("pen", seen.pen_share), ("fold", seen.fold_share), ("bubble", seen.bubble_share)]
}

/// Size of the fields whose displacement is looked for, in pixels.
const FIELD: [u32; 2] = [960, 540];
const PAIRS: usize = 800;

/// A field as a camera shows it: other light, vignetting and dirt that stay where they are, noise, a slight defocus.
fn photographed(image: &RgbImage, at: [u32; 2], random: &mut Random) -> RgbImage {
    let cut = imageops::crop_imm(image, at[0], at[1], FIELD[0], FIELD[1]).to_image();
    let mut field = if random.chance(0.5) { imageops::fast_blur(&cut, 1.2) } else { cut };
    let light = random.range(0.75, 1.1);
    for (x, y, pixel) in field.enumerate_pixels_mut() {
        let [across, down] = [f64::from(x) / f64::from(FIELD[0]) - 0.5, f64::from(y) / f64::from(FIELD[1]) - 0.5];
        let dirt = if (x.abs_diff(300) < 6 && y.abs_diff(200) < 6) || (x.abs_diff(700) < 9 && y.abs_diff(90) < 4) {
            0.7
        } else {
            1.0
        };
        let gain = light * dirt * (1.0 - 0.6 * (across * across + down * down));
        for level in &mut pixel.0 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let seen = (f64::from(*level) * gain + 2.0 * f64::from(random.noise())).round() as u8;
            *level = seen;
        }
    }
    field
}

/// Draws pairs of fields and prints what was drawn and what was found. Half of the pairs share at least a fifth of a field.
fn shifts(paths: &[String]) -> Result<(), Box<dyn Error>> {
    let images: Vec<RgbImage> =
        paths.iter().map(|path| image::open(path).map(image::DynamicImage::into_rgb8)).collect::<Result<_, _>>()?;
    let mut random = Random::new(1, "pairs");
    let mut made = 0;
    while made < PAIRS {
        let related = made % 2 == 0;
        let a = random.below(images.len());
        let b = if related || random.chance(0.7) { a } else { random.below(images.len()) };
        let mut place = |image: &RgbImage| -> [u32; 2] {
            [image.width() - FIELD[0], image.height() - FIELD[1]]
                .map(|room| u32::try_from(random.below(room as usize + 1)).unwrap_or(0))
        };
        let (from, to) = (place(&images[a]), place(&images[b]));
        let [dx, dy] = [0, 1].map(|axis| f64::from(from[axis]) - f64::from(to[axis]));
        let along = |moved: f64, length: u32| (1.0 - moved.abs() / f64::from(length)).max(0.0);
        let shared = if a == b { along(dx, FIELD[0]) * along(dy, FIELD[1]) } else { 0.0 };
        if (related && shared < 0.2) || (!related && shared > 0.0) {
            continue;
        }
        let fields = [photographed(&images[a], from, &mut random), photographed(&images[b], to, &mut random)];
        let tissue = fields.each_ref().map(|field| TissueMask::of(field).share());
        let [first, second] = fields.each_ref().map(Thumb::of);
        let found = registration::shift(&first, &second);
        made += 1;
        println!(
            "{{\"same\":{related},\"shared\":{shared},\"tissue\":{tissue:?},\"dx\":{dx},\"dy\":{dy},\"found\":[{},{}],\"confidence\":{},\"overlap\":{},\"detail\":{}}}",
            found.dx,
            found.dy,
            found.confidence,
            registration::overlap(found, FIELD[0], FIELD[1]),
            first.has_detail() && second.has_detail(),
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mode, paths) = arguments.split_first().ok_or("a mode and images are needed")?;
    if mode == "shift" {
        return shifts(paths);
    }
    for path in paths {
        let image = image::open(path)?.into_rgb8();
        let said = match mode.as_str() {
            "focus" => measures(&image),
            "colours" => colours(&image),
            "artefacts" => artefacts(&image),
            "calibration" => calibration(&image),
            other => return Err(format!("there is no mode {other}").into()),
        };
        let fields: Vec<String> = said.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        println!("{{\"path\":{path:?},{}}}", fields.join(","));
    }
    Ok(())
}
