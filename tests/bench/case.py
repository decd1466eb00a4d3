#!/usr/bin/env python3
"""A whole case as a researcher writes it in Python, on the CPU: a peer of `hilum bench --against`.

    models/python tests/bench/case.py CASE [--from files|fields] [--stain tile|slide] [--batch N] [--threads N] [--outputs FILE.npz]

CASE is a folder of `hilum phantom`; what is known of the patient is read from the cohort.csv beside it, once. A run does what
`hilum analyze --explain none` does before it writes anything down, `--from fields` only the H&E branch, from decoded fields in memory
to the slide's logits. Each run also says on standard error how long its stages took, in ms, under the names that `hilum bench` has
for them. How it was made as fast as it is, and what was tried: README.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
AS_IT_COMES = "--as-it-comes" in sys.argv  # asked before TensorFlow is there
# TensorFlow leaves oneDNN off on processors without VNNI, where it is twice as fast all the same.
if not AS_IT_COMES:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# The algebra here is small: two threads of tiles are faster than one of tiles and two of BLAS.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import pydicom  # noqa: E402
import tensorflow as tf  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from scipy import ndimage  # noqa: E402
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2  # noqa: E402
from torchstain.numpy.normalizers.macenko import NumpyMacenkoNormalizer  # noqa: E402

import protocol  # noqa: E402
from hilum_models import CLASSES, fusion, lite0, mil  # noqa: E402

AIR_HU = -1024.0
CELL, TISSUE_DENSITY, I0 = 16, 0.12, 240.0
TILE_TISSUE = 0.25
DARK_LEVEL, COLOUR_LEVELS, COLOUR_SHARE, BLANK_SHARE = 40.0, 12, 0.002, 0.01
DENSITY = -np.log((np.arange(256) + 1) / I0).astype(np.float32)
SEX = {"female": 0.0, "male": 1.0}
SMOKING = {"never": 0.0, "former": 1.0, "current": 2.0}


# --- networks ---


def constants(path: Path) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """A model's nodes, and its constants as real numbers, by the name under which nodes read them."""
    graph = onnx.load(path).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            value, scale, zero = (values[name].astype(np.float32) for name in node.input)
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
            if scale.ndim:
                scale, zero = (part.reshape([-1 if at == axis else 1 for at in range(value.ndim)]) for part in (scale, zero))
            values[node.output[0]] = (value - zero) * scale
    return list(graph.node), values


def network(path: Path, size: int, final_stride: int, output: str, batch: int | None):
    """The bundle's network in float32: uint8 levels [n,size,size,3] -> `output`.

    Weights do not matter for speed; the bundle's own let a test hold the whole case against the program.
    """
    model = lite0.build(size, len(CLASSES), final_stride=final_stride)
    nodes, values = constants(path)
    convolutions = [layer for layer in model.layers if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))]
    normalisations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    made = [node for node in nodes if node.op_type == "Conv"]
    for convolution, normalisation, node in zip(convolutions, normalisations, made, strict=True):
        kernel, bias = (values[name] for name in node.input[1:])
        depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
        convolution.set_weights([kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))])
        # The file has normalisations folded in: this one adds the bias and changes nothing else.
        one = np.ones_like(bias)
        normalisation.set_weights([one * np.sqrt(1 + normalisation.epsilon), bias, 0 * one, one])
    for node in nodes:
        if node.op_type == "Gemm":
            weight, bias = (values[name] for name in node.input[1:])
            turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            model.get_layer("logits").set_weights([weight.T if turned else weight, bias])
    cut = keras.Model(model.input, model.get_layer(output).output)

    @tf.function(input_signature=[tf.TensorSpec([batch, size, size, 3], tf.uint8)])
    def run(levels: tf.Tensor) -> tf.Tensor:
        return cut((tf.cast(levels, tf.float32) - lite0.ZERO_LEVEL) / lite0.LEVELS_PER_UNIT, training=False)

    return (lambda levels: [run(tf.constant(levels))]) if AS_IT_COMES else frozen(run)


