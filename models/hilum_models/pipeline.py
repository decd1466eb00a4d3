"""The stages after preparation, in order. Each leaves its result in the work folder and is not done twice."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from . import CLASSES, branch, bundle, card, data, explained, export, fusion, golden, lite0, mil, work
from .data import Case, Prepared
from .options import canonical_command

NAME, VERSION, LICENSE = "hilum-phantom-reference", "0.1.0", "MIT OR Apache-2.0"
INTENDED_USE = (
    "Research use only, not a diagnosis: to develop, test and demonstrate the Hilum appliance, "
    "with CT patches around a marked lesion and H&E tiles prepared by `hilum prepare`."
)
FUSION_RULE = "z = w_ct z_ct + w_he z_he; softmax(z/T)"
CALIBRATION_IMAGES = 160
GOLDEN_IMAGES = 8
FUSION_SHARE = 0.2  # of the training split's patients: held back from the branches, for fusion and temperatures
CT_SHARE = 0.35  # of the training time; what CT leaves over goes to H&E


@dataclass(frozen=True)
class Int8:
    """One branch as it is shipped."""

    tflite: Path
    onnx: Path
    contract: export.Contract
    onnx_contract: export.Contract


def run(prepared: Prepared, options: argparse.Namespace, clock: work.Clock) -> None:
    prepared = data.hold_back(prepared, FUSION_SHARE, options.seed)
    labels = data.noisy_labels(prepared.split("train"), options.label_noise, options.seed)
    fingerprint = f"{prepared.sha256} noise {options.label_noise} held back {FUSION_SHARE} seed {options.seed}"
    end_s = clock.budget_s - _reserve_s(prepared, clock)
    trained: dict[str, branch.Trained] = {}
    for modality, share in (("ct", CT_SHARE), ("he", 1.0)):
        began_s = clock.mark(modality)
        span_s = (began_s, began_s + share * max(end_s - began_s, 0.0))
        settings = _settings(modality, options)
        checkpoint = options.work / f"{modality}.npz"
        trained[modality] = branch.train(prepared, labels, settings, checkpoint, fingerprint, span_s, clock)

    unseen, test = [*prepared.split("val"), *prepared.split("fusion")], prepared.split("test")
    _fold_temperature(trained["ct"].model, prepared, unseen)
    ct = _int8(trained["ct"].model, "ct", "logits", prepared, options)
    he = _int8(trained["he"].model, "he", "embedding", prepared, options)
    clock.save()

    bags = _embeddings(he, prepared, options.work / "embeddings.npz", clock)
    mil_weights, mil_epoch = _train_mil(trained["he"].model, bags, prepared, labels, options)
    ct_logits = _ct_logits(ct, [*unseen, *test], prepared)
    he_logits = {case.case_id: mil.evaluate(mil_weights, [bags[case.case_id]])[0][0] for case in (*unseen, *test) if case.tiles}

    mean, std = data.metadata_moments(prepared.split("train"))
    both = [case for case in unseen if case.case_id in ct_logits and case.case_id in he_logits]
    if not both:
        raise data.PreparedError("no case that trained no branch has both a CT and H&E tiles")
    stacked = [np.stack([logits[case.case_id] for case in both]) for logits in (ct_logits, he_logits)]
    truth = np.array([case.label for case in both])
    fit = fusion.train(data.standardise(both, mean, std), *stacked, truth, seed=options.seed, steps=40 if options.smoke else 400)
    weights = fusion.evaluate(fit.weights, data.standardise(both, mean, std))
    temperatures = {
        "ct": _branch_temperature(ct_logits, unseen),
        "he": _branch_temperature(he_logits, unseen),
        "fused": fusion.fit_temperature(fusion.fuse(weights, *stacked), truth),
    }
    print(f"mil epoch {mil_epoch}; fusion {fit.steps} steps; temperatures {temperatures}", flush=True)

    fuser = Fuser(fit.weights, mean, std, temperatures)
    metrics = {name: _figures(fuser, ct_logits, he_logits, test, name) for name in ("ct", "he", "fused")}
    metrics["fusion"] = _fusion_figures(fuser, fit, ct_logits, he_logits, test, options.seed)
    metrics["quantisation"] = {
        "ct": _ct_agreement(ct, trained["ct"].model, prepared, [*unseen, *test], ct_logits),
        "he": _he_agreement(he, trained["he"].model, prepared, test, mil_weights),
    }

    made = options.work / "bundle.partial"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    for part in (ct, he):
        shutil.copyfile(part.tflite, made / part.tflite.name)
        shutil.copyfile(part.onnx, made / part.onnx.name)
    work.write_bytes(made / "mil.onnx", mil.to_onnx(mil_weights).SerializeToString(deterministic=True))
    work.write_bytes(made / "metadata.onnx", fusion.to_onnx(fit.weights).SerializeToString(deterministic=True))
    head_weight, head_bias = export.dense_layer(ct.tflite)
    ct_head = np.concatenate([head_weight, head_bias[:, None]], 1).astype(np.float32)
    np.save(made / "ct_head.npy", ct_head)
    _write_goldens(made / "golden", prepared, test, trained, ct, he, bags, mil_weights, ct_head, fuser, ct_logits, he_logits)

    training = _training(prepared, options, labels, trained, mil_epoch, fit, clock)
    manifest = _manifest(prepared, options, temperatures, mean, std, ct, he, training, metrics)
    work.write_bytes(made / "card.md", card.text(manifest).encode())
    bundle.write_manifest(made, manifest)
    _install(made, options.out)
    clock.save()
    shown = ", ".join(f"{name} {metrics[name]['accuracy']:.3f} (n {metrics[name]['n']})" for name in ("ct", "he", "fused"))
    print(f"bundle in {options.out}; test accuracy {shown}; {clock.used_s / 60:.1f} minutes", flush=True)


@dataclass(frozen=True)
class Fuser:
    """Logits of the branches that are there -> logits and temperature of the answer, as the device does it."""

    encoder: fusion.Weights
    mean: np.ndarray
    std: np.ndarray
    temperatures: dict[str, float]

    def weights(self, cases: list[Case]) -> np.ndarray:
        return fusion.evaluate(self.encoder, data.standardise(cases, self.mean, self.std))

    def scaled(self, case: Case, weights: np.ndarray, ct: np.ndarray | None, he: np.ndarray | None) -> tuple[np.ndarray, float]:
        """A missing branch gives the other weight 1 and that branch's temperature."""
        if ct is None or he is None:
            return (ct, self.temperatures["ct"]) if he is None else (he, self.temperatures["he"])
        return weights[0] * ct + weights[1] * he, self.temperatures["fused"]


