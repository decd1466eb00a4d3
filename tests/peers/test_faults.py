"""Faulty CT exports (faults.py) get the verdict that they must get, from `ct volume` and `ct list`, and never end the program."""

from __future__ import annotations

import json
from pathlib import Path

import faults
import nibabel
import numpy as np
import pytest


# verifies: REQ-PATIENT-01, REQ-CT-01, REQ-INPUT-01, REQ-INPUT-03
@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.name)
def test_verdict(hilum, tmp_path, fault):
    path = fault.make(tmp_path / "export") or tmp_path / "export"
    out = tmp_path / "x.nii"
    ended = hilum("ct", "volume", path, "--out", out, "--json", code=None)
    everything = ended.out + ended.err
    assert ended.code == fault.code, everything
    assert fault.said in everything and "panicked" not in everything
    assert len(ended.err.splitlines()) == (0 if fault.code == 0 else 1), ended.err
    assert out.exists() == (fault.code == 0)
    if fault.code == 0:
        check_chest(out)
    else:
        assert "IM0" not in everything, "the name of a file may be a patient's"
    listed = hilum("ct", "list", path, "--json", code=None)
    assert listed.code == (65 if fault.code == 65 else 0), listed.err
    if fault.code != 65:
        verdicts = [series["verdict"] for series in listed.json["series"]]
        codes = [reason["code"] for series in listed.json["series"] for reason in series["reasons"]]
        # Two patients or series that are fine by themselves are no fault of either.
        assert ("ok" in verdicts) == (fault.code == 0 or verdicts.count("ok") > 1), listed.json
        if fault.code == 2 and "ok" not in verdicts:
            assert codes, listed.json
    assert not list(tmp_path.parent.rglob("hilum-was-here.dcm"))


def check_chest(path: Path) -> None:
    """The ramp that every fault begins with, slice by slice."""
    voxels = np.asanyarray(nibabel.load(path).dataobj)
    j, i = np.mgrid[: faults.EDGE, : faults.EDGE]
    for k in range(12):
        assert np.array_equal(voxels[:, :, k].T, j + 3 * i + 40 * k - 1024), k
    assert voxels.shape == (faults.EDGE, faults.EDGE, 12)


def test_one_of_several_acquisitions(hilum, tmp_path):
    faults.two_acquisitions_in_one_series(tmp_path / "export")
    listed = hilum("ct", "list", tmp_path / "export", "--json").json["series"]
    assert [(series["acquisition"], series["slices"], series["verdict"]) for series in listed] == [(1, 12, "ok"), (2, 12, "ok")]
    hilum("ct", "volume", tmp_path / "export", "--acquisition", 1, "--out", tmp_path / "x.nii")
    check_chest(tmp_path / "x.nii")
    hilum("ct", "volume", tmp_path / "export", "--acquisition", 2, "--out", tmp_path / "y.nii")
    assert (np.asanyarray(nibabel.load(tmp_path / "y.nii").dataobj) == 7 - 1024).all()
    assert "no such series" in hilum("ct", "volume", tmp_path / "export", "--acquisition", 3, "--out", tmp_path / "z.nii", code=2).err


def test_the_generator_runs_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["faults.py", str(tmp_path / "all")])
    faults.main()
    verdicts = json.loads((tmp_path / "all" / "verdicts.json").read_text())
    assert len(verdicts) == len(faults.FAULTS) >= 25
