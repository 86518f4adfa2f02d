"""Bundles out of a publisher's files. Images need skopeo: tests/e2e/test_bundle.py."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kprov.artifacts.cache import DownloadCache
from kprov.artifacts.create import create_bundle
from kprov.artifacts.manifest import KIND, Manifest, parse
from kprov.artifacts.source import Source
from kprov.artifacts.wanted import wanted
from kprov.errors import ArtifactError
from kprov.ui.progress import NoProgress
from tests.publisher import Publisher, publisher

NAMES = ("kubeadm", "kubelet", "kubectl")
BOTH = ("amd64", "arm64")


@pytest.fixture
def server() -> Iterator[Publisher]:
    with publisher() as server:
        yield server


@pytest.fixture
def manifest(server: Publisher) -> Manifest:
    """Two architectures whose files have the same names, as the publisher has them."""
    files = []
    for arch in BOTH:
        for name in NAMES:
            sha256 = server.add(f"/dl.example/{arch}/{name}", f"{name} for {arch}".encode())
            url = f"https://dl.example/{arch}/{name}"
            files.append({"name": name, "version": "1.36.3", "arch": arch, "url": url, "sha256": sha256})
    releases = {"1.36.3": {"kubernetes": "1.36.3"}}
    return parse({"kind": KIND, "releases": releases, "files": files, "images": []}, "test")


class Creating:
    """create_bundle with what the tests share."""

    def __init__(self, tmp_path: Path, manifest: Manifest, server: Publisher) -> None:
        self.directory = tmp_path / "out"
        self.cache = DownloadCache(tmp_path / "cache")
        self._manifest = manifest
        self._source = Source(mirror=server.url)

    def __call__(self, name: str = "bundle"):  # type: ignore[no-untyped-def]
        contents = wanted(self._manifest, ["1.36"], BOTH)
        return create_bundle(self.directory / name, contents, self._source, NoProgress(), self.cache)

    def left(self) -> list[Path]:
        return sorted(self.directory.iterdir())


@pytest.fixture
def create(tmp_path: Path, manifest: Manifest, server: Publisher) -> Creating:
    return Creating(tmp_path, manifest, server)


def test_bundle_is_whole_and_architectures_do_not_overwrite_each_other(create: Creating) -> None:
    bundle = create()
    assert bundle.check() == ()
    for arch in BOTH:
        assert bundle.file_path(bundle.manifest.file("kubelet", "1.36.3", arch)).read_text() == f"kubelet for {arch}"
    assert bundle.architectures() == BOTH
    assert create.left() == [bundle.directory]


def test_second_run_downloads_nothing(create: Creating, server: Publisher) -> None:
    create()
    server.requests.clear()
    assert create("second").check() == ()
    assert server.requests == []


def test_edited_bundle_does_not_spoil_the_next_one(create: Creating, server: Publisher) -> None:
    first = create()
    first.file_path(first.manifest.files[0]).write_text("edited in place")  # a hard link into the cache
    server.requests.clear()
    assert create("second").check() == ()
    assert server.requests == ["/dl.example/amd64/kubeadm"]


def test_everything_that_fails_is_in_one_report_and_no_bundle_is_left(create: Creating, server: Publisher) -> None:
    good = server.bodies["/dl.example/amd64/kubelet"]
    server.bodies["/dl.example/amd64/kubelet"] = b"something else"
    gone = server.bodies.pop("/dl.example/arm64/kubectl")
    with pytest.raises(ArtifactError, match="2 of 6") as caught:
        create()
    first, second = caught.value.problems
    assert (first.code, second.code) == ("artifact-digest", "artifact-missing")
    assert first.message.startswith(f"kubelet 1.36.3 amd64: {server.url}/dl.example/amd64/kubelet has sha256")
    assert second.message.startswith(
        f"kubectl 1.36.3 arm64: {server.url}/dl.example/arm64/kubectl: the server says 404"
    )
    assert create.left() == []
    server.bodies |= {"/dl.example/amd64/kubelet": good, "/dl.example/arm64/kubectl": gone}
    server.requests.clear()
    assert create().check() == ()
    assert sorted(server.requests) == ["/dl.example/amd64/kubelet", "/dl.example/arm64/kubectl"]


def test_existing_directory_is_refused_before_any_download(create: Creating, server: Publisher) -> None:
    create()
    server.requests.clear()
    with pytest.raises(ArtifactError, match="exists already"):
        create()
    assert server.requests == []


def test_missing_skopeo_is_said_before_any_download(
    create: Creating, manifest: Manifest, server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    image = {"ref": "registry.k8s.io/pause:3", "for": "node", "kubernetes": ["1.36.3"], "arch": "amd64"}
    contents = wanted(parse(manifest.model_dump(by_alias=True) | {"images": [image]}, "test"), ["1.36"], BOTH)
    with pytest.raises(ArtifactError, match="skopeo"):
        create_bundle(tmp_path / "bundle", contents, Source(mirror=server.url), NoProgress(), create.cache)
    assert server.requests == []
    assert not (tmp_path / "bundle").exists()


def test_two_at_once_wait_for_each_other(create: Creating) -> None:
    create.cache.directory.mkdir()
    with (create.cache.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=create, daemon=True)
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join(30)
    assert create.left() == [create.directory / "bundle"]
