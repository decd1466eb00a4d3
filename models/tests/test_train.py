"""The loop's bookkeeping, and one smoke run through the front door."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from hilum_models import branch, bundle, data, export, work
from hilum_models.options import canonical_command, parsed

MODELS = Path(bundle.__file__).resolve().parents[1]


def settings(**changes):
    base = dict(modality="ct", seed=5, epochs=2, patience=9, images_per_case=1, crop=0, frozen_blocks=14, batch=8, max_steps=2)
    return branch.Settings(**(base | changes))


def train(prepared, folder, **changes):
    labels = data.noisy_labels(prepared.split("train"), 0, 5)
    clock = work.Clock(folder / "clock.json", 1e9, "f")
    return branch.train(prepared, labels, settings(**changes), folder / "ct.npz", "f", (0.0, 1e9), clock)


def test_a_resumed_run_equals_an_unbroken_one(prepared, tmp_path, monkeypatch):
    """Ended in its second epoch, then started again in a fresh model."""
    whole = train(prepared, tmp_path / "whole")
    validate, calls = branch.validate, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return validate(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(branch, "validate", killed)
        train(prepared, tmp_path / "broken")
    resumed = train(prepared, tmp_path / "broken")
    assert (resumed.epochs, resumed.best_epoch) == (whole.epochs, whole.best_epoch)
    for key in ("epoch", "train_loss", "val_loss", "val_accuracy"):
        assert [entry[key] for entry in resumed.history] == pytest.approx([entry[key] for entry in whole.history], rel=1e-3)
    again = train(prepared, tmp_path / "broken")
    assert again.history == resumed.history, "a finished run is not trained on"
    for kept, now in zip(resumed.model.get_weights(), again.model.get_weights()):
        assert (kept == now).all()


def test_training_ends_in_time(prepared):
    going = lambda epochs, best, seconds, used, deadline: branch._goes_on(
        {"epoch": epochs, "best_epoch": best, "history": [{"seconds": seconds}] * epochs}, settings(epochs=9, patience=3), used, deadline
    )
    assert going(0, 0, 0, 100, 50), "one epoch at least"
    assert going(2, 2, 10, 30, 50) and not going(2, 2, 10, 45, 50), "no epoch that would end late"
    assert not going(5, 2, 10, 0, 50) and not going(9, 9, 1, 0, 50)


def test_other_settings_start_again(prepared, tmp_path):
    train(prepared, tmp_path, epochs=1)
    assert train(prepared, tmp_path, epochs=1, seed=6).epochs == 1


def test_batches_of_an_epoch_follow_from_the_seed(prepared):
    cases = [case for case in prepared.split("train") if case.tiles]
    plan = lambda epoch, **changes: [[row for row, _ in batch] for batch in branch._plan(cases, settings(modality="he", images_per_case=3, max_steps=0, **changes), epoch)]
    assert plan(0) == plan(0) and plan(0) != plan(1) and plan(0) != plan(0, seed=6)
    rows = [row for batch in plan(0) for row in batch]
    assert len(set(rows)) == len(rows), "a tile comes once an epoch"
    assert all(sum(row in case.tiles for row in rows) <= 3 for case in cases)


def test_the_clock_goes_on_after_a_restart(tmp_path):
    path = tmp_path / "clock.json"
    first = work.Clock(path, 60, "a")
    first._before_s = 30.0
    mark = first.mark("ct")
    assert work.Clock(path, 60, "a").used_s >= 30 and work.Clock(path, 60, "a").mark("ct") == mark
    assert work.Clock(path, 60, "b").used_s < 1


def test_the_command_names_no_place():
    options = parsed(["--out", "/secret/out", "--work", "/secret/work", "--hilum", "/secret/hilum", "--seed", "3", "--label-noise", "0.1"])
    assert canonical_command(options) == "models/train --out DIR --seed 3 --budget 140 --patients 1600 --label-noise 0.1"


def test_toml_is_read_back():
    table = {"a": 1, "b": 1e-9, "c": 2.0, "d": 'q"\n', "e": [1.5, True], "t": {"u": {"in": bundle.Inline(x=1, y=[1])}}, "f": {"golden/x.npy": "0"}}
    assert tomllib.loads(bundle.to_toml(table)) == table


@pytest.fixture(scope="module")
def smoke(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    command = ["--prepared", prepared.root, "--work", folder / "work", "--out", folder / "bundle", "--smoke", "--serial", "7"]
    environment = os.environ | {"PYTHONPATH": str(MODELS)}
    subprocess.run([sys.executable, "-m", "hilum_models.cli", *map(str, command)], check=True, env=environment)
    return folder / "bundle"


@pytest.fixture(scope="module")
def manifest(smoke):
    return tomllib.loads((smoke / "manifest.toml").read_text())


def test_every_file_is_listed_with_its_hash(smoke, manifest):
    assert manifest["files"] == bundle.file_hashes(smoke)
    wanted = {"ct.tflite", "he.tflite", "ct.onnx", "he.onnx", "mil.onnx", "metadata.onnx", "ct_head.npy", "card.md", "golden/index.json"}
    assert wanted <= set(manifest["files"])
    assert sum(path.stat().st_size for path in smoke.rglob("*") if path.is_file()) <= bundle.BYTES_MOST


def test_the_manifest_states_the_contract(manifest):
    assert (manifest["schema"], manifest["serial"], manifest["classes"]) == ("hilum.bundle/1", 7, list(data.CLASSES))
    assert manifest["ct"]["features"] == [8, 8, 1280] and manifest["he"]["features"] == [7, 7, 1280]
    for modality, first in (("ct", "logits"), ("he", "embedding")):
        for kind in ("tflite", "onnx"):
            contract = manifest["quantisation"][modality][kind]
            assert (contract["input"]["scale"], contract["input"]["zero_point"], contract["input"]["dtype"]) == (1 / 128, -1, "int8")
            assert [output["name"] for output in contract["outputs"]] == [first, "features"]
        levels = np.array([0, 127, 255])
        real = (levels / 255 - manifest[modality]["mean"][0]) / manifest[modality]["std"][0]
        assert real == pytest.approx((levels - 127) / 128)


def test_int8_stays_close_to_float_and_onnx_to_tflite(manifest):
    for modality in ("ct", "he"):
        found = manifest["metrics"]["quantisation"][modality]
        assert found["logit_correlation"] > 0.9
        # Means, not extremes: how far a single value strays depends on the weights that one epoch happened to give.
        assert found["onnx_mean_quanta_first"] < 3 and found["onnx_mean_quanta_features"] < 3


def test_goldens_are_what_the_files_answer(smoke, manifest):
    import json

    index = json.loads((smoke / "golden" / "index.json").read_text())
    load = lambda name: np.load(smoke / "golden" / name)
    for modality, first in (("ct", "logits"), ("he", "embedding")):
        entry = index[modality]
        engine, images = export.Tflite(smoke / f"{modality}.tflite"), load(entry["image"])
        assert len(images) == 8 and images.dtype == np.int8
        answers = [engine.run((image.astype(np.int16) + 128).astype(np.uint8)) for image in images]
        assert (np.stack([answer[0] for answer in answers]) == load(entry[first])).all()
        features = load(entry["features"])
        assert all((answer[1] == row).all() for answer, row in zip(answers, features))
    session = onnxruntime.InferenceSession(str(smoke / "mil.onnx"))
    assert [len(load(entry["embeddings"])) for entry in index["mil"]] == [1, 5, 32]
    for entry in index["mil"]:
        logits, attention = session.run(["logits", "attention"], {"embeddings": load(entry["embeddings"])})
        assert logits == pytest.approx(load(entry["logits"]), abs=1e-4) and attention == pytest.approx(load(entry["attention"]), abs=1e-5)
    session = onnxruntime.InferenceSession(str(smoke / "metadata.onnx"))
    for row, wanted in zip(load(index["metadata"]["metadata"]), load(index["metadata"]["weights"])):
        assert session.run(["weights"], {"metadata": row[None]})[0][0] == pytest.approx(wanted, abs=1e-5)
    fused = {key: load(name) for key, name in index["fused"].items() if key != "temperature"}
    z = fused["weights"][:, :1] * fused["ct_logits"] + fused["weights"][:, 1:] * fused["he_logits"]
    p = np.exp(z / manifest["fusion"]["temperature"])
    assert p / p.sum(1, keepdims=True) == pytest.approx(fused["probabilities"], abs=1e-5)
    assert {entry["modality"] for entry in index["cam"]} == {"ct", "he"}
    for entry in index["cam"]:
        assert load(entry["map"]).shape == ((8, 8) if entry["modality"] == "ct" else (5, 7, 7))


def test_the_dense_layer_gives_the_int8_logits(smoke, manifest):
    contract = manifest["quantisation"]["ct"]["tflite"]["outputs"]
    real = lambda values, output: (values.astype(np.float32) - output["zero_point"]) * output["scale"]
    head = np.load(smoke / "ct_head.npy")
    features = real(np.load(smoke / "golden" / "ct_features.npy"), contract[1])
    logits = features.mean((1, 2)) @ head[:, :-1].T + head[:, -1]
    # The pooled embedding is rounded to a quantum on the way; that is all.
    assert np.abs(logits - real(np.load(smoke / "golden" / "ct_logits.npy"), contract[0])).max() < 0.1


def test_nothing_names_a_place(smoke):
    for path in (smoke / "manifest.toml", smoke / "card.md"):
        text = path.read_text()
        assert str(smoke.parent) not in text and str(MODELS.parent) not in text
