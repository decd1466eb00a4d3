//! Requirements, risks and tests in one table: `docs/risks.toml` has the first two, a line above a test says what it verifies
//! (`// verifies: REQ-…`, `# verifies: REQ-…`), and `docs/traceability.md` is written from both.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::Context as _;
use serde::Deserialize;

use crate::{
    source::Parts,
    tidy::{entries, shown},
};

/// The requirements and the risks.
pub(crate) const DATA: &str = "docs/risks.toml";
/// What is made of them.
pub(crate) const TABLE: &str = "docs/traceability.md";

/// Where tests are.
const FOLDERS: [&str; 4] = ["src", "tests", "cross", "models/tests"];
/// Inputs and pictures of tests, by the thousand.
const SKIPPED: [&str; 2] = ["tests/fuzz/corpus", "tests/golden"];
/// What a tag line begins with, behind the comment's own sign.
const TAG: &str = "verifies:";
/// Programs that are a test as a whole, or one in each of their steps: there, a tag may stand before any function or statement.
const SCRIPTS: [&str; 7] = [
    "cross/boot-test",
    "cross/test",
    "tests/daemon/kill9",
    "tests/power/many",
    "tests/supply/advisories",
    "tests/supply/sbom",
    "tests/supply/units",
];
/// Columns of a line, as everywhere in the documentation.
const WIDTH: usize = 140;
/// The highest severity and the highest probability.
const HIGHEST: u8 = 5;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    /// What is said before the tables.
    head: String,
    severity: Vec<String>,
    probability: Vec<String>,
    /// The lowest products of severity and probability that are called medium and high.
    medium: u8,
    high: u8,
    item: Vec<Item>,
    requirement: Vec<Requirement>,
    risk: Vec<Risk>,
}

/// A software item (IEC 62304, 3.25).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    class: String,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    says: String,
    /// The contract or clause it comes from.
    from: String,
    /// The software items that fulfil it.
    items: Vec<String>,
    /// Why there is no test of it, where there is none.
    untested: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Risk {
    id: String,
    name: String,
    hazard: String,
    sequence: String,
    situation: String,
    harm: String,
    /// Severity and probability.
    before: [u8; 2],
    after: [u8; 2],
    controls: Vec<Control>,
    residual: String,
    /// IEC 81001-5-1: who or what acts, and what lets them. Both, or neither.
    threat: Option<String>,
    vulnerability: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Control {
    by: By,
    requirements: Vec<String>,
}

/// ISO 14971, 7.1, in its order of preference.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum By {
    Design,
    Protection,
    Information,
}

impl By {
    fn words(self) -> &'static str {
        match self {
            Self::Design => "inherent design",
            Self::Protection => "protective measure",
            Self::Information => "information for safety",
        }
    }
}

/// A test that says what it verifies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tagged {
    requirement: String,
    path: String,
    test: String,
}

/// What the checkout says of requirements, risks and tests.
#[derive(Debug, Default)]
pub(crate) struct Traced {
    pub(crate) problems: Vec<String>,
    /// What belongs into [`TABLE`]; nothing where [`DATA`] cannot be read.
    pub(crate) table: String,
    /// Requirements, risks, tests with a tag, requirements without a test.
    pub(crate) counts: [usize; 4],
}

/// Reads data and tags of the checkout at `root`.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn trace(root: &Path) -> anyhow::Result<Traced> {
    let text = fs::read_to_string(root.join(DATA)).with_context(|| format!("cannot read {DATA}"))?;
    let mut traced = Traced::default();
    let mut tags = Vec::new();
    let mut folders: Vec<_> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        if SKIPPED.contains(&shown(root, &folder).as_str()) || folder.ends_with("__pycache__") {
            continue;
        }
        let (inner, files) = entries(&folder)?;
        folders.extend(inner);
        for file in files {
            let path = shown(root, &file);
            let language = Language::of(&path);
            // What is no text has no tags.
            if let (Some(language), Ok(text)) = (language, fs::read_to_string(&file)) {
                let (found, problems) = tags_in(&path, &text, language);
                tags.extend(found);
                traced.problems.extend(problems);
            }
        }
    }
    tags.sort();
    traced.problems.sort();
    match toml::from_str::<Data>(&text) {
        Ok(data) => {
            traced.problems.extend(problems(&data, &tags));
            traced.table = table(&data, &tags);
            for (number, line) in (1..).zip(traced.table.lines()) {
                if line.chars().count() > WIDTH {
                    traced.problems.push(format!("{TABLE}:{number} would have more than {WIDTH} columns: {line}"));
                }
            }
            let tests: BTreeSet<_> = tags.iter().map(|tag| (&tag.path, &tag.test)).collect();
            let untested = data.requirement.iter().filter(|requirement| requirement.untested.is_some());
            traced.counts = [data.requirement.len(), data.risk.len(), tests.len(), untested.count()];
        }
        Err(error) => traced.problems.push(format!("{DATA}: {error}")),
    }
    Ok(traced)
}

