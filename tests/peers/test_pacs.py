"""C-STORE both ways, with dcmtk and Orthanc as the other side, and with senders that mean no good."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import faults
import nibabel
import numpy as np
import pydicom
import pytest
from pacs import Network, orthanc, receiver
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless


def voxels(hilum, path: Path, tmp_path: Path) -> np.ndarray:
    hilum("ct", "volume", path, "--out", tmp_path / "x.nii")
    return np.asanyarray(nibabel.load(tmp_path / "x.nii").dataobj)


def test_a_series_comes_by_storescu(network, hilum, program, series, tmp_path):
    with receiver(network, program, tmp_path / "in") as receiving:
        network.run("echoscu", "-aec", "HILUM", "127.0.0.1", receiving.port)
        network.run("storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, *series)
        files = receiving.files()
        # Again: nothing changes.
        network.run("storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, *series)
        assert receiving.files() == files
        said = receiving.stop()
    assert f"{len(series)} objects taken, {len(series)} were there already, 0 not taken" in said
    assert len(files) == len(series) and len({file.parent for file in files}) == 1
    assert not list((tmp_path / "in" / ".unfinished").iterdir())
    assert np.array_equal(voxels(hilum, tmp_path / "in", tmp_path), voxels(hilum, series[0].parent, tmp_path))
    for file in files:
        image = pydicom.dcmread(file)
        assert file.name == f"{image.SOPInstanceUID}.dcm" and file.parent.name == image.SeriesInstanceUID
        assert image.file_meta.SourceApplicationEntityTitle == "STORESCU"


@pytest.mark.parametrize("syntax, option", [(ImplicitVRLittleEndian, "-xi"), (ExplicitVRBigEndian, "-xb"), (RLELossless, "-xr")])
def test_other_transfer_syntaxes_come_as_they_are(network, hilum, program, series, tmp_path, syntax, option):
    sent = tmp_path / "sent"
    sent.mkdir()
    for file in series:
        convert = ["dcmcrle"] if syntax == RLELossless else ["dcmconv", "+ti" if syntax == ImplicitVRLittleEndian else "+tb"]
        network.run(*convert, file, sent / file.name)
    with receiver(network, program, tmp_path / "in") as receiving:
        network.run("storescu", option, "-aec", "HILUM", "127.0.0.1", receiving.port, *sorted(sent.iterdir()))
        files = receiving.files()
    assert {pydicom.dcmread(file).file_meta.TransferSyntaxUID for file in files} == {syntax}
    assert np.array_equal(voxels(hilum, tmp_path / "in", tmp_path), voxels(hilum, series[0].parent, tmp_path))


# verifies: REQ-NET-02
def test_who_may_send(network, program, series, tmp_path):
    with receiver(network, program, tmp_path / "in", "--allow", "CT1", "--allow", "CT2") as receiving:
        send = ["storescu", "127.0.0.1", receiving.port, series[0]]
        assert "Called AE Title Not Recognized" in network.run(*send, "-aec", "OTHER", "-aet", "CT1", code=None).stderr
        assert "Calling AE Title Not Recognized" in network.run(*send, "-aec", "HILUM", "-aet", "CT3", code=None).stderr
        assert receiving.files() == []
        network.run(*send, "-aec", "HILUM", "-aet", "CT2")
        assert len(receiving.files()) == 1


# verifies: REQ-NET-04
def test_a_full_disk_is_said(network, program, series, tmp_path):
    with receiver(network, program, tmp_path / "in", "--keep-free", 10**9) as receiving:
        sent = network.run("storescu", "-v", "-aec", "HILUM", "127.0.0.1", receiving.port, series[0], code=None)
        assert "Refused: OutOfResources" in sent.stdout + sent.stderr
        assert receiving.files() == []
        assert "no room on the disk" in receiving.stop()


# verifies: REQ-NET-04
def test_one_uid_on_two_pictures_keeps_both(network, hilum, program, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    faults.save(first, faults.chest())
    image = faults.slice_of(6)
    faults.picture(image, np.zeros((faults.EDGE, faults.EDGE)))
    other = faults.save(second, [image])
    with receiver(network, program, tmp_path / "in") as receiving:
        network.run("storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, "+sd", first)
        network.run("storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, *other)
        assert len(receiving.files()) == 13
    assert "duplicate-slices" in hilum("ct", "volume", tmp_path / "in", "--json", "--out", tmp_path / "x.nii", code=2).out


# verifies: REQ-NET-04
def test_what_a_power_cut_left_gives_way(network, hilum, program, series, tmp_path):
    """The beginnings that a cut may leave under the last names; nothing else gives way."""
    with receiver(network, program, tmp_path / "in") as receiving:
        network.run("storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, *series)
        files = receiving.files()
        whole = [file.read_bytes() for file in files]
        for file, kept in zip(files[:5], (0, 1, 200, 5000, len(whole[4]) - 1), strict=True):
            os.truncate(file, kept)
        network.run("storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, *series)
        assert receiving.files() == files and [file.read_bytes() for file in files] == whole
        said = receiving.stop()
    assert f"{len(series) + 5} objects taken, {len(series) - 5} were there already" in said


# --- a sender of our own, which may do what no library does ---


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


CT = b"1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = b"1.2.840.10008.1.2.1"


def associate(called: bytes = b"HILUM") -> bytes:
    context = item(0x20, b"\x01\x00\x00\x00" + item(0x30, CT) + item(0x40, EXPLICIT))
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3"))
    body = b"\x00\x01\x00\x00" + called.ljust(16) + b"ROGUE".ljust(16) + bytes(32)
    return pdu(1, body + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user)


def value(flags: int, data: bytes) -> bytes:
    return struct.pack(">IBB", len(data) + 2, 1, flags) + data


def element(group: int, number: int, data: bytes) -> bytes:
    return struct.pack("<HHI", group, number, len(data)) + data


def store_command(instance: bytes = b"1.2.3.4", extra: bytes = b"") -> bytes:
    body = element(0, 2, CT + b"\0") + element(0, 0x100, b"\x01\x00") + element(0, 0x110, b"\x01\x00") + element(0, 0x700, b"\x00\x00")
    body += element(0, 0x800, b"\x00\x00") + element(0, 0x1000, instance + b"\0" * (len(instance) % 2)) + extra
    return element(0, 0, struct.pack("<I", len(body))) + body


ROGUE = """
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
for message in sys.stdin.read().split():
    peer.sendall(bytes.fromhex(message))
    if not message.startswith("05"):
        answer = peer.recv(65536) if message.startswith("01") or sys.argv[2] == "all" else b""
