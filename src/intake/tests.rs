//! Series on disk: what makes a volume and what must not.

use std::path::Path;

use hilum_dicom::{CtSeries, write_ct_slice};
use hilum_domain::RefusalCode;
use hilum_imaging::{Grid, Volume};
use ndarray::Array3;

use crate::{Pick, Rejection, Unreadable, Verdict, list, picked_volume, volume};

fn series(patient: &str, uid: &str) -> CtSeries {
    CtSeries {
        patient_id: patient.to_owned(),
        patient_sex: "",
        patient_age: None,
        study_uid: "2.25.10".to_owned(),
        series_uid: uid.to_owned(),
        frame_of_reference_uid: "2.25.11".to_owned(),
        date: "20260105".to_owned(),
        description: "thorax".to_owned(),
        equipment: ["Hilum".to_owned(), "test".to_owned()],
        kernel: "STANDARD".to_owned(),
    }
}

/// A volume whose every voxel is told from every other, with a step that shears like a tilted gantry by `tilt_mm`.
fn ramp(slices: usize, step_mm: f64, tilt_mm: f64) -> Volume<i16> {
    let mut grid = Grid::axial([6, 5, slices], [-50.0, -40.0, 100.0], [0.8, 0.9, step_mm]);
    grid.step_lps_mm[2][1] = tilt_mm;
    let voxels =
        Array3::from_shape_fn((slices, 5, 6), |(k, j, i)| i16::try_from(k * 30 + j * 6 + i).unwrap_or(0) - 900);
    Volume::new(voxels, grid).expect("shape")
}

/// Writes the slices `which` of a volume, as files in the reverse order of their positions.
fn write(folder: &Path, of: &CtSeries, volume: &Volume<i16>, which: &[usize], tag: &str) {
    for &k in which {
        let path = folder.join(format!("{tag}{:03}.dcm", 999 - k));
        write_ct_slice(&path, of, volume, k, &format!("{}.{k}", of.series_uid)).expect("written");
    }
}

#[track_caller]
fn check(prepare: impl FnOnce(&Path), want: Result<[usize; 3], RefusalCode>) {
    let folder = tempfile::tempdir().expect("temporary folder");
    prepare(folder.path());
    let found = match volume(folder.path()) {
        Ok(study) => Ok(study.volume.grid().size),
        Err(Rejection::Refused(refusal)) => Err(refusal.code),
        Err(Rejection::Unreadable(error)) => panic!("{error:?}"),
    };
    assert_eq!(found, want);
}

const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

// verifies: REQ-CT-02
#[test]
fn slices_are_ordered_by_position_and_keep_their_values() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let written = ramp(6, 2.5, 0.0);
    write(folder.path(), &series("P", "2.25.1"), &written, &ALL, "");
    let study = volume(folder.path()).expect("a volume");
    assert_eq!(study.volume.voxels(), written.voxels());
    let (got, want) = (study.volume.grid(), written.grid());
    for corner in [[0.0; 3], [5.0, 4.0, 5.0]] {
        assert!(got.point(corner).distance_mm(want.point(corner)) < 1e-3);
    }
}

// verifies: REQ-CT-02
#[test]
fn a_tilted_gantry_is_a_sheared_grid() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let written = ramp(6, 2.5, 0.7);
    write(folder.path(), &series("P", "2.25.1"), &written, &ALL, "");
    let study = volume(folder.path()).expect("a volume");
    let corner = [0.0, 0.0, 5.0];
    assert!(study.volume.grid().point(corner).distance_mm(written.grid().point(corner)) < 1e-3);
}

// verifies: REQ-CT-01
#[test]
fn a_missing_slice_is_refused_with_its_place() {
    check(
        |folder| write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &[0, 1, 2, 4, 5], ""),
        Err(RefusalCode::MissingSlice),
    );
    let folder = tempfile::tempdir().expect("temporary folder");
    write(folder.path(), &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &[0, 1, 2, 4, 5], "");
    let Err(Rejection::Refused(refusal)) = volume(folder.path()) else { panic!("refused") };
    assert!(refusal.message.contains("between slices 3 and 4"), "{}", refusal.message);
}

