"""The prepared folder (`hilum.prepared/1`), the only input of training; written by `hilum prepare`."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import CLASSES

SCHEMA = "hilum.prepared/1"
SPLITS = ("train", "val", "test")
SEX = {"female": 0.0, "male": 1.0}
SMOKING = {"never": 0.0, "former": 1.0, "current": 2.0}


class PreparedError(Exception):
    """The prepared folder is incomplete or contradicts itself."""


@dataclass(frozen=True)
class Case:
    case_id: str
    patient_id: str
    label: int  # index into CLASSES
    metadata: tuple[float, float, float]  # age in years, sex, smoking; NaN where missing
    split: str
    ct: int | None  # row of Prepared.ct, None when the CT was refused
    tiles: range  # rows of Prepared.he, empty when the H&E was refused


class Stack:
    """Arrays of several shards [n_i, ...] read as one [sum n_i, ...], from disk on demand."""

    def __init__(self, parts: list[np.ndarray]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, row: int) -> np.ndarray:
        if not 0 <= row < len(self):
            raise IndexError(row)
        part = int(np.searchsorted(self._ends, row, side="right"))
        return self._parts[part][row - (int(self._ends[part - 1]) if part else 0)]

    def take(self, rows) -> np.ndarray:
        return np.stack([self[int(row)] for row in rows])


@dataclass(frozen=True)
class Prepared:
    root: Path
    about: dict  # prepared.json as written
    cases: tuple[Case, ...]
    ct: Stack  # uint8 [n, size, size, 3]; channels are the axial slices at about["ct"]["slice_offsets_mm"]
    he: Stack  # uint8 [m, tile_px, tile_px, 3]; stain-normalised RGB
    sha256: str  # of prepared.json and every cases.csv, in shard order

    def split(self, name: str) -> list[Case]:
        return [case for case in self.cases if case.split == name]


def load(root: Path) -> Prepared:
    """Reads all shards, checks them against each other; images stay on disk."""
    about_bytes = _read(root / "prepared.json")
    about = json.loads(about_bytes)
    if about.get("schema") != SCHEMA:
        raise PreparedError(f"prepared.json has schema {about.get('schema')!r}, wanted {SCHEMA!r}")
    if tuple(about["classes"]) != CLASSES:
        raise PreparedError("prepared.json lists other classes, or in another order")
    digest = hashlib.sha256(about_bytes)
    count, cases, ct_parts, he_parts = int(about["shards"]), [], [], []
    for index in range(1, count + 1):
        shard = root / f"shard-{index}-of-{count}"
        if not shard.is_dir():
            raise PreparedError(f"{shard.name} is missing: run `hilum prepare … --shard {index}/{count}`")
        table = _read(shard / "cases.csv")
        digest.update(table)
        ct = _images(shard / "ct.npy", int(about["ct"]["size"]))
        he = _images(shard / "he.npy", int(about["he"]["tile_px"]))
        ct_first, he_first = sum(map(len, ct_parts)), sum(map(len, he_parts))
        for row in csv.DictReader(table.decode("utf-8").splitlines()):
            cases.append(_case(row, shard.name, ct_first, len(ct), he_first, len(he)))
        ct_parts.append(ct)
        he_parts.append(he)
    _check_patients(cases)
    return Prepared(root, about, tuple(cases), Stack(ct_parts), Stack(he_parts), digest.hexdigest())


def hold_back(prepared: Prepared, share: float, seed: int) -> Prepared:
    """The same cases, a share of the training split now in the split "fusion": they train no branch.

    The validation split alone is too small to learn how metadata change the branches' reliability.
    """
    train = sorted(prepared.split("train"), key=lambda case: case.case_id)
    patients = sorted({case.patient_id for case in train})
    rng = np.random.default_rng([seed, 11])
    chosen = {patients[index] for index in rng.permutation(len(patients))[: round(share * len(patients))]}
    cases = tuple(replace(case, split="fusion") if case.split == "train" and case.patient_id in chosen else case for case in prepared.cases)
    return replace(prepared, cases=cases)


def metadata_moments(cases: list[Case]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of age, sex and smoking over the known values, [3] each; 0 and 1 where nothing is known."""
    values = np.array([case.metadata for case in cases], np.float64)
    known = ~np.isnan(values)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, values, 0).sum(0) / count
    std = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(0) / count)
    return mean.astype(np.float32), np.where(std > 1e-6, std, 1.0).astype(np.float32)


def standardise(cases: list[Case], mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Metadata float32 [n,3]; a missing value becomes 0, the mean."""
    values = (np.array([case.metadata for case in cases], np.float32).reshape(-1, 3) - mean) / std
    return np.nan_to_num(values, nan=0.0).astype(np.float32)


def noisy_labels(cases: list[Case], share: float, seed: int) -> dict[str, int]:
    """Labels by case, a share of them replaced by another class: the annotation errors of a real training split."""
    rng = np.random.default_rng([seed, 7])
    labels = {}
    for case in sorted(cases, key=lambda case: case.case_id):
        wrong, step = rng.random() < share, int(rng.integers(1, len(CLASSES)))
        labels[case.case_id] = (case.label + step) % len(CLASSES) if wrong else case.label
    return labels


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PreparedError(f"cannot read {path.name} of the prepared folder") from error


def _images(path: Path, size: int) -> np.ndarray:
    try:
        images = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise PreparedError(f"cannot read {path.parent.name}/{path.name}") from error
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
        raise PreparedError(f"{path.parent.name}/{path.name} is {images.dtype} {images.shape}, wanted uint8 [n,{size},{size},3]")
    return images


def _case(row: dict[str, str], shard: str, ct_first: int, ct_rows: int, he_first: int, he_rows: int) -> Case:
    """One line of cases.csv; its row indexes are local to the shard."""
    where = f"{shard}/cases.csv, case {row['case_id']}"
    if row["label"] not in CLASSES:
        raise PreparedError(f"{where}: unknown class {row['label']!r}")
    if row["split"] not in SPLITS:
        raise PreparedError(f"{where}: unknown split {row['split']!r}")
    ct = int(row["ct_row"]) if row["ct_row"] else None
    count = int(row["tile_count"] or 0)
    first = int(row["tile_first"]) if count else 0
    if (ct is not None and not 0 <= ct < ct_rows) or first < 0 or first + count > he_rows:
        raise PreparedError(f"{where}: points past the end of its arrays")
    try:
        age = float(row["age"]) if row["age"] else float("nan")
        sex = SEX[row["sex"]] if row["sex"] else float("nan")
        smoking = SMOKING[row["smoking"]] if row["smoking"] else float("nan")
    except (KeyError, ValueError) as error:
        raise PreparedError(f"{where}: metadata is not of the documented values") from error
    return Case(
        case_id=row["case_id"],
        patient_id=row["patient_id"],
        label=CLASSES.index(row["label"]),
        metadata=(age, sex, smoking),
        split=row["split"],
        ct=None if ct is None else ct_first + ct,
        tiles=range(he_first + first, he_first + first + count),
    )


def _check_patients(cases: list[Case]) -> None:
    seen: dict[str, str] = {}
    for case in cases:
        if seen.setdefault(case.patient_id, case.split) != case.split:
            raise PreparedError(f"patient {case.patient_id} is in more than one split")
    for split in SPLITS:
        if not any(case.split == split and case.ct is not None for case in cases):
            raise PreparedError(f"no case of split {split} has a CT")
        if not any(case.split == split and case.tiles for case in cases):
            raise PreparedError(f"no case of split {split} has H&E tiles")
