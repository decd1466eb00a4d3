"""A prepared folder (`hilum.prepared/1`) of random images with a class signal, for tests: no cohort and no hilum program needed."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np

from hilum_models import CLASSES

CASE_COLUMNS = "case_id,patient_id,label,age,sex,smoking,specimen,site,split,ct_row,tile_first,tile_count,refusal".split(",")


def smooth(rng: np.random.Generator, size: int, grain: int) -> np.ndarray:
    """Blocky noise of the given grain, [size,size] in 0…1."""
    cells = rng.random((size // grain + 2, size // grain + 2))
    return np.kron(cells, np.ones((grain, grain)))[:size, :size]


def ct_image(rng: np.random.Generator, label: int, confusion: float) -> np.ndarray:
    """A bright disc whose radius and edge tell the class, in lung-dark noise."""
    seen = int(rng.integers(len(CLASSES))) if rng.random() < confusion else label
    yy, xx = np.mgrid[:128, :128] - 63.5
    radius = 8 + 9 * seen + rng.normal(0, 3)
    lobes = 1 + 0.25 * (seen % 2) * np.cos(6 * np.arctan2(yy, xx) + rng.uniform(0, 6))
    disc = 1 / (1 + np.exp((np.hypot(yy, xx) - radius * lobes) / 2))
    channels = [30 + 40 * smooth(rng, 128, 8) + 150 * disc + rng.normal(0, 8, (128, 128)) for _ in range(3)]
    return np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8)


def tile(rng: np.random.Generator, label: int, confusion: float) -> np.ndarray:
    """Purple grains on pink; the grain's size and density tell the class; a third of the tiles is plain stroma."""
    seen = int(rng.integers(len(CLASSES))) if rng.random() < confusion else label
    grains = smooth(rng, 224, 4 + 4 * seen) > (0.75 if rng.random() > 0.33 else 0.97)
    base = np.array([235, 190, 215]) + rng.normal(0, 6, 3)
    image = base + 25 * (smooth(rng, 224, 16)[..., None] - 0.5) - grains[..., None] * np.array([110, 120, 60])
    return np.clip(image + rng.normal(0, 4, (224, 224, 1)), 0, 255).astype(np.uint8)


def write(root: Path, patients: int = 20, tiles: int = 6, shards: int = 2, seed: int = 0, confusion: float = 0.1) -> Path:
    """One case a patient; the labels and splits go round so that each split has each class from 50 patients on."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    about = {
        "schema": "hilum.prepared/1", "source": "phantom", "classes": list(CLASSES), "shards": shards,
        "ct": {"size": 128, "spacing_mm": 0.75, "span_mm": 96.0, "window_hu": [-1000, 400], "slice_offsets_mm": [-3, 0, 3]},
        "he": {"tile_px": 224, "um_per_px": 0.5, "min_tissue_share": 0.05, "min_focus": 0.09, "stain": "vahadane"},
    }  # fmt: skip
    (root / "prepared.json").write_text(json.dumps(about))
    splits = ["train"] * 7 + ["val"] + ["test"] * 2
    for shard in range(shards):
        folder = root / f"shard-{shard + 1}-of-{shards}"
        folder.mkdir(exist_ok=True)
        rows, ct, he, places = [], [], [], []
        for number in range(shard, patients, shards):
            label, case_id = number % len(CLASSES), f"case-{number:04}"
            no_ct, no_he = number % 19 == 18, number % 17 == 16
            count = 0 if no_he else tiles
            rows.append(
                {
                    "case_id": case_id, "patient_id": f"p-{number:04}", "label": CLASSES[label],
                    "age": "" if number % 7 == 6 else f"{rng.normal(64, 9):.0f}", "sex": ("female", "male", "")[number % 3],
                    "smoking": ("never", "former", "current", "")[number % 4], "specimen": "biopsy", "site": "a",
                    "split": splits[(number // len(CLASSES)) % len(splits)],
                    "ct_row": "" if no_ct else len(ct), "tile_first": len(he) if count else "", "tile_count": count,
                    "refusal": "missing-slice" if no_ct else "blank" if no_he else "",
                }
            )  # fmt: skip
            if not no_ct:
                ct.append(ct_image(rng, label, confusion))
            for index in range(count):
                places.append([case_id, index // 16, 224 * (index % 4), 224 * (index // 4 % 4), 0.9])
                he.append(tile(rng, label, confusion))
        np.save(folder / "ct.npy", np.array(ct, np.uint8).reshape(-1, 128, 128, 3))
        np.save(folder / "he.npy", np.array(he, np.uint8).reshape(-1, 224, 224, 3))
        with open(folder / "cases.csv", "w", newline="") as file:
            table = csv.DictWriter(file, CASE_COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        with open(folder / "tiles.csv", "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([["case_id", "field", "x", "y", "tissue_share"], *places])
    return root


if __name__ == "__main__":
    write(Path(sys.argv[1]), *map(int, sys.argv[2:]))
