//! What the panel is told, from what is kept: values of the store and of the loop as values of the screen.

use std::{fmt::Display, sync::Arc};

use hilum_assess::ExplainMethod;
use hilum_config::{Bundle, KeySource, PublicKey};
use hilum_domain::{CaseNumber, Modality, Moment, PerClass};
use hilum_screen::{
    event::Denied as No,
    model::{
        Assessment, Condition, Explanation, Export, Health, Keys, LogLine, Note, Opinion, Outcome, Part, Patient,
        Picture, Progress, Role, Row, Shown, Step,
    },
};
use hilum_store::{Case, Entry, Intake, Line, Overview, Role as Kept, State, Store, StoreFault};
use serde_json::Value;

use crate::{
    appliance::{Controlled, Networks, Vitals, Warmth},
    exports::Offered,
    inference::{Bench, Doing},
    office::is_of,
    protocol::{self, Denied},
};

pub(crate) const fn role(role: Kept) -> Role {
    match role {
        Kept::Operator => Role::Operator,
        Kept::Reviewer => Role::Reviewer,
        Kept::Administrator => Role::Administrator,
    }
}

pub(crate) const fn kept(role: Role) -> Kept {
    match role {
        Role::Operator => Kept::Operator,
        Role::Reviewer => Kept::Reviewer,
        Role::Administrator => Kept::Administrator,
    }
}

/// A denial, as a message of the catalogues and a sentence.
pub(crate) fn denied(denied: &Denied) -> No {
    use protocol::No::{Configuration, Internal, Login, NotReady, PinWait, PinWrong, Refused, Role, Unreadable, Usage};
    let word = match denied.no {
        Refused => "denied-refused",
        Usage => "denied-usage",
        Unreadable => "denied-unreadable",
        Internal => "denied-internal",
        NotReady => "denied-not-ready",
        Configuration => "denied-configuration",
        PinWrong => "denied-pin-wrong",
        PinWait(_) => "denied-pin-wait",
        Role => "denied-role",
        Login => "denied-login",
    };
    // The catalogues say the rest.
    let why = match denied.no {
        PinWait(left) => format!("{left} s").into(),
        _ => denied.why.as_str().into(),
    };
    No { word, why }
}

/// How far a case has come; nothing if it is gone.
pub(crate) const fn progress(state: State) -> Option<Progress> {
    Some(match state {
        State::Draft => Progress::Draft,
        State::Queued => Progress::Queued,
        State::Assessed => Progress::Assessed,
        State::Refused => Progress::Refused,
        State::SetAside => Progress::SetAside,
        State::Reviewed => Progress::Reviewed,
        State::Exported => Progress::Exported,
        State::Expired => return None,
    })
}

/// Whether somebody has still something to do with a case.
pub(crate) const fn is_open(state: State) -> bool {
    matches!(state, State::Draft | State::Queued | State::Assessed)
}

/// Whether something was today: by the clock where it is believed, else since the box was started.
pub(crate) fn is_today(then: &Moment, now: &Moment) -> bool {
    let same_day = now.claimed.get(..10).is_some_and(|day| then.claimed.get(..10) == Some(day));
    if now.trusted { same_day } else { then.boot == now.boot }
}

pub(crate) fn row(case: &Overview, intake: &Intake) -> Option<Row> {
    Some(Row {
        case: case.number,
        first: (!case.control).then(|| intake.identity.first().to_owned()),
        progress: progress(case.state)?,
        opened: intake.opened.claimed.clone(),
    })
}

pub(crate) fn patient(case: CaseNumber, intake: &Intake) -> Patient {
    Patient { case, identity: intake.identity.clone() }
}

/// What is being done for a case before which so many wait.
pub(crate) fn step(case: CaseNumber, before: usize, bench: &Bench) -> Step {
    use hilum_assess::Stage;
    match bench.case {
        Some((working, doing, _)) if working == case => match doing {
            Doing::Reading => Step::Reading,
            Doing::Stage(Stage::Ct) => Step::Ct,
            Doing::Stage(Stage::Fields) => Step::Fields,
            Doing::Stage(Stage::Explaining) => Step::Explaining,
        },
        _ => Step::Queue(before),
    }
}

