"""What a peer and `hilum bench --against` say to each other, one line at a time.

    peer    ready {"name": …, "version": …}      everything is loaded and warm
    bench   N
    peer    [ms, ms, …]                          the wall times of N runs

and so on until standard input ends. Standard output has nothing else; whatever goes wrong is on standard error, with an exit code
that is not 0.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from typing import TextIO


def claim_stdout() -> TextIO:
    """Standard output for the answers alone. What libraries print there from now on, in C too, goes to standard error."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    return answers


def serve(answers: TextIO, name: str, version: str, run: Callable[[], object]) -> None:
    """Says that the peer is ready, then runs as often as it is told to, until there is no more to read."""
    gc.collect()
    gc.freeze()  # what was loaded is no garbage: without this the collector walks through all of TensorFlow during runs
    print("ready", json.dumps({"name": name, "version": version}), file=answers, flush=True)
    for line in sys.stdin:
        if not line.strip().isdecimal():
            raise SystemExit(f"{name}: asked for {line.strip()!r} runs, which is no number")
        took_ms = []
        for _ in range(int(line)):
            started = time.perf_counter_ns()
            run()
            took_ms.append((time.perf_counter_ns() - started) / 1e6)
        print(json.dumps(took_ms), file=answers, flush=True)
