"""`kprov status` from what the probe saw."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from kprov.commands.status import _render, status_data
from kprov.remote.state import ApiState, Drift, LockState, ProbeResult, RuntimeRootMove, Unreachable
from tests.unit.factories import converged_states, make_spec, make_state

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SPEC = make_spec()


def report(states: dict[str, ProbeResult], **certificates: datetime) -> dict[str, Any]:
    return status_data(SPEC, states, certificates, NOW)


def shown(data: dict[str, Any]) -> str:
    console = Console(record=True, width=200, file=None)
    with console.capture() as captured:
        _render(console, data)
    return captured.get()


def converged() -> dict[str, ProbeResult]:
    return dict(converged_states(SPEC))


def test_converged_cluster_is_healthy() -> None:
    data = report(converged(), cp1=NOW + timedelta(days=300, hours=1))
    assert data["healthy"]
    assert data["api"] == {"reachable": True, "asked_on": "cp1", "error": None}
    host = data["hosts"][0]
    assert (host["host"], host["role"], host["ready"], host["kubelet_version"]) == (
        "cp1",
        "control plane",
        True,
        "1.36.3",
    )
    assert host["api_certificate_days"] == 300
    assert "6 applied" in shown(data)


def test_dirty_and_drifted_phases_are_named() -> None:
    states = converged()
    state: Any = states["w1"]
    drifted = replace(state.phases["os"], drift=(Drift("/etc/sysctl.d/90-kprov.conf", "differs"),))
    phases = {**state.phases, "os": drifted, "worker": replace(state.phases["worker"], dirty=True)}
    states["w1"] = replace(state, phases=phases)
    data = report(states)
    assert not data["healthy"]
    assert data["hosts"][1]["phases"]["os"]["state"] == "drift"
    text = shown(data)
    assert "drift: os (/etc/sysctl.d/90-kprov.conf differs)" in text
    assert "dirty: worker" in text


def test_runtime_that_hangs_is_named_and_the_host_is_not_healthy() -> None:
    states = converged()
    state: Any = states["w1"]
    states["w1"] = replace(state, runtime={"/run/containerd/containerd.sock": "gives no answer within 5 s"})
    data = report(states)
    assert not data["healthy"]
    assert [host["healthy"] for host in data["hosts"]] == [True, False, True]
    line = "w1: the container runtime hangs: /run/containerd/containerd.sock gives no answer within 5 s"
    assert line in shown(data)


def test_security_modules_of_the_kernels_are_reported() -> None:
    states = converged()
    for name, modules in (("cp1", {"AppArmor": "enabled"}), ("w1", {}), ("w2", {"AppArmor": "enabled"})):
        state: Any = states[name]
        states[name] = replace(state, security_modules=modules)
    text = shown(report(states))
    assert "security modules: AppArmor enabled: cp1 w2" in text
    assert "security modules: neither AppArmor nor SELinux: w1" in text


def test_dead_api_leaves_what_the_nodes_say() -> None:
    states = converged()
    state: Any = states["cp1"]
    states["cp1"] = replace(state, api=ApiState(reachable=False, error="connection refused"))
    data = report(states)
    assert not data["healthy"]
    assert data["api"]["error"] == "connection refused"
    assert [host["ready"] for host in data["hosts"]] == [None] * 3
    assert data["hosts"][1]["phases"]["worker"]["state"] == "applied"
    assert "no answer: connection refused" in shown(data)


def test_host_that_is_down_is_shown_with_what_the_api_knows() -> None:
    data = report({**converged(), "w2": Unreachable("unreachable", "10.1.0.102 port 22: no route to host")})
    host = data["hosts"][2]
    assert not data["healthy"]
    assert (host["reachable"], host["ready"], host["error"]) == (False, True, "10.1.0.102 port 22: no route to host")
    assert host["phases"]["os"]["state"] == "unknown"


def test_everything_down_is_still_a_report() -> None:
    data = report({host.name: Unreachable("unreachable", "down") for host in SPEC.hosts})
    assert data["api"] == {"reachable": False, "asked_on": None, "error": "no control plane could be asked"}
    assert "unreachable" in shown(data)


def test_new_machines_have_nothing_yet() -> None:
    data = report({host.name: make_state(host.name) for host in SPEC.hosts})
    assert not data["healthy"]
    assert {phase["state"] for phase in data["hosts"][0]["phases"].values()} == {"missing"}


def test_lock_and_foreign_nodes_are_shown() -> None:
    states = converged()
    state: Any = states["cp1"]
    nodes = {**state.api.nodes, "stranger": state.api.nodes["w1"]}
    lock = LockState("up", "ann@desk", "2026-06-01T00:00:00Z", "2026-06-01T01:00:00Z", "run", "id")
    states["cp1"] = replace(state, api=replace(state.api, nodes=nodes), lock=lock)
    data = report(states)
    assert data["foreign_nodes"] == ["stranger"]
    assert data["lock"]["holder"] == "ann@desk"
    text = shown(data)
    assert "up by ann@desk" in text
    assert "stranger" in text


def test_a_move_of_the_runtime_that_has_not_ended_is_named_and_not_healthy() -> None:
    states = converged()
    move = RuntimeRootMove("/var/lib/containerd", "/data/containerd", "copied", "2026-05-01T00:00:00Z")
    states["w1"] = replace(states["w1"], runtime_root=move)  # type: ignore[type-var]
    data = report(states)
    assert not data["healthy"]
    assert (
        "w1: container runtime moved from /var/lib/containerd to /data/containerd: not ended, after: copied"
        in shown(data)
    )
    states["w1"] = replace(states["w1"], runtime_root=replace(move, step="finished"))  # type: ignore[type-var]
    data = report(states)
    assert data["hosts"][1]["healthy"]
    assert "the old directory is kept" in shown(data)
