"""The first file system, which the kernel unpacks into memory: what opens a slot and mounts the data partition."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from making import CROSS, Making

# What the disk of any board may hang on, and what the first file system does with it.
FIRST_MODULES = ("virtio_blk", "virtio_pci", "mmc_block", "sdhci_iproc", "sdhci_brcmstb", "sd_mod", "usb_storage", "uas", "xhci_pci", "nvme",
                 "ahci", "squashfs", "dm_mod", "dm_verity", "ext4", "sha256_generic")


def libraries(making: Making, program: Path) -> set[Path]:
    """What a program is linked with and loaded by, below the root."""
    found: set[Path] = set()
    todo = [program]
    while todo:
        said = making.run("readelf", "--dynamic", "--program-headers", "--wide", todo.pop())
        places = [next((making.root / "usr/lib").glob(f"*-linux-gnu/{name}")) for name in re.findall(r"\(NEEDED\).*\[(.+)\]", said)]
        places += [making.root / "usr" / place for place in re.findall(r"program interpreter: /(\S+)\]", said)]
        for library in places:
            if library not in found:
                found.add(library)
                todo.append(library)
    return found


def first_files(making: Making, version: str) -> None:
    """What the kernel unpacks into its first file system."""
    first = making.scratch / "first"
    (first / "modules").mkdir(parents=True)
    (first / "bin").mkdir()
    shutil.copy(CROSS / "boot/init", first / "init")
    shutil.copy(making.root / "usr/bin/busybox", first / "bin/busybox")
    for program in (making.root / "usr/sbin/dmsetup", making.root / "usr/sbin/e2fsck"):
        shutil.copy(program, first / "bin" / program.name)
        for library in libraries(making, program):
            place = first / library.relative_to(making.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    for link in ("lib", "lib64"):
        if (making.root / link).is_symlink():
            (first / link).symlink_to(os.readlink(making.root / link))
    wanted: list[str] = []
    for module in FIRST_MODULES:
        done = subprocess.run(["modprobe", "-d", str(making.root / "usr"), "-S", version, "--show-depends", module], capture_output=True, text=True)
        # What the kernel has built in, or not at all on this processor, needs no loading.
        for path in re.findall(r"^insmod (\S+)", done.stdout, re.MULTILINE):
            if path not in wanted:
                wanted.append(path)
                shutil.copy(path, first / "modules" / Path(path).name)
    (first / "modules/list").write_text("".join(f"{Path(path).name}\n" for path in wanted))
    names = sorted(str(path.relative_to(first)) for path in first.rglob("*"))
    for path in [first, *first.rglob("*")]:
        os.utime(path, (making.when, making.when), follow_symlinks=False)
    archive = subprocess.run(["cpio", "--create", "--format=newc", "--quiet", "--reproducible", "--owner=0:0"], cwd=first, check=True,
                             input="\n".join(names).encode(), stdout=subprocess.PIPE).stdout
    packed = subprocess.run(["zstd", "-19", "--quiet", "--stdout"], check=True, input=archive, stdout=subprocess.PIPE).stdout
    (making.scratch / "initrd.img").write_bytes(packed)
