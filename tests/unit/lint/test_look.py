"""From answers of nodes to rows: whom is asked what, and what a host or an API server that is dead changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kprov.errors import ConnectError
from kprov.lint.judge import judge, of_inventory, problems
from kprov.lint.look import NO_API, look
from kprov.remote.dialogue import Completed
from kprov.spec.cluster import Host
from tests.unit.factories import make_spec, make_state
from tests.unit.lint.answers import answered, of_api, of_node, question_in
from tests.unit.lint.nodes import MACHINE

FOREIGN = "/x/90-foreign.conf"


@dataclass
class FakeShell:
    """dead_api: control planes whose API server does not answer; answers: host to what it says instead."""

    dead: tuple[str, ...] = ()
    dead_api: tuple[str, ...] = ()
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    running: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def run(
        self, host: Host, command: str, stdin: str | bytes = b"", *, root: bool = True, timeout: float = 60.0
    ) -> Completed:
        if host.name in self.dead:
            raise ConnectError(f"{host.name} gave no answer")
        assert isinstance(stdin, bytes)
        question = question_in(stdin.decode())
        if "nodes" not in question:
            return answered(self.answers.get(host.name, of_node()))
        self.asked.append(host.name)
        if host.name in self.dead_api:
            return answered({"uid": 0, "errors": ["configz: ConnectionRefusedError: refused"]})
        return answered(of_api(question["nodes"], **self.running))


def test_a_good_cluster_has_no_findings() -> None:
    spec = make_spec(1, 1)
    shell = FakeShell()
    looked = look(spec, spec.hosts, shell)
    rows = judge(looked.nodes)
    assert looked.problems == ()
    assert [row for row in rows if row.verdict != "ok"] == []
    assert {row.host for row in rows} == {"cp1", "w1"}
    assert shell.asked == ["cp1"]


def test_a_foreign_file_is_found_on_its_node_only() -> None:
    spec = make_spec(1, 1)
    foreign = "readOnlyPort: 10255\nevictionHard: {pid.available: null}"
    looked = look(spec, spec.hosts, FakeShell(answers={"w1": of_node(foreign)}))
    found = problems(judge(looked.nodes))
    assert {(one.host, one.code) for one in found} == {
        ("w1", rule) for rule in ("kubelet-differs", "kubelet-not-restarted", "read-only-port", "eviction-signals")
    }
    assert any(FOREIGN in one.message for one in found)


def test_the_next_control_plane_is_asked_when_the_first_has_no_api() -> None:
    spec = make_spec(2, 0)
    shell = FakeShell(dead_api=("cp1",), running={"maxPods": 50})
    looked = look(spec, spec.hosts, shell)
    assert shell.asked == ["cp1", "cp2"]
    assert {one.code for one in problems(judge(looked.nodes))} == {"kubelet-not-restarted"}


def test_with_every_api_dead_the_rest_is_judged() -> None:
    spec = make_spec(1, 1)
    looked = look(spec, spec.hosts, FakeShell(dead_api=("cp1",), answers={"w1": of_node("maxPods: 300")}))
    assert [one.code for one in looked.problems] == ["api-unreachable"]
    assert "refused" in looked.problems[0].message
    rows = {(row.host, row.rule): row for row in judge(looked.nodes)}
    assert rows["w1", "max-pods"].verdict == "error"
    assert rows["cp1", "max-pods"].verdict == "ok"
    assert rows["w1", "max-pods"].running == "not asked"
    assert {node.unasked for node in looked.nodes} == {NO_API}


def test_a_host_that_is_gone_is_an_error_and_the_others_are_judged() -> None:
    spec = make_spec(1, 1)
    looked = look(spec, spec.hosts, FakeShell(dead=("w1",)))
    assert [(one.host, one.severity) for one in looked.problems] == [("w1", "error")]
    assert [node.host for node in looked.nodes] == ["cp1"]


def test_topics_that_failed_are_named_and_not_judged() -> None:
    spec = make_spec(1, 0)
    half = {"uid": 0, "errors": ["kernel: OSError: no"], "kubelet": of_node()["kubelet"]}
    looked = look(spec, spec.hosts, FakeShell(answers={"cp1": half}))
    assert [one.code for one in looked.problems] == ["probe-incomplete"]
    rows = {row.rule: row.verdict for row in judge(looked.nodes)}
    assert (rows["max-pods"], rows["inotify"]) == ("ok", "unknown")


def test_plan_warns_of_what_the_inventory_asks_for() -> None:
    spec = make_spec(1, 1)
    states = {host.name: make_state(host.name, capacity=MACHINE) for host in spec.hosts}
    assert of_inventory(spec, states) == []
    unsafe = make_spec(1, 0, kubelet_config={"readOnlyPort": 10255, "rotateCertificates": False})
    found = of_inventory(unsafe, states)
    assert [(one.code, one.severity) for one in found] == [
        ("read-only-port", "warning"),
        ("rotate-certificates", "warning"),
    ]
