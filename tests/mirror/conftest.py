"""A browser, and a panel for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "daemon")]

from chromium import Chromium  # noqa: E402
from panel import Panel  # noqa: E402


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    with Chromium() as chromium:
        yield chromium


@pytest.fixture
def panel() -> Iterator[Callable[..., Panel]]:
    """Makes the panel of a test."""
    made = []

    def make(size: tuple[int, int] = (800, 480), **how) -> Panel:
        picture = Image.radial_gradient("L").resize(size).convert("RGB")
        made.append(Panel(picture, **how))
        return made[-1]

    yield make
    for panel in made:
        panel.close()
