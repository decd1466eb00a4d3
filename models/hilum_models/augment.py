"""Random changes of training images that leave the class as it is, and MixUp/CutMix, which mix it.

Images are uint8 levels [h,w,3]; every function takes the generator it draws from.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

Rng = np.random.Generator
CT_LEVELS_PER_HU = 255.0 / 1400.0  # window -1000…400 HU onto 0…255


def ct(image: np.ndarray, rng: Rng) -> np.ndarray:
    """Mirror, slice order, small rotation, scale and shift in the plane, HU gain and offset, noise."""
    if rng.random() < 0.5:
        image = image[:, ::-1]
    if rng.random() < 0.5:
        image = image[:, :, ::-1]
    angle = np.deg2rad(rng.uniform(-15, 15))
    scale = np.exp(rng.normal(0, 0.06))
    shift = rng.normal(0, 2.0, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - turn @ (centre + shift)
    moved = np.stack(
        [ndimage.affine_transform(image[:, :, channel], turn, offset, output=np.float32, order=1, mode="nearest") for channel in range(3)], -1
    )
    gain, hu_offset, noise_hu = np.exp(rng.normal(0, 0.03)), rng.normal(0, 20), rng.uniform(0, 25)
    noise = rng.standard_normal(moved.shape, np.float32) * np.float32(noise_hu * CT_LEVELS_PER_HU)
    return _levels(moved * gain + hu_offset * CT_LEVELS_PER_HU + noise)


def he(tile: np.ndarray, rng: Rng, crop: int) -> np.ndarray:
    """A crop at the same scale, one of the eight orientations, stain strength, brightness, sometimes blur."""
    y, x = rng.integers(0, tile.shape[0] - crop + 1), rng.integers(0, tile.shape[1] - crop + 1)
    tile = np.rot90(tile[y : y + crop, x : x + crop], rng.integers(4))
    if rng.random() < 0.5:
        tile = tile[:, ::-1]
    # Optical density times a factor per channel is a power of the level; a gain is the lamp.
    levels = np.arange(256, dtype=np.float32) / 255
    strength = np.exp(rng.normal(0, 0.08) + rng.normal(0, 0.06, 3))
    gain, offset = np.exp(rng.normal(0, 0.04)), rng.normal(0, 3.0)
    tables = [_levels(255 * gain * levels**power + offset) for power in strength]
    tile = np.stack([table[tile[:, :, channel]] for channel, table in enumerate(tables)], -1)
    if rng.random() < 0.25:
        sigma = rng.uniform(0.3, 1.0)
        tile = ndimage.gaussian_filter(tile, (sigma, sigma, 0))
    return tile


def mix(images: np.ndarray, labels: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Leaves a batch alone, blends it (MixUp, Zhang 2018) or pastes rectangles (CutMix, Yun 2019), a third each.

    Images float32 [n,h,w,3]; labels [n,classes], each row a distribution before and after.
    """
    kind = rng.integers(3)
    if kind == 0 or len(images) < 2:
        return images, labels
    other = rng.permutation(len(images))
    if kind == 1:
        share = np.float32(rng.beta(0.3, 0.3))
        mixed = share * images + (1 - share) * images[other]
    else:
        height, width = images.shape[1:3]
        side = np.sqrt(1 - rng.beta(1.0, 1.0))
        y, x = rng.integers(height), rng.integers(width)
        top, bottom = (int(np.clip(y + sign * side * height / 2, 0, height)) for sign in (-1, 1))
        left, right = (int(np.clip(x + sign * side * width / 2, 0, width)) for sign in (-1, 1))
        mixed = images.copy()
        mixed[:, top:bottom, left:right] = images[other, top:bottom, left:right]
        share = np.float32(1 - (bottom - top) * (right - left) / (height * width))
    return mixed, share * labels + (1 - share) * labels[other]


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