// verifies: REQ-PATIENT-01
#[test]
fn two_patients_are_never_mixed() {
    check(
        |folder| {
            write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &[0, 1, 2], "a");
            write(folder, &series("Q", "2.25.1"), &ramp(6, 2.0, 0.0), &[3, 4, 5], "b");
        },
        Err(RefusalCode::TwoPatients),
    );
    check(
        |folder| {
            write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "a");
            write(folder, &series("Q", "2.25.2"), &ramp(6, 2.0, 0.0), &ALL, "b");
        },
        Err(RefusalCode::TwoPatients),
    );
}

// verifies: REQ-CT-01
#[test]
fn a_second_copy_of_the_files_changes_nothing_and_a_second_image_in_one_place_does() {
    check(
        |folder| {
            write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "a");
            write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "b");
        },
        Ok([6, 5, 6]),
    );
    check(
        |folder| {
            write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "a");
            let other = ramp(7, 2.0, 0.0);
            let path = folder.join("again.dcm");
            write_ct_slice(&path, &series("P", "2.25.1"), &other, 3, "2.25.77").expect("written");
        },
        Err(RefusalCode::DuplicateSlices),
    );
}

// verifies: REQ-CT-01
#[test]
fn uneven_steps_and_mixed_sizes_are_refused() {
    check(
        |folder| {
            write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &[0, 1, 2, 3], "a");
            let path = folder.join("odd.dcm");
            // At 100 + 3 × 3.1 = 109.3 mm, 3.3 mm above the last: neither one step nor two.
            write_ct_slice(&path, &series("P", "2.25.1"), &ramp(6, 3.1, 0.0), 3, "2.25.78").expect("written");
        },
        Err(RefusalCode::UnevenSlices),
    );
    check(
        |folder| {
            write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &[0, 1, 2, 3], "a");
            let small =
                Volume::new(Array3::zeros((6, 4, 4)), Grid::axial([4, 4, 6], [-50.0, -40.0, 100.0], [0.8, 0.9, 2.0]));
            write(folder, &series("P", "2.25.1"), &small.expect("shape"), &[4, 5], "b");
        },
        Err(RefusalCode::MixedGeometry),
    );
}

// verifies: REQ-CT-01
#[test]
fn several_series_need_a_choice_and_single_images_are_none() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write(folder.path(), &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "a");
    write(folder.path(), &series("P", "2.25.2"), &ramp(4, 2.0, 0.0), &[0, 1, 2, 3], "b");
    write(folder.path(), &series("P", "2.25.3"), &ramp(4, 2.0, 0.0), &[0], "c");
    let verdicts: Vec<bool> =
        list(folder.path()).expect("readable").iter().map(|series| series.verdict == Verdict::Ok).collect();
    assert_eq!(verdicts, [true, true, false]);
    let Err(Rejection::Refused(refusal)) = volume(folder.path()) else { panic!("refused") };
    assert_eq!(refusal.code, RefusalCode::SeveralSeries);
    assert_eq!(
        picked_volume(folder.path(), Pick { series: Some("2.25.2"), ..Pick::default() })
            .expect("chosen")
            .volume
            .grid()
            .size,
        [6, 5, 4]
    );
}

// verifies: REQ-PRIVACY-02
#[test]
fn what_cannot_be_read_is_no_refusal() {
    let folder = tempfile::tempdir().expect("temporary folder");
    assert!(matches!(list(folder.path()), Err(Unreadable::Empty { .. })));
    assert!(matches!(list(&folder.path().join("gone")), Err(Unreadable::Missing { .. })));
    std::fs::write(folder.path().join("letter.dcm"), "dear colleague").expect("written");
    let Err(error) = list(folder.path()) else { panic!("unreadable") };
    assert!(matches!(error, Unreadable::Dicom { number: 1, of: 1, .. }));
    // A file name may identify a patient.
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        text += &next.to_string();
        cause = next.source();
    }
    assert!(!text.contains("letter"), "{text}");
}

/// Changes bytes of a file.
#[track_caller]
fn patch(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = std::fs::read(path).expect("readable");
    let at = bytes.windows(from.len()).position(|part| part == from).expect("it is there");
    bytes.splice(at..at + from.len(), to.iter().copied());
    std::fs::write(path, bytes).expect("written");
}

