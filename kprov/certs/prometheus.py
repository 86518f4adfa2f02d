"""Metrics in Prometheus' text format, version 0.0.4, for a textfile collector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kprov.certs.finding import Finding
from kprov.certs.item import Inventory, Item

Sample = tuple[Mapping[str, str], float]


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
    families: list[tuple[str, str, Iterable[Sample]]] = [
        (
            "kprov_certificate_not_after_timestamp_seconds",
            "When the certificate ends.",
            [(labels, item.certificate.not_after.timestamp()) for labels, item in labelled],
        ),
        ("kprov_certificate_served_equal", "1: what is in use is what is on disk.", equal),
        ("kprov_certs_findings", "What is wrong, by severity.", counts),
        ("kprov_certs_unread", "What could not be read.", [(whole, float(len(inventory.unread)))]),
        ("kprov_certs_check_timestamp_seconds", "When this was found.", [(whole, inventory.now.timestamp())]),
    ]
    return "".join(_family(*family) for family in families)


def _labels(cluster: str, item: Item) -> dict[str, str]:
    where = {"cluster": cluster, "host": item.host, "item": item.name, "place": item.place}
    return {**where, "serial": item.certificate.serial, "renewed_by": item.renewer.value}


def _family(name: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    lines += [f"{name}{{{_text(labels)}}} {value!r}" for labels, value in samples]
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def _text(labels: Mapping[str, str]) -> str:
    return ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
