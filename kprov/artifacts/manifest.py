"""The artifact manifest `kprov.artifacts/v1`: which files and images exist, where they are and what their digests are.

One format for the publishers' manifest of this project, for mirrors and for bundles (docs/reference/artifacts.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kprov.content import content_root
from kprov.errors import ArtifactError, Problem

KIND = "kprov.artifacts/v1"

# A release says one version for these three; they are separate files.
KUBERNETES_FILES = ("kubeadm", "kubelet", "kubectl")

# container_runtime -> the components that only its nodes install.
RUNTIME_COMPONENTS: Mapping[str, tuple[str, ...]] = {"containerd": ("containerd", "runc"), "docker": ("cri-dockerd",)}

Arch = Literal["amd64", "arm64"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
FullVersion = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
# Full references only: containerd stores images under the name that the kubelet asks for, docker.io included.
Reference = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.:-]+/[a-z0-9./_-]+:[A-Za-z0-9._-]+$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Model):
    """A file: found by name + version + arch. `url` is absolute, or a path relative to a bundle's manifest."""

    name: str
    version: str
    arch: Arch
    url: str
    sha256: Sha256


class ImageEntry(_Model):
    """An image of one architecture.

    use ("for" in the file): control_plane, node, verify, or the name of an addon.
    digest: of the image manifest; None at publishers whose digest is not pinned, always set in a bundle.
    """

    ref: Reference
    use: str = Field(alias="for")
    kubernetes: tuple[FullVersion, ...]
    arch: Arch
    digest: Digest | None = None

    @property
    def repository(self) -> str:
        """The reference without its tag: `registry.k8s.io/pause`."""
        return self.ref.rpartition(":")[0]


class Manifest(_Model):
    """A whole manifest. Look-ups raise ArtifactError that says what there is instead."""

    kind: Literal["kprov.artifacts/v1"]
    releases: dict[FullVersion, dict[str, str]]
    files: tuple[FileEntry, ...]
    images: tuple[ImageEntry, ...]

    @model_validator(mode="after")
    def _belongs_together(self) -> Manifest:
        for version, release in self.releases.items():
            if release.get("kubernetes") != version:
                raise ValueError(f'release {version} must hold "kubernetes: {version}"')
        _refuse_duplicates([f"file {f.name} {f.version} {f.arch}" for f in self.files])
        _refuse_duplicates([f"image {i.ref} {i.arch}" for i in self.images])
        for image in self.images:
            if unknown := set(image.kubernetes) - set(self.releases):
                raise ValueError(f"image {image.ref} names releases that are not listed: {', '.join(sorted(unknown))}")
        return self

    def supported_versions(self) -> tuple[str, ...]:
        """Kubernetes versions, newest first."""
        return tuple(sorted(self.releases, key=version_key, reverse=True))

    def release(self, kubernetes: str) -> Mapping[str, str]:
        """Component name -> version for `1.36.3` exactly, or for the newest patch of `1.36`."""
        wanted = kubernetes.removeprefix("v")
        for version in self.supported_versions():
            if version == wanted or version.startswith(f"{wanted}."):
                return self.releases[version]
        raise ArtifactError(
            f"Kubernetes {kubernetes} is not in the manifest", hint=f"there is: {', '.join(self.supported_versions())}"
        )

    def file(self, name: str, version: str, arch: str) -> FileEntry:
        """The file with exactly this name, version and architecture."""
        for entry in self.files:
            if (entry.name, entry.version, entry.arch) == (name, version, arch):
                return entry
        there = ", ".join(f"{f.version} {f.arch}" for f in self.files if f.name == name)
        raise ArtifactError(
            f"{name} {version} for {arch} is not in the manifest", hint=f"of {name} there is: {there or 'nothing'}"
        )

    def components(self, kubernetes: str, runtimes: Collection[str] = ("containerd",)) -> Mapping[str, str]:
        """Component name -> version of a release, without what only nodes with other runtimes install."""
        not_wanted = {
            name for runtime, names in RUNTIME_COMPONENTS.items() if runtime not in runtimes for name in names
        }
        return {name: version for name, version in self.release(kubernetes).items() if name not in not_wanted}

    def release_files(
        self, kubernetes: str, arch: str, runtimes: Collection[str] = ("containerd",)
    ) -> tuple[FileEntry, ...]:
        """The files that nodes with these runtimes install; `kubernetes` stands for kubeadm, kubelet and kubectl."""
        found: list[FileEntry] = []
        for component, version in self.components(kubernetes, runtimes).items():
            names = KUBERNETES_FILES if component == "kubernetes" else (component,)
            found += [self.file(name, version, arch) for name in names]
        return tuple(found)

    def images_for(self, kubernetes: str, arch: str, use: Collection[str] | None = None) -> tuple[ImageEntry, ...]:
        """Images of a release for one architecture, in the manifest's order; `use` None means for whatever use."""
        version = self.release(kubernetes)["kubernetes"]
        return tuple(
            image
            for image in self.images
            if version in image.kubernetes and image.arch == arch and (use is None or image.use in use)
        )


def version_key(version: str) -> tuple[int, ...]:
    """Sorts 1.36.10 after 1.36.9."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def load(path: Path) -> Manifest:
    """Reads a manifest (.yml or .json). Raises ArtifactError with one Problem per wrong entry."""
    try:
        text = path.read_text()
        data: Any = json.loads(text) if path.suffix == ".json" else YAML(typ="safe").load(text)
    except OSError as error:
        raise ArtifactError(f"cannot read the artifact manifest {path}: {error.strerror}") from error
    except (ValueError, YAMLError) as error:
        raise ArtifactError(f"{path} is not valid {path.suffix.removeprefix('.').upper()}: {error}") from error
    return parse(data, str(path))


def parse(data: object, source: str) -> Manifest:
    """Checks what was read from `source` (a file name or URL, for messages)."""
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        problems = [
            Problem("error", "artifact-manifest", f"{_place(found['loc'])}: {found['msg']}", file=source)
            for found in error.errors()
        ]
        first = problems[0].message
        raise ArtifactError(f"{source} is not a {KIND} manifest: {first}", problems=problems) from error


def project_manifest() -> Manifest:
    """The publishers' manifest that comes with kprov."""
    return load(content_root() / "artifacts" / "manifest.yml")


def _place(location: tuple[int | str, ...]) -> str:
    """("files", 3, "sha256") -> "files[3].sha256"."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".") or "manifest"


def _refuse_duplicates(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{name} is listed twice")
        seen.add(name)
