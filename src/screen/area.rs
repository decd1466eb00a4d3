//! Room on the panel, divided.

use embedded_graphics::{prelude::*, primitives::Rectangle};

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Area {
    /// From the left.
    pub x: u16,
    /// From the top.
    pub y: u16,
    /// Across.
    pub width: u16,
    /// Down.
    pub height: u16,
}

impl Area {
    /// From the upper left corner.
    #[must_use]
    pub const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Whether a pixel is in it.
    #[must_use]
    pub const fn contains(&self, x: u16, y: u16) -> bool {
        x >= self.x && y >= self.y && x - self.x < self.width && y - self.y < self.height
    }

    /// Whether the two have a pixel in common.
    #[must_use]
    pub const fn meets(&self, other: &Self) -> bool {
        !self.is_empty()
            && !other.is_empty()
            && self.x < other.x.saturating_add(other.width)
            && other.x < self.x.saturating_add(self.width)
            && self.y < other.y.saturating_add(other.height)
            && other.y < self.y.saturating_add(self.height)
    }

    /// Whether every pixel of it is in `outer`.
    #[must_use]
    pub const fn is_in(&self, outer: &Self) -> bool {
        self.x >= outer.x
            && self.y >= outer.y
            && self.x + self.width <= outer.x + outer.width
            && self.y + self.height <= outer.y + outer.height
    }

    /// Cuts `height` off at the top, and answers with it.
    pub fn top(&mut self, height: u16) -> Self {
        let height = height.min(self.height);
        let cut = Self { height, ..*self };
        self.y += height;
        self.height -= height;
        cut
    }

    /// Cuts `height` off at the bottom, and answers with it.
    pub fn bottom(&mut self, height: u16) -> Self {
        let height = height.min(self.height);
        self.height -= height;
        Self { y: self.y + self.height, height, ..*self }
    }

    /// Cuts `width` off at the left, and answers with it.
    pub fn left(&mut self, width: u16) -> Self {
        let width = width.min(self.width);
        let cut = Self { width, ..*self };
        self.x += width;
        self.width -= width;
        cut
    }

    /// Cuts `width` off at the right, and answers with it.
    pub fn right(&mut self, width: u16) -> Self {
        let width = width.min(self.width);
        self.width -= width;
        Self { x: self.x + self.width, width, ..*self }
    }

    /// Without a margin on every side.
    #[must_use]
    pub fn inside(&self, margin: u16) -> Self {
        let (dx, dy) = (margin.min(self.width / 2), margin.min(self.height / 2));
        Self { x: self.x + dx, y: self.y + dy, width: self.width - 2 * dx, height: self.height - 2 * dy }
    }

    /// `count` columns of one width, from the left, with gaps between them.
    #[must_use]
    pub fn columns(&self, count: u16, gap: u16) -> Vec<Self> {
        let width = self.width.saturating_sub(gap * count.saturating_sub(1)) / count.max(1);
        (0..count).map(|index| Self { x: self.x + index * (width + gap), width, ..*self }).collect()
    }

    /// `count` rows of one height, from the top, with gaps between them.
    #[must_use]
    pub fn rows(&self, count: u16, gap: u16) -> Vec<Self> {
        let height = self.height.saturating_sub(gap * count.saturating_sub(1)) / count.max(1);
        (0..count).map(|index| Self { y: self.y + index * (height + gap), height, ..*self }).collect()
    }

    /// The largest area of a shape, width over height, in the middle of this one.
    #[must_use]
    pub fn fitted(&self, shape: f64) -> Self {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most this area's")]
        let (width, height) = if width > height * shape {
            ((height * shape) as u16, self.height)
        } else {
            (self.width, (width / shape) as u16)
        };
        Self { x: self.x + (self.width - width) / 2, y: self.y + (self.height - height) / 2, width, height }
    }

    /// Mirrored from left to right in a panel of `across` pixels.
    #[must_use]
    pub const fn mirrored(&self, across: u16) -> Self {
        Self { x: across.saturating_sub(self.x + self.width), ..*self }
    }

    /// The least area that has both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// So many hundredths of a length.
pub(crate) fn share(length: u16, percent: u32) -> u16 {
    u16::try_from(u32::from(length) * percent / 100).unwrap_or(u16::MAX)
}

impl From<Area> for Rectangle {
    fn from(area: Area) -> Self {
        Self::new(Point::new(area.x.into(), area.y.into()), Size::new(area.width.into(), area.height.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_and_what_stays_are_all() {
        let whole = Area::new(3, 4, 100, 50);
        let mut rest = whole;
        assert_eq!(rest.top(10), Area::new(3, 4, 100, 10));
        assert_eq!(rest.bottom(5), Area::new(3, 49, 100, 5));
        assert_eq!(rest.left(30), Area::new(3, 14, 30, 35));
        assert_eq!(rest.right(20), Area::new(83, 14, 20, 35));
        assert_eq!(rest, Area::new(33, 14, 50, 35));
        assert_eq!(rest.top(99).height, 35);
        assert!(rest.is_empty());
    }

    #[test]
    fn columns_and_rows_lie_inside_and_apart() {
        let whole = Area::new(5, 6, 101, 77);
        for parts in [whole.columns(4, 3), whole.rows(4, 3)] {
            assert_eq!(parts.len(), 4);
            for (index, part) in parts.iter().enumerate() {
                assert!(part.is_in(&whole) && parts[..index].iter().all(|other| !other.meets(part)), "{parts:?}");
            }
        }
    }

    #[test]
    fn a_picture_keeps_its_shape() {
        assert_eq!(Area::new(0, 0, 200, 100).fitted(1.0), Area::new(50, 0, 100, 100));
        assert_eq!(Area::new(0, 0, 100, 200).fitted(2.0), Area::new(0, 75, 100, 50));
    }
}
