//! What all objects have in common that are made here: who they are, whose study they stand in, what made them and when.

use dicom_core::{
    DataElement, PrimitiveValue, Tag, VR,
    chrono::{DateTime, FixedOffset},
    value::DataSetSequence,
};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use sha2::{Digest as _, Sha256};

use crate::{Origin, WriteError};

/// A coded concept (PS3.3 8.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// (0008,0100) Code Value.
    pub value: &'static str,
    /// (0008,0102) Coding Scheme Designator.
    pub scheme: &'static str,
    /// (0008,0104) Code Meaning.
    pub meaning: &'static str,
}

impl Code {
    /// A concept of a scheme.
    #[must_use]
    pub const fn new(value: &'static str, scheme: &'static str, meaning: &'static str) -> Self {
        Self { value, scheme, meaning }
    }

    pub(crate) fn item(&self) -> InMemDicomObject {
        let mut item = InMemDicomObject::new_empty();
        text(&mut item, tags::CODE_VALUE, VR::SH, self.value);
        text(&mut item, tags::CODING_SCHEME_DESIGNATOR, VR::SH, self.scheme);
        text(&mut item, tags::CODE_MEANING, VR::LO, self.meaning);
        item
    }
}

/// A coding scheme of one's own (PS3.3 C.12.1, Coding Scheme Identification Sequence).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodingScheme {
    /// (0008,0102) Coding Scheme Designator; private ones begin with 99.
    pub designator: &'static str,
    /// (0008,010C) Coding Scheme UID.
    pub uid: String,
    /// (0008,0115) Coding Scheme Name.
    pub name: &'static str,
    /// (0008,0116) Coding Scheme Responsible Organization.
    pub responsible: &'static str,
}

/// The device that makes objects (PS3.3 C.7.5.1, C.7.5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equipment {
    /// (0008,0070) Manufacturer.
    pub manufacturer: String,
    /// (0008,1090) Manufacturer's Model Name.
    pub model: String,
    /// (0018,1000) Device Serial Number.
    pub serial: String,
    /// (0018,1020) Software Versions.
    pub software: Vec<String>,
}

/// What found something (PS3.3 10.16, PS3.16 TID 4019).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithm {
    /// Of what kind it is (PS3.16 CID 7162).
    pub family: Code,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What else decides about what it says.
    pub parameters: Vec<String>,
}

/// When something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(DateTime<FixedOffset>);

impl Moment {
    /// A moment as RFC 3339 has it.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(Self)
    }

    /// Its date and time as DA and TM, in the zone `offset` (as in `+0100`) or, where none is said, its own.
    fn date_and_time(self, offset: Option<&str>) -> [String; 2] {
        let zone = offset.and_then(|offset| offset.parse::<FixedOffset>().ok());
        let there = zone.map_or(self.0, |zone| self.0.with_timezone(&zone));
        ["%Y%m%d", "%H%M%S"].map(|format| there.format(format).to_string())
    }
}

/// What there is to say of an object beside its content.
#[derive(Debug, Clone, Copy)]
pub struct Making<'a> {
    /// The study it stands in.
    pub origin: &'a Origin,
    /// What makes it.
    pub equipment: &'a Equipment,
    /// When it is made.
    pub at: Moment,
    /// What makes its UIDs its own: the same seed gives the same UIDs, so an object that is made again is the same object.
    pub seed: &'a str,
    /// (0020,0011) Series Number: each object is a series.
    pub series_number: u16,
    /// (0008,103E) Series Description.
    pub description: &'a str,
}

