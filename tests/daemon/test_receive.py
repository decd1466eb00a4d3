"""CTs that a scanner sends, disks of several patients and archives on the share: by the released program, dcmtk as the sender."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import zipfile
from pathlib import Path

import pydicom
import pytest

from appliance import readers, until

PATIENCE_S = 20.0


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def site(port: int, more: str = "") -> str:
    return f'[receive]\nlisten = "127.0.0.1:{port}"\nae-title = "HILUM"\nallow = ["CT1"]\nquiet-s = 0\n{more}'


def send(port: int, files: list[Path], title: str = "CT1") -> subprocess.CompletedProcess:
    words = ["storescu", "-aet", title, "-aec", "HILUM", "127.0.0.1", str(port), *map(str, files)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


def renamed(files: list[Path], to: Path, patient: str) -> list[Path]:
    """The same slices of another patient."""
    to.mkdir(parents=True)
    uids = {name: pydicom.uid.generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID")}
    made = []
    for file in files:
        slice_ = pydicom.dcmread(file)
        slice_.PatientID = patient
        for name, uid in uids.items():
            setattr(slice_, name, uid)
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        made.append(to / file.name)
        slice_.save_as(made[-1])
    return made


def listening(box):
    """Starts a box, and waits until scanners may send to it."""
    box.start()
    box.until(lambda status: status["received"]["listening"], PATIENCE_S)
    return box


def slices(desk, case: str) -> int | None:
    return desk.ask("show", case=case)["origin"]["slices"]


# verifies: REQ-PATIENT-04, REQ-NET-02
def test_what_a_scanner_sends_goes_to_its_patients_draft(appliance, phantoms, folder, port):
    files = sorted(phantoms[0]["ct"].iterdir())
    box = listening(appliance(site(port)))
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        assert send(port, files).returncode == 0
        until(lambda: slices(desk, case) == len(files))
        # Another patient's waits for his own draft, one who may not send is turned away.
        assert send(port, renamed(files, folder / "other", "OTHER-1")).returncode == 0
        box.until(lambda status: status["exports-waiting"] == 1, PATIENCE_S)
        assert send(port, files, "CT9").returncode != 0
        status = box.until(lambda status: status["received"]["turned-away"] == 1, PATIENCE_S)
        assert status["received"] == {"listening": True, "taken": 2 * len(files), "refused": 0, "turned-away": 1, "broken": 0}
        desk.ask("submit", case=case)
        assert desk.wait(case) == "assessed"
        other = desk.open_case("OTHER-1")["case"]
        until(lambda: slices(desk, other) == len(files))


# verifies: REQ-CT-04
def test_late_slices_by_the_network_reopen_the_series(appliance, phantoms, port):
    files = sorted(phantoms[0]["ct"].iterdir())
    box = listening(appliance(site(port)))
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        assert send(port, files[:30]).returncode == 0
        until(lambda: slices(desk, case) == 30)
        assert send(port, files).returncode == 0
        until(lambda: slices(desk, case) == len(files))


# verifies: REQ-NET-04
def test_a_restart_in_the_middle_loses_nothing_that_was_answered(appliance, phantoms, port):
    files = sorted(phantoms[0]["ct"].iterdir())
    box = listening(appliance(site(port)))
    assert send(port, files[:40]).returncode == 0
    box.kill()
    listening(box)
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        assert send(port, files[40:]).returncode == 0
        until(lambda: slices(desk, case) == len(files))


def test_a_port_that_is_taken_is_tried_again(appliance, port):
    box = appliance(site(port))
    with socket.create_server(("127.0.0.1", port)):
        box.start()
        box.until(lambda status: status["received"]["listening"] is False, PATIENCE_S)
    box.until(lambda status: status["received"]["listening"], PATIENCE_S)


# verifies: REQ-PATIENT-04
def test_a_disk_of_two_patients_is_taken_series_by_series(appliance, phantoms, folder):
    share = folder / "share"
    share.mkdir()
    files = sorted(phantoms[0]["ct"].iterdir())
    disk = folder / "making" / "disk"
    first = disk / "DICOM" / "PAT1" / "S1"
    first.mkdir(parents=True)
    for file in files:
        shutil.copy(file, first)
    renamed(files, disk / "DICOM" / "PAT2" / "S1", "OTHER-1")
    box = appliance(f'[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n')
    box.start()
    with box.desk() as desk:
        mine = desk.open_case(phantoms[0]["patient_id"])["case"]
        disk.rename(share / "disk")
        until(lambda: slices(desk, mine) == len(files))
        status = box.until(lambda status: status["exports-waiting"] == 1, PATIENCE_S)
        assert status["exports"]["refused"] == {}
        other = desk.open_case("OTHER-1")["case"]
        until(lambda: slices(desk, other) == len(files))
        box.until(lambda status: status["exports-waiting"] == 0, PATIENCE_S)
    # It is the same disk after a restart: nothing of it is offered again.
    assert box.stop() == 0
    box.start()
    box.until(lambda status: status["exports"]["unread"] == 0 and status["exports-waiting"] == 0, PATIENCE_S)


def test_an_archive_on_the_share_is_an_export(appliance, phantoms, folder):
    share = folder / "share"
    share.mkdir()
    files = sorted(phantoms[0]["ct"].iterdir())
    with zipfile.ZipFile(folder / "study.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            packed.write(file, f"study/{file.name}")
    box = appliance(f'[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n')
    box.start()
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        (folder / "study.zip").rename(share / "study.zip")
        until(lambda: slices(desk, case) == len(files))


# verifies: REQ-NET-04
def test_a_full_disk_is_said_to_the_sender(appliance, phantoms, picture, folder, port, mounted):
    """Before an object, and in the middle of one; it takes more once there is room, and everything else goes on."""
    files = sorted(phantoms[0]["ct"].iterdir())
    received = folder / "received"
    received.mkdir()
    mounted(received, "-t", "tmpfs", "-o", "size=64m,mode=0750", "none")
    large = pydicom.dcmread(files[0])
    large.private_block(0x0009, "TEST", create=True).add_new(0x10, "OB", bytes(30_000_000))
    large.save_as(folder / "large.dcm")

    def fill(left: int) -> None:
        filler = received / ".filler"
        filler.unlink(missing_ok=True)
        disk = os.statvfs(received)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - left)

    box = listening(appliance(f'[store]\nwatermark-mb = 16\n{site(port, f"folder = {json.dumps(str(received))}")}\n'))
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        fill(10_000_000)
        assert send(port, files).returncode != 0
        fill(20_000_000)
        assert send(port, [folder / "large.dcm"]).returncode != 0
        status = box.until(lambda status: status["received"]["refused"] == 2, PATIENCE_S)
        assert status["received"]["taken"] == 0 and not list(received.rglob("*.dcm"))
        assert desk.wait(desk.field_case("P2", picture)) == "assessed"
        (received / ".filler").unlink()
        assert send(port, files).returncode == 0
        until(lambda: slices(desk, case) == len(files))
    assert box.said().count("there is no room on the disk") == 2


def test_a_share_that_is_unmounted_in_the_middle_of_a_read(appliance, phantoms, picture, folder, mounted):
    """What it had on it is no fault of anybody: it is taken when the share is there again."""
    files = sorted(phantoms[0]["ct"].iterdir())
    share = folder / "share"
    share.mkdir()

    def plug_in() -> None:
        mounted(share, "-t", "tmpfs", "none")
        export = share / "making" / "export"
        export.mkdir(parents=True)
        for file in files:
            shutil.copy(file, export / file.name)
            for copy in range(40):  # which are no other slices, and take their time
                os.link(export / file.name, export / f"{file.stem}-{copy}.dcm")
        export.rename(share / "export")

    plug_in()
    box = appliance(f'[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n').start()
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        (reader,) = until(lambda: readers(box))
        os.kill(reader, signal.SIGSTOP)
        subprocess.run(["umount", "-l", share], check=True)
        os.kill(reader, signal.SIGCONT)
        # The work goes on without it.
        assert desk.wait(desk.field_case("P2", picture)) == "assessed"
        assert slices(desk, case) is None
        plug_in()
        until(lambda: slices(desk, case) == len(files), PATIENCE_S)
        status = box.until(lambda status: status["exports"]["unread"] == 0, PATIENCE_S)
        assert status["exports"]["refused"] == {} and status["exports-waiting"] == 0
