//! Pictures of so many bytes each, one after the other.

use super::{CameraFault, Layout, Picture, bounded};

/// Cuts a stream into pictures.
#[derive(Debug)]
pub(super) struct Rows {
    layout: Layout,
    size: [u32; 2],
    bytes: Vec<u8>,
}

impl Rows {
    pub(super) fn new(layout: Layout, size: [u32; 2]) -> Result<Self, CameraFault> {
        bounded(size[0], size[1])?;
        Ok(Self { layout, size, bytes: Vec::new() })
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn next(&mut self) -> Option<Picture> {
        let stride = self.layout.row(self.size[0]);
        let length = stride * self.size[1] as usize;
        if self.bytes.len() < length {
            return None;
        }
        let rest = self.bytes.split_off(length);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        Some(Picture::Raw { layout: self.layout, size: self.size, stride, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_their_number_of_bytes() {
        for (layout, length) in [(Layout::Rgb, 18), (Layout::Bgr, 18), (Layout::Yuyv, 16)] {
            let mut rows = Rows::new(layout, [3, 2]).expect("small");
            rows.feed(&vec![7; 2 * length - 1]);
            assert!(matches!(rows.next(), Some(Picture::Raw { bytes, .. }) if bytes.len() == length));
            assert!(rows.next().is_none());
            rows.feed(&[7]);
            assert!(rows.next().is_some() && rows.next().is_none());
        }
        assert!(matches!(Rows::new(Layout::Rgb, [4000, 3000]), Err(CameraFault::TooLarge(4000, 3000))));
    }
}
