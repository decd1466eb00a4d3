//! Where one JPEG ends and the next begins, in a stream of bytes (ITU T.81, annex B).
//!
//! Streams announce lengths and boundaries, and are wrong about them when they are cut; a JPEG itself says where it ends. A picture
//! that is cut off ends where the next begins.

/// A longer picture is none.
const LONGEST: usize = 32 << 20;
/// So much of what comes before a picture is kept: the head of its part.
const BEFORE: usize = 2048;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// What was found in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A picture from its start to its end, its pixels across and down if it says them, and what came before it.
    Whole { jpeg: Vec<u8>, size: Option<[u32; 2]>, before: Vec<u8> },
    /// Something that began as one and was none.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Before a picture.
    Nothing,
    /// At a marker.
    Marker,
    /// In coded data, which ends at a marker.
    Scan,
}

/// Cuts a stream into pictures.
#[derive(Debug)]
pub(super) struct Splitter {
    /// From the start of the picture, if there is one, else what has not been looked at.
    bytes: Vec<u8>,
    /// How far it was looked at. Beyond the end of `bytes` where a segment goes on.
    at: usize,
    inside: Inside,
    /// Of the picture, once its frame was seen.
    size: Option<[u32; 2]>,
    before: Vec<u8>,
}

impl Splitter {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), at: 0, inside: Inside::Nothing, size: None, before: Vec::new() }
    }

    /// Takes what came.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next thing that is complete in what came.
    pub(super) fn next(&mut self) -> Option<Found> {
        if self.inside == Inside::Nothing && !self.begin() {
            return None;
        }
        loop {
            if self.at > LONGEST || self.bytes.len() > LONGEST {
                return Some(self.give_up(2));
            }
            match self.inside {
                Inside::Nothing => return None,
                Inside::Scan => {
                    let rest = self.bytes.get(self.at..)?;
                    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
                    let Some(end) = rest.windows(2).position(ends) else {
                        // A marker may be cut in two.
                        self.at = self.bytes.len().saturating_sub(1).max(self.at);
                        return None;
                    };
                    self.at += end;
                    self.inside = Inside::Marker;
                }
                Inside::Marker => {
                    let rest = self.bytes.get(self.at..)?;
                    let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
                    let &code = rest.get(fill)?;
                    let after = self.at + fill + 1;
                    match code {
                        _ if fill == 0 => return Some(self.give_up(2)),
                        0 => return Some(self.give_up(2)),
                        // The one before was cut off.
                        SOI => return Some(self.give_up(after - 2)),
                        EOI => {
                            let rest = self.bytes.split_off(after);
                            let jpeg = std::mem::replace(&mut self.bytes, rest);
                            (self.at, self.inside) = (0, Inside::Nothing);
                            let (size, before) = (self.size.take(), std::mem::take(&mut self.before));
                            return Some(Found::Whole { jpeg, size, before });
                        }
                        0x01 | 0xd0..=0xd7 => self.at = after,
                        _ => {
                            let length = self.bytes.get(after..after + 2)?;
                            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                            if length < 2 {
                                return Some(self.give_up(2));
                            }
                            if is_start_of_frame(code) && length >= 7 {
                                let frame = self.bytes.get(after + 3..after + 7)?;
                                let edge = |at: usize| u32::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
                                self.size = Some([edge(2), edge(0)]);
                            }
                            self.at = after + length;
                            self.inside = if code == SOS { Inside::Scan } else { Inside::Marker };
                        }
                    }
                }
            }
        }
    }

    /// Goes on to the start of a picture, if there is one.
    fn begin(&mut self) -> bool {
        let start = self.bytes.windows(3).position(|three| three == [0xff, SOI, 0xff]);
        // The first bytes of a start may be there.
        let skipped = start.unwrap_or(self.bytes.len().saturating_sub(2));
        self.before.extend(self.bytes.drain(..skipped));
        let old = self.before.len().saturating_sub(BEFORE);
        self.before.drain(..old);
        if start.is_some() {
            (self.at, self.inside) = (2, Inside::Marker);
        }
        start.is_some()
    }

    /// What began was none: the next may begin after so many bytes of it.
    fn give_up(&mut self, after: usize) -> Found {
        self.bytes.drain(..after.min(self.bytes.len()));
        self.before.clear();
        self.size = None;
        (self.at, self.inside) = (0, Inside::Nothing);
        Found::Broken
    }
}

