"""The root of the system: what is left out of Debian's packages, and what is put in."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from disks import Loader
from making import CROSS, REPO, Making

# Folders of the kernel's modules that a box has a use for; the rest is for other machines.
MODULES = ("arch", "crypto", "lib", "mm", "net/core", "net/ipv4", "net/ipv6", "net/packet", "net/unix", "net/dns_resolver", "net/sunrpc",
           "block", "fs", "drivers/ata", "drivers/block", "drivers/char", "drivers/clk", "drivers/firmware", "drivers/gpio",
           "drivers/gpu", "drivers/hid", "drivers/hwmon", "drivers/i2c", "drivers/input", "drivers/irqchip", "drivers/leds",
           "drivers/mailbox", "drivers/md", "drivers/media", "drivers/mmc", "drivers/cpufreq", "drivers/misc/rp1",
           "drivers/net/ethernet/broadcom", "drivers/net/ethernet/cadence", "drivers/net/ethernet/realtek", "drivers/net/ethernet/nvidia",
           "drivers/net/phy", "drivers/net/mdio", "drivers/net/usb", "drivers/nvme", "drivers/nvmem", "drivers/of", "drivers/pci",
           "drivers/phy", "drivers/pinctrl", "drivers/platform", "drivers/power", "drivers/pwm", "drivers/regulator", "drivers/reset",
           "drivers/rtc", "drivers/scsi", "drivers/soc", "drivers/spi", "drivers/thermal", "drivers/tty", "drivers/usb", "drivers/video",
           "drivers/virtio", "drivers/watchdog", "drivers/net/virtio_net.ko", "drivers/base")
NO_MODULES = ("drivers/gpu/drm/amd", "drivers/gpu/drm/nouveau", "drivers/gpu/drm/radeon", "drivers/gpu/drm/i915", "drivers/gpu/drm/xe",
              "drivers/media/dvb-frontends", "drivers/media/tuners", "drivers/media/pci", "drivers/media/radio", "drivers/scsi/lpfc",
              "drivers/scsi/qla2xxx", "drivers/scsi/mpt3sas", "drivers/scsi/megaraid", "drivers/scsi/bfa", "drivers/scsi/aic7xxx",
              "fs/ocfs2", "fs/xfs", "fs/btrfs", "fs/gfs2", "fs/ceph", "fs/bcachefs", "fs/jfs", "fs/f2fs", "fs/afs", "fs/orangefs",
              "drivers/hid/intel-ish-hid", "drivers/usb/gadget", "drivers/net/ethernet/broadcom/bnxt",
              "drivers/net/ethernet/broadcom/bnx2x")
# Files of packages that nothing here reads.
PRUNED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/share/bug",
          "usr/share/bash-completion", "usr/share/zsh", "usr/share/initramfs-tools", "usr/share/debianutils", "usr/share/perl5",
          "usr/share/pixmaps", "usr/share/polkit-1", "usr/lib/udev/hwdb.d", "usr/lib/locale", "usr/lib/*-linux-gnu/gconv",
          "usr/lib/*-linux-gnu/perl-base", "usr/lib/*-linux-gnu/security", "usr/lib/linux-image-*", "usr/bin/perl*", "usr/sbin/grub*",
          "usr/lib/kernel", "etc/kernel", "etc/cron*", "etc/apt", "etc/dpkg", "etc/pam.d", "etc/security", "usr/lib/apt", "usr/lib/dpkg",
          "usr/share/dpkg", "boot", "var", "usr/lib/systemd/systemd-homed*",
          "usr/lib/systemd/system-generators/systemd-gpt-auto-generator", "usr/lib/systemd/catalog", "usr/lib/modprobe.d/aliases.conf",
          "usr/lib/dracut", "usr/lib/systemd/system/dracut-*", "usr/lib/systemd/system/*.wants/dracut-*",
          "usr/lib/systemd/system/initrd*", "usr/sbin/dracut*", "usr/bin/dracut*", "usr/bin/lsinitrd", "usr/lib/modules/*/dtb",
          "usr/lib/modules/*/System.map", "usr/lib/modules/*/config", "packages")
# Services of Debian's that would ask somebody, log somebody in, or write where nothing can be written.
MASKED = ("getty@.service", "serial-getty@.service", "console-getty.service", "container-getty@.service", "debug-shell.service",
          "emergency.service", "rescue.service", "ctrl-alt-del.target", "systemd-firstboot.service", "systemd-homed.service",
          "systemd-hwdb-update.service", "systemd-update-done.service", "ldconfig.service", "systemd-machine-id-commit.service",
          "first-boot-complete.target", "systemd-journal-catalog-update.service", "systemd-logind.service", "systemd-boot-update.service",
          "systemd-pcrphase.service", "systemd-networkd-wait-online.service", "systemd-sysusers.service", "e2scrub_reap.service",
          "e2scrub_all.timer", "fstrim.timer", "getty.target", "remote-fs.target", "systemd-binfmt.service",
          "proc-sys-fs-binfmt_misc.automount", "systemd-creds.socket", "systemd-hostnamed.socket", "systemd-sysext.socket",
          "systemd-pcrextend.socket", "systemd-pcrlock.socket", "systemd-networkd-persistent-storage.service",
          "systemd-hibernate-clear.service", "systemd-ask-password-wall.path", "systemd-ask-password-console.path",
          "systemd-user-sessions.service")
# What the image's own board file says beside what the board is.
BOARD_OF_IMAGE = """[paths]
trouble = "/run/hilum-rescue"
update = "/run/hilum-update/state"
restart = "/run/hilum/restart"

