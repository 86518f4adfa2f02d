"""kubeadm's kubeconfigs on control planes: there, whole, and whose they should be."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.certs.finding import Finding, Limits, Severity, about
from kprov.certs.item import Inventory, Item
from kprov.certs.kubeconfig import certificate, command
from kprov.certs.node.known import ADMINS, IDENTITIES, KUBERNETES

ELSEWHERE = "the key of the cluster's CA is not on the node: docs/how-to/external-ca.md"


def whole(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Files that are missing, empty, cut, or no kubeconfigs. Nothing stops without an administrator's."""
    for machine in inventory.machines:
        for name, why in machine.kubeconfigs.items():
            if why is None:
                continue
            hint = _hint(inventory, machine.host, name)
            yield Finding("kubeconfig-broken", _severity(name), why, machine.host, name, f"{KUBERNETES}/{name}", hint)


def identities(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Files that log in as somebody else: the component is refused, or may do what it should not."""
    for machine in inventory.machines:
        for name in machine.kubeconfigs:
            item = certificate(inventory, machine.host, name)
            if item is None or any(_right(name, each) for each in inventory.items if _same(each, item)):
                continue
            who, groups = IDENTITIES[name]
            wanted = f"{who}{'NAME' if who.endswith(':') else ''}" + (f" in {groups[0]}" if groups[0] else "")
            message = f"it logs in as {item.certificate.subject}, not as {wanted}"
            hint = _hint(inventory, machine.host, name)
            yield about(item, "kubeconfig-identity", _severity(name), message, hint)


def _severity(name: str) -> Severity:
    return "warning" if name in ADMINS else "critical"


def _hint(inventory: Inventory, host: str, name: str) -> str:
    ca = inventory.named(host, "ca")
    return command(name, host) if ca and ca.key else ELSEWHERE


def _same(one: Item, other: Item) -> bool:
    """Several users may be in one file."""
    return (one.host, one.place) == (other.host, other.place)


def _right(name: str, item: Item) -> bool:
    who, groups = IDENTITIES[name]
    own = item.certificate
    named = own.common_name.startswith(who) if who.endswith(":") else own.common_name == who
    return named and ("" in groups if not own.organizations else bool({*own.organizations} & {*groups}))
