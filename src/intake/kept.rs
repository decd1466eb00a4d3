//! A checked volume and a checked field as bytes: what the limited reader hands over, and what is kept of a case.
//!
//! A volume is a line of its format, a line of JSON (where it lies, where it came from), and its voxels: HU as 16-bit
//! little-endian, each as the difference from its left neighbour, deflated. A field is a PNG.

use std::io::{Cursor, Read as _, Write as _};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use hilum_domain::MicronsPerPixel;
use hilum_imaging::{Grid, Volume, slide::Field};
use image::{ImageFormat, ImageReader, Limits, RgbImage};
use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::{CtStudy, field::MAX_EDGE};

const FORMAT: &[u8] = b"hilum.ct/1\n";
/// More voxels than any scanner writes: 1024 × 1024 × 2,000.
const MOST_VOXELS: usize = 2_097_152_000;
/// The header is short.
const LONGEST_HEADER: usize = 4096;

/// Bytes that are no kept volume or field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kept {0} cannot be read")]
pub struct NotKept(&'static str);

/// A CT as it is kept with a case.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptCt {
    /// HU on the scanner's own grid.
    pub volume: Volume<i16>,
    /// Series Instance UID.
    pub series_uid: String,
    /// Patient ID, as the scanner knew it; empty where it did not.
    pub patient_id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    size: [usize; 3],
    origin_lps_mm: [f64; 3],
    step_lps_mm: [[f64; 3]; 3],
    series_uid: String,
    patient_id: String,
}

impl KeptCt {
    /// What is kept of a study.
    #[must_use]
    pub fn of(study: CtStudy) -> Self {
        Self { volume: study.volume, series_uid: study.series_uid, patient_id: study.patient_id }
    }

    /// The bytes of it.
    ///
    /// # Errors
    /// If its header cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NotKept> {
        let grid = self.volume.grid();
        let header = Header {
            size: grid.size,
            origin_lps_mm: grid.origin_lps_mm,
            step_lps_mm: grid.step_lps_mm,
            series_uid: self.series_uid.clone(),
            patient_id: self.patient_id.clone(),
        };
        let mut bytes = FORMAT.to_vec();
        serde_json::to_writer(&mut bytes, &header).map_err(|_| NotKept(VOLUME))?;
        bytes.push(b'\n');
        let mut deflated = ZlibEncoder::new(bytes, Compression::fast());
        let mut row = Vec::new();
        for voxels in self.volume.voxels().rows() {
            row.clear();
            let mut left = 0_i16;
            for &voxel in voxels {
                row.extend(voxel.wrapping_sub(left).to_le_bytes());
                left = voxel;
            }
            deflated.write_all(&row).map_err(|_| NotKept(VOLUME))?;
        }
        deflated.finish().map_err(|_| NotKept(VOLUME))
    }

    /// Where the voxels of what [`KeptCt::to_bytes`] wrote lie, without reading them.
    ///
    /// # Errors
    /// [`NotKept`] if there is no header.
    pub fn grid(bytes: &[u8]) -> Result<Grid, NotKept> {
        let (header, _) = header(bytes)?;
        Ok(Grid { size: header.size, origin_lps_mm: header.origin_lps_mm, step_lps_mm: header.step_lps_mm })
    }

    /// Reads what [`KeptCt::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`NotKept`] for any other bytes; never more memory than the header's size asks for, and no more than a scanner's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotKept> {
        let wrong = NotKept(VOLUME);
        let (header, deflated) = header(bytes)?;
        let [columns, rows, slices] = header.size;
        let count = columns.checked_mul(rows).and_then(|plane| plane.checked_mul(slices));
        let count = count.filter(|count| (1..=MOST_VOXELS).contains(count)).ok_or(wrong)?;
        let mut voxels = Vec::new();
        let mut inflated = ZlibDecoder::new(deflated);
        let mut row = vec![0; columns * 2];
        for _ in 0..rows * slices {
            // What is announced and does not come is not made room for.
            inflated.read_exact(&mut row).map_err(|_| wrong)?;
            let mut left = 0_i16;
            for &[low, high] in row.as_chunks::<2>().0 {
                left = left.wrapping_add(i16::from_le_bytes([low, high]));
                voxels.push(left);
            }
        }
        if voxels.len() != count || inflated.read(&mut [0]).map_err(|_| wrong)? != 0 {
            return Err(wrong);
        }
        let voxels = Array3::from_shape_vec((slices, rows, columns), voxels).map_err(|_| wrong)?;
        let grid = Grid { size: header.size, origin_lps_mm: header.origin_lps_mm, step_lps_mm: header.step_lps_mm };
        let volume = Volume::new(voxels, grid).ok_or(wrong)?;
        Ok(Self { volume, series_uid: header.series_uid, patient_id: header.patient_id })
    }
}

/// The header of a kept volume, and its voxels, deflated.
fn header(bytes: &[u8]) -> Result<(Header, &[u8]), NotKept> {
    let wrong = NotKept(VOLUME);
    let rest = bytes.strip_prefix(FORMAT).ok_or(wrong)?;
    let end = rest.iter().take(LONGEST_HEADER).position(|&byte| byte == b'\n').ok_or(wrong)?;
    let header: Header = serde_json::from_slice(&rest[..end]).map_err(|_| wrong)?;
    let numbers = header.origin_lps_mm.iter().chain(header.step_lps_mm.iter().flatten());
    if !numbers.copied().all(f64::is_finite) {
        return Err(wrong);
    }
    Ok((header, &rest[end + 1..]))
}

