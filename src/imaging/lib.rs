//! Pictures and what is computed from them alone.
//!
//! Knows nothing of files, networks, bundles or patients: values in, values out.

pub mod artefacts;
mod candidates;
mod cells;
mod eigen;
pub mod field;
pub mod gate;
pub mod jpeg;
mod map;
pub mod micrometer;
pub mod nifti;
pub mod plausible;
mod random;
pub mod registration;
mod resample;
mod rescale;
pub mod shading;
mod sharpness;
pub mod slide;
mod smooth;
pub mod stain;
mod volume;

pub use candidates::{Candidate, Sighting, lesion_candidates, lesion_sightings};
pub use eigen::symmetric_3x3;
pub use map::resized_map;
pub use random::Random;
pub use resample::{
    Patch, PatchGeometry, TooManyVoxels, Window, lesion_patch, mask_over_patch, over_grid, resample_isotropic,
    trilinear, upright,
};
pub use rescale::triangle;
pub use smooth::gaussian;
pub use volume::{Grid, Volume, cross, dot, length};
