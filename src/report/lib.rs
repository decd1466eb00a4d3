//! What leaves the box: `report.json` and the pictures beside it.
//!
//! Knows how results are written and drawn; decides nothing about them.

#![forbid(unsafe_code)]

mod case;
mod codes;
mod document;
mod export;
mod fhir;
mod hospital;
mod paint;
mod pdf;
mod result;
mod said;
mod sheet;

pub use case::{Document, Given, GivenCt, ProduceFault, glimpse, produce, turned_away};
pub use document::{Bundle, Context, ExplanationFiles, FieldNote, Note, Plain, REPORT_SCHEMA, Report, files_of};
pub use export::{ExportSource, export, export_names};
pub use hilum_dicom::Origin;
pub use hospital::{ExportFault, Kept};
pub use paint::blend;

/// The sentence that stands on every report and picture.
pub const NOTICE: &str = "Research use only, not a diagnosis.";
