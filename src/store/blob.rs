//! Files of cases: sealed, named by the SHA-256 of their sealed bytes, written so that a power cut leaves all or nothing.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{DataKey, StoreFault, audit::hex};

/// The name of a file: the SHA-256 of its sealed bytes in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct BlobName(String);

impl BlobName {
    /// The 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_digits(digits: &str) -> Option<Self> {
        let fits = digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(digits.to_owned()))
    }
}

/// What files are sealed for: they open as nothing else.
const PLACE: &str = "blob";
const WRITE: &str = "write a file of a case";
const PART: &str = "part";

/// The files of the cases. May be used beside the store, from another thread.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
    key: Arc<OnceLock<DataKey>>,
}

impl Files {
    /// The files in `folder`, which is made if it is not there. What an interrupted write left is removed.
    /// They cannot be read or added to before `key` has come.
    pub(crate) fn open(folder: &Path, key: Arc<OnceLock<DataKey>>) -> Result<Self, StoreFault> {
        let fault = StoreFault::disk("open the folder of the cases' files");
        let made = || -> io::Result<()> {
            make_folder(folder)?;
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|suffix| suffix == PART) {
                    fs::remove_file(path)?;
                }
            }
            sync_folder(folder)
        };
        made().map_err(fault)?;
        Ok(Self { folder: folder.to_owned(), key })
    }

    /// Keeps a file for a case that will name it. When this returns, the file outlives a power cut; what no case names is
    /// removed when the store is opened next.
    ///
    /// # Errors
    /// [`StoreFault::Disk`], or [`StoreFault::Locked`] before the key has come.
    pub fn put(&self, plain: &[u8]) -> Result<BlobName, StoreFault> {
        let sealed = self.key.get().ok_or(StoreFault::Locked)?.seal(PLACE, plain);
        let name = BlobName(hex(&Sha256::digest(&sealed)));
        let path = self.path(&name);
        // A damaged file of that name is written again.
        if self.sealed(&name).is_err() {
            replace(&path, &sealed).map_err(StoreFault::disk(WRITE))?;
        }
        Ok(name)
    }

    /// What was kept under that name, checked.
    ///
    /// # Errors
    /// [`StoreFault::Blob`] if it is missing or changed, [`StoreFault::Locked`] before the key has come.
    pub fn get(&self, name: &BlobName) -> Result<Zeroizing<Vec<u8>>, StoreFault> {
        Ok(self.key.get().ok_or(StoreFault::Locked)?.open_owned(PLACE, self.sealed(name)?)?)
    }

    /// Checks a file against its name.
    ///
    /// # Errors
    /// [`StoreFault::Blob`] if it is missing or changed.
    pub fn verify(&self, name: &BlobName) -> Result<(), StoreFault> {
        self.sealed(name).map(|_| ())
    }

    pub(crate) fn is_there(&self, name: &BlobName) -> bool {
        self.path(name).is_file()
    }

    /// The sealed bytes, checked against their name.
    pub(crate) fn sealed(&self, name: &BlobName) -> Result<Vec<u8>, StoreFault> {
        let sealed = fs::read(self.path(name)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreFault::Blob,
            _ => StoreFault::Disk { attempt: "read a file of a case", source },
        })?;
        if hex(&Sha256::digest(&sealed)) == name.0 { Ok(sealed) } else { Err(StoreFault::Blob) }
    }

    /// Removes every file that `kept` does not take, and says how many.
    pub(crate) fn sweep(&self, kept: &dyn Fn(&BlobName) -> bool) -> Result<usize, StoreFault> {
        let swept = || -> io::Result<usize> {
            let mut removed = 0;
            for entry in fs::read_dir(&self.folder)? {
                let path = entry?.path();
                let name = path.file_name().and_then(|name| name.to_str()).and_then(BlobName::from_digits);
                if name.is_some_and(|name| !kept(&name)) {
                    fs::remove_file(path)?;
                    removed += 1;
                }
            }
            sync_folder(&self.folder)?;
            Ok(removed)
        };
        swept().map_err(StoreFault::disk("remove files of cases"))
    }

    fn path(&self, name: &BlobName) -> PathBuf {
        self.folder.join(&name.0)
    }
}

/// Writes a file whole, its owner's alone: beside its place, to the disk, into its place, and the folder to the disk.
///
/// # Errors
/// If it cannot be written; then what stood there stands.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Two threads may be keeping the same picture.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let part = path.with_extension(format!("{}.{PART}", WRITES.fetch_add(1, Ordering::Relaxed)));
    let written = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    // On a full disk, half of it would take the last room.
    written().inspect_err(|_| drop(fs::remove_file(&part)))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Makes a folder that its owner alone may enter, and those above it that are missing. When this returns, its name outlives a
/// power cut: also where it was there, since whoever made it may have been killed before the sync.
///
/// # Errors
/// If it cannot be made, or is no folder.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let create = || fs::DirBuilder::new().mode(0o700).create(folder);
    let made = create().or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => make_folder(above).and_then(|()| create()),
        _ => Err(error),
    });
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => Err(error),
        _ => match sync_folder(above) {
            // A folder that we may not even read is not ours, and what is in it was not made by us.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        },
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Arc<OnceLock<DataKey>> {
        Arc::new(OnceLock::from(DataKey::new(&[byte; 32])))
    }

    // verifies: REQ-PRIVACY-01, REQ-STORE-02
    #[test]
    fn a_file_is_what_was_kept_or_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = Files::open(folder.path(), key(7)).expect("open");
        let name = blobs.put(b"field 1").expect("kept");
        assert_eq!(blobs.put(b"field 1").expect("again"), name, "the same content is one file");
        assert_eq!(**blobs.get(&name).expect("there"), *b"field 1");
        assert!(matches!(Files { key: key(8), ..blobs.clone() }.get(&name), Err(StoreFault::Sealed(_))));

        let path = folder.path().join(name.as_str());
        let whole = fs::read(&path).expect("readable");
        assert!(!whole.windows(5).any(|window| window == b"field"));
        for at in 0..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 1;
            fs::write(&path, spoilt).expect("written");
            assert!(matches!(blobs.get(&name), Err(StoreFault::Blob)), "byte {at}");
        }
    }

    #[test]
    fn a_folder_is_made_with_all_above_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b/c");
        for _ in 0..2 {
            make_folder(&deep).expect("made, or there");
            assert!(deep.is_dir());
        }
        fs::write(folder.path().join("file"), b"").expect("written");
        make_folder(&folder.path().join("file")).expect_err("no folder");
        make_folder(&folder.path().join("file/a")).expect_err("no folder");
    }

    #[test]
    fn what_nothing_names_is_swept() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("x.part"), b"half").expect("written");
        let blobs = Files::open(folder.path(), key(7)).expect("open");
        let names = [b"a", b"b"].map(|plain| blobs.put(plain).expect("kept"));
        assert_eq!(blobs.sweep(&|name| *name == names[0]).expect("swept"), 1);
        assert!(matches!(blobs.get(&names[1]), Err(StoreFault::Blob)));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }
}
