"""EfficientNet-Lite0 (Tan & Le 2019, Lite variant: no squeeze-excite, ReLU6) in Keras, with ImageNet weights.

Batch normalisation trains on batch statistics; what inference uses is measured afterwards, on plain
training images (`measure_statistics`), and not taken from moving averages.
"""

from __future__ import annotations

from typing import Sequence

import keras
import numpy as np
from keras import layers

# repeats, kernel, stride, expansion, channels of each stage (table 1 of the paper)
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
EMBEDDING = 1280
LAST_STRIDED_STAGE = 5
ZERO_LEVEL, LEVELS_PER_UNIT = 127.0, 128.0
"""Network input: real = (level − 127) / 128 of a uint8 level, so that int8 = level − 128 at scale 1/128, zero −1."""


def build(size: int | None, outputs: int, *, final_stride: int = 32, dropout: float = 0.5) -> keras.Model:
    """image [N,size,size,3] -> logits [N,outputs].

    `size` None leaves height and width open. `final_stride` 16 keeps the last strided stage at
    full step, so that a small image still gives a map worth looking at (8×8 for 128²).
    """
    if final_stride not in (16, 32):
        raise ValueError(f"final stride {final_stride} is neither 16 nor 32")

    def normalised(x, name: str, relu: bool):
        x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu6")(x) if relu else x

    def conv(x, channels: int, kernel: int, stride: int, name: str, relu: bool = True):
        return normalised(layers.Conv2D(channels, kernel, stride, "same", use_bias=False, name=name)(x), name, relu)

    def depthwise(x, kernel: int, stride: int, name: str):
        return normalised(layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=name)(x), name, True)

    image = layers.Input((size, size, 3), name="image")
    x, width, block = conv(image, 32, 3, 2, "stem"), 32, 0
    for stage, (repeats, kernel, first_stride, expansion, channels) in enumerate(STAGES):
        if stage == LAST_STRIDED_STAGE and final_stride == 16:
            first_stride = 1
        for repeat in range(repeats):
            stride, name, y = first_stride if repeat == 0 else 1, f"b{block}", x
            if expansion > 1:
                y = conv(y, width * expansion, 1, 1, f"{name}_exp")
            y = depthwise(y, kernel, stride, f"{name}_dw")
            y = conv(y, channels, 1, 1, f"{name}_pw", relu=False)
            x = layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and width == channels else y
            width, block = channels, block + 1
    features = conv(x, EMBEDDING, 1, 1, "head")
    embedding = layers.GlobalAveragePooling2D(name="embedding")(features)
    logits = layers.Dense(outputs, kernel_initializer="zeros", name="logits")(layers.Dropout(dropout, name="dropout")(embedding))
    return keras.Model(image, logits, name="lite0")


def load_imagenet(model: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Copies the convolutions and normalisations; the dense layer only where it has the 1,000 ImageNet outputs."""

    def copy_conv(name: str, source: str) -> None:
        depthwise = name.endswith("_dw")
        # PyTorch [out,in,h,w] (depthwise [channels,1,h,w]) to Keras [h,w,in,out] ([h,w,channels,1])
        kernel = state[f"{source}.weight"].transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        model.get_layer(name).set_weights([kernel])

    def copy_norm(name: str, source: str) -> None:
        parts = ("weight", "bias", "running_mean", "running_var")
        model.get_layer(f"{name}_bn").set_weights([state[f"{source}.{part}"] for part in parts])

    copies = [("stem", "_conv_stem", "_bn0"), ("head", "_conv_head", "_bn1")]
    for block in range(sum(stage[0] for stage in STAGES)):
        root = f"_blocks.{block}."
        if f"{root}_expand_conv.weight" in state:
            copies.append((f"b{block}_exp", f"{root}_expand_conv", f"{root}_bn0"))
        copies.append((f"b{block}_dw", f"{root}_depthwise_conv", f"{root}_bn1"))
        copies.append((f"b{block}_pw", f"{root}_project_conv", f"{root}_bn2"))
    for name, conv_source, norm_source in copies:
        copy_conv(name, conv_source)
        copy_norm(name, norm_source)
    dense = model.get_layer("logits")
    if dense.units == 1000:
        dense.set_weights([state["_fc.weight"].T, state["_fc.bias"]])


def measure_statistics(model: keras.Model, batches: Sequence[np.ndarray]) -> None:
    """Sets the statistics of the trained normalisation layers to their mean over these batches [n,h,w,3].

    Moving averages lag behind weights that were averaged themselves, and MixUp and CutMix shift
    them: a network that trains well would answer badly. Frozen layers keep ImageNet's.
    """
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization) and layer.trainable]
    usual = [norm.momentum for norm in norms]
    for index, batch in enumerate(batches):
        for norm in norms:
            norm.momentum = index / (index + 1)
        model(batch, training=True)
    for norm, momentum in zip(norms, usual):
        norm.momentum = momentum
