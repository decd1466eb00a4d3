"""Every operator alone: what it computes against ONNX Runtime, its gradient against TensorFlow's tape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from conftest import Allowed, cotangent_of, gap, in_onnx_runtime
from onnx import TensorProto, helper, numpy_helper

import ops
from ops import Graph

Shape = tuple[int, ...]
At = Callable[[np.ndarray], np.ndarray]  # noise to an image

MAPS = (1, 4, 9, 7)  # odd sides, of which stride 2 and 3 leave some rows over


@dataclass(frozen=True)
class Case:
    """A model and a place to differentiate it at."""

    model: onnx.ModelProto
    image: np.ndarray  # NCHW, in real units
    nhwc: bool = False  # how the model itself reads it
    levels: tuple[float, int] | None = None  # scale and zero point of an int8 input

    @property
    def fed(self) -> np.ndarray:
        """The image as the model itself takes it."""
        image = ops.channels_last(self.image) if self.nhwc else self.image
        if self.levels:
            scale, zero = self.levels
            return np.clip(np.rint(image / scale) + zero, -128, 127).astype(np.int8)
        return image


CASES: dict[str, Case] = {}


def case(name: str, build: Callable[[Graph], str], shape: Shape = MAPS, opset: int = 15, at: At | None = None, **more) -> None:
    """Adds a model to the table. `at` makes the image from normal noise."""
    assert name not in CASES, name
    sides = (shape[0], *shape[2:], shape[1]) if more.get("nhwc") else shape
    graph = Graph(*sides, opset=opset, kind=TensorProto.INT8 if more.get("levels") else TensorProto.FLOAT)
    graph.x = graph.inputs[0].name = "picture"
    end = build(graph)
    image = np.random.default_rng(7).normal(size=shape)
    CASES[name] = Case(graph.model(end), (at(image) if at else image).astype(np.float32), **more)


def one(name: str, op: str, *constants, shape: Shape = MAPS, opset: int = 15, at: At | None = None, **attributes) -> None:
    """A model that is one node, whose first input is the image."""
    case(name, lambda g: g.add(op, g.x, *constants, **attributes), shape, opset, at)


def weights(*shape: int, scale: float = 1.0) -> np.ndarray:
    return Graph(1, seed=sum(shape)).weights(*shape, scale=scale)


# --- convolutions ---


def conv(name: str, op: str = "Conv", out: int = 6, kernel: Shape = (3, 3), bias: bool = True, shape: Shape = MAPS, **attributes) -> None:
    group = attributes.get("group", 1)
    sides = (out, shape[1] // group) if op == "Conv" else (shape[1], out // group)
    one(name, op, weights(*sides, *kernel), *([weights(out)] if bias else []), shape=shape, **attributes)


conv("conv")
conv("conv without bias", bias=False)
conv("conv 1x1", kernel=(1, 1))
conv("conv 1x1 with padding", kernel=(1, 1), pads=[1, 2, 0, 1])
conv("conv 1x1 with stride", kernel=(1, 1), strides=[2, 2])
conv("conv as large as the image", kernel=(9, 7))
conv("conv of uneven kernel", kernel=(3, 2), pads=[1, 1, 1, 0])
conv("conv padded", pads=[1, 1, 1, 1], kernel_shape=[3, 3])
conv("conv padded unevenly", pads=[0, 2, 1, 3])
conv("conv padded more than its kernel", pads=[3, 4, 3, 5])
conv("conv stride 2", strides=[2, 2], pads=[1, 1, 1, 1])
conv("conv stride 2, rows not reached", strides=[2, 2], shape=(1, 4, 10, 8))
conv("conv stride 3", strides=[3, 3])
conv("conv stride 3, rows not reached", strides=[3, 3], kernel=(2, 2), shape=(1, 4, 10, 9))
conv("conv stride above kernel", strides=[3, 2], kernel=(1, 1), shape=(1, 4, 9, 7), pads=[0, 1, 2, 0])
conv("conv of two strides", strides=[1, 2], pads=[1, 0, 0, 2])
conv("conv dilated", dilations=[2, 2], pads=[2, 2, 2, 2])
conv("conv dilated unevenly", dilations=[2, 1], pads=[1, 0, 2, 1])
conv("conv dilated with stride", dilations=[2, 2], strides=[2, 2], pads=[1, 2, 3, 0])
conv("conv dilated with stride 3, rows not reached", dilations=[2, 2], strides=[3, 3], shape=(1, 4, 13, 12))
conv("conv groups 2", group=2)
conv("conv groups 2 with stride", group=2, strides=[2, 2], pads=[1, 0, 0, 1])
conv("conv depthwise", out=4, group=4, pads=[1, 1, 1, 1])
conv("conv depthwise stride 2", out=4, group=4, kernel=(5, 5), strides=[2, 2], pads=[1, 1, 2, 2])
conv("conv depthwise with multiplier", out=8, group=4, pads=[1, 1, 1, 1])
conv("conv depthwise dilated", out=4, group=4, dilations=[2, 2], strides=[2, 1], pads=[2, 2, 2, 2])
for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    conv(f"conv {auto}", auto_pad=auto)
    conv(f"conv {auto} stride 2", auto_pad=auto, strides=[2, 2], shape=(1, 4, 10, 7))
    conv(f"conv {auto} uneven kernel", auto_pad=auto, kernel=(2, 4), strides=[1, 3])
    conv(f"conv {auto} depthwise", auto_pad=auto, out=4, group=4, kernel=(5, 5), strides=[2, 2], shape=(1, 4, 8, 11))
conv("conv of one channel", out=1, shape=(1, 1, 5, 5))
conv("conv of one row", kernel=(1, 3), shape=(1, 4, 1, 9), pads=[0, 1, 0, 1])
conv("conv of batch 3", shape=(3, 4, 9, 7), strides=[2, 2], pads=[1, 1, 1, 1])

conv("conv transpose", "ConvTranspose")
conv("conv transpose without bias", "ConvTranspose", bias=False)
conv("conv transpose stride 2", "ConvTranspose", strides=[2, 2])
conv("conv transpose stride 2, output padding", "ConvTranspose", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
conv("conv transpose stride 3, output padding", "ConvTranspose", strides=[3, 2], pads=[0, 1, 2, 0], output_padding=[2, 0])
conv("conv transpose 2x2 stride 2", "ConvTranspose", kernel=(2, 2), strides=[2, 2])
conv("conv transpose stride above kernel", "ConvTranspose", kernel=(2, 2), strides=[3, 3])
conv("conv transpose groups 2", "ConvTranspose", group=2, strides=[2, 2])
conv("conv transpose depthwise", "ConvTranspose", out=4, group=4, strides=[2, 2], pads=[1, 1, 1, 1])
conv("conv transpose dilated", "ConvTranspose", dilations=[2, 2], pads=[1, 2, 0, 3])
conv("conv transpose dilated with stride and groups", "ConvTranspose", dilations=[2, 1], strides=[2, 3], group=2, output_padding=[1, 0])


# --- products ---


def gemm(name: str, c: np.ndarray | None = None, left: np.ndarray | None = None, rows: int = 5, opset: int = 15, **attributes) -> None:
    """Image times a constant, or a constant times the image."""
    side = (7, rows) if attributes.get("transA") and left is None else (rows, 7)
    if left is None:
        right = weights(4, 7) if attributes.get("transB") else weights(7, 4)
        one(name, "Gemm", right, *([c] if c is not None else []), shape=side, opset=opset, **attributes)
    else:
        case(name, lambda g: g.add("Gemm", left, g.x, *([c] if c is not None else []), **attributes), side, opset)


gemm("gemm", weights(4))
gemm("gemm without C", alpha=0.7)
gemm("gemm transB", weights(1, 4), transB=1)
gemm("gemm transA", weights(5, 1), transA=1)
gemm("gemm transA transB", weights(5, 4), transA=1, transB=1, alpha=-1.5, beta=0.25)
gemm("gemm scalar C", np.float32(0.4), alpha=2.0, beta=3.0)
gemm("gemm constant on the left", weights(7), left=weights(3, 5), alpha=0.5)
gemm("gemm constant on the left, transA", weights(3, 1), left=weights(5, 3), transA=1)
gemm("gemm constant on the left, transB", weights(5), left=weights(3, 7), transB=1)
gemm("gemm constant on the left, both", left=weights(7, 3), transA=1, transB=1)
gemm("gemm beta 0", weights(4), beta=0.0)
case("gemm of the image with itself", lambda g: g.add("Gemm", g.x, g.x, transB=1, alpha=0.3), (5, 7))
case("gemm C is the image", lambda g: g.add("Gemm", weights(5, 3), weights(3, 7), g.x, beta=1.7), (5, 7))
case("gemm C is the image, broadcast", lambda g: g.add("Gemm", weights(5, 3), weights(3, 7), g.x, beta=1.7), (1, 7))
case("gemm C is a row, broadcast", lambda g: g.add("Gemm", weights(5, 3), weights(3, 7), g.x, beta=-0.7), (7,))

one("matmul", "MatMul", weights(7, 3), shape=(5, 7))
one("matmul batched by a matrix", "MatMul", weights(7, 3), shape=(2, 3, 5, 7))
one("matmul batched by a batch", "MatMul", weights(2, 3, 7, 4), shape=(2, 3, 5, 7))
one("matmul constant's batch is broadcast", "MatMul", weights(3, 7, 4), shape=(2, 3, 5, 7))
one("matmul image's batch is broadcast", "MatMul", weights(2, 3, 7, 4), shape=(3, 5, 7))
one("matmul both batches are broadcast", "MatMul", weights(1, 3, 7, 4), shape=(2, 1, 5, 7))
one("matmul by a vector", "MatMul", weights(7), shape=(2, 5, 7))
one("matmul of a vector", "MatMul", weights(7, 3), shape=(7,))
one("matmul of a vector by a batch", "MatMul", weights(2, 7, 3), shape=(7,))
one("matmul of two vectors", "MatMul", weights(7), shape=(7,))
case("matmul constant on the left", lambda g: g.add("MatMul", weights(3, 5), g.x), (5, 7))
case("matmul constant on the left of a batch", lambda g: g.add("MatMul", weights(3, 5), g.x), (2, 5, 7))
case("matmul constant batch on the left", lambda g: g.add("MatMul", weights(2, 3, 5), g.x), (5, 7))
case("matmul vector on the left", lambda g: g.add("MatMul", weights(5), g.x), (2, 5, 7))
case("matmul vector on the left of a vector", lambda g: g.add("MatMul", weights(5), g.x), (5,))
case("matmul matrix on the left of a vector", lambda g: g.add("MatMul", weights(3, 5), g.x), (5,))


def turned(g: Graph) -> str:
    return g.add("Transpose", g.x, perm=[0, 2, 1])


case("matmul of the image with itself", lambda g: g.add("MatMul", g.x, turned(g)), (2, 5, 7))
case("matmul of both, one broadcast", lambda g: g.add("MatMul", g.x, g.add("ReduceMean", turned(g), axes=[0])), (3, 4, 6))
case("matmul of two moving vectors", lambda g: g.add("MatMul", g.x, g.add("Tanh", g.x)), (6,))
case("matmul of a moving matrix and vector", lambda g: g.add("MatMul", g.x, g.add("ReduceMean", g.x, axes=[0], keepdims=0)), (4, 6))
case("matmul of a moving vector and matrix", lambda g: g.add("MatMul", g.add("ReduceMean", g.x, axes=[1], keepdims=0), g.x), (4, 6))
case("attention", lambda g: g.add("MatMul", g.add("Softmax", g.add("MatMul", g.x, turned(g)), axis=-1), g.x), (2, 5, 4))


# --- arithmetic and what is broadcast in it ---

def off_zero(noise: np.ndarray) -> np.ndarray:
    return np.where(noise < 0, noise - 0.5, noise + 0.5).astype(np.float32)


def positive(noise: np.ndarray) -> np.ndarray:
    return np.abs(noise) + 0.5


def two_means(g: Graph) -> tuple[str, str]:
    return g.add("ReduceMean", g.x, axes=[1]), g.add("ReduceSum", g.x, np.array([2]))


FACTORS = {
    "scalar": np.float32(1.3),
    "of one": weights(1) + 2,
    "row": weights(7),
    "channels": weights(1, 4, 1, 1),
    "channels of rank 3": weights(4, 1, 1),
    "plane": weights(9, 7),
    "whole": weights(*MAPS),
    "larger batch": weights(3, 1, 9, 1),
    "larger rank": weights(2, 1, 4, 1, 7),
}
for word, factor in FACTORS.items():
    for op in ("Add", "Sub", "Mul", "Div"):
        away = off_zero(factor)
        one(f"{op.lower()} {word}", op, away)
        case(f"{op.lower()} {word} on the left", lambda g, op=op, away=away: g.add(op, away, g.x), at=off_zero)
for op in ("Add", "Sub", "Mul", "Div"):
    case(f"{op.lower()} image is broadcast", lambda g, op=op: g.add(op, g.x, weights(*MAPS) + 2), (1, 4, 1, 1))
    case(f"{op.lower()} image of rank 1 is broadcast", lambda g, op=op: g.add(op, weights(2, 3, 7) + 2, g.x), (7,), at=positive)
    case(f"{op.lower()} both are broadcast", lambda g, op=op: g.add(op, *two_means(g)), at=lambda noise: noise + 2)

case("x + x", lambda g: g.add("Add", g.x, g.x))
case("x - x", lambda g: g.add("Add", g.add("Sub", g.x, g.x), g.x))
case("x * x", lambda g: g.add("Mul", g.x, g.x))
case("x / x", lambda g: g.add("Add", g.add("Div", g.x, g.x), g.x))
case("x * mean(x)", lambda g: g.add("Mul", g.x, g.add("ReduceMean", g.x, axes=[2, 3])))
case("mean(x) * x, over all", lambda g: g.add("Mul", g.add("ReduceMean", g.x, keepdims=0), g.x))
case("x - mean(x)", lambda g: g.add("Sub", g.x, g.add("ReduceMean", g.x, axes=[1])))
case("mean(x) / x", lambda g: g.add("Div", g.add("ReduceMean", g.x, axes=[-1], keepdims=1), g.x), at=positive)
case("x / (1 + x * x)", lambda g: g.add("Div", g.x, g.add("Add", np.float32(1), g.add("Mul", g.x, g.x))))
case("x * sigmoid(x)", lambda g: g.add("Mul", g.x, g.add("Sigmoid", g.x)))


# --- functions of one number ---

one("relu", "Relu")
one("sigmoid", "Sigmoid")
one("sigmoid far out", "Sigmoid", at=lambda noise: noise * 40)
one("tanh", "Tanh")
one("tanh far out", "Tanh", at=lambda noise: noise * 40)
one("hard sigmoid", "HardSigmoid", at=lambda noise: noise * 3)
one("hard sigmoid of Keras", "HardSigmoid", alpha=1 / 6, beta=0.5, at=lambda noise: noise * 3)
one("hard sigmoid falling", "HardSigmoid", alpha=-0.4, beta=0.3, at=lambda noise: noise * 2)
one("hard swish", "HardSwish", at=lambda noise: noise * 3)
one("clip", "Clip", np.float32(-0.5), np.float32(0.8))
one("clip below", "Clip", np.float32(-0.5))
one("clip above", "Clip", "", np.float32(0.8))
one("clip nowhere", "Clip")
one("relu6", "Clip", np.float32(0), np.float32(6), at=lambda noise: noise * 6)
one("identity", "Identity")
for rank, shape in ((1, (11,)), (2, (3, 7)), (3, (2, 5, 7)), (4, MAPS)):
    for axis in (axis for axis in range(-rank, rank) if shape[axis] > 1):
        one(f"softmax rank {rank} axis {axis}", "Softmax", shape=shape, axis=axis)
    one(f"softmax rank {rank} as it comes", "Softmax", shape=shape)
    one(f"softmax rank {rank} as it comes, opset 11", "Softmax", shape=shape, opset=11) if rank > 1 else None
one("softmax axis 2, opset 12", "Softmax", opset=12, axis=2)
one("softmax axis -1, opset 11", "Softmax", opset=11, axis=-1)
one("softmax far out", "Softmax", shape=(3, 7), axis=1, at=lambda noise: noise * 5)


# --- pools and sums ---


def pool(name: str, op: str = "AveragePool", kernel: Shape = (3, 3), **more) -> None:
    one(name, op, kernel_shape=kernel, **more)


PADDED = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
pool("average pool 2x2", kernel=(2, 2), strides=[2, 2], shape=(1, 4, 8, 6))
pool("average pool 2x2, rows not reached", kernel=(2, 2), strides=[2, 2])
pool("average pool overlapping", strides=[2, 2])
pool("average pool without stride")
pool("average pool of uneven kernel", kernel=(2, 3), strides=[1, 2])
pool("average pool padded", **PADDED)
pool("average pool padded, padding counts", **PADDED, count_include_pad=1)
pool("average pool padded unevenly", strides=[2, 1], pads=[0, 2, 1, 1])
pool("average pool padded unevenly, padding counts", strides=[2, 1], pads=[0, 2, 1, 1], count_include_pad=1)
pool("average pool ceil", strides=[2, 2], ceil_mode=1, shape=(1, 4, 10, 8))
pool("average pool ceil, window in the padding is none", kernel=(2, 2), strides=[3, 3], pads=[0, 0, 1, 1], ceil_mode=1, shape=(1, 4, 9, 8))
pool("average pool ceil padded", **PADDED, ceil_mode=1, shape=(1, 4, 10, 8))
pool("average pool ceil, padding counts", **PADDED, ceil_mode=1, count_include_pad=1, shape=(1, 4, 10, 8))
pool("average pool ceil 2x2 stride 2", kernel=(2, 2), strides=[2, 2], ceil_mode=1)
pool("average pool stride above kernel", kernel=(2, 2), strides=[3, 3])
pool("average pool over all", kernel=(9, 7))
for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    pool(f"average pool {auto}", auto_pad=auto, strides=[2, 2], shape=(1, 4, 10, 7))
    pool(f"max pool {auto}", "MaxPool", auto_pad=auto, strides=[2, 2], shape=(1, 4, 10, 7))

pool("max pool 2x2", "MaxPool", kernel=(2, 2), strides=[2, 2])
pool("max pool overlapping", "MaxPool", **PADDED)
pool("max pool without stride", "MaxPool")
pool("max pool padded unevenly", "MaxPool", strides=[2, 1], pads=[0, 2, 1, 1])
pool("max pool of negative numbers, padded", "MaxPool", **PADDED, at=lambda noise: -np.abs(noise) - 1)
pool("max pool ceil", "MaxPool", strides=[2, 2], ceil_mode=1, shape=(1, 4, 10, 8))
pool("max pool ceil padded", "MaxPool", **PADDED, ceil_mode=1, shape=(1, 4, 10, 8))
pool("max pool dilated", "MaxPool", dilations=[2, 2])
pool("max pool dilated with stride", "MaxPool", dilations=[2, 1], **PADDED)
pool("max pool stride above kernel", "MaxPool", kernel=(2, 2), strides=[3, 3])
pool("max pool of uneven kernel", "MaxPool", kernel=(1, 3), strides=[1, 2])
pool("max pool of equals", "MaxPool", **PADDED, at=lambda noise: np.zeros_like(noise))
pool("max pool of many equals", "MaxPool", **PADDED, at=lambda noise: np.rint(noise))
pool("max pool of many equals, overlapping", "MaxPool", at=lambda noise: np.rint(noise * 2) / 2)
pool("max pool of many equals, dilated", "MaxPool", dilations=[2, 2], at=lambda noise: np.rint(noise))
pool("max pool of batch 2", "MaxPool", shape=(2, 4, 9, 7), **PADDED)
pool("max pool of one row", "MaxPool", kernel=(1, 2), shape=(1, 3, 1, 9), strides=[1, 2])
case("max pool that also gives places", lambda g: g.add("MaxPool", g.x, outputs=2, kernel_shape=[2, 2], strides=[2, 2]))

one("global average pool", "GlobalAveragePool")
one("global average pool of batch 2", "GlobalAveragePool", shape=(2, 3, 5, 7))

for keepdims in (0, 1):
    for axes in ([1], [2, 3], [-1], [-2, -1], [0, 2], [3, 1], [0, 1, 2, 3], None):
        word = f"axes {axes} keepdims {keepdims}".replace("axes None", "all axes")
        one(f"mean {word}", "ReduceMean", keepdims=keepdims, **({"axes": axes} if axes else {}))
        one(f"sum {word}", "ReduceSum", *([np.array(axes)] if axes else []), keepdims=keepdims)
        one(f"mean {word}, opset 18", "ReduceMean", *([np.array(axes)] if axes else []), keepdims=keepdims, opset=18)
        one(f"sum {word}, opset 11", "ReduceSum", keepdims=keepdims, opset=11, **({"axes": axes} if axes else {}))
one("sum over nothing", "ReduceSum", np.array([], np.int64), noop_with_empty_axes=1)
one("mean over nothing, opset 18", "ReduceMean", np.array([], np.int64), noop_with_empty_axes=1, opset=18)
one("sum over empty axes is over all", "ReduceSum", np.array([], np.int64), keepdims=0)


# --- shapes ---

for axis in (-4, -1, 0, 1, 2, 3, 4):
    one(f"flatten axis {axis}", "Flatten", axis=axis)
one("flatten as it comes", "Flatten")
one("reshape", "Reshape", np.array([2, 18, 7]))
one("reshape with the rest", "Reshape", np.array([6, -1]))
one("reshape with a kept axis", "Reshape", np.array([0, 2, -1, 0]))
one("reshape to one axis", "Reshape", np.array([-1]))
one("reshape kept zero is an axis, opset 14", "Reshape", np.array([0, -1]), opset=14)
for perm in ([0, 2, 1, 3], [3, 0, 2, 1], [1, 0, 3, 2], [0, 1, 2, 3]):
    one(f"transpose {perm}", "Transpose", perm=perm)
one("transpose as it comes", "Transpose", shape=(2, 3, 5))
one("transpose cyclic", "Transpose", shape=(2, 3, 5), perm=[1, 2, 0])
one("squeeze", "Squeeze", np.array([0, -1]), shape=(1, 3, 5, 1))
one("squeeze all", "Squeeze", shape=(1, 3, 1, 5, 1))
one("squeeze, opset 11", "Squeeze", shape=(1, 3, 5, 1), axes=[0, 3], opset=11)
one("squeeze negative, opset 12", "Squeeze", shape=(1, 3, 5, 1), axes=[-1], opset=12)
one("unsqueeze", "Unsqueeze", np.array([0, -1]), shape=(3, 5))
one("unsqueeze out of order", "Unsqueeze", np.array([3, 0, 2]), shape=(3, 5))
one("unsqueeze, opset 11", "Unsqueeze", shape=(3, 5), axes=[0, 2], opset=11)
for axis in (0, 1, -1, -2):
    case(f"concat axis {axis}", lambda g, axis=axis: g.add("Concat", g.x, g.add("Tanh", g.x), g.x, axis=axis))
    case(f"concat with constants, axis {axis}", lambda g, axis=axis: g.add("Concat", weights(*MAPS), g.x, weights(*MAPS), axis=axis))
case("concat of uneven parts", lambda g: g.add("Concat", g.add("ReduceMean", g.x, axes=[1]), weights(1, 2, 9, 7), g.x, axis=1))
case("concat of one", lambda g: g.add("Concat", g.x, axis=1))
one("pad", "Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]))
one("pad with a number", "Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.float32(3.5))
one("pad unevenly", "Pad", np.array([0, 1, 0, 3, 1, 0, 2, 1]))
one("pad nothing", "Pad", np.zeros(8, np.int64))
one("pad negative", "Pad", np.array([0, 0, -1, -2, 0, 0, -3, 0]))
one("pad negative and positive", "Pad", np.array([0, -1, 2, -2, 1, 0, -3, 4]), np.float32(-1))
one("pad rank 2", "Pad", np.array([1, 0, 2, 3]), shape=(3, 5))
one("pad axes, opset 18", "Pad", np.array([1, 2, 0, 3]), np.float32(0.5), np.array([-1, 2]), opset=18)
one("pad axes without a number, opset 18", "Pad", np.array([1, 2]), "", np.array([1]), opset=18)


# --- normalisation, and what passes ---


def norm(name: str, shape: tuple[int, ...] = MAPS, opset: int = 15, **attributes) -> None:
    channels = shape[1]
    parts = weights(channels) + 1, weights(channels), weights(channels), np.abs(weights(channels)) + 0.1
    one(name, "BatchNormalization", *parts, shape=shape, opset=opset, **attributes)


norm("batch norm")
norm("batch norm of Keras", epsilon=1e-3)
norm("batch norm of a large epsilon", epsilon=0.5, momentum=0.99)
norm("batch norm of rank 2", shape=(3, 5))
norm("batch norm of rank 3", shape=(2, 5, 3))
norm("batch norm, opset 11", opset=11)
norm("batch norm said to be for inference", training_mode=0)


def passes(g: Graph) -> str:
    """Nodes that do nothing, and a constant that nodes make."""
    x = g.add("Dropout", g.add("Identity", g.x), np.float32(0.5))
    factor = g.add("Constant", value=numpy_helper.from_array(weights(1, 4, 1, 1)))
    x = g.add("Mul", x, g.add("Identity", factor))
    x = g.add("Dropout", x, np.float32(0.3), np.asarray(False))
    return g.add("Identity", g.add("Add", x, g.add("Constant", value_float=0.5)))


case("what passes", passes)
one("dropout, opset 11", "Dropout", opset=11, ratio=0.4)
one("dropout with its mask", "Dropout", np.float32(0.4))
for attribute in ({"value_float": 1.5}, {"value_floats": [1.5, 2.5, 0.5, 1.0, -1.0, 2.0, 0.25]}):
    case(f"constant {[*attribute][0]}", lambda g, attribute=attribute: g.add("Mul", g.x, g.add("Constant", **attribute)))
case("constant value_ints", lambda g: g.add("Reshape", g.x, g.add("Constant", value_ints=[4, -1])))


def computed(g: Graph) -> str:
    return g.add("Relu", g.add("Mul", weights(1, 4, 1, 1), g.add("Sub", weights(9, 1), np.float32(0.5))))


case("constants are computed", lambda g: g.add("Add", g.x, computed(g)))
case("weights are transposed", lambda g: g.add("MatMul", g.x, g.add("Transpose", weights(3, 7), perm=[1, 0])), (5, 7))
case("weights are normalised", lambda g: g.add("Conv", g.x, g.add("Mul", weights(6, 4, 3, 3), weights(6, 1, 1, 1))))


def fan_out(g: Graph) -> str:
    """One tensor that four nodes read, of which one reads it twice."""
    y = g.add("Conv", g.x, weights(4, 4, 3, 3), pads=[1, 1, 1, 1])
    parts = [g.add("Relu", y), g.add("Mul", y, y), g.add("Sigmoid", y)]
    return g.add("Concat", g.add("Add", g.add("Sub", parts[0], parts[1]), parts[2]), y, axis=1)


case("fan-out", fan_out)


def fan_out_of_the_image(g: Graph) -> str:
    return g.add("Add", g.add("Conv", g.x, weights(4, 4, 3, 3), pads=[1, 1, 1, 1]), g.add("Mul", g.x, g.add("Tanh", g.x)))


case("fan-out of the image", fan_out_of_the_image)


def dead_end(g: Graph) -> str:
    """What does not lead to the output has no part in the gradient."""
    y = g.add("Relu", g.x)
    g.add("Softmax", g.add("Mul", y, np.float32(3)))
    return g.add("Tanh", y)


case("dead end", dead_end)


ENDS = ["cotangent", "image", "grad_input", "logits", "features", "grad_features"]


def taken_names(g: Graph, nodes: Sequence[str]) -> str:
    """A model whose own tensors have the names that the gradient's have, and whose nodes as well where `nodes` says so."""
    tensors = [g.x, *ENDS]
    for index, (op, name) in enumerate(zip(("Conv", "Relu", "Add", "GlobalAveragePool", "Flatten", "Tanh"), nodes)):
        more = {"Conv": [g.constant(weights(4, 4, 3, 3))], "Add": [g.x]}.get(op, [])
        how = {"pads": [1, 1, 1, 1]} if op == "Conv" else {}
        g.nodes.append(helper.make_node(op, [tensors[index], *more], [tensors[index + 1]], name, **how))
    return tensors[-1]


