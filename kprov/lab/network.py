"""A network per lab: a bridge on this machine with a /24 of its own and fixed addresses.

Without a way out unless asked: the engine's `--internal` drops what would leave, and this machine still reaches the
nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from kprov.errors import LabError
from kprov.lab.docker import Docker

LABEL = "kprov.lab"  # on everything that a lab owns, with the lab's name as value

# Labs take the first free /24 of these. They keep clear of what clusters use inside (10.96.0.0/12, 10.233.0.0/16,
# 10.244.0.0/16); the second is for machines where other Docker networks fill 172.16.0.0/12.
RANGES = (IPv4Network("172.30.0.0/16"), IPv4Network("10.213.0.0/16"))

GATEWAY = 1  # the bridge on this machine
FIRST_CONTROL_PLANE = 11
MAX_CONTROL_PLANES = 9
VIRTUAL = 100  # given to no node: a virtual address for the API of several control planes
FIRST_WORKER = 101
MAX_WORKERS = 150


@dataclass(frozen=True)
class Network:
    """A lab's network. name: of the Docker network; bridge: of the interface here; online: it has a way out."""

    name: str
    bridge: str
    subnet: IPv4Network
    online: bool

    @property
    def gateway(self) -> IPv4Address:
        return self.subnet[GATEWAY]

    @property
    def virtual_address(self) -> IPv4Address:
        return self.subnet[VIRTUAL]

    def control_plane(self, number: int) -> IPv4Address:
        """Address of control plane 1, 2, ..."""
        return self.subnet[FIRST_CONTROL_PLANE + number - 1]

    def worker(self, number: int) -> IPv4Address:
        """Address of worker 1, 2, ..."""
        return self.subnet[FIRST_WORKER + number - 1]


def network_name(lab: str) -> str:
    return f"kprov-{lab}"


def bridge_name(lab: str) -> str:
    """An interface's name has 15 characters at most."""
    readable = f"kp-{lab}"
    return readable if len(readable) <= 15 else f"kp-{hashlib.sha256(lab.encode()).hexdigest()[:12]}"


def free_subnets(used: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """The /24s of RANGES that overlap nothing in `used`, in order."""
    taken = list(used)
    for candidates in RANGES:
        for subnet in candidates.subnets(new_prefix=24):
            if not any(subnet.overlaps(other) for other in taken):
                yield subnet


def find_network(docker: Docker, lab: str) -> Network | None:
    """The lab's network, if it was made."""
    if not docker.lines("network", "ls", "--quiet", "--filter", f"label={LABEL}={lab}"):
        return None
    name = network_name(lab)
    said = docker.run("network", "inspect", name, "--format", "{{(index .IPAM.Config 0).Subnet}} {{.Internal}}")
    subnet, internal = said.split()
    return Network(name, bridge_name(lab), IPv4Network(subnet), online=internal == "false")


def make_network(docker: Docker, lab: str, *, online: bool, routes: Iterable[IPv4Network]) -> Network:
    """Make the lab's network in the first free subnet.

    online: with a way out; routes: what this machine routes already. LabError when no subnet is free.
    """
    name, bridge = network_name(lab), bridge_name(lab)
    for subnet in free_subnets([*_engine_subnets(docker), *routes]):
        arguments = [
            *("--driver", "bridge", "--label", f"{LABEL}={lab}"),
            *("--subnet", str(subnet), "--gateway", str(subnet[GATEWAY])),
            *("--opt", f"com.docker.network.bridge.name={bridge}"),
            *([] if online else ["--internal"]),
        ]
        try:
            docker.run("network", "create", *arguments, name)
        except LabError as refused:
            if "overlaps" in refused.message:  # another lab took it since we looked
                continue
            raise
        return Network(name, bridge, subnet, online)
    raise LabError(
        f"no free network for the lab in {' or '.join(map(str, RANGES))}",
        hint="`docker network prune` removes networks that nothing uses",
    )


def _engine_subnets(docker: Docker) -> list[IPv4Network]:
    identities = docker.lines("network", "ls", "--quiet")
    subnets = docker.run(
        "network", "inspect", *identities, "--format", "{{range .IPAM.Config}}{{.Subnet}} {{end}}"
    ).split()
    return [IPv4Network(subnet) for subnet in subnets if ":" not in subnet]
