"""Every host of the inventory is a Ready node."""

from __future__ import annotations

from kprov.verify.check import Check, Row, from_rows
from kprov.verify.world import World
from kprov.words import count

ID = "nodes"
TITLE = "Every host is a Ready node"
HINT = "on that host: `systemctl status kubelet`, `journalctl -u kubelet`; a host that never joined: `kprov up`"


def judge(world: World) -> Check:
    """A host that SSH does not reach is named, and red only when its node is not Ready."""
    rows = []
    for host in world.spec.hosts:
        node = world.node(host)
        silent = world.unreachable.get(host.name)
        if node is None:
            message = "the cluster has no Node of this name"
        elif not node.ready:
            message = node.why
        else:
            message = "cordoned" if node.cordoned else ""
        if silent:
            message = f"{message}; not reached by SSH: {silent}".removeprefix("; ")
        rows.append(Row(host.name, node is not None and node.ready, message))
    return from_rows(ID, TITLE, rows, good=f"{count(len(rows), 'node')} Ready", hint=HINT)


def foreign(world: World) -> list[str]:
    """Nodes of the cluster that the inventory does not have."""
    known = {host.name.lower() for host in world.spec.hosts}
    return sorted(set(world.system.nodes) - known)