impl Making<'_> {
    /// The UID of the object of a kind.
    #[must_use]
    pub fn sop_uid(&self, kind: &str) -> String {
        uid(self.seed, &format!("{kind}/instance"))
    }

    /// The UID of its series.
    #[must_use]
    pub fn series_uid(&self, kind: &str) -> String {
        uid(self.seed, &format!("{kind}/series"))
    }

    /// An object with the modules of patient, study, series, equipment and SOP (PS3.3 C.7.1 to C.7.5, C.12.1). `kind` tells its UIDs
    /// from those of other objects of the seed.
    pub(crate) fn begin(&self, sop_class: &str, modality: &str, kind: &str) -> InMemDicomObject {
        let mut object = InMemDicomObject::new_empty();
        self.origin.carried.put(&mut object);
        text(&mut object, tags::SOP_CLASS_UID, VR::UI, sop_class);
        text(&mut object, tags::SOP_INSTANCE_UID, VR::UI, &self.sop_uid(kind));
        text(&mut object, tags::SERIES_INSTANCE_UID, VR::UI, &self.series_uid(kind));
        text(&mut object, tags::MODALITY, VR::CS, modality);
        text(&mut object, tags::SERIES_NUMBER, VR::IS, &self.series_number.to_string());
        text(&mut object, tags::SERIES_DESCRIPTION, VR::LO, self.description);
        text(&mut object, tags::INSTANCE_NUMBER, VR::IS, "1");
        let Equipment { manufacturer, model, serial, software } = self.equipment;
        text(&mut object, tags::MANUFACTURER, VR::LO, manufacturer);
        text(&mut object, tags::MANUFACTURER_MODEL_NAME, VR::LO, model);
        text(&mut object, tags::DEVICE_SERIAL_NUMBER, VR::LO, serial);
        text(&mut object, tags::SOFTWARE_VERSIONS, VR::LO, &software.join("\\"));
        // (0008,0201) is of all times of an object, those of the study too (PS3.3 C.12.1): where the images say none, none is said
        // here, and what is added stands in the zone that it was given in.
        let [date, time] = self.at.date_and_time(self.origin.carried.plain(tags::TIMEZONE_OFFSET_FROM_UTC));
        for tag in [tags::INSTANCE_CREATION_DATE, tags::SERIES_DATE, tags::CONTENT_DATE] {
            text(&mut object, tag, VR::DA, &date);
        }
        for tag in [tags::INSTANCE_CREATION_TIME, tags::SERIES_TIME, tags::CONTENT_TIME] {
            text(&mut object, tag, VR::TM, &time);
        }
        object
    }
}

/// A UID of what `seed` and `kind` say (PS3.5 B.2): a UUID made of their hash (RFC 9562, version 8).
#[must_use]
pub fn uid(seed: &str, kind: &str) -> String {
    format!("2.25.{}", uuid(seed, kind))
}

/// The UUID of what `seed` and `kind` say, as a number.
#[must_use]
pub fn uuid(seed: &str, kind: &str) -> u128 {
    let hash = Sha256::new().chain_update(seed).chain_update([0]).chain_update(kind).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    u128::from_be_bytes(bytes)
}

/// What the device's software calls itself (PS3.7 D.3.3.2).
pub(crate) const IMPLEMENTATION_VERSION_NAME: &str = concat!("HILUM ", env!("CARGO_PKG_VERSION"));

/// Which software it is, whatever its version (PS3.7 D.3.3.2).
pub(crate) fn implementation_class_uid() -> String {
    uid("Hilum", "implementation")
}

/// File Meta Information that says what wrote the file (PS3.10 7.1).
pub(crate) fn meta(transfer_syntax: &str) -> FileMetaTableBuilder {
    FileMetaTableBuilder::new()
        .transfer_syntax(transfer_syntax)
        .implementation_class_uid(implementation_class_uid())
        .implementation_version_name(IMPLEMENTATION_VERSION_NAME)
}

/// The bytes of a DICOM file, Explicit VR Little Endian.
pub(crate) fn file(object: InMemDicomObject) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::new();
    object
        .with_meta(meta(uids::EXPLICIT_VR_LITTLE_ENDIAN))
        .map_err(|source| WriteError(Box::new(source)))?
        .write_all(&mut bytes)
        .map_err(|source| WriteError(Box::new(source)))?;
    Ok(bytes)
}

