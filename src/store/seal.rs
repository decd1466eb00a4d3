//! Records under the data key.
//!
//! XChaCha20-Poly1305 with the nonce taken from a keyed hash of place and content (the synthetic IV of RFC 5297, with
//! these primitives): the same record in the same place is the same bytes, so a copy can be compared without the key, and
//! no counter has to survive a power cut. What equal bytes tell is that a record did not change.

use std::io;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, AeadInOut as _, Payload},
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const NONCE: usize = 24;

/// What is kept of the key, as a token.
pub(crate) const KEY_WORD: &str = "hilum";

/// A sealed record does not open: another key, another place, or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record does not open with this key")]
pub struct Sealed;

/// Random bytes of the kernel's.
///
/// # Errors
/// If it gives none.
pub fn random<const N: usize>() -> io::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|_| io::Error::other("the kernel gives no random bytes"))?;
    Ok(bytes)
}

/// The key of all records. Never written as it is, never shown.
#[derive(Clone)]
pub struct DataKey {
    bytes: Zeroizing<[u8; 32]>,
    seal: Zeroizing<[u8; 32]>,
    nonce: Zeroizing<[u8; 32]>,
    search: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DataKey(…)")
    }
}

fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        // With its length, so that no two lists of parts look alike.
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl DataKey {
    /// The key with these 32 random bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let sub = |purpose: &str| Zeroizing::new(keyed(bytes, &[purpose.as_bytes()]));
        Self { bytes: Zeroizing::new(*bytes), seal: sub("seal"), nonce: sub("nonce"), search: sub("search") }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &*self.bytes
    }

    /// A key that takes both this one and `other`.
    pub(crate) fn with(&self, other: &[u8; 32]) -> Self {
        Self::new(&keyed(&self.bytes, &[b"with", other]))
    }

    /// Seals `plain` for one place (a table and a row, a kind of file). It opens nowhere else.
    #[must_use]
    pub fn seal(&self, place: &str, plain: &[u8]) -> Vec<u8> {
        let [nonce @ .., _, _, _, _, _, _, _, _] = keyed(&self.nonce, &[place.as_bytes(), plain]);
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = XChaCha20Poly1305::new((&*self.seal).into()).encrypt(&XNonce::from(nonce), payload);
        [&nonce[..], &sealed.expect("a record is far below 256 GB")].concat()
    }

    /// Opens what [`DataKey::seal`] made for this place.
    ///
    /// # Errors
    /// [`Sealed`]
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Sealed> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Sealed)?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        let plain = XChaCha20Poly1305::new((&*self.seal).into()).decrypt(&XNonce::from(*nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| Sealed)
    }

    /// Opens what [`DataKey::seal`] made for this place, where it lies: a volume is in memory once.
    ///
    /// # Errors
    /// [`Sealed`]
    pub(crate) fn open_owned(&self, place: &str, sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, Sealed> {
        let mut bytes = Zeroizing::new(sealed);
        let nonce = XNonce::from(*bytes.first_chunk::<NONCE>().ok_or(Sealed)?);
        bytes.drain(..NONCE);
        let cipher = XChaCha20Poly1305::new((&*self.seal).into());
        cipher.decrypt_in_place(&nonce, place.as_bytes(), &mut *bytes).map_err(|_| Sealed)?;
        Ok(bytes)
    }

    /// What stands for a word in an index: equal words have equal tokens, and no token says its word.
    #[must_use]
    pub fn token(&self, word: &str) -> [u8; 32] {
        keyed(&self.search, &[word.as_bytes()])
    }
}
