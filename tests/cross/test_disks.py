"""What a board finds on its disk, read with other programs than those that wrote it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import IMAGES, REPO, make

pytestmark = IMAGES
ENCRYPT = b"hilum: encrypt this partition when it is first started\n"
AARCH64 = ["--program", os.environ["HILUM_AARCH64"]] if "HILUM_AARCH64" in os.environ else []


def run(*words: object, **how: object) -> str:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True, **how).stdout


class Disk:
    """An image: its partitions by their names, and the files of those that are FAT."""

    def __init__(self, image: Path):
        self.image = image
        self.table = json.loads(run("sfdisk", "--json", image))["partitiontable"]
        self.partitions = {one["name"]: one for one in self.table["partitions"]}

    def at(self, name: str) -> str:
        return f"{self.image}@@{self.partitions[name]['start'] * 512}"

    def files(self, name: str) -> list[str]:
        return sorted(line.removeprefix("::/") for line in run("mdir", "-b", "-i", self.at(name)).split())

    def read(self, name: str, file: str) -> bytes:
        return subprocess.run(["mtype", "-i", self.at(name), f"::{file}"], capture_output=True, check=True).stdout

    def bytes(self, name: str, at: int, length: int) -> bytes:
        with self.image.open("rb") as image:
            image.seek(self.partitions[name]["start"] * 512 + at)
            return image.read(length)

    def whole(self, name: str, folder: Path) -> Path:
        path = folder / name
        run("dd", f"if={self.image}", f"of={path}", "bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes",
            f"skip={self.partitions[name]['start'] * 512}", f"count={self.partitions[name]['size'] * 512}")
        return path


@pytest.fixture(scope="module")
def pi(tmp_path_factory) -> Disk:
    made = make("rpi5", tmp_path_factory.mktemp("rpi5"), *AARCH64)
    return Disk(made.with_name(made.name + ".img"))


@pytest.fixture(scope="module")
def firmware(tmp_path_factory) -> Path:
    """Files that say of themselves that they are recent enough."""
    folder = tmp_path_factory.mktemp("firmware")
    (folder / "start4.elf").write_bytes(b"\0VC_BUILD_ID_TIME: 18:28:41\0VC_BUILD_ID_TIME: Feb 11 2026\0")
    (folder / "fixup4.dat").write_bytes(b"fixup")
    return folder


def test_the_partitions_are_where_the_boot_loader_looks(pi: Disk):
    assert pi.table["label"] == "gpt"
    assert [one["name"] for one in pi.table["partitions"]] == ["config", "boot-a", "boot-b", "root-a", "root-b", "data"]
    basic = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
    assert [one["type"] == basic for one in pi.table["partitions"]] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("name", ["config", "boot-a"])
def test_a_partition_of_the_boot_loader_is_fat32_and_whole(pi: Disk, name: str, tmp_path: Path):
    path = pi.whole(name, tmp_path)
    said = run("fsck.vfat", "-n", "-v", path)
    assert int(re.search(r"(\d+)/(\d+) clusters", said)[2]) >= 65525
    assert path.read_bytes()[82:90] == b"FAT32   "


def test_autoboot_is_one_sector_and_as_documented(pi: Disk):
    assert pi.files("config") == ["autoboot.txt"]
    text = pi.read("config", "autoboot.txt")
    assert len(text) == 512
    assert text.startswith(b"[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n")


def test_what_config_txt_names_is_there(pi: Disk):
    config = pi.read("boot-a", "config.txt").decode()
    assert all(len(line) < 80 for line in config.splitlines())
    settings = dict(line.split("=", 1) for line in config.splitlines() if "=" in line)
    assert settings["arm_64bit"] == "1"
    (initrd,) = re.findall(r"^initramfs (\S+) followkernel$", config, re.MULTILINE)
    assert {settings["kernel"], initrd, "cmdline.txt"} <= set(pi.files("boot-a"))
    # Overlays of the Raspberry Pi's kernel do not fit these device trees.
    assert "dtoverlay" not in config


def test_the_kernel_is_one_that_the_boot_loader_can_start(pi: Disk):
    """Documentation/arch/arm64/booting.rst: neither gzip nor a zboot image."""
    kernel = pi.read("boot-a", "vmlinuz")
    assert kernel[0x38:0x3C] == b"ARM\x64"
    assert int.from_bytes(kernel[0x10:0x18], "little") >= len(kernel)
    # Once it has, a try can be the boot loader's own (`reboot "0 tryboot"`), and need not take itself back.
    assert b"tryboot" not in kernel


def test_the_device_trees_are_this_boards(pi: Disk):
    trees = [name for name in pi.files("boot-a") if name.endswith(".dtb")]
    assert set(trees) == {"bcm2712-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"}
    for name in trees:
        blob = pi.read("boot-a", name)
        assert blob[:4] == b"\xd0\x0d\xfe\xed" and len(blob) == int.from_bytes(blob[4:8], "big") and b"raspberrypi,5-model-b" in blob


def test_the_words_for_the_kernel_name_the_slots(pi: Disk):
    (line,) = pi.read("boot-a", "cmdline.txt").decode().splitlines()
    (slots,) = re.findall(r"hilum\.slots=(\S+)", line)
    assert slots.upper().split(",") == [pi.partitions["root-a"]["uuid"], pi.partitions["root-b"]["uuid"]]
    blocks, salt, top = re.search(r"hilum\.verity=(\d+),([0-9a-f]{64}),([0-9a-f]{64})", line).groups()
    assert "rauc.slot" not in line and "lockdown=integrity" in line and len(line) < 2048


def test_the_slot_is_what_its_root_hash_says(pi: Disk, tmp_path: Path):
    blocks, _, top = re.search(r"hilum\.verity=(\d+),([0-9a-f]{64}),([0-9a-f]{64})", pi.read("boot-a", "cmdline.txt").decode()).groups()
    root = pi.whole("root-a", tmp_path)
    run("veritysetup", "verify", root, root, top, f"--hash-offset={int(blocks) * 4096}")
    conf = run("unsquashfs", "-cat", root, "etc/rauc/system.conf")
    assert "bootloader=custom\n" in conf and "compatible=hilum-rpi5\n" in conf
    backend = re.search(r"^bootloader-custom-backend=/(.+)$", conf, re.MULTILINE)[1]
    assert run("unsquashfs", "-cat", root, backend) == (REPO / "cross/rootfs/usr/lib/hilum/autoboot").read_text()
    assert run("unsquashfs", "-cat", root, "etc/fstab").splitlines()[-1].startswith("/dev/hilum/config /boot/efi vfat ")


def test_the_first_file_system_has_the_drivers_of_the_device_tree(pi: Disk, tmp_path: Path):
    """Between a Raspberry Pi 5 and its card, disk, stick: what the kernel does not have built in."""
    (tmp_path / "initrd").write_bytes(pi.read("boot-a", "initrd.img"))
    names = run("sh", "-c", "zstd -dqc initrd | cpio --list --quiet", cwd=tmp_path).split()
    for module in ("sdhci-brcmstb", "pinctrl-brcmstb-bcm2712", "gpio-regulator", "irq-bcm2712-mip", "rp1_pci", "clk-rp1", "dwc3",
                   "xhci-plat-hcd", "nvme", "usb-storage", "bcm2835_wdt", "vfat", "dm-verity", "dm-crypt"):
        assert f"modules/{module}.ko" in names
    assert {"bin/autoboot", "bin/cryptsetup", "bin/mke2fs", "bin/busybox"} <= set(names)


def test_a_raspberry_pi_4_has_its_firmware(firmware: Path, tmp_path: Path):
    made = make("rpi4", tmp_path, *AARCH64, "--firmware", firmware)
    disk = Disk(made.with_name(made.name + ".img"))
    assert {"start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb", "vmlinuz"} <= set(disk.files("boot-a"))
    assert disk.read("boot-a", "fixup4.dat") == b"fixup"


@pytest.mark.parametrize("when", ["Apr 17 2024", "Jan  5 2025"])
def test_firmware_that_finds_no_second_partition_is_refused(tmp_path: Path, when: str):
    (tmp_path / "start4.elf").write_text(f"VC_BUILD_ID_TIME: {when}\0")
    (tmp_path / "fixup4.dat").write_text("")
    words = [REPO / "cross/image", "rpi4", "--fast", *AARCH64, "--firmware", tmp_path, "--out", tmp_path / "out"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 1 and "before 2025-01-16" in done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["toaster"], "There are qemu-virt, rpi5, rpi4, jetson-orin-nano"),
        (["rpi5", "--arch", "amd64"], "there is no rpi5 with amd64"),
        (["rpi4"], "starts only with start4.elf and fixup4.dat"),
        (["jetson-orin-nano", "--luks"], "no data partition"),
    ],
)
def test_what_cannot_be_made(words: list[str], why: str, tmp_path: Path):
    done = subprocess.run([REPO / "cross/image", *words, "--out", tmp_path, *AARCH64], capture_output=True, text=True)
    assert done.returncode == 1 and why in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_data_partition_that_is_to_be_encrypted_has_a_line_and_nothing_else(tmp_path: Path):
    made = make("qemu-virt", tmp_path, "--arch", "amd64", "--luks")
    disk = Disk(made.with_name(made.name + ".img"))
    whole = disk.bytes("data", 0, disk.partitions["data"]["size"] * 512)
    assert whole[17 << 20 :].startswith(ENCRYPT)
    assert not whole.replace(ENCRYPT, b"", 1).strip(b"\0")
    assert ENCRYPT.decode().strip() in (REPO / "cross/boot/init").read_text()


def test_a_root_without_a_kernel(tmp_path: Path):
    made = make("jetson-orin-nano", tmp_path, *AARCH64)
    archive = made.with_name(made.name + ".tar.zst")
    names = run("tar", "--zstd", "-tf", archive).split("\n")
    assert "./usr/bin/hilum" in names and "./usr/sbin/init" in names
    assert not [name for name in names if name.startswith(("./usr/lib/modules/", "./boot/")) and not name.endswith("/")]
    assert "./etc/rauc/system.conf" not in names
    assert run("tar", "--zstd", "-xOf", archive, "./etc/fstab") == ""
    assert 'inherit = "jetson-orin-nano.toml"' in run("tar", "--zstd", "-xOf", archive, "./etc/hilum/board.toml")
    assert "0/0" in run("tar", "--zstd", "--numeric-owner", "-tvf", archive, "./usr/bin/hilum")
    assert "linux-image" not in made.with_name(made.name + ".cdx.json").read_text()
