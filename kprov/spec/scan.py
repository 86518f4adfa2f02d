"""What a scan of inventory files collects: which file and line names a host, a group or a variable.

Ansible says what the values are (`resolve`), but not where they come from; the scanners only look for places and
never for values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Layer = Literal["inventory", "files"]  # in the inventory itself, or in group_vars/ and host_vars/ beside it
Kind = Literal["group", "host"]


@dataclass(frozen=True)
class Place:
    """A line of a file. file: as the user would write it; line: 1-based."""

    file: str
    line: int


def as_given(file: str, inventory: Path) -> str:
    """A path as Ansible prints it (absolute) in the user's words: relative if the inventory was given so."""
    base = inventory if inventory.is_dir() else inventory.parent
    try:
        return str(base / Path(file).relative_to(base.resolve()))
    except ValueError:
        return file


@dataclass(frozen=True)
class Owner:
    """Who a variable is set for: everything in the inventory about group X, or host_vars/Y."""

    layer: Layer
    kind: Kind
    name: str


@dataclass(frozen=True)
class Fault:
    """Something that Ansible will refuse, or silently not read, at its place. message: what is wrong, a clause."""

    place: Place
    message: str


@dataclass
class Scan:
    """Filled by the scanners in Ansible's order of reading, so that a later entry replaces an earlier one.

    faults: what cannot be parsed; strange: what Ansible skips with a warning; shadowed: vars files that Ansible does
    not read because another one hides them.
    opaque: files that were not scanned (scripts, plugins, vaulted files): what they define has no known place.
    """

    hosts: dict[str, Place] = field(default_factory=dict)
    groups: dict[str, Place] = field(default_factory=dict)
    variables: dict[Owner, dict[str, Place]] = field(default_factory=dict)
    priorities: dict[str, int] = field(default_factory=dict)
    vars_files: dict[Owner, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    strange: list[Fault] = field(default_factory=list)
    shadowed: list[tuple[str, str]] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)

    def host(self, name: str, place: Place) -> None:
        """A host is named. The first place is kept: that is where people look."""
        self.hosts.setdefault(name, place)

    def group(self, name: str, place: Place) -> None:
        """A group is named."""
        self.groups.setdefault(name, place)

    def variable(self, owner: Owner, name: str, place: Place, text: str = "") -> None:
        """A variable is set. text: the value as written, used for ansible_group_priority only."""
        self.variables.setdefault(owner, {})[name] = place
        if name == "ansible_group_priority" and owner.kind == "group" and text.strip("'\" ").isdigit():
            self.priorities[owner.name] = int(text.strip("'\" "))
