//! DICOM files to CT volumes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use hilum_dicom::{Carried, CtSlice, Found, Header, Origin, ReadError, Unusable};
use hilum_domain::{Refusal, RefusalCode};
use hilum_imaging::{Grid, Volume, cross, dot};
use ndarray::Array3;
use rayon::prelude::*;

use crate::{Rejection, Unreadable, source::Source};

/// More voxels than any export has: 1024 × 1024 × 2,000.
const MOST_VOXELS: u64 = 2_097_152_000;
/// A stack of fewer slices has no lesion's neighbourhood in it.
const FEWEST_SLICES: usize = 3;
/// Positions written with few digits differ by this much from an even spacing, in mm.
const ROUNDING_MM: f64 = 0.02;
/// Spacings that differ by less than this share are even.
const EVEN_SHARE: f64 = 0.02;

/// Whether a series can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It makes a volume.
    Ok,
    /// It would make a wrong volume.
    Refused(Vec<Refusal>),
    /// It was never meant as a volume: a localiser, a single image.
    NotAVolume(Refusal),
}

impl Verdict {
    /// Why it makes no volume.
    fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Ok => None,
            Self::Refused(refusals) => refusals.into_iter().next(),
            Self::NotAVolume(refusal) => Some(refusal),
        }
    }
}

/// What is known of a series without using it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesReport {
    /// Series Instance UID.
    pub uid: String,
    /// Series Description.
    pub description: String,
    /// Acquisition Number or Temporal Position Identifier, where the series has several volumes in one another.
    pub acquisition: Option<i32>,
    /// Slices found.
    pub slices: usize,
    /// Rows of a slice.
    pub rows: u16,
    /// Columns of a slice.
    pub columns: u16,
    /// Between rows, between columns, between slice planes, mm; the last is 0 for a single slice.
    pub spacing_mm: [f64; 3],
    /// Whether it can be read.
    pub verdict: Verdict,
}

/// A CT volume and where it came from.
#[derive(Debug, Clone)]
pub struct CtStudy {
    /// HU on the scanner's own grid, rounded and held within 16 bits: what is assessed.
    pub volume: Volume<i16>,
    /// The same without rounding, if that differs: rescaled by fractions, or beyond 16 bits.
    pub exact: Option<Volume<f32>>,
    /// Whose study it is of, and which images its slices are.
    pub origin: Origin,
    /// Series Instance UID.
    pub series_uid: String,
    /// Patient ID; empty where the scanner had none.
    pub patient_id: String,
    /// What the scanner calls the series (0008,103E); empty where it calls it nothing.
    pub description: String,
    /// The day of the study, as in 2026-11-01, where the scanner said it.
    pub study_date: Option<String>,
    /// Slice Thickness where the series says it, mm.
    pub slice_thickness_mm: Option<f64>,
}

/// The CT series at `path`: a file, or a folder searched through.
///
/// # Errors
/// [`Unreadable`] if there is no readable DICOM file, or one is damaged.
pub fn list(path: &Path) -> Result<Vec<SeriesReport>, Unreadable> {
    let Loaded { all, spoilt, others } = load(path)?;
    pass_over(spoilt, &all, None)?;
    let mut reports: Vec<SeriesReport> = all.iter().map(Stack::report).collect();
    // Images of another kind may stand in a series of slices; then the slices speak for it.
    reports.extend(others.into_values().filter(|other| all.iter().all(|series| series.uid != other.uid)));
    reports.sort_by(|a, b| a.uid.cmp(&b.uid));
    Ok(reports)
}

/// Which of several volumes is meant; the only one, where nothing is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pick<'a> {
    /// Series Instance UID.
    pub series: Option<&'a str>,
    /// Acquisition Number or Temporal Position Identifier, as in [`SeriesReport::acquisition`].
    pub acquisition: Option<i32>,
}

/// The one CT volume at `path`.
///
/// # Errors
/// A refusal if the series would make a wrong volume, if there is none, more than one, or more than one patient;
/// [`Unreadable`] if there is no readable DICOM file, or one is damaged.
pub fn volume(path: &Path) -> Result<CtStudy, Rejection> {
    picked_volume(path, Pick::default())
}

