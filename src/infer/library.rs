//! Libraries that an engine loads: which file, and that it is the one that is meant. Nothing is looked up by name.

use std::{
    env::consts::ARCH,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Library, bundle::hex};

/// The libraries that are known, for both processors.
const KNOWN: &str = include_str!("engines.toml");

/// TensorFlow Lite's C library.
pub(crate) const TFLITE: &str = "libtensorflowlite_c.so";
/// LiteRT, whose GPU accelerator lies beside it.
pub(crate) const LITERT: &str = "libLiteRt.so";
/// That accelerator.
pub(crate) const LITERT_GPU: &str = "libLiteRtWebGpuAccelerator.so";

#[derive(Deserialize)]
struct Known {
    library: Vec<KnownLibrary>,
}

#[derive(Deserialize)]
struct KnownLibrary {
    file: String,
    architecture: String,
    sha256: String,
}

/// A library by its absolute path, and the SHA-256 that it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryFile {
    path: PathBuf,
    sha256: String,
}

/// Why a library is not used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A path that depends on the current folder.
    #[error("the path of the library {file} is not absolute")]
    Relative {
        /// The name of its file.
        file: String,
    },
    /// It is not there, or cannot be read.
    #[error("cannot read the library {file}")]
    Read {
        /// The name of its file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is another one.
    #[error("the library {file} is not the one that is meant: its SHA-256 is {found}")]
    Hash {
        /// The name of its file.
        file: String,
        /// What it is.
        found: String,
    },
    /// The system's linker does not take it: another processor's, or a symbol is missing.
    #[error("the library {file} cannot be loaded")]
    Load {
        /// The name of its file.
        file: String,
        /// The linker's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LibraryFile {
    /// The library at an absolute path. Without a SHA-256 it must be one that this version of the program knows.
    ///
    /// # Errors
    /// [`LibraryError::Relative`], or [`LibraryError::Hash`] where no SHA-256 is given and none is known of such a file.
    pub fn new(path: PathBuf, sha256: Option<String>) -> Result<Self, LibraryError> {
        let file = file_name(&path);
        if !path.is_absolute() {
            return Err(LibraryError::Relative { file });
        }
        let known =
            || known(&file).ok_or_else(|| LibraryError::Hash { file: file.clone(), found: "not known".to_owned() });
        let sha256 = sha256.map_or_else(known, Ok)?;
        Ok(Self { path, sha256 })
    }

    /// The first folder's, or its subfolder's for this processor, that has a file of this name.
    pub(crate) fn find(file: &str, folders: &[PathBuf]) -> Option<Self> {
        let of = |folder: &PathBuf| [folder.join(file), folder.join(ARCH).join(file)];
        let path = folders.iter().filter(|folder| folder.is_absolute()).flat_map(of).find(|path| path.is_file())?;
        Some(Self { path, sha256: known(file)? })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// That file beside this one which has the name `file`.
    pub(crate) fn beside(&self, file: &str) -> Option<Self> {
        Some(Self { path: self.path.parent()?.join(file), sha256: known(file)? })
    }

    /// For a report.
    pub(crate) fn named(&self) -> Library {
        Library { file: file_name(&self.path), sha256: self.sha256.clone() }
    }

    /// Reads the file and compares its hash.
    pub(crate) fn check(&self) -> Result<(), LibraryError> {
        let file = || file_name(&self.path);
        let mut hash = Sha256::new();
        let read = File::open(&self.path).and_then(|mut opened| io::copy(&mut opened, &mut HashOf(&mut hash)));
        read.map_err(|source| LibraryError::Read { file: file(), source })?;
        let found = hex(&hash.finalize());
        if found == self.sha256 { Ok(()) } else { Err(LibraryError::Hash { file: file(), found }) }
    }
}

struct HashOf<'a>(&'a mut Sha256);

impl io::Write for HashOf<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LibraryError {
    pub(crate) fn load(library: &LibraryFile, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Load { file: file_name(&library.path), source: error.into() }
    }
}

/// The SHA-256 of a library of that name for this processor.
fn known(file: &str) -> Option<String> {
    let known: Known = toml::from_str(KNOWN).ok()?;
    let found = known.library.into_iter().find(|library| library.file == file && library.architecture == ARCH)?;
    Some(found.sha256)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_its_libraries_for_both_processors() {
        let known: Known = toml::from_str(KNOWN).expect("TOML");
        for architecture in ["x86_64", "aarch64"] {
            for file in [TFLITE, LITERT, LITERT_GPU] {
                let found =
                    known.library.iter().filter(|known| known.file == file && known.architecture == architecture);
                let hashes: Vec<_> = found.map(|known| known.sha256.len()).collect();
                assert_eq!(hashes, [64], "{file} for {architecture}");
            }
        }
    }

    // verifies: REQ-ENGINE-02
    #[test]
    fn a_library_that_is_not_the_one_that_is_meant_is_not_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(TFLITE);
        let missing = LibraryFile::new(path.clone(), Some("00".repeat(32))).expect("absolute");
        assert!(matches!(missing.check(), Err(LibraryError::Read { .. })));
        std::fs::write(&path, b"abc").expect("written");
        let Err(LibraryError::Hash { found, .. }) = missing.check() else { panic!("another hash") };
        LibraryFile::new(path.clone(), Some(found)).expect("absolute").check().expect("the same");
        assert!(matches!(LibraryFile::new(path, None).expect("known").check(), Err(LibraryError::Hash { .. })));
        assert!(matches!(LibraryFile::new(TFLITE.into(), None), Err(LibraryError::Relative { .. })));
        let unknown = LibraryFile::new(folder.path().join("libother.so"), None);
        assert!(matches!(unknown, Err(LibraryError::Hash { .. })));
    }
}
