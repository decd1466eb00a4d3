"""Random graphs: the gradient against the tape and against finite differences, which know nothing of each other."""

from __future__ import annotations

import contextlib
import os
from collections import Counter

import grow
import numpy as np
import onnx
import pytest
import tensorflow as tf
from conftest import ONNX_RUNTIME, Allowed, cotangent_of, gap, in_onnx_runtime, steady

import ops

GRAPHS = int(os.environ.get("HILUM_RANDOM_GRAPHS", 60))
DIRECTIONS = 4
STEP = 1e-6
EXACT = 1e-7  # what is left of a finite difference in float64

directions: Counter[str] = Counter()
faults: Counter[str] = Counter()


@contextlib.contextmanager
def told(graph: grow.Grown):
    """A failure says which graph it was."""
    try:
        yield
    except AssertionError as error:
        error.add_note(str(graph))
        raise


def differences(model: onnx.ModelProto, graph: grow.Grown, image: np.ndarray, cotangent: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Directions, and by how much the output changes along them. One on whose way a kink lies says nothing and is left out."""
    network, dice, found = ops.Network(model), np.random.default_rng(graph.seed), []

    def at(x: np.ndarray) -> tuple[float, list[np.ndarray]]:
        values, operators = network.run(tf.constant(ops.channels_last(x) if graph.nhwc else x, tf.float64))
        return float(np.sum(np.asarray(values[network.output]) * cotangent)), operators.kinks

    for _ in range(DIRECTIONS):
        direction = dice.normal(size=image.shape)
        (above, sides_above), (below, sides_below) = (at(image.astype(np.float64) + sign * STEP * direction) for sign in (1, -1))
        if all(np.array_equal(one, other) for one, other in zip(sides_above, sides_below, strict=True)):
            found.append((direction, (above - below) / (2 * STEP)))
    directions.update(asked=DIRECTIONS, skipped=DIRECTIONS - len(found))
    return found


def check_differences(grad: np.ndarray, found: list[tuple[np.ndarray, float]], tolerance: float) -> None:
    for direction, slope in found:
        off = abs(float(np.sum(grad * direction)) - slope) / (np.linalg.norm(grad) * np.linalg.norm(direction))
        assert off < tolerance, f"{off:.1e} of the steepest slope off a finite difference"


@pytest.fixture
def as_written() -> bool:
    """The optimiser makes a wrong product of a transposition and a vector (MatMul(Transpose(x), v)), in the model itself, too."""
    return True


@pytest.fixture(scope="module")
def grown():
    """The graph of a seed, which two tests ask for."""
    known: dict[int, tuple[grow.Grown, onnx.ModelProto]] = {}

    def of(seed: int) -> tuple[grow.Grown, onnx.ModelProto]:
        if seed not in known:
            graph = grow.Grown(seed)
            with told(graph):
                known[seed] = graph, graph.model()
        return known[seed]

    return of


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_forward(seed, grown, tmp_path):
    graph, model = grown(seed)
    with told(graph):
        onnx.save(model, tmp_path / "model.onnx")
        fed = ops.channels_last(graph.image) if graph.nhwc else graph.image
        (said,) = in_onnx_runtime(tmp_path / "model.onnx", {graph.x: fed}, as_written=True).values()
        rounded = any(node.op_type == "QuantizeLinear" for node in graph.nodes)  # a level more or less goes on through what follows
        assert gap(said, ops.Network(model, quantised=True)(fed)) < (0.05 if rounded else 1e-5)


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_gradient(seed, grown, bundle_gradient, judge):
    graph, model = grown(seed)
    with told(graph):
        cotangent = cotangent_of(graph.side(graph.nodes[-1].output[0]), seed)
        made = steady(model, bundle_gradient(model, graph.image, cotangent), graph.images(), graph.nhwc)
        wanted = ops.tape(model, made.image, cotangent, nhwc=graph.nhwc)
        found = differences(model, graph, made.image, cotangent)
        check_differences(wanted.grad_input, found, EXACT)
        said = in_onnx_runtime(made.path, {made.input: made.image, "cotangent": made.cotangent}, as_written=True)
        check_differences(said["grad_input"], found, ONNX_RUNTIME)
        judge(made, wanted, Allowed(faults=faults))


def test_few_directions_were_left_out():
    print(f"{directions['skipped']} of {directions['asked']} directions were left out")
    assert directions["skipped"] * 10 <= directions["asked"]


def test_tract_runs_nearly_all():
    """It fails on some graphs of strange shapes, forward ones, too: that says nothing of their gradient."""
    print(f"{faults.total()} of {GRAPHS} graphs were too much for tract")
    assert faults.total() * 10 <= GRAPHS


def test_every_operator_is_grown(grown):
    """Else the dice leave a rule untested."""
    seen = Counter(node.op_type for seed in range(GRAPHS) for node in grown(seed)[0].nodes)
    known = {name for name in vars(ops.Operators) if name[0].isupper()} - {"Constant"}
    assert known <= set(seen), known - set(seen)
