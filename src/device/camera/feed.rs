//! Bytes that come when they come: waiting for them has an end.

use std::{
    io::{self, Read},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    CameraFault, Picture, bounded,
    mjpeg::{Found, Splitter},
    raw::Rows,
};

/// So much is read at once.
const PIECE: usize = 1 << 18;

/// What cuts bytes into pictures.
pub(super) enum Cut {
    Jpegs(Splitter),
    Raw(Rows),
}

/// Something that is read with patience.
pub(super) struct Feed<R> {
    from: R,
    cut: Cut,
    piece: Vec<u8>,
}

/// Whether there is something to read within `patience`.
pub(super) fn readable(from: &impl AsFd, patience: Duration) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::new(from, PollFlags::IN)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        // A signal came: whoever waits asks again.
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl<R: Read + AsFd> Feed<R> {
    pub(super) fn new(from: R, cut: Cut) -> Self {
        Self { from, cut, piece: vec![0; PIECE] }
    }

    /// Takes bytes that were read already.
    pub(super) fn before(&mut self, bytes: &[u8]) {
        match &mut self.cut {
            Cut::Jpegs(splitter) => splitter.feed(bytes),
            Cut::Raw(rows) => rows.feed(bytes),
        }
    }

    /// The next whole picture; nothing where the stream ends.
    pub(super) fn next(&mut self, patience: Duration) -> Result<Option<Picture>, CameraFault> {
        let began = Instant::now();
        let mut broken = false;
        loop {
            match &mut self.cut {
                Cut::Raw(rows) => {
                    if let Some(picture) = rows.next() {
                        return Ok(Some(picture));
                    }
                }
                Cut::Jpegs(splitter) => {
                    while let Some(found) = splitter.next() {
                        match found {
                            Found::Broken => broken = true,
                            // A picture of the server's own, that says there is none.
                            Found::Whole { before, .. } if is_placeholder(&before) => {}
                            Found::Whole { jpeg, size: Some([width, height]), .. } => {
                                bounded(width, height)?;
                                return Ok(Some(Picture::Jpeg(jpeg)));
                            }
                            Found::Whole { size: None, .. } => broken = true,
                        }
                    }
                }
            }
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(if broken { CameraFault::Damaged } else { CameraFault::Stalled(patience) });
            }
            if readable(&self.from, left)? {
                match self.from.read(&mut self.piece) {
                    Ok(0) => return Ok(None),
                    Ok(length) => {
                        let piece = std::mem::take(&mut self.piece);
                        self.before(&piece[..length]);
                        self.piece = piece;
                    }
                    Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

/// Whether the head of a part says that the camera behind the server is gone (ustreamer).
fn is_placeholder(before: &[u8]) -> bool {
    let mark = b"x-ustreamer-online: false";
    before.windows(mark.len()).any(|here| here.eq_ignore_ascii_case(mark))
}
