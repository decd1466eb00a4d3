"""Guests with different displays, each started once."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "mirror")]

from guest import HILUM, Guest, archive  # noqa: E402

NEEDED = {
    "qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "modprobe": "kmod", "dpkg-deb": "dpkg",
    "apt-get": "apt", "cc": "gcc", "strip": "binutils", "v4l2-ctl": "v4l-utils", "tesseract": "tesseract-ocr",
}


@pytest.fixture(scope="session")
def files() -> Iterator[Path]:
    """What every guest has."""
    if platform.machine() != "x86_64":
        pytest.skip("the guest is an x86_64 machine, and the program is not for one")
    if missing := [package for command, package in NEEDED.items() if not shutil.which(command)]:
        pytest.skip(f"these packages are missing: {' '.join(missing)}")
    assert HILUM.is_file(), f"{HILUM} is missing: cargo build --release"
    folder = Path(tempfile.mkdtemp(prefix="hilum-panel-"))
    archive(folder / "files")
    yield folder / "files"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def opened(files) -> Iterator[Callable[..., Guest]]:
    """Starts a guest, which ends with the module."""
    started = []

    def start(devices: list[str], words: str) -> Guest:
        started.append(Guest(files.parent / str(len(list(files.parent.iterdir()))), files, devices, words))
        return started[-1]

    yield start
    for guest in started:
        guest.close()
