"""A runtime that answers, one that hangs, one that is gone; with real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kprov.remote.node import docker, runtime


@contextmanager
def listening(node: Path, path: str, answer: bytes | None) -> Iterator[None]:
    """A program with this socket. answer: to the first bytes; None: it never takes a connection, as a stopped one."""
    file = node / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(file))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(answer or b"")
            connection.close()

        thread = threading.Thread(target=serve)
        if answer is not None:
            thread.start()
        yield
        if answer is not None:
            thread.join()


def test_a_runtime_that_says_something_answers(node: Path) -> None:
    with listening(node, runtime.CONTAINERD, b"\0\0\0\4\0\0\0\0\0"):
        assert runtime.answers("containerd") == {runtime.CONTAINERD: None}


def test_one_that_takes_connections_and_says_nothing_hangs(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "TIMEOUT", 0.05)
    with listening(node, runtime.CONTAINERD, None):
        assert runtime.answers("containerd") == {runtime.CONTAINERD: "gives no answer within 0 s"}
    with listening(node, runtime.CRI_DOCKERD, b""):
        assert runtime.answers("docker")[runtime.CRI_DOCKERD] == "closes the connection without a word"


def test_one_that_is_gone_has_left_its_socket(node: Path) -> None:
    with listening(node, docker.SOCKET, None):
        pass
    assert runtime.answers("docker") == {docker.SOCKET: "does not answer: Connection refused"}


def test_without_a_socket_there_is_nothing_to_ask(node: Path) -> None:
    assert runtime.answers("docker") == {}
    (node / "run").mkdir()
    (node / "run/docker.sock").write_text("no socket")
    assert runtime.answers("docker") == {}


def test_a_node_on_containerd_does_not_speak_of_its_owner_s_docker(node: Path) -> None:
    with listening(node, docker.SOCKET, None):
        assert runtime.answers("containerd") == {}
