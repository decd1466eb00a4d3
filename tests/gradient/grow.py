"""Random small models. Each node is computed as it is added, so that the next one knows its shape and its size."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import onnx
import tensorflow as tf

import ops

LARGEST = 3000  # elements of a tensor


def of_rank(least: int, most: int):
    """What a tensor must be for an operator to be grown at it."""

    def mark(grower):
        grower.ranks = least, most
        return grower

    return mark


class Grown(ops.Graph):
    """10 to 25 nodes of all operators, in the form of a random opset, and the parts that nobody reads joined to [1, K]."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        dice = np.random.default_rng(seed)
        rank = dice.choice([4, 4, 4, 4, 3, 2, 1])
        self.nhwc = bool(rank == 4 and dice.random() < 0.2)
        sides = [int(side) for side in dice.integers(2, 8, rank)]
        if rank == 4:  # channels last are as many as images have
            channels = dice.choice([1, 3, 4]) if self.nhwc else dice.integers(1, 6)
            sides = [int(dice.integers(1, 3)), int(channels), *map(int, dice.integers(5, 12, 2))]
        own = [sides[0], *sides[2:], sides[1]] if self.nhwc else sides
        super().__init__(*own, opset=int(dice.integers(11, 23)))
        self.dice, self.shape = dice, tuple(sides)
        self.image = dice.normal(size=sides).astype(np.float32)
        self.operators = ops.Operators(self.opset)
        self.values: dict[str, ops.Value] = {self.x: tf.constant(ops.channels_last(self.image) if self.nhwc else self.image, tf.float64)}
        if self.nhwc:
            self.add("Transpose", self.x, perm=[0, 3, 1, 2])
        wanted = int(dice.integers(10, 26))
        while len(self.nodes) < wanted:
            self.grow()
        self.join()

    # --- the table of what may be grown ---

    def grow(self) -> None:
        """Adds an operator at a tensor, rather a late one than an early one."""
        names = self.moving()
        x = names[-1 - min(int(self.dice.geometric(0.4)) - 1, len(names) - 1)]
        rank, size = len(self.side(x)), math.prod(self.side(x))
        grower = getattr(self, self.dice.choice([name for name in dir(self) if name.startswith("grow_")]))
        least, most = getattr(grower, "ranks", (1, 5))
        if not least <= rank <= most or size > LARGEST:
            return
        y = grower(x)
        if y is None:
            return
        height = float(np.abs(np.asarray(self.values[y])).max())
        if height > 8:  # else the last nodes would be all that the gradient is made of
            self.add("Mul", y, np.float32(round(4 / height, 3)))

    def moving(self) -> list[str]:
        """What depends on the image: no constants, no levels, and where channels are last only what comes after the transposition."""
        barred = {node.output[0] for node in self.nodes if node.op_type == "QuantizeLinear"} | ({self.x} if self.nhwc else set())
        return [name for name, value in self.values.items() if isinstance(value, tf.Tensor) and name not in barred]

    def side(self, name: str) -> tuple[int, ...]:
        return tuple(self.values[name].shape)

    def some(self, *shape: int, low: float = 0.4, high: float = 1.4) -> np.ndarray:
        """Of either sign, none near zero."""
        return (self.dice.uniform(low, high, shape) * self.dice.choice([-1, 1], shape)).astype(np.float32)

    def pick(self, *choices):
        return choices[int(self.dice.integers(len(choices)))]

    def partner(self, x: str) -> str:
        """Another tensor, or the same, that broadcasts with this one."""
        fits = []
        for name in self.moving():
            with contextlib.suppress(ValueError):
                shape = np.broadcast_shapes(self.side(x), self.side(name))
                if name != x and math.prod(shape) <= LARGEST and len(shape) <= 5:
                    fits.append(name)
        return self.pick(*fits) if fits and self.dice.random() < 0.9 else x

    def grow_relu(self, x: str) -> str:
        return self.add("Relu", x)

    def grow_clip(self, x: str) -> str:
        low, high = np.float32(self.dice.uniform(-1, 0)), np.float32(self.dice.uniform(0.3, 3))
        return self.add("Clip", x, *self.pick((low, high), (low,), ("", high)))

    def grow_smooth(self, x: str) -> str:
        return self.add(self.pick("Sigmoid", "Tanh"), x)

    def grow_hard(self, x: str) -> str:
        if self.opset >= 14 and self.dice.random() < 0.5:
            return self.add("HardSwish", x)
        return self.add("HardSigmoid", x, alpha=float(self.dice.uniform(0.1, 0.5)), beta=0.5)

    def grow_softmax(self, x: str) -> str | None:
        axis = int(self.dice.integers(-len(self.side(x)), len(self.side(x))))
        return self.add("Softmax", x, axis=axis) if self.side(x)[axis] > 1 else None

    def grow_nothing(self, x: str) -> str:
        if self.dice.random() < 0.5:
            return self.add("Identity", x)
        return self.add("Dropout", x, ratio=0.5) if self.opset < 12 else self.add("Dropout", x, np.float32(0.5))

    def grow_factor(self, x: str) -> str:
        """Arithmetic with a constant of a shape that is broadcast, on either side."""
        shape = [side if self.dice.random() < 0.6 else 1 for side in self.side(x)][int(self.dice.integers(len(self.side(x)))) :]
        constant, op = self.some(*shape), self.pick("Add", "Sub", "Mul", "Div")
        if op == "Div" or self.dice.random() < 0.6:
            return self.add(op, x, constant)
        return self.add(op, constant, x)

    def grow_pair(self, x: str) -> str:
        y = self.partner(x)
        pair = self.pick((x, y), (y, x))
        return self.add(self.pick("Add", "Mul") if x == y else self.pick("Add", "Sub", "Mul"), *pair)

    def grow_quotient(self, x: str) -> str:
        """By something that depends on the image, and is never near zero."""
        y = self.partner(x)
        square = self.dice.random() < 0.5
        below = self.add("Mul", y, y) if square else self.add("Sigmoid", y)
        return self.add("Div", x, self.add("Add", below, np.float32(1 if square else 0.5)))

    @of_rank(2, 5)
    def grow_gate(self, x: str) -> str:
        """x · f(mean(x))"""
        axes = sorted(self.dice.choice(len(self.side(x)), int(self.dice.integers(1, len(self.side(x)))), replace=False).tolist())
        return self.add("Mul", x, self.add(self.pick("Sigmoid", "Tanh"), self.add_axes("ReduceMean", x, axes, 18, keepdims=1)))

    @of_rank(2, 5)
    def grow_reduce(self, x: str) -> str:
        total = len(self.side(x))
        axes = self.dice.choice(total, int(self.dice.integers(1, total)), replace=False)
        axes = [int(axis) - (total if self.dice.random() < 0.5 else 0) for axis in axes]
        op, since = self.pick(("ReduceMean", 18), ("ReduceSum", 13))
        return self.add_axes(op, x, axes, since, keepdims=self.pick(0, 1))

    def grow_flatten(self, x: str) -> str:
        return self.add("Flatten", x, axis=int(self.dice.integers(-len(self.side(x)), len(self.side(x)) + 1)))

    def grow_reshape(self, x: str) -> str:
        rest, shape = math.prod(self.side(x)), []
        for _ in range(int(self.dice.integers(1, 4))):
            shape.append(self.pick(*[side for side in range(1, 9) if rest % side == 0]))
            rest //= shape[-1]
        shape.insert(int(self.dice.integers(len(shape) + 1)), self.pick(rest, -1))
        return self.add("Reshape", x, np.array(shape))

    @of_rank(2, 5)
    def grow_transpose(self, x: str) -> str | None:
        perm = self.dice.permutation(len(self.side(x))).tolist()
        return None if perm == [0, 3, 1, 2] else self.add("Transpose", x, perm=perm)  # that one says what the layout of an image is

    def grow_unsqueeze(self, x: str) -> str | None:
        if len(self.side(x)) > 3:
            return None
        y = self.add_axes("Unsqueeze", x, [int(self.dice.integers(-len(self.side(x)) - 1, len(self.side(x)) + 1))], 13)
        if self.dice.random() < 0.7:
            return y
        return self.add_axes("Squeeze", y, [axis for axis, side in enumerate(self.side(y)) if side == 1][:1], 13)

    def grow_concat(self, x: str) -> str:
        rank = len(self.side(x))
        axis = int(self.dice.integers(-rank, rank))

        def fits(name: str) -> bool:
            pairs = list(enumerate(zip(self.side(x), self.side(name))))
            return len(self.side(name)) == rank and all(one == other for index, (one, other) in pairs if index != axis % rank)

        parts = [x, self.pick(*filter(fits, self.moving())), self.some(*self.side(x))][: self.pick(2, 3)]
        self.dice.shuffle(order := list(range(len(parts))))
        return self.add("Concat", *[parts[index] for index in order], axis=axis)

    def grow_pad(self, x: str) -> str:
        pads = [int(self.dice.integers(-1 if side > 3 else 0, 3)) for side in self.side(x) * 2]
        return self.add("Pad", x, np.array(pads), *self.pick((), (np.float32(0.7),)))

    @of_rank(2, 5)
    def grow_norm(self, x: str) -> str:
        channels = self.side(x)[1]
        parts = [self.some(channels) for _ in range(4)]
        return self.add("BatchNormalization", x, *parts[:3], np.abs(parts[3]), epsilon=1e-3)

    @of_rank(2, 2)
    def grow_gemm(self, x: str) -> str:
        rows, columns = self.side(x)
        out, trans_a, trans_b = int(self.dice.integers(1, 7)), int(self.pick(0, 1)), int(self.pick(0, 1))
        rows, columns = (columns, rows) if trans_a else (rows, columns)
        right = self.weight(out, columns) if trans_b else self.weight(columns, out, scale=0.5)
        c = self.pick((), (self.some(out),), (self.some(rows, 1),))
        alpha, beta = float(self.pick(1, 0.7)), float(self.pick(1, -0.6))
        return self.add("Gemm", x, right, *c, transA=trans_a, transB=trans_b, alpha=alpha, beta=beta)

    def grow_matmul(self, x: str) -> str:
        if len(self.side(x)) >= 2 and self.dice.random() < 0.3:
            return self.add("MatMul", self.weight(3, self.side(x)[-2]), x)
        out = self.pick((3,), ()) if len(self.side(x)) > 1 else (3,)
        return self.add("MatMul", x, self.weight(self.side(x)[-1], *out))

    @of_rank(2, 5)
    def grow_product(self, x: str) -> str | None:
        """x · xᵀ, as attention has it."""
        total = len(self.side(x))
        if math.prod(self.side(x)[:-1]) * self.side(x)[-2] > LARGEST:
            return None
        other = self.add("Tanh", self.add("Transpose", x, perm=[*range(total - 2), total - 1, total - 2]))
        return self.add("MatMul", x, other)

    def weight(self, *shape: int, scale: float = 1.0) -> np.ndarray | str:
        """A float weight, or one of levels and their scale."""
        values = self.weights(*shape, scale=scale)
        if self.dice.random() < 0.7:
            return values
        scale = np.float32(np.abs(values).max() / 100)
        return self.add("DequantizeLinear", np.rint(values / scale).astype(np.int8), scale, np.int8(self.dice.integers(-20, 20)))

    def grow_rounded(self, x: str) -> str:
        scale, zero = np.float32(np.abs(np.asarray(self.values[x])).max() / 120 + 1e-3), np.int8(self.dice.integers(-4, 5))
        return self.add("DequantizeLinear", self.add("QuantizeLinear", x, scale, zero), scale, zero)

    # Images.

    def kernel(self, x: str, largest: int = 3) -> dict | None:
        """A kernel that fits, with what stands around it."""
        sides = self.side(x)[2:]
        kernel = [int(self.dice.integers(1, min(largest, side) + 1)) for side in sides]
        how = {"kernel_shape": kernel, "strides": self.dice.integers(1, 4, 2).tolist()}
        if self.dice.random() < 0.3:  # a step above the kernel would make SAME a negative padding, which engines refuse
            same = all(stride <= size for stride, size in zip(how["strides"], how["kernel_shape"]))
            return how | {"auto_pad": self.pick("SAME_UPPER", "SAME_LOWER", "VALID") if same else "VALID"}
        how["pads"] = [int(self.dice.integers(0, size)) for size in how["kernel_shape"] * 2]
        how["dilations"] = [self.pick(1, 1, 2) if (size - 1) * 2 < side else 1 for size, side in zip(how["kernel_shape"], sides)]
        return how

    @of_rank(4, 4)
    def grow_conv(self, x: str) -> str:
        channels, how = self.side(x)[1], self.kernel(x)
        group = self.pick(*[count for count in {1, 2, channels} if channels % count == 0])
        out = group * int(self.dice.integers(1, 4)) if group < channels else channels
        w = self.weight(out, channels // group, *how["kernel_shape"])
        return self.add("Conv", x, w, *self.pick((), (self.some(out),)), group=group, **how)

    grow_conv_again = grow_conv

    @of_rank(4, 4)
    def grow_conv_transpose(self, x: str) -> str | None:
        channels, how = self.side(x)[1], self.kernel(x)
        if "auto_pad" in how or math.prod(self.side(x)) > LARGEST / 4:
            return None
        # A step with a kernel of one is a strided product on the way back, which tract cannot pull over a reshape.
        how["strides"] = [stride if size > 1 else 1 for stride, size in zip(how["strides"], how["kernel_shape"])]
        how["pads"] = [min(pad, 1) if size > 1 else 0 for pad, size in zip(how["pads"], how["kernel_shape"] * 2)]
        how["output_padding"] = [int(self.dice.integers(0, stride)) for stride in how["strides"]]
        group = self.pick(*[count for count in {1, 2, channels} if channels % count == 0])
        w = self.weight(channels, int(self.dice.integers(1, 3)), *how["kernel_shape"])
        for axis, side in enumerate(self.side(x)[2:]):
            span = (side - 1) * how["strides"][axis] + (how["kernel_shape"][axis] - 1) * how["dilations"][axis] + 1
            if span + how["output_padding"][axis] <= how["pads"][axis] + how["pads"][axis + 2]:
                return None
        return self.add("ConvTranspose", x, w, group=group, **how)

    @of_rank(4, 4)
    def grow_pool(self, x: str) -> str | None:
        if x.startswith("Pad_"):
            return None  # ONNX Runtime's optimiser makes one node of both, and that refuses what was cut off
        op, how = self.pick("MaxPool", "AveragePool"), self.kernel(x)
        if op == "AveragePool":
            how.pop("dilations", None)
            how["count_include_pad"] = self.pick(0, 1)
        else:
            how.pop("dilations", None) if "pads" in how and self.dice.random() < 0.5 else None
        if "auto_pad" not in how:
            how["ceil_mode"] = int(self.dice.random() < 0.5 and self.agreed(x, how))
        return self.add(op, x, **how)

    def agreed(self, x: str, how: dict) -> bool:
        """Whether rounding up makes no window in the padding: ONNX Runtime leaves it out, and its own check of shapes does not."""
        for axis, side in enumerate(self.side(x)[2:]):
            before, after, stride = how["pads"][axis], how["pads"][axis + 2], how["strides"][axis]
            span = (how["kernel_shape"][axis] - 1) * how.get("dilations", [1, 1])[axis] + 1
            if -(-(side + before + after - span) // stride) * stride >= side + before:
                return False
        return True

    @of_rank(4, 4)
    def grow_global(self, x: str) -> str:
        y = self.add("GlobalAveragePool", x)
        return self.add("Mul", x, y) if self.dice.random() < 0.5 else y

    # --- the end ---

    def join(self) -> None:
        read = {name for node in self.nodes for name in node.input}
        parts = [self.add("Reshape", name, np.array([1, -1])) for name in self.moving() if name not in read]
        self.add("Concat", *parts, axis=1)

    def add(self, op: str, *inputs, outputs: int = 1, **attributes) -> str:
        made = super().add(op, *inputs, outputs=outputs, **attributes)
        for tensor in self.constants:
            if tensor.name not in self.values:
                self.values[tensor.name] = ops.as_float64(onnx.numpy_helper.to_array(tensor))
        value = self.operators.apply(self.nodes[-1], self.values)
        assert np.isfinite(np.asarray(value)).all(), self
        return made

    def images(self) -> Iterator[np.ndarray]:
        while True:
            yield self.image
            self.image = self.dice.normal(size=self.shape).astype(np.float32)

    def __str__(self) -> str:
        def shown(name: str) -> str:
            return f"{name}{list(self.values[name].shape)}" if name in self.values else name or "-"

        def told(node: onnx.NodeProto) -> str:
            attributes = "".join(f" {one.name}={ops.plain(onnx.helper.get_attribute_value(one))}" for one in node.attribute)
            return f"  {shown(node.output[0])} = {node.op_type}({', '.join(map(shown, node.input))}){attributes}"

        layout = ", channels last" if self.nhwc else ""
        return "\n".join([f"seed {self.seed}, opset {self.opset}, image {list(self.shape)}{layout}", *map(told, self.nodes)])
