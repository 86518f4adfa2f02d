"""On the controller: one OCI archive with exactly the images that a node misses, each blob once."""

from __future__ import annotations

import io
import json
import os
import tarfile

REF_NAME = "org.opencontainers.image.ref.name"
# `ctr images import` takes full names from this annotation only.
CONTAINERD_NAME = "io.containerd.image.name"
CHUNK = 1024 * 1024


class LayoutError(Exception):
    """The bundle's image layout is incomplete or damaged; the message is for the user."""


class Layout:
    """An OCI image layout directory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._entries = self._json("index.json")["manifests"]

    def digest(self, ref: str, arch: str) -> str:
        """Digest of an image's manifest."""
        return self._entry(ref, arch)["digest"]

    def config_digest(self, ref: str, arch: str) -> str:
        """Digest of an image's configuration: Docker's image id."""
        return self._json(self._name(self.digest(ref, arch)))["config"]["digest"]

    def write_archive(self, file, images: dict[str, str], arch: str, docker: bool = False) -> None:
        """Write an archive of images (reference in the layout to the name it shall have).

        Nothing is hashed here: containerd computes every blob's digest on import and refuses an image whose manifest
        names a blob that did not come out with that digest. Docker computes those of the configuration and of each
        unpacked layer. docker: add what `docker load` reads, as `docker save` writes it since Docker 25.
        """
        entries = []
        for ref, name in images.items():
            entry = dict(self._entry(ref, arch))
            entry["annotations"] = {**entry.get("annotations", {}), REF_NAME: name, CONTAINERD_NAME: name}
            entries.append(entry)
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
        with tarfile.open(fileobj=_Counting(file), mode="w", format=tarfile.GNU_FORMAT, copybufsize=CHUNK) as archive:
            _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
            _add(archive, "index.json", json.dumps(index).encode())
            if docker:
                _add(archive, "manifest.json", json.dumps(self._docker_manifest(entries)).encode())
            for digest in dict.fromkeys(blob for entry in entries for blob in self._blobs(entry["digest"])):
                self._add_blob(archive, digest)

    def _docker_manifest(self, entries: list[dict]) -> list[dict]:
        found = []
        for entry in entries:
            manifest = self._json(self._name(entry["digest"]))
            found.append(
                {
                    "Config": self._name(manifest["config"]["digest"]),
                    "RepoTags": [entry["annotations"][REF_NAME]],
                    "Layers": [self._name(layer["digest"]) for layer in manifest["layers"]],
                }
            )
        return found

    def _entry(self, ref: str, arch: str) -> dict:
        for entry in self._entries:
            here = (entry.get("annotations", {}).get(REF_NAME), entry.get("platform", {}).get("architecture", arch))
            if here == (ref, arch):
                return entry
        raise LayoutError(f"{self.directory} has no image {ref} for {arch}; the bundle is incomplete")

    def _blobs(self, digest: str) -> list[str]:
        manifest = self._json(self._name(digest))
        return [digest, manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]

    def _add_blob(self, archive: tarfile.TarFile, digest: str) -> None:
        path = os.path.join(self.directory, self._name(digest))
        try:
            with open(path, "rb") as file:
                entry = tarfile.TarInfo(self._name(digest))
                entry.size = os.fstat(file.fileno()).st_size
                archive.addfile(entry, file)
        except OSError as error:
            raise LayoutError(f"blob {digest} of the bundle cannot be read: {error.strerror}") from error

    def _json(self, name: str) -> dict:
        path = os.path.join(self.directory, name)
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError) as error:
            raise LayoutError(f"{path} cannot be read: {error}") from error

    @staticmethod
    def _name(digest: str) -> str:
        return "blobs/" + digest.replace(":", "/")


class _Counting(io.RawIOBase):
    """A file or a pipe that knows how much went through it: tarfile asks."""

    def __init__(self, file) -> None:
        super().__init__()
        self._file = file
        self._position = 0

    def tell(self) -> int:
        return self._position

    def write(self, data) -> int:
        self._position += len(data)
        return self._file.write(data)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
