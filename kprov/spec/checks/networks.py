"""Networks: pods, Services and nodes do not overlap, and are big enough for what the inventory asks.

Limits of sizes are kubeadm's (cmd/kubeadm/app/constants and apis/kubeadm/validation, v1.36): Services 10 addresses to
20 bits, a node's part of the pod network at most 16 bits longer than the network itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from kprov.spec.checks.addresses import parse_address
from kprov.spec.draft import Draft, DraftHost
from kprov.spec.report import Report

Network = IPv4Network | IPv6Network

MIN_SERVICE_ADDRESSES = 10  # the tenth is the DNS
MAX_SERVICE_BITS = 20  # /12 for IPv4, /108 for IPv6
MAX_NODE_BITS = 16
# Networks that never leave a machine or mean something else (RFC 6890).
SPECIAL = tuple(
    ip_network(n)
    for n in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::1/128", "fe80::/10", "ff00::/8")
)


def networks(draft: Draft, report: Report) -> None:
    """Everything about pod_cidr and service_cidr.

    A network that cannot be read is reported once and not looked at again.
    """
    for host, pods, services in _combinations(draft, report):
        for name, network in (("pod_cidr", pods), ("service_cidr", services)):
            if network:
                _special(name, network, host, report)
        if pods and services and _overlap(pods, services):
            report.error(
                "networks-overlap",
                f"pod_cidr {pods} and service_cidr {services} overlap",
                host=host.name,
                variable=host.set_by_user("pod_cidr", "service_cidr"),
            )
        if pods and services and pods.version != services.version:
            report.error(
                "mixed-families",
                f"pod_cidr {pods} and service_cidr {services} are not of the same family",
                host=host.name,
                variable=host.set_by_user("pod_cidr", "service_cidr"),
            )
        if services:
            _service_size(services, host, report)
        if pods:
            _room_for_nodes(draft, pods, host, report)
        for name, network in (("pod_cidr", pods), ("service_cidr", services)):
            if network:
                _nodes_outside(draft, name, network, report)


def room_for_pods(draft: Draft, report: Report) -> None:
    """kubelet_max_pods fits into the node's part of pod_cidr."""
    for host in draft.hosts:
        pods, prefix = _parsed(host.text("pod_cidr")), host.number("pod_cidr_node_prefix")
        most = host.number("kubelet_max_pods")
        if most is not None and most < 1:
            report.error(
                "max-pods", f"kubelet_max_pods {most} is less than 1", host=host.name, variable="kubelet_max_pods"
            )
        elif pods and prefix is not None and most and pods.prefixlen <= prefix <= pods.max_prefixlen:
            room = pod_addresses(prefix, pods.max_prefixlen)
            if most > room:
                report.error(
                    "max-pods",
                    f"kubelet_max_pods {most} is more than the {room} pod addresses of a /{prefix}",
                    host=host.name,
                    variable=host.set_by_user("kubelet_max_pods", "pod_cidr_node_prefix"),
                    hint=f"pod_cidr_node_prefix {prefix_for(most, pods.max_prefixlen)} gives each node enough",
                )


def pod_addresses(prefix: int, length: int = 32) -> int:
    """Addresses for pods in a node's part.

    All but the network, the broadcast and the bridge's own (host-local IPAM).
    """
    return max(0, (1 << (length - prefix)) - 3)


def prefix_for(pods: int, length: int = 32) -> int:
    """The longest prefix whose part holds that many pods."""
    return length - (pods + 2).bit_length()


def node_parts(network: Network, prefix: int) -> int:
    """How many nodes get a part of the pod network."""
    bits: int = prefix - network.prefixlen
    return 1 << bits


def _combinations(draft: Draft, report: Report) -> Iterator[tuple[DraftHost, Network | None, Network | None]]:
    """Each different pair of pod and service network (one, unless hosts differ) with a host that has it."""
    seen = set()
    for host in draft.hosts:
        pair = (host.values.get("pod_cidr"), host.values.get("service_cidr"))
        if pair not in seen:
            seen.add(pair)
            yield host, _network("pod_cidr", host, report), _network("service_cidr", host, report)


def _network(name: str, host: DraftHost, report: Report) -> Network | None:
    if name not in host.values:
        return None
    text = str(host.values[name])
    try:
        return ip_network(text)
    except ValueError:
        pass
    message, hint = f"{name} {text!r} is not a network such as 10.244.0.0/16", None
    if "," in text:
        hint = "one network; two families at once (dual stack) are not supported yet"
    elif fixed := _parsed(text, strict=False):
        message, hint = f"{name} {text!r} is an address inside a network", f"write {fixed}"
    report.error("network", message, host=host.name, variable=name, hint=hint)
    return None


def _parsed(text: str | None, *, strict: bool = True) -> Network | None:
    try:
        return ip_network(text or "", strict=strict)
    except ValueError:
        return None


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _special(name: str, network: Network, host: DraftHost, report: Report) -> None:
    for special in SPECIAL:
        if _overlap(network, special):
            report.error(
                "network", f"{name} {network} overlaps {special}, which is reserved", host=host.name, variable=name
            )


def _service_size(network: Network, host: DraftHost, report: Report) -> None:
    shortest = network.max_prefixlen - MAX_SERVICE_BITS
    if network.num_addresses < MIN_SERVICE_ADDRESSES:
        text = (
            f"service_cidr {network} has {network.num_addresses} addresses; at least {MIN_SERVICE_ADDRESSES} are needed"
        )
        report.error("network-size", text, host=host.name, variable="service_cidr", hint="a /16 to a /24 is usual")
    elif network.prefixlen < shortest:
        text = f"service_cidr {network} is too large for kubeadm: at most a /{shortest}"
        report.error("network-size", text, host=host.name, variable="service_cidr", hint="a /16 to a /24 is usual")


def _room_for_nodes(draft: Draft, network: Network, host: DraftHost, report: Report) -> None:
    prefix = host.number("pod_cidr_node_prefix")
    if prefix is None:
        return
    where = host.set_by_user("pod_cidr_node_prefix", "pod_cidr")
    if not network.prefixlen <= prefix <= network.max_prefixlen - 2:
        text = (
            f"pod_cidr_node_prefix {prefix} must lie between that of pod_cidr {network} and {network.max_prefixlen - 2}"
        )
        report.error("network-size", text, host=host.name, variable=where)
    elif prefix - network.prefixlen > MAX_NODE_BITS:
        text = f"pod_cidr {network} is too large for parts of /{prefix}: at most {MAX_NODE_BITS} bits between the two"
        report.error("network-size", text, host=host.name, variable=where)
    elif (parts := node_parts(network, prefix)) < len(draft.hosts):
        text = f"pod_cidr {network} holds {parts} nodes with a /{prefix} each, but there are {len(draft.hosts)}"
        report.error(
            "network-size", text, host=host.name, variable=where, hint="use a larger pod_cidr or a longer node prefix"
        )


def _nodes_outside(draft: Draft, name: str, network: Network, report: Report) -> None:
    """No address of a machine lies in the network: pods would take packets for it, or it for pods."""
    for host in draft.hosts:
        for variable, text in (("ip", host.text("ip")), ("ansible_host", host.connection.host)):
            address = parse_address(text)
            if address and address in network:
                report.error(
                    "networks-overlap",
                    f"{name} {network} contains {address}, the address of {host.name}",
                    host=host.name,
                    variable=variable if variable in host.raw else None,
                    hint=f"choose a {name} that is used nowhere in your network",
                )
                break
