"""From nothing to a bundle: cohort, arrays, two branches, int8, attention, fusion, files. `models/train --help` has the options."""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from .options import REPOSITORY, parsed


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


def main(argv: list[str] | None = None) -> int:
    options = parsed(sys.argv[1:] if argv is None else argv)
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
