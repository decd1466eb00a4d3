"""What goes wrong around the daemon: nothing that was acknowledged is lost, and it works again within 15 seconds."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest

from appliance import LATER, Appliance, Denied, Gone, readers, until

RECOVERY_S = 15.0
SLOW_S = 60.0
QUICK = "[case]\nexplain = []\n"
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def denied(exit: int, what, *words: str) -> str:
    """That something is denied with this exit code and one sentence that has these words."""
    with pytest.raises(Denied) as caught:
        what()
    said = str(caught.value)
    assert caught.value.exit == exit, said
    assert said and "\n" not in said
    for word in words:
        assert word in said
    return said


def well(box: Appliance, promised: dict[str, str]) -> dict:
    """Stops the appliance, checks its whole store, and that each case is there in the state it was promised in, or later."""
    if box.process.poll() is None:
        assert box.stop() == 0
    answer = box.verified()
    states = {case["number"]: case["state"] for case in answer["cases"]}
    for case, state in promised.items():
        assert states[case] in LATER[state], f"{case} was {state} and is {states.get(case)}"
    return {case["number"]: case for case in answer["cases"]}


def again(desk, case: str, patience_s: float = RECOVERY_S) -> str:
    """A case that is waited for until it has an end."""
    state = desk.wait(case, patience_s)
    assert state != "queued", f"{case} has no end within {patience_s} s"
    return state


def running(box: Appliance, case: str) -> None:
    box.until(lambda status: status["running"] == case, RECOVERY_S)


def slow(desk, patient: dict, times: int = 3) -> str:
    """A case that takes a few seconds, handed over: to assess it is no recovery."""
    case = desk.open_case(patient["patient_id"])["case"]
    for _ in range(times):
        desk.fields(case, patient["he"])
    desk.ask("submit", case=case)
    return case


# --- the disk ---


def fill(folder: Path, left: int) -> Path:
    """Fills a disk but for `left` bytes."""
    filler = folder / "filler"
    with filler.open("ab") as file:
        step = 1 << 26
        while step >= 4096:
            disk = os.statvfs(folder)
            if disk.f_bavail * disk.f_frsize - step < left:
                step //= 2
                continue
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step)
            except OSError:
                step //= 2
    return filler


# verifies: REQ-STORE-04
def test_a_full_disk(appliance, phantoms, picture, mounted):
    """The running case's result waits for room and is kept."""
    box = appliance()
    mounted(box.data, "-t", "tmpfs", "-o", "size=96m,mode=0700", "none")
    box.site.write_text(box.site.read_text() + "[store]\nwatermark-mb = 16\n")
    box.start().networks()
    with box.desk() as desk:
        first = desk.field_case("P1", picture)
        assert desk.wait(first) == "assessed"
        draft = desk.open_case("P2")["case"]
        case = slow(desk, phantoms[0])
        running(box, case)
        filler = fill(box.data, 0)
        assert box.until(lambda status: status["store"].get("full"), RECOVERY_S)
        denied(75, lambda: desk.open_case("P3"), "MB left")
        denied(75, lambda: desk.fields(draft, picture, um_per_px=0.5))
        until(lambda: "cannot keep a result yet" in box.said() or "cannot assess it now" in box.said())
        assert desk.states()[case] == "queued"
        filler.unlink()
        assert again(desk, desk.field_case("P4", picture), SLOW_S) == "assessed"
        assert desk.states()[case] == "assessed", "it comes before"
    well(box, {first: "assessed", draft: "draft", case: "assessed"})


def test_a_full_disk_is_not_the_fault_of_the_case(appliance, phantoms, mounted):
    box = appliance("[store]\nwatermark-mb = 16\n")
    mounted(box.data, "-t", "tmpfs", "-o", "size=96m,mode=0700", "none")
    box.start().networks()
    with box.desk() as desk:
        case = slow(desk, phantoms[0], 1)
        running(box, case)
        filler = fill(box.data, 0)
        until(lambda: "cannot assess it now" in box.said() or "cannot keep a result yet" in box.said(), SLOW_S)
        # What was begun is taken back in room that was kept for it, while the disk is full.
        until(lambda: desk.ask("list")["cases"][0]["attempts"] == 0, RECOVERY_S)
        box.kill()
        filler.unlink()
    attempts = {one["number"]: one["attempts"] for one in box.verified()["cases"]}
    assert attempts[case] == 0


