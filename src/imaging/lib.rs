//! Pictures and what is computed from them alone.
//!
//! Knows nothing of files, networks, bundles or patients: values in, values out.

mod candidates;
mod eigen;
pub mod field;
pub mod jpeg;
pub mod nifti;
mod resample;
pub mod slide;
pub mod stain;
mod volume;

pub use candidates::{Candidate, lesion_candidates};
pub use eigen::symmetric_3x3;
pub use resample::{Patch, PatchGeometry, TooManyVoxels, Window, lesion_patch, resample_isotropic, trilinear, upright};
pub use volume::{Grid, Volume, cross, dot, length};
