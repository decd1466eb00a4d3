//! A case as it is kept, and the states it goes through.

use hilum_domain::{Age, CaseNumber, Class, Identity, Metadata, MicronsPerPixel, Moment, Point};
use serde::{Deserialize, Serialize};

use crate::{Actor, BlobName, StoreFault};

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// How far a case has come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum State { $($(#[$doc])* $name),+ }

        impl State {
            /// Every state.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            /// The name in the database and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            pub(crate) fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|state| state.name() == name)
            }
        }
    };
}

states! {
    /// Being put together.
    Draft = "draft",
    /// Handed over: it will be assessed, whatever happens to the box.
    Queued = "queued",
    /// Has a result.
    Assessed = "assessed",
    /// Has a refusal.
    Refused = "refused",
    /// Two attempts at it died. It is kept and not tried again, unless a person says so.
    SetAside = "set-aside",
    /// A person agreed with the result, or did not.
    Reviewed = "reviewed",
    /// It left the box.
    Exported = "exported",
    /// Its records and files were removed as the retention rules want it; its number stays taken.
    Expired = "expired",
}

impl State {
    /// Whether a case may go from here to there. Besides, a person may withdraw one that is queued
    /// ([`Store::withdraw`](crate::Store::withdraw)).
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use State::{Assessed, Draft, Expired, Exported, Queued, Refused, Reviewed, SetAside};
        matches!(
            (self, next),
            (Draft, Draft | Queued)
                | (Queued, Assessed | Refused | SetAside)
                | (SetAside, Queued)
                | (Assessed | Refused | Reviewed, Reviewed)
                | (Reviewed | Exported, Exported)
                | (Draft | Assessed | Refused | SetAside | Reviewed | Exported, Expired)
        )
    }

    /// The state of a case after it left the box. What nobody reviewed has still to be reviewed.
    ///
    /// # Errors
    /// [`StoreFault::State`] if it has no result to leave with.
    pub fn when_exported(self) -> Result<Self, StoreFault> {
        match self {
            Self::Reviewed | Self::Exported => Ok(Self::Exported),
            Self::Assessed | Self::Refused => Ok(self),
            Self::Draft | Self::Queued | Self::SetAside | Self::Expired => {
                Err(StoreFault::State { state: self.name(), wanted: Self::Exported.name() })
            }
        }
    }
}

/// A field of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldFile {
    /// The picture.
    pub picture: BlobName,
    /// Its scale, where it is known.
    pub scale: Option<MicronsPerPixel>,
    /// Whether it came with colour at all.
    pub colour: bool,
}

/// How a case came to its identity and its volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Origin {
    /// The export on the share from which the volume came by itself, as a digest of the folder's name.
    pub export: Option<String>,
    /// A person said that the volume is this patient's although its Patient ID is not the first identifier.
    pub other_id: bool,
    /// A person said that it is the patient although an earlier case has another second identifier.
    pub other_second: bool,
    /// The day of the volume's study, as in 2026-11-01, where the scanner said it.
    pub study_date: Option<String>,
    /// How many slices the volume has.
    pub slices: Option<u64>,
    /// Whose study the volume is of and which images its slices are, for what goes back to the hospital: the patient's name is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<BlobName>,
}

/// What is known of a case before it is assessed.
#[derive(Debug, Clone, PartialEq)]
pub struct Intake {
    /// Whether it is a control case of the device's own: a phantom, and no patient.
    pub control: bool,
    /// Whose it is.
    pub identity: Identity,
    /// Age, sex, smoking history, specimen.
    pub metadata: Metadata,
    /// How it came to identity and volume.
    pub origin: Origin,
    /// The CT volume.
    pub volume: Option<BlobName>,
    /// The lesion, where a person marked it.
    pub lesion: Option<Point>,
    /// The fields, in the order they were taken.
    pub fields: Vec<FieldFile>,
    /// When the case was opened.
    pub opened: Moment,
}

