//! The pipeline: pictures and metadata in, one outcome out.
//!
//! Pure but for the stopwatch. Knows no files, no JSON, no screen. Start at [`assess`]: the whole way of a case on one
//! page, in the order it happens.

mod explain;
mod fusion;
mod gate;
mod pipeline;
pub mod preview;
mod ready;
mod watch;

pub use explain::{
    Curves, ExplainMethod, Explainer, GivenTiles, Heat, Judged, Localisation, Question, Seen, Target, Tiles, Verdict,
    curves, localisation, over, picture_levels, shown_map,
};
pub use fusion::{Scores, fuse, scores, standardised};
pub use hilum_infer::{Engine, Library};
pub use pipeline::{
    Assessed, CtFinding, CtInput, Explanation, HeFinding, Model, Outcome, Stage, Study, Timings, Wanted, assess,
    score_tiles,
};
pub use ready::{Ready, Used};
pub use watch::{AssessFault, Part, Watch};
