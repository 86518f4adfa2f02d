"""On a node with Docker, images are Docker's."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kprov.remote.node import docker, drift
from tests.unit.remote.conftest import put
from tests.unit.remote.test_node_records import problems, record


def test_images_of_a_docker_node_are_docker_s(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(node, "container_runtime", units={"docker.service": {}, "cri-docker.service": {}})
    record(node, "kubernetes")
    images = {"docker.io/x/a:1": {"phase": "kubernetes"}, "r.io/b:1": {"phase": "kubernetes"}}
    put(node, "/var/lib/kprov/artifacts/images.json", json.dumps({"schema": 1, "images": images}))
    monkeypatch.setattr(drift, "unit_states", lambda units: {})
    monkeypatch.setattr(drift, "images", lambda bin_dir: pytest.fail("containerd was asked"))
    listing = json.dumps([{"RepoTags": ["x/a:1", "busybox:1"]}, {"RepoTags": None}])
    with engine(node, f"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{listing}"):
        assert problems("kubernetes") == [("r.io/b:1", "missing")]
    assert docker.images() is None  # nobody listens any more
    with engine(node, "HTTP/1.0 400 Bad Request\r\n\r\n{}"):
        assert docker.images() is None


@contextmanager
def engine(node: Path, answer: str) -> Iterator[None]:
    """Something that listens on Docker's socket and says this to the first question."""
    path = node / "run/docker.sock"
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(answer.encode())
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()
    path.unlink()
