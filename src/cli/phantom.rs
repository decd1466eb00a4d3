//! `hilum phantom`

use std::path::PathBuf;

use hilum_phantom::{Size, write_cohort};

use crate::{Failure, terminal::Progress};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many patients.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    patients: u32,
    /// The same seed gives the same bytes.
    #[arg(long, value_name = "S", allow_hyphen_values = true)]
    seed: u64,
    /// How large the pictures are.
    #[arg(long, value_enum, default_value = "small")]
    size: SizeName,
    /// The folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum SizeName {
    /// CT slab of 120 mm, 256², 2 mm; two fields of 896².
    Small,
    /// Whole thorax, 512², 1.5 mm; six fields of 1920×1080.
    Full,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let size = match arguments.size {
        SizeName::Small => Size::Small,
        SizeName::Full => Size::Full,
    };
    let patients = arguments.patients as usize;
    let progress = Progress::new("cases");
    write_cohort(&arguments.out, patients, arguments.seed, size, |done| progress.at(done, patients))
        .map_err(Failure::internal)
}
