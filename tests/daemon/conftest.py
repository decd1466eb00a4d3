"""An appliance in a folder of its own, and what can be given to it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "quality")]

from appliance import HILUM, Appliance, cohort, small  # noqa: E402

CLONE_NEWNS = 0x00020000


@pytest.fixture(scope="session", autouse=True)
def program() -> None:
    assert HILUM.is_file(), f"{HILUM} is missing: cargo build --release"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, since a socket's path has 107 bytes at most, and one that others may enter: what keeps them out is the appliance."""
    folder = Path(tempfile.mkdtemp(prefix="hilum-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def appliance(folder) -> Iterator[Callable[..., Appliance]]:
    """Makes the appliance of a test, which ends with the test."""
    made = []

    def make(site: str = "", **options) -> Appliance:
        made.append(Appliance(folder / f"box{len(made)}", site, **options))
        return made[-1]

    yield make
    for one in made:
        one.__exit__()


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory) -> list[dict]:
    """Two patients with CT and H&E."""
    return cohort(tmp_path_factory.mktemp("phantoms") / "cohort")


@pytest.fixture(scope="session")
def picture(phantoms, tmp_path_factory) -> Path:
    """A field that takes little time: 0.5 µm, which the file does not say."""
    path = tmp_path_factory.mktemp("picture") / "field.png"
    small(phantoms[0]["he"], path)
    return path


@pytest.fixture(scope="session")
def own_mounts() -> None:
    """From here on this process has a mount namespace of its own: what is mounted goes with it."""
    if os.geteuid() != 0:
        pytest.skip("to mount a disk needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        pytest.skip(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    private = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True)
    if private.returncode != 0:
        # The root of a chroot is no mount point.
        pytest.skip(f"no mounts of our own: {private.stderr.strip()}")


@pytest.fixture
def mounted(own_mounts) -> Iterator[Callable[..., Path]]:
    """Mounts something at a folder until the test ends."""
    folders = []

    def mount(folder: Path, *words: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", *words, str(folder)], check=True)
        folders.append(folder)
        return folder

    yield mount
    for folder in reversed(folders):
        subprocess.run(["umount", "-l", str(folder)], check=False)
