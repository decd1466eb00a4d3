//! A watched folder, by stat scan: inotify is silent on SMB and NFS.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

use crate::source::{DEEPEST, MOST_FILES};

/// A watched folder whose sub-folders and zip archives are exports. Nothing in it is ever written or deleted.
///
/// Names on a share may be those of patients: what is remembered from look to look are digests.
#[derive(Debug)]
pub struct Share {
    root: PathBuf,
    quiet: Duration,
    /// What was there at the last look, by the digests of the folders' names.
    last: BTreeMap<Digest, Seen>,
}

/// A SHA-256.
pub type Digest = [u8; 32];

/// An export as it was at the last look.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Of names, sizes and modification times of all its files.
    stamp: Digest,
    /// Since when it is as it is.
    since: Duration,
    /// As what it was given out.
    taken: Option<Digest>,
}

/// An export that has come to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its folder or archive.
    pub folder: PathBuf,
    /// Which of several series in it, where it was split.
    pub series: Option<String>,
    /// How many files it has.
    pub files: usize,
    /// The digest of the folder's name: it stays while the content changes.
    pub name: Digest,
    /// The digest of the names, sizes and modification times of its files.
    pub stamp: Digest,
}

/// What a look at a share found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Exports that came to rest, in the order of their folders.
    pub arrived: Vec<Arrival>,
    /// The names of exports that are not there any more.
    pub left: Vec<Digest>,
}

impl Share {
    /// A watch over `root`, which may come and go. An export is taken when it rested for `quiet`.
    #[must_use]
    pub fn new(root: &Path, quiet: Duration) -> Self {
        Self { root: root.to_owned(), quiet, last: BTreeMap::new() }
    }

    /// Looks once, at the monotonic time `at`. An export is given out when two looks in a row, and all within the quiet
    /// time, find the same files with the same sizes and times, and again when it has changed since.
    ///
    /// # Errors
    /// If the folder cannot be read; the next look starts afresh.
    pub fn scan(&mut self, at: Duration) -> io::Result<News> {
        let mut now = BTreeMap::new();
        let mut arrived = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let folder = entry.path();
            let (is_folder, is_hidden) = (entry.file_type()?.is_dir(), is_hidden(&entry.file_name()));
            let is_archive = folder.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("zip"));
            if is_hidden || !(is_folder || is_archive) {
                continue;
            }
            let (stamp, files) = stamp(&folder)?;
            if files == 0 {
                continue;
            }
            let name = Sha256::digest(folder.as_os_str().as_encoded_bytes()).into();
            let before = self.last.get(&name);
            let same = before.filter(|before| before.stamp == stamp);
            let since = same.map_or(at, |before| before.since);
            let mut taken = before.and_then(|before| before.taken);
            if same.is_some() && at.saturating_sub(since) >= self.quiet && taken != Some(stamp) {
                taken = Some(stamp);
                arrived.push(Arrival { folder, series: None, files, name, stamp });
            }
            now.insert(name, Seen { stamp, since, taken });
        }
        arrived.sort_by(|a, b| a.folder.cmp(&b.folder));
        let left = self.last.keys().filter(|name| !now.contains_key(*name)).copied().collect();
        self.last = now;
        Ok(News { arrived, left })
    }
}

/// What writers put beside an export while they write, and systems beside everything.
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The digest of an export, and how many files it has; links are files that are never followed.
fn stamp(export: &Path) -> io::Result<(Digest, usize)> {
    let mut files = Vec::new();
    let mut seen = |path: PathBuf, meta: &fs::Metadata| files.push((path, meta.len(), meta.modified().ok()));
    let meta = fs::symlink_metadata(export)?;
    let mut folders = Vec::new();
    if meta.is_dir() {
        folders.push((export.to_owned(), 0))
    } else {
        seen(PathBuf::new(), &meta)
    }
    let mut count = 0;
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, meta) = (entry.path(), entry.metadata()?);
            if is_hidden(&entry.file_name()) {
                continue;
            }
            if meta.is_dir() && depth < DEEPEST {
                folders.push((path, depth + 1));
            } else if !meta.is_dir() {
                count += 1;
                if count > MOST_FILES {
                    // It is refused for that when it is read; until then its number says whether it changes.
                    continue;
                }
                seen(path.strip_prefix(export).unwrap_or(&path).to_owned(), &meta);
            }
        }
    }
    files.sort();
    let mut digest = Sha256::new();
    digest.update((count as u64).to_le_bytes());
    for (path, size, modified) in &files {
        let path = path.as_os_str().as_encoded_bytes();
        digest.update((path.len() as u64).to_le_bytes());
        digest.update(path);
        digest.update(size.to_le_bytes());
        let since = modified.and_then(|modified| modified.duration_since(SystemTime::UNIX_EPOCH).ok());
        digest.update(since.map_or(0, |since| since.as_nanos()).to_le_bytes());
    }
    Ok((digest.finalize().into(), files.len()))
}

