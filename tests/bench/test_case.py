"""The whole case in TensorFlow against the program: the same tiles, the same pixels, nearly the same answer. Runs under models/python."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from conftest import BENCH

CASE = BENCH / "case.py"
SEED = 2
SLIDE = ["quality", "stain", "he_cnn", "mil"]
STAGES = ["read_ct", "resample", "patch", "ct_cnn", "read_he", *SLIDE, "fusion"]


@dataclass(frozen=True)
class Read:
    """A case, what the program says of it, and what its networks read."""

    folder: Path
    report: dict
    patch: np.ndarray
    tiles: np.ndarray


@pytest.fixture(scope="module")
def read(request, hilum, tmp_path_factory) -> Read:
    """A patient of the size that the test names: small fields are at the networks' scale, full ones at twice that."""
    scratch = tmp_path_factory.mktemp(request.param)
    hilum("phantom", "--patients", 1, "--seed", SEED, "--size", request.param, "--out", scratch / "cohort")
    with (scratch / "cohort" / "cohort.csv").open(newline="", encoding="utf-8") as table:
        (row,) = csv.DictReader(table)
    folder = scratch / "cohort" / row["case_id"]
    lesion = ",".join(map(str, json.loads((folder / "lesion.json").read_text(encoding="utf-8"))["center_lps_mm"]))
    person = [word for name in ("age", "sex", "smoking", "specimen") for word in (f"--{name}", row[name])]
    words = ["--ct", folder / "ct", "--lesion", lesion, "--he", folder / "he", *person, "--explain", "none", "--json"]
    report = hilum("analyze", *words, "--out", scratch / "report")
    assert report["outcome"] == "assessed"
    hilum("prepare", "--source", "phantom", "--in", scratch / "cohort", "--out", scratch / "prepared")
    shard = scratch / "prepared" / "shard-1-of-1"
    return Read(folder, report, np.load(shard / "ct.npy")[0], np.load(shard / "he.npy"))


@pytest.fixture
def assess(talk, read, tmp_path):
    """The peer on the case, two runs: what it computed, and the stages of each run."""

    def run(*words: object) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        out = tmp_path / "out.npz"
        said = talk([sys.executable, CASE, read.folder, *words, "--outputs", out], 1, 1)
        assert said.about["name"] == "tensorflow"
        stages = [json.loads(line.removeprefix("stages ")) for line in said.err.splitlines() if line.startswith("stages ")]
        for took, (whole,) in zip(stages, said.took_ms, strict=True):
            assert 0 < sum(took.values()) <= whole
        with np.load(out) as arrays:
            return dict(arrays), stages

    return run


@pytest.mark.parametrize("read", ["small", "full"], indirect=True)
def test_with_one_stain_it_is_the_programs_case(assess, read):
    """Pixels of both networks, tile for tile; logits as far apart as float32 and int8 are."""
    found, stages = assess("--stain", "slide")
    assert [list(took) for took in stages] == [STAGES] * 2
    tiles = read.report["he"]["tiles"]
    assert len(found["places"]) == len(found["tiles"]) == len(tiles) == len(read.tiles)
    for (index, x, y), tile in zip(found["places"], tiles):
        factor = tile["size"] / read.tiles.shape[1]
        assert index == tile["field"] and [x * factor, y * factor] == pytest.approx([tile["x"], tile["y"]], abs=1)
    assert np.abs(found["patch"].astype(int) - read.patch).max() <= 1, "grey levels"
    assert np.abs(found["tiles"].astype(int) - read.tiles).mean() < 1.5, "grey levels"
    for branch in ("ct", "he"):
        assert found[f"{branch}_logits"][0] == pytest.approx(read.report[branch]["logits"], abs=0.5)
    assert found["weights"] == pytest.approx([read.report["weights"][name] for name in ("ct", "he")], abs=1e-4)
    assert found["probabilities"] == pytest.approx(read.report["fused"]["probabilities"], abs=0.1)


@pytest.mark.parametrize("read", ["full"], indirect=True)
def test_as_it_is_timed(assess, read):
    found, stages = assess()
    assert [list(took) for took in stages] == [STAGES] * 2
    assert len(found["tiles"]) == len(read.report["he"]["tiles"])
    assert np.isfinite(found["probabilities"]).all() and found["probabilities"].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("read", ["full"], indirect=True)
def test_from_fields_in_memory(assess, read):
    found, stages = assess("--from", "fields")
    assert [list(took) for took in stages] == [SLIDE] * 2
    assert len(found["tiles"]) == len(read.report["he"]["tiles"])
    assert np.isfinite(found["he_logits"]).all() and "probabilities" not in found and "patch" not in found


def test_a_case_that_is_not_there_is_said(talk, tmp_path):
    said = talk([sys.executable, CASE, tmp_path / "case-0001"], 1, code=1)
    assert said.err.strip() and not said.about and not said.took_ms
