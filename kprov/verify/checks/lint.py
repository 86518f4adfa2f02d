"""Kubelets run with safe settings; what the inventory itself asks for is `kprov plan`'s and `kprov lint`'s to say."""

from __future__ import annotations

from kprov.errors import Problem
from kprov.lint.judge import judge as rows_of
from kprov.lint.judge import problems
from kprov.lint.look import Looked
from kprov.lint.rule import Row as Finding
from kprov.verify.check import Check, Row, from_rows, skipped
from kprov.verify.world import World
from kprov.words import count

ID = "lint"
TITLE = "Kubelets run with safe settings"
HINT = "`kprov lint` shows inventory, files and running values side by side; docs/reference/lint.md explains each rule"


def judge(world: World) -> Check:
    """A row per host, red when a rule says that its node breaks, now or at the next start of the kubelet."""
    if world.looked is None:
        return skipped(ID, TITLE, "the nodes' settings were not looked at")
    found = rows_of(world.looked.nodes)
    silent = {one.host: one.message for one in world.looked.problems if one.severity == "error"}
    rows = [_row(host.name, found, silent.get(host.name)) for host in world.spec.hosts]
    unsafe = len(warnings(world.looked))
    good = f"{count(len({one.rule for one in found}), 'rule')} on {count(len(world.looked.nodes), 'node')}"
    return from_rows(ID, TITLE, rows, good=good + (f"; {unsafe} warnings" if unsafe else ""), hint=HINT)


def _row(host: str, found: tuple[Finding, ...], silent: str | None) -> Row:
    if silent:
        return Row(host, True, f"could not be looked at: {silent}", judged=False)
    broken = [f"{one.rule}: {one.message}" for one in found if one.host == host and one.verdict == "error"]
    return Row(host, not broken, "; ".join(broken))


def warnings(looked: Looked) -> list[Problem]:
    """Unsafe settings that the inventory does not ask for."""
    return problems(one for one in rows_of(looked.nodes) if one.verdict == "warning" and not one.wished)