/// The one CT volume at `path` that is meant.
///
/// # Errors
/// As those of [`volume`].
pub fn picked_volume(path: &Path, pick: Pick<'_>) -> Result<CtStudy, Rejection> {
    chosen(load(path)?, pick)
}

/// A CT series among others, as a person would tell it from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesLabel {
    /// Series Instance UID.
    pub uid: String,
    /// Patient ID.
    pub patient_id: String,
    /// Series Description.
    pub description: String,
    /// The day of the study, as in 2026-11-01, where the scanner said it.
    pub study_date: Option<String>,
    /// How many slices it has.
    pub slices: usize,
}

/// Why there is not one volume.
#[derive(Debug)]
pub struct NotOne {
    /// Why.
    pub rejection: Rejection,
    /// The Patient ID of what is not taken, as far as it could be read and is one.
    pub patient_id: Option<String>,
    /// The series, each of which makes a volume by itself, where there are others.
    pub series: Vec<SeriesLabel>,
}

/// The one CT volume at `path`, or that of the series `uid`; else what is there instead.
///
/// # Errors
/// Those of [`volume`], with what a person needs to go on.
pub fn volume_or_what(path: &Path, uid: Option<&str>) -> Result<CtStudy, Box<NotOne>> {
    let loaded = load(path)
        .map_err(|error| Box::new(NotOne { rejection: error.into(), patient_id: None, series: Vec::new() }))?;
    let of_spoilt = loaded.spoilt.iter().map(|image| image.patient_id.as_str());
    let ids: BTreeSet<&str> = loaded.all.iter().flat_map(Stack::patients).chain(of_spoilt).collect();
    let patient_id = ids.first().filter(|id| ids.len() == 1 && !id.is_empty()).map(ToString::to_string);
    let series = if uid.is_none() { loaded.apart() } else { Vec::new() };
    chosen(loaded, Pick { series: uid, acquisition: None })
        .map_err(|rejection| Box::new(NotOne { rejection, patient_id, series }))
}

/// The one volume among what was loaded, or the one that is meant.
fn chosen(loaded: Loaded, pick: Pick<'_>) -> Result<CtStudy, Rejection> {
    let Loaded { all, spoilt, others: not_ct } = loaded;
    let is_of_it = |uid: &str| pick.series.is_none_or(|meant| uid == meant);
    let of_spoilt = spoilt.iter().filter(|image| is_of_it(&image.series_uid));
    let spoilt_ids: Vec<String> = of_spoilt.map(|image| image.patient_id.clone()).collect();
    pass_over(spoilt, &all, pick.series)?;
    // Who names a series means nothing of what else lies there.
    let of_it = || all.iter().filter(|stack| is_of_it(&stack.uid));
    let patients = of_it().flat_map(Stack::patients).chain(spoilt_ids.iter().map(String::as_str)).collect();
    if let Some(refusal) = several_patients(&patients) {
        return Err(of_it().find_map(Stack::other_patient).unwrap_or(refusal).into());
    }
    let is_meant =
        |stack: &Stack| is_of_it(&stack.uid) && pick.acquisition.is_none_or(|number| stack.acquisition == Some(number));
    let is_picked = pick.series.is_some() || pick.acquisition.is_some();
    let (mut usable, others): (Vec<Stack>, Vec<Stack>) =
        all.into_iter().filter(is_meant).partition(|stack| stack.not_a_volume().is_none());
    match usable.len() {
        0 => {
            let why = others.first().and_then(Stack::not_a_volume);
            let why = why.or_else(|| {
                let other = not_ct.into_values().find_map(|other| other.verdict.refusal());
                other.filter(|_| !is_picked)
            });
            let nothing =
                if is_picked { "there is no such series" } else { "there is no CT image among the DICOM files" };
            Err(why.unwrap_or_else(|| Refusal::new(RefusalCode::NoVolume, nothing)).into())
        }
        1 => volume_of(usable.remove(0)),
        several => {
            let uids: BTreeSet<&str> = usable.iter().map(|stack| stack.uid.as_str()).collect();
            let what = match uids.len() {
                1 => format!("{several} acquisitions of one CT series lie in one another"),
                uids => format!("{uids} CT series lie in the folder"),
            };
            Err(Refusal::new(RefusalCode::SeveralSeries, what).into())
        }
    }
}