/// Exports that wait, as they are to a case: those of its patient first.
pub(crate) fn exports(offered: Vec<Offered>, intake: &Intake) -> Vec<Export> {
    let of = |offered: Offered| Export {
        key: offered.key,
        slices: usize::try_from(offered.label.slices).unwrap_or(usize::MAX),
        matches: is_of(&offered.label.patient_id, &intake.identity),
        patient_id: offered.label.patient_id,
        series: offered.label.series,
        study_date: offered.label.study_date.unwrap_or_default().replace('-', ""),
    };
    let mut exports: Vec<Export> = offered.into_iter().map(of).collect();
    exports.sort_by_key(|export| !export.matches);
    exports
}

/// A line of the log; nothing if it is of a later program.
pub(crate) fn line(line: &Line) -> Option<LogLine> {
    let entry: Entry = serde_json::from_str(&line.text).ok()?;
    let what = serde_json::to_value(entry.action).ok()?;
    Some(LogLine {
        number: entry.number,
        claimed: entry.claimed,
        by: entry.actor.name().to_owned(),
        what: what.as_str()?.to_owned(),
        case: entry.case.map(CaseNumber),
    })
}

/// How the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// So many bytes are left.
    Free(u64),
    /// Too few are left to take anything in.
    Full(u64),
    /// It does not say.
    Failed,
}

/// What the board has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fitted {
    pub(crate) camera: bool,
    pub(crate) share: bool,
}

fn part(name: &'static str, condition: Condition, word: &'static str, figure: impl Display) -> Part {
    Part { name, condition, word, figure: figure.to_string() }
}

/// Whether something that the board may have is there.
fn there(name: &'static str, fitted: bool, there: Option<bool>) -> Part {
    match there {
        _ if !fitted => part(name, Condition::Unknown, "part-none", ""),
        None => part(name, Condition::Unknown, "part-unknown", ""),
        Some(true) => part(name, Condition::Well, "part-well", ""),
        Some(false) => part(name, Condition::Stop, "part-gone", ""),
    }
}

/// Bytes as a person reads them.
fn amount(bytes: u64) -> String {
    match bytes / 1_000_000 {
        megabytes @ 10_000.. => format!("{} GB", megabytes / 1000),
        megabytes @ 1000.. => format!("{}.{} GB", megabytes / 1000, megabytes / 100 % 10),
        megabytes => format!("{megabytes} MB"),
    }
}

/// How the disk of a store is.
pub(crate) fn storage(store: &mut Store) -> Storage {
    match (store.room(), store.free()) {
        (Ok(()), Ok(free)) => Storage::Free(free),
        (Err(StoreFault::Full { .. }), Ok(free)) => Storage::Full(free),
        _ => Storage::Failed,
    }
}

/// What the box's keys are, as the panel says it. `apart`: whoever takes the disk does not have the key.
pub(crate) fn keys(key: &KeySource, bundle: &Bundle, apart: bool) -> Keys {
    let sealed_by = match key {
        KeySource::Credential { .. } if apart => "key-box",
        KeySource::Credential { .. } => "key-disk",
        KeySource::Pin => "key-pin",
        KeySource::File { .. } => "key-file",
    };
    let mut signers: Vec<String> = bundle.keys.iter().map(PublicKey::id).collect();
    signers.sort();
    Keys { sealed_by, signers, development: bundle.development_key }
}

/// What the system says of an update; nothing if it makes no sense.
pub(crate) fn update(said: &str) -> Option<Part> {
    let (condition, word) = match said.split_whitespace().next()? {
        "installing" => (Condition::Unknown, "update-installing"),
        "installed" => (Condition::Warn, "update-installed"),
        "refused" => (Condition::Stop, "update-refused"),
        _ => return None,
    };
    Some(part("part-update", condition, word, ""))
}

