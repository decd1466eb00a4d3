//! Class activation maps from feature maps and their gradient.

use ndarray::{Array1, Array2, Array3, Axis, Zip};

use super::method::CamKind;

/// relu(Σ_k w_k A_k) over maps A, `[row, column, channel]`, from the derivative g of a logit S by them; not scaled.
///
/// Grad-CAM (Selvaraju et al. 2017, eq. 1): w_k is the mean of g over the map.
///
/// Grad-CAM++ (Chattopadhay et al. 2018, eq. 19): with Y = exp(S) the second and third derivatives by a map are
/// exp(S) g² and exp(S) g³, so that w_k = Σ_ij α_ij relu(exp(S) g_ij), α_ij = g_ij² / (2 g_ij² + Σ_ab A_ab g_ij³), 0 where that is 0/0.
/// exp(S) is the same factor for every map and every tile: it scales the whole, which no one reads, and is left out.
pub(super) fn map(features: &Array3<f32>, gradient: &Array3<f32>, kind: CamKind) -> Array2<f32> {
    let (rows, columns, channels) = features.dim();
    #[expect(clippy::cast_precision_loss, reason = "a few dozen pixels")]
    let pixels = (rows * columns) as f32;
    let over_maps = |array: &Array3<f32>| array.sum_axis(Axis(0)).sum_axis(Axis(0));
    let weights: Array1<f32> = match kind {
        CamKind::Mean => over_maps(gradient) / pixels,
        CamKind::PlusPlus => {
            let sums = over_maps(features);
            let mut weights = Array1::zeros(channels);
            for pixel in gradient.lanes(Axis(2)) {
                Zip::from(&mut weights).and(pixel).and(&sums).for_each(|weight, &g, &sum| {
                    let below = 2.0 * g * g + sum * g * g * g;
                    if below != 0.0 {
                        *weight += g * g / below * g.max(0.0);
                    }
                });
            }
            weights
        }
    };
    let mut map = Array2::zeros((rows, columns));
    Zip::from(&mut map).and(features.lanes(Axis(2))).for_each(|value, pixel| *value = pixel.dot(&weights).max(0.0));
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: REQ-EXPLAIN-01
    #[test]
    fn a_map_that_speaks_against_the_class_is_blank() {
        let features = Array3::from_elem((2, 2, 1), 1.0);
        for kind in [CamKind::Mean, CamKind::PlusPlus] {
            let of = |gradient: f32| map(&features, &Array3::from_elem((2, 2, 1), gradient), kind);
            assert!(of(0.25).iter().all(|&value| value > 0.0));
            assert!(of(-0.25).iter().chain(&of(0.0)).all(|&value| value == 0.0));
        }
    }

    #[test]
    fn weights_follow_the_published_forms() {
        // One channel, A = [1, 2], g = [0.5, -0.1].
        let features = Array3::from_shape_vec((1, 2, 1), vec![1.0, 2.0]).expect("shape");
        let gradient = Array3::from_shape_vec((1, 2, 1), vec![0.5, -0.1]).expect("shape");
        let mean = map(&features, &gradient, CamKind::Mean);
        assert!((mean[[0, 0]] - 0.2).abs() < 1e-6 && (mean[[0, 1]] - 0.4).abs() < 1e-6, "{mean}");
        // α = 0.25 / (0.5 + 3 · 0.125) for the first, the second is cut off by relu.
        let plus = map(&features, &gradient, CamKind::PlusPlus);
        assert!((plus[[0, 0]] - 0.25 / 0.875 * 0.5).abs() < 1e-6, "{plus}");
    }
}
