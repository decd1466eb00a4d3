"""The six methods against the same in numpy on ONNX Runtime: the bundle's quantised networks, and their gradient graphs."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nibabel
import numpy as np
import onnxruntime
import pytest
from PIL import Image

from conftest import CLASSES
from hilum_models import exact

METHODS = ("gradcam", "gradcam++", "integrated-gradients", "occlusion", "saliency", "smoothgrad")
STEPS, BASELINE = 128, 0  # the reference bundle's integrated gradients
OCCLUSION_PX, OCCLUSION_STRIDE, OCCLUSION_LEVEL = 24, 8, 0


@dataclass(frozen=True)
class Networks:
    bundle: Path
    folder: Path  # of the gradient graphs

    @cached_property
    def manifest(self) -> dict:
        return tomllib.loads((self.bundle / "manifest.toml").read_text(encoding="utf-8"))

    @cached_property
    def ct(self) -> onnxruntime.InferenceSession:
        return exact.session(self.bundle / "ct.onnx")

    @cached_property
    def gradient(self) -> onnxruntime.InferenceSession:
        return exact.session(self.folder / "ct.onnx")

    def quantised(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits [5] and features [h,w,C] of the int8 network for a patch of levels 0 to 255, [S,S,3]."""
        names = [output.name for output in self.ct.get_outputs()]
        outputs = dict(zip(names, self.ct.run(None, {"image": (levels[None].astype(np.int16) - 128).astype(np.int8)}), strict=True))
        real = {}
        for tensor in self.manifest["quantisation"]["ct"]["onnx"]["outputs"]:
            real[tensor["name"]] = (outputs[tensor["name"]].astype(np.float32) - tensor["zero_point"]) * tensor["scale"]
        return real["logits"][0], real["features"][0]

    def derivative(self, image: np.ndarray, chosen: int) -> tuple[np.ndarray, np.ndarray]:
        """Logits and ∂logit/∂image, [S,S,3], of the float twin."""
        cotangent = np.eye(5, dtype=np.float32)[[chosen]]
        logits, gradient = self.gradient.run(["logits", "grad_input"], {"image": image.transpose(2, 0, 1)[None], "cotangent": cotangent})
        return logits[0], gradient[0].transpose(1, 2, 0)


@pytest.fixture(scope="module")
def networks(hilum, bundle, tmp_path_factory) -> Networks:
    folder = tmp_path_factory.mktemp("gradient")
    hilum("bundle", "gradient", bundle / "ct.onnx", "--out", folder / "ct.onnx")
    return Networks(bundle, folder)


@pytest.fixture(scope="module")
def image(bundle) -> np.ndarray:
    """A golden patch, normalised."""
    return (np.load(bundle / "golden" / "ct_image.npy")[1].astype(np.float32) + 1) / 128


@pytest.fixture
def explain(hilum, bundle, tmp_path):
    """Runs `hilum explain`: the map, and what is said of it."""

    def run(values: np.ndarray, method: str, modality: str = "ct", chosen: str = "squamous_cell_carcinoma") -> tuple[np.ndarray, dict]:
        np.save(tmp_path / "input.npy", values)
        words = ["--bundle", bundle, "--modality", modality, "--input", tmp_path / "input.npy", "--class", chosen]
        said = hilum("explain", *words, "--method", method, "--out", tmp_path / "map.npy", "--json").json
        return np.load(tmp_path / "map.npy"), said

    return run


