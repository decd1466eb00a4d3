//! Pixel data: from what a file holds to Hounsfield units.

use std::borrow::Cow;

use dicom_dictionary_std::{tags, uids};
use dicom_pixeldata::PixelDecoder as _;
use hilum_imaging::jpeg;

use crate::{
    attributes::Attributes,
    jpeg2000,
    read::{Header, Object, ReadError, printable, reason},
    rle,
};

/// HU that differ by less than this from a whole number are one: so much is lost where a slope of 1 is written in
/// single precision.
const WHOLE_HU: f64 = 1e-4;

/// A whole number with which 16 bits can be multiplied, and to which it can be added, in 32 bits.
fn small_whole(number: f64) -> Option<i32> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
    (number.fract() == 0.0 && number.abs() <= 10_000.0).then_some(number as i32)
}

/// What makes Hounsfield units of stored values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rescale {
    slope: f64,
    intercept: f64,
    signed: bool,
    bits_stored: i32,
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
        Ok(Self { slope, intercept, signed, bits_stored })
    }
}

/// HU in 16 bits, and without rounding where that is not the same.
pub(crate) fn hounsfield(rescale: Rescale, stored: &[u16]) -> (Vec<i16>, Option<Vec<f32>>) {
    let Rescale { slope, intercept, signed, bits_stored } = rescale;
    // Bits above Bits Stored are not part of the value (PS3.5 8.1.1): old scanners keep overlays there.
    let unused = 16 - bits_stored.unsigned_abs();
    let value = |bits: u16| {
        let stored = if signed {
            f64::from((bits << unused).cast_signed() >> unused)
        } else {
            f64::from((bits << unused) >> unused)
        };
        stored * slope + intercept
    };
    if let (Some(slope), Some(intercept)) = (small_whole(slope), small_whole(intercept)) {
        // What nearly all scanners write; the same values in a fraction of the time.
        let stored = stored.iter().map(|&bits| {
            let shifted = bits << unused;
            if signed { i32::from(shifted.cast_signed() >> unused) } else { i32::from(shifted >> unused) }
        });
        let hu: Vec<i32> = stored.map(|stored| stored * slope + intercept).collect();
        if hu.iter().all(|&hu| i16::try_from(hu).is_ok()) {
            #[expect(clippy::cast_possible_truncation, reason = "all of them fit")]
            let hu = hu.into_iter().map(|hu| hu as i16).collect();
            return (hu, None);
        }
    }
    let mut whole = true;
    let hu = stored
        .iter()
        .map(|&bits| {
            let exact = value(bits);
            #[expect(clippy::cast_possible_truncation, reason = "rounded; the cast saturates")]
            let hu = exact.round() as i16;
            whole &= (exact - f64::from(hu)).abs() < WHOLE_HU;
            hu
        })
        .collect();
    #[expect(clippy::cast_possible_truncation, reason = "single precision is what is kept")]
    let exact = |bits| value(bits) as f32;
    (hu, (!whole).then(|| stored.iter().copied().map(exact).collect()))
}

/// The JPEG processes that dicom-rs decodes.
const JPEG: [&str; 4] =
    [uids::JPEG_BASELINE8_BIT, uids::JPEG_EXTENDED12_BIT, uids::JPEG_LOSSLESS, uids::JPEG_LOSSLESS_SV1];

