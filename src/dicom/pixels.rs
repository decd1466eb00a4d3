//! Pixel data: from what a file holds to Hounsfield units.

use std::{borrow::Cow, ops::RangeInclusive};

use dicom_dictionary_std::{tags, uids};
use hilum_imaging::jpeg;
use jpeg_decoder::{Decoder, PixelFormat};

use crate::{
    attributes::Attributes,
    jpeg2000, jpegls,
    part10::Part10,
    read::{Header, ReadError, printable, reason},
    rle,
    scan::Stored,
};

/// HU that differ by less than this from a whole number are one: so much is lost where a slope of 1 is written in
/// single precision.
const WHOLE_HU: f64 = 1e-4;

/// A whole number with which 16 bits can be multiplied, and to which it can be added, in 32 bits.
fn small_whole(number: f64) -> Option<i32> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
    (number.fract() == 0.0 && number.abs() <= 10_000.0).then_some(number as i32)
}

/// Denser than anything in a chest: what scanners of twelve bits call metal.
const DENSEST_HU: f64 = 3071.0;
const AIR_HU: f64 = -1000.0;

/// What makes Hounsfield units of stored values.
#[derive(Debug, Clone)]
pub(crate) struct Rescale {
    slope: f64,
    intercept: f64,
    signed: bool,
    bits_stored: i32,
    /// Stored values that stand for no tissue (PS3.3 C.7.5.1.1.2) and would be taken for the densest.
    padding: Option<RangeInclusive<f64>>,
}

impl Rescale {
    /// As an image says, which has 16 bits a pixel: no decoder must meet another.
    pub(crate) fn of(image: Attributes<'_>, header: &Header) -> Result<Self, ReadError> {
        let slope = image.optional(tags::RESCALE_SLOPE, "Rescale Slope")?.unwrap_or(1.0);
        let intercept = header.rescale_intercept.unwrap_or(0.0);
        if slope == 0.0 {
            return Err(ReadError::Attribute("Rescale Slope"));
        }
        // No stored value must leave single precision.
        if 65_536.0 * slope.abs() + intercept.abs() > f64::from(f32::MAX) {
            return Err(ReadError::Attribute("Rescale Slope"));
        }
        let signed = image.integer(tags::PIXEL_REPRESENTATION) == Some(1);
        if header.rescale_intercept.is_none() && !signed {
            // Air is −1000 HU: values that cannot be negative are the scanner's own, and shifted by what is missing.
            return Err(ReadError::Attribute("Rescale Intercept"));
        }
        let bits_stored = image.integer(tags::BITS_STORED).unwrap_or(16);
        if image.integer(tags::SAMPLES_PER_PIXEL).unwrap_or(1) != 1 {
            return Err(ReadError::Attribute("Samples per Pixel"));
        }
        if image.integer(tags::BITS_ALLOCATED) != Some(16) || !(1..=16).contains(&bits_stored) {
            return Err(ReadError::Attribute("Bits Allocated"));
        }
        let mut rescale = Self { slope, intercept, signed, bits_stored, padding: None };
        let padding = |tag| image.integer(tag).map(|value| rescale.stored(u16_of(value)));
        if let Some(value) = padding(tags::PIXEL_PADDING_VALUE) {
            let limit = padding(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
            let range = value.min(limit)..=value.max(limit);
            // Padding below air is air to whoever looks; a value that tissue may have cannot be told from it.
            rescale.padding = (range.start() * slope + intercept > DENSEST_HU).then_some(range);
        }
        Ok(rescale)
    }

    /// The value of a sample.
    fn stored(&self, bits: u16) -> f64 {
        // Bits above Bits Stored are not part of the value (PS3.5 8.1.1): old scanners keep overlays there.
        let unused = self.unused_bits();
        if self.signed {
            f64::from((bits << unused).cast_signed() >> unused)
        } else {
            f64::from((bits << unused) >> unused)
        }
    }

    const fn unused_bits(&self) -> u32 {
        16 - self.bits_stored.unsigned_abs()
    }
}

/// The bits of a value of 16 bits, with or without a sign.
fn u16_of(value: i32) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its lower 16 bits are meant")]
    let bits = value as u16;
    bits
}

/// HU in 16 bits, and without rounding where that is not the same.
pub(crate) fn hounsfield(rescale: &Rescale, samples: Samples<'_>) -> (Vec<i16>, Option<Vec<f32>>) {
    match samples {
        Samples::Little(bytes) => {
            rescaled(rescale, bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)))
        }
        Samples::Big(bytes) => rescaled(rescale, bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair))),
        Samples::Decoded(samples) => rescaled(rescale, samples.into_iter()),
    }
}

