"""A panel that is not there: serves the mirror's page and speaks its protocol, so that the page can be tested by itself.

What the daemon does is tested beside its code; `src/daemon/mirror/difference.rs` and `message.rs` say the formats.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import socketserver
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from PIL import Image

PAGES = Path(__file__).resolve().parents[2] / "src" / "daemon" / "mirror"
KINDS = {"html": "text/html; charset=utf-8", "js": "text/javascript", "css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
WORD = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def update(serial: int, panel: Image.Image, pieces: list[tuple[int, int, Image.Image, bool]]) -> bytes:
    """A message with changed rectangles: where, what, and whether as PNG."""
    message = struct.pack(">BIHHH", 1, serial, *panel.size, len(pieces))
    for x, y, picture, as_png in pieces:
        content = png(picture) if as_png else picture.tobytes()
        message += struct.pack(">HHHHBI", x, y, *picture.size, as_png, len(content)) + content
    return message


class Panel:
    """Shows `picture`, and notes in `said` what browsers say."""

    def __init__(self, picture: Image.Image, sockets: bool = True):
        self.picture, self.sockets = picture, sockets
        self.serial = 1
        self.state = {"writing": True, "locked": False, "screen": True, "login": False}
        self.said: list[str] = []
        self.open: list[Socket] = []
        panel = self

        class Handler(Request):
            server_panel = panel

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def paint(self, x: int, y: int, piece: Image.Image, as_png: bool = True) -> None:
        """Changes a rectangle."""
        self.picture = self.picture.copy()
        self.picture.paste(piece, (x, y))
        self.serial += 1
        for socket in self.open:
            socket.send(2, update(self.serial, self.picture, [(x, y, piece, as_png)]))

    def tell(self, **state: bool) -> None:
        """Changes what is said beside the picture."""
        self.state |= state
        for socket in self.open:
            socket.send(1, json.dumps(self.state).encode())

    def heard(self, *said: str, patience_s: float = 30.0) -> None:
        """Waits until browsers said this, but for what they have drawn."""
        end = time.monotonic() + patience_s
        while (words := [word for word in self.said if not word.startswith("seen ")]) != list(said):
            assert time.monotonic() < end, f"said: {words}, wanted: {list(said)}"
            time.sleep(0.01)
        self.said.clear()

    def hang_up(self) -> None:
        for socket in self.open:
            socket.send(8, b"")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Socket:
    """The server's end of a WebSocket."""

    def __init__(self, read, write):
        self.read, self.write = read, write
        self.lock = threading.Lock()

    def send(self, kind: int, content: bytes) -> None:
        size = len(content)
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
        if size > 0xFFFF:
            length = b"\x7f" + struct.pack(">Q", size)
        with self.lock:
            # Not buffered; and once a browser has answered to a close there is nothing left to flush.
            self.write.write(bytes([0x80 | kind]) + length + content)

    def receive(self) -> tuple[int, bytes]:
        first, second = self.read.read(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self.read.read(2))
        mask, content = self.read.read(4), self.read.read(size)
        return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))


class Request(BaseHTTPRequestHandler):
    server_panel: Panel
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def answer(self, kind: str, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind, "Content-Length": str(len(content)), "Content-Security-Policy": POLICY,
            "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        name = "page.html" if path == "/" else path[1:]
        if path == "/frame.png":
            self.answer("image/png", png(self.server_panel.picture))
        elif path == "/glass" and self.server_panel.sockets:
            self.glass()
        elif name in ("page.html", "page.js", "page.css"):
            self.answer(KINDS[name.split(".")[1]], (PAGES / name).read_bytes())
        else:
            self.answer("text/plain", b"no", 404)

    def do_POST(self) -> None:
        panel = self.server_panel
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        panel.said += text.split("\n")[1:]
        self.answer("application/json", json.dumps(panel.state | {"serial": panel.serial}).encode())

    def glass(self) -> None:
        panel = self.server_panel
        digest = hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + WORD).digest()
        self.send_response(101)
        for name, value in {
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        socket = Socket(self.rfile, self.wfile)
        socket.send(1, json.dumps(panel.state).encode())
        socket.send(2, update(panel.serial, panel.picture, [(0, 0, panel.picture, True)]))
        panel.open.append(socket)
        self.close_connection = True
        try:
            while True:
                kind, content = socket.receive()
                if kind == 8:
                    return
                panel.said.append(content.decode())
        except (OSError, ValueError):
            return
        finally:
            panel.open.remove(socket)
