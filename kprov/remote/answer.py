"""The probe's JSON -> HostState. A topic that failed on the host gets a neutral value; `errors` names it."""

from __future__ import annotations

from typing import Any

from kprov.remote.state import (
    ApiNode,
    ApiState,
    ClusterState,
    Drift,
    Filesystem,
    HostState,
    Listener,
    LockState,
    OperatingSystem,
    Override,
    PhaseState,
    RuntimeRootMove,
    Usage,
)
from kprov.reserve.capacity import Capacity


def host_state(answer: dict[str, Any], clock_skew: float) -> HostState:
    """clock_skew: seconds. Raises KeyError, TypeError or ValueError if the answer has not the form of node/main.py."""
    identity = answer["identity"]
    system = answer.get("os", {"id": "unknown", "version_id": "", "pretty_name": "an unknown system", "id_like": []})
    resources = answer["resources"]
    records = answer.get("records", {"phases": {}, "cluster": None})
    lock = answer.get("lock")
    move = answer.get("runtime_root")
    settings = records.get("settings", {"not_set": {}, "overridden": ()})
    return HostState(
        **identity,
        clock_skew=clock_skew,
        os=OperatingSystem(**{**system, "id_like": tuple(system["id_like"])}),
        cpus=resources["cpus"],
        memory=resources["memory"],
        swap=tuple(resources["swap"]),
        filesystems={path: Filesystem(**value) for path, value in resources["filesystems"].items()},
        cgroup_version=answer.get("cgroup_version", 2),
        kernel_features=answer.get("kernel_features", {}),
        listeners=tuple(Listener(**value) for value in answer.get("listeners", ())),
        addresses=tuple(answer.get("addresses", ())),
        nameservers=tuple(answer.get("nameservers", ())),
        resolves_itself=answer.get("resolves_itself", True),
        missing_commands=tuple(answer.get("missing_commands", ())),
        firewalls=tuple(answer["firewalls"]) if "firewalls" in answer else None,
        artifacts=answer.get("artifacts"),
        cluster=_cluster(answer.get("cluster", {})),
        phases=_phases(records["phases"]),
        records_cluster=records["cluster"],
        lock=_lock(lock) if lock else None,
        api=_api(answer["api"]) if "api" in answer else None,
        errors=tuple(answer["errors"]),
        logind=answer.get("logind"),
        capacity=Capacity(**answer["capacity"]) if "capacity" in answer else None,
        time_service=answer.get("time_service"),
        usage={name: Usage(**value) for name, value in answer.get("usage", {}).items()},
        sysctl_not_set=dict(settings["not_set"]),
        sysctl_overridden=tuple(Override(**item) for item in settings["overridden"]),
        runtime_root=RuntimeRootMove(**move) if move else None,
        runtime=answer.get("runtime", {}),
        security_modules=answer.get("security_modules"),
    )


def _cluster(value: dict[str, Any]) -> ClusterState:
    return ClusterState(**{**value, "static_pods": tuple(value.get("static_pods", ()))})


def _phases(value: dict[str, Any]) -> dict[str, PhaseState]:
    return {name: PhaseState(**{**p, "drift": tuple(Drift(**d) for d in p["drift"])}) for name, p in value.items()}


def _lock(value: dict[str, Any]) -> LockState:
    names = ("operation", "holder", "since", "expires", "run_id", "controller_id")
    return LockState(**{name: str(value.get(name, "")) for name in names})


def _api(value: dict[str, Any]) -> ApiState:
    return ApiState(
        reachable=value["reachable"],
        error=value["error"],
        nodes={name: ApiNode(**node) for name, node in value.get("nodes", {}).items()},
        phases=_phases(value.get("phases", {})),
    )