impl Arrival {
    /// One of the series of this export, as an export of its own.
    #[must_use]
    pub fn of_series(&self, uid: &str) -> Self {
        let name = Sha256::new().chain_update(self.name).chain_update(uid).finalize().into();
        Self { series: Some(uid.to_owned()), name, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_taken_once_it_rests_and_again_when_it_changed() {
        let root = tempfile::tempdir().expect("temporary folder");
        let mut share = Share::new(root.path(), Duration::ZERO);
        let mut looked = || share.scan(Duration::ZERO).expect("readable");
        assert_eq!(looked(), News::default());
        let export = root.path().join("export");
        fs::create_dir(&export).expect("made");
        fs::write(export.join("1.dcm"), b"one").expect("written");
        assert_eq!(looked(), News::default(), "first seen");
        fs::write(export.join("2.dcm"), b"two").expect("written");
        assert_eq!(looked(), News::default(), "still growing");
        let first = looked().arrived;
        assert_eq!((first.len(), &first[0].folder, first[0].files), (1, &export, 2));
        assert_eq!(looked(), News::default(), "once");
        fs::write(export.join("3.dcm"), b"late").expect("written");
        assert_eq!(looked(), News::default());
        let second = looked().arrived;
        assert_eq!(second.len(), 1, "late slices reopen it");
        assert!(second[0].name == first[0].name && second[0].stamp != first[0].stamp);
        fs::remove_dir_all(&export).expect("removed");
        assert_eq!(looked(), News { arrived: Vec::new(), left: vec![first[0].name] });
    }

    #[test]
    fn exports_are_folders_with_folders_in_them_and_archives() {
        let root = tempfile::tempdir().expect("temporary folder");
        let mut share = Share::new(root.path(), Duration::ZERO);
        let mut looked = || -> Vec<usize> {
            drop(share.scan(Duration::ZERO).expect("readable"));
            share.scan(Duration::ZERO).expect("readable").arrived.iter().map(|arrival| arrival.files).collect()
        };
        let disk = root.path().join("disk");
        fs::create_dir_all(disk.join("DICOM/PAT1/SER1")).expect("made");
        assert_eq!(looked(), [0; 0], "nothing is in it");
        fs::write(disk.join("DICOM/PAT1/SER1/IM1"), b"one").expect("written");
        fs::write(disk.join("DICOMDIR"), b"index").expect("written");
        assert_eq!(looked(), [2]);
        fs::write(disk.join("DICOM/PAT1/SER1/IM2"), b"two").expect("written");
        assert_eq!(looked(), [3], "late, and deep");
        fs::write(root.path().join("study.ZIP"), b"PK").expect("written");
        fs::write(root.path().join("letter.txt"), b"Dear").expect("written");
        fs::create_dir(root.path().join(".unfinished")).expect("made");
        fs::write(root.path().join(".unfinished/1"), b"part").expect("written");
        std::os::unix::fs::symlink("/", disk.join("up")).expect("made");
        assert_eq!(looked(), [4, 1], "a link is not followed");
    }

    #[test]
    fn an_export_rests_for_the_quiet_time() {
        let root = tempfile::tempdir().expect("temporary folder");
        let mut share = Share::new(root.path(), Duration::from_secs(5));
        let export = root.path().join("export");
        fs::create_dir(&export).expect("made");
        let mut looked = |at: u64| share.scan(Duration::from_secs(at)).expect("readable").arrived.len();
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
        assert_eq!(share.scan(Duration::ZERO).expect("readable"), News::default());
    }
}
