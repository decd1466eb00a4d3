//! `hilum store check`: a file that left a box, judged by itself. No daemon, no store, no network.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use hilum_report::files_of;
use hilum_store::{AgeIdentity, Contents, Entry, Head, NotAge, Opening, check, digits};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    Failure,
    socket::{print, word},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file, as `hilum store export` or `hilum support` wrote it.
    file: PathBuf,
    /// The age identity that an encrypted file was encrypted to.
    #[arg(long, value_name = "FILE")]
    age_identity: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let checked = checked(&arguments.file, arguments.age_identity.as_deref())?;
    print(&checked, arguments.json, |checked| {
        let what = match word(checked, "kind") {
            "case" => {
                format!("case {} of box {} ({})", word(checked, "case"), word(checked, "box"), word(checked, "state"))
            }
            kind => kind.to_owned(),
        };
        let encrypted = if checked["encrypted"] == true { ", encrypted" } else { "" };
        let head = match checked["head"].as_str() {
            Some(head) => format!("; head {head}"),
            None => String::new(),
        };
        format!(
            "{what}, whole: {} entries{encrypted}; SHA-256 {}{head}",
            checked["entries"].as_array().map_or(0, Vec::len),
            word(checked, "sha256")
        )
    })
}

fn unreadable(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Unreadable(error.into())
}

fn damaged(why: impl std::fmt::Display) -> Failure {
    Failure::Unreadable(anyhow::anyhow!("the file is damaged: {why}"))
}

fn checked(path: &Path, identity: Option<&Path>) -> Result<Value, Failure> {
    let mut first = Vec::new();
    File::open(path).and_then(|file| file.take(4).read_to_end(&mut first)).map_err(unreadable)?;
    let encrypted = first == b"age-";
    let mut file = Hashed { file: File::open(path).map_err(unreadable)?, hash: Sha256::new() };
    let contents = if encrypted {
        let identity =
            identity.ok_or_else(|| Failure::Usage("the file is encrypted: name --age-identity".to_owned()))?;
        let not = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", identity.display()));
        let text = Zeroizing::new(fs::read_to_string(identity).map_err(|error| not(&error))?);
        let identity: AgeIdentity = text.parse().map_err(|error: NotAge| not(&error))?;
        check(&mut Opening::new(BufReader::new(&mut file), &identity).map_err(unreadable)?)
    } else {
        check(&mut BufReader::new(&mut file))
    };
    let contents = contents.map_err(unreadable)?;
    let mut described = meant(&contents)?;
    let entries = contents.entries.iter();
    described["entries"] =
        entries.map(|of| json!({"name": of.name, "bytes": of.bytes, "sha256": digits(&of.sha256)})).collect();
    described["encrypted"] = encrypted.into();
    described["sha256"] = digits(&file.hash.finalize().into()).into();
    Ok(described)
}

/// What a whole file is, and whether its parts fit one another.
fn meant(contents: &Contents) -> Result<Value, Failure> {
    let text = |name: &str| contents.texts.get(name);
    let parsed = |name: &str| -> Result<Option<Value>, Failure> {
        let parsed = text(name).map(|bytes| serde_json::from_slice(bytes)).transpose();
        parsed.map_err(|_| damaged(format!("{name} is no JSON")))
    };
    let Some(case) = parsed("case.json")? else {
        let kind = if text("support.json").is_some() { "support" } else { "unknown" };
        return Ok(json!({"kind": kind}));
    };
    let report = text("report.json").ok_or_else(|| damaged("there is no report.json"))?;
    let there: BTreeSet<&str> = contents.entries.iter().map(|of| of.name.as_str()).collect();
    let mut named = explained(report).ok_or_else(|| damaged("report.json is no report"))?;
    let fields = case["fields"].as_array().into_iter().flatten();
    let inputs = fields.chain([&case["ct"]]).filter_map(|input| input["file"].as_str());
    named.extend(inputs.map(str::to_owned));
    if let Some(missing) = named.iter().find(|name| !there.contains(name.as_str())) {
        return Err(damaged(format!("{missing} is not in it")));
    }
    let head = text("head.txt").and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default().trim();
    head.parse::<Head>().map_err(|error| damaged(format!("head.txt: {error}")))?;
    let entries =
        chained(contents, word(&case, "case")).ok_or_else(|| damaged("the log's lines are not in its chain"))?;
    let report: Value = serde_json::from_slice(report).map_err(|_| damaged("report.json is no report"))?;
    Ok(json!({
        "kind": "case", "case": case["case"], "box": case["box"], "state": case["state"], "outcome": report["outcome"],
        "predicted": report["fused"]["predicted"], "review": case["review"], "reviews": case["reviews"],
        "identity": case.get("identity").is_some(),
        "head": head, "log_entries": entries,
    }))
}

/// The files that the explanations of a report name.
fn explained(report: &[u8]) -> Option<Vec<String>> {
    let mut named = files_of(report)?;
    // The two pictures of the result are not named by it.
    named.retain(|name| name != "result.png" && name != "ct.png");
    Some(named)
}

/// How many lines of the log there are, if each follows from the hash beside it, and all are this case's.
fn chained(contents: &Contents, case: &str) -> Option<usize> {
    let case: hilum_domain::CaseNumber = case.parse().ok()?;
    let text = |name: &str| std::str::from_utf8(contents.texts.get(name)?).ok();
    let (log, chain) = (text("log.jsonl")?, text("chain.txt")?);
    let mut count = 0;
    let mut links = chain.lines();
    for line in log.lines() {
        let entry: Entry = serde_json::from_str(line).ok()?;
        let mut words = links.next()?.split(' ');
        let (number, before, hash) = (words.next()?, words.next()?, words.next()?);
        let before: Head = format!("0-{before}").parse().ok()?;
        let follows = digits(&Sha256::new().chain_update(before.hash).chain_update(line).finalize().into());
        if number != entry.number.to_string() || hash != follows || entry.case != Some(case.0) {
            return None;
        }
        count += 1;
    }
    links.next().is_none().then_some(count)
}

/// Hashes a file while it is read.
struct Hashed {
    file: File,
    hash: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(into)?;
        self.hash.update(&into[..length]);
        Ok(length)
    }
}
