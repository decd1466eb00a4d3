"""The daemon with engines that are not ours: what it says of them, and that no case is lost or wrong."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import ENGINES, TFLITE, sha256

from appliance import Appliance, Desk, cohort


@pytest.fixture
def box():
    folder = Path(tempfile.mkdtemp(prefix="hilum-"))
    made = []

    def make(site: str) -> Appliance:
        made.append(Appliance(folder / f"box{len(made)}", f"[engine]\n{site}\n"))
        return made[-1]

    yield make
    for one in made:
        one.__exit__()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def patient(tmp_path_factory) -> dict:
    return cohort(tmp_path_factory.mktemp("patients") / "cohort")[0]


def assessed(desk, patient: dict, second: str) -> dict:
    case = desk.open_case(patient["patient_id"], second)["case"]
    desk.ct(case, patient["ct"], lesion=patient["lesion"])
    desk.fields(case, patient["he"])
    desk.ask("submit", case=case)
    assert desk.wait(case, 120) == "assessed"
    return desk.ask("show", case=case)["report"]


@contextmanager
def ready(box: Appliance, **how) -> Iterator[Desk]:
    """At the daemon's desk, once it has networks."""
    box.start(**how).networks()
    with box.desk(150) as desk:
        yield desk


def networks(desk: Desk) -> dict:
    return desk.ask("status")["networks"]


def test_the_fast_engine_in_the_daemon(box, patient):
    site = f"name = 'tflite'\nlibrary = '{TFLITE}'\nthreads = 1"
    with ready(box(site)) as desk:
        found = networks(desk)
        assert (found["engine"], found["stands-in"]) == ("tflite", False)
        report = assessed(desk, patient, "P1")
    assert report["bundle"]["engine"] == "tflite"
    assert report["bundle"]["libraries"] == [{"file": TFLITE.name, "sha256": sha256(TFLITE)}]


# verifies: REQ-ENGINE-01
def test_a_wrong_engine_is_never_used(box, patient, made):
    library = made("odd.c", "shifted", "-DSHIFTED", str(TFLITE))
    with ready(box(f"library = '{library}'\nsha256 = '{sha256(library)}'")) as desk:
        found = networks(desk)
        assert (found["engine"], found["stands-in"]) == ("tract", True)
        assert found["why"].startswith("tflite is not used: ") and "9.0 levels on average" in found["why"]
        assert assessed(desk, patient, "P1")["bundle"]["engine"] == "tract"


# verifies: REQ-ENGINE-01
def test_an_engine_that_goes_away_in_the_middle_of_a_case(box, patient, made):
    """All golden pictures go well, twice, and some of the case."""
    delegate = made("delegate.c", "delegate")
    site = (
        f"name = 'tflite-delegate'\nlibrary = '{TFLITE}'\ndelegate = '{delegate}'\n"
        f"delegate-sha256 = '{sha256(delegate)}'\ndelegate-options = ['mode=crash-after=20']"
    )
    with ready(box(site)) as desk:
        assert networks(desk)["engine"] == "tflite-delegate"
        report = assessed(desk, patient, "P1")
        assert report["bundle"]["engine"] == "tract", "one engine from the first picture to the last"
        found = networks(desk)
        assert (found["engine"], found["stands-in"]) == ("tract", True)
        assert "tflite-delegate is not used: it failed on an H&E tile" in found["why"]
        again = assessed(desk, patient, "P1")
    kept = ("fused", "ct", "he", "weights", "limits", "bundle")
    assert [report[key] for key in kept] == [again[key] for key in kept]


def test_the_usual_place_and_nothing_there(box):
    with ready(box(""), env={"HILUM_ENGINES": "/nonexistent"}) as desk:
        found = networks(desk)
        assert (found["engine"], found["stands-in"]) == ("tract", False)
        assert found["why"] == "there is no libtensorflowlite_c.so"
    assert ENGINES.is_dir()
