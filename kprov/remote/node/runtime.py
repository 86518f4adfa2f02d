"""Does the container runtime answer? Asked on its sockets, in the protocol's first words: a client costs 30 ms more."""

from __future__ import annotations

import os
import socket
import stat

from kprov.remote.node import docker, read

CONTAINERD, CRI_DOCKERD = "/run/containerd/containerd.sock", "/run/cri-dockerd.sock"
UNITS = {CONTAINERD: "containerd", CRI_DOCKERD: "cri-docker", docker.SOCKET: "docker"}
TIMEOUT = 5.0  # seconds; a program that runs answers within milliseconds, on a node that swaps within a second or two
# RFC 9113 section 3.4: the client's preface and an empty SETTINGS frame; the server's own SETTINGS are its answer.
GRPC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
HTTP = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"
SOCKETS = {
    "containerd": {CONTAINERD: GRPC},
    "docker": {docker.SOCKET: HTTP, CONTAINERD: GRPC, CRI_DOCKERD: GRPC},  # Docker Engine has a containerd below it
}


def answers(runtime: str) -> dict[str, str | None]:
    """Socket to why nobody answers there, None if somebody does. Sockets that do not exist are left out.

    A stopped or hung program still has its socket and its connections: the kernel makes them.
    """
    return {path: _silence(path, words) for path, words in SOCKETS[runtime].items() if _is_socket(path)}


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(read.real(path)).st_mode)  # noqa: PTH116
    except OSError:
        return False


def _silence(path: str, words: bytes) -> str | None:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(read.real(path))
            connection.sendall(words)
            return None if connection.recv(1) else "closes the connection without a word"
    except socket.timeout:  # noqa: UP041 (TimeoutError is another class before Python 3.10)
        return f"gives no answer within {TIMEOUT:.0f} s"
    except OSError as error:
        return f"does not answer: {error.strerror or error}"
