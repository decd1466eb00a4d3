"""An image that is being made: what it is made of, and where."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from boards import Board, Processor
from machine import run

REPO = Path(__file__).resolve().parents[1]
CROSS = REPO / "cross"
CACHE = REPO / ".cache" / "image"
MB = 1 << 20


@dataclass(frozen=True)
class Making:
    """What one image is made of. All of it lies in a folder that is gone afterwards."""

    name: str
    board: Board
    processor: Processor
    program: Path
    version: str
    # The time that files have.
    when: int
    keys: Path
    # Packed less, for tests.
    fast: bool
    scratch: Path
    # The networks that are in it.
    bundle: Path = REPO / "models" / "reference"
    # Where the files of the board's boot loader lie that are not Debian's.
    firmware: Path | None = None
    # Whether the data partition is to be encrypted when it is first started.
    luks: bool = False

    @property
    def root(self) -> Path:
        return self.scratch / "root"

    @property
    def environment(self) -> dict[str, str]:
        # mke2fs has a name of its own for the time.
        return {**os.environ, "SOURCE_DATE_EPOCH": str(self.when), "E2FSPROGS_FAKE_TIME": str(self.when), "LC_ALL": "C", "TZ": "UTC"}

    def run(self, *words: object, **how: object) -> str:
        return run(*words, env=self.environment, **how)

    def number(self, name: str) -> str:
        """A UUID that is always the same for the same thing."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"hilum:{self.name}:{self.processor.debian}:{name}"))


def say(what: str) -> None:
    print(f"image: {what}", file=sys.stderr, flush=True)
