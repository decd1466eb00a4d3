"""What the device shows of itself: metrics, and a rescue where the configuration is rejected."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request

import pytest
from appliance import HILUM, ROOT, Appliance, Denied, Desk, Workers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# verifies: REQ-PRIVACY-02
def test_metrics_are_on_loopback_and_name_nobody(tmp_path, picture):
    port = free_port()
    appliance = Appliance(tmp_path, f'[daemon]\nmetrics = "127.0.0.1:{port}"\n')
    with appliance.start():
        appliance.networks()
        with appliance.desk() as desk:
            case = desk.open_case("CANARY-4711", "CANARY-second")["case"]
            desk.fields(case, picture, um_per_px=0.5)
            desk.ask("submit", case=case)
            assert desk.wait(case) == "assessed"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.headers["content-type"].startswith("application/openmetrics-text")
            text = answer.read().decode()
        found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert found['hilum_cases{state="assessed"}'] == "1" and found["hilum_attempts_ended_total"] == "1"
        assert found["hilum_networks_ready"] == "1" and float(found["hilum_last_case_seconds"]) > 0
        assert float(found["hilum_resident_bytes"]) > 1e6 and "CANARY" not in text
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)
    said = Appliance(tmp_path / "other", '[daemon]\nmetrics = "0.0.0.0:9105"\n')
    ended = subprocess.run(said.words(), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 78 and "loopback" in ended.stderr


# verifies: REQ-BUNDLE-02
def test_an_older_bundle_is_refused(tmp_path):
    bundles = {}
    for serial in (5, 4):
        bundle = bundles[serial] = tmp_path / f"bundle-{serial}"
        shutil.copytree(ROOT / "models" / "reference", bundle)
        manifest = (bundle / "manifest.toml").read_text()
        changed = re.sub(r"(?m)^serial = \d+$", f"serial = {serial}", manifest)
        assert changed != manifest
        (bundle / "manifest.toml").write_text(changed)
        words = [HILUM, "bundle", "sign", bundle, "--key", ROOT / "models" / "development.key"]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
    appliance = Appliance(tmp_path / "box")
    board = appliance.board.read_text()
    for serial, state in ((5, "ready"), (4, "rejected"), (5, "ready")):
        appliance.board.write_text(board.replace("[bundle]", f'[bundle]\nfolder = "{bundles[serial]}"'))
        with appliance.start():
            status = appliance.until(lambda status: status["networks"]["state"] != "loading")
            assert status["networks"]["state"] == state, status["networks"]
            assert state == "ready" or "serial 5 was here before" in status["networks"]["why"]
            assert appliance.stop() == 0


# verifies: REQ-NET-01
def test_nothing_listens_unless_it_is_configured(tmp_path):
    with Appliance(tmp_path).start() as appliance:
        pid = appliance.process.pid
        inodes = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        tables = [line.split() for name in ("tcp", "tcp6", "udp") for line in open(f"/proc/net/{name}")][1:]
        assert not [row for row in tables if len(row) > 9 and f"socket:[{row[9]}]" in inodes]


# verifies: REQ-SERVICE-03
def test_a_rejected_configuration_is_a_rescue_under_a_service_manager(tmp_path, picture):
    runtime = tmp_path / "runtime"
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(tmp_path / "notify"))
    told.settimeout(30)
    board, site = tmp_path / "board.toml", tmp_path / "site.toml"
    good = Appliance(tmp_path / "good").board.read_text()
    board.write_text(good + '\n[share]\nfolder = "relative"\npoll-s = 0\n')
    site.write_text(f'[paths]\ndata = "{tmp_path}/data"\nruntime = "{runtime}"\n')
    words = [HILUM, "run", "--board", board, "--site", site]
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "RUNTIME_DIRECTORY": str(runtime)}

    # At a terminal the problems are the answer.
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
    problems = [line for line in ended.stderr.splitlines() if line.startswith(str(board))]
    assert ended.returncode == 78 and len(problems) == 2, ended.stderr

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, stderr=log)
        try:
            assert "READY=1" in told.recv(4096).decode()
            assert "WATCHDOG=1" in told.recv(4096).decode()
            with Desk(runtime / "hilum.sock") as desk, pytest.raises(Denied) as denied:
                desk.ask("status")
            assert denied.value.exit == 78 and all(problem in str(denied.value) for problem in problems)
            status = subprocess.run(
                [HILUM, "status", "--socket", runtime / "hilum.sock"], capture_output=True, text=True, timeout=60
            )
            assert status.returncode == 78 and "poll-s = 0" in status.stderr
            from PIL import Image

            assert Image.open(runtime / "rescue.png").getcolors(16_777_216).__len__() > 2, "something is written there"
            # Corrected, the process ends so that it is started anew.
            board.write_text(good)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
    process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while "READY=1" not in told.recv(4096).decode():
            assert time.monotonic() < until
        with Desk(runtime / "hilum.sock") as desk:
            assert desk.ask("status")["ok"]
    finally:
        process.kill()
        process.wait()


def lost(box):
    for path in ("hilum.db", "copy/hilum.db"):
        (box.data / "store" / path).write_bytes(b"Z" * 8192)


def another_key(box):
    (box.data / "data-key").write_bytes(b"k" * 32)


def no_credential(box):
    box.board.write_text(box.board.read_text().replace('source = "file"', 'source = "credential"'))


def a_later_version(box):
    for path in ("hilum.db", "copy/hilum.db"):
        database = sqlite3.connect(box.data / "store" / path)
        database.execute("PRAGMA user_version = 900")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()


def told_by_the_system(box):
    said = box.folder / "trouble"
    said.write_text("the data partition cannot be read\n")
    box.site.write_text(box.site.read_text().replace("[paths]\n", f'[paths]\ntrouble = "{said}"\n'))


def drained(told):
    try:
        while told.recv(4096):
            pass
    except OSError:
        return


# verifies: REQ-SERVICE-03
@pytest.mark.parametrize(
    "harm, exit, words",
    [
        (lost, 75, "neither the database nor its second copy"),
        (another_key, 78, "does not open with this key"),
        (no_credential, 78, "no credential"),
        (a_later_version, 75, "version 900"),
        (told_by_the_system, 75, "the data partition cannot be read"),
    ],
)
def test_what_cannot_begin_says_so_under_a_service_manager_and_tries_again(tmp_path, harm, exit, words):
    with Appliance(tmp_path / "box").start() as box:
        assert box.stop() == 0
    shutil.copytree(box.folder, tmp_path / "well")
    harm(box)
    before = {path: path.read_bytes() for path in (box.data / "store").rglob("hilum.db")}

    # At a terminal that is the answer.
    ended = subprocess.run(box.words(), capture_output=True, text=True, timeout=60)
    assert ended.returncode == exit and words in ended.stderr, ended

    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(environment["NOTIFY_SOCKET"])
        told.settimeout(30)
        box.start(wait=False, env=environment)
        try:
            assert "READY=1" in told.recv(4096).decode()
            # The service manager reads all that it is told.
            threading.Thread(target=drained, args=[told], daemon=True).start()
            with Desk(box.socket) as desk, pytest.raises(Denied) as denied:
                desk.ask("list")
            assert denied.value.exit == exit and words in str(denied.value)
            assert (box.run / "rescue.png").stat().st_size > 1000
            # It ends by itself, so that it is tried again.
            assert box.process.wait(30) == 0, box.said()
            assert all(path.read_bytes() == bytes for path, bytes in before.items()), "nothing was touched"
            shutil.rmtree(box.folder)
            shutil.copytree(tmp_path / "well", box.folder)
            box.start(env=environment)
            assert box.stop() == 0
        finally:
            box.process.kill()
            box.process.wait()


def test_readers_that_a_service_manager_starts(tmp_path, phantoms, picture):
    workers = Workers(tmp_path / "worker.sock")
    workers.start()
    appliance = Appliance(tmp_path / "box", f'[worker]\nsocket = "{tmp_path}/worker.sock"\n')
    with appliance.start(), appliance.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        desk.ct(case, phantoms[0]["ct"], lesion=phantoms[0]["lesion"])
        desk.fields(case, picture, um_per_px=0.5)
        assert workers.started == 2
        # More connections than the service manager takes are closed at once: that is nobody's death.
        workers.busy = True
        for _ in range(3):
            with pytest.raises(Denied) as denied:
                desk.fields(case, picture, um_per_px=0.5)
            assert denied.value.exit == 75, denied.value
        workers.busy = False
        assert desk.fields(case, picture, um_per_px=0.5)["fields"] == 2
        desk.ask("submit", case=case)
        assert desk.wait(case) == "assessed"
    workers.listener.close()
