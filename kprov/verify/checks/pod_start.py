"""A new pod starts on every node."""

from __future__ import annotations

from kprov.spec.cluster import Host
from kprov.verify.check import Check, Row, from_rows
from kprov.verify.world import World

ID = "pod-start"
TITLE = "New pods start on every node"
HINT = "on that host `journalctl -u kubelet -u containerd`; a missing image (`crictl images`): `kprov up --verify-all`"


def judge(world: World) -> Check:
    """A row per host whose node is Ready; the pod without a node of its own shows that the scheduler works."""
    rows = [_row(world, host) for host in world.spec.hosts]
    if world.friend is None and all(row.ok for row in rows):
        rows.append(Row(world.kubectl.host.name, False, f"the scheduler: {_friendless(world)}"))
    return from_rows(ID, TITLE, rows, good=f"{len(world.test.pods)} pods started", hint=HINT)


def _row(world: World, host: Host) -> Row:
    node = world.node(host)
    if node is None or not node.ready:
        return Row(host.name, True, "its node is not Ready, see nodes", judged=False)
    for app in ("target", "probe"):
        pod = world.test.of_app(app).get(node.name)
        if pod is None:
            said = "; ".join(world.test.complaints) or "the DaemonSet controller has made none for this node"
            return Row(host.name, False, f"no pod {app}: {said}")
        if not pod.ready:
            return Row(host.name, False, f"pod {pod.name}: {pod.why}")
    return Row(host.name, True)


def _friendless(world: World) -> str:
    pod = next((p for p in world.test.pods if p.labels.get("app") == "friend"), None)
    return f"pod friend: {pod.why}" if pod else "the pod friend is gone"