if sys.argv[2] != "leave":
    peer.settimeout(20)
    try:
        print((answer or peer.recv(65536)).hex())
    except OSError as error:
        print(type(error).__name__)
"""


def rogue(network: Network, port: int, messages: list[bytes], how: str = "all") -> bytes:
    """Sends messages; the last answer."""
    words = network.words(sys.executable, "-c", ROGUE, port, how)
    given = "\n".join(message.hex() for message in messages)
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return bytes.fromhex(done.stdout.strip()) if done.stdout.strip() else b""


def status_of(answer: bytes) -> int:
    at = answer.index(b"\x00\x00\x00\x09\x02\x00\x00\x00")
    return struct.unpack_from("<H", answer, at + 8)[0]


def explicit(group: int, number: int, vr: bytes, data: bytes) -> bytes:
    return struct.pack("<HH2sH", group, number, vr, len(data)) + data


SERIES = explicit(0x20, 0xE, b"UI", b"1.2.3.5\0")


def still_works(network: Network, receiving, series: list[Path]) -> None:
    before = len(receiving.files())
    network.run("storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, *series[:3])
    assert len(receiving.files()) == before + 3


# verifies: REQ-NET-03
@pytest.mark.parametrize(
    "name, command, data, status",
    [
        ("deep before the series", store_command(), faults.nested(20_000).replace(b"\x40\x00\x30\x07", b"\x08\x00\x40\x11") + SERIES, 0xC000),
        ("no series", store_command(), explicit(0x10, 0x20, b"LO", b"P1"), 0xC000),
        ("a series that leads out", store_command(), explicit(0x20, 0xE, b"UI", b"../../../../x\0"), 0xC000),
        ("an instance that leads out", store_command(b"../../../../y"), SERIES, 0x0117),
        ("noise", store_command(), bytes(range(1, 255)) * 30, 0xC000),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_objects_that_are_attacks_are_refused(network, program, series, tmp_path, name, command, data, status):
    with receiver(network, program, tmp_path / "in") as receiving:
        pieces = [data[at : at + 16_000] for at in range(0, len(data), 16_000)]
        values = [pdu(4, value(3, command))] + [pdu(4, value(2 if last else 0, piece)) for last, piece in zip([False] * (len(pieces) - 1) + [True], pieces)]
        answer = rogue(network, receiving.port, [associate(), b"".join(values)])
        assert status_of(answer) == status, name
        assert receiving.files() == [] and not list((tmp_path / "in" / ".unfinished").iterdir())
        still_works(network, receiving, series)


# verifies: REQ-NET-03
def test_a_deep_object_is_kept_raw_and_never_ends_a_reader(network, hilum, program, series, tmp_path):
    """After the series: it is written as it came, and refused by whoever reads it."""
    head = explicit(0x8, 0x16, b"UI", CT + b"\0") + explicit(0x8, 0x18, b"UI", b"1.2.3.4\0") + SERIES
    data = head + faults.nested(20_000)
    with receiver(network, program, tmp_path / "in") as receiving:
        pieces = [data[at : at + 16_000] for at in range(0, len(data), 16_000)]
        values = [value(2 if at + 1 == len(pieces) else 0, piece) for at, piece in enumerate(pieces)]
        answer = rogue(network, receiving.port, [associate(), b"".join(pdu(4, each) for each in [value(3, store_command()), *values])])
        assert status_of(answer) == 0
        (file,) = receiving.files()
        still_works(network, receiving, series)
    assert "deep in one another" in hilum("ct", "list", file, code=65).err


# verifies: REQ-NET-03
@pytest.mark.parametrize(
    "message",
    [
        pdu(4, value(3, b"\x08\x00\x05\x00\x02\x00\x00\x00AB")),
        pdu(4, value(3, b"\x00\x00\x00\x01\xff\xff\xff\xff" * 500)),
        pdu(4, value(1, bytes(60_000))),
        pdu(4, value(2, b"data before any command")),
        pdu(9, b"no such kind"),
        b"\x04\x00\xff\xff\xff\xf0" + bytes(1000),
        associate(),
    ],
    ids=["another group", "sequences in a command", "a command without end", "data first", "no such PDU", "four gigabytes", "again"],
)
def test_messages_without_sense_end_the_association(network, program, series, tmp_path, message):
    with receiver(network, program, tmp_path / "in") as receiving:
        rogue(network, receiving.port, [associate(), message])
        still_works(network, receiving, series)
        assert "an association broke" in receiving.stop()


# verifies: REQ-NET-03
def test_a_sender_that_stops_half_way_is_cut(network, program, series, tmp_path):
    with receiver(network, program, tmp_path / "in", "--idle", 1) as receiving:
        began = time.monotonic()
        half = [associate(), pdu(4, value(3, store_command())) + pdu(4, value(0, SERIES))]
        assert rogue(network, receiving.port, half, "wait") == b""
        assert 0.8 < time.monotonic() - began < 15
        still_works(network, receiving, series)
        assert not list((tmp_path / "in" / ".unfinished").iterdir())
        assert "an association broke" in receiving.stop()


IDLE = """
import resource, socket, sys, time
port, wanted = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
for _ in range(wanted):
    held.append(socket.create_connection(("127.0.0.1", port), timeout=20))
