//! What must stay true of the whole checkout.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use toml::{Table, Value};

use crate::{source::Parts, trace};

/// The order in which crates may depend on one another: only on what stands further down. `src/README.md` says it in
/// words. Crates that are planned have their place already.
const ORDER: [&str; 20] = [
    "xtask",
    "hilum",
    "hilum-cli",
    "hilum-daemon",
    "hilum-screen",
    "hilum-report",
    "hilum-store",
    "hilum-assess",
    "hilum-prepare",
    "hilum-evaluate",
    "hilum-intake",
    "hilum-infer",
    "hilum-gradient",
    "hilum-phantom",
    "hilum-dicom",
    "hilum-imaging",
    "hilum-config",
    "hilum-device",
    "hilum-domain",
    "hilum-fuzz",
];

/// Who alone may depend on what. A name that ends with `-` stands for every crate that begins with it.
const RESERVED: [(&str, &[&str]); 7] = [
    ("rusqlite", &["hilum-store"]),
    ("tract-", &["hilum-infer"]),
    ("edgefirst-tflite", &["hilum-infer"]),
    ("tflitec", &["hilum-infer"]),
    ("dicom-", &["hilum-dicom"]),
    ("anyhow", &["hilum-cli", "hilum-daemon", "xtask"]),
    ("tokio", &["hilum-cli", "hilum-daemon", "xtask"]),
];

/// The one folder where the compiler's guarantees may be suspended.
const UNSAFE_FOLDER: &str = "src/device/";

/// Crates that deny unsafe code and do not forbid it: ndarray's `s!` allows it for itself, which `forbid` does not let it.
const DENIED_ONLY: [&str; 3] = ["src/imaging/", "src/assess/", "src/phantom/"];

/// What a check of the checkout found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) problems: Vec<String>,
    pub(crate) crates: usize,
    pub(crate) files: usize,
}

/// Checks the checkout at `root`.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn check(root: &Path) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let mut folders = vec![root.join("src")];
    let mut manifests = vec![root.join("Cargo.toml")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        let (inner, files) = entries(&folder)?;
        // What `tests` holds is cargo's rule; the crate's README speaks for it.
        if !folder.ends_with("tests") && !files.iter().any(|file| file.ends_with("README.md")) {
            checked.problems.push(format!("{} has no README.md", shown(root, &folder)));
        }
        manifests.extend(files.iter().filter(|file| file.ends_with("Cargo.toml")).cloned());
        sources.extend(files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")));
        folders.extend(inner);
    }
    sources.sort();
    manifests.sort();
    for path in &manifests {
        checked.problems.extend(manifest(&shown(root, path), &read(path)?));
    }
    for path in &sources {
        checked.problems.extend(source(&shown(root, path), &read(path)?));
    }
    checked.problems.extend(lock(&read(&root.join("Cargo.lock"))?));
    checked.problems.extend(trace::check(root)?);
    (checked.crates, checked.files) = (manifests.len(), sources.len());
    Ok(checked)
}

/// The folders and files in a folder.
pub(crate) fn entries(folder: &Path) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let listed = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = listed.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_dir()))
}

/// The path within the checkout, with `/` on every system.
pub(crate) fn shown(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    inside.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// What is wrong with a manifest: dependencies that point up, or that belong to another crate.
fn manifest(path: &str, text: &str) -> Vec<String> {
    let parsed: Table = match text.parse() {
        Ok(parsed) => parsed,
        Err(error) => return vec![format!("{path} is not valid TOML: {error}")],
    };
    let name = parsed.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let Some(name) = name else { return vec![format!("{path} names no package")] };
    let Some(own) = rank(name) else {
        return vec![format!(
            "{path}: {name} has no place in the order of crates: give it one in src/xtask/tidy.rs and src/README.md"
        )];
    };
    let mut problems = Vec::new();
    for wanted in dependencies(&parsed) {
        let reserved =
            RESERVED.iter().find(|(kept, _)| wanted == *kept || (kept.ends_with('-') && wanted.starts_with(kept)));
        match (reserved, rank(&wanted)) {
            (Some((_, owners)), _) if !owners.contains(&name) => {
                problems.push(format!("{path}: {name} must not depend on {wanted}, only {} may", owners.join(", ")));
            }
            (_, Some(other)) if other <= own => {
                problems.push(format!("{path}: {name} must not depend on {wanted}, which does not stand below it"));
            }
            (None, None) if wanted.starts_with("hilum") => {
                problems.push(format!("{path}: {wanted} has no place in the order of crates"));
            }
            _ => {}
        }
    }
    problems
}

/// The place in [`ORDER`], from the top.
fn rank(name: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == name)
}

