"""The daemon as its users have it: the released program, a site's settings, its socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HILUM = Path(os.environ.get("HILUM", ROOT / "target" / "release" / "hilum"))

# To which states a case may go by itself or by what people do in these tests. An administrator may hand a case over once more
# that was set aside; who does that says so.
NEXT = {
    "draft": ("queued",),
    "queued": ("assessed", "refused", "set-aside"),
    "set-aside": (),
    "assessed": ("reviewed",),
    "refused": ("reviewed",),
    "reviewed": (),
}


def reachable(state: str) -> frozenset[str]:
    """A state and all that a case may come to from it."""
    return frozenset({state}.union(*map(reachable, NEXT[state])))


LATER = {state: reachable(state) for state in NEXT}
ENDS = {"assessed", "refused", "set-aside"}


class Denied(Exception):
    """The daemon said no."""

    def __init__(self, answer: dict):
        super().__init__(answer.get("error"))
        self.exit = answer.get("exit")


class Gone(Exception):
    """The daemon went away before it answered."""


class Desk:
    """A connection to a daemon's socket."""

    def __init__(self, path: Path, patience_s: float = 60.0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience_s)
        try:
            self.socket.connect(str(path))
        except OSError as error:
            self.socket.close()
            raise Gone(str(error)) from error
        self.file = self.socket.makefile("rb")

    def ask(self, what: str, **fields) -> dict:
        try:
            self.socket.sendall(json.dumps({"ask": what, **fields}).encode() + b"\n")
            line = self.file.readline()
        except OSError as error:
            raise Gone(str(error)) from error
        if not line.endswith(b"\n"):
            raise Gone("no answer")
        answer = json.loads(line)
        if not answer["ok"]:
            raise Denied(answer)
        return answer

    def open_case(self, first: str, second: str = "second", **fields) -> dict:
        known = {"age": None, "sex": None, "smoking": None, "specimen": None} | fields
        return self.ask("open", first=first, second=second, **known)

    def fields(self, case: str, *paths: Path, um_per_px: float | None = None) -> dict:
        return self.ask("fields", case=case, paths=[str(path) for path in paths], **{"um-per-px": um_per_px})

    def ct(self, case: str, path: Path, lesion=None, other_id: bool = False) -> dict:
        return self.ask("ct", case=case, path=str(path), lesion=lesion, **{"other-id": other_id})

    def field_case(self, first: str, picture: Path, **fields) -> str:
        """A case of one picture, handed over."""
        case = self.open_case(first, **fields)["case"]
        self.fields(case, picture, um_per_px=0.5)
        self.ask("submit", case=case)
        return case

    def states(self) -> dict[str, str]:
        return {case["number"]: case["state"] for case in self.ask("list")["cases"]}

    def wait(self, case: str, seconds: float = 60) -> str:
        return self.ask("wait", case=case, seconds=seconds)["state"]

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class Appliance:
    """A daemon with its folders. `site` is TOML that is laid over the simulated board; `explain` are methods of explanation, which
    take most of a case's time: none unless a test looks at them."""

    def __init__(self, folder: Path, site: str = "", camera: bool = False, control_h: float = 0, explain: tuple[str, ...] = ()):
        self.folder = folder
        self.data, self.run = folder / "data", folder / "run"
        folder.mkdir(parents=True, exist_ok=True)
        self.site = folder / "site.toml"
        self.board = folder / "board.toml"
        # The board of the tests is the simulated one, with its camera only where it is wanted, and without the mirror, whose
        # address is for one daemon alone.
        sim = (ROOT / "board" / "sim.toml").read_text()
        left_out = ["[mirror]"] if camera else ["[mirror]", "[camera]"]
        sim = "\n\n".join(section for section in sim.split("\n\n") if not any(name in section for name in left_out))
        sim += f"\n[control]\nevery-h = {control_h}\n[case]\nexplain = {list(explain)}\n"
        self.board.write_text(sim.replace('inherit = "', f'inherit = "{ROOT}/board/'))
        self.site.write_text(f'[paths]\ndata = "{self.data}"\nruntime = "{self.run}"\n{site}')
        self.log = folder / "log"
        self.process: subprocess.Popen | None = None

    @property
    def socket(self) -> Path:
        return self.run / "hilum.sock"

    def words(self) -> list[str]:
        return [str(HILUM), "run", "--board", str(self.board), "--site", str(self.site)]

    def start(self, wait: bool = True, wrap: list[str] = [], env: dict[str, str] = {}) -> Appliance:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(wrap + self.words(), stderr=log, env={**os.environ, **env})
        if wait:
            self.ready()
        return self

    def ready(self, patience_s: float = 30.0) -> None:
        """Waits until the daemon answers."""
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            if self.process and self.process.poll() is not None:
                raise Gone(f"the daemon ended with {self.process.returncode}: {self.said()[-2000:]}")
            try:
                with Desk(self.socket) as desk:
                    desk.ask("status")
                return
            except Gone:
                time.sleep(0.01)
        raise Gone("the daemon does not answer")

    def desk(self, patience_s: float = 60.0) -> Desk:
        return Desk(self.socket, patience_s)

    def until(self, what, patience_s: float = 30.0) -> dict:
        """Asks for the status until `what` holds of it."""
        until = time.monotonic() + patience_s
        with self.desk() as desk:
            while True:
                status = desk.ask("status")
                if what(status):
                    return status
                if time.monotonic() > until:
                    raise AssertionError(f"not within {patience_s} s: {json.dumps(status)}")
                time.sleep(0.05)

    def networks(self) -> dict:
        return self.until(lambda status: status["networks"]["state"] == "ready")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, patience_s: float = 30.0) -> int:
        self.process.terminate()
        return self.process.wait(patience_s)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def offline(self, *words: str) -> tuple[int, dict]:
        """`hilum store …` on the folder, while no daemon runs."""
        ended = subprocess.run(
            [HILUM, "store", *words, "--data", self.data / "store", "--json"], capture_output=True, text=True
        )
        return ended.returncode, json.loads(ended.stdout) if ended.stdout.strip() else {"error": ended.stderr}

    def verified(self) -> dict:
        """What `store verify` says while no daemon runs. Fails if it finds anything."""
        code, answer = self.offline("verify")
        assert code == 0, answer
        return answer

    def audit(self) -> list[dict]:
        """The log's entries. Not after a kill: a store that was not closed is recovered by whoever may write to it."""
        database = sqlite3.connect(f"file:{self.data}/store/hilum.db?mode=ro", uri=True)
        try:
            return [json.loads(line) for (line,) in database.execute("SELECT line FROM audit ORDER BY number")]
        finally:
            database.close()

    def __enter__(self) -> Appliance:
        return self

    def __exit__(self, *_) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def cohort(folder: Path, patients: int = 2, seed: int = 5) -> list[dict]:
    """Phantoms in `folder`, as a list of what is known of each."""
    if not (folder / "cohort.csv").exists():
        words = ["phantom", "--patients", patients, "--seed", seed, "--size", "small", "--out", folder]
        subprocess.run([HILUM, *map(str, words)], check=True, capture_output=True)
    lines = (folder / "cohort.csv").read_text().splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","))) for line in lines[1:]]
    for row in rows:
        case = folder / row["case_id"]
        row |= {"ct": case / "ct", "he": case / "he"}
        row["lesion"] = json.loads((case / "lesion.json").read_text())["center_lps_mm"]
    return rows


