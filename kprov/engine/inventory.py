"""The inventory that kprov adds beside the user's own: groups todo_<phase> and what the probe and the plan know.

The user's inventory stays the first source, so variables, vault and precedence are Ansible's own business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kprov.phases.catalog import PHASES
from kprov.phases.plan import Plan
from kprov.remote.state import HostState, ProbeResult
from kprov.spec.cluster import ClusterSpec


def generated_inventory(spec: ClusterSpec, states: Mapping[str, ProbeResult], plan: Plan) -> dict[str, Any]:
    """A YAML inventory (as JSON-ready data). An empty todo group costs nothing: Ansible skips the play."""
    children: dict[str, Any] = {p.group: {"hosts": {name: {} for name in plan.hosts_of(p.name)}} for p in PHASES}
    hosts = {}
    for host in spec.hosts:
        state = states.get(host.name)
        if isinstance(state, HostState):
            hosts[host.name] = {
                "node": _facts(state),
                "kprov_fingerprints": plan.fingerprints.get(host.name, {}),
            }
    return {"all": {"hosts": hosts, "children": children}}


def extra_vars(plan: Plan, states: Mapping[str, ProbeResult]) -> dict[str, Any]:
    """Variables of the whole run: each play's group, how many hosts of a rolling phase at a time, home."""
    groups = {phase.group: phase.group for phase in PHASES}
    serial = {
        f"serial_{phase.name}": 1 if any(joined(states.get(host)) for host in plan.hosts_of(phase.name)) else "100%"
        for phase in PHASES
        if phase.rolling
    }
    return {**groups, **serial, "control_plane_first": plan.first_control_plane}


def joined(state: ProbeResult | None) -> bool:
    """Whether the host is a node of a cluster: then others rely on it."""
    return isinstance(state, HostState) and state.cluster.joined


def _facts(state: HostState) -> dict[str, Any]:
    """What roles may read of the probe, so that no play gathers facts."""
    facts: dict[str, Any] = {
        "arch": state.arch,
        "os_family": state.os.family,
        "missing_commands": list(state.missing_commands),
        "joined": state.cluster.joined,
    }
    if state.artifacts is not None:
        facts["artifacts"] = state.artifacts
    if state.firewalls is not None:
        facts["firewalls"] = list(state.firewalls)
    if state.capacity:
        facts["capacity"] = asdict(state.capacity)
    return facts
