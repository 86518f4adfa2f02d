"""The archive of exactly the images that a node misses."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from ansible.module_utils.kprov_oci_archive import CONTAINERD_NAME, REF_NAME, Layout, LayoutError


def blob(layout: Path, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return f"sha256:{digest}"


def image(layout: Path, ref: str, *layers: bytes, arch: str = "amd64") -> dict:
    config = blob(layout, json.dumps({"architecture": arch, "of": ref}).encode())
    manifest = {"config": {"digest": config}, "layers": [{"digest": blob(layout, layer)} for layer in layers]}
    digest = blob(layout, json.dumps(manifest).encode())
    annotations = {REF_NAME: ref, CONTAINERD_NAME: ref}
    return {"digest": digest, "size": 1, "platform": {"architecture": arch}, "annotations": annotations}


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    entries = [
        image(tmp_path, "r/a:1", b"base", b"a"),
        image(tmp_path, "r/b:1", b"base", b"b"),
        image(tmp_path, "r/c:1", b"c"),
        image(tmp_path, "r/a:1", b"base for arm", arch="arm64"),
    ]
    (tmp_path / "index.json").write_text(json.dumps({"manifests": entries}))
    return tmp_path


def archive(layout: Path, images: dict[str, str]) -> tuple[list[str], dict, bytes]:
    file = io.BytesIO()
    Layout(str(layout)).write_archive(file, images, "amd64")
    data = file.getvalue()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
        return tar.getnames(), index, data


def test_holds_what_is_asked_for_and_each_blob_once(layout: Path) -> None:
    names, index, _ = archive(layout, {"r/a:1": "r/a:1", "r/b:1": "r/b:1"})
    assert len(names) == len(set(names)) == 2 + 2 * 2 + 3  # layout, index; manifest, config each; base, a, b
    assert [entry["annotations"][REF_NAME] for entry in index["manifests"]] == ["r/a:1", "r/b:1"]


def test_images_get_the_names_of_the_own_registry(layout: Path) -> None:
    _, index, _ = archive(layout, {"r/c:1": "mirror/c:1"})
    annotations = index["manifests"][0]["annotations"]
    assert (annotations[REF_NAME], annotations[CONTAINERD_NAME]) == ("mirror/c:1", "mirror/c:1")


def test_same_images_give_the_same_archive(layout: Path) -> None:
    assert archive(layout, {"r/a:1": "r/a:1"})[2] == archive(layout, {"r/a:1": "r/a:1"})[2]


def test_missing_image_and_missing_blob_are_named(layout: Path) -> None:
    with pytest.raises(LayoutError, match="has no image r/x:1 for amd64"):
        archive(layout, {"r/x:1": "r/x:1"})
    (layout / "blobs/sha256" / hashlib.sha256(b"c").hexdigest()).unlink()
    with pytest.raises(LayoutError, match="cannot be read: No such file"):
        archive(layout, {"r/c:1": "r/c:1"})
