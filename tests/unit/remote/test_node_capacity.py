"""The size of a machine: read by the probe, and by the module for runs without one."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import ansible.module_utils
import pytest

from kprov.content import content_root, module_util
from kprov.remote.node import capacity
from tests.unit.remote.conftest import put

MEMINFO = (
    "MemTotal:       16384000 kB\nMemFree:         1234567 kB\nHugePages_Total:    1024\nHugetlb:         2097152 kB\n"
)


@pytest.fixture
def module(node: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """plugins/modules/kprov_capacity.py with the same root directory."""
    monkeypatch.setattr(module_util("kprov_paths"), "ROOT", str(node))
    assert ansible.module_utils.__path__
    file = content_root() / "plugins/modules/kprov_capacity.py"
    spec = importlib.util.spec_from_file_location("kprov_capacity_module", file)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_probe_and_module_say_the_same(node: Path, module: ModuleType) -> None:
    put(node, "/proc/meminfo", MEMINFO)
    put(node, "/sys/devices/system/cpu/online", "0-3,8\n")
    put(node, "/proc/sys/kernel/pid_max", "4194304\n")
    put(node, "/proc/sys/kernel/threads-max", "127000\n")
    size = os.statvfs(node).f_blocks * os.statvfs(node).f_frsize
    expected = {
        "cpus": 5,
        "memory": 16384000 * 1024,
        "hugepages": 2097152 * 1024,
        "ephemeral_storage": size,
        "image_storage": size,
        "pids": 127000,
    }
    assert capacity.capacity("/data/containerd") == expected
    assert module.capacity("/data/containerd") == expected


def test_an_old_kernel_without_lists_and_limits(node: Path, module: ModuleType) -> None:
    put(node, "/proc/meminfo", "MemTotal:       16384000 kB\n")
    found = capacity.capacity("/")
    assert found == module.capacity("/")
    assert (found["cpus"], found["hugepages"], found["pids"]) == (len(os.sched_getaffinity(0)), 0, 0)


def test_path_that_leads_nowhere_is_an_error_and_no_endless_search(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_util("kprov_paths"), "ROOT", "")
    with pytest.raises(FileNotFoundError):
        module._filesystem("{{ no path }}")
