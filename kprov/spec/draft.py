"""An inventory on its way to a ClusterSpec: what the checks look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.spec.cluster import Connection
from kprov.spec.declarations import Declarations
from kprov.spec.locate import Locations

CONTROL_PLANE = "kube_control_plane"
NODE = "kube_node"


@dataclass(frozen=True)
class DraftHost:
    """A host of the cluster.

    raw: everything Ansible knows about it; values: declared variables in their type, defaults included. A variable
    whose value is wrong is not in values: it has been reported, and no other check looks at it.
    """

    name: str
    groups: frozenset[str]
    raw: Mapping[str, Any] = field(repr=False)
    values: Mapping[str, Any] = field(repr=False)
    connection: Connection

    @property
    def is_control_plane(self) -> bool:
        return CONTROL_PLANE in self.groups

    @property
    def node_name(self) -> str:
        """Name of the Node object; the same rule as roles/cluster/vars/main.yml."""
        return self.name.lower()

    @property
    def ip_text(self) -> str:
        """`ip` for a message."""
        return self.text("ip") or "?"

    def text(self, name: str) -> str | None:
        """A declared text; None if it is empty or wrong."""
        value = self.values.get(name)
        return str(value) if value not in (None, "") else None

    def number(self, name: str) -> int | None:
        """A declared whole number; None if it is wrong."""
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def set_by_user(self, *names: str) -> str | None:
        """The first of the variables that is not at its default: the one to look at."""
        return next((name for name in names if name in self.raw), None)


@dataclass(frozen=True)
class Draft:
    """hosts: control planes first, in the order of their group (Ansible's first one is the first here), then the
    inventory's order.

    groups: all groups with all their hosts; others: hosts that are in no group kprov knows.
    """

    inventory: Path
    hosts: tuple[DraftHost, ...]
    groups: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...]
    locations: Locations = field(repr=False)
    declarations: Declarations = field(repr=False)

    @property
    def control_planes(self) -> tuple[DraftHost, ...]:
        return tuple(host for host in self.hosts if host.is_control_plane)

    def distinct(self, name: str) -> Iterator[tuple[Any, DraftHost]]:
        """Each different value of a variable with the first host that has it. For checks of a value by itself."""
        seen: list[Any] = []
        for host in self.hosts:
            if name in host.values and host.values[name] not in seen:
                seen.append(host.values[name])
                yield host.values[name], host
