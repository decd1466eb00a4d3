"""The bundle folder (`hilum.bundle/1`): deterministic TOML, and the sha256 of every file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

from . import work

SCHEMA = "hilum.bundle/1"
BYTES_MOST = 30_000_000
NOT_HASHED = {"manifest.toml", "manifest.sig"}


class Inline(dict):
    """A table that is written on one line."""


def file_hashes(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    names = {path: path.relative_to(root).as_posix() for path in files}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for path, name in names.items() if name not in NOT_HASHED}


def write_manifest(root: Path, manifest: dict) -> None:
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    if size > BYTES_MOST:
        raise ValueError(f"the bundle is {size} bytes, at most {BYTES_MOST} are allowed")
    text = to_toml(manifest | {"files": file_hashes(root)})
    tomllib.loads(text)
    work.write_bytes(root / "manifest.toml", text.encode())


def to_toml(table: dict) -> str:
    """Keys keep their order, so the same bundle gives the same bytes."""
    return "\n".join(_table_lines(table, ())) + "\n"


def _table_lines(table: dict, path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in table.items() if not _is_table(value)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    if path and lines:
        lines = ["", f"[{'.'.join(map(_key, path))}]", *lines]
    for key, value in table.items():
        if _is_table(value):
            lines += _table_lines(value, (*path, key))
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and not isinstance(value, Inline)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        if text in ("inf", "nan", "-inf"):
            raise ValueError(f"{text} has no place in a manifest")
        return text if any(mark in text for mark in ".e") else f"{text}.0"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Inline):
        return f"{{ {', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())} }}"
    raise TypeError(f"no TOML for {type(value).__name__}")
