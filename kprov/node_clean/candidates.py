"""What is to be removed, in the order in which it is: dead containers, unused images, archived journals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kprov.node_clean.dead import GONE, dead_containers, dead_sandboxes
from kprov.node_clean.seen import Journal, Seen
from kprov.node_clean.unused import image_bytes, unused_images

Kind = Literal["container", "sandbox", "image", "journal"]
# What can be missing without making the rest wrong.
SIDE_TOPICS = frozenset({"archived", "filesystems"})


@dataclass(frozen=True)
class Candidate:
    """id: the runtime's, of a journal its path. why: for people. bytes: freed at least. path: what it lies below.

    check: what the module looks at again right before it removes it (plugins/module_utils/kprov_node_clean.py).
    """

    kind: Kind
    id: str
    name: str
    why: str
    bytes: int
    path: str
    check: dict[str, Any]

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {key: value for key, value in asdict(self).items() if key != "check"}

    def order(self) -> dict[str, Any]:
        """What the module gets."""
        return {"kind": self.kind, "id": self.id, **self.check}


def candidates(seen: Seen, keep_journal: int) -> list[Candidate]:
    """keep_journal: bytes of archived journals that stay, the newest ones."""
    failed = {error.partition(":")[0] for error in seen.errors}
    runtime = [] if failed - SIDE_TOPICS else [*_of_runtime(seen)]
    return [*runtime, *_journals(seen, keep_journal)]


def surplus(journals: Sequence[Journal], keep: int) -> list[Journal]:
    """The oldest files, as many as are too many: what `journalctl --vacuum-size` removes. journals: oldest first."""
    total, found = sum(journal.bytes for journal in journals), []
    for journal in journals:
        if total <= keep:
            break
        found.append(journal)
        total -= journal.bytes
    return found


def _of_runtime(seen: Seen) -> Iterator[Candidate]:
    containers = dead_containers(seen)
    sandboxes = dead_sandboxes(seen, {container.id for container, _ in containers})
    dead = {*(one.id for one, _ in containers), *(one.id for one, _ in sandboxes)}
    images = unused_images(seen, dead)
    sizes = image_bytes(seen, images, dead)
    for container, reason in containers:
        name = f"{container.namespace}/{container.pod_name}/{container.name}, attempt {container.attempt}"
        check = {"pod": container.pod, "name": container.name, "reason": reason}
        why = "its pod is gone" if reason == GONE else "ended, and a later attempt has ended since"
        yield Candidate("container", container.id, name, why, _written(seen, container.id), seen.root, check)
    for sandbox, reason in sandboxes:
        name = f"{sandbox.namespace}/{sandbox.pod_name}, sandbox {sandbox.attempt}"
        check = {"pod": sandbox.pod, "reason": reason}
        why = "its pod is gone" if reason == GONE else "ended, and its pod has a newer one"
        yield Candidate("sandbox", sandbox.id, name, why, _written(seen, sandbox.id), seen.root, check)
    for image in images:
        name = ", ".join(image.tags or image.digests) or image.id.removeprefix("sha256:")[:13]
        names = {"references": [*image.tags, *image.digests], "layer": seen.chains.get(image.id, "")}
        yield Candidate("image", image.id, name, "no container uses it", sizes[image.id], seen.root, names)


def _journals(seen: Seen, keep: int) -> Iterator[Candidate]:
    for journal in surplus(seen.journals, keep):
        directory, _, name = journal.path.rpartition("/")
        check = {"inode": journal.inode, "bytes": journal.bytes}
        yield Candidate("journal", journal.path, name, "archived, among the oldest", journal.bytes, directory, check)


def _written(seen: Seen, id: str) -> int:
    """Bytes that a container or a sandbox has written."""
    if id in seen.snapshots:
        return seen.snapshots[id].bytes
    return seen.docker_containers.get(id, ("", 0))[1]