fn rescaled(rescale: &Rescale, stored: impl ExactSizeIterator<Item = u16> + Clone) -> (Vec<i16>, Option<Vec<f32>>) {
    let &Rescale { slope, intercept, signed, .. } = rescale;
    if let (Some(slope), Some(intercept), None) = (small_whole(slope), small_whole(intercept), &rescale.padding) {
        // What nearly all scanners write; the same values in a fraction of the time.
        let unused = rescale.unused_bits();
        let mut beyond = 0;
        let hu = |stored: i32| {
            let hu = stored * slope + intercept;
            #[expect(clippy::cast_possible_truncation, reason = "what does not fit is counted")]
            let fitted = hu as i16;
            beyond |= hu ^ i32::from(fitted);
            fitted
        };
        let again = stored.clone();
        let hu: Vec<i16> = if signed {
            again.map(|bits| i32::from((bits << unused).cast_signed() >> unused)).map(hu).collect()
        } else {
            again.map(|bits| i32::from((bits << unused) >> unused)).map(hu).collect()
        };
        if beyond == 0 {
            return (hu, None);
        }
    }
    let value = |bits| match rescale.stored(bits) {
        stored if rescale.padding.as_ref().is_some_and(|padding| padding.contains(&stored)) => AIR_HU,
        stored => stored * slope + intercept,
    };
    let mut whole = true;
    let hu = stored
        .clone()
        .map(|bits| {
            let exact = value(bits);
            #[expect(clippy::cast_possible_truncation, reason = "rounded; the cast saturates")]
            let hu = exact.round() as i16;
            whole &= (exact - f64::from(hu)).abs() < WHOLE_HU;
            hu
        })
        .collect();
    #[expect(clippy::cast_possible_truncation, reason = "single precision is what is kept")]
    let exact = |bits| value(bits) as f32;
    (hu, (!whole).then(|| stored.map(exact).collect()))
}

/// Encapsulated Uncompressed Explicit VR Little Endian (PS3.5 A.4.11).
const ENCAPSULATED_UNCOMPRESSED: &str = "1.2.840.10008.1.2.1.98";
/// The JPEG processes that jpeg-decoder knows.
const JPEG: [&str; 4] =
    [uids::JPEG_BASELINE8_BIT, uids::JPEG_EXTENDED12_BIT, uids::JPEG_LOSSLESS, uids::JPEG_LOSSLESS_SV1];

/// The pixel data of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pixels<'a> {
    transfer_syntax: &'a str,
    big_endian: bool,
    stored: Option<&'a Stored<'a>>,
}

impl<'a> Pixels<'a> {
    pub(crate) fn of(file: &'a Part10<'_>, stored: Option<&'a Stored<'a>>) -> Self {
        Self { transfer_syntax: &file.transfer_syntax, big_endian: file.coding.big_endian, stored }
    }

    /// So many frames of that many rows and columns.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] if there are fewer.
    pub(crate) fn frames(self, size: [u16; 2], frames: usize) -> Result<Frames<'a>, ReadError> {
        let wanted = 2 * samples(size) * frames;
        let kind = match self.stored {
            None => return Err(ReadError::Truncated { wanted, found: 0 }),
            Some(Stored::Native { bytes, missing }) if bytes.len() < wanted || *missing > 0 => {
                let found = bytes.len();
                return Err(ReadError::Truncated { wanted: wanted.max(found + missing), found });
            }
            Some(Stored::Native { bytes, .. }) => Kind::Plain(bytes, self.big_endian),
            Some(Stored::Encapsulated { offsets, fragments, missing }) => {
                let found = fragments.iter().map(|fragment| fragment.len()).sum();
                if *missing > 0 {
                    return Err(ReadError::Truncated { wanted: found + missing, found });
                }
                let coded = of_frames(fragments, offsets, frames).ok_or(ReadError::Truncated { wanted, found })?;
                Kind::Coded(coded, self.transfer_syntax)
            }
        };
        Ok(Frames { size, kind })
    }
}

/// The frames of an object, which have one size.
pub(crate) struct Frames<'a> {
    /// Rows and columns.
    size: [u16; 2],
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// 16-bit samples, frame after frame; whether the high byte comes first.
    Plain(&'a [u8], bool),
    /// The coded frames, in that transfer syntax.
    Coded(Vec<Cow<'a, [u8]>>, &'a str),
}

