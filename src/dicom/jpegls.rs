//! JPEG-LS (PS3.5 A.4.3, ISO/IEC 14495-1) for what a CT slice is: one frame, one component, at most 16 bits. Decoded by CharLS,
//! which is C++: the feature `jpeg-ls`.

/// Why a frame cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JpegLsError {
    /// C.2.2: no start of a frame before its first scan.
    #[error("its JPEG-LS header is damaged")]
    Header,
    /// It codes something else than the slice.
    #[error("the coded picture has another size than the slice")]
    Size,
    /// The decoder's reason.
    #[cfg(feature = "jpeg-ls")]
    #[error("its JPEG-LS data are damaged or cut off: {0}")]
    Damaged(String),
    /// This build has no decoder.
    #[cfg(not(feature = "jpeg-ls"))]
    #[error("JPEG-LS is not in this build (feature jpeg-ls): export the series uncompressed")]
    NotBuilt,
}

const START_OF_FRAME: u8 = 0xf7;
const START_OF_SCAN: u8 = 0xda;

/// The samples of a frame as they would be stored.
///
/// # Errors
/// [`JpegLsError`] if it is damaged, or not of one component of `rows` × `columns`, which is known before it is decoded.
pub(crate) fn decode(frame: &[u8], [rows, columns]: [u16; 2]) -> Result<Vec<u16>, JpegLsError> {
    let [bits, y0, y1, x0, x1, components] = *start_of_frame(frame).ok_or(JpegLsError::Header)?;
    let size = [[y0, y1], [x0, x1]].map(u16::from_be_bytes);
    if (size, components) != ([rows, columns], 1) || !(2..=16).contains(&bits) {
        return Err(JpegLsError::Size);
    }
    decoded(frame, bits)
}

/// What follows the length of the start of a frame (C.2.2): bits, lines, samples of a line, components.
fn start_of_frame(frame: &[u8]) -> Option<&[u8; 6]> {
    let mut rest = frame.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (&[mark, code, l0, l1], after) = rest.split_first_chunk()?;
        if mark != 0xff || code == START_OF_SCAN {
            return None;
        }
        let (segment, after) = after.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])).checked_sub(2)?)?;
        if code == START_OF_FRAME {
            return segment.first_chunk();
        }
        rest = after;
    }
}

#[cfg(feature = "jpeg-ls")]
fn decoded(frame: &[u8], bits: u8) -> Result<Vec<u16>, JpegLsError> {
    let bytes = charls::CharLS::default().decode(frame).map_err(|error| JpegLsError::Damaged(error.to_string()))?;
    // Up to eight bits are a byte each, more are two in the machine's order.
    Ok(match bits {
        ..=8 => bytes.into_iter().map(u16::from).collect(),
        _ => bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_ne_bytes(*pair)).collect(),
    })
}

#[cfg(not(feature = "jpeg-ls"))]
fn decoded(_: &[u8], _: u8) -> Result<Vec<u16>, JpegLsError> {
    Err(JpegLsError::NotBuilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a frame (C.1.1), as far as its first scan.
    fn header(bits: u8, rows: u8, columns: u8, components: u8) -> Vec<u8> {
        let comment = [0xff, 0xfe, 0, 5, b'a', b'b', b'c'];
        let frame = [0xff, 0xf7, 0, 11, bits, 0, rows, 0, columns, components, 1, 0x11, 0];
        [&[0xff, 0xd8][..], &comment, &frame, &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0]].concat()
    }

    #[test]
    fn the_size_is_known_before_anything_is_decoded() {
        for (bits, rows, columns, components) in [(12, 5, 4, 1), (12, 4, 5, 1), (12, 4, 4, 3), (17, 4, 4, 1)] {
            let decoded = decode(&header(bits, rows, columns, components), [4, 4]);
            assert!(matches!(decoded, Err(JpegLsError::Size)), "{decoded:?}");
        }
        let whole = header(12, 4, 4, 1);
        for bytes in [&whole[2..], &whole[..12], &[0xff, 0xd8, 0xff, 0xf7, 0, 1], &[]] {
            assert!(matches!(decode(bytes, [4, 4]), Err(JpegLsError::Header)), "{bytes:?}");
        }
    }

    #[cfg(not(feature = "jpeg-ls"))]
    #[test]
    fn a_build_without_the_codec_names_it() {
        let error = decode(&header(12, 4, 4, 1), [4, 4]).expect_err("no codec");
        assert!(error.to_string().starts_with("JPEG-LS is not in this build"), "{error}");
    }

    #[cfg(feature = "jpeg-ls")]
    #[test]
    fn what_is_cut_off_is_damaged() {
        let error = decode(&header(12, 4, 4, 1), [4, 4]).expect_err("no scan");
        assert!(matches!(error, JpegLsError::Damaged(_)), "{error}");
    }
}
