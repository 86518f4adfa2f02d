"""Serving certificates of kubelets that the cluster's CA signs: their names, and requests that wait for somebody."""

from __future__ import annotations

from collections.abc import Iterator

from kprov.certs.duration import words
from kprov.certs.finding import Finding, about
from kprov.certs.item import Inventory
from kprov.certs.node.known import KUBELET_SERVER
from kprov.certs.node.kubelet_request import refusal
from kprov.phases.serving import kubelets
from kprov.spec.cluster import ClusterSpec

AT_ONCE = 60.0  # seconds; an approver that watches the API has answered by then
DECIDE = "look at it (`kubectl get csr {0} -o yaml`), then `kubectl certificate approve {0}` or `deny {0}`"
APPROVED = "a control plane's daily check approves it; at once: `systemctl start kprov-certs-check` there"


def names(inventory: Inventory, spec: ClusterSpec) -> Iterator[Finding]:
    """One that is not valid for the address by which the API server reaches the kubelet.

    What a kubelet signs for itself is left out: it has no address in it, and nobody can verify it anyway.
    """
    for host in spec.hosts:
        item = inventory.named(host.name, "kubelet-server")
        if item and item.place == KUBELET_SERVER[0] and not item.certificate.names(host.ip):
            hint = "the kubelet asks for another one when its Node's addresses change: is `ip` the one that it uses?"
            yield about(item, "san-missing", "warning", f"it is not valid for {host.ip}", hint)


def requests(inventory: Inventory, spec: ClusterSpec | None) -> Iterator[Finding]:
    """Requests that nobody has decided on. Only where kprov approves is it known what is in order."""
    allowed = kubelets(spec) if spec else {}
    hosts = {host.name.lower(): host.name for host in spec.hosts} if spec else {}
    for request in inventory.requests:
        requestor = str(request.spec["username"])
        why = refusal({"spec": request.spec}, allowed) if allowed else None
        if why is None and request.age < AT_ONCE:
            continue
        message = f"{requestor} asked {words(-request.age)} for a kubelet's serving certificate, and nobody has decided"
        hint = APPROVED if allowed and not why else DECIDE.format(request.name)
        yield Finding(
            "kubelet-request-pending",
            "warning",
            f"{message}: {why}" if why else message,
            hosts.get(requestor.rpartition(":")[2], ""),
            request.name,
            hint=hint,
        )
