"""`kubectl logs` works on every node."""

from __future__ import annotations

from kprov.verify.asking import Question, run, seconds_of
from kprov.verify.check import Check, Row, from_rows
from kprov.verify.world import World

ID = "logs"
TITLE = "kubectl logs works on every node"
HINT = "the API server must reach the node's port 10250; `kubectl get csr` shows certificates that wait for approval"
WORDS = "HTTP server on port"  # the first line of agnhost netexec


def questions(world: World) -> list[Question]:
    """The log of each probe pod."""
    kubectl = [*world.kubectl.argv, "-n", world.namespace, "logs", "--request-timeout=10s"]
    return [run(f"{ID}/{host}", [*kubectl, pod.name]) for host, pod in world.probes.items()]


def judge(world: World) -> Check:
    """The log must hold what the program writes when it starts."""
    rows = []
    for host in (h.name for h in world.spec.hosts):
        answer = world.answer(f"{ID}/{host}")
        if answer is None:
            rows.append(Row(host, True, "no test pod runs there, see pod-start", judged=False))
        elif not answer.ok:
            rows.append(Row(host, False, f"kubectl logs: {answer.said}"))
        else:
            good = WORDS in answer.text
            rows.append(Row(host, good, "" if good else f"the log does not hold {WORDS!r} but {answer.text!r}"))
    seconds = seconds_of(world.of_check(ID).values())
    return from_rows(ID, TITLE, rows, good=f"{len(world.probes)} logs read", hint=HINT, seconds=seconds)
