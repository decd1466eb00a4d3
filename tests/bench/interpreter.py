#!/usr/bin/env python3
"""A quantised network of a bundle on another engine, as its users run it from Python: a peer of `hilum bench --against`.

    tests/bench/interpreter.py litert      ct.tflite ct_image.npy [--threads N] [--outputs FILE.npy]
    tests/bench/interpreter.py onnxruntime ct.onnx   ct_image.npy

A run is: set the input, invoke, have both outputs as arrays. Inputs are int8 [n,S,S,3] and take turns. `--outputs` gets what each of
them gave when it was last run, int8 [n, K + h·w·C]: the first output, then the features.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

import protocol

WARM_UP = 10  # runs at least, and every input once


class Litert:
    """LiteRT's interpreter with what it does by default, which is XNNPACK."""

    version = property(lambda self: version("ai-edge-litert"))

    def __init__(self, model: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(model), num_threads=threads)
        self._interpreter.allocate_tensors()
        # It says nothing where it goes on without: then it is three times slower, and would be called a peer all the same.
        if not any(operator["op_name"] == "DELEGATE" for operator in self._interpreter._get_ops_details()):
            raise SystemExit("litert: XNNPACK did not take the network")
        (image,) = self._interpreter.get_input_details()
        self._input, self.shape, self.dtype = image["index"], tuple(image["shape"]), np.dtype(image["dtype"])
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def run(self, image: np.ndarray) -> list[np.ndarray]:
        self._interpreter.set_tensor(self._input, image)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


class OnnxRuntime:
    """ONNX Runtime on the CPU, every optimisation of graphs switched on, and no sum that overflows."""

    version = property(lambda self: version("onnxruntime"))

    def __init__(self, model: Path, threads: int) -> None:
        sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models"))
        from hilum_models import exact

        self._session = exact.session(model, threads)
        (image,) = self._session.get_inputs()
        self._input, self.shape, self.dtype = image.name, tuple(image.shape), np.dtype(image.type.removeprefix("tensor(").removesuffix(")"))
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, image: np.ndarray) -> list[np.ndarray]:
        return self._session.run(self._outputs, {self._input: image})


RUNTIMES = {"litert": Litert, "onnxruntime": OnnxRuntime}


class InTurn:
    """One input after the other; what each gave last."""

    def __init__(self, engine: Litert | OnnxRuntime, images: list[np.ndarray]) -> None:
        self._engine, self._images, self._next = engine, images, 0
        self.given: list[list[np.ndarray]] = [[] for _ in images]

    def run(self) -> None:
        self.given[self._next] = self._engine.run(self._images[self._next])
        self._next = (self._next + 1) % len(self._images)

    def rows(self) -> np.ndarray:
        return np.stack([np.concatenate([output.ravel() for output in outputs]) for outputs in self.given])


def count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runtime", choices=RUNTIMES)
    parser.add_argument("model", type=Path)
    parser.add_argument("input", type=Path)
    parser.add_argument("--threads", type=count, default=1)
    parser.add_argument("--outputs", type=Path)
    options = parser.parse_args()
    answers = protocol.claim_stdout()
    engine = RUNTIMES[options.runtime](options.model, options.threads)
    images = np.load(options.input)
    if images.shape[1:] != engine.shape[1:] or images.dtype != engine.dtype or not len(images):
        raise SystemExit(f"{options.runtime}: the network reads {engine.dtype} {engine.shape}, the inputs are {images.dtype} {images.shape}")
    turns = InTurn(engine, [np.ascontiguousarray(image[None]) for image in images])
    for _ in range(max(WARM_UP, len(images))):
        turns.run()
    protocol.serve(answers, options.runtime, engine.version, turns.run)
    if options.outputs:
        np.save(options.outputs, turns.rows())


if __name__ == "__main__":
    main()
