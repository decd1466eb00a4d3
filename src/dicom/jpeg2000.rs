//! JPEG 2000 (PS3.5 A.4.4) for what a CT slice is: one frame, one component, at most 16 bits.

use hayro_jpeg2000::{DecodeError, DecodeSettings, DecoderContext, Image};

/// Why a frame cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Jpeg2000Error {
    /// Its codestream has no beginning: markers SOC and SIZ (ISO/IEC 15444-1 A.4.1, A.5.1).
    #[error("its JPEG 2000 codestream has no beginning")]
    Start,
    /// The codestream is damaged or cut off.
    #[error("its JPEG 2000 codestream is damaged or cut off")]
    Damaged(#[from] DecodeError),
    /// It codes something else than the slice.
    #[error("the coded picture has another size than the slice")]
    Size,
}

/// The markers SOC and SIZ, with which every codestream begins.
const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
/// Where Ssiz of the first component lies: its uppermost bit says that samples have a sign (A.5.1).
const SSIZ: usize = 42;

/// The samples of a frame as they would be stored, those with a sign in two's complement of 16 bits.
///
/// # Errors
/// [`Jpeg2000Error`] if it is damaged, cut off, or not of one component of `rows` × `columns`, which is known before it is decoded.
pub(crate) fn decode(frame: &[u8], [rows, columns]: [u16; 2]) -> Result<Vec<u16>, Jpeg2000Error> {
    // Some writers put the boxes of a file around it.
    let start = frame.windows(START.len()).position(|bytes| bytes == START).ok_or(Jpeg2000Error::Start)?;
    let codestream = &frame[start..];
    let is_signed = codestream.get(SSIZ).ok_or(Jpeg2000Error::Start)? & 0x80 != 0;
    let image = Image::new(codestream, &DecodeSettings { strict: true, ..DecodeSettings::default() })?;
    let bits = image.original_bit_depth();
    if (image.height(), image.width()) != (rows.into(), columns.into()) || !(1..=16).contains(&bits) {
        return Err(Jpeg2000Error::Size);
    }
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context)?;
    let [component] = decoded.components() else { return Err(Jpeg2000Error::Size) };
    // The decoder shifts all samples as if none had a sign.
    let half = 1_i32 << (bits - 1);
    let (shift, least, most) = if is_signed { (half, -half, half - 1) } else { (0, 0, 2 * half - 1) };
    let stored = |sample: &f32| {
        #[expect(clippy::cast_possible_truncation, reason = "rounded; the cast saturates")]
        let value = (sample.round() as i32).saturating_sub(shift).clamp(least, most);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "16 bits, with or without a sign")]
        let bits = value as u16;
        bits
    };
    let samples: Vec<u16> = component.samples().iter().map(stored).collect();
    if samples.len() == usize::from(rows) * usize::from(columns) { Ok(samples) } else { Err(Jpeg2000Error::Size) }
}