/// Every crate that a manifest asks for, by its own name: for running, testing and building, on every target. The
/// workspace's own table only says versions.
fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let mut names = Vec::new();
    for table in std::iter::once(manifest).chain(targets.filter_map(Value::as_table)) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (key, value) in table.get(kind).and_then(Value::as_table).into_iter().flatten() {
                let renamed = value.get("package").and_then(Value::as_str);
                names.push(renamed.unwrap_or(key).to_owned());
            }
        }
    }
    names
}

/// What is wrong with a source file: suspended guarantees outside `device`, work that was put off.
fn source(path: &str, text: &str) -> Vec<String> {
    let parts = Parts::of(text);
    let mut problems = Vec::new();
    let root = path.ends_with("/lib.rs") || path.ends_with("/main.rs");
    let spared = DENIED_ONLY.iter().chain([&UNSAFE_FOLDER]).any(|folder| path.starts_with(folder));
    if root && !spared && !parts.code.contains("#![forbid(unsafe_code)]") {
        problems.push(format!("{path}: a crate begins with #![forbid(unsafe_code)]"));
    }
    for (number, (code, comments)) in (1..).zip(parts.code.split('\n').zip(parts.comments.split('\n'))) {
        let words: Vec<&str> = words(code).collect();
        if !path.starts_with(UNSAFE_FOLDER) && words.contains(&"unsafe") {
            problems.push(format!("{path}:{number}: unsafe is for {UNSAFE_FOLDER} alone"));
        }
        for name in ["todo", "unimplemented", "dbg"] {
            if has_macro(code, name) {
                problems.push(format!("{path}:{number}: {name}! does not belong in the tree"));
            }
        }
        let put_off = words.into_iter().chain(self::words(comments)).find(|word| ["TODO", "FIXME"].contains(word));
        if let Some(word) = put_off {
            problems.push(format!("{path}:{number}: {word}: do it, or open an issue"));
        }
    }
    problems
}

/// Identifiers and words.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_').filter(|word| !word.is_empty())
}

/// Whether a line calls the macro `name`.
fn has_macro(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let own = !code[..at].ends_with(|last: char| last.is_alphanumeric() || last == '_');
        own && code[at + name.len()..].trim_start().starts_with('!')
    })
}

