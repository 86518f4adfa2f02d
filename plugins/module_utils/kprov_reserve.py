"""How much of a node pods may use: reservations, hard eviction thresholds, Allocatable. Pure arithmetic.

The only implementation: roles/kubelet reads it through the lookup kprov_reserve, `kprov reserve` and the plan through
kprov/reserve. Sizes are bytes, CPU is thousandths of a core, except where a quantity ("100Mi") is said.

    Allocatable = capacity - kubeReserved - systemReserved - evictionHard

Source of that: k8s.io/kubernetes v1.36.3, GetNodeAllocatableReservation in
pkg/kubelet/cm/node_container_manager_linux.go and MachineInfo in pkg/kubelet/nodestatus/setters.go.
"""

from __future__ import annotations

from fractions import Fraction

from ansible.module_utils.kprov_quantity import (
    GI,
    MI,
    binary_text,
    decimal_text,
    milli,
    parse,
    percentage,
    share,
    whole,
)

PROFILES = ("gke", "eks", "aks", "static")
RESOURCES = ("cpu", "memory", "ephemeral-storage", "pid")

# kprov's own: no cloud publishes a formula for systemd, journald, sshd and the like. On a Debian 12 node they take
# 60 to 120 MiB; the rest is for package upgrades and logins.
SYSTEM_RESERVED = {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "1Gi", "pid": "1000"}
# kprov's own: kubelet, container runtime and a shim per pod (about 12 threads each).
KUBE_RESERVED_PID = "2000"
# awslabs/amazon-eks-ami, nodeadm/internal/kubelet/config.go; the others publish nothing comparable for own disks.
KUBE_RESERVED_STORAGE = "1Gi"

# The kubelet's own defaults (pkg/kubelet/eviction/defaults_linux.go) and, as it has none for processes, kprov's.
EVICTION_HARD = {
    "memory.available": "100Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
    "pid.available": "5%",
}
# A percentage fits small disks: 10 % of 40 GB are 4 GB. Of a 10 TB disk it would keep 1 TB empty. So the kubelet's
# percentage counts up to this many bytes, and from there on the bytes: enough for the images and logs that arrive
# between two looks of the kubelet (10 s).
EVICTION_HARD_MOST = {
    "nodefs.available": ("ephemeral_storage", 20 * GI),
    "imagefs.available": ("image_storage", 30 * GI),
}

# Thousandths of a core to reserve: (for that many further cores, for each). None: for all the rest.
# GKE: cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes; EKS has copied it (nodeadm).
CPU_GKE = ((1, Fraction(60)), (1, Fraction(10)), (2, Fraction(5)), (None, Fraction(5, 2)))
# AKS publishes 60/100/140/180/260/420/740 for 1/2/4/8/16/32/64 cores; these steps go through all seven points.
# learn.microsoft.com/azure/aks/node-resource-reservations
CPU_AKS = ((1, Fraction(60)), (1, Fraction(40)), (2, Fraction(20)), (None, Fraction(10)))
# Per cent of memory to reserve: (of that many further GiB, per cent).
MEMORY_GKE = ((4, 25), (4, 20), (8, 10), (112, 6), (None, 2))
GKE_TINY = 255 * MI  # instead, on machines below 1 GiB
# No formula may take more than a quarter of a machine. AKS has this rule itself; without it EKS's formula with 110 pods
# would take 1465 MiB of a 2 GiB machine.
MOST_OF_MEMORY = Fraction(1, 4)


def reserve(capacity: dict, settings: dict) -> dict:
    """Everything about one node.

    capacity: cpus (cores), memory, hugepages, ephemeral_storage, image_storage (bytes), pids; all whole numbers, the
    last four may be left out. settings: profile, max_pods, and the user's kube_reserved, system_reserved (resource to
    quantity) and eviction_hard (signal to threshold), which are merged over the profile's.

    Returns kube_reserved, system_reserved, eviction_hard (as KubeletConfiguration wants them); reserved and capacity
    (resource to number); allocatable (resource to quantity, as the Node will report it); steps (the arithmetic, line by
    line). ValueError for a quantity that is none and for an unknown profile.
    """
    steps: list[dict] = []
    formula = _formula(capacity, settings, steps)
    kube = _merged(formula, settings.get("kube_reserved") or {}, "kubelet_kube_reserved", steps)
    system = _merged(SYSTEM_RESERVED, settings.get("system_reserved") or {}, "kubelet_system_reserved", [])
    hard = {**eviction_hard_defaults(capacity), **_texts(settings.get("eviction_hard") or {})}
    have = {
        "cpu": int(capacity["cpus"]) * 1000,
        "memory": int(capacity["memory"]),
        "ephemeral-storage": int(capacity.get("ephemeral_storage") or 0),
        "pid": int(capacity.get("pids") or 0),
    }
    parts = {
        "kube_reserved": amounts(kube),
        "system_reserved": amounts(system),
        "eviction_hard": _withheld(hard, have),
        "hugepages": {"memory": int(capacity.get("hugepages") or 0)},
    }
    left = {name: max(0, have[name] - sum(part.get(name, 0) for part in parts.values())) for name in RESOURCES}
    allocatable = {name: text(name, left[name]) for name in RESOURCES if have[name]}
    return {
        "kube_reserved": kube,
        "system_reserved": system,
        "eviction_hard": hard,
        "capacity": have,
        "parts": parts,
        "allocatable": {**allocatable, "pods": str(settings["max_pods"])},
        "steps": steps,
    }


