"""How often clean H&E is suspected of pen, folds and bubbles, and how often these are found where they are planted.

    cargo build --release -p hilum-imaging --examples
    .cache/peers-venv/bin/python tests/quality/artefacts.py [FOLDER OF PHANTOM FIELDS]

Fields of 960 x 540 pixels of the real slides at 0.25, 0.5 and 1 µm. Ink is a layer that absorbs by Beer and Lambert; a fold is twice the
density; a bubble has a rim of 6 pixels that lets hardly any light through, and clears what is inside.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import REPO, at_scale, seen, slides

INKS = {"black pen": (2.2, 2.2, 2.1), "blue pen": (1.8, 1.0, 0.3), "green pen": (1.7, 0.4, 1.1)}
LEAST = 0.01  # as in src/imaging/gate.rs


def layered(pixels: np.ndarray, mask: np.ndarray, density) -> np.ndarray:
    return np.where(mask[..., None], pixels * np.exp(-np.asarray(density)), pixels).astype(np.uint8)


def plants(pixels: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    height, width = pixels.shape[:2]
    y, x = np.indices((height, width))
    angle, (cx, cy) = random.uniform(0, np.pi), random.uniform(0.35, 0.65, 2) * (width, height)
    across = np.abs((x - cx) * np.sin(angle) - (y - cy) * np.cos(angle))
    stroke = across < min(height, width) * random.uniform(0.06, 0.12)
    made = {name: layered(pixels, stroke, ink) for name, ink in INKS.items()}
    density = -np.log((pixels + 1.0) / 245)
    band = across < random.uniform(20, 32)
    made["fold"] = np.where(band[..., None], 245 * np.exp(-2.2 * np.maximum(density, 0.02)), pixels).clip(0, 255).astype(np.uint8)
    radius = np.hypot(x - cx, y - cy)
    size = random.uniform(70, 140)
    cleared = np.where((radius < size)[..., None], np.asarray([242, 241, 243]), pixels)
    made["bubble"] = layered(cleared, np.abs(radius - size) < 6, (1.9, 1.9, 1.9))
    return made


def fields(pixels: np.ndarray) -> list[np.ndarray]:
    height, width = min(540, pixels.shape[0]), min(960, pixels.shape[1])
    rows, columns = pixels.shape[0] // height, pixels.shape[1] // width
    return [pixels[height * r : height * (r + 1), width * c : width * (c + 1)] for r in range(rows) for c in range(columns)]


def main(phantoms: list[Path]) -> None:
    random = np.random.default_rng(3)
    groups = {}
    for name, (pixels, um) in slides(REPO / ".cache/real").items():
        for to_um in (0.25, 0.5, 1.0):
            groups[f"{name} at {to_um} µm"] = fields(at_scale(pixels, um, to_um))
    groups["phantoms"] = [np.asarray(Image.open(path).convert("RGB")) for path in phantoms]
    for name, pictures in groups.items():
        clean = [(row, pixels) for row, pixels in zip(seen("artefacts", pictures), pictures) if row["tissue"] >= 0.3]
        if not clean:
            continue
        alarms = {kind: sum(row[kind] >= LEAST for row, _ in clean) for kind in ("pen", "fold", "bubble")}
        found: dict[str, list[bool]] = {}
        planted = [plants(pixels, random) for _, pixels in clean]
        for kind in planted[0]:
            sign = kind.split()[-1]
            found[kind] = [row[sign] >= LEAST for row in seen("artefacts", [one[kind] for one in planted])]
        rates = ", ".join(f"{kind} {np.mean(hits):.2f}" for kind, hits in found.items())
        print(f"{name}: {len(clean)} fields; false alarms {alarms}; found: {rates}")


if __name__ == "__main__":
    main(sorted(Path(sys.argv[1]).glob("**/he/*.png")) if len(sys.argv) > 1 else [])
