//! Maps at other resolutions.

use ndarray::Array2;

use super::ExplainMethod;

/// Cells along an edge of what is shown of a map that has a value a pixel: single pixels' derivatives are noise.
const CELLS: usize = 16;

/// What of a method's map is shown: only what speaks for the class, maps of pixels as means over cells of a 16th of the picture.
#[must_use]
pub fn shown_map(map: &Array2<f32>, method: ExplainMethod) -> Array2<f32> {
    let (rows, columns) = map.dim();
    let coarse = if method.of_features().is_some() || rows <= CELLS || columns <= CELLS {
        map.clone()
    } else {
        Array2::from_shape_fn((CELLS, CELLS), |(row, column)| {
            let part = map.slice(ndarray::s![
                row * rows / CELLS..(row + 1) * rows / CELLS,
                column * columns / CELLS..(column + 1) * columns / CELLS
            ]);
            part.mean().unwrap_or(0.0)
        })
    };
    // What is no number stays none: `max` would hide it.
    coarse.mapv_into(|value| if value < 0.0 { 0.0 } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_against_the_class_is_not_shown() {
        let mut map = Array2::from_elem((32, 32), -1.0);
        map[[31, 31]] = 7.0;
        let shown = shown_map(&map, ExplainMethod::Occlusion);
        assert_eq!(shown.dim(), (16, 16));
        assert!((shown[[15, 15]] - 1.0).abs() < 1e-6 && shown.iter().filter(|&&value| value > 0.0).count() == 1);
    }
}
