"""kubeadm's kubeconfigs on control planes: what `kprov certs check` finds in one, and a rebuild mends. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kprov.certs.finding import Finding
from kprov.certs.item import Inventory, Item, Renewer
from kprov.certs.node import known
from kprov.certs.renewal import KUBELET_CLIENT

BROKEN, IDENTITY = "kubeconfig-broken", "kubeconfig-identity"
# Codes of findings about a kubeconfig that is no more after it was rebuilt.
MENDED = frozenset(
    {BROKEN, IDENTITY, "not-signed-by-ca", "kubeconfig-ca-differs", "key-mismatch", "key-readable", "expired"}
)


def command(name: str, host: str) -> str:
    """What mends it, for hints."""
    return f"`kprov certs kubeconfig rebuild {name} --host {host}`"


def mended_by(item: Item, otherwise: str) -> str:
    """The command where an item is such a file and the CA's key is on its node, else what applies to all others."""
    rebuilt = item.kind == "kubeconfig" and item.name in known.IDENTITIES and item.renewer is not Renewer.EXTERNAL
    return command(item.name, item.host) if rebuilt else otherwise


def problem(findings: Iterable[Finding], inventory: Inventory, host: str, name: str) -> str | None:
    """Why the file has to be rebuilt; None: it is in order. findings: of kprov.certs.rules.judge."""
    machine = inventory.machine(host)
    if machine is None or name not in machine.kubeconfigs:
        return "it is missing"
    about = {name, f"{known.KUBERNETES}/{name}"}
    if name == "kubelet.conf":  # the certificate is in a file of its own
        about |= {KUBELET_CLIENT, known.KUBELET_CLIENT}
    mine = (one for one in findings if one.host == host and one.name in about and one.code in MENDED)
    return next((one.message for one in mine), None)


def certificate(inventory: Inventory, host: str, name: str) -> Item | None:
    """The item with which the file logs in."""
    return inventory.named(host, name) or (inventory.named(host, KUBELET_CLIENT) if name == "kubelet.conf" else None)
