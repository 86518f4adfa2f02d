#!/usr/bin/python
"""kprov_capacity: the size of the machine, for a run without kprov's probe."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_capacity
short_description: Size of the machine as the kubelet sees it
description:
  - Reads only. Under kprov the probe has the same numbers (kprov/remote/node/capacity.py) and this is not called.
options:
  image_root: {description: Directory of the container runtime's images., type: path, required: true}
author: kprov
"""

RETURN = r"""
capacity:
  description: cpus, memory, hugepages, ephemeral_storage, image_storage (bytes), pids.
  type: dict
  returned: always
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_paths import real

KUBELET_ROOT = "/var/lib/kubelet"
PID_LIMITS = ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max")


def capacity(image_root: str) -> dict[str, int]:
    """See RETURN."""
    sizes = _meminfo()
    return {
        "cpus": _cpus(),
        "memory": sizes["MemTotal"],
        "hugepages": sizes.get("Hugetlb", 0),
        "ephemeral_storage": _filesystem(KUBELET_ROOT),
        "image_storage": _filesystem(image_root),
        "pids": min((int(_text(path)) for path in PID_LIMITS if os.path.exists(real(path))), default=0),
    }


def _cpus() -> int:
    """CPUs online, from a list such as 0-3,8."""
    try:
        online = _text("/sys/devices/system/cpu/online").strip()
    except OSError:
        return len(os.sched_getaffinity(0))
    ends = [part.split("-") for part in online.split(",")]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


def _meminfo() -> dict[str, int]:
    """Lines of /proc/meminfo that have a size, in bytes."""
    lines = [line.split() for line in _text("/proc/meminfo").splitlines()]
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[2:] == ["kB"]}


def _filesystem(path: str) -> int:
    """Size of the file system that holds a path or will hold it."""
    while not os.path.exists(real(path)) and path:
        path = os.path.dirname(path)
    status = os.statvfs(real(path))
    return status.f_blocks * status.f_frsize


def _text(path: str) -> str:
    with open(real(path), encoding="utf-8") as file:
        return file.read()


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec={"image_root": {"type": "path", "required": True}}, supports_check_mode=True)
    module.exit_json(changed=False, capacity=capacity(module.params["image_root"]))


if __name__ == "__main__":
    main()
