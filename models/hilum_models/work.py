"""The work folder: files replaced whole, and a clock that survives a kill."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np


def write_bytes(path: Path, data: bytes) -> None:
    """Replaces the file whole: after a kill or power cut it is the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_arrays(path: Path, arrays: dict[str, np.ndarray], note: dict) -> None:
    """An .npz with a JSON note, replaced whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        np.savez(file, note=np.frombuffer(json.dumps(note).encode(), np.uint8), **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def read_arrays(path: Path, fingerprint: str) -> tuple[dict[str, np.ndarray], dict] | None:
    """What `write_arrays` left, or None where nothing usable lies or it was made under other settings."""
    if not path.exists():
        return None
    with np.load(path) as archive:
        arrays = dict(archive)
    note = json.loads(arrays.pop("note").tobytes())
    return (arrays, note) if note.get("fingerprint") == fingerprint else None


class Clock:
    """Wall clock of all runs in this work folder together. `save` at every point that a resume starts from."""

    def __init__(self, path: Path, budget_s: float, fingerprint: str) -> None:
        self._path, self.budget_s, self._fingerprint = path, budget_s, fingerprint
        self._before_s, self._start = 0.0, time.monotonic()
        self._marks: dict[str, float] = {}
        if path.exists():
            note = json.loads(path.read_text())
            if note["fingerprint"] == fingerprint:
                self._before_s, self._marks = float(note["used_s"]), note["marks"]

    @property
    def used_s(self) -> float:
        return self._before_s + time.monotonic() - self._start

    def mark(self, name: str) -> float:
        """The moment at which this was first reached, in this run or one before it."""
        if name not in self._marks:
            self._marks[name] = self.used_s
            self.save()
        return self._marks[name]

    def save(self) -> None:
        note = {"fingerprint": self._fingerprint, "used_s": round(self.used_s, 1), "marks": self._marks}
        write_bytes(self._path, json.dumps(note).encode())
