"""Images that the tests look at, each made once for all of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
# Made only where they are asked for: a minute each, and Debian's packages have to be fetched.
IMAGES = pytest.mark.skipif("HILUM_IMAGES" not in os.environ, reason="images are made by tests/long image")


def make(board: str, out: Path, *words: object) -> Path:
    """Makes an image, packed less, and gives what its files are called before their endings."""
    program = ["--program", os.environ["HILUM"]] if "HILUM" in os.environ and "amd64" in words else []
    given = (REPO / "cross/image", board, "--fast", "--out", out, *program, *words)
    done = subprocess.run([str(word) for word in given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (found,) = out.glob("*.cdx.json")
    return found.with_name(found.name.removesuffix(".cdx.json"))