case("tensors' names that are taken", lambda g: taken_names(g, [f"node_{index}" for index in range(6)]))
case("nodes' names that are taken", lambda g: taken_names(g, ENDS))
case("nodes' names that are taken, other way around", lambda g: taken_names(g, ENDS[::-1]))


def without_node_names(g: Graph) -> str:
    end = fan_out(g)
    for node in g.nodes:
        node.name = ""
    return end


case("nodes without names", without_node_names)


def classifier(g: Graph, opset: int) -> str:
    """Every operator whose form depends on the version, in the form of that version."""
    parts = weights(6) + 1, weights(6), weights(6), np.abs(weights(6)) + 0.5
    x = g.add("Pad", g.x, np.array([0, 0, 1, 0, 0, 0, 1, 2]))
    x = g.add("Relu", g.add("BatchNormalization", g.add("Conv", x, weights(6, 4, 3, 3), strides=[2, 1]), *parts))
    x = g.add("Clip", g.add("MaxPool", x, kernel_shape=[2, 2]), np.float32(0.05), np.float32(2))
    x = g.add("AveragePool", x, kernel_shape=[2, 2], pads=[1, 0, 0, 1])
    x = g.add("Dropout", x, np.float32(0.2)) if opset >= 12 else g.add("Dropout", x, ratio=0.2)
    x = g.add_axes("Unsqueeze", g.add_axes("Squeeze", g.add_axes("ReduceMean", x, [3], 18), [-1], 13), [3], 13)
    gate = g.add("Sigmoid", g.add_axes("ReduceSum", x, [1, 2], 13, keepdims=1))
    x = g.add("Reshape", g.add("Mul", x, gate), np.array([0, -1]))
    x = g.add("Gemm", x, weights(5, 24), weights(5), transB=1)
    return g.add("Softmax", x, axis=1)


