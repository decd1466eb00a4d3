"""A machine of QEMU's with the program in it: a kernel of Debian's, a display and inputs that can be looked at and used from here."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HILUM = Path(os.environ.get("HILUM", ROOT / "target" / "release" / "hilum"))
CACHE = ROOT / ".cache" / "panel"
# Modules of the kernel, by what they are for.
MODULES = {
    "base": ["virtio_pci", "9p", "9pnet_virtio", "evdev", "virtio_input", "uinput"],
    "virtio-gpu": ["virtio-gpu"],
    "bochs": ["bochs"],
    "vivid": ["vivid"],
}
# Programs of the host that are used there.
PROGRAMS = ["v4l2-ctl"]
# Every instruction is emulated, unless somebody wants the machine's own virtualisation: inside another virtual machine that may be
# there and never get anywhere.
HAS_KVM = os.environ.get("HILUM_PANEL_KVM") == "1"
PATIENCE_S = 120
FULL = 32767  # what an absolute axis of QEMU's goes to


def until(what: Callable[[], object], why: str, patience_s: float = PATIENCE_S):
    """Waits until `what` gives something true, and gives that."""
    end = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < end, f"in vain: {why}"
        time.sleep(0.02)
    return found


def run(*words, **how) -> str:
    return subprocess.run(list(map(str, words)), check=True, stdout=subprocess.PIPE, text=True, **how).stdout


def fetch() -> None:
    """The package of the newest kernel, into the cache."""
    (wanted, *_) = re.findall(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", "linux-image-amd64"))
    run("apt-get", "download", wanted, cwd=CACHE)


def kernel() -> Path:
    """The folder of Debian's kernel, unpacked; it is not installed."""
    found = sorted((CACHE / "kernel").glob("boot/vmlinuz-*"))
    if not found:
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            fetch()
        except subprocess.CalledProcessError:
            # What apt knows is too old, or nothing.
            run("apt-get", "update", "-qq")
            fetch()
        fresh = CACHE / "kernel.new"
        shutil.rmtree(fresh, ignore_errors=True)
        for package in CACHE.glob("linux-image-*.deb"):
            run("dpkg-deb", "-x", package, fresh)
            package.unlink()
        version = next((fresh / "lib/modules").iterdir()).name
        run("depmod", "-b", fresh, version)
        fresh.rename(CACHE / "kernel")
    return CACHE / "kernel"