def eviction_hard_defaults(capacity: dict) -> dict:
    """The full set of hard thresholds for a machine: a signal that a user leaves out keeps this one."""
    found = dict(EVICTION_HARD)
    for signal, (disk, most) in EVICTION_HARD_MOST.items():
        if share(found[signal], int(capacity.get(disk) or 0)) > most:
            found[signal] = binary_text(most)
    return found


def amounts(reserved: dict) -> dict:
    """Resource to number: thousandths of a core, bytes, processes."""
    return {name: (milli if name == "cpu" else whole)(parse(value)) for name, value in reserved.items()}


def text(resource: str, number: int) -> str:
    """A number of `amounts` as a quantity, as the API prints it."""
    if resource == "cpu":
        return decimal_text(number)
    return str(number) if resource == "pid" else binary_text(number)


def _formula(capacity: dict, settings: dict, steps: list) -> dict:
    """What the profile says of kubeReserved; each line of the arithmetic goes to steps."""
    profile = settings["profile"]
    if profile not in PROFILES:
        raise ValueError(f"{profile!r} is not a reservation profile: {', '.join(PROFILES)}")
    if profile == "static":
        return {}
    cpu = _cpu(int(capacity["cpus"]), CPU_AKS if profile == "aks" else CPU_GKE, steps)
    memory = {"gke": _memory_gke, "eks": _memory_eks, "aks": _memory_aks}[profile](
        int(capacity["memory"]), int(settings["max_pods"]), steps
    )
    quarter = int(capacity["memory"] * MOST_OF_MEMORY)
    if memory > quarter and profile != "gke":
        memory = quarter
        steps.append(_step("memory", "but at most 25 % of the memory", memory, total=True))
    return {
        "cpu": f"{cpu}m",
        "memory": f"{memory // MI}Mi",
        "ephemeral-storage": KUBE_RESERVED_STORAGE,
        "pid": KUBE_RESERVED_PID,
    }


def _cpu(cores: int, table: tuple, steps: list) -> int:
    """Thousandths of a core, rounded up."""
    total, done = Fraction(0), 0
    for count, each in table:
        here = cores - done if count is None else min(count, cores - done)
        if here <= 0:
            break
        first = done + 1
        done += here
        total += here * each
        which = f"core {first}" if here == 1 else f"cores {first} to {done}"
        steps.append(_step("cpu", f"{which}: {float(each):g}m each", whole(here * each)))
    return whole(total)


def _memory_gke(memory: int, _pods: int, steps: list) -> int:
    if memory < GI:
        steps.append(_step("memory", "less than 1 GiB: 255 MiB", GKE_TINY))
        return GKE_TINY
    total, done = 0, 0
    for gib, percent in MEMORY_GKE:
        here = memory - done if gib is None else min(gib * GI, memory - done)
        if here <= 0:
            break
        amount = here * percent // 100
        which = "of the first" if not done else "of the next" if gib is not None else "of the rest,"
        size = f"{gib} GiB" if gib is not None and here == gib * GI else f"{here / GI:.2f} GiB"
        steps.append(_step("memory", f"{percent} % {which} {size}", amount))
        total, done = total + amount, done + here
    return total


def _memory_eks(_memory: int, pods: int, steps: list) -> int:
    """awslabs/amazon-eks-ami, nodeadm/internal/kubelet/config.go: 11 MiB x maxPods + 255 MiB."""
    steps.append(_step("memory", f"11 MiB for each of {pods} pods", 11 * pods * MI))
    steps.append(_step("memory", "and 255 MiB", 255 * MI))
    return (11 * pods + 255) * MI


def _memory_aks(_memory: int, pods: int, steps: list) -> int:
    """AKS from 1.29 on: 20 MB x maxPods + 50 MB (its MB are MiB), at most 25 % of the memory."""
    steps.append(_step("memory", f"20 MiB for each of {pods} pods", 20 * pods * MI))
    steps.append(_step("memory", "and 50 MiB", 50 * MI))
    return (20 * pods + 50) * MI


def _merged(defaults: dict, own: dict, variable: str, steps: list) -> dict:
    own = _texts(own)
    for name, value in own.items():
        if name in RESOURCES:
            steps.append(_step(name, f"{variable}: {value} instead", amounts({name: value})[name], total=True))
    return {**defaults, **own}


def _texts(values: dict) -> dict:
    """KubeletConfiguration wants text; in an inventory 1000 is a number."""
    return {str(name): str(value) for name, value in values.items()}


def _withheld(hard: dict, have: dict) -> dict:
    """What hard thresholds take from Allocatable: memory and nodefs only; 0 % and 100 % switch a signal off."""
    found = {}
    for signal, name in (("memory.available", "memory"), ("nodefs.available", "ephemeral-storage")):
        threshold = hard.get(signal)
        if threshold is not None and percentage(threshold) not in (0, 100):
            found[name] = share(threshold, have[name])
    return found


def _step(resource: str, words: str, amount: int, total: bool = False) -> dict:
    """A line of the arithmetic. total: it replaces the lines before it instead of adding to them."""
    return {"resource": resource, "text": words, "amount": amount, "total": total}
