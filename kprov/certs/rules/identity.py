"""Who a certificate says that somebody is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kprov.certs.finding import Finding, Limits, about
from kprov.certs.item import Inventory, Item
from kprov.certs.node.known import IDENTITIES
from kprov.phases.inputs import api_endpoint
from kprov.spec.cluster import ClusterSpec

API_SERVER = "kube-apiserver-kubelet-client"  # the CN that kubeadm gives to apiserver-kubelet-client


def kubelet_client(inventory: Inventory, limits: Limits) -> Iterator[Finding]:
    """A kubeconfig with the API server's own identity: an old trick that makes every kubelet obey whoever has it.

    In kubeadm's own files it is one of those that kprov.certs.rules.kubeconfigs finds there.
    """
    for item in inventory.items:
        own = item.kind == "kubeconfig" and item.name not in IDENTITIES
        if own and item.certificate.common_name == API_SERVER:
            message = "it logs in as the API server does to kubelets; who has it commands every kubelet"
            yield about(item, "api-server-identity", "warning", message, "use admin.conf, or a user of its own")


def names(inventory: Inventory, spec: ClusterSpec) -> Iterator[Finding]:
    """Names and addresses that clients use, by the inventory of hosts, and that servers' certificates do not hold."""
    for item, missing in lacking(inventory, spec):
        hint = "`kprov certs renew --apply-sans` issues it again with the names of the inventory"
        yield about(item, "san-missing", "warning", f"it is not valid for {', '.join(missing)}", hint)


def lacking(inventory: Inventory, spec: ClusterSpec) -> Iterator[tuple[Item, list[str]]]:
    """Certificates of the API server and etcd, with the names of the inventory that they are not valid for."""
    endpoint = re.sub(r":\d+$", "", api_endpoint(spec)).strip("[]")
    for host in spec.group("kube_control_plane"):
        api = [host.ip, endpoint, *map(str, host.variables["control_plane_cert_sans"])]
        for name, wanted in (("apiserver", api), ("etcd-server", [host.ip]), ("etcd-peer", [host.ip])):
            item = inventory.named(host.name, name)
            missing = [one for one in dict.fromkeys(wanted) if item and not item.certificate.names(one)]
            if item and missing:
                yield item, missing
