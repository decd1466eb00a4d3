"""Disks and bundles: partitions, what is in them, and what a box is updated with."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from making import MB, Making

BLOCK, SECTOR = 4096, 512
# boot/init looks for it there.
ENCRYPT = b"hilum: encrypt this partition when it is first started\n"
# Slots have a type that no tool knows: nothing mounts or grows them by itself.
SLOT = str(uuid.uuid5(uuid.NAMESPACE_URL, "hilum:slot"))


@dataclass(frozen=True)
class Partition:
    """A partition of the disk. The data partition is the last one: it grows to the end of the disk when it is first started."""

    name: str
    mb: int
    type: str = SLOT


@dataclass(frozen=True)
class Loader:
    """Who starts a slot, and how its disk is divided: its own partition is the first one."""

    partitions: tuple[Partition, ...]
    # What RAUC is told: lines of [system], and further sections.
    rauc: str
    sections: str
    # What is needed of the packages, before it is left out of the root.
    take: Callable[[Making], None]
    # A slot's partition for the boot loader, given the words for the kernel; and the boot loader's own partition.
    slot: Callable[[Making, str], Path]
    first: Callable[[Making], Path]


def squashfs(making: Making) -> tuple[Path, str]:
    """The root as one file, its hash tree at its end; and blocks, salt and root of that, as the kernel wants them."""
    path = making.scratch / "root.squashfs"
    making.run("mksquashfs", making.root, path, "-noappend", "-all-root", "-no-xattrs", "-reproducible", "-comp", "zstd",
               "-Xcompression-level", 1 if making.fast else 15, "-b", 262_144, "-no-progress", "-quiet")
    size = path.stat().st_size
    blocks = -(-size // BLOCK)
    os.truncate(path, blocks * BLOCK)
    salt = hashlib.sha256(f"{making.name} {making.version}".encode()).hexdigest()
    said = making.run("veritysetup", "format", path, path, f"--hash-offset={blocks * BLOCK}", f"--salt={salt}",
                      f"--uuid={making.number('verity')}", "--hash=sha256", f"--data-blocks={blocks}",
                      f"--data-block-size={BLOCK}", f"--hash-block-size={BLOCK}")
    (top,) = re.findall(r"Root hash:[ \t]+([0-9a-f]{64})", said)
    return path, f"{blocks},{salt},{top}"


def fat(making: Making, name: str, mb: int, files: dict[str, Path], *how: object) -> Path:
    """A FAT file system with these files, by their places in it."""
    path = making.scratch / f"{name}.fat"
    with path.open("wb") as made:
        made.truncate(mb * MB)
    making.run("mkfs.vfat", "-n", name.upper(), "-i", making.number(name)[:8], "--invariant", *how, path)
    for place, file in files.items():
        os.utime(file, (making.when, making.when))
        folders = place.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            folder = "::" + "/".join(folders[:depth])
            subprocess.run(["mmd", "-D", "s", "-i", str(path), folder], capture_output=True, env=making.environment)
        making.run("mcopy", "-m", "-i", path, file, f"::{place}")
    return path


def data(making: Making, mb: int) -> Path:
    """An empty data partition, or one that says that it wants to be encrypted."""
    path = making.scratch / "data.ext4"
    with path.open("wb") as made:
        made.truncate(mb * MB)
        if making.luks:
            made.seek(17 * MB)
            made.write(ENCRYPT)
            return path
    number = making.number("data")
    making.run("mke2fs", "-q", "-t", "ext4", "-L", "data", "-U", number, "-m", 1, "-O", "^metadata_csum_seed",
               "-E", f"hash_seed={number},lazy_itable_init=0,nodiscard", path)
    return path


def disk(making: Making, out: Path, partitions: tuple[Partition, ...], parts: dict[str, Path]) -> None:
    """A disk with these partitions, and what is in some of them."""
    lines, at, places = ["label: gpt", f"label-id: {making.number('disk')}", "first-lba: 2048"], MB, {}
    for one in partitions:
        size = one.mb * MB // SECTOR
        lines.append(f"start={at // SECTOR}, size={size}, type={one.type}, uuid={making.number(one.name)}, name={one.name}")
        places[one.name] = at
        at += one.mb * MB
    fresh = making.scratch / "disk"
    with fresh.open("wb") as made:
        made.truncate(at + MB)
    making.run("sfdisk", "--quiet", fresh, input="\n".join(lines) + "\n")
    sizes = {one.name: one.mb for one in partitions}
    with fresh.open("r+b") as made:
        for name, part in parts.items():
            if part.stat().st_size > sizes[name] * MB:
                raise SystemExit(f"image: {name} has {part.stat().st_size / MB:.0f} MB, which is more than its partition")
            made.seek(places[name])
            with part.open("rb") as source:
                sparse(source, made)
    shutil.move(fresh, out)


def bundle(making: Making, out: Path, squashfs: Path, boot: Path) -> None:
    """What a box is updated with."""
    content = making.scratch / "bundle"
    content.mkdir()
    shutil.move(squashfs, content / "root.img")
    shutil.move(boot, content / "boot.img")
    (content / "manifest.raucm").write_text(manifest(making.name, making.version))
    for path in (content, *content.iterdir()):
        os.utime(path, (making.when, making.when))
    out.unlink(missing_ok=True)
    making.run(*signing(making.keys), content, out)


def manifest(board: str, version: str) -> str:
    """What an update says of itself."""
    return (f"[update]\ncompatible=hilum-{board}\nversion={version}\n\n[bundle]\nformat=plain\n\n"
            "[image.rootfs]\nfilename=root.img\n\n[image.boot]\nfilename=boot.img\n")


def signing(keys: Path) -> tuple[str, ...]:
    """RAUC's words for a bundle that is signed with these keys."""
    return "rauc", "bundle", f"--cert={keys / 'release.pem'}", f"--key={keys / 'release.key'}"


def packed(making: Making, image: Path) -> None:
    """What people download, and its digest."""
    small = image.with_name(image.name + ".zst")
    making.run("zstd", "-19", "-T0", "--quiet", "--force", image, "-o", small)
    with small.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    small.with_name(small.name + ".sha256").write_text(f"{digest}  {small.name}\n")


def archive(making: Making, out: Path) -> None:
    """The root, as an archive."""
    plain = making.scratch / "root.tar"
    making.run("tar", "--create", "--file", plain, "--directory", making.root, "--sort=name", f"--mtime=@{making.when}", "--owner=0",
               "--group=0", "--numeric-owner", "--format=gnu", ".")
    making.run("zstd", "-3" if making.fast else "-19", "-T0", "--quiet", "--force", plain, "-o", out)


def sparse(source: IO[bytes], made: IO[bytes]) -> None:
    """Copies, but for what is empty: the disk has holes there."""
    while block := source.read(MB):
        if block.count(0) == len(block):
            made.seek(len(block), os.SEEK_CUR)
        else:
            made.write(block)
