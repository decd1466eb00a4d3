"""Gated attention over the tiles of a slide (Ilse, Tomczak & Welling, ICML 2018, eq. 9).

    a = softmax_N(w · (tanh(V h + bV) ⊙ sigmoid(U h + bU)) + bw)      z = Σ a_k h_k      logits = W z + b

Weights live in a plain dict under the names that the ONNX file gives its initialisers.
"""

from __future__ import annotations

from typing import Mapping

import keras
import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

from . import CLASSES
from .branch import log_loss

HIDDEN = 128
OPSET, IR_VERSION = 15, 8
Weights = dict[str, np.ndarray]


def initial(embedding: int, head_weight: np.ndarray, head_bias: np.ndarray, seed: int) -> Weights:
    """Uniform attention and the tile classifier's own dense layer [5,C], [5]: training starts from the mean over tiles."""
    rng = np.random.default_rng([seed, 11])
    bound = float(np.sqrt(6 / (embedding + HIDDEN)))
    gate = lambda: rng.uniform(-bound, bound, (HIDDEN, embedding)).astype(np.float32)
    zeros = lambda *shape: np.zeros(shape, np.float32)
    return {
        "V_weight": gate(),
        "V_bias": zeros(HIDDEN),
        "U_weight": gate(),
        "U_bias": zeros(HIDDEN),
        "w_weight": zeros(1, HIDDEN),
        "w_bias": zeros(1),
        "head_weight": head_weight.astype(np.float32),
        "head_bias": head_bias.astype(np.float32),
    }


