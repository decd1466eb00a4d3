"""A short form of the measurement, from the command that draws a cohort to the command that suggests."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from measure import cohort, mcnemar, rank, wilson

ROOT = Path(__file__).resolve().parents[2]
HILUM = Path(os.environ.get("HILUM", ROOT / "target" / "release" / "hilum"))
PATIENTS, SEED = 24, 911


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    subprocess.run([HILUM, "phantom", "--patients", str(PATIENTS), "--seed", str(SEED), "--size", "small", "--out", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def cases(folder):
    return cohort(HILUM, folder)


def share_found(cases: list[dict], most: int = 5) -> float:
    return float(np.mean([rank(case) <= most for case in cases]))


def test_the_lesion_is_among_the_first_five(cases):
    """The long form finds 0.93; a fifth less of so few cases is no accident."""
    malignant = [case for case in cases if case["label"] != "normal" and 6 <= case["diameter_mm"] < 60]
    assert len(malignant) >= 14
    assert share_found(malignant) >= 0.75, [(case["case"], rank(case)) for case in malignant]


def test_nothing_else_would_pass(cases):
    """The same suggestions against the lesion of the next patient, at the same distances: what chance finds."""
    mixed = []
    for case, other in zip(cases, cases[1:] + cases[:1]):
        centre = other["lesion_lps_mm"]
        moved = [{**one, "from_lesion_mm": math.dist(one["lps_mm"], centre)} for one in case["candidates"]]
        mixed.append({**case, "diameter_mm": other["diameter_mm"], "candidates": moved})
    assert share_found(mixed) <= 0.25


# verifies: REQ-CT-06
def test_suggestions_are_ranked_and_say_what_they_are(folder):
    words = [HILUM, "ct", "candidates", folder / "case-0001" / "ct"]
    said = json.loads(subprocess.run([*words, "--json"], check=True, capture_output=True).stdout)
    scores = [one["score"] for one in said["candidates"]]
    assert [one["rank"] for one in said["candidates"]] == list(range(1, len(scores) + 1))
    assert scores == sorted(scores, reverse=True)
    text = subprocess.run(words, check=True, capture_output=True, encoding="utf-8").stdout.splitlines()
    assert len(text) == len(scores) + 1 and text[-1] == said["note"]
    assert "does not mean that there is none" in said["note"]


# verifies: REQ-CT-06
def test_an_empty_list_does_not_say_that_there_is_no_lesion(tmp_path):
    """A box of water has no lungs to look in."""
    import pydicom
    from pydicom.uid import generate_uid

    series = generate_uid()
    (tmp_path / "ct").mkdir()
    for k in range(24):
        one = pydicom.Dataset()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = series, series, series
        one.PatientID, one.Modality = "BOX", "CT"
        one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, 2 * k], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SliceThickness = [2, 2], 2
        one.Rows = one.Columns = 64
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation = 15, 1
        one.RescaleIntercept, one.RescaleSlope = 0, 1
        one.PixelData = np.zeros((64, 64), "<i2").tobytes()
        one.save_as(tmp_path / "ct" / f"{k}.dcm", enforce_file_format=True)
    words = [HILUM, "ct", "candidates", tmp_path / "ct"]
    said = json.loads(subprocess.run([*words, "--json"], check=True, capture_output=True).stdout)
    assert said["candidates"] == [] and "does not mean that there is none" in said["note"]
    text = subprocess.run(words, check=True, capture_output=True, encoding="utf-8").stdout
    assert text.strip() == said["note"]


def test_the_interval_is_wilsons():
    """Newcombe, Stat Med 1998, table I: 81 of 263 is 0.2553 to 0.3662."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_uneven_disagreements_are_rarely_chance():
    """Of the 2^20 ways to part twenty, 1 + 20 + 190 + 1,140 + 4,845 + 15,504 have five or fewer on one side."""
    assert mcnemar(5, 15) == mcnemar(15, 5) == pytest.approx(2 * 21_700 / 2**20)
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
