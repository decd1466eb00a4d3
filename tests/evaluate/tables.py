"""Tables of predictions, drawn from seeds, and what the reference libraries need of them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CLASSES = ("adenocarcinoma", "squamous_cell_carcinoma", "large_cell_carcinoma", "small_cell_carcinoma", "normal")
REFUSED = 5


@dataclass
class Table:
    """Labels and predictions are positions of classes; a refused case is predicted to be 5 and has NaN."""

    path: Path
    labels: np.ndarray
    probabilities: np.ndarray
    patients: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        return ~np.isnan(self.probabilities[:, 0])

    @property
    def predicted(self) -> np.ndarray:
        filled = np.where(self.covered[:, None], self.probabilities, -1.0)
        return np.where(self.covered, np.argmax(filled, axis=1), REFUSED)


def drawn(path: Path, cases: int, seed: int, *, model: int = 0, skill: float = 1.2, steps: int = 0, refused: float = 0.0,
          per_patient: int = 1, absent: int | None = None) -> Table:
    """Tables of one seed have the same cases; of another `model`, other probabilities. `steps` makes ties."""
    truth, says = np.random.default_rng(seed), np.random.default_rng([seed, model])
    labels = truth.choice([one for one in range(5) if one != absent], cases)
    patients = np.arange(cases) // per_patient
    metadata = {
        "age": np.round(truth.normal(65, 10, cases).clip(20, 99), 1),
        "sex": truth.choice(["female", "male", ""], cases),
        "smoking": truth.choice(["never", "former", "current"], cases),
        "specimen": truth.choice(["biopsy", "resection"], cases),
    }
    logits = says.normal(size=(cases, 5))
    logits[np.arange(cases), labels] += skill
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    if steps:
        p = np.floor(p * steps) / steps
        p[:, 4] += 1 - p.sum(axis=1)
    p[says.random(cases) < refused] = np.nan
    return write(path, labels, p, patients, metadata)


def write(path: Path, labels: np.ndarray, p: np.ndarray, patients: np.ndarray | None = None, metadata: dict | None = None) -> Table:
    patients = np.arange(len(labels)) if patients is None else patients
    metadata = metadata or {}
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["case_id", "patient_id", "label", *(f"p_{name}" for name in CLASSES), *metadata, "refusal"])
        for at, (label, row) in enumerate(zip(labels, p, strict=True)):
            values = ["" if np.isnan(value) else repr(float(value)) for value in row]
            known = [column[at] for column in metadata.values()]
            rows.writerow([f"C{at}", f"P{patients[at]}", CLASSES[label], *values, *known, "he-focus" if np.isnan(row[0]) else ""])
    return Table(path, np.asarray(labels), np.asarray(p, dtype=float), np.asarray(patients))
