"""The OCI image layout: what is written can be read, is checked, and every blob exists once."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from kprov.artifacts.oci import LAYER, ImageConfig, ImageLayout
from kprov.errors import ArtifactError

PROXY = "registry.k8s.io/kube-proxy:v1.36.3"
ROUTER = "docker.io/cloudnativelabs/kube-router:v2.10.0"
PAUSE = "registry.k8s.io/pause:3.10.2"


def build(directory: Path, sources: Path) -> ImageLayout:
    """Two images on one base, and one without."""
    sources.mkdir(parents=True, exist_ok=True)
    for name in ("base", "proxy", "router", "pause"):
        (sources / name).write_text(f"program {name}")
        (sources / name).chmod(0o755)
    layout = ImageLayout.create(directory)
    base = layout.add_layer({"usr/sbin/iptables": sources / "base"})
    proxy = layout.add_layer({"usr/local/bin/kube-proxy": sources / "proxy"})
    router = layout.add_layer({"usr/local/bin/kube-router": sources / "router"})
    pause = layout.add_layer({"pause": sources / "pause"})
    layout.add_image(PROXY, "amd64", [base, proxy], ImageConfig(["/usr/local/bin/kube-proxy"], {"PATH": "/usr/bin"}))
    layout.add_image(ROUTER, "amd64", [base, router], ImageConfig(["/usr/local/bin/kube-router"]))
    layout.add_image(PAUSE, "amd64", [pause], ImageConfig(["/pause"]))
    return layout


@pytest.fixture
def layout(tmp_path: Path) -> ImageLayout:
    return build(tmp_path / "images", tmp_path / "sources")


def test_round_trip(layout: ImageLayout) -> None:
    again = ImageLayout(layout.directory)
    assert {image.ref: image.arch for image in again.images()} == {PROXY: "amd64", ROUTER: "amd64", PAUSE: "amd64"}
    assert again.verify() == []


def test_image_follows_the_specification(layout: ImageLayout) -> None:
    proxy = next(image for image in layout.images() if image.ref == PROXY)
    manifest = json.loads(layout.blob_path(proxy.digest).read_bytes())
    config = json.loads(layout.blob_path(manifest["config"]["digest"]).read_bytes())
    assert config["architecture"] == "amd64"
    assert config["config"] == {"Entrypoint": ["/usr/local/bin/kube-proxy"], "Env": ["PATH=/usr/bin"]}
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    for layer in manifest["layers"]:
        assert layer["mediaType"] == LAYER
        assert layer["size"] == layout.blob_path(layer["digest"]).stat().st_size
    with tarfile.open(layout.blob_path(manifest["layers"][1]["digest"])) as tar:
        assert "usr/local/bin/kube-proxy" in tar.getnames()


def test_index_names_images_for_containerd_too(layout: ImageLayout) -> None:
    index = json.loads((layout.directory / "index.json").read_text())
    for entry in index["manifests"]:
        names = entry["annotations"]
        assert names["io.containerd.image.name"] == names["org.opencontainers.image.ref.name"]


def test_images_share_the_base_layer(layout: ImageLayout) -> None:
    blobs = list((layout.directory / "blobs/sha256").iterdir())
    assert len(blobs) == 4 + 3 + 3  # layers, configs, manifests
    for blob in blobs:
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def test_same_input_gives_same_layout(layout: ImageLayout, tmp_path: Path) -> None:
    other = build(tmp_path / "elsewhere", tmp_path / "other-sources")
    assert (layout.directory / "index.json").read_text() == (other.directory / "index.json").read_text()


def test_layer_of_a_tar_file_is_taken_as_it_is(layout: ImageLayout, tmp_path: Path) -> None:
    tar = tmp_path / "layer.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(tmp_path / "sources/pause", "pause")
    layer = layout.add_layer_tar(tar)
    assert layout.blob_path(layer.digest).read_bytes() == tar.read_bytes()


def test_same_reference_replaces_the_image_and_other_architectures_stay(layout: ImageLayout, tmp_path: Path) -> None:
    layer = layout.add_layer({"pause": tmp_path / "sources/proxy"})
    layout.add_image(PAUSE, "arm64", [layer], ImageConfig(["/pause"]))
    digest = layout.add_image(PAUSE, "amd64", [layer], ImageConfig(["/pause"]))
    found = {image.arch: image.digest for image in layout.images() if image.ref == PAUSE}
    assert set(found) == {"amd64", "arm64"}
    assert found["amd64"] == digest


def test_changed_blob_is_named(layout: ImageLayout) -> None:
    pause = next(image for image in layout.images() if image.ref == PAUSE)
    layer = layout.blobs_of(pause.digest)[-1]
    layout.blob_path(layer).write_bytes(b"something else")
    (problem,) = layout.verify()
    assert problem.code == "artifact-digest"
    assert PAUSE in problem.message
    assert layer in problem.message


@pytest.mark.parametrize("which", [0, 1, 2], ids=["manifest", "config", "layer"])
def test_missing_blob_is_named(layout: ImageLayout, which: int) -> None:
    pause = next(image for image in layout.images() if image.ref == PAUSE)
    blob = layout.blobs_of(pause.digest)[which]
    layout.blob_path(blob).unlink()
    (problem,) = layout.verify()
    assert (problem.code, blob in problem.message) == ("artifact-missing", True)


def test_archive_holds_the_asked_images_and_each_blob_once(layout: ImageLayout, tmp_path: Path) -> None:
    target = tmp_path / "node.tar"
    layout.write_archive(target, {PROXY, ROUTER}, "amd64")
    with tarfile.open(target) as archive:
        names = Counter(archive.getnames())
        index = json.loads(archive.extractfile("index.json").read())  # type: ignore[union-attr]
        for name in names:
            if name.startswith("blobs/"):
                content = archive.extractfile(name).read()  # type: ignore[union-attr]
                assert hashlib.sha256(content).hexdigest() == name.rpartition("/")[2]
    assert set(names.values()) == {1}
    assert {entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]} == {
        PROXY,
        ROUTER,
    }
    assert len(names) == 2 + 2 + 2 + 3  # oci-layout and index, manifests, configs, layers
    assert list(names)[:2] == ["oci-layout", "index.json"]


def test_archive_of_an_unknown_image_is_refused_and_nothing_written(layout: ImageLayout, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"arm64 image registry.k8s.io/pause:3.10.2"):
        layout.write_archive(tmp_path / "node.tar", {PAUSE}, "arm64")
    assert not list(tmp_path.glob("*.tar*"))


def test_archive_with_a_missing_layer_is_refused_and_nothing_left(layout: ImageLayout, tmp_path: Path) -> None:
    pause = next(image for image in layout.images() if image.ref == PAUSE)
    layout.blob_path(layout.blobs_of(pause.digest)[-1]).unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        layout.write_archive(tmp_path / "node.tar", {PAUSE}, "amd64")
    assert not [path for path in tmp_path.iterdir() if "node.tar" in path.name]


def test_no_layout_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"index.json is missing"):
        ImageLayout(tmp_path).images()


def test_failed_layer_leaves_no_blob(layout: ImageLayout, tmp_path: Path) -> None:
    before = set((layout.directory / "blobs/sha256").iterdir())
    with pytest.raises(FileNotFoundError):
        layout.add_layer({"a": tmp_path / "sources/pause", "b": tmp_path / "missing"})
    assert set((layout.directory / "blobs/sha256").iterdir()) == before


def test_image_of_another_layout_is_taken_in_whole(tmp_path: Path) -> None:
    source = build(tmp_path / "source", tmp_path / "files")
    target = ImageLayout.create(tmp_path / "target")
    (proxy,) = [image for image in source.images() if image.ref == PROXY]
    target.take_image(proxy.ref, "arm64", proxy.digest, source)
    target.take_image(proxy.ref, "amd64", proxy.digest, source)
    assert target.verify() == []
    assert {(image.ref, image.arch) for image in target.images()} == {(PROXY, "amd64"), (PROXY, "arm64")}
    source.blob_path(source.blobs_of(proxy.digest)[-1]).unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        ImageLayout.create(tmp_path / "third").take_image(proxy.ref, "amd64", proxy.digest, source)