/// The volume of one stack of slices.
///
/// # Errors
/// The first refusal of [`SeriesReport::verdict`].
fn volume_of(stack: Stack) -> Result<CtStudy, Rejection> {
    match stack.report().verdict.refusal() {
        Some(refusal) => Err(refusal.into()),
        None => Ok(stack.into_study()),
    }
}

/// Patient IDs that differ. An empty one may be anybody's.
fn several_patients(ids: &BTreeSet<&str>) -> Option<Refusal> {
    let what = match (ids.len(), ids.contains("")) {
        (0 | 1, _) => return None,
        (2, true) => "a slice has no patient id, and others have one".to_owned(),
        (several, unnamed) => format!("the slices belong to {} patients", several - usize::from(unnamed)),
    };
    Some(Refusal::new(RefusalCode::TwoPatients, what))
}

/// A CT image that is no slice.
struct Spoilt {
    series_uid: String,
    patient_id: String,
    localiser: bool,
    error: Unreadable,
}

/// Passes over images that are no slices and were never meant for the volume: of another series than the chosen one or,
/// where none is chosen, localisers and series too short for a volume.
///
/// # Errors
/// The first that cannot be passed over.
fn pass_over(spoilt: Vec<Spoilt>, all: &[Stack], uid: Option<&str>) -> Result<(), Unreadable> {
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for image in &spoilt {
        *files.entry(image.series_uid.clone()).or_default() += 1;
    }
    for image in spoilt {
        let beside = || all.iter().filter(|series| series.uid == image.series_uid);
        let readable: usize = beside().map(|series| series.slices.len()).sum();
        let never_meant = match uid {
            Some(uid) => image.series_uid != uid,
            None if readable + files[&image.series_uid] < FEWEST_SLICES => true,
            None => image.localiser,
        };
        if all.is_empty() || !never_meant {
            return Err(image.error);
        }
    }
    Ok(())
}

/// The slices of one series, ordered along the normal of their planes.
#[derive(Debug)]
struct Stack {
    uid: String,
    /// Which acquisition of its series it is, where that has several.
    acquisition: Option<i32>,
    /// Whether its images are derived from others of its series.
    is_derived: bool,
    slices: Vec<CtSlice>,
}

/// What lies below a path.
struct Loaded {
    /// Slices by series.
    all: Vec<Stack>,
    /// CT images that are no slices.
    spoilt: Vec<Spoilt>,
    /// Series of other objects, by UID.
    others: BTreeMap<String, SeriesReport>,
}

impl Loaded {
    /// The series that make a volume each, where there are others beside them.
    fn apart(&self) -> Vec<SeriesLabel> {
        let uids: BTreeSet<&str> = self.all.iter().map(|stack| stack.uid.as_str()).collect();
        if uids.len() < 2 {
            return Vec::new();
        }
        let label = |uid: &str| {
            let mut usable = self.all.iter().filter(|stack| stack.uid == uid && stack.not_a_volume().is_none());
            let only = usable.next().filter(|_| usable.next().is_none())?;
            let is_whole = !self.spoilt.iter().any(|image| image.series_uid == uid && !image.localiser);
            (is_whole && only.problems().is_empty()).then_some(())?;
            let header = &only.slices[0].header;
            Some(SeriesLabel {
                uid: uid.to_owned(),
                patient_id: header.patient_id.clone(),
                description: header.series_description.clone(),
                study_date: day(&header.study_date),
                slices: only.slices.len(),
            })
        };
        uids.into_iter().filter_map(label).collect()
    }
}

