"""Training and export of Hilum bundles. Start at `cli.py`; `models/README.md` is the map."""

import os
import warnings

# Before TensorFlow is imported anywhere: quiet start, Keras on TensorFlow, no GPU probing.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# The interpreter moves to another package one day; the pinned TensorFlow has it.
warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")

CLASSES = (
    "adenocarcinoma",
    "squamous_cell_carcinoma",
    "large_cell_carcinoma",
    "small_cell_carcinoma",
    "normal",
)
"""Class order of every array, file and figure in the project."""
