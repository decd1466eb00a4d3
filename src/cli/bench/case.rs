//! A whole case of the size that clinics have.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use hilum_assess::{ExplainMethod, Outcome, Ready, Study, Timings, Wanted, assess, score_tiles};
use hilum_domain::{Metadata, Point};
use hilum_imaging::slide::Field;
use hilum_intake::{read_cohort, read_fields, volume};
use serde::Serialize;

use super::{quietly, spread::Spread};
use crate::{Failure, report};

/// Any patient does: what is timed does not depend on what was trained on.
const SEED: u64 = 2;

/// A phantom of a whole thorax and six fields.
pub(super) struct Case {
    pub(super) folder: PathBuf,
    ct: PathBuf,
    he: PathBuf,
    lesion: Point,
    metadata: Metadata,
}

#[derive(Serialize)]
pub(super) struct Figures {
    /// Start of the process to its end, a whole `hilum analyze` with what it explains.
    pub(super) wall_s: f64,
    /// The same case from its files to its probabilities, networks loaded, nothing explained.
    plain_ms: f64,
    /// From fields in memory to the logits of the slide.
    he_ms: f64,
    /// The same tiles through the network, and nothing else, on the same cores.
    he_raw_ms: f64,
    /// How many times the one is the other.
    pub(super) he_over_raw: f64,
    pub(super) peak_rss_mb: f64,
    pub(super) slices: usize,
    pub(super) tiles: usize,
    pub(super) engine: &'static str,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { wall_s, plain_ms, he_ms, he_raw_ms, he_over_raw, peak_rss_mb, slices, tiles, engine } = self;
        write!(to, "of {slices} slices and {tiles} tiles on {engine}: {wall_s:.2} s, {peak_rss_mb:.0} MB; ")?;
        write!(to, "without start and explanations {plain_ms:.0} ms; fields in memory to logits {he_ms:.0} ms, ")?;
        write!(to, "{he_over_raw:.2} times the {he_raw_ms:.0} ms of its inferences alone")
    }
}

impl Case {
    /// Renders it below a folder. That takes more memory than reading it: in a process of its own, it does not count here.
    pub(super) fn render(below: &Path) -> Result<Self, Failure> {
        let cohort = below.join("cohort");
        let program = std::env::current_exe().map_err(Failure::internal)?;
        let seed = SEED.to_string();
        let words = ["phantom", "--patients", "1", "--size", "full", "--seed", &seed, "--out"];
        quietly(Command::new(program).args(words).arg(&cohort))?;
        let patient = read_cohort(&cohort)?.remove(0);
        let lesion = patient.lesion()?;
        let (ct, he) = (patient.ct(), patient.he());
        let folder = cohort.join(&patient.case_id);
        Ok(Self { folder, ct, he, lesion, metadata: patient.metadata })
    }

    pub(super) fn fields(&self) -> Result<Vec<Field>, Failure> {
        Ok(read_fields(std::slice::from_ref(&self.he), None)?)
    }

    /// From its files to its probabilities, ms.
    pub(super) fn plain(&self, ready: &Ready) -> Result<f64, Failure> {
        let from = Instant::now();
        let study = volume(&self.ct)?;
        let fields = self.fields()?;
        let given = report::given(Some((study, Some(self.lesion))), Some(fields), self.metadata);
        let ct = given.ct.map(|ct| hilum_assess::CtInput { volume: ct.volume, lesion: ct.lesion });
        result(Study { ct, he: given.he, stain: None, metadata: self.metadata }, ready)?;
        Ok(ms(from.elapsed()))
    }

    /// By stages, as `analyze` does it and as it says itself.
    pub(super) fn stages(&self, ready: &Ready, runs: u16, out: &Path) -> Result<Stages, Failure> {
        report::clean(out, &[])?;
        let mut samples: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let (mut slices, mut tiles) = (0, 0);
        for _ in 0..runs {
            let mut timings = Timings::default();
            let from = Instant::now();
            let study = volume(&self.ct)?;
            timings.0.push(("read_ct", from.elapsed()));
            let from = Instant::now();
            let fields = self.fields()?;
            timings.0.push(("read_he", from.elapsed()));
            slices = study.volume.grid().size[2];
            let case = report::given(Some((study, Some(self.lesion))), Some(fields), self.metadata);
            let order =
                report::Order { ready, methods: &[ExplainMethod::GradCamPlusPlus], out, forms: &[], origin: None };
            let report::Done { report, writing, .. } = report::run(case, &order, timings)?;
            samples.entry("report".to_owned()).or_default().push(ms(writing));
            tiles = report.tiles();
            for (stage, took) in report.timing_ms() {
                samples.entry((*stage).to_owned()).or_default().push(*took);
            }
        }
        let samples = samples.into_iter().map(|(stage, all)| (stage, Spread::of(all))).collect();
        Ok(Stages { samples, slices, tiles })
    }

    /// The whole of it, the stages apart.
    pub(super) fn figures(
        &self,
        ready: &Ready,
        stages: &Stages,
        peak_rss_mb: f64,
        runs: u16,
        analyze: impl Fn(&Self) -> Result<Command, Failure>,
    ) -> Result<Figures, Failure> {
        let fields = self.fields()?;
        let engine = ready.engine();
        let (mut plain, mut he, mut raw, mut wall) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..runs {
            plain.push(self.plain(ready)?);
            let given = fields.clone();
            let from = Instant::now();
            let found = result(Study { ct: None, he: Some(given), stain: None, metadata: self.metadata }, ready)?;
            he.push(ms(from.elapsed()));
            let tiles = found.he.map(|finding| finding.tiles);
            let tiles: Vec<&[u8]> =
                tiles.iter().flat_map(|tiles| tiles.iter()).map(|tile| tile.image.as_raw().as_slice()).collect();
            let from = Instant::now();
            score_tiles(&*engine, &tiles).map_err(Failure::internal)?;
            raw.push(ms(from.elapsed()));
            let mut command = analyze(self)?;
            let from = Instant::now();
            quietly(&mut command)?;
            wall.push(ms(from.elapsed()));
        }
        let ratios = he.iter().zip(&raw).map(|(he, raw)| he / raw).collect();
        let median = |samples| Spread::of(samples).p50_ms;
        Ok(Figures {
            wall_s: median(wall) / 1e3,
            plain_ms: median(plain),
            he_ms: median(he),
            he_raw_ms: median(raw),
            he_over_raw: median(ratios),
            peak_rss_mb,
            slices: stages.slices,
            tiles: stages.tiles,
            engine: engine.name(),
        })
    }

    /// How the case is given on a command line.
    pub(super) fn arguments(&self, command: &mut Command) {
        let [x, y, z] = self.lesion.lps_mm;
        command.args(["--lesion", &format!("{x},{y},{z}"), "--ct"]).arg(&self.ct).arg("--he").arg(&self.he);
    }
}

/// What a case's stages took, and how large it is.
pub(super) struct Stages {
    pub(super) samples: BTreeMap<String, Spread>,
    slices: usize,
    tiles: usize,
}

fn result(study: Study, ready: &Ready) -> Result<hilum_assess::Assessed, Failure> {
    let wanted = Wanted { methods: &[], judged: false };
    match assess(study, ready, wanted, &mut Timings::default(), &()).map_err(Failure::internal)? {
        Outcome::Assessed(result) => Ok(*result),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
