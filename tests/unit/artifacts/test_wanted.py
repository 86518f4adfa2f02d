"""What a bundle of some releases has to hold."""

from __future__ import annotations

import pytest

from kprov.artifacts.manifest import Manifest, parse, project_manifest
from kprov.artifacts.wanted import wanted
from kprov.errors import ArtifactError


def ids(*versions: str, architectures: tuple[str, ...] = ("amd64",)) -> set[tuple[str, str, str]]:
    return {(f.name, f.version, f.arch) for f in wanted(project_manifest(), versions, architectures).files}


def test_two_releases_share_what_they_have_in_common() -> None:
    both = ids("1.35", "1.36")
    assert both == ids("1.35") | ids("1.36")
    assert len(both) < len(ids("1.35")) + len(ids("1.36"))


def test_every_architecture_has_the_same_files() -> None:
    both = ids("1.36", architectures=("amd64", "arm64"))
    assert {(name, version) for name, version, _ in both} == {(name, version) for name, version, _ in ids("1.36")}
    assert len(both) == 2 * len(ids("1.36"))


def test_images_name_only_releases_of_the_bundle() -> None:
    found = wanted(project_manifest(), ["1.35"], ["amd64"])
    (version,) = found.releases
    assert found.images
    assert {image.kubernetes for image in found.images} == {(version,)}


def test_the_same_release_twice_is_once() -> None:
    version = project_manifest().release("1.36")["kubernetes"]
    assert wanted(project_manifest(), ["1.36", version], ["amd64", "amd64"]) == wanted(
        project_manifest(), [version], ["amd64"]
    )


def test_release_without_files_for_an_architecture_is_an_error() -> None:
    project = project_manifest()
    document = project.model_dump(by_alias=True) | {
        "files": [f.model_dump() for f in project.files if f.arch != "arm64"]
    }
    only_amd64: Manifest = parse(document, "test")
    with pytest.raises(ArtifactError, match="for arm64"):
        wanted(only_amd64, ["1.36"], ["amd64", "arm64"])


def test_a_bundle_has_what_its_runtimes_need_and_names_nothing_else() -> None:
    def components(*runtimes: str) -> set[str]:
        (release,) = wanted(project_manifest(), ["1.36"], ["amd64"], runtimes).releases.values()
        return set(release)

    def files(*runtimes: str) -> set[str]:
        return {entry.name for entry in wanted(project_manifest(), ["1.36"], ["amd64"], runtimes).files}

    assert components("docker") - components("containerd") == files("docker") - files("containerd") == {"cri-dockerd"}
    assert files("containerd") - files("docker") == {"containerd", "runc"}
    assert files("docker", "containerd") == files("docker") | files("containerd")
