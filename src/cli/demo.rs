//! `hilum demo`: the simulated board in a browser (`tour.rs`), or the way of one phantom case without a person.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hilum_assess::{ExplainMethod, Outcome, Timings};
use hilum_daemon::PHANTOM_SEED;
use hilum_device::{
    Camera as _,
    camera::{PhantomCamera, Picture},
};
use hilum_domain::{Class, MicronsPerPixel, Refusal, RefusalCode};
use hilum_imaging::slide::Field;
use hilum_intake::{Share, picture_of, read_cohort, read_fields, volume};
use hilum_phantom::{Size, write_cohort};

use crate::{
    Failure,
    locate::{EngineName, load},
    report, tour,
};

/// How long a slow camera may take for a frame.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the share is looked at, and how many looks a folder that nobody writes to may take.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: usize = 50;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Assess one phantom case, leave report and pictures in a folder, and exit.
    #[arg(long)]
    once: bool,
    /// Where records stay after the end, and what a case leaves. Without it a temporary folder; with --once out/demo.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The bundle to use.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (out, bundle) = (arguments.out.as_deref(), arguments.bundle.as_deref());
    if arguments.once { once(out.unwrap_or(Path::new("out/demo")), bundle) } else { tour::run(out, bundle) }
}

/// The way of a case, straight to a folder: a daemon would write it as the one file that may leave a box.
fn once(out: &Path, bundle: Option<&Path>) -> Result<(), Failure> {
    report::clean(out, &[])?;
    let loaded = load(bundle, EngineName::Auto)?;
    eprintln!("making a phantom patient");
    let cohort = out.join("phantom");
    write_cohort(&cohort, 1, PHANTOM_SEED, Size::Small, |_| ()).map_err(Failure::internal)?;
    let patient = read_cohort(&cohort)?.remove(0);

    eprintln!("copying the CT to the share");
    let share = out.join("share");
    let export = share.join(&patient.case_id);
    copy(&patient.ct(), &export).map_err(Failure::internal)?;
    let mut watch = Share::new(&share, Duration::ZERO);
    let arrived = arrival(&mut watch)?;
    let study = volume(&arrived)?;
    eprintln!("CT arrived: {} slices", study.volume.grid().size[2]);

    let shown = read_fields(&[patient.he()], None)?;
    let scale: Option<MicronsPerPixel> = shown.first().and_then(|field| field.scale);
    let count = shown.len();
    let shown = shown.into_iter().map(|field| Arc::new(Picture::Ready(Arc::new(field.image))));
    let mut camera = PhantomCamera::new(shown, None);
    let mut fields = Vec::new();
    for _ in 0..count {
        let shot = camera.next(PATIENCE).map_err(Failure::internal)?;
        eprintln!("field {} captured", shot.sequence);
        let image = picture_of(&shot.picture).map_err(Failure::internal)?;
        fields.push(Field { image: Arc::unwrap_or_clone(image), scale, colour_file: true });
    }

    let lesion = Some(patient.lesion()?);
    let order =
        report::Order { ready: &loaded, methods: &[ExplainMethod::GradCamPlusPlus], out, forms: &[], origin: None };
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
