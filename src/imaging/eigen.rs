//! Eigenvalues of symmetric 3×3 matrices.

/// Eigenvalues in ascending order, each with its unit eigenvector, of a symmetric 3×3 matrix (cyclic Jacobi).
#[must_use]
pub fn symmetric_3x3(matrix: [[f64; 3]; 3]) -> [(f64, [f64; 3]); 3] {
    let mut a = matrix;
    let mut v = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    // Quadratic convergence: a dozen sweeps are far more than 64-bit floats need.
    for _ in 0..12 {
        let off = a[0][1] * a[0][1] + a[0][2] * a[0][2] + a[1][2] * a[1][2];
        if off <= f64::MIN_POSITIVE {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q].abs() <= f64::MIN_POSITIVE {
                continue;
            }
            let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
            let cos = 1.0 / (t * t + 1.0).sqrt();
            let sin = t * cos;
            for row in &mut a {
                (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
            }
            let (row_p, row_q) = (a[p], a[q]);
            a[p] = std::array::from_fn(|column| cos * row_p[column] - sin * row_q[column]);
            a[q] = std::array::from_fn(|column| sin * row_p[column] + cos * row_q[column]);
            for row in &mut v {
                (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
            }
        }
    }
    let mut pairs: [(f64, [f64; 3]); 3] = std::array::from_fn(|i| (a[i][i], [v[0][i], v[1][i], v[2][i]]));
    pairs.sort_by(|x, y| x.0.total_cmp(&y.0));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example() {
        // Eigenvalues of [[2,1,0],[1,2,0],[0,0,5]] are 1, 3, 5.
        let pairs = symmetric_3x3([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 5.0]]);
        for ((value, vector), want) in pairs.iter().zip([1.0, 3.0, 5.0]) {
            assert!((value - want).abs() < 1e-12, "{value}");
            assert!((crate::dot(*vector, *vector) - 1.0).abs() < 1e-12);
        }
        assert!((pairs[0].1[0] + pairs[0].1[1]).abs() < 1e-12, "{:?}", pairs[0].1);
    }

    #[test]
    fn vectors_satisfy_the_equation() {
        let m = [[4.0, -2.0, 0.7], [-2.0, 1.5, 0.3], [0.7, 0.3, -3.0]];
        for (value, vector) in symmetric_3x3(m) {
            for row in 0..3 {
                assert!((crate::dot(m[row], vector) - value * vector[row]).abs() < 1e-9);
            }
        }
    }
}
