//! What lies on the share and went to no case: which export is read next, and what became of each.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hilum_domain::{CaseNumber, Identity};
use hilum_intake::{Arrival, Digest};
use serde_json::{Value, json};

use crate::{
    office::is_of,
    protocol::Denied,
    reader::{Apart, Label, NotRead},
};

/// The wait before an export is tried again that the device was not able to read, and the longest.
const WAITS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(300)];

/// The wait after so many tries, at least one.
pub(crate) fn wait(tries: u32) -> Duration {
    WAITS[0].saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(WAITS[1])
}

/// An export that is to be read, and what else the share has.
#[derive(Debug, Clone)]
pub(crate) struct Next {
    pub(crate) arrival: Arrival,
    /// Whether there are others that nobody has read yet: one of them may be the same patient's.
    pub(crate) others_unread: bool,
    /// The Patient IDs of the others that wait.
    pub(crate) others: Vec<String>,
}

/// An export that waits, as a person is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offered {
    /// Which it is, and with which content.
    pub(crate) key: u64,
    pub(crate) label: Label,
}

/// What became of an export that was read.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A case had it before.
    Before,
    /// It went to this draft.
    By(CaseNumber),
    /// There is no draft for it.
    ByNobody(Label),
    /// There is a draft for it, and another export may be meant.
    Held(Label),
    /// It is more of what this case had when it was handed over.
    Late(CaseNumber, Label),
    /// It is several series, each for a draft of its own.
    Several(Vec<Apart>),
}

/// An export that no case took.
struct Export {
    arrival: Arrival,
    standing: Standing,
    /// The export that it is a series of.
    part_of: Option<Digest>,
    /// How often the device was not able to read it.
    tries: u32,
    /// It is not read before this.
    not_before: Instant,
}

enum Standing {
    /// Nobody has read it yet.
    Unread,
    /// It can be read.
    Waiting {
        label: Label,
        /// A case that was handed over with less of it.
        late: Option<CaseNumber>,
        /// There may be a draft for it.
        wanted: bool,
    },
    /// Its series stand for it.
    Split,
    /// It cannot be read or must not be scored: a code says why. It is read again when it changes.
    Refused { patient_id: Option<String>, code: String },
}

impl Standing {
    fn patient_id(&self) -> Option<&str> {
        match self {
            Self::Waiting { label, .. } => Some(&label.patient_id),
            Self::Unread | Self::Split | Self::Refused { .. } => None,
        }
    }
}

/// What an export with this content is called to whoever may pick it. Says nothing of its name.
fn key(arrival: &Arrival) -> u64 {
    let bytes = |digest: &Digest| digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    bytes(&arrival.name) ^ bytes(&arrival.stamp).rotate_left(32)
}

fn alike(one: &str, other: &str) -> bool {
    !one.trim().is_empty() && one.trim().eq_ignore_ascii_case(other.trim())
}

/// All of them. One is read at a time.
#[derive(Default)]
pub(crate) struct Exports {
    all: BTreeMap<Digest, Export>,
    reading: Option<Arrival>,
    /// Whose drafts were opened while one was being read: one may be the draft that was looked for.
    opened: Vec<String>,
    /// For want of room nothing is read: that was said.
    no_room: bool,
}

impl Exports {
    /// An export came to rest, or came to rest again with other content.
    pub(crate) fn arrived(&mut self, arrival: Arrival, now: Instant) {
        self.forget_parts(&arrival.name);
        let export = Export { standing: Standing::Unread, part_of: None, tries: 0, not_before: now, arrival };
        self.all.insert(export.arrival.name, export);
    }

    /// The series of an export that changed or is gone are what they were no longer.
    fn forget_parts(&mut self, of: &Digest) {
        self.all.retain(|_, export| export.part_of.as_ref() != Some(of));
    }

    /// An export is not there any more.
    pub(crate) fn left(&mut self, name: &Digest) {
        self.forget_parts(name);
        if let Some(Export { standing, .. }) = self.all.remove(name) {
            self.look_again(standing.patient_id().unwrap_or_default());
        }
    }

    /// A draft was opened.
    pub(crate) fn opened(&mut self, identity: &Identity) {
        if self.reading.is_some() {
            self.opened.push(identity.first().to_owned());
        }
        self.look_again(identity.first());
    }

    fn look_again(&mut self, of: &str) {
        for export in self.all.values_mut() {
            if let Standing::Waiting { label, wanted, .. } = &mut export.standing {
                *wanted |= alike(&label.patient_id, of);
            }
        }
    }

