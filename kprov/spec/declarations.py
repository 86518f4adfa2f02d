"""Every variable that a role declares in its `meta/argument_specs.yml`, typed.

The only place that says which variables exist. Two families are allowed beside the declared ones: `ansible_*` belongs
to Ansible, `x_*` belongs to the user and is never checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from kprov.content import content_root

Type = Literal["str", "path", "int", "float", "bool", "list", "dict", "raw"]

UNCHECKED_PREFIXES = ("ansible_", "x_")

# Roles whose variables describe the whole cluster, so that every host must agree on them; `ip` is the exception that
# names a host.
CLUSTER_WIDE_ROLES = frozenset({"cluster", "network"})
PER_HOST = frozenset({"ip"})

# libyaml's loader reads a file about ten times faster; PyYAML can be built without it.
SafeLoader = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@dataclass(frozen=True)
class Declaration:
    """One variable. elements: type of a list's items; choices: the only allowed values, empty if any is."""

    name: str
    role: str
    type: Type
    default: Any
    description: str
    choices: tuple[Any, ...] = ()
    elements: Type | None = None

    @property
    def cluster_wide(self) -> bool:
        """True if the variable must be equal on every host of the cluster."""
        return self.role in CLUSTER_WIDE_ROLES and self.name not in PER_HOST

    def fresh_default(self) -> Any:
        """The default, as an object of the caller's own."""
        return deepcopy(self.default)


@dataclass(frozen=True)
class Declarations(Mapping[str, Declaration]):
    """All declarations by name, in the order of roles and files."""

    by_name: dict[str, Declaration] = field(repr=False)

    def __getitem__(self, name: str) -> Declaration:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def of_role(self, role: str) -> tuple[Declaration, ...]:
        """What that role declares; empty for a role without variables."""
        return tuple(d for d in self.by_name.values() if d.role == role)

    def roles(self) -> tuple[str, ...]:
        """Roles that declare something, `cluster` first."""
        return tuple(dict.fromkeys(d.role for d in self.by_name.values()))


def is_unchecked(name: str) -> bool:
    """True for variables that are Ansible's or the user's own business."""
    return name.startswith(UNCHECKED_PREFIXES)


@cache
def declarations() -> Declarations:
    """The declarations of kprov's own roles."""
    return read(content_root() / "roles")


def read(roles: Path) -> Declarations:
    """The declarations below a `roles` directory. Raises ValueError when two roles declare the same variable."""
    found: dict[str, Declaration] = {}
    files = sorted(roles.glob("*/meta/argument_specs.yml"), key=lambda p: (p.parts[-3] != "cluster", p))
    for file in files:
        for declaration in _of_file(file):
            if declaration.name in found:
                other = found[declaration.name].role
                message = f"{declaration.name} is declared by the roles {other} and {declaration.role}"
                raise ValueError(message)
            found[declaration.name] = declaration
    return Declarations(found)


def _of_file(file: Path) -> Iterator[Declaration]:
    role = file.parts[-3]
    content = yaml.load(file.read_text(encoding="utf-8"), Loader=SafeLoader)
    for name, option in content["argument_specs"]["main"].get("options", {}).items():
        description = option.get("description", "")
        yield Declaration(
            name=name,
            role=role,
            type=option.get("type", "str"),
            default=option.get("default"),
            description=" ".join(description) if isinstance(description, list) else str(description).strip(),
            choices=tuple(option.get("choices", ())),
            elements=option.get("elements"),
        )
