//! Image files to fields, with the scale where the file says it.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _},
    path::{Path, PathBuf},
};

use hilum_dicom::open_regular;
use hilum_domain::MicronsPerPixel;
use hilum_imaging::{jpeg, slide::Field};
use image::{ColorType, DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use rayon::prelude::*;
use serde::Deserialize;

use crate::{ImageFault, Unreadable, scale};

/// The longest edge a field may have: a whole scanned slide is not a field.
pub(crate) const MAX_EDGE: u32 = 20_000;
/// What decoding one image may take.
const MAX_ALLOC: u64 = 1 << 30;

/// What lies beside the fields of a cohort's case.
#[derive(Debug, Deserialize)]
struct FieldsFile {
    um_per_px: f64,
}

/// An image file that is meant as a field, not yet read.
#[derive(Debug, Clone)]
pub struct FieldFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its place among all that were given, from 1: what messages call it.
    pub number: usize,
    /// The scale that `fields.json` beside it says.
    said: Option<MicronsPerPixel>,
}

impl FieldFile {
    /// Reads the image. `given` is the scale the person says; it outranks what the files say.
    ///
    /// # Errors
    /// [`Unreadable`] if the image is damaged or is none.
    pub fn read(&self, given: Option<MicronsPerPixel>) -> Result<Field, Unreadable> {
        let (image, format, colour_file) =
            decode(&self.path).map_err(|source| Unreadable::Image { number: self.number, source })?;
        let scale = given.or_else(|| format.and_then(|format| scale::tagged(&self.path, format))).or(self.said);
        Ok(Field { image, scale, colour_file })
    }
}

/// The fields at `paths`: image files, or folders of them (with an optional `fields.json` that has `um_per_px`).
///
/// # Errors
/// [`Unreadable`] if a path is missing or a folder has no image.
pub fn field_files(paths: &[PathBuf]) -> Result<Vec<FieldFile>, Unreadable> {
    let mut files = Vec::new();
    for path in paths {
        let what = || format!("image {}", files.len() + 1);
        let meta = fs::metadata(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Unreadable::Missing { what: what() },
            _ => Unreadable::Io { what: what(), source },
        })?;
        let (images, said) = if meta.is_dir() { folder(path)? } else { (vec![path.clone()], None) };
        for path in images {
            files.push(FieldFile { path, number: files.len() + 1, said });
        }
    }
    Ok(files)
}

/// Reads the fields at `paths`, as [`field_files`] finds them and [`FieldFile::read`] reads them.
///
/// # Errors
/// [`Unreadable`] if a path is missing, a folder has no image, or an image is damaged.
pub fn read_fields(paths: &[PathBuf], given: Option<MicronsPerPixel>) -> Result<Vec<Field>, Unreadable> {
    // The first that cannot be read is named, whichever was read first.
    let read: Vec<_> = field_files(paths)?.par_iter().map(|file| file.read(given)).collect();
    read.into_iter().collect()
}

fn folder(path: &Path) -> Result<(Vec<PathBuf>, Option<MicronsPerPixel>), Unreadable> {
    let io = |source| Unreadable::Io { what: "the image folder".to_owned(), source };
    let mut images = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?.path();
        // One that leads nowhere is left for the reader to fail at.
        let other = fs::metadata(&entry).is_ok_and(|meta| !meta.is_file());
        if !other && is_meant(&entry) {
            images.push(entry);
        }
    }
    images.sort();
    if images.is_empty() {
        return Err(Unreadable::Empty { what: "the image folder".to_owned(), wanted: "image" });
    }
    let said =
        bytes(&path.join("fields.json")).ok().and_then(|bytes| serde_json::from_slice::<FieldsFile>(&bytes).ok());
    Ok((images, said.and_then(|said| MicronsPerPixel::plausible(said.um_per_px))))
}

/// Whether a file in a folder is meant as a field: by its suffix or, where it has none, by how it begins.
fn is_meant(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let read = |format: ImageFormat| format.reading_enabled();
    !hidden
        && match path.extension() {
            // Aperio's slides are TIFF files.
            Some(suffix) => suffix.eq_ignore_ascii_case("svs") || ImageFormat::from_extension(suffix).is_some_and(read),
            None => opened(path)
                .and_then(ImageReader::with_guessed_format)
                .is_ok_and(|reader| reader.format().is_some_and(read)),
        }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An image file whose format is taken from its name, until its bytes say another.
fn opened(path: &Path) -> io::Result<ImageReader<BufReader<File>>> {
    let mut reader = ImageReader::new(BufReader::new(open_regular(path)?));
    if let Ok(format) = ImageFormat::from_path(path) {
        reader.set_format(format);
    }
    Ok(reader)
}

/// Reads an image whole, and whether its file had colour.
fn decode(path: &Path) -> Result<(RgbImage, Option<ImageFormat>, bool), ImageFault> {
    let reader = opened(path)?.with_guessed_format()?;
    let format = reader.format();
    if format == Some(ImageFormat::Jpeg) {
        // The decoder fills up with grey what is not there.
        jpeg::frame(&bytes(path)?).map_err(ImageFault::new)?;
    }
    let mut decoder = reader.into_decoder()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EDGE);
    limits.max_image_height = Some(MAX_EDGE);
    limits.max_alloc = Some(MAX_ALLOC);
    decoder.set_limits(limits)?;
    let colour_file =
        !matches!(decoder.color_type(), ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16);
    Ok((on_white(DynamicImage::from_decoder(decoder)?), format, colour_file))
}

