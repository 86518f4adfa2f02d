"""What lies on a node that nobody may need any more, and what is needed to tell. Reads only, asks no API server."""

from __future__ import annotations

from typing import Any

from kprov.node_clean.node import cri, docker_sizes, journals, snapshots
from kprov.remote.node import filesystem, mounts, read
from kprov.remote.node.topics import Topics

# The kubelet makes a directory per pod before it starts anything of the pod, and removes it when the pod is gone.
PODS = "/var/lib/kubelet/pods"
IMAGES = "/var/lib/kprov/artifacts/images.json"


def collect(question: dict[str, Any]) -> dict[str, Any]:
    """question: runtime (containerd | docker), bin_dir.

    Returns {"uid", "errors", "containers", "sandboxes", "images", "pods" (uids), "own_images" (references),
    "archived" (journals), "filesystems" (path to its file system)}, and of containerd {"snapshots", "chains"}, of
    Docker {"docker_containers", "docker_images"}; what could be found of it.
    """
    runtime, bin_dir = question["runtime"], question["bin_dir"]
    topics = Topics()
    answer = topics.answer

    topics.look("containers", lambda: cri.containers(runtime, bin_dir))
    if "containers" in answer:  # else nobody waits again and again for a runtime that hangs
        topics.look("sandboxes", lambda: cri.sandboxes(runtime, bin_dir))
        topics.look("images", lambda: cri.images(runtime, bin_dir))
        topics.look("root", lambda: cri.root(runtime, bin_dir))
        if runtime == "docker":
            topics.look("docker_containers", docker_sizes.containers)
            topics.look("docker_images", docker_sizes.images)
        else:
            ids = [image["id"] for image in answer.get("images", ())]
            topics.look("chains", lambda: cri.chains(ids, bin_dir))
            topics.look("snapshots", lambda: snapshots.snapshots(bin_dir))
    topics.look("pods", lambda: read.names(PODS))
    topics.look("own_images", _own_images)
    topics.look("archived", journals.archived)
    places = [path for path in (answer.get("root"), journals.directory()) if path and read.exists(path)]
    topics.look("filesystems", lambda: {path: _filesystem(path) for path in places})
    return answer


def _own_images() -> list[str]:
    """References of the images that kprov has brought. A damaged record is not taken for an empty one."""
    if not read.exists(IMAGES):
        return []
    record = read.json_object(IMAGES)
    if record is None:
        raise ValueError(f"{IMAGES} is damaged")
    return sorted(record.get("images") or {})


def _filesystem(path: str) -> dict[str, Any]:
    """mount_point, device, free and size in bytes."""
    found = filesystem.filesystem(path)
    return {"mount_point": mounts.mount(path)[0], **{key: found[key] for key in ("device", "free", "size")}}