# verifies: REQ-STORE-04
def test_a_disk_below_the_watermark(appliance, picture, mounted):
    """New cases are denied, what was handed over is assessed and kept."""
    box = appliance("[store]\nwatermark-mb = 48\n" + QUICK)
    mounted(box.data, "-t", "tmpfs", "-o", "size=96m,mode=0700", "none")
    box.start()
    with box.desk() as desk:
        queued = desk.field_case("P1", picture)
        filled = desk.open_case("P2")["case"]
        desk.fields(filled, picture, um_per_px=0.5)
        filler = fill(box.data, 24 << 20)
        denied(75, lambda: desk.open_case("P3"), "MB left")
        denied(75, lambda: desk.fields(filled, picture, um_per_px=0.5), "MB left")
        assert again(desk, queued) == "assessed"
        desk.ask("submit", case=filled)
        assert again(desk, filled) == "assessed"
        desk.ask("review", case=filled, agrees=True, reason="as expected")
        filler.unlink()
        assert again(desk, desk.field_case("P3", picture)) == "assessed"
    well(box, {queued: "assessed", filled: "reviewed"})


# verifies: REQ-STORE-02, REQ-STORE-04
@pytest.mark.parametrize("behind", [None, "hilum.db", "copy/hilum.db"])
def test_records_open_on_a_full_disk(appliance, picture, mounted, behind):
    """A full disk is no damage: what is there opens, and a database that lacks the last change is made anew."""
    box = appliance("[store]\nwatermark-mb = 16\n" + QUICK)
    mounted(box.data, "-t", "tmpfs", "-o", "size=48m,mode=0700", "none")
    box.start().networks()
    with box.desk() as desk:
        cases = [desk.field_case("P1", picture)]
        assert desk.wait(cases[0]) == "assessed"
    assert box.stop() == 0
    store = next(box.data.rglob("copy")).parent
    before = (store / behind).read_bytes() if behind else b""
    box.start()
    with box.desk() as desk:
        cases.append(desk.open_case("P2")["case"])
        box.kill()
    if behind:
        for file in store.glob(f"{behind}*"):
            file.unlink()
        (store / behind).write_bytes(before)
    filler = fill(box.data, 0)
    for _ in range(3):
        box.start()
        with box.desk() as desk:
            assert set(desk.states()) == set(cases)
            denied(75, lambda: desk.open_case("P3"), "MB left")
        box.kill()
    filler.unlink()
    box.start()
    well(box, {cases[0]: "assessed", cases[1]: "draft"})


def test_an_export_that_comes_while_the_disk_is_full(appliance, phantoms, mounted, folder):
    share = folder / "share"
    share.mkdir()
    box = appliance(f'[store]\nwatermark-mb = 48\n[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n')
    mounted(box.data, "-t", "tmpfs", "-o", "size=96m,mode=0700", "none")
    box.start()
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        filler = fill(box.data, 24 << 20)
        shutil.copytree(phantoms[0]["ct"], share / "export")
        until(lambda: "an export is not read" in box.said())
        filler.unlink()
        until(lambda: desk.ask("show", case=case)["ct"], RECOVERY_S)


# verifies: REQ-STORE-04
def test_a_start_on_a_full_disk(appliance, picture, mounted):
    """It either works, or ends with 75 and a sentence, and works as soon as there is room."""
    box = appliance("[store]\nwatermark-mb = 16\n" + QUICK)
    mounted(box.data, "-t", "tmpfs", "-o", "size=96m,mode=0700", "none")
    with box.start().desk() as desk:
        case = desk.field_case("P1", picture)
    box.kill()
    filler = fill(box.data, 0)
    try:
        box.start()
        with box.desk() as desk:
            denied(75, lambda: desk.open_case("P2"))
        box.kill()
    except Gone:
        assert box.process.returncode == 75, box.said()
    filler.unlink()
    with box.start().desk() as desk:
        assert again(desk, case) == "assessed"
    well(box, {case: "assessed"})


