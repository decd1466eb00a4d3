//! The attributes of an image: of an object, or of one frame of it.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{InMemDicomObject, mem::InMemElement};

use crate::read::ReadError;

/// More frames than this are an attack or an accident.
const MOST_FRAMES: usize = 20_000;

/// Where the attributes of an image stand. A frame of a multi-frame object has its own in its item of the Per-Frame Functional
/// Groups, those that all frames have alike in the Shared ones (PS3.3 C.7.6.16), and the rest in the object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a> {
    object: &'a InMemDicomObject,
    /// Those of the frame, and those that are shared.
    groups: [Option<&'a InMemDicomObject>; 2],
}

impl<'a> Attributes<'a> {
    /// Those of an object.
    pub(crate) fn of(object: &'a InMemDicomObject) -> Self {
        Self { object, groups: [None; 2] }
    }

    /// Those of an object that is one image, as a CT image is (PS3.3 A.3): of several frames, none is the slice.
    ///
    /// # Errors
    /// If it says that there are several.
    pub(crate) fn of_one(object: &'a InMemDicomObject) -> Result<Self, ReadError> {
        let all = Self::of(object);
        let is_one = all.frames()?.is_none_or(|count| count <= 1.0);
        if is_one { Ok(all) } else { Err(ReadError::Attribute("Number of Frames")) }
    }

    /// Those of each frame of a multi-frame object; at least one.
    ///
    /// # Errors
    /// If there are not as many as it says.
    pub(crate) fn of_frames(object: &'a InMemDicomObject) -> Result<Vec<Self>, ReadError> {
        let count = Self::of(object).frames()?;
        let items = |tag| object.element(tag).ok().and_then(|element| element.items()).unwrap_or_default();
        let (own, shared) =
            (items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE), items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE));
        #[expect(clippy::cast_precision_loss, reason = "at most 20,000")]
        let agrees = (1..=MOST_FRAMES).contains(&own.len()) && count == Some(own.len() as f64);
        if !agrees {
            return Err(ReadError::Attribute("Number of Frames"));
        }
        Ok(own.iter().map(|own| Self { object, groups: [Some(own), shared.first()] }).collect())
    }

    fn frames(self) -> Result<Option<f64>, ReadError> {
        self.optional(tags::NUMBER_OF_FRAMES, "Number of Frames")
    }

    /// Each functional group is a sequence of one item (PS3.3 C.7.6.16.1).
    fn element(self, tag: Tag) -> Option<&'a InMemElement> {
        let in_groups = self.groups.into_iter().flatten().flat_map(|group| group.iter());
        let mut items = in_groups.filter_map(|element| element.items()?.first());
        items.find_map(|item| item.element(tag).ok()).or_else(|| self.object.element(tag).ok())
    }

    /// The text of an attribute, trimmed of padding; `None` if absent.
    pub(crate) fn text(self, tag: Tag) -> Option<String> {
        let value = self.element(tag)?.to_str().ok()?;
        Some(value.trim_matches(['\0', ' ']).to_owned())
    }

    /// The text of an attribute that must have one.
    pub(crate) fn required(self, tag: Tag, name: &'static str) -> Result<String, ReadError> {
        self.text(tag).filter(|value| !value.is_empty()).ok_or(ReadError::Attribute(name))
    }

    pub(crate) fn integer(self, tag: Tag) -> Option<i32> {
        self.element(tag)?.to_int().ok()
    }

    pub(crate) fn floats<const N: usize>(self, tag: Tag, name: &'static str) -> Result<[f64; N], ReadError> {
        let values = self.element(tag).and_then(|element| element.to_multi_float64().ok());
        values
            .and_then(|values| <[f64; N]>::try_from(values).ok())
            .filter(|values| values.iter().all(|value| value.is_finite()))
            .ok_or(ReadError::Attribute(name))
    }

    /// A number that may be absent or empty.
    pub(crate) fn optional(self, tag: Tag, name: &'static str) -> Result<Option<f64>, ReadError> {
        if self.text(tag).is_none_or(|value| value.is_empty()) {
            return Ok(None);
        }
        self.floats::<1>(tag, name).map(|[value]| Some(value))
    }
}
