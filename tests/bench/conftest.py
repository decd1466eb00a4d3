"""Starting a peer and talking to it as `hilum bench --against` does."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Talk:
    """What a peer said until it ended."""

    code: int
    about: dict
    took_ms: list[list[float]]
    err: str


@pytest.fixture(scope="session")
def talk():
    """Starts a peer, asks for so many runs each time, and checks every line: `talk([peer, …], 3, 1)`."""

    def run(words: list[object], *counts: object, code: int = 0) -> Talk:
        asked = "".join(f"{count}\n" for count in counts)
        done = subprocess.run([*map(str, words)], input=asked, capture_output=True, encoding="utf-8", timeout=300)
        assert (done.returncode == 0) == (code == 0), f"exit code {done.returncode}\n{done.stderr}"
        first, *lines = done.stdout.splitlines() or [""]
        about = json.loads(first.removeprefix("ready ")) if first else {}
        took_ms = [json.loads(line) for line in lines]
        if code == 0:
            assert set(about) == {"name", "version"} and all(about.values())
            assert [len(times) for times in took_ms] == list(counts)
            assert all(0 < ms < 300_000 for times in took_ms for ms in times)
        return Talk(done.returncode, about, took_ms, done.stderr)

    return run


@pytest.fixture(scope="session")
def golden() -> Path:
    return ROOT / "models" / "reference" / "golden"


@pytest.fixture(scope="session")
def hilum():
    """Runs the release build, or $HILUM, and reads what it prints with --json."""
    program = Path(os.environ.get("HILUM", ROOT / "target" / "release" / "hilum")).resolve()
    assert program.is_file(), f"{program} is missing: cargo build --release"

    def run(*words: object) -> dict | None:
        done = subprocess.run([program, *map(str, words)], capture_output=True, encoding="utf-8", timeout=600)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--json" in words else None

    return run


@pytest.fixture(scope="session")
def tflite_library() -> Path:
    """TensorFlow Lite's C library, where the program looks for it in the source tree."""
    folder = Path(os.environ.get("HILUM_TEST_ENGINES") or ROOT / ".cache" / "engines")
    name = "libtensorflowlite_c.so"
    found = [path for path in (folder / name, folder / platform.machine() / name) if path.is_file()]
    assert found, f"{name} is not in {folder}: cargo xtask engines fetch"
    return found[0]
