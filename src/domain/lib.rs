//! What the rest of the house talks about: classes, patients' metadata, units, and the three kinds of "no".
//!
//! Pure values. Nothing here reads a file, a clock or a configuration, and nothing here serialises itself:
//! how a value looks in JSON or DICOM is known to `report` and `dicom`.

#![forbid(unsafe_code)]

mod case;
mod class;
mod metadata;
mod outcome;
mod units;

pub use case::{CaseNumber, Identity, IdentityFault, Moment, NoCaseNumber};
pub use class::{Class, PerClass, softmax, top};
pub use metadata::{Age, AgeOutOfRange, Form, Metadata, Modality, Sex, Smoking, Specimen, StainMethod, UnknownName};
pub use outcome::{Limit, LimitCode, Refusal, RefusalCode};
pub use units::{MicronsPerPixel, Point, Step};