/// What is wrong with the lock file: sources that are no registry.
fn lock(text: &str) -> Vec<String> {
    let parsed: Table = match text.parse() {
        Ok(parsed) => parsed,
        Err(error) => return vec![format!("Cargo.lock is not valid TOML: {error}")],
    };
    let packages = parsed.get("package").and_then(Value::as_array).into_iter().flatten();
    let from_git = packages.filter(|package| {
        package.get("source").and_then(Value::as_str).is_some_and(|source| source.starts_with("git+"))
    });
    from_git
        .map(|package| {
            let name = package.get("name").and_then(Value::as_str).unwrap_or("a package");
            format!("Cargo.lock: {name} comes from git: use a released version")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems contain `want`, or there are none where it is empty.
    #[track_caller]
    fn check(problems: &[String], want: &str) {
        match want {
            "" => assert_eq!(problems, [""; 0]),
            want => {
                assert!(problems.len() == 1 && problems[0].contains(want), "{problems:?} where {want:?} was expected")
            }
        }
    }

    #[track_caller]
    fn check_manifest(name: &str, tables: &str, want: &str) {
        check(&manifest("src/x/Cargo.toml", &format!("[package]\nname = \"{name}\"\n{tables}")), want);
    }

    #[test]
    fn crates_forbid_unsafe_code() {
        for (path, text, want) in [
            ("src/store/lib.rs", "//! Doc.\n\nmod case;", "src/store/lib.rs: a crate begins with"),
            ("src/store/lib.rs", "//! Doc.\n\n#![forbid(unsafe_code)]\n\nmod case;", ""),
            ("src/store/lib.rs", "// #![forbid(unsafe_code)]", "a crate begins with"),
            ("src/store/case.rs", "mod case;", ""),
            ("src/imaging/lib.rs", "mod case;", ""),
        ] {
            check(&source(path, text), want);
        }
    }

    #[test]
    fn dependencies_point_down() {
        check_manifest("hilum-intake", "[dependencies]\nhilum-dicom = { workspace = true }\nserde = \"1\"", "");
        check_manifest(
            "hilum-dicom",
            "[dependencies]\nhilum-intake = { workspace = true }",
            "hilum-dicom must not depend on hilum-intake",
        );
        check_manifest("hilum-dicom", "[dependencies]\nhilum-dicom = \"1\"", "must not depend on hilum-dicom");
    }

    #[test]
    fn no_kind_of_dependency_is_overlooked() {
        let up = "hilum-cli = { workspace = true }";
        for kind in ["dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            check_manifest("hilum-domain", &format!("[{kind}]\n{up}"), "must not depend on hilum-cli");
        }
        check_manifest(
            "hilum-domain",
            "[dependencies]\nshort = { package = \"hilum-cli\", version = \"1\" }",
            "hilum-cli",
        );
    }

    #[test]
    fn crates_without_a_place_are_named() {
        check_manifest("hilum-extra", "", "hilum-extra has no place");
        check_manifest("hilum-cli", "[dependencies]\nhilum-extra = \"1\"", "hilum-extra has no place");
        check(&manifest("Cargo.toml", "[workspace]"), "names no package");
        check(&manifest("Cargo.toml", "[package"), "not valid TOML");
    }

    #[test]
    fn some_crates_have_one_user() {
        check_manifest("hilum-infer", "[dependencies]\ntract-onnx = \"0.23\"", "");
        check_manifest("hilum-assess", "[dependencies]\ntract-onnx = \"0.23\"", "only hilum-infer may");
        check_manifest("hilum-intake", "[dependencies]\ndicom-object = \"0.10\"", "only hilum-dicom may");
        check_manifest("hilum-store", "[dependencies]\nanyhow = \"1\"", "only hilum-cli, hilum-daemon, xtask may");
        check_manifest("hilum-store", "[dev-dependencies]\ntokio = \"1\"", "must not depend on tokio");
        check_manifest("xtask", "[dependencies]\nanyhow = \"1\"", "");
    }

    #[track_caller]
    fn check_source(path: &str, text: &str, want: &str) {
        check(&source(path, text), want);
    }

    #[test]
    fn unsafe_lives_in_device() {
        check_source("src/infer/x.rs", "fn a() {\n    unsafe { b() }\n}", "src/infer/x.rs:2: unsafe");
        check_source("src/device/linux.rs", "unsafe fn a() {}", "");
        check_source("src/device_tree/x.rs", "unsafe fn a() {}", "unsafe is for src/device/ alone");
        check_source("src/infer/x.rs", "// unsafe in words\nconst A: &str = \"unsafe\";\n#![deny(unsafe_code)]", "");
    }

    #[test]
    fn nothing_is_put_off() {
        check_source("src/x.rs", "fn a() { todo!() }", "src/x.rs:1: todo!");
        check_source("src/x.rs", "fn a() { unimplemented !(\"b\") }", "unimplemented!");
        check_source("src/x.rs", "std::dbg!(1);", "dbg!");
        check_source("src/x.rs", "// TODO: more\nfn a() {}", "src/x.rs:1: TODO");
        check_source("src/x.rs", "/* one\n FIXME */", "src/x.rs:2: FIXME");
        check_source("src/x.rs", "let todo = mydbg!(\"TODO\"); // todo, METODO", "");
    }

    #[test]
    fn the_lock_file_knows_registries_alone() {
        let package = |source: &str| format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{source}\"\n");
        check(&lock(&package("registry+https://example.org/index")), "");
        check(&lock("[[package]]\nname = \"own\"\nversion = \"1.0.0\"\n"), "");
        check(&lock(&package("git+https://example.org/a#1234")), "a comes from git");
    }
}
