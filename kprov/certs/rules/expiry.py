"""How much time is left."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.certs.duration import words
from kprov.certs.finding import Finding, Limits, Severity, about
from kprov.certs.item import Inventory, Item, Renewer
from kprov.certs.node.verdict import DANGER, OVERDUE, OWN

HINTS = {
    Renewer.KUBEADM: "kprov certs renew",
    Renewer.KPROV: "kprov certs renew",
    Renewer.EXTERNAL: "the key of its CA is not on the node: kprov certs csr export, for who has it",
    Renewer.COPY: "kprov certs renew gives the copies in certs_renew_kubeconfigs what admin.conf has",
    Renewer.RESTART: "its process makes a new one when it is restarted",
    Renewer.KUBELET: "look at `journalctl -u kubelet` for what keeps it from asking for a new one",
    Renewer.NOBODY: "nothing renews it",
}


def ends(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Expired, expiring, not valid yet."""
    for item in inventory.items:
        left = item.left(inventory.now)
        if item.certificate.not_before > inventory.now:
            ahead = words((item.certificate.not_before - inventory.now).total_seconds())
            yield about(item, "not-yet-valid", "critical", f"it is valid only in {ahead}", "compare the clocks")
        elif left <= 0:
            yield about(item, "expired", _severity(item), f"it expired {words(left)}", _hint(item))
        elif item.renewer is not Renewer.KUBELET and left < limits.warn:
            severity = _severity(item) if left < limits.critical else "warning"
            yield about(item, "expires", severity, f"it expires in {words(left)}", _hint(item))


def rotation(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Certificates that kubelets renew by themselves, and have not.

    They may live for a day only, so that a number of days left says nothing.
    """
    for item in inventory.items:
        if item.renewer is not Renewer.KUBELET:
            continue
        certificate = item.certificate
        share = item.left(inventory.now) / (certificate.not_after - certificate.not_before).total_seconds()
        if 0 < share < OVERDUE:
            severity: Severity = "critical" if share < DANGER else "warning"
            message = f"the kubelet should have replaced it by now: {share:.0%} of its life are left"
            yield about(item, "rotation-overdue", severity, message, HINTS[Renewer.KUBELET])


def _hint(item: Item) -> str:
    old_copy = item.kind == "kubeconfig" and item.renewer is Renewer.NOBODY
    return "if it is an old copy of admin.conf, copy that again" if old_copy else HINTS[item.renewer]


def _severity(item: Item) -> Severity:
    """Nothing stops when a person's own file, a bundle's old member or a metrics port's certificate ends."""
    own = item.kind == "kubeconfig" and item.place.startswith(OWN)
    return "warning" if own or item.kind == "bundle" or item.renewer is Renewer.RESTART else "critical"
