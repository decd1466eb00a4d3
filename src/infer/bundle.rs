//! A bundle folder: verified before any parser sees what is in it.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use hilum_domain::Class;
pub use minisign_verify::PublicKey;
use minisign_verify::Signature;
use sha2::{Digest as _, Sha256};

use crate::Manifest;

/// Whose bundles are accepted.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The board's keys.
    pub keys: Vec<PublicKey>,
}

/// A minisign public key from its base64 line.
///
/// # Errors
/// [`BundleError::Key`] if it is none.
pub fn parse_public_key(base64: &str) -> Result<PublicKey, BundleError> {
    PublicKey::from_base64(base64.trim()).map_err(|_| BundleError::Key)
}

/// Why a bundle is rejected.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A key of the board's configuration is no minisign key.
    #[error("a public key of the configuration is not a minisign key")]
    Key,
    /// A file is missing or cannot be read.
    #[error("cannot read {file} of the bundle")]
    Read {
        /// Which file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The signature is missing, damaged, or by a key that this board does not accept.
    #[error("the bundle's manifest is not signed by a key that this board accepts")]
    Signature,
    /// A file is not the one that was signed.
    #[error("{file} of the bundle is not the file that was signed (SHA-256 differs)")]
    Hash {
        /// Which file.
        file: String,
    },
    /// The manifest makes no sense.
    #[error("the bundle's manifest is not valid")]
    Manifest(#[source] Box<toml::de::Error>),
    /// The manifest is valid and asks for what this program does not have.
    #[error("the bundle does not fit this program: {0}")]
    Unsuitable(String),
}

/// A verified bundle, its files in memory: what was hashed is what is parsed.
#[derive(Debug, Clone)]
pub struct Bundle {
    manifest: Manifest,
    sha256: String,
    files: BTreeMap<String, Vec<u8>>,
}

/// The files without which nothing runs.
const NEEDED: [&str; 4] = ["ct.onnx", "he.onnx", "mil.onnx", "metadata.onnx"];

/// How a signature file begins: as we write it, and as the program minisign does. Nothing signs this line; another one is
/// damage.
const COMMENTS: [&str; 2] =
    ["untrusted comment: hilum bundle\n", "untrusted comment: signature from minisign secret key\n"];

impl Bundle {
    /// Opens a bundle: signature of the manifest, hash of every file, then the manifest itself.
    ///
    /// # Errors
    /// [`BundleError`] at the first thing that is not as it was signed.
    pub fn open(folder: &Path, trust: &Trust) -> Result<Self, BundleError> {
        let read = |file: &str| {
            fs::read(folder.join(file)).map_err(|source| BundleError::Read { file: file.to_owned(), source })
        };
        let manifest_bytes = read("manifest.toml")?;
        let signature = String::from_utf8(read("manifest.sig")?).map_err(|_| BundleError::Signature)?;
        if !COMMENTS.iter().any(|comment| signature.starts_with(comment)) || signature.lines().count() != 4 {
            return Err(BundleError::Signature);
        }
        let signature = Signature::decode(&signature).map_err(|_| BundleError::Signature)?;
        if !trust.keys.iter().any(|key| key.verify(&manifest_bytes, &signature, false).is_ok()) {
            return Err(BundleError::Signature);
        }
        let text = String::from_utf8_lossy(&manifest_bytes);
        let manifest: Manifest = toml::from_str(&text).map_err(|error| BundleError::Manifest(Box::new(error)))?;
        if manifest.schema != "hilum.bundle/1" {
            return Err(BundleError::Unsuitable(format!("its schema is {}", manifest.schema)));
        }
        if manifest.classes != Class::ALL.map(Class::name) {
            return Err(BundleError::Unsuitable("its classes are others, or in another order".to_owned()));
        }
        let mut files = BTreeMap::new();
        for (name, wanted) in &manifest.files {
            if name.starts_with('/') || name.split('/').any(|part| part == "..") {
                return Err(BundleError::Unsuitable(format!("the file name {name} leads out of it")));
            }
            let bytes = read(name)?;
            if &hex(&Sha256::digest(&bytes)) != wanted {
                return Err(BundleError::Hash { file: name.clone() });
            }
            files.insert(name.clone(), bytes);
        }
        if let Some(missing) = NEEDED.iter().find(|name| !files.contains_key(**name)) {
            return Err(BundleError::Unsuitable(format!("it has no {missing}")));
        }
        Ok(Self { manifest, sha256: hex(&Sha256::digest(&manifest_bytes)), files })
    }

    /// What it says of itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest, which has the hashes of all other files in it.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`BundleError::Unsuitable`] if the manifest does not list it.
    pub fn file(&self, name: &str) -> Result<&[u8], BundleError> {
        self.files.get(name).map(Vec::as_slice).ok_or_else(|| BundleError::Unsuitable(format!("it has no {name}")))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