/// How the device is.
pub(crate) fn health(vitals: &Vitals, storage: Storage, fitted: Fitted) -> Health {
    let storage = match storage {
        Storage::Free(bytes) => part("part-storage", Condition::Well, "part-well", amount(bytes)),
        Storage::Full(bytes) => part("part-storage", Condition::Stop, "part-full", amount(bytes)),
        Storage::Failed => part("part-storage", Condition::Stop, "part-failed", ""),
    };
    let celsius = vitals.celsius.map(|celsius| format!("{celsius:.0} °C")).unwrap_or_default();
    let (condition, word) = match vitals.warmth {
        _ if !vitals.feels => (Condition::Unknown, "part-none"),
        _ if vitals.celsius.is_none() => (Condition::Unknown, "part-unknown"),
        Warmth::Cool => (Condition::Well, "part-well"),
        Warmth::Warm => (Condition::Warn, "part-warm"),
        Warmth::Hot => (Condition::Stop, "part-hot"),
    };
    let temperature = part("part-temperature", condition, word, celsius);
    let clock = match vitals.now.trusted {
        true => part("part-clock", Condition::Well, "part-well", ""),
        false => part("part-clock", Condition::Warn, "part-not-trusted", ""),
    };
    let (condition, word) = match vitals.control {
        Controlled::Off => (Condition::Unknown, "part-none"),
        Controlled::Well => (Condition::Well, "part-well"),
        Controlled::Never => (Condition::Warn, "part-never"),
        Controlled::Overdue => (Condition::Warn, "part-overdue"),
        Controlled::Failed => (Condition::Stop, "part-failed"),
    };
    let control = part("part-control", condition, word, "");
    let (condition, word) = match vitals.networks {
        Networks::Loading => (Condition::Unknown, "part-loading"),
        Networks::Ready(_) if vitals.running.as_ref().is_some_and(|running| running.instead) => {
            (Condition::Warn, "part-instead")
        }
        Networks::Ready(_) => (Condition::Well, "part-well"),
        Networks::Rejected(_) => (Condition::Stop, "part-failed"),
    };
    let networks = part("part-networks", condition, word, "");
    let mut about = vec![("about-version", format!("hilum {}", env!("CARGO_PKG_VERSION")))];
    if let Networks::Ready(loaded) = &vitals.networks {
        let engine = vitals.running.as_ref().map_or("", |running| running.engine);
        about.extend([("about-bundle", loaded.bundle.clone()), ("about-engine", engine.to_owned())]);
    }
    about.push(("about-board", vitals.board.clone()));
    let camera = there("part-camera", fitted.camera, vitals.camera.map(|seen| seen.is_ok()));
    let share = there("part-share", fitted.share, vitals.share);
    Health {
        board: vitals.board.clone(),
        parts: vec![camera, share, storage, temperature, clock, control, networks],
        claimed: vitals.now.claimed.clone(),
        trusted: vitals.now.trusted,
        can_restart: false,
        keys: None,
        about,
    }
}

/// Whether a person could see the difference: seconds are not shown.
pub(crate) fn differs(one: &Health, other: &Health) -> bool {
    let minute = |health: &Health| health.claimed.get(..16).map(str::to_owned);
    let rest = |health: &Health| Health { claimed: String::new(), ..health.clone() };
    minute(one) != minute(other) || rest(one) != rest(other)
}

