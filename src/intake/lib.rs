//! From outside bytes to checked values: DICOM files to a `Volume`, image files to fields.
//!
//! Knows files and geometry; knows nothing of networks or results. What it cannot read is [`Unreadable`]; what it can
//! read but must not be scored is a `Refusal`.

#![forbid(unsafe_code)]

mod cohort;
mod error;
mod field;
mod kept;
mod scale;
mod series;
mod share;
mod shot;
mod source;
#[cfg(test)]
mod tests;
mod tiff_text;

pub use cohort::{CohortCase, CohortFault, read_cohort};
pub use error::{ImageFault, Rejection, Unreadable};
pub use field::{FieldFile, field_files, read_fields};
pub use kept::{KeptCt, NotKept, field_from_bytes, picture_to_bytes, without_patient};
pub use series::{
    CtStudy, NotOne, Pick, SeriesLabel, SeriesReport, Verdict, list, picked_volume, volume, volume_or_what,
};
pub use share::{Arrival, Digest, News, Share};
pub use shot::picture_of;