/// B.1.1.3: SOF0 to SOF15, without DHT, JPG and DAC among them. Lines and samples of a line follow the precision (B.2.2).
const fn is_start_of_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, RgbImage, codecs::jpeg::JpegEncoder};

    use super::*;

    fn jpeg(seed: u8) -> Vec<u8> {
        let image = RgbImage::from_fn(40, 24, |x, y| {
            image::Rgb([x, y, x * y].map(|value| value.to_le_bytes()[0].wrapping_mul(seed).wrapping_add(seed)))
        });
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90)
            .encode(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
            .expect("encoded");
        bytes
    }

    /// What is found in a stream that comes in pieces of so many bytes.
    fn found(stream: &[u8], piece: usize) -> Vec<Found> {
        let mut splitter = Splitter::new();
        let mut found = Vec::new();
        for piece in stream.chunks(piece) {
            splitter.feed(piece);
            found.extend(std::iter::from_fn(|| splitter.next()));
        }
        found
    }

    /// The pictures in a stream, however it is cut into pieces.
    #[track_caller]
    fn check(stream: &[u8], want: &[&[u8]]) {
        for piece in [1, 2, 3, 7, 100, 1 << 20] {
            let whole: Vec<Vec<u8>> = found(stream, piece)
                .into_iter()
                .filter_map(|found| match found {
                    Found::Whole { jpeg, .. } => Some(jpeg),
                    Found::Broken => None,
                })
                .collect();
            assert!(whole == want, "pieces of {piece}: {} pictures", whole.len());
        }
    }

    #[test]
    fn pictures_are_cut_where_they_end() {
        let (a, b) = (jpeg(3), jpeg(5));
        check(&[], &[]);
        check(&a, &[&a]);
        assert!(matches!(found(&a, 1)[..], [Found::Whole { size: Some([40, 24]), .. }]));
        check(&[&a[..], &b].concat(), &[&a, &b]);
        check(&[b"--x\r\nContent-Length: 9\r\n\r\n", &a[..], b"\r\n--x\r\n\r\n", &b, b"\r\n--x--"].concat(), &[&a, &b]);
    }

    #[test]
    fn what_is_cut_off_takes_nothing_with_it() {
        let (a, b) = (jpeg(3), jpeg(5));
        for kept in (1..a.len()).step_by(11) {
            let stream = [&a[..kept], b"\r\n--x\r\n\r\n", &b, &b, &a].concat();
            let whole = found(&stream, 64).into_iter().filter(|found| matches!(found, Found::Whole { .. })).count();
            // A segment that was cut takes what follows for its own, at most one picture.
            assert!(whole >= 2, "{kept} of {} bytes: {whole}", a.len());
        }
        let scan = a.len() - 20;
        check(&[&a[..scan], b"\r\n--x\r\n\r\n", &b].concat(), &[&b]);
    }

    #[test]
    fn noise_is_no_picture() {
        check(&[0xff; 5000], &[]);
        check(&[0xff, 0xd8, 0xff, 0xe0, 0, 0, 0xff, 0xd9], &[]);
        let noise: Vec<u8> = (0..60_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
        let a = jpeg(7);
        let stream = [&noise[..], &a, &a, &a].concat();
        assert!(found(&stream, 1000).iter().any(|found| matches!(found, Found::Whole { jpeg, .. } if *jpeg == a)));
    }

    #[test]
    fn the_head_of_a_part_comes_with_its_picture() {
        let a = jpeg(3);
        let head = b"--x\r\nX-UStreamer-Online: false\r\n\r\n";
        let stream = [&[b'.'; 9000][..], head, &a].concat();
        let Some(Found::Whole { before, .. }) = found(&stream, 50).pop() else { panic!("a picture") };
        assert!(before.ends_with(head) && before.len() <= BEFORE + 2);
    }
}
