"""The plan: which phase on which host, and why. Pure: a spec and what the probe saw go in, a Plan comes out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from kprov.phases.catalog import PHASES
from kprov.phases.catalog import phase as phase_named
from kprov.phases.cluster_home import Home, find_home
from kprov.phases.inputs import inputs
from kprov.phases.node_settings import nothing_to_do, undone
from kprov.phases.phase import Phase, Scope
from kprov.phases.reasons import cluster_reasons, node_reasons
from kprov.phases.serving import PHASE as SERVING
from kprov.phases.serving import without_certificate
from kprov.remote.state import HostState, PhaseState, ProbeResult, Unreachable
from kprov.spec.cluster import ClusterSpec, Host


@dataclass(frozen=True)
class Step:
    """One phase on one host. restarts: what may restart there."""

    phase: str
    host: str
    reasons: tuple[str, ...]
    restarts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Blocked:
    """A phase that has to run on a host and cannot; `why` names what is missing."""

    phase: str
    host: str
    why: str


@dataclass(frozen=True)
class Plan:
    """What `kprov up` would do.

    steps: in the order of the catalog, then of the inventory.
    fingerprints: host -> phase -> inputs, recorded when a phase has finished.
    first_control_plane: the host that has the cluster or will create it; None when nothing can be said.
    """

    steps: tuple[Step, ...]
    blocked: tuple[Blocked, ...]
    unreachable: Mapping[str, Unreachable]
    first_control_plane: str | None
    fingerprints: Mapping[str, Mapping[str, dict[str, Any]]] = field(default_factory=dict, repr=False)

    @property
    def empty(self) -> bool:
        """True when there is nothing to do and nothing that cannot be done."""
        return not self.steps and not self.blocked

    def hosts_of(self, phase: str) -> tuple[str, ...]:
        """Hosts on which the phase runs, in order."""
        return tuple(step.host for step in self.steps if step.phase == phase)


def build_plan(
    spec: ClusterSpec,
    states: Mapping[str, ProbeResult],
    *,
    verify_all: bool = False,
    only: Collection[str] = (),
    limit: Collection[str] = (),
    without: Collection[str] = (),
) -> Plan:
    """Compare what the inventory asks with what the probe saw.

    verify_all: run every phase whatever the records say. only: phase names; limit: host names (both empty: all).
    without: hosts that failed earlier in this run and are left alone.
    """
    reachable = {n: s for n, s in states.items() if isinstance(s, HostState) and n not in without}
    home = find_home(spec, states, without)
    steps: list[Step] = []
    blocked: list[Blocked] = []
    fingerprints: dict[str, dict[str, dict[str, Any]]] = {}
    for phase in PHASES:
        if only and phase.name not in only:
            continue
        for host in _hosts(phase, spec, home, reachable):
            if limit and host.name not in limit:
                continue
            if phase.every_node and nothing_to_do(spec, _cluster_record(phase, reachable[host.name])):
                continue
            wanted = inputs(phase, spec, host, reachable[host.name].capacity)
            reasons = _reasons(phase, host, reachable, home, wanted)
            if phase.every_node and not reasons:
                reasons = undone(spec, reachable[host.name].api, _phases_by_host(steps))
            if phase.name == SERVING and not reasons and host.name == home.host:
                reasons = without_certificate(spec, states)
            if verify_all and not reasons:
                reasons = ("--verify-all",)
            if not reasons:
                continue
            obstacle = _obstacle(phase, home)
            if obstacle:
                blocked.append(Blocked(phase.name, host.name, obstacle))
                continue
            fingerprints.setdefault(host.name, {})[phase.name] = wanted
            steps.append(Step(phase.name, host.name, reasons, phase.restarts))
    steps.sort(key=lambda step: _order(step, home))
    unreachable = {n: s for n, s in states.items() if isinstance(s, Unreachable)}
    return Plan(tuple(steps), tuple(blocked), unreachable, home.host, fingerprints)


def _hosts(phase: Phase, spec: ClusterSpec, home: Home, reachable: Collection[str]) -> tuple[Host, ...]:
    hosts = tuple(host for host in spec.group(phase.hosts) if host.name in reachable)
    if phase.scope is Scope.CLUSTER:
        return tuple(host for host in hosts if host.name == (home.host or hosts[0].name))
    return hosts


def _reasons(
    phase: Phase, host: Host, reachable: Mapping[str, HostState], home: Home, wanted: dict[str, Any]
) -> tuple[str, ...]:
    state = reachable[host.name]
    if phase.scope is Scope.CLUSTER:
        return cluster_reasons(phase, state, wanted)
    api = reachable[home.host].api if home.host is not None else None
    return node_reasons(phase, host, state, api, wanted)


def _cluster_record(phase: Phase, state: HostState) -> PhaseState | None:
    return state.api.phases.get(phase.name) if state.api else None


def _phases_by_host(steps: Collection[Step]) -> dict[str, list[Phase]]:
    found: dict[str, list[Phase]] = {}
    for step in steps:
        found.setdefault(step.host, []).append(phase_named(step.phase))
    return found


def _obstacle(phase: Phase, home: Home) -> str | None:
    """Why the phase cannot run on a host that answers: it needs the cluster, and the cluster's home is unknown."""
    needs_cluster = phase.scope is Scope.CLUSTER or phase.name in {"control_plane", "worker"}
    return home.obstacle if needs_cluster else None


def _order(step: Step, home: Home) -> tuple[int, bool]:
    """Catalog order; within a phase the cluster's home first, then (the sort is stable) the inventory's order."""
    index = next(i for i, phase in enumerate(PHASES) if phase.name == step.phase)
    return (index, step.host != home.host)
