"""Variables that nobody declares: misspelt ones, Kubespray's, and the user's own without `x_`."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from kprov.spec.declarations import is_unchecked
from kprov.spec.draft import Draft
from kprov.spec.kubespray import RENAMED, SWITCHES, not_needed
from kprov.spec.report import Report
from kprov.spec.values import plain_or_none

MISSING = "kprov does not have this feature of Kubespray's: delete the line, or switch it off"
OWN = "a variable of your own must start with x_"


def unknown_variables(draft: Draft, report: Report) -> None:
    """Every variable of every host is declared, is `ansible_*`, or is the user's (`x_*`)."""
    for host in draft.hosts:
        for name, value in host.raw.items():
            if name in draft.declarations or is_unchecked(name):
                continue
            why = not_needed(name, plain_or_none(value))
            if why:
                report.warning("not-needed", f"{name} sets nothing here: {why}", host=host.name, variable=name)
            elif name in RENAMED:
                new = RENAMED[name]
                text = draft.declarations[new].description
                report.error(
                    "renamed-variable", f"{name} is called {new} here", host=host.name, variable=name, hint=text
                )
            else:
                similar = closest(name, draft.declarations)
                report.error(
                    "unknown-variable",
                    f"unknown variable {name}",
                    host=host.name,
                    variable=name,
                    hint=f"did you mean {similar}?" if similar else MISSING if SWITCHES.search(name) else OWN,
                )


def closest(name: str, known: Collection[str]) -> str | None:
    """The known name that is most like this one; None if none is."""
    found = get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.75)
    return found[0] if found else None


def cluster_wide_variables(draft: Draft, report: Report) -> None:
    """Variables that describe the cluster have one value on all hosts; the hosts of the rarest value are named."""
    for name, declaration in draft.declarations.items():
        if not declaration.cluster_wide:
            continue
        values = [(value, [h for h in draft.hosts if h.values.get(name) == value]) for value, _ in draft.distinct(name)]
        if len(values) < 2:
            continue
        parts = [f"{value!r} on {_names([h.name for h in hosts])}" for value, hosts in values]
        odd = min(values, key=lambda item: len(item[1]))[1][0]
        report.error(
            "differs-between-hosts",
            f"{name} must be the same on every host, but is {' and '.join(parts)}",
            host=odd.name,
            variable=name if name in odd.raw else None,
            hint="set it once, for the group all",
        )


def _names(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"
