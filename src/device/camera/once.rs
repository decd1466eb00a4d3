//! What comes twice is one picture.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{CameraFault, Picture, Shot};
use crate::linux::since_boot;

/// Something that gives pictures, whole ones.
pub(super) trait Pictures: Send {
    /// The next one, waiting at most `patience`.
    fn next(&mut self, patience: Duration) -> Result<Picture, CameraFault>;
}

/// A camera that gives each picture once, numbered.
pub(super) struct Once<P> {
    pictures: P,
    last: Option<Arc<Picture>>,
    sequence: u64,
}

impl<P: Pictures> Once<P> {
    pub(super) const fn new(pictures: P) -> Self {
        Self { pictures, last: None, sequence: 0 }
    }
}

impl<P: Pictures> super::Camera for Once<P> {
    fn next(&mut self, patience: Duration) -> Result<Shot, CameraFault> {
        let began = Instant::now();
        let mut repeated = false;
        loop {
            let left = patience.saturating_sub(began.elapsed());
            let picture = match self.pictures.next(left) {
                Ok(picture) => picture,
                Err(CameraFault::Stalled(_)) if repeated => return Err(CameraFault::Frozen),
                Err(CameraFault::Stalled(_)) => return Err(CameraFault::Stalled(patience)),
                Err(fault) => return Err(fault),
            };
            if self.last.as_deref() == Some(&picture) {
                if began.elapsed() >= patience {
                    return Err(CameraFault::Frozen);
                }
                repeated = true;
                continue;
            }
            self.sequence += 1;
            let picture = Arc::new(picture);
            self.last = Some(Arc::clone(&picture));
            return Ok(Shot { picture, sequence: self.sequence, at: since_boot() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::Camera as _;

    struct Given(VecDeque<u8>);

    impl Pictures for Given {
        fn next(&mut self, patience: Duration) -> Result<Picture, CameraFault> {
            let picture = self.0.pop_front().map(|byte| Picture::Jpeg(vec![byte; 9]));
            picture.ok_or(CameraFault::Stalled(patience))
        }
    }

    #[track_caller]
    fn check(given: &[u8], want: &[u8], end: &str) {
        let mut camera = Once::new(Given(given.iter().copied().collect()));
        let mut found = Vec::new();
        let fault = loop {
            match camera.next(Duration::from_secs(1)) {
                Ok(Shot { picture, sequence, .. }) => {
                    found.push(picture);
                    assert_eq!(sequence, found.len() as u64);
                }
                Err(fault) => break fault.code(),
            }
        };
        assert_eq!(
            found.into_iter().map(|picture| (*picture).clone()).collect::<Vec<_>>(),
            want.iter().map(|byte| Picture::Jpeg(vec![*byte; 9])).collect::<Vec<_>>()
        );
        assert_eq!(fault, end);
    }

    // verifies: REQ-SLIDE-05
    #[test]
    fn what_comes_twice_is_one_picture_and_a_camera_that_repeats_itself_is_frozen() {
        check(&[], &[], "stalled");
        check(&[1, 2, 3], &[1, 2, 3], "stalled");
        check(&[1, 1, 2, 2, 1], &[1, 2, 1], "stalled");
        check(&[1, 2, 2, 2], &[1, 2], "frozen");
    }
}
