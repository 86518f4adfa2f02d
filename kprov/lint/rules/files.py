"""The inventory against the files, and the files against what runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kprov.lint.fields import UNSET, Path, leaves, same, shown
from kprov.lint.record import Config, Node
from kprov.lint.rule import Compared, Comparison

MANY = 3  # differences in one cell
SLACK = 2.0  # seconds: the kernel says in whole seconds when it booted
# The kubelet takes the runtime's own word for this, if the runtime knows it; rule cgroup-driver looks after it.
FROM_RUNTIME = ("cgroupDriver",)

Difference = tuple[Path, Any, Any]


def _differs(node: Node) -> Compared:
    wanted, file, running = node.spec.kubelet, node.file.kubelet, node.running.kubelet
    if node.facts.damaged:
        said = "; ".join(f"{path}: {why}" for path, why in node.facts.damaged.items())
        return Compared(problem=f"the kubelet cannot read this at its next start: {said}")
    if wanted is None or file is None:
        return Compared(known=False)
    found = [
        (path, value, file.get(*path)) for path, value in leaves(wanted.fields) if not same(value, file.get(*path))
    ]
    files = dict.fromkeys(_origin(node, path) for path, _, _ in found)
    problem = f"{len(found)} field{'s' * (len(found) > 1)} not as in the inventory, from {', '.join(files)}"
    return Compared(
        spec=_listed(found, 1) if found else "all fields",
        file=_listed(found, 2) if found else "the same",
        running=_listed([(path, None, running.get(*path)) for path, _, _ in found], 2) if found and running else None,
        problem=problem if found else None,
    )


def _origin(node: Node, path: Path) -> str:
    """The file that has the last word on a field; one that is in no file is the kubelet's default."""
    origins = node.facts.origins
    own = [file for leaf, file in origins.items() if leaf[: len(path)] == path or path[: len(leaf)] == leaf]
    return own[-1] if own else "no file"


def _not_restarted(node: Node) -> Compared:
    file, running = node.file.kubelet, node.running.kubelet
    if file is None:
        return Compared(known=False)
    if running is None:
        return _by_time(node)
    found = [
        (path, value, running.get(*path))
        for path, value in leaves(file.fields)
        if path[-1] not in FROM_RUNTIME
        and not same(value, running.get(*path))
        and not _left_to_default(node, path, value, running.get(*path))
    ]
    flags = dict.fromkeys(node.facts.flags[path[0]] for path, _, _ in found if path[0] in node.facts.flags)
    count = f"{len(found)} field{'s' * (len(found) > 1)} of the files not in force"
    why = f"the kubelet's flags win: {' '.join(flags)}" if flags else "the kubelet was not restarted, or a flag wins"
    return Compared(
        file=_listed(found, 1) if found else "all fields",
        running=_listed(found, 2) if found else "the same",
        problem=f"{count}: {why}" if found else None,
    )


def _left_to_default(node: Node, path: Path, value: Any, running: Any) -> bool:
    """kubeadm writes 0 and 0s for "not set"; the kubelet takes a duration of 0s for that in every file."""
    if value is False or (value and value not in UNSET):
        return False
    return node.facts.origins.get(path) == next(iter(node.facts.written), None) or same(running, Config({}).get(*path))


def _by_time(node: Node) -> Compared:
    """Without the API server: a file that is younger than the process."""
    started = node.facts.started
    if started is None:
        return Compared(known=False)
    young = [path for path, time in node.facts.written.items() if time > started + SLACK]
    problem = f"written after the kubelet was started: {', '.join(young)}"
    return Compared(file=", ".join(young) or "all older than the kubelet", problem=problem if young else None)


def _listed(found: Sequence[Difference], side: int) -> str:
    more = f" and {len(found) - MANY} more" if len(found) > MANY else ""
    return ", ".join(shown(one[0], one[side]) for one in found[:MANY]) + more


RULES = (
    Comparison(
        "kubelet-differs", _differs, "put it into kubelet_config for this host, or take the file away; `kprov up`"
    ),
    Comparison("kubelet-not-restarted", _not_restarted, "`systemctl restart kubelet`; containers go on"),
)
