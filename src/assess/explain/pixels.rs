//! The methods that have a value a pixel. Each returns one map a picture of the target, `[row, column]`, in logits.
//!
//! Runs of a network go to the worker threads one at a time each; what they give is added up in a fixed order, so that the same
//! case has the same map on every number of threads. A batch is as large as memory should be, see the README.

use hilum_imaging::Random;
use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

use super::Target;
use crate::{
    AssessFault,
    watch::{Count, Part, Watch},
};

/// Adds up what `work` gives for 0..count.
fn summed(
    count: usize,
    target: &Target<'_>,
    work: impl Fn(usize) -> Result<Vec<Array3<f32>>, AssessFault> + Sync,
) -> Result<Vec<Array3<f32>>, AssessFault> {
    let mut sums: Vec<Array3<f32>> = target.originals.iter().map(|picture| Array3::zeros(picture.dim())).collect();
    let each: Vec<usize> = (0..count).collect();
    // Only as many are held as there are threads to make them; those of a bag are made by several.
    let together = rayon::current_num_threads() / target.originals.len().max(1);
    for batch in each.chunks(together.max(1)) {
        let found: Vec<Vec<Array3<f32>>> = batch.par_iter().map(|&index| work(index)).collect::<Result<_, _>>()?;
        for found in found {
            sums.iter_mut().zip(&found).for_each(|(sum, one)| *sum += one);
        }
    }
    Ok(sums)
}

#[expect(clippy::cast_precision_loss, reason = "a few dozen")]
const fn share(count: usize) -> f32 {
    1.0 / count as f32
}

/// Sundararajan et al. 2017, eq. 1, by the midpoint rule along the straight way from a picture of the baseline's level, all
/// pictures of the target together: (x − x′) × mean of ∂S/∂x, summed over channels. Also how far the sum of the maps is from
/// S(x) − S(x′), in logits (completeness, proposition 1).
pub(super) fn integrated_gradients(
    target: &Target<'_>,
    watch: &dyn Watch,
    part: Part,
) -> Result<(Vec<Array2<f32>>, f64), AssessFault> {
    let parameters = target.parameters();
    let steps = parameters.integrated_gradients_steps;
    let baselines: Vec<Array3<f32>> =
        target.originals.iter().map(|picture| target.flat(parameters.baseline_level, picture)).collect();
    let count = Count::new(watch, part, steps)?;
    let sums = summed(steps, target, |step| {
        #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
        let along = (step as f32 + 0.5) * share(steps);
        let between = |(from, to): (&Array3<f32>, &Array3<f32>)| from + &((to - from) * along);
        let pictures: Vec<Array3<f32>> = baselines.par_iter().zip(&target.originals).map(between).collect();
        let derivatives = target.derivatives(&pictures)?;
        count.step()?;
        Ok(derivatives)
    })?;
    // Less than a hundredth of a level is rounding, not a way.
    let some = |step: f32| if step.abs() < 1e-4 { 0.0 } else { step };
    let way = baselines.iter().zip(&target.originals).map(|(from, to)| (to - from).mapv_into(some));
    let maps: Vec<Array2<f32>> = way.zip(sums).map(|(way, sum)| (way * sum * share(steps)).sum_axis(Axis(2))).collect();
    let found: f64 = maps.iter().flatten().map(|&value| f64::from(value)).sum();
    let wanted = target.twin_score(&target.originals)? - target.twin_score(&baselines)?;
    Ok((maps, (found - wanted).abs()))
}

/// Simonyan et al. 2014: the largest |∂S/∂x| among the channels.
pub(super) fn saliency(target: &Target<'_>, watch: &dyn Watch, part: Part) -> Result<Vec<Array2<f32>>, AssessFault> {
    let count = Count::new(watch, part, 1)?;
    let derivatives = target.derivatives(&target.originals)?;
    count.step()?;
    Ok(derivatives.iter().map(largest).collect())
}

