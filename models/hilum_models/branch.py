"""Trains one CNN branch: EfficientNet-Lite0 on CT patches, or on H&E tiles with the label of their slide."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Iterator

import keras
import numpy as np
import tensorflow as tf

from . import CLASSES, augment, lite0, pth, work
from .data import Case, Prepared

Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Settings:
    """Everything that the trained weights depend on, besides the data and the time."""

    modality: str  # "ct" or "he"
    seed: int
    epochs: int
    patience: int  # epochs without a better validation log loss before stopping
    images_per_case: int  # drawn anew each epoch
    crop: int  # side of the training images, px
    frozen_blocks: int  # leading blocks that keep their ImageNet convolutions (and skip their backward pass)
    batch: int = 32
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_epochs: float = 1.0
    label_noise: float = 0.0
    max_steps: int = 0  # a cap on steps an epoch, for smoke runs; 0 is none


@dataclass(frozen=True)
class Trained:
    model: keras.Model  # logits at the network's own size, best epoch's averaged weights
    epochs: int  # reached
    best_epoch: int
    history: list[dict]  # epoch, train_loss, val_loss, val_accuracy, seconds


VALIDATION_TILES = 8  # of each slide, evenly spread


def network(prepared: Prepared, modality: str) -> keras.Model:
    """The branch's network at its deployed size; the H&E one is later cut at its embedding."""
    if modality == "ct":
        return lite0.build(int(prepared.about["ct"]["size"]), len(CLASSES), final_stride=16)
    return lite0.build(None, len(CLASSES))


def real(levels: np.ndarray) -> np.ndarray:
    """uint8 levels to network input, float32."""
    return (levels.astype(np.float32) - np.float32(lite0.ZERO_LEVEL)) / np.float32(lite0.LEVELS_PER_UNIT)


def train(
    prepared: Prepared, labels: dict[str, int], settings: Settings, checkpoint: Path, fingerprint: str, span_s: tuple[float, float], clock: work.Clock
) -> Trained:
    """Trains until the epochs, the patience or the span of `clock` run out; goes on from `checkpoint` if it fits.

    The checkpoint is written after every epoch and holds weights, their average, both optimisers'
    state, the best epoch and the bookkeeping, so that a killed run loses at most one epoch and
    then draws the same batches as an unbroken one.
    """
    fingerprint = f"{fingerprint} {asdict(settings)}"
    keras.utils.set_random_seed(settings.seed)
    model = network(prepared, settings.modality)
    cases = [case for case in prepared.split("train") if _rows(case, settings.modality, 1)]
    loop = _Loop(model, settings, steps_per_epoch=len(list(_plan(cases, settings, 0))))
    found = work.read_arrays(checkpoint, fingerprint)
    if found is None:
        lite0.load_imagenet(model, pth.imagenet_weights())
        loop.start_average()
        note = {"epoch": 0, "best_epoch": 0, "best_loss": float("inf"), "history": []}
        best: list[np.ndarray] = []
    else:
        arrays, note = found
        loop.restore(arrays)
        best = [arrays[f"best{index}"] for index in range(len(model.weights))]
    plain = _plain_batches(prepared, cases, settings)
    while _goes_on(note, settings, clock.used_s, span_s[1]):
        epoch, start_s = note["epoch"], time.monotonic()
        progress = max(epoch / settings.epochs, (clock.used_s - span_s[0]) / max(span_s[1] - span_s[0], 1.0))
        loss = loop.epoch(_batches(prepared, cases, labels, settings, epoch), epoch, min(progress, 1.0))
        with loop.averaged_weights():
            lite0.measure_statistics(model, plain)
            val_loss, val_accuracy = validate(model, prepared, settings.modality, settings.max_steps)
            candidate = model.get_weights()
        seconds = time.monotonic() - start_s
        entry = {"epoch": epoch + 1, "train_loss": loss, "val_loss": val_loss, "val_accuracy": val_accuracy, "seconds": round(seconds, 1)}
        note["history"].append(entry)
        note["epoch"] = epoch + 1
        if val_loss < note["best_loss"]:
            note["best_loss"], note["best_epoch"], best = val_loss, epoch + 1, candidate
        work.write_arrays(checkpoint, loop.state() | {f"best{i}": w for i, w in enumerate(best)}, note | {"fingerprint": fingerprint})
        clock.save()
        print(
            f"{settings.modality} epoch {epoch + 1}/{settings.epochs}: loss {loss:.3f}, validation {val_loss:.3f}, "
            f"accuracy {val_accuracy:.3f}, {seconds:.0f} s",
            flush=True,
        )
    model.set_weights(best)
    return Trained(model, note["epoch"], note["best_epoch"], note["history"])


