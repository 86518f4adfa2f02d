"""Builds the lab's bundle: the artifacts of a release, made from Go modules instead of downloaded.

It has the publishers' names, layouts and references, so the roles install it with the same recipe as downloads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kprov.artifacts import bundle as bundle_module
from kprov.artifacts import oci, tarball
from kprov.artifacts.bundle import BundleWriter, new_bundle
from kprov.artifacts.manifest import KUBERNETES_FILES, FileEntry, ImageEntry, Manifest, project_manifest
from kprov.artifacts.oci import Blob, ImageConfig
from kprov.artifacts.tarball import tree_members, write_tar_gz
from kprov.lab import images
from kprov.lab.base_layer import base_layer, certificates
from kprov.lab.cache import Cache, cache_home
from kprov.lab.components import Component, component, kubernetes_version
from kprov.lab.golang import build, toolchain
from kprov.lab.images import recipe, tag_version
from kprov.ui.progress import Progress

CERTIFICATES_PATH = "/etc/ssl/certs/ca-certificates.crt"

# Files that publishers ship as archives, and where the programs are in them. All others are single binaries.
ARCHIVES = {
    "containerd": "bin/",
    "crictl": "",
    "cni-plugins": "",
    "cri-dockerd": "cri-dockerd/",
    "etcd": "etcd-v{version}-linux-{arch}/",
}

# What decides about a bundle's bytes apart from the components: these modules' own text.
_CODE = (__file__, images.__file__, bundle_module.__file__, oci.__file__, tarball.__file__)


@dataclass(frozen=True)
class Contents:
    """What a bundle will hold. Versions of files are those that the lab builds; references are the manifest's."""

    arch: str
    releases: Mapping[str, Mapping[str, str]]
    files: Mapping[FileEntry, Component]
    images: Mapping[ImageEntry, Component]

    def components(self) -> list[Component]:
        """Each component once, Kubernetes (the slowest, and what fails first on a small machine) first."""
        return list({entry.title: entry for entry in (*self.images.values(), *self.files.values())}.values())


def build_bundle(
    kubernetes: Sequence[str], progress: Progress, cache: Path | None = None, runtime: str = "containerd"
) -> Path:
    """The directory of a bundle for these Kubernetes versions ("1.36" or "1.36.3") and this machine's architecture.

    cache: directory, by default `~/.cache/kprov`. What is there already is not built again; all from nothing takes
    about 11 minutes on two cores, and a second version 4 more. runtime: the container_runtime of the nodes; docker adds
    6 minutes for cri-dockerd.
    Raises LabError: a tool or the network is missing, the lab has no such version, Go failed.
    """
    versions = list(dict.fromkeys(kubernetes_version(version) for version in kubernetes))
    go = toolchain()
    contents = plan_contents(project_manifest(), versions, go["GOARCH"], runtime)
    store = Cache(cache or cache_home())
    with store.locked(progress):
        built = {entry.title: build(entry, store, go, progress) for entry in contents.components()}
        network = base_layer(store, progress)
        authorities = certificates(store)
        key = _bundle_key(contents, [*built.values(), network, authorities])
        target = store.path("bundles", f"{'+'.join(versions)}-{key}")
        if not target.is_dir():
            with progress.timed(f"lab: putting the bundle together in {target}"), new_bundle(target) as writer:
                _add_files(writer, contents, built, store)
                _add_images(writer, contents, built, network, authorities)
                writer.finish(contents.releases)
    return target


def plan_contents(manifest: Manifest, versions: Sequence[str], arch: str, runtime: str = "containerd") -> Contents:
    """Which files and images the releases need and which component each comes from. Raises LabError, ArtifactError."""
    releases: dict[str, dict[str, str]] = {}
    files: dict[FileEntry, Component] = {}
    wanted_images: dict[str, ImageEntry] = {}
    for kubernetes in versions:
        release = releases[kubernetes] = {}
        for name, version in manifest.components(kubernetes, (runtime,)).items():
            entry = component(name, version)
            release[name] = entry.version
            for file_name in KUBERNETES_FILES if name == "kubernetes" else (name,):
                published = manifest.file(file_name, version, arch)
                # The name on the publisher's side, with the version that is really built.
                url = published.url.replace(version, entry.version)
                files[published.model_copy(update={"version": entry.version, "url": url})] = entry
        for image in manifest.images_for(kubernetes, arch):
            wanted_images[image.ref] = image
    return Contents(
        arch=arch,
        releases=releases,
        files=_once(files),
        images={
            _only(image, versions): component(recipe(image.repository).component, tag_version(image.ref))
            for image in wanted_images.values()
        },
    )


def _once(files: Mapping[FileEntry, Component]) -> dict[FileEntry, Component]:
    """Two releases may share a file, and stand-ins make two published versions one."""
    unique = {(entry.name, entry.version): entry for entry in files}
    return {entry: files[entry] for entry in unique.values()}


def _only(image: ImageEntry, versions: Sequence[str]) -> ImageEntry:
    """The image without the releases that are not in the bundle."""
    return image.model_copy(update={"kubernetes": tuple(v for v in image.kubernetes if v in versions)})


def _bundle_key(contents: Contents, made: Sequence[Path]) -> str:
    """12 hex digits; names of cached directories say what they were made of."""
    inputs = [
        contents.arch,
        {version: dict(release) for version, release in contents.releases.items()},
        [[entry.name, entry.version, entry.url] for entry in contents.files],
        [entry.model_dump(mode="json") for entry in contents.images],
        [f"{path.parent.name}/{path.name}" for path in made],
        [Path(code).read_text() for code in _CODE],
    ]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]


def _add_files(writer: BundleWriter, contents: Contents, built: Mapping[str, Path], store: Cache) -> None:
    scratch = store.scratch("archives")
    for entry, source in contents.files.items():
        filename = entry.url.rpartition("/")[2]
        directory = built[source.title]
        path = directory / entry.name
        if entry.name in ARCHIVES:
            prefix = ARCHIVES[entry.name].format(version=entry.version, arch=entry.arch)
            path = scratch / filename
            with path.open("wb") as stream:
                write_tar_gz(stream, {f"{prefix}{name}": directory / name for name in source.outputs})
        writer.add_file(entry.name, entry.version, entry.arch, path, filename)


def _add_images(
    writer: BundleWriter, contents: Contents, built: Mapping[str, Path], network: Path, authorities: Path
) -> None:
    bases: dict[str, list[Blob]] = {
        "none": [],
        "network": [writer.layout.add_layer(tree_members(network))],
        "certificates": [writer.layout.add_layer({CERTIFICATES_PATH: authorities})],
    }
    layers: dict[tuple[str, str], Blob] = {}  # two tags of one component share its layer
    for entry, source in contents.images.items():
        how = recipe(entry.repository)
        which = (entry.repository, source.title)
        if which not in layers:
            members = {path: built[source.title] / name for path, name in how.binaries.items()}
            layers[which] = writer.layout.add_layer(members)
        writer.add_image(entry, [*bases[how.base], layers[which]], ImageConfig(how.entrypoint, how.env))
