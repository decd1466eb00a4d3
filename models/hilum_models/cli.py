"""From nothing to a bundle: cohort, arrays, two branches, int8, attention, fusion, files. `models/train --help` has the options."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
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


def arguments(argv: list[str]) -> argparse.Namespace:
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
    options = parser.parse_args(argv)
    if not 0 <= options.label_noise < 1:
        parser.error("--label-noise is outside 0 to 1")
    options.patients = options.patients or (SMOKE_PATIENTS if options.smoke else PATIENTS)
    options.budget = options.budget or (4.0 if options.smoke else BUDGET_MINUTES)
    return options


def canonical_command(options: argparse.Namespace) -> str:
    """The options that decide the outcome, with placeholders for places."""
    parts = ["models/train", "--out", "DIR", "--seed", str(options.seed), "--budget", f"{options.budget:g}"]
    parts += ["--prepared", "DIR"] if options.prepared else ["--patients", str(options.patients)]
    parts += ["--smoke"] if options.smoke else []
    for name, default in (("label_noise", 0.0), ("ct_epochs", CT_EPOCHS), ("he_epochs", HE_EPOCHS), ("patience", 10), ("learning_rate", 1e-4), ("he_crop", 160), ("frozen_blocks", 3)):
        if getattr(options, name) != default:
            parts += [f"--{name.replace('_', '-')}", f"{getattr(options, name):g}"]
    return shlex.join(parts)


def prepared_folder(options: argparse.Namespace) -> Path:
    """Draws the cohort and prepares it, unless both were done before with the same numbers."""
    if options.prepared:
        return options.prepared
    done, wanted = options.work / "prepared.done", f"patients {options.patients} seed {options.seed}\n"
    cohort, prepared = options.work / "cohort", options.work / "prepared"
    if done.exists() and done.read_text() == wanted:
        return prepared
    done.unlink(missing_ok=True)
    for folder in (cohort, prepared):
        shutil.rmtree(folder, ignore_errors=True)
    size = ["--patients", str(options.patients), "--seed", str(options.seed), "--size", "small"]
    for step in (["phantom", *size, "--out", str(cohort.resolve())], ["prepare", "--source", "phantom", "--in", str(cohort.resolve()), "--out", str(prepared.resolve())]):
        hilum(options, *step)
    shutil.rmtree(cohort)  # 10 MB a patient, and drawn again from its seed
    done.write_text(wanted)
    return prepared


def hilum(options: argparse.Namespace, *words: str) -> None:
    """Runs the program hilum: the one that was named, or the one that cargo builds."""
    named = options.hilum or os.environ.get("HILUM")
    program = [named] if named else ["cargo", "run", "--release", "--quiet", "--bin", "hilum", "--"]
    print(f"hilum {words[0]} …", flush=True)
    subprocess.run([*program, *words], check=True, cwd=None if named else REPOSITORY)


def machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def main(argv: list[str] | None = None) -> int:
    options = arguments(sys.argv[1:] if argv is None else argv)
    options.work.mkdir(parents=True, exist_ok=True)
    from . import data, work

    said = {name: value for name, value in vars(options).items() if name not in ("out", "work", "prepared", "hilum", "serial")}
    fingerprint = hashlib.sha256(repr(sorted(said.items())).encode()).hexdigest()[:16]
    clock = work.Clock(options.work / "clock.json", options.budget * 60, fingerprint)
    try:
        prepared = data.load(prepared_folder(options))
        clock.save()
        from . import pipeline  # TensorFlow starts here, not for --help or a bad folder

        pipeline.run(prepared, options, clock)
        hilum(options, "bundle", "sign", str(options.out.resolve()), "--key", str(REPOSITORY / "models" / "development.key"))
    except data.PreparedError as error:
        print(f"models/train: {error}", file=sys.stderr)
        return 65
    except subprocess.CalledProcessError as error:
        print(f"models/train: {shlex.join(map(str, error.cmd))} ended with {error.returncode}", file=sys.stderr)
        return 70
    return 0


if __name__ == "__main__":
    sys.exit(main())
