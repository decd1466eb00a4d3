"""What a Raspberry Pi starts next: the script that RAUC and the first process ask, against a folder that stands for the first partition.

`Pi` is the boot loader as its documentation has it: it reads autoboot.txt, and counts nothing. The power is cut before and after each
write; a write is one sector, which is there or not (the script writes over one block in place: `test_a_write_is_one_sector`).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SCRIPT = REPO / "cross/rootfs/usr/lib/hilum/autoboot"
# The first file system has busybox, the image has dash and coreutils. Power fails in dash alone: busybox has its own dd.
SHELLS = [shell for shell in (["dash"], ["busybox", "sh"]) if shutil.which(shell[0])]
TRIES = 3
# In place of dd: the power fails before the write, or after it.
CUT = """#!/bin/sh
case $CUT in
before) ;;
after) {dd} "$@" ;;
esac
kill -9 $PPID
"""


class Cut(Exception):
    """The plug was pulled."""


@dataclass
class Pi:
    """A box: its boot loader, what is wrong with its slots, and which one runs."""

    folder: Path
    shell: list[str] = field(default_factory=lambda: SHELLS[0])
    # Slots whose partition for the boot loader cannot be read, whose kernel hangs before its first process, that do not get well, that
    # are half written.
    unreadable: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    sick: set[str] = field(default_factory=set)
    torn: set[str] = field(default_factory=lambda: {"B"})
    runs: str = ""
    starts: list[str] = field(default_factory=list)
    # What the next write comes to.
    cut: str = ""

    def __post_init__(self) -> None:
        self.file = self.folder / "autoboot.txt"
        (self.folder / "bin").mkdir()
        dd = self.folder / "bin/dd"
        dd.write_text(CUT.format(dd=shutil.which("dd")))
        dd.chmod(0o755)
        self.file.write_text((REPO / "cross/boot/autoboot.txt").read_text().ljust(512, "\n"))

    def ask(self, *words: str, code: int = 0) -> str:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}" if self.cut else os.environ["PATH"]
        given = {"AUTOBOOT": str(self.file), "HILUM_SLOT": str(self.folder / "slot"), "PATH": path, "CUT": self.cut}
        done = subprocess.run([*self.shell, SCRIPT, *words], env=given, capture_output=True, text=True)
        if done.returncode == -9 or self.cut and done.returncode == 137:
            self.cut, self.runs = "", ""
            raise Cut
        assert done.returncode == code, (words, done)
        return done.stdout.strip()

    def named(self) -> str:
        """The slot that the boot loader takes: the sections [all] count, [tryboot] after a restart that asks for it, [none] never."""
        section, partition = "[all]", 0
        for line in self.file.read_text(errors="replace").splitlines() if self.file.exists() else ():
            if line.startswith("["):
                section = line
            elif section == "[all]" and line.startswith("boot_partition="):
                partition = int(line.removeprefix("boot_partition="))
        return {2: "A", 3: "B"}.get(partition, "A")

    def plug(self, most: int = 12) -> str:
        """The plug is pulled and put back; gives the slot that runs in the end, or nothing if that hangs."""
        self.runs = ""
        for _ in range(most):
            slot = self.named()
            if slot in self.unreadable:
                # The boot loader goes on to the next partition that it can start.
                slot = "AB".replace(slot, "")
            assert slot not in self.torn, f"half-written {slot} is started"
            if slot in self.hanging:
                return ""
            (self.folder / "slot").write_text(slot + "\n")
            if self.ask("start", slot) == "stay":
                self.starts.append(slot)
                self.runs = slot
                if slot not in self.sick:
                    self.ask("set-state", slot, "good")
                return slot
        raise AssertionError(f"restarts without end: {self.file.read_text()}")

    def install(self, half: bool = False) -> None:
        """As RAUC does it; the power fails while it writes if only half of it is wanted."""
        slot = "AB".replace(self.ask("get-current"), "")
        self.ask("set-state", slot, "bad")
        self.torn.add(slot)
        if half:
            self.runs = ""
            raise Cut
        self.sick.discard(slot)
        self.torn.remove(slot)
        self.ask("set-primary", slot)
        assert self.ask("get-primary") == slot


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def pi(request, tmp_path: Path) -> Pi:
    return Pi(tmp_path, request.param)


def test_a_new_box_starts_a(pi: Pi):
    assert [pi.plug() for _ in range(5)] == ["A"] * 5
    assert (pi.ask("get-current"), pi.ask("get-primary"), pi.ask("get-state", "A"), pi.ask("get-state", "B")) == ("A", "A", "good", "bad")
    pi.ask("another", code=1)


def test_an_update_is_started_by_the_plug_alone(pi: Pi):
    pi.plug()
    pi.install()
    pi.ask("another")
    assert pi.plug() == "B"
    assert [pi.plug() for _ in range(5)] == ["B"] * 5
    pi.install()
    assert pi.plug() == "A"


def test_until_somebody_says_that_it_is_well_any_restart_is_into_the_one_before(pi: Pi):
    pi.plug()
    pi.install()
    pi.sick.add("B")
    assert pi.plug() == "B"
    assert pi.named() == "A"
    pi.ask("set-state", "B", "good")
    assert pi.named() == "B"


def test_three_tries(pi: Pi):
    pi.plug()
    pi.install()
    pi.sick.add("B")
    pi.starts.clear()
    assert [pi.plug() for _ in range(8)] == ["B"] * TRIES + ["A"] * 5
    assert pi.ask("get-primary") == "A"
    assert pi.ask("get-state", "B") == "bad"
    # And the next one is tried again.
    pi.install()
    assert pi.plug() == "B"


def test_the_one_before_is_not_left_for_an_update_that_failed(pi: Pi):
    """Not even where nobody says in time that it is well, as where the power fails each quarter of an hour."""
    pi.plug()
    pi.install()
    pi.sick |= {"A", "B"}
    assert [pi.plug() for _ in range(20)] == ["B"] * TRIES + ["A"] * 17


def test_a_slot_that_was_well_and_no_longer_is(pi: Pi):
    pi.plug()
    pi.install()
    pi.plug()
    pi.sick.add("B")
    assert [pi.plug() for _ in range(6)] == ["B"] * TRIES + ["A"] * 3


def test_an_update_whose_kernel_cannot_be_read(pi: Pi):
    pi.plug()
    pi.install()
    pi.unreadable.add("B")
    assert [pi.plug() for _ in range(4)] == ["A"] * 4


def test_a_slot_that_was_well_and_cannot_be_read(pi: Pi):
    pi.plug()
    pi.install()
    pi.plug()
    pi.unreadable.add("B")
    assert [pi.plug() for _ in range(4)] == ["A"] * 4


def test_a_kernel_that_hangs_at_the_last_of_its_tries(pi: Pi):
    pi.plug()
    pi.install()
    pi.sick.add("B")
    pi.plug()
    assert pi.named() == "A"


def test_what_is_not_covered(pi: Pi):
    """A kernel that does not get to its first process is started again and again: only the boot loader could count that."""
    pi.plug()
    pi.install()
    pi.hanging.add("B")
    assert [pi.plug() for _ in range(5)] == [""] * 5


def test_an_update_that_was_written_by_half(pi: Pi):
    pi.plug()
    with pytest.raises(Cut):
        pi.install(half=True)
    assert [pi.plug() for _ in range(5)] == ["A"] * 5


def test_a_start_that_waited_for_a_stick_is_no_try(pi: Pi):
    pi.plug()
    pi.install()
    pi.sick.add("B")
    for _ in range(3 * TRIES):
        assert pi.plug() == "B"
        pi.ask("forgive", "B")
    pi.sick.clear()
    assert pi.plug() == "B"


def test_a_good_word_for_the_one_that_runs_does_not_undo_an_update(pi: Pi):
    pi.plug()
    pi.install()
    pi.ask("set-state", "A", "good")
    assert pi.plug() == "B"


def test_a_write_is_one_sector(pi: Pi):
    node = pi.file.stat().st_ino
    pi.plug()
    pi.install()
    for _ in range(2):
        block = pi.file.read_bytes()
        assert len(block) == 512 and block.endswith(b"\n") and pi.file.stat().st_ino == node
        assert max(map(len, block.split(b"\n"))) < 80
        pi.plug()


@pytest.mark.parametrize(
    "text", ["", "[all]\nboot_partition=2\n", "\0" * 512, "[all]\nboot_partition=2\n#hilum first=C a=good b=\n", "x" * 512]
)
def test_a_file_that_says_nothing(pi: Pi, text: str):
    pi.file.write_text(text)
    pi.torn.clear()
    assert pi.plug() == "A"
    assert len(pi.file.read_bytes()) == 512
    assert pi.plug() == "A"


def test_no_file(pi: Pi):
    pi.file.unlink()
    assert pi.plug() == "A"


@pytest.mark.parametrize("words", [("start",), ("start", "C"), ("set-state", "A", "fine"), ("set-primary", ""), ("what",)])
def test_what_is_asked_wrongly(pi: Pi, words: tuple[str, ...]):
    before = pi.file.read_bytes()
    pi.ask(*words, code=64)
    assert pi.file.read_bytes() == before


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(6))
def test_the_power_fails_at_a_write(tmp_path: Path, when: str, at: int):
    """Installing, starting, saying that it is well: at each of the writes, and the box works as before or as after."""
    pi = Pi(tmp_path)
    pi.plug()
    done = []

    def ask(*words: str, code: int = 0) -> str:
        writes = words[0] in ("start", "set-state", "set-primary")
        if writes and len(done) == at:
            pi.cut = when
        done.extend([words] if writes else [])
        return Pi.ask(pi, *words, code=code)

    pi.ask = ask
    with pytest.raises(Cut):
        pi.install()
        pi.plug()
        pi.plug()
    assert len(done) == at + 1
    del pi.ask
    slot = pi.plug()
    assert slot in "AB" and pi.plug() == slot
    # And it can be updated from there.
    pi.install()
    assert pi.plug() == "AB".replace(slot, "")


def test_any_order_of_all_that_may_happen(tmp_path: Path):
    """Seeded: installs, plugs, sick versions, cuts. A half-written slot is never started, no start fails more than the tries there are."""
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        pi, picks = Pi(folder), random.Random(seed)
        pi.plug()
        for _ in range(30):
            try:
                if picks.random() < 0.25:
                    pi.cut = picks.choice(["before", "after"])
                if pi.runs and picks.random() < 0.4:
                    pi.install(half=picks.random() < 0.2)
                    if picks.random() < 0.4:
                        pi.sick.add("AB".replace(pi.runs, ""))
                else:
                    pi.plug()
            except Cut:
                pass
            pi.cut = ""
        # In the end somebody leaves it alone: it comes to rest on a slot that is well, if there is one.
        well = set("AB") - pi.sick - pi.torn
        last = [pi.plug() for _ in range(2 * TRIES + 2)][-1]
        assert not well or last in well, (seed, pi.file.read_text())