/// Reads every DICOM object at `path`.
fn load(path: &Path) -> Result<Loaded, Unreadable> {
    let source = Source::at(path)?;
    let error = |index, reason| Unreadable::Dicom { number: index + 1, of: source.len(), source: reason };
    let voxels = AtomicU64::new(0);
    let read_one = |index| {
        let found = source.read(index).map_err(|reason| error(index, reason))?;
        if let Some(Found::Ct(slices)) = &found {
            let here = slices.iter().map(|slice| slice.hu.len() as u64).sum::<u64>();
            if voxels.fetch_add(here, Ordering::Relaxed) + here > MOST_VOXELS {
                return Err(error(index, ReadError::TooLarge { most: 2 * MOST_VOXELS }));
            }
        }
        Ok(found.map(|found| (index, found)))
    };
    let found: Vec<(usize, Found)> =
        (0..source.len()).into_par_iter().map(read_one).filter_map(Result::transpose).collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(Unreadable::Empty { what: "the CT folder".to_owned(), wanted: "DICOM file" });
    }
    let (mut slices, mut spoilt, mut others) = (Vec::new(), Vec::new(), BTreeMap::<String, SeriesReport>::new());
    for (index, found) in found {
        match found {
            Found::Ct(found) => slices.extend(found),
            Found::Unusable(image) => {
                let Unusable { series_uid, patient_id, localiser, why } = *image;
                spoilt.push(Spoilt { series_uid, patient_id, localiser, error: error(index, why) });
            }
            Found::Other { series_uid, .. } if series_uid.is_empty() => {}
            Found::Other { series_uid, series_description } => {
                let report = others.entry(series_uid).or_insert_with_key(|uid| SeriesReport {
                    uid: uid.clone(),
                    description: series_description,
                    acquisition: None,
                    slices: 0,
                    rows: 0,
                    columns: 0,
                    spacing_mm: [0.0; 3],
                    verdict: Verdict::NotAVolume(Refusal::new(
                        RefusalCode::NoVolume,
                        "there is no CT image in the series",
                    )),
                });
                report.slices += 1;
            }
        }
    }
    Ok(Loaded { all: group(slices), spoilt, others })
}

/// Groups slices by series, drops second copies of one image, splits what a series has beside its slices, and orders each part
/// along its normal.
fn group(slices: Vec<CtSlice>) -> Vec<Stack> {
    let mut series: BTreeMap<String, Vec<CtSlice>> = BTreeMap::new();
    // Where the images of one UID stand, frame by frame.
    let mut seen: BTreeMap<(String, Option<u32>), Vec<usize>> = BTreeMap::new();
    for slice in slices {
        let known = series.entry(slice.header.series_uid.clone()).or_default();
        let same = seen.entry((slice.header.sop_uid.clone(), slice.header.frame)).or_default();
        // The same image copied twice is one image. One UID on two different images is left for the checks to find.
        let is_same = |other: &CtSlice| other.header == slice.header && other.hu == slice.hu;
        if same.iter().any(|&at| known.get(at).is_some_and(is_same)) {
            continue;
        }
        same.push(known.len());
        known.push(slice);
    }
    series.into_iter().flat_map(|(uid, slices)| parts(&uid, slices)).collect()
}

/// What a series is made of: its slices, in acquisitions where they lie in one another, and apart from them localisers and images
/// derived from the slices.
fn parts(uid: &str, slices: Vec<CtSlice>) -> Vec<Stack> {
    let (localisers, slices): (Vec<_>, Vec<_>) = slices.into_iter().partition(|slice| slice.header.is_localiser());
    // Value 1 of Image Type (PS3.3 C.7.6.1.1.2). A series of nothing but derived images is a reconstruction like any other.
    let is = |slice: &CtSlice, what: &str| slice.header.image_type.first().is_some_and(|value| value == what);
    let has_both = ["ORIGINAL", "DERIVED"].iter().all(|what| slices.iter().any(|slice| is(slice, what)));
    let (derived, slices): (Vec<_>, Vec<_>) = slices.into_iter().partition(|slice| has_both && is(slice, "DERIVED"));
    let stack = |slices: Vec<CtSlice>| (!slices.is_empty()).then(|| Stack::of(uid, slices));
    let mut parts = stack(slices).map(acquisitions).unwrap_or_default();
    parts.extend(stack(derived).map(|stack| Stack { is_derived: true, ..stack }));
    parts.extend(stack(localisers));
    parts
}

