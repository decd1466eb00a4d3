//! The bundle and the engines that run its networks: the only user of tract and of TensorFlow Lite.
//!
//! Knows the manifest, the quantisation contract and tensors. Knows nothing of DICOM, slides or fusion: levels in,
//! logits and features out.

#![forbid(unsafe_code)]

mod bundle;
mod choose;
mod contract;
mod engine;
mod foreign;
mod graph;
mod heads;
mod library;
mod litert;
mod manifest;
mod quantise;
mod runtime;
mod tflite;
#[cfg(feature = "tflitec")]
mod tflitec;
mod tract;
mod twin;

pub use bundle::{Bundle, BundleError, PublicKey, Trust, parse_public_key};
pub use choose::{Chosen, DelegateFile, EngineChoice, built_in, choose};
pub use engine::{Agreement, CtOutput, Engine, EngineFault, EngineKind, HeOutput, Library, Tolerance, accept, bag};
pub use foreign::{COMMAND, serve};
pub use library::{LibraryError, LibraryFile};
pub use manifest::{
    BranchManifest, CtManifest, ExplainManifest, ExplainedBranch, HeManifest, Manifest, MetadataManifest, Quantisation,
    TensorManifest,
};
pub use quantise::{InputLevels, Quantiser};
pub use twin::{Forward, Tail, TwinHead, TwinNetwork};
