"""What the scripts beside it ask of the machine that they run on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ME = Path(sys.argv[0]).name


def run(*words: object, **how: object) -> str:
    """Runs a program to its end, and gives what it said; whatever goes wrong with it is the end of this one, too."""
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
    if done.returncode:
        raise SystemExit(f"{ME}: {words[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout


def bring(tools: dict[str, str], files: Iterable[tuple[str, str]] = ()) -> None:
    """Installs the Debian packages of programs, and of files, that are not there yet."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = {package for tool, package in tools.items() if not shutil.which(tool)}
    missing |= {package for file, package in files if not Path(file).exists()}
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise SystemExit(f"{ME}: install the packages {' '.join(sorted(missing))}")
    print(f"{ME}: installing {' '.join(sorted(missing))}", file=sys.stderr, flush=True)
    run("apt-get", "update", "-qq")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *sorted(missing), env=quiet)
