"""How often two live frames are rightly said to show the same place. Pairs of fields from real slides, photographed anew.

    cargo build --release -p hilum-imaging --examples
    .cache/peers-venv/bin/python tests/quality/shift.py
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import REPO, at_scale, slides

SURE = 0.6  # as in src/imaging/registration.rs


def main() -> None:
    study = Path(os.environ.get("HILUM_STUDY", REPO / "target/release/examples/study"))
    paths = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (pixels, um) in slides(REPO / ".cache/real").items():
            if name == "histo.jpg":
                continue  # smaller than a field
            for to_um in (0.5, 0.25):
                path = Path(folder) / f"{name}-{to_um}.png"
                Image.fromarray(at_scale(pixels, um, to_um)).save(path)
                if min(Image.open(path).size) >= 960:
                    paths.append(path)
        said = subprocess.run([study, "shift", *paths], check=True, capture_output=True, encoding="utf-8").stdout
    rows = [json.loads(line) for line in said.splitlines()]
    same = np.array([row["same"] for row in rows])
    shared = np.array([row["shared"] for row in rows])
    confidence = np.array([row["confidence"] for row in rows])
    tissue = np.array([min(row["tissue"]) for row in rows])
    error = np.array([np.hypot(row["dx"] - row["found"][0], row["dy"] - row["found"][1]) for row in rows])
    half = np.array([row["overlap"] > 0.5 for row in rows])
    seen = tissue > 0.05
    for low, high in ((0.2, 0.35), (0.35, 0.5), (0.5, 0.75), (0.75, 1.01)):
        pick = same & seen & (shared >= low) & (shared < high)
        right = error[pick] < 10
        near = error[pick][right]
        print(
            f"shared {low}-{high}: {pick.sum()} pairs, place found {right.mean():.3f}, sure {np.mean(confidence[pick] >= SURE):.3f},"
            f" error median {np.median(near):.2f} 95% {np.quantile(near, 0.95):.2f} px,"
            f" confidence 1% 5% 50% of those found {np.round(np.quantile(confidence[pick][right], [0.01, 0.05, 0.5]), 3)},"
            f" largest of those not {confidence[pick][~right].max(initial=0):.3f}"
        )
    apart = ~same & seen
    print(f"unrelated: {apart.sum()} pairs, confidence 50% 95% 99% max {np.round(np.quantile(confidence[apart], [0.5, 0.95, 0.99, 1]), 3)}, said to share half: {half[apart].sum()}")
    few = ~seen
    print(f"hardly any tissue in one: {few.sum()} pairs, unrelated said to share half: {half[few & ~same].sum()} of {(few & ~same).sum()}")
    clearly, clearly_not = seen & same & (shared > 0.55), seen & (shared < 0.45)
    print(f"share more than 0.55, said not to: {(~half[clearly]).sum()} of {clearly.sum()}; less than 0.45, said to: {half[clearly_not].sum()} of {clearly_not.sum()}")


if __name__ == "__main__":
    main()