print("held", flush=True)
sys.stdin.read()
"""


# verifies: REQ-NET-03
def test_ten_thousand_connections_that_say_nothing(network, program, series, tmp_path):
    """They are turned away beyond the limit, and those within it are cut; memory and threads stay bounded; senders get through."""
    with receiver(network, program, tmp_path / "in") as receiving:
        holder = network.start(sys.executable, "-c", IDLE, receiving.port, 10_000, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            drain = subprocess.Popen(["cat"], stdin=receiving.process.stderr, stdout=subprocess.DEVNULL)
            assert holder.stdout.readline() == "held\n"
            status = Path(f"/proc/{receiving.process.pid}/status").read_text()
            threads = int(next(line.split()[1] for line in status.splitlines() if line.startswith("Threads")))
            memory = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
            assert threads < 25 and memory < 100_000, (threads, memory)
            # The connections within the limit are cut when their time to ask is over.
            end = time.monotonic() + 25
            while network.run("echoscu", "-aec", "HILUM", "127.0.0.1", receiving.port, code=None).returncode != 0:
                assert time.monotonic() < end
                time.sleep(0.5)
            still_works(network, receiving, series)
        finally:
            holder.stdin.close()
            holder.wait(10)
            drain.kill()
            drain.wait(10)


# verifies: REQ-NET-04
def test_what_was_answered_outlives_a_kill(network, hilum, program, series, tmp_path):
    """A sender reads the answers while the receiver is killed: every object that was taken is there, whole."""
    with receiver(network, program, tmp_path / "in") as receiving:
        sender = network.start("storescu", "-v", "-aec", "HILUM", "127.0.0.1", receiving.port, *series * 20, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = []
        for line in sender.stdout:
            lines.append(line)
            if sum("Received Store Response (Success)" in line for line in lines) == 25:
                receiving.process.kill()
                break
        lines += sender.communicate()[0].splitlines()
    answered = sum("Received Store Response (Success)" in line for line in lines)
    assert answered >= 25
    whole = {pydicom.dcmread(file).SOPInstanceUID for file in (tmp_path / "in").rglob("*.dcm")}
    sent = [pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in series]
    assert set(sent[:answered]) <= whole
    # The next start removes what was unfinished.
    with receiver(network, program, tmp_path / "in") as receiving:
        assert not list((tmp_path / "in" / ".unfinished").iterdir())
        network.run("storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, *series)
    assert len(voxels(hilum, tmp_path / "in", tmp_path)) > 0


def test_orthanc_pushes_a_series(network, hilum, program, series, tmp_path):
    with receiver(network, program, tmp_path / "in", "--allow", "ORTHANC") as receiving:
        peers = {"hilum": {"AET": "HILUM", "Port": receiving.port, "Host": "127.0.0.1"}}
        with orthanc(network, tmp_path / "orthanc", DicomModalities=peers) as port:
            network.run("storescu", "-aec", "ORTHANC", "127.0.0.1", port, *series)
            (held,) = json.loads(network.get(f"http://127.0.0.1:{port + 1}/series"))
            network.get(f"http://127.0.0.1:{port + 1}/modalities/hilum/store", held)
        assert len(receiving.files()) == len(series)
    assert np.array_equal(voxels(hilum, tmp_path / "in", tmp_path), voxels(hilum, series[0].parent, tmp_path))


def test_objects_go_to_orthanc_and_are_found_there(network, program, series, tmp_path):
    with orthanc(network, tmp_path / "orthanc") as port:
        send = [program, "ct", "send", "--to", f"ORTHANC@127.0.0.1:{port}"]
        assert network.run(*send, *series[:5]).stdout == "5 objects taken, and found there\n"
        assert len(json.loads(network.get(f"http://127.0.0.1:{port + 1}/instances"))) == 5
        network.run(*send, *series[:5])
        assert len(json.loads(network.get(f"http://127.0.0.1:{port + 1}/instances"))) == 5
        first = json.loads(network.get(f"http://127.0.0.1:{port + 1}/instances"))[0]
        kept = tmp_path / "kept.dcm"
        kept.write_bytes(network.get(f"http://127.0.0.1:{port + 1}/instances/{first}/file"))
        image = pydicom.dcmread(kept)
        original = next(each for each in map(pydicom.dcmread, series[:5]) if each.SOPInstanceUID == image.SOPInstanceUID)
        assert image.PixelData == original.PixelData and image.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID


@pytest.mark.parametrize("option", ["+xi", "+xe"])
def test_objects_go_to_storescp_in_the_coding_it_takes(network, program, series, tmp_path, option):
    """One that takes Implicit VR only, one that prefers Explicit; neither can be asked afterwards."""
    into = tmp_path / "into"
    into.mkdir()
    process = network.start("storescp", option, "--fork", "-od", into, 11_112)
    try:
        end = time.monotonic() + 20
        while network.run("echoscu", "127.0.0.1", 11_112, code=None).returncode != 0:
            assert time.monotonic() < end
            time.sleep(0.1)
        sent = network.run(program, "ct", "send", "--to", "ANY@127.0.0.1:11112", *series[:3])
        assert sent.stdout == "3 objects taken; the archive cannot be asked for them\n"
    finally:
        process.kill()
        process.wait(10)
    kept = [pydicom.dcmread(path) for path in into.iterdir()]
    assert len(kept) == 3
    for image in kept:
        original = next(each for each in map(pydicom.dcmread, series[:3]) if each.SOPInstanceUID == image.SOPInstanceUID)
        assert image.PixelData == original.PixelData and image.PatientID == original.PatientID


def test_an_archive_that_is_not_there_is_said(network, program, series, tmp_path):
    sent = network.run(program, "ct", "send", "--to", "ANY@127.0.0.1:11113", series[0], code=75)
    assert "the archive cannot be reached" in sent.stderr and len(sent.stderr.splitlines()) == 1
    (tmp_path / "note.txt").write_text("no object")
    assert "object 1 cannot be sent" in network.run(program, "ct", "send", "--to", "ANY@127.0.0.1:11113", tmp_path / "note.txt", code=65).stderr


def test_words_that_make_no_sense(hilum, tmp_path):
    for words in (["--ae", "", "--listen", "127.0.0.1:0"], ["--ae", "A" * 17, "--listen", "127.0.0.1:0"], ["--ae", "A\\B", "--listen", "127.0.0.1:0"]):
        hilum("ct", "receive", *words, "--out", tmp_path, code=64)
    hilum("ct", "receive", "--ae", "A", "--listen", "nowhere", "--out", tmp_path, code=75)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = hilum("ct", "receive", "--ae", "A", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--out", tmp_path, code=75)
    assert "cannot listen" in ended.err
    hilum("ct", "send", "--to", "nobody", shutil.which("sh"), code=64)
