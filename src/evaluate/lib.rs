//! How good a model is: the figures of a table of predictions, their intervals, and two models against each other.
//!
//! Pure: a table in, figures out. A refused case counts as wrong in accuracy, recall and specificity, so that refusing hard cases makes
//! none of these better; what needs an answer or a probability is of the others, and says so.

#![forbid(unsafe_code)]

mod bootstrap;
mod calibration;
mod compare;
mod curves;
mod document;
mod evaluation;
mod figures;
mod normal;
mod plot;
mod predictions;
mod report;
mod subgroups;
mod table;

pub use bootstrap::{Interval, Resampling};
pub use calibration::{Bin, TEMPERATURES, Temperature};
pub use compare::{Delong, Mcnemar, NoPair, aligned};
pub use curves::{Benefit, Point, Selective};
pub use evaluation::{Difference, Evaluation, Versus, evaluate};
pub use figures::{Confusion, Figures, OfClass};
pub use predictions::{CASES_MOST, NoPredictions, Place, Predictions, SUM_TOLERANCE};
pub use report::Heading;
pub use subgroups::{CASES_LEAST, FIGURES, Group};
pub use table::BINS;
