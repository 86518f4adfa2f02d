"""How much of the machine pods may take."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from kprov.lint.record import Config, Facts, View
from kprov.lint.rule import Rule, Word
from kprov.reserve.quantity import quantity

# kprov's own: the most that its profiles withhold is 62 % of the memory, of a machine that has 1 GiB.
MOST = Fraction(2, 3)


def _reservation(view: View, facts: Facts) -> Word | None:
    if view.kubelet is None or facts.capacity is None:
        return None
    amounts = {name: _reserved(view.kubelet, name) for name in ("cpu", "memory")}
    if not view.kubelet.complete and not view.kubelet.get("kubeReserved"):
        return None
    text = f"cpu {float(amounts['cpu']):g}, memory {int(amounts['memory']) // 2**20}Mi"
    for name, whole in (("cpu", facts.capacity.cpus), ("memory", facts.capacity.memory)):
        if amounts[name] >= whole:
            return Word(text, f"all of the {name} is reserved; the kubelet does not start", fatal=True)
        if amounts[name] > whole * MOST:
            return Word(text, f"{round(amounts[name] * 100 / whole)} % of the {name} are reserved, pods get the rest")
    if not amounts["memory"]:
        return Word(text, "no memory is reserved: pods may take what kubelet, runtime and sshd need")
    return Word(text)


def _managers(view: View, facts: Facts) -> Word | None:
    if view.kubelet is None:
        return None
    cpu, memory = view.kubelet.get("cpuManagerPolicy"), view.kubelet.get("memoryManagerPolicy")
    text = f"cpu {cpu}, memory {memory}"
    listed = view.kubelet.get("reservedSystemCPUs")
    if cpu == "static" and not listed and not _reserved(view.kubelet, "cpu"):
        return Word(text, "static CPUs want reserved ones, and none are; the kubelet does not start", fatal=True)
    if memory == "Static" and not view.kubelet.get("reservedMemory"):
        return Word(text, "memoryManagerPolicy Static wants reservedMemory; the kubelet does not start", fatal=True)
    return Word(text)


def _cgroups(view: View, facts: Facts) -> Word | None:
    if view.kubelet is None:
        return None
    enforced = view.kubelet.get("enforceNodeAllocatable") or []
    missing = []
    for name in ("kube", "system"):
        if not any(str(word).startswith(f"{name}-reserved") for word in enforced):
            continue
        cgroup = view.kubelet.get(f"{name}ReservedCgroup")
        if not cgroup:
            missing.append(f"{name}ReservedCgroup is not set")
        elif view.kubelet.complete and facts.cgroups is not None and cgroup not in facts.cgroups:
            missing.append(f"the cgroup {cgroup} does not exist")
    problem = f"{'; '.join(missing)}; the kubelet does not start"
    return Word(", ".join(map(str, enforced)), problem if missing else None, fatal=True)


def _pids(view: View, facts: Facts) -> Word | None:
    if view.kubelet is None:
        return None
    limit, pods = int(view.kubelet.get("podPidsLimit")), int(view.kubelet.get("maxPods"))
    text = f"{limit} per pod"
    room = facts.capacity.pids - int(_reserved(view.kubelet, "pid")) if facts.capacity else 0
    most = int(view.kernel.get("kernel.pid_max", 0))
    if limit <= 0:
        return Word(text, "no limit: one pod can take every process of the node")
    if 0 < room <= limit:
        return Word(text, f"one pod may have {limit} processes, and all pods together have {room}")
    if 0 < most < limit * pods:
        return Word(text, f"{pods} pods with {limit} processes each are more than kernel.pid_max {most}")
    return Word(text)


def _pods(view: View, facts: Facts) -> Word | None:
    if view.kubelet is None:
        return None
    most, room = int(view.kubelet.get("maxPods")), view.pod_addresses
    text = f"{most} pods, {'?' if room is None else room} addresses"
    problem = f"{most} pods may come, and there are {room} addresses: the rest hangs in ContainerCreating"
    return Word(text, problem if room is not None and most > room else None, fatal=True)


def _reserved(config: Config, resource: str) -> Fraction:
    parts: list[Mapping[str, Any]] = [config.get(name) or {} for name in ("kubeReserved", "systemReserved")]
    return sum((quantity(part.get(resource, 0)) or Fraction(0) for part in parts), Fraction(0))


RULES = (
    Rule(
        "reservation",
        _reservation,
        "`kprov reserve` shows the arithmetic; kubelet_kube_reserved and kubelet_system_reserved change it",
        in_plan=True,
    ),
    Rule("static-managers", _managers, "reserve CPU in kubelet_kube_reserved; kprov writes reservedMemory itself"),
    Rule("reserved-cgroup", _cgroups, "use kubelet_enforce_node_allocatable: kprov makes the slices for it"),
    Rule("pod-pids", _pids, "kubelet_pod_pids_limit: 4096; raise kernel.pid_max and kernel.threads-max in os_sysctl"),
    Rule("max-pods", _pods, "lower kubelet_max_pods; the node's part of the pod network cannot be changed later"),
)
