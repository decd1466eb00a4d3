#!/usr/bin/env python3
"""Runs a program under the system calls that a unit of board/ allows, as systemd would.

    tests/daemon/filtered.py UNIT PROGRAM [WORD…]

The lists are those of this machine's systemd; a call outside of them ends as the unit says, with an error or with the process.
Filters by argument (RestrictNamespaces=, MemoryDenyWriteExecute= and others) are not put up.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path

BOARD = Path(__file__).resolve().parents[2] / "board"
# linux/seccomp.h, linux/prctl.h, linux/bpf_common.h.
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
EPERM = 1


def numbers() -> dict[str, int]:
    """The numbers of this architecture's calls."""
    machine = platform.machine()
    headers = [f"/usr/include/{machine}-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h"]
    header = next(path for path in map(Path, headers) if path.exists())
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", header.read_text(), re.MULTILINE)
    return {name: int(number) for name, number in found}


def members(names: list[str]) -> set[str]:
    """Calls, with sets taken apart."""
    found: set[str] = set()
    for name in names:
        if not name.startswith("@"):
            found.add(name)
            continue
        said = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
        lines = [line.strip() for line in said.splitlines()[1:]]
        found |= members([line for line in lines if line and not line.startswith("#")])
    return found


def allowed(unit: str) -> tuple[set[str], int]:
    """What a unit allows, and what becomes of the rest."""
    calls: set[str] = set()
    end = KILL
    for line in (BOARD / unit).read_text(encoding="utf-8").splitlines():
        option, _, value = line.partition("=")
        if option == "SystemCallFilter":
            if value.startswith("~"):
                calls -= members(value[1:].split())
            else:
                calls |= members(value.split())
        elif option == "SystemCallErrorNumber":
            assert value == "EPERM", value
            end = ERRNO | EPERM
    if "ProtectClock=yes" in (BOARD / unit).read_text(encoding="utf-8").splitlines():
        calls -= members(["@clock"])
    return calls, end


def hold(unit: str) -> None:
    """Puts the filter up, for this process and what it becomes."""
    calls, end = allowed(unit)
    known = numbers()
    lines = [(LOAD, 0, 0, 0)]
    for number in sorted(known[call] for call in calls if call in known):
        lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    lines.append((RETURN, 0, 0, end))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    program = Program(len(lines), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0):
        if libc.prctl(*words):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    hold(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
