"""Which containers and sandboxes the kubelet does not need any more. Pure: what was seen goes in.

Kubernetes warns against garbage collection beside the kubelet's own: it reads its pods' past from dead containers. So
the newest dead container of every name in every pod stays, as with the kubelet itself (its MaxPerPodContainer is 1,
pkg/kubelet/kuberuntime/kuberuntime_gc.go): `kubectl logs --previous`, restart counts and init containers that are done
live on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from kprov.node_clean.seen import Container, Sandbox, Seen

SUPERSEDED, GONE = "superseded", "gone"


def gone_pods(seen: Seen) -> frozenset[str]:
    """Pods of which the runtime has something and the kubelet nothing, as the directory of its pods says.

    None where that directory cannot be the kubelet's: a pod that runs has none in it.
    """
    alive = {sandbox.pod for sandbox in seen.sandboxes if sandbox.ready}
    alive |= {container.pod for container in seen.containers if not container.exited}
    if not alive or not alive <= seen.pods:
        return frozenset()
    every = {sandbox.pod for sandbox in seen.sandboxes} | {container.pod for container in seen.containers}
    return frozenset(pod for pod in every - seen.pods if pod)


def dead_containers(seen: Seen) -> list[tuple[Container, str]]:
    """(container, SUPERSEDED or GONE), in the runtime's order.

    SUPERSEDED: it has ended, and of the same name in the same pod another one has ended after it.
    """
    gone = gone_pods(seen)
    of_name: dict[tuple[str, str], list[Container]] = defaultdict(list)
    for container in seen.containers:
        if container.exited:
            of_name[container.pod, container.name].append(container)
    newest = {max(same, key=lambda one: one.age).id for same in of_name.values()}
    found = []
    for container in seen.containers:
        if container.exited and container.pod in gone:
            found.append((container, GONE))
        elif container.exited and container.pod and container.id not in newest:
            found.append((container, SUPERSEDED))
    return found


def dead_sandboxes(seen: Seen, containers: Collection[str]) -> list[tuple[Sandbox, str]]:
    """(sandbox, SUPERSEDED or GONE). containers: ids of those that go. One with another container in it stays."""
    gone = gone_pods(seen)
    needed = {container.sandbox for container in seen.containers if container.id not in containers}
    newest = {}
    for sandbox in sorted(seen.sandboxes, key=lambda one: (one.created, one.attempt)):
        newest[sandbox.pod] = sandbox.id
    found = []
    for sandbox in seen.sandboxes:
        if sandbox.ready or sandbox.id in needed:
            continue
        if sandbox.pod in gone:
            found.append((sandbox, GONE))
        elif newest[sandbox.pod] != sandbox.id:
            found.append((sandbox, SUPERSEDED))
    return found
