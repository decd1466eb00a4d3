//! What leaves the box: `report.json` and the pictures beside it.
//!
//! Knows how results are written and drawn; decides nothing about them.

mod document;
mod paint;
mod result;

pub use document::{
    Bundle, Context, ExplanationFiles, FieldNote, Note, REPORT_SCHEMA, Report, assessed, files_of, refused,
};
pub use paint::{blend, ct_overlay, field_overlay, resized_map};
pub use result::result_card;

/// The sentence that stands on every report and picture.
pub const NOTICE: &str = "Research use only, not a diagnosis.";