/// A result as it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// `report.json`, byte for byte.
    pub report: String,
    /// Pictures and maps that the report names.
    pub files: Vec<(String, BlobName)>,
}

/// A reason has at most so many characters.
const LONGEST_REASON: usize = 2000;

/// What a person made of a result. Later ones stand beside it and never take its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Whether the person agrees.
    pub agrees: bool,
    /// Why, in the person's words. Who agrees may leave it empty.
    pub reason: String,
    /// Who, as a role.
    pub by: Actor,
}

/// Why a review is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoReason {
    /// It disagrees and does not say why.
    #[error("who disagrees says why")]
    Missing,
    /// The reason is too long.
    #[error("a reason has at most {LONGEST_REASON} characters")]
    TooLong,
}

impl Review {
    pub(crate) fn checked(&self) -> Result<(), NoReason> {
        if !self.agrees && self.reason.trim().is_empty() {
            return Err(NoReason::Missing);
        }
        if self.reason.chars().count() > LONGEST_REASON {
            return Err(NoReason::TooLong);
        }
        Ok(())
    }
}

/// Reviews as they were written: version 1 of the store kept the last one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reviews {
    All(Vec<Review>),
    Last(Review),
}

pub(crate) fn reviews_from(bytes: &[u8]) -> Result<Vec<Review>, StoreFault> {
    Ok(match serde_json::from_slice(bytes).map_err(StoreFault::record)? {
        Reviews::All(reviews) => reviews,
        Reviews::Last(review) => vec![review],
    })
}

/// What a person saw in the images before they were shown the result. It is said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFirst {
    /// The class, or that they could not say.
    pub class: Option<Class>,
    /// Who, as a role.
    pub by: Actor,
    /// When, as the clock claimed, RFC 3339 in UTC.
    pub claimed: String,
    /// Whether there was a reason to believe it.
    pub trusted: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadRecord {
    class: Option<String>,
    by: Actor,
    claimed: String,
    trusted: bool,
}

impl ReadFirst {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, StoreFault> {
        let class = self.class.map(|class| class.name().to_owned());
        let record = ReadRecord { class, by: self.by, claimed: self.claimed.clone(), trusted: self.trusted };
        serde_json::to_vec(&record).map_err(StoreFault::record)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreFault> {
        let ReadRecord { class, by, claimed, trusted } = serde_json::from_slice(bytes).map_err(StoreFault::record)?;
        let class = class.map(|name| name.parse()).transpose();
        let class = class.map_err(|_| StoreFault::record(serde::de::Error::custom("a class")))?;
        Ok(Self { class, by, claimed, trusted })
    }
}

/// A case with everything that is kept of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its number.
    pub number: CaseNumber,
    /// How far it has come.
    pub state: State,
    /// How often its assessment was begun.
    pub attempts: u32,
    /// What it is about.
    pub intake: Intake,
    /// Its result or refusal.
    pub result: Option<Kept>,
    /// What people made of that, the oldest first.
    pub reviews: Vec<Review>,
    /// What a person saw before that.
    pub read_first: Option<ReadFirst>,
}

/// An intake as it is written. The domain does not know how it looks in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    control: bool,
    identity: [String; 2],
    age: Option<f64>,
    sex: Option<String>,
    smoking: Option<String>,
    specimen: Option<String>,
    /// Older records have none.
    #[serde(default)]
    origin: Origin,
    volume: Option<BlobName>,
    lesion_lps_mm: Option<[f64; 3]>,
    fields: Vec<FieldRecord>,
    claimed: String,
    trusted: bool,
    boot: String,
    since_boot_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldRecord {
    picture: BlobName,
    um_per_px: Option<f64>,
    colour: bool,
}

