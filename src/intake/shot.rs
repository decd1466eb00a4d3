//! What a camera gave, decoded.
//!
//! Unlike files, pictures of a camera are decoded where they are used: thirty a second would not go through another process in
//! time. The decoder is safe Rust, a picture's size is known and bounded before it begins, and one that is not whole never gets here.

use std::{io::Cursor, sync::Arc};

use hilum_device::camera::{Layout, Picture, bounded};
use hilum_imaging::jpeg;
use image::{ImageDecoder as _, RgbImage, codecs::jpeg::JpegDecoder};

use crate::ImageFault;

/// Decodes a camera's picture.
///
/// # Errors
/// [`ImageFault`] if it is damaged, or larger than is looked at live.
pub fn picture_of(picture: &Picture) -> Result<Arc<RgbImage>, ImageFault> {
    match picture {
        Picture::Jpeg(bytes) => of_jpeg(bytes).map(Arc::new),
        Picture::Raw { layout, size, stride, bytes } => of_rows(*layout, *size, *stride, bytes).map(Arc::new),
        Picture::Ready(image) => Ok(Arc::clone(image)),
    }
}

fn of_jpeg(bytes: &[u8]) -> Result<RgbImage, ImageFault> {
    // The decoder fills up with grey what is not there.
    let frame = jpeg::frame(bytes).map_err(ImageFault::new)?;
    bounded(frame.width.into(), frame.height.into()).map_err(ImageFault::new)?;
    let decoder = JpegDecoder::new(Cursor::new(bytes))?;
    let (width, height) = decoder.dimensions();
    bounded(width, height).map_err(ImageFault::new)?;
    Ok(image::DynamicImage::from_decoder(decoder)?.into_rgb8())
}

fn of_rows(layout: Layout, [width, height]: [u32; 2], stride: usize, bytes: &[u8]) -> Result<RgbImage, ImageFault> {
    bounded(width, height).map_err(ImageFault::new)?;
    let mut image = RgbImage::new(width, height);
    let rows = bytes.chunks(stride.max(1));
    let row_bytes = 3 * width as usize;
    if row_bytes == 0 || rows.len() < height as usize {
        return Err(ImageFault::new(std::io::Error::other("the picture is cut off")));
    }
    for (out, row) in image.chunks_exact_mut(row_bytes).zip(rows) {
        match layout {
            Layout::Rgb => out.iter_mut().zip(row).for_each(|(out, level)| *out = *level),
            Layout::Bgr => {
                for (out, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(row.as_chunks::<3>().0) {
                    let [b, g, r] = *pixel;
                    *out = [r, g, b];
                }
            }
            Layout::Yuyv => {
                for (out, [y0, u, y1, v]) in out.chunks_mut(6).zip(row.as_chunks::<4>().0.iter().copied()) {
                    for (out, y) in out.as_chunks_mut::<3>().0.iter_mut().zip([y0, y1]) {
                        *out = bt601(y, u, v);
                    }
                }
            }
        }
    }
    Ok(image)
}

/// ITU-R BT.601-7, 3.5.3, in 1/65536: luma 16 to 235, chroma 16 to 240.
fn bt601(y: u8, u: u8, v: u8) -> [u8; 3] {
    let (y, u, v) = (76_309 * (i32::from(y) - 16), i32::from(u) - 128, i32::from(v) - 128);
    let level = |sum: i32| u8::try_from(((sum + (1 << 15)) >> 16).clamp(0, 255)).unwrap_or(u8::MAX);
    [level(y + 104_597 * v), level(y - 25_675 * u - 53_279 * v), level(y + 132_201 * u)]
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};

    use super::*;

    fn jpeg(width: u16, height: u16, quality: u8) -> Vec<u8> {
        let image = RgbImage::from_fn(width.into(), height.into(), |x, y| {
            image::Rgb([x, y, 128].map(|level| u8::try_from(level.min(255)).unwrap_or(255)))
        });
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode(image.as_raw(), width.into(), height.into(), ExtendedColorType::Rgb8)
            .expect("encoded");
        bytes
    }

    #[test]
    fn a_jpeg_is_read_whole_or_not_at_all() {
        let bytes = jpeg(120, 80, 95);
        let image = picture_of(&Picture::Jpeg(bytes.clone())).expect("whole");
        assert_eq!(image.dimensions(), (120, 80));
        assert!(image.get_pixel(100, 20).0.iter().zip([100, 20, 128]).all(|(found, want)| found.abs_diff(want) < 6));
        for kept in [0, 2, 100, bytes.len() / 2, bytes.len() - 2] {
            assert!(picture_of(&Picture::Jpeg(bytes[..kept].to_vec())).is_err(), "{kept} bytes");
        }
    }

    // verifies: REQ-INPUT-01
    #[test]
    fn a_jpeg_that_claims_to_be_enormous_is_not_begun() {
        let mut bytes = jpeg(64, 64, 50);
        let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame") + 5;
        bytes[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        assert!(picture_of(&Picture::Jpeg(bytes)).expect_err("too large").to_string().contains("65535×65535"));
    }

    #[track_caller]
    fn check(layout: Layout, row: &[u8], stride: usize, want: &[[u8; 3]]) {
        let width = u32::try_from(want.len()).expect("few");
        let mut bytes = row.to_vec();
        bytes.resize(stride, 9);
        let two = [&bytes[..], row].concat();
        let picture = Picture::Raw { layout, size: [width, 2], stride, bytes: two.clone() };
        let image = picture_of(&picture).expect("whole");
        let found: Vec<[u8; 3]> = image.pixels().map(|pixel| pixel.0).collect();
        assert_eq!(found, [want, want].concat());
        let cut = Picture::Raw { layout, size: [width, 3], stride, bytes: two };
        assert!(picture_of(&cut).is_err());
    }

    #[test]
    fn pixels_are_put_in_order() {
        check(Layout::Rgb, &[1, 2, 3, 4, 5, 6], 8, &[[1, 2, 3], [4, 5, 6]]);
        check(Layout::Bgr, &[1, 2, 3, 4, 5, 6], 6, &[[3, 2, 1], [6, 5, 4]]);
        // BT.601: black, white, and the primaries of 75% bars (SMPTE EG 1).
        check(Layout::Yuyv, &[16, 128, 235, 128], 6, &[[0, 0, 0], [255, 255, 255]]);
        check(Layout::Yuyv, &[65, 100, 65, 212], 4, &[[191, 0, 1], [191, 0, 1]]);
    }
}
