"""Addresses and name resolution."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from kprov.errors import Problem
from kprov.remote.rules.rule import Machines, Rule, Say


def _address(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        addresses = {ip for text in machine.state.addresses if (ip := _ip(text))}
        wanted = _ip(machine.host.ip)
        if wanted and addresses and wanted not in addresses:
            yield say.warning(
                machine.name,
                f"ip is {wanted}, but the machine has {', '.join(machine.state.addresses)}",
                "set ip to the address that the other nodes reach; a translated one (NAT) is no good",
            )


def _itself(machines: Machines, say: Say) -> Iterator[Problem]:
    for machine in machines.new:
        if not machine.state.resolves_itself:
            name = machine.state.hostname
            hint = f"add `{machine.host.ip} {name}` to /etc/hosts of the machine"
            yield say.warning(machine.name, f"its own hostname {name} has no address there", hint)


def _resolver(machines: Machines, say: Say) -> Iterator[Problem]:
    hint = "set kubelet_resolv_conf to a resolv.conf that names a real DNS server"
    for machine in machines.new:
        file = str(machine.host.variables["kubelet_resolv_conf"]) or "its resolv.conf"
        servers = machine.state.nameservers
        loops = [server for server in servers if (ip := _ip(server.partition("%")[0])) and ip.is_loopback]
        if any(error.startswith("nameservers:") for error in machine.state.errors):
            yield say.error(machine.name, f"{file}, which pods shall inherit, cannot be read", hint)
        elif not servers:
            yield say.warning(machine.name, f"{file} names no DNS server, so pods cannot resolve outside names", hint)
        elif loops and len(loops) == len(servers):
            message = f"{file} names only {', '.join(loops)}: in a pod that is the pod itself, and CoreDNS stops (loop)"
            yield say.error(machine.name, message, hint)
        elif loops:
            yield say.warning(machine.name, f"{file} names {', '.join(loops)}, which in a pod is the pod itself", hint)


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


RULES = (Rule("ip-on-host", _address), Rule("resolves-itself", _itself), Rule("resolver-loopback", _resolver))
