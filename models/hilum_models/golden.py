"""Inputs and expected outputs of every file of the bundle, for the device's own self-test; `golden/index.json` lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from . import CLASSES, fusion, mil

SCHEMA = "hilum.golden/1"
BYTES_MOST = 3_000_000
CAM_BAG = 5  # tiles of the H&E maps' bag: the first rows of he_features
HE_FEATURES = 6  # rows of he_features: of the first tiles only, for size
METHODS = ("grad-cam", "grad-cam++")


@dataclass(frozen=True)
class CnnGolden:
    """int8 input [n,S,S,3], first output [n,K], features [n,h,w,C]; the float network's first output [n,K]."""

    inputs: np.ndarray
    first: np.ndarray
    features: np.ndarray
    float_first: np.ndarray
    real_features: np.ndarray  # dequantised, not stored


@dataclass(frozen=True)
class FusedGolden:
    ct_logits: np.ndarray  # [n,5]
    he_logits: np.ndarray  # [n,5]
    metadata: np.ndarray  # standardised [n,3]
    temperature: float


class _Folder:
    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def save(self, name: str, array: np.ndarray) -> str:
        np.save(self.root / f"{name}.npy", np.ascontiguousarray(array))
        return f"{name}.npy"


def write(
    root: Path, ct: CnnGolden, he: CnnGolden, bags: list[np.ndarray], mil_weights: mil.Weights,
    encoder: fusion.Weights, ct_head: np.ndarray, metadata: np.ndarray, fused: FusedGolden,
) -> None:  # fmt: skip
    folder = _Folder(root)
    index: dict = {"schema": SCHEMA, "classes": list(CLASSES)}
    for name, first, cnn in (("ct", "logits", ct), ("he", "embedding", he)):
        index[name] = {
            "model": [f"{name}.tflite", f"{name}.onnx"],
            "image": folder.save(f"{name}_image", cnn.inputs),
            first: folder.save(f"{name}_{first}", cnn.first),
            "features": folder.save(f"{name}_features", cnn.features[: HE_FEATURES if name == "he" else None]),
            f"float_{first}": folder.save(f"{name}_float_{first}", cnn.float_first.astype(np.float32)),
        }
    index["mil"] = []
    for bag in bags:
        name = f"mil_{len(bag)}"
        logits, attention = _mil(mil_weights, bag)
        index["mil"].append(
            {
                "model": ["mil.onnx"],
                "embeddings": folder.save(f"{name}_embeddings", bag.astype(np.float32)),
                "logits": folder.save(f"{name}_logits", logits[None]),
                "attention": folder.save(f"{name}_attention", attention),
            }
        )
    index["metadata"] = {
        "model": ["metadata.onnx"],
        "metadata": folder.save("metadata", metadata.astype(np.float32)),
        "weights": folder.save("metadata_weights", fusion.evaluate(encoder, metadata)),
    }
    weights = fusion.evaluate(encoder, fused.metadata)
    z = fusion.fuse(weights, fused.ct_logits, fused.he_logits)
    index["fused"] = {
        "temperature": fused.temperature,
        "ct_logits": folder.save("fused_ct_logits", fused.ct_logits.astype(np.float32)),
        "he_logits": folder.save("fused_he_logits", fused.he_logits.astype(np.float32)),
        "metadata": folder.save("fused_metadata", fused.metadata.astype(np.float32)),
        "weights": folder.save("fused_weights", weights),
        "logits": folder.save("fused_logits", z.astype(np.float32)),
        "probabilities": folder.save("fused_probabilities", tf.nn.softmax(z.astype(np.float64) / fused.temperature).numpy().astype(np.float32)),
    }
    index["cam"] = _cams(folder, ct, he, mil_weights, ct_head)
    (root / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    size = sum(path.stat().st_size for path in root.iterdir())
    if size > BYTES_MOST:
        raise ValueError(f"golden files are {size} bytes, at most {BYTES_MOST} are allowed")


def _mil(weights: mil.Weights, bag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    variables = {name: tf.constant(value) for name, value in weights.items()}
    logits, attention = mil.forward(variables, tf.constant(bag[None]), tf.ones((1, len(bag))))
    return logits.numpy()[0], attention.numpy()[0]


def _cams(folder: _Folder, ct: CnnGolden, he: CnnGolden, mil_weights: mil.Weights, ct_head: np.ndarray) -> list[dict]:
    """Maps from dequantised int8 features, by automatic differentiation in float64; ReLU applied, not scaled, not resized."""
    made = []
    for row in range(min(3, len(ct.features))):
        chosen = int(ct.first[row].argmax())
        for method in METHODS:
            map_ = cam(ct.real_features[row][None], chosen, method, ct_logits_of(ct_head))[0]
            made.append(_cam_entry(folder, "ct", "ct_features.npy", [row], chosen, method, map_))
    bag = he.real_features[:CAM_BAG]
    logits, _ = mil.evaluate(mil_weights, [bag.mean((1, 2))])
    for chosen in np.argsort(-logits[0])[:2]:
        for method in METHODS:
            maps = cam(bag, int(chosen), method, he_logits_of(mil_weights))
            made.append(_cam_entry(folder, "he", "he_features.npy", list(range(len(bag))), int(chosen), method, maps))
    return made


def _cam_entry(folder: _Folder, modality: str, features: str, rows: list[int], chosen: int, method: str, map_: np.ndarray) -> dict:
    name = f"cam_{modality}_{rows[0]}_{chosen}_{method.replace('++', '_pp').replace('-', '')}"
    return {
        "modality": modality,
        "method": method,
        "features": features,
        "rows": rows,
        "class": CLASSES[chosen],
        "class_index": chosen,
        "map": folder.save(name, map_.astype(np.float32)),
    }


def ct_logits_of(head: np.ndarray):
    """features [1,h,w,C] -> logits [5]; `head` is [5,C+1], last column the bias."""
    weight, bias = tf.constant(head[:, :-1], tf.float64), tf.constant(head[:, -1], tf.float64)
    return lambda features: tf.linalg.matvec(weight, tf.reduce_mean(features, (1, 2))[0]) + bias


def he_logits_of(weights: mil.Weights):
    """features [n,h,w,C] of a bag's tiles -> logits [5], through pooling, attention and head."""
    variables = {name: tf.constant(value, tf.float64) for name, value in weights.items()}
    ones = lambda features: tf.ones((1, features.shape[0]), tf.float64)
    return lambda features: mil.forward(variables, tf.reduce_mean(features, (1, 2))[None], ones(features))[0][0]


def cam(features: np.ndarray, chosen: int, method: str, logits_of) -> np.ndarray:
    """Grad-CAM (Selvaraju 2017) or Grad-CAM++ (Chattopadhay 2018) of one class's logit: [n,h,w,C] -> [n,h,w].

    Grad-CAM++ per image and channel: α = g² / (2g² + Σ_ab A_ab g³), 0 where that is 0/0;
    w = Σ_ij α max(g, 0); map = max(Σ_k w_k A_k, 0), with g = ∂logit/∂A.
    """
    a = tf.Variable(features, dtype=tf.float64)
    with tf.GradientTape() as tape:
        logit = logits_of(a)[chosen]
    g = tape.gradient(logit, a)
    if method == "grad-cam":
        weights = tf.reduce_mean(g, (1, 2), keepdims=True)
    elif method == "grad-cam++":
        alpha = tf.math.divide_no_nan(g**2, 2 * g**2 + tf.reduce_sum(a, (1, 2), keepdims=True) * g**3)
        weights = tf.reduce_sum(alpha * tf.nn.relu(g), (1, 2), keepdims=True)
    else:
        raise ValueError(f"unknown method {method!r}")
    return tf.nn.relu(tf.reduce_sum(weights * a, -1)).numpy()