@pytest.fixture
def ext4(mounted, tmp_path):
    """A small ext4 disk that goes read-only at its first error, as the appliances' disks do."""
    image = tmp_path / "disk"
    image.touch()
    os.truncate(image, 256 << 20)
    if not shutil.which("mkfs.ext4") or subprocess.run(["mkfs.ext4", "-q", "-e", "remount-ro", image]).returncode != 0:
        pytest.skip("no mkfs.ext4")
    looped = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True)
    if looped.returncode != 0:
        pytest.skip(f"no loop device: {looped.stderr.strip()}")
    device = looped.stdout.strip()
    yield device, lambda folder: mounted(folder, "-t", "ext4", device)
    subprocess.run(["umount", "-l", device], check=False, capture_output=True)
    subprocess.run(["losetup", "--detach", device], check=False)


# verifies: REQ-STORE-04
def test_a_disk_that_goes_read_only(appliance, picture, ext4):
    """What Linux does at an error of the disk: the files that are open stay so, and every write fails. The daemon lives, says
    no with 75, and after a repair and a new start everything acknowledged is there."""
    device, mount = ext4
    box = appliance("[store]\nwatermark-mb = 16\n" + QUICK)
    mount(box.data)
    trigger = Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error")
    if not trigger.exists():
        pytest.skip("this kernel cannot be told to find an error on a disk")
    box.start().networks()
    with box.desk() as desk:
        case = desk.field_case("P1", picture)
        assert desk.wait(case) == "assessed"
        queued = desk.open_case("P2")["case"]
        desk.fields(queued, picture, um_per_px=0.5)
        trigger.write_text("1")
        denied(75, lambda: desk.open_case("P3"))
        denied(75, lambda: desk.fields(queued, picture, um_per_px=0.5))
        denied(75, lambda: desk.ask("submit", case=queued))
        denied(75, lambda: desk.ask("review", case=case, agrees=True, reason="read-only"))
        assert desk.ask("status")["store"]["cases"]["assessed"] == 1
    assert box.process.poll() is None
    box.process.terminate()
    box.process.wait(RECOVERY_S)
    assert box.process.returncode in (0, 75)
    with pytest.raises(Gone):
        box.start()
    assert box.process.returncode == 75
    subprocess.run(["umount", box.data], check=True)
    repaired = subprocess.run(["e2fsck", "-fy", device], capture_output=True, text=True)
    assert repaired.returncode in (0, 1), repaired.stdout
    mount(box.data)
    with box.start().desk() as desk:
        desk.ask("submit", case=queued)
        assert again(desk, queued) == "assessed"
        desk.ask("review", case=case, agrees=True, reason="again")
    well(box, {case: "reviewed", queued: "assessed"})


# verifies: REQ-STORE-04
def test_a_start_on_a_read_only_disk(appliance, picture, mounted):
    """It ends with 75 as often as the service manager starts it, and works once the disk can be written."""
    box = appliance(QUICK)
    mounted(box.data, "-t", "tmpfs", "-o", "size=1g,mode=0700", "none")
    with box.start().desk() as desk:
        case = desk.field_case("P1", picture)
    box.kill()
    subprocess.run(["mount", "-o", "remount,ro", box.data], check=True)
    for _ in range(2):
        with pytest.raises(Gone):
            box.start()
        assert box.process.returncode == 75
    assert "Error" in box.said() or "cannot" in box.said()
    subprocess.run(["mount", "-o", "remount,rw", box.data], check=True)
    with box.start().desk() as desk:
        assert again(desk, case) == "assessed"
    well(box, {case: "assessed"})


# --- the database ---


def spoil(path: Path) -> None:
    """Turns the second half of a database into something else."""
    whole = path.read_bytes()
    half = len(whole) // 2 & ~4095
    path.write_bytes(whole[:half] + bytes(byte ^ 0xA5 for byte in whole[half:]))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def left_alone(box: Appliance, words: str) -> None:
    """The daemon ends with 75 and a sentence each time, and touches nothing."""
    before = digests(box.data)
    for _ in range(2):
        with pytest.raises(Gone):
            box.start()
        assert box.process.returncode == 75
    assert words in box.said()
    assert digests(box.data) == before