/// The names of the pictures that the panel shows of a report: what was read, and that with maps over it.
pub(crate) fn pictures(report: &Value) -> Vec<String> {
    let names = all_plain(report).map(str::to_owned);
    let overlays = array(&report["explanations"]).iter().flat_map(|explanation| array(&explanation["overlays"]));
    names.chain(overlays.filter_map(Value::as_str).map(str::to_owned)).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The plain pictures of a branch. Reports of before have none.
fn plain(report: &Value, modality: Modality) -> &[Value] {
    let plain = &report["plain"];
    match modality {
        Modality::Ct => std::slice::from_ref(&plain["ct"]),
        Modality::He => array(&plain["he"]),
    }
}

fn all_plain(report: &Value) -> impl Iterator<Item = &str> {
    plain(report, Modality::Ct).iter().chain(plain(report, Modality::He)).filter_map(Value::as_str)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An explanation method as its authors call it; one that this version does not know, as the report says it.
fn method(value: &Value) -> String {
    let name = text(value);
    name.parse().map_or(name, |method: ExplainMethod| method.title().to_owned())
}

fn note(value: &Value) -> Note {
    Note { code: text(&value["code"]), message: text(&value["message"]), next_step: text(&value["next_step"]) }
}

fn probabilities(prediction: &Value) -> Option<PerClass<f64>> {
    let numbers: Option<Vec<f64>> = array(&prediction["probabilities"]).iter().map(Value::as_f64).collect();
    numbers?.try_into().ok()
}

fn weights(value: &Value) -> Option<[f64; 2]> {
    Some([value["ct"].as_f64()?, value["he"].as_f64()?])
}

/// A result from its report, with pictures by their names; nothing if the report is none of a result.
fn assessment(report: &Value, picture: &dyn Fn(&str) -> Option<Picture>) -> Option<Assessment> {
    let explanation = |value: &Value| {
        let modality =
            [Modality::Ct, Modality::He].into_iter().find(|modality| value["modality"] == modality.name())?;
        let plain = plain(report, modality);
        let pair = |(over, plain): (&Value, &Value)| Some((picture(plain.as_str()?)?, picture(over.as_str()?)?));
        Some(Explanation {
            modality,
            method: method(&value["method"]),
            verdict: text(&value["verdict"]),
            pictures: array(&value["overlays"]).iter().zip(plain).filter_map(pair).collect(),
        })
    };
    let bundle = &report["bundle"];
    let part = |key: &str| bundle[key].as_str().unwrap_or_default();
    Some(Assessment {
        fused: probabilities(&report["fused"])?,
        ct: probabilities(&report["ct"]),
        he: probabilities(&report["he"]),
        weights: weights(&report["weights"])?,
        weights_unknown: weights(&report["metadata"]["weights_unknown"]),
        limits: array(&report["limits"]).iter().map(note).collect(),
        explanations: array(&report["explanations"]).iter().filter_map(explanation).collect(),
        made_by: format!("{} {}, {}", part("name"), part("version"), part("engine")),
    })
}

/// A case with what became of it; nothing if nothing did yet.
pub(crate) fn shown(
    case: &Case,
    report: Option<&Value>,
    picture: &dyn Fn(&str) -> Option<Picture>,
    exports_to: Option<Arc<str>>,
) -> Option<Shown> {
    let outcome = match (case.state, report) {
        (State::SetAside, _) => Outcome::SetAside,
        (State::Assessed | State::Refused | State::Reviewed | State::Exported, Some(report)) => {
            match report["refusal"].is_object() {
                true => Outcome::Refused(note(&report["refusal"])),
                false => Outcome::Assessed(Box::new(assessment(report, picture)?)),
            }
        }
        _ => return None,
    };
    let images = report.into_iter().flat_map(all_plain).filter_map(picture).collect();
    let opinion = case.reviews.last();
    Some(Shown {
        patient: patient(case.number, &case.intake),
        metadata: case.intake.metadata,
        progress: progress(case.state)?,
        outcome,
        opinion: opinion.map(|review| Opinion { agrees: review.agrees, reason: review.reason.clone() }),
        read_first: case.read_first.as_ref().map(|read| read.class),
        images,
        exports_to,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hilum_domain::{Identity, Metadata};
    use hilum_store::{Actor, Origin, ReadFirst, Review};
    use serde_json::json;

    use super::*;
    use crate::{
        inference::{Loaded, Running},
        reader::Label,
    };

    fn moment(claimed: &str, trusted: bool, boot: &str) -> Moment {
        Moment { claimed: claimed.into(), trusted, boot: boot.into(), since_boot: Duration::from_secs(9) }
    }

    fn intake() -> Intake {
        Intake {
            control: false,
            identity: Identity::new("4711", "1954-03-02").expect("two"),
            metadata: Metadata::default(),
            origin: Origin::default(),
            volume: None,
            lesion: None,
            fields: Vec::new(),
            opened: moment("2026-11-23T12:00:00Z", true, "a"),
        }
    }

    fn case(state: State) -> Case {
        Case {
            number: CaseNumber(7),
            state,
            attempts: 1,
            intake: intake(),
            result: None,
            reviews: vec![Review { agrees: false, reason: "keratin".into(), by: Actor::Reviewer }],
            read_first: Some(ReadFirst { class: None, by: Actor::Reviewer, claimed: String::new(), trusted: false }),
        }
    }

    fn report() -> Value {
        let prediction = json!({"probabilities": [0.5, 0.2, 0.1, 0.1, 0.1]});
        json!({
            "refusal": null, "fused": prediction, "ct": prediction, "he": null, "weights": {"ct": 0.4, "he": 0.6},
            "metadata": {"weights_unknown": {"ct": 0.3, "he": 0.7}},
            "limits": [{"code": "no-he", "message": "m", "next_step": "n"}],
            "plain": {"ct": "ct-plain.png", "he": ["he-plain-1.png", "he-plain-2.png"]},
            "explanations": [
                {"modality": "ct", "method": "gradcam", "verdict": "not_checked", "overlays": ["ct-gradcam.png"]},
                {"modality": "he", "method": "gradcam++", "verdict": "blank", "overlays": []},
                {"modality": "he", "method": "gradcam", "verdict": "not_checked", "overlays": ["a.png", "gone.png"]},
            ],
            "bundle": {"name": "reference", "version": "1", "engine": "tract"},
        })
    }

    fn picture(name: &str) -> Option<Picture> {
        (name != "gone.png").then(|| Picture(Arc::new(image::RgbImage::new(1, 1))))
    }

    #[test]
    fn a_result_is_shown_whole_from_its_report() {
        let found = shown(&case(State::Assessed), Some(&report()), &picture, Some("STICK".into())).expect("a result");
        assert_eq!(found.patient.case, CaseNumber(7));
        assert_eq!((found.progress, found.read_first, found.images.len()), (Progress::Assessed, Some(None), 3));
        assert_eq!(found.opinion, Some(Opinion { agrees: false, reason: "keratin".into() }));
        let Outcome::Assessed(result) = found.outcome else { panic!("{:?}", found.outcome) };
        assert!((result.fused[0] - 0.5).abs() < 1e-12 && result.ct.is_some() && result.he.is_none());
        assert_eq!((result.weights, result.weights_unknown), ([0.4, 0.6], Some([0.3, 0.7])));
        assert_eq!(result.limits.iter().map(|limit| limit.code.as_str()).collect::<Vec<_>>(), ["no-he"]);
        let pairs: Vec<usize> = result.explanations.iter().map(|explanation| explanation.pictures.len()).collect();
        let methods: Vec<&str> = result.explanations.iter().map(|explanation| explanation.method.as_str()).collect();
        assert_eq!(methods, ["Grad-CAM", "Grad-CAM++", "Grad-CAM"]);
        assert_eq!(pairs, [1, 0, 1], "a pair only where both are kept");
        assert_eq!(result.made_by, "reference 1, tract");
        assert_eq!(
            pictures(&report()),
            ["ct-plain.png", "he-plain-1.png", "he-plain-2.png", "ct-gradcam.png", "a.png", "gone.png"]
        );
    }

    // verifies: REQ-RESULT-07
    #[test]
    fn what_has_no_result_is_not_shown_as_one() {
        let none = |state, report: Option<&Value>| shown(&case(state), report, &picture, None).is_none();
        assert!(none(State::Draft, Some(&report())) && none(State::Queued, Some(&report())));
        assert!(none(State::Expired, Some(&report())) && none(State::Assessed, None));
        let mut broken = report();
        broken["fused"]["probabilities"] = json!([1.0]);
        assert!(none(State::Assessed, Some(&broken)));
        let aside = shown(&case(State::SetAside), None, &picture, None).expect("it is");
        assert_eq!(aside.outcome, Outcome::SetAside);
        let refusal = json!({"refusal": {"code": "too-dark", "message": "m", "next_step": "n"}, "explanations": []});
        let refused = shown(&case(State::Reviewed), Some(&refusal), &picture, None).expect("it is");
        assert!(matches!(refused.outcome, Outcome::Refused(note) if note.code == "too-dark"));
    }

    #[test]
    fn today_is_the_clocks_where_it_is_believed_and_else_the_boots() {
        let then = moment("2026-11-23T12:00:00Z", true, "a");
        for (now, want) in [
            (moment("2026-11-23T23:59:59Z", true, "b"), true),
            (moment("2026-11-24T00:00:00Z", true, "a"), false),
            (moment("1970-01-01T00:00:00Z", false, "a"), true),
            (moment("2026-11-23T23:59:59Z", false, "b"), false),
        ] {
            assert_eq!(is_today(&then, &now), want, "{now:?}");
        }
    }

    fn vitals() -> Vitals {
        let loaded = Loaded { bundle: "reference 1".into(), name: "reference".into(), serial: 1, took: Duration::ZERO };
        let running = Running { engine: "tract", why: "it is the one that is asked for".into(), instead: false };
        Vitals {
            board: "sim".into(),
            networks: Networks::Ready(loaded),
            running: Some(running),
            warmth: Warmth::Warm,
            celsius: Some(76.4),
            feels: true,
            share: Some(false),
            camera: None,
            control: Controlled::Never,
            now: moment("2026-11-23T12:00:01Z", false, "a"),
        }
    }

    #[test]
    fn every_part_is_told_in_its_place() {
        let health = health(&vitals(), Storage::Full(499_999_999), Fitted { camera: false, share: true });
        let parts: Vec<_> = health.parts.iter().map(|part| (part.name, part.word, part.figure.as_str())).collect();
        assert_eq!(
            parts,
            [
                ("part-camera", "part-none", ""),
                ("part-share", "part-gone", ""),
                ("part-storage", "part-full", "499 MB"),
                ("part-temperature", "part-warm", "76 °C"),
                ("part-clock", "part-not-trusted", ""),
                ("part-control", "part-never", ""),
                ("part-networks", "part-well", ""),
            ]
        );
        let mut instead = vitals();
        instead.running = instead.running.map(|running| Running { instead: true, ..running });
        let told = self::health(&instead, Storage::Failed, Fitted { camera: false, share: true });
        assert_eq!(told.parts.last().map(|part| (part.condition, part.word)), Some((Condition::Warn, "part-instead")));
        let about: Vec<&str> = health.about.iter().map(|(name, _)| *name).collect();
        assert_eq!(about, ["about-version", "about-bundle", "about-engine", "about-board"]);
        assert_eq!([12_340_000_000, 9_870_000_000].map(amount), ["12 GB", "9.8 GB"]);
    }

    #[test]
    fn seconds_are_no_news_and_minutes_are() {
        let fitted = Fitted { camera: true, share: true };
        let at =
            |claimed: &str| health(&Vitals { now: moment(claimed, true, "a"), ..vitals() }, Storage::Failed, fitted);
        assert!(!differs(&at("2026-11-23T12:00:01Z"), &at("2026-11-23T12:00:59Z")));
        assert!(differs(&at("2026-11-23T12:00:59Z"), &at("2026-11-23T12:01:00Z")));
        let warmer = Vitals { celsius: Some(77.0), ..vitals() };
        assert!(differs(&health(&vitals(), Storage::Failed, fitted), &health(&warmer, Storage::Failed, fitted)));
    }

    #[test]
    fn exports_of_the_patient_come_first() {
        let offered = |key, id: &str| Offered {
            key,
            label: Label {
                patient_id: id.into(),
                series: "thorax".into(),
                study_date: Some("2026-11-01".into()),
                slices: 60,
            },
        };
        let found = exports(vec![offered(1, "4712"), offered(2, " 4711 ")], &intake());
        let found: Vec<_> =
            found.iter().map(|export| (export.key, export.matches, export.study_date.as_str())).collect();
        assert_eq!(found, [(2, true, "20261101"), (1, false, "20261101")]);
    }

    #[test]
    fn a_denial_has_a_word_for_its_kind() {
        for (exit, word) in [
            (2, "denied-refused"),
            (64, "denied-usage"),
            (65, "denied-unreadable"),
            (70, "denied-internal"),
            (75, "denied-not-ready"),
            (78, "denied-configuration"),
        ] {
            assert_eq!(denied(&Denied::new(exit, "why")).word, word);
        }
        let wait = denied(&Denied::of(protocol::No::PinWait(57), "too many wrong PINs: wait 57 s"));
        assert_eq!((wait.word, wait.why.as_ref()), ("denied-pin-wait", "57 s"));
    }

    #[test]
    fn a_case_is_where_the_bench_has_it() {
        let mut bench = Bench::default();
        assert_eq!(step(CaseNumber(1), 2, &bench), Step::Queue(2));
        let now = std::time::Instant::now();
        bench.case = Some((CaseNumber(1), Doing::Stage(hilum_assess::Stage::Fields), now));
        assert_eq!(step(CaseNumber(1), 0, &bench), Step::Fields);
        assert_eq!(step(CaseNumber(2), 1, &bench), Step::Queue(1));
    }

    #[test]
    fn a_line_of_the_log_says_who_did_what() {
        let text = json!({
            "number": 3, "claimed": "c", "trusted": true, "boot": "b", "since_boot_ms": 1, "actor": "operator",
            "action": "lesion-marked", "case": 7, "role": null, "row": null,
        });
        let of = |text: String| line(&Line { number: 3, before: [0; 32], text, hash: [0; 32] });
        let found = of(text.to_string()).expect("a line");
        assert_eq!(
            (found.by.as_str(), found.what.as_str(), found.case),
            ("operator", "lesion-marked", Some(CaseNumber(7)))
        );
        assert!(of("{}".into()).is_none());
    }
}
