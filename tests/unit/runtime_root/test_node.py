"""What a node says of a target, and how much is in a root: on this machine's own file systems."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from kprov.runtime_root.node.main import size, target


def test_a_target_that_is_not_there_yet_is_judged_by_what_will_hold_it(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    found = target(str(tmp_path / "old"), str(tmp_path / "new/deeper"))
    listed = subprocess.run(
        ["findmnt", "-no", "TARGET,FSTYPE", "--target", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert [found["mount_point"], found["type"]] == listed.stdout.split()
    assert found["same_file_system"]
    assert not found["read_only"]
    assert 0 < found["free"] <= found["size"]
    assert (found["content"], found["real"]) == ([], str(tmp_path / "new/deeper"))


def test_a_link_is_followed_and_content_named_but_a_disks_own(tmp_path: Path) -> None:
    for name in ("old", "disk/lost+found", "disk/images"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "new").symlink_to("disk")
    found = target(str(tmp_path / "old"), str(tmp_path / "new"))
    assert (found["content"], found["real"]) == (["images"], str(tmp_path / "disk"))


def test_size_is_what_du_says_and_counts_hard_links_once(tmp_path: Path) -> None:
    root = tmp_path / "old"
    (root / "a").mkdir(parents=True)
    (root / "a/file").write_bytes(b"x" * 100_000)
    os.link(root / "a/file", root / "again")
    found = size(str(root))
    listed = subprocess.run(["du", "-sx", "--block-size=1", str(root)], capture_output=True, text=True, check=True)
    own = root.stat().st_blocks * 512  # du counts the directory itself, too
    assert found == {"bytes": int(listed.stdout.split()[0]) - own, "entries": 3, "exact": True}