def _settings(modality: str, options: argparse.Namespace) -> branch.Settings:
    ct = modality == "ct"
    return branch.Settings(
        modality=modality,
        seed=options.seed,
        epochs=1 if options.smoke else (options.ct_epochs if ct else options.he_epochs),
        patience=options.patience,
        images_per_case=2 if ct else 4,
        crop=0 if ct else options.he_crop,
        frozen_blocks=options.frozen_blocks,
        batch=8 if options.smoke else 32,
        learning_rate=options.learning_rate,
        head_learning_rate=10 * options.learning_rate,
        label_noise=options.label_noise,
        max_steps=3 if options.smoke else 0,
    )


def _reserve_s(prepared: Prepared, clock: work.Clock) -> float:
    """Time kept for conversion, embedding every tile (about 100 a second), attention, fusion and files."""
    return min(0.4 * clock.budget_s, 150 + len(prepared.he) / 100)


def _fold_temperature(model: keras.Model, prepared: Prepared, unseen: list[Case]) -> None:
    """Divides the dense layer by the float network's temperature: fusion adds raw logits, so both branches must be on one scale."""
    cases = [case for case in unseen if case.ct is not None]
    logits = branch.predict(model, prepared.ct.take([case.ct for case in cases]))
    temperature = fusion.fit_temperature(logits, np.array([case.label for case in cases]))
    dense = model.get_layer("logits")
    dense.set_weights([weight / temperature for weight in dense.get_weights()])


def _int8(model: keras.Model, modality: str, first_output: str, prepared: Prepared, options: argparse.Namespace) -> Int8:
    size = int(prepared.about[modality]["size" if modality == "ct" else "tile_px"])
    tflite, onnx = options.work / f"{modality}.tflite", options.work / f"{modality}.onnx"
    print(f"{modality}: converting to int8 …", flush=True)
    calibration = _calibration(prepared, modality, 24 if options.smoke else CALIBRATION_IMAGES, options.seed)
    export.to_tflite(export.deployed(model, first_output, size), first_output, calibration, tflite)
    return Int8(tflite, onnx, export.tflite_contract(tflite), export.to_onnx(tflite, onnx))


def _calibration(prepared: Prepared, modality: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 31])
    cases = [case for case in prepared.split("train") if (case.ct is not None if modality == "ct" else case.tiles)]
    chosen = [cases[index] for index in rng.permutation(len(cases))[:count]]
    if modality == "ct":
        return prepared.ct.take([case.ct for case in chosen])
    return prepared.he.take([rng.choice(case.tiles) for case in chosen])


