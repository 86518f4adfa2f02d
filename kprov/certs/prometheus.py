"""Metrics in Prometheus' text format, version 0.0.4, for a textfile collector."""

from __future__ import annotations

from collections.abc import Sequence

from kprov.certs.finding import Finding
from kprov.certs.item import Inventory, Item
from kprov.certs.node import known
from kprov.certs.node.exposition import gauge


def metrics(cluster: str, inventory: Inventory, findings: Sequence[Finding]) -> str:
    """One gauge per item and question; times in seconds since the epoch, as Prometheus wants them."""
    items = {tuple(_labels(cluster, item).items()): item for item in inventory.items}
    labelled = [(dict(labels), item) for labels, item in items.items()]
    equal = [(labels, float(item.served_equal)) for labels, item in labelled if item.served_equal is not None]
    counts = [
        ({"cluster": cluster, "severity": severity}, float(sum(one.severity == severity for one in findings)))
        for severity in ("critical", "warning")
    ]
    whole = {"cluster": cluster}
    ends = [(labels, item.certificate.not_after.timestamp()) for labels, item in labelled]
    return "".join(
        (
            gauge(known.METRIC_NOT_AFTER, "When the certificate ends.", ends),
            gauge("kprov_certificate_served_equal", "1: what is in use is what is on disk.", equal),
            gauge(known.METRIC_FINDINGS, "What is wrong, by severity.", counts),
            gauge(known.METRIC_UNREAD, "What could not be read.", [(whole, len(inventory.unread))]),
            gauge(known.METRIC_CHECKED, "When this was found.", [(whole, inventory.now.timestamp())]),
        )
    )


def _labels(cluster: str, item: Item) -> dict[str, str]:
    where = {"cluster": cluster, "host": item.host, "item": item.name, "place": item.place}
    return {**where, "serial": item.certificate.serial, "renewed_by": item.renewer.value}