@pytest.fixture
def kept(appliance, picture):
    """An appliance that stopped in order, with an assessed and a reviewed case."""
    box = appliance(QUICK)
    with box.start().desk() as desk:
        cases = [desk.field_case(f"P{number}", picture) for number in (1, 2)]
        for case in cases:
            assert desk.wait(case) == "assessed"
        desk.ask("review", case=cases[1], agrees=False, reason="a second look")
    assert box.stop() == 0
    return box, {cases[0]: "assessed", cases[1]: "reviewed"}


# verifies: REQ-STORE-02
@pytest.mark.parametrize("name, opened", [("hilum.db", "restored"), ("copy/hilum.db", "copied")])
def test_a_damaged_database(kept, picture, name, opened):
    box, promised = kept
    spoil(box.data / "store" / name)
    box.start()
    with box.desk() as desk:
        assert desk.ask("status")["opened"] == opened
        assert desk.states() == promised
        assert desk.ask("verify")["entries"]
        assert [json.loads(line)["action"] for line in desk.ask("log", **{"from": 1})["lines"]].count(opened) == 1
        assert again(desk, desk.field_case("P3", picture)) == "assessed"
    assert (box.data / "store" / f"{name}.aside").exists(), "what was damaged is kept"
    well(box, promised)


# verifies: REQ-STORE-02
def test_both_databases_damaged(kept):
    """It ends with 75 and a sentence, and touches nothing: somebody may still save what is there."""
    box, _ = kept
    for name in ("hilum.db", "copy/hilum.db"):
        spoil(box.data / "store" / name)
    left_alone(box, "neither the database nor its second copy can be used")


# verifies: REQ-STORE-03
@pytest.mark.parametrize("name", ["hilum.db", "copy/hilum.db"])
def test_a_log_that_was_written_again(kept, name):
    """By somebody who knows how it is chained: the other database is the only witness, and must not be replaced."""
    box, _ = kept
    with contextlib.closing(sqlite3.connect(box.data / "store" / name)) as database, database:
        hash = hashlib.sha256(b"hilum.audit/1").digest()
        for number, line in database.execute("SELECT number, line FROM audit ORDER BY number").fetchall():
            line = line.replace('"queued"', '"viewed"')
            hash = hashlib.sha256(hash + line.encode()).digest()
            database.execute("UPDATE audit SET line = ?, hash = ? WHERE number = ?", (line, hash, number))
    before = digests(box.data)
    left_alone(box, "the database and its second copy tell different stories: neither is changed")
    assert box.offline("verify")[0] == 75
    assert digests(box.data) == before


def test_two_daemons_on_one_folder(kept, appliance, picture):
    box, promised = kept
    box.start()
    second = appliance()
    second.site.write_text(box.site.read_text().replace(str(box.run), str(second.run)))
    for rival in (second, box):  # with a socket of its own, and with the same one
        ended = subprocess.run(rival.words(), capture_output=True, text=True, timeout=RECOVERY_S)
        assert ended.returncode == 75, ended.stderr
        assert "in use" in ended.stderr
    code, answer = box.offline("verify")
    assert code == 75 and "in use" in str(answer), answer
    with box.desk() as desk:
        assert again(desk, desk.field_case("P3", picture)) == "assessed"
    well(box, promised)


# --- share and camera ---


# verifies: REQ-SERVICE-04
def test_a_share_that_goes_and_comes_back(appliance, phantoms, folder):
    share, away = folder / "share", folder / "away"
    share.mkdir()
    box = appliance(f'[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n{QUICK}')
    box.start().until(lambda status: status["share"] is True, RECOVERY_S)
    share.rename(away)
    box.until(lambda status: status["share"] is False, RECOVERY_S)
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        away.rename(share)
        box.until(lambda status: status["share"] is True, RECOVERY_S)
        shutil.copytree(phantoms[0]["ct"], share / "export")
        until(lambda: desk.ask("show", case=case)["ct"])
        desk.ask("submit", case=case)
        assert again(desk, case) == "assessed"
    well(box, {case: "assessed"})


