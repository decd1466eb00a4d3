//! Control cases: a phantom with a known answer, assessed now and then as every other case, and what became of it over time.
//!
//! The first control case of a phantom, bundle and engine must be answered as the phantom was made. Every later one must have the
//! very same probabilities: the arithmetic is the same, so anything else is a device that is not well.

use std::{path::Path, time::Duration};

use chrono::DateTime;
use hilum_domain::{CaseNumber, Identity, Limit, LimitCode, Moment};
use hilum_imaging::slide::Field;
use hilum_intake::{KeptCt, picture_to_bytes, read_cohort, read_fields, volume};
use hilum_phantom::{Size, write_cohort};
use hilum_store::{Actor, BlobName, FieldFile, Files, Intake, State, Store, StoreFault};
use serde_json::{Value, json};

use crate::{office::Office, protocol::Denied};

/// Probabilities that differ by less are the same figure, written and read back.
const SAME: f64 = 1e-9;
/// What a control case is called.
const NAME: &str = "CONTROL";

/// What became of a control case.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) case: CaseNumber,
    pub(crate) opened: Moment,
    /// Nothing yet, or whether it was answered as it should be.
    pub(crate) good: Option<bool>,
    pub(crate) predicted: String,
    pub(crate) probability: f64,
    /// The largest difference of a probability from the first control case of this phantom, bundle and engine.
    pub(crate) drift: f64,
}

impl Point {
    pub(crate) fn described(&self) -> Value {
        json!({
            "case": self.case.to_string(), "claimed": self.opened.claimed, "trusted": self.opened.trusted,
            "good": self.good, "predicted": self.predicted, "probability": self.probability, "drift": self.drift,
        })
    }
}

/// The first control case of a phantom, bundle and engine.
struct First {
    of: Option<BlobName>,
    by: [Value; 2],
    probabilities: Vec<f64>,
    good: bool,
}

/// Every control case that is kept, in the order of their numbers.
pub(crate) fn trend(store: &Store) -> Result<Vec<Point>, StoreFault> {
    let mut firsts: Vec<First> = Vec::new();
    let mut points = Vec::new();
    for case in store.list()?.into_iter().filter(|case| case.control && case.state != State::Expired) {
        let case = store.case(case.number)?;
        let made_as = case.intake.identity.second().to_owned();
        let mut point = Point {
            case: case.number,
            opened: case.intake.opened,
            good: None,
            predicted: String::new(),
            probability: 0.0,
            drift: 0.0,
        };
        let report: Option<Value> = case.result.and_then(|kept| serde_json::from_str(&kept.report).ok());
        if let Some(report) = report {
            let fused = &report["fused"];
            let all = fused["probabilities"].as_array().into_iter().flatten();
            let probabilities: Vec<f64> = all.filter_map(Value::as_f64).collect();
            point.predicted = fused["predicted"].as_str().unwrap_or_default().to_owned();
            point.probability = probabilities.iter().copied().fold(0.0, f64::max);
            let by = [report["bundle"]["sha256"].clone(), report["bundle"]["engine"].clone()];
            let right = report["outcome"] == "assessed" && point.predicted == made_as;
            if let Some(first) = firsts.iter().find(|first| first.by == by && first.of == case.intake.volume) {
                let differences = first.probabilities.iter().zip(&probabilities).map(|(a, b)| (a - b).abs());
                point.drift = differences.fold(0.0, f64::max);
                let whole = first.probabilities.len() == probabilities.len();
                point.good = Some(first.good && whole && point.drift <= SAME);
            } else {
                point.good = Some(right);
                firsts.push(First { of: case.intake.volume, by, probabilities, good: right });
            }
        } else if case.state == State::SetAside {
            point.good = Some(false);
        }
        points.push(point);
    }
    Ok(points)
}

/// How long ago something was, if that can be known: within this boot, or by a clock that is believed at both ends.
pub(crate) fn age(then: &Moment, now: &Moment) -> Option<Duration> {
    if then.boot == now.boot {
        return Some(now.since_boot.saturating_sub(then.since_boot));
    }
    let parsed = |moment: &Moment| DateTime::parse_from_rfc3339(&moment.claimed).ok().filter(|_| moment.trusted);
    (parsed(now)? - parsed(then)?).to_std().ok()
}

