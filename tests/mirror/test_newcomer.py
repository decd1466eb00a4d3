"""`hilum demo`: one command, and a newcomer has the device in a browser."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from appliance import HILUM, Desk, until
from person import Person
from PIL import Image, ImageChops

# What is printed: the address, what to type, where a terminal asks.
ADDRESS = re.compile(r"^Open http://(\S+)/ in a browser", re.M)
PATIENT = re.compile(r"first identifier (\S+), second identifier (\S+),")
SOCKET = re.compile(r"--socket (\S+)")
# The middle of the button for a new case.
NEW_CASE = (1040, 730)


class Demo:
    """A demonstration with a temporary folder of its own."""

    def __init__(self, folder: Path, *words: str):
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [HILUM, "demo", *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(self.temporary)},
            )

    def said(self) -> str:
        return self.log.read_text()

    def found(self, what: re.Pattern[str]) -> tuple[str, ...]:
        """Waits until it is printed."""

        def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self.said()
            return what.search(self.said())

        return until(found, 60).groups()

    def desk(self) -> Desk:
        return Desk(Path(self.found(SOCKET)[0]))

    def ends(self, by: signal.Signals) -> None:
        """Tells it to end: it does, and leaves nothing behind."""
        group = children(self.process.pid)
        self.process.send_signal(by)
        assert self.process.wait(30) == 0, self.said()
        assert not list(self.temporary.iterdir()), "the temporary folder is gone"
        # A reader that was killed with it takes its time to be gone.
        until(lambda: not [child for child in group if Path(f"/proc/{child}").exists()])


def children(parent: int) -> list[str]:
    lists = Path(f"/proc/{parent}/task").glob("*/children")
    return [child for list_of in lists for child in list_of.read_text().split()]


def seen(person: Person) -> Image.Image:
    return Image.open(io.BytesIO(person.screenshot())).convert("RGB")


def differing(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that differ."""
    grey = ImageChops.difference(one, other).convert("L")
    return 1 - grey.histogram()[0] / (grey.width * grey.height)


@pytest.fixture
def demo(tmp_path) -> Iterator:
    """Starts demonstrations, which end with the test."""
    made = []

    def make(*words: str) -> Demo:
        made.append(Demo(tmp_path, *words))
        return made[-1]

    yield make
    for demo in made:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()


def test_a_newcomer_works_the_device_in_a_browser(chromium, demo):
    shown = demo()
    (address,) = shown.found(ADDRESS)
    with Person(chromium, address) as person:
        person.connected()
        person.until(lambda: person.state() == "writing", "the page is connected")
        assert person.size() == (1280, 800) and "locked" not in person.words()
        before = seen(person)
        person.tap(*NEW_CASE)
        # A case of the list goes on by itself, and that changes a word: another page is another picture.
        person.until(lambda: differing(before, seen(person)) > 0.2, "the page of a new case")
        form = seen(person)
        person.type("4711")
        person.until(lambda: differing(form, seen(person)) > 0, "what is typed")
    assert "Research use only" in shown.said()
    shown.ends(signal.SIGINT)


def test_one_patient_has_a_result_and_another_waits_for_a_case(demo):
    shown = demo()
    first, second = shown.found(PATIENT)
    with shown.desk() as desk:
        # What is typed at the panel, here.
        case = desk.open_case(first, second)["case"]
        until(lambda: desk.ask("show", case=case)["ct"], 30)
        desk.ask("capture", case=case)
        desk.ask("submit", case=case)
        assert desk.wait(case) == "assessed"
        others = [other["number"] for other in desk.ask("list")["cases"] if not other["control"] and other["number"] != case]
        assert len(others) == 1 and desk.wait(others[0]) == "assessed"
    shown.ends(signal.SIGTERM)


def test_what_is_kept_is_there_the_next_time_and_a_port_may_be_taken(demo, tmp_path):
    kept = tmp_path / "kept"
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8733))
            taken.listen()
        except OSError:
            pass  # Somebody else has it: just as well.
        for _ in range(2):
            shown = demo("--out", str(kept))
            (address,) = shown.found(ADDRESS)
            assert address != "127.0.0.1:8733"
            with shown.desk() as desk:
                cases = [case["number"] for case in desk.ask("list")["cases"] if not case["control"]]
            assert len(cases) == 1
            shown.ends(signal.SIGINT)
            assert (kept / "data").is_dir() and not (kept / "run").exists()


def test_who_ends_it_early_leaves_nothing_either(demo):
    shown = demo()
    until(lambda: list(shown.temporary.iterdir()))
    shown.ends(signal.SIGINT)
    assert "Open" not in shown.said()