@pytest.fixture
def lens(appliance, phantoms, folder):
    """An appliance whose camera is a folder of pictures that is not there yet, and the folder with the pictures."""
    there, away = folder / "camera", folder / "elsewhere"
    shutil.copytree(phantoms[0]["he"], away)
    return appliance(f'[camera]\nuri = "dir:{there}"\num-per-px = 0.5\n{QUICK}'), there, away


# verifies: REQ-SERVICE-04
def test_a_camera_that_comes(lens):
    box, there, away = lens
    box.start().until(lambda status: status["camera"] is False, RECOVERY_S)
    with box.desk() as desk:
        case = desk.open_case("P1")["case"]
        denied(75, lambda: desk.ask("capture", case=case), "camera")
        away.rename(there)
        box.until(lambda status: status["camera"] is True, RECOVERY_S)
        assert desk.ask("capture", case=case)["fields"] == 1
        desk.ask("submit", case=case)
        assert again(desk, case) == "assessed"
    well(box, {case: "assessed"})


def test_a_camera_that_goes(lens):
    box, there, away = lens
    away.rename(there)
    box.start().until(lambda status: status["camera"] is True, RECOVERY_S)
    there.rename(away)
    box.until(lambda status: status["camera"] is False, 5)


def test_a_pipe_among_the_pictures_of_a_camera(lens):
    box, there, away = lens
    os.mkfifo(away / "0.png")
    away.rename(there)
    box.start().until(lambda status: status["camera"] is True, RECOVERY_S)


# verifies: REQ-SERVICE-01
def test_a_camera_whose_reader_hangs_is_no_hung_daemon(appliance, phantoms, folder):
    """The watchdog is fed while the camera waits for its reader."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, socket.socket(socket.AF_UNIX) as readers:
        manager.bind(str(folder / "notify"))
        manager.settimeout(RECOVERY_S)
        readers.bind(str(folder / "readers"))
        readers.listen()
        box = appliance(
            f'[camera]\nuri = "dir:{phantoms[0]["he"]}"\n[worker]\nsocket = "{folder}/readers"\ntime-s = 20\n{QUICK}'
        )
        box.start(env={"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "2000000"})
        reader, _ = readers.accept()
        fed, began = 0, time.monotonic()
        while fed < 10:
            fed += b"WATCHDOG=1" in manager.recv(4096)
        reader.close()
        assert time.monotonic() - began < 12
        assert "not fed" not in box.said()


# --- the clock ---

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


# verifies: REQ-STORE-06
@pytest.mark.skipif(FAKETIME is None, reason="the package faketime is missing")
def test_a_clock_that_jumps(appliance, picture, folder):
    """20 years back, 20 on, and back again while it runs: cases keep their order, nothing is removed for its age."""
    jump = folder / "jump"
    jump.write_text("+0")
    fake = {
        "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(jump), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    box = appliance(f"[store]\nretention-days = 1\ndrafts-days = 1\n{QUICK}")
    promised = {}
    year = time.gmtime().tm_year

    def work(offset: str, years: int, trusted: bool) -> None:
        jump.write_text(offset)
        status = box.until(lambda status: status["clock"]["claimed"].startswith(str(year + years)), RECOVERY_S)
        assert status["clock"]["trusted"] is trusted
        with box.desk() as desk:
            draft = desk.open_case("D")["case"]
            case = desk.field_case("P", picture)
            assert again(desk, case) == "assessed"
            promised.update({draft: "draft", case: "assessed"})
            assert desk.states() == promised, "in the order of their coming"

    for _ in range(2):
        box.start(env=fake)
        work("-20y", -20, False)
        work("+20y", 20, True)
        work("-20y", -20, False)
        work("+0", 0, True)
        assert box.stop() == 0
    assert list(promised) == [f"H{number:06}" for number in range(1, 17)]
    numbers = [entry["number"] for entry in box.audit()]
    assert numbers == list(range(1, len(numbers) + 1))
    well(box, promised)


# --- readers of outside bytes ---


class Asking(threading.Thread):
    """A request on a connection of its own."""

    def __init__(self, box: Appliance, what):
        super().__init__()
        self.box, self.what, self.answer = box, what, None
        self.start()

    def run(self) -> None:
        try:
            with self.box.desk() as desk:
                self.answer = self.what(desk)
        except (Denied, Gone) as no:
            self.answer = no

    def ended(self):
        self.join(RECOVERY_S)
        assert not self.is_alive(), "no answer"
        return self.answer


@pytest.fixture
def endless(folder, picture) -> Path:
    """A folder of so many pictures that its reader is at work for minutes."""
    path = folder / "endless"
    path.mkdir()
    shutil.copy(picture, path / "0.png")
    for number in range(1, 3000):
        os.link(path / "0.png", path / f"{number}.png")
    return path


# verifies: REQ-INPUT-02
def test_a_reader_that_is_stopped(appliance, picture, endless):
    box = appliance(f"[worker]\ntime-s = 5\n{QUICK}")
    with box.start().desk() as desk:
        case, other = (desk.open_case(first)["case"] for first in ("P1", "P2"))
        stuck = Asking(box, lambda desk: desk.fields(case, endless, um_per_px=0.5))
        (reader,) = until(lambda: readers(box))
        os.kill(reader, signal.SIGSTOP)
        assert desk.ask("status")["ok"], "the daemon answers meanwhile"
        answer = stuck.ended()
        assert isinstance(answer, Denied) and answer.exit == 65, answer
        assert "took too long" in str(answer)
        until(lambda: not Path(f"/proc/{reader}").exists())
        desk.fields(other, picture, um_per_px=0.5)
        desk.ask("submit", case=other)
        assert again(desk, other) == "assessed"
    well(box, {case: "draft", other: "assessed"})


# verifies: REQ-INPUT-02
def test_a_reader_does_not_outlive_a_killed_daemon(appliance, endless):
    box = appliance().start()
    with box.desk() as desk:
        case = desk.open_case("P1")["case"]
        Asking(box, lambda desk: desk.fields(case, endless, um_per_px=0.5))
        (reader,) = until(lambda: readers(box))
        os.kill(reader, signal.SIGSTOP)
        box.kill()
    until(lambda: not Path(f"/proc/{reader}").exists())


def huge(path: Path, side: int = 12_000) -> Path:
    """A PNG of few bytes and many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * side)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    size = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


