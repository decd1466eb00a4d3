//! What a JPEG (ITU T.81) says of itself, and whether it is whole: decoders fill up with grey what is not there.

/// The size of a JPEG's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Pixels of a line.
    pub width: u16,
    /// Lines; 0 if they are counted only after the first scan.
    pub height: u16,
    /// Components of a pixel.
    pub components: u8,
}

/// Why the bytes are no whole JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JpegFault {
    /// There is no marker where one must be.
    #[error("the JPEG is damaged")]
    Damaged,
    /// They end before the end-of-image marker.
    #[error("the JPEG is cut off")]
    CutOff,
}

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// The picture's size, if the bytes run from the start of an image to its end (B.1.1.3, B.2). What follows the end is not
/// looked at, nor are pictures in segments of their own, such as a thumbnail.
///
/// # Errors
/// [`JpegFault`] if they do not.
pub fn frame(bytes: &[u8]) -> Result<Frame, JpegFault> {
    let mut rest = bytes.strip_prefix(&[0xff, START_OF_IMAGE]).ok_or(JpegFault::Damaged)?;
    let mut frame = None;
    loop {
        let (marker, after) = next_marker(rest)?;
        rest = match marker {
            END_OF_IMAGE => return frame.ok_or(JpegFault::Damaged),
            // TEM and RSTn stand alone.
            0x01 | 0xd0..=0xd7 => after,
            _ => {
                let (segment, after) = segment(after)?;
                if is_start_of_frame(marker) && frame.replace(size(segment)?).is_some() {
                    return Err(JpegFault::Damaged);
                }
                if marker == START_OF_SCAN { after_scan(after)? } else { after }
            }
        };
    }
}

/// B.1.1.3: SOF0 to SOF15, without DHT, JPG and DAC among them.
const fn is_start_of_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// B.1.1.2: a marker is 0xff, as often as the writer likes, and a code.
fn next_marker(bytes: &[u8]) -> Result<(u8, &[u8]), JpegFault> {
    let fill = bytes.iter().take_while(|&&byte| byte == 0xff).count();
    match bytes.get(fill) {
        None => Err(JpegFault::CutOff),
        Some(0) => Err(JpegFault::Damaged),
        Some(_) if fill == 0 => Err(JpegFault::Damaged),
        Some(&code) => Ok((code, &bytes[fill + 1..])),
    }
}

/// B.1.1.4: a segment's length counts its own two bytes.
fn segment(bytes: &[u8]) -> Result<(&[u8], &[u8]), JpegFault> {
    let (length, after) = bytes.split_first_chunk::<2>().ok_or(JpegFault::CutOff)?;
    let length = usize::from(u16::from_be_bytes(*length)).checked_sub(2).ok_or(JpegFault::Damaged)?;
    after.split_at_checked(length).ok_or(JpegFault::CutOff)
}

/// B.2.2: precision, lines, samples of a line, components.
fn size(segment: &[u8]) -> Result<Frame, JpegFault> {
    let &[_, y0, y1, x0, x1, components, ..] = segment else { return Err(JpegFault::Damaged) };
    Ok(Frame { width: u16::from_be_bytes([x0, x1]), height: u16::from_be_bytes([y0, y1]), components })
}

/// What follows a scan's coded data, in which 0xff is followed by 0 or by a restart's number (B.1.1.5).
fn after_scan(bytes: &[u8]) -> Result<&[u8], JpegFault> {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    bytes.windows(2).position(ends).map(|at| &bytes[at..]).ok_or(JpegFault::CutOff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, RgbImage, codecs::jpeg::JpegEncoder};

    fn picture() -> Vec<u8> {
        let image =
            RgbImage::from_fn(61, 40, |x, y| image::Rgb([x * 4, y * 6, (x * y) % 256].map(|v| v.to_le_bytes()[0])));
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95)
            .encode(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
            .expect("encoded");
        bytes
    }

    #[test]
    fn a_whole_picture_says_its_size_whatever_follows_it() {
        let mut bytes = picture();
        let want = Ok(Frame { width: 61, height: 40, components: 3 });
        assert_eq!(frame(&bytes), want);
        bytes.extend_from_slice(&[0, 0, 0xff, 0xd8, 1, 2, 3]);
        assert_eq!(frame(&bytes), want);
    }

    #[test]
    fn every_cut_is_found() {
        let bytes = picture();
        for kept in 0..bytes.len() {
            assert!(frame(&bytes[..kept]).is_err(), "{kept} of {} bytes", bytes.len());
        }
        let half = &bytes[..bytes.len() / 2];
        assert_eq!(frame(half), Err(JpegFault::CutOff));
        assert_eq!(frame(&[half, &[0; 500]].concat()), Err(JpegFault::CutOff), "filled up with zeros");
    }

    #[test]
    fn a_thumbnail_does_not_end_the_picture() {
        let bytes = picture();
        let thumbnail = picture();
        let length = u16::try_from(thumbnail.len() + 2).expect("small").to_be_bytes();
        let with = [&bytes[..2], &[0xff, 0xe1], &length, &thumbnail, &bytes[2..]].concat();
        assert_eq!(frame(&with), frame(&bytes));
        assert_eq!(frame(&with[..with.len() / 2 + 100]), Err(JpegFault::CutOff));
    }

    #[test]
    fn what_is_no_jpeg_is_damaged() {
        assert_eq!(frame(b"not a picture"), Err(JpegFault::Damaged));
        assert_eq!(frame(&[0xff, 0xd8, 0xff, 0xe0, 0, 1, 0]), Err(JpegFault::Damaged));
        assert_eq!(frame(&[0xff, 0xd8, 0xff, 0xd9]), Err(JpegFault::Damaged));
    }
}
