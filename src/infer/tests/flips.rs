//! Every single bit of what is signed, flipped, is found before anything is parsed.

use std::{fs, os::unix::fs::symlink, path::Path};

use hilum_infer::{Bundle, Trust, parse_public_key};
use rayon::prelude::*;

/// Flips every bit of a file of the reference bundle, one at a time, and opens the bundle each time.
fn check(name: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let key = fs::read_to_string(source.join("development.pub")).expect("the key");
    let trust = Trust { keys: vec![parse_public_key(key.lines().nth(1).expect("a line")).expect("a key")] };
    let whole = fs::read(source.join("reference").join(name)).expect("readable");
    let accepted: Vec<usize> = (0..whole.len() * 8)
        .into_par_iter()
        .map_init(
            || {
                let folder = tempfile::tempdir().expect("a folder");
                for entry in fs::read_dir(source.join("reference")).expect("readable") {
                    let entry = entry.expect("readable");
                    if entry.file_name() != name {
                        symlink(entry.path(), folder.path().join(entry.file_name())).expect("linked");
                    }
                }
                folder
            },
            |folder, bit| {
                let mut spoilt = whole.clone();
                spoilt[bit / 8] ^= 1 << (bit % 8);
                fs::write(folder.path().join(name), spoilt).expect("written");
                Bundle::open(folder.path(), &trust).is_ok().then_some(bit)
            },
        )
        .flatten()
        .collect();
    assert_eq!(accepted, [0_usize; 0], "bits of {name} that nobody missed");
}

// verifies: REQ-BUNDLE-01
#[test]
fn every_bit_of_the_manifest() {
    check("manifest.toml");
}

// verifies: REQ-BUNDLE-01
#[test]
fn every_bit_of_the_signature() {
    check("manifest.sig");
}
