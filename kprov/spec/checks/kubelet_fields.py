"""What a field of KubeletConfiguration will hold: a variable, with kubelet_config merged over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kprov.spec.draft import Draft, DraftHost


@dataclass(frozen=True)
class Field:
    """value: the merged one. variable: where somebody has set it, the last word first."""

    value: Any
    host: DraftHost
    variable: str


def field(host: DraftHost, variable: str, name: str) -> Field | None:
    """The field of that name on a host; None when its value is wrong in a way that has been reported."""
    if variable not in host.values or "kubelet_config" not in host.values:
        return None
    value, own = host.values[variable], host.values["kubelet_config"].get(name)
    if own is None:
        return Field(value, host, variable)
    if type(own) is not type(value):
        return None
    return Field({**value, **own} if isinstance(value, dict) else own, host, "kubelet_config")


def distinct(draft: Draft, *fields: tuple[str, str]) -> Iterator[tuple[Field, ...]]:
    """Each different combination of fields, as (variable, name), with the first host that has it."""
    seen: list[list[Any]] = []
    for host in draft.hosts:
        found = tuple(one for variable, name in fields if (one := field(host, variable, name)) is not None)
        values = [one.value for one in found]
        if len(found) == len(fields) and values not in seen:
            seen.append(values)
            yield found
