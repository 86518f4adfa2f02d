"""Certificate authorities: whose signature, trusted by whom, the same everywhere, living long enough."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.certs.certificate import between
from kprov.certs.finding import Finding, Limits, Severity, about
from kprov.certs.item import Inventory, Item, Renewer
from kprov.certs.kubeconfig import mended_by
from kprov.certs.node.known import KNOWN

AUTHORITIES = tuple(known.name for known in KNOWN if known.authority is None)
# While an authority is replaced, both are in its file.
BOTH = "while a CA is being rotated both belong into the file"


def _authorities(inventory: Inventory, item: Item) -> list[Item]:
    """The authority's certificates on the item's host; its file may hold an old and a new one."""
    return [other for other in inventory.all_named(item.authority or "") if other.host == item.host]


def _own(item: Item) -> bool:
    """Whether it is a person's file, which may be another cluster's."""
    return item.kind == "kubeconfig" and item.renewer is Renewer.NOBODY


def signer(inventory: Inventory, item: Item) -> str | None:
    """Name of the cluster's authority whose key signed it, by what is on its own host; None: somebody else did."""
    here = (one for name in AUTHORITIES for one in inventory.all_named(name) if one.host == item.host)
    return next((one.name for one in here if item.certificate.signed_by(one.certificate)), None)


def signatures(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Leaves that the authority on disk did not sign: nobody who trusts that authority accepts them."""
    for item in inventory.items:
        authorities = _authorities(inventory, item)
        certificates = [one.certificate for one in authorities]
        if not authorities or between(item.certificate, item.chain, certificates) is not None:
            continue
        own = _own(item)
        if own and {*item.authorities} - {one.certificate for one in authorities}:
            continue  # it may be for the other clusters that the file speaks of
        message = f"it is not signed by {authorities[0].place}, but by {item.certificate.issuer}"
        yield about(item, "not-signed-by-ca", "warning" if own else "critical", message, mended_by(item, BOTH))


def ends_first(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Leaves that outlive the authority that signed them are worthless from its end on."""
    for item in inventory.items:
        for authority in _authorities(inventory, item):
            end = authority.certificate.not_after
            if item.certificate.not_after > end and item.certificate.signed_by(authority.certificate):
                message = f"its CA ends first, on {end:%Y-%m-%d %H:%M} UTC: {authority.place}"
                yield about(item, "ca-ends-first", "warning", message, "the CA has to be rotated before that")


def trusted(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """kubeconfigs that do not trust the cluster's CA."""
    for item in inventory.items:
        cluster = [one.certificate for one in _authorities(inventory, item)]
        if item.kind != "kubeconfig" or not cluster or not item.authorities:
            continue
        if not {*cluster} & {*item.authorities}:
            message = f"it trusts {item.authorities[0].subject}, not this cluster's CA"
            hint = (
                "it is another cluster's, or from before this one was made again: `kprov kubeconfig` fetches a new one"
            )
            severity: Severity = "warning" if _own(item) else "critical"
            yield about(item, "kubeconfig-ca-differs", severity, message, mended_by(item, hint))


def differs(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Hosts that have another CA than the others, or another key for service account tokens."""
    for name in AUTHORITIES:
        holders: dict[frozenset[str], list[str]] = {}
        hosts = dict.fromkeys(item.host for item in inventory.all_named(name))
        for host in hosts:
            prints = frozenset(i.certificate.fingerprint for i in inventory.all_named(name) if i.host == host)
            holders.setdefault(prints, []).append(host)
        if len(holders) > 1 and not frozenset.intersection(*holders):
            groups = "; ".join(f"{' '.join(hosts)}: {min(prints)[:16]}" for prints, hosts in holders.items())
            yield Finding("ca-differs", "critical", f"hosts have different ones ({groups})", name=name, hint=BOTH)
    accounts: dict[str, list[str]] = {}
    for machine in inventory.machines:
        if machine.service_account:
            accounts.setdefault(machine.service_account, []).append(machine.host)
    if len(accounts) > 1:
        groups = "; ".join(f"{' '.join(hosts)}: {digest[:16]}" for digest, hosts in accounts.items())
        message = f"control planes have different ones ({groups}): half of all tokens are refused"
        yield Finding("service-account-key-differs", "critical", message, name="sa.pub")


def bundles(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """Bundles that the cluster hands out to nodes and pods, without the CA that its API servers are signed by."""
    cluster = {item.certificate for item in inventory.all_named("ca")}
    handed_out: dict[str, Item] = {
        item.place: item for item in inventory.items if item.kind == "bundle" and item.place.startswith("ConfigMap ")
    }
    for place, item in handed_out.items():
        if cluster and not cluster & {*item.authorities}:
            yield about(item, "bundle-without-ca", "critical", f"{place} does not hold the cluster's CA")
