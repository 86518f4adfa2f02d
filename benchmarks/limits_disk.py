"""A pod fills its node's disk past the soft threshold, then one past the hard one: who goes, and is it over then?"""

from __future__ import annotations

import time
from functools import partial

from benchmarks.limits_lab import BOTH, DISK_MI, KPROV, condition, make, phase, remove, wait

PODS = ("neighbour", "filler")
# Below 700 MiB free, kprov's soft threshold here, and above 10 %; below both hard ones, 300 MiB and 10 %.
SOFT_MI, HARD_MI = 1000, 1480
SECONDS = 180


def rows() -> list[list[object]]:
    """Both nodes at once; the nodes' disks are their own."""
    return [*_fill("soft", SOFT_MI, (KPROV,)), *_fill("hard", HARD_MI, BOTH)]


def _fill(threshold: str, mebibytes: int, watched: tuple[str, ...]) -> list[list[object]]:
    """watched: the nodes on which something will be evicted."""
    for node in BOTH:
        make(node, "neighbour", _filling(10))
    wait("the neighbours run", lambda: all(phase(node, "neighbour") == "Running" for node in BOTH), SECONDS)
    for node in BOTH:
        make(node, "filler", _filling(mebibytes))
    start = time.monotonic()
    took: dict[str, str] = {}
    for node in watched:
        wait("a pod is evicted", partial(_evicted, node), SECONDS)
        took[node] = f" within {time.monotonic() - start:.0f} s"
    gone = [", ".join(_evicted(node)) + took.get(node, "") if _evicted(node) else "nobody" for node in BOTH]
    ready = [condition(node, "Ready") for node in BOTH]
    for node in watched:
        wait("the pressure is over", partial(_relieved, node), SECONDS)
    recovered = [f"{time.monotonic() - start:.0f} s" if node in watched else "-" for node in BOTH]
    left = [phase(node, "neighbour") for node in BOTH]
    remove(*PODS)
    free = DISK_MI - mebibytes
    return [
        [f"disk filled to {free} of {DISK_MI} MiB free ({threshold} threshold): evicted", *gone],
        ["  node Ready meanwhile", *ready],
        ["  DiskPressure over after", *recovered],
        ["  neighbour in the end", *left],
    ]


def _filling(mebibytes: int) -> str:
    return f"head -c {mebibytes * 1024 * 1024} /dev/zero > /data/x && exec sleep 900"


def _evicted(node: str) -> list[str]:
    return [name for name in PODS if phase(node, name) == "Evicted"]


def _relieved(node: str) -> bool:
    return condition(node, "DiskPressure") == "False"
