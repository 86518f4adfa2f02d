"""How much memory and how many CPUs a node has: less than this machine, so that nodes can differ as real ones do.

A container sees its machine's size. What says otherwise is mounted over the files that kubelet and kprov read it from,
as lxcfs does, and the engine's limits make it true. kubelet 1.36 has cAdvisor 0.56, which takes memory from MemTotal
(machine/machine.go) and counts the CPUs in /sys/devices/system/cpu/online (utils/sysfs/sysfs.go).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kprov.errors import InputError
from kprov.reserve.quantity import binary_text, quantity

# A kubelet, a runtime and the pods that every node has; kprov's preflight asks for more.
LEAST_MEMORY = 256 * 1024**2
EVERY_NODE = ""

# The node image's entrypoint mounts each of these over the file that it stands for.
MEMINFO = "etc/kprov-lab/meminfo"
CPUS_ONLINE = "etc/kprov-lab/cpus-online"


@dataclass(frozen=True)
class Size:
    """memory: bytes; cpus: a number. None: this machine's."""

    memory: int | None = None
    cpus: int | None = None

    def __str__(self) -> str:
        memory = "this machine's memory" if self.memory is None else binary_text(self.memory)
        return f"{memory}, {'all' if self.cpus is None else self.cpus} CPUs"

    def engine_flags(self) -> list[str]:
        """Flags of `docker create` that hold a node to its size."""
        flags = [] if self.memory is None else [f"--memory={self.memory}", f"--memory-swap={self.memory}"]
        return flags + ([] if self.cpus is None else [f"--cpuset-cpus={_first_cpus(self.cpus)}"])

    def files(self) -> dict[str, str]:
        """Path on the node -> content, for the entrypoint."""
        files = {} if self.memory is None else {MEMINFO: _meminfo(self.memory)}
        return files | ({} if self.cpus is None else {CPUS_ONLINE: _first_cpus(self.cpus) + "\n"})


WHOLE_MACHINE = Size()


def parse(memory: Iterable[str], cpus: Iterable[str]) -> dict[str, Size]:
    """Sizes by short node name ("w1"; EVERY_NODE for those that have no own), from words as in "w1=6Gi" or "6Gi".

    Raises InputError for what is no size, and for more than this machine has.
    """
    memories = _by_node(memory, "memory", _bytes)
    counts = _by_node(cpus, "cpus", _count)
    names = {**memories, **counts}

    def of(node: str) -> Size:
        return Size(memories.get(node, memories.get(EVERY_NODE)), counts.get(node, counts.get(EVERY_NODE)))

    return {node: of(node) for node in names}


def size_of(sizes: Mapping[str, Size], node: str) -> Size:
    """What was asked for a node, by its short name."""
    return sizes.get(node) or sizes.get(EVERY_NODE) or WHOLE_MACHINE


def _by_node(words: Iterable[str], what: str, value_of: object) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        node, _, value = word.rpartition("=")
        if node in found:
            raise InputError(f"--{what} is given twice for {node or 'all nodes'}")
        found[node] = value_of(value)  # type: ignore[operator]
    return found


def _bytes(text: str) -> int:
    number = quantity(text)
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if number is None or not LEAST_MEMORY <= number <= most:
        raise InputError(
            f"{text!r} is no memory for a node",
            hint=f"a quantity such as 2Gi, from {binary_text(LEAST_MEMORY)} to what this machine has, {most // 1024}Ki",
        )
    return int(number) // 1024 * 1024  # /proc/meminfo counts in KiB


def _count(text: str) -> int:
    most = len(os.sched_getaffinity(0))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise InputError(f"{text!r} is no number of CPUs for a node", hint=f"this machine has {most}")
    return int(text)


def _first_cpus(count: int) -> str:
    return ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0))[:count])


def _meminfo(memory: int) -> str:
    """/proc/meminfo. It stands still: what is used of it is the cgroup's to say, and kubelet asks that."""
    lines = {"MemTotal": memory, "MemFree": memory, "MemAvailable": memory}
    zero = ("Buffers", "Cached", "SwapCached", "SwapTotal", "SwapFree", "Shmem", "SReclaimable")
    return "".join(
        f"{name + ':':<16}{number // 1024:>8} kB\n" for name, number in (lines | dict.fromkeys(zero, 0)).items()
    )
