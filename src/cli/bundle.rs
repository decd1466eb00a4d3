//! `hilum bundle inspect`, `verify`, `sign`

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    Failure,
    files::write_whole,
    locate,
    terminal::{print_json, say},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// What a bundle says of itself, after it was verified.
    Inspect {
        /// The bundle.
        folder: PathBuf,
        /// Print JSON: what is printed in any case.
        #[arg(long)]
        json: bool,
    },
    /// Check signature and hashes, and that the engine reproduces the golden outputs.
    Verify {
        /// The bundle.
        folder: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sign a bundle's manifest.
    Sign {
        /// The bundle.
        folder: PathBuf,
        /// A minisign secret key without password.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

#[derive(Serialize)]
struct Inspected<'a> {
    name: &'a str,
    version: &'a str,
    serial: u64,
    sha256: &'a str,
    classes: &'a [String],
    trained_on: &'a str,
    files: Vec<&'a str>,
}

#[derive(Serialize)]
struct Verified {
    engine: &'static str,
    /// Golden pictures that were compared.
    golden: usize,
    /// The largest difference of a probability (CT) or of a cosine from 1 (H&E).
    largest: f64,
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Inspect { folder, json: _ } => {
            let bundle = locate::open(Some(folder))?;
            let manifest = bundle.manifest();
            print_json(&Inspected {
                name: &manifest.name,
                version: &manifest.version,
                serial: manifest.serial,
                sha256: bundle.sha256(),
                classes: &manifest.classes,
                trained_on: &manifest.training.trained_on,
                files: manifest.files.keys().map(String::as_str).collect(),
            })
        }
        Command::Verify { folder, json } => {
            let loaded = locate::load(Some(folder), locate::EngineName::Tract)?;
            let agreement = hilum_infer::accept(loaded.engine.as_ref(), &loaded.bundle, usize::MAX)
                .map_err(|error| Failure::Rejected(error.into()))?;
            let engine = loaded.engine.name();
            if *json {
                return print_json(&Verified { engine, golden: agreement.compared, largest: agreement.largest });
            }
            say(&format!(
                "verified; {engine} agrees on {} golden pictures, at most {:.4} apart",
                agreement.compared, agreement.largest
            ))?;
            Ok(())
        }
        Command::Sign { folder, key } => sign(folder, key),
    }
}

fn sign(folder: &Path, key: &Path) -> Result<(), Failure> {
    let unreadable = |what: &'static str| {
        move |error: std::io::Error| {
            Failure::Unreadable(anyhow::Error::new(error).context(format!("cannot read {what}")))
        }
    };
    let manifest = fs::read(folder.join("manifest.toml")).map_err(unreadable("manifest.toml"))?;
    let text = fs::read_to_string(key).map_err(unreadable("the key"))?;
    let rejected =
        |error: minisign::PError| Failure::Rejected(anyhow::Error::new(error).context("the key cannot sign"));
    let secret = minisign::SecretKeyBox::from_string(&text)
        .and_then(minisign::SecretKeyBox::into_unencrypted_secret_key)
        .map_err(rejected)?;
    // No time in the trusted comment: the same bundle has the same signature.
    let signature = minisign::sign(None, &secret, Cursor::new(manifest), Some("hilum bundle"), Some("hilum bundle"))
        .map_err(rejected)?;
    let path = folder.join("manifest.sig");
    write_whole(&path, signature.into_string().as_bytes())
}
