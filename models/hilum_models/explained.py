"""Parameters of the explanation methods for a manifest, and the measured figures of `hilum explain-eval` for manifest and card."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from pathlib import Path

from . import bundle, card, work

# Levels are those of pictures, 0 to 255: air for CT, glass for H&E.
PARAMETERS = {
    "seed": 2604,
    "tiles": 4,
    "faithfulness_tiles": 2,
    "ct": {
        "baseline_level": 0,
        "integrated_gradients_steps": 128,
        "occlusion_px": 24,
        "occlusion_stride_px": 8,
        "occlusion_level": 0,
        "smoothgrad_n": 16,
        "smoothgrad_sigma": 0.1,
    },
    "he": {
        "baseline_level": 240,
        "integrated_gradients_steps": 32,
        "occlusion_px": 56,
        "occlusion_stride_px": 28,
        "occlusion_level": 240,
        "smoothgrad_n": 8,
        "smoothgrad_sigma": 0.1,
    },
}
FIGURES = ("insertion_auc", "deletion_auc", "iou", "pointing")


def figures(table: dict) -> dict:
    """What a manifest keeps of explain-eval.json: of each figure mean, low and high end of the interval, and the number of cases."""
    lines = {}
    for line in table["lines"]:
        kept = {name: bundle.Inline({key: line[name][key] for key in ("mean", "low", "high", "n")}) for name in FIGURES if line[name]}
        lines.setdefault(line["modality"], {})[line["method"]] = kept | {"blank": line["blank"]}
    cohort = {"cases": table["cases"], "refused": table["refused"], "steps": table["steps"], "engine": table["engine"]}
    return cohort | lines


def read_manifest(folder: Path) -> dict:
    """As it was written: tensors on one line each."""
    manifest = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
    for files in manifest["quantisation"].values():
        for contract in files.values():
            contract["input"] = bundle.Inline(contract["input"])
            contract["outputs"] = [bundle.Inline(output) for output in contract["outputs"]]
    return manifest


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="models/explained", description="Puts the figures of hilum explain-eval into a bundle's manifest and card. Sign it afterwards.")
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--eval", type=Path, required=True, metavar="FILE", help="explain-eval.json of a cohort that no training saw")
    parser.add_argument("--cohort", required=True, help="how that cohort was made, for the card")
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    manifest, table = read_manifest(options.bundle), json.loads(options.eval.read_text(encoding="utf-8"))
    del manifest["files"]
    manifest["serial"] += 1  # boxes that have the bundle without these figures take this one
    manifest.setdefault("explain", PARAMETERS)
    manifest["metrics"]["explain"] = {"cohort": options.cohort} | figures(table)
    work.write_bytes(options.bundle / "card.md", card.text(manifest).encode())
    bundle.write_manifest(options.bundle, manifest)
    (options.bundle / "manifest.sig").unlink(missing_ok=True)
    print("written; now: hilum bundle sign DIR --key FILE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
