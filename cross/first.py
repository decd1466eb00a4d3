"""The first file system, which the kernel unpacks into memory: what opens a slot and mounts the data partition."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from making import CROSS, Making

# What the disk of any board may hang on, and what the first file system does with it.
FIRST_MODULES = ("virtio_blk", "virtio_pci", "mmc_block", "sdhci_iproc", "sdhci_brcmstb", "sd_mod", "usb_storage", "uas", "xhci_pci",
                 "nvme", "xhci_plat_hcd", "ahci", "rp1_pci", "bcm2835_wdt", "squashfs", "dm_mod", "dm_verity", "ext4", "sha256_generic",
                 "vfat", "nls_ascii", "nls_cp437", "nls_utf8", "dm_crypt", "xts", "aesni_intel", "aes_ce_blk", "aes_neon_bs")
# Where the drivers lie that stand between a board and its disk: of these, all that its device tree asks for. No module says that it
# needs the clock, the pins and the regulator that a device tree gives it.
ON_THE_WAY = ("clk", "gpio", "irqchip", "mmc", "phy", "pinctrl", "regulator", "reset", "usb")


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


def compatible(tree: Path) -> Iterator[str]:
    """What the devices of a device tree (Devicetree Specification 0.4, 5) are compatible with."""
    blob = tree.read_bytes()
    _, _, at, names = struct.unpack_from(">4I", blob)
    while (token := struct.unpack_from(">I", blob, at)[0]) != 9:  # FDT_END
        at += 4
        if token == 1:  # FDT_BEGIN_NODE
            at = blob.index(0, at) // 4 * 4 + 4
        elif token == 3:  # FDT_PROP
            length, name = struct.unpack_from(">2I", blob, at)
            if blob[names + name :].startswith(b"compatible\0"):
                yield from blob[at + 8 : at + 8 + length].decode().split("\0")
            at += 8 + (length + 3) // 4 * 4


def on_the_way(making: Making, version: str) -> list[str]:
    """The modules that the board's device trees ask for, and that its disk may depend on."""
    folder = making.root / "usr/lib/modules" / version
    drivers: dict[str, list[str]] = {}
    for device, module in re.findall(r"^alias of:N\*T\*C([^*\n]+?)(?:C\*)? (\S+)$", (folder / "modules.alias").read_text(), re.MULTILINE):
        drivers.setdefault(device, []).append(module)
    asked = {module for name, _ in making.board.trees for device in compatible(making.scratch / name) for module in drivers.get(device, ())}
    places = {path.name.split(".")[0].replace("-", "_"): path.relative_to(folder / "kernel") for path in folder.rglob("*.ko")}
    return sorted(module for module in asked if places[module].parts[1] in ON_THE_WAY)


def first_files(making: Making, version: str) -> None:
    """What the kernel unpacks into its first file system."""
    first = making.scratch / "first"
    (first / "modules").mkdir(parents=True)
    (first / "bin").mkdir()
    shutil.copy(CROSS / "boot/init", first / "init")
    shutil.copy(making.root / "usr/bin/busybox", first / "bin/busybox")
    shutil.copy(CROSS / "rootfs/usr/lib/hilum/autoboot", first / "bin/autoboot")
    for program in (making.root / "usr/sbin" / name for name in ("dmsetup", "e2fsck", "cryptsetup", "mke2fs")):
        shutil.copy(program, first / "bin" / program.name)
        for library in libraries(making, program):
            place = first / library.relative_to(making.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    for link in ("lib", "lib64"):
        if (making.root / link).is_symlink():
            (first / link).symlink_to(os.readlink(making.root / link))
    wanted: list[str] = []
    for module in (*FIRST_MODULES, *on_the_way(making, version)):
        words = ["modprobe", "-d", str(making.root / "usr"), "-S", version, "--show-depends", module]
        done = subprocess.run(words, capture_output=True, text=True)
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
