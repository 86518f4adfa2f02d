"""The phase `node` in the plan: what all hosts say about their Nodes, and when there is nothing to say.

Its inputs are variables of each host, though it runs once for all. Node objects change all the time, so the record
names what kprov has set on each, and the probe compares just that (remote/node/node_settings.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kprov.phases.phase import Phase
from kprov.phases.reasons import JOINING
from kprov.remote.state import ApiState
from kprov.spec.cluster import ClusterSpec, Host

RESOURCES = "node_extended_resources"
SETTINGS = ("node_labels", "node_taints", "node_annotations", RESOURCES)
KUBELET = "kubelet.service"


def settings(spec: ClusterSpec) -> dict[str, Any]:
    """ "VARIABLE of HOST" to its value, where there is one."""
    return {
        f"{name} of {host.name}": host.variables[name]
        for host in spec.hosts
        for name in SETTINGS
        if host.variables[name]
    }


def nothing_to_do(spec: ClusterSpec, record: object | None) -> bool:
    """True if nobody has set anything and kprov owns nothing on a Node: it removes the record with the last of it."""
    return record is None and not settings(spec)


def undone(spec: ClusterSpec, api: ApiState | None, running: Mapping[str, Iterable[Phase]]) -> tuple[str, ...]:
    """What phases that run before it in this plan will undo or make possible. running: host to those phases."""
    joining, restarted = [], []
    nodes = api.nodes if api else {}
    for host in spec.hosts:
        phases = tuple(running.get(host.name, ()))
        if not any(host.variables[name] for name in SETTINGS):
            continue
        if host.name.lower() not in nodes and any(phase.name in JOINING for phase in phases):
            joining.append(host)
        elif host.variables[RESOURCES] and any(KUBELET in phase.restarts for phase in phases):
            restarted.append(host)
    reasons = []
    if joining:
        reasons.append(f"joining in this run: {_names(joining)}")
    if restarted:
        reasons.append(f"a kubelet that restarts may set extended resources to 0: {_names(restarted)}")
    return tuple(reasons)


def _names(hosts: list[Host]) -> str:
    names = [host.name for host in hosts]
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"
