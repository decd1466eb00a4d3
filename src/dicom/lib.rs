//! Reading and writing DICOM objects: the only user of dicom-rs.
//!
//! Knows the standard's attributes and nothing of what is done with them: whether a set of slices makes a volume is
//! decided in `intake`.

#![forbid(unsafe_code)]

mod attributes;
mod file;
mod jpeg2000;
mod pixels;
mod read;
mod rle;
#[cfg(test)]
mod tests;
mod write;

pub use file::open_regular;
pub use read::{CtSlice, Found, Header, ReadError, Unusable, read};
pub use write::{CtSeries, WriteError, write_ct_slice};
