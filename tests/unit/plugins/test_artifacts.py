"""kprov_artifacts on a node: what is missing, checked, installed, replaced."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
from pathlib import Path

import pytest
from ansible.module_utils import kprov_artifact_images as image_store
from ansible.module_utils.kprov_artifact_files import ArtifactError

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


@pytest.fixture
def module(plugin):
    return plugin("modules", "kprov_artifacts")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def plain(name: str, version: str, data: bytes, path: str = "/usr/local/bin/tool") -> dict:
    variants = {ARCH: {"url": f"files/{name}", "sha256": sha256(data)}}
    return {"name": name, "version": version, "path": path, "variants": variants}


def tar(**members: tuple[bytes, int]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, (data, mode) in members.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def packed(version: str, data: bytes, unpack: dict[str, str]) -> dict:
    variants = {ARCH: {"url": "files/plugins.tgz", "sha256": sha256(data)}}
    return {"name": "plugins", "version": version, "unpack": unpack, "variants": variants}


@pytest.fixture
def install(module, node: Path):
    """install(files, content...): as the action does it, a query and, if something is missing, staging and install."""

    def run(files: list[dict], *contents: bytes, check_mode: bool = False) -> dict:
        params = {"phase": "kubernetes", "files": files, "images": {}, "bin_dir": "/none", "runtime": "unix:///none"}
        params["container_runtime"] = "containerd"
        params |= {"staging": None, "archive": None}
        result = module.run({**params, "mode": "query"}, check_mode)
        if "missing" not in result:
            return result
        staging = node / "var/lib/kprov/staging/kprov-test"
        staging.mkdir(parents=True)
        for data, name in zip(contents, result["missing"]["files"], strict=True):
            (staging / name).write_bytes(data)
        path = str(staging)
        return module.run({**params, "mode": "install", "staging": path}, False)

    return run


def record(node: Path, name: str) -> dict:
    return json.loads((node / f"var/lib/kprov/artifacts/{name}.json").read_text())


def test_installs_once_then_nothing_changes(node: Path, install, tree) -> None:
    first = install([plain("tool", "1", b"one")], b"one")
    assert first["changes"] == ["tool 1 installed"]
    file = node / "usr/local/bin/tool"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"one", 0o755)
    before = tree()
    assert install([plain("tool", "1", b"one")]) == {"changed": False, "changes": [], "arch": ARCH}
    after = tree()
    mark = "var/lib/kprov/phases/kubernetes.dirty"  # kprov_phase has not run
    assert after.pop(mark)[0] == before.pop(mark)[0]
    assert after == before
    assert list((node / "var/lib/kprov/staging").iterdir()) == []


def test_damaged_file_is_installed_again(node: Path, install) -> None:
    install([plain("tool", "1", b"one")], b"one")
    (node / "usr/local/bin/tool").write_bytes(b"two")
    assert install([plain("tool", "1", b"one")], b"one")["changes"] == ["tool 1 repaired"]


def test_wrong_digest_installs_nothing_at_all(node: Path, install) -> None:
    files = [plain("tool", "1", b"one"), plain("other", "1", b"two", "/usr/local/bin/other")]
    with pytest.raises(
        ArtifactError, match=f"other 1: files/other of the bundle has sha256 {sha256(b'bad')}, expected"
    ):
        install(files, b"one", b"bad")
    assert not (node / "usr").exists()
    assert list((node / "var/lib/kprov/staging").iterdir()) == []


def test_what_killed_runs_staged_is_removed(node: Path, module) -> None:
    staging = node / "var/lib/kprov/staging"
    (staging / "kprov-old").mkdir(parents=True)
    (staging / "kprov-old" / "0").write_bytes(b"one")
    os.mkfifo(staging / "kprov-old.images")
    fresh = Path(module.new_staging())
    assert list(staging.iterdir()) == [fresh]


def test_unpacks_executables_that_match(node: Path, install) -> None:
    data = tar(**{"./bridge": (b"b", 0o755), "LICENSE": (b"l", 0o644), "sub__deep": (b"d", 0o755)})
    install([packed("1", data, {"*": "/opt/cni/bin"})], data)
    assert [path.name for path in (node / "opt/cni/bin").iterdir()] == ["bridge"]


def test_other_version_replaces_the_files_of_the_old_one(node: Path, install) -> None:
    old, new = tar(bridge=(b"1", 0o755), gone=(b"1", 0o755)), tar(bridge=(b"2", 0o755))
    install([packed("1", old, {"*": "/opt/cni/bin"})], old)
    assert install([packed("2", new, {"*": "/opt/cni/bin"})], new)["changes"] == ["plugins 1 -> 2"]
    assert [path.name for path in (node / "opt/cni/bin").iterdir()] == ["bridge"]
    assert install([packed("1", old, {"*": "/opt/cni/bin"})], old)["changes"] == ["plugins 2 -> 1"]
    assert (node / "opt/cni/bin/bridge").read_bytes() == b"1"


def test_foreign_file_is_kept_as_original_own_ones_are_not(node: Path, install) -> None:
    (node / "usr/local/bin").mkdir(parents=True)
    (node / "usr/local/bin/tool").write_bytes(b"of the distribution")
    install([plain("tool", "1", b"one")], b"one")
    install([plain("tool", "2", b"two")], b"two")
    assert (node / "var/lib/kprov/originals/usr/local/bin/tool").read_bytes() == b"of the distribution"


def test_archive_without_a_match_or_damaged_is_named(install) -> None:
    data = tar(readme=(b"r", 0o644))
    with pytest.raises(ArtifactError, match=r"plugins 1: files/plugins.tgz has no executable that matches bin/\*"):
        install([packed("1", data, {"bin/*": "/opt"})], data)
    with pytest.raises(ArtifactError, match="is not a readable archive"):
        install([packed("1", b"no tar", {"*": "/opt"})], b"no tar")


def test_check_mode_writes_nothing(install, tree) -> None:
    before = tree()
    result = install([plain("tool", "1", b"one")], check_mode=True)
    assert (result["changed"], result["changes"]) == (True, ["tool 1"])
    assert tree() == before


def test_files_are_in_the_phase_record(node: Path, install) -> None:
    install([plain("tool", "1", b"one")], b"one")
    dirty = json.loads((node / "var/lib/kprov/phases/kubernetes.dirty").read_text())
    entry = dirty["parts"]["kprov_artifacts"]["files"]["/usr/local/bin/tool"]
    assert entry["sha256"] == sha256(b"one")
    assert entry["stat"] == record(node, "tool")["files"]["/usr/local/bin/tool"]["stat"]


def test_unknown_architecture_is_named(module) -> None:
    variants = {"riscv": {"url": "x", "sha256": "0"}}
    with pytest.raises(ArtifactError, match=f"tool 1 is not available for {ARCH}, only for riscv"):
        module.Wanted([{"name": "tool", "version": "1", "path": "/x", "variants": variants}], {})


@pytest.fixture
def store(node: Path, monkeypatch: pytest.MonkeyPatch):
    """A store whose ctr remembers what it was asked to do."""
    store = image_store.ImageStore("/bin", "unix:///run/x.sock")
    store.asked, store.there = [], {}  # type: ignore[attr-defined]

    def run(command: list[str], what: str, stdin: object = None) -> str:
        store.asked.append(command[3:])  # type: ignore[attr-defined]
        lines = [f"{ref} type {digest} 1MiB linux/amd64 -" for ref, digest in store.there.items()]  # type: ignore[attr-defined]
        return "\n".join(["REF TYPE DIGEST SIZE PLATFORMS LABELS", *lines])

    monkeypatch.setattr(store, "_run", run)
    return store


def test_image_is_missing_until_its_import_was_finished(store) -> None:
    wanted = [{"ref": "r/a:1", "digest": "sha256:a"}]
    store.there = {"r/a:1": "sha256:a"}  # a killed import leaves it like this
    assert store.missing(wanted) == wanted
    store.finish("kubernetes", wanted)
    assert store.missing(wanted) == []


def test_image_with_the_same_name_and_other_content_is_missing(store) -> None:
    store.finish("kubernetes", [{"ref": "r/a:1", "digest": "sha256:a"}])
    store.there = {"r/a:1": "sha256:a"}
    wanted = [{"ref": "r/a:1", "digest": "sha256:b"}]
    assert store.missing(wanted) == wanted
    assert store.missing([{"ref": "r/a:1", "digest": None}]) == []


def test_images_are_pinned_and_unpinned_when_no_longer_needed(store) -> None:
    images = [{"ref": "r/a:1", "digest": None}, {"ref": "r/b:1", "digest": None}]
    store.import_archive(io.BytesIO())
    store.finish("kubernetes", images)
    store.there = {"r/a:1": "x", "r/b:1": "x"}
    assert store.release("kubernetes", images[:1]) == ["r/b:1"]
    assert store.release("container_runtime", []) == []  # another phase's images stay
    labels = [command[2:] for command in store.asked if command[1] == "label"]
    assert labels == [["r/b:1", "io.cri-containerd.pinned="]]
    (imported,) = [command for command in store.asked if command[1] == "import"]
    assert "io.cri-containerd.pinned=pinned" in imported
