"""The probe: collects every topic into one JSON-ready document. A topic that fails does not take the rest along."""

from __future__ import annotations

from typing import Any

from kprov.remote.node import (
    capacity,
    cluster,
    commands,
    kernel,
    machine,
    network,
    processes,
    read,
    records,
    runtime,
    security,
)
from kprov.remote.node.topics import Topics


def collect(question: dict[str, Any]) -> dict[str, Any]:
    """question: bin_dir, commands, paths, image_root, runtime, ports, resolv_conf, api_server_port (None: do not ask).

    Returns {"uid", "errors": ["topic: what went wrong"], and per topic what its function returns, if it did}.
    """
    bin_dir = question["bin_dir"]
    topics = Topics()
    answer = topics.answer

    topics.look("identity", machine.identity)
    topics.look("os", machine.operating_system)
    topics.look("resources", lambda: machine.resources(question["paths"]))
    topics.look("capacity", lambda: capacity.capacity(question["image_root"]))
    topics.look("runtime", lambda: runtime.answers(question["runtime"]))
    topics.look("security_modules", security.modules)
    topics.look("logind", lambda: read.exists("/run/systemd/inhibit"))
    topics.look("cgroup_version", kernel.cgroup_version)
    topics.look("kernel_features", kernel.features)
    topics.look("listeners", lambda: network.listeners(question["ports"]))
    topics.look("addresses", network.addresses)
    topics.look("nameservers", lambda: network.nameservers(question["resolv_conf"]))
    topics.look("resolves_itself", network.resolves_itself)
    topics.look("time_service", lambda: None if machine.container() else processes.time_service())
    topics.look("usage", processes.usage)
    topics.look("missing_commands", lambda: commands.missing(question["commands"]))
    topics.look("firewalls", commands.firewalls)
    topics.look("artifacts", lambda: read.exists("/var/lib/kprov/artifacts"))
    machine_id = answer.get("identity", {}).get("machine_id", "")
    topics.look("records", lambda: records.phases(machine_id, bin_dir))
    topics.look("runtime_root", lambda: records.runtime_root(machine_id))
    topics.look("lock", records.lock)
    topics.look("cluster", lambda: cluster.traces(bin_dir))
    if question["api_server_port"]:
        topics.look("api", lambda: _api(question["api_server_port"]))
    return answer


def _api(port: int) -> dict[str, Any]:
    if not read.exists("/etc/kubernetes/admin.conf"):
        return {"reachable": False, "error": "there is no control plane here yet"}
    from kprov.remote.node import api  # ssl and http cost 25 ms, and only control planes need them

    return api.state(port)
