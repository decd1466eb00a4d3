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
