"""The program, the libraries that it is given, and some that it must not be taken in by."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "daemon")]

from program import Ended  # noqa: E402

HERE = Path(__file__).resolve().parent
HILUM = Path(os.environ.get("HILUM", ROOT / "target" / "release" / "hilum")).resolve()
ENGINES = Path(os.environ.get("HILUM_TEST_ENGINES", ROOT / ".cache" / "engines"))
ARCHITECTURE = platform.machine()
OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}[ARCHITECTURE]
TFLITE = ENGINES / ARCHITECTURE / "libtensorflowlite_c.so"
LITERT = ENGINES / ARCHITECTURE / "libLiteRt.so"


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="session", autouse=True)
def libraries() -> None:
    assert HILUM.is_file(), f"{HILUM} is missing: cargo build --release"
    assert TFLITE.is_file(), f"{TFLITE} is missing: cargo xtask engines fetch"


@pytest.fixture(scope="session")
def hilum():
    """Runs the program without any library in reach but what its board names."""

    def run(*args: object, code: int = 0, env: dict[str, str] | None = None) -> Ended:
        words = [str(HILUM), *map(str, args)]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HILUM_")}
        environment = clean | {"HILUM_ENGINES": "/nonexistent"} | (env or {})
        done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=300, env=environment)
        assert done.returncode == code, f"exit code {done.returncode}, wanted {code}\n{' '.join(words)}\n{done.stderr}"
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def board(tmp_path_factory):
    """Writes a board with an engine and gives the environment that leads to it."""

    def write(text: str) -> dict[str, str]:
        file = tmp_path_factory.mktemp("board") / "board.toml"
        file.write_text(f"inherit = {str(ROOT / 'board' / 'desktop.toml')!r}\nname = 'engines'\n[engine]\n{text}\n")
        tomllib.loads(file.read_text())
        return {"HILUM_BOARD": str(file)}

    return write


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Compiles one of the sources beside this file into a library of a given name."""
    folder = tmp_path_factory.mktemp("made")

    def compile_(source: str, name: str, *words: str) -> Path:
        library = folder / name / f"lib{name}.so"
        if not library.is_file():
            library.parent.mkdir()
            command = ["cc", "-O1", "-shared", "-fPIC", *[word for word in words if not word.endswith(".so")]]
            command += ["-o", str(library), str(HERE / source), f"-Wl,--no-as-needed,-rpath,{TFLITE.parent}", *[word for word in words if word.endswith(".so")]]
            subprocess.run([*command, "-ldl"], check=True)
        return library

    return compile_


@pytest.fixture(scope="session")
def case(hilum, tmp_path_factory) -> list[str]:
    """A small patient, as `analyze` takes it."""
    cohort = tmp_path_factory.mktemp("cohort")
    hilum("phantom", "--patients", 1, "--seed", 21, "--size", "small", "--out", cohort)
    folder = cohort / "case-0001"
    lesion = json.loads((folder / "lesion.json").read_text())["center_lps_mm"]
    person = ["--age", "63", "--sex", "male", "--smoking", "former", "--specimen", "biopsy"]
    return ["--ct", str(folder / "ct"), "--he", str(folder / "he"), "--lesion", ",".join(map(str, lesion)), *person]


@pytest.fixture(scope="session")
def analyze(hilum, case, tmp_path_factory):
    """Assesses the small patient on an engine: the report, and what was said on standard error."""

    def run(engine: str, env: dict[str, str] | None = None, explain: str = "none") -> tuple[dict, str]:
        out = tmp_path_factory.mktemp("out")
        ended = hilum("analyze", *case, "--engine", engine, "--explain", explain, "--out", out, env=env)
        return json.loads((out / "report.json").read_text()), ended.err

    return run


@pytest.fixture(scope="session")
def by_tract(analyze) -> dict:
    """What the engine that is built in says."""
    report, said = analyze("tract")
    assert report["bundle"]["engine"] == "tract" and report["bundle"]["libraries"] == [] and said == ""
    return report


def same(report: dict, other: dict) -> None:
    """The two say the same, but for when and how long."""
    timeless = ("timing_ms", "provenance")
    assert {key: value for key, value in report.items() if key not in timeless} == {
        key: value for key, value in other.items() if key not in timeless
    }
