"""What cleaning a node has brought: what was removed, by the runtime's and the kernel's own counts, and what is free.

Free bytes of a file system are what everybody gains or loses, and others write there, too. So the bytes of what has
gone are counted as well: snapshots and packed layers that were there before and are not any more.
"""

from __future__ import annotations

import contextlib
import os
import subprocess

from ansible.module_utils.kprov_docker_api import Docker, DockerError
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_runtime_stop import Runtime, StopError

BLOBS = "io.containerd.content.v1.content/blobs/sha256"  # below containerd's root
LEASE = "kprov-node-clean"


# (name to bytes of things that are there or not, bytes of what is only counted all together)
Count = tuple[dict[str, int], int]


class Account:
    """Counts before and after. runtime: its directory is the first place; None: it does not answer."""

    def __init__(self, runtime: Runtime | None) -> None:
        self._runtime = runtime
        self._before: dict[str, Count | None] = {}
        self._free: dict[str, int] = {}
        self._root = ""

    def begin(self, places: list[str]) -> None:
        """places: directories; the first one is the runtime's root, where there is one."""
        self._root = places[0] if self._runtime else ""
        self._before = {path: self._count(path) for path in places}
        self._free = {path: free(path) for path in places}

    def end(self) -> dict[str, dict[str, int | None]]:
        """Place to {"removed" (bytes that are not there any more, None: not known), "free_before", "free_after"}."""
        self._settle()
        found = {}
        for path, before in self._before.items():
            removed = _gone(before, self._count(path))
            found[path] = {"removed": removed, "free_before": self._free[path], "free_after": free(path)}
        return found

    def _count(self, path: str) -> Count | None:
        if self._runtime is None or path != self._root:
            return files(path), 0
        with contextlib.suppress(StopError, DockerError, OSError, ValueError, subprocess.TimeoutExpired):
            return _docker() if self._runtime.name == "docker" else (_containerd(self._runtime, path), 0)
        return None

    def _settle(self) -> None:
        """containerd removes what nobody refers to when it finds the time; a lease given back this way waits for it."""
        if self._runtime is None or self._runtime.name != "containerd":
            return
        with contextlib.suppress(StopError, OSError, subprocess.TimeoutExpired):
            self._runtime.ctr("leases", "create", "--id", LEASE, "--expires", "1m")
            self._runtime.ctr("leases", "delete", "--sync", LEASE)


def free(path: str) -> int:
    """Bytes that are free on the file system of a directory, as the kubelet counts: without what is root's alone."""
    status = os.statvfs(real(path))
    return status.f_bavail * status.f_frsize


def files(path: str) -> dict[str, int]:
    """Name to bytes on disk of the files in a directory; empty without it."""
    with contextlib.suppress(FileNotFoundError), os.scandir(real(path)) as entries:
        return {one.name: one.stat(follow_symlinks=False).st_blocks * 512 for one in entries}
    return {}


def _gone(before: Count | None, after: Count | None) -> int | None:
    if before is None or after is None:
        return None
    things, total = before
    left, total_left = after
    return sum(size for name, size in things.items() if name not in left) + max(0, total - total_left)


def _containerd(runtime: Runtime, root: str) -> dict[str, int]:
    rows = [line.split() for line in runtime.ctr("snapshots", "usage", "-b").splitlines()]
    snapshots = {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[1].isdigit()}  # warnings stand around it
    return {**snapshots, **{f"packed {name}": size for name, size in files(f"{root}/{BLOBS}").items()}}


def _docker() -> tuple[dict[str, int], int]:
    docker = Docker(timeout=60)
    return {one["Id"]: int(one.get("SizeRw") or 0) for one in docker.containers()}, docker.layers_bytes()
