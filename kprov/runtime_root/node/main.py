"""What a node has in the runtime's root directory, and what the new one is like. Reads only."""

from __future__ import annotations

import os
import time
from typing import Any

from kprov.remote.node import commands, docker, filesystem, mounts, read
from kprov.remote.node.topics import Topics

DEFAULT_ROOTS = {"containerd": "/var/lib/containerd", "docker": "/var/lib/docker"}
SECONDS = 35.0  # for counting; the whole program has 60
COMMAND_SECONDS = 10.0
# What a runtime mounts below its root for its containers, as plugins/module_utils/kprov_runtime_stop.py unmounts.
OWN_MOUNTS = ("overlay", "tmpfs", "nsfs", "proc", "mqueue", "shm")
MANIFESTS = "/etc/kubernetes/manifests"


def collect(question: dict[str, Any]) -> dict[str, Any]:
    """question: runtime (containerd | docker), target, bin_dir.

    Returns {"uid", "errors", "root" (configured), "live_root" (None: it does not run), "size", "target", "static_pods",
    "others"}, what could be found of it.
    """
    topics = Topics()
    answer = topics.answer

    runtime, bin_dir = question["runtime"], question["bin_dir"]
    answer["root"] = root = configured_root(runtime)
    topics.look("live_root", lambda: _docker_root() if runtime == "docker" else _containerd_root(bin_dir))
    topics.look("size", lambda: size(root))
    topics.look("target", lambda: target(root, question["target"]))
    topics.look("static_pods", lambda: [name.rpartition(".")[0] for name in read.names(MANIFESTS)])
    topics.look("others", lambda: _docker_others() if runtime == "docker" else _containerd_others(bin_dir))
    topics.look("image_store", lambda: _image_store() if runtime == "docker" else "")
    return answer


def configured_root(runtime: str) -> str:
    """The root that the runtime's configuration names, else its default."""
    if runtime == "docker":
        document = read.json_object("/etc/docker/daemon.json") or {}
        return os.path.normpath(str(document.get("data-root") or DEFAULT_ROOTS[runtime]))
    for line in read.text_or("/etc/containerd/config.toml").splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip() == "root":
            return os.path.normpath(value.strip().strip("'\""))
    return DEFAULT_ROOTS["containerd"]


def size(root: str) -> dict[str, Any]:
    """Bytes and entries below the root. exact is False if counting took too long: then what its file system uses."""
    end = time.monotonic() + SECONDS
    device = os.stat(root).st_dev  # noqa: PTH116
    used, entries, links, pending = 0, 0, set(), [root]
    while pending:
        if time.monotonic() > end:
            whole = os.statvfs(root)
            blocks, inodes = whole.f_blocks - whole.f_bfree, whole.f_files - whole.f_ffree
            return {"bytes": blocks * whole.f_frsize, "entries": inodes, "exact": False}
        with os.scandir(pending.pop()) as found:
            for entry in found:
                status = entry.stat(follow_symlinks=False)
                entries += 1
                if entry.is_dir(follow_symlinks=False):
                    if status.st_dev == device:
                        pending.append(entry.path)
                elif status.st_nlink > 1:
                    if status.st_ino in links:
                        continue
                    links.add(status.st_ino)
                used += status.st_blocks * 512
    return {"bytes": used, "entries": entries, "exact": True}


def target(root: str, path: str) -> dict[str, Any]:
    """The file system that holds, or will hold, the new directory, and what is in the directory."""
    existing = path
    while not os.path.exists(existing):  # noqa: PTH110
        existing = os.path.dirname(existing)  # noqa: PTH120
    point, kind = mounts.mount(os.path.realpath(existing))
    found = filesystem.filesystem(existing)
    return {
        **found,
        "mount_point": point,
        "type": found["kind"] or kind,
        "read_only": bool(os.statvfs(existing).f_flag & os.ST_RDONLY),
        "same_file_system": os.stat(existing).st_dev == os.stat(root).st_dev,  # noqa: PTH116
        "content": [name for name in read.names(path) if name != "lost+found"][:5],
        "real": os.path.realpath(path),
        "real_root": os.path.realpath(root),
        "mounts_in_root": [p for p, kind in mounts.mounts() if p.startswith(f"{root}/") and kind not in OWN_MOUNTS],
    }


def _containerd_root(bin_dir: str) -> str | None:
    import json

    crictl = commands.find("crictl", bin_dir)
    endpoint = "unix:///run/containerd/containerd.sock"
    said = commands.output([crictl, "--runtime-endpoint", endpoint, "info"], COMMAND_SECONDS) if crictl else None
    return os.path.normpath(json.loads(said)["config"]["containerdRootDir"]) if said else None


def _containerd_others(bin_dir: str) -> list[str]:
    """Tasks of containerd that are not Kubernetes', as namespace/id."""
    ctr = commands.find("ctr", bin_dir)
    if ctr is None:
        return []
    namespaces = (commands.output([ctr, "namespaces", "ls", "--quiet"], COMMAND_SECONDS) or "").split()
    return [
        f"{namespace}/{task}"
        for namespace in namespaces
        if namespace != "k8s.io"
        for task in (commands.output([ctr, "-n", namespace, "tasks", "ls", "--quiet"], COMMAND_SECONDS) or "").split()
    ]


def _docker_root() -> str | None:
    info = docker.get("/info")
    return os.path.normpath(info["DockerRootDir"]) if info else None


def _docker_others() -> list[str]:
    """Names of running containers that are not Kubernetes'."""
    running = docker.get("/containers/json") or []
    return [
        container["Names"][0].lstrip("/")
        for container in running
        if "io.kubernetes.pod.uid" not in (container.get("Labels") or {})
    ]


def _image_store() -> str:
    """containerd if Docker keeps its images there and not in its data-root."""
    info = docker.get("/info") or {}
    status = {str(pair[0]): str(pair[1]) for pair in info.get("DriverStatus") or () if len(pair) == 2}
    return "containerd" if "containerd" in status.get("driver-type", "") else ""
