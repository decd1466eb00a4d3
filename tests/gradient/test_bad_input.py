"""Models that nobody can differentiate: exit code 65, one sentence that names what is wrong, nothing left behind, in seconds."""

from __future__ import annotations

import os
import resource
import subprocess
from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from conftest import RELEASE, Ended, found
from onnx import TensorProto, helper
from test_ops import CASES

from ops import Graph

LIMIT_S = 10
MEMORY = 4 << 30  # bytes of address space: what a size in a file asks for beyond that is not given
MUTATIONS = int(os.environ.get("HILUM_MUTATIONS", 300))


@pytest.fixture(scope="session")
def limited() -> Callable[..., Ended]:
    """The program with little time and memory."""
    program = found("HILUM", RELEASE / "hilum", "cargo build --release")

    def run(*words: object) -> Ended:
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        how = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "timeout": LIMIT_S, "preexec_fn": limit}
        done = subprocess.run([program, *map(str, words)], **how)
        return Ended(done.returncode, done.stderr)

    return run


@pytest.fixture
def check(limited, tmp_path):
    """Runs `hilum bundle gradient` on a model that it must not take, and judges what it says."""

    def run(model: onnx.ModelProto | bytes, said: list[str], *words: object) -> None:
        source, out = tmp_path / "model.onnx", tmp_path / "gradient.onnx"
        source.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        ended = limited("bundle", "gradient", source, "--out", out, *words)
        assert ended.code == 65, f"exit code {ended.code}: {ended.err}"
        assert len(ended.err.splitlines()) == 1 and ended.err.startswith("hilum: "), f"one sentence, not:\n{ended.err}"
        assert "panicked" not in ended.err
        missing = [word for word in said if word not in ended.err]
        assert not missing, f"{missing} not in: {ended.err}"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx"], "something was left behind"

    return run


def sound() -> Graph:
    """A small network with maps, whose parts a case spoils."""
    g = Graph(1, 3, 9, 7)
    y = g.add("Relu", g.add("Conv", g.x, g.weights(4, 3, 3, 3), g.weights(4)))
    g.add("Gemm", g.add("Flatten", g.add("GlobalAveragePool", y)), g.weights(4, 5), g.weights(5))
    return g


def spoilt(change: Callable[[onnx.ModelProto], None]) -> onnx.ModelProto:
    model = sound().model()
    change(model)
    return model


def node(model: onnx.ModelProto, op: str) -> onnx.NodeProto:
    return next(one for one in model.graph.node if one.op_type == op)


def test_the_sound_one_is_taken(limited, tmp_path):
    onnx.save(sound().model(), tmp_path / "model.onnx")
    ended = limited("bundle", "gradient", tmp_path / "model.onnx", "--out", tmp_path / "gradient.onnx")
    assert (ended.code, ended.err) == (0, "")


# --- operators ---


def alone(op: str, *inputs, shape: tuple[int, ...] = (1, 3, 9, 7), outputs: int = 1, opset: int = 15, **attributes) -> onnx.ModelProto:
    g = Graph(*shape, opset=opset)
    return g.model(g.add(op, g.x, *inputs, outputs=outputs, **attributes), shape=(), sound=False)


UNSUPPORTED = {
    "Erf": lambda: alone("Erf"),
    "Resize": lambda: alone("Resize", "", np.array([1, 1, 2, 2], np.float32)),
    "LSTM": lambda: alone("LSTM", np.zeros((1, 8, 3), np.float32), np.zeros((1, 8, 2), np.float32), shape=(4, 1, 3), hidden_size=2),
    "Gather": lambda: alone("Gather", np.array([0, 2])),
    "Loop": lambda: alone("Loop"),
    "NonMaxSuppression": lambda: alone("NonMaxSuppression"),
    "Frobnicate": lambda: alone("Frobnicate"),
}


@pytest.mark.parametrize("op", UNSUPPORTED)
def test_unsupported_operator(check, op):
    check(UNSUPPORTED[op](), [op, "node_0"])


def test_unsupported_operator_without_a_name(check):
    model = alone("Erf")
    model.graph.node[0].name = ""
    check(model, ["Erf", model.graph.node[0].output[0]])


def test_operator_of_another_domain(check):
    model = alone("Relu")
    model.graph.node[0].domain = "com.example"
    check(model, ["Relu"])


