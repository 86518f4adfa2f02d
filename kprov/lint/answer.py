"""What a node and a control plane answered -> Node. Pure; a topic that failed leaves its values unknown."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from kprov.lint import written
from kprov.lint.record import Config, Facts, Node, Runtime, View
from kprov.lint.wanted import wanted
from kprov.reserve.capacity import Capacity
from kprov.spec.checks.networks import pod_addresses
from kprov.spec.cluster import Host

NO_KUBELET = "no kubelet is running"


def node(host: Host, answer: dict[str, Any], running: dict[str, Any]) -> Node:
    """answer: of kprov.lint.node.main; running: {"config", "error", "pod_cidr"}, what the API server said of it."""
    kubelet = answer.get("kubelet", {"files": [], "args": [], "started": None})
    kernel = answer.get("kernel", {"live": {}, "boot": {}})
    machine = answer.get("machine", {})
    delay = machine.get("shutdown_delay", {"live": None, "file": None})
    runtime = answer.get("runtime", {"name": "containerd", "file": None, "running": None, "sockets": {}})
    capacity = Capacity(**answer["capacity"]) if "capacity" in answer else None
    config, origins, damaged = written.kubelet((path, text) for path, text, _ in kubelet["files"])
    spec = wanted(host, capacity)
    room = _room(running["pod_cidr"])
    room = spec.pod_addresses if room is None else room
    return Node(
        host=host.name,
        spec=spec,
        file=View(
            kubelet=config,
            kernel=kernel["boot"],
            runtime=written.runtime(runtime["name"], runtime["file"]),
            shutdown_delay=written.timespan(delay["file"]),
            pod_addresses=room,
        ),
        running=View(
            kubelet=None if running["config"] is None else Config(running["config"]),
            kernel=kernel["live"],
            runtime=Runtime(runtime["name"], **runtime["running"]) if runtime["running"] else None,
            sockets=runtime["sockets"],
            shutdown_delay=None if delay["live"] is None else delay["live"] / 1_000_000,
            pod_addresses=room,
        ),
        facts=Facts(
            capacity=capacity,
            swap=tuple(machine.get("swap", ())),
            nameservers={path: tuple(servers) for path, servers in machine.get("nameservers", {}).items()},
            cgroups=frozenset(machine["cgroups"]) if "cgroups" in machine else None,
            started=kubelet["started"],
            written={path: time for path, _, time in kubelet["files"]},
            origins=origins,
            damaged=damaged,
            flags=flags(kubelet["args"]),
        ),
        unasked=None if running["config"] else running["error"] or NO_KUBELET,
    )


def flags(args: list[str]) -> dict[str, str]:
    """Field to the flag for it, as far as the two are named alike: --max-pods is maxPods, --image-gc-... is not."""
    found = {}
    for flag in args:
        first, *rest = flag.partition("=")[0].removeprefix("--").split("-")
        found[first + "".join(word.capitalize() for word in rest)] = flag
    return found


def _room(pod_cidr: str | None) -> int | None:
    if not pod_cidr:
        return None
    network = ip_network(pod_cidr)
    return pod_addresses(network.prefixlen, network.max_prefixlen)
