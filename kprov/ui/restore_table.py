"""`kprov certs restore` for people: what it will put back."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

RESTARTS = (
    "kube-controller-manager and kube-scheduler restart where their file changes; "
    "the API server and etcd read theirs again by themselves"
)


def print_restore(console: Console, backup: str, rows: Sequence[tuple[str, str, str, str, str]]) -> None:
    """rows: host, item, the serial that is there, the one of the backup, when that ends."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("HOST", "ITEM", "NOW", f"BACKUP {backup}", "ENDS"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(RESTARTS, soft_wrap=True)
