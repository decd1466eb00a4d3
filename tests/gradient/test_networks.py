"""Whole networks: their gradient graphs against TensorFlow in float64, against finite differences, and the project's own networks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from conftest import ONNX_RUNTIME, ROOT, Allowed, cotangent_of, gap, in_onnx_runtime, steady
from hilum_models import exact

import ops

REFERENCE = ROOT / "models" / "reference"
GOLDEN = REFERENCE / "golden"
# A network's own rounding in float32: its gradient graph repeats it, and the reference in float64 has none.
ROUNDED = 1e-4
STEPS = 1e-8, 3e-9, 1e-9, 3e-10, 1e-10  # of the largest value of a picture
EXACT = 1e-6  # what is left of a finite difference in float64


def differences(told: Callable[[np.ndarray], float], image: np.ndarray, grad: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """What the value does along the gradient itself, along noise, and along noise of a few pixels.

    The step is so short that of a million rectifiers hardly one turns on its way, and float64 still has eight digits of the change.
    Where one does, the slopes ahead and behind are not the same, and the step is made shorter.
    """
    dice, image = np.random.default_rng(3), image.astype(np.float64)
    noise, here = dice.normal(size=image.shape), told(image)

    def slope(direction: np.ndarray) -> float:
        for step in np.abs(image).max() * np.array(STEPS):
            ahead, behind = (told(image + step * direction) - here) / step, (here - told(image - step * direction)) / step
            if abs(ahead - behind) < EXACT * np.linalg.norm(grad) * np.linalg.norm(direction):
                break
        return (ahead + behind) / 2

    directions = grad / np.abs(grad).max(), noise, noise * (dice.random(image.shape) < 0.02)
    return [(direction, slope(direction)) for direction in directions]


def check_differences(grad: np.ndarray, slopes: list[tuple[np.ndarray, float]], tolerance: float) -> None:
    for direction, slope in slopes:
        off = abs(slope - np.sum(grad.astype(np.float64) * direction)) / (np.linalg.norm(grad) * np.linalg.norm(direction))
        assert off < tolerance, f"{off:.1e} of the steepest slope off a finite difference"


def source_output(model: onnx.ModelProto, fed: np.ndarray, tmp_path: Path) -> np.ndarray:
    onnx.save(model, tmp_path / "source.onnx")
    return in_onnx_runtime(tmp_path / "source.onnx", {model.graph.input[0].name: fed})[model.graph.output[0].name]


@pytest.mark.parametrize("name", networks.KINDS)
def test_forward(name, tmp_path):
    whole = networks.whole(name)
    image = next(whole.images())
    assert gap(source_output(whole.model, whole.fed(image), tmp_path), whole.at(image)) < ROUNDED


@pytest.mark.parametrize("name", networks.KINDS)
def test_gradient(name, bundle_gradient, judge, tmp_path):
    whole, cotangent = networks.whole(name), cotangent_of((1, networks.CLASSES))
    told = lambda image: float(np.sum(whole.at(image) * cotangent))
    made = bundle_gradient(whole.model, next(whole.images()), cotangent)
    made = steady(whole.model, made, whole.images(), not whole.kind.nchw)
    wanted = whole.wanted(made.image, cotangent)
    slopes = differences(told, made.image, wanted.grad_input)
    check_differences(wanted.grad_input, slopes, EXACT)
    said = in_onnx_runtime(made.path, {"image": made.image, "cotangent": made.cotangent})
    check_differences(said["grad_input"], slopes, ONNX_RUNTIME)
    own_logits = source_output(whole.model, whole.fed(made.image), tmp_path)
    assert gap(said["logits"], own_logits) < ONNX_RUNTIME, "the network's own rounding and no more"
    judge(made, wanted, Allowed(forward=ROUNDED))


# --- the bundle's own ---


def own(name: str) -> tuple[onnx.ModelProto, np.ndarray, np.ndarray]:
    """A quantised network, the golden images as it takes them, int8 NHWC, and in real units, NCHW."""
    levels = np.load(GOLDEN / f"{name}_image.npy")
    assert levels.dtype == np.int8 and len(levels) >= 8
    return onnx.load(REFERENCE / f"{name}.onnx"), levels, ((levels.astype(np.float32) + 1) / 128).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("name", ["ct", "he"])
def test_float_twin_says_what_the_quantised_network_says(name, bundle_gradient):
    model, fed, images = own(name)
    width = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    made = bundle_gradient(REFERENCE / f"{name}.onnx", images[:1], cotangent_of((1, width)))
    exactly, quantised, twin = exact.session(REFERENCE / f"{name}.onnx"), [], []
    for levels, image in zip(fed, images, strict=True):
        (said,) = exactly.run([model.graph.output[0].name], {"image": levels[None]})
        quantised.append(said.astype(np.float64).ravel())  # a scale and a zero point do not change a correlation
        twin.append(in_onnx_runtime(made.path, {"image": image[None], "cotangent": made.cotangent})["logits"].ravel())
    assert np.corrcoef(np.ravel(quantised), np.ravel(twin))[0, 1] > 0.95


@pytest.mark.parametrize("name", ["ct", "he"])
def test_gradient_of_the_quantised_network(name, bundle_gradient, judge):
    """Against the tape through the dequantised weights, activations as they come.

    A golden image itself is no place for that: its levels and the weights' are integers, so that dozens of sums of the first
    layer are exactly zero, on the kink, and float32 may put them on either side. Noise of less than a level takes them off.
    """
    model, _, images = own(name)
    cotangent = cotangent_of((1, model.graph.output[0].type.tensor_type.shape.dim[1].dim_value))
    dice = np.random.default_rng(5)
    near = (images[:1] + dice.uniform(-0.5, 0.5, images[:1].shape) / 128 for _ in itertools.count())
    made = steady(model, bundle_gradient(REFERENCE / f"{name}.onnx", images[:1], cotangent), near, nhwc=True)
    (maps,) = (node.input[0] for node in model.graph.node if node.op_type == "GlobalAveragePool")
    wanted, network = ops.tape(model, made.image, cotangent, [maps], nhwc=True), ops.Network(model)
    told = lambda image: float(np.sum(network(ops.channels_last(image)) * cotangent))
    check_differences(wanted.grad_input, differences(told, made.image, wanted.grad_input), EXACT)
    judge(made, wanted)


@pytest.mark.parametrize("name", ["ct", "he"])
def test_gradient_on_the_kinks(name, bundle_gradient, judge):
    """At the golden image: what the two sides of a few sums make of it is still small."""
    model, _, images = own(name)
    cotangent = cotangent_of((1, model.graph.output[0].type.tensor_type.shape.dim[1].dim_value))
    wanted = ops.tape(model, images[:1], cotangent, nhwc=True)
    judge(bundle_gradient(REFERENCE / f"{name}.onnx", images[:1], cotangent), wanted, Allowed(all=1e-2))


@pytest.mark.parametrize("tiles", [1, 7, 32])
def test_gradient_of_the_attention(tiles, bundle_gradient, judge):
    model, cotangent = onnx.load(REFERENCE / "mil.onnx"), cotangent_of((1, 5))
    golden = np.load(GOLDEN / "mil_32_embeddings.npy")[:tiles]
    wanted, network = ops.tape(model, golden, cotangent), ops.Network(model)
    slopes = differences(lambda x: float(np.sum(network(x) * cotangent)), golden, wanted.grad_input)
    check_differences(wanted.grad_input, slopes, EXACT)
    judge(bundle_gradient(model, golden, cotangent, "--input-shape", f"{tiles},1280"), wanted)


def test_the_attention_itself(bundle_gradient, judge):
    """Another output than the first one."""
    model = onnx.load(REFERENCE / "mil.onnx")
    golden, cotangent = np.load(GOLDEN / "mil_5_embeddings.npy"), cotangent_of((5,))
    model.graph.output.reverse()
    wanted = ops.tape(model, golden, cotangent)
    model.graph.output.reverse()
    judge(bundle_gradient(model, golden, cotangent, "--input-shape", "5,1280", "--output", "attention"), wanted)
