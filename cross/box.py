"""A box in QEMU, started from an image that is not changed for it: its plug, its sticks, who stands before its screen, and hands inside.

What works inside is a unit that QEMU hands over as a credential of the machine (SMBIOS type 11), which on a board only the firmware
could do: it runs what it is told over a serial line of virtio.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from machine import ME, run

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "tests" / "mirror"))

from eyes import PATIENCE_S as LOOK_S  # noqa: E402
from eyes import Seeing  # noqa: E402
from PIL import Image  # noqa: E402

# No processor with AVX: QEMU takes five times as long for the wide arithmetic as for what the networks then are computed with.
MACHINES = {
    "arm64": ["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72", "-device", "virtio-gpu-pci,xres=1280,yres=800"],
    "amd64": ["qemu-system-x86_64", "-machine", "q35", "-cpu", "Nehalem", "-device", "virtio-vga,xres=1280,yres=800"],
}
FIRMWARE = {
    "arm64": ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd", "qemu-efi-aarch64"),
    "amd64": ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd", "ovmf"),
}
TOOLS = {"qemu-system-aarch64": "qemu-system-arm", "qemu-system-x86_64": "qemu-system-x86", "mcopy": "mtools", "mkfs.vfat": "dosfstools",
         "tesseract": "tesseract-ocr"}
# A start takes half a minute of the guest's time; every instruction is emulated.
PATIENCE_S = 600
ANSWER_S = 120
SECTOR = 512
FULL = 32767  # what an absolute axis of QEMU's goes to
# How QEMU calls the keys of characters.
QCODES = {"-": "minus", " ": "spc", ".": "dot", "/": "slash"}

# Runs what it is told, a number and a script in base64, and says at the end the number, what the script said, and its status.
HANDS = r"""[Unit]
DefaultDependencies=no
StartLimitIntervalSec=0
After=systemd-udevd.service
[Service]
Restart=always
RestartSec=1
ExecStart=/bin/sh -c 'exec 3<>/dev/virtio-ports/hands || exit 1; while read -r number line <&3; do \
 echo "$line" | base64 -d | sh >/run/hands 2>&1; status=$?; { echo -n "$number "; base64 -w0 /run/hands; echo " $status"; } >&3; done'
