//! Faithfulness: does the class follow what a map marks? And localisation: does the map mark what a mask says?
//!
//! Insertion and deletion (RISE, Petsiuk et al. 2018): pixels in the order of the map, hottest first, are put into a blurred
//! picture or taken out of the whole one; the curve is the branch's probability of the class.

use hilum_imaging::{Random, gaussian, resized_map};
use ndarray::{Array2, Array3};
use rayon::prelude::*;

use super::{Heat, Target};
use crate::{
    AssessFault,
    watch::{Count, Part, Watch},
};

/// A picture loses a twentieth of its edge of sharpness before pixels are put into it: no nucleus and no spicule is left.
const BLUR_SHARE: f64 = 0.05;

/// Areas under the curves of a map, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curves {
    /// Of insertion: more is better.
    pub insertion: f64,
    /// Of deletion: less is better.
    pub deletion: f64,
    /// The mean insertion of random maps of the same smoothness, where some were asked for.
    pub random: Option<f64>,
}

/// The curves of a map as it is shown, in `steps` steps, and the mean insertion of `random` random maps with as many cells.
///
/// # Errors
/// [`AssessFault`] if the engine fails, or whoever waits calls it off.
pub fn curves(
    target: &Target<'_>,
    shown: &Heat,
    steps: usize,
    random: usize,
    watch: &dyn Watch,
    part: Part,
) -> Result<Curves, AssessFault> {
    let blurred: Vec<Array3<f32>> = target
        .originals
        .iter()
        .map(|picture| {
            let mut blurred = picture.clone();
            #[expect(clippy::cast_precision_loss, reason = "the edge of a picture")]
            gaussian(&mut blurred, BLUR_SHARE * picture.dim().0 as f64, &[0, 1]);
            blurred
        })
        .collect();
    let level = target.parameters().occlusion_level;
    let removed: Vec<Array3<f32>> = target.originals.iter().map(|picture| target.flat(level, picture)).collect();
    // The ends that curves share: everything blurred, everything whole, everything removed.
    let count = Count::new(watch, part, (steps - 1) * (2 + random) + 3)?;
    let end = |pictures: &[Array3<f32>]| {
        let changed: Vec<(usize, &Array3<f32>)> = pictures.iter().enumerate().collect();
        let probability = target.probability(&target.engine_logits(&changed)?);
        count.step()?;
        Ok::<f64, AssessFault>(probability)
    };
    let ends = [&blurred, &target.originals, &removed];
    let ends: Vec<f64> = ends.par_iter().map(|pictures| end(pictures)).collect::<Result<_, _>>()?;
    let map = over(target, shown);
    let area = |maps: &[Array2<f32>], from: &[Array3<f32>], to: &[Array3<f32>], first: f64, last: f64| {
        area_under(target, maps, (from, to), (first, last), steps, &count)
    };
    let insertion = area(&map, &blurred, &target.originals, ends[0], ends[1])?;
    let deletion = area(&map, &target.originals, &removed, ends[1], ends[2])?;
    let mut sum = 0.0;
    for number in 0..random {
        let chance = chance(target, shown, number);
        sum += area(&over(target, &chance), &blurred, &target.originals, ends[0], ends[1])?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let random = (random > 0).then(|| sum / random as f64);
    Ok(Curves { insertion, deletion, random })
}

/// The maps of the target's pictures, a value a pixel; 0 where a method made none.
#[must_use]
pub fn over(target: &Target<'_>, shown: &Heat) -> Vec<Array2<f32>> {
    let of = |(position, picture): (&usize, &Array3<f32>)| {
        let (rows, columns, _) = picture.dim();
        let found = shown.pictures.iter().position(|picture| picture == position);
        found.map_or_else(|| Array2::zeros((rows, columns)), |index| resized_map(&shown.maps[index], rows, columns))
    };
    target.pictures().iter().zip(&target.originals).map(of).collect()
}

/// A map of chance with as many cells as `like`.
fn chance(target: &Target<'_>, like: &Heat, number: usize) -> Heat {
    let maps = like.maps.iter().enumerate().map(|(index, map)| {
        let mut random = Random::new(target.seed(), &format!("chance {number} {index}"));
        #[expect(clippy::cast_possible_truncation, reason = "a map's precision")]
        let cell = |_| random.unit() as f32;
        map.map(cell)
    });
    Heat { pictures: like.pictures.clone(), maps: maps.collect(), completeness_gap: None }
}

/// The area under the probability while the pixels of `to` replace those of `from`, hottest first over all pictures together.
fn area_under(
    target: &Target<'_>,
    maps: &[Array2<f32>],
    (from, to): (&[Array3<f32>], &[Array3<f32>]),
    (first, last): (f64, f64),
    steps: usize,
    count: &Count<'_>,
) -> Result<f64, AssessFault> {
    let mut order: Vec<(usize, usize)> =
        maps.iter().enumerate().flat_map(|(picture, map)| (0..map.len()).map(move |pixel| (picture, pixel))).collect();
    let heat = |&(picture, pixel): &(usize, usize)| {
        let columns = maps[picture].ncols();
        maps[picture][[pixel / columns, pixel % columns]]
    };
    // Equal heat keeps the order of reading.
    order.sort_by(|a, b| heat(b).total_cmp(&heat(a)));
    let between: Vec<f64> = (1..steps)
        .into_par_iter()
        .map(|step| {
            let mut pictures = from.to_vec();
            for &(picture, pixel) in &order[..order.len() * step / steps] {
                let columns = maps[picture].ncols();
                let (row, column) = (pixel / columns, pixel % columns);
                for channel in 0..3 {
                    pictures[picture][[row, column, channel]] = to[picture][[row, column, channel]];
                }
            }
            let changed: Vec<(usize, &Array3<f32>)> = pictures.iter().enumerate().collect();
            let probability = target.probability(&target.engine_logits(&changed)?);
            count.step()?;
            Ok(probability)
        })
        .collect::<Result<_, AssessFault>>()?;
    #[expect(clippy::cast_precision_loss, reason = "a hundred at most")]
    let steps = steps as f64;
    Ok((between.iter().sum::<f64>() + 0.5 * (first + last)) / steps)
}

/// How well a map lies on a mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Localisation {
    /// Intersection over union of the mask and as many of the hottest pixels as it has.
    pub iou: f64,
    /// Whether the hottest pixel lies in the mask (Zhang et al. 2018, the pointing game).
    pub hit: bool,
}