/// What the control cases say about a result of now.
pub(crate) fn limit(points: &[Point], every: Duration, now: &Moment) -> Option<Limit> {
    let answered = points.iter().rev().find(|point| point.good.is_some());
    let overdue = |what: String| Some(Limit::new(LimitCode::ControlOverdue, what));
    let Some(last) = answered else { return overdue("no control case was answered yet".to_owned()) };
    if last.good == Some(false) {
        return Some(Limit::new(LimitCode::ControlFailed, format!("control case {} failed", last.case)));
    }
    match age(&last.opened, now) {
        // A quarter more than the interval: the next one may be under way.
        Some(age) if age <= every.saturating_mul(5) / 4 => None,
        Some(age) => overdue(format!("the last control case was {} h ago", age.as_secs() / 3600)),
        None => overdue("it is not known when the last control case was".to_owned()),
    }
}

/// Draws the phantom of `seed` and hands it over as a case.
pub(crate) async fn open(office: &Office, folder: &Path, seed: u64, actor: Actor) -> Result<CaseNumber, Denied> {
    // Before the work of drawing it.
    office.records.with(|store| if store.is_locked() { Err(StoreFault::Locked) } else { store.room() }).await??;
    let (files, folder) = (office.records.files().clone(), folder.to_owned());
    let opened = office.clock.now();
    let drawn = tokio::task::spawn_blocking(move || drawn(&files, &folder, seed, opened)).await;
    let intake = drawn.map_err(|_| Denied::new(70, "the drawing of the phantom panicked"))??;
    let now = office.clock.now();
    let case = office
        .records
        .with(move |store| -> Result<CaseNumber, StoreFault> {
            let case = store.open_case(&intake, actor, &now)?;
            store.submit(case, actor, &now).map(|()| case)
        })
        .await??;
    Ok(case)
}

