"""What can be wrong with what expires. Each rule is a pure function, and its codes are sections of the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kprov.certs.finding import Finding, Limits
from kprov.certs.item import Inventory
from kprov.certs.rules import authority, expiry, identity, keys, kubeconfigs, kubelets, machines, served, timer
from kprov.spec.cluster import ClusterSpec

Rule = Callable[[Inventory, Limits], Iterable[Finding]]

RULES: tuple[Rule, ...] = (
    expiry.ends,
    expiry.rotation,
    served.differs,
    served.leaders,
    authority.signatures,
    authority.ends_first,
    authority.trusted,
    authority.differs,
    authority.bundles,
    keys.belong,
    keys.readable,
    kubeconfigs.whole,
    kubeconfigs.identities,
    identity.kubelet_client,
    machines.clocks,
    timer.alive,
    timer.renewed,
)


def judge(inventory: Inventory, limits: Limits, spec: ClusterSpec | None = None) -> tuple[Finding, ...]:
    """Every finding, critical ones first, else in the order of the items.

    spec: the inventory of hosts, if there is one, for the names that certificates must hold.
    """
    found = [finding for rule in RULES for finding in rule(inventory, limits)]
    if spec is not None:
        found += identity.names(inventory, spec)
        found += kubelets.names(inventory, spec)
    found += kubelets.requests(inventory, spec)
    return tuple(sorted(found, key=lambda finding: finding.severity != "critical"))
