//! A watched folder, by stat scan: inotify is silent on SMB and NFS.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A watched folder whose sub-folders are exports. Nothing in it is ever written or deleted.
#[derive(Debug)]
pub struct Share {
    root: PathBuf,
    last: BTreeMap<PathBuf, Stamp>,
    taken: BTreeMap<PathBuf, Stamp>,
}

/// Sizes and modification times of every file of an export, in the order of their names.
type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// An export that has come to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its folder.
    pub folder: PathBuf,
    /// How many files it has.
    pub files: usize,
}

impl Share {
    /// A watch over `root`, which may come and go.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), last: BTreeMap::new(), taken: BTreeMap::new() }
    }

    /// Looks once. An export is given out when two looks in a row find the same files with the same sizes and times,
    /// and again when it has changed since.
    ///
    /// # Errors
    /// If the folder cannot be read; the next look starts afresh.
    pub fn scan(&mut self) -> io::Result<Vec<Arrival>> {
        let mut now = BTreeMap::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let stamp = stamp(&entry.path())?;
                if !stamp.is_empty() {
                    now.insert(entry.path(), stamp);
                }
            }
        }
        let mut arrivals = Vec::new();
        for (folder, stamp) in &now {
            let at_rest = self.last.get(folder) == Some(stamp);
            if at_rest && self.taken.get(folder) != Some(stamp) {
                self.taken.insert(folder.clone(), stamp.clone());
                arrivals.push(Arrival { folder: folder.clone(), files: stamp.len() });
            }
        }
        self.last = now;
        Ok(arrivals)
    }
}

fn stamp(folder: &Path) -> io::Result<Stamp> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if meta.is_file() {
            files.push((entry.path(), meta.len(), meta.modified().ok()));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_taken_once_it_rests_and_again_when_it_changed() {
        let root = tempfile::tempdir().expect("temporary folder");
        let mut share = Share::new(root.path());
        assert_eq!(share.scan().expect("readable"), []);
        let export = root.path().join("export");
        fs::create_dir(&export).expect("made");
        fs::write(export.join("1.dcm"), b"one").expect("written");
        assert_eq!(share.scan().expect("readable"), [], "first seen");
        fs::write(export.join("2.dcm"), b"two").expect("written");
        assert_eq!(share.scan().expect("readable"), [], "still growing");
        assert_eq!(share.scan().expect("readable"), [Arrival { folder: export.clone(), files: 2 }]);
        assert_eq!(share.scan().expect("readable"), [], "once");
        fs::write(export.join("3.dcm"), b"late").expect("written");
        assert_eq!(share.scan().expect("readable"), []);
        assert_eq!(share.scan().expect("readable").len(), 1, "late slices reopen it");
    }

    #[test]
    fn a_share_that_is_gone_is_an_error_and_comes_back() {
        let root = tempfile::tempdir().expect("temporary folder");
        let inner = root.path().join("mount");
        let mut share = Share::new(&inner);
        assert!(share.scan().is_err());
        fs::create_dir(&inner).expect("made");
        assert_eq!(share.scan().expect("readable"), []);
    }
}
