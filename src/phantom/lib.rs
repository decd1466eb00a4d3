//! A seeded synthetic cohort: CT series, H&E fields, exact masks, metadata. Never clinical data, never clinical numbers.
//!
//! Every transcendental goes through `libm` and every draw through [`Random`], so the same seed gives the same bytes on
//! every machine. Knows nothing of networks: what is hard about a case is decided in [`cohort`], how it looks in [`ct`]
//! and [`he`].

pub mod cohort;
pub mod ct;
pub mod he;
mod numbers;
mod write;

pub use cohort::{Patient, Split};
pub(crate) use hilum_imaging::Random;
pub use write::{CohortError, Size, draw_ct, slide, write_case, write_cohort};
