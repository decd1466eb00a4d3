"""What a person can ask of the training, and how the card says what was asked."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import NoReturn

REPOSITORY = Path(__file__).resolve().parents[2]
SMOKE_PATIENTS, PATIENTS = 25, 1600
# The reference bundle's.
SEED, BUDGET_MINUTES, CT_EPOCHS, HE_EPOCHS = 2604, 140.0, 16, 10


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit code 64, as the program `hilum` has it."""
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def _parser() -> _Parser:
    parser = _Parser(prog="models/train", description="Trains a bundle on a phantom cohort, or on arrays that `hilum prepare` wrote.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the bundle")
    parser.add_argument("--work", type=Path, default=REPOSITORY / ".cache" / "train-work", metavar="DIR", help="cohort, checkpoints; a second run goes on from here")
    parser.add_argument("--prepared", type=Path, metavar="DIR", help="train on these arrays instead of a phantom cohort")
    parser.add_argument("--patients", type=int, metavar="N", help=f"size of the phantom cohort ({PATIENTS}; smoke: {SMOKE_PATIENTS})")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--budget", type=float, metavar="MINUTES", help=f"wall clock for everything ({BUDGET_MINUTES:g}; smoke: 4); training stops in time to export")
    parser.add_argument("--smoke", action="store_true", help="a complete bundle in minutes, untrained")
    parser.add_argument("--hilum", metavar="PATH", help="the hilum program ($HILUM; otherwise built by cargo)")
    parser.add_argument("--label-noise", type=float, default=0.0, metavar="SHARE", help="share of training labels replaced by another class")
    parser.add_argument("--ct-epochs", type=int, default=CT_EPOCHS)
    parser.add_argument("--he-epochs", type=int, default=HE_EPOCHS)
    parser.add_argument("--patience", type=int, default=10, help="epochs without a better validation loss")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--he-crop", type=int, default=160, metavar="PX", help="side of the H&E training crops")
    parser.add_argument("--frozen-blocks", type=int, default=3, help="leading blocks that are not trained")
    parser.add_argument("--serial", type=int, default=1, help="the bundle's serial number; devices never go back")
    return parser


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(argv)
    if not 0 <= options.label_noise < 1:
        parser.error("--label-noise is outside 0 to 1")
    options.patients = options.patients or (SMOKE_PATIENTS if options.smoke else PATIENTS)
    options.budget = options.budget or (4.0 if options.smoke else BUDGET_MINUTES)
    return options


def canonical_command(options: argparse.Namespace) -> str:
    """The options that decide the outcome, those that have their default left out; every folder is called DIR."""
    parts = ["models/train", "--out", "DIR", "--seed", str(options.seed), "--budget", f"{options.budget:g}"]
    parts += ["--prepared", "DIR"] if options.prepared else ["--patients", str(options.patients)]
    parts += ["--smoke"] if options.smoke else []
    usual = _parser()
    for name in ("label_noise", "ct_epochs", "he_epochs", "patience", "learning_rate", "he_crop", "frozen_blocks"):
        if getattr(options, name) != usual.get_default(name):
            parts += [f"--{name.replace('_', '-')}", f"{getattr(options, name):g}"]
    return shlex.join(parts)
