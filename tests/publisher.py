"""A publisher of files, or a mirror of one, over HTTP on this machine: whole, cut, wrong, gone, busy."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Publisher(ThreadingHTTPServer):
    """Serves `bodies` by path.

    cut: path -> how many more times the connection ends after half of what was asked; busy: path -> how many more
    times the answer is 503; ranges: whether a part of a file can be asked for.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: dict[str, bytes] = {}
        self.cut: Counter[str] = Counter()
        self.busy: Counter[str] = Counter()
        self.ranges = True
        self.requests: list[str] = []  # paths; with the part when one was asked for: "/a bytes=5-"

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, path: str, body: bytes) -> str:
        """Serves a file. Returns its sha256."""
        self.bodies[path] = body
        return hashlib.sha256(body).hexdigest()


@contextmanager
def publisher() -> Iterator[Publisher]:
    """A server that runs until the context ends."""
    with Publisher() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        part = self.headers.get("Range")
        self.server.requests.append(f"{self.path} {part}" if part else self.path)
        body = self.server.bodies.get(self.path)
        if self._counted(self.server.busy):
            self.send_error(503)
        elif body is None:
            self.send_error(404)
        else:
            self._send(body, part)

    def _send(self, body: bytes, part: str | None) -> None:
        offset = re.fullmatch(r"bytes=(\d+)-", part or "") if self.server.ranges else None
        start = int(offset[1]) if offset else 0
        if offset and start >= len(body):
            self.send_error(416)
            return
        rest = body[start:]
        self.send_response(206 if offset else 200)
        self.send_header("Content-Length", str(len(rest)))
        if offset:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self.wfile.write(rest[: len(rest) // 2] if self._counted(self.server.cut) else rest)

    def _counted(self, left: Counter[str]) -> bool:
        if not left[self.path]:
            return False
        left[self.path] -= 1
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