[panel]
welcome = true
"""
ENABLED = {
    "multi-user.target.wants": ("hilum.service", "hilum-key.service", "hilum-networks.service", "hilum-restart.path"),
    "sockets.target.wants": ("hilum-worker.socket",),
    "sysinit.target.wants": ("systemd-networkd.service", "systemd-timesyncd.service"),
}
# Of an image whose disk is divided as we have it.
ENABLED_WITH_SLOTS = ("hilum-grow.service", "hilum-health.service", "hilum-locked.service")


def prune(making: Making) -> None:
    passwd = {name: (making.root / f"usr/share/base-passwd/{name}.master").read_text() for name in ("passwd", "group")}
    for modules in (making.root / "usr/lib/modules").glob("*/kernel"):
        thin(making, modules)
    for pattern in (*PRUNED, "usr/lib/grub"):
        for path in making.root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    # Nobody logs in: no password opens root.
    for name, text in passwd.items():
        (making.root / "etc" / name).write_text(text)
    (making.root / "etc/shadow").write_text("root:!*:20000::::::\n")
    (making.root / "etc/shadow").chmod(0o600)


def thin(making: Making, modules: Path) -> None:
    """Leaves out the kernel's modules that no board has a use for."""
    for path in sorted(modules.rglob("*.ko*")):
        inside = str(path.relative_to(modules))
        keep = any(inside == folder or inside.startswith(f"{folder}/") or inside.startswith(f"{folder}.") for folder in MODULES)
        if not keep or any(inside.startswith(f"{folder}/") for folder in NO_MODULES):
            path.unlink()
        elif path.suffix == ".xz":
            # The squashfs packs better than files that are packed already.
            making.run("xz", "--decompress", path)
    making.run("depmod", "-b", making.root / "usr", modules.parent.name)
    for name in ("modules.symbols", "modules.symbols.bin", "modules.builtin.alias.bin"):
        (modules.parent / name).unlink(missing_ok=True)


