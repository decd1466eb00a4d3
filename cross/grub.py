"""A disk that GRUB starts: it chooses between the slots by boot/grub.cfg, and counts."""

from __future__ import annotations

import shutil
from pathlib import Path

from disks import Loader, Partition, fat
from making import CROSS, Making

FAT_MB = {"esp": 32, "boot": 96}
# In the order of the disk; boot/grub.cfg counts on it.
PARTITIONS = (Partition("esp", FAT_MB["esp"], "uefi"), Partition("boot-a", FAT_MB["boot"]), Partition("root-a", 384),
              Partition("boot-b", FAT_MB["boot"]), Partition("root-b", 384), Partition("data", 256, "linux"))


def take(making: Making) -> None:
    shutil.copy(making.root / "usr/lib/grub" / making.processor.grub[0], making.scratch / "grub.efi")


def slot(making: Making, words: str) -> Path:
    """A slot's partition for the boot loader, the same for either slot: which one it is, grub.cfg knows."""
    config = making.scratch / "slot.cfg"
    config.write_text(f'linux "$boot/vmlinuz" console=tty0 console={making.processor.console} {words} rauc.slot=$slot hilum.part=$part\n'
                      'initrd "$boot/initrd.img"\n')
    return fat(making, "boot", FAT_MB["boot"], {name: making.scratch / name for name in ("vmlinuz", "initrd.img", "slot.cfg")})


def first(making: Making) -> Path:
    environment = making.scratch / "grubenv"
    making.run("grub-editenv", environment, "create")
    making.run("grub-editenv", environment, "set", "ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=0", "B_TRY=0")
    loader = making.scratch / "grub.cfg"
    text = (CROSS / "boot/grub.cfg").read_text()
    loader.write_text(text.replace("@root-a@", making.number("root-a")).replace("@root-b@", making.number("root-b")))
    return fat(making, "esp", FAT_MB["esp"], {
        f"EFI/BOOT/{making.processor.grub[1]}": making.scratch / "grub.efi",
        "EFI/debian/grub.cfg": loader,
        "grubenv": environment,
    })


LOADER = Loader(PARTITIONS, "bootloader=grub\ngrubenv=/boot/efi/grubenv\n", "", take, slot, first)
