"""Inventory -> ClusterSpec.

The entry of `kprov.spec`: `load` for commands that show warnings, `load_spec` for the others.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kprov.errors import InputError, Problem
from kprov.spec.cluster import ClusterSpec, Host
from kprov.spec.connection import connection_of
from kprov.spec.declarations import Declarations, declarations
from kprov.spec.draft import CONTROL_PLANE, NODE, Draft, DraftHost
from kprov.spec.find import find_inventory
from kprov.spec.locate import Locations, scan_inventory
from kprov.spec.report import Report
from kprov.spec.resolve import Resolved, Resolving, Said, Unparsable
from kprov.spec.scan import Place, Scan, as_given
from kprov.spec.secrets import may_leak
from kprov.spec.unparsable import problems_of
from kprov.spec.validate import validate
from kprov.spec.values import typed_values


@dataclass(frozen=True)
class Loaded:
    """A usable inventory, and what is worth saying about it (severity "warning")."""

    spec: ClusterSpec
    warnings: tuple[Problem, ...] = ()


def load_spec(inventory: Path | None = None) -> ClusterSpec:
    """The validated inventory; see `load`."""
    return load(inventory).spec


def load(inventory: Path | None = None, *, unset: Collection[str] = ()) -> Loaded:
    """Read, resolve and check an inventory; without one, the one that `find_inventory` finds.

    unset: variables that count as not set, for a command that makes the very thing they name. Raises InputError with
    every problem at once, warnings included.
    """
    path = find_inventory(inventory)
    with Resolving(path) as resolving:
        scan = scan_inventory(path)
        known = declarations()
        try:
            resolved = resolving.result()
        except Unparsable as error:
            message = f"{path} cannot be read"
            raise InputError(message, problems=problems_of(path, error.said, scan)) from None
    draft, problems = examine(path, resolved, scan, known, unset)
    errors = [p for p in problems if p.severity == "error"]
    if errors:
        message = f"{len(errors)} problem{'s' * (len(errors) > 1)} in {path}"
        raise InputError(message, hint="nothing was touched", problems=problems)
    return Loaded(_spec(draft), tuple(problems))


def examine(
    path: Path, resolved: Resolved, scan: Scan, known: Declarations, unset: Collection[str] = ()
) -> tuple[Draft, list[Problem]]:
    """Everything between reading an inventory and deciding about it: typed values, and every finding of the checks."""
    locations = Locations(scan, resolved)
    report = Report(locations)
    for said in resolved.warnings:
        _repeat(said, path, report)
    draft = _draft(path, resolved, locations, known, report, unset)
    validate(draft, report)
    return draft, report.problems()


def _repeat(said: Said, inventory: Path, report: Report) -> None:
    """A warning of Ansible's as one of ours."""
    if said.text.startswith("Skipping unexpected key"):  # our own check names the line
        return
    text = "Ansible warns (not shown: it may quote a password)" if may_leak(said.text) else said.text
    place = Place(as_given(said.place.file, inventory), said.place.line) if said.place else None
    report.warning("ansible", text, place=place, hint=f"see ansible-inventory -i {inventory} --list")


def _draft(
    path: Path,
    resolved: Resolved,
    locations: Locations,
    known: Declarations,
    report: Report,
    unset: Collection[str],
) -> Draft:
    first = resolved.groups.get(CONTROL_PLANE, ())
    members = dict.fromkeys([*first, *(h for h in resolved.hosts if h in set(resolved.groups.get(NODE, ())))])
    groups_of = _groups_of(resolved)
    hosts = []
    for name in members:
        raw = {key: value for key, value in resolved.hosts[name].items() if key not in unset}
        connection = connection_of(name, raw, report)
        values = typed_values(name, raw, connection.host, known, report)
        hosts.append(DraftHost(name, frozenset(groups_of.get(name, ())), raw, values, connection))
    others = tuple(name for name in resolved.hosts if name not in members)
    return Draft(path, tuple(hosts), resolved.groups, others, locations, known)


def _groups_of(resolved: Resolved) -> dict[str, set[str]]:
    """Host -> its groups, parents included; without Ansible's own `all` and `ungrouped`."""
    found: dict[str, set[str]] = {}
    for group, hosts in resolved.groups.items():
        if group not in ("all", "ungrouped"):
            for host in hosts:
                found.setdefault(host, set()).add(group)
    return found


def _spec(draft: Draft) -> ClusterSpec:
    return ClusterSpec(
        inventory=draft.inventory,
        hosts=tuple(Host(h.name, h.connection, h.groups, dict(h.values)) for h in draft.hosts),
    )
