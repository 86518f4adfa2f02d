"""A cluster that answers from recordings: what kubectl printed on a real one, and questions that are all answered well.

recorded/system.json, recorded/test.json: `kubectl get` of kube-system and of the test namespace on a healthy cluster of
one control plane and two workers (Kubernetes 1.36.3, kube-router). Fields that nobody reads are left out.
"""

from __future__ import annotations

import copy
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kprov.errors import ConnectError
from kprov.lint.look import Looked
from kprov.remote.dialogue import Completed
from kprov.spec.cluster import ClusterSpec, Host
from kprov.verify.asking import Answer
from kprov.verify.found import namespace_state, system_state
from kprov.verify.kubectl import Kubectl
from kprov.verify.objects import SERVICE
from kprov.verify.world import World
from tests.unit.factories import make_spec
from tests.unit.lint.answers import answered, of_api, of_node, question_in
from tests.unit.lint.nodes import good

RECORDED = Path(__file__).parent / "recorded"
Item = dict[str, Any]


def recorded(name: str) -> list[Item]:
    """Items of a recording, to be spoilt at will."""
    items: list[Item] = json.loads((RECORDED / f"{name}.json").read_text())["items"]
    return items


def pod_of(items: list[Item], prefix: str, node: str | None = None) -> Item:
    """The first pod whose name begins so, on that node."""
    return next(
        i
        for i in items
        if i["kind"] == "Pod" and i["metadata"]["name"].startswith(prefix) and node in (None, i["spec"]["nodeName"])
    )


def unready(item: Item, reason: str = "ContainersNotReady") -> None:
    """Make a recorded pod or node not Ready."""
    for condition in item["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition |= {"status": "False", "reason": reason, "message": "spoilt by a test"}


def good_answer(question: Item) -> Answer:
    """What a healthy cluster answers."""
    kind, id = question["kind"], question["id"]
    text = "ok"
    if kind == "dial" and id.startswith("pod-to-pod/"):
        text = f"{id.split('/')[2]} ...."
    if id.startswith("logs/"):
        text = "Started HTTP server on port 8080"
    if id.endswith("/exec"):
        text = "app version 2.63.0"
    return Answer(ok=True, text=text)


@dataclass
class FakeShell:
    """SSH to a cluster whose kubectl prints the recordings.

    answer: question -> answer; commands: everything that was run, in order; dead: hosts that SSH does not reach.
    """

    system: list[Item] = field(default_factory=lambda: recorded("system"))
    test: list[Item] = field(default_factory=lambda: recorded("test"))
    answer: Callable[[Item], Answer] = good_answer
    namespaces: list[Item] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    fail: dict[str, str | BaseException] = field(
        default_factory=dict
    )  # words of a command -> stderr, or what is raised

    def run(
        self, host: Host, command: str, stdin: str | bytes = b"", *, root: bool = True, timeout: float = 60.0
    ) -> Completed:
        if host.name in self.dead:
            raise ConnectError(f"{host.name} gave no answer within 10 s")
        self.commands.append(f"{host.name}: {command}")
        self.inputs.append(stdin if isinstance(stdin, str) else stdin.decode())
        for words, failure in self.fail.items():
            if words in command:
                if isinstance(failure, BaseException):
                    raise failure
                return Completed("", failure, 1)
        if "kprov.lint.node" in self.inputs[-1]:
            question = question_in(self.inputs[-1])
            return answered(of_api(question["nodes"]) if "nodes" in question else of_node())
        if "kubectl" not in command:
            return Completed(self._asked(self.inputs[-1]), "", 0)
        words = shlex.split(command)
        if "namespaces" in words:
            return _items(self.namespaces)
        if "nodes,pods,deployments" in words:
            return _items(self.system)
        if "pods,services,endpointslices,events" in words:
            return _items(self.test)
        return Completed("ok", "", 0)

    def _asked(self, program: str) -> str:
        job = json.loads(
            json.loads(program.rstrip().splitlines()[-1].removeprefix("main(json.loads(").removesuffix("))"))
        )
        answers = {q["id"]: vars(self.answer(q)) for stage in job["stages"] for q in stage}
        return json.dumps({"answers": answers}) + "\n"

    def deleted(self) -> list[str]:
        """Names of namespaces that somebody deleted, in order."""
        found = []
        for command in self.commands:
            words = shlex.split(command)
            if "delete" in words:
                found += [word for word in words[words.index("namespace") + 1 :] if not word.startswith("-")]
        return found


def world(
    spec: ClusterSpec | None = None,
    system: list[Item] | None = None,
    test: list[Item] | None = None,
    answers: dict[str, Answer] | None = None,
    unreachable: dict[str, str] | None = None,
) -> World:
    """A World made of recordings."""
    spec = spec or make_spec()
    kubectl = Kubectl(FakeShell(), spec.hosts[0])
    return World(
        spec=spec,
        kubectl=kubectl,
        namespace="kprov-verify-test",
        system=system_state(system if system is not None else recorded("system")),
        test=namespace_state(test if test is not None else recorded("test"), SERVICE),
        answers=answers or {},
        unreachable=unreachable or {},
        looked=Looked(tuple(replace(good(), host=host.name) for host in spec.hosts)),
    )


def _items(items: list[Item]) -> Completed:
    return Completed(json.dumps({"items": copy.deepcopy(items)}), "", 0)
