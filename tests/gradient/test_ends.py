"""What a gradient graph's inputs and outputs are: feature maps, outputs, layouts, shapes, and the derivative at a kink."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from conftest import cotangent_of, in_onnx_runtime

import ops
from ops import Graph

SIDES = (1, 3, 13, 11)


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def stages(nhwc: bool = False, pooled: bool = True) -> Graph:
    """Three convolutions, of which the last one has the last maps, and what a classifier adds."""
    g = Graph(*((1, 13, 11, 3) if nhwc else SIDES))
    x = g.add("Transpose", g.x, perm=[0, 3, 1, 2]) if nhwc else g.x
    for out, channels, stride in ((4, 3, 1), (5, 4, 2), (6, 5, 1)):
        how = {"strides": [stride, stride], "pads": [1, 1, 1, 1]}
        x = g.add("Relu", g.add("Conv", x, g.weights(out, channels, 3, 3), g.weights(out), **how))
    if pooled:
        g.add("Gemm", g.add("Flatten", g.add("GlobalAveragePool", x)), g.weights(6, 5), g.weights(5))
    return g


def relus(g: Graph) -> list[str]:
    return [node.output[0] for node in g.nodes if node.op_type == "Relu"]


@pytest.fixture
def check(bundle_gradient, judge):
    """The gradient at the input and at these maps, whose values in the model are NCHW unless `last` says otherwise."""

    def run(model: onnx.ModelProto, features: list[str], *words: object, at=None, nhwc: bool = False, last: bool = False) -> None:
        x = image(*SIDES) if at is None else at
        cotangent = cotangent_of(ops.Network(model)(ops.channels_last(x) if nhwc else x).shape)
        wanted = ops.tape(model, x, cotangent, features, nhwc)
        if last:
            first = lambda maps: [one.transpose(0, 3, 1, 2) for one in maps]
            wanted = ops.Wanted(wanted.logits, wanted.grad_input, first(wanted.features), first(wanted.grad_features))
        judge(bundle_gradient(model, x, cotangent, *words), wanted)

    return run


# --- feature maps ---


def test_last_maps_by_themselves(check):
    g = stages()
    check(g.model(), relus(g)[-1:])


@pytest.mark.parametrize("index", [0, 1, 2])
def test_maps_by_name(check, index):
    g = stages()
    check(g.model(), [relus(g)[index]], "--features", relus(g)[index])


def test_maps_before_their_rectifier(check):
    g = stages()
    before = g.nodes[2].output[0]
    assert g.nodes[2].op_type == "Conv"
    check(g.model(), [before], "--features", before)


def test_two_maps(check):
    g = stages()
    names = [relus(g)[2], relus(g)[0]]
    check(g.model(), names, "--features", names[0], "--features", names[1])


def test_three_maps(check):
    g = stages()
    check(g.model(), relus(g), *[word for name in relus(g) for word in ("--features", name)])


def test_maps_that_several_nodes_read(check):
    """The derivative is that of all ways to the output."""
    g = stages(pooled=False)
    maps = relus(g)[-1]
    x = g.add("Add", g.add("Mul", maps, maps), g.add("Sigmoid", maps))
    g.add("Flatten", g.add("GlobalAveragePool", x))
    check(g.model(), [maps], "--features", maps)


def test_maps_that_are_an_output_too(check):
    g = stages()
    check(g.model(g.nodes[-1].output[0], relus(g)[-1]), relus(g)[-1:])


def test_pooled_maps_of_a_batch_are_none(check):
    """Two images of one pixel each are not maps."""
    g = Graph(2, 3, 13, 11)
    maps = g.add("Relu", g.add("Conv", g.x, g.weights(6, 3, 3, 3)))
    g.add("Gemm", g.add("Flatten", g.add("GlobalAveragePool", maps)), g.weights(6, 5))
    check(g.model(), [maps], at=image(2, 3, 13, 11))


def test_maps_of_one_channel(check):
    g = Graph(*SIDES)
    maps = g.add("Relu", g.add("Conv", g.x, g.weights(1, 3, 3, 3)))
    g.add("Flatten", g.add("GlobalAveragePool", maps))
    check(g.model(), [maps])


def test_maps_of_one_row(check):
    g = Graph(*SIDES)
    maps = g.add("Relu", g.add("Conv", g.x, g.weights(5, 3, 13, 3)))
    g.add("Flatten", g.add("GlobalAveragePool", maps))
    check(g.model(), [maps])


def test_the_image_itself_as_maps(check):
    g = stages()
    check(g.model(), [g.x], "--features", g.x)


def test_maps_of_a_model_that_reads_channels_last(check):
    g = stages(nhwc=True)
    check(g.model(), relus(g)[-1:], nhwc=True)


def test_maps_that_the_model_has_channels_last(check):
    """They come out channels first, as the image goes in."""
    g = Graph(1, 13, 11, 3)
    maps = g.x
    for out, channels in ((4, 3), (6, 4)):
        y = g.add("Conv", g.add("Transpose", maps, perm=[0, 3, 1, 2]), g.weights(out, channels, 3, 3))
        maps = g.add("Relu", g.add("Add", g.add("Transpose", y, perm=[0, 2, 3, 1]), g.weights(out)))
    g.add("ReduceMean", maps, axes=[1, 2], keepdims=0)
    check(g.model(), [maps], nhwc=True, last=True)


def test_an_output_called_features(check):
    """As the bundle's networks have it: the maps are an output in another order of axes, on no way to the first output."""
    g = stages(nhwc=True)
    maps, logits = relus(g)[1], g.nodes[-1].output[0]
    g.add("Transpose", maps, perm=[0, 2, 3, 1])
    g.nodes[-1].output[0] = "features"
    check(g.model(logits, "features"), [maps], nhwc=True)


