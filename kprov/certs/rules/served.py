"""Whether what runs uses what is on disk: the difference between a renewal and a renewed file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from kprov.certs.duration import words
from kprov.certs.finding import Finding, Limits, about
from kprov.certs.item import Inventory, Item

# Leaders renew their lease every 2 s and lose it after 15 (component-base, leader election's defaults).
LEASE_AGE = 60.0


def differs(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """A process that serves, or was started with, another certificate than the file's."""
    for item in inventory.items:
        if item.served_equal is not False:
            continue
        if item.kind == "kubeconfig":
            yield about(item, "loaded-before-change", "critical", _loaded(item), "kprov certs renew restarts it")
        elif item.name == "endpoint":
            message = f"{item.place} serves a certificate that no API server of this cluster has on disk"
            hint = "the load balancer leads to another cluster, or an API server has not taken up its new certificate"
            yield about(item, "served-differs", "critical", message, hint)
        else:
            for one in item.served:
                if one.certificate != item.certificate:
                    message = (
                        f"{one.where} serves serial {one.certificate.serial}, valid until "
                        f"{one.certificate.not_after:%Y-%m-%d %H:%M} UTC; the file has serial {item.certificate.serial}"
                    )
                    hint = "the process has not taken up its new certificate: restart it, or `kprov certs renew`"
                    yield about(item, "served-differs", "critical", message, hint)


def leaders(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """With an expired certificate a controller manager or scheduler keeps running, looks healthy and does nothing."""
    for lease in inventory.leases:
        if lease.age > LEASE_AGE:
            yield Finding(
                "no-leader",
                "critical",
                f"nobody leads: {lease.holder or 'its last leader'} renewed the lease {words(-lease.age)}",
                name=lease.component,
                hint=f"look at the log of {lease.component} on the control planes for x509 and Unauthorized",
            )


def _loaded(item: Item) -> str:
    started, changed = (
        datetime.fromtimestamp(at or 0, UTC).strftime("%m-%d %H:%M:%S") for at in (item.started, item.changed)
    )
    return (
        f"its process was started at {started} UTC, before the file changed at {changed} UTC: it still has the old "
        "certificate, and stops working when that one ends"
    )
