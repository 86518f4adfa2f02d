"""What a bundle has to hold for some releases and architectures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from kprov.artifacts.manifest import FileEntry, ImageEntry, Manifest


@dataclass(frozen=True)
class Wanted:
    """releases: exact version -> its components; files and images: each once, in the manifest's order."""

    releases: Mapping[str, Mapping[str, str]]
    files: tuple[FileEntry, ...]
    images: tuple[ImageEntry, ...]


def wanted(
    manifest: Manifest,
    kubernetes: Sequence[str],
    architectures: Sequence[str],
    runtimes: Collection[str] = ("containerd",),
) -> Wanted:
    """Everything of the releases ("1.36" or "1.36.3") for the architectures ("amd64", "arm64").

    runtimes: each container_runtime of the nodes; the releases name no component that only others install. Images for
    every use: another network plugin or `kprov verify` need no second bundle. Raises ArtifactError for a release that
    the manifest has not, or not for such an architecture.
    """
    versions = [manifest.release(version)["kubernetes"] for version in kubernetes]
    releases = {version: manifest.components(version, runtimes) for version in versions}
    pairs = [(version, arch) for version in releases for arch in architectures]
    files = {entry for version, arch in pairs for entry in manifest.release_files(version, arch, runtimes)}
    images = {entry for version, arch in pairs for entry in manifest.images_for(version, arch)}
    return Wanted(
        releases,
        tuple(entry for entry in manifest.files if entry in files),
        tuple(_only(entry, releases) for entry in manifest.images if entry in images),
    )


def _only(image: ImageEntry, releases: Mapping[str, object]) -> ImageEntry:
    """The image without the releases that are not wanted."""
    return image.model_copy(update={"kubernetes": tuple(v for v in image.kubernetes if v in releases)})
