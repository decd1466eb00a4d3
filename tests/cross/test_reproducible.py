"""The same packages and program give the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from conftest import IMAGES, make


def digest(path: Path, length: int | None = None) -> str:
    with path.open("rb") as file:
        if length is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256(file.read(length)).hexdigest()


def signed(bundle: Path) -> int:
    """How many bytes of a bundle the signature is over: its length stands in the last eight, big-endian."""
    with bundle.open("rb") as file:
        file.seek(-8, 2)
        return bundle.stat().st_size - 8 - int.from_bytes(file.read(8), "big")


@IMAGES
def test_an_image_is_the_same_when_it_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = make("qemu-virt", tmp_path / "first", "--arch", "amd64")
    # Neither where it is made nor who makes it shows.
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("USER", "somebody")
    second = make("qemu-virt", tmp_path / "second", "--arch", "amd64")
    for ending in (".img", ".cdx.json"):
        one, other = (each.with_name(each.name + ending) for each in (first, second))
        assert digest(one) == digest(other), ending
    one, other = (each.with_name(each.name + ".raucb") for each in (first, second))
    assert signed(one) == signed(other)
    assert digest(one, signed(one)) == digest(other, signed(other))
    # The signature says when it was made: that is all that differs.
    assert digest(one) != digest(other)
