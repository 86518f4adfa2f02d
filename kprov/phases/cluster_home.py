"""Which control plane has the cluster, or shall create it.

Getting this wrong creates a second cluster beside the first, so in doubt the answer is an obstacle and not a host.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kprov.remote.state import HostState, ProbeResult
from kprov.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class Home:
    """host: the control plane to ask and to join through; None with an obstacle that says why."""

    host: str | None
    obstacle: str | None = None


def find_home(spec: ClusterSpec, states: Mapping[str, ProbeResult], without: Collection[str] = ()) -> Home:
    """The control plane whose API answers; else one that finished the phase; else one that began it; else the first."""
    names = [h.name for h in spec.group("kube_control_plane")]
    found = {n: s for n in names if n not in without and isinstance(s := states.get(n), HostState)}
    for has_cluster in (_api_answers, _finished, _began):
        for name in names:
            if name in found and has_cluster(found[name]):
                return Home(name)
    missing = [n for n in names if n not in found]
    if missing:
        # One of them may hold the cluster: creating another one would split it.
        return Home(None, f"{', '.join(missing)} may already hold the cluster and cannot be used now")
    return Home(names[0])


def _api_answers(state: HostState) -> bool:
    return state.api is not None and state.api.reachable


def _finished(state: HostState) -> bool:
    record = state.phases.get("control_plane")
    return record is not None and not record.dirty and state.cluster.joined


def _began(state: HostState) -> bool:
    return "control_plane" in state.phases or state.cluster.ca_sha256 is not None