def frozen(function):
    """A tf.function with its variables as constants, which lets the graph's optimiser fold the normalisations in."""
    made = convert_variables_to_constants_v2(function.get_concrete_function())
    return lambda *inputs: made(*map(tf.constant, inputs))


def attention(path: Path):
    """Gated attention over embeddings [1,N,C] -> logits [1,5]."""
    weights = {name: tf.constant(value) for name, value in constants(path)[1].items() if name.endswith(("_weight", "_bias"))}

    @tf.function(input_signature=[tf.TensorSpec([1, None, weights["V_weight"].shape[1]], tf.float32)])
    def run(bags: tf.Tensor) -> tf.Tensor:
        return mil.forward(weights, bags, tf.ones(tf.shape(bags)[:2]))[0]

    return run


# --- CT ---


@dataclass
class Series:
    """An axial series as it was stored, [slice, row, column], towards the head; what makes HU and millimetres of it."""

    stored: np.ndarray
    rescale: list[tuple[float, float]]
    origin_lps_mm: np.ndarray
    steps_lps_mm: np.ndarray  # columns: along slices, rows, columns


def pixels(slice_: pydicom.Dataset) -> np.ndarray:
    """Stored values. `pixel_array` gives the same and takes longer; here it is for what is compressed."""
    if slice_.file_meta.TransferSyntaxUID.is_compressed or slice_.BitsAllocated != 16:
        return slice_.pixel_array
    return np.frombuffer(slice_.PixelData, "<i2" if slice_.PixelRepresentation else "<u2").reshape(slice_.Rows, slice_.Columns)


def read_ct(folder: Path, pool: ThreadPoolExecutor) -> Series:
    slices = list(pool.map(pydicom.dcmread, sorted(folder.iterdir())))
    along_row, along_column = np.reshape(slices[0].ImageOrientationPatient, (2, 3)).astype(float)
    normal = np.cross(along_row, along_column)
    slices.sort(key=lambda one: float(np.dot(np.asarray(one.ImagePositionPatient, float), normal)))
    places = np.array([one.ImagePositionPatient for one in slices], float)
    gaps = np.diff(places @ normal)
    uids = {one.SeriesInstanceUID for one in slices}
    if len(uids) != 1 or len(slices) < 3 or np.ptp(gaps) > 0.02 * gaps.mean():
        raise SystemExit("case: the CT is not one evenly spaced series")
    between_rows, between_columns = map(float, slices[0].PixelSpacing)
    step = (places[-1] - places[0]) / (len(slices) - 1)
    return Series(
        np.stack([pixels(one) for one in slices]),
        [(float(one.RescaleSlope), float(one.RescaleIntercept)) for one in slices],
        places[0],
        np.stack([step, along_column * between_rows, along_row * between_columns], axis=1),
    )


def lesion_patch(series: Series, lesion_lps_mm: np.ndarray, size: int, spacing_mm: float, offsets_mm: list[float]) -> np.ndarray:
    """HU [row, column, plane] around the lesion, linear between voxels, air outside the scan.

    Only the slices that the planes lie between become HU, and only the patch is sampled.
    """
    planes_mm = np.diff(offsets_mm)
    if np.ptp(planes_mm) > 1e-9:
        raise SystemExit("case: the planes of the patch are not evenly spaced")
    first_mm = lesion_lps_mm + np.array([-(size - 1) / 2 * spacing_mm, -(size - 1) / 2 * spacing_mm, offsets_mm[0]])
    # Patch axes plane, row, column are the patient's z, y, x.
    axes_mm = np.array([[0, 0, spacing_mm], [0, spacing_mm, 0], [planes_mm[0], 0, 0]])
    to_index = np.linalg.inv(series.steps_lps_mm)
    matrix, start = to_index @ axes_mm, to_index @ (first_mm - series.origin_lps_mm)
    shape = np.array([len(offsets_mm), size, size])
    corners = start + (np.array(list(np.ndindex(2, 2, 2))) * (shape - 1)) @ matrix.T
    last = np.array(series.stored.shape) - 1
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, last)
    high = np.clip(np.ceil(corners.max(0)).astype(int), 0, last)
    part = series.stored[tuple(slice(a, b + 1) for a, b in zip(low, high))].astype(np.float32)
    for plane, (slope, intercept) in zip(part, series.rescale[low[0] : high[0] + 1]):
        plane *= slope
        plane += intercept
    hu = ndimage.affine_transform(part, matrix, start - low, tuple(shape), order=1, mode="nearest")
    if (corners < -0.5).any() or (corners > last + 0.5).any():
        at = start[:, None] + matrix @ np.indices(shape).reshape(3, -1)
        hu[((at < -0.5) | (at > last[:, None] + 0.5)).any(0).reshape(shape)] = AIR_HU
    return hu.transpose(1, 2, 0)