/// The pixel data of an object of frames that have one size.
pub(crate) struct Pixels<'a> {
    object: &'a Object,
    /// Rows and columns.
    size: [u16; 2],
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// 16-bit samples in the machine's order, frame after frame.
    Plain(Cow<'a, [u8]>),
    /// The coded frames, in that transfer syntax.
    Coded(Vec<Cow<'a, [u8]>>, String),
}

impl<'a> Pixels<'a> {
    /// What an object has of so many frames.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] if there are fewer.
    pub(crate) fn of(object: &'a Object, size: [u16; 2], frames: usize) -> Result<Self, ReadError> {
        let wanted = 2 * samples(size) * frames;
        let element = object.element(tags::PIXEL_DATA).map_err(|_| ReadError::Truncated { wanted, found: 0 })?;
        if let Some(primitive) = element.value().primitive() {
            // dicom-rs has already turned big-endian samples into numbers; `to_bytes` gives them in the machine's order.
            let bytes = primitive.to_bytes();
            if bytes.len() < wanted {
                return Err(ReadError::Truncated { wanted, found: bytes.len() });
            }
            return Ok(Self { object, size, kind: Kind::Plain(bytes) });
        }
        let fragments = element.value().fragments().unwrap_or_default();
        let transfer_syntax = printable(object.meta().transfer_syntax().trim_end_matches('\0'));
        let offsets = element.value().offset_table().unwrap_or_default();
        let coded = of_frames(fragments, offsets, frames)
            .ok_or(ReadError::Truncated { wanted, found: fragments.iter().map(Vec::len).sum() })?;
        Ok(Self { object, size, kind: Kind::Coded(coded, transfer_syntax) })
    }

    /// The samples of a frame, as stored.
    pub(crate) fn frame(&self, number: usize) -> Result<Vec<u16>, ReadError> {
        let wanted = samples(self.size);
        let (coded, transfer_syntax) = match &self.kind {
            Kind::Plain(bytes) => return first(&bytes[2 * wanted * number..], wanted),
            Kind::Coded(frames, transfer_syntax) => (&frames[number], transfer_syntax),
        };
        let fail = |source| ReadError::Pixels { transfer_syntax: transfer_syntax.clone(), source };
        if [uids::JPEGLS_LOSSLESS, uids::JPEGLS_NEAR_LOSSLESS].contains(&transfer_syntax.as_str()) {
            return Err(fail("JPEG-LS is not in this build: export the series uncompressed".into()));
        }
        if transfer_syntax == uids::RLE_LOSSLESS {
            return rle::decode(coded, wanted).map_err(|source| fail(source.into()));
        }
        if [uids::JPEG2000_LOSSLESS, uids::JPEG2000].contains(&transfer_syntax.as_str()) {
            return jpeg2000::decode(coded, self.size).map_err(|source| fail(source.into()));
        }
        if JPEG.contains(&transfer_syntax.as_str()) {
            // The decoder takes the frame's own size for granted, and a frame that is cut off for a whole one.
            let frame = jpeg::frame(coded).map_err(|source| fail(source.into()))?;
            if ([frame.height, frame.width], frame.components) != (self.size, 1) {
                return Err(fail("the coded picture has another size than the slice".into()));
            }
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let decoded = self.object.decode_pixel_data_frame(number).map_err(|source| fail(reason(&source)))?;
        first(decoded.data(), wanted)
    }
}

/// The samples of a frame.
fn samples([rows, columns]: [u16; 2]) -> usize {
    usize::from(rows) * usize::from(columns)
}

/// Fragments by frame: as the Basic Offset Table says, or one for each frame (PS3.5 A.4). A single frame may have several.
fn of_frames<'a>(fragments: &'a [Vec<u8>], offsets: &[u32], frames: usize) -> Option<Vec<Cow<'a, [u8]>>> {
    if fragments.is_empty() {
        return None;
    }
    if fragments.len() == frames {
        return Some(fragments.iter().map(|fragment| Cow::Borrowed(&fragment[..])).collect());
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
    let firsts: Vec<usize> =
        offsets.iter().map(|offset| starts.binary_search(&(*offset as usize)).ok()).collect::<Option<_>>()?;
    if firsts.len() != frames || firsts.first() != Some(&0) || !firsts.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let ends = firsts.iter().skip(1).copied().chain([fragments.len()]);
    Some(firsts.iter().zip(ends).map(|(&first, end)| Cow::Owned(fragments[first..end].concat())).collect())
}

/// The first `wanted` samples of pixel data in the machine's order.
fn first(bytes: &[u8], wanted: usize) -> Result<Vec<u16>, ReadError> {
    let samples = bytes.as_chunks::<2>().0.get(..wanted);
    let samples = samples.ok_or(ReadError::Truncated { wanted: wanted * 2, found: bytes.len() })?;
    Ok(samples.iter().map(|pair| u16::from_ne_bytes(*pair)).collect())
}
