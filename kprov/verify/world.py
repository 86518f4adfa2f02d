"""Everything that a check may look at before and after the questions are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kprov.lint.look import Looked
from kprov.spec.cluster import ClusterSpec, Host
from kprov.verify.asking import Answer, Answers
from kprov.verify.check import Row
from kprov.verify.found import NamespaceState, Node, Pod, SystemState
from kprov.verify.kubectl import Kubectl


@dataclass(frozen=True)
class World:
    """The cluster as it is. Hosts are named as in the inventory, nodes are lower case.

    unreachable: host -> why SSH did not work (known after the questions were asked). looked: settings of the nodes.
    """

    spec: ClusterSpec
    kubectl: Kubectl
    namespace: str
    system: SystemState
    test: NamespaceState
    answers: Answers = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    looked: Looked | None = None

    def node(self, host: Host) -> Node | None:
        """The host's Node object."""
        return self.system.nodes.get(host.name.lower())

    @cached_property
    def probes(self) -> dict[str, Pod]:
        """Host -> the ready pod there that asks."""
        return self._ready("probe")

    @cached_property
    def targets(self) -> dict[str, Pod]:
        """Host -> the ready pod there that answers."""
        return self._ready("target")

    @cached_property
    def friend(self) -> Pod | None:
        """The pod that the policy lets in."""
        return next((p for p in self.test.pods if p.labels.get("app") == "friend" and p.ready), None)

    def _ready(self, app: str) -> dict[str, Pod]:
        found = self.test.of_app(app)
        by_host = {host.name: found.get(host.name.lower()) for host in self.spec.hosts}
        return {name: pod for name, pod in by_host.items() if pod and pod.ready}

    def answer(self, id: str) -> Answer | None:
        """What came back for a question; None if it was not asked."""
        return self.answers.get(id)

    def of_check(self, check: str) -> dict[str, Answer]:
        """All answers to a check's questions, whose ids begin with the check's."""
        return {id: answer for id, answer in self.answers.items() if id.startswith(f"{check}/")}

    def not_judged(self, host: str) -> Row | None:
        """The row of a host from which nothing can be asked because something else is broken there; else None."""
        if host not in self.probes:
            return Row(host, True, "no test pod runs there, see pod-start", judged=False)
        mute = self.answer(f"exec/{host}/forward")
        if mute is not None and mute.unasked:
            return Row(host, True, "its test pod cannot be told to ask, see exec", judged=False)
        return None
