//! Pictures on a page: photographs, and slices through a CT, a part of them or all.

use std::sync::Arc;

use hilum_domain::Point;
use hilum_imaging::{Volume, Window};
use image::RgbImage;

use crate::Area;

/// How a slice lies in the patient. Each is seen as radiologists hang it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plane {
    /// From the feet: the patient's left at the right, the back at the bottom.
    Axial,
    /// From the front: the patient's left at the right, the feet at the bottom.
    Coronal,
    /// From the left: the back at the right, the feet at the bottom.
    Sagittal,
}

impl Plane {
    /// Every plane.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    /// Which patient axis (LPS: 0, 1, 2) goes right and which goes down, each with its direction, and which goes through.
    #[must_use]
    pub const fn axes(self) -> ([(usize, f64); 2], usize) {
        match self {
            Self::Axial => ([(0, 1.0), (1, 1.0)], 2),
            Self::Coronal => ([(0, 1.0), (2, -1.0)], 1),
            Self::Sagittal => ([(1, 1.0), (2, -1.0)], 0),
        }
    }
}

/// A slice through a CT.
#[derive(Debug, Clone)]
pub struct Slice {
    /// HU on the scanner's grid.
    pub volume: Arc<Volume<i16>>,
    /// How it lies.
    pub plane: Plane,
    /// Where along the axis that goes through it, patient LPS, mm.
    pub at_mm: f64,
    /// Which HU are black and white.
    pub window: Window,
}

impl PartialEq for Slice {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.volume, &other.volume)
            && self.plane == other.plane
            && self.at_mm.to_bits() == other.at_mm.to_bits()
            && self.window == other.window
    }
}

/// The box of patient coordinates that a volume fills: the least and the largest of each axis, mm.
#[must_use]
pub fn extent_mm(volume: &Volume<i16>) -> [[f64; 2]; 3] {
    let grid = volume.grid();
    let mut extent = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
    for corner in 0..8_usize {
        let index = std::array::from_fn(|axis| {
            #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
            let last = grid.size[axis] as f64 - 0.5;
            if corner >> axis & 1 == 0 { -0.5 } else { last }
        });
        for (side, value) in extent.iter_mut().zip(grid.point(index).lps_mm) {
            *side = [side[0].min(value), side[1].max(value)];
        }
    }
    extent
}

/// Of what.
#[derive(Debug, Clone)]
pub enum Source {
    /// A photograph.
    Image(Arc<RgbImage>),
    /// A slice.
    Slice(Slice),
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Image(a), Self::Image(b)) => Arc::ptr_eq(a, b),
            (Self::Slice(a), Self::Slice(b)) => a == b,
            _ => false,
        }
    }
}

/// Which part of a source is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// What is in the middle, as shares of the source from its left and top.
    pub centre: [f64; 2],
    /// 1 is all of it; 2 is half as much in each direction.
    pub zoom: f64,
}

/// The largest zoom.
pub const CLOSEST: f64 = 8.0;

impl Part {
    /// All of it.
    pub const ALL: Self = Self { centre: [0.5, 0.5], zoom: 1.0 };

    /// The nearest part that has nothing beside the source.
    #[must_use]
    pub fn kept_inside(self) -> Self {
        let zoom = if self.zoom.is_finite() { self.zoom.clamp(1.0, CLOSEST) } else { 1.0 };
        let half = 0.5 / zoom;
        let keep = |at: f64| if at.is_finite() { at.clamp(half, 1.0 - half) } else { 0.5 };
        Self { centre: self.centre.map(keep), zoom }
    }
}

/// A picture as it is put on a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Of what.
    pub source: Source,
    /// Another picture of the same size over it, and how much of it is seen, 0 to 255.
    pub over: Option<(Source, u8)>,
    /// Which part.
    pub part: Part,
}

impl Picture {
    /// All of it.
    #[must_use]
    pub const fn whole(source: Source) -> Self {
        Self { source, over: None, part: Part::ALL }
    }

    /// Across and down: pixels of a photograph, mm of a slice.
    #[must_use]
    pub fn size(&self) -> [f64; 2] {
        match &self.source {
            Source::Image(image) => [f64::from(image.width()), f64::from(image.height())],
            Source::Slice(slice) => {
                let extent = extent_mm(&slice.volume);
                slice.plane.axes().0.map(|(axis, _)| extent[axis][1] - extent[axis][0])
            }
        }
    }