# --- outputs, shapes, layouts ---


@pytest.mark.parametrize("index", [0, 1])
def test_output_by_name(bundle_gradient, judge, index):
    g = stages()
    outputs = [g.nodes[-1].output[0], g.add("Softmax", g.nodes[-1].output[0], axis=1)]
    x, cotangent = image(*SIDES), cotangent_of((1, 5))
    made = bundle_gradient(g.model(*outputs), x, cotangent, "--output", outputs[index])
    judge(made, ops.tape(g.model(outputs[index]), x, cotangent, relus(g)[-1:]))


def test_shape_that_the_file_leaves_open(check):
    g = stages()
    for value, side in zip(g.inputs[0].type.tensor_type.shape.dim, ("N", None, "H", "W")):
        if side:
            value.dim_param = side
    model = g.model(shape=("N", 5))
    check(model, relus(g)[-1:], "--input-shape", "1,3,13,11")
    check(model, relus(g)[-1:], "--input-shape", "2,3,8,9", at=image(2, 3, 8, 9))


def test_shape_that_the_file_says_itself(check):
    g = stages()
    check(g.model(), relus(g)[-1:], "--input-shape", "1,3,13,11")


@pytest.mark.parametrize("sides", [(1, 6, 4, 4), (1, 8, 1, 1), (1, 16, 3, 3), (1, 2, 5, 1), (2, 64, 7, 4)])
def test_small_maps_are_not_channels_last(check, sides):
    """The convolution that reads them says which axis the channels are."""
    g = Graph(*sides)
    g.add("Flatten", g.add("Relu", g.add("Conv", g.x, g.weights(5, sides[1], 1, 1))))
    check(g.model(), [], at=image(*sides))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_channels_last_of_any_number(check, channels):
    g = Graph(1, 13, 11, channels)
    g.add("Flatten", g.add("Conv", g.add("Transpose", g.x, perm=[0, 3, 1, 2]), g.weights(4, channels, 3, 3), strides=[2, 2]))
    check(g.model(), [], at=image(1, channels, 13, 11), nhwc=True)


RANKS = [("Conv", (3,)), ("Conv", (3, 3, 3)), ("MaxPool", (2,)), ("AveragePool", (2, 2, 2)), ("GlobalAveragePool", (1,))]


@pytest.mark.parametrize("op, kernel", RANKS)
def test_other_ranks(check, op, kernel):
    """Signals and volumes: an input that is no image keeps its name."""
    sides = (1, 3, *(9, 7, 5)[: len(kernel)])
    g = Graph(*sides)
    more = {"kernel_shape": kernel} if op in ("MaxPool", "AveragePool") else {}
    g.add(op, g.x, *([g.weights(4, 3, *kernel)] if op == "Conv" else []), **more)
    check(g.model(), [], at=image(*sides))


# --- kinks ---


@pytest.mark.parametrize("op, bounds", [("Relu", ()), ("Clip", (0, 6))])
def test_flat_at_its_limits(bundle_gradient, in_tract, tmp_path, op, bounds):
    """As tf.nn.relu and tf.nn.relu6: the derivative is 0 at the limits themselves."""
    g = Graph(1, 7)
    g.add(op, g.x, *map(np.float32, bounds))
    x = np.array([[-1, -0.0, 0, 3, 6, 7, 1e-30]], np.float32)
    wanted = [0, 0, 0, 1, 0, 0, 1] if bounds else [0, 0, 0, 1, 1, 1, 1]
    made = bundle_gradient(g.model(), x, np.ones((1, 7), np.float32))
    inputs = {made.input: x, "cotangent": made.cotangent}
    assert in_onnx_runtime(made.path, inputs)["grad_input"].ravel().tolist() == wanted
    assert in_tract(made.path, inputs, tmp_path / "tract")["grad_input"].ravel().tolist() == wanted


@pytest.mark.parametrize("op", ["Relu", "Clip", "HardSwish", "HardSigmoid", "MaxPool", "Sigmoid", "Softmax"])
def test_far_out_is_finite(bundle_gradient, in_tract, tmp_path, op):
    g = Graph(1, 2, 6, 6)
    bounds = (np.float32(0), np.float32(6)) if op == "Clip" else ()
    g.add(op, g.x, *bounds, **({"kernel_shape": [2, 2]} if op == "MaxPool" else {}))
    x = np.resize(np.array([-1e30, -100, 0, 100, 1e30], np.float32), (1, 2, 6, 6))
    shape = [side.dim_value for side in g.model().graph.output[0].type.tensor_type.shape.dim]
    made = bundle_gradient(g.model(), x, np.ones(shape, np.float32))
    inputs = {made.input: x, "cotangent": made.cotangent}
    for said in (in_onnx_runtime(made.path, inputs), in_tract(made.path, inputs, tmp_path / "tract")):
        assert np.isfinite(said["grad_input"]).all()
