//! Series on disk: what makes a volume and what must not.

use std::path::Path;

use hilum_dicom::{CtSeries, write_ct_slice};
use hilum_domain::RefusalCode;
use hilum_imaging::{Grid, Volume};
use ndarray::Array3;

use crate::{Rejection, Unreadable, Verdict, list, volume};

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
    let found = match volume(folder.path(), None) {
        Ok(study) => Ok(study.volume.grid().size),
        Err(Rejection::Refused(refusal)) => Err(refusal.code),
        Err(Rejection::Unreadable(error)) => panic!("{error:?}"),
    };
    assert_eq!(found, want);
}

const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

#[test]
fn slices_are_ordered_by_position_and_keep_their_values() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let written = ramp(6, 2.5, 0.0);
    write(folder.path(), &series("P", "2.25.1"), &written, &ALL, "");
    let study = volume(folder.path(), None).expect("a volume");
    assert_eq!(study.volume.voxels(), written.voxels());
    let (got, want) = (study.volume.grid(), written.grid());
    for corner in [[0.0; 3], [5.0, 4.0, 5.0]] {
        assert!(got.point(corner).distance_mm(want.point(corner)) < 1e-3);
    }
}

#[test]
fn a_tilted_gantry_is_a_sheared_grid() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let written = ramp(6, 2.5, 0.7);
    write(folder.path(), &series("P", "2.25.1"), &written, &ALL, "");
    let study = volume(folder.path(), None).expect("a volume");
    let corner = [0.0, 0.0, 5.0];
    assert!(study.volume.grid().point(corner).distance_mm(written.grid().point(corner)) < 1e-3);
}

#[test]
fn a_missing_slice_is_refused_with_its_place() {
    check(
        |folder| write(folder, &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &[0, 1, 2, 4, 5], ""),
        Err(RefusalCode::MissingSlice),
    );
    let folder = tempfile::tempdir().expect("temporary folder");
    write(folder.path(), &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &[0, 1, 2, 4, 5], "");
    let Err(Rejection::Refused(refusal)) = volume(folder.path(), None) else { panic!("refused") };
    assert!(refusal.message.contains("between slices 3 and 4"), "{}", refusal.message);
}

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

#[test]
fn several_series_need_a_choice_and_single_images_are_none() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write(folder.path(), &series("P", "2.25.1"), &ramp(6, 2.0, 0.0), &ALL, "a");
    write(folder.path(), &series("P", "2.25.2"), &ramp(4, 2.0, 0.0), &[0, 1, 2, 3], "b");
    write(folder.path(), &series("P", "2.25.3"), &ramp(4, 2.0, 0.0), &[0], "c");
    let verdicts: Vec<bool> =
        list(folder.path()).expect("readable").iter().map(|series| series.verdict == Verdict::Ok).collect();
    assert_eq!(verdicts, [true, true, false]);
    let Err(Rejection::Refused(refusal)) = volume(folder.path(), None) else { panic!("refused") };
    assert_eq!(refusal.code, RefusalCode::SeveralSeries);
    assert_eq!(volume(folder.path(), Some("2.25.2")).expect("chosen").volume.grid().size, [6, 5, 4]);
}

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
