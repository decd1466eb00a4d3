"""What differs between boards and processors, for whoever makes their images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Processor:
    """What differs between processors."""

    debian: str
    target: str
    engines: str
    console: str
    grub: tuple[str, str]


PROCESSORS = {
    "arm64": Processor("arm64", "aarch64-unknown-linux-gnu", "aarch64", "ttyAMA0", ("arm64-efi/monolithic/grubaa64.efi", "BOOTAA64.EFI")),
    "amd64": Processor("amd64", "x86_64-unknown-linux-gnu", "x86_64", "ttyS0", ("x86_64-efi/monolithic/grubx64.efi", "BOOTX64.EFI")),
}


@dataclass(frozen=True)
class Board:
    """What differs between boards."""

    processors: tuple[str, ...]
    # Who starts a slot: GRUB, a Raspberry Pi's own boot loader, or what the vendor's system has, which then has the kernel as well.
    loader: Literal["grub", "pi", "vendor"]
    # Device trees of the kernel's package, as the boot loader looks for them: its name for it, the kernel's.
    trees: tuple[tuple[str, str], ...] = ()
    # Files of the boot loader that are not Debian's main: --firmware.
    firmware: tuple[str, ...] = ()


# Of the stepping D0 of a Raspberry Pi 5 the kernel and the boot loader have a name each.
PI_5 = (("bcm2712-rpi-5-b.dtb", "bcm2712-rpi-5-b.dtb"), ("bcm2712d0-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"),
        ("bcm2712-d-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"))
PI_4 = (("bcm2711-rpi-4-b.dtb", "bcm2711-rpi-4-b.dtb"), ("bcm2711-rpi-400.dtb", "bcm2711-rpi-400.dtb"))
BOARDS = {
    "qemu-virt": Board(("arm64", "amd64"), "grub"),
    "rpi5": Board(("arm64",), "pi", PI_5),
    "rpi4": Board(("arm64",), "pi", PI_4, ("start4.elf", "fixup4.dat")),
    "jetson-orin-nano": Board(("arm64",), "vendor"),
}