for opset in range(11, 23):
    case(f"classifier, opset {opset}", lambda g, opset=opset: classifier(g, opset), opset=opset)


# --- layouts ---


def leading_transpose(g: Graph) -> str:
    x = g.add("Transpose", g.x, perm=[0, 3, 1, 2])
    x = g.add("Relu", g.add("Conv", x, weights(6, 4, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"))
    return g.add("MatMul", g.add("Flatten", g.add("GlobalAveragePool", x)), weights(6, 5))


def arithmetic_first(g: Graph) -> str:
    """As Keras exports a network that normalises its image itself."""
    x = g.add("Sub", g.add("Mul", g.x, np.float32(0.5)), weights(4))
    x = g.add("Div", x, np.abs(weights(1, 1, 1, 4)) + 0.5)
    x = g.add("Transpose", x, perm=[0, 3, 1, 2])
    x = g.add("Relu", g.add("Conv", x, weights(6, 4, 3, 3), pads=[1, 1, 1, 1]))
    return g.add("MatMul", g.add("Flatten", g.add("GlobalAveragePool", x)), weights(6, 5))


def padded_first(g: Graph) -> str:
    x = g.add("Pad", g.x, np.array([0, 1, 2, 0, 0, 0, 1, 0]))
    x = g.add("Conv", g.add("Transpose", x, perm=[0, 3, 1, 2]), weights(6, 4, 3, 3))
    return g.add("ReduceMean", x, axes=[2, 3], keepdims=0)


def back_again(g: Graph) -> str:
    """Channels last before and after every convolution."""
    x = g.x
    for _ in range(2):
        x = g.add("Conv", g.add("Transpose", x, perm=[0, 3, 1, 2]), weights(4, 4, 3, 3), pads=[1, 1, 1, 1])
        x = g.add("Relu", g.add("Add", g.add("Transpose", x, perm=[0, 2, 3, 1]), weights(4)))
    return g.add("ReduceMean", x, axes=[1, 2], keepdims=0)


case("channels last", leading_transpose, nhwc=True)
case("channels last, arithmetic first", arithmetic_first, nhwc=True)
case("channels last, padding first", padded_first, nhwc=True)
case("channels last throughout", back_again, nhwc=True)


# --- quantised ---


def quantise(values: np.ndarray, scale, axis: int | None = None, kind=np.int8) -> np.ndarray:
    scale = np.asarray(scale, np.float32)
    shape = [1] * values.ndim
    if axis is not None:
        shape[axis] = -1
    limits = np.iinfo(kind)
    return np.clip(np.rint(values / scale.reshape(shape)), limits.min, limits.max).astype(kind)


def qdq(g: Graph, x: str, scale: float, zero) -> str:
    """An activation that is rounded and read back."""
    scale, zero = g.constant(np.float32(scale)), g.constant(zero)
    return g.add("DequantizeLinear", g.add("QuantizeLinear", x, scale, zero), scale, zero)


def dequantised(g: Graph, values: np.ndarray, scale, axis: int | None = None, kind=np.int8, zero: bool = True) -> str:
    """A weight or bias as levels and their scale: one scale, or one each index of `axis`."""
    scale = np.asarray(scale, np.float32)
    inputs = [quantise(values, scale, axis, kind), scale, *([np.zeros(scale.shape, kind)] if zero else [])]
    return g.add("DequantizeLinear", *inputs, **({} if axis is None else {"axis": axis}))


def quantised_network(g: Graph, x: str, per_channel: bool) -> str:
    """conv, ReLU6, depthwise conv, add, pooling, dense: as the converter of TFLite files writes it."""
    def conv(x: str, w: np.ndarray, scale_in: float, **attributes) -> str:
        scale = np.abs(w).max((1, 2, 3)) / 127 if per_channel else np.float32(np.abs(w).max() / 127)
        axis = 0 if per_channel else None
        bias = dequantised(g, weights(len(w)), scale * scale_in, axis, np.int32)
        return g.add("Conv", x, dequantised(g, w, scale, axis), bias, **attributes)

    y = g.add("Clip", conv(x, weights(6, 4, 3, 3), 0.03, pads=[1, 1, 1, 1]), np.float32(0), np.float32(6))
    y = qdq(g, y, 0.02, np.int8(-128))
    z = qdq(g, conv(y, weights(6, 1, 3, 3), 0.02, group=6, pads=[1, 1, 1, 1]), 0.02, np.int8(3))
    z = qdq(g, g.add("Add", y, z), 0.03, np.int8(-20))
    z = qdq(g, g.add("GlobalAveragePool", z), 0.01, np.int8(0))
    dense = weights(5, 6)
    scale = np.float32(np.abs(dense).max() / 127)
    z = g.add("Gemm", g.add("Flatten", z), dequantised(g, dense, scale), dequantised(g, weights(5), scale * 0.01, kind=np.int32), transB=1)
    return qdq(g, z, 0.02, np.int8(5))


case("quantised, one scale", lambda g: quantised_network(g, qdq(g, g.x, 0.03, np.int8(4)), False))
case("quantised, a scale a channel", lambda g: quantised_network(g, qdq(g, g.x, 0.03, np.int8(4)), True))


def real(g: Graph, levels: str) -> str:
    return g.add("DequantizeLinear", levels, np.float32(0.03), np.int8(4))


def int8_image(g: Graph) -> str:
    return quantised_network(g, real(g, g.add("Transpose", g.x, perm=[0, 3, 1, 2])), True)


case("quantised, int8 image, channels last", int8_image, nhwc=True, levels=(0.03, 4))
case("quantised, int8 image, channels first", lambda g: quantised_network(g, real(g, g.x), False), levels=(0.03, 4))


def int8_output(g: Graph) -> str:
    y = g.add("Conv", qdq(g, g.x, 0.03, np.int8(4)), dequantised(g, weights(6, 4, 3, 3), np.float32(0.01)))
    return g.add("QuantizeLinear", y, np.float32(0.05), np.int8(2))


case("quantised to the end", int8_output)


def uint8_weights(g: Graph) -> str:
    levels = (quantise(weights(6, 4, 3, 3), 0.01).astype(np.int16) + 128).astype(np.uint8)
    return g.add("DequantizeLinear", levels, np.float32(0.01), np.uint8(128))


def per_channel(g: Graph, values: np.ndarray, axis: int) -> str:
    return dequantised(g, values, np.abs(weights(values.shape[axis])) / 40 + 0.004, axis)


def flattened_levels(g: Graph) -> str:
    scale, zero = np.float32(0.02), np.uint8(120)
    return g.add("DequantizeLinear", g.add("Flatten", g.add("QuantizeLinear", g.x, scale, zero)), scale, zero)


KERNELS = weights(6, 4, 3, 3)
case("weights quantised by uint8", lambda g: g.add("Conv", g.x, uint8_weights(g)))
case("weights without zero point", lambda g: g.add("Conv", g.x, dequantised(g, KERNELS, np.float32(0.01), kind=np.uint8, zero=False)))
case("weights of ConvTranspose, a scale a channel", lambda g: g.add("ConvTranspose", g.x, per_channel(g, weights(4, 6, 3, 3), 1)))
case("weights of MatMul, a scale a column", lambda g: g.add("MatMul", g.x, per_channel(g, weights(7, 3), -1)), (5, 7))
case("float weights that are rounded", lambda g: g.add("Conv", g.x, qdq(g, g.constant(KERNELS), 0.05, np.int8(0))))
case("levels are flattened", flattened_levels)


# --- checks ---


@pytest.mark.parametrize("name", CASES)
def test_forward(name, tmp_path):
    """The functions that the tape differentiates are the operators, or every other test here is worth nothing."""
    case = CASES[name]
    onnx.save(case.model, tmp_path / "model.onnx")
    network = ops.Network(case.model, quantised=True)
    said = in_onnx_runtime(tmp_path / "model.onnx", {"picture": case.fed}, as_written=True)[network.output]
    wanted = network(case.fed)
    if said.dtype.kind != "f":
        assert np.abs(said - wanted).max() <= 1, "levels"
    elif any(node.op_type == "QuantizeLinear" for node in case.model.graph.node):
        assert gap(said, wanted) < 0.01, "a level more or less where a value lies between two"
    else:
        assert gap(said, wanted) < 1e-6


# Tract does not run these themselves.
NOT_IN_TRACT = ("matmul of two vectors", "matmul of two moving vectors", "matmul vector on the left of a vector")


@pytest.mark.parametrize("name", CASES)
def test_gradient(name, bundle_gradient, judge):
    case = CASES[name]
    cotangent = cotangent_of(ops.Network(case.model)(ops.channels_last(case.image) if case.nhwc else case.image).shape)
    wanted = ops.tape(case.model, case.image, cotangent, nhwc=case.nhwc)
    assert np.linalg.norm(wanted.grad_input) > 0, "a case that shows nothing"
    judge(bundle_gradient(case.model, case.image, cotangent), wanted, Allowed(tract=name not in NOT_IN_TRACT))


@pytest.mark.parametrize("name", NOT_IN_TRACT)
def test_what_tract_does_not_run(name, in_tract, tmp_path):
    onnx.save(CASES[name].model, tmp_path / "model.onnx")
    with pytest.raises(AssertionError, match="MatMul"):
        in_tract(tmp_path / "model.onnx", {"picture": CASES[name].image}, tmp_path / "tract")
