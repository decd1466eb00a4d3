"""A disk that a Raspberry Pi's own boot loader starts: which slot, autoboot.txt says, and rootfs/usr/lib/hilum/autoboot keeps that."""

from __future__ import annotations

import re
import shutil
from datetime import date, datetime
from pathlib import Path

from boards import Board
from disks import Loader, Partition, fat
from making import CROSS, Making

# Microsoft basic data, which the boot loader looks into.
BASIC = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
# The boot loader wants what it reads at the beginning of the disk; autoboot.txt counts on the order. FAT32, and large enough to be it: of
# a small first partition with a GPT it was reported that it is not found (raspberrypi/rpi-eeprom, issue 818).
FAT_MB = 128
PARTITIONS = (Partition("config", FAT_MB, BASIC), Partition("boot-a", FAT_MB, BASIC), Partition("boot-b", FAT_MB, BASIC),
              Partition("root-a", 384), Partition("root-b", 384), Partition("data", 256, "linux"))
FAT32 = ("-F", 32, "-s", 1)
# Before this, start4.elf on a disk with a GPT finds no other partition than the first one (raspberrypi/rpi-eeprom, issues 654, 668).
FIRMWARE_SINCE = date(2025, 1, 16)
# The device trees are the kernel's own: overlays (dtoverlay=) are made for those of the Raspberry Pi's kernel, and none is needed.
CONFIG = """arm_64bit=1
upstream_kernel=1
kernel=vmlinuz
initramfs initrd.img followkernel
disable_splash=1
enable_uart=1
"""


def take(making: Making) -> None:
    (trees,) = (making.root / "usr/lib/modules").glob("*/dtb/broadcom")
    for name, tree in making.board.trees:
        shutil.copy(trees / tree, making.scratch / name)
    for name in making.board.firmware:
        shutil.copy(making.firmware / name, making.scratch / name)


def built(program: Path) -> date:
    """When a start4.elf was built, by what it says of itself."""
    found = re.search(rb"VC_BUILD_ID_TIME: ([A-Z][a-z]{2}) +(\d{1,2}) (\d{4})", program.read_bytes())
    if not found:
        raise SystemExit(f"image: {program} does not say when it was built: is it a Raspberry Pi's?")
    return datetime.strptime(" ".join(part.decode() for part in found.groups()), "%b %d %Y").date()


def check(name: str, board: Board, folder: Path | None) -> None:
    """Ends with a word about files of the boot loader that the board does not have in its EEPROM, if they are not there or too old."""
    wanted = board.firmware
    if wanted and not folder:
        raise SystemExit(f"image: {name} starts only with {' and '.join(wanted)}, which Debian's main does not have: --firmware DIR; "
                         "cross/README.md says where they come from")
    for file in wanted:
        if not (folder / file).is_file():
            raise SystemExit(f"image: there is no {folder / file}")
        if file.endswith(".elf") and built(folder / file) < FIRMWARE_SINCE:
            raise SystemExit(f"image: {folder / file} is of {built(folder / file)}: before {FIRMWARE_SINCE} it does not find the "
                             "partitions of a GPT")


def slot(making: Making, words: str) -> Path:
    """A slot's partition for the boot loader, the same for either slot: which one it is, the first process asks."""
    config, line = making.scratch / "config.txt", making.scratch / "cmdline.txt"
    config.write_text(CONFIG)
    line.write_text(f"console=tty0 {words} hilum.slots={making.number('root-a')},{making.number('root-b')}\n")
    names = ("vmlinuz", "initrd.img", "config.txt", "cmdline.txt", *(name for name, _ in making.board.trees), *making.board.firmware)
    return fat(making, "boot", FAT_MB, {name: making.scratch / name for name in names}, *FAT32)


def first(making: Making) -> Path:
    """What says which slot to start: one sector, which is written over in place."""
    auto = making.scratch / "autoboot.txt"
    auto.write_text((CROSS / "boot/autoboot.txt").read_text().ljust(512, "\n"))
    return fat(making, "config", FAT_MB, {"autoboot.txt": auto}, *FAT32)


LOADER = Loader(PARTITIONS, "bootloader=custom\n", "[handlers]\nbootloader-custom-backend=/usr/lib/hilum/autoboot\n\n", take, slot, first)
