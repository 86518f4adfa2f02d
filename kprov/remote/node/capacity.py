"""The size of the machine as the kubelet sees it: what reservations and eviction thresholds are computed from.

The same numbers as plugins/modules/kprov_capacity.py; tests/unit/remote/test_node_capacity.py holds the two together.
Sources, kubelet v1.36.3: cAdvisor's machine info (cpus online, MemTotal, huge pages), pkg/kubelet/stats/pidlimit.
"""

from __future__ import annotations

import os

from kprov.remote.node import filesystem, read

KUBELET_ROOT = "/var/lib/kubelet"
PID_LIMITS = ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max")


def capacity(image_root: str) -> dict[str, int]:
    """cpus, memory, hugepages, ephemeral_storage, image_storage, pids (see kprov.reserve.capacity)."""
    sizes = _meminfo()
    return {
        "cpus": _cpus(),
        "memory": sizes["MemTotal"],
        "hugepages": sizes.get("Hugetlb", 0),
        "ephemeral_storage": filesystem.filesystem(KUBELET_ROOT)["size"],
        "image_storage": filesystem.filesystem(image_root)["size"],
        "pids": min((int(read.text(path)) for path in PID_LIMITS if read.exists(path)), default=0),
    }


def _cpus() -> int:
    """CPUs online, from a list such as 0-3,8."""
    online = read.text_or("/sys/devices/system/cpu/online").strip()
    if not online:
        return len(os.sched_getaffinity(0))
    ends = [part.split("-") for part in online.split(",")]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


def _meminfo() -> dict[str, int]:
    """Lines of /proc/meminfo that have a size, in bytes."""
    lines = [line.split() for line in read.text("/proc/meminfo").splitlines()]
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[2:] == ["kB"]}
