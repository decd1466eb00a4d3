//! Volumes as NIfTI-1 files (`.nii`), RAS+, with the affine in sform and qform; masks are read, too.

use crate::{Volume, dot, volume::right_angled};

/// A voxel type NIfTI knows.
pub trait NiftiVoxel: Copy {
    /// The `datatype` code of nifti1.h.
    const DATATYPE: i16;
    /// Bits of a voxel.
    const BITS: i16;
    /// Appends the voxel, little endian.
    fn push(self, bytes: &mut Vec<u8>);
}

impl NiftiVoxel for u8 {
    const DATATYPE: i16 = 2;
    const BITS: i16 = 8;
    fn push(self, bytes: &mut Vec<u8>) {
        bytes.push(self);
    }
}

impl NiftiVoxel for i16 {
    const DATATYPE: i16 = 4;
    const BITS: i16 = 16;
    fn push(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }
}

impl NiftiVoxel for f32 {
    const DATATYPE: i16 = 16;
    const BITS: i16 = 32;
    fn push(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }
}

/// The affine from voxel index (i, j, k) to RAS+ mm, the first three rows: DICOM's x and y are negated.
#[must_use]
pub fn ras_affine<T>(volume: &Volume<T>) -> [[f64; 4]; 3] {
    let grid = volume.grid();
    std::array::from_fn(|axis| {
        let sign = if axis < 2 { -1.0 } else { 1.0 };
        let [i, j, k] = [0, 1, 2].map(|along: usize| sign * grid.step_lps_mm[along][axis]);
        [i, j, k, sign * grid.origin_lps_mm[axis]]
    })
}

/// The bytes of an uncompressed NIfTI-1 file: i fastest, no reorientation of voxels.
///
/// A sheared grid (tilted gantry) stands in the sform alone: the qform, which cannot say a shear, has the code 0.
#[must_use]
pub fn encode<T: NiftiVoxel>(volume: &Volume<T>) -> Vec<u8> {
    const HEADER: usize = 352;
    let affine = ras_affine(volume);
    let spacing = volume.grid().spacing_mm();
    let (quaternion, handedness) = quaternion(&affine);
    let mut bytes = Vec::with_capacity(HEADER + volume.voxels().len() * usize::from(T::BITS.unsigned_abs()) / 8);
    bytes.resize(HEADER, 0);
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    let float = |value: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "the format has single precision")]
        let single = value as f32;
        single.to_le_bytes()
    };
    put(0, &348_i32.to_le_bytes());
    put(40, &3_i16.to_le_bytes());
    for (axis, step_mm) in spacing.into_iter().enumerate() {
        let size = i16::try_from(volume.grid().size[axis]).unwrap_or(i16::MAX);
        put(42 + 2 * axis, &size.to_le_bytes());
        put(80 + 4 * axis, &float(step_mm));
    }
    for axis in 3..7 {
        put(42 + 2 * axis, &1_i16.to_le_bytes());
    }
    put(70, &T::DATATYPE.to_le_bytes());
    put(72, &T::BITS.to_le_bytes());
    put(76, &float(handedness));
    put(108, &float(352.0));
    put(112, &float(1.0));
    put(123, &[2]); // xyzt_units: mm
    let qform_code = i16::from(volume.grid().is_upright());
    put(252, &qform_code.to_le_bytes()); // 1: scanner, 0: none
    put(254, &1_i16.to_le_bytes()); // sform_code: scanner
    for (index, part) in quaternion.iter().enumerate() {
        put(256 + 4 * index, &float(*part));
    }
    for (row, values) in affine.iter().enumerate() {
        put(268 + 4 * row, &float(values[3]));
        for (column, value) in values.iter().enumerate() {
            put(280 + 16 * row + 4 * column, &float(*value));
        }
    }
    put(344, b"n+1\0");
    for &voxel in volume.voxels() {
        voxel.push(&mut bytes);
    }
    bytes
}

/// The voxels that are not 0 of an uncompressed NIfTI-1 file of one volume, little endian, placed by its sform; `None` if it is
/// another one, or one of its sizes does not fit its length.
#[must_use]
pub fn decode_mask(bytes: &[u8]) -> Option<Volume<bool>> {
    let short = |at: usize| bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(i16::from_le_bytes);
    let float = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(f32::from_le_bytes);
    if bytes.get(..4)? != 348_i32.to_le_bytes() || bytes.get(344..348)? != b"n+1\0" || short(254)? <= 0 {
        return None;
    }
    let size = [42, 44, 46].map(|at| short(at).and_then(|size| usize::try_from(size).ok()).unwrap_or(0));
    if short(40)? < 3 || (4..=short(40)?).any(|axis| short(40 + 2 * usize::from(axis.unsigned_abs())) != Some(1)) {
        return None;
    }
    let width = match short(70)? {
        2 | 256 => 1,
        4 | 512 => 2,
        8 | 16 => 4,
        _ => return None,
    };
    let offset = float(108).filter(|offset| (352.0..1e6).contains(offset))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "352 to a million")]
    let data = bytes.get(offset as usize..)?;
    let count = size.iter().product::<usize>();
    if count == 0 || data.len() < count * width {
        return None;
    }
    let mut affine = [[0.0; 4]; 3];
    for (row, values) in affine.iter_mut().enumerate() {
        for (column, value) in values.iter_mut().enumerate() {
            *value = float(280 + 16 * row + 4 * column).filter(|part| part.is_finite()).map(f64::from)?;
        }
    }
    let lps = |column: usize| [-affine[0][column], -affine[1][column], affine[2][column]];
    let step_lps_mm = [lps(0), lps(1), lps(2)];
    if dot(step_lps_mm[0], crate::cross(step_lps_mm[1], step_lps_mm[2])) == 0.0 {
        return None;
    }
    let voxels: Vec<bool> =
        data.chunks_exact(width).take(count).map(|voxel| voxel.iter().any(|&byte| byte != 0)).collect();
    let voxels = ndarray::Array3::from_shape_vec((size[2], size[1], size[0]), voxels).ok()?;
    Volume::new(voxels, crate::Grid { size, origin_lps_mm: lps(3), step_lps_mm })
}