const EIGHT_BITS: (&[u8], &[u8]) = (b"\x28\0\0\x01US\x02\0\x10\0", b"\x28\0\0\x01US\x02\0\x08\0");
const NO_SPACING: (&[u8], &[u8]) = (b"\x28\0\x30\0DS", b"\x28\0\x31\0DS");
const LOCALISER: (&[u8], &[u8]) = (b"ORIGINAL\\PRIMARY\\AXIAL", b"DERIVED\\XX\\LOCALIZER  ");

#[track_caller]
fn check_unreadable(folder: &Path, said: &str) {
    let Err(Rejection::Unreadable(error)) = volume(folder) else { panic!("unreadable") };
    assert!(format!("{error:?}").contains(said), "{error:?}");
    assert!(list(folder).is_err());
}

// verifies: REQ-CT-01
#[test]
fn what_is_left_of_a_slice_is_not_passed_over() {
    for name in ["IM0000", "1.2.840.99", "0", "aaa", "x.IMA"] {
        for kept in [0, 100, 131, 140, 700] {
            let folder = tempfile::tempdir().expect("temporary folder");
            write(folder.path(), &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &[0, 1, 2, 3], "");
            let part = folder.path().join(name);
            write_ct_slice(&part, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), 4, "2.25.1.4").expect("written");
            let whole = std::fs::read(&part).expect("readable");
            std::fs::write(&part, &whole[..kept]).expect("written");
            check_unreadable(folder.path(), "Dicom");
        }
    }
}

#[test]
fn what_lies_beside_slices_is_passed_over() {
    check(
        |folder| {
            write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "");
            for (name, bytes) in [
                ("README", &b"read me"[..]),
                ("DICOMDIR", b"\0\0\0"),
                ("._IM0001", b"\0\x05\x16\x07"),
                (".DS_Store", b""),
                ("index.json", b""),
                ("index.xml", b"<?xml"),
                ("Thumbs.db", b"\xd0\xcf"),
                ("viewer.exe", b"MZ\0\x01"),
                ("key.png", b"\x89PNG"),
                ("notes.txt", b""),
            ] {
                std::fs::write(folder.join(name), bytes).expect("written");
            }
        },
        Ok([6, 5, 6]),
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_each_folder_is_visited_once() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().expect("temporary folder");
    write(elsewhere.path(), &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "");
    check(
        |folder| {
            for file in std::fs::read_dir(elsewhere.path()).expect("readable") {
                let file = file.expect("readable");
                symlink(file.path(), folder.join(file.file_name())).expect("linked");
            }
        },
        Ok([6, 5, 6]),
    );
    check(
        |folder| {
            symlink(elsewhere.path(), folder.join("series")).expect("linked");
            symlink(folder, folder.join("again")).expect("linked");
            symlink("itself", folder.join("itself.txt")).expect("linked");
        },
        Ok([6, 5, 6]),
    );
    let folder = tempfile::tempdir().expect("temporary folder");
    symlink(elsewhere.path(), folder.path().join("series")).expect("linked");
    symlink("nowhere", folder.path().join("IM0001")).expect("linked");
    check_unreadable(folder.path(), "Open");
}

#[test]
fn fractions_of_hu_are_kept_beside_the_rounded_volume() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write(folder.path(), &series("P", "2.25.1"), &ramp(3, 2.0, 0.0), &[0, 1, 2], "");
    assert!(volume(folder.path()).expect("a volume").exact.is_none());
    // One slice of three: the first stored value is 124, then 125.
    patch(&folder.path().join("999.dcm"), b"\x28\0\x53\x10DS\x02\x001 ", b"\x28\0\x53\x10DS\x02\0.5");
    let study = volume(folder.path()).expect("a volume");
    let exact = study.exact.expect("fractions");
    assert_eq!(exact.grid(), study.volume.grid());
    let twice = exact.voxels().mapv(|hu| f64::from(hu) * 2.0);
    for (index, want) in [([0, 0, 0], -1924.0), ([0, 0, 1], -1923.0), ([1, 0, 0], -1740.0)] {
        assert!((twice[index] - want).abs() < 1e-9, "{index:?}: {}", twice[index]);
    }
    assert_eq!([study.volume.voxels()[[0, 0, 0]], study.volume.voxels()[[0, 0, 1]]], [-962, -962]);
}

