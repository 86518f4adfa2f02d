"""Pods reach pods on every other node, with full packets."""

from __future__ import annotations

from dataclasses import replace

from kprov.verify.asking import Question, dial, second_tries, seconds_of
from kprov.verify.check import Check, Row, from_rows
from kprov.verify.kubectl import joined
from kprov.verify.objects import PORT
from kprov.verify.pairs import ordered_pairs
from kprov.verify.world import World

ID = "pod-to-pod"
TITLE = "Pods reach pods on every node"
HINT = "`ip route` on both nodes must lead to the other's pods; an answer that stops on its way means a wrong MTU"
UNTIL = 6.0  # the network plugin may still be writing its rules for a pod that has just become Ready


def pairs(world: World) -> list[tuple[str, str]]:
    """(source, target) hosts that are asked."""
    both = [h.name for h in world.spec.hosts if h.name in world.probes and h.name in world.targets]
    return ordered_pairs(both)


def questions(world: World) -> list[Question]:
    """From the probe pod of each source to the address of the target pod."""
    return [
        dial(f"{ID}/{source}/{target}", world.probes[source].name, world.targets[target].ip, PORT, until=UNTIL)
        for source, target in pairs(world)
    ]


def judge(world: World) -> Check:
    """A row per source, naming the targets it does not reach."""
    broken: dict[str, list[tuple[str, str]]] = {}
    for source, target in pairs(world):
        answer = world.answer(f"{ID}/{source}/{target}")
        if answer is None or answer.unasked:
            continue
        pod = world.targets[target]
        if not answer.ok:
            broken.setdefault(source, []).append((target, f"{pod.ip}:{PORT} said: {answer.said}"))
        elif answer.text.split(" ")[0] != target.lower():
            wrong = f"{pod.ip}:{PORT} is answered by {answer.text.split(' ')[0]!r}"
            broken.setdefault(source, []).append((target, wrong))
    rows = [_row(world, host.name, broken.get(host.name, [])) for host in world.spec.hosts]
    answers = world.of_check(ID).values()
    count = len(pairs(world))
    good = f"{count} of {count} ordered pairs of nodes" + second_tries(answers)
    check = from_rows(ID, TITLE, rows, good=good, hint=HINT, seconds=seconds_of(answers))
    return check if check.ok else _with_suspect(check, broken, count)


def _row(world: World, host: str, broken: list[tuple[str, str]]) -> Row:
    if left_out := world.not_judged(host):
        return left_out
    if not broken:
        return Row(host, True)
    target, said = broken[0]
    return Row(host, False, f"does not reach the pods of {joined([t for t, _ in broken])}; {target} at {said}")


def _with_suspect(check: Check, broken: dict[str, list[tuple[str, str]]], count: int) -> Check:
    """Name the host that every broken pair has in common, if it is one."""
    pairs = [(source, target) for source, targets in broken.items() for target, _ in targets]
    shown = joined([f"{source} -> {target}" for source, target in pairs])
    common = set.intersection(*({source, target} for source, target in pairs))
    suspect = f"; all of them involve {common.pop()}" if len(common) == 1 and len(pairs) > 1 else ""
    return replace(check, detail=f"{len(pairs)} of {count} pairs broken: {shown}{suspect}")
