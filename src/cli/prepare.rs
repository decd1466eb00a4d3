//! `hilum prepare`

use std::path::PathBuf;

use hilum_domain::StainMethod;
use hilum_prepare::{Parameters, PrepareError, Shard, prepare_cohort};

use crate::{Failure, terminal::Progress};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the data come from.
    #[arg(long, value_enum)]
    source: Source,
    /// The folder of the data set.
    #[arg(long = "in", value_name = "DIR")]
    from: PathBuf,
    /// The folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The part to prepare, I/N.
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    /// How tiles are brought to one stain: macenko, vahadane or reinhard. A bundle trained on them says the same.
    #[arg(long, value_name = "NAME", default_value = "macenko")]
    stain: StainMethod,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Source {
    /// A cohort written by `hilum phantom`.
    Phantom,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Source::Phantom = arguments.source;
    let progress = Progress::new("cases");
    let mut parameters = Parameters::reference();
    parameters.slide.stain = arguments.stain;
    let summary =
        prepare_cohort(&arguments.from, &arguments.out, arguments.shard, &parameters, |done, of| progress.at(done, of))
            .map_err(|error| match error {
                PrepareError::Write { .. } => Failure::internal(error),
                PrepareError::Cohort(_) | PrepareError::Case { .. } => Failure::Unreadable(error.into()),
            })?;
    drop(progress);
    eprintln!(
        "{} cases: {} CT patches, {} H&E tiles; {} with a refusal",
        summary.cases, summary.patches, summary.tiles, summary.refused
    );
    Ok(())
}
