"""CTs that come by themselves: late, several of one patient, damaged, many, under odd names. By the released program."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pydicom
import pytest

from appliance import HILUM, until

PATIENCE_S = 15.0
# What a person waits for one picture beside a share that is being read: far below what the backlog takes.
BESIDE_S = 3.0


@pytest.fixture
def share(folder) -> Path:
    share = folder / "share"
    share.mkdir()
    return share


def site(share: Path, more: str = "") -> str:
    return f'[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n{more}'


def copied(files: list[Path], to: Path) -> Path:
    to.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, to)
    return to


def visit(files: list[Path], to: Path, patient: str, date: str) -> Path:
    """A study of its own of the same slices. It comes in one piece."""
    hidden = to.parent.parent / f"making-{to.name}"
    hidden.mkdir()
    uid = pydicom.uid.generate_uid()
    for file in files:
        slice_ = pydicom.dcmread(file)
        slice_.PatientID, slice_.StudyDate, slice_.SeriesInstanceUID = patient, date, uid
        slice_.save_as(hidden / file.name)
    hidden.rename(to)
    return to


def slices(desk, case: str) -> int | None:
    return desk.ask("show", case=case)["origin"]["slices"]


# --- late slices ---


# verifies: REQ-CT-04
def test_late_slices_come_to_the_draft(appliance, phantoms, share):
    files = sorted(phantoms[0]["ct"].iterdir())
    half = files[: len(files) // 2]
    with appliance(site(share)).start().desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        copied(half, share / "export")
        until(lambda: slices(desk, case) == len(half))
        copied(files[len(half) :], share / "export")
        until(lambda: slices(desk, case) == len(files))
        desk.ask("submit", case=case)
        assert desk.wait(case) == "assessed"
        report = desk.ask("show", case=case)["report"]
        assert report["ct"]["slices"] == len(files)
        assert "ct-revised" not in [limit["code"] for limit in report["limits"]]


def test_slices_that_are_taken_away_again_change_nothing(appliance, phantoms, share):
    files = sorted(phantoms[0]["ct"].iterdir())
    box = appliance(site(share))
    with box.start().desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        export = copied(files, share / "export")
        until(lambda: slices(desk, case) == len(files))
        for file in files[20:]:
            (export / file.name).unlink()
        box.until(lambda status: status["exports-waiting"] == 1, PATIENCE_S)
        assert slices(desk, case) == len(files)


# verifies: REQ-CT-04
@pytest.mark.parametrize("known", ["before the result", "after the result"])
def test_slices_after_the_hand_over_are_told(appliance, phantoms, share, folder, known):
    files = sorted(phantoms[0]["ct"].iterdir())
    half = files[: len(files) // 2]
    zone = folder / "zone"
    zone.write_text("40000")
    box = appliance(site(share, f'[thermal]\nzones = ["{zone}"]\npoll-s = 0.5\n'))
    box.start().networks()
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        copied(half, share / "export")
        until(lambda: slices(desk, case) == len(half))
        if known == "before the result":
            zone.write_text("99000")
            box.until(lambda status: status["warmth"] == "hot", PATIENCE_S)
        desk.ask("submit", case=case)
        if known == "after the result":
            assert desk.wait(case) == "assessed"
        copied(files[len(half) :], share / "export")
        box.until(lambda status: status["exports"]["late"] == 1, PATIENCE_S)
        assert desk.ask("show", case=case)["exports"]["late"] is True
        zone.write_text("40000")
        assert desk.wait(case) == "assessed"
        report = desk.ask("show", case=case)["report"]
        assert report["ct"]["slices"] == len(half)
        revised = "ct-revised" in [limit["code"] for limit in report["limits"]]
        assert revised == (known == "before the result")
        assert desk.ask("replay", case=case)["identical"] is True
        again = desk.open_case(phantoms[0]["patient_id"])["case"]
        until(lambda: slices(desk, again) == len(files))


# --- which one ---


# verifies: REQ-PATIENT-04
def test_of_several_exports_of_a_patient_a_person_picks(appliance, phantoms, share):
    files = sorted(phantoms[0]["ct"].iterdir())
    box = appliance(site(share))
    old, new = (visit(files, share / name, "TWO", date) for name, date in (("a", "20200101"), ("b", "20261101")))
    box.start().until(lambda status: status["exports-waiting"] == 2, PATIENCE_S)
    with box.desk() as desk:
        case = desk.open_case("TWO")["case"]
        time.sleep(2)
        shown = desk.ask("show", case=case)
        assert (shown["ct"], shown["exports"]["waiting"]) == (False, 2)
        assert desk.ask("status")["exports"]["of-one-patient"] == 2
        command = [HILUM, "case", "show", case, "--socket", box.socket]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "share: 2 exports of this patient wait" in said
        said = subprocess.run([HILUM, "status", "--socket", box.socket], capture_output=True, text=True, check=True).stdout
        assert "exports: 2 went to no case; of 2 a person picks the one that is meant" in said
        desk.ct(case, new)
        shown = desk.ask("show", case=case)
        assert shown["origin"]["study-date"] == "2026-11-01" and shown["origin"]["slices"] == len(files)
        assert shown["exports"]["waiting"] == 1
        # The other one is the only one now.
        second = desk.open_case("TWO")["case"]
        until(lambda: desk.ask("show", case=second)["origin"]["study-date"] == "2020-01-01")
        box.until(lambda status: status["exports-waiting"] == 0, PATIENCE_S)
    assert old.is_dir()


# --- what goes wrong ---


def test_what_is_refused_is_counted_and_told(appliance, phantoms, share):
    files = sorted(phantoms[0]["ct"].iterdir())
    box = appliance(site(share))
    copied(files[:20] + files[24:], share / "gap")
    (share / "broken").mkdir()
    (share / "broken" / "IM1.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 4000)
    with box.start().desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        other = desk.open_case("SOMEBODY")["case"]
        refused = {"missing-slice": 1, "unreadable": 1}
        box.until(lambda status: status["exports"]["refused"] == refused, PATIENCE_S)
        assert desk.ask("show", case=case)["exports"]["refused"] == ["missing-slice"]
        assert desk.ask("show", case=other)["exports"]["refused"] == []
        copied(files, share / "gap")
        until(lambda: slices(desk, case) == len(files))
        shutil.rmtree(share / "broken")
        box.until(lambda status: status["exports"]["refused"] == {}, PATIENCE_S)


def test_a_name_in_other_letters(appliance, phantoms, share):
    """Of a scanner that writes Latin-1: no UTF-8."""
    with appliance(site(share)).start().desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        odd = os.path.join(os.fsencode(share), b"M\xfcller")
        os.mkdir(odd)
        for file in phantoms[0]["ct"].iterdir():
            shutil.copy(file, os.path.join(odd, os.fsencode(file.name)))
        until(lambda: desk.ask("show", case=case)["ct"])


def test_nothing_is_tried_while_the_records_are_locked(appliance, phantoms, share):
    box = appliance(site(share))
    box.board.write_text(box.board.read_text().replace('source = "file"', 'source = "pin"'))
    copied(sorted(phantoms[0]["ct"].iterdir()), share / "export")
    box.start()
    until(lambda: "an export came to rest" in box.said())
    time.sleep(2)
    assert "an export is not read" not in box.said()
    with box.desk() as desk:
        desk.ask("set-pin", role="administrator", pin="194603")
        desk.ask("login", role="administrator", pin="194603")
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        until(lambda: desk.ask("show", case=case)["ct"])


# --- people first ---


def test_people_do_not_wait_for_the_share(appliance, phantoms, share, picture):
    box = appliance(site(share))
    for number in range(30):
        shutil.copytree(phantoms[1]["ct"], share / f"old-{number:02}", copy_function=os.link)
    box.start().until(lambda status: status["exports"]["unread"] > 0, PATIENCE_S)
    with box.desk() as desk:
        case = desk.open_case("P1")["case"]
        began = time.monotonic()
        desk.fields(case, picture, um_per_px=0.5)
        took = time.monotonic() - began
        assert desk.ask("status")["exports"]["unread"] > 0, "the backlog is gone: it shows nothing"
    assert took < BESIDE_S, f"{took:.1f} s"
