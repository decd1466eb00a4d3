"""Keras network -> int8 TFLite file -> the same quantised network as QDQ ONNX, and the contract of both."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from tensorflow.lite.tools import flatbuffer_utils

from . import exact, lite0, work
from .branch import real

OPSET = 15
INPUT_SCALE, INPUT_ZERO = 1 / lite0.LEVELS_PER_UNIT, -1
FULLY_CONNECTED = 9  # BuiltinOperator of the TFLite schema


@dataclass(frozen=True)
class TensorContract:
    name: str
    dtype: str
    layout: str  # one letter an axis: N batch, H, W, C
    shape: list[int]
    scale: float  # real = (value − zero_point) · scale
    zero_point: int


@dataclass(frozen=True)
class Contract:
    input: TensorContract
    outputs: list[TensorContract]


def deployed(model: keras.Model, first_output: str, size: int) -> keras.Model:
    """image [1,size,size,3] -> first_output ("logits" or "embedding"), features: the last convolution before the pooling."""
    image = keras.layers.Input((size, size, 3), batch_size=1, name="image")
    cut = keras.Model(model.input, [model.get_layer(first_output).output, model.get_layer("head_relu6").output])
    return keras.Model(image, cut(image))


def to_tflite(model: keras.Model, first_output: str, calibration: np.ndarray, path: Path) -> None:
    """Full int8 from a `deployed` model; activation ranges come from `calibration`, uint8 [n,size,size,3] of the training split."""
    levels = calibration.copy()
    levels[0, 0, 0], levels[0, 0, 1] = 0, 255  # the whole input range, so that scale and zero come out as agreed
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([real(image[None])] for image in levels)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    # One scale for the dense layer: older TFLite libraries know no other.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter talks a page about what it was asked to do
        converted = converter.convert()
    work.write_bytes(path, _named(bytearray(converted), first_output))
    check_contract(tflite_contract(path), first_output)


def _named(data: bytearray, first_output: str) -> bytes:
    """Gives the graph's ends their agreed names and order; the converter's depend on its version."""
    flat = flatbuffer_utils.read_model_from_bytearray(data)
    graph = flat.subgraphs[0]
    outputs = sorted(graph.outputs, key=lambda index: len(graph.tensors[index].shape))  # [1,K] before [1,h,w,C]
    graph.inputs, graph.outputs = list(graph.inputs), outputs
    names = {graph.inputs[0]: "image", outputs[0]: first_output, outputs[1]: "features"}
    for tensor in graph.tensors:  # Keras counts the models of a process; the file must not depend on that
        tensor.name = re.sub(rb"functional(_\d+)*/", b"", bytes(tensor.name))
    for index, name in names.items():
        graph.tensors[index].name = name.encode()
    for signature in flat.signatureDefs or []:
        for entry in [*signature.inputs, *signature.outputs]:
            entry.name = names[entry.tensorIndex].encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(flat))


class Tflite:
    """The int8 network on the reference engine of training: TFLite with XNNPACK."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        self._interpreter = tf.lite.Interpreter(str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def run(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 levels [size,size,3] -> int8 first output [K], int8 features [h,w,C]."""
        self._interpreter.set_tensor(self._input, quantised(levels)[None])
        self._interpreter.invoke()
        first, features = (self._interpreter.get_tensor(index)[0] for index in self._outputs)
        return first, features


def quantised(levels: np.ndarray) -> np.ndarray:
    """uint8 levels as the int8 that the networks take: level − 128, exactly."""
    return (levels.astype(np.int16) - 128).astype(np.int8)


def dequantised(values: np.ndarray, contract: TensorContract) -> np.ndarray:
    return (values.astype(np.float32) - np.float32(contract.zero_point)) * np.float32(contract.scale)


def tflite_contract(path: Path) -> Contract:
    interpreter = tf.lite.Interpreter(str(path))

    def tensor(detail: dict) -> TensorContract:
        scale, zero = detail["quantization"]
        shape = [int(side) for side in detail["shape"]]
        return TensorContract(detail["name"], np.dtype(detail["dtype"]).name, "NHWC" if len(shape) == 4 else "NC", shape, float(scale), int(zero))

    return Contract(tensor(interpreter.get_input_details()[0]), [tensor(detail) for detail in interpreter.get_output_details()])


def check_contract(contract: Contract, first_output: str) -> None:
    """What the device relies on; a converter that answers otherwise must not get into a bundle."""
    image = contract.input
    if (image.name, image.dtype, image.scale, image.zero_point) != ("image", "int8", INPUT_SCALE, INPUT_ZERO):
        raise ValueError(f"input came out as {image}, wanted int8 with scale {INPUT_SCALE} and zero point {INPUT_ZERO}")
    if [(output.name, output.dtype) for output in contract.outputs] != [(first_output, "int8"), ("features", "int8")]:
        raise ValueError(f"outputs came out as {contract.outputs}")


def to_onnx(tflite: Path, path: Path) -> Contract:
    """The same quantised network as QDQ ONNX, with fixed batch, named ends and no stale shapes (for tract)."""
    known = tflite_contract(tflite)
    tf2onnx.utils.INTERNAL_NAME = 1  # its names count on over a process
    model, _ = tf2onnx.convert.from_tflite(str(tflite), opset=OPSET)
    graph = model.graph
    ends = [known.input.name, *(output.name for output in known.outputs)]
    names = dict(zip([graph.input[0].name, *_outputs_by_rank(graph)], ends, strict=True))
    for end in [*graph.input, *graph.output]:
        end.type.tensor_type.shape.dim[0].dim_value = 1
    for value in [*graph.input, *graph.output]:
        value.name = names[value.name]
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    ordered = sorted(graph.output, key=lambda value: ends.index(value.name))
    del graph.output[:]
    graph.output.extend(ordered)
    del graph.value_info[:]
    graph.name, model.producer_name, model.producer_version, model.doc_string = path.stem, "hilum", "", ""
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    _canonical(graph)
    onnx.checker.check_model(model)
    work.write_bytes(path, model.SerializeToString(deterministic=True))
    return _onnx_contract(model, known)


