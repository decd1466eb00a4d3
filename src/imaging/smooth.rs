//! Smoothing.

use ndarray::{Array3, Axis, Zip};

/// Smooths by a Gaussian of standard deviation `sigma`, in elements, along each of `axes`; the outermost elements are repeated
/// beyond the border.
pub fn gaussian(array: &mut Array3<f32>, sigma: f64, axes: &[usize]) {
    if array.is_empty() {
        return;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few dozen at most; the cast saturates"
    )]
    let reach = ((3.0 * sigma).ceil() as usize).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let bell: Vec<f64> =
        (0..=2 * reach).map(|tap| libm::exp(-0.5 * ((tap as f64 - reach as f64) / sigma).powi(2))).collect();
    let sum: f64 = bell.iter().sum();
    #[expect(clippy::cast_possible_truncation, reason = "to the precision of the elements")]
    let bell: Vec<f32> = bell.iter().map(|weight| (weight / sum) as f32).collect();
    for &axis in axes {
        Zip::from(array.lanes_mut(Axis(axis))).par_for_each(|mut lane| {
            let last = lane.len() - 1;
            let padded: Vec<f32> =
                (0..lane.len() + 2 * reach).map(|at| lane[at.saturating_sub(reach).min(last)]).collect();
            for (value, near) in lane.iter_mut().zip(padded.windows(bell.len())) {
                *value = near.iter().zip(&bell).map(|(value, weight)| value * weight).sum();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_and_a_point_spreads_along_the_axes_that_are_asked_for() {
        let mut flat = Array3::from_elem((5, 7, 3), 0.3);
        gaussian(&mut flat, 2.0, &[0, 1, 2]);
        assert!(flat.iter().all(|value| (value - 0.3).abs() < 1e-6));
        let mut point = Array3::zeros((21, 21, 2));
        point[[10, 10, 0]] = 1.0;
        gaussian(&mut point, 1.5, &[0, 1]);
        assert!((point.sum() - 1.0).abs() < 1e-5 && point[[10, 10, 1]] == 0.0, "{}", point.sum());
        assert!((point[[10, 12, 0]] - point[[12, 10, 0]]).abs() < 1e-7 && point[[10, 12, 0]] > 0.0);
    }
}
