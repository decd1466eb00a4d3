"""A network with nothing but loopback in it, for peers that insist on every address: Orthanc, dcmtk."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ORTHANC = "/usr/sbin/Orthanc"
WAIT_S = 30.0


class Network:
    """A network namespace, for as long as the process lives that holds it."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.holder.stdout.readline() == "up\n", "no network namespace: the tests of PACS peers need root"

    def words(self, *words: object) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *map(str, words)]

    def run(self, *words: object, code: int | None = 0, timeout: float = 120) -> subprocess.CompletedProcess:
        done = subprocess.run(self.words(*words), capture_output=True, text=True, errors="replace", timeout=timeout)
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words: object, **options: object) -> subprocess.Popen:
        return subprocess.Popen(self.words(*words), **options)

    def get(self, url: str, *more: object) -> bytes:
        return subprocess.run(
            self.words("python3", "-c", FETCH, url, *more), check=True, capture_output=True, timeout=60
        ).stdout

    def close(self) -> None:
        self.holder.stdin.close()
        self.holder.wait(10)


# A client that runs inside: the tests themselves stay outside.
FETCH = """
import sys, urllib.request
data = sys.argv[2].encode() if len(sys.argv) > 2 else None
sys.stdout.buffer.write(urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=data), timeout=30).read())
"""


@contextmanager
def receiver(network: Network, hilum: Path, out: Path, *words: object, ae: str = "HILUM") -> Iterator[Receiver]:
    """`hilum ct receive` on a port of its own choice, stopped at the end."""
    process = network.start(hilum, "ct", "receive", "--listen", "127.0.0.1:0", "--ae", ae, "--out", out, *words, stderr=subprocess.PIPE, text=True)
    try:
        yield Receiver(process, out)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stderr.close()


class Receiver:
    def __init__(self, process: subprocess.Popen, out: Path) -> None:
        self.process, self.out = process, out
        line = process.stderr.readline()
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+) as \w+\n", line)
        assert found, line + process.stderr.read()
        self.port = int(found[1])

    def stop(self) -> str:
        """Stops it as a person does; what it said."""
        self.process.send_signal(signal.SIGINT)
        said = self.process.stderr.read()
        assert self.process.wait(20) == 0, said
        return said

    def files(self) -> list[Path]:
        return sorted(path for path in self.out.rglob("*.dcm"))


@contextmanager
def orthanc(network: Network, folder: Path, *secured: object, **settings: object) -> Iterator[int]:
    """Orthanc with its DICOM port at the number that is given, its REST interface at one more; what dcmtk needs to ask it over TLS."""
    folder.mkdir(parents=True, exist_ok=True)
    port = 4242
    configuration = {
        "Name": "peer",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "HttpPort": port + 1,
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowEcho": True,
        "Plugins": [],
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "log").open("w") as log:
        process = network.start(ORTHANC, folder / "orthanc.json", stdout=log, stderr=log)
    try:
        end = time.monotonic() + WAIT_S
        while True:
            if network.run("echoscu", *secured, "-aec", "ORTHANC", "127.0.0.1", port, code=None).returncode == 0:
                break
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)