def small(folder: Path, picture: Path) -> None:
    """One tile of a phantom's field as a picture of its own: a case that takes little time."""
    from PIL import Image

    field = Image.open(sorted(folder.glob("*.png"))[0])
    field.crop((0, 0, 448, 448)).save(picture)


def readers(box: Appliance) -> list[int]:
    """The processes that read for this daemon."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == box.process.pid:
                if b"worker" in (stat.parent / "cmdline").read_bytes():
                    found.append(int(stat.parent.name))
        except (OSError, IndexError):
            pass  # it ended meanwhile
    return found


def until(what, patience_s: float = 15.0):
    """Asks until the answer is true."""
    end = time.monotonic() + patience_s
    while not (answer := what()):
        assert time.monotonic() < end, f"not within {patience_s} s"
        time.sleep(0.02)
    return answer


class Workers(threading.Thread):
    """What `hilum-worker.socket` does: a reader for each connection, which is its standard input and output."""

    def __init__(self, path: Path, wrap: list[str] = []):
        super().__init__(daemon=True)
        self.words = [*wrap, str(HILUM), "worker"]
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.readers: list[subprocess.Popen] = []
        self.busy = False

    @property
    def started(self) -> int:
        return len(self.readers)

    def run(self) -> None:
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            with stream:
                if not self.busy:
                    self.readers.append(
                        subprocess.Popen(self.words, stdin=stream, stdout=stream, stderr=subprocess.DEVNULL)
                    )
