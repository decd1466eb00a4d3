//! `hilum bundle inspect`, `verify`, `sign`, `gradient`

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    Failure,
    files::{writable, write_whole},
    locate,
    terminal::{print_json, say},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// What a bundle says of itself, after it was verified.
    Inspect {
        /// The bundle.
        folder: PathBuf,
        /// Whose signature counts; without it the development key's.
        #[command(flatten)]
        by: locate::BoardFiles,
        /// Print JSON: what is printed in any case.
        #[arg(long)]
        json: bool,
    },
    /// Check signature and hashes, and that an engine reproduces the golden outputs.
    Verify {
        /// The bundle.
        folder: PathBuf,
        /// Whose signature counts; without it the development key's.
        #[command(flatten)]
        by: locate::BoardFiles,
        /// Which engine; no other stands in for it.
        #[arg(long, value_enum, default_value = "tract")]
        engine: locate::EngineName,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the gradient graph of a network: an ONNX model that any runtime can run.
    ///
    /// Its inputs are image (float32, N×C×H×W, whatever the order of the network's own) and cotangent; its outputs logits,
    /// features, grad_features and grad_input, the derivatives of Σ cotangent · logits.
    Gradient(Gradient),
    /// Sign a bundle's manifest.
    Sign {
        /// The bundle.
        folder: PathBuf,
        /// A minisign secret key without password.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct Gradient {
    /// A forward network, float or quantised with QuantizeLinear and DequantizeLinear.
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE.onnx")]
    out: PathBuf,
    /// The output to differentiate; the first one if nothing is said.
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    /// Feature maps on the way; may be given several times. The last ones before the output if nothing is said.
    #[arg(long, value_name = "NAME")]
    features: Vec<String>,
    /// The shape of the input, where the file leaves one of its sizes open: 1,3,224,224.
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    input_shape: Vec<u32>,
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
    /// The largest mean difference of an output, in levels.
    levels: f64,
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Inspect { folder, by, json: _ } => {
            let bundle = locate::open_signed(folder, by)?;
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
        Command::Verify { folder, by, engine, json } => {
            let loaded = locate::load_signed(folder, by, *engine)?;
            let agreement = loaded.used().agreement;
            loaded.explainable().map_err(|error| Failure::Rejected(error.into()))?;
            let engine = loaded.engine().name();
            let golden = agreement.compared;
            let hilum_infer::Tolerance { probability, cosine, levels } = agreement.found;
            let largest = probability.max(cosine);
            if *json {
                return print_json(&Verified { engine, golden, largest, levels });
            }
            say(&format!(
                "verified; {engine} agrees on {golden} golden pictures, at most {largest:.4} and {levels:.2} levels apart"
            ))?;
            Ok(())
        }
        Command::Gradient(arguments) => gradient(arguments),
        Command::Sign { folder, key } => sign(folder, key),
    }
}

fn gradient(arguments: &Gradient) -> Result<(), Failure> {
    writable(&arguments.out)?;
    let model = fs::read(&arguments.model).map_err(|error| {
        Failure::Unreadable(anyhow::Error::new(error).context(format!("cannot read {}", arguments.model.display())))
    })?;
    let shape: Option<Vec<usize>> = arguments.input_shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    let request = hilum_gradient::Request {
        output: arguments.output.clone(),
        features: arguments.features.clone(),
        input_shape: shape.filter(|shape| !shape.is_empty()),
        ..hilum_gradient::Request::default()
    };
    let graph = hilum_gradient::differentiate(&model, &request).map_err(|error| Failure::Unreadable(error.into()))?;
    write_whole(&arguments.out, &graph.onnx)
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