/// The acquisitions of a stack, if as a whole it is no volume because they lie in one another.
fn acquisitions(stack: Stack) -> Vec<Stack> {
    let lie_in_one_another = stack.slices.len() > FEWEST_SLICES
        && stack.problems().iter().any(|problem| {
            matches!(
                problem.code,
                RefusalCode::DuplicateSlices | RefusalCode::UnevenSlices | RefusalCode::MixedGeometry
            )
        });
    let keys: [fn(&Header) -> Option<i32>; 2] = [|header| header.acquisition_number, |header| header.temporal_position];
    for key in keys {
        let mut numbers: BTreeMap<Option<i32>, usize> = BTreeMap::new();
        for slice in &stack.slices {
            *numbers.entry(key(&slice.header)).or_default() += 1;
        }
        // Some scanners number every turn of the tube: these are no volumes.
        let are_stacks = numbers.len() > 1 && numbers.values().all(|&slices| slices >= FEWEST_SLICES);
        if lie_in_one_another && are_stacks {
            let mut parts: BTreeMap<Option<i32>, Vec<CtSlice>> = BTreeMap::new();
            for slice in stack.slices {
                parts.entry(key(&slice.header)).or_default().push(slice);
            }
            let part = |(number, slices)| Stack { acquisition: number, ..Stack::of(&stack.uid, slices) };
            return parts.into_iter().map(part).collect();
        }
    }
    vec![stack]
}

fn normal(header: &Header) -> [f64; 3] {
    cross(header.orientation[0], header.orientation[1])
}

/// Where a slice plane lies along a normal, in mm (PS3.3 C.7.6.2.1.1; never by Slice Location or Instance Number).
fn along(normal: [f64; 3], header: &Header) -> f64 {
    dot(normal, header.position_lps_mm)
}

/// How far a distance may be from an even one.
fn tolerance_mm(usual: f64) -> f64 {
    ROUNDING_MM.max(usual * EVEN_SHARE)
}

/// How many planes are missing in a gap where `usual` is the step; `None` if the gap is no multiple of it.
fn missing_in(gap: f64, usual: f64) -> Option<f64> {
    let steps = (gap / usual).round();
    (steps >= 1.0 && (gap - steps * usual).abs() <= tolerance_mm(usual) * steps).then_some(steps - 1.0)
}

/// A number of things in words.
fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

impl Stack {
    /// At least one slice of a series.
    fn of(uid: &str, mut slices: Vec<CtSlice>) -> Self {
        let normal = normal(&slices[0].header);
        slices.sort_by(|a, b| along(normal, &a.header).total_cmp(&along(normal, &b.header)));
        Self { uid: uid.to_owned(), acquisition: None, is_derived: false, slices }
    }

    fn patients(&self) -> BTreeSet<&str> {
        self.slices.iter().map(|slice| slice.header.patient_id.as_str()).collect()
    }

    /// The distances between neighbouring planes, mm.
    fn gaps_mm(&self) -> Vec<f64> {
        let normal = normal(&self.slices[0].header);
        self.slices.windows(2).map(|pair| along(normal, &pair[1].header) - along(normal, &pair[0].header)).collect()
    }

    /// The usual distance between planes: the median, which a few missing slices do not move. Where most of a short stack
    /// is missing they do: then it is the smallest, if all are multiples of that.
    fn usual_gap_mm(&self) -> f64 {
        let mut gaps = self.gaps_mm();
        gaps.sort_by(f64::total_cmp);
        let (Some(&smallest), Some(&median)) = (gaps.first(), gaps.get(gaps.len() / 2)) else { return 0.0 };
        let missing = |usual: f64| gaps.iter().map(|&gap| missing_in(gap, usual)).sum::<Option<f64>>();
        #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
        let few = |missing: f64| 2.0 * missing <= self.slices.len() as f64;
        // One slice too many, half a step from its neighbours, must not make all the others look incomplete.
        if missing(median).is_none() && missing(smallest).is_some_and(few) { smallest } else { median }
    }

