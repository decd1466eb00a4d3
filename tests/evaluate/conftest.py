"""Runs `hilum evaluate`, and compares figures."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]

from program import Ended  # noqa: E402

HILUM = Path(os.environ.get("HILUM", ROOT / "target" / "release" / "hilum")).resolve()


@pytest.fixture(scope="session")
def hilum():
    """Runs the program and checks its exit code."""

    def run(*words: object, code: int = 0, threads: int | None = None) -> Ended:
        environment = dict(os.environ) | ({"RAYON_NUM_THREADS": str(threads)} if threads else {})
        done = subprocess.run([HILUM, *map(str, words)], capture_output=True, encoding="utf-8", timeout=300, env=environment)
        ended = Ended(done.returncode, done.stdout, done.stderr)
        assert ended.code == code, f"exit code {ended.code}, wanted {code}\n{ended.err}"
        return ended

    return run


@pytest.fixture
def evaluated(hilum, tmp_path):
    """What metrics.json says of a table."""

    def run(table, *words: object, **how) -> dict:
        resamples = [] if "--resamples" in words else ["--resamples", 0]
        hilum("evaluate", table.path, *resamples, "--out", tmp_path / "out", *words, **how)
        return json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))

    return run


def same(found: float | None, wanted: float, what: str, relative: float = 1e-9) -> None:
    """A closed-form figure is what the reference library says, to one part in 10⁹."""
    assert found is not None, f"{what} is not there, {wanted} is wanted"
    assert math.isclose(found, wanted, rel_tol=relative, abs_tol=1e-14), f"{what} is {found!r}, {wanted!r} is wanted"