impl Intake {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, StoreFault> {
        let Metadata { age, sex, smoking, specimen } = self.metadata;
        let record = Record {
            control: self.control,
            identity: [self.identity.first().to_owned(), self.identity.second().to_owned()],
            age: age.map(Age::years),
            sex: sex.map(|sex| sex.name().to_owned()),
            smoking: smoking.map(|smoking| smoking.name().to_owned()),
            specimen: specimen.map(|specimen| specimen.name().to_owned()),
            origin: self.origin.clone(),
            volume: self.volume.clone(),
            lesion_lps_mm: self.lesion.map(|lesion| lesion.lps_mm),
            fields: self
                .fields
                .iter()
                .map(|field| FieldRecord {
                    picture: field.picture.clone(),
                    um_per_px: field.scale.map(MicronsPerPixel::um),
                    colour: field.colour,
                })
                .collect(),
            claimed: self.opened.claimed.clone(),
            trusted: self.opened.trusted,
            boot: self.opened.boot.clone(),
            since_boot_ms: u64::try_from(self.opened.since_boot.as_millis()).unwrap_or(u64::MAX),
        };
        serde_json::to_vec(&record).map_err(StoreFault::record)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreFault> {
        let record: Record = serde_json::from_slice(bytes).map_err(StoreFault::record)?;
        let wrong = |what: &str| StoreFault::record(serde::de::Error::custom(what));
        let [first, second] = &record.identity;
        let fields = record.fields.into_iter().map(|field| {
            let scale = field.um_per_px.map(|um| MicronsPerPixel::new(um).ok_or_else(|| wrong("a scale")));
            Ok(FieldFile { picture: field.picture, scale: scale.transpose()?, colour: field.colour })
        });
        Ok(Self {
            control: record.control,
            identity: Identity::new(first, second).map_err(|_| wrong("the identity"))?,
            metadata: Metadata {
                age: record.age.map(Age::from_years).transpose().map_err(|_| wrong("the age"))?,
                sex: record.sex.map(|name| name.parse()).transpose().map_err(|_| wrong("the sex"))?,
                smoking: record
                    .smoking
                    .map(|name| name.parse())
                    .transpose()
                    .map_err(|_| wrong("the smoking history"))?,
                specimen: record.specimen.map(|name| name.parse()).transpose().map_err(|_| wrong("the specimen"))?,
            },
            origin: record.origin,
            volume: record.volume,
            lesion: record.lesion_lps_mm.map(Point::new),
            fields: fields.collect::<Result<_, StoreFault>>()?,
            opened: Moment {
                claimed: record.claimed,
                trusted: record.trusted,
                boot: record.boot,
                since_boot: std::time::Duration::from_millis(record.since_boot_ms),
            },
        })
    }

    /// The names of all files of the intake.
    pub(crate) fn files(&self) -> impl Iterator<Item = &BlobName> {
        let pictures = self.fields.iter().map(|field| &field.picture);
        self.volume.iter().chain(&self.origin.source).chain(pictures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_an_origin_is_read() {
        let old =
            br#"{"control":false,"identity":["4711","1954-03-02"],"age":63.0,"sex":null,"smoking":null,"specimen":null,
            "volume":null,"lesion_lps_mm":null,"fields":[],"claimed":"2026-11-01T08:00:00Z","trusted":true,"boot":"a",
            "since_boot_ms":1}"#;
        let mut intake = Intake::from_bytes(old).expect("a record");
        assert_eq!(intake.origin, Origin::default());
        intake.origin = Origin { export: Some("ab".into()), other_id: true, slices: Some(60), ..Origin::default() };
        let bytes = intake.to_bytes().expect("written");
        assert_eq!(Intake::from_bytes(&bytes).expect("a record"), intake);
    }

    #[test]
    fn no_state_goes_back_to_before_it_was_acknowledged() {
        for state in State::ALL {
            assert_eq!(State::named(state.name()), Some(state));
            assert!(!state.may_become(State::Draft) || state == State::Draft, "{state:?}");
            assert!(!State::Expired.may_become(state), "{state:?}");
        }
        assert!(!State::Queued.may_become(State::Expired), "acknowledged work is never dropped");
    }
}
