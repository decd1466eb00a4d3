"""Engines that are not ours: the same answer from each, and what happens when one is not what it should be."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from appliance import until
from conftest import ARCHITECTURE, ENGINES, HILUM, LITERT, OTHER, ROOT, TFLITE, same, sha256

BUNDLE = ROOT / "models" / "reference"


def test_the_fast_engine_is_found_and_says_what_it_is(hilum, analyze, by_tract):
    """Where its library lies in the usual place, it is used without being asked for."""
    verified = hilum("bundle", "verify", BUNDLE, "--engine", "tflite", "--json", env={"HILUM_ENGINES": str(ENGINES)}).json
    assert verified["engine"] == "tflite" and verified["golden"] == 16
    # The library that made the golden outputs, in another release.
    assert verified["largest"] < 0.02
    report, said = analyze("auto", {"HILUM_ENGINES": str(ENGINES)})
    assert said.count("stands in") == 0
    assert report["bundle"]["engine"] == "tflite"
    assert report["bundle"]["libraries"] == [{"file": TFLITE.name, "sha256": sha256(TFLITE)}]
    agree(report, by_tract)


def agree(report: dict, other: dict, apart: float = 0.15) -> None:
    """Two engines on one case: probabilities lie near each other."""
    for branch in ("fused", "ct", "he"):
        pairs = zip(report[branch]["probabilities"], other[branch]["probabilities"])
        assert max(abs(one - two) for one, two in pairs) < apart, branch
    assert report["fused"]["predicted"] == other["fused"]["predicted"]
    assert [tile["x"] for tile in report["he"]["tiles"]] == [tile["x"] for tile in other["he"]["tiles"]]


def test_without_a_library_it_is_tract(analyze, by_tract):
    report, said = analyze("auto")
    assert said == ""
    same(report, by_tract)


def test_a_library_that_is_asked_for_and_missing_is_said(analyze, by_tract):
    report, said = analyze("tflite")
    assert "tflite is not used: there is no libtensorflowlite_c.so; tract stands in for it" in said
    same(report, by_tract)


def odd(name: str, *words: str, linked: bool = True):
    """A library made from odd.c."""
    return ("odd.c", name, *words, *([str(TFLITE)] if linked else []))


STRANGE = {
    "shifted-answers": (odd("shifted", "-DSHIFTED"), "differs from its golden CT features by 9.0 levels on average"),
    "wrong-answers": (odd("garbled", "-DGARBLED"), "differs from its golden CT logits"),
    "crashes-on-load": (odd("crashes", "-DCRASHES"), "its process ended (signal: 6"),
    "misses-a-symbol": (odd("missing", "-DMISSING", linked=False), "undefined symbol: TfLiteModelCreate"),
    "fails-at-once": (odd("fails1", "-DFAILS_AFTER=1"), "failed on a CT patch"),
}


# verifies: REQ-ENGINE-01
@pytest.mark.parametrize("what", STRANGE)
def test_a_strange_library_is_not_used(made, board, analyze, by_tract, what):
    recipe, why = STRANGE[what]
    library = made(*recipe)
    report, said = analyze("auto", board(f"library = '{library}'\nsha256 = '{sha256(library)}'"))
    assert "tflite is not used: " in said and why in said, said
    assert "tract stands in for it" in said
    same(report, by_tract)


# verifies: REQ-ENGINE-01
def test_a_library_that_hangs_is_given_up(made, board, analyze, by_tract):
    library = made(*odd("hangs", "-DHANGS"))
    report, said = analyze("auto", board(f"library = '{library}'\nsha256 = '{sha256(library)}'"))
    assert "tflite is not used: its process did not answer in time; tract stands in for it" in said
    same(report, by_tract)


# verifies: REQ-ENGINE-01
@pytest.mark.parametrize("after", [6, 12])
def test_a_library_that_fails_in_the_middle_of_a_case(made, board, analyze, by_tract, after):
    """All of the case is done by the engine that stands in, and nothing is lost."""
    library = made(*odd(f"fails{after}", f"-DFAILS_AFTER={after}"))
    env = board(f"library = '{library}'\nsha256 = '{sha256(library)}'")
    report, said = analyze("tflite", env)
    assert "tflite is not used: it failed on an H&E tile: TFLite status: runtime error" in said
    same(report, by_tract)
    # It is the case that it fails in: it has proved itself before.
    from subprocess import run

    assert run([HILUM, "bundle", "verify", BUNDLE, "--engine", "tflite"], env={"PATH": "/usr/bin:/bin", **env}).returncode == 78


# verifies: REQ-ENGINE-02
def test_another_file_is_not_even_started(made, board, analyze, by_tract):
    """The hash is compared before anything of the library runs: this one would crash."""
    library = made(*odd("crashes", "-DCRASHES"))
    report, said = analyze("auto", board(f"library = '{library}'\nsha256 = '{'0' * 64}'"))
    assert "is not the one that is meant: its SHA-256 is " + sha256(library) in said
    assert "process" not in said
    same(report, by_tract)


# verifies: REQ-ENGINE-02
def test_a_usual_place_with_another_file(tmp_path, analyze, by_tract):
    (tmp_path / TFLITE.name).write_bytes(TFLITE.read_bytes()[:-1] + b"\0\0")
    report, said = analyze("auto", {"HILUM_ENGINES": str(tmp_path)})
    assert "is not the one that is meant" in said
    same(report, by_tract)


def test_another_processors_library(board, analyze, by_tract):
    library = ENGINES / OTHER / TFLITE.name
    report, said = analyze("auto", board(f"library = '{library}'\nsha256 = '{sha256(library)}'"))
    assert f"the library {TFLITE.name} cannot be loaded" in said
    same(report, by_tract)


def test_a_folder_for_a_library(tmp_path, board, analyze, by_tract):
    report, said = analyze("auto", board(f"library = '{tmp_path}'\nsha256 = '{'0' * 64}'"))
    assert "cannot read the library" in said
    same(report, by_tract)


# verifies: REQ-ENGINE-02
def test_a_library_without_a_hash_must_be_a_known_one(made, hilum, board, case, tmp_path):
    """A board file that names a library of its own says what it is."""
    library = made(*odd("shifted", "-DSHIFTED"))
    ended = hilum("analyze", *case, "--out", tmp_path, code=78, env=board(f"library = '{library}'"))
    assert "SHA-256" in ended.err


DELEGATES = {
    "wrong": "differs from its golden",
    "garbled": "differs from its golden",
    "refuse": "TfLiteInterpreterCreate returned null",
    "absent": "tflite_plugin_create_delegate returned null",
    "crash": "its process ended (signal: 6",
}


def with_delegate(board, delegate: Path, mode: str) -> dict[str, str]:
    return board(
        f"name = 'tflite-delegate'\nlibrary = '{TFLITE}'\ndelegate = '{delegate}'\n"
        f"delegate-sha256 = '{sha256(delegate)}'\ndelegate-options = ['mode={mode}']"
    )


def test_a_vendors_delegate_runs_apart(made, board, hilum, analyze, by_tract):
    delegate = made("delegate.c", "delegate")
    env = with_delegate(board, delegate, "plain")
    assert hilum("bundle", "verify", BUNDLE, "--engine", "tflite-delegate", "--json", env=env).json["golden"] == 16
    report, said = analyze("tflite-delegate", env)
    assert "stands in" not in said
    assert report["bundle"]["engine"] == "tflite-delegate"
    assert [library["sha256"] for library in report["bundle"]["libraries"]] == [sha256(TFLITE), sha256(delegate)]
    agree(report, by_tract)


# verifies: REQ-ENGINE-01
@pytest.mark.parametrize("mode", DELEGATES)
def test_a_delegate_that_is_no_good(made, board, analyze, by_tract, mode):
    report, said = analyze("auto", with_delegate(board, made("delegate.c", "delegate"), mode))
    assert DELEGATES[mode] in said, said
    assert "tract stands in for it" in said
    same(report, by_tract)


def test_a_device_that_vanishes_between_two_tiles(made, board, analyze, by_tract):
    """Two golden pictures of each branch go well, and then some tiles of the case."""
    report, said = analyze("auto", with_delegate(board, made("delegate.c", "delegate"), "fail-after=8"))
    assert "tflite-delegate is not used: it failed on an H&E tile: TFLite status: runtime error" in said
    same(report, by_tract)


def signed(hilum, folder: Path) -> None:
    hilum("bundle", "sign", folder, "--key", ROOT / "models" / "development.key")


def changed(tmp_path: Path, hilum, change) -> Path:
    """A copy of the reference bundle with its manifest changed, and signed again."""
    folder = tmp_path / "bundle"
    shutil.copytree(BUNDLE, folder)
    manifest = folder / "manifest.toml"
    manifest.write_text(change(manifest.read_text(), folder))
    signed(hilum, folder)
    return folder


@pytest.mark.parametrize("scale", ["0.0", "nan", "-1.0", "inf"])
def test_a_contract_that_makes_no_sense(hilum, case, by_tract, tmp_path, scale):
    """That of the .tflite file alone: the engine that reads the other file stands in."""

    def change(text: str, _: Path) -> str:
        before, after = text.split("[quantisation.ct.tflite]")
        return before + "[quantisation.ct.tflite]" + after.replace("scale = 0.0078125", f"scale = {scale}", 1)

    bundle = changed(tmp_path, hilum, change)
    words = ["analyze", *case, "--bundle", bundle, "--explain", "none", "--out", tmp_path / "out"]
    ended = hilum(*words, env={"HILUM_ENGINES": str(ENGINES)})
    assert "tflite is not used: " in ended.err and "the contract of ct.tflite has no valid input scale" in ended.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["fused"] == by_tract["fused"] and report["bundle"]["engine"] == "tract"


@pytest.mark.parametrize("scale", [0.0, float("nan")])
def test_a_model_whose_own_scales_make_no_sense(hilum, case, by_tract, tmp_path, scale):
    """The manifest is in order, and what the library reads from the model is not."""

    def change(text: str, folder: Path) -> str:
        model = folder / "ct.tflite"
        before = sha256(model)
        step = struct.pack("<f", 0.03922915458679199)
        bytes_ = model.read_bytes()
        assert bytes_.count(step) >= 1
        model.write_bytes(bytes_.replace(step, struct.pack("<f", scale)))
        return text.replace(before, sha256(model))

    bundle = changed(tmp_path, hilum, change)
    words = ["analyze", *case, "--bundle", bundle, "--explain", "none", "--out", tmp_path / "out"]
    ended = hilum(*words, env={"HILUM_ENGINES": str(ENGINES)})
    assert "tflite is not used: " in ended.err, ended.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["fused"] == by_tract["fused"] and report["bundle"]["engine"] == "tract"


def test_the_engines_explain_alike(analyze):
    """Maps by the fast engine lie where those by the other lie: both are proved by the engine that made them."""
    fast, _ = analyze("tflite", {"HILUM_ENGINES": str(ENGINES)}, "gradcam++")
    slow, _ = analyze("tract", None, "gradcam++")
    for one, two in zip(fast["explanations"], slow["explanations"], strict=True):
        assert (one["modality"], one["method"]) == (two["modality"], two["method"])
        if one["insertion_auc"] is not None and two["insertion_auc"] is not None:
            assert abs(one["insertion_auc"] - two["insertion_auc"]) < 0.15


def test_libraries_are_those_that_are_listed():
    """What was fetched, for both processors, with their licences."""
    for architecture in (ARCHITECTURE, OTHER):
        folder = ENGINES / architecture
        assert {"libLiteRt.so", "libLiteRtWebGpuAccelerator.so", "libtensorflowlite_c.so"} <= {
            file.name for file in folder.iterdir()
        }
        licences = list(folder.glob("*.LICENSE"))
        assert len(licences) == 2 and all("Apache License" in licence.read_text() for licence in licences)


def test_the_process_of_an_engine_ends_with_its_socket(made, board, case, hilum, tmp_path):
    """Whoever asked is killed while a device has the process of the engine: that ends, too."""
    delegate = made("delegate.c", "delegate")
    env = with_delegate(board, delegate, "hang-after=8")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HILUM_")}
    words = [HILUM, "analyze", *case, "--explain", "none", "--out", tmp_path]
    with subprocess.Popen(words, env=clean | env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as asking:
        children = Path(f"/proc/{asking.pid}/task")
        engine = until(lambda: [child for task in children.iterdir() for child in (task / "children").read_text().split()], 60)
        until(lambda: hung(engine[0]), 60)
        asking.kill()
    # Its parent is gone: what is left of it is somebody else's to bury.
    until(lambda: not (stat := Path(f"/proc/{engine[0]}/stat")).exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z", 60)


def hung(process: str) -> bool:
    """It has used no processor for half a second."""
    used = lambda: Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    before = used()
    time.sleep(0.5)
    return before == used() and before != ["0", "0"]


def test_the_process_of_an_engine_without_a_socket():
    """Nobody is on the other end: it ends, and says nothing."""
    done = subprocess.run([HILUM, "engine"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    assert done.returncode == 70 and done.stdout == b""


def test_the_gpu_engine_without_a_gpu_is_not_used(board, analyze, by_tract):
    report, said = analyze("litert-gpu", {"HILUM_ENGINES": str(ENGINES)})
    assert LITERT.is_file() and "litert-gpu is not used: " in said
    same(report, by_tract)
