"""Why a phase has to run on a host, in words for people. No reason: it is skipped."""

from __future__ import annotations

from typing import Any

from kprov.phases.phase import Phase
from kprov.remote.state import ApiState, Drift, HostState, PhaseState
from kprov.spec.cluster import Host

# Phases after which the host is a Node of the cluster.
JOINING = frozenset({"control_plane", "worker"})


def node_reasons(
    phase: Phase, host: Host, state: HostState, api: ApiState | None, wanted: dict[str, Any]
) -> tuple[str, ...]:
    """Reasons of a phase whose record lives on the node. api: what the cluster's API says, None if it was not asked."""
    record = state.phases.get(phase.name)
    if record is None:
        return ("new host",) if not state.phases else ("not done yet",)
    reasons = list(_record_reasons(record, wanted))
    if phase.name in JOINING:
        if not state.cluster.joined:
            reasons.append("has not joined: /etc/kubernetes/kubelet.conf is missing")
        elif api and api.reachable and host.name.lower() not in api.nodes:
            reasons.append("the cluster has no Node of this name")
    return tuple(reasons)


def cluster_reasons(phase: Phase, state: HostState, wanted: dict[str, Any]) -> tuple[str, ...]:
    """Reasons of a phase whose record lives in the cluster."""
    if state.api is None or not state.api.reachable:
        return (
            ("the API server does not answer, so its state is unknown",) if state.cluster.joined else ("new cluster",)
        )
    record = state.api.phases.get(phase.name)
    return ("not done yet",) if record is None else _record_reasons(record, wanted)


def _record_reasons(record: PhaseState, wanted: dict[str, Any]) -> tuple[str, ...]:
    if record.dirty:
        return ("an earlier run did not finish",)
    if record.fingerprint is None:
        return ("was run without kprov, so its inputs are unknown",)
    return (*_changed_inputs(record.fingerprint, wanted), *(_drifted(drift) for drift in record.drift))


def _changed_inputs(recorded: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, ...]:
    reasons = []
    for name in sorted({*recorded, *wanted}):
        before, now = recorded.get(name), wanted.get(name)
        if before == now:
            continue
        if name == "content":
            reasons.append("kprov's role changed")
        elif name == "artifacts":
            reasons.append("other files or images in the release")
        else:
            reasons.append(f"input {name} {_short(before)} -> {_short(now)}")
    return tuple(reasons)


def _short(value: Any) -> str:
    if value is None:
        return "(unset)"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _drifted(drift: Drift) -> str:
    return f"{drift.what} {'is ' if drift.problem in {'missing', 'inactive'} else ''}{drift.problem}"