def window(hu: np.ndarray, low_hu: float, high_hu: float) -> np.ndarray:
    """Grey levels, as the networks were trained on them."""
    return (np.clip((hu - low_hu) / (high_hu - low_hu), 0, 1) * 255 + 0.5).astype(np.uint8)


# --- H&E ---


@dataclass
class Tissue:
    """Which cells of 16 pixels are tissue."""

    cells: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray) -> Tissue:
        height, width, _ = image.shape
        density = DENSITY[image].reshape(height, 3 * width)
        sums = np.add.reduceat(np.add.reduceat(density, range(0, 3 * width, 3 * CELL), axis=1), range(0, height, CELL), axis=0)
        rows, columns = (np.minimum(CELL, length - np.arange(0, length, CELL)) for length in (height, width))
        return cls(sums >= TISSUE_DENSITY * 3 * rows[:, None] * columns)

    def within(self, x: int, y: int, edge: int) -> float:
        """The share of tissue among the cells whose middle lies in the square."""
        first = lambda start: -(-max(start - CELL // 2, 0) // CELL)
        part = self.cells[first(y) : first(y + edge), first(x) : first(x + edge)]
        return float(part.mean()) if part.size else 0.0

    def pixels(self, height: int, width: int) -> np.ndarray:
        return self.cells.repeat(CELL, axis=0).repeat(CELL, axis=1)[:height, :width]


def focus(image: np.ndarray, tissue: Tissue) -> float:
    """Brenner's quotient on tissue: differences two pixels apart over those of eight pixels, after a 3×3 binomial filter."""
    green = image[..., 1].astype(np.float32)
    rows = green[:, :-2] + 2 * green[:, 1:-1] + green[:, 2:]
    smooth = rows[:-2] + 2 * rows[1:-1] + rows[2:]
    height, width = (length - 8 for length in smooth.shape)
    mask, here = tissue.pixels(height, width), smooth[:height, :width]

    def energy(apart: int) -> float:
        differences = [(there[:height, :width] - here) * mask for there in (smooth[:, apart:], smooth[apart:])]
        return sum(float(np.vdot(one, one)) for one in differences)

    coarse = energy(8)
    return energy(2) / coarse if coarse else 0.0


@tf.function(reduce_retracing=True)
def resized(image: tf.Tensor, size: list[int]) -> tf.Tensor:
    """With a filter that widens when it shrinks, as the program's does."""
    return tf.cast(tf.round(tf.image.resize(image, size, antialias=True)), tf.uint8)


@dataclass
class Judged:
    """A field at the network's scale, and whether it can be read."""

    image: np.ndarray
    tissue: Tissue
    usable: bool


def judge(image: np.ndarray, scale: float, tile_px: int, min_tissue_share: float, min_focus: float) -> Judged:
    """Brings a field to the network's scale, `scale` pixels for one, and applies the gate."""
    if abs(scale - 1) > 0.01:
        image = resized(image, [round(length * scale) for length in image.shape[:2]]).numpy()
    tissue = Tissue.of(image)
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    share = float(tissue.cells.mean())
    usable = (
        image.mean() >= DARK_LEVEL
        and share >= max(BLANK_SHARE, min_tissue_share)
        and np.count_nonzero(spread > COLOUR_LEVELS) >= COLOUR_SHARE * spread.size
        and min(image.shape[:2]) >= tile_px
        and focus(image, tissue) >= min_focus
    )
    return Judged(image, tissue, usable)


def corners(tissue: Tissue, height: int, width: int, edge: int, least_share: float) -> list[tuple[int, int]]:
    """x, y of the tiles with tissue: a centred grid; those with a quarter of it or, where there are none, with the least share."""
    grid = [(x, y) for y in range(height % edge // 2, height - edge + 1, edge) for x in range(width % edge // 2, width - edge + 1, edge)]
    shares = [tissue.within(x, y, edge) for x, y in grid]
    for least in (TILE_TISSUE, least_share):
        if found := [corner for corner, share in zip(grid, shares) if share >= least]:
            return found
    return []


def read_fields(folder: Path, pool: ThreadPoolExecutor) -> tuple[list[np.ndarray], float]:
    """Decoded fields and their µm per pixel."""

    decode = lambda path: tf.io.decode_png(tf.io.read_file(str(path)), channels=3).numpy()
    um_per_px = float(json.loads((folder / "fields.json").read_text(encoding="utf-8"))["um_per_px"])
    return list(pool.map(decode, sorted(folder.glob("*.png")))), um_per_px


# --- the case ---


@dataclass
class Result:
    """What a run computed."""

    patch: np.ndarray | None = None  # levels, as the CT network read them
    tiles: np.ndarray | None = None  # levels, as the H&E network read them
    places: list[tuple[int, int, int]] = field(default_factory=list)  # field, x, y of each tile, at the network's scale
    ct_logits: np.ndarray | None = None
    he_logits: np.ndarray | None = None
    weights: np.ndarray | None = None
    probabilities: np.ndarray | None = None


class Stopwatch:
    """How long the stages of a run took; those between the ones that are told are nobody's."""

    def __init__(self) -> None:
        self._marks = [("", time.perf_counter())]

    def done(self, stage: str) -> None:
        self._marks.append((stage, time.perf_counter()))

    def ms(self) -> dict[str, float]:
        return {stage: round(1000 * (end - start), 3) for (_, start), (stage, end) in pairwise(self._marks)}


class Case:
    """The networks, loaded, and the case on disk."""

    def __init__(self, folder: Path, bundle: Path, options: argparse.Namespace) -> None:
        self._manifest = tomllib.loads((bundle / "manifest.toml").read_text(encoding="utf-8"))
        ct, he = self._manifest["ct"], self._manifest["he"]
        self._folder, self._stain, self._batch = folder, options.stain, options.batch
        self._pool = ThreadPoolExecutor(options.threads)
        self._lesion = np.array(json.loads((folder / "lesion.json").read_text(encoding="utf-8"))["center_lps_mm"])
        self._person = self._standardised(folder)
        self._fields = None if options.start == "files" else read_fields(folder / "he", self._pool)
        self._ct = network(bundle / "ct.onnx", ct["size"], 16, "logits", 1)
        self._he = network(bundle / "he.onnx", he["tile_px"], 32, "embedding", None)
        self._mil = attention(bundle / "mil.onnx")
        self._encoder = {name: value for name, value in constants(bundle / "metadata.onnx")[1].items() if name.startswith("dense")}
        self._normaliser = NumpyMacenkoNormalizer()
        self.result = Result()

    def _standardised(self, folder: Path) -> np.ndarray:
        with (folder.parent / "cohort.csv").open(newline="", encoding="utf-8") as table:
            row = next(row for row in csv.DictReader(table) if row["case_id"] == folder.name)
        known = float(row["age"]), SEX[row["sex"]], SMOKING[row["smoking"]]
        about = self._manifest["metadata"]
        return ((np.array(known) - about["mean"]) / about["std"])[None].astype(np.float32)

    def run(self) -> dict[str, float]:
        """Assesses the case; how long its stages took, in ms."""
        watch, self.result = Stopwatch(), Result()
        if self._fields is None:
            self._read_ct(watch)
            fields, um_per_px = read_fields(self._folder / "he", self._pool)
            watch.done("read_he")
        else:
            fields, um_per_px = self._fields
        self._read_slide(fields, um_per_px, watch)
        if self._fields is None:
            weights = fusion.evaluate(self._encoder, self._person)
            logits = fusion.fuse(weights, self.result.ct_logits, self.result.he_logits)[0] / self._manifest["fusion"]["temperature"]
            powers = np.exp(logits - logits.max())
            self.result.weights, self.result.probabilities = weights[0], powers / powers.sum()
            watch.done("fusion")
        return watch.ms()

    def _read_ct(self, watch: Stopwatch) -> None:
        ct = self._manifest["ct"]
        series = read_ct(self._folder / "ct", self._pool)
        watch.done("read_ct")
        hu = lesion_patch(series, self._lesion, ct["size"], ct["spacing_mm"], ct["slice_offsets_mm"])
        watch.done("resample")
        self.result.patch = window(hu, *ct["window_hu"])
        watch.done("patch")
        self.result.ct_logits = self._ct(self.result.patch[None])[0].numpy()
        watch.done("ct_cnn")

    def _read_slide(self, fields: list[np.ndarray], um_per_px: float, watch: Stopwatch) -> None:
        he, gate = self._manifest["he"], self._manifest["refusal"]
        edge = he["tile_px"]
        least = gate["min_tissue_share"], gate["min_focus"]
        judged = list(self._pool.map(lambda image: judge(image, um_per_px / he["um_per_px"], edge, *least), fields))
        watch.done("quality")
        cut = []
        for index, one in enumerate(judged):
            for x, y in corners(one.tissue, *one.image.shape[:2], edge, least[0]) if one.usable else []:
                self.result.places.append((index, x, y))
                cut.append(one.image[y : y + edge, x : x + edge])
        if not cut:
            raise SystemExit("case: no tile shows enough tissue")
        if self._stain == "slide":
            whole, _, _ = self._normaliser.normalize(np.concatenate(cut), stains=False)
            tiles = whole.reshape(-1, edge, edge, 3)
        else:
            tiles = np.stack(list(self._pool.map(lambda tile: self._normaliser.normalize(tile, stains=False)[0], cut)))
        watch.done("stain")
        batches = [tiles[start : start + self._batch] for start in range(0, len(tiles), self._batch)]
        embeddings = np.concatenate([self._he(batch)[0].numpy() for batch in batches])
        watch.done("he_cnn")
        self.result.tiles, self.result.he_logits = tiles, self._mil(embeddings[None]).numpy()
        watch.done("mil")

    def save(self, path: Path) -> None:
        np.savez(path, **{name: value for name, value in vars(self.result).items() if value is not None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=Path)
    parser.add_argument("--from", dest="start", choices=("files", "fields"), default="files")
    parser.add_argument("--stain", choices=("tile", "slide"), default="tile")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "reference")
    parser.add_argument("--as-it-comes", action="store_true", help="TensorFlow's own defaults: oneDNN where it likes, variables as they are")
    parser.add_argument("--outputs", type=Path)
    options = parser.parse_args()
    answers = protocol.claim_stdout()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    case = Case(options.case.resolve(), options.bundle, options)
    for _ in range(2):  # the first compiles, the second finds everything where it will be
        case.run()
    protocol.serve(answers, "tensorflow", tf.__version__, lambda: print("stages", json.dumps(case.run()), file=sys.stderr, flush=True))
    if options.outputs:
        case.save(options.outputs)


if __name__ == "__main__":
    main()