/// Smilkov et al. 2017: the mean derivative over n pictures with normal noise of σ times the picture's range, then as saliency.
pub(super) fn smoothgrad(target: &Target<'_>, watch: &dyn Watch, part: Part) -> Result<Vec<Array2<f32>>, AssessFault> {
    let parameters = target.parameters();
    let n = parameters.smoothgrad_n;
    let count = Count::new(watch, part, n)?;
    let sums = summed(n, target, |sample| {
        let noisy = |(index, picture): (usize, &Array3<f32>)| {
            let mut random = Random::new(target.seed(), &format!("smoothgrad {sample} {index}"));
            let (low, high) =
                picture.iter().fold((f32::MAX, f32::MIN), |(low, high), &value| (low.min(value), high.max(value)));
            let sigma = parameters.smoothgrad_sigma * (high - low).max(0.0);
            let noise = |value: f32| value + sigma * random.noise();
            picture.clone().mapv_into(noise)
        };
        let pictures: Vec<Array3<f32>> = target.originals.par_iter().enumerate().map(noisy).collect();
        let derivatives = target.derivatives(&pictures)?;
        count.step()?;
        Ok(derivatives)
    })?;
    Ok(sums.into_iter().map(|sum| largest(&(sum * share(n)))).collect())
}

fn largest(derivative: &Array3<f32>) -> Array2<f32> {
    derivative.map_axis(Axis(2), |channels| {
        // NaN must not get lost in a maximum: a map with one is blank.
        channels.iter().fold(0.0_f32, |most, value| if value.is_nan() { f32::NAN } else { most.max(value.abs()) })
    })
}

/// Zeiler and Fergus 2014: by how much the engine's logit falls when a square is covered; a pixel has the mean over the squares
/// that cover it.
pub(super) fn occlusion(target: &Target<'_>, watch: &dyn Watch, part: Part) -> Result<Vec<Array2<f32>>, AssessFault> {
    let parameters = target.parameters();
    let whole = target.score(&target.engine_logits(&[])?);
    let squares: Vec<(usize, usize, usize)> = target
        .originals
        .iter()
        .enumerate()
        .flat_map(|(picture, values)| {
            let (rows, columns, _) = values.dim();
            let along = |size| places(size, parameters.occlusion_px, parameters.occlusion_stride_px);
            let columns = along(columns);
            along(rows)
                .into_iter()
                .flat_map(move |row| columns.clone().into_iter().map(move |column| (picture, row, column)))
        })
        .collect();
    let count = Count::new(watch, part, squares.len())?;
    let uncovered: Vec<Array3<u8>> = target.originals.iter().map(|picture| target.levels(picture)).collect();
    let drops: Vec<f32> = squares
        .par_iter()
        .map(|&(picture, row, column)| {
            let mut covered = uncovered[picture].clone();
            let (rows, columns, _) = covered.dim();
            let square = ndarray::s![
                row..(row + parameters.occlusion_px).min(rows),
                column..(column + parameters.occlusion_px).min(columns),
                ..
            ];
            covered.slice_mut(square).fill(parameters.occlusion_level);
            let left = target.score(&target.engine_logits_of(&[(picture, covered)])?);
            count.step()?;
            #[expect(clippy::cast_possible_truncation, reason = "a map's precision")]
            let drop = (whole - left) as f32;
            Ok(drop)
        })
        .collect::<Result<_, AssessFault>>()?;
    let mut maps: Vec<(Array2<f32>, Array2<f32>)> = target
        .originals
        .iter()
        .map(|picture| {
            let (rows, columns, _) = picture.dim();
            (Array2::zeros((rows, columns)), Array2::zeros((rows, columns)))
        })
        .collect();
    for (&(picture, row, column), &drop) in squares.iter().zip(&drops) {
        let (sum, times) = &mut maps[picture];
        let (rows, columns) = sum.dim();
        let square = ndarray::s![
            row..(row + parameters.occlusion_px).min(rows),
            column..(column + parameters.occlusion_px).min(columns)
        ];
        sum.slice_mut(square).mapv_inplace(|value| value + drop);
        times.slice_mut(square).mapv_inplace(|value| value + 1.0);
    }
    Ok(maps.into_iter().map(|(sum, times)| sum / times.mapv_into(|times: f32| times.max(1.0))).collect())
}

/// Where squares begin along an edge: every `stride`, and one that ends at the end.
fn places(size: usize, edge: usize, stride: usize) -> Vec<usize> {
    let last = size.saturating_sub(edge);
    let mut places: Vec<usize> = (0..=last).step_by(stride.max(1)).collect();
    if places.last() != Some(&last) {
        places.push(last);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_reach_both_ends() {
        assert_eq!(places(10, 4, 3), [0, 3, 6]);
        assert_eq!(places(11, 4, 3), [0, 3, 6, 7]);
        assert_eq!(places(3, 4, 3), [0]);
    }
}
