//! A DICOM file (PS3.10) as bytes: where its data set begins and how it is coded, found without parsing it.

use std::{borrow::Cow, io::Read as _};

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use flate2::read::DeflateDecoder;

use crate::{
    read::ReadError,
    scan::{Coding, Element, ScanError, Scanned, scan},
};

/// PS3.10 7.1: so many bytes of preamble, then the prefix. Some writers leave out the preamble, some both.
const PREAMBLE: usize = 128;
const PREFIX: &[u8] = b"DICM";
/// Explicit VR Big Endian: retired, and still on old disks.
pub(crate) const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// How much a deflated data set may grow: CT shrinks to a third. What is small may be all of one value.
const MOST_GROWTH: u64 = 100;
const SMALL: u64 = 16 << 20;
/// No data set is inflated to more.
const MOST_INFLATED: u64 = 1 << 30;

/// The bytes of a DICOM file whose File Meta Information has been read.
#[derive(Debug)]
pub(crate) struct Part10<'a> {
    /// (0002,0010) Transfer Syntax UID; where there is no File Meta Information, what the data set looks like.
    pub(crate) transfer_syntax: String,
    /// (0002,0002) Media Storage SOP Class UID; empty if absent.
    pub(crate) sop_class_uid: String,
    /// How the data set is coded.
    pub(crate) coding: Coding,
    bytes: Cow<'a, [u8]>,
    data_set: usize,
}

impl<'a> Part10<'a> {
    /// Finds the data set in the bytes of a file, and inflates it where it is deflated (PS3.5 A.5).
    ///
    /// # Errors
    /// [`ReadError`] if they are no DICOM file, or one that is damaged.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let meta = match (bytes.get(PREAMBLE..PREAMBLE + PREFIX.len()), bytes.get(..PREFIX.len())) {
            (Some(PREFIX), _) => Some(PREAMBLE + PREFIX.len()),
            (_, Some(PREFIX)) => Some(PREFIX.len()),
            // Group 2 and no prefix, or a bare data set, which begins with group 8.
            (_, Some([2, 0, _, 0])) => Some(0),
            (_, Some([8, 0, _, 0])) => None,
            _ => return Err(not_dicom(bytes)),
        };
        let marked = meta.is_some_and(|at| at > 0);
        let opened = match meta {
            Some(at) => Self::with_meta(bytes, at),
            None => Self::without_meta(bytes),
        };
        opened.map_err(|error| match error {
            ReadError::Damaged(_) if !marked => ReadError::NotDicom,
            error => error,
        })
    }

    fn with_meta(bytes: &'a [u8], meta: usize) -> Result<Self, ReadError> {
        // PS3.10 7.1: always Explicit VR Little Endian. Its group length is not believed: some writers leave it out.
        let coding = Coding { explicit: true, big_endian: false };
        let (mut at, mut transfer_syntax, mut sop_class_uid) = (meta, None, String::new());
        while bytes.get(at..at + 2) == Some(&[2, 0]) {
            let element = Element::read(bytes, at, coding)?;
            let value = element.value(bytes)?;
            let text = || String::from_utf8_lossy(value).trim_end_matches(['\0', ' ']).to_owned();
            match element.tag {
                tags::TRANSFER_SYNTAX_UID => transfer_syntax = Some(text()),
                tags::MEDIA_STORAGE_SOP_CLASS_UID => sop_class_uid = text(),
                _ => {}
            }
            at = element.start + value.len();
        }
        if at == bytes.len() {
            return Err(ScanError::CutOff.into());
        }
        let transfer_syntax = transfer_syntax.unwrap_or_else(|| guessed(&bytes[at..]).to_owned());
        let coding = match transfer_syntax.as_str() {
            uids::IMPLICIT_VR_LITTLE_ENDIAN => Coding { explicit: false, big_endian: false },
            EXPLICIT_VR_BIG_ENDIAN => Coding { explicit: true, big_endian: true },
            _ => coding,
        };
        if transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            let bytes = Cow::Owned(inflated(&bytes[at..])?);
            return Ok(Self { transfer_syntax, sop_class_uid, coding, bytes, data_set: 0 });
        }
        Ok(Self { transfer_syntax, sop_class_uid, coding, bytes: bytes.into(), data_set: at })
    }

    fn without_meta(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let transfer_syntax = guessed(bytes);
        let coding = Coding { explicit: transfer_syntax != uids::IMPLICIT_VR_LITTLE_ENDIAN, big_endian: false };
        Element::read(bytes, 0, coding)?.value(bytes)?;
        Ok(Self {
            transfer_syntax: transfer_syntax.to_owned(),
            sop_class_uid: String::new(),
            coding,
            bytes: bytes.into(),
            data_set: 0,
        })
    }

    /// The bytes of the data set.
    pub(crate) fn data_set(&self) -> &[u8] {
        &self.bytes[self.data_set..]
    }

    /// Scans the data set for elements of its own that are wanted, which come in rising order, and for its pixel data.
    ///
    /// # Errors
    /// [`ScanError`] if it is damaged, cut off before its pixel data, or an attack.
    pub(crate) fn scan(&self, wanted: &[Tag]) -> Result<Scanned<'_>, ScanError> {
        scan(self.data_set(), self.coding, wanted)
    }
}

/// What a data set without a transfer syntax looks like: after its first tag stand the letters of a VR, or none.
fn guessed(data_set: &[u8]) -> &'static str {
    match data_set.get(4..6) {
        Some(vr) if vr.iter().all(u8::is_ascii_uppercase) => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        _ => uids::IMPLICIT_VR_LITTLE_ENDIAN,
    }
}

/// A deflated data set.
///
/// # Errors
/// If it is damaged, cut off, or grows beyond what a CT does.
fn inflated(deflated: &[u8]) -> Result<Vec<u8>, ReadError> {
    let most = (deflated.len() as u64).saturating_mul(MOST_GROWTH).clamp(SMALL, MOST_INFLATED);
    let mut bytes = Vec::new();
    DeflateDecoder::new(deflated)
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| ReadError::Damaged(source.into()))?;
    if bytes.len() as u64 > most { Err(ScanError::Bomb.into()) } else { Ok(bytes) }
}

/// Tells what is left of a slice from what never was one, by bytes that do not begin as DICOM does.
fn not_dicom(bytes: &[u8]) -> ReadError {
    let text = |byte: &u8| *byte >= b' ' || byte.is_ascii_whitespace();
    let start = &bytes[..bytes.len().min(PREAMBLE + PREFIX.len())];
    if start.is_empty() {
        ReadError::Empty
    } else if start.iter().all(|&byte| byte == 0) || (start.len() < PREAMBLE + PREFIX.len() && !start.iter().all(text))
    {
        ReadError::Stub
    } else {
        ReadError::NotDicom
    }
}
