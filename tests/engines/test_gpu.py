"""The GPU engine, on a Vulkan without a GPU (Mesa's lavapipe), and devices that go away while they work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conftest import ARCHITECTURE, ENGINES, HERE, LITERT, ROOT, same, sha256
from test_engines import BUNDLE, agree, with_delegate

ACCELERATOR = "libLiteRtWebGpuAccelerator.so"


@pytest.fixture(scope="session")
def vulkan(hilum) -> dict[str, str]:
    """What leads to lavapipe. Its shaders are compiled once: the accelerator gives up after two minutes and goes on from there."""
    folder = ROOT / ".cache" / "lavapipe"
    printed = subprocess.run([HERE / "lavapipe", folder], capture_output=True, text=True, check=True, timeout=600).stdout
    env = dict(line.split("=", 1) for line in printed.split())
    for _ in range(3):
        words = ["bundle", "verify", BUNDLE, "--engine", "litert-gpu"]
        try:
            hilum(*words, env=env | {"HILUM_ENGINES": str(ENGINES)})
            return env
        except AssertionError as error:
            last = error
    raise last


def test_the_gpu_agrees_with_the_golden_outputs(hilum, vulkan):
    env = vulkan | {"HILUM_ENGINES": str(ENGINES)}
    verified = hilum("bundle", "verify", BUNDLE, "--engine", "litert-gpu", "--json", env=env).json
    assert verified["engine"] == "litert-gpu" and verified["golden"] == 16
    # Half precision: not the bits of the golden outputs, and near them.
    assert 0 < verified["levels"] < 5


def litert(folder: Path, library: Path) -> Path:
    """A folder as LiteRT wants it, with another library under its name."""
    folder.mkdir(exist_ok=True)
    place = folder / LITERT.name
    place.write_bytes(library.read_bytes())
    (folder / ACCELERATOR).symlink_to(ENGINES / ARCHITECTURE / ACCELERATOR)
    return place


def named(board, library: Path) -> dict[str, str]:
    return board(f"name = 'litert-gpu'\nlibrary = '{library}'\nsha256 = '{sha256(library)}'")


def test_a_gpu_that_disappears_between_two_pictures(made, board, vulkan, analyze, by_tract, tmp_path):
    """After both warm-up pictures, the four golden ones and the CT patch."""
    after = 9
    odd = made("odd.c", "vanishing", f"-DLITERT_FAILS_AFTER={after}", str(LITERT))
    report, said = analyze("auto", vulkan | named(board, litert(tmp_path / "litert", odd)))
    assert "litert-gpu is not used: it failed on an H&E tile: LiteRT status: runtime failure" in said
    same(report, by_tract)


@pytest.mark.skipif("HILUM_TEST_GPU_CASE" not in os.environ, reason="a case takes minutes without a GPU: $HILUM_TEST_GPU_CASE")
def test_a_case_on_the_gpu(vulkan, analyze, by_tract):
    report, said = analyze("litert-gpu", vulkan | {"HILUM_ENGINES": str(ENGINES)})
    assert report["bundle"]["engine"] == "litert-gpu", said
    agree(report, by_tract)


def test_a_library_that_is_missing_beside_it(board, analyze, by_tract, tmp_path):
    library = litert(tmp_path / "litert", LITERT)
    (library.parent / ACCELERATOR).unlink()
    report, said = analyze("auto", named(board, library))
    assert f"litert-gpu is not used: cannot read the library {ACCELERATOR}" in said
    same(report, by_tract)


@pytest.mark.parametrize(
    ("mode", "why"),
    [("crash-after=7", "its process ended (signal: 6"), ("hang-after=8", "its process did not answer in time")],
)
def test_a_device_that_takes_its_process_with_it(made, board, hilum, case, by_tract, tmp_path, mode, why):
    """The case goes on without it; whoever asks again hears why."""
    env = with_delegate(board, made("delegate.c", "delegate"), mode)
    hilum("analyze", *case, "--explain", "none", "--json", "--out", tmp_path, env=env)
    ended = hilum("analyze", *case, "--explain", "none", "--json", "--out", tmp_path, env=env)
    same(ended.json, by_tract)
    assert hilum("bundle", "verify", BUNDLE, "--engine", "tflite-delegate", env=env, code=78).err.count(why) == 1
