import json
import shutil

import numpy as np
import pytest
import synthetic

from hilum_models import CLASSES, augment, branch, data


def test_cases_point_at_their_images(prepared):
    assert len(prepared.cases) == 50
    assert len(prepared.ct) == sum(case.ct is not None for case in prepared.cases)
    assert sorted(row for case in prepared.cases for row in case.tiles) == list(range(len(prepared.he)))
    # The disc of a small cell case is wider than that of an adenocarcinoma: shards are joined in the right order.
    level = {label: np.mean([prepared.ct[c.ct].mean() for c in prepared.cases if c.label == label and c.ct is not None]) for label in (0, 3)}
    assert level[3] > level[0] + 20


def copied(prepared, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(prepared.root, root)
    return root


def test_a_missing_shard_is_named(prepared, tmp_path):
    root = copied(prepared, tmp_path)
    shutil.rmtree(root / "shard-2-of-2")
    with pytest.raises(data.PreparedError, match="shard-2-of-2 is missing"):
        data.load(root)


@pytest.mark.parametrize(
    ("find", "put", "message"),
    [
        ("adenocarcinoma", "adenoma", "unknown class"),
        (",train,", ",holdout,", "unknown split"),
        (",female,", ",f,", "metadata"),
        ("p-0000", "p-0070", None),
    ],
)
def test_tables_are_checked(prepared, tmp_path, find, put, message):
    root = copied(prepared, tmp_path)
    table = root / "shard-1-of-2" / "cases.csv"
    table.write_text(table.read_text().replace(find, put, 1))
    if message is None:
        data.load(root)
    else:
        with pytest.raises(data.PreparedError, match=message):
            data.load(root)


def test_a_patient_in_two_splits_is_rejected(prepared, tmp_path):
    root = copied(prepared, tmp_path)
    table = root / "shard-1-of-2" / "cases.csv"
    test_patient = next(case.patient_id for case in prepared.split("test"))
    table.write_text(table.read_text().replace("p-0000", test_patient, 1))
    with pytest.raises(data.PreparedError, match="more than one split"):
        data.load(root)


# verifies: REQ-RESULT-01
def test_other_classes_or_schema_are_rejected(prepared, tmp_path):
    root = copied(prepared, tmp_path)
    about = json.loads((root / "prepared.json").read_text())
    for key, value in (("schema", "hilum.prepared/2"), ("classes", list(reversed(CLASSES)))):
        (root / "prepared.json").write_text(json.dumps(about | {key: value}))
        with pytest.raises(data.PreparedError):
            data.load(root)


def test_missing_metadata_is_the_mean():
    case = lambda *metadata: data.Case("a", "a", 0, metadata, "train", None, range(0))
    nan = float("nan")
    cases = [case(50.0, 0.0, 2.0), case(70.0, 1.0, nan), case(nan, nan, 0.0)]
    mean, std = data.metadata_moments(cases)
    assert mean == pytest.approx([60, 0.5, 1]) and std == pytest.approx([10, 0.5, 1])
    assert data.standardise(cases, mean, std)[2] == pytest.approx([0, 0, -1])


def test_label_noise_is_seeded_and_only_as_much_as_asked(prepared):
    train = prepared.split("train")
    assert data.noisy_labels(train, 0.0, 1) == {case.case_id: case.label for case in train}
    noisy = data.noisy_labels(train, 0.5, 1)
    changed = sum(noisy[case.case_id] != case.label for case in train)
    assert noisy == data.noisy_labels(train, 0.5, 1) and len(train) * 0.2 < changed < len(train) * 0.8


def test_cases_held_back_are_whole_patients_of_the_training_split(prepared):
    held = data.hold_back(prepared, 0.2, 3)
    assert {case.case_id for case in held.split("fusion")} < {case.case_id for case in prepared.split("train")}
    patients = lambda split: {case.patient_id for case in held.split(split)}
    assert not patients("fusion") & patients("train")
    assert len(patients("fusion")) == round(0.2 * len({case.patient_id for case in prepared.split("train")}))
    for split in ("val", "test"):
        assert held.split(split) == prepared.split(split)
    assert held.cases == data.hold_back(prepared, 0.2, 3).cases != data.hold_back(prepared, 0.2, 4).cases


def test_mixed_labels_stay_distributions_and_match_the_pixels():
    labels = np.eye(5, dtype=np.float32)[[0, 1, 2, 3, 4, 0, 1, 2]]
    # Each image is filled with its own class's one-hot value in channel space, so that its mean is its label.
    images = np.repeat(np.repeat(labels[:, None, None, :], 32, 1), 32, 2)
    kinds = set()
    for seed in range(40):
        mixed, shares = augment.mix(images, labels, np.random.default_rng(seed))
        assert shares.sum(1) == pytest.approx(np.ones(8), abs=1e-5) and (shares >= 0).all()
        assert mixed.mean((1, 2)) == pytest.approx(shares, abs=1e-4)
        kinds.add("same" if mixed is images else "cut" if np.isin(mixed, (0, 1)).all() else "blend")
    assert kinds == {"same", "cut", "blend"}


@pytest.mark.parametrize("seed", range(5))
def test_augmentation_keeps_type_and_size(seed):
    rng = np.random.default_rng(seed)
    assert augment.ct(synthetic.ct_image(rng, 2, 0), rng).shape == (128, 128, 3)
    tile = augment.he(synthetic.tile(rng, 2, 0), rng, 160)
    assert tile.shape == (160, 160, 3) and tile.dtype == np.uint8


def test_network_input_is_the_int8_contract():
    levels = np.arange(256, dtype=np.uint8)
    assert (branch.real(levels) == (levels.astype(np.float64) - 127) / 128).all()
