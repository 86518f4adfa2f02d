"""What a phase is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Where the record of a phase lives, and on how many hosts it runs."""

    NODE = "node"  # on each host of the group; record in /var/lib/kprov on that host
    CLUSTER = "cluster"  # once, through the API server; record in a ConfigMap


@dataclass(frozen=True)
class Phase:
    """A named step of `kprov up`.

    name: also the playbook, the role, the page and, as todo_<name>, the group of hosts it runs on.
    title: shown to people, imperative.
    hosts: inventory group whose hosts have this phase.
    reads: variables of roles/cluster that the role reads, besides all of its own; a change of one runs the phase again.
    restarts: what may restart on a host when the phase changes it, for the plan.
    sized: what the phase does depends on the size of the machine; then what follows from it is an input, too.
    rolling: restarts something that a working node needs: nodes go one by one, and after a failure no further one does.
    copies: directories of kprov itself that the phase installs on nodes: a change of one runs the phase again.
    every_node: its variables are settings of each node (phases/node_settings.py): those of all hosts are its inputs.
    """

    name: str
    title: str
    hosts: str
    reads: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ()
    scope: Scope = Scope.NODE
    sized: bool = False
    rolling: bool = False
    every_node: bool = False
    copies: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The group of the generated inventory that holds the hosts this phase must run on."""
        return f"todo_{self.name}"
