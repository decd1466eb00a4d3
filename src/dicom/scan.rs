//! A walk over the bytes of a data set (PS3.5 7) that allocates nothing for what it passes and does not call itself: what it
//! finds in order, the parser may have.
//!
//! dicom-rs calls itself for every sequence in a sequence, so that twenty thousand of them end the process, and makes room for
//! what a length announces, though it never comes. So only elements that are wanted and lie whole in the file are parsed, and
//! pixel data not at all.

use std::ops::Range;

use dicom_core::{Tag, VR, dictionary::DataDictionary as _};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use crate::read::ReadError;

/// How deep sequences may lie in one another; the functional groups of a multi-frame CT are three deep, a report a dozen.
const DEEPEST: usize = 32;
/// What the parser may be given, in values of two bytes, of which it makes a text each; an element counts as eight. Two
/// thousand frames of a multi-frame CT have a tenth of it.
const MOST_PARSED: usize = 32 << 20;
const ELEMENT: usize = 8;

/// Why a data set is not parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("it ends in the middle of an element")]
    CutOff,
    #[error("an element reaches beyond the sequence it is in, or a delimiter has no beginning")]
    Structure,
    #[error("its sequences lie more than {DEEPEST} deep in one another")]
    TooDeep,
    #[error("its header is larger than any scanner's")]
    TooMuch,
    #[error("inflated, it is larger than any scanner's")]
    Bomb,
}

impl From<ScanError> for ReadError {
    fn from(error: ScanError) -> Self {
        Self::Damaged(error.into())
    }
}

/// How the elements of a data set are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coding {
    /// Whether each says its VR.
    pub(crate) explicit: bool,
    pub(crate) big_endian: bool,
}

impl Coding {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// Where an element lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element {
    pub(crate) tag: Tag,
    /// Its VR where it says one that is known, or the dictionary does.
    vr: VR,
    /// Where its value begins.
    pub(crate) start: usize,
    /// The length of its value; `None` if undefined.
    length: Option<usize>,
}

const UNDEFINED: u32 = u32::MAX;
/// PS3.5 7.5.
const ITEM: Tag = Tag(0xfffe, 0xe000);
const END_OF_ITEM: Tag = Tag(0xfffe, 0xe00d);
const END_OF_SEQUENCE: Tag = Tag(0xfffe, 0xe0dd);

impl Element {
    /// The header of an element (PS3.5 7.1), of an item or of a delimiter (7.5).
    pub(crate) fn read(bytes: &[u8], at: usize, coding: Coding) -> Result<Self, ScanError> {
        let word = |at: usize| -> Result<[u8; 4], ScanError> {
            let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
            four.copied().ok_or(ScanError::CutOff)
        };
        let [g0, g1, e0, e1] = word(at)?;
        let tag = Tag(coding.u16([g0, g1]), coding.u16([e0, e1]));
        let second = word(at + 4)?;
        let of_item = tag.group() == 0xfffe;
        let (vr, start, length) = if of_item || !coding.explicit {
            let vr = StandardDataDictionary.by_tag(tag).map_or(VR::UN, |entry| entry.vr.relaxed());
            (vr, at + 8, coding.u32(second))
        } else {
            let [v0, v1, l0, l1] = second;
            let vr = VR::from_binary([v0, v1]).unwrap_or(VR::UN);
            if has_long_length(vr) {
                (vr, at + 12, coding.u32(word(at + 8)?))
            } else {
                (vr, at + 8, u32::from(coding.u16([l0, l1])))
            }
        };
        Ok(Self { tag, vr, start, length: (length != UNDEFINED).then_some(length as usize) })
    }

    /// Its value.
    pub(crate) fn value<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], ScanError> {
        let length = self.length.ok_or(ScanError::Structure)?;
        bytes.get(self.start..).and_then(|rest| rest.get(..length)).ok_or(ScanError::CutOff)
    }
}

