//! The framebuffer: what the panel, a picture file and the mirror show.

use std::{convert::Infallible, ops::Range};

use embedded_graphics::{pixelcolor::Rgb888, prelude::*, primitives::Rectangle};
use image::RgbImage;

/// Pixels as a panel takes them: one word each, 0x00RRGGBB, row by row from the upper left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    pixels: Vec<u32>,
}

fn word(color: Rgb888) -> u32 {
    u32::from_be_bytes([0, color.r(), color.g(), color.b()])
}

fn index(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

impl Frame {
    /// A black one.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let pixels = vec![0; index(size.width).saturating_mul(index(size.height))];
        Self { width: size.width, height: size.height, pixels }
    }

    /// Every pixel.
    #[must_use]
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// One row of `area`, counted from its top. What is outside is left out.
    #[must_use]
    pub fn row(&self, area: &Rectangle, row: u32) -> &[u32] {
        let area = area.intersection(&self.bounding_box());
        if area.is_zero_sized() || row >= area.size.height {
            return &[];
        }
        &self.pixels[self.span(&area, row)]
    }

    /// As a picture.
    #[must_use]
    pub fn image(&self) -> RgbImage {
        let mut bytes = Vec::with_capacity(self.pixels.len() * 3);
        for pixel in &self.pixels {
            let [_, red, green, blue] = pixel.to_be_bytes();
            bytes.extend([red, green, blue]);
        }
        RgbImage::from_raw(self.width, self.height, bytes).unwrap_or_default()
    }

    /// Takes the pixels of an area from a frame of the same size.
    pub(crate) fn take(&mut self, area: &Rectangle, from: &Self) {
        let area = area.intersection(&self.bounding_box()).intersection(&from.bounding_box());
        for row in 0..area.size.height {
            let (to, from) = (self.span(&area, row), &from.pixels[from.span(&area, row)]);
            self.pixels[to].copy_from_slice(from);
        }
    }

    /// Where one row of an area that is inside lies.
    fn span(&self, area: &Rectangle, row: u32) -> Range<usize> {
        let at = |coordinate: i32| usize::try_from(coordinate).unwrap_or(0);
        let begin = (at(area.top_left.y) + index(row)) * index(self.width) + at(area.top_left.x);
        begin..begin + index(area.size.width)
    }
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Frame {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, color) in pixels {
            if self.bounding_box().contains(point) {
                let at = self.span(&Rectangle::new(point, Size::new(1, 1)), 0).start;
                self.pixels[at] = word(color);
            }
        }
        Ok(())
    }

    fn fill_contiguous<I: IntoIterator<Item = Rgb888>>(
        &mut self,
        area: &Rectangle,
        colors: I,
    ) -> Result<(), Infallible> {
        let mut colors = colors.into_iter();
        if area.is_zero_sized() {
            return Ok(());
        }
        if area.intersection(&self.bounding_box()) != *area {
            let points = area.points().zip(colors).map(|(point, color)| Pixel(point, color));
            return self.draw_iter(points);
        }
        for row in 0..area.size.height {
            let span = self.span(area, row);
            for (pixel, color) in self.pixels[span].iter_mut().zip(colors.by_ref()) {
                *pixel = word(color);
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        let area = area.intersection(&self.bounding_box());
        if area.is_zero_sized() {
            return Ok(());
        }
        for row in 0..area.size.height {
            let span = self.span(&area, row);
            self.pixels[span].fill(word(color));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is drawn through the fast ways is what is drawn pixel by pixel, also across the edges.
    #[test]
    fn the_fast_ways_draw_the_same() {
        let size = Size::new(7, 5);
        for (x, y, width, height) in
            [(0, 0, 7, 5), (2, 1, 3, 2), (-2, -1, 4, 4), (5, 3, 9, 9), (9, 9, 2, 2), (3, 2, 0, 4)]
        {
            let area = Rectangle::new(Point::new(x, y), Size::new(width, height));
            let color = |point: Point| Rgb888::new(point.x.to_le_bytes()[0], point.y.to_le_bytes()[0], 9);
            let [mut slow, mut fast] = [Frame::new(size), Frame::new(size)];
            let Ok(()) = slow.draw_iter(area.points().map(|point| Pixel(point, color(point))));
            let Ok(()) = fast.fill_contiguous(&area, area.points().map(color));
            assert_eq!(slow, fast, "{area:?}");
            let Ok(()) = slow.draw_iter(area.points().map(|point| Pixel(point, Rgb888::WHITE)));
            let Ok(()) = fast.fill_solid(&area, Rgb888::WHITE);
            assert_eq!(slow, fast, "{area:?}");
        }
    }

    #[test]
    fn rows_and_pictures_have_the_same_pixels() {
        let mut frame = Frame::new(Size::new(4, 3));
        let Ok(()) = frame.fill_solid(&Rectangle::new(Point::new(1, 1), Size::new(2, 1)), Rgb888::new(1, 2, 3));
        let area = Rectangle::new(Point::new(0, 1), Size::new(9, 9));
        assert_eq!(frame.row(&area, 0), [0, 0x0001_0203, 0x0001_0203, 0]);
        assert_eq!(frame.row(&area, 2), []);
        assert_eq!(frame.image().get_pixel(2, 1).0, [1, 2, 3]);
    }
}
