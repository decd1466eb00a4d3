//! The texts of a TIFF's first directory. The crate `tiff` keeps one value of a tag, and writers repeat the description.

use std::io::{Read, Seek, SeekFrom};

const IMAGE_DESCRIPTION: u64 = 270;
const ASCII: u64 = 2;
/// More entries than any writer makes.
const MOST_ENTRIES: u64 = 4_096;
/// A longer description is none.
const LONGEST: u64 = 1 << 16;

/// The image descriptions of the first directory of a TIFF or BigTIFF, in their order; none where the file is neither.
pub(crate) fn descriptions(file: &mut (impl Read + Seek)) -> Vec<String> {
    Tiff::open(file).and_then(|mut tiff| tiff.descriptions()).unwrap_or_default()
}

/// An open file and how its numbers are written.
struct Tiff<'a, R> {
    file: &'a mut R,
    little_endian: bool,
    /// Bytes of an offset: 4, and 8 in BigTIFF.
    offset: usize,
}

impl<'a, R: Read + Seek> Tiff<'a, R> {
    /// TIFF 6.0, section 2: byte order, 42. BigTIFF: byte order, 43, the bytes of an offset, 0.
    fn open(file: &'a mut R) -> Option<Self> {
        let mut order = [0; 2];
        file.read_exact(&mut order).ok()?;
        let little_endian = match &order {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let mut tiff = Self { file, little_endian, offset: 4 };
        match tiff.number(2)? {
            42 => Some(tiff),
            43 if (tiff.number(2)?, tiff.number(2)?) == (8, 0) => Some(Self { offset: 8, ..tiff }),
            _ => None,
        }
    }

    /// The next whole number, of `bytes` bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let mut buffer = [0; 8];
        self.file.read_exact(&mut buffer[..bytes]).ok()?;
        if !self.little_endian {
            buffer[..bytes].reverse();
        }
        Some(u64::from_le_bytes(buffer))
    }

    fn descriptions(&mut self) -> Option<Vec<String>> {
        let directory = self.number(self.offset)?;
        self.file.seek(SeekFrom::Start(directory)).ok()?;
        let entries = self.number(if self.offset == 8 { 8 } else { 2 })?;
        let mut found = Vec::new();
        for _ in 0..entries.min(MOST_ENTRIES) {
            let (tag, kind, length) = (self.number(2)?, self.number(2)?, self.number(self.offset)?);
            let value = self.file.stream_position().ok()?;
            let after = value + self.offset as u64;
            if (tag, kind) == (IMAGE_DESCRIPTION, ASCII) && length <= LONGEST {
                // A value that fits stands in the place of its offset.
                let at = if length <= self.offset as u64 { value } else { self.number(self.offset)? };
                found.push(self.text(at, length)?);
            }
            self.file.seek(SeekFrom::Start(after)).ok()?;
        }
        Some(found)
    }

    fn text(&mut self, at: u64, length: u64) -> Option<String> {
        self.file.seek(SeekFrom::Start(at)).ok()?;
        let mut bytes = Vec::new();
        self.file.by_ref().take(length).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A directory of descriptions, classic or big, in either byte order.
    fn file(texts: &[&str], little_endian: bool, big: bool) -> Vec<u8> {
        let number = |value: usize, bytes: usize| -> Vec<u8> {
            let mut all = value.to_le_bytes()[..bytes].to_vec();
            if !little_endian {
                all.reverse();
            }
            all
        };
        let offset = if big { 8 } else { 4 };
        let mut bytes = if little_endian { b"II".to_vec() } else { b"MM".to_vec() };
        if big {
            bytes.extend([number(43, 2), number(8, 2), number(0, 2)].concat());
        } else {
            bytes.extend(number(42, 2));
        }
        bytes.extend(number(bytes.len() + offset, offset));
        bytes.extend(number(texts.len() + 1, if big { 8 } else { 2 }));
        let mut at = bytes.len() + (texts.len() + 1) * (4 + 2 * offset);
        bytes.extend([number(256, 2), number(3, 2), number(1, offset), number(7, offset)].concat());
        for text in texts {
            bytes.extend([number(270, 2), number(2, 2), number(text.len() + 1, offset), number(at, offset)].concat());
            at += text.len() + 1;
        }
        for text in texts {
            bytes.extend(text.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn every_description_is_found_in_every_kind_of_file() {
        let texts = ["{\"shape\": [896, 896, 3]}", "Aperio |MPP = 0.4990"];
        for little_endian in [true, false] {
            for big in [true, false] {
                let bytes = file(&texts, little_endian, big);
                assert_eq!(descriptions(&mut Cursor::new(&bytes)), texts);
                for kept in 0..bytes.len() {
                    // A text that is cut off is shorter; all else is none.
                    assert!(descriptions(&mut Cursor::new(&bytes[..kept])).len() <= 2);
                }
            }
        }
        assert!(descriptions(&mut Cursor::new(b"not a TIFF")).is_empty());
    }
}
