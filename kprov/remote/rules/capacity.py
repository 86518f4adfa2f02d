"""CPUs, memory, disk, swap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kprov.errors import Problem
from kprov.remote.rules.rule import GIB, MIB, Machine, Machines, Rule, Say, gib
from kprov.remote.state import Filesystem

# kubeadm 1.36: cmd/kubeadm/app/constants, ControlPlaneNumCPU and ControlPlaneMem (in MiB).
CONTROL_PLANE_CPUS = 2
CONTROL_PLANE_MEMORY = 1700 * MIB
# A machine sold with 1 GiB shows about 950 MiB to Linux. kubelet, containerd, kube-proxy and the network take 300.
WORKER_MEMORY = 900 * MIB

# Measured on a lab node: 1.2 GiB of images; while one is imported its layers are there packed and unpacked.
RUNTIME_DISK = 4 * GIB
# Logs, emptyDir volumes and what the kubelet keeps free (nodefs.available; its default is 10 %).
KUBELET_DISK = 1 * GIB
# etcd's database may grow to 2 GiB (quota-backend-bytes), beside its write-ahead log and snapshots.
ETCD_DISK = 3 * GIB
# Kubernetes' binaries and containerd take 0.5 GiB; packages, logs and kprov's files the rest.
ROOT_DISK = 1 * GIB

# Kubernetes' own images have few files (1000 on a lab node with its containers); one on a Debian base has 5 000 to
# 10 000, and there are several. A pod's volumes have some dozens of files, etcd has ten.
RUNTIME_INODES = 50_000
KUBELET_INODES = 5_000
ETCD_INODES = 100
ROOT_INODES = 5_000
# The kubelet evicts pods below this share of nodefs (its default for evictionHard, nodefs.inodesFree).
EVICTION_INODES = 0.05


def _cpus(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        if machine.control_plane and machine.state.cpus < CONTROL_PLANE_CPUS:
            message = f"has {machine.state.cpus} CPU; a control plane needs {CONTROL_PLANE_CPUS}"
            yield say.unless(machine.ignores("NumCPU"), machine.name, message, "give the machine more CPUs")


def _memory(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        need = CONTROL_PLANE_MEMORY if machine.control_plane else WORKER_MEMORY
        if machine.state.memory < need:
            role = "control plane" if machine.control_plane else "worker"
            message = f"has {machine.state.memory // MIB} MiB of memory; a {role} needs {need // MIB} MiB"
            yield say.unless(machine.ignores("Mem"), machine.name, message, "give the machine more memory")


def _disk(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        for paths, (need, _), filesystem in _needs(machine):
            have = filesystem.free
            if have < need:
                hint = "free some space, use a bigger disk, or put container_runtime_root on another one"
                message = f"{gib(have)} free for {', '.join(paths)}; needed: {gib(need)}"
                yield say.error(machine.name, message, hint)


def _inodes(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        for paths, (_, wanted), filesystem in _needs(machine):
            if not filesystem.inodes:  # made as needed (btrfs)
                continue
            need = max(wanted, int(EVICTION_INODES * filesystem.inodes))
            free = filesystem.inodes_free
            if free < need:
                have = f"{free} of {filesystem.inodes} inodes free for {', '.join(paths)}"
                hint = "remove small files (`du --inodes -x -d2 PATH` counts them), or make the file system anew"
                yield say.error(machine.name, f"{have}; needed: {need}", hint)


def _needs(machine: Machine) -> Iterator[tuple[list[str], tuple[int, int], Filesystem]]:
    """Per file system: paths on it, bytes and inodes they need together, the file system."""
    wanted = {
        "/": (ROOT_DISK, ROOT_INODES),
        "/var/lib/kubelet": (KUBELET_DISK, KUBELET_INODES),
        str(machine.host.variables["container_runtime_root"]): (RUNTIME_DISK, RUNTIME_INODES),
    }
    if machine.control_plane:
        wanted["/var/lib/etcd"] = (ETCD_DISK, ETCD_INODES)
    for path, size in machine.host.variables["os_disk_free"].items():
        wanted[path] = (int(size * GIB), wanted.get(path, (0, 0))[1])
    groups: dict[str, list[str]] = defaultdict(list)
    found = machine.state.filesystems
    for path in wanted:
        if path in found:
            groups[found[path].device or path].append(path)
    for paths in groups.values():
        need = (sum(wanted[path][0] for path in paths), sum(wanted[path][1] for path in paths))
        yield paths, need, found[paths[0]]


def _swap(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.all:
        keep = machine.host.variables["os_swap"] == "keep"
        variables = machine.host.variables
        allowed = not variables["kubelet_config"].get("failSwapOn", variables["kubelet_fail_swap_on"])
        if machine.state.swap and keep and not allowed:
            yield say.error(
                machine.name,
                f"os_swap is keep and swap is on ({', '.join(machine.state.swap)}), the kubelet refuses that",
                'set os_swap: "off", or kubelet_fail_swap_on: false',
            )
        own = variables["kubelet_config"].get("memorySwap") or {}
        behaviour = own.get("swapBehavior", variables["kubelet_swap_behavior"])
        # v1.36.3, cmd/kubelet/app/server.go: whether there is swap or not.
        if behaviour == "LimitedSwap" and machine.state.cgroup_version == 1:
            yield say.error(
                machine.name,
                "kubelet_swap_behavior is LimitedSwap and the machine has cgroup v1: the kubelet refuses to start",
                "kubelet_swap_behavior: NoSwap; or boot with systemd.unified_cgroup_hierarchy=1",
            )


RULES = (
    Rule("cpus", _cpus),
    Rule("memory", _memory),
    Rule("disk-free", _disk),
    Rule("inodes-free", _inodes),
    Rule("swap", _swap),
)
