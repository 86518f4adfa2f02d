"""AppArmor and SELinux are reported as they are, and nothing that kprov brings switches them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kprov.content import content_root
from kprov.remote.node import security
from tests.unit.remote.conftest import put

SWITCHES = re.compile(r"setenforce|selinux=0|SELINUX=(disabled|permissive)|apparmor=0|aa-(teardown|disable|complain)")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({security.APPARMOR: "Y\n"}, {"AppArmor": "enabled"}),
        ({security.APPARMOR: "N\n"}, {}),
        ({security.SELINUX: "1"}, {"SELinux": "enforcing"}),
        ({security.SELINUX: "0", security.APPARMOR: "N"}, {"SELinux": "permissive"}),
        ({}, {}),
    ],
)
def test_state_of_the_kernel_s_modules(node: Path, files: dict[str, str], found: dict[str, str]) -> None:
    for path, text in files.items():
        put(node, path, text)
    assert security.modules() == found


def test_nothing_switches_them() -> None:
    root = content_root()
    texts = [path for part in ("roles", "playbooks", "plugins") for path in (root / part).rglob("*") if path.is_file()]
    assert len(texts) > 100
    found = [str(path) for path in texts if path.suffix != ".pyc" and SWITCHES.search(path.read_text(errors="replace"))]
    assert found == []