def furnish(making: Making, bill: str, loader: Loader | None) -> None:
    """Without a boot loader of ours there are no slots, and no updates."""
    root, share = making.root, making.root / "usr/share/hilum"
    making.run("cp", "--recursive", "--no-preserve=ownership", f"{CROSS}/rootfs/.", root)
    stripped = root / "usr/bin/hilum"
    making.run("aarch64-linux-gnu-strip" if making.processor.debian == "arm64" else "strip", "--strip-all", "-o", stripped, making.program)
    stripped.chmod(0o755)
    (root / "etc/hilum").mkdir(exist_ok=True)
    for board in (REPO / "board").glob("*.toml"):
        shutil.copy(board, root / "etc/hilum" / board.name)
    # Which board this is, and whose bundles it takes.
    signer = making.keys / "bundle.pub"
    whose = f"keys = [{json.dumps(signer.read_text().splitlines()[-1])}]" if signer.exists() else "development-key = true"
    (root / "etc/hilum/board.toml").write_text(
        f'inherit = "{making.name}.toml"\n\n{BOARD_OF_IMAGE}\n[bundle]\nfolder = "/run/hilum-bundle"\n{whose}\n'
    )
    for name in ("hilum.service", "hilum-worker.socket", "hilum-worker@.service"):
        shutil.copy(REPO / "board" / name, root / "usr/lib/systemd/system" / name)
    for name, folder in (("hilum.sysusers", "sysusers.d"), ("hilum.tmpfiles", "tmpfiles.d"), ("hilum.modules-load", "modules-load.d"),
                         ("hilum.udev", "udev/rules.d")):
        place = root / "usr/lib" / folder / ("71-hilum.rules" if name == "hilum.udev" else "hilum.conf")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / "board" / name, place)
    shutil.copytree(making.bundle, share / "bundle")
    engines = REPO / ".cache/engines" / making.processor.engines
    if engines.is_dir():
        shutil.copytree(engines, share / "engines")
    (share / "sbom.cdx.json").write_text(bill)
    (share / "release.json").write_text(json.dumps({"version": making.version, "board": making.name}) + "\n")
    links = {
        "etc/hilum/site.toml": "/var/lib/hilum-site/site.toml",
        "etc/credstore.encrypted": "/var/lib/hilum-key",
        "etc/systemd/network": "/var/lib/hilum-site/network",
        # A folder where systemd looks for units that nothing of Debian's uses here: mounts of a site, and drop-ins.
        "etc/systemd/system.attached": "/var/lib/hilum-site/units",
        "etc/localtime": "/usr/share/zoneinfo/UTC",
        "etc/resolv.conf": "/run/systemd/resolve/resolv.conf",
        "etc/mtab": "../proc/self/mounts",
        "srv": "var/srv",
        "usr/lib/systemd/system/default.target": "multi-user.target",
        "usr/bin/sed": "busybox",
        "usr/bin/grep": "busybox",
        "usr/bin/find": "busybox",
    }
    for link, to in links.items():
        place = root / link
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(to)
    for unit in MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    for folder, units in ENABLED.items():
        wants = root / "etc/systemd/system" / folder
        wants.mkdir(parents=True, exist_ok=True)
        for unit in (*units, *(ENABLED_WITH_SLOTS if loader and folder == "multi-user.target.wants" else ())):
            (wants / unit).unlink(missing_ok=True)
            (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")
    fstab = root / "etc/fstab"
    fstab.write_text(fstab.read_text().replace("@first@", loader.partitions[0].name) if loader else "")
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").write_text("hilum\n")
    (root / "etc/os-release").unlink(missing_ok=True)
    (root / "etc/os-release").write_text(
        f'NAME="Hilum"\nID=hilum\nID_LIKE=debian\nVERSION_ID="{making.version}"\nPRETTY_NAME="Hilum {making.version}"\n'
    )
    if loader:
        (root / "etc/rauc").mkdir(exist_ok=True)
        shutil.copy(making.keys / "release.pem", root / "etc/rauc/keyring.pem")
        (root / "etc/rauc/system.conf").write_text(system_conf(making, loader))
    for folder in ("var", "boot/efi", "proc", "sys", "dev", "run", "tmp", "media", "mnt", "root", "home"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for file in (root / "usr/lib/sysusers.d").glob("*.conf"):
        # "u!", a user who is locked, is newer than the systemd of the machine that builds; nobody can log in here in any case.
        file.write_text(re.sub(r"^u!", "u", file.read_text(), flags=re.MULTILINE))
    making.run("systemd-sysusers", f"--root={root}")
    for name in ("passwd-", "group-", "shadow-", "gshadow-", ".pwd.lock", ".updated"):
        (root / "etc" / name).unlink(missing_ok=True)


def system_conf(making: Making, loader: Loader) -> str:
    slots = "".join(
        f"[slot.rootfs.{number}]\ndevice=/dev/hilum/root-{slot}\ntype=raw\nbootname={slot.upper()}\n\n"
        f"[slot.boot.{number}]\ndevice=/dev/hilum/boot-{slot}\ntype=raw\nparent=rootfs.{number}\n\n"
        for number, slot in enumerate("ab")
    )
    return (
        f"[system]\ncompatible=hilum-{making.name}\n{loader.rauc}data-directory=/var/lib/rauc\n"
        f"bundle-formats=plain\nmin-bundle-version={making.version}\nactivate-installed=true\n\n"
        f"[keyring]\npath=/etc/rauc/keyring.pem\n\n{loader.sections}{slots}"
    )