#[test]
fn images_that_were_never_meant_for_a_volume_do_not_spoil_one() {
    for changes in [&[EIGHT_BITS][..], &[NO_SPACING], &[NO_SPACING, LOCALISER]] {
        let folder = tempfile::tempdir().expect("temporary folder");
        write(folder.path(), &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "a");
        let spoil = |uid: &str, k: usize| {
            write(folder.path(), &series("P", uid), &ramp(6, 2.0, 0.0), &[k], "b");
            for (from, to) in changes {
                patch(&folder.path().join(format!("b{:03}.dcm", 999 - k)), from, to);
            }
        };
        spoil("2.25.2", 0);
        assert_eq!(volume(folder.path()).expect("a volume").series_uid, "2.25.1");
        assert_eq!(list(folder.path()).expect("readable").len(), 1);
        // Alone, it is what was meant; in the same series, a slice of it is lost.
        check_unreadable(&folder.path().join("b999.dcm"), "Dicom");
        spoil("2.25.1", 0);
        if changes.contains(&LOCALISER) {
            assert_eq!(volume(folder.path()).expect("a volume").series_uid, "2.25.1");
        } else {
            check_unreadable(folder.path(), "Dicom");
        }
    }
}

#[test]
fn a_whole_series_that_cannot_be_read_is_not_passed_over_unless_another_is_chosen() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write(folder.path(), &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "a");
    write(folder.path(), &series("P", "2.25.2"), &ramp(6, 2.0, 0.0), &ALL, "b");
    for k in ALL {
        patch(&folder.path().join(format!("b{:03}.dcm", 999 - k)), EIGHT_BITS.0, EIGHT_BITS.1);
    }
    check_unreadable(folder.path(), "Bits Allocated");
    assert_eq!(
        picked_volume(folder.path(), Pick { series: Some("2.25.1"), ..Pick::default() }).expect("chosen").series_uid,
        "2.25.1"
    );
    assert!(matches!(
        picked_volume(folder.path(), Pick { series: Some("2.25.2"), ..Pick::default() }),
        Err(Rejection::Unreadable(_))
    ));
}

// verifies: REQ-CT-01
#[test]
fn few_slices_with_one_missing_are_incomplete_and_not_uneven() {
    let slices = |which: &'static [usize]| {
        move |folder: &Path| write(folder, &series("P", "2.25.1"), &ramp(13, 2.0, 0.0), which, "")
    };
    check(slices(&[0, 1, 3]), Err(RefusalCode::MissingSlice));
    check(slices(&[0, 2, 3]), Err(RefusalCode::MissingSlice));
    check(slices(&[0, 2, 4, 5]), Err(RefusalCode::MissingSlice));
    check(slices(&[0, 2, 4]), Ok([6, 5, 3]));
    // One slice too many, half a step from its neighbours.
    check(slices(&[0, 2, 4, 5, 6, 8, 10, 12]), Err(RefusalCode::UnevenSlices));
}

#[test]
fn messages_count_in_words() {
    let message = |prepare: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().expect("temporary folder");
        prepare(folder.path());
        let Err(Rejection::Refused(refusal)) = volume(folder.path()) else { panic!("refused") };
        refusal.message
    };
    let put = |folder: &Path, patient: &str, which: &[usize], tag: &str| {
        write(folder, &series(patient, "2.25.1"), &ramp(6, 2.0, 0.0), which, tag);
    };
    let one_missing = message(&|folder| put(folder, "P", &[0, 1, 2, 4, 5], ""));
    assert_eq!(one_missing, "1 slice is missing between slices 3 and 4");
    let two_missing = message(&|folder| {
        write(folder, &series("P", "2.25.1"), &ramp(9, 2.0, 0.0), &[0, 1, 3, 4, 5, 7, 8], "");
    });
    assert_eq!(two_missing, "2 slices are missing, the first between slices 2 and 3");
    let single = message(&|folder| put(folder, "P", &[3], ""));
    assert_eq!(single, "the series has 1 slice, at least 3 are needed");
    let unnamed = message(&|folder| {
        put(folder, "P", &[0, 1, 2], "a");
        put(folder, "", &[3, 4, 5], "b");
    });
    assert_eq!(unnamed, "a slice has no patient id, and others have one: slice 4 is not of the patient of slice 1");
    let two = message(&|folder| {
        put(folder, "P", &[0, 1, 2], "a");
        put(folder, "Q", &[3, 4, 5], "b");
    });
    assert_eq!(two, "the slices belong to 2 patients: slice 4 is not of the patient of slice 1");
}

