"""What is written: it is what the schema says, it can be read, and it needs nothing from anywhere else."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jsonschema
import pytest

from tables import drawn

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "src/evaluate/metrics.schema.json").read_text(encoding="utf-8"))
PLOTS = {"roc.svg", "precision-recall.svg", "calibration.svg", "confusion.svg", "decision.svg", "coverage.svg", "subgroups.svg"}


# verifies: REQ-EVALUATE-06
@pytest.mark.parametrize("how", [{}, {"refused": 0.3}, {"absent": 1}, {"refused": 1.0}], ids=str)
def test_what_is_written(hilum, tmp_path, how):
    table = drawn(tmp_path / "table.csv", 200, 51, **how)
    other = drawn(tmp_path / "other.csv", 200, 51, model=1, absent=how.get("absent"))
    said = hilum("evaluate", table.path, "--versus", other.path, "--resamples", 100, "--json", "--out", tmp_path / "out").json
    jsonschema.Draft202012Validator(SCHEMA).validate(said)
    assert said == json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written - PLOTS == {"metrics.json", "report.html"} and written >= PLOTS - {"coverage.svg"}
    for path in (tmp_path / "out").glob("*.svg"):
        picture = ElementTree.parse(path).getroot()
        assert picture.tag.endswith("svg") and "NaN" not in path.read_text(encoding="utf-8")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)\s*=|url\((?!#)|@import", page), "it is whole by itself"
    assert f"{said['accuracy'] * 100:.1f}%" in page and "Research use only" in page
    for beginning in ("C1,", "P1,", "C1<", "P1<"):
        assert beginning not in page, "no case is named"


def test_without_resamples_there_is_no_interval(hilum, tmp_path):
    table = drawn(tmp_path / "table.csv", 100, 52)
    said = hilum("evaluate", table.path, "--resamples", 0, "--json", "--out", tmp_path / "out").json
    assert said["intervals"] == {} and "sample_size" not in said


def test_what_would_halve_the_interval(hilum, tmp_path):
    """Four times the cases: the interval is half as wide, within what chance does to it."""
    small, large = drawn(tmp_path / "small.csv", 300, 53), drawn(tmp_path / "large.csv", 1200, 53)

    def noted(table) -> dict:
        return hilum("evaluate", table.path, "--json", "--out", tmp_path / "out").json["sample_size"]

    assert noted(small)["more_cases_to_halve"] == 900
    assert 0.4 < noted(large)["width"] / noted(small)["width"] < 0.62