# verifies: REQ-STORE-05, REQ-INPUT-02
def test_a_reader_without_memory(appliance, picture, folder):
    """Twice the reader dies, the third time none is started."""
    box = appliance(f"[worker]\nmemory-mb = 256\n{QUICK}")
    bomb = huge(folder / "huge.png")
    with box.start().desk() as desk:
        case = desk.open_case("P1")["case"]
        for _ in range(2):
            denied(65, lambda: desk.fields(case, bomb, um_per_px=0.5), "died")
        assert box.said().count("an input was not read") == 2
        denied(65, lambda: desk.fields(case, bomb, um_per_px=0.5), "set aside")
        assert box.said().count("an input was not read") == 2
        desk.fields(case, picture, um_per_px=0.5)
        desk.ask("submit", case=case)
        assert again(desk, case) == "assessed"
    box.kill()
    with box.start().desk() as desk:
        case2 = desk.open_case("P2")["case"]
        denied(65, lambda: desk.fields(case2, bomb, um_per_px=0.5), "set aside")
    well(box, {case: "assessed", case2: "draft"})


def test_the_least_memory_reads_a_small_picture(appliance, picture):
    """What the configuration allows is enough for something."""
    box = appliance(f"[worker]\nmemory-mb = 128\n{QUICK}")
    with box.start().desk() as desk:
        assert again(desk, desk.field_case("P1", picture)) == "assessed"


def test_a_stop_is_not_the_fault_of_what_is_being_read(appliance, endless, picture):
    box = appliance()
    for _ in range(2):
        with box.start().desk() as desk:
            case = desk.open_case("P1")["case"]
            stuck = Asking(box, lambda desk: desk.fields(case, endless, um_per_px=0.5))
            until(lambda: readers(box))
        assert box.stop() == 0
        stuck.ended()
    box.start()
    stuck = Asking(box, lambda desk: desk.fields(case, endless, um_per_px=0.5))
    until(lambda: readers(box), 3)


