"""Temperatures, and the metadata encoder that weighs the branches: z = w_ct z_ct + w_he z_he, softmax(z/T).

Both are fitted on int8 logits of cases that trained no branch: those held back for it, and the validation split's.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import onnx
import tensorflow as tf
from onnx import helper

from . import CLASSES, mil
from .branch import log_loss

TEMPERATURES = np.geomspace(0.1, 10.0, 401)
Weights = dict[str, np.ndarray]


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The T between 0.1 and 10 of least log loss (Guo 2017), against targets drawn a little towards equal.

    On few cases that are all answered right, plain log loss asks for certainty (T → 0) and the first
    miss in use costs dearly. Platt's targets (1999) say instead: of n + 2 such cases one would miss.
    """
    share = 1 / (len(truth) + 2)
    losses = []
    for temperature in TEMPERATURES:
        scaled = logits.astype(np.float64) / temperature
        top = scaled.max(1)
        normaliser = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        target = (1 - share) * scaled[np.arange(len(truth)), truth] + share * scaled.mean(1)
        losses.append((normaliser - target).mean())
    return float(round(TEMPERATURES[int(np.argmin(losses))], 4))


def fuse(weights: np.ndarray, ct: np.ndarray, he: np.ndarray) -> np.ndarray:
    """weights [n,2], logits [n,5] twice -> z [n,5]."""
    return weights[:, :1] * ct + weights[:, 1:] * he


def evaluate(weights: Weights, metadata: np.ndarray) -> np.ndarray:
    """Standardised metadata [n,3] -> weights [n,2], in numpy."""
    x = np.maximum(metadata @ weights["dense0_weight"].T + weights["dense0_bias"], 0)
    x = np.maximum(x @ weights["dense1_weight"].T + weights["dense1_bias"], 0)
    x = x @ weights["dense2_weight"].T + weights["dense2_bias"]
    x = np.exp(x - x.max(1, keepdims=True))
    return (x / x.sum(1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Fit:
    weights: Weights
    steps: int  # 0: equal weights stood
    held_out_loss: float  # mean over the folds, at `steps`
    held_out_loss_equal: float  # the same with equal weights


def train(
    metadata: np.ndarray, ct: np.ndarray, he: np.ndarray, truth: np.ndarray,
    *, seed: int, steps: int = 400, every: int = 10, folds: int = 5, repeats: int = 4, dropout: float = 0.3,
) -> Fit:  # fmt: skip
    """Full-batch training of folds × repeats + 1 encoders side by side, each with its own share of the cases.

    The first ones leave a fold out and choose how long to train; the last one sees all cases and is
    taken at that step. All begin at equal weights, so the choice may be not to train at all; with
    fewer than two cases a fold there is nothing to choose by, and equal weights stay.
    """
    rng = np.random.default_rng([seed, 21])
    keras.utils.set_random_seed(seed)
    count, runs = len(truth), folds * repeats + 1
    held_out = np.zeros((runs, count), bool)
    for repeat in range(repeats):
        fold = rng.permutation(count) % folds
        for index in range(folds):
            held_out[repeat * folds + index] = fold == index
    kept = tf.constant((~held_out).astype(np.float32))

    def same(*shape: int, zero: bool = False) -> tf.Variable:
        bound = 0.0 if zero else float(np.sqrt(6 / sum(shape)))
        return tf.Variable(np.repeat(rng.uniform(-bound, bound, (1, *shape)), runs, 0).astype(np.float32))

    variables = {
        "dense0_weight": same(64, 3),
        "dense0_bias": same(64, zero=True),
        "dense1_weight": same(32, 64),
        "dense1_bias": same(32, zero=True),
        "dense2_weight": same(2, 32, zero=True),
        "dense2_bias": same(2, zero=True),
        # Where equal weights have it: from 1, the first steps would only sharpen, by weighing up whichever branch is louder.
        "log_temperature": tf.Variable(np.full(runs, np.log(fit_temperature((ct + he) / 2, truth)), np.float32)),
    }
    order = list(variables.values())
    optimiser = keras.optimizers.AdamW(1e-3, weight_decay=1e-2)
    optimiser.exclude_from_weight_decay(var_list=[variables["log_temperature"]])
    optimiser.build(order)
    x, ct_z, he_z, target = (tf.constant(value, tf.float32) for value in (metadata, ct, he, np.eye(len(CLASSES))[truth]))

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            # A value is hidden now and then, so that a missing one is nothing new to the encoder.
            hidden = tf.cast(tf.random.uniform((runs, count, 3)) > 0.1, tf.float32)
            h = tf.nn.relu(tf.einsum("rni,roi->rno", x * hidden, variables["dense0_weight"]) + variables["dense0_bias"][:, None])
            h = tf.nn.relu(tf.einsum("rni,roi->rno", tf.nn.dropout(h, dropout), variables["dense1_weight"]) + variables["dense1_bias"][:, None])
            h = tf.einsum("rni,roi->rno", tf.nn.dropout(h, dropout), variables["dense2_weight"]) + variables["dense2_bias"][:, None]
            share = tf.nn.softmax(h)
            z = share[..., :1] * ct_z + share[..., 1:] * he_z
            loss = tf.nn.softmax_cross_entropy_with_logits(
                tf.broadcast_to(target, tf.shape(z)), z * tf.exp(-variables["log_temperature"])[:, None, None]
            )
            loss = tf.reduce_sum(kept * loss, 1) / tf.reduce_sum(kept, 1)
        optimiser.apply_gradients(zip(tape.gradient(loss, order), order))

    def snapshot() -> list[Weights]:
        values = {name: variable.numpy() for name, variable in variables.items() if name.startswith("dense")}
        return [{name: value[run] for name, value in values.items()} for run in range(runs)]

    def held_out_loss(nets: list[Weights]) -> float:
        losses = []
        for run in range(runs - 1):
            z, out = fuse(evaluate(nets[run], metadata), ct, he), held_out[run]
            losses.append(log_loss(z[out], truth[out], fit_temperature(z[~out], truth[~out])))
        return float(np.mean(losses))

    nets = snapshot()
    if count < 2 * folds:
        loss = log_loss(fuse(evaluate(nets[-1], metadata), ct, he), truth)
        return Fit(nets[-1], 0, loss, loss)
    equal = best_loss = held_out_loss(nets)
    best, best_step = nets[-1], 0
    for done in range(1, steps + 1):
        step()
        if done % every == 0 and (loss := held_out_loss(nets := snapshot())) < best_loss:
            best, best_step, best_loss = nets[-1], done, loss
    return Fit(best, best_step, best_loss, equal)


def to_onnx(weights: Weights) -> onnx.ModelProto:
    """metadata [1,3] -> weights [1,2]; column 0 is CT, column 1 H&E."""
    node = helper.make_node
    nodes = [
        node("Gemm", ["metadata", "dense0_weight", "dense0_bias"], ["dense0"], transB=1),
        node("Relu", ["dense0"], ["relu0"]),
        node("Gemm", ["relu0", "dense1_weight", "dense1_bias"], ["dense1"], transB=1),
        node("Relu", ["dense1"], ["relu1"]),
        node("Gemm", ["relu1", "dense2_weight", "dense2_bias"], ["dense2"], transB=1),
        node("Softmax", ["dense2"], ["weights"], axis=1),
    ]
    return mil.model("metadata", nodes, weights, {"metadata": [1, 3]}, {"weights": [1, 2]})
