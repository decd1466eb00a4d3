//! A folder of DICOM files to CT volumes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use hilum_dicom::{CtSlice, Found, Header, ReadError, read};
use hilum_domain::{Refusal, RefusalCode};
use hilum_imaging::{Grid, Volume, cross, dot};
use ndarray::Array3;
use rayon::prelude::*;

use crate::{Rejection, Unreadable};

/// More files than this in one export are a mistake in the path.
const MOST_FILES: usize = 20_000;
/// How deep folders may lie in one another.
const DEEPEST: usize = 8;
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

/// What is known of a series without using it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesReport {
    /// Series Instance UID.
    pub uid: String,
    /// Series Description.
    pub description: String,
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
    /// HU on the scanner's own grid.
    pub volume: Volume<i16>,
    /// Series Instance UID.
    pub series_uid: String,
    /// Slice Thickness where the series says it, mm.
    pub slice_thickness_mm: Option<f64>,
}

/// The CT series at `path`: a file, or a folder searched through.
///
/// # Errors
/// [`Unreadable`] if there is no readable DICOM file, or one is damaged.
pub fn list(path: &Path) -> Result<Vec<SeriesReport>, Unreadable> {
    Ok(group(load(path)?).into_iter().map(|series| series.report()).collect())
}

/// The one CT volume at `path`, or that of the series `uid`.
///
/// # Errors
/// A refusal if the series would make a wrong volume, if there is none, more than one, or more than one patient;
/// [`Unreadable`] if there is no readable DICOM file, or one is damaged.
pub fn volume(path: &Path, uid: Option<&str>) -> Result<CtStudy, Rejection> {
    let all = group(load(path)?);
    let patients: BTreeSet<&str> = all.iter().flat_map(|series| series.patients()).collect();
    if patients.len() > 1 {
        return Err(two_patients(patients.len()).into());
    }
    if let Some(uid) = uid {
        let chosen = all.into_iter().find(|series| series.uid == uid);
        return volume_of(chosen.ok_or_else(|| Refusal::new(RefusalCode::NoVolume, "there is no series of that UID"))?);
    }
    let (mut usable, others): (Vec<Stack>, Vec<Stack>) =
        all.into_iter().partition(|series| !matches!(series.report().verdict, Verdict::NotAVolume(_)));
    match usable.len() {
        0 => Err(others
            .first()
            .and_then(Stack::not_a_volume)
            .unwrap_or_else(|| Refusal::new(RefusalCode::NoVolume, "there is no CT image among the DICOM files"))
            .into()),
        1 => volume_of(usable.remove(0)),
        several => {
            Err(Refusal::new(RefusalCode::SeveralSeries, format!("{several} CT series lie in the folder")).into())
        }
    }
}

/// The volume of one stack of slices.
///
/// # Errors
/// The first refusal of [`SeriesReport::verdict`].
fn volume_of(stack: Stack) -> Result<CtStudy, Rejection> {
    match stack.report().verdict {
        Verdict::Ok => {}
        Verdict::NotAVolume(refusal) => return Err(refusal.into()),
        Verdict::Refused(refusals) => {
            let first = refusals.into_iter().next();
            return Err(first
                .unwrap_or_else(|| Refusal::new(RefusalCode::NoVolume, "the series makes no volume"))
                .into());
        }
    }
    Ok(stack.into_study())
}

fn two_patients(count: usize) -> Refusal {
    Refusal::new(RefusalCode::TwoPatients, format!("the slices belong to {count} patients"))
}

/// The slices of one series, ordered along the normal of their planes.
#[derive(Debug)]
struct Stack {
    uid: String,
    slices: Vec<CtSlice>,
}