    /// A person gave the folder, or a series in it, to a case: it waits for nobody any more.
    pub(crate) fn given(&mut self, folder: &Path, series: Option<&str>) -> Option<Arrival> {
        let is_given = |arrival: &Arrival| arrival.folder == folder && arrival.series.as_deref() == series;
        let name = self.all.values().find(|export| is_given(&export.arrival))?.arrival.name;
        let export = self.all.remove(&name)?;
        self.look_again(export.standing.patient_id().unwrap_or_default());
        Some(export.arrival)
    }

    /// What is to be read now, if anything: first what nobody has read, then what may have a draft by now and is the only one
    /// of its patient. Of several a person picks one.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Next> {
        if self.reading.is_some() {
            return None;
        }
        let due = |export: &Export| export.not_before <= now;
        let unread = |export: &Export| matches!(export.standing, Standing::Unread);
        let wanted = |export: &Export| match &export.standing {
            Standing::Waiting { label, wanted: true, .. } => self.of_patient(&label.patient_id) == 1,
            _ => false,
        };
        let mut of_all: Vec<&Export> = self.all.values().filter(|export| due(export)).collect();
        of_all.sort_by(|a, b| a.arrival.folder.cmp(&b.arrival.folder));
        let first =
            of_all.iter().find(|export| unread(export)).or_else(|| of_all.iter().find(|export| wanted(export)))?;
        let arrival = first.arrival.clone();
        let others = || self.all.values().filter(|export| export.arrival.name != arrival.name);
        let next = Next {
            others_unread: others().any(|export| unread(export) && export.tries == 0),
            others: others().filter_map(|export| export.standing.patient_id().map(str::to_owned)).collect(),
            arrival: arrival.clone(),
        };
        self.reading = Some(arrival);
        self.opened.clear();
        Some(next)
    }

    /// How many exports of a patient wait.
    fn of_patient(&self, first: &str) -> usize {
        let ids = self.all.values().filter_map(|export| export.standing.patient_id());
        ids.filter(|id| alike(id, first)).count()
    }

    /// The reading of an export ended. Answers with what the log is to say.
    pub(crate) fn ended(
        &mut self,
        arrival: &Arrival,
        read: Result<Taken, NotRead>,
        now: Instant,
    ) -> Option<&'static str> {
        self.reading = None;
        // It changed while it was being read, or is gone: what was found is not of what is there.
        let export = self.all.get_mut(&arrival.name).filter(|export| export.arrival.stamp == arrival.stamp)?;
        let was = export.standing.patient_id().map(str::to_owned);
        match read {
            Ok(Taken::Before | Taken::By(_)) => {
                self.all.remove(&arrival.name);
                self.look_again(&was.unwrap_or_default());
            }
            Ok(Taken::Several(series)) => {
                export.standing = Standing::Split;
                for Apart { uid, label } in series {
                    let part = arrival.of_series(&uid);
                    // Whether there is a draft for it is found when it is read by itself.
                    let standing = Standing::Waiting { label, late: None, wanted: true };
                    let part_of = Some(arrival.name);
                    let export = Export { arrival: part, standing, part_of, tries: 0, not_before: now };
                    self.all.insert(export.arrival.name, export);
                }
            }
            Ok(Taken::ByNobody(label)) => {
                let wanted = self.opened.iter().any(|first| alike(first, &label.patient_id));
                export.standing = Standing::Waiting { label, late: None, wanted };
            }
            Ok(Taken::Held(label)) => {
                export.standing = Standing::Waiting { label, late: None, wanted: true };
            }
            Ok(Taken::Late(case, label)) => {
                let wanted = self.opened.iter().any(|first| alike(first, &label.patient_id));
                export.standing = Standing::Waiting { label, late: Some(case), wanted };
            }
            Err(NotRead::NoRoom(_)) => {
                export.not_before = now + WAITS[0];
                let said = std::mem::replace(&mut self.no_room, true);
                return (!said).then_some("an export is not read for want of room");
            }
            Err(NotRead::Start(_) | NotRead::Denied(Denied { exit: 64 | 75, .. })) => {
                export.tries += 1;
                export.not_before = now + wait(export.tries);
                return Some("an export is not read now, and is tried again");
            }
            Err(not) => {
                let patient_id = match &not {
                    NotRead::Refused { patient_id, .. } => patient_id.clone(),
                    _ => None,
                };
                export.standing = Standing::Refused { patient_id, code: not.code().to_owned() };
                self.look_again(&was.unwrap_or_default());
                return Some("an export is not read");
            }
        }
        self.no_room = false;
        None
    }

    /// Those that can be read and went to no draft, in the order of their folders.
    pub(crate) fn offered(&self) -> Vec<Offered> {
        let mut waiting: Vec<(&Export, &Label)> = self
            .all
            .values()
            .filter_map(|export| match &export.standing {
                Standing::Waiting { label, .. } => Some((export, label)),
                Standing::Unread | Standing::Split | Standing::Refused { .. } => None,
            })
            .collect();
        waiting.sort_by(|(a, _), (b, _)| a.arrival.folder.cmp(&b.arrival.folder));
        waiting.into_iter().map(|(export, label)| Offered { key: key(&export.arrival), label: label.clone() }).collect()
    }

    /// Where an export lies that was offered, and which series of what lies there it is, if it is there with that content still.
    pub(crate) fn folder(&self, offered: u64) -> Option<(PathBuf, Option<String>)> {
        let same = |export: &&Export| key(&export.arrival) == offered;
        let arrival = &self.all.values().find(same)?.arrival;
        Some((arrival.folder.clone(), arrival.series.clone()))
    }

    /// Whether a case was handed over with less than lies on the share now.
    pub(crate) fn has_more_of(&self, case: CaseNumber) -> bool {
        self.all
            .values()
            .any(|export| matches!(&export.standing, Standing::Waiting { late, .. } if *late == Some(case)))
    }

    /// How many wait for a draft or a person, and whether that is since there are several of one patient.
    pub(crate) fn status(&self) -> Value {
        let waiting = |export: &&Export| export.standing.patient_id().is_some();
        let several = |export: &&Export| export.standing.patient_id().is_some_and(|id| self.of_patient(id) > 1);
        let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
        for export in self.all.values() {
            if let Standing::Refused { code, .. } = &export.standing {
                *refused.entry(code).or_default() += 1;
            }
        }
        let late =
            self.all.values().filter(|export| matches!(export.standing, Standing::Waiting { late: Some(_), .. }));
        json!({
            "unread": self.all.values().filter(|export| matches!(export.standing, Standing::Unread)).count(),
            "waiting": self.all.values().filter(waiting).count(),
            "of-one-patient": self.all.values().filter(several).count(),
            "late": late.count(),
            "refused": refused,
        })
    }

    /// What of the share concerns a case.
    pub(crate) fn of_case(&self, case: CaseNumber, identity: &Identity) -> Value {
        let refused = self.all.values().filter_map(|export| match &export.standing {
            Standing::Refused { patient_id: Some(id), code } if is_of(id, identity) => Some(code.as_str()),
            _ => None,
        });
        json!({
            "waiting": self.of_patient(identity.first()),
            "late": self.has_more_of(case),
            "refused": refused.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(name: u8, stamp: u8) -> Arrival {
        Arrival {
            folder: format!("/share/{name}").into(),
            series: None,
            files: 3,
            name: [name; 32],
            stamp: [stamp; 32],
        }
    }

    fn next(exports: &mut Exports, now: Instant) -> Option<(u8, bool, usize)> {
        exports.next(now).map(|next| (next.arrival.name[0], next.others_unread, next.others.len()))
    }

    fn label(id: &str) -> Label {
        Label { patient_id: id.to_owned(), study_date: Some("2026-11-01".into()), slices: 3, ..Label::default() }
    }

    fn nobody(id: &str) -> Result<Taken, NotRead> {
        Ok(Taken::ByNobody(label(id)))
    }

    // verifies: REQ-PATIENT-04
    #[test]
    fn one_is_read_at_a_time_and_of_several_of_a_patient_none_goes_by_itself() {
        let (mut exports, now) = (Exports::default(), Instant::now());
        exports.arrived(arrival(1, 0), now);
        exports.arrived(arrival(2, 0), now);
        assert_eq!(next(&mut exports, now), Some((1, true, 0)));
        assert_eq!(next(&mut exports, now), None, "one at a time");
        exports.ended(&arrival(1, 0), nobody("4711"), now);
        assert_eq!(next(&mut exports, now), Some((2, false, 1)));
        exports.ended(&arrival(2, 0), nobody(" 4711"), now);
        let identity = Identity::new("4711", "x").expect("two");
        exports.opened(&identity);
        assert_eq!(next(&mut exports, now), None, "a person picks one");
        assert_eq!(exports.of_case(CaseNumber(1), &identity)["waiting"], 2);
        assert_eq!(exports.status()["of-one-patient"], 2);
        exports.left(&[1; 32]);
        assert_eq!(next(&mut exports, now), Some((2, false, 0)), "there is one left");
        exports.ended(&arrival(2, 0), Ok(Taken::By(CaseNumber(1))), now);
        assert_eq!(exports.status()["waiting"], 0);
    }

    #[test]
    fn a_disk_of_several_series_is_offered_series_by_series() {
        let (mut exports, now) = (Exports::default(), Instant::now());
        exports.arrived(arrival(1, 0), now);
        assert_eq!(next(&mut exports, now), Some((1, false, 0)));
        let apart = |uid: &str, id: &str| Apart { uid: uid.to_owned(), label: label(id) };
        let series = vec![apart("2.25.1", "4711"), apart("2.25.2", "4712")];
        exports.ended(&arrival(1, 0), Ok(Taken::Several(series.clone())), now);
        let first = exports.next(now).expect("one of them").arrival;
        assert_eq!((first.folder.as_path(), first.stamp), (Path::new("/share/1"), [0; 32]));
        let uid = first.series.clone().expect("by its series");
        exports.ended(&first, nobody(if uid == "2.25.1" { "4711" } else { "4712" }), now);
        let second = exports.next(now).expect("the other").arrival;
        exports.ended(&second, Ok(Taken::By(CaseNumber(1))), now);
        let offered = exports.offered();
        assert_eq!(offered.len(), 1, "one went to its draft");
        assert_eq!(exports.folder(offered[0].key), Some(("/share/1".into(), Some(uid.clone()))));
        assert_eq!(exports.given(Path::new("/share/1"), Some(&uid)), Some(first));
        assert_eq!(exports.offered(), []);
        exports.arrived(arrival(1, 1), now);
        next(&mut exports, now);
        exports.ended(&arrival(1, 1), Ok(Taken::Several(series)), now);
        exports.left(&[1; 32]);
        assert_eq!((exports.offered(), exports.next(now).is_none()), (Vec::new(), true), "the disk is gone");
    }

    #[test]
    fn what_changed_while_it_was_read_is_read_again() {
        let (mut exports, now) = (Exports::default(), Instant::now());
        exports.arrived(arrival(1, 0), now);
        assert_eq!(next(&mut exports, now), Some((1, false, 0)));
        exports.arrived(arrival(1, 1), now);
        assert_eq!(next(&mut exports, now), None);
        exports.ended(&arrival(1, 0), Ok(Taken::By(CaseNumber(1))), now);
        assert_eq!(next(&mut exports, now), Some((1, false, 0)));
        exports.ended(&arrival(1, 1), Ok(Taken::Late(CaseNumber(1), label("4711"))), now);
        assert!(exports.has_more_of(CaseNumber(1)) && !exports.has_more_of(CaseNumber(2)));
        assert_eq!(exports.given(Path::new("/share/1/"), None), Some(arrival(1, 1)));
        assert!(!exports.has_more_of(CaseNumber(1)));
    }

    #[test]
    fn what_waits_is_offered_by_a_key_that_a_change_voids() {
        let (mut exports, now) = (Exports::default(), Instant::now());
        exports.arrived(arrival(1, 0), now);
        assert_eq!(exports.offered(), [], "nobody has read it");
        next(&mut exports, now);
        exports.ended(&arrival(1, 0), nobody("4711"), now);
        let offered = exports.offered();
        assert_eq!(offered.iter().map(|offered| &offered.label).collect::<Vec<_>>(), [&label("4711")]);
        assert_eq!(exports.folder(offered[0].key), Some(("/share/1".into(), None)));
        exports.arrived(arrival(1, 1), now);
        assert_eq!(exports.folder(offered[0].key), None, "it has other content");
        assert!(!format!("{offered:?}").contains("4711"));
    }

    #[test]
    fn what_the_device_cannot_read_is_tried_ever_more_rarely() {
        let (mut exports, mut now) = (Exports::default(), Instant::now());
        exports.arrived(arrival(1, 0), now);
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(next(&mut exports, now), Some((1, false, 0)));
            exports.ended(&arrival(1, 0), Err(NotRead::Start(std::io::ErrorKind::NotFound.into())), now);
            let wait = Duration::from_secs(seconds);
            assert_eq!(next(&mut exports, now + wait - Duration::from_millis(1)), None, "{seconds} s");
            now += wait;
        }
    }

    #[test]
    fn what_is_refused_is_counted_and_told_to_its_patients_draft() {
        let (mut exports, now) = (Exports::default(), Instant::now());
        exports.arrived(arrival(1, 0), now);
        next(&mut exports, now);
        let refused = NotRead::Refused {
            code: "missing-slice".into(),
            message: "1 slice is missing".into(),
            next_step: "export it again".into(),
            patient_id: Some("4711".into()),
        };
        assert_eq!(exports.ended(&arrival(1, 0), Err(refused), now), Some("an export is not read"));
        assert_eq!(next(&mut exports, now), None, "not before it changes");
        assert_eq!(exports.status()["refused"], json!({"missing-slice": 1}));
        let of = |first: &str| exports.of_case(CaseNumber(1), &Identity::new(first, "x").expect("two"));
        assert_eq!(of("4711")["refused"], json!(["missing-slice"]));
        assert_eq!(of("4712")["refused"], json!([]));
    }
}
