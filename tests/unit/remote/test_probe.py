"""The whole way: the program through a real sshd to this machine, and its answer as typed values."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from kprov.remote.answer import host_state
from kprov.remote.ask import find_python
from kprov.remote.dialogue import Completed
from kprov.remote.node import main as node_main
from kprov.remote.probe import probe, probe_host, question
from kprov.remote.ssh import Connections
from kprov.remote.state import HostState, PhaseState, ProbeResult, Unreachable
from kprov.spec.cluster import Host
from tests.sshd import Server, free_port
from tests.unit.factories import make_host
from tests.unit.remote.conftest import ssh_host

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the probe runs as root")


@as_root
def test_probe_of_this_machine(sshd: Server) -> None:
    state = probe([ssh_host(sshd, "me", "kube_control_plane")])["me"]
    assert isinstance(state, HostState), state
    assert state.hostname == socket.gethostname()
    assert state.kernel == os.uname().release
    assert state.errors == ()
    assert state.clock_skew == 0.0
    assert state.filesystems["/"].size > 0
    assert state.api is not None
    assert not state.api.reachable


@as_root
def test_listeners_are_those_of_the_ports_that_matter(sshd: Server) -> None:
    host = ssh_host(sshd)
    host = replace(host, variables={**host.variables, "api_server_port": sshd.port})
    state = probe([host])["n1"]
    assert isinstance(state, HostState), state
    assert [(listener.port, listener.process) for listener in state.listeners if listener.port == sshd.port] == [
        (sshd.port, "sshd")
    ]


@as_root
def test_results_are_in_order_and_reported_as_they_come(sshd: Server) -> None:
    hosts = [ssh_host(sshd, "dead", port=free_port()), *(ssh_host(sshd, f"n{n}") for n in range(4))]
    seen: list[tuple[str, ProbeResult]] = []
    results = probe(hosts, on_result=lambda host, result: seen.append((host.name, result)))
    assert list(results) == ["dead", "n0", "n1", "n2", "n3"]
    assert dict(seen) == results
    assert isinstance(results["dead"], Unreachable)
    assert results["dead"].kind == "unreachable"


def test_no_hosts() -> None:
    assert probe([]) == {}


def test_open_connections_are_used_and_left_open(sshd: Server) -> None:
    host = ssh_host(sshd)
    with Connections() as connections:
        before = connections.run(host, "echo $SSH_CLIENT").stdout
        probe([host], connections=connections)
        assert connections.run(host, "echo $SSH_CLIENT").stdout == before


def test_python_that_is_not_there(sshd: Server) -> None:
    result = probe([ssh_host(sshd, python="/opt/none/python3")])["n1"]
    assert isinstance(result, Unreachable)
    assert result.kind == "python"
    assert "/opt/none/python3" in result.message
    assert "ansible_python_interpreter=/usr/" in (result.hint or "")


def test_host_that_does_not_finish_in_time(sshd: Server, tmp_path: Path) -> None:
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    started = time.monotonic()
    result = probe([ssh_host(sshd, python=str(slow))], timeout=2)["n1"]
    assert isinstance(result, Unreachable)
    assert time.monotonic() - started < 6


def answered(host: Host, stdout: str, **fields: Any) -> ProbeResult:
    said = Completed(stdout, fields.pop("stderr", ""), 0, **fields)
    return probe_host(host, Mock(spec=Connections, run=lambda *_, **__: said))


def test_answer_that_is_none() -> None:
    result = answered(make_host("n1"), "", stderr="Traceback: no space left on device")
    assert isinstance(result, Unreachable)
    assert result.kind == "probe"
    assert "no space left" in result.message


@pytest.mark.parametrize("answer", ["{", "{}", '{"uid": 0, "errors": []}', '{"uid": 0, "errors": [], "identity": {}}'])
def test_answer_that_is_damaged(answer: str) -> None:
    result = answered(make_host("n1"), f"KPROV-TIME 1.0\nKPROV-BEGIN {answer} KPROV-END\n")
    assert isinstance(result, Unreachable)
    assert result.kind == "probe"


def test_answer_of_a_user_who_is_not_root() -> None:
    result = answered(make_host("n1"), 'KPROV-TIME 1.0\nKPROV-BEGIN {"uid": 1000, "errors": []} KPROV-END\n')
    assert isinstance(result, Unreachable)
    assert result.kind == "sudo"


def test_old_python() -> None:
    result = answered(make_host("n1"), "KPROV-TIME 1.0\nKPROV-OLD 3.6.8\n")
    assert isinstance(result, Unreachable)
    assert result.kind == "python"
    assert "3.6.8" in result.message


@pytest.mark.parametrize(("clock", "skew"), [(1001.9, 0.0), (1000.1, 0.0), (1010.0, 8.0), (990.0, -10.0)])
def test_clock_skew_is_what_the_round_trip_does_not_explain(clock: float, skew: float) -> None:
    document = node_main.collect(question(make_host("n1")))
    text = f"noise\nKPROV-TIME {clock}\nKPROV-BEGIN {json.dumps({**document, 'uid': 0})} KPROV-END\nnoise"
    result = answered(make_host("n1"), text, sent_at=1000.0, answered_at=1002.0)
    assert isinstance(result, HostState)
    assert result.clock_skew == skew


def test_topic_that_failed_does_not_take_the_rest_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise PermissionError("no")

    for name in ("operating_system",):
        monkeypatch.setattr(node_main.machine, name, broken)
    monkeypatch.setattr(node_main.network, "resolves_itself", broken)
    monkeypatch.setattr(node_main.records, "phases", lambda *_: broken())
    monkeypatch.setattr(node_main.kernel, "features", broken)
    state = host_state(node_main.collect(question(make_host("n1"))), 0.0)
    assert {error.partition(":")[0] for error in state.errors} == {
        "os",
        "resolves_itself",
        "records",
        "kernel_features",
    }
    assert state.phases == {}
    assert state.cpus > 0


def test_records_become_typed_values() -> None:
    document = node_main.collect(question(make_host("n1")))
    record = {"fingerprint": {"a": 1}, "finished": "t", "dirty": True, "drift": [{"what": "/x", "problem": "missing"}]}
    document["records"] = {"phases": {"os": record}, "cluster": "c"}
    document["lock"] = {"operation": "up", "holder": "me@there", "run_id": "1", "extra": 1}
    state = host_state(document, 0.0)
    assert isinstance(state.phases["os"], PhaseState)
    assert state.phases["os"].drift[0].what == "/x"
    assert state.records_cluster == "c"
    assert state.lock is not None
    assert (state.lock.holder, state.lock.expires) == ("me@there", "")


def test_only_control_planes_are_asked_for_the_api() -> None:
    assert question(make_host("cp", "kube_control_plane", api_server_port=8443))["api_server_port"] == 8443
    assert question(make_host("w", "kube_node"))["api_server_port"] is None


def test_python_that_ansible_would_look_for() -> None:
    assert find_python("auto_silent").startswith("p=/usr/bin/python3;")
    assert find_python("/opt/my py").startswith("p='/opt/my py';")
