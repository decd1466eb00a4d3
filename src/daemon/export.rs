//! A case on its way out: what of it goes into the one file that leaves the box.

use std::path::PathBuf;

use anyhow::Context as _;
use hilum_domain::{Age, CaseNumber, Class, MicronsPerPixel};
use hilum_intake::without_patient;
use hilum_report::NOTICE;
use hilum_store::{
    Actor, Case, Delivered, Files, Head, Line, NoOutside, Outside, Packer, ReadFirst, Recipient, Review, StoreFault,
    digits,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{office::Office, protocol::Denied, records::Closed};

/// The head of the log at each export, one a line, after the moment and the box.
const HEADS: &str = "hilum-head.txt";
/// So that two exports of a case do not write to one file.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// What to export, and where to.
pub(crate) struct Order {
    pub(crate) case: CaseNumber,
    pub(crate) to: PathBuf,
    /// To whom it is encrypted.
    pub(crate) recipient: Option<Recipient>,
    /// With the identifiers of the patient.
    pub(crate) identity: bool,
}

/// A case with its part of the log.
struct Leaving {
    /// Which box it leaves: a stick goes from one to the next, and each has a case 1.
    from: String,
    case: Case,
    lines: Vec<Line>,
    head: Head,
}

impl From<NoOutside> for Denied {
    fn from(no: NoOutside) -> Self {
        // A path may name a patient.
        Self::new(64, no.to_string())
    }
}

/// Why a case is not written.
enum Unwritten {
    Fault(StoreFault),
    Content(anyhow::Error),
}

impl From<StoreFault> for Unwritten {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<anyhow::Error> for Unwritten {
    fn from(error: anyhow::Error) -> Self {
        Self::Content(error)
    }
}

impl From<Unwritten> for Denied {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Fault(fault) => fault.into(),
            Unwritten::Content(error) => Self::new(70, format!("{error:#}")),
        }
    }
}

impl Office {
    /// Writes a case to a folder outside. It counts as exported when the file was read back from there.
    pub(crate) async fn export(&self, order: Order, actor: Actor) -> Result<Value, Denied> {
        let _one = ONE_AT_A_TIME.lock().await;
        let Order { case, to, recipient, identity } = order;
        if !to.is_absolute() {
            return Err(Denied::new(64, "the folder of an export is an absolute path"));
        }
        let leaving = self
            .records
            .with(move |store| -> Result<Leaving, StoreFault> {
                let leaving = store.case(case)?;
                leaving.state.when_exported()?;
                let (lines, head) = (store.lines_of(case)?, store.head()?);
                Ok(Leaving { from: store.box_name()?, case: leaving, lines, head })
            })
            .await??;
        let stem = format!("hilum-{}-{case}", leaving.from);
        let ending = if recipient.is_some() { ".tar.age" } else { ".tar" };
        let (files, within, claimed) = (self.records.files().clone(), self.exports.clone(), self.clock.now().claimed);
        let written = tokio::task::spawn_blocking(move || -> Result<(Outside, Delivered), Denied> {
            let outside = Outside::open(&to, within.as_deref())?;
            let fill = |packer: &mut Packer<'_>| packed(packer, &leaving, &files, identity);
            let delivered = outside.deliver(&stem, ending, recipient.as_ref(), fill)?;
            let head = outside.add_line(HEADS, &format!("{claimed} {} {}", leaving.from, leaving.head));
            head.inspect_err(|_| outside.take_back(&delivered))?;
            Ok((outside, delivered))
        });
        let (outside, delivered) = written.await.map_err(|_| Denied::new(70, "the export panicked"))??;
        let now = self.clock.now();
        let sha256 = delivered.sha256;
        let entered = self
            .records
            .with(move |store| Ok((store.exported(case, &sha256, actor, &now)?, store.head()?)))
            .await
            .map_err(Denied::from)
            .and_then(|entered: Result<_, StoreFault>| Ok(entered?));
        // What the log does not know did not leave.
        let (state, head) = entered.inspect_err(|_| outside.take_back(&delivered))?;
        tracing::info!(%case, bytes = delivered.bytes, encrypted = recipient.is_some(), identity, "exported");
        Ok(json!({
            "case": case.to_string(), "state": state.name(), "file": delivered.name, "bytes": delivered.bytes,
            "sha256": digits(&sha256), "head": head.to_string(),
        }))
    }