/// What stands before the Patient ID in a header, which ends with it.
const PATIENT: &[u8] = b",\"patient_id\":\"";

/// A kept volume whose scanner's Patient ID is left out: all before its voxels, and the voxels. What reads a kept volume reads
/// the two together.
///
/// # Errors
/// [`NotKept`] for any other bytes.
pub fn without_patient(kept: &[u8]) -> Result<(Vec<u8>, &[u8]), NotKept> {
    let wrong = NotKept(VOLUME);
    let rest = kept.strip_prefix(FORMAT).ok_or(wrong)?;
    let end = rest.iter().take(LONGEST_HEADER).position(|&byte| byte == b'\n').ok_or(wrong)?;
    // The numbers stay as they are written, digit by digit. Within a value the quotes would be escaped.
    let own = rest[..end].windows(PATIENT.len()).rposition(|window| window == PATIENT).ok_or(wrong)?;
    let before = [FORMAT, &rest[..own], PATIENT, b"\"}\n"].concat();
    let header: Header = serde_json::from_slice(&before[FORMAT.len()..]).map_err(|_| wrong)?;
    if !header.patient_id.is_empty() {
        return Err(wrong);
    }
    Ok((before, &rest[end + 1..]))
}

const VOLUME: &str = "volume";
const FIELD: &str = "field";

/// The picture of a field as PNG, without loss.
///
/// # Errors
/// If it has no pixels.
pub fn picture_to_bytes(picture: &RgbImage) -> Result<Vec<u8>, NotKept> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(|_| NotKept(FIELD))?;
    Ok(bytes.into_inner())
}

/// The field whose picture [`picture_to_bytes`] wrote.
///
/// # Errors
/// [`NotKept`] for any other bytes.
pub fn field_from_bytes(bytes: &[u8], scale: Option<MicronsPerPixel>, colour_file: bool) -> Result<Field, NotKept> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EDGE);
    limits.max_image_height = Some(MAX_EDGE);
    reader.limits(limits);
    let image = reader.decode().map_err(|_| NotKept(FIELD))?.into_rgb8();
    Ok(Field { image, scale, colour_file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ct() -> KeptCt {
        let grid = Grid::axial([5, 4, 3], [-10.0, 20.5, -600.25], [0.7, 0.7, 2.0]);
        let value = |(k, j, i): (usize, usize, usize)| [-1024, -700, 40, i16::MIN, i16::MAX][(k * 7 + j * 3 + i) % 5];
        let volume = Volume::new(Array3::from_shape_fn((3, 4, 5), value), grid).expect("its shape");
        KeptCt { volume, series_uid: "1.2.3".into(), patient_id: "4711".into() }
    }

    #[test]
    fn a_volume_comes_back_as_it_was() {
        let bytes = ct().to_bytes().expect("written");
        assert_eq!(KeptCt::from_bytes(&bytes), Ok(ct()));
        assert_eq!(ct().to_bytes(), Ok(bytes), "the same bytes every time");
    }

    #[test]
    fn a_volume_without_its_patient_is_otherwise_the_same() {
        let bytes = ct().to_bytes().expect("written");
        let (before, voxels) = without_patient(&bytes).expect("read");
        let anonymous = [&before[..], voxels].concat();
        assert!(!anonymous.windows(4).any(|window| window == b"4711"));
        let wanted = KeptCt { patient_id: String::new(), ..ct() };
        assert_eq!(KeptCt::from_bytes(&anonymous), Ok(wanted));
        let odd = KeptCt { patient_id: r#"a,"patient_id":"b\","#.into(), ..ct() };
        let bytes = odd.to_bytes().expect("written");
        let (odd_before, odd_voxels) = without_patient(&bytes).expect("read");
        assert_eq!((odd_before, odd_voxels), (before, voxels));
        assert_eq!(without_patient(b"GIF89a"), Err(NotKept(VOLUME)));
    }

    #[test]
    fn other_bytes_are_no_volume_and_never_a_panic() {
        let whole = ct().to_bytes().expect("written");
        for end in 0..whole.len() {
            assert_eq!(KeptCt::from_bytes(&whole[..end]), Err(NotKept(VOLUME)), "{end} bytes");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut spoilt = whole.clone();
                spoilt[at] ^= 1 << bit;
                // A digit of the header may be another digit; everything else is found.
                drop(KeptCt::from_bytes(&spoilt));
            }
        }
        let huge = whole.iter().position(|&byte| byte == b'5').expect("the columns");
        let mut spoilt = whole;
        spoilt.splice(huge..=huge, *b"1999999");
        assert_eq!(KeptCt::from_bytes(&spoilt), Err(NotKept(VOLUME)));
    }

    #[test]
    fn a_field_comes_back_as_it_was() {
        let picture = RgbImage::from_fn(7, 5, |x, y| image::Rgb([x, y, x * y].map(|level| level.to_le_bytes()[0])));
        let bytes = picture_to_bytes(&picture).expect("written");
        let field = field_from_bytes(&bytes, None, true).expect("read");
        assert_eq!(field.image, picture);
        assert!(field_from_bytes(&bytes[..bytes.len() / 2], None, true).is_err());
        assert!(field_from_bytes(b"GIF89a", None, true).is_err());
    }
}