def test_unsupported_operator_beside_the_way_is_nobodys_business(limited, tmp_path):
    g = sound()
    output = g.nodes[-1].output[0]
    g.add("Erf", g.x)
    onnx.save(g.model(output), tmp_path / "model.onnx")
    assert limited("bundle", "gradient", tmp_path / "model.onnx", "--out", tmp_path / "gradient.onnx").code == 0


def test_pad_that_reflects(check):
    check(alone("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect"), ["Pad", "node_0", "reflect"])


def test_normalisation_in_training(check):
    check(alone("BatchNormalization", *[np.ones(3, np.float32)] * 4, outputs=3, training_mode=1), ["BatchNormalization", "node_0"])


def test_dropout_in_training(check):
    check(alone("Dropout", np.float32(0.5), np.asarray(True)), ["Dropout", "node_0"])


def test_shape_that_is_computed(check):
    g = Graph(1, 3, 9, 7)
    shape = g.add("Concat", g.add("Shape", g.x), axis=0)
    check(g.model(g.add("Reshape", g.x, shape), shape=()), ["Shape", "node_0"])


def test_weights_that_depend_on_the_image(check):
    g = Graph(1, 3, 3, 3)
    check(g.model(g.add("Conv", g.weights(1, 3, 5, 5), g.x), shape=()), ["Conv", "node_0"])


# --- names and shapes ---


def test_dynamic_shape(check):
    g = Graph("batch", 3, 9, 7)
    check(g.model(g.add("Relu", g.x)), ['"x"', "axis 0", "--input-shape"])


def test_dynamic_height(check):
    g = Graph(1, 3, "height", 7)
    check(g.model(g.add("Relu", g.x)), ['"x"', "axis 2", "--input-shape"])


def test_no_shape_at_all(check):
    model = alone("Relu")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    check(model, ['"x"', "--input-shape"])


@pytest.mark.parametrize("shape", ["1,3,9", "1,3,9,8", "2,3,9,7,1"])
def test_shape_that_is_not_the_files(check, shape):
    check(sound().model(), ['"x"'], "--input-shape", shape)


def test_shape_that_does_not_fit_the_weights(check):
    g = Graph(1, "channels", 9, 7)
    check(g.model(g.add("Conv", g.x, g.weights(4, 3, 3, 3)), shape=()), ["Conv", "node_0"], "--input-shape", "1,5,9,7")


def test_unknown_feature(check):
    check(sound().model(), ["nowhere"], "--features", "nowhere")


def test_unknown_second_feature(check):
    check(sound().model(), ["nowhere"], "--features", "Relu_1", "--features", "nowhere")


def test_unknown_output(check):
    check(sound().model(), ["nowhere"], "--output", "nowhere")


def test_output_that_does_not_depend_on_the_input(check):
    g = sound()
    end = g.add("Relu", g.constant(g.weights(1, 5)))
    check(g.model(end), [end, "does not depend"])


def test_features_that_do_not_lead_to_the_output(check):
    g = sound()
    output = g.nodes[-1].output[0]
    side = g.add("Tanh", "Relu_1")
    check(g.model(output, side), [side], "--features", side)


def test_features_behind_the_output(check):
    g = sound()
    g.add("Tanh", "Flatten_3")
    check(g.model("Flatten_3", "Gemm_4"), ["Gemm_4"], "--features", "Gemm_4")


def test_features_that_are_a_constant(check):
    check(sound().model(), ["constant_0"], "--features", "constant_0")


def test_dilated_average_pool(check):
    """Opset 19 has it, and what is written, opset 15, cannot say it."""
    g = Graph(1, 3, 9, 7, opset=19)
    check(g.model(g.add("AveragePool", g.x, kernel_shape=[2, 2], dilations=[2, 2])), ["AveragePool", "node_0", "dilated"])


def test_two_inputs(check):
    """Of which image should the derivative be?"""
    g = Graph(1, 3, 9, 7)
    g.inputs.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1, 3, 9, 7]))
    check(g.model(g.add("Add", g.x, "second")), [])


def test_no_output(check):
    check(spoilt(lambda model: model.graph.ClearField("output")), [])


# --- files that are none ---


FILES = {
    "empty": b"",
    "zero": b"\0",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "text": b"this is a shopping list\n" * 50,
    "ones": b"\xff" * 1000,
}