/// Puts a text, in the default character repertoire: it stands beside names in any other, and is right in all of them (PS3.5 6.1.1).
pub(crate) fn text(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: &str) {
    let most = match vr {
        VR::SH | VR::CS => 16,
        VR::LO | VR::PN => 64,
        VR::ST => 1_024,
        _ => usize::MAX,
    };
    let plain = plain(value);
    let values: Vec<&str> = match vr {
        VR::ST | VR::LT | VR::UT => vec![&plain],
        _ => plain.split('\\').collect(),
    };
    let values: Vec<String> = values.into_iter().map(|value| value.chars().take(most).collect()).collect();
    object.put(DataElement::new(tag, vr, PrimitiveValue::from(values.join("\\"))));
}

/// A text in ASCII.
fn plain(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            'µ' | 'μ' => 'u',
            '–' | '—' | '−' => '-',
            '’' | '‘' => '\'',
            '×' => 'x',
            character if character.is_ascii() => character,
            _ => '?',
        })
        .collect()
}

pub(crate) fn number(object: &mut InMemDicomObject, tag: Tag, value: u16) {
    object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

pub(crate) fn sequence(object: &mut InMemDicomObject, tag: Tag, items: Vec<InMemDicomObject>) {
    object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

/// A decimal string: at most 16 characters (PS3.5 6.2), as many digits as fit.
pub(crate) fn decimal(value: f64) -> String {
    let whole = format!("{value}");
    if whole.len() <= 16 {
        return whole;
    }
    let short = (0..=14).rev().map(|digits| format!("{value:.digits$}")).find(|text| text.len() <= 16);
    // What is read back from it is written alike.
    let short = short.map(|text| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    });
    let small = value.abs() < 1e-4;
    match short {
        Some(text) if !small => text,
        // Fixed digits would lose what is very small, and cannot say what is very large.
        _ => (0..=9).rev().map(|digits| format!("{value:.digits$e}")).find(|text| text.len() <= 16).unwrap_or(whole),
    }
}

pub(crate) fn decimals(values: &[f64]) -> String {
    values.iter().map(|&value| decimal(value)).collect::<Vec<_>>().join("\\")
}

/// A reference to an object (PS3.3 Table 10-11).
pub(crate) fn reference(class: &str, sop_uid: &str) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::REFERENCED_SOP_CLASS_UID, VR::UI, class);
    text(&mut item, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, sop_uid);
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_valid_and_their_own() {
        let made: Vec<String> =
            ["sr/series", "sr/instance", "seg/series"].iter().map(|kind| uid("seed", kind)).collect();
        for one in &made {
            // PS3.5 9.1: at most 64 characters, no component begins with 0.
            assert!(one.len() <= 64 && one.split('.').all(|part| part == "0" || !part.starts_with('0')), "{one}");
        }
        assert_eq!(made.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert_eq!(made[0], uid("seed", "sr/series"));
        assert_ne!(made[0], uid("other seed", "sr/series"));
    }

    #[test]
    fn decimal_strings_hold_what_fits() {
        for (value, want) in [
            (0.703_125, "0.703125"),
            (-611.0, "-611"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.33333333333333"),
            (-123.456_789_012_345_67, "-123.45678901235"),
            (1.234_567_890_123e-9, "1.2345678901e-9"),
            (-1.234_567_890_123_4e-9, "-1.234567890e-9"),
        ] {
            let text = decimal(value);
            assert!(text.len() <= 16, "{text}");
            assert!((text.parse::<f64>().expect("a number") - value).abs() <= 1e-9 * value.abs(), "{text} for {want}");
        }
    }

    #[test]
    fn a_moment_is_told_in_the_zone_of_the_study() {
        let moment = Moment::from_rfc3339("2026-11-30T23:59:58Z").expect("a moment");
        for (zone, want) in [
            (None, ["20261130", "235958"]),
            (Some("+0900"), ["20261201", "085958"]),
            (Some("-0130"), ["20261130", "222958"]),
        ] {
            assert_eq!(moment.date_and_time(zone), want);
        }
        assert_eq!(Moment::from_rfc3339("yesterday"), None);
    }

    #[test]
    fn what_is_added_is_ascii() {
        assert_eq!(plain("0.5 µm – “x”"), "0.5 um - ?x?");
    }
}
