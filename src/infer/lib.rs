//! The bundle and the engines that run its networks: the only user of tract.
//!
//! Knows the manifest, the quantisation contract and tensors. Knows nothing of DICOM, slides or fusion: levels in,
//! logits and features out.

#![forbid(unsafe_code)]

mod bundle;
mod engine;
mod graph;
mod manifest;
mod quantise;
mod tract;
mod twin;

pub use bundle::{Bundle, BundleError, PublicKey, Trust, parse_public_key};
pub use engine::{Agreement, CtOutput, Engine, EngineFault, HeOutput, accept, bag};
pub use manifest::{
    BranchManifest, CtManifest, ExplainManifest, ExplainedBranch, HeManifest, Manifest, MetadataManifest, Quantisation,
    TensorManifest,
};
pub use quantise::{InputLevels, Quantiser};
pub use tract::TractEngine;
pub use twin::{Forward, Tail, TwinHead, TwinNetwork};