# --- heat ---


# verifies: REQ-SERVICE-02
def test_heat(appliance, picture, folder):
    zone = folder / "zone"
    zone.write_text("95000\n")
    box = appliance(f'[thermal]\nzones = ["{zone}"]\npoll-s = 0.5\n{QUICK}')
    box.start().networks()
    status = box.until(lambda status: status["warmth"] == "hot", RECOVERY_S)
    assert status["celsius"] == 95
    with box.desk() as desk:
        case = desk.field_case("P1", picture)
        assert desk.wait(case, 2) == "queued"
        assert desk.ask("status")["running"] is None
        zone.write_text("85000\n")
        assert again(desk, case) == "assessed"
        assert desk.ask("status")["warmth"] == "warm"
        zone.write_text("40000\n")
        box.until(lambda status: status["warmth"] == "cool", RECOVERY_S)
        zone.unlink()  # a sensor that is gone does not stop the work
        second = desk.field_case("P2", picture)
        assert again(desk, second) == "assessed"
    well(box, {case: "assessed", second: "assessed"})


# --- the end of the process ---


# verifies: REQ-STORE-05
def test_an_input_that_kills_twice(appliance, phantoms, picture):
    """It is set aside, the next one is assessed, and a person may hand it over once more."""
    box = appliance(QUICK)
    with box.start().desk() as desk:
        case = slow(desk, phantoms[0])
        after = desk.field_case("P2", picture)
    for _ in range(2):
        running(box, case)
        box.kill()
        box.start()
    with box.desk() as desk:
        assert again(desk, case) == "set-aside"
        assert again(desk, after) == "assessed"
        assert desk.ask("submit", case=case)["state"] == "queued"
        assert again(desk, case, SLOW_S) == "assessed"
    well(box, {case: "assessed", after: "assessed"})
    actions = [entry["action"] for entry in box.audit() if entry["case"] == int(case[1:])]
    assert actions[-6:] == ["begun", "begun", "set-aside", "queued", "begun", "assessed"]


def test_a_stop_waits_for_the_case(appliance, phantoms):
    box = appliance(QUICK)
    with box.start().desk() as desk:
        case = slow(desk, phantoms[0])
    running(box, case)
    assert box.stop(RECOVERY_S) == 0  # the grace time is 10 s
    found = well(box, {case: "assessed"})
    assert found[case]["attempts"] == 1


def test_a_stop_puts_a_case_back_that_takes_too_long(appliance, phantoms):
    """As often as it happens: the attempts are not counted against the case."""
    box = appliance(f"[daemon]\ngrace-s = 1\n{QUICK}")
    box.start().networks()
    with box.desk() as desk:
        first = slow(desk, phantoms[0], 2)
        began = time.monotonic()
        assert again(desk, first) == "assessed"
        case = slow(desk, phantoms[0], math.ceil(16 / (time.monotonic() - began)))  # 8 s on any machine
    for _ in range(2):
        running(box, case)
        began = time.monotonic()
        assert box.stop(RECOVERY_S) == 0
        assert time.monotonic() - began < 4
        found = well(box, {first: "assessed", case: "queued"})
        assert found[case] == {"number": case, "state": "queued", "attempts": 0, "control": False}
        box.start()
    with box.desk() as desk:
        assert again(desk, case, SLOW_S) == "assessed"
    well(box, {first: "assessed", case: "assessed"})


# --- who may ask ---

# The daemon may hang up on a stranger before it was asked anything.
CONNECT = """
import socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect(sys.argv[1])
try:
    stream.sendall(b'{"ask":"list"}\\n')
except BrokenPipeError:
    pass
print(stream.recv(4096))
"""


