"""A camera on the network that does what cameras do, and everything else: a server of MJPEG on loopback."""

from __future__ import annotations

import io
import random
import socketserver
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

BOUNDARY = b"--a boundary that nobody keeps"


class Pictures:
    """Pictures of a slide that is looked at through a sensor: no two are the same."""

    def __init__(self, slide: Path, size: tuple[int, int] = (640, 480), seed: int = 1):
        self.slide = np.asarray(Image.open(slide).convert("RGB"))
        self.size, self.random = size, np.random.default_rng(seed)
        self.corner = (0, 0)

    def pixels(self) -> np.ndarray:
        (left, top), (width, height) = self.corner, self.size
        seen = self.slide[top : top + height, left : left + width].astype(np.int16)
        return np.clip(seen + self.random.normal(0, 1.5, seen.shape).round().astype(np.int16), 0, 255).astype(np.uint8)

    def jpeg(self, pixels: np.ndarray | None = None) -> bytes:
        out = io.BytesIO()
        Image.fromarray(self.pixels() if pixels is None else pixels).save(out, "JPEG", quality=92)
        return out.getvalue()


class Lens:
    """The server. `mode` is what it does from the next picture on, `tune` what it changes in one."""

    def __init__(self, pictures: Pictures, rate_hz: float = 20, port: int = 0, kind: str = "stream"):
        self.pictures, self.every, self.kind = pictures, 1 / rate_hz, kind
        self.mode, self.served, self.asked, self.over = "well", 0, 0, threading.Event()
        self.last = b""
        lens = self

        class Asked(socketserver.StreamRequestHandler):
            def handle(self):
                lens.asked += 1
                head = b""
                while b"\r\n\r\n" not in head and len(head) < 10_000:
                    piece = self.request.recv(4096)
                    if not piece:
                        return
                    head += piece
                try:
                    lens.answer(self.wfile, head)
                except OSError:
                    pass  # whoever looked has gone

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self.server = Server(("127.0.0.1", port), Asked)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream"

    def answer(self, out, head: bytes) -> None:
        if self.mode == "busy":
            out.write(b"HTTP/1.0 503 Service Unavailable\r\n\r\n")
            return
        if self.mode == "page":
            out.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html></html>")
            return
        if self.mode == "silent":
            self.over.wait(30)
            return
        if self.kind == "snapshot":
            jpeg = self.pictures.jpeg()
            self.served += 1
            out.write(b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg)
            return
        out.write(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=x\r\n\r\n")
        while not self.over.is_set():
            mode, picture = self.mode, self.pictures.jpeg()
            if mode in ("stall", "silent"):
                self.over.wait(0.1)
                continue
            if mode == "end" or mode == "busy":
                return
            if mode == "same" and self.last:
                picture = self.last
            if mode == "truncated":
                picture = picture[: len(picture) * 2 // 3]
            if mode == "corrupt":
                spoilt, chance = bytearray(picture), random.Random(self.served)
                for _ in range(200):
                    spoilt[chance.randrange(300, len(spoilt) - 2)] = chance.randrange(256)
                picture = bytes(spoilt)
            if mode == "noise":
                picture = random.Random(self.served).randbytes(20_000)
            more = b"X-UStreamer-Online: false\r\n" if mode == "placeholder" else b""
            # The length is a lie now and then, as with real servers.
            length = len(picture) + (7 if self.served % 5 == 0 else 0)
            out.write(BOUNDARY + b"\r\nContent-Type: image/jpeg\r\n" + more + b"Content-Length: %d\r\n\r\n" % length)
            out.write(picture + b"\r\n")
            out.flush()
            self.last = picture
            self.served += 1
            time.sleep(self.every)

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self) -> Lens:
        return self

    def __exit__(self, *_) -> None:
        self.close()
