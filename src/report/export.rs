//! Which files a form of a result is, and from what they are made.

use hilum_dicom::Origin;
use hilum_domain::Form;
use hilum_imaging::PatchGeometry;

use crate::{ExportFault, Kept, fhir::fhir, hospital::dicom, pdf::pdf};

/// Every file that a form may be.
#[must_use]
pub const fn export_names(form: Form) -> &'static [&'static str] {
    match form {
        Form::Dicom => &["sr.dcm", "seg.dcm", "capture.dcm"],
        Form::Fhir => &["fhir.json"],
        Form::Pdf => &["report.pdf"],
    }
}

/// What files are made of.
#[derive(Debug, Clone, Copy)]
pub struct ExportSource<'a> {
    /// The case as it was kept.
    pub kept: Kept<'a>,
    /// Where the CT comes from, if there is one. Without it there is no study that DICOM objects could stand in, and none are made.
    pub origin: Option<&'a Origin>,
    /// How the bundle has the lesion's patch cut.
    pub patch: &'a PatchGeometry,
    /// The case's number, for paper.
    pub number: Option<&'a str>,
}

/// The files of a form, by their names. Of one report they are always the same.
///
/// # Errors
/// [`ExportFault`] if what was kept is damaged, or a file cannot be made.
pub fn export(form: Form, source: &ExportSource<'_>) -> Result<Vec<(&'static str, Vec<u8>)>, ExportFault> {
    let ExportSource { kept, origin, patch, number } = source;
    match (form, origin) {
        (Form::Dicom, Some(origin)) => dicom(kept, origin, patch),
        (Form::Dicom, None) => Ok(Vec::new()),
        (Form::Fhir, origin) => Ok(vec![("fhir.json", fhir(kept, *origin)?)]),
        (Form::Pdf, _) => Ok(vec![("report.pdf", pdf(kept, *number)?)]),
    }
}
