"""`kprov certs check` for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kprov.certs.duration import words
from kprov.certs.finding import Finding, Limits
from kprov.certs.item import Inventory, Item
from kprov.words import count

IN_USE = {True: "[green]yes[/green]", False: "[red]NO[/red]", None: "-"}
COLUMNS = ("HOST", "ITEM", "LEFT", "NOT AFTER (UTC)", "SERVED = DISK", "RENEWED BY")
WIDE = ("WHERE", "SUBJECT", "SANS", "ISSUER", "SERIAL")


def certs_table(
    console: Console, cluster: str, inventory: Inventory, findings: Sequence[Finding], limits: Limits, *, wide: bool
) -> None:
    """One line per item, in the order of the hosts; wide: every column there is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS + (WIDE if wide else ()):
        table.add_column(column, overflow="fold", no_wrap=not wide and column != "ITEM")
    for item in inventory.items:
        table.add_row(*_row(item, inventory, findings, limits), *(_more(item) if wide else ()))
    for machine in inventory.machines:
        for key in machine.private_keys:
            age = f"no end, {words(key.age(inventory.now) or 0)} old"
            more = (key.path, *[""] * (len(WIDE) - 1)) if wide else ()
            table.add_row(machine.host or "-", key.path.rpartition("/")[2], age, "-", "-", "nobody", *more)
    console.print(table)
    console.print(_summary(cluster, inventory, findings), soft_wrap=True)


def _row(item: Item, inventory: Inventory, findings: Sequence[Finding], limits: Limits) -> tuple[str, ...]:
    left = item.left(inventory.now)
    marks = {one.severity for one in findings if (one.host, one.name, one.place) == (item.host, item.name, item.place)}
    colour = "red" if "critical" in marks else "yellow" if marks else "green"
    places = {"bundle": item.place, "served": f"{item.name} {item.place}"}
    return (
        escape(item.host or "-"),
        escape(places.get(item.kind, item.name)),
        f"[{colour}]{words(left)}[/{colour}]",
        f"{item.certificate.not_after:%Y-%m-%d %H:%M}",
        IN_USE[item.served_equal],
        item.renewer.value,
    )


def _more(item: Item) -> tuple[str, ...]:
    certificate = item.certificate
    return tuple(
        escape(text)
        for text in (
            item.place,
            certificate.subject,
            " ".join(certificate.sans),
            certificate.issuer,
            certificate.serial,
        )
    )


def _summary(cluster: str, inventory: Inventory, findings: Sequence[Finding]) -> str:
    first = min((item.left(inventory.now) for item in inventory.items), default=0.0)
    counts = [
        f"{number} {what}"
        for what in ("critical", "warning")
        if (number := sum(one.severity == what for one in findings))
    ]
    unread = [f"{len(inventory.unread)} not read"] if inventory.unread else []
    seen = f"{count(len(inventory.items), 'certificate')} on {count(len(inventory.machines), 'host')}"
    return f"{cluster}: {seen}, the first ends in {words(first)}; {', '.join([*counts, *unread]) or 'all is well'}"
