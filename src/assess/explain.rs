//! Class activation maps in closed form.
//!
//! Both networks end in global pooling, so the gradient of a logit with respect to the last maps is known without
//! automatic differentiation: constant over each map, through the dense layer for CT, through head *and* attention for
//! H&E.

use hilum_domain::UnknownName;
use hilum_infer::AttentionWeights;
use ndarray::{Array1, Array2, Array3, ArrayView1, Axis};

/// A way to say where a network looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainMethod {
    /// Selvaraju et al. 2017.
    GradCam,
    /// Chattopadhay et al. 2018.
    GradCamPlusPlus,
}

impl ExplainMethod {
    /// Every method of this build.
    pub const ALL: [Self; 2] = [Self::GradCam, Self::GradCamPlusPlus];

    /// The name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GradCam => "gradcam",
            Self::GradCamPlusPlus => "gradcam++",
        }
    }

    /// The name by which its authors call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::GradCam => "Grad-CAM",
            Self::GradCamPlusPlus => "Grad-CAM++",
        }
    }

    /// The weight of a map in the sum, from its gradient, which is the same at each of its pixels.
    ///
    /// Grad-CAM: the mean of the gradient. Grad-CAM++ (eq. 19 with the class score itself as Y):
    /// Σ α·relu(g), α = g² / (2g² + ΣA·g³); with one g for the whole map the sum is its number of pixels.
    fn weight(self, gradient: f32, map_sum: f32, pixels: f32) -> f32 {
        match self {
            Self::GradCam => gradient,
            Self::GradCamPlusPlus => {
                let square = gradient * gradient;
                let below = 2.0 * square + map_sum * square * gradient;
                if below == 0.0 { 0.0 } else { pixels * square / below * gradient.max(0.0) }
            }
        }
    }
}

impl std::str::FromStr for ExplainMethod {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == name)
            .ok_or_else(|| UnknownName::new("explanation method", name, Self::ALL.map(Self::name)))
    }
}

/// relu(Σ_k weight_k · map_k) over `[row, column, channel]`, not scaled.
fn weighted_sum(features: &Array3<f32>, gradient_of_pooled: ArrayView1<'_, f32>, method: ExplainMethod) -> Array2<f32> {
    let (rows, columns, channels) = features.dim();
    #[expect(clippy::cast_precision_loss, reason = "a few dozen pixels")]
    let pixels = (rows * columns) as f32;
    let sums = features.sum_axis(Axis(0)).sum_axis(Axis(0));
    let weights: Array1<f32> = Array1::from_shape_fn(channels, |channel| {
        // Pooling shares a channel's gradient evenly among its pixels.
        method.weight(gradient_of_pooled[channel] / pixels, sums[channel], pixels)
    });
    let mut map = Array2::zeros((rows, columns));
    for ((row, column), value) in map.indexed_iter_mut() {
        let here = features.slice(ndarray::s![row, column, ..]);
        *value = here.dot(&weights).max(0.0);
    }
    map
}

/// The map of one class's logit over the CT network's features, through pooling and dense layer. `head` is the dense
/// layer, `[class, channel + 1]`, the bias last.
#[must_use]
pub fn cam_ct(features: &Array3<f32>, head: &Array2<f32>, class: usize, method: ExplainMethod) -> Array2<f32> {
    let channels = features.dim().2;
    weighted_sum(features, head.slice(ndarray::s![class, ..channels]), method)
}

