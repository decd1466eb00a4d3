//! Why an input is not taken.

use hilum_dicom::ReadError;
use hilum_domain::Refusal;

/// The input cannot be read at all. Names the file by its place in the reading order, since a path on a share may
/// identify a patient; the person who typed the path knows it.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing at the path.
    #[error("cannot open {what}: no such file or folder")]
    Missing {
        /// What was asked for: "the CT path", "image 2".
        what: String,
    },
    /// The folder holds nothing that could be read.
    #[error("{what} has no {wanted} in it")]
    Empty {
        /// What was asked for.
        what: String,
        /// What should be in it.
        wanted: &'static str,
    },
    /// The operating system would not.
    #[error("cannot read {what}")]
    Io {
        /// What was being read.
        what: String,
        /// Its reason.
        #[source]
        source: std::io::Error,
    },
    /// A DICOM file is damaged.
    #[error("cannot read DICOM file {number} of {of}")]
    Dicom {
        /// Its place among the files of the folder by name, from 1.
        number: usize,
        /// How many files there are.
        of: usize,
        /// The reader's reason.
        #[source]
        source: ReadError,
    },
    /// An image file is damaged or of no known format.
    #[error("cannot read image {number}")]
    Image {
        /// Its place on the command line, from 1.
        number: usize,
        /// The decoder's reason.
        #[source]
        source: ImageFault,
    },
    /// A DICOMDIR names files that are not there: a disk that was not copied whole.
    #[error("{missing} of the {of} CT images that the DICOMDIR names are not there")]
    Lost {
        /// How many are missing.
        missing: usize,
        /// How many are named.
        of: usize,
    },
    /// A DICOMDIR leads out of its folder.
    #[error("the DICOMDIR names a file outside its folder")]
    Outside,
    /// More than can be meant.
    #[error("{what} holds more than {most} files")]
    TooMany {
        /// What was asked for.
        what: String,
        /// The bound.
        most: usize,
    },
}

/// A decoder's reason in one sentence. The decoders' own errors repeat their source in their words, which a chain printer
/// would say twice.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ImageFault(String);

impl ImageFault {
    pub(crate) fn new(reason: impl std::error::Error) -> Self {
        // They quote the file, too, line breaks included.
        Self(reason.to_string().replace(char::is_control, " "))
    }
}

impl From<image::ImageError> for ImageFault {
    fn from(error: image::ImageError) -> Self {
        Self::new(error)
    }
}

impl From<std::io::Error> for ImageFault {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

/// Why an input was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// It could not be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It could be read and must not be scored.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