/// What is wrong with requirements, risks and tags, and with the table that is there.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let Traced { mut problems, table, .. } = trace(root)?;
    if problems.is_empty() {
        let there = fs::read_to_string(root.join(TABLE)).with_context(|| format!("cannot read {TABLE}"))?;
        if there != table {
            problems.push(format!("{TABLE} is not what {DATA} and the tests say: cargo xtask trace writes it"));
        }
    }
    Ok(problems)
}

// --- tags ---

/// How a file writes comments and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Rust,
    Python,
    Script,
}

impl Language {
    fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        match name.rsplit_once('.') {
            _ if SCRIPTS.contains(&path) => Some(Self::Script),
            Some((_, "rs")) => Some(Self::Rust),
            Some((_, "py")) => Some(Self::Python),
            // Any other program: a tag there is one too many, and is said.
            None | Some((_, "sh")) => Some(Self::Script),
            Some(_) => None,
        }
    }

    fn comment(self) -> &'static str {
        match self {
            Self::Rust => "//",
            Self::Python | Self::Script => "#",
        }
    }
}

/// The tags of a file, and what is wrong with them.
fn tags_in(path: &str, text: &str, language: Language) -> (Vec<Tagged>, Vec<String>) {
    let (mut tags, mut problems) = (Vec::new(), Vec::new());
    if !text.contains(TAG) {
        return (tags, problems);
    }
    let lines: Vec<&str> = text.lines().collect();
    // In Rust a word in a string is none in a comment.
    let parts = (language == Language::Rust).then(|| Parts::of(text));
    let comments: Option<Vec<&str>> = parts.as_ref().map(|parts| parts.comments.split('\n').collect());
    let said = |index: usize| -> Option<&str> {
        let inside = lines[index].trim_start().strip_prefix(language.comment())?.trim_start().strip_prefix(TAG)?;
        let is_comment = comments.as_ref().is_none_or(|comments| comments[index].contains(TAG));
        is_comment.then_some(inside)
    };
    for index in 0..lines.len() {
        let Some(ids) = said(index) else { continue };
        let at = format!("{path}:{}", index + 1);
        let test = match language {
            Language::Rust => rust_test(&lines[index + 1..]),
            Language::Python => python_test(path, &lines[index + 1..]),
            Language::Script => step(path, &lines[index + 1..]),
        };
        let Some(test) = test else {
            problems.push(format!("{at}: below the tag there is no test"));
            continue;
        };
        let ids: Vec<&str> = ids.split(',').map(str::trim).collect();
        if ids.iter().any(|id| !is_id(id, "REQ-")) {
            problems.push(format!("{at}: a tag lists requirements, such as REQ-STORE-01, with commas between them"));
            continue;
        }
        for id in ids {
            let tag = Tagged { requirement: id.to_owned(), path: path.to_owned(), test: test.clone() };
            if tags.contains(&tag) {
                problems.push(format!("{at}: {id} stands above {test} twice"));
            } else {
                tags.push(tag);
            }
        }
    }
    (tags, problems)
}

/// Whether a line is nothing but a comment.
fn is_comment(line: &str, language: Language) -> bool {
    line.trim_start().starts_with(language.comment())
}

/// The function below a tag, if it is a test: comments and attributes may come between, nothing else.
fn rust_test(below: &[&str]) -> Option<String> {
    let mut is_test = false;
    let mut depth = 0_i32;
    for line in below {
        let trimmed = line.trim();
        if is_comment(line, Language::Rust) {
            continue;
        }
        if depth == 0 && !trimmed.starts_with("#[") {
            let name = function(trimmed, &["pub ", "async "], "fn ")?;
            return is_test.then_some(name);
        }
        is_test |= trimmed == "#[test]" || trimmed.starts_with("#[tokio::test");
        let count = |bracket| i32::try_from(trimmed.matches(bracket).count()).unwrap_or(0);
        depth += count('[') - count(']');
    }
    None
}

