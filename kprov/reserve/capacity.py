"""The size of a machine, as the kubelet sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Capacity:
    """Cores online; bytes of memory, of huge pages and of the file systems; processes. 0: not known.

    ephemeral_storage: the file system of /var/lib/kubelet (nodefs); image_storage: that of the runtime's images
    (imagefs), possibly the same one. pids: the smaller of kernel.pid_max and kernel.threads-max.
    """

    cpus: int
    memory: int
    hugepages: int = 0
    ephemeral_storage: int = 0
    image_storage: int = 0
    pids: int = 0
