//! A cohort on disk: one row a case, its CT series and its fields in folders of their own.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    str::FromStr,
};

use hilum_domain::{Age, Class, Metadata, Point, Sex, Smoking, Specimen};
use hilum_imaging::{Volume, nifti};
use image::GrayImage;
use serde::Deserialize;

/// One case of a cohort.
#[derive(Debug, Clone, PartialEq)]
pub struct CohortCase {
    /// Names the case's folder.
    pub case_id: String,
    /// Cases of one patient belong to one split.
    pub patient_id: String,
    /// The truth.
    pub label: Class,
    /// What is known of the patient.
    pub metadata: Metadata,
    /// Where it was acquired.
    pub site: String,
    /// `train`, `val` or `test`.
    pub split: String,
    /// The case's folder.
    pub folder: PathBuf,
}

/// Why a cohort cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CohortFault {
    /// The index is missing or cannot be read.
    #[error("cannot read cohort.csv")]
    Index(#[source] csv::Error),
    /// A row has a value that means nothing.
    #[error("cohort.csv, row {row}: {reason}")]
    Row {
        /// Counted from 1, without the header.
        row: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A mask of a case cannot be read.
    #[error("cannot read the mask {what} of {case_id}")]
    Mask {
        /// Which case.
        case_id: String,
        /// Which of its masks.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The marked lesion of a case cannot be read.
    #[error("cannot read lesion.json of {case_id}")]
    Lesion {
        /// Which case.
        case_id: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

#[derive(Deserialize)]
struct Row {
    case_id: String,
    patient_id: String,
    label: String,
    age: String,
    sex: String,
    smoking: String,
    specimen: String,
    site: String,
    split: String,
}

#[derive(Deserialize)]
struct LesionFile {
    center_lps_mm: [f64; 3],
}

/// The cases of the cohort in `folder`, in the order of its `cohort.csv`. Empty cells are unknown.
///
/// # Errors
/// [`CohortFault`] if the index is missing or a row makes no sense.
pub fn read_cohort(folder: &Path) -> Result<Vec<CohortCase>, CohortFault> {
    let mut reader = csv::Reader::from_path(folder.join("cohort.csv")).map_err(CohortFault::Index)?;
    let mut cases = Vec::new();
    for (index, row) in reader.deserialize::<Row>().enumerate() {
        let row = row.map_err(CohortFault::Index)?;
        let number = index + 1;
        cases.push(case(folder, row).map_err(|reason| CohortFault::Row { row: number, reason })?);
    }
    Ok(cases)
}

fn case(folder: &Path, row: Row) -> Result<CohortCase, String> {
    fn known<T: FromStr<Err: ToString>>(cell: &str) -> Result<Option<T>, String> {
        if cell.is_empty() { Ok(None) } else { cell.parse().map(Some).map_err(|error: T::Err| error.to_string()) }
    }
    // The id names a folder: it must not lead out of the cohort.
    if row.case_id.is_empty() || row.case_id.starts_with('.') || row.case_id.contains(['/', '\\']) {
        return Err("the case id is no folder name".to_owned());
    }
    let age = known::<f64>(&row.age)?.map(Age::from_years).transpose().map_err(|error| error.to_string())?;
    let metadata = Metadata {
        age,
        sex: known::<Sex>(&row.sex)?,
        smoking: known::<Smoking>(&row.smoking)?,
        specimen: known::<Specimen>(&row.specimen)?,
    };
    let label = row.label.parse::<Class>().map_err(|error| error.to_string())?;
    let folder = folder.join(&row.case_id);
    let Row { case_id, patient_id, site, split, .. } = row;
    Ok(CohortCase { case_id, patient_id, label, metadata, site, split, folder })
}

/// A mask of a chest has at most so many bytes.
const MASK_BYTES: u64 = 1 << 30;

impl CohortCase {
    /// The lesion's mask, `ct_mask.nii.gz`.
    ///
    /// # Errors
    /// [`CohortFault::Mask`] if it is missing or no NIfTI-1 file.
    pub fn ct_mask(&self) -> Result<Volume<bool>, CohortFault> {
        let fault = |source: Box<dyn std::error::Error + Send + Sync>| CohortFault::Mask {
            case_id: self.case_id.clone(),
            what: "of the CT".to_owned(),
            source,
        };
        let file = fs::File::open(self.folder.join("ct_mask.nii.gz")).map_err(|error| fault(error.into()))?;
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file)
            .take(MASK_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| fault(error.into()))?;
        nifti::decode_mask(&bytes).ok_or_else(|| fault("it is not a NIfTI-1 volume".into()))
    }

    /// The tumour's mask in each field, in their order: `he_mask/*.png`, not 0 where there is tumour.
    ///
    /// # Errors
    /// [`CohortFault::Mask`] if one cannot be read.
    pub fn he_masks(&self) -> Result<Vec<GrayImage>, CohortFault> {
        let fault = |what: String, source: Box<dyn std::error::Error + Send + Sync>| CohortFault::Mask {
            case_id: self.case_id.clone(),
            what,
            source,
        };
        let folder = self.folder.join("he_mask");
        let entries = fs::read_dir(folder).map_err(|error| fault("of the fields".to_owned(), error.into()))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "png"));
        // As the fields are read.
        paths.sort();
        let read = |(index, path): (usize, &PathBuf)| {
            image::open(path)
                .map(|mask| mask.to_luma8())
                .map_err(|error| fault(format!("of field {}", index + 1), error.into()))
        };
        paths.iter().enumerate().map(read).collect()
    }

    /// The folder of the CT series.
    #[must_use]
    pub fn ct(&self) -> PathBuf {
        self.folder.join("ct")
    }

    /// The folder of the fields.
    #[must_use]
    pub fn he(&self) -> PathBuf {
        self.folder.join("he")
    }

    /// The marked lesion.
    ///
    /// # Errors
    /// [`CohortFault::Lesion`] if `lesion.json` is missing or makes no sense.
    pub fn lesion(&self) -> Result<Point, CohortFault> {
        let fault = |source| CohortFault::Lesion { case_id: self.case_id.clone(), source };
        let bytes = fs::read(self.folder.join("lesion.json")).map_err(fault)?;
        let lesion: LesionFile = serde_json::from_slice(&bytes).map_err(|error| fault(error.into()))?;
        Ok(Point::new(lesion.center_lps_mm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "case_id,patient_id,label,age,sex,smoking,specimen,site,split\n";

    #[track_caller]
    fn check(row: &str, want: Result<Metadata, &str>) {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("cohort.csv"), format!("{HEADER}{row}\n")).expect("written");
        match (read_cohort(folder.path()), want) {
            (Ok(cases), Ok(metadata)) => assert_eq!(cases[0].metadata, metadata),
            (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{fault}"),
            (found, want) => panic!("{found:?} where {want:?} was expected"),
        }
    }

    #[test]
    fn empty_cells_are_unknown() {
        check("c1,p1,normal,,female,,,s,test", Ok(Metadata { sex: Some(Sex::Female), ..Metadata::default() }));
    }

    #[test]
    fn values_without_sense_are_named() {
        check("c1,p1,sarcoma,60,,,,s,test", Err("unknown class \"sarcoma\""));
        check("c1,p1,normal,400,,,,s,test", Err("age 400"));
        check("../c1,p1,normal,60,,,,s,test", Err("no folder name"));
    }
}