/// The quaternion's b, c, d and `qfac` (nifti1.h, method 2) of an affine.
fn quaternion(affine: &[[f64; 4]; 3]) -> ([f64; 3], f64) {
    let column = |along: usize| -> [f64; 3] { std::array::from_fn(|axis| affine[axis][along]) };
    let r = right_angled(column(0), column(1));
    let qfac = if dot(r[2], column(2)) < 0.0 { -1.0 } else { 1.0 };
    // r[column][row]: the rotation's columns.
    let trace = r[0][0] + r[1][1] + r[2][2];
    let quaternion = if trace > -0.5 {
        let a = 0.5 * (1.0 + trace).sqrt();
        [(r[1][2] - r[2][1]) / (4.0 * a), (r[2][0] - r[0][2]) / (4.0 * a), (r[0][1] - r[1][0]) / (4.0 * a)]
    } else {
        // A turn by nearly 180°: the largest diagonal part decides, so that nothing is divided by almost zero.
        let b2 = (1.0 + r[0][0] - r[1][1] - r[2][2]) / 4.0;
        let c2 = (1.0 - r[0][0] + r[1][1] - r[2][2]) / 4.0;
        let d2 = (1.0 - r[0][0] - r[1][1] + r[2][2]) / 4.0;
        let (mut a, b, c, d);
        if b2 >= c2 && b2 >= d2 {
            b = b2.sqrt();
            c = (r[0][1] + r[1][0]) / (4.0 * b);
            d = (r[0][2] + r[2][0]) / (4.0 * b);
            a = (r[1][2] - r[2][1]) / (4.0 * b);
        } else if c2 >= d2 {
            c = c2.sqrt();
            b = (r[0][1] + r[1][0]) / (4.0 * c);
            d = (r[1][2] + r[2][1]) / (4.0 * c);
            a = (r[2][0] - r[0][2]) / (4.0 * c);
        } else {
            d = d2.sqrt();
            b = (r[0][2] + r[2][0]) / (4.0 * d);
            c = (r[1][2] + r[2][1]) / (4.0 * d);
            a = (r[0][1] - r[1][0]) / (4.0 * d);
        }
        let sign = if a < 0.0 { -1.0 } else { 1.0 };
        a *= sign;
        debug_assert!(a >= 0.0);
        [sign * b, sign * c, sign * d]
    };
    (quaternion, qfac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grid;
    use ndarray::Array3;

    #[test]
    fn a_mask_comes_back_as_it_was_written() {
        let grid = Grid {
            size: [2, 3, 4],
            origin_lps_mm: [-100.0, -80.0, 30.0],
            step_lps_mm: [[0.75, 0.25, 0.0], [-0.5, 0.5, 0.0], [0.0, 0.0, 2.0]],
        };
        let voxels = Array3::from_shape_fn((4, 3, 2), |(k, j, i)| u8::from((i + j + k) % 3 == 0));
        let volume = Volume::new(voxels.clone(), grid).expect("shape");
        let bytes = encode(&volume);
        let mask = decode_mask(&bytes).expect("a mask");
        assert_eq!(mask.grid(), &grid);
        assert_eq!(mask.voxels(), &voxels.mapv(|voxel| voxel == 1));
        for cut in [0, 100, 347, 352, bytes.len() - 1] {
            assert!(decode_mask(&bytes[..cut]).is_none(), "{cut} bytes");
        }
    }

    #[test]
    fn the_header_is_nifti_and_the_axes_are_negated() {
        let volume = Volume::new(
            Array3::from_elem((4, 3, 2), 7_i16),
            Grid::axial([2, 3, 4], [-100.0, -80.0, 30.0], [0.7, 0.8, 2.0]),
        );
        let volume = volume.expect("shape");
        let bytes = encode(&volume);
        assert_eq!(bytes.len(), 352 + 24 * 2);
        assert_eq!(&bytes[344..348], b"n+1\0");
        assert_eq!(ras_affine(&volume), [[-0.7, 0.0, 0.0, 100.0], [0.0, -0.8, 0.0, 80.0], [0.0, 0.0, 2.0, 30.0]]);
        // Half a turn about z: quaternion (0, 0, 0, 1), right-handed.
        assert_eq!(quaternion(&ras_affine(&volume)), ([0.0, 0.0, 1.0], 1.0));
    }
}
