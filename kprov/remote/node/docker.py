"""Docker Engine, asked on its socket (http.client would cost the probe 25 ms)."""

from __future__ import annotations

import json
import socket
from typing import Any

from kprov.remote.node import read

SOCKET = "/run/docker.sock"
TIMEOUT = 3.0  # seconds
# HTTP/1.0: the answer ends with the connection and comes in one piece.
QUESTION = "GET /v1.42{} HTTP/1.0\r\nHost: docker\r\n\r\n"


def images() -> set[str] | None:
    """Full references of the images that Docker has; None if it does not answer."""
    listing = get("/images/json")
    if not isinstance(listing, list):
        return None
    return {full_name(tag) for image in listing for tag in image.get("RepoTags") or ()}


def get(path: str, timeout: float = TIMEOUT) -> Any:
    """The JSON at a path of Docker's API; None if it does not answer within so many seconds, or not with that."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(read.real(SOCKET))
            connection.sendall(QUESTION.format(path).encode())
            head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            return None
        return json.loads(body)
    except (OSError, ValueError):
        return None


def full_name(tag: str) -> str:
    """The reference that Kubernetes uses for what Docker shows: "busybox:1" -> "docker.io/library/busybox:1"."""
    first, slash, _ = tag.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return tag
    return f"docker.io/{tag}" if slash else f"docker.io/library/{tag}"
