//! Reading and writing DICOM objects: the only user of dicom-rs.
//!
//! Knows the standard's attributes and nothing of what is done with them: whether a set of slices makes a volume is
//! decided in `intake`.

#![forbid(unsafe_code)]

mod attributes;
mod capture;
mod file;
mod jpeg2000;
mod object;
mod origin;
mod pixels;
mod read;
mod rle;
mod segmentation;
mod structured;
#[cfg(test)]
mod tests;
mod write;

pub use capture::{Page, secondary_capture};
pub use file::open_regular;
pub use object::{Algorithm, Code, CodingScheme, Equipment, Making, Moment, uid, uuid};
pub use origin::{Carried, Origin, SourceImage};
pub use read::{CtSlice, Found, Header, ReadError, Unusable, read};
pub use segmentation::{Content, Segment, segmentation};
pub use structured::{Document, Evidence, Item, Relation, Value, identification, structured_report};
pub use write::{CtSeries, WriteError, write_ct_slice};
