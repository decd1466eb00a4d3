//! Simulated hardware.

use std::{sync::Arc, time::Duration};

use hilum_domain::MicronsPerPixel;
use image::RgbImage;

use crate::{Camera, CameraFault, Frame};

/// Thirty frames a second.
const FRAME: Duration = Duration::from_millis(33);

/// A camera that shows what a source gives it, a picture a frame, until the source is empty.
pub struct PhantomCamera<S> {
    source: S,
    scale: Option<MicronsPerPixel>,
    sequence: u64,
}

impl<S: Iterator<Item = Arc<RgbImage>>> PhantomCamera<S> {
    /// A camera over `source` whose objective has the given scale.
    pub fn new(source: S, scale: Option<MicronsPerPixel>) -> Self {
        Self { source, scale, sequence: 0 }
    }
}

impl<S: Iterator<Item = Arc<RgbImage>>> Camera for PhantomCamera<S> {
    fn next(&mut self, _patience: Duration) -> Result<Frame, CameraFault> {
        let image = self.source.next().ok_or(CameraFault::Absent)?;
        self.sequence += 1;
        let at = FRAME * u32::try_from(self.sequence).unwrap_or(u32::MAX);
        Ok(Frame { image, sequence: self.sequence, at, scale: self.scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_numbered_and_end_with_the_source() {
        let mut camera = PhantomCamera::new(std::iter::repeat_n(Arc::new(RgbImage::new(2, 2)), 2), None);
        let numbers: Vec<u64> = (0..2).map(|_| camera.next(FRAME).expect("a frame").sequence).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(matches!(camera.next(FRAME), Err(CameraFault::Absent)));
    }
}
