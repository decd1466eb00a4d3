//! Slices coded in every way that is read, whole and damaged.

use std::{fs, path::Path};

use dicom_core::{
    DataElement, PrimitiveValue, VR,
    value::{DataSetSequence, PixelFragmentSequence},
};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use crate::{CtSlice, Found, ReadError, read};

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

fn read_bytes(folder: &Path, bytes: &[u8]) -> Result<Found, ReadError> {
    let path = folder.join("slice");
    fs::write(&path, bytes).expect("written");
    read(&path)
}

#[track_caller]
fn slice(object: InMemDicomObject) -> Result<CtSlice, ReadError> {
    let folder = tempfile::tempdir().expect("temporary folder");
    match read_bytes(folder.path(), &file(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![]))? {
        Found::Ct(mut slices) => Ok(slices.remove(0)),
        Found::Unusable(unusable) => Err(unusable.why),
        Found::Other { series_uid, .. } => panic!("{series_uid} is no CT"),
    }
}

#[test]
fn every_coding_gives_the_same_values() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let want: Vec<i16> = stored().into_iter().map(|value| value.cast_signed() - 1024).collect();
    for (name, bytes) in codings() {
        match read_bytes(folder.path(), &bytes) {
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

// Damaged lengths are left to the worker process to come: dicom-rs takes the memory that a length claims.

#[test]
fn damaged_pixels_never_panic() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut state = 20_261_123;
    for (name, whole) in codings() {
        if name == "deflated" {
            continue; // Any byte of it may become a length.
        }
        // The header of the last element, and of the frame's item, end before this.
        let pixels = whole.len() - pixel_bytes(&whole);
        for round in 0..500 {
            let mut bytes = whole.clone();
            for _ in 0..[1, 2, 8][round % 3] {
                let at = pixels + next(&mut state) % (whole.len() - pixels);
                bytes[at] = next(&mut state).to_le_bytes()[0];
            }
            if round % 5 == 4 {
                bytes.truncate(next(&mut state) % whole.len());
            }
            // That it returns is the test; a changed pixel is no error.
            drop(read_bytes(folder.path(), &bytes));
        }
    }
}

/// How many bytes at the end of a file are surely those of its pixels.
fn pixel_bytes(file: &[u8]) -> usize {
    let frames = [rle(), lossless_jpeg()];
    let coded = frames.iter().find(|frame| file.windows(frame.len()).any(|part| part == &frame[..]));
    // A sequence's delimiter is eight bytes.
    coded.map_or(stored().len() * 2, |frame| frame.len() + 8)
}

#[test]
fn files_that_end_early_never_panic() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (name, whole) in codings() {
        for kept in (0..whole.len()).step_by(7) {
            if let Ok(Found::Ct(slices)) = read_bytes(folder.path(), &whole[..kept]) {
                // A delimiter and a padding byte may be missing; a pixel may not.
                assert!(kept + 10 > whole.len() && slices[0].hu.len() == stored().len(), "{name}: {kept} bytes");
            }
        }
    }
}

#[test]
fn headers_that_lie_about_the_pixels_never_panic() {
    let folder = tempfile::tempdir().expect("temporary folder");
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
                drop(read_bytes(folder.path(), &file(object, transfer_syntax, fragments.clone())));
            }
        }
        for frames in ["0", "2", "4000000000", "-1", "x"] {
            let mut object = image();
            object.put(DataElement::new(tags::NUMBER_OF_FRAMES, VR::IS, frames));
            drop(read_bytes(folder.path(), &file(object, transfer_syntax, fragments.clone())));
        }
    }
}

#[test]
fn coded_frames_that_are_cut_off_are_no_slice() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (transfer_syntax, frame) in [(uids::RLE_LOSSLESS, rle()), (uids::JPEG_LOSSLESS_SV1, lossless_jpeg())] {
        for kept in [0, 30, 70, frame.len() / 2, frame.len() - 6] {
            let cut = frame[..kept - kept % 2].to_vec();
            let found = read_bytes(folder.path(), &file(image(), transfer_syntax, vec![cut]));
            let Ok(Found::Unusable(unusable)) = found else { panic!("{transfer_syntax}, {kept} bytes: {found:?}") };
            assert!(matches!(unusable.why, ReadError::Pixels { .. } | ReadError::Truncated { .. }), "{unusable:?}");
        }
    }
}

#[test]
fn messages_are_one_line_whatever_the_file_says() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut bytes = file(image(), uids::JPEG_LOSSLESS_SV1, vec![lossless_jpeg()]);
    let syntax = uids::JPEG_LOSSLESS_SV1.as_bytes();
    let at = bytes.windows(syntax.len()).position(|part| part == syntax).expect("in the meta group");
    bytes[at + 2] = b'\n';
    let Err(ReadError::Damaged(source)) = read_bytes(folder.path(), &bytes) else { panic!("no such transfer syntax") };
    assert!(source.to_string().contains("transfer syntax") && !source.to_string().contains('\n'), "{source}");
}

#[test]
fn a_coded_picture_has_the_size_of_the_slice() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (at, value) in [(8, 25), (10, 21), (10, 19)] {
        let mut frame = lossless_jpeg();
        frame[at] = value;
        let found = read_bytes(folder.path(), &file(image(), uids::JPEG_LOSSLESS_SV1, vec![frame]));
        assert!(matches!(found, Ok(Found::Unusable(_))), "{found:?}");
    }
}

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
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut object = image();
    object.remove_element(tags::PIXEL_SPACING);
    object.put(DataElement::new(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER"));
    let found = read_bytes(folder.path(), &file(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![]));
    let Ok(Found::Unusable(unusable)) = found else { panic!("{found:?}") };
    assert!(unusable.localiser && matches!(unusable.why, ReadError::Attribute("Pixel Spacing")));
    assert_eq!((unusable.series_uid.as_str(), unusable.patient_id.as_str()), ("2.25.2", "P1"));
}

#[test]
fn what_is_left_of_a_slice_is_told_from_what_never_was_one() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let whole = file(image(), uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![]);
    let read = |bytes: &[u8]| read_bytes(folder.path(), bytes).expect_err("no slice");
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
    object.with_meta(meta).expect("complete").write_all(&mut bytes).expect("written");
    bytes
}

#[test]
fn frames_of_one_object_are_slices() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut plain = enhanced(3);
    let values: Vec<u16> = (0..3).flat_map(|frame| stored().into_iter().map(move |value| value + frame)).collect();
    plain.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.into())));
    let Ok(Found::Ct(slices)) = read_bytes(folder.path(), &bytes_of(plain, uids::EXPLICIT_VR_LITTLE_ENDIAN)) else {
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
        let found = read_bytes(folder.path(), &bytes_of(coded, uids::RLE_LOSSLESS));
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
        let found = read_bytes(folder.path(), &bytes_of(coded, uids::RLE_LOSSLESS));
        assert!(matches!(found, Ok(Found::Unusable(_))), "{found:?}");
    }
}

#[test]
fn frames_that_are_not_those_that_are_told_are_no_slices() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for frames in ["", "0", "2", "4", "1000000000"] {
        let mut object = enhanced(3);
        object.put(DataElement::new(tags::NUMBER_OF_FRAMES, VR::IS, frames));
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored().into())));
        let found = read_bytes(folder.path(), &bytes_of(object, uids::EXPLICIT_VR_LITTLE_ENDIAN));
        assert!(matches!(found, Ok(Found::Unusable(_))), "{frames}: {found:?}");
    }
}