/// The maps of one class's logit over every tile's features, through pooling, attention and head.
///
/// With a = softmax(s), z = Σ a_n h_n, logit = W z: ∂logit/∂h_n = a_n W + a_n (W·h_n − W·z) ∂s_n/∂h_n. The second
/// term is what attention alone leaves out: a tile also counts by drawing attention to itself.
/// `embeddings` is `[tile, channel]`, `attention` each tile's a_n.
#[must_use]
pub fn cam_he(
    features: &[&Array3<f32>],
    embeddings: &Array2<f32>,
    attention: &[f32],
    weights: &AttentionWeights,
    class: usize,
    method: ExplainMethod,
) -> Vec<Array2<f32>> {
    let head = weights.head.row(class);
    let per_tile: Array1<f32> = embeddings.dot(&head);
    let mean: f32 = per_tile.iter().zip(attention).map(|(score, share)| score * share).sum();
    features
        .iter()
        .zip(embeddings.rows())
        .zip(attention.iter().zip(&per_tile))
        .map(|((features, embedding), (&share, &score))| {
            let tanh = (weights.v.dot(&embedding) + &weights.v_bias).mapv(f32::tanh);
            let gate = (weights.u.dot(&embedding) + &weights.u_bias).mapv(|x| 1.0 / (1.0 + (-x).exp()));
            let through_tanh = &weights.w * &gate * tanh.mapv(|t| 1.0 - t * t);
            let through_gate = &weights.w * &tanh * gate.mapv(|g| g * (1.0 - g));
            let of_score = weights.v.t().dot(&through_tanh) + weights.u.t().dot(&through_gate);
            let gradient = &head * share + of_score * (share * (score - mean));
            weighted_sum(features, gradient.view(), method)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_draws_a_gradient_that_finite_differences_confirm() {
        let (hidden, channels, tiles) = (3, 4, 3);
        let number = |seed: usize| {
            #[expect(clippy::cast_precision_loss, reason = "test")]
            let unit = ((seed * 7919 + 104_729) % 1009) as f32 / 1009.0;
            unit * 2.0 - 1.0
        };
        let matrix = |rows: usize, columns: usize, seed: usize| {
            Array2::from_shape_fn((rows, columns), |(r, c)| number(seed + r * columns + c))
        };
        let weights = AttentionWeights {
            v: matrix(hidden, channels, 1),
            v_bias: Array1::from(vec![0.1, -0.2, 0.3]),
            u: matrix(hidden, channels, 50),
            u_bias: Array1::from(vec![-0.3, 0.2, 0.1]),
            w: Array1::from(vec![0.9, -0.7, 0.5]),
            head: matrix(5, channels, 100),
        };
        let embeddings = matrix(tiles, channels, 200).mapv(f32::abs);
        let forward = |embeddings: &Array2<f32>| -> (f32, Vec<f32>) {
            let scores: Vec<f32> = embeddings
                .rows()
                .into_iter()
                .map(|h| {
                    let tanh = (weights.v.dot(&h) + &weights.v_bias).mapv(f32::tanh);
                    let gate = (weights.u.dot(&h) + &weights.u_bias).mapv(|x| 1.0 / (1.0 + (-x).exp()));
                    (&weights.w * &tanh * &gate).sum()
                })
                .collect();
            let sum: f32 = scores.iter().map(|s| s.exp()).sum();
            let attention: Vec<f32> = scores.iter().map(|s| s.exp() / sum).collect();
            let z = attention.iter().zip(embeddings.rows()).fold(Array1::zeros(channels), |z, (&a, h)| z + &h * a);
            (weights.head.row(2).dot(&z), attention)
        };
        let (_, attention) = forward(&embeddings);
        // One pixel a map, the map the embedding itself, Grad-CAM: the sum over channels of gradient × embedding.
        let features: Vec<Array3<f32>> = embeddings
            .rows()
            .into_iter()
            .map(|h| h.to_owned().into_shape_with_order((1, 1, channels)).expect("shape"))
            .collect();
        let maps =
            cam_he(&features.iter().collect::<Vec<_>>(), &embeddings, &attention, &weights, 2, ExplainMethod::GradCam);
        for tile in 0..tiles {
            let mut directional = 0.0;
            for channel in 0..channels {
                let step = 1e-3;
                let (mut up, mut down) = (embeddings.clone(), embeddings.clone());
                up[[tile, channel]] += step;
                down[[tile, channel]] -= step;
                directional += (forward(&up).0 - forward(&down).0) / (2.0 * step) * embeddings[[tile, channel]];
            }
            assert!(
                (maps[tile][[0, 0]] - directional.max(0.0)).abs() < 2e-3,
                "tile {tile}: {} {directional}",
                maps[tile][[0, 0]]
            );
        }
    }

    #[test]
    fn a_map_that_speaks_against_the_class_is_blank() {
        let features = Array3::from_elem((2, 2, 1), 1.0);
        let head =
            Array2::from_shape_vec((5, 2), vec![1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).expect("shape");
        for method in ExplainMethod::ALL {
            assert!(cam_ct(&features, &head, 0, method).iter().all(|&value| value > 0.0));
            assert!(cam_ct(&features, &head, 1, method).iter().all(|&value| value.abs() < 1e-9));
        }
    }
}
