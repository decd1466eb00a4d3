//! Where the DICOM files of a CT lie: a folder, a single file, what a DICOMDIR names, or a zip archive.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hilum_dicom::{Found, ReadError, open_regular, read, read_bytes, read_directory};
use rustix::io::Errno;
use zip::ZipArchive;

use crate::Unreadable;

/// More files than this in one export are a mistake in the path.
pub(crate) const MOST_FILES: usize = 20_000;
/// How deep folders may lie in one another.
pub(crate) const DEEPEST: usize = 8;
/// What a file of an archive may inflate to: so many times its bytes, and this in any case. A CT shrinks to a third or so.
const MOST_GROWTH: u64 = 100;
const SMALL: u64 = 16 << 20;
/// What an archive may inflate to in all: its files may share their bytes.
const MOST_INFLATED: u64 = 8 << 30;

/// The path is called so in errors: it may name a patient.
const WHAT: &str = "the CT path";

/// The files to be read, in the order of their names.
pub(crate) enum Source {
    /// A file that was named itself.
    Single(PathBuf),
    /// Files of a folder, among which may be others than DICOM.
    Folder(Vec<PathBuf>),
    /// Files that a DICOMDIR names.
    Directory(Vec<PathBuf>),
    /// Files of an archive, among which may be others, by their places in it.
    Archive(Box<Archive>),
}

impl Source {
    /// What lies at a path.
    ///
    /// # Errors
    /// [`Unreadable`] if there is nothing, or what lists the files is damaged or leads outside.
    pub(crate) fn at(path: &Path) -> Result<Self, Unreadable> {
        let meta = fs::metadata(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Unreadable::Missing { what: WHAT.to_owned() },
            _ => failed(source),
        })?;
        if meta.is_dir() {
            return Ok(Self::Folder(files(path)?));
        }
        if !meta.is_file() {
            return Err(failed(io::Error::other("it is neither a file nor a folder")));
        }
        let mut start = [0; 4];
        let file = open_regular(path).map_err(failed)?;
        if file.read_exact_at(&mut start, 0).is_ok() && ZIP.contains(&start) {
            return Archive::open(file).map(|archive| Self::Archive(Box::new(archive)));
        }
        match read_directory(path) {
            Ok(Some(named)) => named_files(path, &named).map(Self::Directory),
            // What is wrong with it is said when it is read.
            Ok(None) | Err(_) => Ok(Self::Single(path.to_owned())),
        }
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Single(_) => 1,
            Self::Folder(files) | Self::Directory(files) => files.len(),
            Self::Archive(archive) => archive.entries.len(),
        }
    }

    /// Reads one of them; `None` if it is no DICOM and was never meant to be.
    pub(crate) fn read(&self, index: usize) -> Result<Option<Found>, ReadError> {
        let found = match self {
            Self::Single(path) => read(path),
            Self::Folder(files) | Self::Directory(files) => read(&files[index]),
            Self::Archive(archive) => archive.bytes(index).and_then(|bytes| read_bytes(&bytes)),
        };
        let name = match self {
            Self::Single(_) | Self::Directory(_) => return found.map(Some),
            Self::Folder(files) => files[index].as_path(),
            Self::Archive(archive) => archive.entries[index].1.as_path(),
        };
        match found {
            Err(ReadError::NotDicom) if !named_dicom(name) => Ok(None),
            Err(ReadError::Empty | ReadError::Stub) if !may_be_dicom(name) => Ok(None),
            found => found.map(Some),
        }
    }
}

fn failed(source: io::Error) -> Unreadable {
    Unreadable::Io { what: WHAT.to_owned(), source }
}

// ---------------------------------------------------------------------------------------------------------------------
// Folders

