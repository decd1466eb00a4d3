"""Whole networks with weights from dice: as Keras has them in float64, and as tf2onnx writes them in float32."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from hilum_models import lite0
from keras import layers

import ops

CLASSES = 5


def resnet18(size: int) -> keras.Model:
    """He et al. 2016, table 1: two blocks of two 3x3 convolutions a stage, widths 64 to 512."""

    def conv(x, width: int, kernel: int, stride: int):
        x = layers.ZeroPadding2D(kernel // 2)(x)  # as PyTorch pads, whatever the stride
        return layers.BatchNormalization(epsilon=1e-5)(layers.Conv2D(width, kernel, stride, use_bias=False)(x))

    image = layers.Input((size, size, 3), name="image")
    x = layers.ReLU()(conv(image, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))  # behind a ReLU, so that zeros pad as well as what is least
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            y = conv(layers.ReLU()(conv(x, width, 3, stride)), width, 3, 1)
            x = x if stride == 1 else conv(x, width, 1, stride)
            x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(image, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))


def application(name: str) -> Callable[[int], keras.Model]:
    def build(size: int) -> keras.Model:
        return getattr(keras.applications, name)(weights=None, classes=CLASSES, input_shape=(size, size, 3), classifier_activation=None)

    return build


@dataclass(frozen=True)
class Kind:
    """How a network is made, and how it is written."""

    build: Callable[[int], keras.Model]
    size: int
    opset: int
    nchw: bool = False  # whether the file's own input is channels first
    levels: bool = False  # whether the image is 0 to 255 and the network's own first layers scale it


KINDS = {
    "EfficientNet-Lite0": Kind(lambda size: lite0.build(size, CLASSES), 64, 15),
    "ResNet-18": Kind(resnet18, 64, 13, nchw=True),
    "ResNet50": Kind(application("ResNet50"), 64, 17),
    "MobileNetV2": Kind(application("MobileNetV2"), 96, 12),
    "MobileNetV3Small": Kind(application("MobileNetV3Small"), 96, 18, levels=True),
    "DenseNet121": Kind(application("DenseNet121"), 64, 14, nchw=True),
}


@dataclass(frozen=True)
class Whole:
    """A network in both forms, and places to differentiate it at."""

    exact: keras.Model  # float64: image [1,H,W,3] -> last maps [1,h,w,C], logits [1,K]
    model: onnx.ModelProto
    kind: Kind

    def images(self) -> Iterator[np.ndarray]:
        """Noise, NCHW."""
        dice = np.random.default_rng(len(self.model.graph.node))
        while True:
            yield noise(dice, 1, self.kind).transpose(0, 3, 1, 2)

    def wanted(self, image: np.ndarray, cotangent: np.ndarray) -> ops.Wanted:
        x = tf.constant(image.transpose(0, 2, 3, 1), tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(x)
            maps, logits = self.exact(x, training=False)
            told = tf.reduce_sum(logits * cotangent)
        grads = [np.asarray(grad).transpose(0, 3, 1, 2) for grad in tape.gradient(told, [x, maps])]
        return ops.Wanted(np.asarray(logits), grads[0], [np.asarray(maps).transpose(0, 3, 1, 2)], [grads[1]])

    def fed(self, image: np.ndarray) -> np.ndarray:
        """The image as the file takes it."""
        return image if self.kind.nchw else image.transpose(0, 2, 3, 1)

    def at(self, image: np.ndarray) -> np.ndarray:
        """The logits in float64, of an image NCHW."""
        return np.asarray(self.exact(tf.constant(image.transpose(0, 2, 3, 1), tf.float64), training=False)[1])


def noise(dice: np.random.Generator, count: int, kind: Kind) -> np.ndarray:
    values = dice.uniform(-1, 1, (count, kind.size, kind.size, 3))
    return ((values + 1) * 127.5 if kind.levels else values).astype(np.float32)


def thrown(dice: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A kernel as He et al. 2015 begin with it, or a bias."""
    return dice.normal(0, np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.1, shape)


def throw(model: keras.Model, images: np.ndarray, seed: int) -> None:
    """Weights and normalisation that keep activations as large as training does, with none alike."""
    dice = np.random.default_rng(seed)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.moving_mean.shape
            scale, shift = dice.uniform(0.5, 1.5, shape), dice.normal(0, 0.3, shape)
            layer.set_weights([scale, shift, np.zeros(shape), np.ones(shape)][-len(layer.weights) :])  # some have no scale
        else:
            layer.set_weights([thrown(dice, weight.shape) for weight in layer.weights])
    lite0.measure_statistics(model, [images[:4], images[4:]])


def last_maps(model: keras.Model):
    """The last tensor of several pixels, before the pooling."""
    return [layer.output for layer in model.layers if len(layer.output.shape) == 4 and layer.output.shape[1] > 1][-1]


def to_onnx(model: keras.Model, kind: Kind) -> onnx.ModelProto:
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    tf2onnx.logging.set_level(logging.CRITICAL)
    forward = tf.function(lambda image: {"logits": model(image, training=False)})
    signature = [tf.TensorSpec([1, kind.size, kind.size, 3], tf.float32, name="image")]
    return tf2onnx.convert.from_function(forward, signature, opset=kind.opset, inputs_as_nchw=["image"] if kind.nchw else None)[0]


@cache
def whole(name: str) -> Whole:
    kind, seed = KINDS[name], len(name)
    keras.utils.set_random_seed(seed)
    model = kind.build(kind.size)
    throw(model, noise(np.random.default_rng(seed), 8, kind), seed)
    usual = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        twin = kind.build(kind.size)
        exact = keras.Model(twin.input, [last_maps(twin), twin.output])
    finally:
        keras.config.set_floatx(usual[0])
        keras.config.set_dtype_policy(usual[1])
    twin.set_weights(model.get_weights())
    assert {layer.compute_dtype for layer in [exact, *exact.layers]} == {"float64"}
    return Whole(exact, to_onnx(model, kind), kind)
