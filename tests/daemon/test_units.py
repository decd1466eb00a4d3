"""The units of board/ allow what the program does: the released daemon and its readers, under the units' lists of calls."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import ROOT, Workers

HERE = Path(__file__).resolve().parent
FILTERED = [sys.executable, str(HERE / "filtered.py")]


@pytest.fixture(autouse=True)
def systemd():
    if not shutil.which("systemd-analyze"):
        pytest.fail("systemd-analyze is missing: tests/supply/units installs it")


def confined(box) -> set[str]:
    """How readers were confined, by the daemon's log."""
    return set(re.findall(r'an input was read (landlock="\w+" seccomp=\w+ limits=\w+)', box.said()))


def read_one(box, picture) -> str:
    with box.desk() as desk:
        return desk.wait(desk.field_case("P1", picture))


# verifies: REQ-INPUT-02
def test_a_filter_that_lacks_a_call_is_noticed():
    """What the others rely on: the list is held to, and in the way that the unit says."""
    forbidden = "import os; os.sched_setaffinity(0, {0})"
    daemon = subprocess.run([*FILTERED, "hilum.service", sys.executable, "-c", forbidden], capture_output=True, text=True)
    assert daemon.returncode == 1 and "PermissionError" in daemon.stderr, daemon
    worker = subprocess.run([*FILTERED, "hilum-worker@.service", sys.executable, "-c", forbidden], capture_output=True)
    assert worker.returncode == -31, "SIGSYS"


# verifies: REQ-INPUT-02
def test_the_daemons_own_readers_confine_themselves(appliance, picture):
    free, held = appliance(), appliance()
    free.start().networks()
    held.start(wrap=[*FILTERED, "hilum.service"]).networks()
    assert read_one(free, picture) == read_one(held, picture) == "assessed"
    assert confined(held) == confined(free) and "seccomp=true" in confined(held).pop()
    assert held.stop() == 0, held.said()


# verifies: REQ-INPUT-02
def test_a_reader_of_the_service_manager_does_its_work(appliance, picture):
    """A connection, a process: hilum-worker.socket and hilum-worker@.service, but for their folders."""
    free, held = appliance(), appliance()
    free.start().networks()
    assert read_one(free, picture) == "assessed"
    workers = Workers(held.folder / "worker.sock", [*FILTERED, "hilum-worker@.service"])
    workers.start()
    with workers.listener:
        held.site.write_text(held.site.read_text() + f'[worker]\nsocket = "{held.folder}/worker.sock"\n')
        held.start().networks()
        assert read_one(held, picture) == "assessed", held.said()
        assert confined(held) == confined(free) and "seccomp=true" in confined(held).pop()
        assert held.stop() == 0
    assert [reader.wait(10) for reader in workers.readers] == [0]


# verifies: REQ-INPUT-02
def test_boards_with_hardware_have_their_readers_started_for_them():
    """…by the socket that the unit listens on: there, a reader has a user of its own, and neither store nor key in reach."""
    listens = re.search(r"^ListenStream=(.+)$", (ROOT / "board" / "hilum-worker.socket").read_text(), re.MULTILINE)[1]
    for board in (ROOT / "board").glob("*.toml"):
        text = board.read_text()
        if board.stem in ("sim", "desktop"):
            continue
        assert f'socket = "{listens}"' in text, board
        if board.stem != "base":
            assert f'\n[worker]\nsocket = "{listens}"' in text, board


def test_a_service_that_may_not_ask_the_kernel_believes_timesyncd(appliance, own_mounts):
    """A mount of its own over /run, so that the machine's clock is not talked about."""
    for said, trusted in ((True, True), (False, False)):
        box = appliance()
        box.board.write_text(box.board.read_text().replace('trusted = "always"', 'trusted = "ntp"'))
        flag = "mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized && " if said else ""
        script = f'mount -t tmpfs none /run && {flag}exec "$0" "$@"'
        box.start(wrap=["unshare", "--mount", "sh", "-c", script, *FILTERED, "hilum.service"])
        with box.desk() as desk:
            assert desk.ask("status")["clock"]["trusted"] is trusted
        assert box.stop() == 0
