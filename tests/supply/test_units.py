"""What `units` finds wrong with the units of board/ once a line is altered."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def board(units, tmp_path):
    """A copy of board/ in which one line is altered."""
    assert units.installed()
    folder = tmp_path / "board"
    shutil.copytree(units.BOARD, folder)

    def alter(name: str, old: str, new: str):
        text = (folder / name).read_text()
        assert f"\n{old}" in text
        (folder / name).write_text(text.replace(f"\n{old}", f"\n{new}", 1))
        return folder

    return alter


@pytest.mark.parametrize("name", ["hilum.service", "hilum-worker@.service", "hilum-worker.socket"])
def test_an_option_that_is_misspelt(units, board, name):
    section = "[Socket]\n" if name.endswith("socket") else "[Service]\n"
    folder = board(name, section, f"{section}MemoryMaximum=1G\n")
    assert any("MemoryMaximum" in line for line in units.unknown_options(folder))
    assert any("MemoryMaximum" in line for line in units.verify(folder))


def test_an_option_that_came_later(units, board):
    folder = board("hilum.service", "RestartSec=3\n", "RestartSec=3\nRestartSteps=5\n")
    assert units.unknown_options(folder) == ["hilum.service: RestartSteps= in [Service] is not known to systemd 252"]


def test_a_value_that_is_none(units, board):
    assert units.verify(board("hilum.service", "WatchdogSec=30", "WatchdogSec=soon"))


# verifies: REQ-INPUT-02
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("hilum.service", "CapabilityBoundingSet=\n"),
        ("hilum.service", "SystemCallFilter=~@privileged @resources\n"),
        ("hilum.service", "RestrictAddressFamilies=AF_UNIX AF_INET\n"),
        ("hilum-worker@.service", "PrivateNetwork=yes\n"),
        ("hilum-worker@.service", "RestrictAddressFamilies=none\n"),
        ("hilum-worker@.service", "DynamicUser=yes\n"),
    ],
)
def test_a_unit_that_is_open_wider(units, board, name, line):
    wrong = units.exposed(board(name, line, ""))
    assert wrong and "is above" in wrong[0]


def test_a_group_that_nobody_makes(units, board):
    folder = board("hilum.sysusers", "g gpio", "#g gpio")
    assert units.accounts(folder) == ["hilum.service: SupplementaryGroups: hilum.sysusers does not make gpio"]


def test_a_root_that_nobody_makes(units, board):
    folder = board("hilum.tmpfiles", "d /run/hilum-worker-root", "#d /run/hilum-worker-root")
    assert units.accounts(folder) == ["hilum-worker@.service: RootDirectory=/run/hilum-worker-root: hilum.tmpfiles does not make it"]