def _embeddings(he: Int8, prepared: Prepared, path: Path, clock: work.Clock) -> dict[str, np.ndarray]:
    """Dequantised int8 embeddings [N,C] of every case with tiles; they stay beside the network that made them."""
    fingerprint = hashlib.sha256(he.tflite.read_bytes()).hexdigest() + prepared.sha256
    cases = [case for case in prepared.cases if case.tiles]
    found = work.read_arrays(path, fingerprint)
    if found is None:
        engine, rows = export.Tflite(he.tflite), []
        print(f"he: embedding {len(prepared.he)} tiles …", flush=True)
        for case in cases:
            rows += [engine.run(prepared.he[row])[0] for row in case.tiles]
        found = {"embeddings": np.stack(rows)}, {"fingerprint": fingerprint}
        work.write_arrays(path, *found)
        clock.save()
    values = export.dequantised(found[0]["embeddings"], he.contract.outputs[0])
    ends = np.cumsum([len(case.tiles) for case in cases])
    return dict(zip([case.case_id for case in cases], np.split(values, ends[:-1])))


def _train_mil(
    model: keras.Model, bags: dict[str, np.ndarray], prepared: Prepared, labels: dict[str, int], options: argparse.Namespace
) -> tuple[mil.Weights, int]:
    train, val = ([case for case in prepared.split(split) if case.tiles] for split in ("train", "val"))
    kernel, bias = model.get_layer("logits").get_weights()
    start = mil.initial(lite0.EMBEDDING, kernel.T, bias, options.seed)
    val_bags, val_labels = [bags[case.case_id] for case in val], np.array([case.label for case in val])
    weights, epoch = mil.train(
        start, [bags[case.case_id] for case in train], np.array([labels[case.case_id] for case in train]), val_bags, val_labels,
        seed=options.seed, epochs=2 if options.smoke else 60,
    )  # fmt: skip
    temperature = fusion.fit_temperature(mil.evaluate(weights, val_bags)[0], val_labels)
    folded = {name: (value / np.float32(temperature) if name.startswith("head") else value) for name, value in weights.items()}
    return folded, epoch


def _ct_logits(ct: Int8, cases: list[Case], prepared: Prepared) -> dict[str, np.ndarray]:
    engine = export.Tflite(ct.tflite)
    return {case.case_id: export.dequantised(engine.run(prepared.ct[case.ct])[0], ct.contract.outputs[0]) for case in cases if case.ct is not None}


def _branch_temperature(logits: dict[str, np.ndarray], cases: list[Case]) -> float:
    covered = [case for case in cases if case.case_id in logits]
    return fusion.fit_temperature(np.stack([logits[case.case_id] for case in covered]), np.array([case.label for case in covered]))


def _figures(fuser: Fuser, ct: dict, he: dict, cases: list[Case], name: str) -> dict:
    """Accuracy and log loss, before and after temperature, on the cases that this branch (or fusion) can answer."""
    covered = [case for case in cases if (name != "he" and case.case_id in ct) or (name != "ct" and case.case_id in he)]
    weights = fuser.weights(covered)
    raw, temperatures = [], []
    for case, weight in zip(covered, weights):
        z, temperature = fuser.scaled(
            case, weight, None if name == "he" else ct.get(case.case_id), None if name == "ct" else he.get(case.case_id)
        )
        raw.append(z)
        temperatures.append(temperature)
    logits, truth = np.stack(raw), np.array([case.label for case in covered])
    return {
        "n": len(covered),
        "accuracy": float((logits.argmax(1) == truth).mean()),
        "log_loss_raw": branch.log_loss(logits, truth),
        "log_loss": branch.log_loss(logits / np.array(temperatures)[:, None], truth),
    }


def _fusion_figures(fuser: Fuser, fit: fusion.Fit, ct: dict, he: dict, cases: list[Case], seed: int) -> dict:
    both = [case for case in cases if case.case_id in ct and case.case_id in he]
    weights = fuser.weights(both)
    truth = np.array([case.label for case in both])
    logits = [np.stack([part[case.case_id] for case in both]) for part in (ct, he)]
    rng = np.random.default_rng([seed, 41])
    shuffled = [(fusion.fuse(weights[rng.permutation(len(both))], *logits).argmax(1) == truth).mean() for _ in range(100)]
    return {
        "n": len(both),
        "fold_log_loss": fit.held_out_loss,
        "fold_log_loss_equal": fit.held_out_loss_equal,
        "mean_weight_ct": float(weights[:, 0].mean()),
        "std_weight_ct": float(weights[:, 0].std()),
        "accuracy_equal_weights": float(((logits[0] + logits[1]).argmax(1) == truth).mean()),
        "accuracy_shuffled_metadata": float(np.mean(shuffled)),
    }


