"""kprov_tree: what a comparison sees, and that a copy by cp, cut off anywhere and completed, is the same in the end."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def tree(plugin: object) -> ModuleType:
    from ansible.module_utils import kprov_tree

    module: ModuleType = kprov_tree
    return module


def attributes_work(path: Path) -> bool:
    try:
        os.setxattr(path, "user.kprov", b"1")
    except OSError:
        return False
    os.removexattr(path, "user.kprov")
    return True


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Everything that a runtime's root has: hard links, attributes, links, a hole, a pipe, modes, a database."""
    root = tmp_path / "old"
    (root / "blobs/deep").mkdir(parents=True, mode=0o711)
    (root / "meta.db").write_bytes(b"database" * 100)
    for number in range(20):
        (root / f"blobs/{number}").write_bytes(bytes([number]) * (number * 1000))
    (root / "blobs/1").chmod(0o4755)
    os.link(root / "blobs/2", root / "blobs/deep/2-again")
    os.link(root / "blobs/2", root / "another-2")
    (root / "link").symlink_to("/nowhere/at all")
    os.mkfifo(root / "pipe")
    with (root / "sparse").open("wb") as file:
        file.truncate(4 * 2**20)
        file.write(b"x")
    if os.geteuid() == 0:
        os.chown(root / "blobs/3", 1234, 4321)
        os.mknod(root / "whiteout", 0o20000, os.makedev(0, 0))
    if attributes_work(root / "blobs/4"):
        os.setxattr(root / "blobs/4", "user.kprov", b"\0value")
        os.setxattr(root / "blobs/deep", "user.opaque", b"y")
    return root


def copy(source: Path, target: Path) -> None:
    """As kprov_runtime_copy does it."""
    target.mkdir(exist_ok=True)
    options = ["--archive", "--one-file-system", "--update", "--sparse=auto"]
    subprocess.run(["cp", *options, "--", f"{source}/.", f"{target}/"], check=True)


def test_a_copy_is_the_same(tree: ModuleType, source: Path, tmp_path: Path) -> None:
    copy(source, tmp_path / "new")
    found = tree.compare(str(source), str(tmp_path / "new"), sample=2**30)
    assert found.different == {}
    assert (found.hard_links, found.read) == (2, found.bytes)
    assert (tmp_path / "new/sparse").stat().st_blocks * 512 < 2**20


def flip(path: Path) -> None:
    """Other content, with the size and the times it had."""
    status = path.stat()
    path.write_bytes(b"D" + path.read_bytes()[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def unlink_twin(new: Path) -> None:
    times = (new / "another-2").stat()
    content = (new / "another-2").read_bytes()
    (new / "another-2").unlink()
    (new / "another-2").write_bytes(content)
    os.utime(new / "another-2", ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("damage", "path", "why"),
    [
        (lambda new: (new / "blobs/5").unlink(), "blobs/5", "is missing"),
        (lambda new: (new / "blobs/5").chmod(0o600), "blobs/5", "st_mode is"),
        (lambda new: (new / "blobs/6").write_bytes(b""), "blobs/6", "has 0 bytes, not 6000"),
        (lambda new: (new / "blobs/7").touch(), "blobs/7", "was not copied to its end"),
        (lambda new: flip(new / "meta.db"), "meta.db", "has other content"),
        (lambda new: (new / "blobs/extra").touch(), "blobs/extra", "is not in the source"),
        (unlink_twin, "another-2", "is not the same file as its hard links"),
    ],
)
def test_a_difference_is_seen_and_mended(
    tree: ModuleType, source: Path, tmp_path: Path, damage: Callable[[Path], object], path: str, why: str
) -> None:
    new = tmp_path / "new"
    copy(source, new)
    damage(new)
    found = tree.compare(str(source), str(new), sample=2**30)
    assert why in found.different[path] or path == "another-2"
    assert any(why in text for text in found.different.values())
    assert f"of {found.entries} entries differ" in found.summary()
    if why == "has other content":  # only reading shows it: a copy cut off has other times
        return
    tree.reconcile(str(source), str(new))
    copy(source, new)
    assert tree.compare(str(source), str(new)).different == {}


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_cut_off_anywhere_is_completed(tree: ModuleType, source: Path, tmp_path: Path, seed: int) -> None:
    """Some entries are there, one file is half, and the source has changed since."""
    chance, new = random.Random(seed), tmp_path / "new"
    copy(source, new)
    for path in sorted(new.rglob("*"), reverse=True):
        if chance.random() < 0.4:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    for path in new.rglob("*"):
        if path.is_file() and not path.is_symlink() and chance.random() < 0.2:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (source / "blobs/8").unlink()
    (source / "blobs/new").write_text("since")
    (source / "blobs/9").write_text("changed")
    tree.reconcile(str(source), str(new))
    copy(source, new)
    assert tree.compare(str(source), str(new), sample=2**30).different == {}


def test_lost_and_found_of_a_disk_is_nobodys(tree: ModuleType, source: Path, tmp_path: Path) -> None:
    copy(source, tmp_path / "new")
    (tmp_path / "new/lost+found").mkdir()
    assert tree.compare(str(source), str(tmp_path / "new")).different == {}
    tree.reconcile(str(source), str(tmp_path / "new"))
    assert (tmp_path / "new/lost+found").is_dir()


def test_a_file_with_several_names_counts_once(tree: ModuleType, source: Path) -> None:
    used, entries = tree.size(str(source))
    assert entries == len(list(source.rglob("*"))) + 1
    listed = subprocess.run(["du", "-sx", "--block-size=1", str(source)], capture_output=True, text=True, check=True)
    assert used == int(listed.stdout.split()[0])
