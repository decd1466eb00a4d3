"""The program, the engines that run what it makes, and the one place where a gradient is held against another."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402

import ops  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "target" / "release"
OPSET = 15
ONNX_RUNTIME, TRACT = 1e-5, 1e-2  # relative L2 error that an engine may have


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended; killed by a signal, the code is negative."""

    code: int
    err: str


class TractFault(AssertionError):
    """Tract failed on a valid graph in its own code: its optimiser says so itself, or an assertion of its own does."""


def found(variable: str, usual: Path, how: str) -> Path:
    path = Path(os.environ.get(variable, usual)).resolve()
    if not path.is_file():
        raise AssertionError(f"{path} is missing: {how}")
    return path


@pytest.fixture(scope="session")
def hilum() -> Callable[..., Ended]:
    """Runs the release build, or $HILUM."""
    program = found("HILUM", RELEASE / "hilum", "cargo build --release")

    def run(*words: object, timeout_s: float = 120) -> Ended:
        done = subprocess.run([program, *map(str, words)], capture_output=True, encoding="utf-8", errors="replace", timeout=timeout_s)
        return Ended(done.returncode, done.stderr)

    return run


@pytest.fixture(scope="session")
def in_tract() -> Callable[[Path, dict[str, np.ndarray], Path], dict[str, np.ndarray]]:
    """Runs a model in tract, by the example or $HILUM_IN_TRACT."""

    def run(model: Path, inputs: dict[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
        program = found("HILUM_IN_TRACT", RELEASE / "examples" / "in_tract", "cargo build --release --examples")
        folder.mkdir()
        for name, value in inputs.items():
            np.save(folder / f"{name}.npy", value)
        quiet = {**os.environ, "RUST_BACKTRACE": "0"}
        done = subprocess.run([program, model, folder], capture_output=True, encoding="utf-8", timeout=120, env=quiet)
        if done.returncode != 0:
            fault = re.search(r"running pass (declutter|fuse|codegen)|This is a bug|panicked at \S*/tract-core", done.stderr)
            raise (TractFault if fault else AssertionError)(f"exit code {done.returncode}: {done.stderr.strip()[:2000]}")
        return {path.stem: np.load(path) for path in folder.glob("*.npy") if path.stem not in inputs}

    return run


def in_onnx_runtime(model: Path, inputs: dict[str, np.ndarray], as_written: bool = False) -> dict[str, np.ndarray]:
    """With `as_written` each node is run as the model has it: what the optimiser puts in its place is not always the same."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def gap(got: np.ndarray, wanted: np.ndarray) -> float:
    """Relative L2 error. Where zero is wanted, the absolute one."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape, f"shape {got.shape}, wanted {wanted.shape}"
    assert np.isfinite(got).all(), "not finite"
    return float(np.linalg.norm(got - wanted) / (np.linalg.norm(wanted) or 1))


@dataclass(frozen=True)
class Made:
    """A gradient graph on disk, and what may be fed to it."""

    path: Path
    input: str
    image: np.ndarray
    cotangent: np.ndarray


@pytest.fixture
def bundle_gradient(hilum, tmp_path) -> Callable[..., Made]:
    """Makes the gradient graph of a model and looks at its ends."""

    def make(model: onnx.ModelProto | Path, image: np.ndarray, cotangent: np.ndarray, *words: object) -> Made:
        source, out = tmp_path / "model.onnx", tmp_path / "gradient.onnx"
        if isinstance(model, Path):
            source = model
        else:
            onnx.save(model, source)
        ended = hilum("bundle", "gradient", source, "--out", out, *words)
        if ended.code != 0:
            raise AssertionError(f"exit code {ended.code}: {ended.err.strip()}")
        made = onnx.load(out)
        onnx.checker.check_model(made)
        assert [(entry.domain, entry.version) for entry in made.opset_import] == [("", OPSET)]
        shapes = {end.name: [side.dim_value for side in end.type.tensor_type.shape.dim] for end in [*made.graph.input, *made.graph.output]}
        assert all(end.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for end in [*made.graph.input, *made.graph.output])
        name = "image" if image.ndim == 4 else onnx.load(source).graph.input[0].name
        assert {end.name for end in made.graph.input} == {name, "cotangent"}
        assert shapes[name] == shapes["grad_input"] == list(image.shape)
        assert shapes["cotangent"] == shapes["logits"] == list(cotangent.shape)
        return Made(out, name, image.astype(np.float32), cotangent.astype(np.float32))

    return make


@pytest.fixture
def as_written() -> bool:
    """Whether ONNX Runtime runs a gradient graph without its optimiser; a module may say so."""
    return False


@pytest.fixture
def engines(in_tract, tmp_path, as_written) -> dict[str, tuple[float, Callable[[Made], dict[str, np.ndarray]]]]:
    """How far off each engine may be, and how it runs a gradient graph."""
    inputs = lambda made: {made.input: made.image, "cotangent": made.cotangent}
    folders = (tmp_path / f"tract-{index}" for index in itertools.count())
    return {
        "ONNX Runtime": (ONNX_RUNTIME, lambda made: in_onnx_runtime(made.path, inputs(made), as_written)),
        "tract": (TRACT, lambda made: in_tract(made.path, inputs(made), next(folders))),
    }


@dataclass(frozen=True)
class Allowed:
    """What may be off by more than usual, and why an engine may be let off."""

    all: float = 0
    forward: float = 0  # what the network itself says
    tract: bool = True  # False where tract does not run the network itself
    faults: Counter[str] | None = None  # where a failure of tract's optimiser is counted instead of held against the graph

    def of(self, name: str, usual: float) -> float:
        return max(usual, self.all, 0 if "grad" in name else self.forward)


@pytest.fixture
def judge(engines) -> Callable[..., dict[str, dict[str, float]]]:
    """Holds a gradient graph against what is wanted, in both engines, every output; how far off each was."""

    def run(made: Made, wanted: ops.Wanted, allowed: Allowed = Allowed()) -> dict[str, dict[str, float]]:
        answers = {"logits": wanted.logits, "grad_input": wanted.grad_input}
        for index, (features, grad) in enumerate(zip(wanted.features, wanted.grad_features, strict=True), 1):
            suffix = "" if index == 1 else f"_{index}"
            answers |= {f"features{suffix}": features, f"grad_features{suffix}": grad}
        gaps: dict[str, dict[str, float]] = {}
        problems = []
        for engine, (usual, answer_of) in engines.items():
            if engine == "tract" and not allowed.tract:
                continue
            try:
                got = answer_of(made)
                gaps[engine] = {name: gap(got[name], answer) for name, answer in answers.items()}
            except TractFault as error:
                if allowed.faults is None:
                    problems.append(f"{engine}: {error}")
                else:
                    allowed.faults[engine] += 1
            except Exception as error:  # what one engine does must not hide what the other one does
                problems.append(f"{engine}: {error}")
            for name, off in gaps.get(engine, {}).items():
                if not off < allowed.of(name, usual):
                    problems.append(f"{engine}: {name} is off by {off:.1e}, {allowed.of(name, usual):.0e} is allowed")
        print(*(f"{engine}: {name} {off:.1e}" for engine, found in gaps.items() for name, off in found.items()), sep="\n")
        if problems:
            raise AssertionError("\n".join(problems))
        return gaps

    return run


def steady(model: onnx.ModelProto, made: Made, images: Iterable[np.ndarray], nhwc: bool) -> Made:
    """The first image at which float32, as ONNX Runtime has it, lies on the same side of every kink as float64 does.

    At any other one the two are derivatives of different linear pieces, and no tolerance tells that from a fault.
    """
    network, graph, counts = ops.Network(model), onnx.load(made.path), []
    own = {name for node in graph.graph.node for name in node.output}
    for image in itertools.islice(images, 40):
        image = image.astype(np.float32)
        exact, _ = network.run(tf.constant(ops.channels_last(image) if nhwc else image, tf.float64))
        names = sorted({node.input[0] for node in ops.bent(model, exact)})
        rounded = {name: np.asarray(exact[name], np.float32) for name in names}
        seen = [name for name in names if name in own]  # the others are another tensor in other words: the input, or what an Identity made
        assert len(seen) * 2 >= len(names) or len(names) < 10, f"the gradient graph has other names: {names}"
        if seen:
            del graph.graph.output[:]
            graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in seen)
            with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
                onnx.save(graph, file.name)
                rounded |= in_onnx_runtime(Path(file.name), {made.input: image, "cotangent": made.cotangent})
        counts.append(ops.turned(model, exact, rounded))
        if counts[-1] == 0:
            print(f"image {len(counts)}; values on another side before: {counts[:-1]}")
            return replace(made, image=image)
    raise AssertionError(f"values on another side: {counts}")


def cotangent_of(shape: Sequence[int], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
