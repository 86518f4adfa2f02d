"""An OCI image layout directory: `oci-layout`, `index.json`, `blobs/sha256/`.

Blobs are named by their content, so images with the same base share its layer: on the controller's disk, in the
archive that goes to a node, and in containerd. https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.artifacts.digest import HashingWriter, Writer, sha256_of_all
from kprov.artifacts.link import link_or_copy
from kprov.artifacts.tarball import write_tar
from kprov.errors import ArtifactError, Problem

REF_NAME = "org.opencontainers.image.ref.name"
# `ctr images import` takes a full name from this one only; of a ref.name it makes import-DATE:NAME.
CONTAINERD_NAME = "io.containerd.image.name"

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"  # uncompressed: the network is near, the CPU is scarce


@dataclass(frozen=True)
class Blob:
    """A blob by its digest ("sha256:…") and size in bytes."""

    digest: str
    size: int

    def descriptor(self, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class ImageConfig:
    """What an image runs: entrypoint (absolute path and arguments) and environment (name -> value)."""

    entrypoint: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredImage:
    """An image of the index: full reference, architecture ("amd64"), digest of its manifest."""

    ref: str
    arch: str
    digest: str


class ImageLayout:
    """A layout on disk. Methods that read raise ArtifactError when what they need is missing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def create(cls, directory: Path) -> ImageLayout:
        """A new, empty layout in a directory that is made if need be."""
        (directory / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        layout = cls(directory)
        layout._write_index([])
        return layout

    def blob_path(self, digest: str) -> Path:
        """Where a blob is, or would be."""
        return self.directory / "blobs" / "sha256" / digest.removeprefix("sha256:")

    # -- writing ------------------------------------------------------------------------------------------------------

    def add_layer(self, members: Mapping[str, Path]) -> Blob:
        """A layer of the members (path in the image -> path on disk); see `tarball.write_tar`."""
        return self._add_blob(lambda stream: write_tar(stream, members))

    def add_layer_tar(self, tar: Path) -> Blob:
        """A layer that is an uncompressed tar file already."""

        def copy(stream: Writer) -> None:
            with tar.open("rb") as source:
                while chunk := source.read(1 << 20):
                    stream.write(chunk)

        return self._add_blob(copy)

    def add_image(self, ref: str, arch: str, layers: Sequence[Blob], config: ImageConfig) -> str:
        """Puts layers together to an image and enters it in the index, in place of an older one. Returns its digest."""
        config_blob = self._add_json(
            {
                "architecture": arch,
                "os": "linux",
                "created": "1970-01-01T00:00:00Z",  # the same input gives the same digest
                "config": {
                    "Entrypoint": list(config.entrypoint),
                    "Env": [f"{name}={value}" for name, value in config.env.items()],
                },
                # Layers are not compressed: the digest of a layer is its diff id.
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            }
        )
        manifest = self._add_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config_blob.descriptor(CONFIG),
                "layers": [layer.descriptor(LAYER) for layer in layers],
            }
        )
        self._enter(ref, arch, manifest)
        return manifest.digest

    def take_image(self, ref: str, arch: str, digest: str, source: ImageLayout) -> None:
        """Takes in an image that lies in another layout, with the manifest `digest`; its blobs become hard links.

        Nothing is hashed. Raises ArtifactError when a blob is missing there.
        """
        for blob in source.blobs_of(digest):
            target = self.blob_path(blob)
            if target.exists():
                continue
            try:
                link_or_copy(source.blob_path(blob), target)
            except FileNotFoundError as error:
                raise ArtifactError(f"{source.directory}: blob {blob} is missing") from error
        self._enter(ref, arch, Blob(digest, self.blob_path(digest).stat().st_size))

    def _enter(self, ref: str, arch: str, manifest: Blob) -> None:
        """Makes the index name an image, in place of an older one of the same name and architecture."""
        entry = manifest.descriptor(MANIFEST) | {
            "platform": {"architecture": arch, "os": "linux"},
            "annotations": {REF_NAME: ref, CONTAINERD_NAME: ref},
        }
        others = [e for e in self._entries() if (_ref(e), _arch(e)) != (ref, arch)]
        self._write_index(sorted([*others, entry], key=lambda e: (_ref(e), _arch(e))))

    def _add_json(self, document: dict[str, Any]) -> Blob:
        data = json.dumps(document, separators=(",", ":")).encode()
        return self._add_blob(lambda stream: stream.write(data))

    def _add_blob(self, fill: Callable[[Writer], object]) -> Blob:
        """Writes a blob beside its place and renames it: a blob that exists is whole."""
        place = self.directory / "blobs" / "sha256"
        with tempfile.NamedTemporaryFile(dir=place, prefix=".new-", delete=False) as file:
            temporary = Path(file.name)
            try:
                writer = HashingWriter(file)
                fill(writer)
                file.flush()
                temporary.chmod(0o644)
                temporary.replace(place / writer.hexdigest())
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        return Blob(f"sha256:{writer.hexdigest()}", writer.size)

    def _write_index(self, entries: list[dict[str, Any]]) -> None:
        temporary = self.directory / ".index.json.new"
        temporary.write_text(json.dumps(_index(entries), indent=1))
        temporary.replace(self.directory / "index.json")

    # -- reading ------------------------------------------------------------------------------------------------------

    def images(self) -> tuple[StoredImage, ...]:
        """Every image of the index."""
        return tuple(StoredImage(_ref(entry), _arch(entry), entry["digest"]) for entry in self._entries())

    def blobs_of(self, digest: str) -> list[str]:
        """Digests of an image's manifest, config and layers, in this order."""
        manifest = self._read_json(self.blob_path(digest))
        return [digest, manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]

    def size_of(self, digest: str) -> int:
        """Bytes of an image with all its layers, shared ones too."""
        return sum(self.blob_path(blob).stat().st_size for blob in dict.fromkeys(self.blobs_of(digest)))

    def verify(self) -> list[Problem]:
        """Hashes every blob that an image of the index needs; one Problem for each that is missing or differs."""
        problems: list[Problem] = []
        needed: dict[str, str] = {}  # blob -> first image that needs it
        for image in self.images():
            needed.setdefault(image.digest, image.ref)
            try:
                for blob in self.blobs_of(image.digest):
                    needed.setdefault(blob, image.ref)
            except (ArtifactError, KeyError, TypeError):
                continue  # the manifest itself is missing or damaged: the loop below names it
        found = sha256_of_all(self.blob_path(blob) for blob in needed)
        for blob, ref in needed.items():
            path = self.blob_path(blob)
            if path not in found:
                problems.append(Problem("error", "artifact-missing", f"{ref}: blob {blob} is missing", file=str(path)))
            elif f"sha256:{found[path]}" != blob:
                message = f"{ref}: blob {blob} has the digest sha256:{found[path]}"
                problems.append(Problem("error", "artifact-digest", message, file=str(path)))
        return problems

    def write_archive(self, target: Path, refs: Collection[str], arch: str) -> None:
        """An OCI archive (tar) of some images, each blob once: what `ctr -n k8s.io images import --local` takes.

        Raises ArtifactError when a reference is not in the layout for this architecture.
        """
        entries = [entry for entry in self._entries() if _ref(entry) in refs and _arch(entry) == arch]
        if missing := set(refs) - {_ref(entry) for entry in entries}:
            raise ArtifactError(f"{self.directory} has no {arch} image {', '.join(sorted(missing))}")
        # dict.fromkeys: once each, manifests before the layers that they name.
        blobs = dict.fromkeys(blob for entry in entries for blob in self.blobs_of(entry["digest"]))
        partial = target.with_name(f".{target.name}.{os.getpid()}.new")
        try:
            with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as archive:
                _add_bytes(archive, "oci-layout", (self.directory / "oci-layout").read_bytes())
                _add_bytes(archive, "index.json", json.dumps(_index(entries)).encode())
                for blob in blobs:
                    self._add_file(archive, blob)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def _add_file(self, archive: tarfile.TarFile, digest: str) -> None:
        path = self.blob_path(digest)
        entry = tarfile.TarInfo(str(path.relative_to(self.directory)))
        try:
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)
        except FileNotFoundError as error:
            raise ArtifactError(f"{self.directory}: blob {digest} is missing") from error

    def _entries(self) -> Iterator[dict[str, Any]]:
        yield from self._read_json(self.directory / "index.json")["manifests"]

    def _read_json(self, path: Path) -> Any:
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise ArtifactError(f"{path} is missing: not a complete OCI image layout") from error
        except ValueError as error:
            raise ArtifactError(f"{path} is damaged: {error}") from error


def _index(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}


def _ref(entry: Mapping[str, Any]) -> str:
    return str(entry.get("annotations", {}).get(REF_NAME, ""))


def _arch(entry: Mapping[str, Any]) -> str:
    return str(entry.get("platform", {}).get("architecture", ""))


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