/// The test function below a tag: comments and decorators may come between.
fn python_test(path: &str, below: &[&str]) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let mut depth = 0_i32;
    for line in below {
        let trimmed = line.trim();
        if depth == 0 {
            if is_comment(line, Language::Python) {
                continue;
            }
            if !trimmed.starts_with('@') {
                let name = function(trimmed, &["async "], "def ")?;
                return (file.starts_with("test_") && name.starts_with("test_")).then_some(name);
            }
        }
        let count = |brackets: [char; 3]| i32::try_from(trimmed.matches(brackets).count()).unwrap_or(0);
        depth += count(['(', '[', '{']) - count([')', ']', '}']);
    }
    None
}

/// What a step of a script is called: its function, in Python or in shell, if it is one; else what the script says when the step is
/// done, in the next `told("…")`.
fn step(path: &str, below: &[&str]) -> Option<String> {
    if !SCRIPTS.contains(&path) {
        return None;
    }
    let first = below.iter().find(|line| !is_comment(line, Language::Script))?.trim();
    if first.is_empty() {
        return None;
    }
    if let Some(name) = function(first, &[], "def ").or_else(|| shell_function(first)) {
        return Some(name);
    }
    let said = below.iter().find_map(|line| line.trim().strip_prefix("told("))?;
    let words = said.trim_start_matches('f').trim_start_matches('"');
    let words = words.split('"').next()?;
    // What is filled in at run time has no words here.
    let words: String =
        words.split('{').map(|part| part.rsplit('}').next().unwrap_or(part)).collect::<Vec<_>>().join("…");
    Some(words.trim_end_matches(['…', ':', ' ', ',']).to_owned()).filter(|words| !words.is_empty())
}