/// The picture without transparency: as on a page, or on a slide's glass.
fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b, alpha] = image.get_pixel(x, y).0;
        Rgb([r, g, b].map(|level| {
            let (level, alpha) = (u16::from(level), u16::from(alpha));
            // Rounded, and between 0 and 255.
            u8::try_from((level * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
        }))
    })
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

    // verifies: REQ-SLIDE-02
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

    fn count(folder: &Path) -> usize {
        read_fields(&[folder.to_owned()], None).expect("read").len()
    }

    /// Not even for a moment: who opens a pipe waits for who writes.
    #[test]
    fn what_is_no_file_is_no_field() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let socket = folder.path().join("socket.png");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        assert!(matches!(read_fields(&[socket], None), Err(Unreadable::Image { number: 1, .. })));
        let device = PathBuf::from("/dev/zero");
        let Err(error) = read_fields(&[device], None) else { panic!("unreadable") };
        assert_eq!(std::error::Error::source(&error).expect("a cause").to_string(), "it is no regular file");
        png(folder.path(), "field.png", None);
        assert_eq!(count(folder.path()), 1, "in a folder it is passed over");
    }

    #[test]
    fn a_jpeg_that_is_cut_off_is_unreadable() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("field.jpg");
        let image = RgbImage::from_fn(64, 48, |x, y| Rgb([x * 3, y * 5, (x * y) % 251].map(|v| v.to_le_bytes()[0])));
        image.save(&path).expect("written");
        let whole = fs::read(&path).expect("readable");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            read_fields(std::slice::from_ref(&path), None)
        };
        assert!(read(&whole).is_ok());
        assert!(read(&[&whole[..], b"what a camera adds"].concat()).is_ok());
        for kept in [20, whole.len() / 10, whole.len() / 2, whole.len() - 2] {
            assert!(matches!(read(&whole[..kept]), Err(Unreadable::Image { number: 1, .. })), "{kept} bytes");
        }
    }

    #[test]
    fn what_is_no_field_is_passed_over_in_a_folder() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let other = png(folder.path(), "field-1.png", None);
        for (name, bytes) in [
            ("._field-1.png", &b"\0\x05\x16\x07"[..]),
            (".DS_Store", b"\0\0\0\x01Bud1"),
            ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
            ("drawing.gif", b"GIF89a"),
            ("field.webp", b"RIFF"),
            ("notes.txt", b"two fields"),
            ("README", b"two fields"),
            ("empty", b""),
        ] {
            fs::write(folder.path().join(name), bytes).expect("written");
        }
        assert_eq!(count(folder.path()), 1);
        fs::copy(&other, folder.path().join("field2")).expect("copied");
        assert_eq!(count(folder.path()), 2, "an image without suffix");
        image::RgbImage::new(8, 8)
            .save_with_format(folder.path().join("slide.SVS"), ImageFormat::Tiff)
            .expect("written");
        assert_eq!(count(folder.path()), 3, "a slide");
        fs::write(folder.path().join("field-4.png"), "not a picture").expect("written");
        assert!(read_fields(&[folder.path().to_owned()], None).is_err(), "named as a field");
    }

    #[test]
    fn what_is_transparent_is_white() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("field.png");
        let mut image = image::RgbaImage::from_pixel(4, 4, image::Rgba([10, 20, 30, 255]));
        image.put_pixel(1, 0, image::Rgba([0, 0, 0, 0]));
        image.put_pixel(2, 0, image::Rgba([0, 100, 255, 128]));
        image.save(&path).expect("written");
        let field = &read_fields(std::slice::from_ref(&path), None).expect("read")[0].image;
        let pixels = [0, 1, 2].map(|x| field.get_pixel(x, 0).0);
        assert_eq!(pixels, [[10, 20, 30], [255, 255, 255], [127, 177, 255]]);
    }

    #[test]
    fn a_cause_is_told_once() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("field.png");
        fs::write(&path, "not a picture").expect("written");
        let Err(error) = read_fields(&[path], None) else { panic!("unreadable") };
        let cause = std::error::Error::source(&error).expect("a cause");
        assert_eq!(cause.to_string().matches("signature").count(), 1, "{cause}");
        assert!(cause.source().is_none());
    }
}