def _ct_agreement(ct: Int8, model: keras.Model, prepared: Prepared, cases: list[Case], int8: dict) -> dict:
    cases = [case for case in cases if case.ct is not None]
    floats = branch.predict(model, prepared.ct.take([case.ct for case in cases]))
    images = [prepared.ct[case.ct] for case in cases[:16]]
    compared = export.compare(ct.tflite, ct.onnx, ct.onnx_contract, images, lambda logits: int(logits.argmax()))
    return _agreement(floats, np.stack([int8[case.case_id] for case in cases]), compared)


def _he_agreement(he: Int8, model: keras.Model, prepared: Prepared, cases: list[Case], mil_weights: mil.Weights) -> dict:
    """Slides of at most eight tiles, through the same attention head."""
    embed = keras.Model(model.input, model.get_layer("embedding").output)
    engine, floats, int8, images = export.Tflite(he.tflite), [], [], []
    for case in [case for case in cases if case.tiles][:24]:
        tiles = [prepared.he[row] for row in case.tiles[:8]]
        floats.append(branch.predict(embed, np.stack(tiles)))
        int8.append(np.stack([export.dequantised(engine.run(tile)[0], he.contract.outputs[0]) for tile in tiles]))
        images.append(tiles[0])
    alone = lambda embedding: int(mil.evaluate(mil_weights, [embedding[None]])[0].argmax())
    compared = export.compare(he.tflite, he.onnx, he.onnx_contract, images[:16], alone)
    return _agreement(mil.evaluate(mil_weights, floats)[0], mil.evaluate(mil_weights, int8)[0], compared)


def _agreement(floats: np.ndarray, int8: np.ndarray, compared: export.Agreement) -> dict:
    return {
        "n": len(floats),
        "same_class_share": float((floats.argmax(1) == int8.argmax(1)).mean()),
        "logit_correlation": float(np.corrcoef(floats.ravel(), int8.ravel())[0, 1]),
        "onnx_images": compared.images,
        "onnx_same_class_share": compared.same_class_share,
        "onnx_mean_quanta_first": compared.mean_quanta_first,
        "onnx_max_quanta_first": compared.max_quanta_first,
        "onnx_max_quanta_features": compared.max_quanta_features,
        "onnx_mean_quanta_features": compared.mean_quanta_features,
    }


