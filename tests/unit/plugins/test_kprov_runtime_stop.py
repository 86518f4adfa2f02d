"""kprov_runtime_stop: which root a configuration names, and what is mounted below it. End to end it stops for real."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

MOUNTS = r"""22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 8:2 / /var/lib/containerd rw - ext4 /dev/sdb1 rw
31 30 0:50 / /var/lib/containerd/io.x/rootfs rw shared:9 - overlay overlay rw
32 31 0:51 / /var/lib/containerd/io.x/rootfs/shm\040of\040a\040pod rw - tmpfs shm rw
33 22 0:52 / /var/lib/containerd2 rw - tmpfs none rw
"""


@pytest.fixture
def stop(plugin: Any, node: Path) -> ModuleType:
    from ansible.module_utils import kprov_runtime_stop

    (node / "proc/self").mkdir()
    (node / "proc/self/mountinfo").write_text(MOUNTS)
    module: ModuleType = kprov_runtime_stop
    return module


@pytest.mark.parametrize(
    ("text", "root"),
    [
        (None, "/var/lib/containerd"),
        ("version = 3\nroot = '/data/containerd'\n[plugins]\n", "/data/containerd"),
        ('root="/data/containerd/"\n', "/data/containerd"),
        ("version = 3\nstate = '/run/x'\n", "/var/lib/containerd"),
    ],
)
def test_containerds_configured_root(stop: ModuleType, node: Path, text: str | None, root: str) -> None:
    if text is not None:
        (node / "etc/containerd").mkdir()
        (node / "etc/containerd/config.toml").write_text(text)
    assert stop.Runtime("containerd", "/usr/local/bin").configured_root() == root


@pytest.mark.parametrize(("config", "root"), [({}, "/var/lib/docker"), ({"data-root": "/d/docker"}, "/d/docker")])
def test_dockers_configured_root(stop: ModuleType, node: Path, config: dict[str, str], root: str) -> None:
    (node / "etc/docker").mkdir()
    (node / "etc/docker/daemon.json").write_text(json.dumps(config))
    assert stop.Runtime("docker", "/usr/local/bin").configured_root() == root


def test_what_is_mounted_below_comes_innermost_first(stop: ModuleType) -> None:
    rootfs = "/var/lib/containerd/io.x/rootfs"
    assert stop.mounts_below("/var/lib/containerd") == [(f"{rootfs}/shm of a pod", "tmpfs"), (rootfs, "overlay")]


def test_a_disk_of_somebody_is_never_unmounted(stop: ModuleType, node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (node / "proc/self/mountinfo").write_text(MOUNTS.replace("overlay overlay", "xfs /dev/sdc1"))
    done: list[list[str]] = []

    def run(argv: list[str], _: float) -> Any:
        done.append(argv)
        return type("Done", (), {"returncode": 0, "stdout": ""})

    monkeypatch.setattr(stop.kprov_systemd, "run", run)
    with pytest.raises(
        stop.StopError, match=r"rootfs \(xfs\) is mounted below /var/lib/containerd and is no container"
    ):
        stop.unmount_below("/var/lib/containerd")
    assert [argv[-1] for argv in done] == ["/var/lib/containerd/io.x/rootfs/shm of a pod"]