    /// Lines of the log from a number on, as they were chained.
    pub(crate) async fn log(&self, from: u64) -> Result<Value, Denied> {
        const MOST: usize = 1000;
        let read = move |store: &mut hilum_store::Store| -> Result<_, StoreFault> {
            Ok((store.lines(from, MOST)?, store.head()?))
        };
        let (lines, head) = self.records.with(read).await.map_err(|closed: Closed| Denied::from(closed))??;
        Ok(crate::logged(&lines, head))
    }
}

/// Everything of a case. Whoever has the file has what it takes to judge it and to assess it again.
fn packed(packer: &mut Packer<'_>, leaving: &Leaving, files: &Files, identity: bool) -> Result<(), Unwritten> {
    let Leaving { from, case, lines, head } = leaving;
    let mut about = described(case, identity);
    about["box"] = json!(from);
    packer.add("case.json", &[&pretty(&about)?])?;
    if let Some(kept) = &case.result {
        packer.add("report.json", &[kept.report.as_bytes()])?;
        for (name, blob) in &kept.files {
            packer.add(name, &[&files.get(blob)?])?;
        }
    }
    if let Some(volume) = &case.intake.volume {
        let kept = files.get(volume)?;
        if identity {
            packer.add(CT, &[&kept])?;
        } else {
            let (before, voxels) = without_patient(&kept).context("cannot leave the Patient ID out of the CT")?;
            packer.add(CT, &[&before, voxels])?;
        }
    }
    for (field, number) in case.intake.fields.iter().zip(1..) {
        packer.add(&field_name(number), &[&files.get(&field.picture)?])?;
    }
    let log: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
    // That each line is in the chain: its hash is the SHA-256 of the hash before it and of the line.
    let links = lines.iter().map(|line| format!("{} {} {}\n", line.number, digits(&line.before), digits(&line.hash)));
    packer.add("log.jsonl", &[log.as_bytes()])?;
    packer.add("chain.txt", &[links.collect::<String>().as_bytes()])?;
    packer.add("head.txt", &[format!("{head}\n").as_bytes()])?;
    Ok(())
}

const CT: &str = "ct.hilum";

fn field_name(number: usize) -> String {
    format!("field-{number}.png")
}

fn pretty(value: &Value) -> Result<Vec<u8>, Unwritten> {
    let mut bytes = serde_json::to_vec_pretty(value).context("cannot describe the case")?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A review as it is shown, with the person's reason or without.
pub(crate) fn reviewed(review: &Review, reason: bool) -> Value {
    let mut shown = json!({"agrees": review.agrees, "by": review.by});
    if reason {
        shown["reason"] = json!(review.reason);
    }
    shown
}

/// What a person saw before they were shown the result.
pub(crate) fn read_first(read: &ReadFirst) -> Value {
    json!({"class": read.class.map(Class::name), "by": read.by, "claimed": read.claimed, "trusted": read.trusted})
}

/// `case.json`: what is known of a case beside its result.
fn described(case: &Case, identity: bool) -> Value {
    let intake = &case.intake;
    let fields = intake.fields.iter().zip(1..).map(|(field, number)| {
        json!({
            "file": field_name(number), "um_per_px": field.scale.map(MicronsPerPixel::um), "colour": field.colour,
        })
    });
    // Reasons are a person's own words: they may name the patient.
    let reviews: Vec<Value> = case.reviews.iter().map(|review| reviewed(review, identity)).collect();
    let mut described = json!({
        "schema": "hilum.case/1",
        "notice": NOTICE,
        "program": format!("hilum {}", env!("CARGO_PKG_VERSION")),
        "case": case.number.to_string(),
        "control": intake.control,
        "state": case.state.name(),
        "attempts": case.attempts,
        "opened": {
            "claimed": intake.opened.claimed, "trusted": intake.opened.trusted, "boot": intake.opened.boot,
            "since_boot_s": intake.opened.since_boot.as_secs_f64(),
        },
        "metadata": {
            "age": intake.metadata.age.map(Age::years),
            "sex": intake.metadata.sex.map(hilum_domain::Sex::name),
            "smoking": intake.metadata.smoking.map(hilum_domain::Smoking::name),
            "specimen": intake.metadata.specimen.map(hilum_domain::Specimen::name),
        },
        "ct": intake.volume.as_ref().map(|_| json!({"file": CT, "patient_id": identity})),
        "lesion_lps_mm": intake.lesion.map(|lesion| lesion.lps_mm),
        "fields": fields.collect::<Vec<Value>>(),
        "read_first": case.read_first.as_ref().map(read_first),
        "review": reviews.last(),
        "reviews": reviews,
    });
    if identity {
        described["identity"] = json!([intake.identity.first(), intake.identity.second()]);
    }
    described
}