fn drawn(files: &Files, folder: &Path, seed: u64, opened: Moment) -> Result<Intake, Denied> {
    let failed = |error: anyhow::Error| Denied::new(75, format!("cannot draw the control case: {error:#}"));
    write_cohort(folder, 1, seed, Size::Small, |_| ()).map_err(|error| failed(error.into()))?;
    let patients = read_cohort(folder).map_err(|error| failed(error.into()))?;
    let patient = patients.first().ok_or_else(|| failed(anyhow::anyhow!("it has no patient")))?;
    let study = volume(&patient.ct()).map_err(|error| failed(error.into()))?;
    let volume = KeptCt::of(study).to_bytes().map_err(|error| failed(error.into()))?;
    let fields = read_fields(&[patient.he()], None).map_err(|error| failed(error.into()))?;
    let kept = |field: Field| -> Result<FieldFile, Denied> {
        let picture = picture_to_bytes(&field.image).map_err(|error| failed(error.into()))?;
        Ok(FieldFile { picture: files.put(&picture)?, scale: field.scale, colour: field.colour_file })
    };
    let intake = Intake {
        control: true,
        identity: Identity::new(NAME, patient.label.name()).map_err(|error| failed(error.into()))?,
        metadata: patient.metadata,
        origin: hilum_store::Origin::default(),
        volume: Some(files.put(&volume)?),
        lesion: Some(patient.lesion().map_err(|error| failed(error.into()))?),
        fields: fields.into_iter().map(kept).collect::<Result<_, _>>()?,
        opened,
    };
    std::fs::remove_dir_all(folder).map_err(|error| failed(error.into()))?;
    Ok(intake)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn at(boot: &str, hours: u64, claimed: &str, trusted: bool) -> Moment {
        Moment {
            claimed: claimed.to_owned(),
            trusted,
            boot: boot.to_owned(),
            since_boot: Duration::from_secs(hours * 3600),
        }
    }

    fn point(good: Option<bool>, opened: Moment) -> Point {
        Point { case: CaseNumber(1), opened, good, predicted: String::new(), probability: 0.0, drift: 0.0 }
    }

    #[track_caller]
    fn check(points: &[Point], now: &Moment, want: Option<LimitCode>) {
        assert_eq!(limit(points, DAY, now).map(|limit| limit.code), want);
    }

    // verifies: REQ-CONTROL-01
    #[test]
    fn a_control_case_holds_for_its_interval_and_a_quarter() {
        let then = at("a", 1, "2026-01-01T00:00:00Z", false);
        for (hours, want) in [(1, None), (25, None), (31, None), (32, Some(LimitCode::ControlOverdue))] {
            check(&[point(Some(true), then.clone())], &at("a", hours, "1970-01-01T00:00:00Z", false), want);
        }
        check(&[], &then, Some(LimitCode::ControlOverdue));
        check(&[point(None, then.clone())], &then, Some(LimitCode::ControlOverdue));
    }

    // verifies: REQ-STORE-06
    #[test]
    fn across_boots_only_a_trusted_clock_counts() {
        let then = at("a", 1, "2026-11-01T08:00:00Z", true);
        for (claimed, trusted, want) in [
            ("2026-11-02T08:00:00Z", true, None),
            ("2026-11-02T08:00:00Z", false, Some(LimitCode::ControlOverdue)),
            ("2026-11-03T08:00:00Z", true, Some(LimitCode::ControlOverdue)),
            // A clock that went back says nothing.
            ("2006-11-01T08:00:00Z", true, Some(LimitCode::ControlOverdue)),
        ] {
            check(&[point(Some(true), then.clone())], &at("b", 0, claimed, trusted), want);
        }
    }

    // verifies: REQ-CONTROL-01
    #[test]
    fn the_first_answer_must_be_right_and_the_others_the_same() {
        use hilum_store::{DataKey, Kept};

        let folder = tempfile::tempdir().expect("a folder");
        let now = at("a", 1, "2026-11-01T08:00:00Z", true);
        let (mut store, _) = Store::open(folder.path(), 0, &now).expect("opens");
        store.unlock(DataKey::new(&[7; 32])).expect("new");
        let phantoms = [b"first phantom", b"other phantom"].map(|bytes| store.files().put(bytes).expect("kept"));
        let mut answered = |phantom: usize, engine: &str, predicted: &str, probability: f64| {
            let intake = Intake {
                control: true,
                identity: Identity::new(NAME, "normal").expect("two"),
                metadata: hilum_domain::Metadata::default(),
                origin: hilum_store::Origin::default(),
                volume: Some(phantoms[phantom].clone()),
                lesion: None,
                fields: Vec::new(),
                opened: now.clone(),
            };
            let case = store.open_case(&intake, Actor::Device, &now).expect("opened");
            store.submit(case, Actor::Device, &now).expect("queued");
            let work = store.begin(&BTreeSet::new(), &now).expect("readable").work.expect("work");
            let report = json!({
                "outcome": "assessed", "bundle": {"sha256": "b", "engine": engine},
                "fused": {"predicted": predicted, "probabilities": [0.0, 0.0, 0.0, 1.0 - probability, probability]},
            });
            let kept = Kept { report: report.to_string(), files: Vec::new() };
            store.finish(&work, false, &kept, &now).expect("kept");
            trend(&store).expect("readable").pop().expect("a point")
        };
        assert_eq!(answered(0, "tract", "normal", 0.9).good, Some(true));
        assert_eq!(answered(0, "tract", "normal", 0.9).good, Some(true), "the same again");
        let drifted = answered(0, "tract", "normal", 0.9001);
        assert_eq!(drifted.good, Some(false), "right, and not the same");
        assert!((drifted.drift - 1e-4).abs() < 1e-9);
        assert_eq!(answered(0, "other", "normal", 0.8).good, Some(true), "another engine has its own first answer");
        assert_eq!(answered(1, "tract", "adenocarcinoma", 0.8).good, Some(false), "the first is wrong");
        assert_eq!(answered(1, "tract", "adenocarcinoma", 0.8).good, Some(false), "and stays so");
    }

    // verifies: REQ-CONTROL-01
    #[test]
    fn the_last_answer_counts() {
        let then = at("a", 1, "2026-11-01T08:00:00Z", true);
        let points = [Some(true), Some(false), None].map(|good| point(good, then.clone()));
        check(&points, &then, Some(LimitCode::ControlFailed));
        check(&points[..1], &then, None);
    }
}
