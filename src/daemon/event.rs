//! Everything that can happen to the appliance.

use std::path::PathBuf;

use hilum_domain::{CaseNumber, Identity};
use hilum_intake::Arrival;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    appliance::Vitals,
    exports::{Offered, Taken},
    inference::{Done, Failed, Loaded},
    protocol::Denied,
    reader::NotRead,
    share::News,
};

/// Something happened. The one loop handles it; nothing else changes the state of the appliance.
pub(crate) enum Event {
    /// The networks are loaded and proved, or cannot be.
    Networks(Result<Loaded, String>),
    /// A draft was opened: an export on the share may be its patient's.
    Opened(Identity),
    /// A PIN opened the records.
    Unlocked,
    /// A case waits for its result.
    Queued(CaseNumber),
    /// Something about a case changed that changes nothing else: who looks at it looks again.
    Touched,
    /// An attempt at a case ended.
    Assessed(Box<Done>),
    /// A case is to be assessed again and compared.
    Replay(Box<hilum_store::Case>, oneshot::Sender<Result<Vec<String>, Failed>>),
    /// Something about the share.
    Share(News),
    /// An export was read, or could not be.
    Export(Arrival, Result<Taken, NotRead>),
    /// A person gave a folder to a case, which may be an export.
    Given(PathBuf, Option<String>),
    /// What of the share concerns a case?
    OfCase(CaseNumber, Identity, oneshot::Sender<Value>),
    /// Which exports on the share wait for a person to pick one?
    Offered(oneshot::Sender<Vec<Offered>>),
    /// Where does an export lie that was offered?
    Picked(u64, oneshot::Sender<Option<(PathBuf, Option<String>)>>),
    /// The camera gives pictures, or has this fault.
    Camera(Result<(), &'static str>),
    /// How is the device?
    Status(oneshot::Sender<Value>),
    /// How is it, as far as the loop knows without asking the store?
    Vitals(oneshot::Sender<Vitals>),
    /// A control case was handed over, or could not be.
    Control(Result<CaseNumber, Denied>),
    /// A part ended that should not have.
    Ended(&'static str, String),
    /// Stop in order.
    Stop(&'static str),
}
