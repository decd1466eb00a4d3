//! Image files to fields, with the scale where the file says it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use hilum_domain::MicronsPerPixel;
use hilum_imaging::slide::Field;
use image::{ColorType, DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use serde::Deserialize;

use crate::Unreadable;

/// The longest edge a field may have: a whole scanned slide is not a field.
const MAX_EDGE: u32 = 20_000;
/// What decoding one image may take.
const MAX_ALLOC: u64 = 1 << 30;

/// What lies beside the fields of a cohort's case.
#[derive(Debug, Deserialize)]
struct FieldsFile {
    um_per_px: f64,
}

/// Reads the fields at `paths`: image files, or folders of them (with an optional `fields.json` that has `um_per_px`).
///
/// `given` is the scale the person says; it outranks what the files say.
///
/// # Errors
/// [`Unreadable`] if a path is missing, a folder has no image, or an image is damaged.
pub fn read_fields(paths: &[PathBuf], given: Option<MicronsPerPixel>) -> Result<Vec<Field>, Unreadable> {
    let mut fields = Vec::new();
    for path in paths {
        let what = || format!("image {}", fields.len() + 1);
        let meta = fs::metadata(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Unreadable::Missing { what: what() },
            _ => Unreadable::Io { what: what(), source },
        })?;
        if meta.is_dir() {
            let (images, said) = folder(path)?;
            for image in images {
                fields.push(read_field(&image, fields.len() + 1, given, said)?);
            }
        } else {
            fields.push(read_field(path, fields.len() + 1, given, None)?);
        }
    }
    Ok(fields)
}

fn folder(path: &Path) -> Result<(Vec<PathBuf>, Option<MicronsPerPixel>), Unreadable> {
    let io = |source| Unreadable::Io { what: "the image folder".to_owned(), source };
    let mut images = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?.path();
        if entry.is_file() && ImageFormat::from_path(&entry).is_ok() {
            images.push(entry);
        }
    }
    images.sort();
    if images.is_empty() {
        return Err(Unreadable::Empty { what: "the image folder".to_owned(), wanted: "image" });
    }
    let said =
        fs::read(path.join("fields.json")).ok().and_then(|bytes| serde_json::from_slice::<FieldsFile>(&bytes).ok());
    Ok((images, said.and_then(|said| MicronsPerPixel::plausible(said.um_per_px))))
}

fn read_field(
    path: &Path,
    number: usize,
    given: Option<MicronsPerPixel>,
    said: Option<MicronsPerPixel>,
) -> Result<Field, Unreadable> {
    let io = |source| Unreadable::Io { what: format!("image {number}"), source };
    let broken = |source| Unreadable::Image { number, source };
    let reader = ImageReader::open(path).map_err(io)?.with_guessed_format().map_err(io)?;
    let format = reader.format();
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EDGE);
    limits.max_image_height = Some(MAX_EDGE);
    limits.max_alloc = Some(MAX_ALLOC);
    decoder.set_limits(limits).map_err(broken)?;
    let colour_file =
        !matches!(decoder.color_type(), ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16);
    let image = DynamicImage::from_decoder(decoder).map_err(broken)?.into_rgb8();
    let scale = given.or_else(|| format.and_then(|format| tagged_scale(path, format))).or(said);
    Ok(Field { image, scale, colour_file })
}

/// The scale a file's own tags give, if it is plausible for a microscope.
fn tagged_scale(path: &Path, format: ImageFormat) -> Option<MicronsPerPixel> {
    let um = match format {
        ImageFormat::Png => png_scale(path),
        ImageFormat::Jpeg => jpeg_scale(path),
        ImageFormat::Tiff => tiff_scale(path),
        _ => None,
    }?;
    MicronsPerPixel::plausible(um)
}

/// PNG's pHYs chunk (ISO 15948, 11.3.5.3): pixels per metre.
fn png_scale(path: &Path) -> Option<f64> {
    let reader = png::Decoder::new(BufReader::new(File::open(path).ok()?)).read_info().ok()?;
    let density = reader.info().pixel_dims?;
    (density.unit == png::Unit::Meter && density.xppu == density.yppu && density.xppu > 0)
        .then(|| 1e6 / f64::from(density.xppu))
}

/// JPEG's JFIF header (ISO 10918-5): dots per inch or per centimetre.
fn jpeg_scale(path: &Path) -> Option<f64> {
    let mut file = BufReader::new(File::open(path).ok()?);
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

/// TIFF's XResolution (TIFF 6.0), or Aperio's "MPP = …" in the image description.
fn tiff_scale(path: &Path) -> Option<f64> {
    use tiff::tags::Tag;
    let mut decoder = tiff::decoder::Decoder::new(BufReader::new(File::open(path).ok()?)).ok()?;
    if let Ok(description) = decoder.get_tag_ascii_string(Tag::ImageDescription) {
        let said = description.split('|').find_map(|part| part.trim().strip_prefix("MPP = ")?.trim().parse().ok());
        if said.is_some() {
            return said;
        }
    }
    let tiff::decoder::ifd::Value::Rational(above, below) = decoder.get_tag(Tag::XResolution).ok()? else {
        return None;
    };
    let um_per_unit = match decoder.get_tag_u32(Tag::ResolutionUnit) {
        Ok(3) => 10_000.0,
        Ok(2) | Err(_) => 25_400.0,
        Ok(_) => return None,
    };
    (above > 0 && below > 0).then(|| um_per_unit * f64::from(below) / f64::from(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(folder: &Path, name: &str, per_metre: Option<u32>) -> PathBuf {
        let path = folder.join(name);
        let mut encoder = png::Encoder::new(File::create(&path).expect("made"), 4, 2);
        encoder.set_color(png::ColorType::Rgb);
        if let Some(per_metre) = per_metre {
            let dims = png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter };
            encoder.set_pixel_dims(Some(dims));
        }
        encoder.write_header().and_then(|mut writer| writer.write_image_data(&[90; 24])).expect("written");
        path
    }

    #[test]
    fn the_scale_comes_from_the_person_then_the_file_then_the_folder() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let tagged = png(folder.path(), "tagged.png", Some(2_000_000));
        let screen = png(folder.path(), "screen.png", Some(3_780));
        let scale = |path: &PathBuf, given: Option<f64>| {
            let given = given.and_then(MicronsPerPixel::new);
            read_fields(std::slice::from_ref(path), given).expect("read")[0].scale.map(MicronsPerPixel::um)
        };
        assert_eq!(scale(&tagged, None), Some(0.5));
        assert_eq!(scale(&tagged, Some(0.25)), Some(0.25));
        assert_eq!(scale(&screen, None), None, "96 dpi is a screen's");
        fs::write(folder.path().join("fields.json"), br#"{"um_per_px": 0.25}"#).expect("written");
        let all = read_fields(&[folder.path().to_owned()], None).expect("read");
        assert_eq!(
            all.iter().map(|field| field.scale.map(MicronsPerPixel::um)).collect::<Vec<_>>(),
            [Some(0.25), Some(0.5)]
        );
    }

    #[test]
    fn what_is_no_image_is_unreadable() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let text = folder.path().join("note.png");
        fs::write(&text, "not a picture").expect("written");
        assert!(matches!(read_fields(&[text], None), Err(Unreadable::Image { number: 1, .. })));
        let gone = folder.path().join("gone.png");
        assert!(matches!(read_fields(&[gone], None), Err(Unreadable::Missing { .. })));
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).expect("made");
        assert!(matches!(read_fields(&[empty], None), Err(Unreadable::Empty { .. })));
    }
}
