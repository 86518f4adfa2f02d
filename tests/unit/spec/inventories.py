"""Inventories for tests of checks, without a process: what `ansible-inventory --list` would say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kprov.errors import Problem
from kprov.spec.declarations import declarations
from kprov.spec.draft import Draft
from kprov.spec.load import examine
from kprov.spec.resolve import Resolved, parse
from kprov.spec.scan import Scan

FIXTURES = Path(__file__).parent / "fixtures"

Hosts = Mapping[str, Mapping[str, Any]]


def resolved(hosts: Hosts, groups: Mapping[str, list[str]] | None = None) -> Resolved:
    """Hosts named cp... are control planes and all others nodes, unless groups say otherwise."""
    if groups is None:
        groups = {
            "kube_control_plane": [h for h in hosts if h.lower().startswith("cp")],
            "kube_node": [h for h in hosts if not h.lower().startswith("cp")],
        }
    listing: dict[str, Any] = {name: {"hosts": members} for name, members in groups.items()}
    loose = [h for h in hosts if not any(h in members for members in groups.values())]
    listing["ungrouped"] = {"hosts": loose}
    return parse(json.dumps({"_meta": {"hostvars": hosts}, "all": {"children": ["ungrouped", *groups]}, **listing}))


def machines(*names: str, **variables: Any) -> dict[str, dict[str, Any]]:
    """Hosts with addresses 192.0.2.1, .2, ...; the given variables on each."""
    return {name: {"ansible_host": f"192.0.2.{n}", **variables} for n, name in enumerate(names, 1)}


def examined(hosts: Hosts, groups: Mapping[str, list[str]] | None = None) -> tuple[Draft, list[Problem]]:
    return examine(Path("inventory.ini"), resolved(hosts, groups), Scan(), declarations())


def problems(hosts: Hosts, groups: Mapping[str, list[str]] | None = None) -> list[Problem]:
    return examined(hosts, groups)[1]


def codes(hosts: Hosts, groups: Mapping[str, list[str]] | None = None) -> list[str]:
    """Codes of the errors."""
    return [p.code for p in problems(hosts, groups) if p.severity == "error"]


def only_error(hosts: Hosts, groups: Mapping[str, list[str]] | None = None) -> Problem:
    """The one error that there must be."""
    errors = [p for p in problems(hosts, groups) if p.severity == "error"]
    assert len(errors) == 1, errors
    return errors[0]


def with_variable(name: str, value: Any) -> dict[str, dict[str, Any]]:
    """A small good cluster with one variable set on every host."""
    return machines("cp1", "node1", **{name: value})
