"""The manifest's format and look-ups, and the publishers' manifest of this project."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from kprov.artifacts.manifest import KIND, Manifest, load, parse, project_manifest
from kprov.errors import ArtifactError

SHA = "a" * 64
DOCUMENT: dict[str, Any] = {
    "kind": KIND,
    "releases": {
        "1.36.9": {"kubernetes": "1.36.9", "runc": "1.4.3"},
        "1.36.10": {"kubernetes": "1.36.10", "runc": "1.4.3"},
    },
    "files": [
        {"name": "runc", "version": "1.4.3", "arch": "amd64", "url": "https://example.org/runc", "sha256": SHA},
    ],
    "images": [
        {"ref": "registry.k8s.io/pause:3.10.2", "for": "node", "kubernetes": ["1.36.9"], "arch": "amd64"},
        {"ref": "registry.k8s.io/etcd:3.6.8-0", "for": "control_plane", "kubernetes": ["1.36.9"], "arch": "amd64"},
        {"ref": "registry.k8s.io/etcd:3.6.8-0", "for": "control_plane", "kubernetes": ["1.36.9"], "arch": "arm64"},
    ],
}


def document(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT) | changes


def manifest() -> Manifest:
    return parse(document(), "test")


def test_minor_version_selects_newest_patch_by_number() -> None:
    assert manifest().release("1.36")["kubernetes"] == "1.36.10"


@pytest.mark.parametrize("wanted", ["1.36.9", "v1.36.9"])
def test_full_version_selects_exactly_that(wanted: str) -> None:
    assert manifest().release(wanted)["kubernetes"] == "1.36.9"


@pytest.mark.parametrize("wanted", ["1.3", "1.36.1", "2", "1.37"])
def test_unknown_version_is_refused_and_the_error_lists_what_there_is(wanted: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        manifest().release(wanted)
    assert caught.value.hint == "there is: 1.36.10, 1.36.9"


def test_missing_file_error_names_what_there_is_of_it() -> None:
    with pytest.raises(ArtifactError, match=r"runc 1\.4\.3 for arm64") as caught:
        manifest().file("runc", "1.4.3", "arm64")
    assert caught.value.hint == "of runc there is: 1.4.3 amd64"


def test_images_are_selected_by_release_architecture_and_use() -> None:
    found = manifest().images_for("1.36.9", "amd64", {"node"})
    assert [image.ref for image in found] == ["registry.k8s.io/pause:3.10.2"]
    assert len(manifest().images_for("1.36.9", "amd64")) == 2
    assert manifest().images_for("1.36.10", "amd64") == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "kprov.artifacts/v2"}, "kind"),
        ({"extra": 1}, "extra"),
        ({"files": [DOCUMENT["files"][0] | {"sha256": "abc"}]}, r"files\[0\]\.sha256"),
        ({"files": DOCUMENT["files"] * 2}, "listed twice"),
        ({"images": [DOCUMENT["images"][0] | {"ref": "pause:3.10"}]}, r"images\[0\]\.ref"),
        ({"images": [DOCUMENT["images"][0] | {"kubernetes": ["1.30.0"]}]}, "1.30.0"),
        ({"releases": {"1.36.9": {"runc": "1.4.3"}}}, "kubernetes: 1.36.9"),
    ],
)
def test_wrong_manifest_is_refused_and_the_place_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ArtifactError, match=said) as caught:
        parse(document(**changes), "manifest.yml")
    assert caught.value.problems[0].file == "manifest.yml"


def test_every_wrong_entry_is_a_problem_of_its_own() -> None:
    with pytest.raises(ArtifactError) as caught:
        parse(document(files=[{}, {"name": "x"}]), "manifest.yml")
    assert len(caught.value.problems) == 9


@pytest.mark.parametrize(("name", "text"), [("m.json", "{"), ("m.yml", "a: [")])
def test_unreadable_manifest_is_an_artifact_error(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ArtifactError, match=name):
        load(tmp_path / name)
    with pytest.raises(ArtifactError, match=r"missing\.yml"):
        load(tmp_path / "missing.yml")


# -- the project's own manifest ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
@pytest.mark.parametrize("version", project_manifest().supported_versions())
def test_project_pins_every_file_and_image_of_a_release(version: str, arch: str) -> None:
    project = project_manifest()
    files = project.release_files(version, arch)
    assert {entry.name for entry in files} == {
        *("kubeadm", "kubelet", "kubectl", "containerd", "runc", "crictl", "cni-plugins", "etcd")
    }
    for entry in files:
        assert entry.url.startswith("https://")
        assert entry.version in entry.url
        assert arch in entry.url
    images = project.images_for(version, arch)
    assert {image.repository.rpartition("/")[2] for image in images} >= {
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd", "coredns", "pause"),
        *("kube-router", "agnhost"),
    }
    repositories = [image.repository for image in images]
    assert len(repositories) == len(set(repositories)), "one tag of each image per release"
    assert {image.ref.rpartition(":")[2] for image in images if "/kube-" in image.ref and "k8s.io" in image.ref} == {
        f"v{version}"
    }


def test_project_lists_no_digest_twice() -> None:
    digests = [entry.sha256 for entry in project_manifest().files]
    assert len(digests) == len(set(digests)), "a copied line: two files cannot have the same content"
