"""The engines start, answer, and compute what the reference bundle says they compute. The whole case: test_case.py."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from conftest import BENCH, ROOT

BUNDLE = ROOT / "models" / "reference"
FIRST = {"ct": "logits", "he": "embedding"}
INTERPRETER = BENCH / "interpreter.py"


@dataclass(frozen=True)
class Golden:
    """Inputs, and what TensorFlow Lite with XNNPACK made of them; features of the first inputs only."""

    images: Path
    first: np.ndarray
    features: np.ndarray


@pytest.fixture(params=["ct", "he"])
def branch(request) -> str:
    return request.param


@pytest.fixture
def wanted(golden, branch) -> Golden:
    features = np.load(golden / f"{branch}_features.npy")
    return Golden(golden / f"{branch}_image.npy", np.load(golden / f"{branch}_{FIRST[branch]}.npy"), features.reshape(len(features), -1))


def apart(rows: np.ndarray, wanted: Golden) -> tuple[np.ndarray, np.ndarray]:
    """How many quanta outputs are from the golden ones: of the first output, of the features."""
    assert rows.dtype == np.int8 and rows.shape == (len(wanted.first), wanted.first.shape[1] + wanted.features.shape[1])
    first, features = np.split(rows.astype(int), [wanted.first.shape[1]], axis=1)
    return np.abs(first - wanted.first), np.abs(features[: len(wanted.features)] - wanted.features)


@pytest.fixture(scope="module")
def capi(tmp_path_factory) -> Path:
    program = tmp_path_factory.mktemp("capi") / "capi"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, BENCH / "capi.c", "-ldl"], check=True)
    return program


@pytest.mark.parametrize("threads", [1, 2])
def test_litert(talk, branch, wanted, tmp_path, threads):
    """Byte for byte, which is also the proof of XNNPACK: plain kernels are a hundred quanta away in places."""
    out = tmp_path / "out.npy"
    said = talk([sys.executable, INTERPRETER, "litert", BUNDLE / f"{branch}.tflite", wanted.images, "--threads", threads, "--outputs", out], 3, 0, 6)
    assert said.about["name"] == "litert"
    assert not any(gap.any() for gap in apart(np.load(out), wanted))


@pytest.mark.parametrize("threads", [1, 2])
def test_capi(talk, capi, tflite_library, branch, wanted, tmp_path, threads):
    raw, out = tmp_path / "in.raw", tmp_path / "out.raw"
    images = np.load(wanted.images)
    images.tofile(raw)
    said = talk([capi, tflite_library, BUNDLE / f"{branch}.tflite", raw, threads, out], 3, 0, 6)
    assert said.about["name"] == "tflite-c"
    assert not any(gap.any() for gap in apart(np.fromfile(out, np.int8).reshape(len(images), -1), wanted))


@pytest.mark.parametrize("threads", [1, 2])
def test_onnx_runtime(talk, branch, wanted, tmp_path, threads):
    """It rounds otherwise, and every layer passes that on: 0.6 quanta of the first output and 1.0 of the features on average were
    measured, 9 at most of the first output. What is wrong is 8 away on average."""
    out = tmp_path / "out.npy"
    said = talk([sys.executable, INTERPRETER, "onnxruntime", BUNDLE / f"{branch}.onnx", wanted.images, "--threads", threads, "--outputs", out], 3, 0, 6)
    assert said.about["name"] == "onnxruntime"
    rows = np.load(out)
    first, features = apart(rows, wanted)
    assert first.mean() < 1.5 and first.max() <= 16 and features.mean() < 1.5
    if branch == "ct":
        margins = np.diff(np.sort(wanted.first.astype(int), axis=1)[:, -2:])[:, 0]
        clear = margins > 2 * first.max()
        assert clear.any() and (rows[:, :5].argmax(1) == wanted.first.argmax(1))[clear].all()


@pytest.mark.parametrize(
    "words",
    [
        ["litert", "missing.tflite", "{images}"],
        ["litert", BUNDLE / "ct.tflite", "missing.npy"],
        ["litert", BUNDLE / "he.tflite", "{images}"],
        ["litert", BUNDLE / "ct.onnx", "{images}"],
        ["onnxruntime", BUNDLE / "ct.tflite", "{images}"],
        ["onnxruntime", BUNDLE / "he.onnx", "{images}"],
        ["onnxruntime", BUNDLE / "ct.onnx", "{images}", "--threads", "0"],
        ["tensorrt", BUNDLE / "ct.onnx", "{images}"],
    ],
)
def test_an_interpreter_that_cannot_start_says_so(talk, golden, words):
    images = golden / "ct_image.npy"
    said = talk([sys.executable, INTERPRETER, *(str(word).format(images=images) for word in words)], 1, code=1)
    assert said.err.strip() and not said.about and not said.took_ms


@pytest.mark.parametrize("model, raw, threads", [("missing", "in.raw", 1), ("ct", "missing", 1), ("he", "in.raw", 1), ("ct", "in.raw", 0), ("ct", "short", 1)])
def test_a_capi_that_cannot_start_says_so(talk, capi, tflite_library, golden, tmp_path, model, raw, threads):
    images = np.load(golden / "ct_image.npy")
    images.tofile(tmp_path / "in.raw")
    (tmp_path / "short").write_bytes(images.tobytes()[:-1])
    said = talk([capi, tflite_library, BUNDLE / f"{model}.tflite", tmp_path / raw, threads], 1, code=1)
    assert said.err.splitlines()[-1].startswith("capi: ") and not said.about and not said.took_ms


def test_a_library_without_the_functions_is_refused(talk, capi, golden):
    said = talk([capi, "libm.so.6", BUNDLE / "ct.tflite", golden / "ct_image.npy", 1], 1, code=1)
    assert "TfLite" in said.err and not said.about


@pytest.mark.parametrize("nonsense", ["x", "-1", "1.5", ""])
def test_what_is_no_number_of_runs_ends_it(talk, capi, tflite_library, golden, tmp_path, nonsense):
    images = golden / "ct_image.npy"
    np.load(images).tofile(tmp_path / "in.raw")
    for words in (
        [sys.executable, INTERPRETER, "litert", BUNDLE / "ct.tflite", images],
        [capi, tflite_library, BUNDLE / "ct.tflite", tmp_path / "in.raw", 1],
    ):
        said = talk(words, 1, nonsense, code=1)
        assert said.about and len(said.took_ms) == 1 and said.err