/// Every file below `path`, in the order of the names; links are followed.
fn files(path: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let mut found = Vec::new();
    let mut folders = vec![(path.to_owned(), 0)];
    // A folder may be linked to from within itself.
    let mut visited = BTreeSet::new();
    while let Some((folder, depth)) = folders.pop() {
        if !visited.insert(fs::canonicalize(&folder).map_err(failed)?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if is_passed_over(&entry.file_name()) {
                continue;
            }
            // Through links. One that leads nowhere is left for the reader to fail at, if it is named like a slice.
            let kind = match fs::metadata(entry.path()) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => continue,
                meta => meta.map(|meta| meta.file_type()).ok(),
            };
            if kind.is_some_and(|kind| kind.is_dir()) {
                if depth < DEEPEST {
                    folders.push((entry.path(), depth + 1));
                }
            } else if kind.map_or_else(|| may_be_dicom(&entry.path()), |kind| kind.is_file()) {
                found.push(entry.path());
            }
            if found.len() > MOST_FILES {
                return Err(Unreadable::TooMany { what: WHAT.to_owned(), most: MOST_FILES });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What lies beside the slices of an export: hidden files, and the index of a disk (PS3.10 8.6).
fn is_passed_over(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name.eq_ignore_ascii_case("DICOMDIR")
}

/// Whether the name says that the file is DICOM: then a file that is none is damaged, not something else.
fn named_dicom(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["dcm", "dicom", "ima"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Whether the name may be a slice's: exports leave out the suffix, or number the files with it, or name them by UID.
fn may_be_dicom(path: &Path) -> bool {
    named_dicom(path) || path.extension().is_none_or(|suffix| suffix.as_encoded_bytes().iter().all(u8::is_ascii_digit))
}

// ---------------------------------------------------------------------------------------------------------------------
// DICOMDIR

/// The files that a DICOMDIR names, each once.
///
/// # Errors
/// If it names none, if one is not there, or if one lies outside the DICOMDIR's folder, be it through a link.
fn named_files(directory: &Path, named: &[Vec<String>]) -> Result<Vec<PathBuf>, Unreadable> {
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let root = fs::canonicalize(parent).map_err(failed)?;
    if named.len() > MOST_FILES {
        return Err(Unreadable::TooMany { what: WHAT.to_owned(), most: MOST_FILES });
    }
    let mut folders = Folders(BTreeMap::new());
    let (mut files, mut missing) = (BTreeSet::new(), 0);
    for components in named {
        match folders.find(&root, components)? {
            Some(file) => drop(files.insert(file)),
            None => missing += 1,
        }
    }
    if missing > 0 {
        return Err(Unreadable::Lost { missing, of: named.len() });
    }
    if files.is_empty() {
        return Err(Unreadable::Empty { what: "the DICOMDIR".to_owned(), wanted: "CT image" });
    }
    Ok(files.into_iter().collect())
}

/// What folders of a disk hold, each read once.
struct Folders(BTreeMap<PathBuf, Vec<OsString>>);

impl Folders {
    /// The file below `root` that is meant, if there is one. Disks are copied: names change their case, get a suffix, or lose the
    /// version that ISO 9660 ends them with.
    fn find(&mut self, root: &Path, components: &[String]) -> Result<Option<PathBuf>, Unreadable> {
        let mut at = root.to_owned();
        for (index, component) in components.iter().enumerate() {
            // PS3.10 8.2: capital letters, digits and underscores. Nothing here may be a way out.
            if component.is_empty() || component.starts_with('.') || component.contains(['/', '\\', '\0']) {
                return Err(Unreadable::Outside);
            }
            let is_file = index + 1 == components.len();
            let Some(names) = self.names(&at) else { return Ok(None) };
            let Some(name) = best(names, component, is_file) else { return Ok(None) };
            at = at.join(name);
        }
        let Ok(file) = fs::canonicalize(&at) else { return Ok(None) };
        if !file.starts_with(root) {
            return Err(Unreadable::Outside);
        }
        Ok(file.is_file().then_some(file))
    }

    fn names(&mut self, folder: &Path) -> Option<&[OsString]> {
        if !self.0.contains_key(folder) {
            let mut names = Vec::new();
            for entry in fs::read_dir(folder).ok()?.take(MOST_FILES) {
                names.push(entry.ok()?.file_name());
            }
            names.sort();
            self.0.insert(folder.to_owned(), names);
        }
        self.0.get(folder).map(Vec::as_slice)
    }
}

/// The name that is meant: as it is written, else in other letters, else with a suffix.
fn best<'a>(names: &'a [OsString], wanted: &str, is_file: bool) -> Option<&'a OsString> {
    let stem = |name: &OsStr| name.to_str().map(|name| name.split(['.', ';']).next().unwrap_or(name).to_owned());
    names
        .iter()
        .find(|name| *name == wanted)
        .or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(wanted)))
        .or_else(|| {
            names.iter().find(|name| is_file && stem(name).is_some_and(|stem| stem.eq_ignore_ascii_case(wanted)))
        })
}

// ---------------------------------------------------------------------------------------------------------------------
// Archives

/// How a zip archive begins: with a file, or with its end if it is empty.
const ZIP: [[u8; 4]; 2] = [*b"PK\x03\x04", *b"PK\x05\x06"];

/// A zip archive. Its names are looked at and never become paths; archives in it are not opened.
pub(crate) struct Archive {
    zip: ZipArchive<At>,
    /// Files that may be DICOM: their places in the archive and their names.
    entries: Vec<(usize, PathBuf)>,
    /// How many bytes were inflated.
    inflated: AtomicU64,
}

impl Archive {
    fn open(file: File) -> Result<Self, Unreadable> {
        let length = file.metadata().map_err(failed)?.len();
        let mut zip = ZipArchive::new(At { file: Arc::new(file), at: 0, length }).map_err(|error| not_zip(&error))?;
        if zip.len() > MOST_FILES {
            return Err(Unreadable::TooMany { what: WHAT.to_owned(), most: MOST_FILES });
        }
        let mut entries = Vec::new();
        for place in 0..zip.len() {
            let entry = zip.by_index_raw(place).map_err(|error| not_zip(&error))?;
            let name = PathBuf::from(entry.name());
            let hidden = name.iter().any(is_passed_over);
            if entry.is_file() && !hidden {
                entries.push((place, name));
            }
        }
        entries.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)));
        Ok(Self { zip, entries, inflated: AtomicU64::new(0) })
    }

    /// The bytes of a file.
    fn bytes(&self, index: usize) -> Result<Vec<u8>, ReadError> {
        let mut zip = self.zip.clone();
        let entry = zip.by_index(self.entries[index].0).map_err(|error| ReadError::Open(other(&error)))?;
        let most = entry.compressed_size().saturating_mul(MOST_GROWTH).max(SMALL);
        let left = MOST_INFLATED.saturating_sub(self.inflated.load(Ordering::Relaxed));
        let most = most.min(left);
        let mut bytes = Vec::new();
        entry.take(most + 1).read_to_end(&mut bytes).map_err(ReadError::Open)?;
        self.inflated.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if bytes.len() as u64 > most { Err(ReadError::TooLarge { most }) } else { Ok(bytes) }
    }
}

fn not_zip(error: &zip::result::ZipError) -> Unreadable {
    failed(other(error))
}

/// The archive's own words, which quote nothing of it but may have several lines.
fn other(error: &zip::result::ZipError) -> io::Error {
    io::Error::other(format!("the zip archive: {error}").replace(char::is_control, " "))
}

/// A file that several threads read, each from a place of its own.
#[derive(Clone)]
struct At {
    file: Arc<File>,
    at: u64,
    length: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for At {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