def _canonical(graph: onnx.GraphProto) -> None:
    """Order and names that follow from the graph alone: the converter's change from run to run."""
    maker = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    names = {value.name: value.name for value in [*graph.input, *graph.output]}
    nodes: list[onnx.NodeProto] = []
    kept: list[onnx.TensorProto] = []

    def visit(name: str) -> None:
        """Makers before users, inputs in their order. Nodes are renamed when left, so each is visited once."""
        if name in constants:
            if name not in names:
                names[name] = f"constant_{len(kept)}"
                constants[name].name = names[name]
                kept.append(constants[name])
            return
        node = maker.get(name)
        if node is None or any(node is other for other in nodes):
            return
        for source in node.input:
            visit(source)
        node.name = f"{node.op_type}_{len(nodes)}"
        for index, output in enumerate(node.output):
            names.setdefault(output, f"{node.name}_{index}" if index else node.name)
        nodes.append(node)

    for value in graph.output:
        visit(value.name)
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    for node in ordered:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        del node.attribute[:]
        node.ClearField("domain")  # empty or absent, both mean ONNX's own operators
        node.attribute.extend(attributes)
    tensors = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in kept]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(ordered)
    graph.initializer.extend(tensors)


def _outputs_by_rank(graph: onnx.GraphProto) -> list[str]:
    return [value.name for value in sorted(graph.output, key=lambda value: len(value.type.tensor_type.shape.dim))]


def _onnx_contract(model: onnx.ModelProto, known: Contract) -> Contract:
    """Types and shapes from the ONNX graph; scales are the TFLite file's, whose tensors these are."""

    def tensor(value: onnx.ValueInfoProto, source: TensorContract) -> TensorContract:
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        layout = source.layout
        if len(shape) == 4 and shape != source.shape:
            if shape != [source.shape[0], source.shape[3], *source.shape[1:3]]:
                raise ValueError(f"{value.name} is {shape} in ONNX and {source.shape} in TFLite")
            layout = "NCHW"
        return TensorContract(value.name, kind, layout, shape, source.scale, source.zero_point)

    outputs = [tensor(value, source) for value, source in zip(model.graph.output, known.outputs, strict=True)]
    return Contract(tensor(model.graph.input[0], known.input), outputs)


@dataclass(frozen=True)
class Agreement:
    """How far the ONNX file, run by ONNX Runtime, is from the TFLite file."""

    images: int
    same_class_share: float
    mean_quanta_first: float
    max_quanta_first: int
    max_quanta_features: int
    mean_quanta_features: float


def compare(tflite: Path, onnx_path: Path, contract: Contract, images: Iterable[np.ndarray], class_of: Callable[[np.ndarray], int]) -> Agreement:
    """Runs both on the images; `class_of` takes the dequantised first output.

    Kernels round differently, and every layer passes that on: TFLite's own reference kernels are
    further from its XNNPACK ones than ONNX Runtime is. So single features may be tens of quanta
    apart; the mean and the class tell whether the files say the same.
    """
    session = exact.session(onnx_path)
    engine, same, gaps = Tflite(tflite), [], ([], [])
    for levels in images:
        image = quantised(levels)[None]
        if contract.input.layout == "NCHW":
            image = image.transpose(0, 3, 1, 2)
        if contract.input.dtype == "float32":
            image = dequantised(image, contract.input)
        answers = session.run([output.name for output in contract.outputs], {"image": image})
        wanted = engine.run(levels)
        for index, (answer, output) in enumerate(zip(answers, contract.outputs)):
            answer = answer[0].transpose(1, 2, 0) if output.layout == "NCHW" else answer[0]
            if output.dtype == "float32":
                answer = np.rint(answer / output.scale + output.zero_point)
            gaps[index].append(np.abs(answer.astype(np.int32) - wanted[index].astype(np.int32)))
            if index == 0:
                same.append(class_of(dequantised(answer, output)) == class_of(dequantised(wanted[0], output)))
    first, features = map(np.stack, gaps)
    return Agreement(len(same), float(np.mean(same)), round(float(first.mean()), 3), int(first.max()), int(features.max()), round(float(features.mean()), 3))


def dense_layer(tflite: Path) -> tuple[np.ndarray, np.ndarray]:
    """Dequantised weights [5,C] and bias [5] of the file's one dense layer."""
    flat = flatbuffer_utils.read_model(str(tflite))
    graph = flat.subgraphs[0]
    found = [op for op in graph.operators if max(flat.operatorCodes[op.opcodeIndex].builtinCode, flat.operatorCodes[op.opcodeIndex].deprecatedBuiltinCode) == FULLY_CONNECTED]
    if len(found) != 1:
        raise ValueError(f"{len(found)} dense layers in {tflite.name}, wanted one")

    def constant(index: int, dtype: str) -> np.ndarray:
        tensor = graph.tensors[index]
        values = np.frombuffer(bytes(flat.buffers[tensor.buffer].data), dtype).reshape(tensor.shape)
        return values.astype(np.float32) * np.asarray(tensor.quantization.scale, np.float32)

    _, weight, bias = found[0].inputs
    return constant(weight, "i1"), constant(bias, "<i4")
