//! Slices coded in every way that is read, whole and damaged.

use std::io::Write as _;

use dicom_core::{
    DataElement, PrimitiveValue, VR,
    value::{DataSetSequence, PixelFragmentSequence},
};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::entries;

use flate2::{Compression, write::DeflateEncoder};

use crate::{CtSlice, Found, ReadError, read_bytes};

/// Explicit VR Big Endian: retired, and still on old disks.
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
const ROWS: u16 = 24;
const COLUMNS: u16 = 20;

/// The stored values of a slice, with runs and noise in it.
fn stored() -> Vec<u16> {
    (0..ROWS * COLUMNS).map(|at| if at % COLUMNS < 6 { 24 } else { 1_000 + at * 37 % 400 }).collect()
}

/// The attributes of a CT image, without pixel data.
fn image() -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    for (tag, vr, value) in [
        (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, "2.25.4"),
        (tags::PATIENT_ID, VR::LO, "P1"),
        (tags::STUDY_INSTANCE_UID, VR::UI, "2.25.1"),
        (tags::SERIES_INSTANCE_UID, VR::UI, "2.25.2"),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, "2.25.3"),
        (tags::IMAGE_POSITION_PATIENT, VR::DS, "-100\\-80\\40.5"),
        (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
        (tags::PIXEL_SPACING, VR::DS, "0.7\\0.7"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
        (tags::RESCALE_SLOPE, VR::DS, "1"),
    ] {
        object.put(DataElement::new(tag, vr, value));
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, ROWS),
        (tags::COLUMNS, COLUMNS),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    object
}

/// The bytes of a file of the image, its pixel data in `fragments` or, without any, as they are.
fn file(mut object: InMemDicomObject, transfer_syntax: &str, fragments: Vec<Vec<u8>>) -> Vec<u8> {
    if fragments.is_empty() {
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored().into())));
    } else {
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PixelFragmentSequence::new_fragments(fragments)));
    }
    bytes_of(object, transfer_syntax)
}

/// An RLE frame (PS3.5 Annex G): runs where a byte repeats, else literals one by one.
fn rle() -> Vec<u8> {
    let segment = |byte: usize| -> Vec<u8> {
        let bytes: Vec<u8> = stored().into_iter().map(|value| value.to_be_bytes()[byte]).collect();
        let mut packed: Vec<u8> = bytes
            .chunk_by(|a, b| a == b)
            .flat_map(|run| run.chunks(128))
            .flat_map(|run| [u8::try_from((257 - run.len()) % 256).expect("1 to 128"), run[0]])
            .collect();
        packed.resize(packed.len().next_multiple_of(2), 0);
        packed
    };
    let (high, low) = (segment(0), segment(1));
    let second = u32::try_from(64 + high.len()).expect("small");
    let mut frame: Vec<u8> = [2, 64, second].into_iter().flat_map(u32::to_le_bytes).collect();
    frame.resize(64, 0);
    [frame, high, low].concat()
}

/// A lossless JPEG frame (T.81 Annex H, selection value 1): one Huffman table in which category c has the code c, in five bits.
fn lossless_jpeg() -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    let [y, x] = [ROWS, COLUMNS].map(u16::to_be_bytes);
    bytes.extend([0xff, 0xc3, 0, 11, 16, y[0], y[1], x[0], x[1], 1, 1, 0x11, 0]);
    let mut counts = [0; 16];
    counts[4] = 17;
    bytes.extend([0xff, 0xc4, 0, 2 + 17 + 17, 0]);
    bytes.extend(counts);
    bytes.extend(0..17);
    bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 1, 0, 0]);
    let (mut bits, mut count) = (0_u64, 0);
    let mut put = |value: u64, length: u32, bytes: &mut Vec<u8>| {
        bits = (bits << length) | value;
        count += length;
        while count >= 8 {
            count -= 8;
            let byte = (bits >> count).to_le_bytes()[0];
            bytes.push(byte);
            if byte == 0xff {
                bytes.push(0);
            }
        }
    };
    let values: Vec<i32> = stored().into_iter().map(i32::from).collect();
    let width = usize::from(COLUMNS);
    for (at, &value) in values.iter().enumerate() {
        let predicted = match (at / width, at % width) {
            (0, 0) => 1 << 15,
            (_, 0) => values[at - width],
            _ => values[at - 1],
        };
        let difference = value - predicted;
        let category = 32 - difference.unsigned_abs().leading_zeros();
        put(u64::from(category), 5, &mut bytes);
        let coded = if difference < 0 { difference - 1 } else { difference };
        put(u64::from(coded.cast_unsigned()) & ((1 << category) - 1), category, &mut bytes);
    }
    put(0x7f, 7, &mut bytes);
    bytes.extend([0xff, 0xd9]);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

