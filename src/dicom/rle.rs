//! RLE Lossless (PS3.5 Annex G) for what a CT slice is: one frame, one sample a pixel, 16 bits.

/// Why a frame cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RleError {
    /// G.5: the header counts the segments and says where each begins; 16-bit grey has two.
    #[error("its run-length header is damaged")]
    Header,
    /// G.3.2: a segment does not give as many bytes as the slice has pixels.
    #[error("its run-length data end too early")]
    Short,
}

/// The header's length: sixteen little-endian words, the number of segments and up to fifteen offsets.
const HEADER: usize = 64;

/// The samples of a frame: the first segment has their high bytes, the second their low bytes (G.2).
///
/// # Errors
/// [`RleError`] if the header or a segment is damaged. Never panics, and takes no more memory than the frame needs.
pub(crate) fn decode(fragment: &[u8], samples: usize) -> Result<Vec<u16>, RleError> {
    let header = fragment.get(..HEADER).ok_or(RleError::Header)?;
    let mut words = header.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word) as usize);
    let (Some(2), Some(first), Some(second)) = (words.next(), words.next(), words.next()) else {
        return Err(RleError::Header);
    };
    if first < HEADER {
        return Err(RleError::Header);
    }
    // An end before the start is no range, and gives `None`, too.
    let high = unpack(fragment.get(first..second).ok_or(RleError::Header)?, samples)?;
    let low = unpack(fragment.get(second..).ok_or(RleError::Header)?, samples)?;
    Ok(high.into_iter().zip(low).map(|pair| u16::from_be_bytes(pair.into())).collect())
}

/// The first `wanted` bytes of a segment (G.3.2); what pads it to an even length is left.
fn unpack(segment: &[u8], wanted: usize) -> Result<Vec<u8>, RleError> {
    let mut bytes = Vec::with_capacity(wanted.min(segment.len().saturating_mul(64)));
    let mut rest = segment;
    while bytes.len() < wanted {
        let (&control, after) = rest.split_first().ok_or(RleError::Short)?;
        rest = match control.cast_signed() {
            literal @ 0.. => {
                let (run, after) =
                    after.split_at_checked(usize::from(literal.unsigned_abs()) + 1).ok_or(RleError::Short)?;
                bytes.extend_from_slice(run);
                after
            }
            i8::MIN => after,
            repeated => {
                let (&byte, after) = after.split_first().ok_or(RleError::Short)?;
                bytes.resize(bytes.len() + usize::from(repeated.unsigned_abs()) + 1, byte);
                after
            }
        };
    }
    bytes.truncate(wanted);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of four samples from its two segments, which begin where they say.
    fn frame(high: &[u8], low: &[u8]) -> Vec<u8> {
        let second = u32::try_from(HEADER + high.len()).expect("short");
        let mut bytes: Vec<u8> = [2, 64, second].into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.resize(HEADER, 0);
        [&bytes, high, low].concat()
    }

    #[track_caller]
    fn check(high: &[u8], low: &[u8], want: Result<&[u16], RleError>) {
        assert_eq!(decode(&frame(high, low), 4).as_deref(), want.as_ref().copied());
    }

    #[test]
    fn runs_and_literals_are_unpacked() {
        // Four times 1; two literals, nothing, twice 9, padding.
        check(&[0xfd, 1], &[1, 7, 8, 0x80, 0xff, 9, 0], Ok(&[0x0107, 0x0108, 0x0109, 0x0109]));
    }

    #[test]
    fn segments_that_end_early_are_damaged() {
        check(&[0xfd, 1], &[0xfe, 9], Err(RleError::Short));
        check(&[0xfd, 1], &[3, 9, 9], Err(RleError::Short));
        check(&[0xfd, 1], &[0xfd], Err(RleError::Short));
        check(&[0xfd, 1], &[], Err(RleError::Short));
    }

    #[test]
    fn headers_that_make_no_sense_are_damaged() {
        let good = frame(&[0xfd, 1], &[0xfd, 2]);
        assert_eq!(decode(&good, 4).as_deref(), Ok(&[0x0102; 4][..]));
        for (at, value) in [(0, 0), (0, 1), (0, 3), (0, u32::MAX), (4, 0), (4, 67), (4, u32::MAX), (8, 63), (8, 9_999)]
        {
            let mut bad = good.clone();
            bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
            assert!(decode(&bad, 4).is_err(), "{value} at byte {at}");
        }
        assert_eq!(decode(&good[..40], 4), Err(RleError::Header));
        assert_eq!(decode(&[], 4), Err(RleError::Header));
    }
}
