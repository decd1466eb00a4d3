//! The scale of an image, where its file says it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use hilum_dicom::open_regular;
use hilum_domain::MicronsPerPixel;
use image::ImageFormat;

use crate::tiff_text;

/// The scale a file's own tags give, if it is plausible for a microscope.
pub(crate) fn tagged(path: &Path, format: ImageFormat) -> Option<MicronsPerPixel> {
    let um = match format {
        ImageFormat::Png => png(path),
        ImageFormat::Jpeg => jpeg(path),
        ImageFormat::Tiff => tiff(path),
        _ => None,
    }?;
    MicronsPerPixel::plausible(um)
}

/// PNG's pHYs chunk (ISO 15948, 11.3.5.3): pixels per metre.
fn png(path: &Path) -> Option<f64> {
    let reader = ::png::Decoder::new(BufReader::new(open_regular(path).ok()?)).read_info().ok()?;
    let density = reader.info().pixel_dims?;
    (density.unit == ::png::Unit::Meter && density.xppu == density.yppu && density.xppu > 0)
        .then(|| 1e6 / f64::from(density.xppu))
}

/// JPEG's JFIF header (ISO 10918-5): dots per inch or per centimetre.
fn jpeg(path: &Path) -> Option<f64> {
    let mut file = BufReader::new(open_regular(path).ok()?);
    let mut start = [0; 2];
    file.read_exact(&mut start).ok()?;
    // Segments before the first scan, a few dozen at most.
    for _ in 0..64 {
        let mut head = [0; 4];
        file.read_exact(&mut head).ok()?;
        let length = i64::from(u16::from_be_bytes([head[2], head[3]])) - 2;
        if head[..2] == [0xff, 0xe0] && length >= 12 {
            let mut body = [0; 12];
            file.read_exact(&mut body).ok()?;
            let density = u16::from_be_bytes([body[8], body[9]]);
            let um_per_unit = match body[7] {
                1 => 25_400.0,
                2 => 10_000.0,
                _ => return None,
            };
            return (body.starts_with(b"JFIF\0") && density > 0).then(|| um_per_unit / f64::from(density));
        }
        if head[0] != 0xff || head[1] == 0xda {
            return None;
        }
        file.seek_relative(length).ok()?;
        file.fill_buf().ok()?;
    }
    None
}

/// "MPP = …" in the image description, as Aperio writes it; else TIFF's XResolution (TIFF 6.0).
fn tiff(path: &Path) -> Option<f64> {
    use ::tiff::tags::Tag;
    let descriptions = tiff_text::descriptions(&mut BufReader::new(open_regular(path).ok()?));
    if let Some(said) = descriptions.iter().find_map(|text| microns_per_pixel(text)) {
        return Some(said);
    }
    let mut decoder = ::tiff::decoder::Decoder::new(BufReader::new(open_regular(path).ok()?)).ok()?;
    let ::tiff::decoder::ifd::Value::Rational(above, below) = decoder.get_tag(Tag::XResolution).ok()? else {
        return None;
    };
    let um_per_unit = match decoder.get_tag_u32(Tag::ResolutionUnit) {
        Ok(3) => 10_000.0,
        Ok(2) | Err(_) => 25_400.0,
        Ok(_) => return None,
    };
    (above > 0 && below > 0).then(|| um_per_unit * f64::from(below) / f64::from(above))
}

/// "MPP = 0.4990" among the parts of a description, with or without the spaces.
fn microns_per_pixel(description: &str) -> Option<f64> {
    let value = |part: &str| part.trim().strip_prefix("MPP")?.trim_start().strip_prefix('=')?.trim().parse().ok();
    description.split(['|', '\n']).find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mpp_is_found_however_it_is_spaced() {
        for text in
            ["Aperio|MPP = 0.4990", "Aperio Image\r\n896x896 |AppMag = 20|MPP=0.4990|Left = 1", "MPP =0.4990\r\nX"]
        {
            assert_eq!(microns_per_pixel(text), Some(0.499), "{text}");
        }
        for text in ["", "AppMag = 20", "MPP = ?", "MPPX = 0.4990", "no MPP"] {
            assert_eq!(microns_per_pixel(text), None, "{text}");
        }
    }
}
