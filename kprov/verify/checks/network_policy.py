"""A NetworkPolicy blocks whom it must block and lets in whom it must let in, on every node.

Both directions are proved: before the policy everybody gets through, after it only the friend.
"""

from __future__ import annotations

import json

from kprov.verify.asking import Question, dial, run, seconds_of
from kprov.verify.check import Check, Row, from_rows, skipped
from kprov.verify.objects import PORT, policy
from kprov.verify.pairs import sample
from kprov.verify.world import World
from kprov.words import count

ID = "network-policy"
TITLE = "NetworkPolicies are enforced on every node"
HINT = "the network plugin enforces policies on the node of the pod that is protected: look at its log there"
EFFECTIVE = 20.0  # seconds a policy may take; kube-router needs about 4
SILENT = 2.0  # seconds without an answer that count as blocked
# Seconds until the friend is let in. On a node that has just joined: kube-router's routes-sync-period, and some.
LET_IN = 45.0


def why_not(world: World) -> str | None:
    """Why nothing can be judged."""
    if str(world.spec.hosts[0].variables["network_plugin"]) == "none":
        return "network_plugin is none: whether yours enforces policies is not kprov's to say"
    own = {**world.spec.hosts[0].variables["network_kube_router_args"]}
    if str(own.get("run-firewall", True)).lower() == "false":
        return "network_kube_router_args says run-firewall: false"
    if world.friend is None:
        return "the pod that may pass does not run, see pod-start"
    return None


def strangers(world: World) -> list[tuple[str, str]]:
    """(source, target) hosts: each target is asked by a pod of another node and, for a sample of nodes, of its own."""
    sources = sample(list(world.probes))
    found = []
    for i, target in enumerate(world.targets):
        others = [source for source in sources if source != target]
        if others:
            found.append((others[i % len(others)], target))
        if target in sources:
            found.append((target, target))
    return found


def before(world: World) -> list[Question]:
    """Without the policy the friend gets through everywhere (that strangers do is what pod-to-pod asks)."""
    return _by_friend(world, "before", 6.0) + _by_strangers(world, "before", "answer", 6.0, 6.0)


def stages(world: World) -> list[list[Question]]:
    """The policy; strangers until they are blocked; then the friend."""
    command = [*world.kubectl.argv, "create", "--validate=false", "-f", "-"]
    return [
        [run(f"{ID}/policy", command, stdin=json.dumps(policy(world.namespace)))],
        _by_strangers(world, "blocked", "silence", SILENT, EFFECTIVE),
        _by_friend(world, "let-in", LET_IN),
    ]


def judge(world: World) -> Check:
    """A row per protected host."""
    if reason := why_not(world):
        return skipped(ID, TITLE, reason)
    made = world.answer(f"{ID}/policy")
    if made is None or not made.ok:
        said = f"the policy could not be created: {made.said if made else 'not asked'}"
        return from_rows(ID, TITLE, [Row(world.kubectl.host.name, False, said)], good="", hint=HINT)
    rows = [_row(world, host.name) for host in world.spec.hosts]
    seconds = seconds_of(a for id, a in world.of_check(ID).items() if "/before/" not in id)
    blocked = [a.ended - made.ended for id, a in world.of_check(ID).items() if "/blocked/" in id]
    nodes = count(len(world.targets), "node")
    good = f"pods of {nodes}; seen in force {max(blocked, default=0.0):.1f} s after it was made"
    return from_rows(ID, TITLE, rows, good=good, hint=HINT, seconds=seconds)


def _row(world: World, host: str) -> Row:
    if host not in world.targets:
        return Row(host, True, "no test pod runs there, see pod-start", judged=False)
    said, judged = [], False
    for source, target in strangers(world):
        if target != host:
            continue
        first = world.answer(f"{ID}/before/{source}/{target}")
        then = world.answer(f"{ID}/blocked/{source}/{target}")
        if not first or not first.ok or not then or then.unasked:
            continue
        judged = True
        if not then.ok:
            where = "the same node" if source == target else source
            said.append(f"a pod of {where} that no rule allows still gets through after {EFFECTIVE:.0f} s")
    first, then = world.answer(f"{ID}/before/friend/{host}"), world.answer(f"{ID}/let-in/friend/{host}")
    if first and first.ok and then and not then.unasked:
        if not then.ok:
            said.append(f"the pod that a rule allows is blocked: {then.said}")
    else:
        judged = False
    if said:
        return Row(host, False, "; ".join(said))
    message = "" if judged else "its pod was not reached without a policy either, see pod-to-pod"
    return Row(host, True, message, judged=judged)


def _by_friend(world: World, key: str, until: float) -> list[Question]:
    if world.friend is None:
        return []
    name = world.friend.name
    return [dial(f"{ID}/{key}/friend/{host}", name, pod.ip, PORT, until=until) for host, pod in world.targets.items()]


def _by_strangers(world: World, key: str, want: str, seconds: float, until: float) -> list[Question]:
    return [
        dial(
            f"{ID}/{key}/{source}/{target}",
            world.probes[source].name,
            world.targets[target].ip,
            PORT,
            want=want,
            seconds=seconds,
            until=until,
        )
        for source, target in strangers(world)
    ]