/// Every file below `path`, in the order of the names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let what = || "the CT path".to_owned();
    let io = |source| Unreadable::Io { what: what(), source };
    let mut found = Vec::new();
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(io)?;
            if kind.is_dir() && depth < DEEPEST {
                folders.push((entry.path(), depth + 1));
            } else if kind.is_file() {
                found.push(entry.path());
            }
            if found.len() > MOST_FILES {
                return Err(Unreadable::TooMany { what: what(), most: MOST_FILES });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether the name says that the file is DICOM: then a file that is none is damaged, not something else.
fn named_dicom(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["dcm", "dicom", "ima"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Reads every CT image below `path`.
fn load(path: &Path) -> Result<Vec<CtSlice>, Unreadable> {
    let meta = fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Unreadable::Missing { what: "the CT path".to_owned() },
        _ => Unreadable::Io { what: "the CT path".to_owned(), source },
    })?;
    let single = meta.is_file();
    let files = if single { vec![path.to_owned()] } else { files(path)? };
    let of = files.len();
    let read_one = |(index, file): (usize, &PathBuf)| match read(file) {
        Ok(found) => Ok(Some(found)),
        Err(ReadError::NotDicom) if !single && !named_dicom(file) => Ok(None),
        Err(source) => Err(Unreadable::Dicom { number: index + 1, of, source }),
    };
    let found: Vec<Found> =
        files.par_iter().enumerate().map(read_one).filter_map(Result::transpose).collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(Unreadable::Empty { what: "the CT folder".to_owned(), wanted: "DICOM file" });
    }
    Ok(found
        .into_iter()
        .filter_map(|found| match found {
            Found::Ct(slice) => Some(*slice),
            Found::Other { .. } => None,
        })
        .collect())
}

/// Groups slices by series, drops second copies of one image, orders each series along its normal.
fn group(slices: Vec<CtSlice>) -> Vec<Stack> {
    let mut series: BTreeMap<String, Vec<CtSlice>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for slice in slices {
        // The same image copied twice is one image. One UID on two different images is left for the checks to find.
        if seen.contains(&slice.header.sop_uid) {
            let copies = series.get(&slice.header.series_uid);
            if copies.is_some_and(|known| known.contains(&slice)) {
                continue;
            }
        }
        seen.insert(slice.header.sop_uid.clone());
        series.entry(slice.header.series_uid.clone()).or_default().push(slice);
    }
    series
        .into_iter()
        .map(|(uid, mut slices)| {
            let normal = normal(&slices[0].header);
            slices.sort_by(|a, b| along(normal, &a.header).total_cmp(&along(normal, &b.header)));
            Stack { uid, slices }
        })
        .collect()
}

fn normal(header: &Header) -> [f64; 3] {
    cross(header.orientation[0], header.orientation[1])
}

/// Where a slice plane lies along a normal, in mm (PS3.3 C.7.6.2.1.1; never by Slice Location or Instance Number).
fn along(normal: [f64; 3], header: &Header) -> f64 {
    dot(normal, header.position_lps_mm)
}

impl Stack {
    fn patients(&self) -> BTreeSet<&str> {
        self.slices.iter().map(|slice| slice.header.patient_id.as_str()).collect()
    }

    /// The distances between neighbouring planes, mm.
    fn gaps_mm(&self) -> Vec<f64> {
        let normal = normal(&self.slices[0].header);
        self.slices.windows(2).map(|pair| along(normal, &pair[1].header) - along(normal, &pair[0].header)).collect()
    }

    /// The usual distance between planes: the median, which a few missing slices do not move.
    fn usual_gap_mm(&self) -> f64 {
        let mut gaps = self.gaps_mm();
        gaps.sort_by(f64::total_cmp);
        gaps.get(gaps.len() / 2).copied().unwrap_or(0.0)
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
        if self.slices.iter().all(|slice| slice.header.image_type.iter().any(|value| value == "LOCALIZER")) {
            return refuse("the series is a localiser".to_owned());
        }
        if self.slices.len() < FEWEST_SLICES {
            return refuse(format!("the series has {} slices, at least {FEWEST_SLICES} are needed", self.slices.len()));
        }
        // Steeper than 45° to the axial plane: a coronal or sagittal reformat.
        if normal(first)[2].abs() < std::f64::consts::FRAC_1_SQRT_2 {
            return refuse("the series is not axial".to_owned());
        }
        None
    }

