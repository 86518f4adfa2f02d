"""What crictl 1.36 and ctr of containerd 2.3 said on a lab's control plane, kubelet stopped; see recorded/.

Two attempts of default/crash have ended, `left` is what is left of a pod that the kubelet does not know, two images
that share a layer are unused, and three static pods have a dead container beside the one that runs. Annotations of pods
and containers are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kprov.node_clean.seen import Seen, seen

RECORDED = Path(__file__).parent / "recorded"
UNUSED = ("example.org/unused:1", "example.org/unused:2")


def text(name: str) -> str:
    return (RECORDED / name).read_text()


def listed(name: str) -> Any:
    return json.loads(text(name))


def said(arguments: list[str], timeout: float) -> str | None:
    """Stands for kprov.remote.node.commands.output."""
    words = " ".join(arguments)
    if "snapshots ls" in words:
        return text("snapshots-ls.txt")
    if "snapshots usage" in words:
        return text("snapshots-usage.txt")
    for verb, name in (("ps -o", "ps"), ("pods -o", "pods"), ("images -o", "images"), ("inspecti -o", "inspecti")):
        if f" {verb}" in words:
            return text(f"{name}.json")
    return '{"config": {"containerdRootDir": "/var/lib/containerd"}}' if " info -o" in words else None


def document(**changes: Any) -> dict[str, Any]:
    """The node's answer, as the program makes it of what was recorded."""
    from kprov.node_clean.node import cri, snapshots

    images = cri.images("containerd", "")
    found = {
        "errors": [],
        "containers": cri.containers("containerd", ""),
        "sandboxes": cri.sandboxes("containerd", ""),
        "images": images,
        "root": cri.root("containerd", ""),
        "chains": cri.chains([image["id"] for image in images], ""),
        "snapshots": snapshots.snapshots(""),
        "pods": text("kubelet-pods.txt").split(),
        "own_images": [tag for image in images for tag in image["tags"] if tag not in UNUSED],
    }
    return {**found, **changes}


def node(**changes: Any) -> Seen:
    return seen(document(**changes))
