//! Command sets of DIMSE messages (PS3.7 6.3, E): a few elements of group 0, always Implicit VR Little Endian, none a sequence.

use std::collections::BTreeMap;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::scan::{Coding, Element};

/// Values of (0000,0100) Command Field (PS3.7 E.1-1).
pub(crate) const C_STORE_RQ: u16 = 0x0001;
pub(crate) const C_FIND_RQ: u16 = 0x0020;
pub(crate) const C_ECHO_RQ: u16 = 0x0030;
pub(crate) const RESPONSE: u16 = 0x8000;
/// (0000,0800) Command Data Set Type: no data set follows; anything else says that one does.
const NO_DATA_SET: u16 = 0x0101;
const SOME_DATA_SET: u16 = 0x0000;

/// (0000,0900) Status (PS3.7 C, PS3.4 B.2.3).
pub(crate) mod status {
    pub(crate) const SUCCESS: u16 = 0x0000;
    pub(crate) const PENDING: [u16; 2] = [0xff00, 0xff01];
    pub(crate) const INVALID_INSTANCE: u16 = 0x0117;
    pub(crate) const UNRECOGNISED_OPERATION: u16 = 0x0211;
    pub(crate) const OUT_OF_RESOURCES: u16 = 0xa700;
    pub(crate) const CANNOT_UNDERSTAND: u16 = 0xc000;
    /// A warning: it was stored, with some change (PS3.4 B.2.3).
    pub(crate) const WARNINGS: std::ops::RangeInclusive<u16> = 0xb000..=0xbfff;
}

/// A command set, its values by tag as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Command(BTreeMap<Tag, Vec<u8>>);

impl Command {
    /// Reads a command set; `None` if it is damaged.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let coding = Coding { explicit: false, big_endian: false };
        let (mut at, mut values) = (0, BTreeMap::new());
        while at < bytes.len() {
            let element = Element::read(bytes, at, coding).ok()?;
            let value = element.value(bytes).ok()?;
            if element.tag.group() != 0 {
                return None;
            }
            at = element.start + value.len();
            values.insert(element.tag, value.to_vec());
        }
        Some(Self(values))
    }

    pub(crate) fn number(&self, tag: Tag) -> Option<u16> {
        self.0.get(&tag)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// A text, without its padding (PS3.5 9.4).
    pub(crate) fn text(&self, tag: Tag) -> Option<&str> {
        std::str::from_utf8(self.0.get(&tag)?).ok().map(|text| text.trim_end_matches(['\0', ' ']))
    }

    /// Whether a data set follows.
    pub(crate) fn has_data_set(&self) -> bool {
        self.number(tags::COMMAND_DATA_SET_TYPE) != Some(NO_DATA_SET)
    }

    pub(crate) fn with_number(mut self, tag: Tag, value: u16) -> Self {
        self.0.insert(tag, value.to_le_bytes().to_vec());
        self
    }

    pub(crate) fn with_text(mut self, tag: Tag, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        self.0.insert(tag, bytes);
        self
    }

    /// A request, of a SOP class.
    pub(crate) fn request(field: u16, class: &str, message: u16, has_data_set: bool) -> Self {
        Self::default()
            .with_text(tags::AFFECTED_SOP_CLASS_UID, class)
            .with_number(tags::COMMAND_FIELD, field)
            .with_number(tags::MESSAGE_ID, message)
            .with_number(tags::COMMAND_DATA_SET_TYPE, if has_data_set { SOME_DATA_SET } else { NO_DATA_SET })
    }

    /// The response to this request (PS3.7 9.3).
    pub(crate) fn response(&self, status: u16) -> Self {
        let mut response = Self::default()
            .with_number(tags::COMMAND_FIELD, self.number(tags::COMMAND_FIELD).unwrap_or(0) | RESPONSE)
            .with_number(tags::MESSAGE_ID_BEING_RESPONDED_TO, self.number(tags::MESSAGE_ID).unwrap_or(0))
            .with_number(tags::COMMAND_DATA_SET_TYPE, NO_DATA_SET)
            .with_number(tags::STATUS, status);
        for tag in [tags::AFFECTED_SOP_CLASS_UID, tags::AFFECTED_SOP_INSTANCE_UID] {
            response.0.extend(self.0.get(&tag).map(|value| (tag, value.clone())));
        }
        response
    }

    /// Its bytes, which begin with their own number (PS3.7 6.3.1).
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut elements = Vec::new();
        for (tag, value) in self.0.iter().filter(|(tag, _)| **tag != tags::COMMAND_GROUP_LENGTH) {
            put(&mut elements, *tag, value);
        }
        let mut bytes = Vec::new();
        put(&mut bytes, tags::COMMAND_GROUP_LENGTH, &length(&elements));
        bytes.extend(elements);
        bytes
    }
}

fn length(value: &[u8]) -> [u8; 4] {
    u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes()
}

fn put(bytes: &mut Vec<u8>, Tag(group, element): Tag, value: &[u8]) {
    bytes.extend(group.to_le_bytes());
    bytes.extend(element.to_le_bytes());
    bytes.extend(length(value));
    bytes.extend(value);
}

/// Whether a text is a UID (PS3.5 9.1), as far as a file can be named after it.
pub(crate) fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.split('.').all(|component| !component.is_empty() && component.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_repeats_what_it_answers() {
        let request = Command::request(C_STORE_RQ, "1.2.840.10008.5.1.4.1.1.2", 7, true)
            .with_text(tags::AFFECTED_SOP_INSTANCE_UID, "2.25.3");
        let read = Command::read(&request.bytes()).expect("whole");
        assert!(read.has_data_set() && read.number(tags::COMMAND_FIELD) == Some(C_STORE_RQ));
        let response = Command::read(&read.response(status::OUT_OF_RESOURCES).bytes()).expect("whole");
        assert!(!response.has_data_set());
        assert_eq!(response.number(tags::COMMAND_FIELD), Some(0x8001));
        assert_eq!(response.number(tags::MESSAGE_ID_BEING_RESPONDED_TO), Some(7));
        assert_eq!(response.number(tags::STATUS), Some(0xa700));
        assert_eq!(response.text(tags::AFFECTED_SOP_INSTANCE_UID), Some("2.25.3"));
    }

    #[test]
    fn other_bytes_are_no_command() {
        let whole = Command::request(C_ECHO_RQ, "1.2.840.10008.1.1", 1, false).bytes();
        for end in 1..whole.len() {
            if let Some(cut) = Command::read(&whole[..end]) {
                assert!(cut.bytes().len() < whole.len(), "{end}: between two elements");
            }
        }
        assert_eq!(Command::read(&[8, 0, 5, 0, 0, 0, 0, 0]), None, "another group");
        assert_eq!(Command::read(&[0, 0, 5, 0, 0xff, 0xff, 0xff, 0xff]), None, "a sequence");
    }

    #[test]
    fn uids_are_digits_and_single_dots() {
        for good in ["1", "1.2.840.10008.1.1", "2.25.0"] {
            assert!(is_uid(good), "{good}");
        }
        for bad in ["", ".", "1..2", "1.2.", "../etc", "1.2/3", "1.2 ", "a", &"1".repeat(65)] {
            assert!(!is_uid(bad), "{bad}");
        }
    }
}
