"""A NodePort answers on every node, asked from another node's pod and from the node itself."""

from __future__ import annotations

from kprov.verify.asking import Question, dial, get, second_tries, seconds_of
from kprov.verify.check import Check, from_rows
from kprov.verify.checks.service_ip import SECONDS, UNTIL, failures
from kprov.verify.kubectl import bracketed_url
from kprov.verify.pairs import next_of
from kprov.verify.world import World
from kprov.words import count

ID = "node-port"
TITLE = "A NodePort answers on every node"
HINT = "a firewall on the node may drop 30000-32767; `kubectl -n kube-system logs -l k8s-app=kube-proxy`"


def questions(world: World) -> list[Question]:
    """Each node's port is asked by the pod of the next node."""
    probes = list(world.probes)
    return [
        dial(
            f"{ID}/{host.name}/pod",
            world.probes[next_of(probes, host.name)].name,
            node.address,
            world.test.node_port,
            until=UNTIL,
            seconds=SECONDS,
        )
        for host in world.spec.hosts
        if host.name in world.probes and (node := world.node(host))
    ]


def host_questions(world: World, host: str) -> list[Question]:
    """The node asks its own address."""
    node = world.node(world.spec.host(host))
    if node is None:
        return []
    return [get(f"{ID}/{host}/node", bracketed_url(node.address, world.test.node_port), until=UNTIL, seconds=SECONDS)]


def judge(world: World) -> Check:
    """A row per node whose port was asked."""
    rows = []
    probes = list(world.probes)
    for host in world.spec.hosts:
        if left_out := world.not_judged(host.name):
            rows.append(left_out)
            continue
        node = world.node(host)
        where = f"{node.address}:{world.test.node_port}" if node else ""
        pod = world.answer(f"{ID}/{host.name}/pod")
        asked = {
            f"a pod of {next_of(probes, host.name)} to {where}": pod if pod and not pod.unasked else None,
            f"the node itself to {where}": world.answer(f"{ID}/{host.name}/node"),
        }
        rows.append(failures(host.name, asked))
    answers = world.of_check(ID).values()
    good = f"port {world.test.node_port} of {count(len(world.probes), 'node')}"
    return from_rows(ID, TITLE, rows, good=good + second_tries(answers), hint=HINT, seconds=seconds_of(answers))