def forward(weights: Mapping[str, tf.Tensor], bags: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """bags [B,N,C], mask [B,N] (1 tile, 0 padding) -> logits [B,5], attention [B,N]."""
    tanh = tf.tanh(tf.einsum("bnc,hc->bnh", bags, weights["V_weight"]) + weights["V_bias"])
    gate = tf.sigmoid(tf.einsum("bnc,hc->bnh", bags, weights["U_weight"]) + weights["U_bias"])
    scores = tf.einsum("bnh,h->bn", tanh * gate, weights["w_weight"][0]) + weights["w_bias"][0]
    attention = tf.nn.softmax(tf.where(mask > 0, scores, tf.cast(-1e9, scores.dtype)), axis=1)
    pooled = tf.einsum("bn,bnc->bc", attention, bags)
    return tf.einsum("bc,kc->bk", pooled, weights["head_weight"]) + weights["head_bias"], attention


def evaluate(weights: Weights, bags: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Logits [n,5] and attention [N] of each bag [N,C], in numpy: an independent statement of the formula."""
    logits, attentions = [], []
    for bag in bags:
        gate = np.tanh(bag @ weights["V_weight"].T + weights["V_bias"]) / (1 + np.exp(-(bag @ weights["U_weight"].T + weights["U_bias"])))
        scores = (gate @ weights["w_weight"].T + weights["w_bias"])[:, 0]
        attention = np.exp(scores - scores.max())
        attention /= attention.sum()
        attentions.append(attention)
        logits.append(weights["head_weight"] @ (attention @ bag) + weights["head_bias"])
    return np.array(logits).reshape(-1, len(CLASSES)), attentions


def train(
    start: Weights, bags: list[np.ndarray], labels: np.ndarray, val_bags: list[np.ndarray], val_labels: np.ndarray,
    *, seed: int, epochs: int = 60, patience: int = 12, dropout: float = 0.5, rate: float = 1e-4,
) -> tuple[Weights, int]:  # fmt: skip
    """Trains on random subsets of each bag, stops early on validation. Returns the best weights and their epoch (0: the start)."""
    rng = np.random.default_rng([seed, 12])
    keras.utils.set_random_seed(seed)
    variables = {name: tf.Variable(value, name=name) for name, value in start.items()}
    order = list(variables.values())
    # The gates start from nothing, the dense layer from the trained classifier: hence ten times the rate for the gates.
    fast = [variable for name, variable in variables.items() if not name.startswith("head")]
    slow = [variable for name, variable in variables.items() if name.startswith("head")]
    optimisers = []
    for group, group_rate in ((fast, 10 * rate), (slow, rate)):
        optimiser = keras.optimizers.AdamW(group_rate, weight_decay=1e-2)
        optimiser.build(group)
        optimisers.append((optimiser, group))

    @tf.function(reduce_retracing=True)
    def step(batch: tf.Tensor, mask: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits, _ = forward(variables, tf.nn.dropout(batch, dropout), mask)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.one_hot(target, len(CLASSES)), logits))
        gradients = dict(zip((id(v) for v in order), tape.gradient(loss, order)))
        for optimiser, group in optimisers:
            optimiser.apply_gradients([(gradients[id(variable)], variable) for variable in group])
        return loss

    best, best_epoch = dict(start), 0
    best_loss = log_loss(evaluate(start, val_bags)[0], val_labels)
    for epoch in range(1, epochs + 1):
        shuffled = rng.permutation(len(bags))
        for first in range(0, len(shuffled), 16):
            chosen = shuffled[first : first + 16]
            picked = [bags[i][rng.permutation(len(bags[i]))[: rng.integers((len(bags[i]) + 1) // 2, len(bags[i]) + 1)]] for i in chosen]
            width = max(map(len, picked))
            batch = np.zeros((len(picked), width, picked[0].shape[1]), np.float32)
            mask = np.zeros((len(picked), width), np.float32)
            for row, bag in enumerate(picked):
                batch[row, : len(bag)], mask[row, : len(bag)] = bag, 1
            step(tf.constant(batch), tf.constant(mask), tf.constant(labels[chosen]))
        now = {name: variable.numpy() for name, variable in variables.items()}
        loss = log_loss(evaluate(now, val_bags)[0], val_labels)
        if loss < best_loss:
            best, best_epoch, best_loss = now, epoch, loss
        if epoch - best_epoch >= patience:
            break
    return best, best_epoch


def to_onnx(weights: Weights) -> onnx.ModelProto:
    """embeddings [N,C] -> logits [1,5], attention [N]; N is symbolic."""
    embedding = weights["V_weight"].shape[1]
    node = helper.make_node
    nodes = [
        node("Gemm", ["embeddings", "V_weight", "V_bias"], ["V"], transB=1),
        node("Gemm", ["embeddings", "U_weight", "U_bias"], ["U"], transB=1),
        node("Tanh", ["V"], ["V_tanh"]),
        node("Sigmoid", ["U"], ["U_sigmoid"]),
        node("Mul", ["V_tanh", "U_sigmoid"], ["gated"]),
        node("Gemm", ["gated", "w_weight", "w_bias"], ["scores"], transB=1),
        node("Softmax", ["scores"], ["shares"], axis=0),
        node("Squeeze", ["shares", "axis_1"], ["attention"]),
        node("Mul", ["shares", "embeddings"], ["weighted"]),
        node("ReduceSum", ["weighted", "axis_0"], ["pooled"], keepdims=1),
        node("Gemm", ["pooled", "head_weight", "head_bias"], ["logits"], transB=1),
    ]
    constants = {**weights, "axis_0": np.array([0], np.int64), "axis_1": np.array([1], np.int64)}
    return model(
        "mil", nodes, constants, {"embeddings": ["N", embedding]}, {"logits": [1, len(CLASSES)], "attention": ["N"]}
    )  # fmt: skip


def model(name: str, nodes: list, constants: dict[str, np.ndarray], inputs: dict[str, list], outputs: dict[str, list]) -> onnx.ModelProto:
    """A checked float ONNX model; nodes carry their output's name."""
    for item in nodes:
        item.name = item.output[0]
    info = lambda values: [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in values.items()]
    tensors = [numpy_helper.from_array(np.ascontiguousarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, info(inputs), info(outputs), tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="hilum")
    onnx.checker.check_model(made, full_check=True)
    return made
