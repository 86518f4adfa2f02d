"""Asks every host at once what it is like, and turns the answers into typed values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from kprov.remote.answer import host_state
from kprov.remote.ask import TIMEOUT, ask, unreadable
from kprov.remote.ssh import PARALLEL, Connections
from kprov.remote.state import ProbeResult, Unreachable
from kprov.spec.cluster import Host

COMMANDS = ("conntrack", "ethtool", "ip", "iptables", "modprobe", "socat", "mount", "nsenter")
# etcd's clients and peers, kubelet, kube-proxy's health, controller-manager, scheduler; the API's port is a variable.
PORTS = (2379, 2380, 10250, 10256, 10257, 10259)
STATE_DIRECTORIES = ("/", "/var/lib/kubelet", "/var/lib/etcd")

OnResult = Callable[[Host, ProbeResult], None]


def probe(
    hosts: Sequence[Host],
    *,
    accept_new_host_keys: bool = False,
    timeout: float = TIMEOUT,
    on_result: OnResult | None = None,
    connections: Connections | None = None,
) -> dict[str, ProbeResult]:
    """State of every host, in the order of `hosts`; one that gives none is Unreachable, never an exception.

    timeout: seconds for each host. on_result: called in the caller's thread as results come in. connections: open ones
    to use and leave open; without, connections are made and closed here (and only then accept_new_host_keys counts).
    """
    if connections is None:
        with Connections(accept_new_host_keys=accept_new_host_keys) as own:
            return probe(hosts, timeout=timeout, on_result=on_result, connections=own)
    results: dict[str, ProbeResult] = {}
    with ThreadPoolExecutor(max_workers=min(PARALLEL, max(1, len(hosts))), thread_name_prefix="probe") as pool:
        pending = {pool.submit(probe_host, host, connections, timeout): host for host in hosts}
        for future in as_completed(pending):
            host = pending[future]
            results[host.name] = future.result()
            if on_result is not None:
                on_result(host, results[host.name])
    return {host.name: results[host.name] for host in hosts}


def probe_host(host: Host, connections: Connections, timeout: float = TIMEOUT) -> ProbeResult:
    """State of one host."""
    answer = ask(host, connections, question(host), timeout=timeout)
    if isinstance(answer, Unreachable):
        return answer
    try:
        return host_state(answer.document, answer.skew)
    except (ValueError, KeyError, TypeError) as error:
        return unreadable(error)


def question(host: Host) -> dict[str, Any]:
    """What the program on the node is told (see node/main.py)."""
    variables = host.variables
    port = int(variables["api_server_port"])
    control_plane = "kube_control_plane" in host.groups
    return {
        "bin_dir": str(variables["bin_dir"]),
        "commands": list(COMMANDS),
        "paths": [*STATE_DIRECTORIES, str(variables["container_runtime_root"]), *variables["os_disk_free"]],
        "image_root": str(variables["container_runtime_root"]),
        "runtime": str(variables["container_runtime"]),
        "ports": sorted({6443, port, *PORTS}),
        "resolv_conf": str(variables["kubelet_resolv_conf"]),
        "api_server_port": port if control_plane else None,
    }
