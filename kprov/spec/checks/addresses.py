"""Addresses of the machines: usable as a node's address, and each machine once."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from kprov.spec.draft import Draft, DraftHost
from kprov.spec.report import Report

Address = IPv4Address | IPv6Address


def parse_address(text: str | None) -> Address | None:
    """The address, or None if the text is not one."""
    try:
        return ip_address(text or "")
    except ValueError:
        return None


def node_addresses(draft: Draft, report: Report) -> None:
    """`ip` is an address that other nodes can reach (kubelet --node-ip.

    Not loopback, unspecified, multicast, link-local).
    """
    for host in draft.hosts:
        text = host.text("ip")
        if "ip" not in host.values:
            continue
        address = parse_address(text)
        variable = "ip" if "ip" in host.raw else None
        if address is None:
            known = f"ip is {text!r}" if variable else f"the address of {host.name} inside the cluster is not known"
            hint = f"set ip={'10.0.0.1'} for it, or give ansible_host as an address"
            report.error(
                "node-address", f"{known}: it must be an IP address", host=host.name, variable=variable, hint=hint
            )
        elif address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
            report.error(
                "node-address",
                f"{address} is an address that no other node can reach",
                host=host.name,
                variable=variable,
                hint="set ip to the machine's address in its network",
            )


def same_family(draft: Draft, report: Report) -> None:
    """All nodes speak IPv4, or all speak IPv6."""
    families: dict[int, DraftHost] = {}
    for host in draft.hosts:
        address = parse_address(host.text("ip"))
        if address:
            families.setdefault(address.version, host)
    if len(families) > 1:
        names = " and ".join(f"{host.ip_text} on {host.name}" for host in families.values())
        report.error("mixed-families", f"nodes have addresses of both families: {names}", host=families[6].name)


def duplicate_addresses(draft: Draft, report: Report) -> None:
    """No two hosts share `ip`, and no two hosts are reached at the same address and port."""
    nodes: dict[str, DraftHost] = {}
    reached: dict[tuple[str, int], DraftHost] = {}
    for host in draft.hosts:
        ip = str(parse_address(host.text("ip")) or "")
        other = nodes.setdefault(ip, host) if ip else host
        if other is not host:
            variable = "ip" if "ip" in host.raw else "ansible_host"
            report.error(
                "duplicate-address",
                f"{host.name} has the same address as {other.name}: {ip}",
                host=host.name,
                variable=variable,
            )
            continue
        target = (host.connection.host.lower(), host.connection.port)
        first = reached.setdefault(target, host)
        if first is not host:
            report.error(
                "duplicate-address",
                f"{host.name} and {first.name} are reached at the same place, {target[0]} port {target[1]}",
                host=host.name,
                variable="ansible_host",
            )
