//! A volume of voxels and where each lies in the patient.

use hilum_domain::Point;
use ndarray::Array3;

/// Where the voxels of a volume lie: voxel centres on a parallelepiped grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Columns (i), rows (j), slices (k).
    pub size: [usize; 3],
    /// The centre of voxel (0, 0, 0), patient LPS, mm.
    pub origin_lps_mm: [f64; 3],
    /// How far one index along i, j, k moves the centre, patient LPS, mm.
    pub step_lps_mm: [[f64; 3]; 3],
}

impl Grid {
    /// A grid whose axes are the patient's: columns to the left, rows to the back, slices to the head.
    #[must_use]
    pub const fn axial(size: [usize; 3], origin_lps_mm: [f64; 3], spacing_mm: [f64; 3]) -> Self {
        let [x, y, z] = spacing_mm;
        Self { size, origin_lps_mm, step_lps_mm: [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]] }
    }

    /// The distance between neighbours along i, j, k, in mm.
    #[must_use]
    pub fn spacing_mm(&self) -> [f64; 3] {
        self.step_lps_mm.map(length)
    }

    /// Whether the three axes stand at right angles, to within a milliradian: those of a tilted gantry do not.
    #[must_use]
    pub fn is_upright(&self) -> bool {
        let spacing = self.spacing_mm();
        let leans =
            |a: usize, b: usize| dot(self.step_lps_mm[a], self.step_lps_mm[b]).abs() > 1e-3 * spacing[a] * spacing[b];
        !(leans(0, 1) || leans(0, 2) || leans(1, 2))
    }

    /// The patient point of a voxel index (i, j, k), which need not be whole.
    #[must_use]
    pub fn point(&self, index: [f64; 3]) -> Point {
        Point::new(std::array::from_fn(|axis| {
            self.origin_lps_mm[axis] + (0..3).map(|along| index[along] * self.step_lps_mm[along][axis]).sum::<f64>()
        }))
    }

    /// The voxel index (i, j, k) of a patient point; whole numbers are voxel centres.
    ///
    /// The three steps must be independent, as those of every grid made by this project are.
    #[must_use]
    pub fn index(&self, point: Point) -> [f64; 3] {
        self.index_of_step(std::array::from_fn(|axis| point.lps_mm[axis] - self.origin_lps_mm[axis]))
    }

    /// By how much a step in the patient, LPS, mm, moves the index.
    pub(crate) fn index_of_step(&self, step: [f64; 3]) -> [f64; 3] {
        let [a, b, c] = self.step_lps_mm;
        let volume = dot(a, cross(b, c));
        [dot(step, cross(b, c)) / volume, dot(step, cross(c, a)) / volume, dot(step, cross(a, b)) / volume]
    }

    /// Whether a point lies within the voxels, borders (half a voxel around the outer centres) included.
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        self.index(point).iter().zip(self.size).all(|(&index, size)| {
            #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
            let last = size as f64 - 0.5;
            (-0.5..=last).contains(&index)
        })
    }
}

/// The dot product.
#[must_use]
pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The cross product.
#[must_use]
pub fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The length.
#[must_use]
pub fn length(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

/// The direction, of length 1.
pub(crate) fn unit(a: [f64; 3]) -> [f64; 3] {
    let length = length(a);
    a.map(|part| part / length)
}

/// Three directions at right angles: along `i`, along what of `j` is square to it, and their cross product.
pub(crate) fn right_angled(i: [f64; 3], j: [f64; 3]) -> [[f64; 3]; 3] {
    let i = unit(i);
    let lean = dot(j, i);
    let j = unit(std::array::from_fn(|axis| j[axis] - lean * i[axis]));
    [i, j, cross(i, j)]
}

/// Voxels on a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume<T> {
    voxels: Array3<T>,
    grid: Grid,
}

impl<T> Volume<T> {
    /// A volume of `voxels`, indexed [slice k, row j, column i]; `None` if their shape is not the grid's.
    #[must_use]
    pub fn new(voxels: Array3<T>, grid: Grid) -> Option<Self> {
        let [columns, rows, slices] = grid.size;
        (voxels.dim() == (slices, rows, columns)).then_some(Self { voxels, grid })
    }

    /// For callers that made both from one size.
    pub(crate) const fn from_parts(voxels: Array3<T>, grid: Grid) -> Self {
        Self { voxels, grid }
    }

    /// The voxels, indexed [slice k, row j, column i].
    #[must_use]
    pub const fn voxels(&self) -> &Array3<T> {
        &self.voxels
    }

    /// Where they lie.
    #[must_use]
    pub const fn grid(&self) -> &Grid {
        &self.grid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_point_are_inverse_on_an_oblique_grid() {
        let grid = Grid {
            size: [10, 20, 30],
            origin_lps_mm: [-100.0, 50.0, -600.0],
            step_lps_mm: [[0.6, 0.1, 0.0], [-0.1, 0.7, 0.2], [0.0, -0.3, 2.0]],
        };
        let index = [3.25, 7.5, 11.0];
        let back = grid.index(grid.point(index));
        for axis in 0..3 {
            assert!((back[axis] - index[axis]).abs() < 1e-9, "{back:?}");
        }
    }

    #[test]
    fn the_border_is_half_a_voxel_beyond_the_outer_centres() {
        let grid = Grid::axial([4, 4, 4], [0.0; 3], [1.0; 3]);
        assert!(grid.contains(Point::new([-0.5, 3.5, 0.0])));
        assert!(!grid.contains(Point::new([-0.51, 0.0, 0.0])));
        assert!(!grid.contains(Point::new([0.0, 0.0, 3.6])));
    }
}
