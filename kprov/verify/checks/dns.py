"""Pods on every node resolve the names of Services."""

from __future__ import annotations

from kprov.verify.asking import Answer, Question, dial, second_tries, seconds_of
from kprov.verify.check import Check, Row, from_rows
from kprov.verify.objects import HEADLESS, PORT
from kprov.verify.world import World
from kprov.words import count

ID = "dns"
TITLE = "Pods on every node resolve Service names"
HINT = "`kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide`; when pod-to-pod is red as well, mend that first"
# CoreDNS and kube-proxy follow a new Service within a second or so (kube-proxy's minSyncPeriod is 1 s).
UNTIL = 8.0
SECONDS = 12.0  # the resolver's own: two tries of 5 s


def names(world: World) -> dict[str, tuple[str, int]]:
    """Key -> name and port: a full name, and a short headless one that needs the pod's search list."""
    domain = world.spec.hosts[0].variables["dns_domain"]
    return {
        "api": (f"kubernetes.default.svc.{domain}.", 443),
        "headless": (HEADLESS, PORT),
    }


def questions(world: World) -> list[Question]:
    """Each probe pod dials by name; whether anything answers is not this check's business."""
    return [
        dial(f"{ID}/{host}/{key}", pod.name, name, port, until=UNTIL, seconds=SECONDS)
        for host, pod in world.probes.items()
        for key, (name, port) in names(world).items()
    ]


def judge(world: World) -> Check:
    """Red when a name was not resolved."""
    rows = []
    for host in (h.name for h in world.spec.hosts):
        if left_out := world.not_judged(host):
            rows.append(left_out)
            continue
        said = []
        for key, (name, _) in names(world).items():
            answer = world.answer(f"{ID}/{host}/{key}")
            if answer and unresolved(answer):
                said.append(f"{name}: {answer.said}")
        rows.append(Row(host, not said, "; ".join(said)))
    answers = world.of_check(ID).values()
    good = f"{count(len(names(world)), 'name')} from {count(len(world.probes), 'node')}"
    return from_rows(ID, TITLE, rows, good=good + second_tries(answers), hint=HINT, seconds=seconds_of(answers))


def unresolved(answer: Answer) -> bool:
    """netexec resolves first and says "lookup NAME: ..."; a resolver that gives up late says nothing in time."""
    return not answer.ok and ("lookup " in (answer.error or "") or "no answer within" in (answer.error or ""))
