"""The same greedy pods on a node with kprov's settings and on one with the kubelet's own defaults, side by side.

Everything is bounded: each node is a machine of 3 GiB (a cgroup of the node's container), and no kernel setting of this
machine is changed: the limit of 128 inotify instances is that of a user namespace.
"""

from __future__ import annotations

import json

from benchmarks import limits_disk, limits_forks
from benchmarks.limits_lab import BARE, BOTH, KPROV, down, kubectl, make, on, phase, up, wait
from benchmarks.table import print_table

WATCHERS = """
import ctypes
libc = ctypes.CDLL(None)
print(sum(libc.inotify_init() >= 0 for _ in range(200)))
"""
LOG = f"for s in $(seq 40); do yes {'x' * 1023} | head -n 5000; sleep 1; done"
SECONDS = 300


def main() -> None:
    rows: list[list[object]] = []
    try:
        up()
        for measure in (_inotify, limits_forks.rows, _logs, limits_disk.rows, _allocatable):
            rows += measure()
    finally:  # also what was measured before something failed
        print_table("The same pods", ["", "with kprov", "kubelet's defaults"], rows)
        down()


def _inotify() -> list[list[object]]:
    """A pod, and root in a user namespace that has what a kernel gives without os's setting."""
    make(KPROV, "watcher", f"exec chroot /host python3 -c '{WATCHERS}'")
    wait("the watcher has ended", lambda: phase(KPROV, "watcher") == "Succeeded", SECONDS)
    kprov = kubectl("logs", f"watcher-{KPROV}")
    limit = "echo 128 > /proc/sys/user/max_inotify_instances"
    kernel = on(BARE, f"unshare --user --map-root-user sh -c '{limit} && exec python3' << 'EOF'\n{WATCHERS}\nEOF")
    return [["inotify instances that a pod gets, of 200", kprov.strip(), kernel.strip()]]


def _logs() -> list[list[object]]:
    """A container that writes 205 MB in 40 s."""
    for node in BOTH:
        make(node, "talker", LOG)
    wait("all is said", lambda: all(phase(node, "talker") == "Succeeded" for node in BOTH), SECONDS)
    sizes: list[int] = []

    def settled() -> bool:
        before, sizes[:] = list(sizes), [_kib(node, "/var/log/pods/default_talker-*") for node in BOTH]
        return sizes == before

    wait("the logs stay as they are", settled, SECONDS, every=11)  # the kubelet rotates every 10 s
    return [["log of a container that wrote 205 MB, MiB on disk", *(size // 1024 for size in sizes)]]


def _kib(node: str, path: str) -> int:
    return int(on(node, f"du -sk {path}").split()[0])


def _allocatable() -> list[list[object]]:
    nodes = [json.loads(kubectl("get", "node", node, "-o", "json"))["status"]["allocatable"] for node in BOTH]
    return [[f"{resource} for pods", *(node[resource] for node in nodes)] for resource in ("memory", "cpu")]
