//! Cameras: where pictures come from, one after the other.
//!
//! A camera gives pictures as they arrive, and does not decode them: whoever wants one decodes the newest, and the others cost
//! nothing. What arrives is numbered and has a time. A picture that is not whole, or the same as the one before byte for byte, is
//! no picture: sensors make noise, so only something that hangs says the same twice.

mod exec;
mod feed;
mod http;
mod mjpeg;
mod once;
mod phantom;
mod raw;
mod v4l2;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use image::RgbImage;

pub use phantom::{PhantomCamera, Stage};

/// A picture as it came from a camera.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Its pixels: many look at one.
    pub picture: Arc<Picture>,
    /// Rises by one with every picture that this camera gave since it was opened.
    pub sequence: u64,
    /// When it had arrived: time since the machine started.
    pub at: Duration,
}

/// What a camera gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// A whole JPEG.
    Jpeg(Vec<u8>),
    /// Pixels, row by row.
    Raw {
        /// How they lie.
        layout: Layout,
        /// Pixels across and down.
        size: [u32; 2],
        /// Bytes from one row to the next.
        stride: usize,
        /// `stride` × rows of them, or more.
        bytes: Vec<u8>,
    },
    /// Pixels that need nothing more.
    Ready(Arc<RgbImage>),
}

/// How pixels that are not compressed lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Two pixels in four bytes, luma and chroma by turns (BT.601, 16 to 235).
    Yuyv,
}

impl Layout {
    /// Bytes of a row of so many pixels.
    pub(crate) const fn row(self, width: u32) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3 * width as usize,
            Self::Yuyv => 4 * width.div_ceil(2) as usize,
        }
    }
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum CameraFault {
    /// The camera is not there, or went away.
    #[error("the camera is not there")]
    Absent,
    /// Another program has it.
    #[error("the camera is in use by another program")]
    Busy,
    /// This program may not open it.
    #[error("the camera may not be opened")]
    Forbidden,
    /// The camera is there and gives nothing.
    #[error("the camera gave no picture within {0:?}")]
    Stalled(Duration),
    /// It gives one picture again and again.
    #[error("the camera gives the same picture again and again")]
    Frozen,
    /// It gives something, but no whole pictures.
    #[error("the camera gives no whole pictures")]
    Damaged,
    /// It gives pictures that cannot be read.
    #[error("the camera offers no usable format: {0}")]
    Format(String),
    /// Its pictures are larger than this machine looks at live.
    #[error("the camera gives pictures of {0}×{1} pixels, more than are looked at live")]
    TooLarge(u32, u32),
    /// It says no.
    #[error("the camera answers {0}")]
    Answered(u16),
    /// The command that gives pictures ended.
    #[error("the camera's command ended ({0})")]
    Ended(String),
    /// Anything else.
    #[error("the camera cannot be read")]
    Io(#[source] io::Error),
}

impl CameraFault {
    /// Its name in the status.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Busy => "busy",
            Self::Forbidden => "forbidden",
            Self::Stalled(_) => "stalled",
            Self::Frozen => "frozen",
            Self::Damaged => "damaged",
            Self::Format(_) => "no-usable-format",
            Self::TooLarge(..) => "too-large",
            Self::Answered(_) => "answered",
            Self::Ended(_) => "ended",
            Self::Io(_) => "io",
        }
    }
}

impl From<io::Error> for CameraFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Absent,
            io::ErrorKind::ResourceBusy => Self::Busy,
            io::ErrorKind::PermissionDenied => Self::Forbidden,
            // An unplugged camera's node may still be open.
            _ if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => Self::Absent,
            _ => Self::Io(error),
        }
    }
}

/// A microscope camera.
pub trait Camera: Send {
    /// The next picture, waiting at most `patience`. After a fault the camera is of no use any more: it is opened anew.
    ///
    /// # Errors
    /// [`CameraFault`] if there is none in time.
    fn next(&mut self, patience: Duration) -> Result<Shot, CameraFault>;
}

/// Where pictures come from, of those that need nothing but this machine.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A node of Video4Linux.
    V4l2(PathBuf),
    /// A camera on a network: HTTP without TLS.
    Http {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// Path and query.
        target: String,
        /// Name and password (Basic).
        login: Option<(String, String)>,
    },
    /// A command of the shell that writes JPEGs to its standard output, or pixels of a layout, so many across and down.
    Exec(String, Option<(Layout, [u32; 2])>),
}

/// What is asked of a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Pixels across and down, where it offers several sizes.
    pub size: [u32; 2],
    /// Pictures a second.
    pub rate_hz: f64,
    /// Exposure in ms; nothing leaves it as it is.
    pub exposure_ms: Option<f64>,
    /// White balance in K; nothing leaves it as it is.
    pub white_balance_k: Option<u32>,
    /// Gain in the camera's steps; nothing leaves it as it is.
    pub gain: Option<u32>,
}

/// What a camera is asked for where nobody says otherwise.
pub const USUAL_SIZE: [u32; 2] = [1920, 1080];

/// Larger pictures are not looked at live: that of a 4K camera (DCI) is.
pub const MOST_PIXELS: u64 = 4096 * 2160;

/// Whether a picture of this size is looked at.
///
/// # Errors
/// [`CameraFault::TooLarge`] if it is not.
pub fn bounded(width: u32, height: u32) -> Result<(), CameraFault> {
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(CameraFault::TooLarge(width, height));
    }
    Ok(())
}

/// Opens a camera.
///
/// # Errors
/// [`CameraFault`] if it cannot be opened.
pub fn open(source: &Source, wanted: &Wanted) -> Result<Box<dyn Camera>, CameraFault> {
    Ok(match source {
        Source::V4l2(node) => Box::new(once::Once::new(v4l2::V4l2::open(node, wanted)?)),
        Source::Http { host, port, target, login } => {
            let place = http::Place { host, port: *port, target, login: login.as_ref() };
            Box::new(once::Once::new(http::Http::open(&place, wanted.rate_hz)?))
        }
        Source::Exec(command, None) => Box::new(once::Once::new(exec::Exec::jpegs(command)?)),
        Source::Exec(command, Some((layout, size))) => {
            Box::new(once::Once::new(exec::Exec::raw(command, *layout, *size)?))
        }
    })
}