"""
WANTS = "[Unit]\nWants=hands.service\n"


class Cut(Exception):
    """The box was switched off while something was asked of it."""


class Box:
    """A box with a disk of its own."""

    def __init__(self, arch: str, folder: Path, image: Path, size: int = 4 << 30):
        self.arch, self.folder = arch, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.disk = folder / "disk"
        run("cp", "--sparse=always", image, self.disk)
        os.truncate(self.disk, size)
        shutil.copy(FIRMWARE[arch][1], folder / "variables")
        self.process: subprocess.Popen | None = None

    # --- plug ---

    def on(self, screen: bool = True) -> None:
        """Plugs it in."""
        paths = {name: self.folder / name for name in ("monitor", "line", "serial")}
        for path in paths.values():
            path.unlink(missing_ok=True)
        given = {"systemd.extra-unit.hands.service": HANDS, "systemd.unit-dropin.sysinit.target": WANTS}
        credentials = [f"value=io.systemd.credential.binary:{name}={encoded(text)}" for name, text in given.items()]
        machine = list(MACHINES[self.arch])
        if not screen:
            machine = machine[: machine.index("-device")]
        words = [
            *machine, "-accel", "tcg", "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none",
            *self.firmware(),
            "-drive", f"file={self.disk},format=raw,if=none,id=disk,cache=writeback", "-device", "virtio-blk-pci,drive=disk,bootindex=1",
            # Two touch devices, and the keyboard of whoever comes by.
            "-device", "virtio-tablet-pci", "-device", "virtio-tablet-pci", "-device", "virtio-keyboard-pci",
            "-device", "virtio-rng-pci", "-device", "qemu-xhci", "-smbios", ",".join(["type=11", *credentials]),
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=line,path={paths['line']},server=on,wait=off",
            "-device", "virtserialport,chardev=line,name=hands",
            "-serial", f"file:{paths['serial']}", "-qmp", f"unix:{paths['monitor']},server=on,wait=off",
        ]
        self.process = subprocess.Popen(words, stderr=(self.folder / "qemu").open("wb"))
        self.began = time.monotonic()
        until(lambda: (paths["monitor"].exists() and paths["line"].exists()) or self.process.poll() is not None, "QEMU starts")
        self.monitor = self._connect(paths["monitor"])
        self.answers = self.monitor.makefile("rb")
        self.answers.readline()
        self.do("qmp_capabilities")
        self.line = self._connect(paths["line"])
        self.said, self.questions = b"", 0

    def firmware(self) -> list[str]:
        """How the machine begins."""
        places = (f"{FIRMWARE[self.arch][0]},readonly=on", f"{self.folder}/variables")
        return [word for place in places for word in ("-drive", f"if=pflash,format=raw,file={place}")]

    def _connect(self, path: Path) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.connect(str(path))
        return made

    def off(self) -> None:
        """Pulls the plug."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.monitor.close()
            self.line.close()

    def ended(self, patience_s: float = PATIENCE_S) -> None:
        """Waits until it has begun to start again by itself."""
        while True:
            self.monitor.settimeout(patience_s)
            event = json.loads(self.answers.readline())
            if event.get("event") in ("RESET", "SHUTDOWN"):
                self.monitor.settimeout(None)
                return

    def do(self, what: str, **how: object) -> dict:
        """Asks QEMU."""
        self.monitor.sendall(json.dumps({"execute": what, "arguments": how}).encode() + b"\n")
        while True:
            answer = json.loads(self.answers.readline())
            if "error" in answer:
                raise SystemExit(f"{ME}: {what}: {answer}")
            if "return" in answer:
                return answer

    # --- inside ---

    def asked(self, script: str, patience_s: float = PATIENCE_S) -> tuple[str, int]:
        """Runs a script inside: what it said, and its status."""
        answer = self._answered(script, patience_s)
        if answer is None:
            raise SystemExit(f"{ME}: in vain: an answer from inside to {script!r}\n{self.console()}")
        return answer

    def _answered(self, script: str, patience_s: float) -> tuple[str, int] | None:
        """None if there is no answer: the box may have started again with the question in its hands."""
        self.questions += 1
        try:
            self.line.sendall(f"{self.questions} ".encode() + base64.b64encode(script.encode()) + b"\n")
        except OSError:
            raise Cut from None
        end = time.monotonic() + patience_s
        while True:
            while b"\n" not in self.said:
                self.line.settimeout(max(end - time.monotonic(), 0.01))
                try:
                    more = self.line.recv(65536)
                except TimeoutError:
                    return None
                except OSError:
                    raise Cut from None
                if not more:
                    raise Cut
                self.said += more
            line, _, self.said = self.said.partition(b"\n")
            number, _, rest = line.decode().partition(" ")
            # An answer to a question of before comes late.
            if number == str(self.questions):
                text, _, status = rest.rpartition(" ")
                return base64.b64decode(text).decode(errors="replace").strip(), int(status)

    def says(self, script: str, patience_s: float = PATIENCE_S) -> str:
        """What a script says inside, which must end well."""
        text, status = self.asked(script, patience_s)
        if status:
            raise SystemExit(f"{ME}: inside, {script!r} ended with {status}: {text}")
        return text

    def console(self) -> str:
        path = self.folder / "serial"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def becomes(self, script: str, wanted: Callable[[str], object], why: str, patience_s: float = PATIENCE_S) -> str:
        """Asks inside until the answer is what is wanted, over a start in between too. What is asked changes nothing."""
        last = ""

        def look() -> bool:
            nonlocal last
            answer = self._answered(script, min(patience_s, ANSWER_S))
            if answer is None:
                return False
            last, _ = answer
            return bool(wanted(last))

        until(look, why, patience_s, lambda: f"{last}\n{self.console()}", 0.5)
        return last

    def ready(self) -> float:
        """Waits until the daemon says that it is ready: seconds of the box's own time since the kernel began."""
        self.becomes("systemctl is-active hilum.service", lambda state: state == "active", "the daemon is ready")
        return int(self.says("systemctl show --value -p ActiveEnterTimestampMonotonic hilum.service")) / 1e6

    def version(self) -> str:
        return self.says("sed -n 's/^VERSION_ID=.\\(.*\\).$/\\1/p' /etc/os-release")

    def slot(self) -> str:
        return self.says("sed -n 's/.*rauc.slot=\\([AB]\\).*/\\1/p' /proc/cmdline")

    # --- sticks, and bad blocks ---

    def plug_in(self, stick: Path, name: str = "stick") -> None:
        self.do("blockdev-add", **{"driver": "raw", "node-name": name, "file": {"driver": "file", "filename": str(stick)}})
        self.do("device_add", driver="usb-storage", id=name, drive=name)

    def pull_out(self, name: str = "stick") -> None:
        self.do("device_del", id=name)
        self.becomes("ls /dev/disk/by-id 2>/dev/null | grep -c '^usb-' || true", lambda said: said == "0", "the stick is gone")
        self.do("blockdev-del", **{"node-name": name})

    def partition(self, name: str) -> tuple[int, int]:
        """Where a partition begins, and its length, in bytes."""
        for part in json.loads(run("sfdisk", "--json", self.disk))["partitiontable"]["partitions"]:
            if part["name"] == name:
                return part["start"] * SECTOR, part["size"] * SECTOR
        raise SystemExit(f"{ME}: no partition {name}")

    def damage(self, name: str) -> None:
        """Bad blocks all over a partition."""
        start, size = self.partition(name)
        with self.disk.open("r+b") as disk:
            for at in range(start + (1 << 20), start + size, 1 << 20):
                disk.seek(at)
                disk.write(os.urandom(4096))

    def wipe(self, name: str) -> None:
        """Nothing is left of a partition."""
        start, size = self.partition(name)
        run("fallocate", "--punch-hole", "--offset", start, "--length", size, self.disk)


