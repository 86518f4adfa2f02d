"""`kprov certs kubeconfig rebuild` for people: what it will do, and what it has done."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kprov.certs.item import Item

RESTARTS = {
    "controller-manager.conf": "kube-controller-manager restarts",
    "scheduler.conf": "kube-scheduler restarts",
    "kubelet.conf": "the kubelet restarts; pods go on",
}


def print_rebuild(console: Console, rows: Sequence[tuple[str, str, str]]) -> None:
    """Announce. rows: host, file, why."""
    table = _table("HOST", "FILE", "WHY", "WHAT RESTARTS")
    for host, name, why in rows:
        table.add_row(host, name, escape(why), RESTARTS.get(name, "nothing but what mounts it"))
    console.print(table)
    console.print("/etc/kubernetes is backed up before; a new file takes the old one's place when it was verified")


def rebuilt_table(console: Console, rows: Sequence[tuple[str, str, Item, str | None]], said: str) -> None:
    """rows: host, file, what it logs in with now, how that is known to be in use or why it is not."""
    if rows:
        table = _table("HOST", "FILE", "LOGS IN AS", "UNTIL", "PROOF")
        for host, name, item, proof in rows:
            certificate = item.certificate
            ends = f"{certificate.not_after:%Y-%m-%d %H:%M}"
            table.add_row(host, name, escape(certificate.subject), ends, escape(proof or "-"))
        console.print(table)
    console.print(escape(said), soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
