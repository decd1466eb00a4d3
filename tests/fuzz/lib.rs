//! A mutator for parsers of outside bytes: see README.md.

#![forbid(unsafe_code)]

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    fmt::Debug,
    fs,
    hash::Hasher as _,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A target that takes longer for one input hangs.
const LONGEST: Duration = Duration::from_secs(2);
/// Larger inputs are not kept.
const LARGEST: usize = 64 << 10;
/// Values that lengths, counts and tags go wrong at.
const EDGES: [u32; 12] = [0, 1, 2, 7, 8, 0x7f, 0xff, 0xfffe, 0xffff, 0x7fff_ffff, 0xffff_fffe, u32::MAX];

/// Tries a target with mutations of `seeds` and of the corpus `name`, for as long as `$HILUM_FUZZ_S` says, one second if nothing. The
/// target says in a short text what became of its input; an input whose text is new is mutated further.
///
/// # Panics
/// If the target panics, or takes too long: then the input is kept.
pub fn fuzz<O: Debug>(name: &str, seeds: Vec<Vec<u8>>, mut target: impl FnMut(&[u8]) -> O) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let seconds = std::env::var("HILUM_FUZZ_S").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let keeps = std::env::var_os("HILUM_FUZZ_KEEP").is_some();
    let mut corpus: Vec<Vec<u8>> = files(&folder).iter().filter_map(|path| fs::read(path).ok()).collect();
    corpus.extend(seeds);
    let mut seen = BTreeSet::new();
    let mut tried = |input: &[u8]| -> bool {
        let from = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
        let is_slow = from.elapsed() > LONGEST;
        match outcome {
            Ok(outcome) if !is_slow => seen.insert(hashed(&format!("{outcome:?}"))),
            outcome => {
                let kept = keep(&folder, "found", input);
                eprintln!("{name}: this input ends the target or holds it: {}", kept.display());
                outcome.map_or_else(|panic| resume_unwind(panic), |_| panic!("{name}: too slow"))
            }
        }
    };
    let mut fresh = 0;
    for input in &corpus {
        tried(input);
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (from, length) = (Instant::now(), Duration::from_secs_f64(seconds));
    let mut rounds = 0_u64;
    while from.elapsed() < length {
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(4) {
            let other = random.below(corpus.len());
            mutate(&mut input, &corpus[other], &mut random);
        }
        rounds += 1;
        if tried(&input) && input.len() <= LARGEST {
            fresh += 1;
            if keeps {
                keep(&folder, "input", &input);
            }
            corpus.push(input);
        }
    }
    eprintln!("{name}: {rounds} inputs in {seconds} s, {fresh} of them with an outcome of their own");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    // Those that were found first.
    files.sort();
    files
}

fn keep(folder: &Path, kind: &str, input: &[u8]) -> PathBuf {
    let path = folder.join(format!("{kind}-{:016x}", hashed(input)));
    fs::create_dir_all(folder).and_then(|()| fs::write(&path, input)).expect("the corpus can be written to");
    path
}

fn hashed<T: std::hash::Hash + ?Sized>(what: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Changes an input in one of the ways in which files and messages go wrong.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if input.is_empty() {
        input.extend_from_slice(other);
        return;
    }
    let at = random.below(input.len());
    let to = (at + 1 + random.below(64)).min(input.len());
    match random.below(9) {
        0 => input[at] ^= 1 << random.below(8),
        1 => input[at] = random.next().to_le_bytes()[0],
        2 | 3 => {
            let edge = EDGES[random.below(EDGES.len())];
            let bytes = if random.below(2) == 0 { edge.to_le_bytes() } else { edge.to_be_bytes() };
            let width = [2, 4][random.below(2)];
            for (byte, new) in input[at..].iter_mut().zip(&bytes[..width]) {
                *byte = *new;
            }
        }
        4 => input.truncate(at),
        5 => drop(input.drain(at..to)),
        6 => {
            let again: Vec<u8> = input[at..to].to_vec();
            let times = 1 + random.below(8);
            for _ in 0..times {
                input.splice(at..at, again.iter().copied());
            }
        }
        7 if !other.is_empty() => {
            let from = random.below(other.len());
            let until = (from + 1 + random.below(128)).min(other.len());
            input.splice(at..to, other[from..until].iter().copied());
        }
        _ => {
            let from = random.below(other.len().max(1)).min(other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
    input.truncate(1 << 20);
}

/// xorshift64*: the same inputs on every machine, as far as it gets.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 33) % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}
