//! Where the key comes from that seals the records.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use hilum_config::KeySource;
use hilum_store::{DataKey, random, replace};
use zeroize::Zeroizing;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// The service manager handed no such credential over.
    #[error("there is no credential {0}: is the service started with LoadCredential?")]
    NoCredential(String),
    /// What was found is no key.
    #[error("the data key is not 32 bytes long")]
    Length,
    /// It could not be read or made.
    #[error("cannot read the data key")]
    Read(#[source] io::Error),
}

/// The data key of a board whose records lie in `data`; none where a PIN has to bring it. A key file that is not there is made,
/// with 32 random bytes.
///
/// # Errors
/// [`NoKey`]
pub fn data_key(source: &KeySource, data: &Path) -> Result<Option<DataKey>, NoKey> {
    match source {
        KeySource::Credential { name } => {
            let folder = env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| NoKey::NoCredential(name.clone()))?;
            let path = PathBuf::from(folder).join(name);
            if !path.is_file() {
                return Err(NoKey::NoCredential(name.clone()));
            }
            read(&path).map(Some)
        }
        KeySource::File { path } => {
            let path = path.clone().unwrap_or_else(|| data.join("data-key"));
            match made(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(NoKey::Read(error)),
                _ => read(&path).map(Some),
            }
        }
        KeySource::Pin => Ok(None),
    }
}

/// The key in a file.
///
/// # Errors
/// [`NoKey`] if it cannot be read or is not 32 bytes long.
pub fn read(path: &Path) -> Result<DataKey, NoKey> {
    let bytes = Zeroizing::new(fs::read(path).map_err(NoKey::Read)?);
    let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| NoKey::Length)?;
    Ok(DataKey::new(bytes))
}

/// Makes a key file where there is none, readable by its owner alone. Whole or not at all: a key that was cut short would lock
/// out what is sealed after it.
fn made(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    replace(path, &*random::<32>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_is_its_owners() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let source = KeySource::File { path: None };
        let token = |key: Option<DataKey>| key.expect("a key").token("word");
        let first = token(data_key(&source, folder.path()).expect("made"));
        assert_eq!(token(data_key(&source, folder.path()).expect("read")), first);
        let path = folder.path().join("data-key");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        fs::write(&path, b"short").expect("written");
        assert!(matches!(data_key(&source, folder.path()), Err(NoKey::Length)));
    }
}
