"""Bundles: made whole or not at all, and checked file by file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kprov.artifacts.bundle import Bundle, new_bundle, open_bundle
from kprov.artifacts.manifest import ImageEntry
from kprov.artifacts.oci import ImageConfig
from kprov.errors import ArtifactError

PAUSE = ImageEntry.model_validate(
    {"ref": "registry.k8s.io/pause:3.10.2", "for": "node", "kubernetes": ["1.36.3"], "arch": "amd64"}
)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    (tmp_path / "program").write_text("program")
    with new_bundle(tmp_path / "bundle") as writer:
        writer.add_file("runc", "1.4.3", "amd64", tmp_path / "program", "runc.amd64")
        layer = writer.layout.add_layer({"pause": tmp_path / "program"})
        writer.add_image(PAUSE, [layer], ImageConfig(["/pause"]))
        writer.finish({"1.36.3": {"kubernetes": "1.36.3", "runc": "1.4.3"}})
    return open_bundle(tmp_path / "bundle")


def test_round_trip(bundle: Bundle) -> None:
    entry = bundle.manifest.file("runc", "1.4.3", "amd64")
    assert bundle.file_path(entry).read_text() == "program"
    (image,) = bundle.manifest.images_for("1.36", "amd64", {"node"})
    assert image.digest == bundle.images.images()[0].digest
    assert bundle.check() == ()


def test_nothing_but_the_bundle_is_left(bundle: Bundle, tmp_path: Path) -> None:
    assert {path.name for path in tmp_path.iterdir()} == {"program", "bundle"}
    assert {path.name for path in bundle.directory.iterdir()} == {"manifest.json", "files", "images"}


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_bundle(tmp_path / "bundle"):
        raise RuntimeError("killed")
    with pytest.raises(ArtifactError, match="not finished"), new_bundle(tmp_path / "bundle"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_existing_directory_is_not_overwritten(bundle: Bundle) -> None:
    with pytest.raises(ArtifactError, match="exists already"), new_bundle(bundle.directory):
        pass


def test_check_names_every_wrong_and_missing_file(bundle: Bundle, tmp_path: Path) -> None:
    path = bundle.file_path(bundle.manifest.files[0])
    path.unlink()
    path.write_text("tampered")
    layer = bundle.images.blobs_of(bundle.images.images()[0].digest)[-1]
    bundle.images.blob_path(layer).unlink()
    problems = {problem.code: problem for problem in bundle.check()}
    assert problems["artifact-digest"].file == str(path)
    assert bundle.manifest.files[0].sha256 in problems["artifact-digest"].message
    assert layer in problems["artifact-missing"].message
    path.unlink()
    assert [problem.code for problem in bundle.check()] == ["artifact-missing", "artifact-missing"]


def test_check_names_an_image_that_is_not_the_listed_one(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    layer = bundle.images.add_layer({"pause": tmp_path / "other"})
    bundle.images.add_image(PAUSE.ref, "amd64", [layer], ImageConfig(["/pause"]))
    (problem,) = bundle.check()
    assert (problem.code, PAUSE.ref in problem.message) == ("artifact-digest", True)


def test_check_of_a_bundle_without_images_directory(bundle: Bundle) -> None:
    (bundle.directory / "images/index.json").unlink()
    assert [problem.code for problem in bundle.check()] == ["artifact-missing"]


def test_directory_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not a bundle"):
        open_bundle(tmp_path)


@pytest.mark.parametrize("url", ["../../etc/shadow", "/etc/shadow", "https://example.org/runc"])
def test_file_outside_of_the_bundle_is_refused(bundle: Bundle, url: str) -> None:
    path = bundle.directory / "manifest.json"
    document = json.loads(path.read_text())
    document["files"][0]["url"] = url
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="inside the bundle"):
        open_bundle(bundle.directory)


def test_file_is_not_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one")
    (tmp_path / "two").write_text("two")
    with pytest.raises(FileExistsError), new_bundle(tmp_path / "bundle") as writer:
        writer.add_file("kubelet", "1.36.3", "amd64", tmp_path / "one", "kubelet")
        writer.add_file("kubelet", "1.36.3", "arm64", tmp_path / "two", "kubelet")
    assert (tmp_path / "one").read_text() == "one"
