//! `hilum demo`: the simulated board with one phantom case, in this process.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hilum_assess::{ExplainMethod, Outcome, Timings};
use hilum_device::{Camera as _, sim::PhantomCamera};
use hilum_domain::{Class, MicronsPerPixel, Refusal, RefusalCode};
use hilum_imaging::slide::Field;
use hilum_intake::{Share, read_cohort, read_fields, volume};
use hilum_phantom::{Size, write_cohort};

use crate::{
    Failure,
    locate::{EngineName, load},
    report,
};

/// A patient that the reference bundle has never seen: it was trained on another seed (its card says which).
const SEED: u64 = 1_000_001;
/// How long a slow camera may take for a frame.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the share is looked at, and how many looks a folder that nobody writes to may take.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: usize = 50;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Exit when the report is written. (The screen mirror that would be served otherwise comes with the screen.)
    #[arg(long)]
    once: bool,
    /// The folder for report and pictures.
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    out: PathBuf,
    /// The bundle to use.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let out = arguments.out.as_path();
    report::clean(out, &[])?;
    let loaded = load(arguments.bundle.as_deref(), EngineName::Tract)?;
    eprintln!("making a phantom patient");
    let cohort = out.join("phantom");
    write_cohort(&cohort, 1, SEED, Size::Small, |_| ()).map_err(Failure::internal)?;
    let patient = read_cohort(&cohort)?.remove(0);

    eprintln!("copying the CT to the share");
    let share = out.join("share");
    let export = share.join(&patient.case_id);
    copy(&patient.ct(), &export).map_err(Failure::internal)?;
    let mut watch = Share::new(&share, Duration::ZERO);
    let arrived = arrival(&mut watch)?;
    let study = volume(&arrived, None)?;
    eprintln!("CT arrived: {} slices", study.volume.grid().size[2]);

    let shown = read_fields(&[patient.he()], None)?;
    let scale: Option<MicronsPerPixel> = shown.first().and_then(|field| field.scale);
    let count = shown.len();
    let mut camera = PhantomCamera::new(shown.into_iter().map(|field| Arc::new(field.image)), scale);
    let mut fields = Vec::new();
    for _ in 0..count {
        let frame = camera.next(PATIENCE).map_err(Failure::internal)?;
        eprintln!("field {} captured", frame.sequence);
        fields.push(Field { image: Arc::unwrap_or_clone(frame.image), scale: frame.scale, colour_file: true });
    }

    let lesion = Some(patient.lesion()?);
    let order = report::Order { ready: &loaded, methods: &[ExplainMethod::GradCamPlusPlus], out };
    let case = report::given(Some((study, lesion)), Some(fields), patient.metadata);
    match report::run(case, &order, Timings::default())?.outcome {
        Outcome::Refused(refusal) => Err(refusal.into()),
        Outcome::Assessed(result) => {
            let class = Class::ALL[result.fused.top()];
            let probability = result.fused.probabilities[result.fused.top()] * 100.0;
            eprintln!(
                "the evidence favours {} ({probability:.0}%); the phantom was made as {}",
                class.display(patient.metadata.specimen),
                patient.label.display(patient.metadata.specimen)
            );
            eprintln!("{}", hilum_report::NOTICE);
            eprintln!("look at {} and {}", out.join("result.png").display(), out.join("report.json").display());
            if !arguments.once {
                eprintln!("the screen mirror is not part of this version: nothing left to serve");
            }
            Ok(())
        }
    }
}

/// Waits for the share's one export to come to rest.
fn arrival(share: &mut Share) -> Result<PathBuf, Failure> {
    for _ in 0..LOOKS {
        if let Some(arrival) = share.scan(Duration::ZERO).map_err(Failure::internal)?.arrived.into_iter().next() {
            return Ok(arrival.folder);
        }
        std::thread::sleep(LOOK);
    }
    Err(Refusal::new(RefusalCode::NoVolume, "nothing came to rest on the share").into())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