    /// The pixels of `area` that it fills: it keeps its shape.
    #[must_use]
    pub fn fitted(&self, area: Area) -> Area {
        let [width, height] = self.size();
        area.fitted(width / height)
    }

    /// What is seen at a pixel of an area that it fills, as shares from the left and top.
    #[must_use]
    pub fn share_at(&self, area: Area, x: f64, y: f64) -> [f64; 2] {
        let Part { centre, zoom } = self.part;
        let across =
            [(x - f64::from(area.x)) / f64::from(area.width), (y - f64::from(area.y)) / f64::from(area.height)];
        std::array::from_fn(|axis| centre[axis] + (across[axis] - 0.5) / zoom)
    }

    /// At which pixel of an area that it fills a share is seen; it may be outside.
    #[must_use]
    pub fn pixel_of(&self, area: Area, share: [f64; 2]) -> [f64; 2] {
        let Part { centre, zoom } = self.part;
        let across: [f64; 2] = std::array::from_fn(|axis| (share[axis] - centre[axis]) * zoom + 0.5);
        [
            across[0].mul_add(f64::from(area.width), f64::from(area.x)),
            across[1].mul_add(f64::from(area.height), f64::from(area.y)),
        ]
    }
}

impl Slice {
    /// The patient point at a share of the slice from its left and top.
    #[must_use]
    pub fn point(&self, share: [f64; 2]) -> Point {
        let extent = extent_mm(&self.volume);
        let (across, through) = self.plane.axes();
        let mut lps_mm = [0.0; 3];
        lps_mm[through] = self.at_mm;
        for ((axis, direction), share) in across.into_iter().zip(share) {
            let share = if direction > 0.0 { share } else { 1.0 - share };
            lps_mm[axis] = share.mul_add(extent[axis][1] - extent[axis][0], extent[axis][0]);
        }
        Point::new(lps_mm)
    }

    /// Where a patient point is seen, as shares from the left and top, and how far it is from the slice, mm.
    #[must_use]
    pub fn share(&self, point: Point) -> ([f64; 2], f64) {
        let extent = extent_mm(&self.volume);
        let (across, through) = self.plane.axes();
        let shares = across.map(|(axis, direction)| {
            let share = (point.lps_mm[axis] - extent[axis][0]) / (extent[axis][1] - extent[axis][0]);
            if direction > 0.0 { share } else { 1.0 - share }
        });
        (shares, (point.lps_mm[through] - self.at_mm).abs())
    }

    /// Its pixels as levels of grey, about one for each voxel: a slice that is looked at is drawn from them again and again.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let grid = self.volume.grid();
        let extent = extent_mm(&self.volume);
        let (across, through) = self.plane.axes();
        let finest = grid.spacing_mm().into_iter().fold(f64::INFINITY, f64::min).max(0.1);
        let [width, height] = across.map(|(axis, _)| pixels((extent[axis][1] - extent[axis][0]) / finest));
        let mut levels = Vec::with_capacity(width * height);
        // One index step for a pixel to the right: the grid is affine.
        let start = |row: usize| {
            #[expect(clippy::cast_precision_loss, reason = "at most a few thousand")]
            let share = |at: usize, of: usize| (at as f64 + 0.5) / of as f64;
            [0, 1].map(|column| grid.index(self.point([share(column, width), share(row, height)])))
        };
        debug_assert!(through < 3);
        let (grey, voxels) = (Greys::of(self.window), self.volume.voxels());
        for row in 0..height {
            let [mut index, next] = start(row);
            let step: [f64; 3] = std::array::from_fn(|axis| next[axis] - index[axis]);
            // What stays along the row is looked up once.
            let still: [Option<Option<usize>>; 3] =
                std::array::from_fn(|axis| (step[axis] == 0.0).then(|| nearest(index[axis], grid.size[axis])));
            for _ in 0..width {
                let at = |axis: usize| still[axis].unwrap_or_else(|| nearest(index[axis], grid.size[axis]));
                let hu = at(0).zip(at(1)).zip(at(2)).and_then(|((i, j), k)| voxels.get([k, j, i]));
                levels.push(hu.map_or(0, |&hu| grey.level(hu)));
                for (index, step) in index.iter_mut().zip(step) {
                    *index += step;
                }
            }
        }
        Levels { width, height, levels }
    }
}

