"""Results that go to an archive and into an outgoing folder by themselves: Orthanc as the archive, away and there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pydicom
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "peers"))

from pacs import Network, orthanc  # noqa: E402

PATIENCE_S = 40.0
ARCHIVE = '[deliver]\narchive = "ORTHANC@127.0.0.1:4242"\n'


@pytest.fixture
def network():
    network = Network()
    yield network
    network.close()


def assessed(box, phantom: dict) -> str:
    """A case with the CT of a phantom, handed over and done."""
    with box.desk() as desk:
        case = desk.open_case(phantom["patient_id"])["case"]
        desk.ct(case, phantom["ct"])
        desk.ask("submit", case=case)
        assert desk.wait(case) == "assessed"
    return case


def delivered(box, place: str, cases: int, failures: bool = False) -> dict:
    def there(status: dict) -> bool:
        counts = status["delivered"][place]
        return counts["delivered"] == cases and counts["waiting"] == 0

    try:
        status = box.until(there, PATIENCE_S)["delivered"][place]
    except AssertionError as error:
        raise AssertionError(box.said()[-1500:]) from error
    assert status["impossible"] == 0 and (status["failures"] > 0) == failures
    return status


def held(network, port: int) -> list[dict]:
    instances = json.loads(network.get(f"http://127.0.0.1:{port + 1}/instances?expand"))
    return [json.loads(network.get(f"http://127.0.0.1:{port + 1}/instances/{one['ID']}/simplified-tags")) for one in instances]


# verifies: REQ-PATIENT-07
def test_results_go_to_the_archive_once(appliance, phantoms, folder, network):
    box = appliance(ARCHIVE)
    wrap = network.words()
    study = pydicom.dcmread(next(phantoms[0]["ct"].iterdir()), stop_before_pixels=True).StudyInstanceUID
    with orthanc(network, folder / "orthanc") as port:
        box.start(wrap=wrap).networks()
        case = assessed(box, phantoms[0])
        delivered(box, "archive", 1)
        objects = held(network, port)
        assert sorted(one["Modality"] for one in objects) == ["OT", "SEG", "SR"]
        assert {one["StudyInstanceUID"] for one in objects} == {study}
        assert {one["PatientID"] for one in objects} == {phantoms[0]["patient_id"]}
        report = next(one for one in objects if one["Modality"] == "SR")
        assert report["VerificationFlag"] == "UNVERIFIED"
        assert box.stop() == 0
        # Neither a restart nor a kill sends it again; the next case goes.
        box.start(wrap=wrap).networks()
        box.kill()
        box.start(wrap=wrap).networks()
        assessed(box, phantoms[1])
        delivered(box, "archive", 1)
        assert len(held(network, port)) == 6
    assert box.stop() == 0
    log = [entry for entry in box.audit() if entry["action"] == "delivered"]
    assert len(log) == 2 and f"H{log[0]['case']:06}" == case and all(entry["file"] for entry in log)


def test_an_archive_that_is_away_is_waited_for(appliance, phantoms, folder, network):
    box = appliance(ARCHIVE)
    box.start(wrap=network.words()).networks()
    assessed(box, phantoms[0])
    box.until(lambda status: status["delivered"]["archive"]["failures"] >= 1 and status["delivered"]["archive"]["waiting"] == 1, PATIENCE_S)
    # What waits outlives the daemon.
    box.kill()
    with orthanc(network, folder / "orthanc") as port:
        box.start(wrap=network.words()).networks()
        delivered(box, "archive", 1)
        assert len(held(network, port)) == 3


def test_results_go_into_the_outgoing_folder(appliance, phantoms, folder):
    out = folder / "results"
    box = appliance(f'[deliver]\nfolder = "{out}"\nforms = ["dicom", "fhir", "pdf"]\n')
    box.start().networks()
    case = assessed(box, phantoms[0])
    # The mount is not there yet.
    box.until(lambda status: status["delivered"]["folder"]["failures"] >= 1, PATIENCE_S)
    out.mkdir()
    delivered(box, "folder", 1, failures=True)
    names = sorted(path.name.split(case)[1] for path in out.iterdir())
    assert names == ["-capture.dcm", "-fhir.json", "-report.pdf", "-seg.dcm", "-sr.dcm"]
    assert all(path.name.startswith("hilum-") and phantoms[0]["patient_id"] not in path.name for path in out.iterdir())
    fhir = json.loads(next(out.glob("*fhir.json")).read_text())
    assert fhir["resourceType"] == "Bundle"
    box.kill()
    stamps = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    box.start().networks()
    with box.desk() as desk:
        # H&E alone: no study, so no DICOM; the rest goes.
        field = next(phantoms[1]["he"].glob("*.png"))
        other = desk.field_case("OTHER-1", field)
        assert desk.wait(other) in ("assessed", "refused")
    box.until(lambda status: status["delivered"]["folder"]["delivered"] == 1, PATIENCE_S)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert sorted(path.name.split(other)[1] for path in out.iterdir() if other in path.name) == ["-fhir.json", "-report.pdf"]
