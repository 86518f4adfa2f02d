"""Images for Docker: an archive that `docker load` reads, and what is there by the names that Kubernetes uses."""

from __future__ import annotations

import http.server
import io
import json
import socketserver
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.kprov_artifact_files import ArtifactError
from ansible.module_utils.kprov_artifact_images import DockerImageStore, ImageStore, image_store
from ansible.module_utils.kprov_docker_api import Docker, DockerError, full_name
from ansible.module_utils.kprov_oci_archive import Layout

from tests.unit.plugins.test_oci_subset import layout  # noqa: F401 (a fixture)


def test_archive_has_docker_s_manifest_only_for_docker(layout: Path) -> None:  # noqa: F811
    for docker in (False, True):
        file = io.BytesIO()
        Layout(str(layout)).write_archive(file, {"r/a:1": "mirror/a:1"}, "amd64", docker=docker)
        with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as archive:
            names = archive.getnames()
            assert ("manifest.json" in names) == docker
            if docker:
                (entry,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
                assert entry["RepoTags"] == ["mirror/a:1"]
                assert {entry["Config"], *entry["Layers"]} <= set(names)
    digest = Layout(str(layout)).config_digest("r/a:1", "amd64")
    assert entry["Config"] == "blobs/" + digest.replace(":", "/")


@pytest.mark.parametrize(
    ("shown", "full"),
    [
        ("busybox:1", "docker.io/library/busybox:1"),
        ("cloudnativelabs/kube-router:v2", "docker.io/cloudnativelabs/kube-router:v2"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("192.168.10.33:80/k8s/x:v1", "192.168.10.33:80/k8s/x:v1"),
        ("localhost/x:1", "localhost/x:1"),
    ],
)
def test_names(shown: str, full: str) -> None:
    assert full_name(shown) == full


class Engine(socketserver.ThreadingUnixStreamServer):
    """An HTTP server on Docker's socket. said: path to (status, body)."""

    said: dict[str, tuple[int, str]]
    bodies: list[bytes]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Engine

    def do_GET(self) -> None:
        status, body = self.server.said[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        assert self.headers["Transfer-Encoding"] == "chunked"  # a stream: nobody knows its length
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.server.bodies.append(body)
        self.do_GET()

    def address_string(self) -> str:
        return "test"

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def engine(node: Path) -> Iterator[Engine]:
    server = Engine(str(node / "run/docker.sock"), Handler)
    server.said, server.bodies = {}, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_images_and_load(engine: Engine, node: Path) -> None:
    listing = [{"Id": "sha256:a", "RepoTags": ["x/a:1"]}, {"Id": "sha256:b", "RepoTags": None}]
    engine.said["/v1.42/images/json"] = (200, json.dumps(listing))
    store = image_store("docker", "/none", "unix:///none")
    store.finish("kubernetes", [{"ref": "docker.io/x/a:1"}])
    wanted = [{"ref": "docker.io/x/a:1", "digest": digest} for digest in ("sha256:a", "sha256:other")]
    assert store.missing(wanted) == wanted[1:]
    engine.said["/v1.42/images/load?quiet=1"] = (200, '{"stream": "Loaded image"}\r\n')
    store.import_archive(io.BytesIO(b"archive"))
    assert engine.bodies == [b"archive"]
    engine.said["/v1.42/images/load?quiet=1"] = (200, '{"error": "no space left"}')
    with pytest.raises(ArtifactError, match="no space left"):
        store.import_archive(io.BytesIO(b"archive"))
    assert store.release("kubernetes", []) == ["docker.io/x/a:1"]  # nothing to unpin


def test_errors_are_the_engine_s_own_words(engine: Engine) -> None:
    engine.said["/v1.42/info"] = (500, '{"message": "broken"}')
    with pytest.raises(DockerError, match=r"500 to /v1\.42/info: broken"):
        Docker().info()
    engine.said["/v1.42/info"] = (400, "client version 1.42 is too new")
    with pytest.raises(DockerError, match="too new"):
        Docker().info()


def test_an_engine_that_does_not_run(node: Path) -> None:
    assert isinstance(image_store("docker", "/none", "unix:///none"), DockerImageStore)
    assert type(image_store("containerd", "/none", "unix:///none")) is ImageStore
    with pytest.raises(ArtifactError, match=r"does not answer on /run/docker\.sock"):
        DockerImageStore("/none", "unix:///none").missing([{"ref": "a"}])