/// The levels of a window: from the first that may not be black to the last that may not be white.
struct Greys {
    first: i16,
    last: i16,
    levels: Vec<u8>,
}

impl Greys {
    fn of(window: Window) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the casts saturate")]
        let (first, last) = (window.low_hu.floor() as i16, window.high_hu.ceil() as i16);
        let last = last.max(first);
        let levels = (first..=last).map(|hu| window.level(f32::from(hu))).collect();
        Self { first, last, levels }
    }

    fn level(&self, hu: i16) -> u8 {
        let at = usize::from(hu.clamp(self.first, self.last).abs_diff(self.first));
        self.levels.get(at).copied().unwrap_or_default()
    }
}

/// Grey levels, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// 0 is black.
    pub levels: Vec<u8>,
}

fn pixels(count: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped on this line")]
    let whole = count.round().clamp(1.0, 2048.0) as usize;
    whole
}

/// The nearest whole index on an axis of so many.
fn nearest(index: f64, size: usize) -> Option<usize> {
    let up = index + 0.5;
    // Cut off is rounded down where it is not negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "too large is outside")]
    let whole = up as u32 as usize;
    (up >= 0.0 && whole < size).then_some(whole)
}

#[cfg(test)]
mod tests {
    use hilum_imaging::Grid;
    use ndarray::Array3;

    use super::*;

    /// 4 × 3 × 2 voxels of 1 × 2 × 5 mm; each says its index as 100 k + 10 j + i.
    fn volume() -> Arc<Volume<i16>> {
        let voxels = Array3::from_shape_fn((2, 3, 4), |(k, j, i)| i16::try_from(100 * k + 10 * j + i).expect("small"));
        let grid = Grid::axial([4, 3, 2], [-10.0, 20.0, -600.0], [1.0, 2.0, 5.0]);
        Arc::new(Volume::new(voxels, grid).expect("its shape"))
    }

    fn slice(plane: Plane, at_mm: f64) -> Slice {
        Slice { volume: volume(), plane, at_mm, window: Window::around(127.5, 255.0) }
    }

    #[track_caller]
    fn check(plane: Plane, at_mm: f64, corners: [u8; 4]) {
        let levels = slice(plane, at_mm).levels();
        let at = |row: usize, column: usize| levels.levels[row * levels.width + column];
        let (right, bottom) = (levels.width - 1, levels.height - 1);
        assert_eq!([at(0, 0), at(0, right), at(bottom, 0), at(bottom, right)], corners);
    }

    // verifies: REQ-CT-05
    #[test]
    fn slices_hang_as_radiologists_hang_them() {
        // Left of the patient at the right; the back below.
        check(Plane::Axial, -600.0, [0, 3, 20, 23]);
        check(Plane::Axial, -595.0, [100, 103, 120, 123]);
        // The head above.
        check(Plane::Coronal, 22.0, [110, 113, 10, 13]);
        check(Plane::Sagittal, -8.0, [102, 122, 2, 22]);
    }

    // verifies: REQ-CT-05
    #[test]
    fn a_point_is_seen_where_it_is_touched() {
        let area = Area::new(50, 60, 300, 200);
        for plane in Plane::ALL {
            let slice = slice(plane, -4.0);
            let part = Part { centre: [0.4, 0.6], zoom: 2.0 }.kept_inside();
            let picture = Picture { source: Source::Slice(slice.clone()), over: None, part };
            let touched = slice.point(picture.share_at(area, 123.0, 99.0));
            let (share, away) = slice.share(touched);
            let [x, y] = picture.pixel_of(area, share);
            assert!((x - 123.0).abs() < 1e-9 && (y - 99.0).abs() < 1e-9 && away < 1e-9, "{plane:?} {x} {y}");
        }
    }

    #[test]
    fn no_part_shows_what_is_beside_the_picture() {
        for (centre, zoom) in [([0.0, 1.0], 3.0), ([9.0, -9.0], 100.0), ([f64::NAN, 0.5], f64::NAN), ([0.1, 0.1], 0.2)]
        {
            let Part { centre, zoom } = Part { centre, zoom }.kept_inside();
            assert!((1.0..=CLOSEST).contains(&zoom));
            for at in centre {
                assert!(at - 0.5 / zoom >= -1e-12 && at + 0.5 / zoom <= 1.0 + 1e-12);
            }
        }
    }
}