/// Compares maps, a value a pixel, with masks of the same sizes, over all pictures together. `None` if the masks are empty or
/// full, or the maps have nothing to show.
#[must_use]
pub fn localisation(maps: &[Array2<f32>], masks: &[Array2<bool>]) -> Option<Localisation> {
    let pixels: Vec<(f32, bool)> =
        maps.iter().zip(masks).flat_map(|(map, mask)| map.iter().copied().zip(mask.iter().copied())).collect();
    let wanted = pixels.iter().filter(|(_, inside)| *inside).count();
    let speaks = pixels.iter().any(|&(heat, _)| heat > 0.0) && pixels.iter().all(|(heat, _)| heat.is_finite());
    if wanted == 0 || wanted == pixels.len() || !speaks {
        return None;
    }
    let mut order: Vec<usize> = (0..pixels.len()).collect();
    order.sort_by(|&a, &b| pixels[b].0.total_cmp(&pixels[a].0));
    let both = order[..wanted].iter().filter(|&&pixel| pixels[pixel].1).count();
    #[expect(clippy::cast_precision_loss, reason = "numbers of pixels")]
    let iou = both as f64 / (2 * wanted - both) as f64;
    Some(Localisation { iou, hit: pixels[order[0]].1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_on_the_mask_is_right_and_one_beside_it_is_not() {
        let mask = Array2::from_shape_fn((4, 4), |(row, column)| row < 2 && column < 2);
        let on = mask.mapv(|inside| if inside { 1.0 } else { 0.1 });
        let found = localisation(std::slice::from_ref(&on), std::slice::from_ref(&mask)).expect("something to compare");
        assert!((found.iou - 1.0).abs() < 1e-12 && found.hit);
        let beside = mask.mapv(|inside| if inside { 0.0 } else { 1.0 });
        let found = localisation(&[beside], std::slice::from_ref(&mask)).expect("something to compare");
        assert!(found.iou < 1e-12 && !found.hit);
        let half =
            Array2::from_shape_fn((4, 4), |(row, column)| if row < 2 && (1..3).contains(&column) { 1.0 } else { 0.0 });
        let found = localisation(&[half], std::slice::from_ref(&mask)).expect("something to compare");
        assert!((found.iou - 1.0 / 3.0).abs() < 1e-12, "{}", found.iou);
        assert_eq!(localisation(&[Array2::zeros((4, 4))], std::slice::from_ref(&mask)), None);
        assert_eq!(localisation(&[on], &[Array2::from_elem((4, 4), false)]), None);
    }
}