def validate(model: keras.Model, prepared: Prepared, modality: str, max_cases: int = 0) -> tuple[float, float]:
    """Log loss and accuracy on the validation split; tile logits are averaged over a slide."""
    cases = [case for case in prepared.split("val") if _rows(case, modality, 1)]
    cases = cases[:max_cases] if max_cases else cases
    logits = []
    for case in cases:
        rows = _rows(case, modality, VALIDATION_TILES)
        stack = prepared.ct if modality == "ct" else prepared.he
        logits.append(predict(model, stack.take(rows)).mean(0))
    table, truth = np.stack(logits), np.array([case.label for case in cases])
    return log_loss(table, truth), float((table.argmax(1) == truth).mean())


def log_loss(logits: np.ndarray, truth: np.ndarray, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of softmax(logits / temperature)."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    log_p = scaled - np.log(np.exp(scaled).sum(1, keepdims=True))
    return float(-log_p[np.arange(len(truth)), truth].mean())


class _Loop:
    """Weights, their moving average, and the two optimisers (backbone; dense layer, ten times the rate)."""

    def __init__(self, model: keras.Model, settings: Settings, steps_per_epoch: int) -> None:
        for layer in model.layers:
            block = int(layer.name[1:].split("_")[0]) if layer.name[0] == "b" and layer.name[1].isdigit() else None
            early = layer.name.startswith("stem") or (block is not None and block < settings.frozen_blocks)
            layer.trainable = not (early and settings.frozen_blocks)
        self.model, self.settings = model, settings
        head = model.get_layer("logits").trainable_variables
        backbone = model.trainable_variables[: -len(head)]
        self.groups = [
            (backbone, _optimiser(settings.learning_rate, settings, backbone), settings.learning_rate),
            (head, _optimiser(settings.head_learning_rate, settings, head), settings.head_learning_rate),
        ]
        self.trainable = [*backbone, *head]
        self.average = [tf.Variable(variable, trainable=False) for variable in self.trainable]
        # The average looks back about two epochs, less at the start.
        self.memory = min(0.998, 1 - 1 / (2 * max(steps_per_epoch, 2)))
        self.steps_per_epoch = steps_per_epoch
        self.step_count = tf.Variable(0.0, trainable=False)
        self._step = tf.function(self._train_step, reduce_retracing=True)

    def _train_step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, self.trainable), 5.0)
        split = len(self.groups[0][0])
        for (variables, optimiser, _), part in zip(self.groups, (gradients[:split], gradients[split:])):
            optimiser.apply_gradients(zip(part, variables))
        self.step_count.assign_add(1.0)
        keep = tf.minimum(self.memory, (1.0 + self.step_count) / (10.0 + self.step_count))
        for average, variable in zip(self.average, self.trainable):
            average.assign(keep * average + (1.0 - keep) * variable)
        return loss

    def epoch(self, batches: Iterator[Batch], epoch: int, progress: float) -> float:
        """Warm-up, then a cosine over epochs or budget, whichever ends first. Returns the mean loss."""
        losses = []
        for step, (images, labels) in enumerate(_prefetched(batches)):
            done = epoch + step / max(self.steps_per_epoch, 1)
            warm = min(1.0, (done + 1 / self.steps_per_epoch) / self.settings.warmup_epochs)
            rate = warm * (0.02 + 0.49 * (1 + np.cos(np.pi * progress)))
            for _, optimiser, base in self.groups:
                optimiser.learning_rate = base * rate
            losses.append(float(self._step(tf.constant(images), tf.constant(labels))))
        return float(np.mean(losses))

    def start_average(self) -> None:
        for average, variable in zip(self.average, self.trainable):
            average.assign(variable)

    def averaged(self) -> list[np.ndarray]:
        return [average.numpy() for average in self.average]

    def assign_trainable(self, weights: list[np.ndarray]) -> None:
        for variable, weight in zip(self.trainable, weights, strict=True):
            variable.assign(weight)

    def averaged_weights(self) -> "_Swap":
        return _Swap(self)

    def _variables(self) -> list:
        """Everything that changes, in a fixed order: weights, normalisation statistics, dropout seeds, average, optimisers."""
        seeds = [generator.state for layer in self.model.layers if (generator := getattr(layer, "seed_generator", None)) is not None]
        optimisers = [variable for _, optimiser, _ in self.groups for variable in optimiser.variables]
        return [*self.model.weights, *seeds, *self.average, self.step_count, *optimisers]

    def state(self) -> dict[str, np.ndarray]:
        return {f"v{index}": np.asarray(variable) for index, variable in enumerate(self._variables())}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        for index, variable in enumerate(self._variables()):
            variable.assign(arrays[f"v{index}"])


