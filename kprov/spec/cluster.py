"""What the user wants: hosts, groups and resolved variables. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Connection:
    """How Ansible would reach the host, from its ansible_* variables."""

    host: str
    port: int = 22
    user: str | None = None
    private_key_file: str | None = None
    ssh_args: tuple[str, ...] = ()  # ansible_ssh_common_args + ansible_ssh_extra_args, split
    become: bool = True
    become_password: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    python: str = "/usr/bin/python3"


@dataclass(frozen=True)
class Host:
    """A machine of the inventory. variables: every declared variable, resolved, defaults included."""

    name: str
    connection: Connection
    groups: frozenset[str]
    variables: dict[str, Any] = field(repr=False)

    @property
    def ip(self) -> str:
        """Address of the host inside the cluster."""
        return str(self.variables["ip"])


@dataclass(frozen=True)
class ClusterSpec:
    """A validated inventory. Order of hosts is the inventory's."""

    inventory: Path
    hosts: tuple[Host, ...]

    @property
    def name(self) -> str:
        """cluster_name, the same on every host (validated)."""
        return str(self.hosts[0].variables["cluster_name"])

    def group(self, name: str) -> tuple[Host, ...]:
        """Hosts of an inventory group.

        `k8s_cluster` is every host, `worker` is kube_node without the control planes.
        """
        if name == "k8s_cluster":
            return self.hosts
        if name == "worker":
            return tuple(h for h in self.hosts if "kube_node" in h.groups and "kube_control_plane" not in h.groups)
        return tuple(h for h in self.hosts if name in h.groups)

    def host(self, name: str) -> Host:
        """The host of that name; KeyError if there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)