class Pi(Box):
    """A box that is started as a Raspberry Pi's boot loader starts one: which partition, autoboot.txt says, and what of it, config.txt."""

    def firmware(self) -> list[str]:
        start, _ = self.partition("config")
        auto = run("mtype", "-i", f"{self.disk}@@{start}", "::autoboot.txt")
        number = re.search(r"^boot_partition=(\d)$", auto.partition("[tryboot]")[0], re.MULTILINE)[1]
        start, _ = self.partition({"2": "boot-a", "3": "boot-b"}[number])
        for name in ("vmlinuz", "initrd.img", "cmdline.txt"):
            run("mcopy", "-n", "-o", "-i", f"{self.disk}@@{start}", f"::{name}", self.folder / name)
        words = (self.folder / "cmdline.txt").read_text().strip()
        # QEMU's own firmware passes credentials on. A restart ends QEMU, and what comes after it is read from the disk again.
        files = ("-kernel", str(self.folder / "vmlinuz"), "-initrd", str(self.folder / "initrd.img"))
        return [*super().firmware(), *files, "-append", words, "-no-reboot"]

    def ready(self) -> float:
        while True:
            try:
                return super().ready()
            except Cut:
                if self.process.wait(10):
                    raise
                self.off()
                self.on()


class Person(Seeing):
    """Whoever stands before the box: reads its screen, touches it, types on a keyboard."""

    def __init__(self, box: Box, album: Path | None = None):
        # Not that of a browser.
        self.box, self.patience_s = box, LOOK_S
        self.album, self.kept, self.known = album, 0, ("", [])

    def screenshot(self) -> bytes:
        picture = self.box.folder / "screen.png"
        self.box.do("screendump", filename=str(picture), format="png")
        return picture.read_bytes()

    def serial(self) -> str:
        return hashlib.sha256(self.screenshot()).hexdigest()

    def until(self, what: Callable[[], object], why: str):
        return until(what, why, self.patience_s, self.text)

    def changed(self, since: str) -> str:
        """What is touched may be answered by the same picture a moment later: an emulated box takes its time."""
        end = time.monotonic() + 5
        while (now := self.serial()) == since and time.monotonic() < end:
            time.sleep(0.05)
        return now

    def _send(self, *events: dict) -> None:
        self.box.do("input-send-event", events=list(events))

    def tap(self, x: int, y: int) -> None:
        width, height = Image.open(self.box.folder / "screen.png").size
        axes = {"x": (x, width), "y": (y, height)}
        values = {axis: round((place + 0.5) * FULL / size) for axis, (place, size) in axes.items()}
        at = [{"type": "abs", "data": {"axis": axis, "value": value}} for axis, value in values.items()]
        button = {"type": "btn", "data": {"button": "left", "down": True}}
        self._send(*at, button)
        self._send({**button, "data": {"button": "left", "down": False}})

    def key(self, name: str) -> None:
        self.box.do("send-key", keys=[{"type": "qcode", "data": {"Enter": "ret", "Escape": "esc"}.get(name, name)}])

    def type(self, text: str) -> None:
        for character in text:
            code = QCODES.get(character, character.lower())
            shift = [{"type": "qcode", "data": "shift"}] if character.isupper() else []
            self.box.do("send-key", keys=[*shift, {"type": "qcode", "data": code}], **{"hold-time": 20})
            time.sleep(0.1)  # a hand


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def until(what: Callable[[], object], why: str, patience_s: float = PATIENCE_S, last: Callable[[], str] = str, pause_s: float = 0.1):
    """Waits until `what` gives something true, and gives that."""
    end = time.monotonic() + patience_s
    while not (found := what()):
        if time.monotonic() > end:
            raise SystemExit(f"{ME}: in vain: {why}\n{last()}")
        time.sleep(pause_s)
    return found


def stick(path: Path, *files: Path, label: str = "STICK") -> Path:
    """A stick with these files and folders on it."""
    size = sum(sum(one.stat().st_size for one in file.rglob("*")) if file.is_dir() else file.stat().st_size for file in files)
    with path.open("wb") as made:
        made.truncate(size + (64 << 20))
    run("mkfs.vfat", "-n", label, path)
    for file in files:
        run("mcopy", "-s", "-i", path, file, f"::{file.name}")
    return path