fn shell_function(line: &str) -> Option<String> {
    let name = line.split_once("()")?.0;
    (!name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')).then(|| name.to_owned())
}

/// The name of the function that a line begins.
fn function(line: &str, words: &[&str], keyword: &str) -> Option<String> {
    let mut rest = line;
    for word in words {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let name: String = rest.strip_prefix(keyword)?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// `PREFIX-AREA-01`: the area in capitals, two digits.
fn is_id(id: &str, prefix: &str) -> bool {
    let parts = id.strip_prefix(prefix).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(area, number)| {
        let capitals = !area.is_empty() && area.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        capitals && number.len() == 2 && number.chars().all(|c| c.is_ascii_digit())
    })
}

// --- what must be true of them ---

fn problems(data: &Data, tags: &[Tagged]) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |problem: String| found.push(format!("{DATA}: {problem}"));
    let mut seen = BTreeSet::new();
    let ids =
        data.requirement.iter().map(|one| (&one.id, "REQ-")).chain(data.risk.iter().map(|one| (&one.id, "RISK-")));
    for (id, prefix) in ids {
        if !is_id(id, prefix) {
            say(format!("{id} is no id, such as {prefix}STORE-01"));
        }
        if !seen.insert(id.as_str()) {
            say(format!("{id} is there twice"));
        }
    }
    let items: BTreeSet<&str> = data.item.iter().map(|item| item.name.as_str()).collect();
    let known: BTreeSet<&str> = data.requirement.iter().map(|one| one.id.as_str()).collect();
    let tested: BTreeSet<&str> = tags.iter().map(|tag| tag.requirement.as_str()).collect();
    let controlling: BTreeSet<&str> = data.risk.iter().flat_map(controls).collect();
    for Requirement { id, says, from, items: of, untested } in &data.requirement {
        for item in of.iter().filter(|item| !items.contains(item.as_str())) {
            say(format!("{id}: {item} is no software item"));
        }
        if says.trim().is_empty() || from.trim().is_empty() || of.is_empty() {
            say(format!("{id} says nothing, comes from nowhere, or is nobody's"));
        }
        match (tested.contains(id.as_str()), untested.as_deref().map(str::trim)) {
            (false, None | Some("")) => say(format!("{id} has neither a test nor a reason why there is none")),
            (true, Some(_)) => say(format!("{id} has a test, and says why it has none")),
            _ => {}
        }
        if !controlling.contains(id.as_str()) {
            say(format!("{id} controls no risk"));
        }
    }
    for risk in &data.risk {
        let id = &risk.id;
        for unknown in controls(risk).filter(|requirement| !known.contains(requirement)) {
            say(format!("{id} names {unknown}, which is no requirement"));
        }
        if controls(risk).next().is_none() {
            say(format!("{id} has no control"));
        }
        if !risk.controls.is_sorted_by_key(|control| control.by) {
            say(format!("{id}: inherent design comes first, then protective measures, then information"));
        }
        let levels = [risk.before, risk.after];
        if levels.as_flattened().iter().any(|level| !(1..=HIGHEST).contains(level)) {
            say(format!("{id}: severity and probability are 1 to {HIGHEST}"));
        }
        if risk.after.iter().zip(&risk.before).any(|(after, before)| after > before) {
            say(format!("{id} is worse after its controls than before"));
        }
        if risk.threat.is_some() != risk.vulnerability.is_some() {
            say(format!("{id}: a threat needs a vulnerability, and a vulnerability a threat"));
        }
    }
    for tag in tags.iter().filter(|tag| !known.contains(tag.requirement.as_str())) {
        found.push(format!("{}: {} verifies {}, which is no requirement", tag.path, tag.test, tag.requirement));
    }
    found
}

/// The requirements that control a risk.
fn controls(risk: &Risk) -> impl Iterator<Item = &str> {
    risk.controls.iter().flat_map(|control| control.requirements.iter().map(String::as_str))
}

// --- the table ---

fn table(data: &Data, tags: &[Tagged]) -> String {
    let mut text = String::new();
    let mut tests: BTreeMap<&str, Vec<&Tagged>> = BTreeMap::new();
    for tag in tags {
        tests.entry(&tag.requirement).or_default().push(tag);
    }
    put(&mut text, "# Requirements, risks, tests\n");
    put(&mut text, &format!("<!-- cargo xtask trace writes this file from {DATA} and the tests. -->\n"));
    put(&mut text, &format!("{}\n", data.head.trim()));
    scale(&mut text, data);
    put(&mut text, "## Software items\n\n| item | class | why |\n|---|---|---|");
    for Item { name, class, why } in &data.item {
        put(&mut text, &format!("| `{name}` | {class} | {why} |"));
    }
    put(&mut text, "\n## Requirements and what verifies them");
    let mut area = "";
    for requirement in &data.requirement {
        let own = area_of(&requirement.id);
        if own != area {
            put(&mut text, &format!("\n### {own}"));
            area = own;
        }
        let own = tests.get(requirement.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        of_requirement(&mut text, data, requirement, own);
    }
    put(&mut text, "\n## Risks, their controls, and what remains\n");
    risks(&mut text, data);
    without_test(&mut text, data);
    text
}

fn put(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The middle of an id.
fn area_of(id: &str) -> &str {
    id.split('-').nth(1).unwrap_or(id)
}

fn scale(text: &mut String, data: &Data) {
    put(text, "| | severity of the harm | probability of the harm |\n|---|---|---|");
    for (number, (severity, probability)) in (1..).zip(data.severity.iter().zip(&data.probability)) {
        put(text, &format!("| {number} | {severity} | {probability} |"));
    }
    let Data { medium, high, .. } = data;
    put(text, &format!("\nSeverity times probability: below {medium} low, from {medium} medium, from {high} high.\n"));
}

fn of_requirement(text: &mut String, data: &Data, requirement: &Requirement, tests: &[&Tagged]) {
    let Requirement { id, says, from, items, untested } = requirement;
    let items = items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ");
    put(text, "");
    put(text, &wrapped(&format!("**{id}** {says} *From:* {from}. *In:* {items}.")));
    let of: Vec<&str> =
        data.risk.iter().filter(|risk| controls(risk).any(|one| one == id)).map(|risk| risk.id.as_str()).collect();
    put(text, &wrapped(&format!("*Controls:* {}.", of.join(", "))));
    if let Some(why) = untested {
        put(text, &wrapped(&format!("*No test:* {why}")));
        return;
    }
    put(text, "\n| verified by | in |\n|---|---|");
    for Tagged { path, test, .. } in tests {
        let is_name = test.chars().all(|c| c.is_alphanumeric() || c == '_');
        let test = if is_name { format!("`{test}`") } else { test.clone() };
        put(text, &format!("| {test} | `{path}` |"));
    }
}

fn risks(text: &mut String, data: &Data) {
    put(text, "| risk | | before | after |\n|---|---|---|---|");
    let level = |[severity, probability]: [u8; 2]| {
        let product = severity * probability;
        let word = match product {
            product if product >= data.high => "high",
            product if product >= data.medium => "medium",
            _ => "low",
        };
        format!("{severity} × {probability}, {word}")
    };
    for risk in &data.risk {
        put(text, &format!("| {} | {} | {} | {} |", risk.id, risk.name, level(risk.before), level(risk.after)));
    }
    let mut area = "";
    for risk in &data.risk {
        let own = area_of(&risk.id);
        if own != area {
            put(text, &format!("\n### {own}"));
            area = own;
        }
        put(text, "");
        let mut first = format!("**{}** {}. *Hazard:* {} ", risk.id, risk.name, risk.hazard);
        if let (Some(threat), Some(vulnerability)) = (&risk.threat, &risk.vulnerability) {
            first += &format!("*Threat:* {threat} *Vulnerability:* {vulnerability} ");
        }
        let Risk { sequence, situation, harm, .. } = risk;
        first += &format!("*Sequence of events:* {sequence} *Hazardous situation:* {situation} *Harm:* {harm}");
        put(text, &wrapped(&first));
        put(text, &format!("\n| before: {} | after: {} |\n|---|---|", level(risk.before), level(risk.after)));
        for Control { by, requirements } in &risk.controls {
            for (number, some) in requirements.chunks(4).enumerate() {
                let name = if number == 0 { by.words() } else { "" };
                put(text, &format!("| {name} | {} |", some.join(", ")));
            }
        }
        put(text, "");
        put(text, &wrapped(&format!("*What remains:* {}", risk.residual)));
    }
}

fn without_test(text: &mut String, data: &Data) {
    put(text, "\n## Requirements without a test\n");
    let mut all = data.requirement.iter().filter_map(|one| one.untested.as_ref().map(|why| (&one.id, why))).peekable();
    if all.peek().is_none() {
        put(text, "None.");
    }
    for (id, why) in all {
        put(text, &wrapped(&format!("- **{id}** {why}")));
    }
}

/// A paragraph in lines of at most [`WIDTH`] columns.
fn wrapped(paragraph: &str) -> String {
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let line = lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= WIDTH);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "head = 'x'\nseverity = ['a']\nprobability = ['b']\nmedium = 5\nhigh = 10\n\
        [[item]]\nname = 'store'\nclass = 'C'\nwhy = 'x'\n";

    fn requirement(id: &str, more: &str) -> String {
        format!("[[requirement]]\nid = '{id}'\nsays = 'x.'\nfrom = 'y'\nitems = ['store']\n{more}\n")
    }

    fn risk(id: &str, controls: &str, more: &str) -> String {
        format!(
            "[[risk]]\nid = '{id}'\nname = 'x'\nhazard = 'x.'\nsequence = 'x.'\nsituation = 'x.'\nharm = 'x.'\n\
             before = [5, 4]\nafter = [5, 1]\ncontrols = [{controls}]\nresidual = 'x.'\n{more}\n"
        )
    }

    fn by_design(ids: &str) -> String {
        format!("{{ by = 'design', requirements = [{ids}] }}")
    }

    fn tag(id: &str) -> Tagged {
        Tagged { requirement: id.to_owned(), path: "src/x.rs".to_owned(), test: "holds".to_owned() }
    }

    #[track_caller]
    fn check(parts: &[String], tags: &[Tagged], want: &[&str]) {
        let data: Data = toml::from_str(&[HEAD, &parts.concat()].concat()).expect("valid");
        let found = problems(&data, tags);
        assert_eq!(found.len(), want.len(), "{found:#?}");
        for (found, want) in found.iter().zip(want) {
            assert!(found.contains(want), "{found} where {want} was expected");
        }
    }

    #[test]
    fn what_hangs_together_has_no_problem() {
        let parts = [requirement("REQ-A-01", ""), risk("RISK-A-01", &by_design("'REQ-A-01'"), "")];
        check(&parts, &[tag("REQ-A-01")], &[]);
        check(&[requirement("REQ-A-01", "untested = 'hardware'"), parts[1].clone()], &[], &[]);
    }

    #[test]
    fn ids_are_known_and_there_once() {
        let [one, of] = [requirement("REQ-A-01", ""), risk("RISK-A-01", &by_design("'REQ-A-01'"), "")];
        let tags = [tag("REQ-A-01")];
        check(&[one.clone(), one.clone(), of.clone()], &tags, &["REQ-A-01 is there twice"]);
        check(&[one.clone(), of.clone(), of.clone()], &tags, &["RISK-A-01 is there twice"]);
        check(
            &[one.clone(), of.clone()],
            &[tags[0].clone(), tag("REQ-B-07")],
            &["src/x.rs: holds verifies REQ-B-07, which is no requirement"],
        );
        let other = risk("RISK-A-02", &by_design("'REQ-A-01', 'REQ-Z-01'"), "");
        check(&[one.clone(), of.clone(), other], &tags, &["RISK-A-02 names REQ-Z-01, which is no requirement"]);
        let odd = requirement("REQ-a-1", "untested = 'x'");
        check(&[odd, one, of], &tags, &["REQ-a-1 is no id", "REQ-a-1 controls no risk"]);
    }

    #[test]
    fn a_requirement_has_a_test_or_a_reason_and_a_risk() {
        let of = risk("RISK-A-01", &by_design("'REQ-A-01'"), "");
        let neither = "neither a test nor a reason";
        check(&[requirement("REQ-A-01", ""), of.clone()], &[], &[neither]);
        check(&[requirement("REQ-A-01", "untested = ' '"), of.clone()], &[], &[neither]);
        let both = [requirement("REQ-A-01", "untested = 'x'"), of.clone()];
        check(&both, &[tag("REQ-A-01")], &["has a test, and says why it has none"]);
        let two = [requirement("REQ-A-01", ""), requirement("REQ-A-02", ""), of];
        check(&two, &[tag("REQ-A-01"), tag("REQ-A-02")], &["REQ-A-02 controls no risk"]);
    }

    #[test]
    fn a_risk_is_on_the_scale_and_its_controls_in_order() {
        let one = requirement("REQ-A-01", "");
        let tags = [tag("REQ-A-01")];
        let controls = by_design("'REQ-A-01'");
        let turned = format!("{{ by = 'information', requirements = ['REQ-A-01'] }}, {controls}");
        check(&[one.clone(), risk("RISK-A-01", &turned, "")], &tags, &["inherent design comes first"]);
        for (from, to, want) in [
            ("before = [5, 4]", "before = [6, 4]", "are 1 to 5"),
            ("after = [5, 1]", "after = [5, 0]", "are 1 to 5"),
            ("after = [5, 1]", "after = [5, 5]", "is worse after its controls"),
        ] {
            check(&[one.clone(), risk("RISK-A-01", &controls, "").replace(from, to)], &tags, &[want]);
        }
        let half = risk("RISK-A-01", &controls, "threat = 'x'");
        check(&[one.clone(), half], &tags, &["a threat needs a vulnerability"]);
        check(&[one, risk("RISK-A-01", "", "")], &tags, &["REQ-A-01 controls no risk", "RISK-A-01 has no control"]);
    }

    #[test]
    fn words_that_nobody_knows_are_no_data() {
        for wrong in [
            requirement("REQ-A-01", "colour = 'blue'"),
            risk("RISK-A-01", "{ by = 'hope', requirements = [] }", ""),
            "[[requirement]]\nid = 'REQ-A-01'".to_owned(),
        ] {
            assert!(toml::from_str::<Data>(&[HEAD, &wrong].concat()).is_err(), "{wrong}");
        }
    }

    #[track_caller]
    fn check_tags(path: &str, text: &str, want: Result<&[(&str, &str)], &str>) {
        let (tags, problems) = tags_in(path, text, Language::of(path).expect("a language"));
        match want {
            Ok(want) => {
                assert_eq!(problems, [""; 0], "{text}");
                let found: Vec<_> = tags.iter().map(|tag| (tag.requirement.as_str(), tag.test.as_str())).collect();
                assert_eq!(found, want, "{text}");
            }
            Err(want) => {
                assert!(problems.len() == 1 && problems[0].contains(want), "{problems:?} where {want:?} was expected");
            }
        }
    }

    #[test]
    fn a_tag_belongs_to_the_test_below_it() {
        let path = "src/x.rs";
        check_tags(path, "// verifies: REQ-A-01\n#[test]\nfn one() {}", Ok(&[("REQ-A-01", "one")]));
        let two = Ok(&[("REQ-A-01", "one"), ("REQ-B-02", "one")][..]);
        check_tags(path, "// verifies: REQ-A-01, REQ-B-02\n/// Doc.\n#[tokio::test]\nasync fn one() {}", two);
        check_tags(path, "// verifies: REQ-A-01\n// verifies: REQ-B-02\n    #[cfg(unix)]\n#[test]\nfn one() {}", two);
        let attribute = "// verifies: REQ-A-01\n#[test]\n#[expect(\n    a,\n    reason = \"b\"\n)]\nfn one() {}";
        check_tags(path, attribute, Ok(&[("REQ-A-01", "one")]));
        check_tags(path, "const A: &str = \"\n// verifies: REQ-A-01\n\";", Ok(&[]));
        check_tags(
            "tests/peers/test_x.py",
            "# verifies: REQ-A-01\n@pytest.mark.parametrize(\n    \"a\",\n    [1],\n)\ndef test_one(a):",
            Ok(&[("REQ-A-01", "test_one")]),
        );
    }

    #[test]
    fn a_step_of_a_script_has_the_name_of_what_it_says() {
        let path = "cross/boot-test";
        check_tags(
            path,
            "    # verifies: REQ-A-01\n    a = b()\n    told(f\"{c} is refused: {d}\")",
            Ok(&[("REQ-A-01", "… is refused")]),
        );
        check_tags(path, "# verifies: REQ-A-01\ndef through(box):", Ok(&[("REQ-A-01", "through")]));
        check_tags(
            "cross/test",
            "# verifies: REQ-A-01\nstep_bundle() { emulated x; }",
            Ok(&[("REQ-A-01", "step_bundle")]),
        );
    }

    #[test]
    fn a_tag_above_no_test_is_found() {
        let none = Err("below the tag there is no test");
        check_tags("src/x.rs", "// verifies: REQ-A-01\nfn helper() {}", none);
        check_tags("src/x.rs", "// verifies: REQ-A-01\n\n#[test]\nfn one() {}", none);
        check_tags("src/x.rs", "#[test]\n// verifies: REQ-A-01\nfn one() {}", none);
        check_tags("src/x.rs", "// verifies: REQ-A-01", none);
        check_tags("tests/peers/test_x.py", "# verifies: REQ-A-01\ndef helper():", none);
        check_tags("tests/peers/pacs.py", "# verifies: REQ-A-01\ndef test_one():", none);
        check_tags("tests/bench/scaling", "# verifies: REQ-A-01\ndef test_one():", none);
        check_tags("tests/hil/bench.sh", "# verifies: REQ-A-01\nbench() {", none);
        check_tags("cross/boot-test", "# verifies: REQ-A-01\n\ntold(\"x\")", none);
    }

    #[test]
    fn a_tag_is_a_list_of_ids() {
        let list = Err("a tag lists requirements");
        check_tags("src/x.rs", "// verifies: the store\n#[test]\nfn one() {}", list);
        check_tags("src/x.rs", "// verifies:\n#[test]\nfn one() {}", list);
        check_tags("src/x.rs", "// verifies: REQ-A-01 REQ-A-02\n#[test]\nfn one() {}", list);
        let twice = Err("REQ-A-01 stands above one twice");
        check_tags("src/x.rs", "// verifies: REQ-A-01, REQ-A-01\n#[test]\nfn one() {}", twice);
    }

    #[test]
    fn the_table_has_both_ways_and_no_long_line() {
        let parts = [requirement("REQ-A-01", ""), risk("RISK-A-01", &by_design("'REQ-A-01'"), "")];
        let data: Data = toml::from_str(&[HEAD, &parts.concat()].concat()).expect("valid");
        let text = table(&data, &[tag("REQ-A-01")]);
        for line in ["*Controls:* RISK-A-01.", "| `holds` | `src/x.rs` |", "| inherent design | REQ-A-01 |", "None."] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let long = "word ".repeat(100);
        assert!(wrapped(&long).lines().count() > 3 && wrapped(&long).lines().all(|line| line.len() <= WIDTH));
        assert_eq!(wrapped(&long).replace('\n', " "), long.trim());
    }
}
