//! Reading and writing DICOM objects: the only user of dicom-rs.
//!
//! Knows the standard's attributes and nothing of what is done with them: whether a set of slices makes a volume is
//! decided in `intake`.

#![forbid(unsafe_code)]

mod acceptor;
mod attributes;
mod capture;
mod dimse;
mod directory;
mod file;
mod jpeg2000;
mod jpegls;
mod object;
mod origin;
mod part10;
mod pixels;
mod read;
mod receive;
mod rle;
mod scan;
mod segmentation;
mod send;
mod structured;
#[cfg(test)]
mod tests;
mod tls;
mod write;

pub use capture::{Page, secondary_capture};
pub use directory::read_directory;
pub use file::open_regular;
pub use object::{Algorithm, Code, CodingScheme, Equipment, Making, Moment, uid, uuid};
pub use origin::{Carried, Origin, SourceImage};
pub use read::{CtSlice, Found, Header, ReadError, Unusable, read, read_bytes};
pub use receive::{Incident, NotStored, Receiver, Receiving};
pub use segmentation::{Content, Segment, segmentation};
pub use send::{Archive, SendError, Taken, send};
pub use structured::{Document, Evidence, Item, Relation, Value, identification, structured_report};
pub use tls::{ClientTls, Identity, ServerTls, TlsError};
pub use write::{CtSeries, WriteError, write_ct_slice};
