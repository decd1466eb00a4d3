"""Chromium without a window, told what to do by the DevTools protocol over a pipe: nothing but Python's own library."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

# Nothing but this machine is reached, and nothing is asked of anybody.
FLAGS = [
    "--headless=new",
    "--no-sandbox",  # tests run as root
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
]


class Gone(Exception):
    """The browser ended, or does not answer."""


class Failed(Exception):
    """The browser did not do what it was told."""


class Chromium:
    """A browser; every tab is by itself, with cookies of its own."""

    def __init__(self, program: str = "chromium", flags: list[str] = []):
        path = shutil.which(program)
        if path is None:
            raise Gone(f"{program} is not installed")
        self.profile = tempfile.mkdtemp(prefix="hilum-chromium-")
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # The browser reads from descriptor 3 and writes to 4; the numbers of these pipes are above both.
        commands, answers = self._above(commands), self._above(answers)
        words = [path, *FLAGS, *flags, f"--user-data-dir={self.profile}", "about:blank"]
        self.log = Path(self.profile) / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f'exec "$0" "$@" 3<&{commands} 4>&{answers}', *words],
                pass_fds=(commands, answers), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        os.close(commands)
        os.close(answers)
        self._left = b""
        self._next = 0
        self.events: list[dict] = []

    @staticmethod
    def _above(descriptor: int) -> int:
        import fcntl

        higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 5)
        os.close(descriptor)
        return higher

    def call(self, method: str, session: str | None = None, patience_s: float = 30.0, **parameters) -> dict:
        """Asks, and waits for the answer."""
        self._next += 1
        number = self._next
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        try:
            os.write(self._write, json.dumps(message).encode() + b"\0")
        except OSError as error:
            raise Gone(f"the browser is gone: {self._said()}") from error
        until = time.monotonic() + patience_s
        while True:
            answer = self._message(until, method)
            if answer.get("id") == number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.events = [*self.events[-99:], answer]

    def _message(self, until: float, what: str) -> dict:
        while b"\0" not in self._left:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise Gone(f"no answer to {what}: {self._said()}")
            read = os.read(self._read, 1 << 20)
            if not read:
                raise Gone(f"the browser ended: {self._said()}")
            self._left += read
        message, self._left = self._left.split(b"\0", 1)
        return json.loads(message)

    def _said(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def close(self) -> None:
        for descriptor in (self._write, self._read):
            os.close(descriptor)
        # It ends when nobody tells it anything any more.
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_) -> None:
        self.close()
