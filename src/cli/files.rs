//! Files that a person names for output.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::Failure;

/// Whether a file can be made at `path`, found before the work and not after it. The folder must be there.
pub(crate) fn writable(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        return Err(Failure::Usage(format!("{} is a folder, not a file", path.display())));
    }
    if !folder.is_dir() {
        return Err(Failure::Usage(format!("there is no folder {}", folder.display())));
    }
    Ok(())
}

/// Writes a file under another name first, then into its place: what stood there stands until all is on the disk.
pub(crate) fn replace(path: &Path, part: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(part, bytes)?;
    fs::File::open(part)?.sync_all()?;
    fs::rename(part, path)
}

/// Writes a file whole or not at all: a full disk leaves what was there before.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    // What is no plain file (a pipe, /dev/null) is written to as it is.
    if path.exists() && !path.is_file() {
        return fs::write(path, bytes).map_err(Failure::unwritable(path.display()));
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    replace(path, &part, bytes).map_err(|error| {
        // What is left of it is of no use; that it cannot be removed either is not what went wrong first.
        drop(fs::remove_file(&part));
        Failure::unwritable(path.display())(error)
    })
}