/// A DICOMDIR that names files by their components.
fn directory(names: &[&[&str]]) -> Vec<u8> {
    let element = |tag: [u8; 4], vr: &[u8; 2], value: &[u8]| {
        let mut value = value.to_vec();
        value.resize(value.len().next_multiple_of(2), b' ');
        let mut bytes = tag.to_vec();
        bytes.extend(vr);
        bytes.extend(u16::try_from(value.len()).expect("short").to_le_bytes());
        [bytes, value].concat()
    };
    let mut records = Vec::new();
    for name in names {
        let record = [
            element([4, 0, 0x30, 0x14], b"CS", b"IMAGE"),
            element([4, 0, 0x00, 0x15], b"CS", name.join("\\").as_bytes()),
            element([4, 0, 0x10, 0x15], b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
        ]
        .concat();
        records.extend([0xfe, 0xff, 0x00, 0xe0]);
        records.extend(u32::try_from(record.len()).expect("short").to_le_bytes());
        records.extend(record);
    }
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    bytes.extend(element([2, 0, 2, 0], b"UI", b"1.2.840.10008.1.3.10"));
    bytes.extend(element([2, 0, 0x10, 0], b"UI", b"1.2.840.10008.1.2.1\0"));
    bytes.extend([4, 0, 0x20, 0x12, b'S', b'Q', 0, 0]);
    bytes.extend(u32::try_from(records.len()).expect("short").to_le_bytes());
    bytes.extend(records);
    bytes
}

// verifies: REQ-INPUT-01, REQ-INPUT-03
#[test]
fn fuzz_directories() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (disk, outside) = (folder.path().join("disk"), folder.path().join("outside"));
    std::fs::create_dir_all(disk.join("DICOM")).expect("made");
    std::fs::create_dir(&outside).expect("made");
    write(&disk.join("DICOM"), &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "im");
    write(&outside, &series("Q", "2.25.2"), &ramp(6, 2.0, 0.0), &ALL, "im");
    std::os::unix::fs::symlink(&outside, disk.join("LINK")).expect("made");
    let files: Vec<String> = (994..1000).map(|number| format!("IM{number}")).collect();
    let good: Vec<[&str; 2]> = files.iter().map(|file| ["DICOM", file.as_str()]).collect();
    let good: Vec<&[&str]> = good.iter().map(|name| &name[..]).collect();
    let path = disk.join("DICOMDIR");
    std::fs::write(&path, directory(&good)).expect("written");
    assert_eq!(volume(&path).expect("a volume").series_uid, "2.25.1", "a seed that works");
    let seeds = vec![
        directory(&good),
        directory(&[&["..", "outside", "IM999"]]),
        directory(&[&["LINK", "IM999"], &["DICOM", "IM999"]]),
        directory(&[]),
    ];
    hilum_fuzz::fuzz("directories", seeds, |bytes| {
        std::fs::write(&path, bytes).expect("written");
        let listed = list(&path);
        let uids = listed.as_ref().map(|all| all.iter().map(|series| series.uid.clone()).collect::<Vec<_>>());
        assert!(!uids.as_ref().is_ok_and(|uids| uids.iter().any(|uid| uid == "2.25.2")), "it led outside");
        match listed {
            Ok(all) => {
                format!("{:?}", all.iter().map(|series| (series.slices, series.verdict.clone())).collect::<Vec<_>>())
            }
            Err(error) => error.to_string(),
        }
    });
}
