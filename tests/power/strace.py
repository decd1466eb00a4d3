"""Counts with strace what a program does to a folder, to be held against the recording: a second witness."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import cuts

# The calls that the recording must have, by the kind of their record.
CALLS = {
    "write": cuts.WRITE, "pwrite64": cuts.WRITE, "writev": cuts.WRITE, "pwritev": cuts.WRITE, "pwritev2": cuts.WRITE,
    "copy_file_range": cuts.WRITE, "sendfile": cuts.WRITE, "ftruncate": cuts.SIZE, "truncate": cuts.SIZE,
    "fallocate": cuts.SIZE, "fsync": cuts.SYNC, "fdatasync": cuts.SYNC, "rename": cuts.RENAME, "renameat": cuts.RENAME,
    "renameat2": cuts.RENAME, "unlink": cuts.UNLINK, "unlinkat": cuts.UNLINK, "rmdir": cuts.RMDIR, "mkdir": cuts.MKDIR,
    "mkdirat": cuts.MKDIR, "link": cuts.LINK, "linkat": cuts.LINK,
    "io_uring_setup": cuts.DIED, "io_submit": cuts.DIED, "splice": cuts.DIED, "sendmmsg": cuts.DIED,
}  # fmt: skip
SENDS = ("sendto", "sendmsg", "write", "writev")


def wrapped(command: list[str], out: Path, given: dict[str, str]) -> list[str]:
    """The command under strace; the recorder is loaded into the command alone."""
    settings = [word for name, value in given.items() for word in ("-E", f"{name}={value}")]
    calls = f"trace={','.join(sorted({*CALLS, *SENDS}))}"
    return ["strace", "-f", "-yy", "-s", "0", "-e", "signal=none", "-e", calls, "-o", str(out), *settings, *command]


def differences(out: Path, root: Path, records: list[cuts.Record]) -> list[str]:
    """Kinds of changes of which the kernel saw another number than the recording has."""
    seen: Counter[int] = Counter()
    for line in out.read_text(errors="replace").splitlines():
        call = re.match(r"\d+ +(\w+)\((.*)\) += (\d+)", line)
        if not call:
            continue
        name, words, done = call[1], call[2], int(call[3])
        # The first argument is a descriptor, with what it leads to, or a path; for a path in a folder it is the second.
        words = re.sub(r"^(?:AT_FDCWD|\d+)<[^>]*>, ", "", words) if name.endswith(("at", "at2")) else words
        at = re.match(r'\d+<([^>]*)>|"([^"]*)"', words)
        place = ((at[1] or at[2] or "") if at else "").removesuffix(" (deleted)")
        if cuts.volatile(Path(place).name):
            continue
        if place.startswith("UNIX-STREAM") and name in SENDS and done > 0:
            seen[cuts.ACK] += 1
        elif name in CALLS and (place == str(root) or place.startswith(f"{root}/")):
            kind = cuts.RMDIR if name == "unlinkat" and "AT_REMOVEDIR" in words else CALLS[name]
            if kind != cuts.WRITE or done > 0:
                seen[kind] += 1
    recorded = Counter(record.kind for record in records)  # a dropped sync never reached the kernel
    told = [f"strace saw {seen[kind]} of {cuts.KINDS[kind]}, the recording has {recorded[kind]}"
            for kind in sorted({*CALLS.values()} - {cuts.SIZE}) if seen[kind] != recorded[kind]]  # fmt: skip
    if seen[cuts.ACK] > recorded[cuts.ACK]:  # standard output may be one, too
        told.append(f"strace saw {seen[cuts.ACK]} sends, the recording has {recorded[cuts.ACK]}")
    if seen[cuts.SIZE] > recorded[cuts.SIZE]:  # an open that empties a file is one, too
        told.append(f"strace saw {seen[cuts.SIZE]} of size, the recording has {recorded[cuts.SIZE]}")
    return told
