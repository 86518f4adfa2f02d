"""`kprov certs csr export` for people: what was asked for, and of whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def requests_table(console: Console, cluster: str, entries: Sequence[dict[str, Any]], done: str) -> None:
    """entries: of requests.json."""
    if entries:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("HOST", "ITEM", "REQUEST", "TO BE SIGNED BY", "IN PLACE UNTIL"):
            table.add_column(column, overflow="fold")
        for entry in entries:
            ends = str(entry["replaces"]["not_after"])[:10]
            table.add_row(entry["host"], entry["item"], entry["request"], escape(entry["ca_subject"]), ends)
        console.print(table)
    console.print(f"{cluster}: {done}", soft_wrap=True, markup=False)