@pytest.mark.parametrize("name", FILES)
def test_no_onnx(check, name):
    check(FILES[name], [])


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_truncated(check, share):
    whole = sound().model().SerializeToString()
    check(whole[: int(len(whole) * share)], [])


def test_no_such_file(limited, tmp_path):
    ended = limited("bundle", "gradient", tmp_path / "nowhere.onnx", "--out", tmp_path / "gradient.onnx")
    assert ended.code == 65 and len(ended.err.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_folder(limited, tmp_path):
    ended = limited("bundle", "gradient", tmp_path, "--out", tmp_path / "gradient.onnx")
    assert ended.code == 65 and len(ended.err.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_model_of_training_only(check):
    check(helper.make_model(helper.make_graph([], "empty", [], [])), [])


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    def varint(value: int) -> bytes:
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)

    return varint(number << 3 | 2) + varint(len(payload)) + payload


def test_deeply_nested(check):
    """Attributes that hold graphs that hold nodes that hold attributes."""
    inner = b""
    for _ in range(20_000):
        inner = field(1, field(5, field(6, inner)))  # GraphProto.node, NodeProto.attribute, AttributeProto.g
    check(field(7, inner), [])


def test_deeply_nested_groups(check):
    check(b"\x0b" * 1_000_000 + b"\x0c" * 1_000_000, [])


def test_length_beyond_the_file(check):
    check(b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", [])


# --- models that contradict themselves ---


def test_missing_input(check):
    check(spoilt(lambda model: node(model, "Relu").input.__setitem__(0, "nowhere")), ["nowhere"])


def test_node_without_inputs(check):
    check(spoilt(lambda model: node(model, "Relu").ClearField("input")), ["Relu"])


def test_node_without_outputs(check):
    check(spoilt(lambda model: node(model, "Gemm").ClearField("output")), [])


def test_empty_name_where_an_input_is_needed(check):
    check(spoilt(lambda model: node(model, "Conv").input.__setitem__(1, "")), ["Conv"])


def test_cycle(check):
    check(spoilt(lambda model: node(model, "Conv").input.__setitem__(0, "Relu_1")), [])


def test_node_that_reads_itself(check):
    check(spoilt(lambda model: node(model, "Relu").input.__setitem__(0, "Relu_1")), [])


def test_long_cycle(check):
    g = Graph(1, 3)
    for _ in range(3000):
        g.add("Relu", g.nodes[-1].output[0] if g.nodes else "Relu_2999")
    check(helper.make_model(helper.make_graph(g.nodes, "graph", g.inputs, [onnx.ValueInfoProto(name="Relu_2999")])), [])


def test_one_name_of_two_nodes(check):
    check(spoilt(lambda model: node(model, "GlobalAveragePool").output.__setitem__(0, "Relu_1")), [])


def test_name_of_the_input_given_again(check):
    check(spoilt(lambda model: node(model, "Relu").output.__setitem__(0, "x")), [])


def weight(change: Callable[[onnx.TensorProto], None]) -> onnx.ModelProto:
    return spoilt(lambda model: change(model.graph.initializer[0]))


def elsewhere(tensor: onnx.TensorProto) -> None:
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")


SPOILT_WEIGHTS = {
    "data too short": lambda tensor: setattr(tensor, "raw_data", tensor.raw_data[:-4]),
    "data too long": lambda tensor: setattr(tensor, "raw_data", tensor.raw_data + bytes(4)),
    "data not a multiple": lambda tensor: setattr(tensor, "raw_data", tensor.raw_data[:-1]),
    "no data": lambda tensor: tensor.ClearField("raw_data"),
    "negative size": lambda tensor: tensor.dims.__setitem__(0, -4),
    "two negative sizes": lambda tensor: tensor.dims.__setitem__(slice(0, 2), [-4, -3]),
    "absurd size": lambda tensor: tensor.dims.__setitem__(0, 2**62),
    "sizes whose product wraps to the length": lambda tensor: tensor.dims.__setitem__(slice(0, 4), [2**32, 2**32, 3, 3]),
    "least number": lambda tensor: tensor.dims.__setitem__(0, -(2**63)),
    "size zero": lambda tensor: tensor.dims.__setitem__(0, 0),
    "wrong rank": lambda tensor: tensor.dims.__setitem__(slice(0, 4), [4, 3, 9]),
    "no rank": lambda tensor: tensor.ClearField("dims"),
    "many axes": lambda tensor: tensor.dims.extend([1] * 10_000),
    "other channels": lambda tensor: tensor.dims.__setitem__(slice(0, 2), [3, 4]),
    "text": lambda tensor: setattr(tensor, "data_type", TensorProto.STRING),
    "unknown type": lambda tensor: setattr(tensor, "data_type", 99),
    "integers": lambda tensor: setattr(tensor, "data_type", TensorProto.INT32),
    "data in another file": lambda tensor: elsewhere(tensor),
}


@pytest.mark.parametrize("name", SPOILT_WEIGHTS)
def test_spoilt_weight(check, name):
    check(weight(SPOILT_WEIGHTS[name]), [])


@pytest.mark.parametrize("size", [0, -1, 2**31, 2**62, -(2**63)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_spoilt_input_shape(check, size, axis):
    check(spoilt(lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[axis], "dim_value", size)), [])


def test_large_but_possible_shape_costs_nothing(limited, tmp_path):
    """A graph is made of sizes, not of pixels."""
    g = Graph(1, 3, 20_000, 20_000)
    onnx.save(g.model(g.add("GlobalAveragePool", g.add("Relu", g.add("Conv", g.x, g.weights(4, 3, 3, 3))))), tmp_path / "model.onnx")
    assert limited("bundle", "gradient", tmp_path / "model.onnx", "--out", tmp_path / "gradient.onnx").code in (0, 65)


def attributes(op: str, **changed) -> onnx.ModelProto:
    def change(model: onnx.ModelProto) -> None:
        one = node(model, op)
        kept = [attribute for attribute in one.attribute if attribute.name not in changed]
        del one.attribute[:]
        one.attribute.extend([*kept, *(helper.make_attribute(key, value) for key, value in changed.items())])

    return spoilt(change)


ATTRIBUTES = {
    "stride 0": {"strides": [0, 1]},
    "negative stride": {"strides": [-1, 1]},
    "absurd stride": {"strides": [2**62, 2**62]},
    "three strides": {"strides": [1, 1, 1]},
    "dilation 0": {"dilations": [0, 1]},
    "absurd dilation": {"dilations": [2**62, 1]},
    "negative padding": {"pads": [-9, 0, 0, 0]},
    "absurd padding": {"pads": [2**62, 2**62, 2**62, 2**62]},
    "padding of another rank": {"pads": [1, 1]},
    "group 0": {"group": 0},
    "negative group": {"group": -1},
    "group that divides nothing": {"group": 7},
    "least group": {"group": -(2**63)},
    "kernel that is not the weights'": {"kernel_shape": [5, 5]},
    "kernel larger than the image": {"dilations": [9, 9]},
    "unknown padding": {"auto_pad": "SAME_SOMEHOW"},
    "text for a number": {"group": "two"},
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_spoilt_convolution(check, name):
    check(attributes("Conv", **ATTRIBUTES[name]), ["node_0"])


ODD_NODES = {
    "softmax axis": lambda: alone("Softmax", axis=4),
    "softmax least axis": lambda: alone("Softmax", axis=-(2**63)),
    "flatten axis": lambda: alone("Flatten", axis=9),
    "concat axis": lambda: alone("Concat", axis=-5),
    "transposition that is none": lambda: alone("Transpose", perm=[0, 1, 1, 2]),
    "transposition too short": lambda: alone("Transpose", perm=[0, 1]),
    "transposition beyond": lambda: alone("Transpose", perm=[0, 1, 2, 2**40]),
    "reshape to another size": lambda: alone("Reshape", np.array([5, 5])),
    "reshape with two rests": lambda: alone("Reshape", np.array([-1, -1])),
    "reshape to nothing divides": lambda: alone("Reshape", np.array([-1, 0, 1000])),
    "reshape absurd": lambda: alone("Reshape", np.array([2**62, 2**62])),
    "reshape keeps an axis that is not there": lambda: alone("Reshape", np.array([1, 1, 1, 1, 0])),
    "squeeze of a long axis": lambda: alone("Squeeze", np.array([2])),
    "squeeze axis": lambda: alone("Squeeze", np.array([7])),
    "unsqueeze twice": lambda: alone("Unsqueeze", np.array([1, 1])),
    "unsqueeze axis": lambda: alone("Unsqueeze", np.array([2**40])),
    "mean axis": lambda: alone("ReduceMean", axes=[4]),
    "sum axis twice": lambda: alone("ReduceSum", np.array([1, 1])),
    "pad too short": lambda: alone("Pad", np.array([1, 1])),
    "pad away everything": lambda: alone("Pad", np.array([0, 0, -9, 0, 0, 0, -9, 0])),
    "pad absurd": lambda: alone("Pad", np.array([0, 0, 2**62, 0, 0, 0, 2**62, 0])),
    "pad least": lambda: alone("Pad", np.array([0, 0, -(2**63), 0, 0, 0, 0, 0])),
    "pool kernel 0": lambda: alone("MaxPool", kernel_shape=[0, 0]),
    "pool kernel beyond": lambda: alone("AveragePool", kernel_shape=[10, 1]),
    "pool without kernel": lambda: alone("MaxPool"),
    "pool absurd kernel": lambda: alone("AveragePool", kernel_shape=[2**62, 2**62]),
    "pool of a whole plane": lambda: alone("MaxPool", kernel_shape=[100_000, 100_000], pads=[99_999] * 4),
    "pool of rank 2": lambda: alone("MaxPool", kernel_shape=[2, 2], shape=(9, 7)),
    "sum of what does not broadcast": lambda: alone("Add", np.ones((1, 2, 9, 7), np.float32)),
    "product of what does not fit": lambda: alone("MatMul", np.ones((8, 2), np.float32)),
    "product with a number": lambda: alone("MatMul", np.float32(2)),
    "gemm of rank 4": lambda: alone("Gemm", np.ones((7, 2), np.float32)),
    "normalisation of other channels": lambda: alone("BatchNormalization", *[np.ones(4, np.float32)] * 4),
    "clip by a tensor": lambda: alone("Clip", np.zeros(3, np.float32)),
    "transposed convolution, absurd padding": lambda: alone("ConvTranspose", np.ones((3, 2, 3, 3), np.float32), output_padding=[2**62, 0]),
    "transposed convolution of nothing": lambda: alone("ConvTranspose", np.ones((3, 2, 3, 3), np.float32), pads=[9, 9, 9, 9]),
}


@pytest.mark.parametrize("name", ODD_NODES)
def test_odd_node(check, name):
    check(ODD_NODES[name](), ["node_0"])


@pytest.mark.parametrize("opset", [0, 1, 6, 10, 23, 2**40, -1, None])
def test_opset(check, opset):
    def change(model: onnx.ModelProto) -> None:
        model.ClearField("opset_import") if opset is None else setattr(model.opset_import[0], "version", opset)

    check(spoilt(change), [] if opset is None else ["11 to 22"])


# --- a sound file whose bytes were changed ---


def test_mutations(limited, tmp_path):
    """A changed byte may be another weight. It is never a crash, and never a file beside an error."""
    models = sound().model(), CASES["classifier, opset 12"].model, CASES["quantised, int8 image, channels last"].model
    whole, dice = [model.SerializeToString() for model in models], np.random.default_rng(11)
    source, out, problems, codes = tmp_path / "model.onnx", tmp_path / "gradient.onnx", [], Counter()
    for index in range(MUTATIONS):
        changed = bytearray(whole[index % len(whole)])
        for _ in range(int(dice.integers(1, 4))):
            at = int(dice.integers(len(changed)))
            match int(dice.integers(4)):
                case 0:
                    changed[at] ^= 1 << int(dice.integers(8))
                case 1:
                    changed[at] = int(dice.choice([0, 1, 127, 128, 255]))
                case 2:
                    del changed[max(at, len(changed) // 2) :]
                case 3:
                    del changed[at : at + int(dice.integers(1, 9))]
        source.write_bytes(changed)
        out.unlink(missing_ok=True)
        ended = limited("bundle", "gradient", source, "--out", out)
        codes[ended.code] += 1
        taken = ended.code == 0 and not ended.err and out.stat().st_size > 0
        refused = ended.code == 65 and ended.err.startswith("hilum: ") and len(ended.err.splitlines()) == 1 and not out.exists()
        if not (taken or refused):
            left = "left" if out.exists() else "not left"
            problems.append(f"mutation {index}: exit code {ended.code}, {ended.err.strip()[:300]!r}, file {left}")
    print(codes)
    assert not problems, "\n".join(problems)
    assert min(codes[0], codes[65]) > MUTATIONS / 20, codes
