//! Opening a file from outside.

use std::{fs::File, io, path::Path};

use rustix::fs::{Mode, OFlags, open};

/// Opens a regular file to be read. A pipe, a device or a socket is an error at once: whoever opens one waits for who writes.
///
/// # Errors
/// If it cannot be opened, or is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::from(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, io::Read as _};

    use super::*;

    // verifies: REQ-INPUT-01
    #[test]
    fn only_a_regular_file_is_opened() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (file, pipe) = (folder.path().join("file"), folder.path().join("pipe"));
        std::fs::write(&file, b"bytes").expect("written");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR).expect("made");
        let mut bytes = Vec::new();
        open_regular(&file).and_then(|mut file| file.read_to_end(&mut bytes)).expect("read");
        assert_eq!(bytes, b"bytes");
        for other in [pipe.as_os_str(), folder.path().as_os_str(), OsStr::new("/dev/zero")] {
            let error = open_regular(Path::new(other)).expect_err("no file");
            assert_eq!(error.to_string(), "it is no regular file", "{}", other.display());
        }
    }
}