/// PS3.5 table 7.1-1; a VR that is not known is coded like UN (6.2.2).
const fn has_long_length(vr: VR) -> bool {
    use VR::{OB, OD, OF, OL, OV, OW, SQ, SV, UC, UN, UR, UT, UV};
    matches!(vr, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
}

/// What a data set has, as far as it was asked for.
#[derive(Debug)]
pub(crate) struct Scanned<'a> {
    /// The elements that were wanted, coded as the data set is: a small data set of their own.
    pub(crate) wanted: Vec<u8>,
    /// (7FE0,0010) Pixel Data.
    pub(crate) pixels: Option<Stored<'a>>,
}

/// Pixel data as they lie in the file.
#[derive(Debug)]
pub(crate) enum Stored<'a> {
    /// Uncompressed: as much as there is, and how many bytes more are announced.
    Native { bytes: &'a [u8], missing: usize },
    /// PS3.5 A.4.
    Encapsulated {
        /// The Basic Offset Table's value.
        offsets: &'a [u8],
        fragments: Vec<&'a [u8]>,
        /// How many bytes the last fragment announces and has not.
        missing: usize,
    },
}

/// What an element or item may be in.
struct Level {
    /// A sequence has items; an item has elements.
    is_sequence: bool,
    /// Where it ends; `None` if a delimiter ends it.
    end: Option<usize>,
    coding: Coding,
}

/// The value of an outermost element of a data set of which only the beginning may be there.
pub(crate) fn value_of(data_set: &[u8], coding: Coding, tag: Tag) -> Option<Vec<u8>> {
    let scanned = scan_until(data_set, coding, &[tag], tag).ok()?;
    let element = Element::read(&scanned.wanted, 0, coding).ok()?;
    element.value(&scanned.wanted).ok().map(<[u8]>::to_vec)
}

/// See [`super::part10::Part10::scan`]. Pixel data end it: what follows them is padding (PS3.10 7.2).
pub(crate) fn scan<'a>(data_set: &'a [u8], coding: Coding, wanted: &[Tag]) -> Result<Scanned<'a>, ScanError> {
    scan_until(data_set, coding, wanted, Tag(u16::MAX, u16::MAX))
}

