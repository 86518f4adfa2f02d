"""lookup kprov_release: versions and references of a release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.module_utils import kprov_manifest

MANIFEST = {
    "kind": "kprov.artifacts/v1",
    "releases": {
        "1.36.9": {"kubernetes": "1.36.9", "containerd": "2.3.4"},
        "1.36.10": {"kubernetes": "1.36.10", "containerd": "2.3.4"},
        "1.35.4": {"kubernetes": "1.35.4", "containerd": "2.2.1"},
    },
    "files": [{"name": "kubelet", "version": "1.36.9", "arch": "amd64", "url": "https://dl.k8s.io/x", "sha256": "0"}],
    "images": [
        {"ref": "registry.k8s.io/pause:3.10.2", "for": "node", "kubernetes": ["1.36.10"], "arch": "amd64"},
        {"ref": "registry.k8s.io/coredns/coredns:v1.14.2", "for": "node", "kubernetes": ["1.36.10"], "arch": "amd64"},
        {"ref": "docker.io/x/kube-router:v2", "for": "kube-router", "kubernetes": ["1.36.10"], "arch": "amd64"},
    ],
}


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    return str(tmp_path)


@pytest.fixture
def lookup(plugin):
    from ansible.plugins.loader import lookup_loader

    lookup_loader.add_directory(str(Path(__file__).parents[3] / "plugins/lookup"))
    return lookup_loader.get("kprov_release")


def test_minor_version_means_newest_patch_by_number(lookup, bundle: str) -> None:
    assert lookup.run(["1.36"], bundle=bundle)[0]["kubernetes"] == "1.36.10"


def test_exact_version_and_leading_v(lookup, bundle: str) -> None:
    assert lookup.run(["v1.35.4"], bundle=bundle)[0] == {"kubernetes": "1.35.4", "containerd": "2.2.1"}


def test_images_are_found_by_name_and_moved_to_the_repository(lookup, bundle: str) -> None:
    found = lookup.run(["1.36"], bundle=bundle, repository="mirror.example/k8s")[0]
    assert found["pause"] == "mirror.example/k8s/pause:3.10.2"
    assert found["kube-router"] == "docker.io/x/kube-router:v2"  # not Kubernetes' own
    assert found["coredns"] == "mirror.example/k8s/coredns:v1.14.2"  # as kubeadm asks for it


def test_default_repository_changes_nothing() -> None:
    ref = "registry.k8s.io/coredns/coredns:v1.14.2"
    assert kprov_manifest.relocate(ref, "registry.k8s.io") == ref


def test_unknown_version_names_the_known_ones(lookup, bundle: str) -> None:
    with pytest.raises(AnsibleError, match=r"1\.3 is not in .* it has 1\.36\.10, 1\.36\.9, 1\.35\.4"):
        lookup.run(["1.3"], bundle=bundle)


def test_bundle_without_manifest_is_named(lookup, tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=r"cannot read the artifact manifest .*manifest\.json: No such file"):
        lookup.run(["1.36"], bundle=str(tmp_path / "nowhere"))


def test_project_manifest_is_found_beside_the_plugins(lookup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KPROV_CONTENT_ROOT", raising=False)
    assert lookup.run(["1.36"])[0]["kubernetes"].startswith("1.36.")


def test_mirror_keeps_host_and_path() -> None:
    url = "https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
    expected = "http://mirror:8080/a/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
    assert kprov_manifest.mirrored(url, "http://mirror:8080/a/") == expected


def test_missing_file_names_the_versions_there_are() -> None:
    with pytest.raises(kprov_manifest.ManifestError, match=r"kubelet 1\.36\.1 is not in .* it has 1\.36\.9"):
        kprov_manifest.files(MANIFEST, "kubelet", "1.36.1")
