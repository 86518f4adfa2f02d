"""Each check on recordings that are spoilt in one way: it is red, on the right host, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kprov.verify.asking import Answer, Question
from kprov.verify.check import Check
from kprov.verify.checks import network_policy
from kprov.verify.run import CHECKS, _ask_host, _first_questions
from kprov.verify.world import World
from tests.unit.factories import make_spec
from tests.unit.verify.fakes import Item, good_answer, pod_of, recorded, unready, world

ALL = [
    "api",
    "nodes",
    "system-pods",
    "pod-start",
    "logs",
    "exec",
    "dns",
    "pod-to-pod",
    "service-ip",
    "node-port",
    "network-policy",
    "lint",
]


def asked(looked_at: World, answer: Callable[[Question], Answer] = good_answer) -> World:
    """The same world after all questions."""
    from dataclasses import replace

    questions = [*_first_questions(looked_at)]
    if not network_policy.why_not(looked_at):
        questions += [q for stage in network_policy.stages(looked_at) for q in stage]
    shell = looked_at.kubectl.shell
    shell.answer = answer  # type: ignore[attr-defined]
    answers = {q["id"]: answer(q) for q in questions}
    for host in looked_at.spec.hosts:
        answers |= _ask_host(looked_at, host)
    return replace(looked_at, answers=answers)


def judged(looked_at: World) -> dict[str, Check]:
    return {check.id: check for check in (judge(looked_at) for judge in CHECKS)}


def red(checks: dict[str, Check]) -> dict[str, list[str]]:
    """Check -> hosts of its red rows."""
    return {c.id: [r.host for r in c.hosts if r.judged and not r.ok] for c in checks.values() if not c.ok}


def refuse(*ids: str, error: str = "connection refused") -> Callable[[Question], Answer]:
    """Good answers to everything but these questions."""
    return lambda q: Answer(ok=False, error=error, first_error=error) if q["id"] in ids else good_answer(q)


def without(items: list[Item], *names: str) -> list[Item]:
    return [i for i in items if not any(i["metadata"]["name"].startswith(name) for name in names)]


def test_healthy_cluster_is_all_green() -> None:
    checks = judged(asked(world()))
    assert list(checks) == ALL
    assert red(checks) == {}
    assert not any(check.skipped for check in checks.values())


def test_node_that_is_not_ready_is_red_and_the_rest_does_not_judge_it() -> None:
    system, test = recorded("system"), recorded("test")
    unready(next(i for i in system if i["kind"] == "Node" and i["metadata"]["name"] == "w2"), "KubeletNotReady")
    for pod in [i for i in test if i["kind"] == "Pod" and i["spec"]["nodeName"] == "w2"]:
        unready(pod)
    checks = judged(asked(world(system=system, test=test)))
    assert red(checks) == {"nodes": ["w2"]}
    assert "KubeletNotReady" in checks["nodes"].detail
    assert [r.host for r in checks["dns"].hosts if not r.judged] == ["w2"]


def test_host_without_a_node_is_red() -> None:
    checks = judged(asked(world(system=without(recorded("system"), "w1"))))
    assert red(checks)["nodes"] == ["w1"]


def test_unreachable_host_with_a_ready_node_is_named_and_green() -> None:
    checks = judged(asked(world(unreachable={"w1": "no route to host"})))
    assert red(checks) == {}
    assert "no route to host" in next(r for r in checks["nodes"].hosts if r.host == "w1").message


@pytest.mark.parametrize(
    ("missing", "host"),
    [
        ("etcd-cp1", "cp1"),
        ("kube-apiserver-cp1", "cp1"),
        ("kube-controller-manager-cp1", "cp1"),
        ("kube-scheduler-cp1", "cp1"),
    ],
)
def test_missing_static_pod_is_red_on_its_control_plane(missing: str, host: str) -> None:
    checks = judged(asked(world(system=without(recorded("system"), missing))))
    assert red(checks) == {"system-pods": [host]}
    assert missing in checks["system-pods"].detail


@pytest.mark.parametrize("name", ["kube-proxy", "kube-router"])
def test_missing_pod_of_a_node_is_red_on_that_node(name: str) -> None:
    system = recorded("system")
    system.remove(pod_of(system, name, "w2"))
    checks = judged(asked(world(system=system)))
    assert red(checks) == {"system-pods": ["w2"]}
    assert name in checks["system-pods"].detail


def test_another_network_plugin_need_not_have_the_pods_of_ours() -> None:
    spec = make_spec(network_plugin="none")
    checks = judged(asked(world(spec, system=without(recorded("system"), "kube-router"))))
    assert red(checks) == {}
    assert "none" in (checks["network-policy"].skipped or "")


def test_no_coredns_is_red_and_says_what_the_deployment_asks_for() -> None:
    system = without(recorded("system"), "coredns-")
    next(i for i in system if i["kind"] == "Deployment")["spec"]["replicas"] = 0
    checks = judged(asked(world(system=system)))
    assert red(checks) == {"system-pods": ["cp1"]}
    assert "asks for 0" in checks["system-pods"].detail


def test_one_coredns_that_is_not_ready_is_red_on_its_host() -> None:
    system = recorded("system")
    pod = pod_of(system, "coredns")
    unready(pod)
    assert red(judged(asked(world(system=system)))) == {"system-pods": [pod["spec"]["nodeName"]]}


def test_pod_that_does_not_start_is_red_there_and_nowhere_else() -> None:
    test = recorded("test")
    unready(pod_of(test, "probe", "w1"))
    checks = judged(asked(world(test=test)))
    assert red(checks) == {"pod-start": ["w1"]}
    assert checks["pod-to-pod"].detail.startswith("4 of 4")


def test_pod_without_a_node_shows_a_scheduler_that_does_nothing() -> None:
    test = recorded("test")
    friend = pod_of(test, "friend")
    friend["spec"], friend["status"] = {}, {"phase": "Pending"}
    checks = judged(asked(world(test=test)))
    assert list(red(checks)) == ["pod-start"]
    assert "scheduler" in checks["pod-start"].detail


@pytest.mark.parametrize(
    ("questions", "expected"),
    [
        (("api/cp1",), {"api": ["cp1"]}),
        (("api/",), {"api": ["cp1"]}),
        (("logs/w1",), {"logs": ["w1"]}),
        (("exec/w1/exec",), {"exec": ["w1"]}),
        (("pod-to-pod/w1/w2",), {"pod-to-pod": ["w1"]}),
        (("service-ip/w2/pod",), {"service-ip": ["w2"]}),
        (("service-ip/w2/api",), {"service-ip": ["w2"]}),
        (("service-ip/w2/node",), {"service-ip": ["w2"]}),
        (("node-port/w1/pod",), {"node-port": ["w1"]}),
        (("node-port/w1/node",), {"node-port": ["w1"]}),
        (("network-policy/let-in/friend/w1",), {"network-policy": ["w1"]}),
        (("network-policy/blocked/w1/w1",), {"network-policy": ["w1"]}),
        (("network-policy/policy",), {"network-policy": ["cp1"]}),
    ],
)
def test_one_bad_answer_is_one_red_row(questions: tuple[str, ...], expected: dict[str, list[str]]) -> None:
    seen = asked(world())
    assert set(questions) <= set(seen.answers), "the question was never asked"
    checks = judged(asked(world(), refuse(*questions)))
    assert red(checks) == expected
    check = checks[next(iter(expected))]
    assert check.hint
    assert "connection refused" in check.detail or "gets through" in check.detail or "pairs broken" in check.detail


def test_name_that_does_not_resolve_is_red_in_dns() -> None:
    checks = judged(asked(world(), refuse("dns/w1/api", error="lookup kubernetes.default: no such host")))
    assert red(checks) == {"dns": ["w1"]}


def test_name_that_resolves_to_something_dead_is_not_the_business_of_dns() -> None:
    assert red(judged(asked(world(), refuse("dns/w1/headless", error="dial tcp 10.244.1.3:8080: refused")))) == {}


def test_answer_of_another_pod_is_red() -> None:
    def crossed(question: Question) -> Answer:
        return Answer(ok=True, text="w1 ...") if question["id"] == "pod-to-pod/cp1/w2" else good_answer(question)

    checks = judged(asked(world(), crossed))
    assert red(checks) == {"pod-to-pod": ["cp1"]}
    assert "answered by 'w1'" in checks["pod-to-pod"].hosts[0].message


def test_host_that_all_broken_pairs_share_is_named() -> None:
    broken = refuse("pod-to-pod/w1/w2", "pod-to-pod/w2/w1", "pod-to-pod/cp1/w2", "pod-to-pod/w2/cp1")
    check = judged(asked(world(), broken))["pod-to-pod"]
    assert "4 of 9 pairs broken" in check.detail
    assert "all of them involve w2" in check.detail


def test_kubelet_that_streams_nothing_is_red_in_exec_and_not_judged_elsewhere() -> None:
    def mute(question: Question) -> Answer:
        if question["id"].endswith("/exec") and "w1" in question["id"]:
            return Answer(ok=False, error="remote error: tls: internal error")
        if question.get("pod") == world().probes["w1"].name:
            return Answer(ok=False, unasked="kubectl port-forward: remote error: tls: internal error")
        return good_answer(question)

    checks = judged(asked(world(), mute))
    assert red(checks) == {"exec": ["w1"]}
    assert [r.host for r in checks["service-ip"].hosts if not r.judged] == ["w1"]


def test_policy_is_not_judged_where_nothing_got_through_before() -> None:
    looked_at = world()
    ids = [q["id"] for q in network_policy.before(looked_at) if q["id"].endswith("/w2")]
    checks = judged(asked(looked_at, refuse(*ids)))
    assert "network-policy" not in red(checks)
    assert [r.host for r in checks["network-policy"].hosts if not r.judged] == ["w2"]


def test_policies_that_the_user_switched_off_are_skipped() -> None:
    spec = make_spec(network_kube_router_args={"run-firewall": False})
    assert "run-firewall" in (judged(asked(world(spec)))["network-policy"].skipped or "")


def test_second_try_is_shown_and_does_not_hide_the_first_error() -> None:
    def late(question: Question) -> Answer:
        if question["id"] == "service-ip/w1/pod":
            return Answer(ok=True, text="w1", first_error="connection refused", tries=3, began=1.0, ended=1.8)
        return good_answer(question)

    detail = judged(asked(world(), late))["service-ip"].detail
    assert "1 only after another try, within 0.8 s (first: connection refused)" in detail


def test_json_of_a_check_is_what_scripts_rely_on() -> None:
    data = judged(asked(world(), refuse("logs/w1")))["logs"].data()
    assert {"id", "ok", "title", "detail", "seconds", "hosts"} <= set(data)
    assert {"host", "ok", "message"} <= set(data["hosts"][0])
