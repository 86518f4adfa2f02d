"""Where things are asked for: as nodes that download for themselves do it."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from kprov.artifacts.manifest import project_manifest
from kprov.artifacts.source import Source
from kprov.content import content_root
from kprov.errors import InputError


@pytest.fixture(scope="module")
def nodes() -> ModuleType:
    """The plugins' own rules."""
    path = content_root() / "plugins/module_utils/kprov_manifest.py"
    spec = importlib.util.spec_from_file_location("kprov_manifest_of_the_plugins", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("mirror", ["", "https://mirror.example", "http://10.0.0.1:8080/kubernetes/"])
def test_urls_are_those_that_nodes_use(nodes: ModuleType, mirror: str) -> None:
    for entry in project_manifest().files:
        assert Source(mirror=mirror).url(entry) == nodes.mirrored(entry.url, mirror)


@pytest.mark.parametrize("repository", ["registry.k8s.io", "registry.example:5000", "registry.example/k8s/mirror"])
def test_references_are_those_that_nodes_use(nodes: ModuleType, repository: str) -> None:
    for entry in project_manifest().images:
        assert Source(image_repository=repository).image(entry) == nodes.relocate(entry.ref, repository)


def test_pinned_image_is_pulled_by_its_digest() -> None:
    digest = f"sha256:{'a' * 64}"
    entry = project_manifest().images[0].model_copy(update={"digest": digest})
    assert Source(image_repository="r.example:5000").image(entry) == f"r.example:5000/kube-apiserver@{digest}"


@pytest.mark.parametrize("mirror", ["mirror.example", "ftp://mirror.example", "https://"])
def test_mirror_that_is_no_url_is_refused(mirror: str) -> None:
    with pytest.raises(InputError, match="is not a URL"):
        Source(mirror=mirror)


def test_mirror_with_a_password_is_refused_without_printing_it() -> None:
    with pytest.raises(InputError) as caught:
        Source(mirror="https://user:secret@mirror.example")
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("repository", ["", "https://registry.example", "registry.example/", "registry.example/k8s:v1"])
def test_repository_that_is_none_is_refused(repository: str) -> None:
    with pytest.raises(InputError, match="REGISTRY"):
        Source(image_repository=repository)
