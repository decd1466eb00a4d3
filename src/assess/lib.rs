//! The pipeline: pictures and metadata in, one outcome out.
//!
//! Pure but for the stopwatch. Knows no files, no JSON, no screen. Start at [`assess`]: the whole way of a case on one
//! page, in the order it happens.

mod explain;
mod fusion;
mod gate;
mod pipeline;
mod ready;

pub use explain::{ExplainMethod, cam_ct, cam_he};
pub use fusion::{Scores, fuse, scores, standardised};
pub use pipeline::{
    Assessed, CtFinding, CtInput, Explanation, HeFinding, Maps, Model, Outcome, Stage, Study, Timings, assess,
};
pub use ready::Ready;
