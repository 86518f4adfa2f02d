"""`kprov node clean` for people: what will be removed, and what it has brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kprov.node_clean.candidates import Candidate
from kprov.words import count, size

PLURAL = {"container": "dead containers", "sandbox": "dead sandboxes", "image": "unused images", "journal": "journals"}


def print_candidates(console: Console, todo: Sequence[Candidate]) -> None:
    """Every thing, then each kind: how many, how many bytes at least, where."""
    each = _table("WHAT", "NAME", "AT LEAST", "WHY")
    for one in todo:
        each.add_row(one.kind, escape(one.name), size(one.bytes), escape(one.why))
    console.print(each)
    console.print()
    kinds = _table("WHAT", "COUNT", "AT LEAST", "WHERE")
    for kind, words in PLURAL.items():
        mine = [one for one in todo if one.kind == kind]
        if mine:
            kinds.add_row(words, str(len(mine)), size(sum(one.bytes for one in mine)), escape(mine[0].path))
    console.print(kinds)


def print_cleaned(console: Console, data: dict[str, Any], todo: Sequence[Candidate]) -> None:
    """data: of the result. What was listed is printed here for a dry run only: else it was announced before."""
    if data["dry_run"] and todo:
        print_candidates(console, todo)
    if "removed" in data:
        _print_places(console, data)
        names = {one.id: one.name for one in todo}
        for one in data["skipped"]:
            console.print(f"left: {one['kind']} {names[one['id']]}: {one['why']}", markup=False, soft_wrap=True)
    log = f" ({data['seconds']} s; log {data['log']})" if "log" in data else ""
    listed = f", {count(len(todo), 'thing')}, at least {size(data['bytes'])}" if data["dry_run"] and todo else ""
    console.print(f"{data['node']}: {data['message']}{listed}{log}", markup=False, soft_wrap=True)


def _print_places(console: Console, data: dict[str, Any]) -> None:
    """Free bytes are the file system's: others write there, too."""
    table = _table("WHERE", "LISTED", "REMOVED", "FREE BEFORE", "FREE AFTER", "FILE SYSTEM")
    for one in data["filesystems"]:
        if "removed" in one:
            free = (size(one["free_before"]), size(one["free_after"]))
            removed = "not known" if one["removed"] is None else size(one["removed"])
            table.add_row(escape(one["path"]), size(one["listed"]), removed, *free, escape(one["mount_point"]))
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
