"""A bundle: everything that an installation needs, in one directory, used without any network.

`manifest.json` (format `kprov.artifacts/v1`, urls relative to it), `files/`, and `images/`, an OCI image layout.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from kprov.artifacts.digest import sha256_of, sha256_of_all
from kprov.artifacts.link import link_or_copy
from kprov.artifacts.manifest import KIND, FileEntry, ImageEntry, Manifest, load, parse
from kprov.artifacts.oci import Blob, ImageConfig, ImageLayout
from kprov.errors import ArtifactError, Problem

MANIFEST_NAME = "manifest.json"


class Bundle:
    """A bundle that exists and whose manifest could be read."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest
        self.images = ImageLayout(directory / "images")

    def file_path(self, entry: FileEntry) -> Path:
        """Where a file of the manifest is on this machine."""
        return self.directory / entry.url

    def check(self) -> tuple[Problem, ...]:
        """Hashes everything; one Problem for each file or blob that is missing or has the wrong digest."""
        return (*self._check_files(), *self._check_images())

    def size(self) -> int:
        """Bytes of all its files; a file that cannot be read counts nothing."""
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())

    def architectures(self) -> tuple[str, ...]:
        """Those that it has files for, sorted."""
        return tuple(sorted({entry.arch for entry in self.manifest.files}))

    def _check_files(self) -> Iterator[Problem]:
        found = sha256_of_all(self.file_path(entry) for entry in self.manifest.files)
        for entry in self.manifest.files:
            path = self.file_path(entry)
            name = f"{entry.name} {entry.version} {entry.arch}"
            if path not in found:
                yield Problem("error", "artifact-missing", f"{name}: {entry.url} is missing", file=str(path))
            elif found[path] != entry.sha256:
                message = f"{name}: sha256 is {found[path]}, the manifest says {entry.sha256}"
                yield Problem("error", "artifact-digest", message, file=str(path))

    def _check_images(self) -> Iterator[Problem]:
        try:
            stored = {(image.ref, image.arch): image.digest for image in self.images.images()}
        except ArtifactError as error:
            yield Problem("error", "artifact-missing", error.message, file=str(self.images.directory))
            return
        for image in self.manifest.images:
            digest = stored.get((image.ref, image.arch))
            if digest is None:
                message = f"{image.ref} {image.arch} is not in the image layout"
                yield Problem("error", "artifact-missing", message, file=str(self.images.directory))
            elif digest != image.digest:
                message = f"{image.ref} {image.arch}: digest is {digest}, the manifest says {image.digest}"
                yield Problem("error", "artifact-digest", message, file=str(self.images.directory))
        yield from self.images.verify()


def open_bundle(directory: Path) -> Bundle:
    """Reads a bundle's manifest; does not hash anything (`Bundle.check` does). Raises ArtifactError."""
    path = directory / MANIFEST_NAME
    if not path.is_file():
        raise ArtifactError(
            f"{directory} is not a bundle: it has no {MANIFEST_NAME}", hint="make one with `kprov bundle create`"
        )
    manifest = load(path)
    for entry in manifest.files:
        # A bundle comes from elsewhere; nothing in it may name a file outside of it.
        if PurePosixPath(entry.url).is_absolute() or ".." in PurePosixPath(entry.url).parts or "://" in entry.url:
            raise ArtifactError(f"{path}: {entry.name}: url {entry.url} must be a path inside the bundle")
    return Bundle(directory, manifest)


class BundleWriter:
    """A bundle that is being made; `new_bundle` gives one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.layout = ImageLayout.create(directory / "images")
        self._files: list[FileEntry] = []
        self._images: list[ImageEntry] = []

    def add_file(self, name: str, version: str, arch: str, source: Path, filename: str) -> None:
        """Takes in a file under `files/NAME/VERSION/FILENAME`, as a hard link where the disk allows it.

        filename: may begin with a directory. Raises FileExistsError when it is taken.
        """
        relative = PurePosixPath("files", name, version, filename)
        target = self.directory / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(source, target)
        fields = {"name": name, "version": version, "arch": arch, "url": str(relative), "sha256": sha256_of(target)}
        self._files.append(FileEntry.model_validate(fields))

    def add_image(self, entry: ImageEntry, layers: Sequence[Blob], config: ImageConfig) -> None:
        """An image of layers that are in `layout` already; its digest goes into the manifest."""
        digest = self.layout.add_image(entry.ref, entry.arch, layers, config)
        self._images.append(entry.model_copy(update={"digest": digest}))

    def take_image(self, entry: ImageEntry, digest: str, source: ImageLayout) -> None:
        """An image that lies in another layout, with the manifest `digest`."""
        self.layout.take_image(entry.ref, entry.arch, digest, source)
        self._images.append(entry.model_copy(update={"digest": digest}))

    def finish(self, releases: Mapping[str, Mapping[str, str]]) -> None:
        """Writes the manifest, last: a directory with a manifest is whole."""
        document = {
            "kind": KIND,
            "releases": {version: dict(release) for version, release in releases.items()},
            "files": [entry.model_dump(by_alias=True) for entry in self._files],
            "images": [entry.model_dump(by_alias=True, mode="json") for entry in self._images],
        }
        path = self.directory / MANIFEST_NAME
        parse(document, str(path))
        path.write_text(json.dumps(document, indent=1) + "\n")


@contextmanager
def new_bundle(target: Path) -> Iterator[BundleWriter]:
    """Makes a bundle beside `target` and renames it at the end; on an error nothing is left. `target` must be new."""
    if target.exists():
        raise ArtifactError(f"{target} exists already", hint="remove it, or name another directory")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        work = Path(temporary) / "bundle"
        work.mkdir()
        writer = BundleWriter(work)
        yield writer
        if not (work / MANIFEST_NAME).is_file():
            raise ArtifactError(f"{target}: the bundle was not finished")
        work.replace(target)
