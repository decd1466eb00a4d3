//! What the box keeps: cases, their files, and the log of what was done.
//!
//! Whatever this crate acknowledged outlives a kill, a power cut and a damaged page. Records and files are sealed under a
//! key; what stands outside (numbers, states, hashes, the log) has nothing of a patient.

#![forbid(unsafe_code)]

mod age;
mod audit;
mod blob;
mod case;
mod database;
mod error;
mod export;
mod history;
mod people;
mod pin;
mod seal;
mod store;
#[cfg(test)]
mod tests;

pub use age::{AgeIdentity, NotAge, Opening, Recipient};
pub use audit::{Action, Actor, Entry, Hash, Head, NoHead, Tampering};
pub use blob::{BlobName, Files, make_folder, replace};
pub use case::{Case, FieldFile, Intake, Kept, NoReason, Origin, ReadFirst, Review, State};
pub use database::Opened;
pub use error::StoreFault;
pub use export::{Contents, Damaged, Delivered, NoOutside, Outside, Packed, Packer, check};
pub use history::{Line, Rules, digits};
pub use pin::{NoRole, Pin, PinFault, Role, Stretched, Stretching, Tried};
pub use seal::{DataKey, Sealed, random};
pub use store::{Begun, Overview, Store, Work};
