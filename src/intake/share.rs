//! A watched folder, by stat scan: inotify is silent on SMB and NFS.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// A watched folder whose sub-folders are exports. Nothing in it is ever written or deleted.
#[derive(Debug)]
pub struct Share {
    root: PathBuf,
    quiet: Duration,
    /// What was there at the last look, and since when it is as it is.
    last: BTreeMap<PathBuf, (Stamp, Duration)>,
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
    /// A watch over `root`, which may come and go. An export is taken when it rested for `quiet`.
    #[must_use]
    pub fn new(root: &Path, quiet: Duration) -> Self {
        Self { root: root.to_owned(), quiet, last: BTreeMap::new(), taken: BTreeMap::new() }
    }

    /// Looks once, at the monotonic time `at`. An export is given out when two looks in a row, and all within the quiet
    /// time, find the same files with the same sizes and times, and again when it has changed since.
    ///
    /// # Errors
    /// If the folder cannot be read; the next look starts afresh.
    pub fn scan(&mut self, at: Duration) -> io::Result<Vec<Arrival>> {
        let mut now = BTreeMap::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let stamp = stamp(&entry.path())?;
                if !stamp.is_empty() {
                    let known = self.last.get(&entry.path()).filter(|(last, _)| *last == stamp);
                    let since = known.map_or(at, |(_, since)| *since);
                    now.insert(entry.path(), (stamp, since));
                }
            }
        }
        let mut arrivals = Vec::new();
        for (folder, (stamp, since)) in &now {
            let seen = self.last.get(folder).is_some_and(|(last, _)| last == stamp);
            let at_rest = seen && at.saturating_sub(*since) >= self.quiet;
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
        let mut share = Share::new(root.path(), Duration::ZERO);
        assert_eq!(share.scan(Duration::ZERO).expect("readable"), []);
        let export = root.path().join("export");
        fs::create_dir(&export).expect("made");
        fs::write(export.join("1.dcm"), b"one").expect("written");
        assert_eq!(share.scan(Duration::ZERO).expect("readable"), [], "first seen");
        fs::write(export.join("2.dcm"), b"two").expect("written");
        assert_eq!(share.scan(Duration::ZERO).expect("readable"), [], "still growing");
        assert_eq!(share.scan(Duration::ZERO).expect("readable"), [Arrival { folder: export.clone(), files: 2 }]);
        assert_eq!(share.scan(Duration::ZERO).expect("readable"), [], "once");
        fs::write(export.join("3.dcm"), b"late").expect("written");
        assert_eq!(share.scan(Duration::ZERO).expect("readable"), []);
        assert_eq!(share.scan(Duration::ZERO).expect("readable").len(), 1, "late slices reopen it");
    }

    #[test]
    fn an_export_rests_for_the_quiet_time() {
        let root = tempfile::tempdir().expect("temporary folder");
        let mut share = Share::new(root.path(), Duration::from_secs(5));
        let export = root.path().join("export");
        fs::create_dir(&export).expect("made");
        let mut looked = |at: u64| share.scan(Duration::from_secs(at)).expect("readable").len();
        fs::write(export.join("1.dcm"), b"one").expect("written");
        assert_eq!([looked(10), looked(12), looked(14)], [0, 0, 0]);
        fs::write(export.join("2.dcm"), b"two").expect("written");
        assert_eq!([looked(16), looked(20), looked(21), looked(30)], [0, 0, 1, 0]);
    }

    #[test]
    fn a_share_that_is_gone_is_an_error_and_comes_back() {
        let root = tempfile::tempdir().expect("temporary folder");
        let inner = root.path().join("mount");
        let mut share = Share::new(&inner, Duration::ZERO);
        assert!(share.scan(Duration::ZERO).is_err());
        fs::create_dir(&inner).expect("made");
        assert_eq!(share.scan(Duration::ZERO).expect("readable"), []);
    }
}
