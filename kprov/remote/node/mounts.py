"""What is mounted where. Reads only."""

from __future__ import annotations

from kprov.remote.node import read


def mounts() -> list[tuple[str, str]]:
    """(mount point, type), in the order in which they were mounted."""
    found = []
    for line in read.text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split()[0]
        found.append((left.split()[4], kind))
    return found


def mount(path: str) -> tuple[str, str]:
    """(mount point, type) of the file system that a path is on."""
    holding = [(p, k) for p, k in mounts() if path == p or path.startswith(p.rstrip("/") + "/")]
    return max(holding, key=lambda mount: len(mount[0]))
