"""Archives come out the same whatever the machine, the user and the time."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from kprov.artifacts.tarball import tree_members, write_tar, write_tar_gz


def tree(root: Path, age: int) -> Path:
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_text("tool")
    (root / "usr/bin/tool").chmod(0o750)
    (root / "usr/readme").write_text("text")
    (root / "usr/readme").chmod(0o600)
    (root / "bin").symlink_to("usr/bin")
    os.utime(root / "usr/readme", (age, age))
    return root


def packed(directory: Path) -> bytes:
    stream = io.BytesIO()
    write_tar(stream, tree_members(directory))
    return stream.getvalue()


def test_same_content_gives_same_bytes(tmp_path: Path) -> None:
    assert packed(tree(tmp_path / "a", age=1)) == packed(tree(tmp_path / "b", age=10**9))


def test_members_are_sorted_and_owned_by_root_with_plain_modes(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(tree(tmp_path / "a", age=1)))) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == ["bin", "usr", "usr/bin", "usr/bin/tool", "usr/readme"]
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, 0)}
    assert {member.name: oct(member.mode) for member in members if member.isfile()} == {
        "usr/bin/tool": "0o755",
        "usr/readme": "0o644",
    }
    assert members[0].linkname == "usr/bin"


def test_parent_directories_are_added_and_leading_slashes_dropped(tmp_path: Path) -> None:
    (tmp_path / "pause").write_text("x")
    stream = io.BytesIO()
    write_tar(stream, {"/usr/local/bin/pause": tmp_path / "pause"})
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as archive:
        assert archive.getnames() == ["usr", "usr/local", "usr/local/bin", "usr/local/bin/pause"]


def test_compressed_archive_is_deterministic_and_readable(tmp_path: Path) -> None:
    (tmp_path / "crictl").write_text("x" * 1000)
    written = []
    for _ in range(2):
        stream = io.BytesIO()
        write_tar_gz(stream, {"crictl": tmp_path / "crictl"})
        written.append(stream.getvalue())
    assert written[0] == written[1]
    with tarfile.open(fileobj=io.BytesIO(written[0]), mode="r:gz") as archive:
        assert archive.getnames() == ["crictl"]
