//! Files that one person can open: the age format (C2SP, age-encryption.org/v1) with X25519 recipients.
//!
//! The crate `age` brings 120 others, localised error messages and an older generation of every primitive among them; what
//! an export needs of the format is a header of three lines and a stream of chunks. Any age tool opens what is written here.

use std::{
    io::{self, BufRead, Read, Write},
    str::FromStr,
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use bech32::{Bech32, primitives::decode::CheckedHrpstring};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce, aead::Aead as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::{Zeroize as _, Zeroizing};

use crate::seal::random;

const VERSION: &str = "age-encryption.org/v1";
const X25519: &str = "age-encryption.org/v1/X25519";
const FILE_KEY: usize = 16;
const TAG: usize = 16;
const CHUNK: usize = 65_536;
/// A header is short, and so are its lines.
const LONGEST_LINE: u64 = 1024;
const MOST_LINES: usize = 256;

/// Not what was expected of an age file, key or recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAge {
    /// A word that is no recipient.
    #[error("not a recipient: expected age1 and 58 characters more")]
    Recipient,
    /// Text without a secret key.
    #[error("not an age identity: expected a line AGE-SECRET-KEY-1…")]
    Identity,
    /// It begins as no age file does.
    #[error("not an age file")]
    File,
    /// It was encrypted to somebody else.
    #[error("the file was not encrypted to this identity")]
    Stranger,
    /// It was changed or cut.
    #[error("the age file was changed or cut off")]
    Changed,
}

impl From<NotAge> for io::Error {
    fn from(not: NotAge) -> Self {
        Self::new(io::ErrorKind::InvalidData, not)
    }
}

/// Whom a file is encrypted to: the public half of an age identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl FromStr for Recipient {
    type Err = NotAge;

    fn from_str(text: &str) -> Result<Self, NotAge> {
        let lower = text.chars().all(|character| !character.is_ascii_uppercase());
        bytes_of(text, "age").filter(|_| lower).map(|bytes| Self(*bytes)).ok_or(NotAge::Recipient)
    }
}

/// The secret half: who holds it opens what was encrypted to it.
pub struct AgeIdentity(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for AgeIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AgeIdentity(…)")
    }
}

impl FromStr for AgeIdentity {
    type Err = NotAge;

    /// The first key of an identity file; lines that begin with `#` say something to people.
    fn from_str(text: &str) -> Result<Self, NotAge> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        line.and_then(|line| bytes_of(line, "age-secret-key-")).map(Self).ok_or(NotAge::Identity)
    }
}