/// The same, as far as `last`: elements rise (PS3.5 7.1).
fn scan_until<'a>(data_set: &'a [u8], coding: Coding, wanted: &[Tag], last: Tag) -> Result<Scanned<'a>, ScanError> {
    let mut scanned = Scanned { wanted: Vec::new(), pixels: None };
    let mut levels: Vec<Level> = Vec::new();
    // The outermost element that is being walked over: wanted or not, and from where.
    let mut outermost: Option<(bool, usize)> = None;
    let (mut at, mut parsed) = (0, 0_usize);
    loop {
        while let Some(end) = levels.last().and_then(|level| level.end) {
            match at.cmp(&end) {
                std::cmp::Ordering::Less => break,
                std::cmp::Ordering::Equal => drop(levels.pop()),
                std::cmp::Ordering::Greater => return Err(ScanError::Structure),
            }
        }
        if levels.is_empty() {
            if let Some((true, start)) = outermost.take() {
                scanned.wanted.extend_from_slice(&data_set[start..at]);
            }
            if at == data_set.len() {
                return Ok(scanned);
            }
        }
        let level = levels.last();
        let in_sequence = level.is_some_and(|level| level.is_sequence);
        let here = level.map_or(coding, |level| level.coding);
        let element = Element::read(data_set, at, here)?;
        if levels.is_empty() {
            if element.tag > last {
                return Ok(scanned);
            }
            outermost = Some((wanted.binary_search(&element.tag).is_ok(), at));
        }
        let is_wanted = matches!(outermost, Some((true, _)));
        if is_wanted {
            let is_value = element.vr != VR::SQ && element.tag.group() != 0xfffe;
            parsed += ELEMENT + if is_value { element.length.unwrap_or(0).min(data_set.len()) / 2 } else { 0 };
            if parsed > MOST_PARSED {
                return Err(ScanError::TooMuch);
            }
        }
        match element.tag {
            tags::PIXEL_DATA if levels.is_empty() => {
                scanned.pixels = Some(stored(data_set, &element, coding)?);
                return Ok(scanned);
            }
            ITEM if in_sequence => {
                let end = element.length.map(|length| element.start.saturating_add(length));
                open(&mut levels, Level { is_sequence: false, end, coding: here }, data_set.len())?;
                at = element.start;
            }
            END_OF_SEQUENCE if in_sequence && level.is_some_and(|level| level.end.is_none()) => {
                levels.pop();
                at = element.start;
            }
            END_OF_ITEM if !in_sequence && level.is_some_and(|level| level.end.is_none()) => {
                levels.pop();
                at = element.start;
            }
            Tag(0xfffe, _) => return Err(ScanError::Structure),
            _ if in_sequence => return Err(ScanError::Structure),
            _ => match element.length {
                // What is not wanted is passed over whole: nobody will parse it.
                Some(length) if element.vr != VR::SQ || !is_wanted => {
                    at = element.start.checked_add(length).ok_or(ScanError::CutOff)?;
                    within(&levels, at, data_set.len())?;
                }
                length => {
                    let end = length.map(|length| element.start.saturating_add(length));
                    // 6.2.2 note 2: what is UN and of undefined length is coded with implicit VR, which the parser does not know.
                    let is_implicit = here.explicit && element.vr == VR::UN;
                    if is_implicit && is_wanted {
                        return Err(ScanError::Structure);
                    }
                    let implicit = Coding { explicit: false, big_endian: false };
                    let coding = if is_implicit { implicit } else { here };
                    open(&mut levels, Level { is_sequence: true, end, coding }, data_set.len())?;
                    at = element.start;
                }
            },
        }
    }
}

/// Enters a sequence or an item.
fn open(levels: &mut Vec<Level>, level: Level, whole: usize) -> Result<(), ScanError> {
    if let Some(end) = level.end {
        within(levels, end, whole)?;
    }
    levels.push(level);
    // Each sequence is two levels, itself and its item.
    if levels.len() > 2 * DEEPEST { Err(ScanError::TooDeep) } else { Ok(()) }
}

/// Whether an end lies within all that it is in.
fn within(levels: &[Level], end: usize, whole: usize) -> Result<(), ScanError> {
    if end > whole {
        return Err(ScanError::CutOff);
    }
    // Those further out end no earlier.
    match levels.iter().rev().find_map(|level| level.end) {
        Some(outer) if end > outer => Err(ScanError::Structure),
        _ => Ok(()),
    }
}

/// The value of Pixel Data.
fn stored<'a>(data_set: &'a [u8], element: &Element, coding: Coding) -> Result<Stored<'a>, ScanError> {
    let Range { start, end } = element.start..data_set.len();
    if let Some(length) = element.length {
        let announced = start.saturating_add(length);
        return Ok(Stored::Native {
            bytes: &data_set[start..announced.min(end)],
            missing: announced.saturating_sub(end),
        });
    }
    let (mut at, mut offsets, mut fragments, mut missing) = (start, None, Vec::new(), 0);
    // Some writers leave out the delimiter.
    while at < end {
        let item = Element::read(data_set, at, coding)?;
        match (item.tag, item.length) {
            (END_OF_SEQUENCE, _) => break,
            (ITEM, Some(length)) => {
                let announced = item.start.saturating_add(length);
                missing = announced.saturating_sub(end);
                let value = &data_set[item.start..announced.min(end)];
                match offsets {
                    None => offsets = Some(value),
                    Some(_) => fragments.push(value),
                }
                at = announced;
            }
            _ => return Err(ScanError::Structure),
        }
    }
    Ok(Stored::Encapsulated { offsets: offsets.unwrap_or_default(), fragments, missing })
}
