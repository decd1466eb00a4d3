//! `.npy` files that grow row by row: a cohort's tiles do not fit in memory.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// The header is padded to this, so that the row count can be put in at the end (NPY format 1.0).
const HEADER: usize = 128;

/// Appends rows of unsigned bytes to an array `[rows, a, b, c]`.
#[derive(Debug)]
pub struct NpyAppender {
    file: BufWriter<File>,
    shape: [usize; 3],
    rows: usize,
}

impl NpyAppender {
    /// A new file for rows of the given shape.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(path: &Path, shape: [usize; 3]) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(&[0; HEADER])?;
        Ok(Self { file, shape, rows: 0 })
    }

    /// Rows so far.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a row and gives its index.
    ///
    /// # Errors
    /// If it cannot be written, or has not the shape's length.
    pub fn append(&mut self, row: &[u8]) -> io::Result<usize> {
        if row.len() != self.shape.iter().product::<usize>() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the row has not the length of the array's shape"));
        }
        self.file.write_all(row)?;
        self.rows += 1;
        Ok(self.rows - 1)
    }

    /// Writes the header: until then the file is no array.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        let [a, b, c] = self.shape;
        let described =
            format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({}, {a}, {b}, {c}), }}", self.rows);
        let padded = format!("{described:<width$}\n", width = HEADER - 11);
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend_from_slice(&u16::try_from(padded.len()).map_err(io::Error::other)?.to_le_bytes());
        header.extend_from_slice(padded.as_bytes());
        debug_assert_eq!(header.len(), HEADER);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    #[test]
    fn a_reader_finds_the_rows() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("rows.npy");
        let mut appender = NpyAppender::create(&path, [2, 2, 3]).expect("made");
        for row in 0..3_u8 {
            assert_eq!(appender.append(&[row; 12]).expect("written"), usize::from(row));
        }
        assert!(appender.append(&[0; 11]).is_err());
        appender.finish().expect("written");
        let array: Array4<u8> = ndarray_npy::read_npy(&path).expect("an array");
        assert_eq!(array.dim(), (3, 2, 2, 3));
        assert_eq!(array[[2, 1, 1, 2]], 2);
    }
}