/// The samples of a frame, as stored.
pub(crate) enum Samples<'a> {
    Little(&'a [u8]),
    Big(&'a [u8]),
    Decoded(Vec<u16>),
}

impl Frames<'_> {
    /// The samples of a frame.
    pub(crate) fn frame(&self, number: usize) -> Result<Samples<'_>, ReadError> {
        let wanted = samples(self.size);
        let (coded, transfer_syntax) = match &self.kind {
            Kind::Plain(bytes, big_endian) => {
                let frame = &bytes[2 * wanted * number..2 * wanted * (number + 1)];
                return Ok(if *big_endian { Samples::Big(frame) } else { Samples::Little(frame) });
            }
            Kind::Coded(frames, transfer_syntax) => (&*frames[number], *transfer_syntax),
        };
        let fail = |source| ReadError::Pixels { transfer_syntax: printable(transfer_syntax), source };
        let decoded = match transfer_syntax {
            uids::RLE_LOSSLESS => rle::decode(coded, wanted).map_err(|source| fail(source.into()))?,
            uids::JPEG2000_LOSSLESS | uids::JPEG2000 => {
                jpeg2000::decode(coded, self.size).map_err(|source| fail(source.into()))?
            }
            uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => {
                jpegls::decode(coded, self.size).map_err(|source| fail(source.into()))?
            }
            ENCAPSULATED_UNCOMPRESSED if coded.len() < 2 * wanted => {
                return Err(ReadError::Truncated { wanted: 2 * wanted, found: coded.len() });
            }
            ENCAPSULATED_UNCOMPRESSED => return Ok(Samples::Little(&coded[..2 * wanted])),
            _ if JPEG.contains(&transfer_syntax) => jpeg(coded, self.size).map_err(fail)?,
            _ => return Err(fail("no decoder for it is known: export the series uncompressed".into())),
        };
        match decoded.len() {
            found if found < wanted => Err(ReadError::Truncated { wanted: wanted * 2, found: found * 2 }),
            _ => Ok(Samples::Decoded(decoded)),
        }
    }
}

/// The samples of a JPEG frame.
fn jpeg(coded: &[u8], size: [u16; 2]) -> Result<Vec<u16>, Box<dyn std::error::Error + Send + Sync>> {
    // The decoder takes the frame's own size for granted, and a frame that is cut off for a whole one.
    let frame = jpeg::frame(coded)?;
    if ([frame.height, frame.width], frame.components) != (size, 1) {
        return Err("the coded picture has another size than the slice".into());
    }
    let mut decoder = Decoder::new(coded);
    let bytes = decoder.decode().map_err(|source| reason(&source))?;
    Ok(match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::L16) => bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_ne_bytes(*pair)).collect(),
        _ => bytes.into_iter().map(u16::from).collect(),
    })
}

/// The samples of a frame.
fn samples([rows, columns]: [u16; 2]) -> usize {
    usize::from(rows) * usize::from(columns)
}

/// Fragments by frame: as the Basic Offset Table says, or one for each frame (PS3.5 A.4). A single frame may have several.
fn of_frames<'a>(fragments: &[&'a [u8]], offsets: &[u8], frames: usize) -> Option<Vec<Cow<'a, [u8]>>> {
    if fragments.is_empty() {
        return None;
    }
    if fragments.len() == frames {
        return Some(fragments.iter().map(|fragment| Cow::Borrowed(*fragment)).collect());
    }
    if frames == 1 {
        return Some(vec![Cow::Owned(fragments.concat())]);
    }
    // From the first item's tag; an item begins with eight bytes of tag and length.
    let starts = fragments.iter().scan(0, |at, fragment| {
        let start = *at;
        *at += 8 + fragment.len();
        Some(start)
    });
    let starts: Vec<usize> = starts.collect();
    let offsets = offsets.as_chunks::<4>().0.iter().map(|offset| u32::from_le_bytes(*offset) as usize);
    let firsts: Vec<usize> = offsets.map(|offset| starts.binary_search(&offset).ok()).collect::<Option<_>>()?;
    if firsts.len() != frames || firsts.first() != Some(&0) || !firsts.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let ends = firsts.iter().skip(1).copied().chain([fragments.len()]);
    Some(firsts.iter().zip(ends).map(|(&first, end)| Cow::Owned(fragments[first..end].concat())).collect())
}