/// A slice in every coding that is read.
fn codings() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("explicit", file(image(), uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![])),
        ("implicit", file(image(), uids::IMPLICIT_VR_LITTLE_ENDIAN, vec![])),
        ("big-endian", file(image(), BIG_ENDIAN, vec![])),
        ("deflated", file(image(), uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, vec![])),
        ("RLE", file(image(), uids::RLE_LOSSLESS, vec![rle()])),
        ("lossless JPEG", file(image(), uids::JPEG_LOSSLESS_SV1, vec![lossless_jpeg()])),
    ]
}

#[track_caller]
fn slice(object: InMemDicomObject) -> Result<CtSlice, ReadError> {
    match read_bytes(&file(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![]))? {
        Found::Ct(mut slices) => Ok(slices.remove(0)),
        Found::Unusable(unusable) => Err(unusable.why),
        Found::Other { series_uid, .. } => panic!("{series_uid} is no CT"),
    }
}

// verifies: REQ-CT-03
#[test]
fn every_coding_gives_the_same_values() {
    let want: Vec<i16> = stored().into_iter().map(|value| value.cast_signed() - 1024).collect();
    for (name, bytes) in codings() {
        match read_bytes(&bytes) {
            Ok(Found::Ct(slices)) => {
                let found: Vec<_> = slices.into_iter().map(|slice| (slice.hu, slice.exact_hu)).collect();
                assert_eq!(found, [(want.clone(), None)], "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// xorshift64: the same damage on every machine.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).expect("31 bits")
}

// verifies: REQ-INPUT-01
#[test]
fn damaged_files_never_panic() {
    let mut state = 20_261_123;
    for (_, whole) in codings() {
        for round in 0..500 {
            let mut bytes = whole.clone();
            for _ in 0..[1, 2, 8][round % 3] {
                let at = 132 + next(&mut state) % (whole.len() - 132);
                bytes[at] = next(&mut state).to_le_bytes()[0];
            }
            if round % 5 == 4 {
                bytes.truncate(next(&mut state) % whole.len());
            }
            // That it returns is the test; a changed pixel is no error.
            drop(read_bytes(&bytes));
        }
    }
}

/// A file of a data set that is written byte by byte.
fn file_of(transfer_syntax: &str, data_set: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut value = transfer_syntax.as_bytes().to_vec();
    value.resize(value.len().next_multiple_of(2), 0);
    bytes.extend([2, 0, 0x10, 0, b'U', b'I', value.len().to_le_bytes()[0], 0]);
    bytes.extend(value);
    bytes.extend(data_set);
    bytes
}

/// Sequences in one another, so many, each of so many bytes or of no stated length.
fn nested(depth: usize, is_defined: bool) -> Vec<u8> {
    let mut inner: Vec<u8> = Vec::new();
    for _ in 0..depth {
        let length = |bytes: usize| u32::try_from(bytes).expect("small").to_le_bytes();
        let mut outer = vec![0x00, 0x52, 0x30, 0x92, b'S', b'Q', 0, 0];
        if is_defined {
            outer.extend(length(inner.len() + 8));
            outer.extend([0xfe, 0xff, 0x00, 0xe0]);
            outer.extend(length(inner.len()));
            outer.extend(inner);
        } else {
            outer.extend([0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff]);
            outer.extend(inner);
            outer.extend([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
        }
        inner = outer;
    }
    inner
}

#[track_caller]
fn check_damaged(bytes: Vec<u8>, want: &str) {
    match read_bytes(&bytes) {
        Err(ReadError::Damaged(source)) => assert_eq!(source.to_string(), want),
        other => panic!("{other:?}"),
    }
}

// verifies: REQ-INPUT-01
#[test]
fn sequences_in_one_another_are_no_attack() {
    let explicit = uids::EXPLICIT_VR_LITTLE_ENDIAN;
    for is_defined in [true, false] {
        let depth = if is_defined { 2_000 } else { 20_000 };
        check_damaged(
            file_of(explicit, &nested(depth, is_defined)),
            "its sequences lie more than 32 deep in one another",
        );
        let fine = read_bytes(&file_of(explicit, &nested(30, is_defined)));
        assert!(matches!(fine, Ok(Found::Other { .. })), "{fine:?}");
    }
}

// verifies: REQ-INPUT-01
#[test]
fn lengths_that_lie_are_not_believed() {
    let explicit = uids::EXPLICIT_VR_LITTLE_ENDIAN;
    let four_gigabytes = [0xe0, 0x7f, 0x10, 0x00, b'O', b'W', 0, 0, 0xfe, 0xff, 0xff, 0xff, 1, 2, 3, 4];
    let mut whole = file(image(), explicit, vec![]);
    whole.truncate(whole.len() - 12 - stored().len() * 2);
    whole.extend(four_gigabytes);
    let Ok(Found::Unusable(unusable)) = read_bytes(&whole) else { panic!("no slice") };
    assert!(matches!(unusable.why, ReadError::Truncated { found: 4, .. }), "{unusable:?}");
    let text = [0x08, 0x00, 0x08, 0x00, b'U', b'T', 0, 0, 0xf0, 0xff, 0xff, 0x7f, b'A'];
    check_damaged(file_of(explicit, &text), "it ends in the middle of an element");
    let beyond = [0x00, 0x52, 0x30, 0x92, b'S', b'Q', 0, 0, 8, 0, 0, 0, 0xfe, 0xff, 0x00, 0xe0, 4, 0, 0, 0, 1, 2, 3, 4];
    check_damaged(
        file_of(explicit, &beyond),
        "an element reaches beyond the sequence it is in, or a delimiter has no beginning",
    );
    // A text of nothing but separators is a text each.
    let mut separators = vec![0x08, 0x00, 0x08, 0x00, b'U', b'C', 0, 0, 0, 0, 0, 5];
    separators.resize(separators.len() + (5 << 24), b'\\');
    check_damaged(file_of(explicit, &separators), "its header is larger than any scanner's");
}

// verifies: REQ-INPUT-01
#[test]
fn a_deflate_bomb_is_not_inflated() {
    let mut object = image();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(vec![0; 16 << 20].into())));
    let bomb = bytes_of(object, uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN);
    assert!(bomb.len() < 400_000);
    check_damaged(bomb, "inflated, it is larger than any scanner's");
}

#[test]
fn what_is_not_wanted_is_passed_over() {
    // A private sequence of UN and no stated length has implicit VR in it (PS3.5 6.2.2): the parser would stumble.
    let mut private = vec![0x09, 0x00, 0x10, 0x10, b'U', b'N', 0, 0, 0xff, 0xff, 0xff, 0xff];
    private.extend([0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff]);
    private.extend([0x09, 0x00, 0x11, 0x10, 4, 0, 0, 0, 1, 2, 3, 4]);
    private.extend([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    let whole = file(image(), uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![]);
    let patient = whole.windows(4).position(|bytes| bytes == [0x10, 0, 0x20, 0]).expect("a patient id");
    let with = [&whole[..patient], &private, &whole[patient..]].concat();
    assert!(matches!(read_bytes(&with), Ok(Found::Ct(slices)) if slices[0].header.patient_id == "P1"));
}

#[test]
fn a_file_without_what_comes_first_is_read() {
    let whole = file(image(), uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![]);
    let data_set = whole.windows(4).position(|bytes| bytes == [8, 0, 8, 0]).expect("Image Type");
    let transfer_syntax = whole.windows(4).position(|bytes| bytes == [2, 0, 0x10, 0]).expect("Transfer Syntax UID");
    for (name, bytes) in [
        ("no preamble", whole[128..].to_vec()),
        ("no preamble, no prefix", whole[132..].to_vec()),
        ("no group length", [&whole[..132], &whole[transfer_syntax..]].concat()),
        ("no File Meta Information", whole[data_set..].to_vec()),
    ] {
        let read = read_bytes(&bytes);
        assert!(matches!(&read, Ok(Found::Ct(slices)) if slices[0].hu[0] == -1000), "{name}: {read:?}");
    }
}

#[test]
fn padding_that_would_be_the_densest_is_air() {
    let padded = |value: u16, limit: Option<u16>| {
        let mut object = image();
        object.put(DataElement::new(tags::PIXEL_PADDING_VALUE, VR::US, PrimitiveValue::from(value)));
        if let Some(limit) = limit {
            object.put(DataElement::new(tags::PIXEL_PADDING_RANGE_LIMIT, VR::US, PrimitiveValue::from(limit)));
        }
        object.put(DataElement::new(tags::RESCALE_INTERCEPT, VR::DS, "30000"));
        slice(object).expect("a slice").hu[0]
    };
    // The first stored value is 24, 30,024 HU.
    assert_eq!(padded(24, None), -1000);
    assert_eq!(padded(0, Some(24)), -1000);
    assert_eq!(padded(0, None), 30_024);
    let mut low = image();
    low.put(DataElement::new(tags::PIXEL_PADDING_VALUE, VR::US, PrimitiveValue::from(24_u16)));
    assert_eq!(slice(low).expect("a slice").hu[0], -1000, "as it is stored: 24 - 1024");
}

#[test]
fn files_that_end_early_never_panic() {
    for (name, whole) in codings() {
        for kept in (0..whole.len()).step_by(7) {
            if let Ok(Found::Ct(slices)) = read_bytes(&whole[..kept]) {
                // A delimiter and a padding byte may be missing; a pixel may not.
                assert!(kept + 10 > whole.len() && slices[0].hu.len() == stored().len(), "{name}: {kept} bytes");
            }
        }
    }
}

// verifies: REQ-INPUT-01
#[test]
fn headers_that_lie_about_the_pixels_never_panic() {
    let coded = [
        (uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![]),
        (uids::RLE_LOSSLESS, vec![rle()]),
        (uids::RLE_LOSSLESS, vec![vec![], rle()]),
        (uids::JPEG_LOSSLESS_SV1, vec![lossless_jpeg()]),
        (uids::JPEG_LOSSLESS_SV1, vec![lossless_jpeg(), lossless_jpeg()]),
        (uids::JPEG_BASELINE8_BIT, vec![rle()]),
    ];
    let attributes =
        [tags::ROWS, tags::COLUMNS, tags::BITS_ALLOCATED, tags::BITS_STORED, tags::SAMPLES_PER_PIXEL, tags::HIGH_BIT];
    for (transfer_syntax, fragments) in coded {
        for tag in attributes {
            for value in [0_u16, 1, 8, 12, 15, 17, 19, 25, 32, 4_096, 8_192, u16::MAX] {
                let mut object = image();
                object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
                drop(read_bytes(&file(object, transfer_syntax, fragments.clone())));
            }
        }
        for frames in ["0", "2", "4000000000", "-1", "x"] {
            let mut object = image();
            object.put(DataElement::new(tags::NUMBER_OF_FRAMES, VR::IS, frames));
            drop(read_bytes(&file(object, transfer_syntax, fragments.clone())));
        }
    }
}

// verifies: REQ-CT-01
#[test]
fn coded_frames_that_are_cut_off_are_no_slice() {
    for (transfer_syntax, frame) in [(uids::RLE_LOSSLESS, rle()), (uids::JPEG_LOSSLESS_SV1, lossless_jpeg())] {
        for kept in [0, 30, 70, frame.len() / 2, frame.len() - 6] {
            let cut = frame[..kept - kept % 2].to_vec();
            let found = read_bytes(&file(image(), transfer_syntax, vec![cut]));
            let Ok(Found::Unusable(unusable)) = found else { panic!("{transfer_syntax}, {kept} bytes: {found:?}") };
            assert!(matches!(unusable.why, ReadError::Pixels { .. } | ReadError::Truncated { .. }), "{unusable:?}");
        }
    }
}

#[test]
fn messages_are_one_line_whatever_the_file_says() {
    let mut bytes = file(image(), uids::JPEG_LOSSLESS_SV1, vec![lossless_jpeg()]);
    let syntax = uids::JPEG_LOSSLESS_SV1.as_bytes();
    let at = bytes.windows(syntax.len()).position(|part| part == syntax).expect("in the meta group");
    bytes[at + 2] = b'\n';
    let Ok(Found::Unusable(unusable)) = read_bytes(&bytes) else { panic!("no such transfer syntax") };
    let message = unusable.why.to_string();
    assert!(message.contains("transfer syntax") && !message.contains('\n'), "{message}");
}

#[test]
fn a_coded_picture_has_the_size_of_the_slice() {
    for (at, value) in [(8, 25), (10, 21), (10, 19)] {
        let mut frame = lossless_jpeg();
        frame[at] = value;
        let found = read_bytes(&file(image(), uids::JPEG_LOSSLESS_SV1, vec![frame]));
        assert!(matches!(found, Ok(Found::Unusable(_))), "{found:?}");
    }
}

// verifies: REQ-CT-03
#[test]
fn hu_that_16_bits_cannot_say_are_kept_as_floats() {
    let rescaled = |slope: &str, intercept: &str| {
        let mut object = image();
        object.put(DataElement::new(tags::RESCALE_SLOPE, VR::DS, slope));
        object.put(DataElement::new(tags::RESCALE_INTERCEPT, VR::DS, intercept));
        slice(object)
    };
    let first = |slope: &str, intercept: &str| {
        let slice = rescaled(slope, intercept).expect("a slice");
        (slice.hu[0], slice.exact_hu.map(|exact| exact[0]))
    };
    // The first stored value is 24.
    assert_eq!(first("1", "-1024"), (-1000, None));
    assert_eq!(first("2.0", "-1024"), (-976, None));
    assert_eq!(first("0.5", "-1000.25"), (-988, Some(-988.25)));
    assert_eq!(first("20", "-1024"), (-544, None));
    assert_eq!(first("2000", "0"), (i16::MAX, Some(48_000.0)), "held, not wrapped");
    assert_eq!(first("-2000", "0"), (i16::MIN, Some(-48_000.0)));
    // Absent: values without a sign are the scanner's own, values with one may be HU as they are.
    assert!(matches!(rescaled("", ""), Err(ReadError::Attribute("Rescale Intercept"))));
    let mut signed = image();
    signed.remove_element(tags::RESCALE_SLOPE);
    signed.remove_element(tags::RESCALE_INTERCEPT);
    signed.put(DataElement::new(tags::PIXEL_REPRESENTATION, VR::US, dicom_core::PrimitiveValue::from(1_u16)));
    assert_eq!(slice(signed).expect("a slice").hu[0], 24);
    for slope in ["one", "1e300", "nan", "0"] {
        assert!(matches!(rescaled(slope, "0"), Err(ReadError::Attribute("Rescale Slope"))), "{slope}");
    }
}

#[test]
fn a_ct_image_that_is_no_slice_says_whose_it_is() {
    let mut object = image();
    object.remove_element(tags::PIXEL_SPACING);
    object.put(DataElement::new(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER"));
    let found = read_bytes(&file(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![]));
    let Ok(Found::Unusable(unusable)) = found else { panic!("{found:?}") };
    assert!(unusable.localiser && matches!(unusable.why, ReadError::Attribute("Pixel Spacing")));
    assert_eq!((unusable.series_uid.as_str(), unusable.patient_id.as_str()), ("2.25.2", "P1"));
}

#[test]
fn what_is_left_of_a_slice_is_told_from_what_never_was_one() {
    let whole = file(image(), uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![]);
    let read = |bytes: &[u8]| read_bytes(bytes).expect_err("no slice");
    assert!(matches!(read(&[]), ReadError::Empty));
    assert!(matches!(read(&whole[..100]), ReadError::Stub));
    assert!(matches!(read(&whole[..131]), ReadError::Stub));
    assert!(matches!(read(&whole[..132]), ReadError::Damaged(_)));
    assert!(matches!(read(&whole[..403]), ReadError::Damaged(_)));
    assert!(matches!(read(&vec![0; whole.len()]), ReadError::Stub), "the right size, never filled");
    assert!(matches!(read(b"Dear colleague,\r\n"), ReadError::NotDicom));
    assert!(matches!(read(&[b'x'; 500]), ReadError::NotDicom));
}

/// A multi-frame CT (PS3.3 A.38): what frames have alike in the shared groups, and the position in each one's own.
fn enhanced(frames: u16) -> InMemDicomObject {
    let mut object = image();
    for tag in
        [tags::IMAGE_POSITION_PATIENT, tags::PIXEL_SPACING, tags::IMAGE_ORIENTATION_PATIENT, tags::RESCALE_INTERCEPT]
    {
        object.remove_element(tag);
    }
    let group = |sequence, tag, value: &str| {
        let item = InMemDicomObject::from_element_iter([DataElement::new(tag, VR::DS, value)]);
        DataElement::new(sequence, VR::SQ, DataSetSequence::from(vec![item]))
    };
    let shared = InMemDicomObject::from_element_iter([
        group(tags::PIXEL_MEASURES_SEQUENCE, tags::PIXEL_SPACING, "0.7\\0.7"),
        group(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT, "1\\0\\0\\0\\1\\0"),
        group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tags::RESCALE_INTERCEPT, "-1024"),
    ]);
    let own = |frame: u16| {
        let position = format!("-100\\-80\\{}", 40 + 2 * frame);
        InMemDicomObject::from_element_iter([group(
            tags::PLANE_POSITION_SEQUENCE,
            tags::IMAGE_POSITION_PATIENT,
            &position,
        )])
    };
    let own: Vec<_> = (0..frames).map(own).collect();
    object.put(DataElement::new(tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_CT_IMAGE_STORAGE));
    object.put(DataElement::new(tags::NUMBER_OF_FRAMES, VR::IS, frames.to_string()));
    object.put(DataElement::new(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, VR::SQ, DataSetSequence::from(vec![shared])));
    object.put(DataElement::new(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, VR::SQ, DataSetSequence::from(own)));
    object
}

fn bytes_of(object: InMemDicomObject, transfer_syntax: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let meta = FileMetaTableBuilder::new().transfer_syntax(transfer_syntax);
    let file = object.with_meta(meta).expect("complete");
    if transfer_syntax != uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        file.write_all(&mut bytes).expect("written");
        return bytes;
    }
    bytes.extend([0; 128]);
    bytes.extend(b"DICM");
    file.write_meta(&mut bytes).expect("written");
    let mut data_set = Vec::new();
    let coding = entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
    file.write_dataset_with_ts(&mut data_set, &coding).expect("written");
    let mut deflated = DeflateEncoder::new(bytes, Compression::fast());
    deflated.write_all(&data_set).expect("written");
    deflated.finish().expect("written")
}

#[test]
fn frames_of_one_object_are_slices() {
    let mut plain = enhanced(3);
    let values: Vec<u16> = (0..3).flat_map(|frame| stored().into_iter().map(move |value| value + frame)).collect();
    plain.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.into())));
    let Ok(Found::Ct(slices)) = read_bytes(&bytes_of(plain, uids::EXPLICIT_VR_LITTLE_ENDIAN)) else {
        panic!("three slices")
    };
    for (frame, slice) in (0..).zip(&slices) {
        assert!((slice.header.position_lps_mm[2] - f64::from(40 + 2 * frame)).abs() < 1e-9);
        assert!(slice.header.pixel_spacing_mm.iter().all(|mm| (mm - 0.7).abs() < 1e-9));
        assert_eq!(slice.hu[..3], [24 - 1024 + frame; 3]);
    }
    assert_eq!(slices.len(), 3);

    // Coded: a fragment for each frame; and frames in pieces, which the offset table tells apart.
    let half = rle().len() / 4 * 2;
    let pieces: Vec<Vec<u8>> = (0..3).flat_map(|_| [rle()[..half].to_vec(), rle()[half..].to_vec()]).collect();
    let frame = u32::try_from(rle().len() + 16).expect("small");
    for (offsets, fragments) in [(vec![], vec![rle(), rle(), rle()]), (vec![0, frame, 2 * frame], pieces.clone())] {
        let mut coded = enhanced(3);
        let pixels = PixelFragmentSequence::new(offsets, fragments);
        coded.put(DataElement::new(tags::PIXEL_DATA, VR::OB, pixels));
        let found = read_bytes(&bytes_of(coded, uids::RLE_LOSSLESS));
        let Ok(Found::Ct(slices)) = found else { panic!("{found:?}") };
        assert!(
            slices.len() == 3 && slices.iter().all(|slice| slice.hu.len() == stored().len() && slice.hu[0] == -1000)
        );
    }
    // Which piece belongs to which frame is not said, or said wrongly; or there is a frame too few.
    for (offsets, fragments) in
        [(vec![], pieces.clone()), (vec![0, 7, 2 * frame], pieces), (vec![], vec![rle(), rle()])]
    {
        let mut coded = enhanced(3);
        coded.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PixelFragmentSequence::new(offsets, fragments)));
        let found = read_bytes(&bytes_of(coded, uids::RLE_LOSSLESS));
        assert!(matches!(found, Ok(Found::Unusable(_))), "{found:?}");
    }
}

#[test]
fn frames_that_are_not_those_that_are_told_are_no_slices() {
    for frames in ["", "0", "2", "4", "1000000000"] {
        let mut object = enhanced(3);
        object.put(DataElement::new(tags::NUMBER_OF_FRAMES, VR::IS, frames));
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored().into())));
        let found = read_bytes(&bytes_of(object, uids::EXPLICIT_VR_LITTLE_ENDIAN));
        assert!(matches!(found, Ok(Found::Unusable(_))), "{frames}: {found:?}");
    }
}

// verifies: REQ-INPUT-01
#[test]
fn fuzz_files() {
    let seeds = codings().into_iter().map(|(_, bytes)| bytes).chain([
        bytes_of(enhanced(2), uids::EXPLICIT_VR_LITTLE_ENDIAN),
        file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, &nested(4, true)),
        file_of(uids::EXPLICIT_VR_LITTLE_ENDIAN, &nested(4, false)),
    ]);
    hilum_fuzz::fuzz("files", seeds.collect(), |bytes| match read_bytes(bytes) {
        Ok(Found::Ct(slices)) => format!("{} slices, exact {}", slices.len(), slices[0].exact_hu.is_some()),
        Ok(Found::Unusable(unusable)) => words(&unusable.why),
        Ok(Found::Other { .. }) => "another object".to_owned(),
        Err(error) => words(&error),
    });
}

/// What an error says, with what it says of why and without numbers.
fn words(error: &ReadError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let said: Vec<String> = causes.map(ToString::to_string).collect();
    said.join(": ").chars().filter(|letter| !letter.is_ascii_digit()).take(120).collect()
}