    fn report(&self) -> SeriesReport {
        let header = &self.slices[0].header;
        let [row, column] = header.pixel_spacing_mm;
        let verdict = match self.not_a_volume() {
            Some(refusal) => Verdict::NotAVolume(refusal),
            None => match self.problems() {
                problems if problems.is_empty() => Verdict::Ok,
                problems => Verdict::Refused(problems),
            },
        };
        SeriesReport {
            uid: self.uid.clone(),
            description: header.series_description.clone(),
            acquisition: self.acquisition,
            slices: self.slices.len(),
            rows: header.rows,
            columns: header.columns,
            spacing_mm: [row, column, self.usual_gap_mm()],
            verdict,
        }
    }

    fn not_a_volume(&self) -> Option<Refusal> {
        let refuse = |what: String| Some(Refusal::new(RefusalCode::NoVolume, what));
        let first = &self.slices[0].header;
        if self.slices.iter().all(|slice| slice.header.is_localiser()) {
            return refuse("the series is a localiser".to_owned());
        }
        if self.is_derived {
            return refuse("the images are derived from slices of their series".to_owned());
        }
        if self.slices.len() < FEWEST_SLICES {
            let slices = counted(self.slices.len(), "slice");
            return refuse(format!("the series has {slices}, at least {FEWEST_SLICES} are needed"));
        }
        // Steeper than 45° to the axial plane: a coronal or sagittal reformat.
        if normal(first)[2].abs() < std::f64::consts::FRAC_1_SQRT_2 {
            return refuse("the series is not axial".to_owned());
        }
        None
    }

    /// Everything that would make the volume wrong.
    fn problems(&self) -> Vec<Refusal> {
        let mut problems: Vec<Refusal> = self.other_patient().into_iter().collect();
        let first = &self.slices[0].header;
        let close = |a: &[f64], b: &[f64], tolerance: f64| a.iter().zip(b).all(|(x, y)| (x - y).abs() <= tolerance);
        let odd = self.slices.iter().enumerate().find_map(|(index, slice)| {
            let header = &slice.header;
            let differs = [
                ("study", header.study_uid != first.study_uid),
                ("frame of reference", header.frame_of_reference_uid != first.frame_of_reference_uid),
                ("size", (header.rows, header.columns) != (first.rows, first.columns)),
                ("pixel spacing", !close(&header.pixel_spacing_mm, &first.pixel_spacing_mm, 1e-4)),
                ("orientation", !close(header.orientation.as_flattened(), first.orientation.as_flattened(), 1e-3)),
                ("rescaling", header.rescale_intercept.is_some() != first.rescale_intercept.is_some()),
            ];
            let (what, _) = differs.into_iter().find(|(_, differs)| *differs)?;
            Some(format!("slice {} differs from slice 1 in its {what}", index + 1))
        });
        if let Some(what) = odd {
            problems.push(Refusal::new(RefusalCode::MixedGeometry, what));
            return problems;
        }
        problems.extend(self.spacing_problem());
        problems
    }

    /// A slice of another patient than the first.
    fn other_patient(&self) -> Option<Refusal> {
        let Refusal { code, message } = several_patients(&self.patients())?;
        let first = &self.slices[0].header.patient_id;
        let other = self.slices.iter().position(|slice| slice.header.patient_id != *first)?;
        Some(Refusal::new(code, format!("{message}: slice {} is not of the patient of slice 1", other + 1)))
    }

