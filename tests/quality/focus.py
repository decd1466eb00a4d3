"""Which measure of sharpness tells blurred from sharp H&E best? ROC curves on real tiles that were blurred.

    cargo build --release -p hilum-imaging --examples
    .cache/peers-venv/bin/python tests/quality/focus.py docs/focus.svg

Tiles of 224 pixels at 0.5 µm with a fifth of tissue. Each is blurred by a Gaussian or by the disc of a defocused lens of the
same standard deviation, stained more weakly or strongly (density × 0.6 to 1.3), given a camera's noise (1 to 3 levels) and
stored as JPEG (quality 80 to 95). Sharp: a standard deviation up to 1 pixel; blurred: 2 pixels and more. What lies between
is in neither group: chromatin is grains of about 1 µm, which 2 pixels (1 µm) take away and 1 pixel leaves.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import REPO, at_scale, slides, tiles

EDGE = 224
SIGMAS = [0, 0.5, 1, 2, 2.5, 3, 4, 6]
SHARP, BLURRED = 1.0, 2.0
MARGIN = 16  # the blur at a tile's rim comes from the picture around it
NAMES = {
    "ratio": "Brenner ratio 2:8 (in use)",
    "brenner": "Brenner",
    "tenengrad": "Tenengrad",
    "laplace": "variance of Laplacian",
    "brenner-by-contrast": "Brenner / variance",
    "tenengrad-by-contrast": "Tenengrad / variance",
    "laplace-by-contrast": "Laplacian / variance",
    "laplace-by-tenengrad": "Laplacian / Tenengrad",
}
# Okabe and Ito's colours, and dashes for the measures that depend on contrast.
LOOK = dict(zip(NAMES, ["#000000", "#E69F00", "#56B4E9", "#009E73", "#E69F00", "#56B4E9", "#009E73", "#CC79A7"]))
RAW = {"brenner", "tenengrad", "laplace"}


def kernel(sigma: float, disc: bool) -> np.ndarray:
    """A Gaussian, or a disc with the same standard deviation along each axis (its radius is twice that)."""
    reach = int(np.ceil(3 * sigma)) + 1
    fine = (np.arange(-reach * 5 - 2, reach * 5 + 3)) / 5
    radius = np.hypot(fine[:, None], fine[None, :])
    shape = (radius <= 2 * sigma).astype(float) if disc else np.exp(-0.5 * (radius / sigma) ** 2)
    size = 2 * reach + 1
    return (whole := shape.reshape(size, 5, size, 5).sum((1, 3))) / whole.sum()


def blurred(pixels: np.ndarray, sigma: float, disc: bool) -> np.ndarray:
    if sigma == 0:
        return pixels.astype(float)
    taps = kernel(sigma, disc)
    shape = pixels.shape[:2]
    padded = np.zeros(shape)
    padded[: taps.shape[0], : taps.shape[1]] = taps
    padded = np.roll(padded, (-(taps.shape[0] // 2), -(taps.shape[1] // 2)), (0, 1))
    return np.fft.irfft2(np.fft.rfft2(pixels.astype(float), axes=(0, 1)) * np.fft.rfft2(padded)[..., None], shape, axes=(0, 1))


def photographed(light: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Another stain strength, a camera's noise, JPEG."""
    density = -np.log(np.clip(light, 1, 255) / 245) * random.uniform(0.6, 1.3)
    noisy = 245 * np.exp(-density) + random.normal(0, random.uniform(1, 3), light.shape)
    stored = io.BytesIO()
    Image.fromarray(np.clip(np.round(noisy), 0, 255).astype(np.uint8)).save(stored, "JPEG", quality=int(random.integers(80, 96)))
    return np.asarray(Image.open(stored))


def series(folder: Path, cache: Path) -> dict[str, tuple[str, float]]:
    """Writes the blurred tiles; what each came from and how far it is blurred."""
    random = np.random.default_rng(1)
    made = {}
    for name, (pixels, um) in slides(cache).items():
        pixels = at_scale(pixels, um, 0.5)
        rows, columns = pixels.shape[0] // EDGE, pixels.shape[1] // EDGE
        for sigma in SIGMAS:
            for disc in (False, True):
                picture = blurred(pixels, sigma, disc and sigma > 0)
                for row in range(rows):
                    for column in range(columns):
                        path = folder / f"{len(made)}.png"
                        tile = picture[row * EDGE : (row + 1) * EDGE, column * EDGE : (column + 1) * EDGE]
                        Image.fromarray(photographed(tile, random)).save(path, compress_level=1)
                        made[str(path)] = (name, sigma)
    return made


