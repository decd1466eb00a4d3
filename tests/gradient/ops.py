"""ONNX operators as TensorFlow functions in float64, whose gradient the tape knows, and a builder of small models.

Convolutions and pools are sums over the places of a kernel, so that every stride, dilation, group and padding is one piece of
code and none of it is shared with an engine. What an operator means is held against ONNX Runtime for every model that is tested.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

Value = np.ndarray | tf.Tensor  # a constant, or what depends on the input


# --- operators ---


Sides = Sequence[int]


def spatial_pads(auto_pad: str, sides: Sides, kernel: Sides, strides: Sides, pads: Sides) -> list[tuple[int, int]]:
    """What is put before and after each spatial axis; `kernel` is what it spans with its dilation."""
    rank = len(sides)
    if auto_pad in ("NOTSET", ""):
        return [(pads[axis], pads[axis + rank]) for axis in range(rank)]
    if auto_pad == "VALID":
        return [(0, 0)] * rank
    totals = [max((-(-side // stride) - 1) * stride + span - side, 0) for side, span, stride in zip(sides, kernel, strides)]
    small = [(total // 2, total - total // 2) for total in totals]
    return small if auto_pad == "SAME_UPPER" else [pair[::-1] for pair in small]


def windows(x: Value, kernel, strides, dilations, pads, auto_pad, fill: float, ceil=False, border: float | None = None) -> tf.Tensor:
    """[places of the kernel, N, C, *out]: what each place sees. `border` is the padding's value, `fill` what lies beyond it."""
    sides = list(x.shape[2:])
    strides, dilations = strides or [1] * len(sides), dilations or [1] * len(sides)
    spans = [(size - 1) * step + 1 for size, step in zip(kernel, dilations)]
    around = spatial_pads(auto_pad, sides, spans, strides, pads or [0] * 2 * len(sides))
    x = tf.pad(x, [(0, 0), (0, 0), *around], constant_values=tf.constant(fill if border is None else border, tf.float64))
    out, beyond = [], []
    for side, (before, after), span, stride in zip(sides, around, spans, strides):
        room = side + before + after - span
        count = (-(-room // stride) if ceil else room // stride) + 1
        if ceil and (count - 1) * stride >= side + before:
            count -= 1  # a window that begins in the padding at the end is none
        out.append(count)
        beyond.append((0, max((count - 1) * stride + span - (side + before + after), 0)))
    x = tf.pad(x, [(0, 0), (0, 0), *beyond], constant_values=tf.constant(fill, tf.float64))
    seen = []
    for place in itertools.product(*map(range, kernel)):
        first = [index * step for index, step in zip(place, dilations)]
        cut = [slice(begin, begin + (count - 1) * stride + 1, stride) for begin, count, stride in zip(first, out, strides)]
        seen.append(x[(slice(None), slice(None), *cut)])
    return tf.stack(seen)


def along(values: Value, rank: int, axis: int) -> Value:
    """A scale or zero point, one of all or one an index of `axis`, as it broadcasts against a tensor of that rank."""
    values = np.asarray(values)
    if values.ndim == 0 or values.size == 1:
        return values.reshape(())
    return values.reshape([-1 if index == axis % rank else 1 for index in range(rank)])


class Operators:
    """One method an operator, named as in ONNX. With `quantised` activations are rounded as the model says, else they pass."""

    def __init__(self, opset: int, quantised: bool = False) -> None:
        self.opset, self.quantised = opset, quantised
        self.kinks: list[np.ndarray] = []  # on which side of every kink each value lies

    def apply(self, node: onnx.NodeProto, values: dict[str, Value]) -> Value:
        """The node's first output. What is computed from constants alone is a constant."""
        inputs = [values[name] if name else None for name in node.input]
        attributes = {attribute.name: plain(helper.get_attribute_value(attribute)) for attribute in node.attribute}
        value = getattr(self, node.op_type)(*inputs, **attributes)
        constant = not any(isinstance(one, tf.Tensor) for one in inputs)
        values[node.output[0]] = np.asarray(value) if constant else tf.convert_to_tensor(value)
        return values[node.output[0]]

    def kink(self, *distances: Value) -> None:
        self.kinks += [np.asarray(distance) > 0 for distance in distances]

    # A convolution is a product with the kernel, summed over its places.

    def Conv(self, x, w, b=None, *, strides=None, pads=None, dilations=None, group=1, auto_pad="NOTSET", kernel_shape=None):
        seen = windows(x, w.shape[2:], strides, dilations, pads, auto_pad, 0)
        places, batch, channels, *out = seen.shape
        seen = tf.reshape(seen, [places, batch, group, channels // group, math.prod(out)])
        w = tf.reshape(w, [group, w.shape[0] // group, channels // group, places])
        y = tf.reshape(tf.einsum("tngcp,goct->ngop", seen, w), [batch, w.shape[0] * w.shape[1], *out])
        return y if b is None else y + tf.reshape(b, [-1, *[1] * len(out)])

    def ConvTranspose(self, x, w, b=None, *, strides=None, pads=None, dilations=None, group=1, output_padding=None, kernel_shape=None):
        batch, channels, *sides = x.shape
        kernel, width, rank = w.shape[2:], w.shape[1] * group, len(sides)
        strides, dilations, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0] * 2 * rank
        stretched = [(side - 1) * stride + 1 for side, stride in zip(sides, strides)]
        spread = [(size - 1) * step + more for size, step, more in zip(kernel, dilations, output_padding or [0] * rank)]
        whole = [length + more for length, more in zip(stretched, spread)]
        w = tf.reshape(w, [group, channels // group, width // group, math.prod(kernel)])
        parts = tf.einsum("ngcp,gcot->tngop", tf.reshape(x, [batch, group, channels // group, math.prod(sides)]), w)
        y = tf.zeros([batch, width, *whole], tf.float64)
        for part, place in zip(tf.unstack(parts), itertools.product(*map(range, kernel))):
            part = tf.reshape(part, [batch, width, *[length for side in sides for length in (side, 1)]])
            part = tf.pad(part, [(0, 0), (0, 0), *[pair for stride in strides for pair in ((0, 0), (0, stride - 1))]])
            part = tf.reshape(part, [batch, width, *[side * stride for side, stride in zip(sides, strides)]])
            part = part[(slice(None), slice(None), *map(slice, stretched))]
            first = [index * step for index, step in zip(place, dilations)]
            y += tf.pad(part, [(0, 0), (0, 0), *[(begin, more - begin) for begin, more in zip(first, spread)]])
        y = y[(slice(None), slice(None), *[slice(pads[axis], whole[axis] - pads[axis + rank]) for axis in range(rank)])]
        return y if b is None else y + tf.reshape(b, [-1, *[1] * rank])

    def MaxPool(self, x, *, kernel_shape, strides=None, pads=None, dilations=None, ceil_mode=0, auto_pad="NOTSET", storage_order=0):
        """The first of several maxima, in the order of rows, is the one that counts."""
        seen = windows(x, kernel_shape, strides, dilations, pads, auto_pad, -math.inf, bool(ceil_mode))
        first = tf.argmax(seen, 0)
        chosen = tf.one_hot(first, seen.shape[0], True, False, 0)
        self.kinks.append(np.asarray(first))
        return tf.reduce_sum(tf.where(chosen, seen, tf.zeros_like(seen)), 0)

    def AveragePool(self, x, *, kernel_shape, strides=None, pads=None, dilations=None, ceil_mode=0, count_include_pad=0, auto_pad="NOTSET"):
        how = (kernel_shape, strides, dilations, pads, auto_pad, 0.0, bool(ceil_mode))
        count = tf.reduce_sum(windows(np.ones(x.shape), *how, border=float(count_include_pad)), 0)
        return tf.reduce_sum(windows(x, *how), 0) / count

    def GlobalAveragePool(self, x):
        return tf.reduce_mean(x, list(range(2, len(x.shape))), keepdims=True)

    def MatMul(self, a, b):
        rows, columns = len(a.shape) == 1, len(b.shape) == 1
        y = tf.matmul(a[None, :] if rows else a, b[:, None] if columns else b)
        y = y[..., 0, :] if rows else y
        return y[..., 0] if columns else y

    def Gemm(self, a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0):
        y = alpha * tf.matmul(a, b, bool(transA), bool(transB))
        return y if c is None else y + beta * c

    def Add(self, a, b):
        return a + b

    def Sub(self, a, b):
        return a - b

    def Mul(self, a, b):
        return a * b

    def Div(self, a, b):
        return a / b

    def Relu(self, x):
        self.kink(x)
        return tf.nn.relu(x)

    def Clip(self, x, low=None, high=None):
        """Flat at both limits, as tf.nn.relu and tf.nn.relu6 are."""
        self.kink(*[x - bound for bound in (low, high) if bound is not None])
        x = x if low is None else tf.where(x > low, x, low)
        return x if high is None else tf.where(x < high, x, high)

    def HardSigmoid(self, x, *, alpha=0.2, beta=0.5):
        return self.Clip(alpha * x + beta, np.float64(0), np.float64(1))

    def HardSwish(self, x):
        return x * self.HardSigmoid(x, alpha=1 / 6)

    def Sigmoid(self, x):
        return tf.sigmoid(x)

    def Tanh(self, x):
        return tf.tanh(x)

    def Softmax(self, x, *, axis=None):
        if self.opset >= 13:
            return tf.nn.softmax(x, -1 if axis is None else axis)
        lead = x.shape[: (1 if axis is None else axis) % len(x.shape)]
        return tf.reshape(tf.nn.softmax(tf.reshape(x, [math.prod(lead), -1])), x.shape)

    def ReduceMean(self, x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        return self._reduced(tf.reduce_mean, x, axes, keepdims, noop_with_empty_axes)

    def ReduceSum(self, x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        return self._reduced(tf.reduce_sum, x, axes, keepdims, noop_with_empty_axes)

    def _reduced(self, how: Callable, x, axes, keepdims: int, nothing: int):
        if axes is None or len(axes) == 0:
            return x if nothing else how(x, None, bool(keepdims))
        return how(x, [int(axis) for axis in axes], bool(keepdims))

    def Flatten(self, x, *, axis=1):
        axis = axis + len(x.shape) if axis < 0 else axis
        return tf.reshape(x, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])

    def Reshape(self, x, shape, *, allowzero=0):
        shape = [x.shape[axis] if side == 0 and not allowzero else int(side) for axis, side in enumerate(shape)]
        return tf.reshape(x, shape)

    def Transpose(self, x, *, perm=None):
        return tf.transpose(x, perm or list(range(len(x.shape)))[::-1])

    def Concat(self, *parts, axis):
        return tf.concat(parts, axis)

    def Pad(self, x, pads, value=None, axes=None, *, mode="constant"):
        assert mode == "constant", mode
        axes = list(range(len(x.shape))) if axes is None else [int(axis) % len(x.shape) for axis in axes]
        around = [(0, 0)] * len(x.shape)
        for index, axis in enumerate(axes):
            around[axis] = (int(pads[index]), int(pads[index + len(axes)]))
        x = x[tuple(slice(max(-before, 0), side - max(-after, 0)) for side, (before, after) in zip(x.shape, around))]
        fill = tf.constant(0.0 if value is None else float(np.asarray(value).item()), tf.float64)
        return tf.pad(x, [(max(before, 0), max(after, 0)) for before, after in around], constant_values=fill)

    def BatchNormalization(self, x, scale, bias, mean, variance, *, epsilon=1e-5, momentum=0.9, training_mode=0):
        assert not training_mode
        scale, bias, mean, variance = (tf.reshape(one, [-1, *[1] * (len(x.shape) - 2)]) for one in (scale, bias, mean, variance))
        return (x - mean) * scale / tf.sqrt(variance + epsilon) + bias

    def Identity(self, x):
        return x

    def Dropout(self, x, ratio=None, training=None, **attributes):
        return x

    def Squeeze(self, x, axes=None):
        return tf.squeeze(x, None if axes is None else [int(axis) for axis in axes])

    def Unsqueeze(self, x, axes):
        rank = len(x.shape) + len(axes)
        for axis in sorted(int(axis) % rank for axis in axes):
            x = tf.expand_dims(x, axis) if isinstance(x, tf.Tensor) else np.expand_dims(x, axis)
        return x

    def Constant(self, **attributes):
        (value,) = attributes.values()
        return as_float64(value)

    def QuantizeLinear(self, x, scale, zero=None, *, axis=1):
        if isinstance(x, tf.Tensor) and not self.quantised:
            return x
        zero = np.uint8(0) if zero is None else zero
        kind = np.iinfo(np.asarray(zero).dtype)
        levels = tf.round(x / along(scale, len(x.shape), axis)) + along(np.float64(zero), len(x.shape), axis)
        return tf.clip_by_value(levels, kind.min, kind.max)

    def DequantizeLinear(self, x, scale, zero=None, *, axis=1):
        if isinstance(x, tf.Tensor) and not self.quantised:
            return x
        zero = along(np.float64(0 if zero is None else zero), len(x.shape), axis)
        return (tf.cast(x, tf.float64) - zero) * along(scale, len(x.shape), axis)


def plain(value):
    """An attribute as Python has it: bytes are words, tensors arrays."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def as_float64(value) -> np.ndarray:
    value = np.asarray(value)
    return value.astype(np.float64) if value.dtype.kind == "f" else value


# --- whole models ---


class Network:
    """A model as a TensorFlow function."""

    def __init__(self, model: onnx.ModelProto, quantised: bool = False) -> None:
        self.graph, self._quantised = model.graph, quantised
        self._opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self._constants = {tensor.name: as_float64(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}
        (self.input,) = (value.name for value in model.graph.input if value.name not in self._constants)
        self.output = model.graph.output[0].name

    def run(self, x: tf.Tensor) -> tuple[dict[str, Value], Operators]:
        """Every tensor by its name, and the kinks that were met."""
        operators, values = Operators(self._opset, self._quantised), {**self._constants, self.input: x}
        for node in self.graph.node:
            operators.apply(node, values)
        return values, operators

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.run(tf.constant(x, tf.float64))[0][self.output])


BENT = ("Relu", "Clip", "HardSigmoid", "HardSwish", "MaxPool")


def bent(model: onnx.ModelProto, exact: dict[str, Value]) -> list[onnx.NodeProto]:
    """The nodes with a kink on the way from the input."""
    return [node for node in model.graph.node if node.op_type in BENT and isinstance(exact[node.input[0]], tf.Tensor)]


def turned(model: onnx.ModelProto, exact: dict[str, Value], rounded: dict[str, np.ndarray]) -> int:
    """How many values float32 puts on another side of a kink than float64 does. One of a million shows in the third digit."""
    count = 0
    for node in bent(model, exact):
        seen = Operators(15), Operators(15)
        seen[0].apply(node, dict(exact))
        seen[1].apply(node, {**exact, node.input[0]: tf.constant(rounded[node.input[0]], tf.float64)})
        count += sum(int(np.sum(one != other)) for one, other in zip(seen[0].kinks, seen[1].kinks, strict=True))
    return count


@dataclass(frozen=True)
class Wanted:
    """What a gradient graph must say."""

    logits: np.ndarray
    grad_input: np.ndarray
    features: list[np.ndarray]
    grad_features: list[np.ndarray]


def channels_last(image):
    """NCHW as a network reads it whose own input is NHWC."""
    return tf.transpose(image, [0, 2, 3, 1]) if isinstance(image, tf.Tensor) else image.transpose(0, 2, 3, 1)


def tape(model: onnx.ModelProto, image: np.ndarray, cotangent: np.ndarray, features: Sequence[str] = (), nhwc: bool = False) -> Wanted:
    """The gradient by TensorFlow's tape."""
    network, x = Network(model), tf.constant(image, tf.float64)
    with tf.GradientTape() as recorded:
        recorded.watch(x)
        values, _ = network.run(channels_last(x) if nhwc else x)
        output = values[network.output]
        told = tf.reduce_sum(output * cotangent)
    maps = [values[name] for name in features]
    grad_input, *grad_features = recorded.gradient(told, [x, *maps], unconnected_gradients="zero")
    return Wanted(np.asarray(output), np.asarray(grad_input), [np.asarray(one) for one in maps], [np.asarray(one) for one in grad_features])


class Graph:
    """Builds a model node by node. Its weights come from its own dice."""

    def __init__(self, *shape: int | str, opset: int = 15, seed: int = 0, kind: int = onnx.TensorProto.FLOAT) -> None:
        self.opset, self.dice = opset, np.random.default_rng(seed)
        self.x = "x"
        self.inputs = [helper.make_tensor_value_info(self.x, kind, shape)]
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value) -> str:
        value = np.asarray(value)
        value = value.astype({"f": np.float32, "i": np.int64}[value.dtype.kind]) if value.dtype in (np.float64, np.int64) else value
        self.constants.append(numpy_helper.from_array(value, f"constant_{len(self.constants)}"))
        return self.constants[-1].name

    def weights(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Normal, of a size that keeps a sum over all but the first axis near one."""
        return (self.dice.normal(size=shape) * scale / math.sqrt(max(math.prod(shape[1:]), 1))).astype(np.float32)

    def add(self, op: str, *inputs, outputs: int = 1, **attributes) -> str:
        """A node on tensors, given by name, and constants, given as they are; its first output."""
        names = [given if isinstance(given, str) else self.constant(given) for given in inputs]
        made = [f"{op}_{len(self.nodes)}" + (f"_{index}" if index else "") for index in range(outputs)]
        self.nodes.append(helper.make_node(op, names, made, name=f"node_{len(self.nodes)}", **attributes))
        return made[0]

    def add_axes(self, op: str, x: str, axes: Sequence[int], since: int, **attributes) -> str:
        """A node whose axes are an input from opset `since` on, and an attribute before."""
        return self.add(op, x, np.array(axes), **attributes) if self.opset >= since else self.add(op, x, axes=list(axes), **attributes)

    def model(self, *outputs: str, shape: Sequence[int] | None = None, sound: bool = True) -> onnx.ModelProto:
        """The model of these outputs, else of the last node's. Whose `shape` nobody gives, ONNX works out itself."""
        names = outputs or [self.nodes[-1].output[0]]
        ends = [onnx.ValueInfoProto(name=name) for name in names]
        if shape is not None:
            ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in names]
        graph = helper.make_graph(self.nodes, "graph", self.inputs, ends, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8, producer_name="tests")
        if shape is None:
            known = {value.name: value for value in onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.output}
            for end in model.graph.output:
                end.CopyFrom(known[end.name])
        if sound:
            onnx.checker.check_model(model)
        return model
