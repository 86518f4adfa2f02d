"""The whole run against recordings: what is created, what is removed, whatever happens."""

from __future__ import annotations

import json
import threading
import time

import pytest

from kprov.errors import CheckError, ConnectError
from kprov.ui.progress import NoProgress
from kprov.verify.asking import Answer
from kprov.verify.objects import OWNER
from kprov.verify.run import Request, Verified, verify
from tests.unit.factories import make_spec
from tests.unit.verify.fakes import FakeShell, Item, good_answer, pod_of, recorded, unready

ME = "controller-1"


def run(shell: FakeShell, control_planes: int = 1, **fields: object) -> Verified:
    request = Request(spec=make_spec(control_planes), shell=shell, progress=NoProgress(), owner=ME, **fields)  # type: ignore[arg-type]
    return verify(request)


def created(shell: FakeShell) -> list[Item]:
    texts = [text for command, text in zip(shell.commands, shell.inputs, strict=True) if " create " in command]
    items: list[Item] = json.loads(texts[0])["items"]
    return items


def name_of(shell: FakeShell) -> str:
    return str(created(shell)[0]["metadata"]["name"])


def namespace(name: str, owner: str, age: float) -> Item:
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))
    return {"kind": "Namespace", "metadata": {"name": name, "creationTimestamp": made, "annotations": {OWNER: owner}}}


def test_healthy_cluster_is_green_with_few_ssh_execs_and_nothing_is_left() -> None:
    shell = FakeShell()
    done = run(shell)
    assert all(check.ok for check in done.checks)
    assert done.problems == ()
    assert shell.deleted() == [name_of(shell)]
    assert len(shell.commands) <= 16


@pytest.mark.parametrize(
    "words", ["nodes,pods,deployments", "pods,services,endpointslices,events", "exec"], ids=["look", "start", "ask"]
)
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ConnectError("gone")], ids=["ctrl-c", "ssh"])
def test_namespace_is_removed_whatever_happens(words: str, failure: BaseException) -> None:
    shell = FakeShell(fail={words: failure})
    with pytest.raises(type(failure)):
        run(shell)
    assert shell.deleted() == [name_of(shell)]


def test_namespace_is_removed_when_creating_fails_half_way() -> None:
    shell = FakeShell(fail={" create ": "Error from server (Forbidden): quota"})
    with pytest.raises(CheckError, match="quota"):
        run(shell)
    assert len(shell.deleted()) == 1


def test_namespace_that_does_not_go_is_a_warning() -> None:
    shell = FakeShell(fail={" delete ": "error: timed out waiting for the condition"})
    done = run(shell)
    assert [p.code for p in done.problems] == ["namespace-left"]
    assert all(check.ok for check in done.checks)


def test_keep_keeps_it() -> None:
    shell = FakeShell()
    done = run(shell, keep=True)
    assert shell.deleted() == []
    assert done.kept == name_of(shell)


def test_leftovers_are_removed_and_runs_of_others_are_not() -> None:
    mine, other, stale = namespace("mine", ME, 5), namespace("other", "c2", 5), namespace("stale", "c2", 5000)
    shell = FakeShell(namespaces=[mine, other, stale])
    assert run(shell).removed == ("mine", "stale")
    assert shell.deleted()[:2] == ["mine", "stale"]


def test_own_namespace_is_no_leftover_while_another_verify_of_ours_runs() -> None:
    shell = FakeShell(namespaces=[namespace("mine", ME, 5)])
    assert run(shell, alone=False).removed == ()


def test_next_control_plane_is_asked_when_the_first_is_dead() -> None:
    shell = FakeShell(dead={"cp1"})
    done = run(shell, control_planes=2)
    assert done.control_plane == "cp2"
    assert "10.1.0.2:6443" in shell.commands[0]


def test_no_api_is_a_check_error_that_says_what_each_control_plane_said() -> None:
    shell = FakeShell(dead={"cp1"}, fail={"/readyz": "The connection to the server was refused"})
    with pytest.raises(CheckError) as caught:
        run(shell, control_planes=2)
    assert [(p.host, p.code) for p in caught.value.problems] == [
        ("cp1", "host-unreachable"),
        ("cp2", "api-unreachable"),
    ]
    assert shell.deleted() == []


def test_dead_worker_is_named() -> None:
    done = run(FakeShell(dead={"w1"}))
    row = next(r for r in done.checks[1].hosts if r.host == "w1")
    assert "no answer" in row.message


def test_after_a_change_pods_get_time_to_become_ready() -> None:
    system = recorded("system")
    unready(pod_of(system, "coredns"))
    shell = FakeShell(system=system)
    threading.Timer(0.5, lambda: setattr(shell, "system", recorded("system"))).start()
    assert all(check.ok for check in run(shell, settle=30.0).checks)


def test_nobody_waits_for_a_node_that_is_gone() -> None:
    system = recorded("system")
    unready(next(i for i in system if i["kind"] == "Node" and i["metadata"]["name"] == "w1"), "NodeStatusUnknown")
    unready(pod_of(system, "kube-proxy", "w1"))
    started = time.monotonic()
    assert [c.id for c in run(FakeShell(system=system), settle=30.0).checks if not c.ok] == ["nodes", "system-pods"]
    assert time.monotonic() - started < 15


def test_node_that_the_inventory_has_not_is_a_warning() -> None:
    system = recorded("system")
    stranger = json.loads(json.dumps(next(i for i in system if i["kind"] == "Node")))
    stranger["metadata"]["name"] = "w9"
    done = run(FakeShell(system=[*system, stranger]))
    assert [(p.code, "w9" in p.message) for p in done.problems] == [("foreign-node", True)]


def test_red_answer_makes_a_red_check_and_still_cleans_up() -> None:
    def broken(question: Item) -> Answer:
        return Answer(ok=False, error="no") if question["id"].startswith("logs/") else good_answer(question)

    shell = FakeShell(answer=broken)
    assert [c.id for c in run(shell).checks if not c.ok] == ["logs"]
    assert shell.deleted() == [name_of(shell)]


def test_pods_have_no_power_and_netexec_is_behind_no_service() -> None:
    shell = FakeShell()
    run(shell)
    items = created(shell)
    for item in items:
        template = item["spec"]["template"]["spec"] if item["kind"] == "DaemonSet" else item.get("spec", {})
        for container in template.get("containers", ()):
            assert template["automountServiceAccountToken"] is False
            assert template["securityContext"]["runAsNonRoot"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["imagePullPolicy"] == "IfNotPresent"
            assert {"operator": "Exists"} in template["tolerations"]
    assert {i["spec"]["selector"]["app"] for i in items if i["kind"] == "Service"} == {"target"}
    assert all(i["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kprov" for i in items)