def apart(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def levels(image: np.ndarray) -> np.ndarray:
    return np.clip(np.round(image * 128 + 127), 0, 255).astype(np.uint8)


CHOSEN = CLASSES.index("squamous_cell_carcinoma")


def check_said(said: dict, method: str) -> None:
    assert said["method"] == method and said["class"] == "squamous_cell_carcinoma"
    assert said["verdict"] in ("faithful", "unfaithful", "blank")
    if said["verdict"] != "blank":
        assert 0 <= said["insertion_auc"] <= 1 and 0 <= said["deletion_auc"] <= 1
        assert (said["insertion_auc"] > said["random_auc"]) == (said["verdict"] == "faithful")
    assert ("completeness_gap" in said) == (method == "integrated-gradients")


# verifies: REQ-EXPLAIN-03
def test_saliency(explain, networks, image):
    found, said = explain(image, "saliency")
    check_said(said, "saliency")
    logits, gradient = networks.derivative(image, CHOSEN)
    assert found.shape == (128, 128) and found.dtype == np.float32
    assert apart(found, np.abs(gradient).max(-1)) < 1e-2
    assert said["twin_gap"] == pytest.approx(logits[CHOSEN] - networks.quantised(levels(image))[0][CHOSEN], abs=0.05)


# verifies: REQ-EXPLAIN-03
def test_integrated_gradients(explain, networks, image):
    found, said = explain(image, "integrated-gradients")
    check_said(said, "integrated-gradients")
    baseline = np.full_like(image, (BASELINE - 127) / 128)
    along = [np.float32((step + 0.5) / STEPS) for step in range(STEPS)]
    mean = sum(networks.derivative(baseline + share * (image - baseline), CHOSEN)[1] for share in along) / STEPS
    assert apart(found, ((image - baseline) * mean).sum(-1)) < 2e-2
    whole = networks.derivative(image, CHOSEN)[0][CHOSEN] - networks.derivative(baseline, CHOSEN)[0][CHOSEN]
    assert said["completeness_gap"] == pytest.approx(abs(found.sum(dtype=np.float64) - whole), abs=0.02)


def test_smoothgrad_is_steady_and_smoother(explain, image):
    found, said = explain(image, "smoothgrad")
    check_said(said, "smoothgrad")
    again, _ = explain(image, "smoothgrad")
    assert (found == again).all(), "the noise has a seed"
    single, _ = explain(image, "saliency")

    def rough(values: np.ndarray) -> float:
        return float(np.abs(np.diff(values, axis=0)).mean() / values.mean())

    assert rough(found) < rough(single)


# verifies: REQ-EXPLAIN-03
def test_occlusion_runs_the_quantised_network(explain, networks, image):
    found, said = explain(image, "occlusion")
    check_said(said, "occlusion")
    patch = levels(image)
    whole = networks.quantised(patch)[0][CHOSEN]
    total, times = np.zeros((128, 128)), np.zeros((128, 128))
    starts = range(0, 128 - OCCLUSION_PX + 1, OCCLUSION_STRIDE)
    for row in starts:
        for column in starts:
            covered = patch.copy()
            square = (slice(row, row + OCCLUSION_PX), slice(column, column + OCCLUSION_PX))
            covered[square] = OCCLUSION_LEVEL
            total[square] += whole - networks.quantised(covered)[0][CHOSEN]
            times[square] += 1
    # tract and ONNX Runtime may be a level of the logits apart, here and there.
    assert apart(found, total / times) < 0.15


# verifies: REQ-EXPLAIN-03
@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
def test_class_activation(explain, networks, image, method):
    found, said = explain(image, method)
    check_said(said, method)
    _, features = networks.quantised(levels(image))
    gradient = np.load(networks.bundle / "ct_head.npy")[CHOSEN, :-1] / features[..., 0].size
    if method == "gradcam":
        weights = gradient
    else:
        below = 2 * gradient**2 + features.sum((0, 1)) * gradient**3
        alpha = np.divide(gradient**2, below, out=np.zeros_like(below), where=below != 0)
        weights = features[..., 0].size * alpha * np.maximum(gradient, 0)
    wanted = np.maximum(features @ weights, 0)
    grid = (np.arange(128) + 0.5) * 8 / 128 - 0.5
    rows = np.clip(np.round(grid).astype(int), 0, 7)
    exact = np.abs(grid - np.round(grid)) < 0.04  # pixels that lie on a cell's centre
    assert np.corrcoef(found[exact][:, exact].ravel(), wanted[rows[exact]][:, rows[exact]].ravel())[0, 1] > 0.98


@pytest.mark.parametrize("method", METHODS)
def test_tiles_have_a_map_each(explain, bundle, method):
    tiles = (np.load(bundle / "golden" / "he_image.npy")[:2].astype(np.float32) + 1) / 128
    found, said = explain(tiles, method, modality="he")
    assert found.shape == (2, 224, 224) and np.isfinite(found).all()
    check_said(said, method)


# verifies: REQ-EXPLAIN-01
def test_a_class_that_nothing_speaks_for_has_no_map(explain):
    found, said = explain(np.full((128, 128, 3), -127 / 128, np.float32), "integrated-gradients")
    assert said["verdict"] == "blank" and said["insertion_auc"] is None, "a picture that is its own baseline"
    assert not found.any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_not_explained(hilum, bundle, tmp_path, value):
    image = np.zeros((128, 128, 3), np.float32)
    image[3, 4, 1] = value
    np.save(tmp_path / "input.npy", image)
    words = ["--bundle", bundle, "--modality", "ct", "--input", tmp_path / "input.npy", "--class", "normal", "--method", "saliency"]
    ended = hilum("explain", *words, "--out", tmp_path / "map.npy", code=65)
    assert "no numbers" in ended.err and not (tmp_path / "map.npy").exists()


@pytest.mark.parametrize("modality, count", [("ct", 1), ("he", 4)])
def test_memory(program, bundle, tmp_path, modality, count):
    """Beyond the networks and the case, on two threads: 200 MB, as src/assess/explain/README.md says."""
    images = (np.load(bundle / "golden" / f"{modality}_image.npy")[:count].astype(np.float32) + 1) / 128
    np.save(tmp_path / "input.npy", images if modality == "he" else images[0])

    def peak_mb(method: str) -> float:
        words = ["--modality", modality, "--input", tmp_path / "input.npy", "--class", "normal", "--method", method, "--unchecked"]
        command = [program, "explain", "--bundle", bundle, *words, "--out", tmp_path / "map.npy"]
        running = subprocess.Popen(command, env={**os.environ, "RAYON_NUM_THREADS": "2"})
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        assert running.returncode == 0
        return usage.ru_maxrss * 1024 / 1e6

    least = peak_mb("gradcam")
    for method in ("integrated-gradients", "smoothgrad", "saliency", "occlusion"):
        assert peak_mb(method) - least < 200, method


@pytest.fixture(scope="module")
def all_six(hilum, cohort, check_report, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("six")
    case = cohort.one("adenocarcinoma")
    hilum("analyze", *case.words, "--explain", "all", "--out", out)
    return out, check_report(out)


def test_all_six_of_a_case(all_six, check_pictures):
    out, report = all_six
    assert [(entry["method"], entry["modality"]) for entry in report["explanations"]] == [(method, branch) for method in METHODS for branch in ("ct", "he")]
    check_pictures(out, report)
    with Image.open(out / report["sheet"]) as sheet:
        assert sheet.size[0] == 816 and sheet.size[1] > 1000
    for entry in report["explanations"]:
        assert entry["class"] == report["fused"]["predicted"] and entry["twin_gap"] is not None
        if entry["modality"] == "he" and entry["map"]:
            attention = [tile["attention"] for tile in report["he"]["tiles"]]
            wanted = range(len(attention)) if "gradcam" in entry["method"] else sorted(np.argsort(attention)[-4:])
            assert entry["tiles"] == list(wanted)


# verifies: REQ-EXPLAIN-03
def test_maps_lie_on_the_scanners_slices(all_six):
    out, report = all_six
    lesion = np.array(report["ct"]["lesion_lps_mm"])
    checked = 0
    for entry in report["explanations"]:
        if not entry["volume"]:
            continue
        volume = nibabel.load(out / entry["volume"])
        values, flat = volume.get_fdata(), np.load(out / entry["map"])
        assert volume.header.get_zooms() == pytest.approx(report["ct"]["spacing_mm"], abs=1e-3)
        for index in np.random.default_rng(1).integers(0, values.shape, (200, 3)):
            x, y, z = (volume.affine @ [*index, 1])[:3] * [-1, -1, 1] - lesion
            column, row = x / 0.75 + 63.5, y / 0.75 + 63.5
            if not (0 <= row <= 126.99 and 0 <= column <= 126.99 and abs(z) <= 3):
                continue
            r, c = int(row), int(column)
            dr, dc = row - r, column - c
            wanted = (flat[r, c] * (1 - dc) + flat[r, c + 1] * dc) * (1 - dr) + (flat[r + 1, c] * (1 - dc) + flat[r + 1, c + 1] * dc) * dr
            assert values[tuple(index)] == pytest.approx(wanted, abs=1e-4 + 1e-3 * float(abs(flat).max()))
            checked += 1
    assert checked > 50


def test_explain_eval_is_a_table_with_intervals(hilum, cohort, tmp_path):
    rows = (cohort.folder / "cohort.csv").read_text(encoding="utf-8").splitlines()
    one = next(row for row in rows[1:] if ",small_cell_carcinoma," in row)
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "cohort.csv").write_text("\n".join([rows[0], one.rsplit(",", 1)[0] + ",test", ""]), encoding="utf-8")
    (folder / one.split(",")[0]).symlink_to(cohort.folder / one.split(",")[0])
    words = ["--cohort", folder, "--method", "gradcam,gradcam++", "--steps", 4, "--out", tmp_path / "out"]
    said = hilum("explain-eval", *words, "--json").json
    assert said == json.loads((tmp_path / "out" / "explain-eval.json").read_text(encoding="utf-8"))
    assert [(line["modality"], line["method"]) for line in said["lines"]] == [(branch, method) for branch in ("ct", "he") for method in METHODS[:2]]
    for line in said["lines"]:
        for key in ("insertion_auc", "deletion_auc", "iou", "pointing"):
            if figure := line[key]:
                assert 0 <= figure["low"] <= figure["mean"] <= figure["high"] <= 1
    assert (tmp_path / "out" / "explain-eval.md").read_text(encoding="utf-8").count("| he |") == 2
    assert len((tmp_path / "out" / "cases.csv").read_text(encoding="utf-8").splitlines()) == 5
