"""`kprov bundle` as a user types it, with skopeo, a registry and a publisher's server on this machine."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kprov.content import content_root
from tests.e2e.cluster import Completed
from tests.publisher import Publisher, publisher
from tests.registry import Registry, insecure_registries_conf, registry

VERSION = "9.9.9"
BOTH = ("amd64", "arm64")
PAUSE, COREDNS = "registry.k8s.io/pause:3.10", "registry.k8s.io/coredns/coredns:v1"
ROUTER = "docker.io/cloudnativelabs/kube-router:v2"
BASE = b"a base that images share " * 10_000

# The command, with a manifest of the test's.
PROGRAM = """
import sys
from pathlib import Path
from kprov.artifacts import manifest
root = Path(sys.argv.pop(1))
manifest.content_root = lambda: root
from kprov.cli import main
main()
"""


@dataclass
class World:
    """Servers, a home directory with skopeo's configuration, and a manifest."""

    home: Path
    publisher: Publisher
    registry: Registry
    manifest: dict[str, Any]

    def kprov(self, *arguments: str, timeout: float = 120) -> Completed:
        """Run kprov with -o json; the manifest is what `manifest` holds now."""
        (self.home / "artifacts").mkdir(exist_ok=True)
        (self.home / "artifacts/manifest.yml").write_text(json.dumps(self.manifest))
        argv = [sys.executable, "-c", PROGRAM, str(self.home), *arguments, "-o", "json"]
        environment = {**os.environ, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache")}
        environment.pop("XDG_CONFIG_HOME", None)
        run = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
        assert run.stdout, run.stderr
        return Completed(run.returncode, json.loads(run.stdout), run.stderr)

    def create(self, name: str = "bundle") -> Completed:
        """`kprov bundle create` of both architectures."""
        repository = f"{self.registry.address}/k8s"
        options = [
            "--mirror",
            self.publisher.url,
            "--image-repository",
            repository,
            "--arch",
            "amd64",
            "--arch",
            "arm64",
        ]
        return self.kprov("bundle", "create", str(self.out / name), *options)

    def made(self, name: str = "bundle") -> Path:
        """A bundle that `create` made."""
        done = self.create(name)
        assert done.exit_code == 0, done.stderr
        return self.out / name

    def check(self, bundle: Path) -> Completed:
        """`kprov bundle check`."""
        return self.kprov("bundle", "check", str(bundle))

    @property
    def out(self) -> Path:
        """Where bundles are made."""
        return self.home / "out"

    def pin(self, ref: str, arch: str, digest: str) -> None:
        """Pin an image's digest in the manifest."""
        for image in self.manifest["images"]:
            if (image["ref"], image["arch"]) == (ref, arch):
                image["digest"] = digest


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with publisher() as files, registry() as images:
        images.publish("k8s/pause", "3.10", {arch: [BASE, f"pause {arch}".encode()] for arch in BOTH}, "docker")
        images.publish("k8s/coredns", "v1", {arch: [BASE, f"coredns {arch}".encode()] for arch in BOTH})
        images.publish("cloudnativelabs/kube-router", "v2", {arch: [BASE, f"kr {arch}".encode()] for arch in BOTH})
        entries = []
        for arch in BOTH:
            for name in ("kubeadm", "kubelet", "kubectl"):
                sha256 = files.add(f"/dl.example/{arch}/{name}", f"{name} {arch}".encode() * 1000)
                url = f"https://dl.example/{arch}/{name}"
                entries.append({"name": name, "version": VERSION, "arch": arch, "url": url, "sha256": sha256})
        manifest = {
            "kind": "kprov.artifacts/v1",
            "releases": {VERSION: {"kubernetes": VERSION}},
            "files": entries,
            "images": [
                {"ref": ref, "for": "node", "kubernetes": [VERSION], "arch": arch, "digest": None}
                for ref in (PAUSE, COREDNS, ROUTER)
                for arch in BOTH
            ],
        }
        configuration = tmp_path / ".config/containers/registries.conf"
        configuration.parent.mkdir(parents=True)
        configuration.write_text(insecure_registries_conf(images, "docker.io"))
        (tmp_path / "out").mkdir()
        yield World(tmp_path, files, images, manifest)


def layers(server: Registry) -> set[str]:
    """Digests of the layers that somebody downloaded; configs are small and asked for every time."""
    return {digest for digest in server.blob_requests if server.blobs[digest].startswith(b"\x1f\x8b")}


def test_bundle_is_made_passes_its_check_and_holds_both_architectures(world: World) -> None:
    done = world.create()
    assert done.exit_code == 0, done.stderr
    assert "[12/12]" in done.stderr
    bundle = world.out / "bundle"
    checked = world.check(bundle)
    assert (checked.exit_code, checked.envelope["problems"]) == (0, [])
    assert checked.data == done.data
    assert (checked.data["kubernetes"], checked.data["architectures"]) == ([VERSION], ["amd64", "arm64"])
    assert (checked.data["files"], checked.data["images"]) == (6, 6)
    assert list(world.out.iterdir()) == [bundle]
    # One base for all, a layer of its own for each; a config and a manifest for each.
    assert len(list((bundle / "images/blobs/sha256").iterdir())) == 1 + 6 + 6 + 6


def test_archive_for_a_node_has_the_images_of_its_architecture(world: World) -> None:
    """As the action plugin makes it, out of what skopeo brought."""
    bundle = world.made()
    path = content_root() / "plugins/module_utils/kprov_oci_archive.py"
    spec = importlib.util.spec_from_file_location("kprov_oci_archive_of_the_plugins", path)
    assert spec and spec.loader
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    listed = json.loads((bundle / "manifest.json").read_text())["images"]
    for arch in BOTH:
        stream = io.BytesIO()
        layout = plugin.Layout(str(bundle / "images"))
        layout.write_archive(stream, {ref: ref for ref in (PAUSE, COREDNS, ROUTER)}, arch)
        stream.seek(0)
        with tarfile.open(fileobj=stream) as archive:
            index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
            found = {e["annotations"]["io.containerd.image.name"]: e["digest"] for e in index["manifests"]}
            assert found == {i["ref"]: i["digest"] for i in listed if i["arch"] == arch}
            for digest in found.values():
                manifest = _json(archive, digest)
                assert _json(archive, manifest["config"]["digest"])["architecture"] == arch
                assert len(manifest["layers"]) == 2


def _json(archive: tarfile.TarFile, digest: str) -> dict[str, Any]:
    file = archive.extractfile(f"blobs/{digest.replace(':', '/')}")
    assert file
    return json.load(file)


def test_inventory_of_docker_gets_cri_dockerd_and_neither_containerd_nor_runc(world: World) -> None:
    versions = {"containerd": "2.0.0", "runc": "1.0.0", "cri-dockerd": "0.3.0"}
    for name, version in versions.items():
        sha256 = world.publisher.add(f"/dl.example/{name}.tgz", name.encode() * 1000)
        url = f"https://dl.example/{name}.tgz"
        world.manifest["files"] += [{"name": name, "version": version, "arch": "amd64", "url": url, "sha256": sha256}]
    world.manifest["releases"][VERSION] |= versions
    hosts = "[kube_control_plane]\ncp1 ansible_host=192.0.2.1\n[kube_node]\nw1 ansible_host=192.0.2.2\n"
    settings = {
        "container_runtime": "docker",
        "artifacts_mirror": world.publisher.url,
        "image_repository": f"{world.registry.address}/k8s",
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    (world.home / "inventory.ini").write_text("\n".join([hosts, "[all:vars]", *lines, ""]))
    bundle = world.out / "docker"
    given = ["-i", str(world.home / "inventory.ini"), "--kubernetes", VERSION, "--arch", "amd64"]
    done = world.kprov("bundle", "create", str(bundle), *given)
    assert done.exit_code == 0, done.stderr
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert {entry["name"] for entry in manifest["files"]} == {"kubeadm", "kubelet", "kubectl", "cri-dockerd"}
    assert manifest["releases"] == {VERSION: {"kubernetes": VERSION, "cri-dockerd": "0.3.0"}}
    assert world.check(bundle).exit_code == 0

    both = ["--container-runtime", "containerd", "--container-runtime", "docker"]
    done = world.kprov("bundle", "create", f"{bundle}2", *given, *both)
    assert (done.exit_code, done.data["files"]) == (0, 6)


def test_second_run_downloads_no_file_and_no_layer(world: World) -> None:
    first = world.made("first")
    world.publisher.requests.clear()
    world.registry.requests.clear()
    second = world.made("second")
    assert world.publisher.requests == []
    assert layers(world.registry) == set()
    assert (first / "manifest.json").read_text() == (second / "manifest.json").read_text()


def test_everything_that_is_missing_is_in_one_report_and_what_came_is_kept(world: World) -> None:
    del world.publisher.bodies["/dl.example/amd64/kubelet"]
    world.publisher.bodies["/dl.example/arm64/kubectl"] = b"something else"
    del world.registry.manifests["k8s/pause", "3.10"]
    world.registry.publish("cloudnativelabs/kube-router", "v2", {"amd64": [BASE, b"kr amd64"]})
    world.registry.publish_single("k8s/coredns", "v1", "amd64", [BASE, b"coredns amd64"])
    done = world.create()
    assert done.exit_code == 16
    problems = {p["message"].partition(": ")[0]: p for p in done.envelope["problems"]}
    assert {name: p["code"] for name, p in problems.items()} == {
        f"kubelet {VERSION} amd64": "artifact-missing",
        f"kubectl {VERSION} arm64": "artifact-digest",
        f"{PAUSE} amd64": "artifact-missing",
        f"{PAUSE} arm64": "artifact-missing",
        f"{ROUTER} arm64": "artifact-missing",
        f"{COREDNS} arm64": "artifact-missing",
    }
    assert f"{world.publisher.url}/dl.example/amd64/kubelet" in problems[f"kubelet {VERSION} amd64"]["message"]
    assert "manifest unknown" in problems[f"{PAUSE} amd64"]["message"]
    assert "arm64" in problems[f"{ROUTER} arm64"]["message"].partition(": ")[2]
    assert "is an image for amd64, not for arm64" in problems[f"{COREDNS} arm64"]["message"]
    assert all(world.registry.address in p["hint"] for name, p in problems.items() if "k8s.io" in name)
    assert list(world.out.iterdir()) == []

    world.publisher.requests.clear()
    assert world.create().exit_code == 16
    assert set(world.publisher.requests) == {"/dl.example/amd64/kubelet", "/dl.example/arm64/kubectl"}


def test_broken_blob_fails_the_check_is_named_and_does_not_spoil_the_next_bundle(world: World) -> None:
    bundle = world.made()
    index = json.loads((bundle / "images/index.json").read_text())
    entry = next(e for e in index["manifests"] if e["annotations"]["org.opencontainers.image.ref.name"] == ROUTER)
    blobs = bundle / "images/blobs/sha256"
    layer = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())["layers"][-1]["digest"]
    path = blobs / layer.removeprefix("sha256:")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)  # in place: a hard link to the cache

    checked = world.check(bundle)
    assert checked.exit_code == 16
    (problem,) = checked.envelope["problems"]
    assert (problem["code"], problem["file"]) == ("artifact-digest", str(path))
    assert f"{ROUTER}: blob {layer} has the digest sha256:" in problem["message"]

    world.registry.requests.clear()
    assert world.check(world.made("again")).exit_code == 0
    assert layers(world.registry) == {layer}


def test_pinned_digest_is_what_is_pulled(world: World) -> None:
    # The pinned digest is that of the image's own manifest, not of the index that the tag names.
    index = json.loads(world.registry.manifests["k8s/coredns", "v1"][1])
    digest = next(e["digest"] for e in index["manifests"] if e["platform"]["architecture"] == "amd64")
    world.pin(COREDNS, "amd64", digest)
    listed = json.loads((world.made() / "manifest.json").read_text())["images"]
    assert [i["digest"] for i in listed if (i["ref"], i["arch"]) == (COREDNS, "amd64")] == [digest]

    world.registry.manifests["k8s/coredns", digest] = world.registry.manifests["k8s/pause", "3.10"]
    done = world.create("other")
    assert done.exit_code == 16
    (problem,) = done.envelope["problems"]
    assert problem["message"].startswith(f"{COREDNS} amd64: ")
    assert digest in problem["message"]


def test_without_skopeo_nothing_is_downloaded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(world.home))
    done = world.create()
    assert done.exit_code == 16
    assert "apt-get install skopeo" in done.data["hint"]
    assert world.publisher.requests == []
    assert list(world.out.iterdir()) == []
