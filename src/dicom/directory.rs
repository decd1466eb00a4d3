//! DICOMDIR: the index of a disk (PS3.3 F, PS3.10 8).

use std::path::Path;

use dicom_dictionary_std::{tags, uids};

use crate::{
    attributes::Attributes,
    read::{ReadError, from_file, opened, parsed},
};

/// The images that a DICOMDIR names and that a CT could be: of each the components of its (0004,1500) Referenced File ID, as they
/// are written, from the folder of the DICOMDIR down. `None` for any other file.
///
/// Records are looked at in the order of the file and not by their links, so that no loop of links is followed.
///
/// # Errors
/// [`ReadError`] if the file cannot be read, is not DICOM, or is damaged.
pub fn read_directory(path: &Path) -> Result<Option<Vec<Vec<String>>>, ReadError> {
    let mut bytes = Vec::new();
    from_file(path, &mut bytes)?;
    let file = opened(&bytes)?;
    if file.sop_class_uid != uids::MEDIA_STORAGE_DIRECTORY_STORAGE {
        return Ok(None);
    }
    let object = parsed(&file, &file.scan(&[tags::DIRECTORY_RECORD_SEQUENCE])?)?;
    let records = object.element(tags::DIRECTORY_RECORD_SEQUENCE).ok().and_then(|element| element.items());
    let image = |record: &dicom_object::InMemDicomObject| {
        let said = Attributes::of(record);
        let class = said.text(tags::REFERENCED_SOP_CLASS_UID_IN_FILE);
        let is_ct = class.is_none_or(|class| {
            class.is_empty() || [uids::CT_IMAGE_STORAGE, uids::ENHANCED_CT_IMAGE_STORAGE].contains(&class.as_str())
        });
        (said.text(tags::DIRECTORY_RECORD_TYPE)? == "IMAGE" && is_ct).then_some(())?;
        let file = record.element(tags::REFERENCED_FILE_ID).ok()?.to_multi_str().ok()?;
        Some(file.iter().map(|component| component.trim_matches(['\0', ' ']).to_owned()).collect())
    };
    Ok(Some(records.into_iter().flatten().filter_map(image).collect()))
}
