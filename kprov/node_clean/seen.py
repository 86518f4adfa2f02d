"""What a node said (node/main.py), as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EXITED, READY = "CONTAINER_EXITED", "SANDBOX_READY"


@dataclass(frozen=True)
class Container:
    """created: ns, epoch. attempt: the kubelet's number of it. images: every name by which it may mean its image."""

    id: str
    sandbox: str
    pod: str
    namespace: str
    pod_name: str
    name: str
    attempt: int
    state: str
    created: int
    images: tuple[str, ...]

    @property
    def exited(self) -> bool:
        """Whether it has run and ended. One that was only made, or that the runtime does not know about, has not."""
        return self.state == EXITED

    @property
    def age(self) -> tuple[int, int]:
        """Sorts containers of one name in a pod; Docker knows when they were made to the second only."""
        return self.created, self.attempt


@dataclass(frozen=True)
class Sandbox:
    """What the containers of a pod have in common: network, pause container."""

    id: str
    pod: str
    namespace: str
    pod_name: str
    attempt: int
    state: str
    created: int

    @property
    def ready(self) -> bool:
        """Whether it runs."""
        return self.state == READY


@dataclass(frozen=True)
class Image:
    """tags and digests: full references."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    pinned: bool


@dataclass(frozen=True)
class Snapshot:
    """Of containerd. kind: Committed (a layer of images), Active or View (somebody uses its parent)."""

    parent: str
    kind: str
    bytes: int


@dataclass(frozen=True)
class Journal:
    """An archived file of the journal. written: its last line, seconds, epoch."""

    path: str
    bytes: int
    inode: int
    written: float


@dataclass(frozen=True)
class FileSystem:
    """Bytes; device tells whether two paths share one."""

    mount_point: str
    device: str
    free: int
    size: int


@dataclass(frozen=True)
class Seen:
    """What was there at one moment. errors: what could not be looked at; then its part is empty.

    pods: uids of the pods that the kubelet has. own_images: references of images that kprov brought. chains: image id
    to the snapshot of its topmost layer. filesystems: of the runtime's root and of the journal, by path.
    """

    containers: tuple[Container, ...]
    sandboxes: tuple[Sandbox, ...]
    images: tuple[Image, ...]
    root: str
    pods: frozenset[str]
    own_images: frozenset[str]
    chains: Mapping[str, str]
    snapshots: Mapping[str, Snapshot]
    docker_containers: Mapping[str, tuple[str, int]]
    docker_images: Mapping[str, int]
    journals: tuple[Journal, ...]
    filesystems: Mapping[str, FileSystem]
    errors: tuple[str, ...]


def seen(document: dict[str, Any]) -> Seen:
    """The typed form of a node's answer."""
    containers = [Container(**{**one, "images": tuple(one["images"])}) for one in document.get("containers", ())]
    images = [
        Image(one["id"], tuple(one["tags"]), tuple(one["digests"]), one["pinned"]) for one in document.get("images", ())
    ]
    return Seen(
        containers=tuple(containers),
        sandboxes=tuple(Sandbox(**one) for one in document.get("sandboxes", ())),
        images=tuple(images),
        root=document.get("root", ""),
        pods=frozenset(document.get("pods", ())),
        own_images=frozenset(document.get("own_images", ())),
        chains=document.get("chains", {}),
        snapshots={
            name: Snapshot(one["parent"], one["kind"], one["bytes"] or 0)
            for name, one in document.get("snapshots", {}).items()
        },
        docker_containers={
            name: (one["image"], one["bytes"]) for name, one in document.get("docker_containers", {}).items()
        },
        docker_images=document.get("docker_images", {}),
        journals=tuple(Journal(**one) for one in document.get("archived", ())),
        filesystems={path: FileSystem(**one) for path, one in document.get("filesystems", {}).items()},
        errors=tuple(document.get("errors", ())),
    )