    /// Everything that would make the volume wrong.
    fn problems(&self) -> Vec<Refusal> {
        let mut problems = Vec::new();
        let patients = self.patients();
        if patients.len() > 1 {
            problems.push(two_patients(patients.len()));
        }
        let first = &self.slices[0].header;
        let close = |a: &[f64], b: &[f64], tolerance: f64| a.iter().zip(b).all(|(x, y)| (x - y).abs() <= tolerance);
        let odd = self.slices.iter().position(|slice| {
            let header = &slice.header;
            (header.rows, header.columns) != (first.rows, first.columns)
                || header.frame_of_reference_uid != first.frame_of_reference_uid
                || header.study_uid != first.study_uid
                || !close(&header.pixel_spacing_mm, &first.pixel_spacing_mm, 1e-4)
                || !close(header.orientation.as_flattened(), first.orientation.as_flattened(), 1e-3)
        });
        if let Some(index) = odd {
            let what =
                format!("slice {} differs from slice 1 in size, spacing, orientation or frame of reference", index + 1);
            problems.push(Refusal::new(RefusalCode::MixedGeometry, what));
            return problems;
        }
        problems.extend(self.spacing_problem());
        problems
    }

    /// Duplicate, missing or uneven planes, or planes that do not lie on one line.
    fn spacing_problem(&self) -> Option<Refusal> {
        let usual = self.usual_gap_mm();
        let gaps = self.gaps_mm();
        if let Some(index) = gaps.iter().position(|&gap| gap < 0.01) {
            let what = format!("slices {} and {} lie at one position", index + 1, index + 2);
            return Some(Refusal::new(RefusalCode::DuplicateSlices, what));
        }
        let tolerance = ROUNDING_MM.max(usual * EVEN_SHARE);
        let mut missing = Vec::new();
        for (index, &gap) in gaps.iter().enumerate() {
            let steps = (gap / usual).round();
            if (gap - usual).abs() <= tolerance {
                continue;
            }
            if steps >= 2.0 && (gap - steps * usual).abs() <= tolerance * steps {
                missing.push((index + 1, steps - 1.0));
            } else {
                let what = format!(
                    "the slice step is {gap:.3} mm between slices {} and {}, {usual:.3} mm elsewhere",
                    index + 1,
                    index + 2
                );
                return Some(Refusal::new(RefusalCode::UnevenSlices, what));
            }
        }
        if let Some((after, _)) = missing.first() {
            let count: f64 = missing.iter().map(|(_, count)| count).sum();
            let what = format!("{count:.0} slices are missing, the first between slices {after} and {}", after + 1);
            return Some(Refusal::new(RefusalCode::MissingSlice, what));
        }
        // A tilted gantry moves each slice sideways by the same amount, which the grid can say; anything else it cannot.
        let step = self.step_mm();
        let first = self.slices[0].header.position_lps_mm;
        let off = self.slices.iter().enumerate().position(|(k, slice)| {
            (0..3).any(|axis| {
                #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
                let straight = first[axis] + k as f64 * step[axis];
                (slice.header.position_lps_mm[axis] - straight).abs() > (2.0 * tolerance).max(0.5)
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
        let slice_thickness_mm = header.slice_thickness_mm;
        let mut voxels = Array3::zeros((self.slices.len(), rows, columns));
        for (mut plane, slice) in voxels.outer_iter_mut().zip(self.slices) {
            for (voxel, hu) in plane.iter_mut().zip(slice.hu) {
                *voxel = hu;
            }
        }
        let volume = Volume::new(voxels, grid).expect("the voxels were made to the size of the grid");
        CtStudy { volume, series_uid: self.uid, slice_thickness_mm }
    }
}
