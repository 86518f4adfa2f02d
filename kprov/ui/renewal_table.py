"""`kprov certs renew` for people: what it will do, and what it has done."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kprov.certs.duration import words
from kprov.certs.item import Inventory, Item, Renewer
from kprov.certs.renewal import KUBELET_SERVER, Renewal, Renewed

# Measured: the API server and etcd read renewed files again by themselves; a leader that is stopped leaves its lease
# for 15 s to others.
STAYS = "the API server and etcd take renewed certificates without a restart"
RECOVERY = (
    "Certificates have ended and nobody gets through to the API server or etcd: all control planes are renewed at "
    "once, without a snapshot of etcd (/etc/kubernetes is backed up). Pods go on running"
)
PAUSE = "controllers and scheduling pause for up to 20 s"


def print_renewal(console: Console, renewal: Renewal, before: Inventory, control_planes: int) -> None:
    """Announce: item, host, time left, what restarts, how long the API is away."""
    console.print(_announced(renewal, before))
    if renewal.recover:
        console.print(RECOVERY, soft_wrap=True)
        return
    for work in renewal.work:
        if work.restarts:
            console.print(f"{work.host}: restarts {' and '.join(work.restarts)}, one after the other", soft_wrap=True)
    restarted = any(work.restarts for work in renewal.work)
    for line in impact(control_planes, restarted=restarted):
        console.print(line, soft_wrap=True)


def _announced(renewal: Renewal, before: Inventory) -> Table:
    """What happens to each item."""
    table = _table("HOST", "ITEM", "LEFT NOW", "WHAT HAPPENS")
    for work in renewal.etcd:
        for item in work.due:
            table.add_row(work.host, item.name, words(item.left(before.now)), "signed anew with its own key")
        for item in work.unused:
            table.add_row(work.host, item.name, words(item.left(before.now)), "another one is served: looked at again")
    for work in renewal.work:
        for item in work.due:
            names = renewal.names.get(work.host, {}).get(item.name)
            happens = f"issued again, also for {', '.join(names)}" if names else "renewed"
            table.add_row(work.host, item.name, words(item.left(before.now)), escape(happens))
        for item in work.unused:
            table.add_row(work.host, item.name, words(item.left(before.now)), "in order on disk, brought into use")
        for item in work.copies:
            table.add_row(work.host, item.name, words(item.left(before.now)), "gets what admin.conf has now")
    for work in renewal.kubelets:
        for item in work.due:
            asked = item.name == KUBELET_SERVER and item.renewer is Renewer.KUBELET
            happens = "approved, if it asks for its own names" if asked else "new from a restarted kubelet; pods go on"
            table.add_row(work.host, item.name, words(item.left(before.now)), happens)
    return table


def impact(control_planes: int, *, restarted: bool) -> tuple[str, ...]:
    """How much of the cluster is away, and for how long."""
    pause = f"; {PAUSE}" if restarted and control_planes == 1 else ""
    if control_planes >= 3:
        return (f"API: stays up; {STAYS}. One that does not is restarted, while the others answer",)
    away = "the API would be away for 5 to 35 s" if control_planes == 1 else "etcd would be without its majority"
    return (
        f"API: stays up; {STAYS}{pause}",
        f"one that does not is restarted only with --accept-outage, because {away}",
    )


def renewed_table(console: Console, cluster: str, items: Sequence[Renewed], done: str) -> None:
    """Host, item, old and new serial and end, and how it is known that the new one is in use."""
    if items:
        table = _table("HOST", "ITEM", "OLD", "NEW", "PROOF")
        for one in items:
            proof = f"[red]{escape(one.problem)}[/red]" if one.problem else escape(one.proof)
            table.add_row(one.before.host, one.before.name, _about(one.before), _about(one.after), proof)
        console.print(table)
    console.print(f"{cluster}: {done}", soft_wrap=True)


def _about(item: Item | None) -> str:
    """The serial's first digits are enough to tell two apart; JSON has all."""
    return f"{item.certificate.serial[:8]} {item.certificate.not_after:%Y-%m-%d}" if item else "-"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
