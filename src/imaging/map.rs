//! Heatmaps between resolutions.

use ndarray::Array2;

/// A map at another size, linear between pixel centres.
#[must_use]
pub fn resized_map(map: &Array2<f32>, rows: usize, columns: usize) -> Array2<f32> {
    #[expect(clippy::cast_precision_loss, reason = "picture sizes")]
    let along = |index: usize, of: usize, from: usize| (index as f64 + 0.5) * from as f64 / of as f64 - 0.5;
    let (from_rows, from_columns) = map.dim();
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        bilinear(map, along(row, rows, from_rows), along(column, columns, from_columns)).unwrap_or(0.0)
    })
}

/// The value between pixel centres; up to half a pixel beyond the outer ones it is theirs, and nothing outside.
pub(crate) fn bilinear(map: &Array2<f32>, row: f64, column: f64) -> Option<f32> {
    let along = |at: f64, size: usize| {
        #[expect(clippy::cast_precision_loss, reason = "the size of a picture")]
        let last = size as f64 - 1.0;
        (-0.5..=last + 0.5).contains(&at).then(|| {
            let at = at.clamp(0.0, last);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the last")]
            let low = at as usize;
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a share of a pixel")]
            let rest = (at - low as f64) as f32;
            (low, (low + 1).min(size - 1), rest)
        })
    };
    let (rows, columns) = map.dim();
    let ((r0, r1, r), (c0, c1, c)) = (along(row, rows)?, along(column, columns)?);
    let upper = map[[r0, c0]] * (1.0 - c) + map[[r0, c1]] * c;
    let lower = map[[r1, c0]] * (1.0 - c) + map[[r1, c1]] * c;
    Some(upper * (1.0 - r) + lower * r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resizing_keeps_a_constant_and_the_extremes() {
        let map = Array2::from_shape_vec((2, 2), vec![0.0, 1.0, 2.0, 3.0]).expect("shape");
        let large = resized_map(&map, 8, 8);
        assert!((large[[0, 0]]).abs() < 1e-6 && (large[[7, 7]] - 3.0).abs() < 1e-6);
        assert!(resized_map(&Array2::from_elem((3, 5), 0.7), 11, 4).iter().all(|v| (v - 0.7).abs() < 1e-6));
    }
}