def _write_goldens(
    root: Path, prepared: Prepared, test: list[Case], trained: dict[str, branch.Trained], ct: Int8, he: Int8, bags: dict[str, np.ndarray],
    mil_weights: mil.Weights, ct_head: np.ndarray, fuser: Fuser, ct_logits: dict, he_logits: dict,
) -> None:  # fmt: skip
    """From test cases, spread over the classes as they come."""
    ct_images = [prepared.ct[case.ct] for case in _varied([case for case in test if case.ct is not None])]
    slides = _varied([case for case in test if case.tiles])
    he_images = [prepared.he[slides[index % len(slides)].tiles[index // len(slides)]] for index in range(GOLDEN_IMAGES)]
    both = _varied([case for case in test if case.case_id in ct_logits and case.case_id in he_logits])
    pool = np.concatenate([bags[case.case_id] for case in slides])
    golden.write(
        root,
        _cnn_golden(ct, trained["ct"].model, "logits", ct_images),
        _cnn_golden(he, trained["he"].model, "embedding", he_images),
        [pool[:count] for count in (1, 5, 32) if len(pool) >= count],
        mil_weights,
        fuser.encoder,
        ct_head,
        np.concatenate([np.zeros((1, 3)), data.standardise(test, fuser.mean, fuser.std)])[:8].astype(np.float32),
        golden.FusedGolden(
            np.stack([ct_logits[case.case_id] for case in both]),
            np.stack([he_logits[case.case_id] for case in both]),
            data.standardise(both, fuser.mean, fuser.std),
            fuser.temperatures["fused"],
        ),
    )


def _varied(cases: list[Case]) -> list[Case]:
    """Up to eight cases, one class after the other."""
    queues = [[case for case in cases if case.label == label] for label in range(len(CLASSES))]
    turns = [queue[turn] for turn in range(GOLDEN_IMAGES) for queue in queues if turn < len(queue)]
    return turns[:GOLDEN_IMAGES]


def _cnn_golden(part: Int8, model: keras.Model, first: str, images: list[np.ndarray]) -> golden.CnnGolden:
    engine = export.Tflite(part.tflite)
    answers = [engine.run(image) for image in images]
    features = np.stack([answer[1] for answer in answers])
    float_first = branch.predict(keras.Model(model.input, model.get_layer(first).output), np.stack(images))
    return golden.CnnGolden(
        export.quantised(np.stack(images)),
        np.stack([answer[0] for answer in answers]),
        features,
        float_first,
        export.dequantised(features, part.contract.outputs[1]),
    )


def _training(
    prepared: Prepared, options: argparse.Namespace, labels: dict[str, int], trained: dict[str, branch.Trained], mil_epoch: int, fit: fusion.Fit, clock: work.Clock
) -> dict:
    source = str(prepared.about.get("source", "unknown"))
    return {
        "source": source,
        "trained_on": source,
        "smoke": bool(options.smoke),
        "seed": options.seed,
        "command": canonical_command(options),
        "budget_minutes": float(options.budget),
        "duration_minutes": round(clock.used_s / 60, 1),
        "ct_epochs": trained["ct"].epochs,
        "ct_best_epoch": trained["ct"].best_epoch,
        "he_epochs": trained["he"].epochs,
        "he_best_epoch": trained["he"].best_epoch,
        "mil_best_epoch": mil_epoch,
        "fusion_steps": fit.steps,
        "frozen_blocks": options.frozen_blocks,
        "he_crop_px": options.he_crop,
        "learning_rate": options.learning_rate,
        "label_noise": options.label_noise,
        "labels_changed": sum(labels[case.case_id] != case.label for case in prepared.split("train")),
        "machine": _machine(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        **{f"cases_{split}": len(prepared.split(split)) for split in (*data.SPLITS, "fusion")},
        "tiles": len(prepared.he),
        "prepared_sha256": prepared.sha256,
    }


def _manifest(
    prepared: Prepared, options: argparse.Namespace, temperatures: dict[str, float], mean: np.ndarray, std: np.ndarray, ct: Int8, he: Int8, training: dict, metrics: dict
) -> dict:
    scaling = {"mean": [lite0.ZERO_LEVEL / 255] * 3, "std": [lite0.LEVELS_PER_UNIT / 255] * 3}
    about_ct, about_he = prepared.about["ct"], prepared.about["he"]
    return {
        "schema": bundle.SCHEMA,
        "name": NAME,
        "version": VERSION,
        "serial": options.serial,
        "classes": list(CLASSES),
        "license": LICENSE,
        "intended_use": INTENDED_USE,
        "ct": {
            "size": int(about_ct["size"]),
            "spacing_mm": float(about_ct["spacing_mm"]),
            "span_mm": float(about_ct["span_mm"]),
            "window_hu": [float(value) for value in about_ct["window_hu"]],
            "slice_offsets_mm": [float(value) for value in about_ct["slice_offsets_mm"]],
            **scaling,
            "temperature": temperatures["ct"],
            "features": ct.contract.outputs[1].shape[1:],
        },
        "he": {
            "size": int(about_he["tile_px"]),
            "um_per_px": float(about_he["um_per_px"]),
            "tile_px": int(about_he["tile_px"]),
            "stain": about_he.get("stain", "macenko"),
            **scaling,
            "temperature": temperatures["he"],
            "embedding": he.contract.outputs[0].shape[-1],
            "features": he.contract.outputs[1].shape[1:],
        },
        "fusion": {"temperature": temperatures["fused"], "rule": FUSION_RULE},
        "metadata": {"mean": [float(value) for value in mean], "std": [float(value) for value in std]},
        "quantisation": {
            name: {"tflite": _contract(part.contract), "onnx": _contract(part.onnx_contract)} for name, part in (("ct", ct), ("he", he))
        },
        "refusal": {name: float(about_he[name]) for name in ("min_tissue_share", "min_focus")},
        "explain": explained.PARAMETERS,
        "training": training,
        "metrics": metrics,
    }


def _contract(contract: export.Contract) -> dict:
    return {"input": bundle.Inline(asdict(contract.input)), "outputs": [bundle.Inline(asdict(output)) for output in contract.outputs]}


def _install(made: Path, out: Path) -> None:
    """Into the wanted folder, the manifest last; an older bundle's leftovers and signature go first."""
    out.mkdir(parents=True, exist_ok=True)
    for stale in ("manifest.toml", "manifest.sig"):
        (out / stale).unlink(missing_ok=True)
    shutil.rmtree(out / "golden", ignore_errors=True)
    files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    for name in sorted(files, key=lambda name: name.name == "manifest.toml"):
        work.write_bytes(out / name, (made / name).read_bytes())
    shutil.rmtree(made)


def _machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
