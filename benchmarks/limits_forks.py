"""A pod that forks without end: how many processes it gets, counted by the kernel, and which limit stops it.

Three cgroups stand above a process of a container, and each has a pids.max:

* the container's scope. Nobody asks for a limit here, so systemd gives what it gives every unit that is no slice:
  DefaultTasksMax, 15 % of the least of kernel.pid_max, kernel.threads-max and the limit of its own cgroup
  (systemd-system.conf(5)). With runc's systemd driver a container is such a unit.
* the pod's slice: podPidsLimit.
* kubepods.slice: what the machine may have, less what is reserved (kubeReserved and systemReserved, pid).

Above them are the node's own (here the container that it is) and the kernel's two. Since Linux 6.14 kernel.pid_max
belongs to a PID namespace, so a node in a container may say more than its machine has, whose own holds all the same.
"""

from __future__ import annotations

from functools import partial

from benchmarks.limits_lab import BOTH, condition, kubectl, make, on, pod, remove, wait
from tests.e2e.greedy import forks

# More than a pod of kprov's may have (4096); a sixth of what the lab's whole machine may have, which others work on.
TRIES = 5500
SECONDS = 120
# cgroup v1 has a tree per controller, v2 one for all.
LIMITS = """
cd /sys/fs/cgroup/pids 2>/dev/null || cd /sys/fs/cgroup
pod=$(find kubepods.slice -type d -name '*pod{uid}.slice')
echo $(cat $pod/*/pids.max | sort -n | tail -n 1) $(cat $pod/pids.max) $(cat kubepods.slice/pids.max) \
  $(cat pids.max 2>/dev/null || echo none) $(cat /proc/sys/kernel/threads-max /proc/sys/kernel/pid_max) \
  $(cat $pod/pids.current)
"""
NAMES = (
    "limit of one container: systemd's DefaultTasksMax",
    "limit of one pod: podPidsLimit",
    "limit of all pods: capacity less reservations",
    "limit of the lab's container that is the node",
    "kernel.threads-max",
    "kernel.pid_max",
)


def rows() -> list[list[object]]:
    """One node after the other: both together are two thirds of what the machine has."""
    alive, forked, limits, healthy = [], [], [], []
    for node in BOTH:
        make(node, "forks", f"exec chroot /host python3 -c '{forks(TRIES)}'")
        wait("the pod cannot fork any more", partial(_said, node), SECONDS)
        uid = pod(node, "forks")["metadata"]["uid"].replace("-", "_")
        *maxima, current = on(node, LIMITS.format(uid=uid)).split()
        alive.append(current)
        forked.append(_said(node))
        limits.append(maxima)
        healthy.append(f"{condition(node, 'Ready')}, {condition(node, 'PIDPressure')}")
        remove("forks")
    return [
        [f"forks that a pod got, of {TRIES}", *forked],
        ["its live processes (pids.current of its cgroup)", *alive],
        *([f"  {name}", *values] for name, *values in zip(NAMES, *limits, strict=True)),
        ["  node Ready, PIDPressure", *healthy],
    ]


def _said(node: str) -> str:
    return kubectl("logs", f"forks-{node}").strip() if pod(node, "forks")["status"]["phase"] == "Running" else ""