# verifies: REQ-ACCESS-01
@root
def test_another_user(appliance):
    """Kept out by the folder; and by the daemon, should somebody open the folder."""
    box = appliance().start()
    socket = box.socket
    words = [sys.executable, "-c", CONNECT, str(socket)]
    assert box.run.stat().st_mode & 0o777 == 0o700
    assert box.data.stat().st_mode & 0o777 == 0o700
    assert socket.stat().st_mode & 0o777 == 0o600

    def nobody() -> subprocess.CompletedProcess:
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        return subprocess.run([*drop, *words], capture_output=True, text=True, cwd="/")

    ended = nobody()
    assert ended.returncode != 0 and "PermissionError" in ended.stderr, ended.stderr
    box.folder.chmod(0o755)
    box.run.chmod(0o711)
    assert "PermissionError" in nobody().stderr
    socket.chmod(0o666)
    ended = nobody()
    assert ended.returncode == 0, ended.stderr
    assert "only the user of the daemon and root may ask" in ended.stdout and '"cases"' not in ended.stdout


def test_a_file_that_cannot_be_read_holds_up_its_case_alone(appliance, picture, tmp_path):
    """A folder in its place stands for a bad sector: an error of the disk, not a file that is gone."""
    from PIL import Image

    other, zone = tmp_path / "other.png", tmp_path / "zone"
    Image.open(picture).rotate(180).save(other)
    zone.write_text("99000")
    box = appliance(f'[thermal]\nzones = ["{zone}"]\npoll-s = 0.5\n').start()
    box.networks()
    with box.desk() as desk:
        bad = desk.field_case("P1", picture)
        blob = next((box.data / "store" / "files").iterdir())
        good = desk.field_case("P2", other)
        kept = blob.read_bytes()
        blob.unlink()
        blob.mkdir()
        zone.write_text("30000")
        assert desk.wait(good) == "assessed", "it goes first"
        status = box.until(lambda status: status["resting"] and status["resting"][0]["failures"] >= 2, 60)
        assert status["resting"][0]["case"] == bad and desk.states()[bad] == "queued"
        blob.rmdir()
        blob.write_bytes(kept)
        assert desk.wait(bad) == "assessed"
    assert box.until(lambda status: not status["resting"])
    assert len([entry for entry in box.audit() if entry["case"] == int(bad[1:]) and entry["action"] == "begun"]) <= 5


def test_a_control_case_waits_for_the_pin_and_not_for_a_day(appliance):
    box = appliance(control_h=24)
    box.board.write_text(box.board.read_text().replace('source = "file"', 'source = "pin"'))
    box.start().networks()
    until = time.monotonic() + 30
    while "no control case" not in box.said():
        assert time.monotonic() < until, box.said()
        time.sleep(0.1)
    with box.desk() as desk:
        desk.ask("set-pin", role="administrator", pin="194603")
    box.until(lambda status: (status["control"] or {}).get("good") is True, 60)
    assert box.said().count("no control case") <= 3


def test_two_daemons_do_not_share_a_runtime_folder(appliance, folder):
    """The second would take requests that were meant for the first."""
    first, second = appliance(), appliance()
    first.start()
    second.site.write_text(second.site.read_text().replace(str(second.run), str(first.run)))
    second.start(wait=False)
    assert second.process.wait(30) == 75
    assert "another daemon has this runtime folder" in second.said()
    with first.desk() as desk:
        assert desk.ask("status")["ok"]
    assert first.stop() == 0


def test_while_the_store_is_checked_the_daemon_works(appliance, picture):
    """A pipe in a file's place stands for a card that takes minutes to read."""
    box = appliance().start()
    with box.desk() as desk:
        desk.field_case("P1", picture)
        blob = next((box.data / "store" / "files").iterdir())
        kept = blob.read_bytes()
        blob.unlink()
        os.mkfifo(blob)
        answers = []

        def verify():
            with box.desk() as other:
                answers.append(other.ask("verify"))

        checking = threading.Thread(target=verify)
        checking.start()
        # Whoever opens the pipe to write waits for the reader.
        with blob.open("wb") as pipe:
            assert desk.ask("status")["ok"] and not answers
            case = desk.open_case("P2")["case"]
            assert desk.states()[case] == "draft"
            pipe.write(kept)
        checking.join(30)
        assert answers and answers[0]["ok"]
        blob.unlink()
        blob.write_bytes(kept)