def roc(score: np.ndarray, sharp: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """False and true positive rates of "blurred" and the area under them."""
    order = np.argsort(score)
    blurred_found = np.concatenate([[0], np.cumsum(~sharp[order])]) / (~sharp).sum()
    sharp_lost = np.concatenate([[0], np.cumsum(sharp[order])]) / sharp.sum()
    return sharp_lost, blurred_found, float(np.trapezoid(blurred_found, sharp_lost))


def main(out: Path) -> None:
    study = Path(os.environ.get("HILUM_STUDY", REPO / "target/release/examples/study"))
    with tempfile.TemporaryDirectory() as folder:
        made = series(Path(folder), REPO / ".cache/real")
        said = subprocess.run([study, "focus", *made], check=True, capture_output=True, encoding="utf-8").stdout
    rows = [json.loads(line) for line in said.splitlines()]
    rows = [row for row in rows if row["tissue"] >= 0.2]
    sigma = np.array([made[row["path"]][1] for row in rows])
    source = np.array([made[row["path"]][0] for row in rows])
    used = (sigma <= SHARP) | (sigma >= BLURRED)
    sharp = sigma <= SHARP
    random = np.random.default_rng(2)
    curves = {}
    print(f"{len(rows)} tiles, {int((sharp & used).sum())} sharp, {int((~sharp & used).sum())} blurred")
    print("| measure | AUC | 95% interval | sharp lost where 95% of the blurred are found |")
    print("|---|---|---|---|")
    for key, name in NAMES.items():
        score = np.array([row[key] for row in rows])
        lost, found, area = roc(score[used], sharp[used])
        index = np.flatnonzero(used)
        areas = [roc(score[pick], sharp[pick])[2] for pick in (random.choice(index, len(index)) for _ in range(500))]
        curves[key] = (lost, found)
        low, high = np.quantile(areas, [0.025, 0.975])
        print(f"| {name} | {area:.4f} | {low:.4f}–{high:.4f} | {lost[np.searchsorted(found, 0.95)]:.3f} |")
    ratio = np.array([row["ratio"] for row in rows])
    for value in SIGMAS:
        at = ratio[sigma == value]
        low, middle, high = np.quantile(at, [0.05, 0.5, 0.95])
        print(f"sigma {value}: ratio {low:.3f} {middle:.3f} {high:.3f}; below 0.09: {np.mean(at < 0.09):.3f}", end="; ")
        print({str(name): round(float(np.mean(at[source[sigma == value] == name] < 0.09)), 3) for name in np.unique(source)})
    if str(out) != "-":
        out.write_text(svg(curves), encoding="utf-8")


def svg(curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    left, top, size = 70, 20, 440

    wide = 0.3  # the corner in which the curves differ

    def point(lost: float, found: float) -> str:
        return f"{left + size * min(lost / wide, 1):.1f},{top + size * min((1 - found) / wide, 1):.1f}"

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 530" font-family="sans-serif" font-size="15">',
        "<title>ROC curves of eight measures of sharpness, the upper left corner</title>",
        '<rect width="780" height="530" fill="#fff"/>',
    ]
    for tick in range(7):
        at = size * tick / 6
        parts.append(f'<path d="M{left + at:.0f} {top}V{top + size}M{left} {top + at:.0f}H{left + size}" stroke="#ddd"/>')
        parts.append(f'<text x="{left + at:.0f}" y="{top + size + 20}" text-anchor="middle">{wide * tick / 6:.2f}</text>')
        parts.append(f'<text x="{left - 8}" y="{top + at + 5:.0f}" text-anchor="end">{1 - wide * tick / 6:.2f}</text>')
    parts.append(f'<text x="{left + size / 2}" y="{top + size + 46}" text-anchor="middle">share of sharp tiles called blurred</text>')
    middle = top + size / 2
    parts.append(f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">share of blurred tiles found</text>')
    for row, (key, (lost, found)) in enumerate(curves.items()):
        inside = [(a, b) for a, b in zip(lost, found) if b >= 1 - wide and a <= wide]
        points = " ".join(point(a, b) for a, b in [(inside[0][0], 1 - wide), *inside, (wide, max(b for _, b in inside))])
        dash = ' stroke-dasharray="7 5"' if key in RAW else ""
        width = 3 if key == "ratio" else 2
        parts.append(f'<polyline points="{points}" fill="none" stroke="{LOOK[key]}" stroke-width="{width}"{dash}/>')
        y = top + 24 + 28 * row
        parts.append(f'<path d="M{left + size + 20} {y}h36" stroke="{LOOK[key]}" stroke-width="{width}"{dash}/>')
        parts.append(f'<text x="{left + size + 64}" y="{y + 5}">{NAMES[key]}</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