class _Swap:
    """The averaged weights in the model for the length of a `with`."""

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop

    def __enter__(self) -> None:
        self._kept = [np.asarray(variable) for variable in self._loop.trainable]
        self._loop.assign_trainable(self._loop.averaged())

    def __exit__(self, *_: object) -> None:
        self._loop.assign_trainable(self._kept)


@tf.function(reduce_retracing=True)
def _forward(model: keras.Model, images: tf.Tensor) -> tf.Tensor:
    return model(images, training=False)


def predict(model: keras.Model, levels: np.ndarray, at_once: int = 32) -> np.ndarray:
    """The float network on uint8 levels [n,h,w,3]."""
    parts = [levels[first : first + at_once] for first in range(0, len(levels), at_once)]
    return np.concatenate([_forward(model, tf.constant(real(part))).numpy() for part in parts])


def _optimiser(rate: float, settings: Settings, variables: list) -> keras.optimizers.Optimizer:
    optimiser = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    # Decay is for kernels: pulling a normalisation's scale or a bias towards zero helps nothing.
    optimiser.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) == 1])
    optimiser.build(variables)
    return optimiser


def _goes_on(note: dict, settings: Settings, used_s: float, deadline_s: float) -> bool:
    """One epoch at least; then while there are epochs, patience, and time for another epoch like the last."""
    if not note["history"]:
        return True
    stale = note["epoch"] - note["best_epoch"] >= settings.patience
    return note["epoch"] < settings.epochs and not stale and used_s + note["history"][-1]["seconds"] <= deadline_s


def _rows(case: Case, modality: str, most: int) -> list[int]:
    """Rows of the case's images, at most so many, evenly spread over the slide."""
    if modality == "ct":
        return [] if case.ct is None else [case.ct]
    count = len(case.tiles)
    return [case.tiles[index] for index in np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))] if count else []


def _plan(cases: list[Case], settings: Settings, epoch: int) -> Iterator[list[tuple[int, Case]]]:
    """Batches of (image row, case): every case `images_per_case` times an epoch, tiles without repeats, in random order."""
    rng = np.random.default_rng([settings.seed, 1, epoch])
    draws: list[tuple[int, Case]] = []
    for case in cases:
        if settings.modality == "ct":
            draws += [(case.ct, case)] * settings.images_per_case
        else:
            count = min(settings.images_per_case, len(case.tiles))
            draws += [(case.tiles[int(index)], case) for index in rng.choice(len(case.tiles), count, replace=False)]
    order = rng.permutation(len(draws))
    # Batches of one size, so that one graph is traced; the remainder comes round in another epoch.
    size = min(settings.batch, len(draws))
    steps = len(draws) // size
    for step in range(min(steps, settings.max_steps) if settings.max_steps else steps):
        yield [draws[index] for index in order[step * size : (step + 1) * size]]


def _batches(prepared: Prepared, cases: list[Case], labels: dict[str, int], settings: Settings, epoch: int) -> Iterator[Batch]:
    rng = np.random.default_rng([settings.seed, 2, epoch])
    one_hot = np.eye(len(CLASSES), dtype=np.float32)
    for plan in _plan(cases, settings, epoch):
        if settings.modality == "ct":
            images = [augment.ct(prepared.ct[row], rng) for row, _ in plan]
        else:
            images = [augment.he(prepared.he[row], rng, settings.crop) for row, _ in plan]
        yield augment.mix(real(np.stack(images)), one_hot[[labels[case.case_id] for _, case in plan]], rng)


def _plain_batches(prepared: Prepared, cases: list[Case], settings: Settings) -> list[np.ndarray]:
    """Training images as inference would see them, about 200, for `lite0.measure_statistics`."""
    rng = np.random.default_rng([settings.seed, 3])
    size = min(settings.batch, len(cases))
    chosen = [int(index) for index in rng.permutation(len(cases))[: size * (2 if settings.max_steps else 6)]]
    if settings.modality == "ct":
        images = prepared.ct.take([cases[index].ct for index in chosen])
    else:
        images = prepared.he.take([rng.choice(cases[index].tiles) for index in chosen])
    return [real(images[first : first + size]) for first in range(0, len(images) - size + 1, size)]


def _prefetched(batches: Iterator[Batch], ahead: int = 3) -> Iterator[Batch]:
    """The same batches, made on one other thread while the network runs."""
    ready: queue.Queue = queue.Queue(ahead)
    failed: list[BaseException] = []

    def fill() -> None:
        try:
            for batch in batches:
                ready.put(batch)
        except BaseException as error:  # handed to the consumer below
            failed.append(error)
        ready.put(None)

    threading.Thread(target=fill, daemon=True).start()
    while (batch := ready.get()) is not None:
        yield batch
    if failed:
        raise failed[0]
