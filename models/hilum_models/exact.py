"""ONNX Runtime on quantised networks, without overflow."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime


def unshared(path: Path) -> bytes:
    """An ONNX model whose nodes share no constant: a shared zero point makes `session.x64quantprecision` fail."""
    model = onnx.load(path)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    taken = set()
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name in taken:
                copy = model.graph.initializer.add()
                copy.CopyFrom(constants[name])
                copy.name = node.input[index] = f"{name}_{node.name}_{index}"
            elif name in constants:
                taken.add(name)
    return model.SerializeToString()


def session(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Every optimisation of graphs switched on, one operator after another.

    On x86-64 without VNNI, ONNX Runtime adds products of bytes in 16 bits and lets the sums overflow, unless it is told not to: three
    of the reference bundle's eight golden patches get another class. On all other machines the option changes nothing.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(unshared(path), options, providers=["CPUExecutionProvider"])
