"""A registry of images that can only be read: what skopeo asks of one, over plain HTTP, with images of the test's."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
# What registries hold: OCI's types, or Docker's older ones for the same documents.
TYPES = {
    "oci": {
        "index": f"{OCI}.index.v1+json",
        "manifest": f"{OCI}.manifest.v1+json",
        "config": f"{OCI}.config.v1+json",
        "layer": f"{OCI}.layer.v1.tar+gzip",
    },
    "docker": {
        "index": f"{DOCKER}.distribution.manifest.list.v2+json",
        "manifest": f"{DOCKER}.distribution.manifest.v2+json",
        "config": f"{DOCKER}.container.image.v1+json",
        "layer": f"{DOCKER}.image.rootfs.diff.tar.gzip",
    },
}


class Registry(ThreadingHTTPServer):
    """Images by name ("k8s/pause") and tag; what was asked for is in `requests`, paths only."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.requests: list[str] = []
        self._layers: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def blob_requests(self) -> list[str]:
        """Digests of the blobs that somebody downloaded, sorted."""
        return sorted(path.rpartition("/")[2] for path in self.requests if "/blobs/" in path)

    def publish(self, name: str, tag: str, architectures: dict[str, Sequence[bytes]], kind: str = "oci") -> None:
        """An image of layers (contents of its files) for each architecture, under one tag: an index of manifests."""
        types = TYPES[kind]
        entries = []
        for arch, contents in architectures.items():
            digest, data = self._manifest(arch, contents, types)
            entries.append(self._entry(name, arch, digest, data, types))
        self._index(name, tag, entries, types)

    def publish_image(self, name: str, tag: str, arch: str, config: bytes, tars: Sequence[bytes], kind: str) -> str:
        """An image that somebody else made, from its config and its layers. Returns the digest of its index."""
        types = TYPES[kind]
        return self._index(name, tag, [self._entry(name, arch, *self._document(config, tars, types), types)], types)

    def _index(self, name: str, tag: str, entries: list[dict[str, Any]], types: dict[str, str]) -> str:
        index = json.dumps({"schemaVersion": 2, "mediaType": types["index"], "manifests": entries}).encode()
        self.manifests[name, tag] = self.manifests[name, _digest(index)] = (types["index"], index)
        return _digest(index)

    def _entry(self, name: str, arch: str, digest: str, data: bytes, types: dict[str, str]) -> dict[str, Any]:
        self.manifests[name, digest] = (types["manifest"], data)
        platform = {"architecture": arch, "os": "linux"}
        return {"mediaType": types["manifest"], "digest": digest, "size": len(data), "platform": platform}

    def publish_single(self, name: str, tag: str, arch: str, contents: Sequence[bytes]) -> None:
        """An image of one architecture whose tag is its manifest, without an index."""
        digest, data = self._manifest(arch, contents, TYPES["oci"])
        self.manifests[name, tag] = self.manifests[name, digest] = (TYPES["oci"]["manifest"], data)

    def _manifest(self, arch: str, contents: Sequence[bytes], types: dict[str, str]) -> tuple[str, bytes]:
        tars = [_tar(content) for content in contents]
        rootfs = {"type": "layers", "diff_ids": [_digest(tar) for tar in tars]}
        config = json.dumps({"architecture": arch, "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        return self._document(config, tars, types)

    def _document(self, config: bytes, tars: Sequence[bytes], types: dict[str, str]) -> tuple[str, bytes]:
        document = {
            "schemaVersion": 2,
            "mediaType": types["manifest"],
            "config": self._blob(types["config"], config),
            "layers": [self._blob(types["layer"], self._compressed(tar)) for tar in tars],
        }
        data = json.dumps(document).encode()
        return _digest(data), data

    def _compressed(self, tar: bytes) -> bytes:
        """Once for each layer: images share them."""
        digest = _digest(tar)
        if digest not in self._layers:
            self._layers[digest] = gzip.compress(tar, compresslevel=1, mtime=0)
        return self._layers[digest]

    def _blob(self, media_type: str, data: bytes) -> dict[str, Any]:
        self.blobs[_digest(data)] = data
        return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


@contextmanager
def registry() -> Iterator[Registry]:
    """A registry that serves until the context ends."""
    with Registry() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def insecure_registries_conf(server: Registry, *prefixes: str) -> str:
    """registries.conf for skopeo: the registry speaks plain HTTP; references that begin with a prefix are found there.

    docker.io/NAME is NAME at 127.0.0.1:PORT.
    """
    blocks = [f'[[registry]]\nlocation = "{server.address}"\ninsecure = true\n']
    for prefix in prefixes:
        blocks.append(f'[[registry]]\nprefix = "{prefix}"\nlocation = "{server.address}"\ninsecure = true\n')
    return "\n".join(blocks)


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        found = self._find()
        if found is None:
            self._send(404, "application/json", b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}', body)
        else:
            self._send(200, *found, body)

    def _find(self) -> tuple[str, bytes] | None:
        parts = self.path.split("/")  # "", "v2", NAME..., "manifests" or "blobs", REFERENCE
        if parts[2:] == [""]:
            return "application/json", b"{}"
        name, kind, reference = "/".join(parts[2:-2]), parts[-2], parts[-1]
        if kind == "blobs":
            data = self.server.blobs.get(reference)
            return None if data is None else ("application/octet-stream", data)
        return self.server.manifests.get((name, reference))

    def _send(self, status: int, media_type: str, data: bytes, body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _tar(content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo(f"file-{hashlib.sha256(content).hexdigest()[:8]}")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