    /// Duplicate, missing or uneven planes, or planes that do not lie on one line.
    fn spacing_problem(&self) -> Option<Refusal> {
        let usual = self.usual_gap_mm();
        let gaps = self.gaps_mm();
        if let Some(index) = gaps.iter().position(|&gap| gap < 0.01) {
            let what = format!("slices {} and {} lie at one position", index + 1, index + 2);
            return Some(Refusal::new(RefusalCode::DuplicateSlices, what));
        }
        let (mut missing, mut first) = (0.0, None);
        for (index, &gap) in gaps.iter().enumerate() {
            let Some(here) = missing_in(gap, usual) else {
                let what = format!(
                    "the slice step is {gap:.3} mm between slices {} and {}, {usual:.3} mm elsewhere",
                    index + 1,
                    index + 2
                );
                return Some(Refusal::new(RefusalCode::UnevenSlices, what));
            };
            missing += here;
            first = first.or((here > 0.0).then(|| format!("between slices {} and {}", index + 1, index + 2)));
        }
        if let Some(place) = first {
            let what = if missing > 1.0 {
                format!("{missing:.0} slices are missing, the first {place}")
            } else {
                format!("1 slice is missing {place}")
            };
            return Some(Refusal::new(RefusalCode::MissingSlice, what));
        }
        // A tilted gantry moves each slice sideways by the same amount, which the grid can say; anything else it cannot.
        let step = self.step_mm();
        let first = self.slices[0].header.position_lps_mm;
        let off = self.slices.iter().enumerate().position(|(k, slice)| {
            (0..3).any(|axis| {
                #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
                let straight = first[axis] + k as f64 * step[axis];
                (slice.header.position_lps_mm[axis] - straight).abs() > (2.0 * tolerance_mm(usual)).max(0.5)
            })
        });
        off.map(|index| Refusal::new(RefusalCode::MixedGeometry, format!("slice {} lies beside the others", index + 1)))
    }

    /// How far one slice moves the first pixel, LPS, mm.
    fn step_mm(&self) -> [f64; 3] {
        let (first, last) = (&self.slices[0].header, &self.slices[self.slices.len() - 1].header);
        #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
        let steps = (self.slices.len() - 1) as f64;
        std::array::from_fn(|axis| (last.position_lps_mm[axis] - first.position_lps_mm[axis]) / steps)
    }

    /// The volume. Only for a stack whose verdict is Ok.
    fn into_study(self) -> CtStudy {
        let header = &self.slices[0].header;
        let (rows, columns) = (usize::from(header.rows), usize::from(header.columns));
        let [row_direction, column_direction] = header.orientation;
        let [row_spacing, column_spacing] = header.pixel_spacing_mm;
        let grid = Grid {
            size: [columns, rows, self.slices.len()],
            origin_lps_mm: header.position_lps_mm,
            // Pixel Spacing's first value is between rows: a step down a column.
            step_lps_mm: [
                row_direction.map(|part| part * column_spacing),
                column_direction.map(|part| part * row_spacing),
                self.step_mm(),
            ],
        };
        let (slice_thickness_mm, patient_id) = (header.slice_thickness_mm, header.patient_id.clone());
        let (study_date, description) = (day(&header.study_date), header.series_description.clone());
        let carried = Carried::clone(&self.slices[0].carried);
        let origin = Origin::of(carried, self.slices.iter().map(|slice| &slice.header)).expect("a stack has slices");
        let fractional = self.slices.iter().any(|slice| slice.exact_hu.is_some());
        let exact = |slice: &CtSlice| -> Vec<f32> {
            slice.exact_hu.clone().unwrap_or_else(|| slice.hu.iter().copied().map(f32::from).collect())
        };
        let exact = fractional.then(|| stacked(grid, self.slices.iter().map(exact).collect()));
        let volume = stacked(grid, self.slices.into_iter().map(|slice| slice.hu).collect());
        CtStudy { volume, exact, origin, series_uid: self.uid, patient_id, description, study_date, slice_thickness_mm }
    }
}

/// A day as DICOM writes it (DA in PS3.5 6.2), as people do.
fn day(written: &str) -> Option<String> {
    let digits = written.len() == 8 && written.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| format!("{}-{}-{}", &written[..4], &written[4..6], &written[6..]))
}

/// A volume from the voxels of its slices, one slice after the other.
fn stacked<T: Copy + Default + Send>(grid: Grid, slices: Vec<Vec<T>>) -> Volume<T> {
    let [columns, rows, planes] = grid.size;
    let mut voxels = vec![T::default(); columns * rows * planes];
    // Each is given back as soon as it is copied: at no time are there two volumes in memory.
    voxels.par_chunks_exact_mut(columns * rows).zip(slices).for_each(|(plane, slice)| plane.copy_from_slice(&slice));
    let voxels = Array3::from_shape_vec((planes, rows, columns), voxels);
    voxels.ok().and_then(|voxels| Volume::new(voxels, grid)).expect("each slice was read to the size of the grid")
}
