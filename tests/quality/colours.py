"""Is H&E ever called something else, and is something else called so? Are exchanged channels named? On real pictures.

    cargo build --release -p hilum-imaging --examples
    .cache/peers-venv/bin/python tests/quality/colours.py [FOLDER OF PHANTOM FIELDS]

Tiles of 224 and 512 pixels and whole pictures of the three slides at 0.25, 0.5 and 1 µm, those with a twentieth of tissue; photographs
whole and in tiles of half their height.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import REPO, at_scale, photos, seen, slides, tiles

VERDICTS = ["plausible", "too little", "not stained", "exchanged"]


def main(phantoms: list[Path]) -> int:
    cache = REPO / ".cache/real"
    groups: dict[str, list[np.ndarray]] = {}
    for name, (pixels, um) in slides(cache).items():
        scaled = [at_scale(pixels, um, to_um) for to_um in (0.25, 0.5, 1.0)]
        groups[name] = [part for whole in scaled for part in (whole, *tiles(whole, 224), *tiles(whole, 512))]
    groups["phantoms"] = [np.asarray(Image.open(path).convert("RGB")) for path in phantoms]
    for name, pixels in photos(cache).items():
        groups[name] = [pixels, *tiles(pixels, pixels.shape[0] // 2)]
    false = 0
    for name, pictures in groups.items():
        if not pictures:
            continue
        rows = [row for row in seen("colours", pictures) if row["tissue"] >= 0.05 and row["verdict"] != 1]
        count = [sum(row["verdict"] == index for row in rows) for index in range(4)]
        named = [sum(row["exchanged"] == index for row in rows) for index in range(4)]
        green = [row["green_least"] for row in rows]
        score = [row["dark_is_blue"] + 0.02 * row["fits_better_deg"] for row in rows if row["dark_is_blue"] < 2 and row["fits_better_deg"] < 90]
        print(
            f"{name}: {len(rows)} pictures; " + ", ".join(f"{many} {word}" for many, word in zip(count, VERDICTS) if many)
            + f"; green lowest {min(green):.2f} to {max(green):.2f}"
            + (f"; exchanged: {named[3] / len(rows):.3f} named, {named[2]} not stained; score least {min(score):.2f}" if score else "")
        )
        if name in slides(cache) or name == "phantoms":
            false += count[2] + count[3]
    print(f"{false} false alarms")
    return int(false > 0)


if __name__ == "__main__":
    sys.exit(main(sorted(Path(sys.argv[1]).glob("**/he/*.png")) if len(sys.argv) > 1 else []))
