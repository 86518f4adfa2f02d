"""The plan as a table: what, where, why, and what may restart."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kprov.phases.catalog import phase
from kprov.phases.plan import Plan, Step


def print_plan(console: Console, plan: Plan) -> None:
    """Steps with the same reasons share a row, so that 200 new hosts are not 1400 lines."""
    if plan.steps:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("PHASE", "HOSTS", "WHY", "MAY RESTART"):
            table.add_column(column, overflow="fold")
        for name, reasons, steps in _rows(plan):
            hosts = " ".join(step.host for step in steps)
            table.add_row(name, hosts, "\n".join(map(escape, reasons)), ", ".join(phase(name).restarts) or "-")
        console.print(table)
    for blocked in plan.blocked:
        console.print(f"[yellow]cannot run[/yellow] {blocked.phase} on {blocked.host}: {escape(blocked.why)}")


def _rows(plan: Plan) -> list[tuple[str, tuple[str, ...], list[Step]]]:
    rows: dict[tuple[str, tuple[str, ...]], list[Step]] = {}
    for step in plan.steps:
        rows.setdefault((step.phase, step.reasons), []).append(step)
    return [(name, reasons, steps) for (name, reasons), steps in rows.items()]
