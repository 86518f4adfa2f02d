"""Files that are not read, or not as their author thinks."""

from __future__ import annotations

from kprov.spec.checks.variables import closest
from kprov.spec.draft import Draft
from kprov.spec.kubespray import GROUPS
from kprov.spec.report import Report
from kprov.spec.scan import Place


def unread_vars_files(draft: Draft, report: Report) -> None:
    """group_vars/X without a group X, host_vars/X without a host X, and group_vars/X.yml beside group_vars/X/."""
    known_hosts = [*(h.name for h in draft.hosts), *draft.others]
    for owner, file in draft.locations.scan.vars_files.items():
        names = list(draft.groups) if owner.kind == "group" else known_hosts
        if owner.name in names or owner.name in ("all", "ungrouped"):
            continue
        similar = GROUPS.get(owner.name) if owner.kind == "group" else None
        similar = similar or closest(owner.name, names)
        report.warning(
            "unread-file",
            f"{owner.kind} {owner.name} is not in the inventory, so nothing reads this",
            place=Place(file, 0),
            hint=f"did you mean {similar}?" if similar else None,
        )
    for hidden, read in draft.locations.scan.shadowed:
        report.warning(
            "unread-file", f"Ansible reads {read} instead of this", place=Place(hidden, 0), hint="move it there"
        )


def strange_keys(draft: Draft, report: Report) -> None:
    """Keys of a YAML inventory that Ansible skips."""
    for fault in draft.locations.scan.strange:
        report.error_at("unknown-key", fault.message, fault.place, hint="a group has hosts, vars and children")