/// The 32 bytes of a Bech32 text with this human-readable part.
fn bytes_of(text: &str, part: &str) -> Option<Zeroizing<[u8; 32]>> {
    let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
    if checked.hrp().to_lowercase() != part {
        return None;
    }
    let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(checked.byte_iter().collect());
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

fn keyed(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// HKDF (RFC 5869) for one block, which is all that is needed.
fn derived(secret: &[u8], salt: &[u8], info: &str) -> Zeroizing<[u8; 32]> {
    keyed(&*keyed(salt, &[secret]), &[info.as_bytes(), &[1]])
}

/// The key that wraps the file key for `recipient`, from either half of what was shared. `None` if nothing secret was.
fn wrapping(shared: [u8; 32], share: &[u8; 32], recipient: &[u8; 32]) -> Option<ChaCha20Poly1305> {
    let shared = Zeroizing::new(shared);
    if *shared == [0; 32] {
        return None;
    }
    let key = derived(&*shared, &[&share[..], recipient].concat(), X25519);
    Some(ChaCha20Poly1305::new((&*key).into()))
}

/// The nonce of chunk `counter`.
fn nonce(counter: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&counter.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce.into()
}

/// Writes an age file. Not whole before [`Sealing::finish`].
pub(crate) struct Sealing<W: Write> {
    out: W,
    cipher: ChaCha20Poly1305,
    counter: u64,
    pending: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealing<W> {
    pub(crate) fn new(mut out: W, recipient: &Recipient) -> io::Result<Self> {
        let (file_key, secret, salt) = (random::<FILE_KEY>()?, random::<32>()?, random::<16>()?);
        let share = x25519(*secret, X25519_BASEPOINT_BYTES);
        let wrap = wrapping(x25519(*secret, recipient.0), &share, &recipient.0).ok_or(NotAge::Recipient)?;
        let wrapped = wrap.encrypt(&Nonce::default(), &file_key[..]).map_err(|_| NotAge::Recipient)?;
        let header = format!("{VERSION}\n-> X25519 {}\n{}\n---", BASE64.encode(share), BASE64.encode(wrapped));
        let mac = keyed(&*derived(&*file_key, &[], "header"), &[header.as_bytes()]);
        writeln!(out, "{header} {}", BASE64.encode(*mac))?;
        out.write_all(&*salt)?;
        let key = derived(&*file_key, &*salt, "payload");
        let pending = Zeroizing::new(Vec::with_capacity(CHUNK));
        Ok(Self { out, cipher: ChaCha20Poly1305::new((&*key).into()), counter: 0, pending })
    }

    fn chunk(&mut self, last: bool) -> io::Result<()> {
        let sealed = self.cipher.encrypt(&nonce(self.counter, last), self.pending.as_slice());
        self.out.write_all(&sealed.map_err(|_| io::Error::other("a chunk is too long"))?)?;
        self.counter += 1;
        self.pending.zeroize();
        Ok(())
    }

    /// Writes the last chunk.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.chunk(true)
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk is written when more comes: the last one, full or not, is marked as such.
        if self.pending.len() == CHUNK && !bytes.is_empty() {
            self.chunk(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.pending.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads an age file.
pub struct Opening<R: BufRead> {
    input: R,
    cipher: ChaCha20Poly1305,
    counter: u64,
    plain: Zeroizing<Vec<u8>>,
    at: usize,
    ended: bool,
}

impl<R: BufRead> Opening<R> {
    /// Reads the header, with the first stanza that this identity opens.
    ///
    /// # Errors
    /// [`NotAge`] within an [`io::Error`], or that the input cannot be read.
    pub fn new(mut input: R, identity: &AgeIdentity) -> io::Result<Self> {
        let mut header = String::new();
        if line(&mut input, &mut header)? != VERSION {
            return Err(NotAge::File.into());
        }
        let mut file_key = None;
        let mut mac = None;
        let mut next = line(&mut input, &mut header)?;
        for _ in 0..MOST_LINES {
            if let Some(digits) = next.strip_prefix("--- ") {
                // The code covers the header up to these three dashes.
                header.truncate(header.len() - digits.len() - 2);
                mac = Some(BASE64.decode(digits).map_err(|_| NotAge::Changed)?);
                break;
            }
            let words = next.strip_prefix("-> ").ok_or(NotAge::File)?.to_owned();
            let mut body = String::new();
            loop {
                next = line(&mut input, &mut header)?;
                body.push_str(&next);
                match next.len() {
                    64 => {}
                    0..64 => break,
                    _ => return Err(NotAge::File.into()),
                }
            }
            if let Some(share) = words.strip_prefix("X25519 ").filter(|_| file_key.is_none()) {
                file_key = unwrapped(share, &body, identity)?;
            }
            next = line(&mut input, &mut header)?;
        }
        let mac = mac.ok_or(NotAge::File)?;
        let file_key = file_key.ok_or(NotAge::Stranger)?;
        let mut check =
            Hmac::<Sha256>::new_from_slice(&*derived(&file_key, &[], "header")).expect("HMAC takes keys of any length");
        check.update(header.as_bytes());
        check.verify_slice(&mac).map_err(|_| NotAge::Changed)?;
        let mut salt = [0; 16];
        input.read_exact(&mut salt).map_err(|_| NotAge::Changed)?;
        let key = derived(&file_key, &salt, "payload");
        let cipher = ChaCha20Poly1305::new((&*key).into());
        Ok(Self { input, cipher, counter: 0, plain: Zeroizing::default(), at: 0, ended: false })
    }

    fn chunk(&mut self) -> io::Result<()> {
        let mut sealed = Vec::with_capacity(CHUNK + TAG);
        (&mut self.input).take((CHUNK + TAG) as u64).read_to_end(&mut sealed)?;
        let last = self.input.fill_buf()?.is_empty();
        let plain = self.cipher.decrypt(&nonce(self.counter, last), sealed.as_slice());
        self.plain = Zeroizing::new(plain.map_err(|_| NotAge::Changed)?);
        // Only a file with nothing in it ends with an empty chunk.
        if self.plain.is_empty() && self.counter > 0 {
            return Err(NotAge::Changed.into());
        }
        (self.at, self.ended) = (0, last);
        self.counter += 1;
        Ok(())
    }
}

impl<R: BufRead> Read for Opening<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() && !self.ended && !into.is_empty() {
            self.chunk()?;
        }
        let left = &self.plain[self.at..];
        let taken = left.len().min(into.len());
        into[..taken].copy_from_slice(&left[..taken]);
        self.at += taken;
        Ok(taken)
    }
}

/// The next line of a header, which is entered in `header` with its end.
fn line(input: &mut impl BufRead, header: &mut String) -> io::Result<String> {
    let mut bytes = Vec::new();
    input.take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|_| NotAge::File)?;
    let line = text.strip_suffix('\n').ok_or(NotAge::File)?.to_owned();
    header.push_str(&text);
    Ok(line)
}

/// The file key of a stanza, if the stanza is for this identity.
fn unwrapped(share: &str, body: &str, identity: &AgeIdentity) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let bytes = |text: &str| BASE64.decode(text).map_err(|_| NotAge::Changed);
    let share: [u8; 32] = bytes(share)?.try_into().map_err(|_| NotAge::Changed)?;
    let body = bytes(body)?;
    if body.len() != FILE_KEY + TAG {
        return Err(NotAge::Changed.into());
    }
    let own = x25519(*identity.0, X25519_BASEPOINT_BYTES);
    let wrap = wrapping(x25519(*identity.0, share), &share, &own).ok_or(NotAge::Changed)?;
    Ok(wrap.decrypt(&Nonce::default(), body.as_slice()).ok().map(Zeroizing::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A pair for tests; nothing is encrypted to it that anybody needs.
    const SECRET: &str = "AGE-SECRET-KEY-18C9XZXYRANDM0U0JWYHH25XUJ6NRQJ2LH0GNYMNN6N3CFU445P4SG9N7UK";
    const PUBLIC: &str = "age1wqjfwd5ddnvyjla9u643f2p2z4xdaccpahqyhvtnq3dyf9t2mcasnpk8ue";
    // "a case", encrypted by rage to this pair and to another.
    const BY_RAGE: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBnWDBMK2o1anFmZk5BYXBHOFRWcmVwM1ZIbmxVYzNGYncyNEdqa25nNno4CkJjMVJZUEhPdytvdWhoRXpUUkxKZTZvbmY1VEY5SFJZU2E0R1huWTBKYWsKLT4gWDI1NTE5IFA0cjVjMG1SdHJrbFJjSUorY1JuWHFUV05xUUN0aXpuQWdCWkFrc05qQk0KaGxCL0NWQ1FRSUNmdkVqWm9NYVI5OU9tTnp2VU9pWjZReTBIdkFPaEV3awotPiAtLWdyZWFzZSBoI0NxICJeZSogMnB0CjNqZXpHUW1qV2dEVnpHZ1RsQmdua3YyNU5YU2s2ZDRsd1g1MitRCi0tLSA5dDdRTlhMY2lrc0dnL3VvZTlGWVNlNjdhcnlJbSt6TlN6MFNkSW9qd3hFCgrwCuZZZpD3ypqdCi/U5VTsrqaVTLEdYcd3YcxVS3mZvQxdFUXu";

    fn pair() -> (Recipient, AgeIdentity) {
        let file = format!("# created: 2026-11-23\n{SECRET}\n");
        (PUBLIC.parse().expect("a recipient"), file.parse().expect("an identity"))
    }

    fn sealed(plain: &[u8], recipient: &Recipient) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut sealing = Sealing::new(&mut bytes, recipient).expect("a header");
        sealing.write_all(plain).expect("written");
        sealing.finish().expect("written");
        bytes
    }

    fn opened(bytes: &[u8], identity: &AgeIdentity) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Opening::new(bytes, identity)?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    // verifies: REQ-PRIVACY-03
    #[test]
    fn what_is_sealed_opens_for_whom_it_was_sealed() {
        let (recipient, identity) = pair();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
            let plain = vec![0x5a; length];
            let bytes = sealed(&plain, &recipient);
            assert_eq!(opened(&bytes, &identity).expect("opens"), plain, "{length}");
            let stranger = AgeIdentity(Zeroizing::new([9; 32]));
            assert!(opened(&bytes, &stranger).is_err());
            assert!(opened(&bytes[..bytes.len() - 1], &identity).is_err(), "{length}");
            assert!(opened(&[&bytes[..], b"x"].concat(), &identity).is_err(), "{length}");
        }
    }

    #[test]
    fn the_format_is_that_of_other_tools() {
        let (recipient, identity) = pair();
        assert_eq!(Recipient(x25519(*identity.0, X25519_BASEPOINT_BYTES)), recipient);
        let bytes = base64::engine::general_purpose::STANDARD.decode(BY_RAGE).expect("base64");
        assert_eq!(opened(&bytes, &identity).expect("opens"), b"a case");
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (recipient, identity) = pair();
        let bytes = sealed(b"a case", &recipient);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            opened(&flipped, &identity).expect_err("found");
        }
    }

    #[test]
    fn chunks_in_another_order_are_found() {
        let (recipient, identity) = pair();
        let bytes = sealed(&[7; 3 * CHUNK], &recipient);
        let body = bytes.len() - 3 * (CHUNK + TAG);
        let (head, chunks) = bytes.split_at(body);
        let (first, rest) = chunks.split_at(CHUNK + TAG);
        let (second, third) = rest.split_at(CHUNK + TAG);
        opened(&[head, first, second, third].concat(), &identity).expect("as it was");
        for other in [[second, first, third].concat(), [first, second].concat(), [first, third].concat()] {
            opened(&[head, &other].concat(), &identity).expect_err("found");
        }
    }

    #[test]
    fn words_that_are_no_keys_are_not_taken() {
        for wrong in ["", "age1", "age1qqqq", SECRET, "AGE1", "age1é"] {
            assert_eq!(wrong.parse::<Recipient>(), Err(NotAge::Recipient), "{wrong}");
        }
        for wrong in ["", "# only words\n", "age1qqqq", "AGE-SECRET-KEY-1QQQ"] {
            assert_eq!(wrong.parse::<AgeIdentity>().map(|_| ()), Err(NotAge::Identity), "{wrong}");
        }
    }
}