class Archive:
    """What the kernel unpacks into its first file system: cpio, in the format "newc"."""

    def __init__(self) -> None:
        self.content = io.BytesIO()
        self.folders: set[str] = set()
        self.inode = 0

    def entry(self, name: str, mode: int, content: bytes = b"") -> None:
        self.inode += 1
        fields = [self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        header = "070701" + "".join(f"{field:08x}" for field in fields) + name + "\0"
        for part in (header.encode(), content):
            self.content.write(part + bytes(-len(part) % 4))

    def add(self, path: str, content: bytes, mode: int = 0o755) -> None:
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in self.folders:
                self.folders.add(folder)
                self.entry(folder, 0o040755)
        self.entry("/".join(parts), 0o100000 | mode, content)

    def write(self, path: Path) -> None:
        self.entry("TRAILER!!!", 0)
        path.write_bytes(self.content.getvalue())


def archive(to: Path) -> None:
    """The guest's files: busybox, modules, programs with their libraries, boards, a bundle."""
    files, root = Archive(), kernel()
    version = next((root / "lib/modules").iterdir()).name
    files.add("init", (HERE / "init").read_bytes())
    files.add("bin/busybox", Path(shutil.which("busybox")).read_bytes())
    known: set[Path] = set()
    for purpose, modules in MODULES.items():
        names = []
        for module in modules:
            said = run("modprobe", "-S", version, "-d", root, "--show-depends", module)
            for path in map(Path, re.findall(r"^insmod (\S+)", said, re.MULTILINE)):
                names.append(path.name)
                if path not in known:
                    files.add(f"modules/{path.name}", path.read_bytes())
                known.add(path)
        files.add(f"modules/{purpose}.list", "".join(f"{name}\n" for name in names).encode())
    stripped = to.with_name("hilum")
    run("strip", "--strip-all", "-o", stripped, HILUM)
    files.add("usr/bin/hilum", stripped.read_bytes())
    programs = [Path(shutil.which(name)) for name in PROGRAMS]
    for program in programs:
        files.add(f"usr/bin/{program.name}", program.read_bytes())
    libraries = {library for program in [HILUM, *programs] for library in re.findall(r"(/\S+) \(0x", run("ldd", program))}
    for library in sorted(libraries):
        files.add(library, Path(library).read_bytes())
    run("cc", "-O2", "-Wall", "-static", "-o", to.with_name("multitouch"), HERE / "multitouch.c")
    files.add("usr/bin/multitouch", to.with_name("multitouch").read_bytes())
    for board in (ROOT / "board").glob("*.toml"):
        files.add(f"etc/hilum/{board.name}", board.read_bytes())
    bundle = ROOT / "models" / "reference"
    for file in bundle.rglob("*"):
        if file.is_file():
            files.add(f"usr/share/hilum/bundle/{file.relative_to(bundle)}", file.read_bytes())
    files.write(to)


class Monitor:
    """QEMU's own protocol."""

    def __init__(self, path: Path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")
        self.gone: list[str] = []
        self.file.readline()
        self.do("qmp_capabilities")

    def do(self, what: str, **with_: object) -> object:
        words = {key.replace("_", "-"): value for key, value in with_.items()}
        self.socket.sendall(json.dumps({"execute": what, "arguments": words}).encode() + b"\n")
        while True:
            answer = self.heard()
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def heard(self) -> dict:
        answer = json.loads(self.file.readline())
        if answer.get("event") == "DEVICE_DELETED" and "device" in answer["data"]:
            self.gone.append(answer["data"]["device"])
        return answer

    def unplug(self, device: str) -> None:
        self.do("device_del", id=device)
        while device not in self.gone:
            self.heard()
        self.gone.remove(device)


class Guest:
    """A running machine. `devices` are QEMU's, `words` go to the kernel."""

    def __init__(self, folder: Path, files: Path, devices: list[str], words: str):
        self.share = folder / "share"
        self.share.mkdir(parents=True)
        self.folder, self.asked, self.started = folder, 0, 0
        image = next((kernel() / "boot").glob("vmlinuz-*"))
        monitor = folder / "monitor"
        line = f"console=ttyS0 quiet panic=-1 vt.global_cursor_default=0 {words}"
        machine = ["-machine", "q35", "-accel", "kvm" if HAS_KVM else "tcg", "-cpu", "host,arch-capabilities=off" if HAS_KVM else "max"]
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", *machine, "-m", "1024", "-smp", "2", "-nodefaults", "-display", "none", "-no-reboot",
             "-kernel", image, "-initrd", files, "-append", line, "-serial", f"file:{folder}/console",
             "-qmp", f"unix:{monitor},server=on,wait=off",
             "-virtfs", f"local,path={self.share},mount_tag=share,security_model=none",
             *[word for device in devices for word in ("-device", device)]],
            stderr=(folder / "qemu").open("wb"),
        )
        try:
            until(lambda: monitor.exists() or self.process.poll() is not None, "QEMU starts")
            self.monitor = Monitor(monitor)
            until(lambda: (self.share / "up").exists() or self.process.poll() is not None, "the guest starts")
            assert self.process.poll() is None, self.console()
        except BaseException:
            self.close()
            raise

    def console(self) -> str:
        said = [self.folder / name for name in ("qemu", "console")]
        return "\n".join(file.read_text(errors="replace") for file in said if file.exists())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    # --- commands in the guest ---

    def do(self, command: str) -> str:
        """Runs a command in the guest to its end."""
        self.asked += 1
        script = self.share / f"{self.asked}.sh"
        script.with_suffix(".new").write_text(command)
        script.with_suffix(".new").rename(script)
        status = script.with_suffix(".rc")
        until(lambda: status.exists() or self.process.poll() is not None, command)
        said = script.with_suffix(".out").read_text()
        assert status.exists() and status.read_text() == "0\n", f"{command}: {said}\n{self.console()[-2000:]}"
        return said

    def start(self, site: str = "", board: str = "sim", environment: str = "") -> None:
        """Starts the daemon anew, with nothing kept of the one before."""
        self.stop()
        self.started += 1
        paths = f'[paths]\ndata = "/run/{self.started}/data"\nruntime = "/run/{self.started}/run"\n'
        (self.share / "site.toml").write_text(f"{paths}{site}")
        (self.share / f"log.{self.started}").touch()
        self.do(
            f"mkdir -p /run/{self.started}\n"
            f"RUST_BACKTRACE=1 {environment} hilum run --board /etc/hilum/{board}.toml --site /share/site.toml"
            f" >/dev/null 2>/share/log.{self.started} &\necho $! >/run/pid"
        )

    def stop(self) -> None:
        if self.started:
            self.do("pid=$(cat /run/pid); kill $pid 2>/dev/null; while [ -d /proc/$pid ]; do usleep 20000; done")

    def log(self) -> str:
        return (self.share / f"log.{self.started}").read_text()

    def says(self, words: str, times: int = 1) -> None:
        """Waits until the daemon's log has these words."""
        try:
            until(lambda: self.log().count(words) >= times, words)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None

    # --- what it shows ---

    def frame(self) -> Image.Image:
        """What the program says that it shows: its mirror."""
        file = self.share / "frame.png"
        self.do(
            "tries=0\nuntil wget -q -O /share/frame.png http://127.0.0.1:8733/frame.png; do\n"
            "  tries=$((tries + 1)); [ $tries -lt 600 ] || exit 1; usleep 50000\ndone"
        )
        return Image.open(io.BytesIO(file.read_bytes())).convert("RGB")

    def screen(self) -> Image.Image:
        """What is on the display."""
        file = self.folder / "screen.ppm"
        self.monitor.do("screendump", filename=str(file))
        return Image.open(io.BytesIO(file.read_bytes())).convert("RGB")

    def shows(self, expected: Callable[[Image.Image], Image.Image] = lambda frame: frame) -> Image.Image:
        """Waits until the display shows what the program says, as `expected` says that it lies there. Gives that picture."""

        def same() -> Image.Image | None:
            frame, screen = self.frame(), self.screen()
            return frame if differing(expected(frame), screen) == 0 else None

        try:
            return until(same, "the display shows the picture")
        except AssertionError:
            (frame := self.frame()).save(self.folder / "frame.png")
            (screen := self.screen()).save(self.folder / "screen.png")
            raise AssertionError(
                f"{differing(expected(frame), screen)} pixels differ: {self.folder}\n{self.log()[-3000:]}"
            ) from None

    # --- hands ---

    def send(self, *events: dict) -> None:
        self.monitor.do("input-send-event", events=list(events))

    def point(self, x: int, y: int, down: bool | None = None) -> None:
        """The tablet's pen at a pixel of the display, and its tip."""
        width, height = self.screen().size
        at = {"x": (2 * x + 1) * (FULL + 1) // (2 * width), "y": (2 * y + 1) * (FULL + 1) // (2 * height)}
        self.send(*({"type": "abs", "data": {"axis": axis, "value": value}} for axis, value in at.items()))
        if down is not None:
            self.send({"type": "btn", "data": {"down": down, "button": "left"}})

    def key(self, *names: str) -> None:
        """Keys of the keyboard, together."""
        keys = [{"type": "qcode", "data": name} for name in names]
        for down, key in [(True, key) for key in keys] + [(False, key) for key in reversed(keys)]:
            self.send({"type": "key", "data": {"down": down, "key": key}})


def differing(one: Image.Image, other: Image.Image) -> int:
    """How many pixels differ; all of them where the sizes do."""
    if one.size != other.size:
        return one.width * one.height
    return int((np.asarray(one) != np.asarray(other)).any(axis=2).sum())
