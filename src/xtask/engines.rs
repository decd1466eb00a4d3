//! `cargo xtask engines fetch`: the libraries of the fast engines, out of the packages that carry them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// What is fetched, and what each file must be.
const LIST: &str = "src/infer/engines.toml";

#[derive(Deserialize)]
struct List {
    package: Vec<Package>,
    library: Vec<Library>,
}

/// A Python package that carries libraries.
#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    licence: String,
    /// The version of Python that its wheel is for, where it is for one.
    python: Option<String>,
    wheels: Vec<Wheel>,
}

#[derive(Deserialize)]
struct Wheel {
    architecture: String,
    platform: String,
    sha256: String,
}

#[derive(Deserialize)]
struct Library {
    file: String,
    architecture: String,
    package: String,
    /// Its place in the wheel.
    member: String,
    sha256: String,
}

/// Fills `folder`/ARCHITECTURE with the libraries and their licences. What is there already, and is what it must be, stays.
pub(crate) fn fetch(repository: &Path, folder: &Path, only: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
    let text = fs::read_to_string(repository.join(LIST)).with_context(|| format!("cannot read {LIST}"))?;
    let List { package: packages, library: libraries } = toml::from_str(&text).context(LIST)?;
    let mut there = Vec::new();
    for package in &packages {
        for wheel in package.wheels.iter().filter(|wheel| only.is_none_or(|only| only == wheel.architecture)) {
            let place = folder.join(&wheel.architecture);
            let of_it =
                |library: &&Library| library.package == package.name && library.architecture == wheel.architecture;
            let wanted: Vec<&Library> = libraries.iter().filter(of_it).collect();
            let paths = wanted.iter().map(|library| place.join(&library.file));
            let is_there =
                |library: &&Library| hash(&place.join(&library.file)).is_ok_and(|found| found == library.sha256);
            if !wanted.iter().all(is_there) {
                unpack(package, wheel, &wanted, &place)?;
            }
            there.extend(paths);
        }
    }
    ensure!(!there.is_empty(), "no library is known for {}", only.unwrap_or("any processor"));
    Ok(there)
}

fn unpack(package: &Package, wheel: &Wheel, wanted: &[&Library], place: &Path) -> anyhow::Result<()> {
    let Package { name, version, licence, python, .. } = package;
    let scratch = env::temp_dir().join(format!("hilum-engines-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let done = download(package, wheel, &scratch).and_then(|file| {
        let found = hash(&file)?;
        ensure!(found == wheel.sha256, "{name} {version} for {} is another file: SHA-256 {found}", wheel.architecture);
        let all = scratch.join("all");
        run(Command::new(interpreter()).args(["-m", "zipfile", "-e"]).arg(&file).arg(&all))?;
        fs::create_dir_all(place)?;
        for library in wanted {
            let unpacked = all.join(&library.member);
            let found = hash(&unpacked)?;
            ensure!(found == library.sha256, "{} is another file: SHA-256 {found}", library.file);
            // Under its name at once or not at all: whoever looks for it may do so now.
            let part = place.join(format!(".{}.part", library.file));
            fs::copy(&unpacked, &part)?;
            fs::rename(&part, place.join(&library.file))?;
        }
        let stem = name.replace('-', "_");
        let from = all.join(format!("{stem}-{version}.dist-info")).join("licenses/LICENSE");
        fs::copy(&from, place.join(format!("{name}-{version}.LICENSE")))
            .with_context(|| format!("{name} has no licence file; it is under {licence}"))?;
        eprintln!("xtask: {name} {version} ({licence}{}) for {}", python_note(python.as_deref()), wheel.architecture);
        Ok(())
    });
    fs::remove_dir_all(&scratch).context("cannot remove the scratch folder")?;
    done
}

fn python_note(python: Option<&str>) -> String {
    python.map_or_else(String::new, |version| format!(", wheel of Python {version}"))
}

/// The wheel, by pip: the machine's own settings say where from.
fn download(package: &Package, wheel: &Wheel, to: &Path) -> anyhow::Result<PathBuf> {
    let mut pip = Command::new(interpreter());
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]);
    pip.args(["--platform", &wheel.platform]);
    if let Some(python) = &package.python {
        pip.args(["--python-version", python]);
    }
    run(pip.arg("--dest").arg(to).arg(format!("{}=={}", package.name, package.version)))?;
    let files = fs::read_dir(to)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let mut wheels = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels.next().context("pip has left no wheel")
}

/// `$PYTHON`, else python3.
fn interpreter() -> PathBuf {
    env::var_os("PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(())
}

fn hash(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
